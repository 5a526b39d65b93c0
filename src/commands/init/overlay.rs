//! The files of a library as they would be with some more.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::tree::{ContentError, Contents, Entry, EntryKind, Tree};
use crate::ids::{BlobId, InvalidId, RepoPath, Sha256Hex};

/// Gives the bytes of files that are not written yet, and of those that are there.
pub(super) struct Overlay {
    more: BTreeMap<RepoPath, String>,
    below: Arc<dyn Contents + Send>,
}

impl Overlay {
    /// The tree and the contents with these files added.
    pub(super) fn over(
        tree: &Tree,
        below: Arc<dyn Contents + Send>,
        more: &BTreeMap<RepoPath, String>,
    ) -> Result<(Tree, Self), InvalidId> {
        let mut tree = tree.clone();
        tree.entries.retain(|entry| !more.contains_key(&entry.path));
        for (path, text) in more {
            // Nobody asks git for it: any id will do that is one.
            let blob = BlobId::parse(Sha256Hex::of(text.as_bytes()).as_str())?;
            tree.entries.push(Entry { path: path.clone(), blob, kind: EntryKind::File });
        }
        tree.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((tree, Self { more: more.clone(), below }))
    }
}

impl Contents for Overlay {
    fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError> {
        match self.more.get(&entry.path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.below.read(entry, limit),
        }
    }
}
