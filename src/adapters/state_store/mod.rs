//! Where the state is kept between runs.

mod memory;
mod redacted;
mod sqlite;

#[cfg(test)]
mod conformance;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::ids::{BlobId, Sha256Hex};
use crate::state::{Change, HistoryEntry, Serial, State};

pub use memory::MemoryState;
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
    /// The state belongs to another library.
    #[error("the state at {place} belongs to {found:?}, not to {expected:?}; move it away to start afresh")]
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
    /// The state cannot be read or written.
    #[error("the state at {place} cannot be used: {why}")]
    Unusable {
        /// Where the state is kept.
        place: String,
        /// What the store says.
        why: String,
    },
}

/// A place that keeps one library's state.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The state as it is now; a new one where there was none.
    async fn load(&self) -> Result<State, StateError>;

    /// Takes one step if the state is still at `expected`, durably before it returns; gives the new serial.
    ///
    /// After it, `load` gives what [`State::apply`] gives. [`StateError::Moved`] when another run was faster.
    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError>;
}

/// A record of every change, oldest first, which nothing takes back.
#[async_trait]
pub trait StateHistory: Send + Sync {
    /// The last `most` changes, oldest first.
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError>;
}

/// A memory of the SHA-256 and the size of blobs, so that no file is hashed twice: a blob's id stands for its bytes.
#[async_trait]
pub trait FileDigests: Send + Sync {
    /// What is known of these blobs; the others are absent.
    async fn known(&self, blobs: &[BlobId]) -> Result<BTreeMap<BlobId, (Sha256Hex, u64)>, StateError>;

    /// Keeps the digest and the size of each of these blobs.
    async fn remember(&self, files: &[(BlobId, Sha256Hex, u64)]) -> Result<(), StateError>;
}
