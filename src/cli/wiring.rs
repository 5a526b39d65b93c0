//! Makes the adapters that a run may use; the only place that names every one of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::console::Console;
use super::environment::Environment;
use super::rehearsal;
use crate::adapters::clock;
use crate::adapters::github::{Dispatcher, GitHubDispatcher, OutboxDispatcher};
use crate::adapters::http::{self, Pace, Policy};
use crate::adapters::model::local::Local;
use crate::adapters::publication::{FolderTarget, PublishTarget};
use crate::adapters::state_store::{Redacted, SqliteState, StateError};
use crate::adapters::stop::Stop;
use crate::adapters::vector_store::Embedded;
use crate::adapters::worktree::Worktree;
use crate::commands::outside::Outside;
use crate::config::Config;
use crate::ids::{DownstreamName, RepoSlug, TargetName};
use crate::report::workflow_command;

/// The file of the embedded vector index.
const VECTORS: &str = "vectors.sqlite";
/// The file of the state.
const STATE: &str = "state.sqlite";

/// How far a run may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No secret is read and no request can be made, whatever the plan says.
    Local,
    /// Downstreams are reached where there is a token, else their events are written to the outbox.
    Network,
}

/// Moves what is damaged and can be built again out of the way of a run that may write.
pub fn set_damaged_aside(worktree: &Worktree, console: &Console) -> anyhow::Result<()> {
    let index = worktree.private_folder().join(VECTORS);
    if let Some(said) = Embedded::set_damaged_aside(&index)? {
        console.talk(&format!("warning: {said}\n"));
    }
    Ok(())
}

/// Moves a state that is of no use out of the way, for the reason given, and says so.
pub fn set_state_aside(worktree: &Worktree, why: &StateError, console: &Console) -> anyhow::Result<()> {
    let done = SqliteState::set_aside(&worktree.private_folder().join(STATE))?;
    let met = "each downstream is told of everything once more";
    let said = match why {
        StateError::Damaged { why, .. } => format!("the state was damaged ({why})"),
        StateError::Foreign { found, .. } => format!("the state belongs to another library ({found})"),
        StateError::Old { .. } => "the state is an earlier one that was brought back".to_owned(),
        other => other.to_string(),
    };
    console.talk(&format!("warning: {said}; {done}, so {met}\n"));
    console.command(&workflow_command::Command::warning(&format!("{said}; {done}, so {met}")));
    Ok(())
}

/// Makes the ways out for a library. To be called within a tokio runtime.
pub fn outside(
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    reach: Reach,
    console: &Console,
    stop: &Stop,
) -> anyhow::Result<Outside> {
    let private = worktree.private_folder();
    let repository = environment.repository().or_else(|| worktree.origin());
    let state = state(private.join(STATE), repository.as_ref(), worktree.prefix());
    let writer = console.clone();
    let state = Redacted::new(Arc::new(state), Arc::new(move |text: &str| writer.redacted(text)));
    let pace = rehearsal::pace(environment, stop);
    let dispatchers = match reach {
        Reach::Local => BTreeMap::new(),
        Reach::Network => dispatchers(worktree, config, environment, &pace, console)?,
    };
    Ok(Outside {
        state: rehearsal::state(environment, Arc::new(state)),
        targets: targets(worktree, config),
        dispatchers,
        model: Arc::new(Local::new()?),
        vectors: Arc::new(Embedded::at(private.join(VECTORS))),
        pace,
        clock: Arc::new(clock::now),
        repository,
    })
}

/// The state of the library at `prefix` in a repository. Before the repository's name is known, it is the local one.
fn state(place: PathBuf, repository: Option<&RepoSlug>, prefix: &str) -> SqliteState {
    let local = format!("local:{prefix}");
    match repository {
        Some(slug) => SqliteState::new(place, format!("{slug}:{prefix}")).adopting(local),
        None => SqliteState::new(place, local),
    }
}

fn targets(worktree: &Worktree, config: &Config) -> Vec<(TargetName, Arc<dyn PublishTarget>)> {
    let places = &config.settings.manifest.publish;
    let folders = places.iter().map(|place| place.folder.as_str());
    let target = |folder: &str| {
        let name = if places.len() == 1 { "manifest".to_owned() } else { format!("manifest/{folder}") };
        let target = FolderTarget::within(worktree.root(), folder);
        (TargetName::new(name), Arc::new(target) as Arc<dyn PublishTarget>)
    };
    folders.map(target).collect()
}

fn dispatchers(
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    pace: &Arc<dyn Pace>,
    console: &Console,
) -> anyhow::Result<BTreeMap<DownstreamName, Arc<dyn Dispatcher>>> {
    let outbox = worktree.private_folder().join("outbox");
    let mut client = None;
    let mut all: BTreeMap<DownstreamName, Arc<dyn Dispatcher>> = BTreeMap::new();
    for (name, settings) in &config.settings.downstreams {
        let dispatcher: Arc<dyn Dispatcher> = match environment.secret(&settings.token) {
            None => Arc::new(OutboxDispatcher::new(&outbox)),
            Some(token) => {
                console.mask(token.reveal());
                let client = match &client {
                    Some(client) => client,
                    None => client.insert(http::client()?),
                };
                let policy = Policy::once();
                Arc::new(GitHubDispatcher::new(client.clone(), environment.api(), &token, policy, Arc::clone(pace))?)
            }
        };
        all.insert(name.clone(), dispatcher);
    }
    Ok(all)
}
