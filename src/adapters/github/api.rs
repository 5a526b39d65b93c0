//! GitHub's API as every adapter of this kind reaches it: one token, octocrab over our own client, our own retries.
//!
//! octocrab gets no retry layer and follows no redirect: a POST is sent exactly as often as its [`Policy`] says.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, request};
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use serde_json::Value;

use crate::adapters::http::{Budget, HttpError, Kind, Pace, Policy, Reply, Trouble, read, send_within};
use crate::secret::Secret;

/// No answer that we read is larger: a hundred runs take about 1.5 MB.
const BODY_CAP: usize = 16 << 20;

/// The media type of GitHub's answers.
const JSON: &str = "application/vnd.github+json";

/// The API with one token.
pub(in crate::adapters) struct Api {
    octocrab: Octocrab,
    base: String,
    authorization: HeaderValue,
    /// Taken out of whatever an answer says.
    token: Secret,
    budget: Arc<Budget>,
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
        Self::within(client, base, token, Arc::new(Budget::new(pace)))
    }

    /// The same, with the budget that all share who use this token.
    pub(in crate::adapters) fn within(
        client: reqwest::Client,
        base: &str,
        token: &Secret,
        budget: Arc<Budget>,
    ) -> Result<Self, String> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
            "the token holds characters that no token has; set the variable again, without line breaks".to_owned()
        })?;
        authorization.set_sensitive(true);
        // The empty builder: no default layers, so no second user agent and nothing that would repeat a request.
        let service = OctocrabBuilder::new_empty().with_service(ReqwestConnector::new(client));
        let octocrab = match service.with_auth(AuthState::None).build() {
            Ok(octocrab) => octocrab,
            Err(never) => match never {},
        };
        Ok(Self { octocrab, base: base.trim_end_matches('/').to_owned(), authorization, token: token.clone(), budget })
    }

    /// One request, as often as `policy` allows.
    pub(in crate::adapters) async fn call(
        &self,
        policy: &Policy,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, HttpError> {
        let kind = if method == Method::GET { Kind::Read } else { Kind::Write };
        send_within(policy, &self.budget, kind, || self.attempt(method.clone(), path, body)).await
    }

    async fn attempt(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Trouble> {
        let builder = self.request(method, &format!("{}{path}", self.base)).header(ACCEPT, JSON);
        let not_sent = |error: octocrab::Error| Trouble::NotSent(format!("the request cannot be made: {error}"));
        let request = self.octocrab.build_request(builder, body).map_err(not_sent)?;
        let response = self.octocrab.execute(request).await.map_err(|error| trouble(&error))?;
        read(reqwest::Response::from(response.map(reqwest::Body::wrap)), BODY_CAP).await
    }

    /// Sends bytes as they are to a whole address that GitHub has given, as often as `policy` allows.
    pub(in crate::adapters) async fn upload(
        &self,
        policy: &Policy,
        address: &str,
        media_type: &'static str,
        bytes: &[u8],
    ) -> Result<Reply, HttpError> {
        send_within(policy, &self.budget, Kind::Write, || async {
            let builder = self.request(Method::POST, address).header(ACCEPT, JSON).header(CONTENT_TYPE, media_type);
            let request = builder.body(bytes.to_vec());
            let request = request.map_err(|error| Trouble::NotSent(format!("the request cannot be made: {error}")))?;
            let response = self.octocrab.execute(request).await.map_err(|error| trouble(&error))?;
            read(reqwest::Response::from(response.map(reqwest::Body::wrap)), BODY_CAP).await
        })
        .await
    }

    /// Asks for the bytes themselves of what the API would describe, of `cap` bytes at most.
    ///
    /// The answer may be another address, to which the token must not go along.
    pub(in crate::adapters) async fn raw(&self, policy: &Policy, path: &str, cap: usize) -> Result<Reply, HttpError> {
        send_within(policy, &self.budget, Kind::Read, || async {
            let builder = self.request(Method::GET, &format!("{}{path}", self.base));
            let request = builder.header(ACCEPT, "application/octet-stream").body(String::new());
            let request = request.map_err(|error| Trouble::NotSent(format!("the request cannot be made: {error}")))?;
            let response = self.octocrab.execute(request).await.map_err(|error| trouble(&error))?;
            read(reqwest::Response::from(response.map(reqwest::Body::wrap)), cap).await
        })
        .await
    }

    fn request(&self, method: Method, address: &str) -> request::Builder {
        request::Builder::new().method(method).uri(address).header(AUTHORIZATION, self.authorization.clone())
    }

    /// The clock for waits.
    pub(in crate::adapters) fn pace(&self) -> &dyn Pace {
        &**self.budget.pace()
    }

    /// What GitHub says in the body, led by a colon; without the token.
    pub(in crate::adapters) fn said(&self, reply: &Reply) -> String {
        said(reply, &self.token)
    }
}

/// What GitHub says in the body: its message and the details of each error, in one line of bounded length.
///
/// The token goes before the line is cut: what is left of one at the cut nobody would know for a secret.
pub(in crate::adapters) fn said(reply: &Reply, token: &Secret) -> String {
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
    let shown = if token.is_empty() { all } else { all.replace(token.reveal(), &token.to_string()) };
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
