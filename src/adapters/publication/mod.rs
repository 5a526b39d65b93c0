//! Where manifests are published, and where they are read.

mod branch;
mod elsewhere;
mod folder;
mod memory;
#[cfg(feature = "object-store")]
mod object_store;
mod release;
mod unreached;
mod web;

use std::collections::BTreeMap;

use async_trait::async_trait;

pub use branch::{BranchPlace, BranchTarget, pages_address};
pub use elsewhere::BranchSource;
pub use folder::FolderTarget;
pub use memory::MemoryTarget;
#[cfg(feature = "object-store")]
pub use object_store::{Credentials, ObjectStorePlace, Server};
pub use release::{Access, ReleaseTarget};
pub use unreached::UnreachedTarget;
pub use web::{KnownRoot, LEAST_SPEED, Traffic, Web, WebSource, is_here};

use crate::manifest::layout::Habits;

/// Why a manifest could not be read or published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// The place cannot be read or written.
    #[error("the manifest at {place} cannot be {what}: {why}")]
    Unusable {
        /// The place.
        place: String,
        /// `read` or `written`.
        what: &'static str,
        /// What the system says, and what to do where that is known.
        why: String,
    },
    /// The place refused before anything was written.
    #[error("the manifest cannot be published to {place}: {why}")]
    Refused {
        /// The place.
        place: String,
        /// Why, and what to do.
        why: String,
    },
    /// Another root is there than the one that the update was made from. Nothing that somebody reads has changed.
    #[error("another run has published to {place} in the meantime")]
    Moved {
        /// The place.
        place: String,
    },
    /// A part of the place is a symbolic link. Nothing was read or written.
    #[error(
        "the manifest's folder {place} leads through {link}, a symbolic link, which is not followed: whoever proposes a \
         change could send us elsewhere by it. Take the link away, or name another folder in `publish`"
    )]
    Link {
        /// The place.
        place: String,
        /// The link.
        link: String,
    },
}

impl PublicationError {
    /// Whether it is certain that the place says what it said before.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Link { .. } | Self::Refused { .. } | Self::Moved { .. })
    }
}

/// What a place calls the root that it has, so that no other one is replaced: an ETag, a commit, a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// A root as it stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes, whatever they are.
    pub bytes: Vec<u8>,
    /// What the place calls it.
    pub version: Version,
}

/// What is to be written and taken away, in this order: files, root, files that nobody reads any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The root that must be there; none where there must be none.
    pub expected: Option<Version>,
    /// Files by name: each is new, or to be replaced.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The root.
    pub root: Vec<u8>,
    /// The names of files to take away; those that are not there already are done.
    pub removed: Vec<String>,
    /// What the update is, for a place that keeps a history.
    pub summary: Summary,
}

/// What an update is, in words, for a place that keeps a history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// One line.
    pub title: String,
    /// When the library's commit was made, in seconds since 1970-01-01 UTC; none where there is no commit.
    pub seconds: Option<i64>,
}

/// How large a root may be, in bytes: one that is larger is none of ours.
pub const MOST_ROOT_BYTES: u64 = 4 * 1024 * 1024;

/// A place from which a manifest is read.
#[async_trait]
pub trait ManifestSource: Send + Sync {
    /// What people call the place.
    fn place(&self) -> String;

    /// The root that is there now, fit to be read or not; none when there is none.
    async fn root(&self) -> Result<Option<Stored>, PublicationError>;

    /// A file beside the root; none when it is not there or has more than `limit` bytes.
    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError>;
}

/// A place that holds one manifest and perhaps other things, which are left alone.
#[async_trait]
pub trait PublishTarget: ManifestSource {
    /// Whether it belongs to this clone, so that no run elsewhere can publish there.
    fn is_own(&self) -> bool {
        false
    }

    /// The address at which the root can be fetched, where that is known.
    fn address(&self) -> Option<String> {
        None
    }

    /// How it is read.
    fn habits(&self) -> Habits {
        Habits::Followed
    }

    /// The names and sizes of the files there, without the root and without those that are known to be damaged.
    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError>;

    /// Publishes: the files, then the root by compare-and-set, then takes away what is not wanted any more.
    ///
    /// Whoever reads meanwhile sees the old edition or the new one, and both are whole. Where the root is not the expected one,
    /// the answer is [`PublicationError::Moved`].
    async fn publish(&self, update: &Update) -> Result<(), PublicationError>;
}

#[cfg(test)]
pub(crate) mod conformance;
