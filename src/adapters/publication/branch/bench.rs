//! A bare repository of our own, in which a branch of origin is looked at and what is to come to it is made.
//!
//! It holds the tip alone: its trees, and of the files those that were read. Nothing of it shows in the clone, and it is
//! gone with the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use git2::{
    FileMode, ObjectType, Oid, Repository, RepositoryInitOptions, Tree, TreeEntry, TreeWalkMode, TreeWalkResult,
};
use tempfile::TempDir;

use crate::adapters::origin::{Bound, Git, Origin, OriginError, Push, REMOTE};
use crate::ids::CommitId;

/// Where the tip is kept in it.
const TIP: &str = "refs/stockroom/tip";
/// What is brought at most at a time. A server that cannot leave files out sends all of them.
const MOST_BROUGHT: u64 = 4 << 30;
/// How many files are asked for in one request.
const ASKED_AT_ONCE: usize = 1_000;
/// What the folders are called, so that those that a killed run has left are known.
const PREFIX: &str = "branch-";
/// How old such a folder is at least before it is taken away: nobody is at work in it any more.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);

/// The repository, and the program that fills it.
pub(super) struct Bench {
    origin: Origin,
    git: Git,
    repository: Repository,
    reference: String,
    _folder: TempDir,
}

impl Bench {
    /// An empty one in a folder below `scratch`, for the branch of this name.
    pub(super) fn new(origin: &Origin, scratch: &Path, branch: &str) -> Result<Self, OriginError> {
        let cannot = |error: &dyn std::fmt::Display| OriginError::local("there is no folder to work in", error);
        fs::create_dir_all(scratch).map_err(|error| cannot(&error))?;
        clear_left(scratch);
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(scratch);
        let folder = made.map_err(|error| cannot(&error))?;
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false);
        let repository = Repository::init_opts(folder.path(), &options).map_err(|error| cannot(&error))?;
        let mut git = origin.apart(folder.path())?;
        // Files are left out until they are asked for.
        git.configure(&format!("remote.{REMOTE}.promisor"), "true");
        git.configure(&format!("remote.{REMOTE}.partialclonefilter"), "blob:none");
        git.configure("fetch.negotiationAlgorithm", "noop");
        let reference = format!("refs/heads/{branch}");
        Ok(Self { origin: origin.clone(), git, repository, reference, _folder: folder })
    }

    /// Brings the tip as it is now; none where there is no such branch.
    pub(super) fn look(&self) -> Result<Option<Oid>, OriginError> {
        let refspec = format!("+{}:{TIP}", self.reference);
        let heard = self.fetch(&["--depth=1"], &[&refspec])?;
        if heard.success {
            return self.repository.refname_to_id(TIP).map(Some).map_err(failed);
        }
        // That it is not there and that it cannot be seen are different things.
        if heard.err.contains("couldn't find remote ref") && self.origin.head(&self.git, &self.reference)?.is_none() {
            return Ok(None);
        }
        Err(self.origin.failed(&heard))
    }

    /// Brings files that are not here.
    pub(super) fn bring(&self, blobs: &[Oid]) -> Result<(), OriginError> {
        let store = self.repository.odb().map_err(failed)?;
        let missing: Vec<String> = blobs.iter().filter(|id| !store.exists(**id)).map(Oid::to_string).collect();
        for some in missing.chunks(ASKED_AT_ONCE) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let heard = self.fetch(&[], &some)?;
            if !heard.success {
                return Err(self.origin.failed(&heard));
            }
        }
        Ok(())
    }

    fn fetch(&self, options: &[&str], wanted: &[&str]) -> Result<crate::adapters::origin::Heard, OriginError> {
        let quiet = ["--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--no-write-fetch-head"];
        let words = [&["fetch", "--progress", "--refmap="], &quiet[..], options, &["--", REMOTE], wanted].concat();
        let bound = Bound::new(&self.repository.path().join("objects"), MOST_BROUGHT);
        self.origin.hear_within(&self.git, &words, Some(bound))
    }

    /// Sends a commit to the branch, which is at `tip` as far as is known.
    pub(super) fn send(&mut self, tip: Option<Oid>, commit: Oid, follows: bool) -> Result<(), OriginError> {
        let id =
            |id: Oid| CommitId::parse(&id.to_string()).map_err(|error| OriginError::local("git has lost it", error));
        let (expected, commit) = (tip.map(id).transpose()?, id(commit)?);
        // Where there is no branch yet, the remote has to be told that there must be none.
        let follows = follows && expected.is_some();
        let push = Push { reference: &self.reference, expected: expected.as_ref(), commit: &commit, follows };
        self.origin.push(&mut self.git, push)
    }

    /// The repository itself.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tree of a folder of a commit; none where there is no such folder.
    pub(super) fn folder(&self, commit: Oid, folder: &str) -> Result<Option<Tree<'_>>, OriginError> {
        let top = self.repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(failed)?;
        if folder.is_empty() {
            return Ok(Some(top));
        }
        match top.get_path(Path::new(folder)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => {
                self.repository.find_tree(entry.id()).map(Some).map_err(failed)
            }
            Ok(_) => Err(in_the_way(folder)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// A file of a tree; none where there is none, or where something else has its name.
    pub(super) fn file(tree: &Tree<'_>, name: &str) -> Option<Oid> {
        tree.get_path(Path::new(name)).ok().filter(is_file).map(|entry| entry.id())
    }

    /// Every file of a tree by its name in the whole.
    pub(super) fn files(tree: &Tree<'_>) -> Result<BTreeMap<String, Oid>, OriginError> {
        let mut found = BTreeMap::new();
        let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if is_file(entry)
                && let Ok(name) = entry.name()
            {
                found.insert(format!("{folder}{name}"), entry.id());
            }
            TreeWalkResult::Ok
        });
        walked.map(|()| found).map_err(failed)
    }

    /// The size of a file, where it is here.
    pub(super) fn size(&self, blob: Oid) -> Option<u64> {
        let (bytes, _) = self.repository.odb().ok()?.read_header(blob).ok()?;
        u64::try_from(bytes).ok()
    }

    /// The bytes of a file, brought where they are not here; none where they are more than `limit`.
    pub(super) fn read(&self, blob: Oid, limit: u64) -> Result<Option<Vec<u8>>, OriginError> {
        self.bring(&[blob])?;
        if self.size(blob).is_some_and(|bytes| bytes > limit) {
            return Ok(None);
        }
        self.repository.find_blob(blob).map(|blob| Some(blob.content().to_vec())).map_err(failed)
    }
}

/// Whether an entry of a tree is an ordinary file.
pub(super) fn is_file(entry: &TreeEntry<'_>) -> bool {
    let file: [i32; 3] = [FileMode::Blob, FileMode::BlobExecutable, FileMode::BlobGroupWritable].map(i32::from);
    file.contains(&entry.filemode_raw())
}

/// What git's own library says, as a fault of this machine.
pub(super) fn failed(error: impl std::fmt::Display) -> OriginError {
    OriginError::local("the branch's files cannot be worked on here", error)
}

/// What somebody else has put where a file or a folder of ours would be.
pub(super) fn in_the_way(name: &str) -> OriginError {
    OriginError::Local { why: format!("{name} is there already and is something else; name another `folder`") }
}

/// Takes away what runs have left that were killed.
fn clear_left(scratch: &Path) {
    for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = entry.metadata().and_then(|facts| facts.modified()).ok().and_then(|at| at.elapsed().ok());
        if is_ours && age.is_some_and(|age| age > LEFT) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
