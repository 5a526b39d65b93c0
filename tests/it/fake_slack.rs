//! A Slack on loopback with one channel, which takes messages by Slack's own rules.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

#[path = "../../src/report/slack/rules.rs"]
#[allow(dead_code, reason = "the tests of the message use all of it")]
mod rules;

/// The webhook's path, which is the secret.
const HOOK: &str = "/services/T0/B0/canary-of-slack";

/// The server's handle; its thread ends with the process.
pub struct FakeSlack {
    url: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl FakeSlack {
    /// Starts on a free port; one that `is_gone` knows its channel no more.
    pub fn start(is_gone: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}{HOOK}", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever goes away in the middle is not served.
                let _ = answer(&stream, &kept, is_gone);
            }
        });
        Self { url, told }
    }

    /// The address of the webhook.
    pub fn webhook(&self) -> &str {
        &self.url
    }

    /// The messages in the channel.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

fn answer(mut stream: &TcpStream, told: &Mutex<Vec<Value>>, is_gone: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length, mut is_json) = (String::new(), 0, false);
    reader.read_line(&mut line)?;
    let is_hook = line.starts_with(&format!("POST {HOOK} "));
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "content-type" => is_json = value.trim().starts_with("application/json"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let message = serde_json::from_slice::<Value>(&body).ok().filter(|_| is_json);
    let (status, word) = match message {
        _ if !is_hook || is_gone => ("404 Not Found", "no_service".to_owned()),
        None => ("400 Bad Request", "invalid_payload".to_owned()),
        Some(message) if message.get("text").is_none() && message.get("blocks").is_none() => {
            ("400 Bad Request", "no_text".to_owned())
        }
        Some(message) => match rules::complaints(&message).first() {
            Some(_) => ("400 Bad Request", "invalid_blocks".to_owned()),
            None => {
                told.lock().unwrap().push(message);
                ("200 OK", "ok".to_owned())
            }
        },
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{word}", word.len())
}
