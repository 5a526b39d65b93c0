//! Carries out `plan`, and says what a plan is for whoever made one.

use super::check::Asked;
use super::{Ending, Execution};
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::{Common, Limits, Part, PlanFormat};
use crate::commands::plan as planning;
use crate::commands::plan::{Choice, Plan, Scope};
use crate::report::{human_targets, json, summary_targets};

impl Execution<'_> {
    /// Says what a sync would do.
    pub(super) async fn plan(&self, common: &Common, limits: &Limits, format: PlanFormat) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, format.into(), &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        let outside =
            outside(&library.worktree, &library.config, self.environment, Reach::Look, self.console, &self.stop)?;
        let desired = planning::plan(&library, &outside, scope(limits), false).await?;
        self.say_loops(&library, &desired.loops);
        self.say_plan(&desired.plan, format)?;
        self.outputs("plan", &library.check, common.fail_on)?;
        Ok(if desired.is_partial() { Ending::Partial } else { Ending::Done })
    }

    pub(super) fn say_plan(&self, plan: &Plan, format: PlanFormat) -> anyhow::Result<()> {
        match format {
            PlanFormat::Human => self.console.text(&human_targets::plan(plan, self.style())),
            PlanFormat::Json => self.console.json(&json::targets::plan(plan)),
            PlanFormat::Markdown => self.console.text(&summary_targets::plan(plan)),
        }
        Ok(self.console.add_summary(&summary_targets::plan(plan))?)
    }
}

/// What `--only` and its like say.
pub(super) fn scope(limits: &Limits) -> Scope {
    let wants = |part| limits.only.is_empty() || limits.only.contains(&part);
    Scope {
        manifest: wants(Part::Manifest),
        dispatch: wants(Part::Dispatch),
        embed: wants(Part::Embed),
        allow_mass_delete: limits.allow_mass_delete,
        choice: Choice::default(),
    }
}
