//! Tells others what came of a sync: a channel of Slack, and the library's own commit on GitHub.
//!
//! Neither decides how a run ends: what cannot be told is said as a warning.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::{Ending, Execution};
use crate::adapters::http::{self, Budgets, RealPace};
use crate::adapters::notifier::{Notifier as _, SlackNotifier};
use crate::adapters::stop::Stopped;
use crate::adapters::whole_file;
use crate::cli::words::{Common, Format, Metrics};
use crate::commands::gather::Library;
use crate::commands::open::open;
use crate::commands::plan::Scope;
use crate::config::Config;
use crate::downstream::{Badge, Channel, ReportTo, Taken};
use crate::ids::DownstreamName;
use crate::report::notify::Occasion;
use crate::report::prometheus;
use crate::report::slack::{self, News};
use crate::report::targets::{Outcome, Sync, TargetResult};
use crate::secret::SecretRef;

impl Execution<'_> {
    /// Brings the targets into step that `scope` leaves; a run that comes to nothing is told of too.
    pub(super) async fn bring_into_step(
        &self,
        common: &Common,
        format: Format,
        metrics: &Metrics,
        scope: impl FnOnce(&Config) -> anyhow::Result<Scope>,
        command: String,
    ) -> anyhow::Result<Ending> {
        let ended = self.synced(common, format, metrics, scope, command).await;
        let why = match &ended {
            Ok(Ending::Findings) => {
                Some("The records have errors (`stockroom check` names them), so nothing was sent.".to_owned())
            }
            Err(error) if error.downcast_ref::<Stopped>().is_none() => Some(format!("{error:#}")),
            _ => None,
        };
        if let Some(why) = why {
            let told = self.tell_failure(&why).await;
            self.settled(told.map_err(|error| error.context("Slack was not told")));
        }
        ended
    }

    async fn tell_failure(&self, why: &str) -> anyhow::Result<()> {
        // Where there is no configuration nobody is named.
        let Ok(opened) = open(&self.place(None)) else { return Ok(()) };
        let settings = &opened.config.settings.notify.slack;
        let Some(slack) = settings.as_ref().filter(|slack| slack.on.contains(&Occasion::Failure)) else {
            return Ok(());
        };
        let repository = self.environment.repository().or_else(|| opened.worktree.origin());
        self.post(&slack.webhook, slack::failure(why, repository.as_ref(), self.page().as_deref())).await
    }

    /// Writes the numbers of the run for Prometheus, where a file is named.
    pub(super) fn write_metrics(
        &self,
        metrics: &Metrics,
        library: &Library,
        sync: &Sync,
        took: Duration,
    ) -> anyhow::Result<()> {
        let Some(file) = &metrics.file else { return Ok(()) };
        let repository = self.environment.repository().or_else(|| library.worktree.origin());
        let name = repository.map_or_else(|| "local".to_owned(), |slug| slug.to_string());
        let name = format!("{name}:{}", library.worktree.prefix());
        let text = prometheus::render(name.trim_end_matches(':'), sync, took);
        let written = whole_file::write(file, self.console.redacted(&text).as_bytes());
        written.with_context(|| format!("the metrics could not be written to {}", file.display()))
    }

    /// Tells everybody whom stockroom.yml names.
    pub(super) async fn tell(&self, library: &Library, sync: &Sync, budgets: &Budgets, took: Duration) {
        // Who is asked to end makes no request any more.
        if self.stop.is_asked() {
            return;
        }
        self.tell_commit(library, sync, budgets).await;
        let told = self.tell_slack(library, sync, took).await;
        self.settled(told.map_err(|error| error.context("Slack was not told")));
    }

    async fn tell_slack(&self, library: &Library, sync: &Sync, took: Duration) -> anyhow::Result<()> {
        let Some(settings) = &library.config.settings.notify.slack else { return Ok(()) };
        if !slack::is_wanted(sync, &settings.on) {
            return Ok(());
        }
        let (repository, page) = (self.environment.repository().or_else(|| library.worktree.origin()), self.page());
        let message = slack::message(&News {
            sync,
            repository: repository.as_ref(),
            server: self.environment.get("GITHUB_SERVER_URL").unwrap_or("https://github.com"),
            page: page.as_deref(),
            seconds: took.as_secs(),
        });
        self.post(&settings.webhook, message).await
    }

    async fn post(&self, webhook: &SecretRef, message: Value) -> anyhow::Result<()> {
        let Some(address) = self.environment.secret(webhook) else {
            return Err(anyhow!("{} is not set: set it to the address of an incoming webhook", webhook.variable()));
        };
        self.console.mask(address.reveal());
        let pace = Arc::new(RealPace::until(self.stop.clone()));
        let notifier = SlackNotifier::new(http::client()?, address, pace);
        Ok(notifier.notify(&self.without_secrets(message)).await?)
    }

    /// Shows on the commit how each downstream took it that wants that. What has not changed is not shown anew.
    async fn tell_commit(&self, library: &Library, sync: &Sync, budgets: &Budgets) {
        let badges: Vec<(Badge, &[ReportTo])> = library
            .config
            .settings
            .downstreams
            .iter()
            .filter(|(_, settings)| !settings.report.is_empty())
            .filter_map(|(name, settings)| Some((self.badge(name, sync)?, settings.report.as_slice())))
            .collect();
        if badges.is_empty() {
            return;
        }
        let told = self.show_badges(sync, &badges, budgets).await;
        self.settled(told.map_err(|error| error.context("the commit does not show how the downstreams took it")));
    }

    async fn show_badges(&self, sync: &Sync, badges: &[(Badge, &[ReportTo])], budgets: &Budgets) -> anyhow::Result<()> {
        let commit = sync.plan.commit.as_ref().filter(|_| !sync.plan.dirty);
        let commit = commit.ok_or_else(|| anyhow!("what was told is in no commit"))?;
        let (github, repo) = self.feedback(budgets)?;
        let mut troubles = Vec::new();
        for (badge, report) in badges {
            for to in *report {
                let shown = match to {
                    ReportTo::CommitStatus => github.commit_status(&repo, commit, badge).await,
                    ReportTo::Deployment => github.deployment(&repo, commit, badge).await,
                };
                troubles.extend(shown.err().map(|error| anyhow!(error).context(badge.name.clone())));
            }
        }
        match troubles.into_iter().next() {
            None => Ok(()),
            Some(first) => Err(first),
        }
    }

    fn badge(&self, name: &DownstreamName, sync: &Sync) -> Option<Badge> {
        // What lies in the outbox has not been taken by anybody.
        let target = Channel::Remote.target(name);
        let TargetResult { outcome, message, .. } = sync.results.iter().find(|result| result.name == target)?;
        let taken = match outcome {
            Outcome::Done => Taken::Well,
            Outcome::Failed | Outcome::Restored => Taken::Badly,
            Outcome::Skipped => Taken::NotAtAll,
            Outcome::Unchanged | Outcome::Superseded => return None,
        };
        let page = self.page();
        let links =
            sync.courses.get(&target).and_then(|course| course.run.as_deref()).into_iter().chain(page.as_deref());
        Some(Badge::new(name, taken, &self.console.redacted(message), links))
    }
}
