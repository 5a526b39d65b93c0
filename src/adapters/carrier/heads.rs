//! Where a remote is, without a clone of it.

use std::path::Path;

use super::{Carrier, CarrierError, Place};
use crate::ids::CommitId;

impl Place {
    /// A place for looking at the remote with this address from outside of any clone of it, in an empty folder of our own.
    pub fn outside(
        folder: &Path,
        url: &str,
        reference: String,
        names: &'static [&'static str],
    ) -> Result<Self, CarrierError> {
        let local = |why: String| CarrierError::Local { why };
        let (repository, objects) = (folder.join("clone.git"), folder.join("objects"));
        // The address is in this folder's configuration alone, which goes with it.
        let made = git2::Repository::init_bare(&repository);
        made.and_then(|made| made.remote("origin", url).map(drop))
            .map_err(|error| local(error.message().to_owned()))?;
        let current = std::env::current_dir().map_err(|error| local(error.to_string()))?;
        Ok(Self { repository, folder: current, objects, reference, names })
    }
}

impl Carrier {
    /// The commit at which the remote's default branch is; none in a remote without a commit. Nothing is downloaded.
    pub fn branch_head(&self) -> Result<Option<CommitId>, CarrierError> {
        Ok(self.origin.head(&self.git()?, "HEAD")?)
    }
}
