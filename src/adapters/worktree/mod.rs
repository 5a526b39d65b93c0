//! The git repository that holds the library: its files at a commit and in the work tree, and how commits stand to each
//! other.
//!
//! Only the local object database is read; nothing is fetched. A library may be a folder of a larger repository: paths
//! are relative to that folder.

mod clean;
mod contents;
mod fork_point;
mod history;
mod index;
mod listing;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};

pub use contents::{CommitContents, DiskContents};
pub use history::{FileChange, History, PastCommit, Reach};

use crate::finding::codes;
use crate::ids::{CommitId, RepoSlug};

codes! {
    NAME_CONTROL "name-control-characters"
        "The name of a file or folder holds a line break or another control character. Rename it: such names break \
         downloads, logs and web addresses."
    NAME_NOT_UTF8 "name-not-utf8"
        "The name of a file or folder is not UTF-8 text, so no manifest can hold it. Rename it."
}

/// Why the repository could not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// There is no repository.
    #[error(
        "{folder} is not in a Git repository (no .git there or in a folder above). Run `git init` in it, or name the \
         library's folder with -C"
    )]
    NoRepository {
        /// Where it was looked for.
        folder: String,
    },
    /// The folder itself is not there.
    #[error("the folder {folder} cannot be opened: {why}")]
    NoFolder {
        /// The folder.
        folder: String,
        /// What the system says.
        why: String,
    },
    /// The repository has no files checked out.
    #[error("{folder} is a bare repository; run Stockroom where its files are checked out")]
    Bare {
        /// The repository.
        folder: String,
    },
    /// Nothing has been committed yet.
    #[error("the repository has no commit yet, so there is no {wanted}. Commit the library first")]
    NoCommit {
        /// What was asked for.
        wanted: String,
    },
    /// The revision is not in this clone.
    #[error("the revision {revision:?} is not in this clone{hint}")]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Why that may be, and what to do.
        hint: &'static str,
    },
    /// Git failed in another way.
    #[error("git cannot read the repository: {0}")]
    Git(String),
}

impl From<git2::Error> for WorktreeError {
    fn from(error: git2::Error) -> Self {
        let advice = match error.code() {
            ErrorCode::Owner => {
                "; the folder belongs to another user: add its path with `git config --global --add safe.directory PATH`"
            }
            _ => "",
        };
        Self::Git(format!("{}{advice}", error.message()))
    }
}

/// Where HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit; none before the first one.
    pub commit: Option<CommitId>,
    /// The branch as `refs/heads/main`; none on a detached head.
    pub branch: Option<String>,
}

/// A library's place in a repository.
pub struct Worktree {
    repository: Repository,
    root: PathBuf,
    /// The library's folder within the repository, empty or ending in `/`.
    prefix: String,
}

impl Worktree {
    /// Opens the repository around a folder; the folder is the library's root.
    pub fn open(folder: &Path) -> Result<Self, WorktreeError> {
        let shown = folder.display().to_string();
        let root = folder
            .canonicalize()
            .map_err(|error| WorktreeError::NoFolder { folder: shown.clone(), why: error.to_string() })?;
        let repository = Repository::discover(&root).map_err(|error| match error.code() {
            ErrorCode::NotFound => WorktreeError::NoRepository { folder: root.display().to_string() },
            _ => error.into(),
        })?;
        let Some(top) = repository.workdir() else { return Err(WorktreeError::Bare { folder: shown }) };
        let top = top.canonicalize().map_err(|error| WorktreeError::Git(error.to_string()))?;
        let below = root.strip_prefix(&top).map_err(|_| WorktreeError::NoRepository { folder: shown.clone() })?;
        let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
        let parts =
            parts.ok_or_else(|| WorktreeError::NoFolder { folder: shown, why: "its name is not UTF-8".into() })?;
        let prefix = if parts.is_empty() { String::new() } else { format!("{}/", parts.join("/")) };
        Ok(Self { repository, root, prefix })
    }

    /// The library's folder on disk.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The library's folder within the repository: empty for the repository's own root, else ending in `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where Stockroom keeps what belongs to this clone: below `.git`, a folder for each library in the repository.
    pub fn private_folder(&self) -> PathBuf {
        let own = self.repository.commondir().join("stockroom");
        self.prefix.split('/').filter(|part| !part.is_empty()).fold(own, |folder, part| folder.join(part))
    }

    /// Where HEAD is.
    pub fn head(&self) -> Result<Head, WorktreeError> {
        let detached = self.repository.head_detached()?;
        match self.repository.head() {
            Ok(head) => {
                let commit = commit_id(head.peel_to_commit()?.id())?;
                let branch = if detached { None } else { head.name().ok().map(str::to_owned) };
                Ok(Head { commit: Some(commit), branch })
            }
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                Ok(Head { commit: None, branch: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The branch that others build on, as far as the clone knows: that of `origin`, else `main` or `master`, else HEAD's.
    ///
    /// Only a name of letters, digits and `._/-` is given, which needs quotes nowhere.
    pub fn main_branch(&self) -> Option<String> {
        let remote = self.repository.find_reference("refs/remotes/origin/HEAD").ok();
        let remote = remote
            .and_then(|head| Some(head.symbolic_target().ok()??.strip_prefix("refs/remotes/origin/")?.to_owned()));
        let is_there = |name: &&str| self.repository.find_branch(name, git2::BranchType::Local).is_ok();
        let usual = || ["main", "master"].into_iter().find(is_there).map(str::to_owned);
        let current = || {
            let head = self.repository.find_reference("HEAD").ok()?;
            Some(head.symbolic_target().ok()??.strip_prefix("refs/heads/")?.to_owned())
        };
        let is_plain = |name: &String| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
        };
        remote.or_else(usual).or_else(current).filter(is_plain)
    }

    /// Whether the clone's history is cut off.
    pub fn is_shallow(&self) -> bool {
        self.repository.is_shallow()
    }

    /// The repository on a forge that `origin` points to, as `owner/name`.
    pub fn origin(&self) -> Option<RepoSlug> {
        let remote = self.repository.find_remote("origin").ok()?;
        let url = remote.url().ok()?.trim_end_matches('/').trim_end_matches(".git").to_owned();
        // A clone of a folder has no forge behind it, and that folder's name would differ on every machine.
        let has_host = match url.split_once("://") {
            Some((scheme, _)) => scheme != "file",
            None => url.split_once(':').is_some_and(|(host, _)| !host.contains('/')),
        };
        if !has_host {
            return None;
        }
        let mut parts = url.rsplit(['/', ':']);
        let (name, owner) = (parts.next()?, parts.next()?);
        RepoSlug::parse(&format!("{owner}/{name}")).ok()
    }

    /// Whether the clone has a remote `origin`.
    pub fn has_origin(&self) -> bool {
        self.repository.find_remote("origin").is_ok()
    }

    /// The repository's own folder, which is `.git` or what that points to.
    pub fn git_folder(&self) -> &Path {
        self.repository.path()
    }

    /// The folder that the whole repository is checked out in.
    pub fn top(&self) -> &Path {
        self.repository.workdir().unwrap_or(&self.root)
    }

    /// The branch that `origin` calls its default one, where the clone knows it.
    pub fn default_branch(&self) -> Option<String> {
        let head = self.repository.find_reference("refs/remotes/origin/HEAD").ok()?;
        head.symbolic_target().ok()??.strip_prefix("refs/remotes/origin/").map(str::to_owned)
    }

    /// The revision that a change is compared with: what the merge that is checked out merges into, where HEAD is the
    /// merge of `head`, else the base that the event names.
    pub fn base(&self, base: &CommitId, head: &CommitId) -> String {
        let parents =
            self.repository.head().and_then(|at| at.peel_to_commit()).map(|commit| commit.parent_ids().collect());
        match parents.unwrap_or_else(|_| Vec::new()).as_slice() {
            [into, merged] if merged.to_string() == head.as_str() => into.to_string(),
            _ => base.to_string(),
        }
    }

    /// Whether `newer` descends from `older`; false where the clone does not hold enough history to tell.
    pub fn descends(&self, newer: &CommitId, older: &CommitId) -> bool {
        let oid = |commit: &CommitId| git2::Oid::from_str(commit.as_str()).ok();
        match (oid(newer), oid(older)) {
            (Some(newer), Some(older)) => self.repository.graph_descendant_of(newer, older).unwrap_or(false),
            _ => false,
        }
    }

    /// Whether the clone holds the commit.
    pub fn has(&self, commit: &CommitId) -> bool {
        git2::Oid::from_str(commit.as_str()).is_ok_and(|oid| self.repository.find_commit(oid).is_ok())
    }

    /// The tree of a commit, and when it was committed, in seconds since 1970-01-01 UTC; none where the clone lacks it.
    pub fn facts(&self, commit: &CommitId) -> Option<(String, i64)> {
        let found = self.repository.find_commit(git2::Oid::from_str(commit.as_str()).ok()?).ok()?;
        Some((found.tree_id().to_string(), found.time().seconds()))
    }

    /// Whether some branch or tag still holds the commit: one that was reset or pushed away with force is history no more.
    pub fn is_kept(&self, commit: &CommitId) -> bool {
        let Ok(references) = self.repository.references() else { return false };
        let tips = references.flatten().filter_map(|reference| reference.peel_to_commit().ok());
        let tips = tips.filter_map(|tip| commit_id(tip.id()).ok());
        tips.into_iter().any(|tip| tip == *commit || self.descends(&tip, commit))
    }

    fn commit(&self, revision: &str) -> Result<git2::Commit<'_>, WorktreeError> {
        if self.head()?.commit.is_none() {
            return Err(WorktreeError::NoCommit { wanted: format!("revision {revision:?}") });
        }
        let object = self.repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
        object.map_err(|_| WorktreeError::UnknownRevision {
            revision: revision.to_owned(),
            hint: match self.is_shallow() {
                true => {
                    ": the clone is shallow. Fetch it with `git fetch --depth=1 origin COMMIT`, or use fetch-depth: 0"
                }
                false => "; `git log --all` shows what is",
            },
        })
    }
}

fn commit_id(oid: git2::Oid) -> Result<CommitId, WorktreeError> {
    CommitId::parse(&oid.to_string()).map_err(|error| WorktreeError::Git(error.to_string()))
}

#[cfg(test)]
mod tests;
