//! A state that keeps no secret, whatever the messages say that come from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{FileDigests, StateError, StateHistory, StateStore};
use crate::ids::{BlobId, Sha256Hex};
use crate::state::{Change, HistoryEntry, Serial, State};

/// Takes the secrets out of a text.
pub type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Another store, to which free text goes redacted: a server may have repeated a token in its answer.
#[derive(Clone)]
pub struct Redacted<S> {
    store: S,
    redact: Redact,
}

impl<S> Redacted<S> {
    /// Keeps everything in `store`.
    pub fn new(store: S, redact: Redact) -> Self {
        Self { store, redact }
    }
}

#[async_trait]
impl<S: StateStore> StateStore for Redacted<S> {
    async fn load(&self) -> Result<State, StateError> {
        self.store.load().await
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let mut change = change.clone();
        match &mut change {
            Change::Fail { why, .. } => *why = (self.redact)(why),
            // Ids and digests of our own making.
            Change::Intend { .. } | Change::Deliver { .. } => {}
        }
        self.store.record(expected, &change).await
    }
}

#[async_trait]
impl<S: StateHistory> StateHistory for Redacted<S> {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.store.history(most).await
    }
}

#[async_trait]
impl<S: FileDigests> FileDigests for Redacted<S> {
    async fn known(&self, blobs: &[BlobId]) -> Result<BTreeMap<BlobId, (Sha256Hex, u64)>, StateError> {
        self.store.known(blobs).await
    }

    async fn remember(&self, files: &[(BlobId, Sha256Hex, u64)]) -> Result<(), StateError> {
        self.store.remember(files).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryState, conformance};
    use super::*;
    use crate::ids::TargetName;
    use crate::state::Timestamp;

    conformance::suite!(|| {
        let store = Redacted::new(MemoryState::new(conformance::LIBRARY), Arc::new(str::to_owned));
        move || store.clone()
    });

    #[tokio::test]
    async fn a_failure_is_kept_without_its_secrets() {
        let redact = Arc::new(|text: &str| text.replace("canary", "***"));
        let store = Redacted::new(MemoryState::new("org/library"), redact);
        let target = TargetName::new("downstream/website");
        let why = "bad token canary".to_owned();
        let failed = Change::Fail { target: target.clone(), why, certain: true, at: Timestamp(1) };
        store.record(Serial(0), &failed).await.unwrap();
        let kept = store.load().await.unwrap().target(&target).failure;
        assert_eq!(kept.as_deref(), Some("bad token ***"));
        let history = store.history(1).await.unwrap();
        assert!(history[0].detail.contains("***") && !history[0].detail.contains("canary"), "{history:?}");
    }
}
