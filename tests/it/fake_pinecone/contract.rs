//! Pinecone's own description of its API, as a judge of every request and answer that passes the fake.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// What Pinecone says of its API (tests/fixtures/pinecone/api.json).
pub struct Contract {
    document: Value,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// The one contract: compiling its schemas takes longer than using them.
    pub fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| {
            let text = include_str!("../../fixtures/pinecone/api.json");
            Self { document: serde_json::from_str(text).unwrap(), compiled: Mutex::default() }
        })
    }

    /// The version that every request has to name.
    pub fn version(&self) -> &str {
        self.document["version"].as_str().unwrap()
    }

    /// The operation that answers this request.
    pub fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |operation: &&Value| {
            let wanted: Vec<&str> = operation["path"].as_str().unwrap().split('/').collect();
            let same = |(want, have): (&&str, &&str)| want == have || want.starts_with('{') && !have.is_empty();
            operation["method"] == method && wanted.len() == parts.len() && wanted.iter().zip(&parts).all(same)
        };
        self.document["operations"].as_array().unwrap().iter().find(fits)
    }

    /// What is wrong with a request, in sentences. Nothing may be in it that its operation does not know.
    pub fn check_request(&self, operation: &Value, query: &[(String, String)], body: &[u8]) -> Vec<String> {
        let at = operation["operation"].as_str().unwrap();
        let mut wrong = Vec::new();
        for (name, value) in query {
            match operation["query"].get(name).and_then(|schema| schema["type"].as_str()) {
                None => wrong.push(format!("{at} has no query parameter `{name}`")),
                Some("number") if value.parse::<u64>().is_err() => {
                    wrong.push(format!("{at}: `{name}` must not be {value}"));
                }
                Some(_) => {}
            }
        }
        for name in operation["required"].as_array().unwrap() {
            if !query.iter().any(|(key, _)| name == key.as_str()) {
                wrong.push(format!("{at} needs the query parameter {name}"));
            }
        }
        match (operation["body"].is_null(), body.is_empty()) {
            (true, true) => {}
            (true, false) => wrong.push(format!("{at} takes no body, but got one")),
            (false, _) => wrong.extend(self.check(at, &operation["body"], body, true)),
        }
        wrong
    }

    /// What is wrong with an answer, in sentences.
    pub fn check_answer(&self, operation: &Value, status: u16, body: &[u8]) -> Vec<String> {
        let at = format!("{} -> {status}", operation["operation"].as_str().unwrap());
        let schema = if status < 300 { &operation["answer"] } else { &operation["refusal"] };
        self.check(&at, schema, body, false)
    }

    fn check(&self, at: &str, schema: &Value, body: &[u8], is_closed: bool) -> Vec<String> {
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return vec![format!("{at}: the body is no JSON: {error}")],
        };
        let key = format!("{is_closed} {schema}");
        let validator = Arc::clone(self.compiled.lock().unwrap().entry(key).or_insert_with(|| {
            let mut definitions = self.document["$defs"].clone();
            if is_closed {
                for model in definitions.as_object_mut().unwrap().values_mut() {
                    if model.get("properties").is_some() {
                        model["additionalProperties"] = json!(false);
                    }
                }
            }
            let schema = json!({"allOf": [schema], "$defs": definitions});
            Arc::new(jsonschema::validator_for(&schema).expect("a schema of the contract"))
        }));
        let errors = validator.iter_errors(&body).take(5);
        errors.map(|error| format!("{at}: at {:?}: {error}", error.instance_path().as_str())).collect()
    }
}
