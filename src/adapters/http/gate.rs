//! What lets requests pass, one by one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::budget::{Budget, Kind, Permit};
use super::policy::Event;

/// Lets the requests of one call pass when the time for each has come, and hears what became of it.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Waits until a request may leave, and gives how much of the wait is not to be held against it. The error says why it may
    /// not leave at all; `patience` is how much longer it is of use.
    async fn enter(&self, patience: Duration) -> Result<Duration, String>;

    /// Hears what became of the request that has entered.
    fn leave(&self, event: &Event);

    /// Hears that a request follows that repeats the last one.
    fn note_retry(&self);
}

/// The gate of a budget.
pub(super) struct Counted<'a> {
    budget: &'a Budget,
    kind: Kind,
    permit: Mutex<Option<Permit>>,
}

impl<'a> Counted<'a> {
    pub(super) fn new(budget: &'a Budget, kind: Kind) -> Self {
        Self { budget, kind, permit: Mutex::default() }
    }

    fn swap(&self, permit: Option<Permit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

#[async_trait]
impl Gate for Counted<'_> {
    async fn enter(&self, patience: Duration) -> Result<Duration, String> {
        let permit = self.budget.permit(self.kind, patience).await?;
        let queued = permit.queued;
        self.swap(Some(permit));
        Ok(queued)
    }

    fn leave(&self, event: &Event) {
        self.swap(None);
        if let Event::Answer(reply) = event {
            self.budget.observe(reply);
        }
    }

    fn note_retry(&self) {
        self.budget.note_retry();
    }
}
