//! Repositories to which there is no way.

use async_trait::async_trait;

use super::{Repositories, RepositoryError, Take, Wanted};
use crate::embedding::source::Listing;
use crate::ids::{CommitId, RepoSlug};

/// Says whatever it is asked why there is no way to it.
#[derive(Debug, Clone)]
pub struct UnreachedRepositories(pub String);

impl UnreachedRepositories {
    fn refused<T>(&self) -> Result<T, RepositoryError> {
        Err(RepositoryError::NotThere(self.0.clone()))
    }
}

#[async_trait]
impl Repositories for UnreachedRepositories {
    async fn of(&self, _: &str, _: Option<&str>) -> Result<Vec<RepoSlug>, RepositoryError> {
        self.refused()
    }

    async fn head(&self, _: &RepoSlug, _: Option<&str>) -> Result<Option<CommitId>, RepositoryError> {
        self.refused()
    }

    async fn list(&self, _: &RepoSlug, _: &CommitId) -> Result<Listing, RepositoryError> {
        self.refused()
    }

    async fn fetch(&self, _: &Wanted, _: &mut Take<'_>) -> Result<(), RepositoryError> {
        self.refused()
    }
}
