//! A state that ends with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::{FileDigests, StateError, StateHistory, StateStore};
use crate::ids::{BlobId, Sha256Hex};
use crate::state::{Change, HistoryEntry, Serial, State};

/// A state in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryState {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    history: Vec<HistoryEntry>,
    files: BTreeMap<BlobId, (Sha256Hex, u64)>,
}

impl MemoryState {
    /// A new state for this library.
    pub fn new(library: impl Into<String>) -> Self {
        let state = State::new(library, Uuid::new_v4().to_string());
        Self { kept: Arc::new(Mutex::new(Kept { state, history: Vec::new(), files: BTreeMap::new() })) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryState {
    async fn load(&self) -> Result<State, StateError> {
        Ok(self.kept().state.clone())
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let mut kept = self.kept();
        let found = kept.state.serial;
        if found != expected {
            return Err(StateError::Moved { expected, found });
        }
        kept.state.apply(change);
        let serial = kept.state.serial;
        kept.history.push(HistoryEntry::of(change, serial));
        Ok(serial)
    }
}

#[async_trait]
impl StateHistory for MemoryState {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let kept = self.kept();
        let skipped = kept.history.len().saturating_sub(most);
        Ok(kept.history.iter().skip(skipped).cloned().collect())
    }
}

#[async_trait]
impl FileDigests for MemoryState {
    async fn known(&self, blobs: &[BlobId]) -> Result<BTreeMap<BlobId, (Sha256Hex, u64)>, StateError> {
        let kept = self.kept();
        Ok(blobs
            .iter()
            .filter_map(|blob| kept.files.get_key_value(blob))
            .map(|(b, f)| (b.clone(), f.clone()))
            .collect())
    }

    async fn remember(&self, files: &[(BlobId, Sha256Hex, u64)]) -> Result<(), StateError> {
        let entries = files.iter().map(|(blob, sha256, bytes)| (blob.clone(), (sha256.clone(), *bytes)));
        self.kept().files.extend(entries);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    conformance::suite!(|| {
        let store = MemoryState::new(conformance::LIBRARY);
        move || store.clone()
    });
}
