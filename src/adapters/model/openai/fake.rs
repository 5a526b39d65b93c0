//! A server on loopback that embeds by OpenAI's rules, or by Azure's, and fails when it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::adapters::loopback::{Answer, Asked, Loopback};

/// What the next request meets.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This answer in the place of its own.
    Answer(Answer),
    /// One vector too few.
    Short,
    /// The vectors in the order from the last to the first.
    Reversed,
    /// No `index` in them.
    WithoutIndex,
    /// All of them are for the first text.
    OnePlace,
    /// The first vector holds what is no number.
    Nan,
    /// The first vector is nothing but zeros.
    Zero,
    /// Only the first vector has this length.
    FirstLength(usize),
    /// Numbers where base64 was asked for.
    Numbers,
    /// No count of tokens.
    WithoutUsage,
    /// Headers beside a good answer.
    Headers(Vec<(&'static str, String)>),
}

/// What kind of server it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    /// How long the model's vectors are.
    pub(crate) dimension: usize,
    /// Whether it takes `encoding_format: base64`; else it refuses that.
    pub(crate) takes_base64: bool,
    /// Whether it heeds `dimensions`; else it refuses that.
    pub(crate) takes_dimensions: bool,
    /// Whether it wants a key: the one that reads `canary`.
    pub(crate) wants_key: bool,
    /// How many tokens of a text it takes.
    pub(crate) tokens_each: usize,
}

impl Default for Nature {
    fn default() -> Self {
        Self { dimension: 1536, takes_base64: true, takes_dimensions: true, wants_key: true, tokens_each: 8192 }
    }
}

/// The server's handle.
pub(crate) struct Fake {
    server: Loopback,
    script: Arc<Mutex<VecDeque<Option<Fault>>>>,
}

pub(crate) fn error(status: u16, message: &str, code: &str) -> Answer {
    Answer::json(status, &json!({"error": {"message": message, "type": code, "code": code, "param": null}}))
}

impl Fake {
    pub(crate) async fn start(nature: Nature) -> Self {
        let script: Arc<Mutex<VecDeque<Option<Fault>>>> = Arc::default();
        let next = Arc::clone(&script);
        let server = Loopback::start(move |asked| {
            let fault = next.lock().unwrap().pop_front().flatten();
            match fault {
                Some(Fault::Answer(answer)) => answer,
                fault => nature.answer(asked, fault.as_ref()),
            }
        })
        .await;
        Self { server, script }
    }

    /// The next requests meet these, one each; `None` is a good answer.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.script.lock().unwrap().extend(faults);
    }

    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.server.seen()
    }
}

impl Nature {
    fn answer(&self, asked: &Asked, fault: Option<&Fault>) -> Answer {
        let key = [asked.header("api-key"), asked.header("authorization")].concat();
        if self.wants_key && key != "canary" && key != "Bearer canary" {
            return error(401, &format!("Incorrect API key provided: {key}"), "invalid_api_key");
        }
        let (path, query) = asked.uri.split_once('?').unwrap_or((&asked.uri, ""));
        let is_known = matches!(path, "/v1/embeddings" | "/openai/v1/embeddings")
            || (path == "/openai/deployments/small/embeddings" && query.starts_with("api-version="));
        if !is_known {
            return error(404, "The API deployment for this resource does not exist.", "DeploymentNotFound");
        }
        let body = asked.json();
        if path.ends_with("/v1/embeddings") && body["model"].as_str() == Some("unknown") {
            return Answer::json(404, &json!({"error": "model \"unknown\" not found, try pulling it first"}));
        }
        self.vectors(&body, fault)
    }

    fn vectors(&self, body: &Value, fault: Option<&Fault>) -> Answer {
        let texts: Vec<&str> = body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let count = |text: &&str| text.len().div_ceil(4);
        if let Some(long) = texts.iter().position(|text| text.is_empty() || count(text) > self.tokens_each) {
            let message = format!("Invalid 'input[{long}]': maximum context length is {} tokens.", self.tokens_each);
            return error(400, &message, "invalid_request_error");
        }
        let is_base64 = body["encoding_format"] == "base64";
        if is_base64 && !self.takes_base64 {
            return Answer::json(422, &json!({"detail": "encoding_format: unexpected value"}));
        }
        let dimension = match body["dimensions"].as_u64() {
            None => self.dimension,
            Some(_) if !self.takes_dimensions => {
                return Answer::json(
                    400,
                    &json!({"object": "error", "message": "Model does not support matryoshka representation", "code": 400}),
                );
            }
            Some(wanted) => usize::try_from(wanted).unwrap(),
        };
        let mut data: Vec<Value> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let mut vector = vector(text, dimension);
            match fault {
                Some(Fault::Nan) if index == 0 => vector[0] = f32::NAN,
                Some(Fault::Zero) if index == 0 => vector.fill(0.0),
                Some(Fault::FirstLength(length)) if index == 0 => vector.resize(*length, 0.5),
                _ => {}
            }
            let embedding = match is_base64 && !matches!(fault, Some(Fault::Numbers)) {
                true => json!(STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())),
                false => json!(vector),
            };
            let mut item = json!({"object": "embedding", "index": index, "embedding": embedding});
            match fault {
                Some(Fault::OnePlace) => item["index"] = json!(0),
                Some(Fault::WithoutIndex) => drop(item.as_object_mut().unwrap().remove("index")),
                _ => {}
            }
            data.push(item);
        }
        match fault {
            Some(Fault::Short) => drop(data.pop()),
            Some(Fault::Reversed) => data.reverse(),
            _ => {}
        }
        let tokens: usize = texts.iter().map(count).sum();
        let mut answer =
            json!({"object": "list", "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}});
        if let Some(Fault::WithoutUsage) = fault {
            answer["usage"] = json!({"prompt_tokens": 0, "total_tokens": 0});
        }
        let headers = if let Some(Fault::Headers(headers)) = fault { headers.clone() } else { Vec::new() };
        headers.into_iter().fold(Answer::json(200, &answer), |answer, (name, value)| answer.header(name, value))
    }
}

/// A vector of length about 30 that follows from the text alone.
fn vector(text: &str, dimension: usize) -> Vec<f32> {
    let mut vector = Vec::with_capacity(dimension);
    for block in 0_u32.. {
        let hash = Sha256::new_with_prefix(block.to_le_bytes()).chain_update(text).finalize();
        vector.extend(hash.iter().map(|byte| f32::from(*byte) / 128.0 - 0.996));
        if vector.len() >= dimension {
            vector.truncate(dimension);
            return vector;
        }
    }
    vector
}
