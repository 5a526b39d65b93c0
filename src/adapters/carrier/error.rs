//! Why files could not be carried.

use crate::adapters::origin::OriginError;
use crate::ids::CommitId;

/// Why the files could not be brought or taken.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The clone has no `origin`.
    #[error("this clone has no remote `origin`, so there is nowhere to carry the state to")]
    NoRemote,
    /// The remote refuses to be written.
    #[error(
        "origin does not let this run keep the state there ({why}). Give the job `permissions: contents: write`; or keep the folder \
         .git/stockroom between runs with actions/cache and set `state: {{ carry: none }}`"
    )]
    NotAllowed {
        /// What git says, without secrets.
        why: String,
    },
    /// The remote refuses to be read.
    #[error(
        "origin cannot be read ({why}); without the state that it may hold everybody would be told everything again. Give the job \
         `permissions: contents: write`, and actions/checkout or the input `github-token` a token that may read the repository; \
         or set `state: {{ carry: none }}`"
    )]
    Unreadable {
        /// What git says, without secrets.
        why: String,
    },
    /// Another run was faster.
    #[error("another run has changed the state on origin in the meantime")]
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
    /// What the ref stands for is not what this program writes.
    #[error("what origin holds as the state was not written by Stockroom, or is damaged: {why}")]
    Unfit {
        /// What is wrong with it.
        why: String,
    },
    /// A newer version has written it.
    #[error("what origin holds as the state has format {found}; this version reads up to {known}. Update Stockroom")]
    Newer {
        /// The format found.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
    /// The files are more than may be carried.
    #[error(
        "{name} has {bytes} bytes; at most {limit} are carried. Set `state: {{ carry: none }}`, or use a server's state"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },
    /// This machine fails: no git, no space.
    #[error("the state cannot be carried: {why}")]
    Local {
        /// What the system says.
        why: String,
    },
}

impl CarrierError {
    pub(super) fn local(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Local { why: format!("{what}: {why}") }
    }

    pub(super) fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit { why: why.into() }
    }
}

impl From<OriginError> for CarrierError {
    fn from(error: OriginError) -> Self {
        match error {
            OriginError::NoRemote => Self::NoRemote,
            OriginError::NotAllowed { why } => Self::NotAllowed { why },
            OriginError::Unreadable { why } => Self::Unreadable { why },
            OriginError::Moved { found } => Self::Moved { found },
            OriginError::Unreachable { why } => Self::Unreachable { why },
            OriginError::TooMuch => Self::unfit("it is far more than any state that is carried"),
            OriginError::Local { why } => Self::Local { why },
        }
    }
}
