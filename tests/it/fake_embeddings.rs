//! A provider of embeddings on loopback: OpenAI's interface, deterministic vectors, and a refusal when it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The key that it knows.
pub const KEY: &str = "canary-of-embeddings";

/// What it was asked, and what it says in the place of vectors.
#[derive(Default)]
struct State {
    asked: Vec<Value>,
    refusal: Option<(u16, Value)>,
}

/// The server's handle; its threads end with the process.
pub struct FakeEmbeddings {
    url: String,
    state: Arc<Mutex<State>>,
}

impl FakeEmbeddings {
    /// Starts on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let kept = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // Whoever goes away in the middle is not served.
                std::thread::spawn(move || while answer(&stream, &kept).is_ok_and(|goes_on| goes_on) {});
            }
        });
        Self { url, state }
    }

    /// Its address, as it stands in stockroom.yml.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Says this from now on; nothing makes it kind again.
    pub fn refuse(&self, refusal: Option<(u16, Value)>) {
        self.state.lock().unwrap().refusal = refusal;
    }

    /// How many texts each request had, since this was asked last.
    pub fn asked(&self) -> Vec<usize> {
        let asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked.iter().map(|body| body["input"].as_array().unwrap().len()).collect()
    }
}

/// Answers one request; gives whether another may follow.
fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length, mut has_key) = (String::new(), 0, false);
    if reader.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => has_key = value.trim() == format!("Bearer {KEY}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut state = state.lock().unwrap();
    state.asked.push(body.clone());
    let (status, answer) = match (&state.refusal, line.starts_with("POST /v1/embeddings ")) {
        (_, false) => (404, json!({"error": {"message": "no such address"}})),
        (Some(refusal), _) => refusal.clone(),
        (None, _) if !has_key => (401, json!({"error": {"message": "Incorrect API key provided"}})),
        (None, _) => (200, vectors(&body)),
    };
    drop(state);
    let answer = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    )?;
    Ok(true)
}

fn vectors(body: &Value) -> Value {
    let texts: Vec<&str> = body["input"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let one = |(index, text): (usize, &&str)| {
        let hash = Sha256::digest(text.as_bytes());
        json!({"index": index, "embedding": hash.iter().take(8).map(|byte| f32::from(*byte) - 127.5).collect::<Vec<_>>()})
    };
    let tokens: usize = texts.iter().map(|text| text.len().div_ceil(4)).sum();
    json!({"data": texts.iter().enumerate().map(one).collect::<Vec<_>>(), "usage": {"total_tokens": tokens}})
}
