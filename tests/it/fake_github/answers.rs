//! What GitHub answers, and what it does.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::contract::Contract;
use super::grants::{denied, needed};
use super::releases::Asked;
use super::{Fault, Grant, World, app, contents, repository, workflows};

/// An answer before it is sent.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its own headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    pub fn empty(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        let answer = Self { body: body.to_string().into_bytes(), ..Self::empty(status) };
        answer.with("content-type", "application/json; charset=utf-8")
    }

    pub fn error(status: u16, message: &str) -> Self {
        let documentation = "https://docs.github.com/rest/repos/repos#create-a-repository-dispatch-event";
        Self::json(
            status,
            &json!({"message": message, "documentation_url": documentation, "status": status.to_string()}),
        )
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
        self
    }
}

/// The answer that a fault gives in the place of the real one.
pub fn limited(fault: Fault) -> Answer {
    let after = |answer: Answer, seconds: Option<u64>| match seconds {
        Some(seconds) => answer.with("retry-after", &seconds.to_string()),
        None => answer,
    };
    match fault {
        Fault::TooMany { retry_after } => after(Answer::error(429, "API rate limit exceeded"), Some(retry_after)),
        Fault::Secondary { retry_after } => {
            let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            after(Answer::error(403, message), retry_after)
        }
        Fault::BadGateway => {
            let body = b"<html><head><title>502 Bad Gateway</title></head></html>".to_vec();
            Answer { body, ..Answer::empty(502) }.with("content-type", "text/html")
        }
        Fault::HtmlPage => {
            let body = b"<html>Please log in to the network</html>".to_vec();
            Answer { body, ..Answer::empty(200) }.with("content-type", "text/html")
        }
        _ => Answer::error(500, "Server Error"),
    }
}

/// Repeats what nobody should say aloud.
pub fn echo(headers: &HeaderMap) -> Answer {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoded = percent_encoding::utf8_percent_encode(authorization, percent_encoding::NON_ALPHANUMERIC);
    Answer::error(422, &format!("Invalid request with {authorization} or {encoded}"))
}

/// Does what the request asks for and answers it.
#[allow(clippy::too_many_arguments, reason = "the parts of a request")]
pub fn answer(
    world: &mut World,
    method: &str,
    template: &str,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
    body: &[u8],
    fault: Option<Fault>,
) -> Answer {
    if let Some(told) = contents::answer(world, template, path, query, headers) {
        return told;
    }
    if let Some(told) = super::organisations::answer(world, template, path, query) {
        return told;
    }
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(told) = app::answer(world, template, path, authorization, body) {
        return told;
    }
    let token = authorization.strip_prefix("Bearer ").or_else(|| authorization.strip_prefix("token "));
    let Some(token) = token else { return Answer::error(401, "Requires authentication") };
    let Some(grants) = world.grants.get(token) else { return Answer::error(401, "Bad credentials") };
    if template == "/rate_limit" {
        return rate_limit(world, token);
    }
    if template == "/user" {
        let is_app = grants.values().any(|grant| matches!(grant, Grant::Review | Grant::App(_)));
        return match is_app {
            true => Answer::error(403, "Resource not accessible by integration"),
            false => {
                Answer::json(200, &Contract::get().example("private-user-response-with-public-profile-information"))
            }
        };
    }
    let parts: Vec<_> = path.split('/').collect();
    let slug = parts.get(2..4).unwrap_or_default().join("/");
    // What a token may not see does not exist for it: so it is for GITHUB_TOKEN and every other repository.
    let grant = grants.get(&slug).copied();
    if let Some(grant) = grant {
        let leaves_starter = fault == Some(Fault::Starter);
        let asked = Asked { slug: &slug, method, template, path, query, headers, body, leaves_starter };
        if let Some(answer) = super::releases::answer(world, grant, &asked) {
            return answer;
        }
    }
    let (Some(grant), Some(repo)) = (grant, world.repos.get_mut(&slug)) else { return Answer::error(404, "Not Found") };
    let page =
        query.iter().find(|(key, _)| key == "page").map(|(_, value)| format!("page={value}")).unwrap_or_default();
    if let Some(answer) = super::reviews::answer(repo, grant, template, path, &page, body) {
        return answer;
    }
    if needed(method, template).is_some_and(|needed| !grant.allows(needed)) {
        return denied(token);
    }
    if method != "GET" && repo.is_archived {
        return Answer::error(403, "Repository was archived so is read-only.");
    }
    if let Some(answer) = super::reports::answer(repo, template, path, body) {
        return answer;
    }
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let part = |at: usize| parts.get(at).map(|part| decoded(part)).unwrap_or_default();
    match template {
        "/repos/{owner}/{repo}" => repository::repository(&slug, repo),
        "/repos/{owner}/{repo}/dispatches" => workflows::dispatch(world, &slug, body),
        "/repos/{owner}/{repo}/actions/workflows" => workflows::list(world, &slug),
        "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches" => {
            workflows::start(world, &slug, &part(6), body)
        }
        "/repos/{owner}/{repo}/actions/runs" => repo.list(query),
        "/repos/{owner}/{repo}/actions/runs/{run_id}" => repo.one(&part(6)),
        "/repos/{owner}/{repo}/branches/{branch}" => repository::branch(world, &slug, &part(5)),
        "/repos/{owner}/{repo}/contents/{path}" => {
            let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
            repository::files(world, &slug, &decoded(&parts[5..].join("/")), query, accept)
        }
        _ => Answer::error(404, "Not Found"),
    }
}

fn rate_limit(world: &mut World, token: &str) -> Answer {
    let seconds = world.seconds();
    let (limit, used, remaining, reset) = world.numbers(token, seconds);
    let mut body = Contract::get().example("rate-limit-overview");
    let core = json!({"limit": limit, "used": used, "remaining": remaining, "reset": reset});
    body["resources"]["core"] = core.clone();
    body["rate"] = core;
    Answer::json(200, &body)
}

/// The same with a tag of its content; or nothing but "not modified", where the client has that content already.
pub fn unless_known(answer: Answer, token: &str, headers: &HeaderMap) -> Answer {
    let is_json =
        answer.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if answer.status != 200 || !is_json {
        return answer;
    }
    let mut tagged = token.as_bytes().to_vec();
    tagged.extend(&answer.body);
    let tag = format!("W/\"{}\"", super::contents::blob_id(&tagged));
    let known = headers.get("if-none-match").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match known.split(',').any(|one| one.trim() == tag) {
        true => Answer::empty(304).with("etag", &tag),
        false => answer.with("etag", &tag),
    }
}
