//! Where schemas come from: a folder of the library, a repository on GitHub, or a file on a web server.
//!
//! All of them end as [`SchemaFiles`](crate::schema::registry::SchemaFiles), which waits for nothing: what lies elsewhere is
//! brought first, each file once ([`Cache`]), and only as far as the library needs it.

mod archive;
mod brought;
mod cache;
mod folder;
mod github;
mod web;

#[cfg(test)]
mod conformance;
#[cfg(test)]
#[path = "../../../tests/it/file_server.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "part of the integration tests, which use all of it")]
mod file_server;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

pub use brought::{Brought, select};
pub use cache::Cache;
pub use folder::FolderSource;
pub use github::{GitHubSource, Reader};
pub use web::WebSource;

use crate::adapters::http::Policy;
use crate::ids::{CommitId, SchemaName};

/// How many schema files a registry elsewhere may have.
const MAX_FILES: usize = 1_000;
/// How large a schema may be, in bytes.
const MAX_FILE: usize = 4 << 20;
/// How large all schemas that are brought may be together, in bytes.
const MAX_ALL: usize = 64 << 20;
/// How long all of a registry may take to come.
const DEADLINE: Duration = Duration::from_secs(300);

/// Why a registry elsewhere could not be brought. The texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The network or the server is away, and nothing that was fetched before will do.
    #[error("{0}")]
    Away(String),
    /// It is not there, or not for us.
    #[error("{0}")]
    NotThere(String),
    /// What is there must not be used.
    #[error("{0}")]
    Refused(String),
}

/// A registry that has to be brought before it can be read.
#[async_trait]
pub trait RemoteSource: Send + Sync {
    /// Brings the files of the named schemas and those that they refer to.
    ///
    /// `pin` names the commit to take, where the source is a repository. Without one and with `fresh`, what was learnt earlier
    /// does not stand in for a server that is away.
    async fn bring(
        &self,
        names: &BTreeSet<SchemaName>,
        pin: Option<&CommitId>,
        fresh: bool,
    ) -> Result<Brought, SourceError>;
}

/// Somebody waits for the first record: a few tries, and not for long.
fn read_policy() -> Policy {
    Policy { deadline: Duration::from_secs(60), attempts: 3, ..Policy::idempotent() }
}
