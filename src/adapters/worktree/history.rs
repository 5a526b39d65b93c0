//! What the last commits did to the library: which files they changed, and who wrote them.

use std::cmp::Ordering;

use git2::{Commit, ErrorCode, ObjectType, Oid, Tree, TreeEntry};

use super::listing::kind_of_mode;
use super::{Worktree, WorktreeError, commit_id};
use crate::catalog::tree::EntryKind;
use crate::ids::{BlobId, CommitId, RepoPath};

/// The first characters of a name, an address or a message; nothing that people write there is longer.
const MOST_TEXT: usize = 200;

/// How much of a history is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// How many commits, along the first parents.
    pub commits: usize,
    /// How many seconds before the newest one another may have been committed.
    pub seconds: i64,
    /// How many changed files of one commit are named.
    pub files: usize,
    /// How many entries of folders are looked at in all: what a history may cost that was made to cost much.
    pub entries: usize,
}

/// The last commits of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The commits, the newest first; the first one of a branch, which came from nothing, is none of them.
    pub commits: Vec<PastCommit>,
    /// Whether the clone lacks commits that would be looked at.
    pub is_cut_off: bool,
}

/// A commit, and what it did to the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCommit {
    /// The commit.
    pub commit: CommitId,
    /// The name of who wrote it.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// The first line of its message.
    pub subject: String,
    /// The files that it changed, in the order of their paths.
    pub changes: Vec<FileChange>,
    /// Whether `changes` are all; not so where there are too many, or their names are no text.
    pub is_whole: bool,
}

/// What a commit did to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Where it is, relative to the library's root.
    pub path: RepoPath,
    /// Its content before; none where it was no regular file.
    pub before: Option<BlobId>,
    /// Its content after.
    pub after: Option<BlobId>,
}

impl Worktree {
    /// What the last commits up to `tip` did to the library, as far as `reach` goes. Commits that left it alone are not told.
    pub fn history(&self, tip: &CommitId, reach: &Reach) -> Result<History, WorktreeError> {
        let mut history = History { commits: Vec::new(), is_cut_off: false };
        let mut left = reach.entries;
        let mut commit = self.commit(tip.as_str())?;
        let newest = commit.time().seconds();
        for looked in 1..=reach.commits {
            let is_recent = newest.saturating_sub(commit.time().seconds()) <= reach.seconds;
            let Ok(parent) = commit.parent(0) else {
                // To the clone, the last one that it has looks like a first one.
                let is_last = self.is_shallow() || commit.parent_count() > 0;
                history.is_cut_off = is_last && is_recent && looked < reach.commits;
                break;
            };
            // Clocks differ, so an older date does not mean that the rest is older too.
            if is_recent {
                history.commits.extend(self.past(&commit, &parent, reach.files, &mut left)?);
            }
            if left == 0 {
                break;
            }
            commit = parent;
        }
        Ok(history)
    }

    /// The files that differ between two commits, at most so many; second, whether these are all. None where the clone
    /// lacks one of the commits.
    pub fn differences(&self, old: &CommitId, new: &CommitId, reach: &Reach) -> Option<(Vec<FileChange>, bool)> {
        let find = |commit: &CommitId| self.repository.find_commit(Oid::from_str(commit.as_str()).ok()?).ok();
        let (old, new) = (find(old)?, find(new)?);
        let mut left = reach.entries;
        self.changes(&old, &new, reach.files, &mut left).ok()
    }

    fn past(
        &self,
        commit: &Commit<'_>,
        parent: &Commit<'_>,
        files: usize,
        left: &mut usize,
    ) -> Result<Option<PastCommit>, WorktreeError> {
        let (changes, is_whole) = self.changes(parent, commit, files, left)?;
        if changes.is_empty() && is_whole {
            return Ok(None);
        }
        let author = commit.author();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(MOST_TEXT).collect::<String>();
        let subject = commit.message_bytes().split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(Some(PastCommit {
            commit: commit_id(commit.id())?,
            name: text(author.name_bytes()),
            email: text(author.email_bytes()),
            subject: text(subject),
            changes,
            is_whole,
        }))
    }

    fn changes(
        &self,
        old: &Commit<'_>,
        new: &Commit<'_>,
        files: usize,
        left: &mut usize,
    ) -> Result<(Vec<FileChange>, bool), WorktreeError> {
        let mut comparison = Comparison { worktree: self, files, left, found: Vec::new(), is_whole: true };
        match (self.library_tree(old), self.library_tree(new)) {
            (Ok(old), Ok(new)) => comparison.folders(old.as_ref(), new.as_ref(), "", 0)?,
            // A partial clone may lack the folder as it was.
            _ => comparison.is_whole = false,
        }
        let Comparison { mut found, is_whole, .. } = comparison;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((found, is_whole))
    }
}

/// Two trees on the way to what differs between them. Only folders that differ are entered.
struct Comparison<'w, 'l> {
    worktree: &'w Worktree,
    files: usize,
    left: &'l mut usize,
    found: Vec<FileChange>,
    is_whole: bool,
}

/// How deep folders may lie in each other; each takes its part of the stack.
const MOST_FOLDERS: usize = 256;

impl<'w> Comparison<'w, '_> {
    fn folders(
        &mut self,
        old: Option<&Tree<'_>>,
        new: Option<&Tree<'_>>,
        folder: &str,
        depth: usize,
    ) -> Result<(), WorktreeError> {
        let entries = old.map_or(0, Tree::len).saturating_add(new.map_or(0, Tree::len));
        if entries > *self.left || depth > MOST_FOLDERS {
            // What is not looked at is not known; and who looks on would never come to an end.
            *self.left = 0;
            self.is_whole = false;
            return Ok(());
        }
        *self.left -= entries;
        let (mut olds, mut news) = (old.into_iter().flatten().peekable(), new.into_iter().flatten().peekable());
        while self.is_whole {
            let (ahead, behind) = match (olds.peek(), news.peek()) {
                (None, None) => break,
                (Some(old), Some(new)) => {
                    let order = order(old, new);
                    (order != Ordering::Greater, order != Ordering::Less)
                }
                (old, new) => (old.is_some(), new.is_some()),
            };
            let (old, new) = (olds.next_if(|_| ahead), news.next_if(|_| behind));
            self.entry(old.as_ref(), new.as_ref(), folder, depth)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        old: Option<&TreeEntry<'_>>,
        new: Option<&TreeEntry<'_>>,
        folder: &str,
        depth: usize,
    ) -> Result<(), WorktreeError> {
        let what = |entry: Option<&TreeEntry<'_>>| entry.map(|entry| (entry.id(), entry.filemode()));
        if what(old) == what(new) {
            return Ok(());
        }
        let Some(name) = new.or(old).and_then(|entry| std::str::from_utf8(entry.name_bytes()).ok()) else {
            self.is_whole = false;
            return Ok(());
        };
        let path = format!("{folder}{name}");
        let (before, after) = (file(old)?, file(new)?);
        let (old, new) = (self.tree(old)?, self.tree(new)?);
        if before.is_some() || after.is_some() || (old.is_none() && new.is_none()) {
            if self.found.len() == self.files {
                self.is_whole = false;
                return Ok(());
            }
            self.found.push(FileChange { path: RepoPath::new(path.clone()), before, after });
        }
        if old.is_some() || new.is_some() {
            self.folders(old.as_ref(), new.as_ref(), &format!("{path}/"), depth + 1)?;
        }
        Ok(())
    }

    /// The folder that an entry is, if it is one. One that a partial clone lacks is not known.
    fn tree(&mut self, entry: Option<&TreeEntry<'_>>) -> Result<Option<Tree<'w>>, WorktreeError> {
        let Some(entry) = entry.filter(|entry| entry.kind() == Some(ObjectType::Tree)) else { return Ok(None) };
        match self.worktree.repository.find_tree(entry.id()) {
            Ok(tree) => Ok(Some(tree)),
            Err(error) if error.code() == ErrorCode::NotFound => {
                self.is_whole = false;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Git's order of names in a folder, in which a folder counts as if its name ended in `/`: a file and a folder of one name
/// are two things.
fn order(old: &TreeEntry<'_>, new: &TreeEntry<'_>) -> Ordering {
    let is_folder = |entry: &TreeEntry<'_>| entry.kind() == Some(ObjectType::Tree);
    let name = |entry: &TreeEntry<'_>| entry.name_bytes().to_vec();
    if is_folder(old) == is_folder(new) && old.name_bytes() == new.name_bytes() {
        return Ordering::Equal;
    }
    let ended = |entry: &TreeEntry<'_>| if is_folder(entry) { [name(entry), vec![b'/']].concat() } else { name(entry) };
    ended(old).cmp(&ended(new))
}

/// The content of an entry that is a regular file.
fn file(entry: Option<&TreeEntry<'_>>) -> Result<Option<BlobId>, WorktreeError> {
    let kind = |entry: &&TreeEntry<'_>| u32::try_from(entry.filemode()).ok().and_then(kind_of_mode);
    let Some(entry) = entry.filter(|entry| kind(entry) == Some(EntryKind::File)) else { return Ok(None) };
    BlobId::parse(&entry.id().to_string()).map(Some).map_err(|error| WorktreeError::Git(error.to_string()))
}

#[cfg(test)]
mod tests;
