//! GitHub: telling a downstream repository, or a folder where there is no token; and telling a pull request what was found.

pub(in crate::adapters) mod api;
pub mod feedback;
pub mod inspection;
mod memory;
mod octocrab;
mod outbox;
mod outcomes;

use async_trait::async_trait;
use serde_json::Value;

use crate::ids::{CorrelationId, DownstreamName, RepoSlug};
use crate::state::Timestamp;

pub use memory::MemoryDispatcher;
#[cfg(test)]
pub(crate) use octocrab::fake_github;
pub use octocrab::{GITHUB_API, GitHubDispatcher};
pub use outbox::OutboxDispatcher;

/// One `repository_dispatch` event for one downstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The downstream.
    pub downstream: DownstreamName,
    /// Its repository.
    pub repo: RepoSlug,
    /// The type of the event.
    pub event: String,
    /// The event's `client_payload`.
    pub payload: Value,
    /// The id by which the event's effect is found again; the payload holds it too.
    pub correlation: CorrelationId,
}

/// What became of an event that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived.
    Delivered {
        /// Where, for people.
        place: String,
    },
    /// It may have arrived: nobody knows until it is looked for.
    Unknown {
        /// Why nobody knows.
        why: String,
    },
}

/// Why an event was certainly not delivered, or cannot be looked for. No text holds a token or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// The token is not allowed to.
    #[error("{why}")]
    NotAllowed {
        /// What was refused and which permission is missing.
        why: String,
    },
    /// The receiver refuses the event; the same again would be refused again.
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

/// A way to downstream repositories.
#[async_trait]
pub trait Dispatcher: Send + Sync {
    /// Hands the event over, once: an `Err` says that it has certainly not arrived.
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError>;

    /// Looks for the effect of an event that was handed over at `since` or later; gives its place.
    ///
    /// `None` is no proof: a receiver that does not show the id cannot be found.
    async fn find(&self, dispatch: &Dispatch, since: Timestamp) -> Result<Option<String>, DispatchError>;

    /// Whether the receiver counts requests, so that they are to be spaced.
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
            repo: RepoSlug::parse("org/website").unwrap(),
            event: "asset-updated".into(),
            payload: json!({"version": 1, "correlation_id": correlation}),
            correlation: CorrelationId::new(correlation),
        }
    }

    /// `holds` tells how many events the receiver holds in the end.
    pub(crate) async fn run(dispatcher: &dyn Dispatcher, holds: impl Fn() -> usize) {
        let since = Timestamp(0);
        let first = dispatch("sr-first");
        assert_eq!(dispatcher.find(&first, since).await, Ok(None), "nothing is found before it was sent");
        let outcome = dispatcher.deliver(&first).await;
        assert!(matches!(&outcome, Ok(Outcome::Delivered { place }) if !place.is_empty()), "{outcome:?}");
        assert!(dispatcher.find(&first, since).await.unwrap().is_some(), "it is found by its id");
        assert_eq!(dispatcher.find(&dispatch("sr-fir"), since).await, Ok(None), "a part of an id is another id");
        assert_eq!(dispatcher.find(&dispatch("sr-second"), since).await, Ok(None), "another id is not found");
        dispatcher.deliver(&dispatch("sr-second")).await.unwrap();
        assert_eq!(holds(), 2);
    }
}
