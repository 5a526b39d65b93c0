//! A state that is written in the wrong order, so that tests can show that they would notice. No release holds it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{ChunkRows, FileDigests, StateError, StateHistory, StateLock, StateStore, Store};
use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, CorrelationId, LockToken, TargetName};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};
use crate::state::{Change, Claim, Delivered, HistoryEntry, Intent, Lock, Run, RunEnd, Serial, State, Timestamp};

/// What is done in the wrong order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disorder {
    /// A downstream counts as told before it is told.
    StateFirst,
    /// That a downstream is about to be told is not written down.
    NoIntent,
    /// A chunk counts as stored before it is.
    ChunkFirst,
    /// That a chunk is about to be stored is not written down.
    ChunkLast,
}

impl Disorder {
    /// The disorder with this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "state-first" => Some(Self::StateFirst),
            "no-intent" => Some(Self::NoIntent),
            "chunk-first" => Some(Self::ChunkFirst),
            "chunk-last" => Some(Self::ChunkLast),
            _ => None,
        }
    }
}

/// Another store, which gets some of the steps in the wrong order.
pub struct Disordered {
    store: Arc<dyn Store>,
    disorder: Disorder,
    /// What this process believes to have written down.
    intents: Mutex<BTreeMap<TargetName, Intent>>,
}

impl Disordered {
    /// Keeps everything in `store`, in this order.
    pub fn new(store: Arc<dyn Store>, disorder: Disorder) -> Self {
        Self { store, disorder, intents: Mutex::default() }
    }

    fn intents(&self) -> MutexGuard<'_, BTreeMap<TargetName, Intent>> {
        self.intents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for Disordered {
    fn place(&self) -> String {
        self.store.place()
    }

    async fn load(&self) -> Result<State, StateError> {
        let mut state = self.store.load().await?;
        for (target, intent) in self.intents().iter() {
            state.targets.entry(target.clone()).or_default().intent = Some(intent.clone());
        }
        Ok(state)
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        match change {
            Change::Intend { target, intent } if target.as_str().starts_with("downstream/") => match self.disorder {
                Disorder::NoIntent => {
                    self.intents().insert(target.clone(), intent.clone());
                    Ok(expected)
                }
                Disorder::StateFirst => {
                    self.intents().insert(target.clone(), intent.clone());
                    let Intent { digest, at, .. } = intent.clone();
                    let delivered = Delivered { commit: None, digest, assets: BTreeMap::new(), at };
                    self.store.record(expected, &Change::Deliver { target: target.clone(), delivered }).await
                }
                _ => self.store.record(expected, change).await,
            },
            Change::Arrive { target, run, .. } => {
                if let Some(intent) = self.intents().get_mut(target) {
                    intent.arrived = Some(run.clone());
                }
                self.store.record(expected, change).await
            }
            Change::Withhold { .. } => self.store.record(expected, change).await,
            _ => {
                if let Some(target) = change.target() {
                    self.intents().remove(target);
                }
                self.store.record(expected, change).await
            }
        }
    }
}

#[async_trait]
impl ChunkRows for Disordered {
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError> {
        self.store.chunks(mark).await
    }

    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError> {
        let change = match (self.disorder, change) {
            (Disorder::ChunkFirst, ChunkChange::Put(rows)) => {
                ChunkChange::Put(rows.iter().map(|row| ChunkRow { stored: true, ..row.clone() }).collect())
            }
            (Disorder::ChunkLast, ChunkChange::Put(rows)) => {
                ChunkChange::Put(rows.iter().filter(|row| row.stored).cloned().collect())
            }
            _ => change.clone(),
        };
        self.store.change_chunks(intent, &change).await
    }
}

#[async_trait]
impl StateLock for Disordered {
    async fn lock(&self, claim: &Claim, now: Timestamp) -> Result<Lock, StateError> {
        self.store.lock(claim, now).await
    }

    async fn unlock(&self, token: &LockToken) -> Result<(), StateError> {
        self.store.unlock(token).await
    }

    async fn locked(&self) -> Result<Option<Lock>, StateError> {
        self.store.locked().await
    }
}

#[async_trait]
impl StateHistory for Disordered {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.store.history(most).await
    }

    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError> {
        self.store.runs(most).await
    }
}

#[async_trait]
impl FileDigests for Disordered {
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError> {
        self.store.known(blobs).await
    }

    async fn remember(&self, files: &FileFacts) -> Result<(), StateError> {
        self.store.remember(files).await
    }
}
