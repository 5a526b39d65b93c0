//! Showing on the library's own commit how a downstream took it: a commit status, or a deployment.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::feedback::{FeedbackError, GitHubFeedback, parsed};
use crate::downstream::CommitMark;
use crate::ids::{CommitId, RepoSlug};

impl GitHubFeedback {
    /// Gives the commit a status under the mark's name. A later one takes its place.
    pub async fn commit_status(
        &self,
        repo: &RepoSlug,
        commit: &CommitId,
        mark: &CommitMark,
    ) -> Result<(), FeedbackError> {
        let path = format!("/repos/{}/{}/statuses/{commit}", repo.owner(), repo.name());
        let CommitMark { state, description, link, .. } = mark;
        let mut body =
            json!({ "state": state, "context": format!("stockroom/{}", mark.name), "description": description });
        if let (Some(link), Some(body)) = (link, body.as_object_mut()) {
            body.insert("target_url".to_owned(), link.as_str().into());
        }
        self.ask(Method::POST, &path, Some(&body), "statuses: write").await.map(drop)
    }

    /// Says of the commit's deployment to the environment of that name how it went; makes the deployment where there is none.
    pub async fn deployment(&self, repo: &RepoSlug, commit: &CommitId, mark: &CommitMark) -> Result<(), FeedbackError> {
        let needs = "deployments: write";
        let deployments = format!("/repos/{}/{}/deployments", repo.owner(), repo.name());
        let environment = utf8_percent_encode(&mark.name, NON_ALPHANUMERIC);
        let listed = format!("{deployments}?sha={commit}&environment={environment}&task=deploy&per_page=1");
        let reply = self.ask(Method::GET, &listed, None, needs).await?;
        let held = parsed(&reply).and_then(|list| list.get(0)?.get("id")?.as_u64());
        let id = match held {
            Some(id) => id,
            None => {
                let body = json!({
                    "ref": commit,
                    "environment": mark.name,
                    "description": "told by stockroom",
                    "auto_merge": false,
                    // What this job has to do with is the job's own matter; the commit has its other checks elsewhere.
                    "required_contexts": [],
                });
                let reply = self.ask(Method::POST, &deployments, Some(&body), needs).await?;
                let id = parsed(&reply).and_then(|made| made.get("id")?.as_u64());
                id.ok_or_else(|| FeedbackError { why: "what came back is not what GitHub answers".into() })?
            }
        };
        let CommitMark { state, description, link, .. } = mark;
        let mut body = json!({ "state": state, "description": description });
        if let (Some(link), Some(body)) = (link, body.as_object_mut()) {
            body.insert("log_url".to_owned(), link.as_str().into());
        }
        self.ask(Method::POST, &format!("{deployments}/{id}/statuses"), Some(&body), needs).await.map(drop)
    }
}
