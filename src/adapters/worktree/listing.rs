//! Which files there are, at a commit and in the work tree.

use std::collections::{BTreeMap, BTreeSet};

use git2::{DiffOptions, IndexEntry, IndexEntryExtendedFlag, ObjectType, Oid, Status, StatusOptions, StatusShow};

use super::clean::Clean;
use super::{NAME_CONTROL, NAME_NOT_UTF8, Worktree, WorktreeError, commit_id};
use crate::catalog::tree::{Entry, EntryKind, Tree};
use crate::finding::Finding;
use crate::ids::{BlobId, RepoPath};

/// The flag of an entry that git was told to take as unchanged.
const ASSUMED_UNCHANGED: u16 = 0x8000;
const FILE_TYPE: u32 = 0o170_000;
/// How deep folders may lie in each other; each takes its part of the stack, and no work tree can hold as many.
const MOST_FOLDERS: usize = 1024;
/// The priority of a place for objects; those on disk have 1 and 2.
const BEFORE_THE_DISK: i32 = 1000;

/// Files as git names them, before anybody has looked at the names.
type Raw = BTreeMap<Vec<u8>, (Oid, EntryKind)>;

impl Worktree {
    /// The files of a commit, named by any revision git understands.
    pub fn tree_at(&self, revision: &str) -> Result<Tree, WorktreeError> {
        let commit = self.commit(revision)?;
        let mut raw = Raw::new();
        if let Some(tree) = self.library_tree(&commit)? {
            self.walk(&tree, &mut Vec::new(), &mut raw)?;
        }
        tree(raw, Some(commit.id()), false, Vec::new())
    }

    /// Adds the files of a tree and of those below it, whatever bytes their names are.
    fn walk(&self, tree: &git2::Tree<'_>, folder: &mut Vec<u8>, raw: &mut Raw) -> Result<(), WorktreeError> {
        if folder.iter().filter(|byte| **byte == b'/').count() > MOST_FOLDERS {
            return Err(WorktreeError::Git(format!("its folders lie more than {MOST_FOLDERS} deep in each other")));
        }
        for entry in tree {
            let length = folder.len();
            folder.extend_from_slice(entry.name_bytes());
            if entry.kind() == Some(ObjectType::Tree) {
                folder.push(b'/');
                self.walk(&self.repository.find_tree(entry.id())?, folder, raw)?;
            } else if let Some(kind) = u32::try_from(entry.filemode()).ok().and_then(kind_of_mode) {
                raw.insert(folder.clone(), (entry.id(), kind));
            }
            folder.truncate(length);
        }
        Ok(())
    }

    /// The files as they are now: tracked ones and new ones that git does not ignore.
    pub fn tree_now(&self) -> Result<Tree, WorktreeError> {
        let head = self.head()?.commit.map(|commit| Oid::from_str(commit.as_str())).transpose()?;
        if let Some(Clean { files, tree: noted }) = self.clean() {
            let staged = match (head, noted) {
                (Some(head), Some(noted)) => self.committed(head)? != Some(noted),
                _ => self.is_staged(head, files.is_empty())?,
            };
            return tree(
                files.into_iter().map(|(path, blob)| (path, (blob, EntryKind::File))),
                head,
                staged,
                Vec::new(),
            );
        }
        let entries: Vec<IndexEntry> =
            self.repository.index()?.iter().filter(|entry| self.below(&entry.path).is_some()).collect();
        let file =
            |entry: &IndexEntry| Some((self.below(&entry.path)?.to_vec(), (entry.id, kind_of_mode(entry.mode)?)));
        let mut raw: Raw = entries.iter().filter_map(file).collect();
        let staged = self.is_staged(head, raw.is_empty())?;
        let left_out = |entry: &IndexEntry| entry.flags_extended & IndexEntryExtendedFlag::SKIP_WORKTREE.bits() != 0;
        let sparse: BTreeSet<Vec<u8>> =
            entries.iter().filter(|e| left_out(e)).filter_map(|e| self.below(&e.path).map(<[u8]>::to_vec)).collect();
        let mut changed = self.add_changes(&mut raw, &sparse)?;
        let is_overlooked = |entry: &&IndexEntry| left_out(entry) || entry.flags & ASSUMED_UNCHANGED != 0;
        let overlooked: Vec<&[u8]> =
            entries.iter().filter(is_overlooked).filter_map(|entry| self.below(&entry.path)).collect();
        self.add_overlooked(&mut raw, &overlooked, &mut changed);
        changed.sort();
        changed.dedup();
        tree(raw, head, staged, changed)
    }

    /// Whether the index holds of the library something else than HEAD.
    fn is_staged(&self, head: Option<Oid>, is_empty: bool) -> Result<bool, WorktreeError> {
        match head {
            Some(head) => Ok(!self.index_is_committed(head)?),
            None => Ok(!is_empty),
        }
    }

    /// The library's folder as a commit has it.
    fn committed(&self, commit: Oid) -> Result<Option<Oid>, WorktreeError> {
        let tree = self.repository.find_commit(commit)?.tree()?;
        if self.prefix.is_empty() {
            return Ok(Some(tree.id()));
        }
        Ok(tree.get_path(std::path::Path::new(self.prefix.trim_end_matches('/'))).ok().map(|entry| entry.id()))
    }

    /// Brings what git finds different from the index and names it. What a sparse checkout leaves out is no difference.
    fn add_changes(&self, raw: &mut Raw, sparse: &BTreeSet<Vec<u8>>) -> Result<Vec<RepoPath>, WorktreeError> {
        let mut options = StatusOptions::new();
        options.show(StatusShow::Workdir).include_untracked(true).recurse_untracked_dirs(true);
        options.include_ignored(false).exclude_submodules(true);
        if !self.prefix.is_empty() {
            options.pathspec(self.prefix.as_str()).disable_pathspec_match(true);
        }
        let mut changed = Vec::new();
        for status in self.repository.statuses(Some(&mut options))?.iter() {
            let Some(path) = self.below(status.path_bytes()) else { continue };
            if status.status().contains(Status::WT_DELETED) && sparse.contains(path) {
                continue;
            }
            changed.push(RepoPath::new(String::from_utf8_lossy(path)));
            self.look_again(raw, path, status.status())?;
        }
        self.add_special(raw);
        Ok(changed)
    }

    /// Brings what differs of the files that git was told to take as unchanged: what is read is what is on the disk. Those
    /// that are not there are as the index has them.
    fn add_overlooked(&self, raw: &mut Raw, overlooked: &[&[u8]], changed: &mut Vec<RepoPath>) {
        for path in overlooked {
            let Ok(name) = std::str::from_utf8(path) else { continue };
            let place = self.root.join(name);
            let now = match place.symlink_metadata() {
                Ok(facts) if facts.is_symlink() => (Oid::ZERO_SHA1, EntryKind::Symlink),
                Ok(facts) if facts.is_file() => {
                    // What cannot be read is not what the index has.
                    (Oid::hash_file(ObjectType::Blob, &place).unwrap_or(Oid::ZERO_SHA1), EntryKind::File)
                }
                _ => continue,
            };
            let known = raw.get(*path);
            if known.is_some_and(|(_, kind)| *kind == now.1 && now.1 != EntryKind::File) || known == Some(&now) {
                continue;
            }
            changed.push(RepoPath::new(name));
            raw.insert(path.to_vec(), now);
        }
    }

    /// Adds what git does not see: pipes, sockets and devices, in folders that it lists files of.
    ///
    /// Where a work tree is surely clean there is none of them that git does not ignore.
    fn add_special(&self, raw: &mut Raw) {
        let folder = |path: &Vec<u8>| {
            path.iter().rposition(|byte| *byte == b'/').map(|end| path.get(..=end).unwrap_or_default().to_vec())
        };
        let mut folders: BTreeSet<Vec<u8>> = raw.keys().filter_map(folder).collect();
        folders.insert(Vec::new());
        for folder in folders {
            let Ok(folder) = String::from_utf8(folder) else { continue };
            // A folder that cannot be read has been told of by git, or has gone.
            let Ok(entries) = std::fs::read_dir(self.root.join(&folder)) else { continue };
            for entry in entries.flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_file() || kind.is_dir() || kind.is_symlink() {
                    continue;
                }
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = format!("{folder}{name}");
                if !self.repository.is_path_ignored(format!("{}{path}", self.prefix)).unwrap_or(false) {
                    raw.insert(path.into_bytes(), (Oid::ZERO_SHA1, EntryKind::Special));
                }
            }
        }
    }

    /// Whether the index holds of the library what HEAD holds.
    ///
    /// The index remembers the trees that it was read from or committed as: of an untouched library no tree is read.
    fn index_is_committed(&self, head: Oid) -> Result<bool, WorktreeError> {
        let repository = &self.repository;
        let commit = repository.find_commit(head)?;
        // What has been staged becomes trees in memory; nothing is ever written to the user's repository.
        repository.odb()?.add_new_mempack_backend(BEFORE_THE_DISK)?;
        // An index with conflicts, or with files that a partial clone lacks, makes no tree.
        let Ok(staged) = repository.index()?.write_tree() else { return self.index_differs_nowhere(&commit) };
        if staged == commit.tree_id() || self.prefix.is_empty() {
            return Ok(staged == commit.tree_id());
        }
        let library = std::path::Path::new(self.prefix.trim_end_matches('/'));
        let staged = repository.find_tree(staged)?.get_path(library).ok().map(|entry| entry.id());
        Ok(staged == commit.tree()?.get_path(library).ok().map(|entry| entry.id()))
    }

    fn index_differs_nowhere(&self, commit: &git2::Commit<'_>) -> Result<bool, WorktreeError> {
        let mut options = DiffOptions::new();
        if !self.prefix.is_empty() {
            options.pathspec(self.prefix.as_str()).disable_pathspec_match(true);
        }
        let diff = self.repository.diff_tree_to_index(Some(&commit.tree()?), None, Some(&mut options))?;
        Ok(diff.deltas().len() == 0)
    }

    /// A file that differs from the index is what the disk says.
    fn look_again(&self, raw: &mut Raw, path: &[u8], status: Status) -> Result<(), WorktreeError> {
        let in_worktree = Status::WT_NEW | Status::WT_MODIFIED | Status::WT_TYPECHANGE | Status::WT_RENAMED;
        if status.contains(Status::WT_DELETED) {
            raw.remove(path);
        } else if status.intersects(in_worktree) {
            // A name that is not UTF-8 becomes a finding by its name alone; its content does not matter.
            let Ok(name) = std::str::from_utf8(path) else {
                raw.insert(path.to_vec(), (Oid::from_bytes(&[0; 20])?, EntryKind::File));
                return Ok(());
            };
            let place = self.root.join(name);
            match place.symlink_metadata() {
                Ok(facts) if facts.is_symlink() => {
                    raw.insert(path.to_vec(), (Oid::from_bytes(&[0; 20])?, EntryKind::Symlink));
                }
                Ok(facts) if facts.is_file() => {
                    raw.insert(path.to_vec(), (Oid::hash_file(ObjectType::Blob, &place)?, EntryKind::File));
                }
                // Of a folder git says so where it is another repository.
                Ok(facts) if facts.is_dir() => {
                    let path = path.strip_suffix(b"/").unwrap_or(path);
                    raw.insert(path.to_vec(), (Oid::from_bytes(&[0; 20])?, EntryKind::Submodule));
                }
                // A file that became a pipe or went away meanwhile is no file of the library.
                _ => {
                    raw.remove(path);
                }
            }
        }
        Ok(())
    }

    fn below<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        path.strip_prefix(self.prefix.as_bytes())
    }

    pub(super) fn library_tree<'r>(
        &'r self,
        commit: &git2::Commit<'r>,
    ) -> Result<Option<git2::Tree<'r>>, WorktreeError> {
        let tree = commit.tree()?;
        if self.prefix.is_empty() {
            return Ok(Some(tree));
        }
        match tree.get_path(std::path::Path::new(self.prefix.trim_end_matches('/'))) {
            Ok(entry) => Ok(entry.to_object(&self.repository)?.into_tree().ok()),
            Err(_) => Ok(None),
        }
    }
}

pub(super) fn kind_of_mode(mode: u32) -> Option<EntryKind> {
    match mode & FILE_TYPE {
        0o100_000 => Some(EntryKind::File),
        0o120_000 => Some(EntryKind::Symlink),
        0o160_000 => Some(EntryKind::Submodule),
        _ => None,
    }
}

fn tree(
    raw: impl IntoIterator<Item = (Vec<u8>, (Oid, EntryKind))>,
    commit: Option<Oid>,
    staged: bool,
    changed: Vec<RepoPath>,
) -> Result<Tree, WorktreeError> {
    let (mut entries, mut findings) = (Vec::new(), Vec::new());
    for (path, (oid, kind)) in raw {
        let path = match String::from_utf8(path) {
            Ok(name) => RepoPath::new(name),
            Err(error) => {
                let shown = RepoPath::new(error.as_bytes().escape_ascii().to_string());
                let finding = Finding::error(&NAME_NOT_UTF8, shown, "the name of the file is not UTF-8 text");
                findings.push(finding.help("rename the file or folder"));
                continue;
            }
        };
        if path.as_str().chars().any(char::is_control) {
            let message = "the name holds a line break or another control character";
            findings.push(Finding::error(&NAME_CONTROL, path.clone(), message).help("rename the file or folder"));
        }
        let blob = BlobId::parse(&oid.to_string()).map_err(|error| WorktreeError::Git(error.to_string()))?;
        entries.push(Entry { path, blob, kind });
    }
    Ok(Tree { commit: commit.map(commit_id).transpose()?, staged, changed, entries, findings })
}
