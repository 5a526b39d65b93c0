//! One workflow of a repository on GitHub, begun with inputs (`workflow_dispatch`).

use async_trait::async_trait;
use http::Method;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::runs::Runs;
use super::{Dispatch, DispatchError, Dispatcher, Outcome, RunRef, Search, Sighting};
use crate::adapters::github::GitHub;
use crate::adapters::http::{HttpError, Policy, Reply, link};
use crate::downstream::Receiver;
use crate::ids::RepoSlug;
use crate::state::Timestamp;

/// The most inputs that a workflow takes.
const MAX_INPUTS: usize = 25;

/// The most characters of all inputs together, counted as JSON.
const MAX_CHARACTERS: usize = 65_535;

/// The longest name of a branch on GitHub.
const LONGEST_NAME: usize = 255;

/// By this the server is asked for the run's id. Enterprise Servers until 3.19 do not know it.
const RUN_DETAILS: &str = "return_run_details";

/// Begins runs of one workflow.
pub struct WorkflowDispatcher {
    workflow: String,
    reference: Option<String>,
    /// The repository's default branch, once it was asked for.
    default: OnceCell<String>,
    runs: Runs,
}

impl WorkflowDispatcher {
    /// Begins runs of this workflow, on `reference` or else on the default branch. `policy` holds for the sends; it is made
    /// non-idempotent here.
    pub fn new(github: GitHub, repo: RepoSlug, workflow: String, reference: Option<String>, policy: Policy) -> Self {
        let policy = Policy { idempotent: false, ..policy };
        let runs = Runs { github, repo, event: "workflow_dispatch", policy };
        Self { workflow, reference, default: OnceCell::new(), runs }
    }

    fn receiver(&self, reference: &str) -> Receiver {
        let (repo, workflow) = (self.runs.repo.clone(), self.workflow.clone());
        Receiver::Workflow { repo, workflow, reference: Some(reference.to_owned()) }
    }

    async fn reference(&self) -> Result<&str, DispatchError> {
        match &self.reference {
            Some(reference) => Ok(reference),
            None => self.default.get_or_try_init(|| self.default_branch()).await.map(String::as_str),
        }
    }

    async fn default_branch(&self) -> Result<String, DispatchError> {
        let Runs { github, repo, policy, .. } = &self.runs;
        let policy = Policy { idempotent: true, ..*policy };
        let path = format!("/repos/{}/{}", repo.owner(), repo.name());
        let what = format!("the default branch of {repo} cannot be asked for");
        let reply = github.api.call(&policy, Method::GET, &path, None).await;
        let reply = reply.map_err(|error| DispatchError::Unavailable { why: format!("{what}: {error}") })?;
        let said = github.api.said(&reply);
        if reply.status != 200 {
            let status = reply.status;
            let why = format!("{what} ({status}{said}): needs a token that reads {repo}, or `ref` in stockroom.yml");
            return Err(DispatchError::NotAllowed { why });
        }
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let branch = body.get("default_branch").and_then(Value::as_str).filter(|name| name.len() <= LONGEST_NAME);
        branch.map(str::to_owned).ok_or_else(|| DispatchError::Unavailable {
            why: format!("{what}: what came back is not what GitHub answers"),
        })
    }

    async fn send(&self, body: &Value) -> Result<Reply, HttpError> {
        let Runs { github, repo, policy, .. } = &self.runs;
        let path = format!("/repos/{}/{}/actions/workflows/{}/dispatches", repo.owner(), repo.name(), self.workflow);
        github.api.call(policy, Method::POST, &path, Some(body)).await
    }

    /// What a final answer means.
    fn settled(&self, reply: &Reply, reference: &str) -> Result<Outcome, DispatchError> {
        let (repo, status, said) = (&self.runs.repo, reply.status, self.runs.github.api.said(reply));
        let place = self.receiver(reference).place();
        let needs = self.runs.github.api.advice(reply, "actions: write", repo.as_str());
        let told = begun(&reply.body);
        match (status, told) {
            (204, _) => Ok(Outcome::Delivered { place, run: None }),
            (200, Some((id, address))) => {
                let place = address.unwrap_or_else(|| format!("run {id} of {repo}"));
                Ok(Outcome::Delivered { place, run: Some(RunRef::new(id.to_string())) })
            }
            // A proxy or a login page that answers in GitHub's place.
            (200..=299, _) => Ok(Outcome::Unknown {
                why: format!("the answer for {place} was {status}, and not what GitHub answers"),
            }),
            (401, _) => Err(DispatchError::NotAllowed {
                why: format!("GitHub does not know the token for {repo} (401{said}); {needs}"),
            }),
            (403, _) => {
                Err(DispatchError::NotAllowed { why: format!("{place} must not be started (403{said}); {needs}") })
            }
            (404, _) => Err(DispatchError::NotAllowed {
                why: format!(
                    "{place} is out of reach (404{said}); {needs}; or there is no such workflow on the default branch"
                ),
            }),
            (300..=399, _) => Err(DispatchError::Refused {
                why: format!("{repo} has another name now ({status}); correct `repo` in stockroom.yml"),
            }),
            (422, _) => Err(DispatchError::Refused {
                why: format!(
                    "GitHub does not start {place} on {reference:?} (422{said}); it needs `on: workflow_dispatch` with the \
                     inputs `correlation_id`, `envelope` and one for each key of `payload`"
                ),
            }),
            _ => Err(DispatchError::Refused { why: format!("GitHub answered {status}{said} for {place}") }),
        }
    }
}

#[async_trait]
impl Dispatcher for WorkflowDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let reference = self.reference().await?;
        let mut body = self.receiver(reference).body(&dispatch.envelope);
        fits(&body)?;
        let mut sent = self.send(&body).await;
        if sent.as_ref().is_ok_and(|reply| refuses_details(reply, &self.runs.github.api.said(reply))) {
            // It was refused as a whole, so this is the first time and not the second.
            body.as_object_mut().and_then(|fields| fields.remove(RUN_DETAILS));
            sent = self.send(&body).await;
        }
        let place = self.receiver(reference).place();
        match sent {
            Ok(reply) => self.settled(&reply, reference),
            Err(error) if error.certain => {
                Err(DispatchError::Unavailable { why: format!("{place} was not started: {error}") })
            }
            Err(error) => Ok(Outcome::Unknown { why: format!("{place} may have been started: {error}") }),
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

/// Refuses inputs that GitHub would refuse, before anything is sent.
fn fits(body: &Value) -> Result<(), DispatchError> {
    let inputs = body.get("inputs").unwrap_or(&Value::Null);
    let count = inputs.as_object().map_or(0, serde_json::Map::len);
    if count > MAX_INPUTS {
        let why = format!("a workflow takes {MAX_INPUTS} inputs, and this payload makes {count}; take keys away");
        return Err(DispatchError::Refused { why });
    }
    let characters = inputs.to_string().chars().count();
    if characters > MAX_CHARACTERS {
        let why = format!(
            "the inputs of a workflow have {MAX_CHARACTERS} characters at most, and these {characters}; say less in `payload`"
        );
        return Err(DispatchError::Refused { why });
    }
    Ok(())
}

/// Whether the server refuses to name the run, and for that reason all of the request.
fn refuses_details(reply: &Reply, said: &str) -> bool {
    matches!(reply.status, 400 | 422) && said.contains(RUN_DETAILS)
}

/// The run's id and its address for people, where the server tells them.
fn begun(body: &[u8]) -> Option<(u64, Option<String>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let id = body.get("workflow_run_id").and_then(Value::as_u64)?;
    Some((id, body.get("html_url").and_then(Value::as_str).and_then(link).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::conformance;
    use super::*;
    use crate::adapters::github::fake_github::{FakeGitHub, Grant};
    use crate::adapters::http::{Budget, SteppedPace, client};
    use crate::adapters::loopback::{Answer, Loopback};
    use crate::secret::Secret;

    fn dispatcher(url: &str, reference: Option<&str>) -> WorkflowDispatcher {
        let budget = Arc::new(Budget::new(Arc::new(SteppedPace::default())));
        let github = GitHub::new(client().unwrap(), url, &Secret::new("ghp_canary"), budget).unwrap();
        let repo = RepoSlug::parse("org/website").unwrap();
        WorkflowDispatcher::new(github, repo, "rebuild.yml".into(), reference.map(str::to_owned), Policy::once())
    }

    fn fake() -> FakeGitHub {
        let github = FakeGitHub::start();
        github.add_repo("org/website", true).allow("ghp_canary", "org/website", Grant::Start);
        github
    }

    #[tokio::test]
    async fn a_workflow_is_a_dispatcher() {
        let github = fake();
        let workflow = dispatcher(github.url(), None);
        conformance::run(&workflow, || github.dispatches("org/website").len()).await;
        let asked = github.seen().iter().filter(|seen| seen.uri == "/repos/org/website").count();
        assert_eq!(asked, 1, "the default branch is asked for once");
    }

    #[tokio::test]
    async fn the_server_names_the_run() {
        let github = fake();
        let workflow = dispatcher(github.url(), Some("main"));
        let outcome = workflow.deliver(&conformance::dispatch("sr-1")).await.unwrap();
        let Outcome::Delivered { place, run: Some(run) } = outcome else { panic!("{outcome:?}") };
        assert!(place.starts_with("https://") && workflow.look(&run).await.is_ok(), "{place}");
        let body = github.dispatches("org/website").remove(0);
        assert_eq!((&body["ref"], &body["inputs"]["correlation_id"]), (&json!("main"), &json!("sr-1")));
        let envelope: Value = serde_json::from_str(body["inputs"]["envelope"].as_str().unwrap()).unwrap();
        assert_eq!(envelope, conformance::dispatch("sr-1").envelope);
    }

    #[tokio::test]
    async fn a_server_that_refuses_to_name_the_run_is_asked_without_that_once() {
        let server = Loopback::start(|asked| match asked.json().get(RUN_DETAILS) {
            Some(_) => {
                let message = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
                Answer::json(422, &json!({ "message": message }))
            }
            None => Answer::status(204),
        })
        .await;
        let workflow = dispatcher(server.url(), Some("main"));
        let outcome = workflow.deliver(&conformance::dispatch("sr-1")).await.unwrap();
        assert_eq!(outcome, Outcome::Delivered { place: "rebuild.yml of org/website".into(), run: None });
        assert_eq!(server.seen().len(), 2);
    }

    #[tokio::test]
    async fn a_refusal_for_another_reason_is_not_tried_again() {
        for (status, message) in [
            (401, "Bad credentials"),
            (403, "Resource not accessible by integration"),
            (404, "Not Found"),
            (422, "Unexpected inputs provided: [\"note\"]"),
            (500, "return_run_details"),
        ] {
            let server = Loopback::start(move |_| Answer::json(status, &json!({ "message": message }))).await;
            let outcome = dispatcher(server.url(), Some("main")).deliver(&conformance::dispatch("sr-1")).await;
            assert_eq!(server.seen().len(), 1);
            match outcome {
                Ok(Outcome::Unknown { why }) if status == 500 => assert!(why.contains("may have been"), "{why}"),
                Err(error) => assert!(error.to_string().contains(message), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_githubs_leaves_a_doubt() {
        for answer in [Answer::Cut, Answer::status(200), Answer::json(202, &json!({"login": true}))] {
            let server = Loopback::start(move |_| answer.clone()).await;
            let outcome = dispatcher(server.url(), Some("main")).deliver(&conformance::dispatch("sr-1")).await;
            assert!(matches!(outcome, Ok(Outcome::Unknown { .. })), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn what_github_would_refuse_is_not_sent() {
        let server = Loopback::start(|_| Answer::status(204)).await;
        let workflow = dispatcher(server.url(), Some("main"));
        let mut dispatch = conformance::dispatch("sr-1");
        dispatch.envelope["extra"] = (0..24).map(|i| (format!("k{i}"), json!(i))).collect();
        let many = workflow.deliver(&dispatch).await.unwrap_err().to_string();
        dispatch.envelope["extra"] = json!({"note": "\"".repeat(20_000)});
        let long = workflow.deliver(&dispatch).await.unwrap_err().to_string();
        assert!(many.contains("makes 26") && long.contains("say less in `payload`"), "{many} {long}");
        assert_eq!(server.seen().len(), 0);
    }

    #[tokio::test]
    async fn a_default_branch_that_is_not_told_is_named_and_nothing_is_sent() {
        let server = Loopback::start(|_| Answer::json(404, &json!({"message": "Not Found"}))).await;
        let error = dispatcher(server.url(), None).deliver(&conformance::dispatch("sr-1")).await.unwrap_err();
        assert!(error.to_string().contains("or `ref` in stockroom.yml"), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
}
