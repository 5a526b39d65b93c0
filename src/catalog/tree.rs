//! The files of a library at one moment: which there are, not yet what is in them.

use super::fact::FileFact;
use crate::finding::Finding;
use crate::ids::{BlobId, CommitId, RepoPath};

/// A file as git sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, relative to the library's root.
    pub path: RepoPath,
    /// The git object id of its content, whether or not the object is stored.
    pub blob: BlobId,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symbolic link, which is never followed.
    Symlink,
    /// Another repository inside this one, which is never entered.
    Submodule,
    /// A pipe, a socket or a device, which is never opened.
    Special,
}

impl EntryKind {
    /// What it is, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Symlink => "a symbolic link, which is never followed",
            Self::Submodule => "another repository, which is never entered",
            Self::Special => "a pipe or a device, which is never opened",
        }
    }
}

/// The files of a library at a commit or in the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The commit: the one it was read from, or the one that the work tree is based on. None before the first commit.
    pub commit: Option<CommitId>,
    /// Whether git's index holds something else than that commit.
    pub staged: bool,
    /// The files that differ from git's index, or that it does not have; empty for the files of a commit.
    pub changed: Vec<RepoPath>,
    /// Every file, sorted by path.
    pub entries: Vec<Entry>,
    /// What is wrong with names of files, whatever is in them.
    pub findings: Vec<Finding>,
}

impl Tree {
    /// Whether the files differ from the commit.
    pub fn is_dirty(&self) -> bool {
        self.staged || !self.changed.is_empty()
    }

    /// The entry at this path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok().and_then(|at| self.entries.get(at))
    }

    /// The index of one of its own entries.
    pub fn index_of(&self, entry: &Entry) -> Option<usize> {
        let from = self.entries.as_ptr().addr();
        let index = std::ptr::from_ref(entry).addr().checked_sub(from)? / size_of::<Entry>();
        self.entries.get(index).filter(|own| std::ptr::eq(*own, entry)).map(|_| index)
    }

    /// The entries right in this folder, not in folders below it; the empty text is the root.
    pub fn folder<'t>(&'t self, folder: &'t str) -> impl Iterator<Item = &'t Entry> {
        self.below(folder).filter(move |entry| entry.path.folder() == folder)
    }

    /// The entries in this folder and below it; the empty text is the root.
    pub fn below<'t>(&'t self, folder: &str) -> impl Iterator<Item = &'t Entry> {
        self.starting_with(RepoPath::join(folder, "").to_string())
    }

    /// The entries whose paths begin with this text.
    pub fn starting_with(&self, prefix: String) -> impl Iterator<Item = &Entry> {
        let from = self.entries.partition_point(|entry| entry.path.as_str() < prefix.as_str());
        self.entries.iter().skip(from).take_while(move |entry| entry.path.as_str().starts_with(&prefix))
    }
}

/// Why a file of the tree could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is larger than the caller takes.
    #[error("it has {bytes} bytes, more than the {limit} that are read of such a file")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit that was given.
        limit: u64,
    },
    /// The object is not there, as in a partial clone.
    #[error("its content is not in this clone (a partial clone leaves blobs out)")]
    Absent,
    /// It is not a regular file any more.
    #[error("it is not a regular file")]
    NotAFile,
    /// The system or git refused.
    #[error("{0}")]
    Unreadable(String),
}

/// Gives the bytes of a tree's files.
pub trait Contents: Sync {
    /// The whole content of a regular file, if it has at most `limit` bytes.
    fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError>;

    /// What is published of the bytes of a regular file of any size; of an LFS pointer, of those that it stands for.
    fn fact(&self, entry: &Entry) -> Result<FileFact, ContentError> {
        Ok(FileFact::of(&self.read(entry, u64::MAX)?))
    }

    /// The first bytes of a regular file of any size, at most so many, and how many it has in all.
    fn head(&self, entry: &Entry, most: usize) -> Result<(Vec<u8>, u64), ContentError> {
        let mut bytes = self.read(entry, u64::MAX)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        bytes.truncate(most);
        Ok((bytes, size))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A tree made of texts.
    pub(crate) struct MemoryTree {
        pub(crate) tree: Tree,
        files: BTreeMap<RepoPath, Vec<u8>>,
    }

    impl MemoryTree {
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            Self::of(&files.iter().map(|(path, text)| (*path, text.as_bytes())).collect::<Vec<_>>())
        }

        pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
            let files: BTreeMap<_, _> =
                files.iter().map(|(path, bytes)| (RepoPath::new(*path), bytes.to_vec())).collect();
            let blob = |bytes: &[u8]| BlobId::parse(crate::ids::Sha256Hex::of(bytes).as_str()).unwrap();
            let mut entries: Vec<_> = files
                .iter()
                .map(|(path, bytes)| Entry { path: path.clone(), blob: blob(bytes), kind: EntryKind::File })
                .collect();
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            let tree = Tree { commit: None, staged: false, changed: Vec::new(), entries, findings: Vec::new() };
            Self { tree, files }
        }
    }

    impl Contents for MemoryTree {
        fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError> {
            let bytes = self.files.get(&entry.path).ok_or(ContentError::Absent)?;
            match u64::try_from(bytes.len()) {
                Ok(size) if size > limit => Err(ContentError::TooLarge { bytes: size, limit }),
                _ => Ok(bytes.clone()),
            }
        }
    }

    #[test]
    fn a_folder_gives_its_own_files_and_below_gives_all() {
        let memory = MemoryTree::new(&[("a.txt", ""), ("a/x", ""), ("a/b/y", ""), ("a b/z", ""), ("b", "")]);
        let names = |entries: Vec<&Entry>| entries.iter().map(|e| e.path.to_string()).collect::<Vec<_>>();
        assert_eq!(names(memory.tree.folder("a").collect()), ["a/x"]);
        assert_eq!(names(memory.tree.below("a").collect()), ["a/b/y", "a/x"]);
        assert_eq!(names(memory.tree.folder("").collect()), ["a.txt", "b"]);
        assert!(memory.tree.get("a/b/y").is_some() && memory.tree.get("a/b").is_none());
    }
}
