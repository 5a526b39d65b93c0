//! How the targets stand: what the state says, compared with what the library is now.

use super::gather::{Library, Wanted, gather};
use super::open::Opened;
use super::outside::Outside;
use super::plan::{Scope, plan};
use crate::adapters::state_store::{StateError, present};
use crate::finding::words::count;
use crate::ids::{CommitId, RunId};
use crate::report::state::{Grip, Held};
use crate::report::status::{Status, by_commit, by_newer_commit, by_plan};
use crate::state::{Run, State};

/// How many runs back one that has not ended may lie.
const RUNS: usize = 50;

/// How every target of the library stands. Changes nothing and makes no request.
///
/// `at_work` tells of a state in this clone whether a process of it is at work; none for a state elsewhere.
pub async fn status(opened: Opened, outside: &Outside, at_work: Option<bool>) -> anyhow::Result<Status> {
    let (commit, dirty) = (opened.tree.commit.clone(), opened.tree.is_dirty());
    if let Err(away) = present(&*outside.state).await? {
        let lock = held(outside, at_work).await?;
        return Ok(Status { dirty, remote: None, ..status_beside(&Err(away), String::new(), commit, lock) });
    }
    let (problem, library) = compared(opened)?;
    let (is_refused, problem) = problem.map_or((false, None), |problem| (problem.is_refused, Some(problem.why)));
    let planned = match &library {
        Some(library) => Some(plan(library, outside, Scope::default(), false).await?),
        None => None,
    };
    let state = outside.state.load().await?;
    let lock = held(outside, at_work).await?;
    let is_at_work = state.run.is_some() && lock.as_ref().is_some_and(|held| held.grip != Grip::Gone);
    let superseded = planned.as_ref().and_then(|desired| desired.plan.superseded.clone());
    let targets = match (&planned, &superseded) {
        (Some(desired), Some(newer)) => by_newer_commit(&desired.plan, &state, newer, is_at_work),
        (Some(desired), None) => by_plan(&desired.plan, &state, is_at_work),
        (None, _) => by_commit(&state, commit.as_ref(), dirty, is_at_work),
    };
    let run = open_run(outside, state.run.as_ref()).await?;
    Ok(Status { commit, dirty, remote: None, superseded, problem, is_refused, lock, run, targets })
}

/// How the targets stand that `state` knows, beside the commit that a remote is at.
///
/// In the place of a state that is not in use there stands what is said of it, and nothing is known of the targets.
pub fn status_beside(
    state: &Result<State, String>,
    remote: String,
    head: Option<CommitId>,
    lock: Option<Held>,
) -> Status {
    let (problem, targets) = match state {
        Ok(state) => {
            let is_at_work = state.run.is_some() && lock.as_ref().is_some_and(|held| held.grip != Grip::Gone);
            (None, by_commit(state, head.as_ref(), false, is_at_work))
        }
        Err(away) => (Some(away.clone()), Vec::new()),
    };
    Status {
        commit: head,
        dirty: false,
        remote: Some(remote),
        superseded: None,
        problem,
        is_refused: false,
        lock,
        run: None,
        targets,
    }
}

/// Why a library cannot be compared.
struct Problem {
    why: String,
    /// Whether a sync would do nothing either.
    is_refused: bool,
}

/// The library, if it can be compared; else why not.
fn compared(opened: Opened) -> anyhow::Result<(Option<Problem>, Option<Library>)> {
    if opened.config.settings.schemas.is_elsewhere() {
        let why = "the schemas are elsewhere, and nobody is asked for a status, so only commits are compared; \
                   `stockroom plan` says what is missing";
        return Ok((Some(Problem { why: why.to_owned(), is_refused: false }), None));
    }
    let library = gather(opened, Wanted::Assets)?;
    match library.check.summary.errors {
        0 => Ok((None, Some(library))),
        errors => {
            let errors = count(errors, "error");
            let why = format!(
                "the library has {errors}, and nothing is sent before they are mended (`stockroom check` names them), so only \
                 commits are compared"
            );
            Ok((Some(Problem { why, is_refused: true }), None))
        }
    }
}

/// The lock and what is known of its holder.
pub async fn held(outside: &Outside, at_work: Option<bool>) -> anyhow::Result<Option<Held>> {
    let lock = outside.state.locked().await?;
    Ok(lock.map(|lock| Held::new(lock, at_work, (outside.clock)())))
}

async fn open_run(outside: &Outside, id: Option<&RunId>) -> anyhow::Result<Option<Run>> {
    let Some(id) = id else { return Ok(None) };
    let runs = match outside.state.runs(RUNS).await {
        // No sync reads them, and a status that says so helps nobody: `state history` does.
        Err(StateError::Damaged { .. }) => Vec::new(),
        runs => runs?,
    };
    Ok(runs.into_iter().map(|(run, _)| run).find(|run| run.id == *id))
}
