//! Carries out the words below `stockroom state`.

use anyhow::anyhow;

use super::{Ending, Execution};
use crate::adapters::state_store::{StateError, present};
use crate::adapters::turn::Turn;
use crate::cli::wiring::Reach;
use crate::cli::words::Format;
use crate::cli::words::state::StateCommand;
use crate::commands::open::open;
use crate::commands::outside::Outside;
use crate::commands::status::held;
use crate::ids::TargetName;
use crate::report::history::{self, History};
use crate::report::json;
use crate::report::state::{self, Facts, Grip, Held};

/// How many changes back the history is looked through.
const CHANGES: usize = 100_000;

impl Execution<'_> {
    /// Looks at the state, or takes its lock away.
    pub(super) async fn state(&self, command: StateCommand) -> anyhow::Result<Ending> {
        if let StateCommand::Migrate { command } = command {
            return self.migrate(command).await;
        }
        let opened = open(&self.place(None))?;
        let at_work = self.at_work(&opened);
        // Who may change the state has this clone's turn.
        let turn = match command {
            StateCommand::Unlock { .. } => Turn::take(&opened.worktree.private_folder()),
            _ => None,
        };
        let outside = self.outside(&opened, if turn.is_some() { Reach::Network } else { Reach::Look })?;
        match command {
            StateCommand::Migrate { .. } => {}
            StateCommand::Show { format } => self.show(&outside, at_work, format).await?,
            StateCommand::History { most, target, format } => {
                self.history(&outside, at_work, usize::from(most), target.map(TargetName::new), format).await?;
            }
            StateCommand::Unlock { token, force } => {
                let held = held(&outside, at_work).await?;
                self.unlock(&outside, held, turn.is_some(), token.as_deref(), force).await?;
            }
        }
        Ok(Ending::Done)
    }

    async fn show(&self, outside: &Outside, at_work: Option<bool>, format: Format) -> anyhow::Result<()> {
        let (state, survey) = (present(&*outside.state).await?, outside.state.survey().await?);
        let facts = Facts { place: outside.state.place(), state, survey, lock: held(outside, at_work).await? };
        match format {
            Format::Human => self.console.text(&state::human(&facts, self.style())),
            Format::Json => self.console.json(&json::state::show(&facts)),
        }
        Ok(())
    }

    async fn history(
        &self,
        outside: &Outside,
        at_work: Option<bool>,
        most: usize,
        target: Option<TargetName>,
        format: Format,
    ) -> anyhow::Result<()> {
        let lock = held(outside, at_work).await?;
        let state = present(&*outside.state).await?.ok();
        let known = state.iter().flat_map(|state| state.targets.keys().cloned()).collect();
        let open = state.and_then(|state| state.run);
        let open = open.filter(|_| lock.is_some_and(|held| held.grip != Grip::Gone));
        // Of one target, the last runs are those that had to do with it.
        let looked_at = if target.is_some() { CHANGES } else { most };
        let runs = outside.state.runs(looked_at).await.map_err(unread)?;
        let changes = outside.state.history(CHANGES).await.map_err(unread)?;
        let mut told = History { known, ..History::of(runs, changes, open.as_ref(), target.as_ref()) };
        let surplus = told.runs.len().saturating_sub(most);
        told.runs.drain(..surplus);
        match format {
            Format::Human => self.console.text(&history::human(&told, self.style())),
            Format::Json => self.console.json(&json::state::history(&told)),
        }
        Ok(())
    }

    async fn unlock(
        &self,
        outside: &Outside,
        held: Option<Held>,
        has_turn: bool,
        token: Option<&str>,
        force: bool,
    ) -> anyhow::Result<()> {
        let Some(held) = held else {
            self.console.text("nobody has the lock\n");
            return Ok(());
        };
        let said = format!("the state is {}", held.sentence());
        let is_meant = match token {
            Some(token) if token != held.lock.token.as_str() => {
                return Err(anyhow!("{said}; that lock has another token, so it was left alone"));
            }
            Some(_) => true,
            None => force,
        };
        if !has_turn {
            return Err(anyhow!(
                "{said}. A run in this clone has the turn: the lock may be its own, or the one that it waits for. End it with \
                 ^C, or wait until it has ended, then unlock again"
            ));
        }
        if !is_meant {
            let token = &held.lock.token;
            return Err(anyhow!(
                "{said}. `stockroom state unlock {token}` takes it away; `--force` does so whosever it is"
            ));
        }
        outside.state.unlock(&held.lock.token).await?;
        self.console.text(&format!("{said}; it was taken away\n"));
        Ok(())
    }
}

/// Why the history cannot be read. A sync adds to it and reads none of it, so none sets it aside.
fn unread(error: StateError) -> anyhow::Error {
    let StateError::Damaged { place, why } = error else { return error.into() };
    anyhow!(
        "the history of the state at {place} is damaged ({why}) and is not shown. Syncs do not need it and go on as ever; a new \
         history begins with a new state (docs/state.md, \"When it is of no use\")"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_history_promises_nothing_that_a_sync_does_not_do() {
        let damaged = StateError::Damaged { place: "here".to_owned(), why: "a run differs".to_owned() };
        let said = unread(damaged).to_string();
        assert!(said.contains("a run differs") && said.contains("Syncs do not need it"), "{said}");
        assert!(!said.contains("sets it aside"), "{said}");
    }
}
