//! A receiver for which what lets us in is there, but is of no use: it alone cannot be told.

use async_trait::async_trait;

use super::{Dispatch, DispatchError, Dispatcher, Outcome, RunRef, Search, Sighting};
use crate::state::Timestamp;

/// Tells nobody, and says why.
#[derive(Debug, Clone)]
pub struct UnfitDispatcher {
    why: String,
}

impl UnfitDispatcher {
    /// Says this, a sentence without any secret.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }

    fn refused<T>(&self) -> Result<T, DispatchError> {
        Err(DispatchError::Refused { why: self.why.clone() })
    }
}

#[async_trait]
impl Dispatcher for UnfitDispatcher {
    async fn deliver(&self, _: &Dispatch) -> Result<Outcome, DispatchError> {
        self.refused()
    }

    async fn find(&self, _: &Dispatch, _: Timestamp) -> Result<Search, DispatchError> {
        self.refused()
    }

    async fn look(&self, _: &RunRef) -> Result<Sighting, DispatchError> {
        self.refused()
    }

    /// It would be told elsewhere; what it is told does not lie in the outbox, where nobody would miss it.
    fn is_remote(&self) -> bool {
        true
    }
}
