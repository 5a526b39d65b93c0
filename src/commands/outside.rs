//! The ways out that a run has been given: made by the command line, used by the commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::places::Sign;
use super::sources::Source;
use crate::adapters::dispatcher::Dispatcher;
use crate::adapters::health::Probe;
use crate::adapters::http::{Budgets, Pace};
use crate::adapters::model::EmbeddingModel;
use crate::adapters::publication::PublishTarget;
use crate::adapters::state_store::Store;
use crate::adapters::stop::Stop;
use crate::adapters::vector_cache::VectorCache;
use crate::adapters::vector_store::VectorStore;
use crate::downstream::Channel;
use crate::ids::{CommitId, DownstreamName, RepoSlug, TargetName};
use crate::state::Timestamp;

/// Asks a remote for the commit of its default branch; none where it does not answer.
pub type Tip = Arc<dyn Fn() -> Option<CommitId> + Send + Sync>;

/// Everything outside the process that a run may touch.
pub struct Outside {
    /// What has been done so far.
    pub state: Arc<dyn Store>,
    /// Where the manifest goes, by the name that the state has for the place.
    pub targets: Vec<(TargetName, Arc<dyn PublishTarget>)>,
    /// Signs roots, where that is wanted.
    pub sign: Option<Sign>,
    /// How each downstream is reached.
    pub dispatchers: BTreeMap<DownstreamName, Arc<dyn Dispatcher>>,
    /// Asks downstreams how they are; none where no downstream says where to ask.
    pub probe: Option<Arc<dyn Probe>>,
    /// Turns texts into vectors.
    pub model: Arc<dyn EmbeddingModel>,
    /// Keeps the vectors.
    pub vectors: Arc<dyn VectorStore>,
    /// Where they are kept, for people.
    pub index_place: String,
    /// The sources of the index; none in a run that asks nobody.
    pub sources: Option<Vec<Source>>,
    /// Remembers what was paid for.
    pub cache: Option<VectorCache>,
    /// What may be asked of the downstreams' servers, and what was.
    pub budgets: Budgets,
    /// Waits between requests.
    pub pace: Arc<dyn Pace>,
    /// The wall clock, for the state alone.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Whether other clones have the state, but not the index in this one: what the state says of an index may be of theirs.
    pub index_apart: bool,
    /// Asks where the branch is that others build on, where the state is shared with other clones. It waits for an answer.
    pub tip: Option<Tip>,
    /// This repository's name on the forge, where it is known.
    pub repository: Option<RepoSlug>,
}

impl Outside {
    /// Whether the process was asked to end, so that nothing new may be begun.
    pub fn stop(&self) -> &Stop {
        self.pace.stop()
    }

    /// The way to a downstream. A run that was given none can only plan, and plans for the real one.
    pub fn channel(&self, name: &DownstreamName) -> Channel {
        match self.dispatchers.get(name) {
            Some(dispatcher) if !dispatcher.is_remote() => Channel::Outbox,
            _ => Channel::Remote,
        }
    }
}
