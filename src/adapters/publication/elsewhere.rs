//! A manifest on a branch of a repository of which there is no clone here.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{BranchPlace, BranchTarget, ManifestSource, PublicationError, Stored};
use crate::adapters::origin::Origin;
use crate::manifest::settings::History;

/// A branch that is read and never written, by a clone without a history that goes with the process.
pub struct BranchSource {
    branch: BranchTarget,
    shown: String,
    _clone: TempDir,
}

impl BranchSource {
    /// A branch of the repository at this address; nothing is fetched yet. `with` gives the origin its key.
    pub fn new(
        repository: &str,
        branch: &str,
        folder: &str,
        with: impl FnOnce(Origin) -> Origin,
    ) -> Result<Self, PublicationError> {
        let shown = format!("the branch {branch} of {repository}");
        let failed = |why: String| PublicationError::Unusable { place: shown.clone(), what: "read", why };
        let temporary = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let clone: PathBuf = temporary.path().join("clone.git");
        let made = git2::Repository::init_bare(&clone).and_then(|made| made.remote("origin", repository).map(drop));
        made.map_err(|error| failed(error.message().to_owned()))?;
        let place = BranchPlace {
            clone: clone.clone(),
            scratch: temporary.path().join("scratch"),
            branch: branch.to_owned(),
            folder: folder.to_owned(),
            history: History::default(),
            sources: Vec::new(),
        };
        let origin = with(Origin::of(clone, temporary.path()));
        let branch = BranchTarget::new(place, origin, Arc::new(|| 0));
        Ok(Self { branch, shown, _clone: temporary })
    }
}

#[async_trait]
impl ManifestSource for BranchSource {
    fn place(&self) -> String {
        self.shown.clone()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        self.branch.root().await
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        self.branch.read(name, limit).await
    }
}
