//! Where the state is kept between runs.

mod carried;
#[cfg(debug_assertions)]
mod disordered;
mod files;
mod memory;
mod moving;
#[cfg(feature = "postgres")]
mod postgres;
mod redacted;
mod sqlite;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod race;

use async_trait::async_trait;

use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, CorrelationId, LockToken};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};
use crate::state::{Change, Claim, HistoryEntry, Lock, Run, RunEnd, Serial, State, Survey, Timestamp};

pub use carried::{CarriedState, NAMES as CARRIED, Role, Say};
#[cfg(debug_assertions)]
pub use disordered::{Disorder, Disordered};
pub use memory::MemoryState;
pub use moving::{PAGE, Page, StateRows, digest};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresState, SCHEMA};
pub use redacted::{Redact, Redacted};
pub use sqlite::SqliteState;

/// Why a state could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another run changed the state in between; read it again.
    #[error("another run has changed the state since it was read (serial {found:?}, expected {expected:?})")]
    Moved {
        /// The serial that the caller had read.
        expected: Serial,
        /// The serial that is there.
        found: Serial,
    },
    /// Another run has begun with the target that this one was writing of.
    #[error("another run has begun with the same target; what this one had to record is void")]
    Fenced,
    /// Somebody else has the lock.
    #[error("the state is locked by {}", .0.holder)]
    Locked(Box<Lock>),
    /// What is kept is not what was written.
    #[error("the state at {place} is damaged ({why}). The next `stockroom sync` sets it aside and builds it again")]
    Damaged {
        /// Where the state is kept.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The state is older than what it speaks of: somebody has brought an earlier one back.
    #[error(
        "the state at {place} is older (change {found}) than the vector index beside it (change {expected}): an earlier state \
         was brought back. The next `stockroom sync` sets it aside and builds it again"
    )]
    Old {
        /// Where the state is kept.
        place: String,
        /// The serial that the state has.
        found: u64,
        /// The serial that it must have had.
        expected: u64,
    },
    /// The state belongs to another library.
    #[error(
        "the state at {place} belongs to {found:?}, not to {expected:?}. The next `stockroom sync` sets it aside and builds \
         one for this library"
    )]
    Foreign {
        /// Where the state is kept.
        place: String,
        /// This library.
        expected: String,
        /// The library that it names.
        found: String,
    },
    /// The state was written by a newer version of this program.
    #[error("the state at {place} has format {found}; this version reads up to {known}. Update Stockroom")]
    Newer {
        /// Where the state is kept.
        place: String,
        /// The format found.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },
    /// The state was moved to another store.
    #[error(
        "the state is at {to} now, and no more at {place}: set `state` in stockroom.yml to where it is, or bring it back with \
         `stockroom state migrate run --to {kind}`"
    )]
    Elsewhere {
        /// Where it was kept.
        place: String,
        /// Where it was moved to.
        to: String,
        /// The kind of store where it was kept.
        kind: &'static str,
    },
    /// The state is being brought here, and not all of it has come.
    #[error(
        "the state at {place} is a copy that is not complete; `stockroom state migrate run --to {kind}` goes on with it. It comes from \
         {from}"
    )]
    Unfinished {
        /// Where it is kept.
        place: String,
        /// Where its rows come from.
        from: String,
        /// The kind of store where it is kept.
        kind: &'static str,
    },
    /// There is no state yet, but one in the store that was used before.
    #[error(
        "there is no state at {place}, but one at {before}. `stockroom state migrate run --to {to}` moves it; to start \
         afresh instead, move that one away"
    )]
    Behind {
        /// Where it is to be kept.
        place: String,
        /// Where it was kept before.
        before: String,
        /// The kind of store where it is to be kept.
        to: &'static str,
    },
    /// The state cannot be read or written.
    #[error("the state at {place} cannot be used: {why}")]
    Unusable {
        /// Where the state is kept.
        place: String,
        /// What the store says.
        why: String,
    },
}

impl StateError {
    /// Whether what is kept is of no use, so that it is set aside and built again.
    pub fn is_unfit(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Foreign { .. } | Self::Old { .. })
    }

    /// Whether the state is in order and not in use here: it was moved away, or has not come whole.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Elsewhere { .. } | Self::Unfinished { .. })
    }
}

/// A place that keeps one library's state.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// What people call the place.
    fn place(&self) -> String;

    /// The state as it is now; a new one where there was none.
    async fn load(&self) -> Result<State, StateError>;

    /// Takes one step if the state is still at `expected`, durably before it returns; gives the new serial.
    ///
    /// After it, `load` gives what [`State::apply`] gives. [`StateError::Moved`] when another run was faster.
    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError>;
}

/// The lock of one library's state: who has it may change what the targets have.
///
/// It keeps runs from doing the same work at once. What keeps the state right is [`StateStore::record`]'s compare-and-set.
#[async_trait]
pub trait StateLock: Send + Sync {
    /// Gives the lock to a claim, or renews it; [`StateError::Locked`] while another holder's has not expired.
    ///
    /// A store with a clock of its own judges by that, the others by `now`.
    async fn lock(&self, claim: &Claim, now: Timestamp) -> Result<Lock, StateError>;

    /// Gives the lock back, durably; one that has another holder meanwhile stays theirs.
    async fn unlock(&self, token: &LockToken) -> Result<(), StateError>;

    /// The lock, if it was taken and not given back; it may have expired.
    async fn locked(&self) -> Result<Option<Lock>, StateError>;
}

/// What the vector index may hold: at every moment at least what it does hold.
#[async_trait]
pub trait ChunkRows: Send + Sync {
    /// Every chunk that the index with this mark may hold; none when nothing is known of that index.
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError>;

    /// Takes a step, durably before it returns, if `intent` is what is under way; [`StateError::Fenced`] if not.
    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError>;
}

/// A record of every change and every run, which nothing takes back.
#[async_trait]
pub trait StateHistory: Send + Sync {
    /// The last `most` changes, oldest first.
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError>;

    /// The last `most` runs, oldest first; one that has no end is at work or was killed.
    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError>;

    /// How large it is; a store that would have to read everything for that says nothing.
    async fn survey(&self) -> Result<Survey, StateError> {
        Ok(Survey::default())
    }
}

/// The state; in the place of one that is not in use here, what is said of it.
pub async fn present(store: &dyn StateStore) -> Result<Result<State, String>, StateError> {
    match store.load().await {
        Err(away) if away.is_away() => Ok(Err(away.to_string())),
        loaded => loaded.map(Ok),
    }
}

/// Everything that a run asks of the place where the state is kept.
pub trait Store: StateStore + StateLock + ChunkRows + StateHistory + FileDigests {}

impl<S: StateStore + StateLock + ChunkRows + StateHistory + FileDigests> Store for S {}

/// A memory of what is published of blobs, so that no file is hashed twice: a blob's id stands for its bytes.
#[async_trait]
pub trait FileDigests: Send + Sync {
    /// What is known of these blobs; the others are absent.
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError>;

    /// Keeps what is known of each of these blobs.
    async fn remember(&self, files: &FileFacts) -> Result<(), StateError>;
}
