//! Events for downstreams through GitHub's API.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::{Dispatch, DispatchError, Dispatcher, Outcome};
use crate::adapters::http::{Pace, Policy, Reply};
use crate::ids::{CorrelationId, RepoSlug};
use crate::secret::Secret;
use crate::state::Timestamp;

/// GitHub's own API; an Enterprise Server's is at `https://HOST/api/v3`.
pub const GITHUB_API: &str = "https://api.github.com";

/// Pages of a hundred runs that are looked through.
const PAGES: u32 = 5;

/// The search for a run begins this much earlier, as our clock and GitHub's may differ.
const CLOCK_SLACK: i64 = 3_600;

/// Sends `repository_dispatch` events with one token.
pub struct GitHubDispatcher {
    api: Api,
    policy: Policy,
}

impl GitHubDispatcher {
    /// Sends to the API at `base` ([`GITHUB_API`] or an Enterprise Server's). To be called within a tokio runtime.
    ///
    /// `policy` holds for the sends; it is made non-idempotent here. `pace` is the clock for waits.
    pub fn new(
        client: reqwest::Client,
        base: &str,
        token: &Secret,
        policy: Policy,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, DispatchError> {
        let api = Api::new(client, base, token, pace).map_err(|why| DispatchError::NotAllowed { why })?;
        Ok(Self { api, policy: Policy { idempotent: false, ..policy } })
    }

    async fn runs(&self, repo: &RepoSlug, since: Timestamp, page: u32) -> Result<Vec<Run>, DispatchError> {
        let path = runs_path(repo, since, page);
        let policy = Policy { idempotent: true, ..self.policy };
        let reply = self.api.call(&policy, Method::GET, &path, None).await.map_err(|error| {
            DispatchError::Unavailable { why: format!("the runs of {repo} cannot be listed: {error}") }
        })?;
        match reply.status {
            200 => parse_runs(&reply.body).ok_or_else(|| DispatchError::Unavailable {
                why: format!("the runs of {repo} cannot be listed: what came back is not what GitHub answers"),
            }),
            status => Err(DispatchError::NotAllowed {
                why: format!(
                    "the runs of {repo} cannot be listed ({status}): needs a token with `actions: read` on {repo}"
                ),
            }),
        }
    }
}

#[async_trait]
impl Dispatcher for GitHubDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let repo = &dispatch.repo;
        let body = json!({ "event_type": dispatch.event, "client_payload": dispatch.payload });
        let path = format!("/repos/{}/{}/dispatches", repo.owner(), repo.name());
        match self.api.call(&self.policy, Method::POST, &path, Some(&body)).await {
            Ok(reply) => settled(repo, &reply, &self.api.said(&reply)),
            Err(error) if error.certain => {
                Err(DispatchError::Unavailable { why: format!("{repo} was not told: {error}") })
            }
            Err(error) => Ok(Outcome::Unknown { why: format!("{repo} may have been told: {error}") }),
        }
    }

    async fn find(&self, dispatch: &Dispatch, since: Timestamp) -> Result<Option<String>, DispatchError> {
        for page in 1..=PAGES {
            let runs = self.runs(&dispatch.repo, since, page).await?;
            if let Some(run) = runs.iter().find(|run| run.shows(&dispatch.correlation)) {
                let place = run.html_url.clone().or_else(|| run.id.map(|id| format!("run {id} of {}", dispatch.repo)));
                return Ok(Some(place.unwrap_or_else(|| format!("a run of {}", dispatch.repo))));
            }
            if runs.len() < 100 {
                break;
            }
        }
        Ok(None)
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// What a final answer to a dispatch means.
fn settled(repo: &RepoSlug, reply: &Reply, said: &str) -> Result<Outcome, DispatchError> {
    let needs = format!("needs a token with `contents: write` on {repo}; GITHUB_TOKEN cannot reach another repository");
    let status = reply.status;
    match status {
        204 => Ok(Outcome::Delivered { place: repo.to_string() }),
        // A proxy or a login page that answers in GitHub's place.
        200..=299 => Ok(Outcome::Unknown { why: format!("the answer for {repo} was {status}, where GitHub says 204") }),
        401 => Err(DispatchError::NotAllowed {
            why: format!("GitHub does not know the token for {repo} (401{said}); {needs}"),
        }),
        403 => Err(DispatchError::NotAllowed { why: format!("{repo} must not be told (403{said}); {needs}") }),
        404 => Err(DispatchError::NotAllowed {
            why: format!("{repo} is out of reach (404{said}); {needs}; or the repository does not exist"),
        }),
        300..=399 => Err(DispatchError::Refused {
            why: format!("{repo} has another name now ({status}); correct `repo` in stockroom.yml"),
        }),
        422 => Err(DispatchError::Refused { why: format!("GitHub refuses the event for {repo} (422{said})") }),
        _ => Err(DispatchError::Refused { why: format!("GitHub answered {status}{said} to the event for {repo}") }),
    }
}

fn runs_path(repo: &RepoSlug, since: Timestamp, page: u32) -> String {
    let since = DateTime::from_timestamp(since.0.saturating_sub(CLOCK_SLACK), 0).unwrap_or_default();
    let created = format!(">={}", since.to_rfc3339_opts(SecondsFormat::Secs, true));
    let created = utf8_percent_encode(&created, NON_ALPHANUMERIC);
    let (owner, name) = (repo.owner(), repo.name());
    format!("/repos/{owner}/{name}/actions/runs?event=repository_dispatch&created={created}&per_page=100&page={page}")
}

/// A workflow run. Older servers leave fields out.
#[derive(Debug, Deserialize)]
struct Run {
    id: Option<u64>,
    display_title: Option<String>,
    html_url: Option<String>,
}

impl Run {
    /// Whether the run's title holds the id, and not only as a part of a longer one.
    fn shows(&self, correlation: &CorrelationId) -> bool {
        let part_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let id = correlation.as_str();
        let Some(title) = self.display_title.as_deref() else { return false };
        title.match_indices(id).any(|(at, _)| {
            let before = title.get(..at).and_then(|text| text.chars().next_back());
            let after = title.get(at + id.len()..).and_then(|text| text.chars().next());
            !before.is_some_and(part_of_id) && !after.is_some_and(part_of_id)
        })
    }
}

fn parse_runs(body: &[u8]) -> Option<Vec<Run>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let runs = body.get("workflow_runs")?.as_array()?;
    // A run that does not look like one is as good as none, but it counts for the paging.
    let unreadable = || Run { id: None, display_title: None, html_url: None };
    Some(runs.iter().map(|run| Run::deserialize(run).unwrap_or_else(|_| unreadable())).collect())
}

#[cfg(test)]
#[path = "../../../tests/it/fake_github/mod.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "part of the integration tests, which use all of it"
)]
pub(crate) mod fake_github;

#[cfg(test)]
mod tests {
    use super::super::api::said;
    use super::*;

    fn repo() -> RepoSlug {
        RepoSlug::parse("org/website").unwrap()
    }

    fn answer(status: u16, body: &str) -> String {
        let reply = Reply { body: body.as_bytes().to_vec(), ..Reply::with_status(status) };
        settled(&repo(), &reply, &said(&reply, &|text| text.replace("ghp_canary", "***")))
            .map_or_else(|error| error.to_string(), |outcome| format!("{outcome:?}"))
    }

    #[test]
    fn each_refusal_says_what_to_do_next() {
        let told = [
            answer(204, ""),
            answer(200, "<html>Please log in</html>"),
            answer(401, r#"{"message": "Bad credentials"}"#),
            answer(403, r#"{"message": "Resource not accessible by integration"}"#),
            answer(404, r#"{"message": "Not Found"}"#),
            answer(307, ""),
            answer(422, r#"{"message": "Invalid request.", "errors": ["No more than 10 properties are allowed"]}"#),
            answer(418, "<html>"),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
        Delivered { place: "org/website" }
        Unknown { why: "the answer for org/website was 200, where GitHub says 204" }
        GitHub does not know the token for org/website (401: Bad credentials); needs a token with `contents: write` on org/website; GITHUB_TOKEN cannot reach another repository
        org/website must not be told (403: Resource not accessible by integration); needs a token with `contents: write` on org/website; GITHUB_TOKEN cannot reach another repository
        org/website is out of reach (404: Not Found); needs a token with `contents: write` on org/website; GITHUB_TOKEN cannot reach another repository; or the repository does not exist
        org/website has another name now (307); correct `repo` in stockroom.yml
        GitHub refuses the event for org/website (422: Invalid request.; No more than 10 properties are allowed)
        GitHub answered 418 to the event for org/website
        "#);
    }

    #[test]
    fn a_token_that_the_answer_repeats_is_not_said_not_even_in_part() {
        for before in 0..600 {
            let told = answer(403, &json!({"message": format!("{}ghp_canary", "x".repeat(before))}).to_string());
            assert!(!told.contains("xg") && !told.contains("canary"), "{told}");
        }
    }

    #[test]
    fn an_id_is_found_whole_or_not_at_all() {
        let shows = |title: &str| {
            let run = Run { id: None, display_title: Some(title.to_owned()), html_url: None };
            run.shows(&CorrelationId::new("sr-ab12"))
        };
        assert!(shows("Rebuild (sr-ab12)") && shows("sr-ab12") && shows("x sr-ab123 sr-ab12"));
        assert!(!shows("sr-ab123") && !shows("xsr-ab12") && !shows("sr-ab1") && !shows(""));
    }

    #[test]
    fn a_list_of_runs_may_lack_fields() {
        let runs =
            parse_runs(br#"{"workflow_runs": [{}, {"id": 3}, {"id": "three"}, {"display_title": "t"}]}"#).unwrap();
        assert_eq!(runs.len(), 4);
        assert!(parse_runs(b"<html>").is_none() && parse_runs(b"[]").is_none());
    }

    #[test]
    fn runs_are_asked_for_from_a_little_before() {
        let path = runs_path(&repo(), Timestamp(1_445_412_480), 2);
        let wanted = "/repos/org/website/actions/runs?event=repository_dispatch\
            &created=%3E%3D2015%2D10%2D21T06%3A28%3A00Z&per_page=100&page=2";
        assert_eq!(path, wanted);
    }

    #[tokio::test]
    async fn github_is_a_dispatcher() {
        let github = fake_github::FakeGitHub::start();
        github.add_repo("org/website", true).allow("ghp_x", "org/website", fake_github::Grant::SendAndList);
        let client = crate::adapters::http::client().unwrap();
        let pace = Arc::new(crate::adapters::http::SteppedPace::default());
        let dispatcher =
            GitHubDispatcher::new(client, github.url(), &Secret::new("ghp_x"), Policy::once(), pace).unwrap();
        super::super::conformance::run(&dispatcher, || github.dispatches("org/website").len()).await;
    }

    #[tokio::test]
    async fn a_token_with_a_line_break_inside_is_refused_without_being_shown() {
        let client = crate::adapters::http::client().unwrap();
        let pace = Arc::new(crate::adapters::http::RealPace::default());
        let made = GitHubDispatcher::new(client, GITHUB_API, &Secret::new("ghp\ncanary"), Policy::once(), pace);
        let error = made.err().unwrap().to_string();
        assert!(error.contains("line breaks") && !error.contains("canary"), "{error}");
    }
}
