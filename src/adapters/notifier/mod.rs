//! Telling people of a run, where they sit.

mod memory;
mod slack;

use async_trait::async_trait;
use serde_json::Value;

pub use memory::MemoryNotifier;
pub use slack::SlackNotifier;

/// Why people could not be told, and what to do about it. The text holds no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotifyError {
    /// The sentence.
    pub why: String,
}

/// A place where people are told.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Tells them, once: what arrives twice is told twice.
    async fn notify(&self, message: &Value) -> Result<(), NotifyError>;

    /// Whether a message would be taken. Tells nobody anything.
    async fn probe(&self) -> Result<(), NotifyError>;
}

/// What every notifier promises, as tests.
#[cfg(test)]
pub(crate) mod conformance {
    use serde_json::json;

    use super::*;

    /// `told` gives the messages that have arrived.
    pub(crate) async fn run(notifier: &dyn Notifier, told: impl Fn() -> Vec<Value>) {
        assert_eq!(notifier.probe().await, Ok(()));
        assert_eq!(told(), [] as [Value; 0], "a probe tells nobody anything");
        let messages = [json!({"text": "first"}), json!({"text": "second & last"})];
        for message in &messages {
            assert_eq!(notifier.notify(message).await, Ok(()));
        }
        assert_eq!(told(), messages, "each once, in order, as it is");
    }
}
