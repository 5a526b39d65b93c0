//! Where the state is kept between runs.

use async_trait::async_trait;

use crate::state::{Change, Serial, State};

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
