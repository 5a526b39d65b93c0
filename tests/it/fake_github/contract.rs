//! GitHub's OpenAPI, as a judge of every request and response that passes the fake.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// GitHub's description of its API (tests/fixtures/github/openapi.json), its schemas turned into JSON Schema.
pub struct Contract {
    document: Value,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

/// An operation of the API.
pub struct Operation<'a> {
    /// Its path with the names of the parameters: `/repos/{owner}/{repo}`.
    pub template: &'a str,
    method: String,
    description: &'a Value,
}

impl Contract {
    /// The one contract: compiling its schemas takes longer than using them.
    pub fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| {
            let text = include_str!("../../fixtures/github/openapi.json");
            let mut document: Value = serde_json::from_str(text).expect("openapi.json is JSON");
            let examples = document["components"]["examples"].take();
            to_json_schema(&mut document);
            document["components"]["examples"] = examples;
            Self { document, compiled: Mutex::default() }
        })
    }

    /// An example that GitHub gives: a whole, valid body.
    pub fn example(&self, name: &str) -> Value {
        let example = self.document["components"]["examples"][name]["value"].clone();
        assert!(!example.is_null(), "openapi.json has no example {name}");
        example
    }

    /// The operation that answers this request.
    pub fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let method = method.to_ascii_lowercase();
        let parts: Vec<_> = path.split('/').collect();
        let matches = |template: &str| {
            let wanted: Vec<_> = template.split('/').collect();
            let fits = |(want, have): (&&str, &&str)| want == have || want.starts_with('{') && !have.is_empty();
            // The path of a file is as long as it likes.
            let is_long = wanted.last() == Some(&"{path}") && parts.len() > wanted.len();
            (wanted.len() == parts.len() || is_long) && wanted.iter().zip(&parts).all(fits)
        };
        let paths = self.document["paths"].as_object()?;
        let (template, operations) = paths.iter().find(|(template, _)| matches(template))?;
        let description = operations.get(&method)?;
        Some(Operation { template, method, description })
    }

    /// What is wrong with a request, in sentences.
    pub fn check_request(&self, operation: &Operation<'_>, query: &[(String, String)], body: &[u8]) -> Vec<String> {
        let at = format!("{} {}", operation.method.to_uppercase(), operation.template);
        let mut wrong = self.check_query(operation, &at, query);
        let schema = operation.description.pointer("/requestBody/content/application~1json/schema");
        match (schema, body.is_empty()) {
            (None, true) => {}
            (None, false) if operation.takes_bytes() => {}
            (Some(_), true) if operation.description["requestBody"]["required"] == false => {}
            (None, false) => wrong.push(format!("{at} takes no body, but got one")),
            (Some(_), true) => wrong.push(format!("{at} needs a body")),
            (Some(_), false) => {
                let pointer = operation.pointer("requestBody/content/application~1json/schema");
                wrong.extend(self.check_body(&at, &pointer, body));
            }
        }
        wrong
    }

    fn check_query(&self, operation: &Operation<'_>, at: &str, query: &[(String, String)]) -> Vec<String> {
        let declared = operation.description["parameters"].as_array().cloned().unwrap_or_default();
        let declared: Vec<_> = declared.iter().map(|parameter| self.resolve(parameter)).collect();
        let mut wrong = Vec::new();
        for (name, value) in query {
            let found =
                declared.iter().find(|parameter| parameter["in"] == "query" && parameter["name"] == name.as_str());
            let Some(parameter) = found else {
                wrong.push(format!("{at} has no query parameter `{name}`"));
                continue;
            };
            // A query holds text: what reads as a number or a truth value is one, where the schema asks for it.
            let value = match parameter["schema"]["type"].as_str() {
                Some("integer" | "number" | "boolean") => serde_json::from_str(value).unwrap_or(json!(value)),
                _ => json!(value),
            };
            if !jsonschema::is_valid(&parameter["schema"], &value) {
                wrong.push(format!("{at}: the query parameter `{name}` must not be {value}"));
            }
        }
        wrong
    }

    /// What is wrong with a response, in sentences.
    pub fn check_response(&self, operation: &Operation<'_>, status: u16, body: &[u8]) -> Vec<String> {
        let at = format!("{} {} -> {status}", operation.method.to_uppercase(), operation.template);
        let responses = &operation.description["responses"];
        let pointer = match responses.get(status.to_string()) {
            // GitHub declares no 401, 403, 429 and 5xx, though every operation may answer with them.
            None if matches!(status, 401 | 403 | 429 | 500..=599) => Some("/components/schemas/basic-error".to_owned()),
            // Of some operations it declares no refusal at all.
            None if matches!(status, 404 | 422) && operation.declares_no_refusal() => {
                Some("/components/schemas/basic-error".to_owned())
            }
            // To a question that names what is known already.
            None if status == 304 => None,
            None => return vec![format!("{at}: GitHub does not answer with this status here")],
            Some(response) => {
                let base = match response["$ref"].as_str() {
                    Some(reference) => reference.trim_start_matches('#').to_owned(),
                    None => operation.pointer(&format!("responses/{status}")),
                };
                let pointer = format!("{base}/content/application~1json/schema");
                let declared = self.document.pointer(&pointer).map(|_| pointer);
                // Of some refusals it says only in prose when they come.
                declared.or_else(|| (status >= 400).then(|| "/components/schemas/basic-error".to_owned()))
            }
        };
        match (pointer, body.is_empty()) {
            (None, true) => Vec::new(),
            (None, false) => vec![format!("{at} has no body, but got one")],
            (Some(pointer), _) => self.check_body(&at, &pointer, body),
        }
    }

    fn check_body(&self, at: &str, pointer: &str, body: &[u8]) -> Vec<String> {
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return vec![format!("{at}: the body is no JSON: {error}")],
        };
        let validator = self.validator(pointer);
        let errors = validator.iter_errors(&body).take(5);
        errors.map(|error| format!("{at}: at {:?}: {error}", error.instance_path().as_str())).collect()
    }

    fn validator(&self, pointer: &str) -> Arc<Validator> {
        let mut compiled = self.compiled.lock().unwrap();
        let made = compiled.entry(pointer.to_owned()).or_insert_with(|| {
            // A copy, not a `$ref`: the braces in GitHub's paths are no URI.
            let schema = self.document.pointer(pointer).expect("a schema of the contract");
            let schema = json!({"allOf": [schema], "components": self.document["components"]});
            Arc::new(jsonschema::validator_for(&schema).expect("GitHub's schema compiles"))
        });
        Arc::clone(made)
    }

    fn resolve(&self, node: &Value) -> Value {
        match node["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default(),
            None => node.clone(),
        }
    }
}

impl Operation<'_> {
    /// Whether its body is a file as it is.
    pub fn takes_bytes(&self) -> bool {
        self.description.pointer("/requestBody/content/application~1octet-stream").is_some()
    }

    fn declares_no_refusal(&self) -> bool {
        let responses = self.description["responses"].as_object();
        responses.is_some_and(|responses| !responses.keys().any(|status| status.starts_with('4')))
    }

    fn pointer(&self, rest: &str) -> String {
        format!("/paths/{}/{}/{rest}", self.template.replace('~', "~0").replace('/', "~1"), self.method)
    }
}

/// OpenAPI 3.0 says `nullable: true` where JSON Schema lists the type `null`.
fn to_json_schema(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(to_json_schema),
        Value::Object(map) => {
            map.values_mut().for_each(to_json_schema);
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
                let schema = Value::Object(std::mem::take(map));
                let either = json!({"anyOf": [{"type": "null"}, schema]});
                *map = either.as_object().cloned().unwrap_or_else(Map::new);
            }
        }
        _ => {}
    }
}

#[test]
fn the_contract_accepts_githubs_own_examples_and_refuses_others() {
    let contract = Contract::get();
    let runs = contract.operation("GET", "/repos/o/r/actions/runs").unwrap();
    let mut body = contract.example("workflow-run-paginated");
    assert_eq!(contract.check_response(&runs, 200, body.to_string().as_bytes()), Vec::<String>::new());
    body["workflow_runs"][0]["id"] = json!("seven");
    let wrong = contract.check_response(&runs, 200, body.to_string().as_bytes());
    assert!(wrong[0].contains("/workflow_runs/0/id"), "{wrong:?}");

    let dispatch = contract.operation("POST", "/repos/o/r/dispatches").unwrap();
    let check = |body: Value| contract.check_request(&dispatch, &[], body.to_string().as_bytes());
    assert_eq!(check(json!({"event_type": "x", "client_payload": {}})), Vec::<String>::new());
    assert_eq!(check(json!({"client_payload": {}})).len(), 1);
    assert_eq!(check(json!({"event_type": "x".repeat(101)})).len(), 1);
    let eleven: Map<_, _> = (0..11).map(|i| (i.to_string(), json!(i))).collect();
    assert_eq!(check(json!({"event_type": "x", "client_payload": eleven})).len(), 1);
    let query = [("per_page".to_owned(), "many".to_owned()), ("colour".to_owned(), "red".to_owned())];
    assert_eq!(contract.check_request(&runs, &query, b"").len(), 2);
    assert!(contract.operation("DELETE", "/repos/o/r").is_none());
}
