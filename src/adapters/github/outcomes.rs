//! Showing on the library's own commit how a downstream took it: a commit status, or a deployment.

use http::Method;
use serde_json::json;

use super::feedback::{FeedbackError, GitHubFeedback, parsed};
use crate::downstream::Badge;
use crate::ids::{CommitId, RepoSlug};

impl GitHubFeedback {
    /// Gives the commit a status under the badge's name. A later one takes its place.
    pub async fn commit_status(&self, repo: &RepoSlug, commit: &CommitId, badge: &Badge) -> Result<(), FeedbackError> {
        let path = format!("/repos/{}/{}/statuses/{commit}", repo.owner(), repo.name());
        let Badge { state, description, link, .. } = badge;
        let mut body =
            json!({ "state": state, "context": format!("stockroom/{}", badge.name), "description": description });
        if let (Some(link), Some(body)) = (link, body.as_object_mut()) {
            body.insert("target_url".to_owned(), link.as_str().into());
        }
        self.ask(Method::POST, &path, Some(&body), "statuses: write").await.map(drop)
    }

    /// Makes a deployment of the commit to the environment of that name, and says how it went.
    pub async fn deployment(&self, repo: &RepoSlug, commit: &CommitId, badge: &Badge) -> Result<(), FeedbackError> {
        let needs = "deployments: write";
        let deployments = format!("/repos/{}/{}/deployments", repo.owner(), repo.name());
        let body = json!({
            "ref": commit,
            "environment": badge.name,
            "description": "told by stockroom",
            "auto_merge": false,
            // The commit's other checks have no part in whether it was told.
            "required_contexts": [],
        });
        let reply = self.ask(Method::POST, &deployments, Some(&body), needs).await?;
        let id = parsed(&reply).and_then(|made| made.get("id")?.as_u64());
        let id = id.ok_or_else(|| FeedbackError { why: "what came back is not what GitHub answers".into() })?;
        let Badge { state, description, link, .. } = badge;
        let mut body = json!({ "state": state, "description": description });
        if let (Some(link), Some(body)) = (link, body.as_object_mut()) {
            body.insert("log_url".to_owned(), link.as_str().into());
        }
        self.ask(Method::POST, &format!("{deployments}/{id}/statuses"), Some(&body), needs).await.map(drop)
    }
}
