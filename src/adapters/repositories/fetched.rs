//! Contents that were fetched in this run, in a folder that goes with it: so many may come that memory does not hold them.

use std::fs;
use std::io;

use tempfile::TempDir;

use crate::ids::BlobId;

/// Contents by their ids.
#[derive(Debug)]
pub struct Fetched {
    folder: TempDir,
}

impl Fetched {
    /// None yet. The folder is for its owner alone.
    pub fn new() -> io::Result<Self> {
        Ok(Self { folder: tempfile::Builder::new().prefix("stockroom-").tempdir()? })
    }

    /// Keeps a content.
    pub fn put(&self, id: &BlobId, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.folder.path().join(id.as_str()), bytes)
    }

    /// A content that was kept.
    pub fn get(&self, id: &BlobId) -> io::Result<Vec<u8>> {
        fs::read(self.folder.path().join(id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_and_goes_with_the_run() {
        let fetched = Fetched::new().unwrap();
        let id = BlobId::of_nothing();
        assert!(fetched.get(&id).is_err());
        fetched.put(&id, b"text").unwrap();
        assert_eq!(fetched.get(&id).unwrap(), b"text");
        let path = fetched.folder.path().to_owned();
        drop(fetched);
        assert!(!path.exists());
    }
}
