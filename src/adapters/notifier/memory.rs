//! A notifier that remembers what it was told.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use super::{Notifier, NotifyError};

/// Remembers every message.
#[derive(Debug, Default)]
pub struct MemoryNotifier {
    told: Mutex<Vec<Value>>,
}

impl MemoryNotifier {
    /// The messages so far.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn notify(&self, message: &Value) -> Result<(), NotifyError> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
        Ok(())
    }

    async fn probe(&self) -> Result<(), NotifyError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::notifier::conformance;

    #[tokio::test]
    async fn a_memory_is_a_notifier() {
        let memory = MemoryNotifier::default();
        conformance::run(&memory, || memory.told()).await;
    }
}
