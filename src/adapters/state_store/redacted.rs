//! A state that keeps no secret, whatever the messages say that come from outside.

use std::sync::Arc;

use async_trait::async_trait;

use super::{ChunkRows, FileDigests, StateError, StateHistory, StateLock, StateStore, Store};
use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, CorrelationId, LockToken};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};
use crate::state::{Change, Claim, HistoryEntry, Lock, Run, RunEnd, Serial, State, Survey, Timestamp};

/// Takes the secrets out of a text.
pub type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Another store, to which free text goes redacted: a server may have repeated a token in its answer.
#[derive(Clone)]
pub struct Redacted {
    store: Arc<dyn Store>,
    redact: Redact,
}

impl Redacted {
    /// Keeps everything in `store`.
    pub fn new(store: Arc<dyn Store>, redact: Redact) -> Self {
        Self { store, redact }
    }

    fn clean(&self, text: &mut String) {
        *text = (self.redact)(text);
    }
}

#[async_trait]
impl StateStore for Redacted {
    fn place(&self) -> String {
        self.store.place()
    }

    async fn load(&self) -> Result<State, StateError> {
        self.store.load().await
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let mut change = change.clone();
        match &mut change {
            Change::Arrive { run, .. } => self.clean(run),
            Change::Fail { why, .. } => self.clean(why),
            Change::Withhold { withheld, .. } => self.clean(&mut withheld.why),
            Change::Begin { run } => {
                self.clean(&mut run.who);
                self.clean(&mut run.command);
                run.link.iter_mut().for_each(|link| self.clean(link));
            }
            Change::End { end } => self.clean(&mut end.detail),
            // Ids and digests of our own making.
            Change::Intend { .. } | Change::Deliver { .. } => {}
        }
        self.store.record(expected, &change).await
    }
}

#[async_trait]
impl StateLock for Redacted {
    async fn lock(&self, claim: &Claim, now: Timestamp) -> Result<Lock, StateError> {
        let mut claim = claim.clone();
        self.clean(&mut claim.holder);
        self.store.lock(&claim, now).await
    }

    async fn unlock(&self, token: &LockToken) -> Result<(), StateError> {
        self.store.unlock(token).await
    }

    async fn locked(&self) -> Result<Option<Lock>, StateError> {
        self.store.locked().await
    }
}

#[async_trait]
impl ChunkRows for Redacted {
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError> {
        self.store.chunks(mark).await
    }

    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError> {
        self.store.change_chunks(intent, change).await
    }
}

#[async_trait]
impl StateHistory for Redacted {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.store.history(most).await
    }

    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError> {
        self.store.runs(most).await
    }

    async fn survey(&self) -> Result<Survey, StateError> {
        self.store.survey().await
    }
}

#[async_trait]
impl FileDigests for Redacted {
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError> {
        self.store.known(blobs).await
    }

    async fn remember(&self, files: &FileFacts) -> Result<(), StateError> {
        self.store.remember(files).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryState, conformance};
    use super::*;
    use crate::ids::TargetName;

    conformance::suite!(|| {
        let store = Redacted::new(Arc::new(MemoryState::new(conformance::LIBRARY)), Arc::new(str::to_owned));
        move || store.clone()
    });

    #[tokio::test]
    async fn a_failure_is_kept_without_its_secrets() {
        let redact = Arc::new(|text: &str| text.replace("canary", "***"));
        let store = Redacted::new(Arc::new(MemoryState::new("org/library")), redact);
        let target = TargetName::new("downstream/website");
        let why = "bad token canary".to_owned();
        let failed = Change::Fail { target: target.clone(), why, certain: true, at: Timestamp(1) };
        store.record(Serial(0), &failed).await.unwrap();
        let kept = store.load().await.unwrap().target(&target).failure;
        assert_eq!(kept.as_deref(), Some("bad token ***"));
        let (digest, at) = (crate::ids::Sha256Hex::of(b"x"), Timestamp(2));
        let withheld = crate::state::Withheld { digest, why: "canary in it".to_owned(), at };
        store.record(Serial(1), &Change::Withhold { target: target.clone(), withheld }).await.unwrap();
        let kept = store.load().await.unwrap().target(&target).withheld.unwrap();
        assert_eq!(kept.why, "*** in it");
        let history = store.history(1).await.unwrap();
        assert!(history[0].detail.contains("***") && !history[0].detail.contains("canary"), "{history:?}");
    }
}
