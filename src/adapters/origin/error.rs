//! Why the remote was not read or written.

use crate::ids::CommitId;

/// Why the remote was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The clone has no `origin`.
    #[error("this clone has no remote `origin`")]
    NoRemote,
    /// The remote refuses to be written.
    #[error("origin does not let this run write there ({why})")]
    NotAllowed {
        /// What git says, without secrets.
        why: String,
    },
    /// The remote refuses to be read.
    #[error("origin cannot be read ({why})")]
    Unreadable {
        /// What git says, without secrets.
        why: String,
    },
    /// Somebody else was faster.
    #[error("somebody else has changed it on origin in the meantime")]
    Moved {
        /// Where the ref is now.
        found: Option<CommitId>,
    },
    /// The remote cannot be reached, or gives no sensible answer.
    #[error("origin cannot be reached: {why}")]
    Unreachable {
        /// What git says, without secrets.
        why: String,
    },
    /// What the remote sends is more than may come.
    #[error("origin sends far more than was asked for")]
    TooMuch,
    /// This machine fails: no git, no space.
    #[error("{why}")]
    Local {
        /// What the system says.
        why: String,
    },
}

impl OriginError {
    pub(in crate::adapters) fn local(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Local { why: format!("{what}: {why}") }
    }
}
