//! Tells a pull request what was found, where that is asked for: a check run on its commit, a comment in its discussion.
//!
//! Neither decides how a run ends: what GitHub refuses is said as a warning.

use anyhow::anyhow;
use serde_json::Value;

use super::{Ending, Execution, verdict};
use crate::adapters::github::feedback::{Comment, Commented, GitHubFeedback};
use crate::adapters::http::{self, Budgets};
use crate::cli::rehearsal;
use crate::cli::words::FailOn;
use crate::commands::gather::Library;
use crate::commands::plan::Plan;
use crate::event::Event;
use crate::ids::{CommitId, RepoSlug};
use crate::report::check_run::{CheckRun, requests};
use crate::report::comment;
use crate::secret::Secret;

/// What asks for a check run, and what for a comment.
const CHECK_RUN: &str = "STOCKROOM_CHECK_RUN";
const COMMENT: &str = "STOCKROOM_COMMENT";
/// Where the token for them is looked for, in this order.
const TOKENS: [&str; 2] = ["STOCKROOM_GITHUB_TOKEN", "GITHUB_TOKEN"];

impl Execution<'_> {
    /// Shows every finding in a check run, where one is asked for; tells whether it is there now.
    pub(super) async fn tell_check_run(&self, library: &Library, event: Option<&Event>, fail_on: FailOn) -> bool {
        let Some(head) = self.asked_for(CHECK_RUN).then_some(event).flatten().and_then(Event::head) else {
            return false;
        };
        let told = self.show_check_run(library, head, fail_on).await;
        let is_told = told.is_ok();
        self.settled(told.map_err(|error| error.context("there is no check run")));
        is_told
    }

    async fn show_check_run(&self, library: &Library, head: &CommitId, fail_on: FailOn) -> anyhow::Result<()> {
        let page = self.page();
        let run = CheckRun {
            folder: library.worktree.prefix(),
            head,
            is_valid: verdict(&library.check.findings, fail_on) == Ending::Done,
            page: page.as_deref(),
        };
        let (github, repo) = self.feedback(&self.own_budgets())?;
        let requests: Vec<_> =
            requests(&library.check, run).into_iter().map(|body| self.without_secrets(body)).collect();
        Ok(github.check_run(&repo, &requests).await?)
    }

    /// Keeps the comment on a pull request up to date, where one is asked for.
    pub(super) async fn tell_comment(&self, library: &Library, event: Option<&Event>, plan: Option<&Plan>) {
        let Some(event) = event.filter(|_| self.asked_for(COMMENT)) else { return };
        let Some((head, number)) = event.head().zip(event.number()) else { return };
        let told = self.write_comment(library, head, number, plan).await;
        self.settled(told.map_err(|error| error.context("the comment on the pull request is not up to date")));
    }

    async fn write_comment(
        &self,
        library: &Library,
        head: &CommitId,
        number: u64,
        plan: Option<&Plan>,
    ) -> anyhow::Result<()> {
        let (check, folder) = (&library.check, library.worktree.prefix());
        let text = comment::text(check, plan, folder, head, self.page().as_deref());
        let comment = Comment {
            marker: comment::marker(folder),
            text: self.console.redacted(&text),
            is_news: comment::is_news(check, plan),
        };
        let (github, repo) = self.feedback(&self.own_budgets())?;
        match github.comment(&repo, number, &comment).await? {
            Commented::Created => self.console.talk(&format!("commented on pull request {number}\n")),
            Commented::Updated => self.console.talk(&format!("the comment on pull request {number} was updated\n")),
            Commented::Unchanged => {}
        }
        Ok(())
    }

    fn asked_for(&self, variable: &str) -> bool {
        self.environment.get(variable) == Some("true")
    }

    /// For those who are the only ones to ask anything.
    fn own_budgets(&self) -> Budgets {
        Budgets::new(rehearsal::pace(self.environment, &self.stop), None)
    }

    /// The way to GitHub within these budgets; the token is read here and nowhere else.
    pub(super) fn feedback(&self, budgets: &Budgets) -> anyhow::Result<(GitHubFeedback, RepoSlug)> {
        let repo = self.environment.repository().ok_or_else(|| anyhow!("GITHUB_REPOSITORY names no repository"))?;
        let token = TOKENS.iter().find_map(|name| self.environment.get(name)).map(Secret::new);
        let token = token.ok_or_else(|| anyhow!("there is no token: set the action's `github-token`"))?;
        self.console.mask(token.reveal());
        let api = self.environment.api();
        Ok((GitHubFeedback::new(http::client()?, api, &token, budgets.of(api, Some(&token)))?, repo))
    }

    /// The page of the workflow's run.
    pub(super) fn page(&self) -> Option<String> {
        let part = |name| self.environment.get(name);
        let (server, run) = (part("GITHUB_SERVER_URL")?, part("GITHUB_RUN_ID")?);
        let is_number = !run.is_empty() && run.bytes().all(|digit| digit.is_ascii_digit());
        let repo = self.environment.repository().filter(|_| is_number && server.starts_with("https://"))?;
        Some(format!("{server}/{repo}/actions/runs/{run}"))
    }

    /// The same body; what is redacted are its texts one by one, so that it stays a body whatever they hold.
    pub(super) fn without_secrets(&self, body: Value) -> Value {
        match body {
            Value::String(text) => Value::String(self.console.redacted(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.without_secrets(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(key, value)| (key, self.without_secrets(value))).collect()
            }
            other => other,
        }
    }
}
