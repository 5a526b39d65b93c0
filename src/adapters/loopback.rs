//! A server on this machine for the tests of adapters: it answers as the test says, and remembers what it was asked.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.split_once('?').map_or(&self.uri, |(path, _)| path)
    }
}

/// What the server does.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It answers.
    With { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// It cuts the connection, after the effect.
    Cut,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::With { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self::With { status, headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::With { status, mut headers, body } => {
                headers.push((name, value.into()));
                Self::With { status, headers, body }
            }
            Self::Cut => Self::Cut,
        }
    }
}

/// The server's handle; it ends with the test's runtime.
pub(crate) struct Loopback {
    url: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Loopback {
    /// Serves on a free port.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (heard, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 16 << 20).await.unwrap().to_vec();
                let (method, uri) = (parts.method.to_string(), parts.uri.to_string());
                let asked = Asked { method, uri, headers: parts.headers, body };
                heard.lock().unwrap().push(asked.clone());
                match answer(&asked) {
                    // Without the panic's message in the test's output.
                    Answer::Cut => resume_unwind(Box::new(())),
                    Answer::With { status, headers, body } => {
                        let mut response = Response::builder().status(status);
                        for (name, value) in headers {
                            response = response.header(name, value);
                        }
                        response.body(Body::from(body)).unwrap()
                    }
                }
            }
        });
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, seen }
    }

    /// Its address, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}
