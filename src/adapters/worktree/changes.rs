//! What changed between two commits.

use git2::{Delta, DiffOptions};

use super::{Worktree, WorktreeError, commit_id};
use crate::ids::{CommitId, RepoPath};

/// A file that two commits do not have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileChange {
    /// The newer commit has it and the older has not.
    Added(RepoPath),
    /// Both have it, with different content or kind.
    Changed(RepoPath),
    /// The older commit had it.
    Removed(RepoPath),
}

impl FileChange {
    /// The file.
    pub fn path(&self) -> &RepoPath {
        match self {
            Self::Added(path) | Self::Changed(path) | Self::Removed(path) => path,
        }
    }
}

impl Worktree {
    /// The commit from which a change is counted: where the history of `tip` left that of `revision`. Where the clone does
    /// not hold enough history to tell, the revision itself.
    pub fn fork_point(&self, revision: &str, tip: Option<&CommitId>) -> Result<CommitId, WorktreeError> {
        let commit = self.commit(revision)?.id();
        let tip = tip.and_then(|tip| git2::Oid::from_str(tip.as_str()).ok());
        let common = tip.and_then(|tip| self.repository.merge_base(commit, tip).ok());
        commit_id(common.unwrap_or(commit))
    }

    /// The library's files that differ between two revisions, sorted by path; a rename is a removal and an addition.
    ///
    /// Two trees are compared, no history is walked: it works in a clone of any depth that holds both commits.
    pub fn changes(&self, from: &str, to: &str) -> Result<Vec<FileChange>, WorktreeError> {
        let (from, to) = (self.commit(from)?, self.commit(to)?);
        let (old, new) = (self.library_tree(&from)?, self.library_tree(&to)?);
        let mut options = DiffOptions::new();
        options.include_typechange(true).skip_binary_check(true);
        let diff = self.repository.diff_tree_to_tree(old.as_ref(), new.as_ref(), Some(&mut options))?;
        let mut changes: Vec<_> = diff
            .deltas()
            .filter_map(|delta| {
                let path = |file: git2::DiffFile<'_>| {
                    file.path_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok().map(RepoPath::new))
                };
                match delta.status() {
                    Delta::Added => path(delta.new_file()).map(FileChange::Added),
                    Delta::Deleted => path(delta.old_file()).map(FileChange::Removed),
                    _ => path(delta.new_file()).map(FileChange::Changed),
                }
            })
            .collect();
        changes.sort_by(|a, b| a.path().cmp(b.path()));
        Ok(changes)
    }
}
