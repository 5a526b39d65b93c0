//! Events for the workflows of a repository on GitHub (`repository_dispatch`).

use async_trait::async_trait;
use http::Method;
use serde_json::Value;

use super::runs::Runs;
use super::{Dispatch, DispatchError, Dispatcher, Outcome, RunRef, Search, Sighting};
use crate::adapters::github::GitHub;
use crate::adapters::http::{Policy, Reply};
use crate::downstream::Receiver;
use crate::ids::RepoSlug;
use crate::state::Timestamp;

/// Sends `repository_dispatch` events to one repository.
pub struct EventDispatcher {
    event: String,
    runs: Runs,
}

impl EventDispatcher {
    /// Sends events of this type to this repository. `policy` holds for the sends; it is made non-idempotent here.
    pub fn new(github: GitHub, repo: RepoSlug, event: String, policy: Policy) -> Self {
        let policy = Policy { idempotent: false, ..policy };
        Self { event, runs: Runs { github, repo, event: "repository_dispatch", policy } }
    }

    fn body(&self, envelope: &Value) -> Value {
        Receiver::Event { repo: self.runs.repo.clone(), event: self.event.clone() }.body(envelope)
    }
}

#[async_trait]
impl Dispatcher for EventDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let Runs { github, repo, policy, .. } = &self.runs;
        let body = self.body(&dispatch.envelope);
        let path = format!("/repos/{}/{}/dispatches", repo.owner(), repo.name());
        match github.api.call(policy, Method::POST, &path, Some(&body)).await {
            Ok(reply) => {
                let advice = github.api.advice(&reply, "contents: write", repo.as_str());
                settled(repo, &reply, &github.api.said(&reply), &advice)
            }
            Err(error) if error.certain => {
                Err(DispatchError::Unavailable { why: format!("{repo} was not told: {error}") })
            }
            Err(error) => Ok(Outcome::Unknown { why: format!("{repo} may have been told: {error}") }),
        }
    }

    async fn find(&self, dispatch: &Dispatch, since: Timestamp) -> Result<Search, DispatchError> {
        self.runs.find(&dispatch.correlation, since).await
    }

    async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError> {
        self.runs.look(run).await
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// What a final answer to a dispatch means; `needs` is what to do where it is a refusal for want of a permission.
fn settled(repo: &RepoSlug, reply: &Reply, said: &str, needs: &str) -> Result<Outcome, DispatchError> {
    let status = reply.status;
    match status {
        204 => Ok(Outcome::Delivered { place: repo.to_string(), run: None }),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::adapters::github::api::said;
    use crate::adapters::github::{GITHUB_API, fake_github};
    use crate::adapters::http::{Budget, RealPace, SteppedPace, client};
    use crate::secret::Secret;

    fn repo() -> RepoSlug {
        RepoSlug::parse("org/website").unwrap()
    }

    fn answer(status: u16, body: &str) -> String {
        let reply = Reply { body: body.as_bytes().to_vec(), ..Reply::with_status(status) };
        let said = said(&reply, &|text| text.replace("ghp_canary", "***"));
        settled(&repo(), &reply, &said, "do this")
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
        Delivered { place: "org/website", run: None }
        Unknown { why: "the answer for org/website was 200, where GitHub says 204" }
        GitHub does not know the token for org/website (401: Bad credentials); do this
        org/website must not be told (403: Resource not accessible by integration); do this
        org/website is out of reach (404: Not Found); do this; or the repository does not exist
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

    #[tokio::test]
    async fn github_is_a_dispatcher() {
        let github = fake_github::FakeGitHub::start();
        github.add_repo("org/website", true).allow("ghp_x", "org/website", fake_github::Grant::SendAndList);
        let budget = Arc::new(Budget::new(Arc::new(SteppedPace::default())));
        let through = GitHub::new(client().unwrap(), github.url(), &Secret::new("ghp_x"), budget).unwrap();
        let dispatcher = EventDispatcher::new(through, repo(), "asset-updated".into(), Policy::once());
        super::super::conformance::run(&dispatcher, || github.dispatches("org/website").len()).await;
    }

    #[tokio::test]
    async fn a_token_with_a_line_break_inside_is_refused_without_being_shown() {
        let budget = Arc::new(Budget::new(Arc::new(RealPace::default())));
        let made = GitHub::new(client().unwrap(), GITHUB_API, &Secret::new("ghp\ncanary"), budget);
        let error = made.err().unwrap();
        assert!(error.contains("line breaks") && !error.contains("canary"), "{error}");
    }
}
