//! A registry in a folder of the same library, read at the same moment as the records.

use std::sync::Arc;

use crate::catalog::tree::{Contents, Entry, EntryKind, Tree};
use crate::ids::RepoPath;
use crate::schema::registry::SchemaFiles;

/// How large a schema may be, in bytes.
const MAX_SCHEMA_BYTES: u64 = 4 * 1024 * 1024;

/// The files of a folder of a tree.
pub struct FolderSource {
    folder: String,
    paths: Vec<RepoPath>,
    entries: Vec<Entry>,
    contents: Arc<dyn Contents + Send>,
}

impl FolderSource {
    /// Takes the regular files below `folder`, which is empty for the whole library.
    pub fn new(tree: &Tree, folder: &str, contents: Arc<dyn Contents + Send>) -> Self {
        let entries: Vec<Entry> = tree.below(folder).filter(|entry| entry.kind == EntryKind::File).cloned().collect();
        let paths = entries.iter().map(|entry| entry.path.clone()).collect();
        Self { folder: folder.to_owned(), paths, entries, contents }
    }
}

impl SchemaFiles for FolderSource {
    fn paths(&self) -> &[RepoPath] {
        &self.paths
    }

    fn folder(&self) -> &str {
        &self.folder
    }

    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, String> {
        let at =
            self.entries.binary_search_by(|entry| entry.path.cmp(path)).map_err(|_| "it is not there".to_owned())?;
        let entry = self.entries.get(at).ok_or_else(|| "it is not there".to_owned())?;
        self.contents.read(entry, MAX_SCHEMA_BYTES).map_err(|error| error.to_string())
    }
}
