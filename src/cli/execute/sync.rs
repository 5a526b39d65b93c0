//! Carries out `sync`: brings every target into step, and says what came of it.

use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::check::Asked;
use super::plan::scope;
use super::{Ending, Execution};
use clap::ValueEnum as _;

use crate::adapters::state_store::StateError;
use crate::adapters::stop::Stopped;
use crate::adapters::turn::Turn;
use crate::adapters::vector_store::VectorStoreError;
use crate::adapters::worktree::Worktree;
use crate::cli::wiring::source::sign;
use crate::cli::wiring::{Reach, carries, outside, set_damaged_aside, set_state_aside};
use crate::cli::words::{Common, Format, Limits, Metrics, Part};
use crate::commands::gather::Library;
use crate::commands::outside::Outside;
use crate::commands::plan::{Desired, Scope};
use crate::commands::{lock, sync as syncing};
use crate::config::Config;
use crate::report::state::{Waiting, waiting};
use crate::report::targets::{Outcome, Sync, TargetResult};
use crate::report::{course, human_targets, json, summary_targets};
use crate::state::{Kind, Run};

/// How often a log hears of progress.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// How often it looks whether the other has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Execution<'_> {
    /// Brings every target into step.
    pub(super) async fn sync(
        &self,
        common: &Common,
        limits: &Limits,
        format: Format,
        metrics: &Metrics,
    ) -> anyhow::Result<Ending> {
        self.bring_into_step(common, format, metrics, |_| Ok(scope(limits)), command(limits)).await
    }

    /// Brings the targets into step that `scope` leaves, and tells those who want to know what came of it; `command` is what
    /// the history calls the run.
    pub(super) async fn synced(
        &self,
        common: &Common,
        format: Format,
        metrics: &Metrics,
        scope: impl FnOnce(&Config) -> anyhow::Result<Scope>,
        command: String,
    ) -> anyhow::Result<Ending> {
        let begun = Instant::now();
        let Some(library) = self.checked(common, format.into(), &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        let scope = scope(&library.config)?;
        // What the one before has recorded decides what is left to do: nothing is planned before it has ended.
        let _turn = self.turn(&library.worktree, &library.config).await?;
        set_damaged_aside(&library.worktree, self.console)?;
        let (desired, outside, lock) = self.planned(&library, &scope).await?;
        self.say_loops(&library, &desired.loops);
        // From here on things are done that must not be cut off half-way: a signal waits for them to end, and they hurry.
        let under_way = match self.stop.hold() {
            Ok(hold) => hold,
            Err(stopped) => {
                self.give_back(lock).await;
                return Err(stopped.into());
            }
        };
        let sync =
            self.apply(desired, &library, &outside, self.this_run(&library, command, (outside.clock)()), format).await;
        self.give_back(lock).await;
        let sync = sync?;
        self.console.end_progress();
        match format {
            Format::Human => self.console.text(&human_targets::sync(&sync, self.style())),
            Format::Json => self.console.json(&json::targets::sync(&sync)),
        }
        if sync.stopped.is_some() {
            self.stop.note_report();
        }
        self.settled(self.outputs("sync", &library.check, common.fail_on));
        self.settled(self.sync_outputs(&library, &sync));
        self.settled(self.console.add_summary(&summary_targets::sync(&sync)).map_err(Into::into));
        for command in course::annotations(&sync) {
            self.console.command(&command);
        }
        let took = begun.elapsed();
        self.settled(self.write_metrics(metrics, &library, &sync, took));
        self.tell(&library, &sync, &outside.budgets, took).await;
        drop(under_way);
        Ok(if sync.is_partial() { Ending::Partial } else { Ending::Done })
    }

    async fn give_back(&self, lock: Option<lock::Held>) {
        if let Some(lock) = lock {
            self.settled(lock.give_back().await.map_err(Into::into));
        }
    }

    /// The plan, made under the state's lock where there is anything to do. A state that is of no use is built again.
    async fn planned(
        &self,
        library: &Library,
        scope: &Scope,
    ) -> anyhow::Result<(Desired, Outside, Option<lock::Held>)> {
        let mut claimant = self.claimant();
        // Who has this clone's turn knows nothing of other clones' runs.
        claimant.alone &= library.config.settings.state.kind == Kind::Sqlite
            && !carries(&library.worktree, &library.config, self.environment);
        let mut told = |what: &Waiting| self.console.talk(&waiting(what));
        let mut is_mended = false;
        loop {
            let mut outside = outside(
                &library.worktree,
                &library.config,
                self.environment,
                Reach::Network,
                self.console,
                &self.stop,
            )?;
            if scope.manifest {
                outside.sign = sign(&library.config, self.environment, self.console)?;
            }
            match lock::plan_locked(library, &outside, scope.clone(), &claimant, &mut told).await {
                Ok((desired, held)) => return Ok((desired, outside, held)),
                Err(error) => match error.downcast_ref::<StateError>() {
                    Some(unfit) if unfit.is_unfit() && !std::mem::replace(&mut is_mended, true) => {
                        drop(outside);
                        let Library { worktree, config, .. } = library;
                        set_state_aside(worktree, config, self.environment, unfit, self.console).await?;
                    }
                    // The index that came with the state: the one that was here before has been looked at.
                    None if is_corrupt(&error) && !std::mem::replace(&mut is_mended, true) => {
                        drop(outside);
                        set_damaged_aside(&library.worktree, self.console)?;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    async fn apply(
        &self,
        desired: Desired,
        library: &Library,
        outside: &Outside,
        run: Run,
        format: Format,
    ) -> anyhow::Result<Sync> {
        if let Some(refusal) = desired.plan.refusal.clone() {
            return Err(anyhow!("nothing was done: {refusal}"));
        }
        if format == Format::Human && !desired.plan.is_empty() {
            self.console.text(&human_targets::plan(&desired.plan, self.style()));
        }
        let mut last = Instant::now();
        let (sync, ended) = syncing::carry_out(desired, library, outside, run, &mut |line| {
            self.console.progress(line);
            if last.elapsed() >= LOG_EVERY && !self.console.has_terminal() {
                last = Instant::now();
                self.console.talk(&format!("{line}\n"));
            }
        })
        .await?;
        self.settled(ended.map_err(Into::into));
        Ok(sync)
    }

    /// Waits until no other sync is at work in this clone, as long as one can take.
    pub(super) async fn turn(&self, worktree: &Worktree, config: &Config) -> anyhow::Result<Turn> {
        let most = lock::patience(&config.settings.downstreams);
        let folder = worktree.private_folder();
        let begun = Instant::now();
        let mut is_told = false;
        loop {
            if let Some(turn) = Turn::take(&folder) {
                return Ok(turn);
            }
            if begun.elapsed() >= most {
                let minutes = most.as_secs() / 60;
                return Err(anyhow!(
                    "another sync has been at work in this clone for {minutes} minutes; wait for it or end it"
                ));
            }
            if !std::mem::replace(&mut is_told, true) {
                let minutes = most.as_secs() / 60;
                self.console.talk(&format!(
                    "another sync is at work in this clone: waiting for it, {minutes} minutes at most. `stockroom status` shows \
                     what it is at\n"
                ));
            }
            self.stop.sleep(LOOK_EVERY).await;
            if let Some(signal) = self.stop.asked() {
                return Err(Stopped(signal).into());
            }
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
}

fn is_corrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<VectorStoreError>(), Some(VectorStoreError::Corrupt { .. }))
}

/// The words of the command, for the history.
fn command(limits: &Limits) -> String {
    let name = |part: &Part| part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut words = vec!["sync".to_owned()];
    if !limits.only.is_empty() {
        words.push(format!("--only {}", limits.only.iter().map(name).collect::<Vec<_>>().join(",")));
    }
    if limits.allow_mass_delete {
        words.push("--allow-mass-delete".to_owned());
    }
    words.join(" ")
}
