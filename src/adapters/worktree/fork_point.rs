//! From where a change is counted.

use super::{Worktree, WorktreeError, commit_id};
use crate::ids::CommitId;

impl Worktree {
    /// The commit from which a change is counted: where the history of `tip` left that of `revision`. Where the clone does
    /// not hold enough history to tell, the revision itself.
    pub fn fork_point(&self, revision: &str, tip: Option<&CommitId>) -> Result<CommitId, WorktreeError> {
        let commit = self.commit(revision)?.id();
        let tip = tip.and_then(|tip| git2::Oid::from_str(tip.as_str()).ok());
        let common = tip.and_then(|tip| self.repository.merge_base(commit, tip).ok());
        commit_id(common.unwrap_or(commit))
    }
}
