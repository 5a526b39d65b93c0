//! Carries out `run`, which does what a GitHub event asks for.

use anyhow::{Context as _, anyhow};

use super::check::{Asked, Since};
use super::{Awaited, Ending, Execution, verdict};
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::{CheckFormat, Common, FailOn, Format, Limits, Metrics, PlanFormat};
use crate::commands::gather::{Library, Wanted, gather};
use crate::commands::plan as planning;
use crate::commands::plan::Scope;
use crate::event::{Event, Work};

impl Execution<'_> {
    /// What the event asks for, or what `STOCKROOM_COMMAND` says instead.
    pub(super) async fn run(&self) -> anyhow::Result<Ending> {
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
                return Ok(verdict(&library.check.findings, fail_on));
            }
            Some("plan") => return self.propose(&common, event.as_ref()).await,
            // A pull request must not be able to ask for more than its event gives.
            Some(command @ ("manifest" | "sync")) if matches!(event, Some(Event::Proposal { .. })) => {
                return Err(anyhow!("`{command}` is not done for a pull request; leave `command` empty"));
            }
            Some("manifest") => return self.manifest(&common, None).await,
            Some("sync") => return self.sync(&common, &limits, Format::Human, &Metrics::default()).await,
            Some("pull") => return self.pull_announced(self.environment.announced()?.as_ref()).await,
            Some(other) => {
                return Err(anyhow!("command is {other:?}; it is check, plan, sync, manifest or pull, or empty"));
            }
            None => {}
        }
        let Some(event) = event else {
            let advice = "run `stockroom sync` or another command by name";
            return Err(anyhow!("`run` does what a GitHub event asks for, and GITHUB_EVENT_NAME is not set; {advice}"));
        };
        // A downstream repository says where the assets go; it has no library.
        if self.environment.get("STOCKROOM_OUTPUT").is_some()
            && let Some(announced) = self.environment.announced()?
        {
            return self.pull_announced(Some(&announced)).await;
        }
        match event.work() {
            Work::Propose => self.propose(&common, Some(&event)).await,
            Work::Sync => self.sync(&common, &limits, Format::Human, &Metrics::default()).await,
            Work::Release { tag } => {
                let common = Common { rev: Some(format!("refs/tags/{tag}")), ..common };
                self.release(&common, &tag).await.with_context(|| format!("the release {tag}"))
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
        let outside =
            outside(&library.worktree, &library.config, self.environment, Reach::Local, self.console, &self.stop)?;
        let base = match event {
            Some(event) => self.base(event, &library).await,
            None => None,
        };
        let (plan, is_partial) = match &base {
            Some(base) => (planning::plan_merge(&library, base, &outside).await?, false),
            None => {
                let desired = planning::plan(&library, &outside, Scope::default(), false).await?;
                self.say_loops(&library, &desired.loops);
                let is_partial = desired.is_partial();
                (desired.plan, is_partial)
            }
        };
        self.say_plan(&plan, PlanFormat::Human)?;
        self.outputs("check and plan", &library.check, common.fail_on)?;
        self.tell_comment(&library, event, Some(&plan)).await;
        Ok(if is_partial { Ending::Partial } else { Ending::Done })
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
}

/// Whether a variable says yes, as clap reads it for a flag.
fn is_yes(value: Option<&str>) -> bool {
    !matches!(value.map(str::to_ascii_lowercase).as_deref(), None | Some("" | "n" | "no" | "f" | "false" | "off" | "0"))
}
