//! GitHub's API as every adapter of this kind reaches it: as one who may ask, within a budget, with our own retries.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};
use http::{Method, request};
use serde_json::Value;

use super::access::{Access, Credentials, Transport};
use super::advice::advice;
use crate::adapters::http::{
    Budget, HttpError, Kind, Pace, Policy, Reply, ReplyCache, ReplyKey, Trouble, read, send_within,
};
use crate::secret::Secret;

/// No answer that we read is larger: a hundred runs take about 1.5 MB.
const BODY_CAP: usize = 16 << 20;

/// The media type of GitHub's answers.
const JSON: &str = "application/vnd.github+json";

/// Asks for the bytes of what the API would describe.
const BYTES: &str = "application/octet-stream";

/// A server's API within a budget, whoever asks.
#[derive(Clone)]
pub struct Server {
    transport: Transport,
    base: String,
    budget: Arc<Budget>,
}

/// What is sent along.
#[derive(Clone, Copy)]
enum Content<'a> {
    Nothing,
    Json(&'a Value),
    Bytes(&'static str, &'a [u8]),
}

/// One request.
struct Asked<'a> {
    method: Method,
    address: String,
    accept: &'static str,
    content: Content<'a>,
    /// The tag of the answer that is known already.
    known: Option<&'a HeaderValue>,
    /// The most bytes of an answer.
    cap: usize,
}

impl Server {
    /// The API at `base`.
    pub fn new(transport: impl Into<Transport>, base: &str, budget: Arc<Budget>) -> Self {
        Self { transport: transport.into(), base: base.trim_end_matches('/').to_owned(), budget }
    }

    /// What may be asked.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// One request in the name of whoever has the token, as often as `policy` allows.
    pub(super) async fn call(
        &self,
        policy: &Policy,
        token: &Secret,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, HttpError> {
        let content = body.map_or(Content::Nothing, Content::Json);
        let address = format!("{}{path}", self.base);
        self.ask(policy, token, Asked { method, address, accept: JSON, content, known: None, cap: BODY_CAP }).await
    }

    async fn ask(&self, policy: &Policy, token: &Secret, asked: Asked<'_>) -> Result<Reply, HttpError> {
        let authorization = authorization(token).map_err(|why| HttpError { certain: true, why, attempts: 0 })?;
        let kind = if asked.method == Method::GET { Kind::Read } else { Kind::Write };
        send_within(policy, &self.budget, kind, || self.attempt(authorization.as_ref(), &asked)).await
    }

    async fn attempt(&self, authorization: Option<&HeaderValue>, asked: &Asked<'_>) -> Result<Reply, Trouble> {
        let builder = request::Builder::new().method(asked.method.clone()).uri(&asked.address);
        let builder = builder.header(ACCEPT, asked.accept);
        let builder = match authorization {
            Some(authorization) => builder.header(AUTHORIZATION, authorization.clone()),
            None => builder,
        };
        let builder = match asked.known {
            Some(tag) => builder.header(IF_NONE_MATCH, tag.clone()),
            None => builder,
        };
        let not_sent = |error: String| Trouble::NotSent(format!("the request cannot be made: {error}"));
        let request = match asked.content {
            Content::Nothing => self.transport.0.build_request(builder, None::<&Value>),
            Content::Json(body) => self.transport.0.build_request(builder, Some(body)),
            Content::Bytes(kind, bytes) => {
                let request = builder.header(CONTENT_TYPE, kind).body(bytes.to_vec());
                let request = request.map_err(|error| not_sent(error.to_string()))?;
                Ok(request.map(Into::into))
            }
        };
        let request = request.map_err(|error| not_sent(error.to_string()))?;
        let response = self.transport.0.execute(request).await.map_err(|error| trouble(&error))?;
        read(reqwest::Response::from(response.map(reqwest::Body::wrap)), asked.cap).await
    }
}

/// The API as one who may ask.
pub(in crate::adapters) struct Api {
    server: Server,
    credentials: Credentials,
    cache: Option<Arc<ReplyCache>>,
}

impl Api {
    /// The API at `base`, with a budget that nobody shares. To be called within a tokio runtime. The error is a sentence
    /// about the token.
    pub(in crate::adapters) fn new(
        client: reqwest::Client,
        base: &str,
        token: &Secret,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, String> {
        Self::with(Access::new(client, base, token, Arc::new(Budget::new(pace))))
    }

    /// The API, reached so. The error is a sentence about the token.
    pub(in crate::adapters) fn with(access: Access) -> Result<Self, String> {
        let Access { transport, base, credentials, budget, cache } = access;
        if let Credentials::Token(token) = &credentials {
            authorization(token)?;
        }
        Ok(Self { server: Server::new(transport, &base, budget), credentials, cache })
    }

    /// One request, as often as `policy` allows.
    pub(in crate::adapters) async fn call(
        &self,
        policy: &Policy,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, HttpError> {
        self.server.call(policy, &self.token().await?, method, path, body).await
    }

    /// Asks for what is asked for again and again: what has not changed since costs nothing, where answers are kept.
    pub(in crate::adapters) async fn look(&self, policy: &Policy, path: &str) -> Result<Reply, HttpError> {
        self.look_at(policy, path, JSON).await
    }

    /// The same in another media type than that of GitHub's usual answers.
    pub(in crate::adapters) async fn look_at(
        &self,
        policy: &Policy,
        path: &str,
        accept: &'static str,
    ) -> Result<Reply, HttpError> {
        let Some(cache) = &self.cache else { return self.get(policy, path, accept, BODY_CAP).await };
        let address = format!("{}{path}", self.server.base);
        let key = ReplyKey { whose: &self.credentials.whose(), address: &address, accept };
        let kept = cache.get(&key);
        let asked = |known| Asked {
            method: Method::GET,
            address: address.clone(),
            accept,
            content: Content::Nothing,
            known,
            cap: BODY_CAP,
        };
        let token = self.token().await?;
        let reply = self.server.ask(policy, &token, asked(kept.as_ref().map(|kept| &kept.tag))).await?;
        match kept {
            Some(kept) if reply.status == 304 => Ok(kept.reply(reply.headers)),
            _ => {
                cache.put(&key, &reply);
                Ok(reply)
            }
        }
    }

    /// Sends bytes as they are to a whole address that GitHub has given, as often as `policy` allows.
    pub(in crate::adapters) async fn upload(
        &self,
        policy: &Policy,
        address: &str,
        media_type: &'static str,
        bytes: &[u8],
    ) -> Result<Reply, HttpError> {
        let (method, address) = (Method::POST, address.to_owned());
        let content = Content::Bytes(media_type, bytes);
        let asked = Asked { method, address, accept: JSON, content, known: None, cap: BODY_CAP };
        self.server.ask(policy, &self.token().await?, asked).await
    }

    /// Asks for the bytes themselves of what the API would describe, of `cap` bytes at most.
    ///
    /// The answer may be another address, to which the token must not go along.
    pub(in crate::adapters) async fn raw(&self, policy: &Policy, path: &str, cap: usize) -> Result<Reply, HttpError> {
        self.get(policy, path, BYTES, cap).await
    }

    /// Asks for an answer of this media type, of `cap` bytes at most.
    pub(in crate::adapters) async fn get(
        &self,
        policy: &Policy,
        path: &str,
        accept: &'static str,
        cap: usize,
    ) -> Result<Reply, HttpError> {
        let (method, address) = (Method::GET, format!("{}{path}", self.server.base));
        let asked = Asked { method, address, accept, content: Content::Nothing, known: None, cap };
        self.server.ask(policy, &self.token().await?, asked).await
    }

    /// The clock for waits.
    pub(in crate::adapters) fn pace(&self) -> &dyn Pace {
        &**self.server.budget.pace()
    }

    /// What GitHub says in the body, led by a colon; without the token.
    pub(in crate::adapters) fn said(&self, reply: &Reply) -> String {
        said(reply, &|text| self.credentials.redacted(text))
    }

    /// What to do about a refusal of what needs a permission, such as `contents: write`, on a repository.
    pub(in crate::adapters) fn advice(&self, reply: &Reply, permission: &str, on: &str) -> String {
        advice(&self.server.base, &self.credentials, reply, permission, on)
    }

    /// Whether the token may be the one that a workflow's job is given: it looks like no person's.
    pub(in crate::adapters) fn is_jobs_own(&self) -> bool {
        let is_persons = |token: &str| token.starts_with("ghp_") || token.starts_with("github_pat_");
        !matches!(&self.credentials, Credentials::Token(token) if is_persons(token.reveal()))
    }

    async fn token(&self) -> Result<Secret, HttpError> {
        self.credentials.token().await.map_err(|why| HttpError { certain: true, why, attempts: 0 })
    }
}

/// What shows the token; nothing for who has none.
fn authorization(token: &Secret) -> Result<Option<HeaderValue>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
        "the token holds characters that no token has; set the variable again, without line breaks".to_owned()
    })?;
    authorization.set_sensitive(true);
    Ok(Some(authorization))
}

/// What GitHub says in the body: its message and the details of each error, in one line of bounded length.
///
/// Secrets go, by `redacted`, before the line is cut: what is left of one at the cut nobody would know for a secret.
pub(in crate::adapters) fn said(reply: &Reply, redacted: &dyn Fn(&str) -> String) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else { return String::new() };
    let message = body.get("message").and_then(Value::as_str).map(str::to_owned);
    let details = body.get("errors").and_then(Value::as_array).into_iter().flatten().map(|error| {
        error.as_str().or_else(|| error.get("message")?.as_str()).map_or_else(|| error.to_string(), str::to_owned)
    });
    let all: Vec<_> = message.into_iter().chain(details).collect();
    if all.is_empty() {
        return String::new();
    }
    let all = all.join("; ");
    let shown = redacted(&all);
    let line: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    format!(": {line}")
}

/// octocrab wraps what went wrong several times; the client's own error tells whether the request left.
fn trouble(error: &octocrab::Error) -> Trouble {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(reqwest) = inner.downcast_ref::<reqwest::Error>() {
            return Trouble::of(reqwest);
        }
        cause = inner.source();
    }
    Trouble::NoAnswer("the request failed within the client".to_owned())
}
