//! A state that ends with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::{ChunkRows, FileDigests, StateError, StateHistory, StateLock, StateStore};
use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, ChunkId, CorrelationId, LockToken, RunId};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark, Table};
use crate::state::{Change, Claim, HistoryEntry, Lock, Run, RunEnd, Serial, State, Survey, Timestamp};

/// A state in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryState {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    history: Vec<HistoryEntry>,
    runs: Vec<Run>,
    ends: BTreeMap<RunId, RunEnd>,
    files: FileFacts,
    chunks: BTreeMap<(String, ChunkId), ChunkRow>,
    mark: Option<IndexMark>,
    lock: Option<Lock>,
}

impl MemoryState {
    /// A new state for this library.
    pub fn new(library: impl Into<String>) -> Self {
        let kept = Kept {
            state: State::new(library, Uuid::new_v4().to_string()),
            history: Vec::new(),
            runs: Vec::new(),
            ends: BTreeMap::new(),
            files: BTreeMap::new(),
            chunks: BTreeMap::new(),
            mark: None,
            lock: None,
        };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last `most` of them.
fn tail<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    all.iter().skip(all.len().saturating_sub(most)).cloned().collect()
}

#[async_trait]
impl StateStore for MemoryState {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn load(&self) -> Result<State, StateError> {
        Ok(self.kept().state.clone())
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let mut kept = self.kept();
        let found = kept.state.serial;
        if found != expected {
            return Err(StateError::Moved { expected, found });
        }
        let run = kept.state.run.clone();
        kept.state.apply(change);
        let serial = kept.state.serial;
        kept.history.push(HistoryEntry::of(change, serial, run.as_ref()));
        match change {
            Change::Begin { run } => kept.runs.push(run.clone()),
            Change::End { end } => drop(kept.ends.insert(end.run.clone(), end.clone())),
            _ => {}
        }
        Ok(serial)
    }
}

#[async_trait]
impl StateLock for MemoryState {
    async fn lock(&self, claim: &Claim, now: Timestamp) -> Result<Lock, StateError> {
        let mut kept = self.kept();
        match &kept.lock {
            Some(lock) if !claim.may_take(lock, now) => Err(StateError::Locked(Box::new(lock.clone()))),
            _ => Ok(kept.lock.insert(claim.granted(now)).clone()),
        }
    }

    async fn unlock(&self, token: &LockToken) -> Result<(), StateError> {
        self.kept().lock.take_if(|lock| lock.token == *token);
        Ok(())
    }

    async fn locked(&self) -> Result<Option<Lock>, StateError> {
        Ok(self.kept().lock.clone())
    }
}

#[async_trait]
impl ChunkRows for MemoryState {
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError> {
        let kept = self.kept();
        Ok((kept.mark.as_ref() == Some(mark)).then(|| kept.chunks.values().cloned().collect()))
    }

    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError> {
        let mut kept = self.kept();
        let mut intents = kept.state.targets.values().filter_map(|target| target.intent.as_ref());
        if !intents.any(|one| one.correlation == *intent) {
            return Err(StateError::Fenced);
        }
        match change {
            ChunkChange::Put(rows) => {
                let key = |row: &ChunkRow| (row.namespace.clone(), row.id.clone());
                kept.chunks.extend(rows.iter().map(|row| (key(row), row.clone())));
            }
            ChunkChange::Gone { namespace, ids } => {
                for id in ids {
                    kept.chunks.remove(&(namespace.clone(), id.clone()));
                }
            }
            ChunkChange::Dropped { namespace } => kept.chunks.retain(|(name, _), _| name != namespace),
            ChunkChange::Forget => {
                kept.chunks.clear();
                kept.mark = None;
            }
            ChunkChange::Mark(mark) => kept.mark = Some(mark.clone()),
        }
        Ok(())
    }
}

#[async_trait]
impl StateHistory for MemoryState {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        Ok(tail(&self.kept().history, most))
    }

    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError> {
        let kept = self.kept();
        let with_end = |run: Run| {
            let end = kept.ends.get(&run.id).cloned();
            (run, end)
        };
        Ok(tail(&kept.runs, most).into_iter().map(with_end).collect())
    }

    async fn survey(&self) -> Result<Survey, StateError> {
        let kept = self.kept();
        let delivered = kept.state.targets.values().filter_map(|target| target.delivered.as_ref());
        let count = |table| match table {
            Table::Assets => delivered.clone().map(|delivered| delivered.assets.len()).sum(),
            Table::Chunks => kept.chunks.len(),
            Table::Files => kept.files.len(),
            Table::History => kept.history.len(),
            Table::RunEnds => kept.ends.len(),
            Table::Runs => kept.runs.len(),
            Table::Targets => kept.state.targets.len(),
        };
        let rows = Table::ALL.into_iter().map(|table| (table, u64::try_from(count(table)).unwrap_or(u64::MAX)));
        Ok(Survey { rows: rows.collect(), bytes: None })
    }
}

#[async_trait]
impl FileDigests for MemoryState {
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError> {
        let kept = self.kept();
        Ok(blobs
            .iter()
            .filter_map(|blob| kept.files.get_key_value(blob))
            .map(|(b, f)| (b.clone(), f.clone()))
            .collect())
    }

    async fn remember(&self, files: &FileFacts) -> Result<(), StateError> {
        self.kept().files.extend(files.clone());
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
