//! Carries out a command: gather, plan, apply, and say what came of it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::console::Console;
use super::environment::Environment;
use super::execute_check::{Asked, Since, least};
use super::wiring::{Reach, outside, set_damaged_aside};
use super::words::{CheckFormat, Command, Common, FailOn, Format, Limits, Part, PlanFormat, Words};
use crate::adapters::publication::{FolderTarget, PublishTarget};
use crate::adapters::schema_source::Cache;
use crate::commands::gather::{Library, Wanted, gather};
use crate::commands::open::{Moment, Place, open};
use crate::commands::plan::{Plan, Scope};
use crate::commands::{plan as planning, search as searching, sync as syncing};
use crate::event::{Event, Work};
use crate::report::human::Style;
use crate::report::targets::{Outcome, Sync, TargetResult};
use crate::report::{Check, human_targets, json, search, summary_targets, workflow_command};

/// How many findings a person gets to see at once.
pub(super) const MOST_FINDINGS: usize = 200;
/// How often a log hears of progress.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is as it should be.
    Done,
    /// There are findings in the user's data; nothing was sent.
    Findings,
    /// The job could not be done.
    Failed,
    /// Some targets did not get theirs; the next run tries again.
    Partial,
}

impl Ending {
    /// The exit code, the same for every command.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Failed => 2,
            Self::Partial => 3,
        }
    }
}

/// A process that is about to do something.
pub struct Execution<'a> {
    /// The one writer.
    pub console: &'a Console,
    /// What the environment says.
    pub environment: &'a Environment,
    /// Where the library is.
    pub folder: PathBuf,
    /// The configuration file, where one is named.
    pub config: Option<PathBuf>,
    /// What was fetched of registries elsewhere, once it is known where that is kept.
    pub schemas: OnceLock<Arc<Cache>>,
}

impl Execution<'_> {
    /// Carries out the words.
    pub async fn command(&self, words: Words) -> anyhow::Result<Ending> {
        match words.command {
            Command::Init { dry_run } => self.init(dry_run),
            Command::Check { paths, changed_since, format, reports, common } => {
                let since = changed_since.as_deref().map_or(Since::Nothing, Since::Revision);
                let asked = Asked { paths: &paths, since, reports: &reports };
                let library = self.check(&common, format, &asked).await?;
                Ok(verdict(&library.check, common.fail_on))
            }
            Command::Plan { format, common, limits } => self.plan(&common, &limits, format).await,
            Command::Sync { format, common, limits } => self.sync(&common, &limits, format).await,
            Command::Manifest { output, common } => self.manifest(&common, output).await,
            Command::Search { query, most, format } => self.search(&query, usize::from(most), format).await,
            Command::Schema { command } => self.schema(command).await,
            Command::Run => self.run().await,
        }
    }

    pub(super) fn place(&self, rev: Option<&str>) -> Place {
        Place {
            folder: self.folder.clone(),
            config: self.config.as_ref().map(|file| self.folder.join(file)),
            moment: rev.map_or(Moment::Now, |rev| Moment::At(rev.to_owned())),
        }
    }

    pub(super) fn style(&self) -> Style {
        self.environment.style()
    }

    async fn plan(&self, common: &Common, limits: &Limits, format: PlanFormat) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, format.into(), &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        let outside = outside(&library.worktree, &library.config, self.environment, Reach::Network, self.console)?;
        let desired = planning::plan(&library, &outside, scope(limits), false).await?;
        self.say_plan(&desired.plan, format)?;
        self.outputs("plan", &library.check, common.fail_on)?;
        Ok(Ending::Done)
    }

    fn say_plan(&self, plan: &Plan, format: PlanFormat) -> anyhow::Result<()> {
        match format {
            PlanFormat::Human => self.console.text(&human_targets::plan(plan, self.style())),
            PlanFormat::Json => self.console.json(&json::targets::plan(plan)),
            PlanFormat::Markdown => self.console.text(&summary_targets::plan(plan)),
        }
        Ok(self.console.add_summary(&summary_targets::plan(plan))?)
    }

    async fn sync(&self, common: &Common, limits: &Limits, format: Format) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, format.into(), &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        set_damaged_aside(&library.worktree, self.console)?;
        let outside = outside(&library.worktree, &library.config, self.environment, Reach::Network, self.console)?;
        let desired = planning::plan(&library, &outside, scope(limits), true).await?;
        if let Some(refusal) = desired.plan.refusal.clone() {
            return Err(anyhow!("nothing was done: {refusal}"));
        }
        let is_needed = !desired.plan.is_empty();
        if format == Format::Human && is_needed {
            self.console.text(&human_targets::plan(&desired.plan, self.style()));
        }
        let mut last = Instant::now();
        let sync = syncing::apply(desired, &outside, &mut |line| {
            self.console.progress(line);
            if last.elapsed() >= LOG_EVERY && !self.console.has_terminal() {
                last = Instant::now();
                self.console.talk(&format!("{line}\n"));
            }
        })
        .await;
        self.console.end_progress();
        match format {
            Format::Human => self.console.text(&human_targets::sync(&sync, self.style())),
            Format::Json => self.console.json(&json::targets::sync(&sync)),
        }
        self.settled(self.outputs("sync", &library.check, common.fail_on));
        self.settled(self.sync_outputs(&library, &sync));
        self.settled(self.console.add_summary(&summary_targets::sync(&sync)).map_err(Into::into));
        Ok(if sync.is_partial() { Ending::Partial } else { Ending::Done })
    }

    async fn manifest(&self, common: &Common, output: Option<PathBuf>) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, Awaited::Other, &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        let outside = outside(&library.worktree, &library.config, self.environment, Reach::Local, self.console)?;
        let desired = planning::plan(&library, &outside, Scope::default(), false).await?;
        let own = self.manifest_folder(&library).zip(library.config.settings.manifest.publish.first());
        let (folder, target) = match (output, own) {
            (Some(folder), _) => (folder.clone(), FolderTarget::new(&folder, folder.display().to_string())),
            (None, Some((folder, own))) => (folder, FolderTarget::within(library.worktree.root(), &own.folder)),
            (None, None) => return Err(anyhow!("name a folder with -o DIR")),
        };
        target.publish(&desired.manifest).await?;
        let root = &desired.manifest.root;
        let assets: usize = root.collections.values().map(|reference| reference.assets).sum();
        self.console.text(&format!("{assets} assets in {}, digest {}\n", folder.display(), root.digest));
        self.settled(self.outputs("manifest", &library.check, common.fail_on));
        let values = [("manifest-digest", root.digest.clone()), ("manifest-path", folder.display().to_string())];
        self.settled(self.set_outputs(&values));
        Ok(Ending::Done)
    }

    async fn search(&self, query: &str, most: usize, format: Format) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        let outside = outside(&opened.worktree, &opened.config, self.environment, Reach::Local, self.console)?;
        let hits = searching::search(&opened, &outside, query, most).await?;
        match format {
            Format::Human => self.console.text(&search::human(query, &hits, self.style())),
            Format::Json => self.console.json(&search::json(query, &hits)),
        }
        Ok(Ending::Done)
    }

    /// What the event asks for, or what `STOCKROOM_COMMAND` says instead.
    async fn run(&self) -> anyhow::Result<Ending> {
        let fail_on = match self.environment.get("STOCKROOM_FAIL_ON") {
            None | Some("error") => FailOn::Error,
            Some("warning") => FailOn::Warning,
            Some(other) => return Err(anyhow!("fail-on is {other:?}; it is `error` or `warning`")),
        };
        let locked = is_yes(self.environment.get("STOCKROOM_LOCKED"));
        let common = Common { rev: Some("HEAD".to_owned()), fail_on, locked };
        let allow_mass_delete = self.environment.get("STOCKROOM_ALLOW_MASS_DELETE") == Some("true");
        let limits = Limits { allow_mass_delete, ..Limits::default() };
        let event = self.environment.event()?;
        match self.environment.get("STOCKROOM_COMMAND") {
            Some("check") => {
                let asked = Asked { since: Since::of(event.as_ref()), ..Asked::default() };
                let library = self.check(&common, CheckFormat::Human, &asked).await?;
                self.tell_comment(&library, event.as_ref(), None).await;
                return Ok(verdict(&library.check, fail_on));
            }
            Some("plan") => return self.propose(&common, event.as_ref()).await,
            // A pull request must not be able to ask for more than its event gives.
            Some(command @ ("manifest" | "sync")) if matches!(event, Some(Event::Proposal { .. })) => {
                return Err(anyhow!("`{command}` is not done for a pull request; leave `command` empty"));
            }
            Some("manifest") => return self.manifest(&common, None).await,
            Some("sync") => return self.sync(&common, &limits, Format::Human).await,
            Some(other) => return Err(anyhow!("command is {other:?}; it is check, plan, sync or manifest, or empty")),
            None => {}
        }
        let Some(event) = event else {
            let advice = "run `stockroom sync` or another command by name";
            return Err(anyhow!("`run` does what a GitHub event asks for, and GITHUB_EVENT_NAME is not set; {advice}"));
        };
        match event.work() {
            Work::Propose => self.propose(&common, Some(&event)).await,
            Work::Sync => self.sync(&common, &limits, Format::Human).await,
            Work::Release { tag } => {
                let common = Common { rev: Some(format!("refs/tags/{tag}")), ..common };
                self.manifest(&common, None).await.with_context(|| format!("the release {tag}"))
            }
            Work::Nothing => {
                self.console.talk("the branch was deleted: nothing to do\n");
                Ok(Ending::Done)
            }
        }
    }

    /// Checks a proposal and says what merging it would do; but for a check run and a comment that are asked for, no secret is
    /// read and nothing is written.
    async fn propose(&self, common: &Common, event: Option<&Event>) -> anyhow::Result<Ending> {
        let asked = Asked { since: Since::of(event), ..Asked::default() };
        let Some(library) = self.checked(common, Awaited::Text, &asked).await? else { return Ok(Ending::Findings) };
        let outside = outside(&library.worktree, &library.config, self.environment, Reach::Local, self.console)?;
        let base = match event {
            Some(event) => self.base(event, &library).await,
            None => None,
        };
        let plan = match &base {
            Some(base) => planning::plan_merge(&library, base, &outside).await?,
            None => planning::plan(&library, &outside, Scope::default(), false).await?.plan,
        };
        self.say_plan(&plan, PlanFormat::Human)?;
        self.outputs("check and plan", &library.check, common.fail_on)?;
        self.tell_comment(&library, event, Some(&plan)).await;
        Ok(Ending::Done)
    }

    /// The library that a proposal would be merged into; none, said aloud, where its commit is not in this clone.
    async fn base(&self, event: &Event, library: &Library) -> Option<Library> {
        let base = library.worktree.base(event.base()?, event.head()?);
        let gathered = self.open_base(&base).await.and_then(|opened| gather(opened, Wanted::Assets));
        match gathered {
            Ok(base_library) => Some(base_library),
            Err(error) => {
                let cure =
                    "the plan compares with what was served last; `fetch-depth: 2` in actions/checkout makes it exact";
                self.console.talk(&format!("the base of this change cannot be read ({error:#}): {cure}\n"));
                None
            }
        }
    }

    pub(super) fn outputs(&self, command: &str, check: &Check, fail_on: FailOn) -> anyhow::Result<()> {
        let valid = verdict(check, fail_on) == Ending::Done;
        let values = [
            ("command", command.to_owned()),
            ("valid", valid.to_string()),
            ("findings", check.findings.len().to_string()),
            ("errors", check.summary.errors.to_string()),
            ("warnings", check.summary.warnings.to_string()),
        ];
        self.set_outputs(&values)
    }

    fn set_outputs(&self, values: &[(&str, String)]) -> anyhow::Result<()> {
        for (name, value) in values {
            self.console.set_output(name, value)?;
        }
        Ok(())
    }

    /// What the runner could not be told of a job that is done: the job is done all the same.
    pub(super) fn settled(&self, told: anyhow::Result<()>) {
        if let Err(error) = told {
            self.console.talk(&format!("warning: {error:#}\n"));
            self.console.command(&workflow_command::Command::warning(&format!("{error:#}")));
        }
    }

    fn sync_outputs(&self, library: &Library, sync: &Sync) -> anyhow::Result<()> {
        let is_told =
            |result: &&TargetResult| result.outcome == Outcome::Done && result.name.as_str().starts_with("downstream/");
        let told = sync.results.iter().filter(is_told).count();
        let digest = sync.published.as_ref().map(ToString::to_string).unwrap_or_default();
        let folder = self.manifest_folder(library).map(|folder| folder.display().to_string()).unwrap_or_default();
        let values = [
            ("manifest-digest", digest),
            ("manifest-path", folder),
            ("changed", sync.has_new_manifest.to_string()),
            ("dispatched", told.to_string()),
            ("embedded", sync.embedding.embedded.to_string()),
        ];
        self.set_outputs(&values)
    }

    /// The first folder that the manifest is published to, as the one who started us would name it.
    fn manifest_folder(&self, library: &Library) -> Option<PathBuf> {
        let first = library.config.settings.manifest.publish.first()?;
        Some(if self.folder.as_os_str() == "." {
            PathBuf::from(&first.folder)
        } else {
            self.folder.join(&first.folder)
        })
    }
}

/// What the one who gave the command waits for on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A text, of which the check is the first part.
    Text,
    /// A document. Where the records are not fit for it, the check's is the one that says why.
    Json,
    /// Something that the check must not stand in front of.
    Other,
}

impl From<Format> for Awaited {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

impl From<PlanFormat> for Awaited {
    fn from(format: PlanFormat) -> Self {
        match format {
            PlanFormat::Human => Self::Text,
            PlanFormat::Json => Self::Json,
            PlanFormat::Markdown => Self::Other,
        }
    }
}

pub(super) fn verdict(check: &Check, fail_on: FailOn) -> Ending {
    let fails = check.findings.iter().any(|finding| finding.severity >= least(fail_on));
    if fails { Ending::Findings } else { Ending::Done }
}

/// What `--only` and its like say.
fn scope(limits: &Limits) -> Scope {
    let wants = |part| limits.only.is_empty() || limits.only.contains(&part);
    Scope {
        manifest: wants(Part::Manifest),
        dispatch: wants(Part::Dispatch),
        embed: wants(Part::Embed),
        allow_mass_delete: limits.allow_mass_delete,
    }
}

/// Whether a variable says yes, as clap reads it for a flag.
fn is_yes(value: Option<&str>) -> bool {
    !matches!(value.map(str::to_ascii_lowercase).as_deref(), None | Some("" | "n" | "no" | "f" | "false" | "off" | "0"))
}
