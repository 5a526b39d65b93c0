//! Telling people on GitHub what was found in a change: a check run on its commit, a comment on its pull request.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::access::Access;
use super::api::Api;
use crate::adapters::http::{Budget, HttpError, Policy, Reply};
use crate::ids::RepoSlug;
use crate::secret::Secret;

/// Pages of a hundred comments that are looked through for ours.
const PAGES: u32 = 10;
/// Whom comments come from that the workflow's own token makes.
const WORKFLOW: &str = "github-actions[bot]";

/// A comment that is kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// What the text begins with, by which it is found again; readers do not see it.
    pub marker: String,
    /// The whole text.
    pub text: String,
    /// Whether it is worth a new comment, where there is none yet.
    pub is_news: bool,
}

/// What became of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commented {
    /// There is a new one.
    Created,
    /// The one that was there says something else now.
    Updated,
    /// Nothing had to be said.
    Unchanged,
}

/// Why people could not be told, and what to do about it. The text holds no token and no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct FeedbackError {
    /// The sentence.
    pub why: String,
}

/// Tells it through GitHub's API.
pub struct GitHubFeedback {
    api: Api,
}

impl GitHubFeedback {
    /// Through the API at `base`, with this token, within the budget that it has there. To be called within a tokio runtime.
    pub fn new(
        client: reqwest::Client,
        base: &str,
        token: &Secret,
        budget: Arc<Budget>,
    ) -> Result<Self, FeedbackError> {
        let access = Access::new(client, base, token, budget);
        Api::with(access).map(|api| Self { api }).map_err(|why| FeedbackError { why })
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        needs: &str,
    ) -> Result<Reply, FeedbackError> {
        // What is shown twice does harm, but a comment or a run that is read does not.
        let policy = if method == Method::GET { Policy::idempotent() } else { Policy::once() };
        let reply = self.api.call(&policy, method, path, body).await.map_err(|error| unreached(&error))?;
        let said = self.api.said(&reply);
        match reply.status {
            200 | 201 => Ok(reply),
            401 => {
                let advice = self.api.advice(&reply, needs, "the repository");
                Err(FeedbackError { why: format!("GitHub does not know the token (401{said}): {advice}") })
            }
            // A person's token: GitHub names its page.
            status @ (403 | 404) if !self.api.is_jobs_own() => {
                let advice = self.api.advice(&reply, needs, "the repository");
                Err(FeedbackError { why: format!("the token may not do that ({status}{said}): {advice}") })
            }
            status @ (403 | 404) => Err(FeedbackError {
                why: format!(
                    "the token may not do that ({status}{said}): give the job the permission `{needs}`; a pull request \
                     from a fork never gets it"
                ),
            }),
            status => Err(FeedbackError { why: format!("GitHub refuses it ({status}{said})") }),
        }
    }

    /// Who the token is: a person, or the bot of an app, which alone may not ask.
    async fn author(&self) -> Result<String, FeedbackError> {
        let policy = Policy::idempotent();
        let reply = self.api.call(&policy, Method::GET, "/user", None).await.map_err(|error| unreached(&error))?;
        let login = |reply: &Reply| parsed(reply)?.get("login")?.as_str().map(str::to_owned);
        match reply.status {
            200 => login(&reply).ok_or_else(|| FeedbackError { why: "GitHub does not say whose the token is".into() }),
            403 => Ok(WORKFLOW.to_owned()),
            status => {
                let said = self.api.said(&reply);
                Err(FeedbackError { why: format!("GitHub does not say whose the token is ({status}{said})") })
            }
        }
    }

    async fn ours(&self, repo: &RepoSlug, number: u64, marker: &str) -> Result<Option<Held>, FeedbackError> {
        let author = self.author().await?;
        let (owner, name) = (repo.owner(), repo.name());
        for page in 1..=PAGES {
            let path = format!("/repos/{owner}/{name}/issues/{number}/comments?per_page=100&page={page}");
            let reply = self.ask(Method::GET, &path, None, "pull-requests: write").await?;
            let listed = parsed(&reply).and_then(|body| body.as_array().cloned()).unwrap_or_default();
            if let Some(held) = listed.iter().find_map(|comment| Held::ours(comment, &author, marker)) {
                return Ok(Some(held));
            }
            if listed.len() < 100 {
                break;
            }
        }
        Ok(None)
    }
}

/// A comment of ours that is there.
struct Held {
    id: u64,
    text: String,
}

impl Held {
    /// Takes a comment for ours that the token's owner wrote and that begins with the marker.
    fn ours(comment: &Value, author: &str, marker: &str) -> Option<Self> {
        let text = comment.get("body")?.as_str()?;
        let is_ours = comment.pointer("/user/login")?.as_str()? == author && text.starts_with(marker);
        is_ours.then_some(Self { id: comment.get("id")?.as_u64()?, text: text.to_owned() })
    }
}

pub(super) fn parsed(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(&reply.body).ok()
}

fn unreached(error: &HttpError) -> FeedbackError {
    FeedbackError { why: error.to_string() }
}

impl GitHubFeedback {
    /// Shows a check run: the first request makes it, each of the others adds to it.
    pub async fn check_run(&self, repo: &RepoSlug, requests: &[Value]) -> Result<(), FeedbackError> {
        let needs = "checks: write";
        let runs = format!("/repos/{}/{}/check-runs", repo.owner(), repo.name());
        let Some((first, others)) = requests.split_first() else { return Ok(()) };
        let reply = self.ask(Method::POST, &runs, Some(first), needs).await?;
        let id = parsed(&reply).and_then(|run| run.get("id")?.as_u64());
        let id = id.ok_or_else(|| FeedbackError { why: "what came back is not what GitHub answers".into() })?;
        for request in others {
            self.ask(Method::PATCH, &format!("{runs}/{id}"), Some(request), needs).await?;
        }
        Ok(())
    }

    /// Keeps our comment on a pull request up to date. Nobody else's comment is touched, whatever it says.
    pub async fn comment(&self, repo: &RepoSlug, number: u64, comment: &Comment) -> Result<Commented, FeedbackError> {
        let needs = "pull-requests: write";
        let issues = format!("/repos/{}/{}/issues", repo.owner(), repo.name());
        let body = json!({ "body": comment.text });
        match self.ours(repo, number, &comment.marker).await? {
            Some(held) if same_text(&held.text, &comment.text) => Ok(Commented::Unchanged),
            Some(held) => {
                let path = format!("{issues}/comments/{}", held.id);
                self.ask(Method::PATCH, &path, Some(&body), needs).await.map(|_| Commented::Updated)
            }
            None if comment.is_news => {
                let path = format!("{issues}/{number}/comments");
                self.ask(Method::POST, &path, Some(&body), needs).await.map(|_| Commented::Created)
            }
            None => Ok(Commented::Unchanged),
        }
    }
}

/// GitHub may give a text back with other ends of lines, and without those at its end.
fn same_text(held: &str, wanted: &str) -> bool {
    held.replace("\r\n", "\n").trim_end() == wanted.trim_end()
}
