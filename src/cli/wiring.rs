//! Makes the adapters that a run may use; the only place that names every one of them.

pub mod buckets;
pub mod carried;
mod dispatchers;
pub mod doctor;
mod embedding;
mod githubs;
pub mod places;
#[cfg(feature = "postgres")]
mod postgres;
pub mod source;
mod sources;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use carried::carries;

use super::console::Console;
use super::environment::Environment;
use super::rehearsal;
use crate::adapters::clock;
use crate::adapters::health::HttpProbe;
use crate::adapters::http::client as http_client;
use crate::adapters::state_store::{CarriedState, MemoryState, Redacted, SqliteState, StateError, StateLock, Store};
use crate::adapters::stop::Stop;
use crate::adapters::vector_cache::VectorCache;
use crate::adapters::vector_store::Embedded;
use crate::adapters::worktree::Worktree;
use crate::commands::outside::Outside;
use crate::config::Config;
use crate::embedding::StoreKind;
use crate::ids::RepoSlug;
use crate::report::workflow_command;
use crate::state::Kind;

/// The file of the embedded vector index.
const VECTORS: &str = "vectors.sqlite";
/// The file of the vectors that were paid for.
const CACHE: &str = "vectors-cache.sqlite";
/// The file of the state.
const STATE: &str = "state.sqlite";

/// How far a run may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No secret is read and no request can be made, whatever the plan says.
    Local,
    /// The same as for `Network`, but nothing is changed: a state on origin is read and never written.
    Look,
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
pub async fn set_state_aside(
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    why: &StateError,
    console: &Console,
) -> anyhow::Result<()> {
    let (done, is_brought) = match config.settings.state.kind {
        Kind::Sqlite => {
            let is_better_there = CarriedState::doubt(&worktree.private_folder())?;
            let aside = SqliteState::set_aside(&worktree.private_folder().join(STATE))?;
            (aside, is_better_there && carries(worktree, config, environment))
        }
        #[cfg(not(feature = "postgres"))]
        Kind::Postgres => return Ok(()),
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            let file = sqlite_state(worktree, None);
            (postgres_state(worktree, config, environment, file, console)?.set_aside().await?, false)
        }
    };
    let met = match is_brought {
        true => "and what origin has takes its place",
        false => "and the state is built again, so each downstream is told of everything once more",
    };
    let said = match why {
        StateError::Damaged { why, .. } => format!("the state was damaged ({why})"),
        StateError::Foreign { found, .. } => format!("the state belongs to another library ({found})"),
        StateError::Old { .. } => "the state is an earlier one that was brought back".to_owned(),
        other => other.to_string(),
    };
    console.talk(&format!("warning: {said}; {done}, {met}\n"));
    console.command(&workflow_command::Command::warning(&format!("{said}; {done}, {met}")));
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
    let repository = environment.repository().or_else(|| worktree.origin());
    let file = sqlite_state(worktree, repository.as_ref());
    let writer = console.clone();
    let state: Arc<dyn Store> = match (config.settings.state.kind, reach) {
        (Kind::Sqlite, Reach::Look | Reach::Network) if carries(worktree, config, environment) => {
            carried::state(file, worktree, environment, reach, console, stop)
        }
        (Kind::Sqlite, _) => Arc::new(file),
        // What must not be asked is taken for new.
        (Kind::Postgres, Reach::Local) => Arc::new(MemoryState::new(worktree.prefix())),
        (Kind::Postgres, _) => Arc::new(postgres_state(worktree, config, environment, file, console)?),
    };
    let state = Redacted::new(state, Arc::new(move |text: &str| writer.redacted(text)));
    let pace = rehearsal::pace(environment, stop);
    let mut githubs = githubs::GitHubs::new(worktree, config, environment, &pace, console);
    let dispatchers = match reach {
        Reach::Local => BTreeMap::new(),
        Reach::Look | Reach::Network => {
            dispatchers::dispatchers(worktree, config, environment, &pace, console, &mut githubs)
        }
    };
    let is_shared = config.settings.state.kind == Kind::Postgres || carries(worktree, config, environment);
    let places =
        places::Places { worktree, config, environment, console, stop, pace: &pace, repository: repository.as_ref() };
    let targets = places.targets(reach);
    // Other clones may publish to the same place, or have the same state.
    let is_shared = is_shared || targets.iter().any(|(_, target)| !target.is_own());
    let indexing =
        embedding::Indexing { worktree, environment, console, pace: &pace, repository: repository.as_ref(), reach };
    let embed = config.settings.embed.clone().unwrap_or_default();
    let vectors = indexing.store(&embed)?;
    let asks_origin = reach == Reach::Network && is_shared && worktree.has_origin();
    Ok(Outside {
        index_apart: config.settings.state.kind == Kind::Postgres,
        // The key is read by those who publish, and by nobody else.
        sign: None,
        tip: asks_origin.then(|| carried::tip(worktree, environment, console)),
        state: rehearsal::state(environment, Arc::new(state)),
        targets,
        dispatchers,
        budgets: githubs.budgets().clone(),
        probe: match config.settings.downstreams.values().any(|downstream| downstream.health.is_some()) {
            true => Some(Arc::new(HttpProbe::new(http_client()?, Arc::clone(&pace)))),
            false => None,
        },
        model: indexing.model(&embed)?,
        index_place: match embed.store.kind {
            StoreKind::Embedded => "vector index".to_owned(),
            _ => vectors.place(),
        },
        vectors,
        sources: match reach {
            Reach::Local => None,
            Reach::Look | Reach::Network => Some(sources::sources(config, environment, &mut githubs)?),
        },
        cache: Some(VectorCache::at(worktree.private_folder().join(CACHE))),
        pace,
        clock: Arc::new(clock::now),
        repository,
    })
}

/// The state in this clone's own file.
pub fn sqlite_state(worktree: &Worktree, repository: Option<&RepoSlug>) -> SqliteState {
    state(worktree.private_folder().join(STATE), repository, worktree.prefix())
}

pub use embedding::to_ask as index_to_ask;

#[cfg(feature = "postgres")]
pub use postgres::state as postgres_state;

/// Says that there is none in this build.
#[cfg(not(feature = "postgres"))]
pub fn postgres_state(
    _: &Worktree,
    _: &Config,
    _: &Environment,
    file: SqliteState,
    _: &Console,
) -> anyhow::Result<SqliteState> {
    drop(file);
    Err(anyhow::anyhow!("this build of Stockroom was made without PostgreSQL (the feature `postgres`)"))
}

/// What keeps others out of the state in this clone's file: its lock, on origin too where the state is carried.
///
/// Whoever has not this clone's turn only looks.
pub async fn sqlite_lock(
    file: &SqliteState,
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    reach: Reach,
    console: &Console,
    stop: &Stop,
) -> anyhow::Result<Arc<dyn StateLock>> {
    if config.settings.state.kind == Kind::Postgres || !carries(worktree, config, environment) {
        return Ok(Arc::new(file.clone()));
    }
    let carried = carried::state(file.clone(), worktree, environment, reach, console, stop);
    match carried.load().await {
        // It has come from origin, whatever has become of it.
        Err(error) if !error.is_away() => Err(error.into()),
        _ => Ok(carried),
    }
}

/// The state of the library at `prefix` in a repository. Before the repository's name is known, it is the local one.
fn state(place: PathBuf, repository: Option<&RepoSlug>, prefix: &str) -> SqliteState {
    let local = format!("local:{prefix}");
    match repository {
        Some(slug) => SqliteState::new(place, format!("{slug}:{prefix}")).adopting(local),
        None => SqliteState::new(place, local),
    }
}
