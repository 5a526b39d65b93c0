//! Proof that the work tree is what the index says, in less time than git needs to tell what is not.
//!
//! Git looks into each folder for ignore rules and for other repositories, one after the other. Most libraries are clean
//! when they are checked, and a walk on all cores can show it: each file is in the index with the size and the time that
//! the index remembers, and none of the index is absent. Whatever leaves a doubt is left to git.

use std::path::{Path, PathBuf};

use git2::{IndexEntry, IndexEntryExtendedFlag, IndexEntryFlag, ObjectType, Oid};
use rayon::prelude::*;

use super::Worktree;

/// How many names that the index does not know are asked about before it is git's turn.
const MOST_UNKNOWN: usize = 100;
/// The bits of an entry's flags that number the side of a conflict.
const STAGE: u16 = 0x3000;

/// A moment in seconds and nanoseconds, as file systems and the index have it.
type Moment = (i64, i64);

/// When the index was written, which must be asked before it is read.
pub(super) fn written(index: &Path) -> Option<Moment> {
    Some(facts_of(&index.metadata().ok()?).changed)
}

/// What the index remembers of the library's files.
struct Remembered<'a> {
    root: PathBuf,
    prefix: &'a str,
    /// In the order of their paths, which begin with `prefix`.
    entries: Vec<IndexEntry>,
    written: Moment,
}

/// What a walk has met.
#[derive(Default)]
struct Met {
    known: usize,
    unknown: Vec<String>,
}

impl Met {
    fn and(mut self, other: Self) -> Option<Self> {
        self.known += other.known;
        self.unknown.extend(other.unknown);
        (self.unknown.len() <= MOST_UNKNOWN).then_some(self)
    }
}

impl Worktree {
    /// Whether no file of the library can differ from the index; `false` says nothing.
    pub(super) fn is_surely_clean(&self, entries: Vec<IndexEntry>, written: Option<Moment>) -> bool {
        let Some(written) = written.filter(|_| entries.iter().all(is_plain)) else { return false };
        let remembered = Remembered { root: self.root.clone(), prefix: &self.prefix, entries, written };
        let Some(met) = remembered.walk("") else { return false };
        let is_ignored = |path: &String| {
            let path = format!("{}{path}", self.prefix);
            self.repository.is_path_ignored(path).unwrap_or(false)
        };
        met.known == remembered.entries.len() && met.unknown.iter().all(is_ignored)
    }
}

/// Whether the entry is a file like any other: no conflict, no submodule, nothing that git was told to overlook.
fn is_plain(entry: &IndexEntry) -> bool {
    let overlooked = IndexEntryExtendedFlag::SKIP_WORKTREE | IndexEntryExtendedFlag::INTENT_TO_ADD;
    matches!(entry.mode, 0o100_644 | 0o100_755)
        && entry.flags & (STAGE | IndexEntryFlag::VALID.bits()) == 0
        && entry.flags_extended & overlooked.bits() == 0
}

impl Remembered<'_> {
    /// What is in a folder of the library and below it, or nothing where there is a doubt.
    fn walk(&self, folder: &str) -> Option<Met> {
        let (mut met, mut folders) = (Met::default(), Vec::new());
        for entry in std::fs::read_dir(self.root.join(folder)).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            if name == ".git" {
                if folder.is_empty() && self.prefix.is_empty() {
                    continue;
                }
                return None;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if entry.file_type().ok()?.is_dir() {
                match self.has_below(&path) {
                    true => folders.push(path),
                    false => met.unknown.push(path),
                }
            } else if let Some(known) = self.get(&path) {
                if !self.is_same(known, &path, &entry.metadata().ok()?) {
                    return None;
                }
                met.known += 1;
            } else {
                met.unknown.push(path);
            }
        }
        folders.par_iter().map(|folder| self.walk(folder)).try_reduce(Met::default, Met::and)?.and(met)
    }

    fn get(&self, path: &str) -> Option<&IndexEntry> {
        let below = |entry: &IndexEntry| entry.path.get(self.prefix.len()..).unwrap_or_default().cmp(path.as_bytes());
        self.entries.binary_search_by(below).ok().and_then(|at| self.entries.get(at))
    }

    fn has_below(&self, folder: &str) -> bool {
        let folder = format!("{}{folder}/", self.prefix);
        let from = self.entries.partition_point(|entry| entry.path.as_slice() < folder.as_bytes());
        self.entries.get(from).is_some_and(|entry| entry.path.starts_with(folder.as_bytes()))
    }

    fn is_same(&self, known: &IndexEntry, path: &str, metadata: &std::fs::Metadata) -> bool {
        let facts = facts_of(metadata);
        let moment = |time: &git2::IndexTime| (i64::from(time.seconds()), i64::from(time.nanoseconds()));
        let looks_same = facts.mode == Some(known.mode)
            && facts.changed == moment(&known.mtime)
            && facts.touched == moment(&known.ctime)
            && u64::from(known.file_size) == metadata.len();
        // A file that changed in the moment when the index was written may look as before.
        let is_old = facts.changed < self.written;
        looks_same && (is_old || Oid::hash_file(ObjectType::Blob, self.root.join(path)).is_ok_and(|id| id == known.id))
    }
}

/// What a file system says of a file that the index remembers too.
struct Facts {
    /// As git writes it; nothing for what is no regular file.
    mode: Option<u32>,
    changed: Moment,
    /// The change of the file's facts, which nobody can set back.
    touched: Moment,
}

#[cfg(unix)]
fn facts_of(metadata: &std::fs::Metadata) -> Facts {
    use std::os::unix::fs::MetadataExt as _;
    let mode = if metadata.mode() & 0o100 == 0 { 0o100_644 } else { 0o100_755 };
    Facts {
        mode: metadata.is_file().then_some(mode),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
        touched: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Elsewhere the index remembers what the standard library does not tell.
#[cfg(not(unix))]
fn facts_of(_: &std::fs::Metadata) -> Facts {
    Facts { mode: None, changed: (0, 0), touched: (0, 0) }
}
