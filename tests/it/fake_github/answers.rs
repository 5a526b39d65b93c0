//! What GitHub answers, and what it does.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::contents;
use super::contract::Contract;
use super::releases::Asked;
use super::{Fault, Grant, Repo, Run, World};

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

    /// The headers with which GitHub counts.
    pub fn with_rate_limit(self, used: u64) -> Self {
        let reset = now() + 3_600;
        self.with("x-ratelimit-limit", "5000")
            .with("x-ratelimit-used", &used.to_string())
            .with("x-ratelimit-remaining", &5_000_u64.saturating_sub(used).to_string())
            .with("x-ratelimit-reset", &reset.to_string())
            .with("x-ratelimit-resource", "core")
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
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = authorization.strip_prefix("Bearer ").or_else(|| authorization.strip_prefix("token "));
    let Some(token) = token else { return Answer::error(401, "Requires authentication") };
    let Some(grants) = world.grants.get(token) else { return Answer::error(401, "Bad credentials") };
    if template == "/rate_limit" {
        return Answer::json(200, &Contract::get().example("rate-limit-overview"));
    }
    if template == "/user" {
        let is_workflow = grants.values().any(|grant| *grant == Grant::Review);
        return match is_workflow {
            true => Answer::error(403, "Resource not accessible by integration"),
            false => {
                Answer::json(200, &Contract::get().example("private-user-response-with-public-profile-information"))
            }
        };
    }
    let slug: Vec<_> = path.split('/').skip(2).take(2).collect();
    let slug = slug.join("/");
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
    let denied = || Answer::error(403, "Resource not accessible by personal access token");
    let page =
        query.iter().find(|(key, _)| key == "page").map(|(_, value)| format!("page={value}")).unwrap_or_default();
    if let Some(answer) = super::reviews::answer(repo, grant, template, path, &page, body) {
        return answer;
    }
    match template {
        "/repos/{owner}/{repo}/dispatches" if grant == Grant::Read => denied(),
        "/repos/{owner}/{repo}/dispatches" => dispatch(repo, body),
        "/repos/{owner}/{repo}/actions/runs" if grant == Grant::Send => denied(),
        "/repos/{owner}/{repo}/actions/runs" => runs(repo, query),
        "/repos/{owner}/{repo}" => repository(&slug),
        _ => Answer::error(404, "Not Found"),
    }
}

fn dispatch(repo: &mut Repo, body: &[u8]) -> Answer {
    let refused = |message: &str| Answer::error(422, message);
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return refused("Invalid request. The body is no JSON.");
    };
    let payload = &event["client_payload"];
    let Some(event_type) = event["event_type"].as_str().filter(|name| (1..=100).contains(&name.chars().count())) else {
        return refused("Invalid request. event_type must have 1 to 100 characters.");
    };
    if let Some(supplied) = payload.as_object().map(serde_json::Map::len).filter(|keys| *keys > 10) {
        return refused(&format!("No more than 10 properties are allowed; {supplied} were supplied."));
    }
    if payload.to_string().len() >= 64 * 1024 {
        return refused("client_payload is too large.");
    }
    let correlation = payload["correlation_id"].as_str().filter(|_| repo.shows_correlation);
    let display_title = correlation.map_or_else(|| event_type.to_owned(), |id| format!("{event_type} ({id})"));
    let id = 1_000 + u64::try_from(repo.runs.len()).expect("few runs");
    repo.runs.push(Run { id, display_title, created: now() });
    repo.dispatches.push(event);
    Answer::empty(204)
}

fn runs(repo: &Repo, query: &[(String, String)]) -> Answer {
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str, default: usize| parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let since = parameter("created").and_then(|text| text.strip_prefix(">="));
    let since =
        since.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map_or(i64::MIN, |date| date.timestamp());
    let event = parameter("event").unwrap_or("repository_dispatch");
    let wanted = |run: &&Run| run.created >= since && event == "repository_dispatch";
    let newest_first: Vec<_> = repo.runs.iter().rev().filter(wanted).collect();
    let (size, page) = (number("per_page", 30).min(100), number("page", 1).max(1));
    let listed: Vec<_> = newest_first.iter().skip((page - 1) * size).take(size).map(|run| workflow_run(run)).collect();
    Answer::json(200, &json!({"total_count": newest_first.len(), "workflow_runs": listed}))
}

/// GitHub's own example of a run, with what is known of this one.
fn workflow_run(run: &Run) -> Value {
    let mut body = Contract::get().example("workflow-run-paginated")["workflow_runs"][0].take();
    let created = DateTime::from_timestamp(run.created, 0).expect("a date").to_rfc3339_opts(SecondsFormat::Secs, true);
    body["id"] = json!(run.id);
    body["event"] = json!("repository_dispatch");
    body["display_title"] = json!(run.display_title);
    body["html_url"] = json!(format!("https://github.com/octo-org/octo-repo/actions/runs/{}", run.id));
    for key in ["created_at", "updated_at", "run_started_at"] {
        body[key] = json!(created);
    }
    body
}

fn repository(slug: &str) -> Answer {
    let mut body = Contract::get().example("full-repository-default-response");
    body["full_name"] = json!(slug);
    // GitHub's own example lacks what its schema requires.
    for repository in ["", "/source"] {
        body.pointer_mut(repository).expect("a part of the example")["language"] = json!("JavaScript");
    }
    body["name"] = json!(slug.split_once('/').map_or(slug, |(_, name)| name));
    Answer::json(200, &body)
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("a time that fits")
}
