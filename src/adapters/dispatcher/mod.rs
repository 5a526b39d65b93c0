//! How downstreams are told, and how the runs that this begins are looked at: a dispatcher for each kind of receiver, and a
//! folder where there is no token.

mod event;
mod gitlab;
mod memory;
mod outbox;
mod runs;
mod unfit;
mod webhook;
mod workflow;

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::ids::{CorrelationId, DownstreamName};
use crate::state::Timestamp;

pub use event::EventDispatcher;
pub use gitlab::GitLabDispatcher;
pub use memory::{MemoryDispatcher, Script};
pub use outbox::OutboxDispatcher;
pub use unfit::UnfitDispatcher;
pub use webhook::{Clock, WebhookDispatcher};
pub use workflow::WorkflowDispatcher;

/// One delivery for one downstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The downstream.
    pub downstream: DownstreamName,
    /// What it is told.
    pub envelope: Value,
    /// The id by which its effect is found again; the envelope holds it too.
    pub correlation: CorrelationId,
}

/// What became of a delivery that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived.
    Delivered {
        /// Where, for people.
        place: String,
        /// The run that it has begun, where the receiver tells.
        run: Option<RunRef>,
    },
    /// It may have arrived: nobody knows until it is looked for.
    Unknown {
        /// Why nobody knows.
        why: String,
    },
}

/// What names a run at its receiver: a workflow run's id, a pipeline's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef(String);

impl RunRef {
    /// The id as the receiver gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Where it is, for people: its address, where it has one.
    pub place: String,
    /// What names it.
    pub run: Option<RunRef>,
    /// How far it is.
    pub progress: Progress,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It has not begun.
    Queued,
    /// It is at work.
    Running,
    /// It has ended.
    Ended {
        /// How, in GitHub's words: `success`, `failure`, `cancelled`…
        conclusion: String,
    },
    /// There is nothing to be seen of how far it is: what was delivered lies there.
    Still,
}

/// What came of looking for the effect of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// There it is.
    Found(Sighting),
    /// It is not to be seen, which is no proof: a receiver that does not show the id cannot be found.
    Absent {
        /// How many runs there are since then that show no correlation id at all, so that one of them may be it.
        others: usize,
    },
}

/// Why a delivery has certainly not arrived, or cannot be looked for. No text holds a token or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// The token is not allowed to.
    #[error("{why}")]
    NotAllowed {
        /// What was refused and which permission is missing.
        why: String,
    },
    /// The receiver refuses it; the same again would be refused again.
    #[error("{why}")]
    Refused {
        /// What the receiver says.
        why: String,
    },
    /// The receiver cannot be reached now, or asks to come later.
    #[error("{why}")]
    Unavailable {
        /// What happened.
        why: String,
    },
}

/// A way to one receiver.
#[async_trait]
pub trait Dispatcher: Send + Sync {
    /// Hands the delivery over, once: an `Err` says that it has certainly not arrived.
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError>;

    /// Looks for the effect of a delivery that was handed over at `since` or later.
    async fn find(&self, dispatch: &Dispatch, since: Timestamp) -> Result<Search, DispatchError>;

    /// Looks at a run that is known.
    async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError>;

    /// Whether it is told somewhere else, and not in a folder of this machine.
    fn is_remote(&self) -> bool;
}

/// What every dispatcher promises, as tests.
#[cfg(test)]
pub(crate) mod conformance {
    use serde_json::json;

    use super::*;

    pub(crate) fn dispatch(correlation: &str) -> Dispatch {
        Dispatch {
            downstream: DownstreamName::new("website"),
            envelope: json!({"version": 1, "correlation_id": correlation}),
            correlation: CorrelationId::new(correlation),
        }
    }

    /// `holds` tells how many deliveries the receiver holds in the end.
    pub(crate) async fn run(dispatcher: &dyn Dispatcher, holds: impl Fn() -> usize) {
        let since = Timestamp(0);
        let first = dispatch("sr-first");
        let absent = |search: &Result<Search, DispatchError>| matches!(search, Ok(Search::Absent { .. }));
        assert!(absent(&dispatcher.find(&first, since).await), "nothing is found before it was sent");
        let outcome = dispatcher.deliver(&first).await;
        let Ok(Outcome::Delivered { place, run }) = outcome else { panic!("{outcome:?}") };
        assert!(!place.is_empty());
        let Ok(Search::Found(found)) = dispatcher.find(&first, since).await else { panic!("not found by its id") };
        assert!(!found.place.is_empty());
        assert!(run.is_none() || run == found.run, "the run that was named is the one that is found");
        if let Some(run) = &found.run {
            let seen = dispatcher.look(run).await.expect("a run that was found can be looked at");
            assert_eq!(seen.run.as_ref(), Some(run));
        }
        assert!(absent(&dispatcher.find(&dispatch("sr-fir"), since).await), "a part of an id is another id");
        assert!(absent(&dispatcher.find(&dispatch("sr-second"), since).await), "another id is not found");
        dispatcher.deliver(&dispatch("sr-second")).await.unwrap();
        assert_eq!(holds(), 2);
    }

    /// What one promises whose receiver cannot be asked: nothing is ever found, and what is delivered again is the same again.
    ///
    /// `holds` tells how many deliveries the receiver can tell apart.
    pub(crate) async fn run_blind(dispatcher: &dyn Dispatcher, holds: impl Fn() -> usize) {
        let first = dispatch("sr-first");
        let absent = Ok(Search::Absent { others: 0 });
        assert_eq!(dispatcher.find(&first, Timestamp(0)).await, absent);
        for _ in 0..2 {
            let outcome = dispatcher.deliver(&first).await;
            let Ok(Outcome::Delivered { place, run: None }) = outcome else { panic!("{outcome:?}") };
            assert!(!place.is_empty());
            assert_eq!(dispatcher.find(&first, Timestamp(0)).await, absent);
        }
        assert_eq!(holds(), 1);
        dispatcher.deliver(&dispatch("sr-second")).await.unwrap();
        assert_eq!(holds(), 2);
        assert!(matches!(dispatcher.look(&RunRef::new("1")).await, Err(DispatchError::Refused { .. })));
    }
}
