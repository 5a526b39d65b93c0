//! A receiver in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Dispatch, DispatchError, Dispatcher, Outcome};
use crate::state::Timestamp;

/// Keeps every event that is delivered.
#[derive(Debug, Default)]
pub struct MemoryDispatcher {
    received: Mutex<Vec<Dispatch>>,
}

impl MemoryDispatcher {
    /// The events so far.
    pub fn received(&self) -> Vec<Dispatch> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Dispatch>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Dispatcher for MemoryDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        self.lock().push(dispatch.clone());
        Ok(Outcome::Delivered { place: format!("memory of {}", dispatch.repo) })
    }

    async fn find(&self, dispatch: &Dispatch, _: Timestamp) -> Result<Option<String>, DispatchError> {
        let same = |held: &&Dispatch| held.repo == dispatch.repo && held.correlation == dispatch.correlation;
        Ok(self.lock().iter().find(same).map(|held| format!("memory of {}", held.repo)))
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_a_dispatcher() {
        let memory = MemoryDispatcher::default();
        super::super::conformance::run(&memory, || memory.received().len()).await;
    }
}
