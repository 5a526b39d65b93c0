//! Repositories beyond the library's own, as they are on their server: which there are, where a ref is, which files a commit
//! has, and what is in them.

mod fetched;
mod github;
mod memory;
mod tarball;
mod unreached;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use git2::{ObjectType, Oid};

pub use fetched::Fetched;
pub use github::GitHubRepositories;
pub use memory::MemoryRepositories;
pub use unreached::UnreachedRepositories;

use crate::embedding::source::Listing;
use crate::ids::{BlobId, CommitId, RepoSlug};

/// Why a repository could not be read. The texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// The network or the server is away.
    #[error("{0}")]
    Away(String),
    /// It is not there, or not for us.
    #[error("{0}")]
    NotThere(String),
    /// What is there is not to be used.
    #[error("{0}")]
    Refused(String),
}

/// Contents that are wanted of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The repository.
    pub repo: RepoSlug,
    /// A commit that has them all.
    pub commit: CommitId,
    /// The blobs, each with its size as it was listed.
    pub blobs: BTreeMap<BlobId, u64>,
    /// The size of all files of the commit: what it would take to fetch the whole of it.
    pub all: u64,
}

/// Takes a content that has come, which is what its id says; an error ends the fetching.
pub type Take<'a> = dyn FnMut(&BlobId, &[u8]) -> Result<(), String> + Send + 'a;

/// A server that has repositories.
#[async_trait]
pub trait Repositories: Send + Sync {
    /// The repositories of an organisation or a user whose name or description holds the keyword, or that have it as a topic,
    /// in order; all of them without one. Forks are left out: they say what another one says.
    async fn of(&self, owner: &str, keyword: Option<&str>) -> Result<Vec<RepoSlug>, RepositoryError>;

    /// The commit that a branch, a tag or a commit's id names; of the default branch, where none is named. None in a
    /// repository without commits.
    async fn head(&self, repo: &RepoSlug, reference: Option<&str>) -> Result<Option<CommitId>, RepositoryError>;

    /// The regular files of a commit. Links and submodules are left out.
    async fn list(&self, repo: &RepoSlug, commit: &CommitId) -> Result<Listing, RepositoryError>;

    /// Gives each of the wanted contents to `take`, once and in no order.
    async fn fetch(&self, wanted: &Wanted, take: &mut Take<'_>) -> Result<(), RepositoryError>;
}

/// The id that git knows these bytes by.
fn blob_of(bytes: &[u8]) -> Option<BlobId> {
    BlobId::parse(&Oid::hash_object(ObjectType::Blob, bytes).ok()?.to_string()).ok()
}

/// Whether a repository is one that the keyword means.
fn is_meant<'t>(
    name: &str,
    description: Option<&str>,
    mut topics: impl Iterator<Item = &'t str>,
    keyword: Option<&str>,
) -> bool {
    let Some(keyword) = keyword else { return true };
    let keyword = keyword.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&keyword);
    holds(name) || description.is_some_and(holds) || topics.any(|topic| topic.eq_ignore_ascii_case(&keyword))
}
