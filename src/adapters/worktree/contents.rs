//! What is in the files: read from the disk or from git's object database, never through a link.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use git2::{ErrorCode, ObjectType, Oid, Repository};

use super::{Worktree, WorktreeError};
use crate::catalog::tree::{ContentError, Contents, Entry};
use crate::ids::Sha256Hex;

/// The files as they are on disk.
pub struct DiskContents {
    root: PathBuf,
}

/// The files as git stored them, read by any number of threads at once.
pub struct CommitContents {
    git_folder: PathBuf,
    /// Repositories that no thread uses at the moment: libgit2 allows each to one thread at a time.
    idle: Mutex<Vec<Repository>>,
}

impl Worktree {
    /// Gives the bytes of the files that `tree_now` lists.
    pub fn disk(&self) -> DiskContents {
        DiskContents { root: self.root.clone() }
    }

    /// Gives the bytes of the files that `tree_at` lists.
    pub fn objects(&self) -> Result<CommitContents, WorktreeError> {
        Ok(CommitContents { git_folder: self.repository.path().to_owned(), idle: Mutex::new(Vec::new()) })
    }
}

impl Contents for DiskContents {
    fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError> {
        let place = self.root.join(entry.path.as_str());
        let (file, size) = open_file(&place)?;
        if size > limit {
            return Err(ContentError::TooLarge { bytes: size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        // As many bytes as there were: to ask for more would cost a call to the system for each file.
        file.take(size).read_to_end(&mut bytes).map_err(no_access)?;
        Ok(bytes)
    }

    fn hash(&self, entry: &Entry) -> Result<(Sha256Hex, u64), ContentError> {
        let (mut file, _) = open_file(&self.root.join(entry.path.as_str()))?;
        Sha256Hex::of_stream(&mut file).map_err(no_access)
    }
}

/// A regular file and its size.
#[cfg(unix)]
fn open_file(place: &Path) -> Result<(File, u64), ContentError> {
    use rustix::fs::{Mode, OFlags};
    // Of a link nothing is opened, and opening a pipe must not wait for somebody to write.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(place, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(_) if place.symlink_metadata().is_ok_and(|facts| !facts.is_file()) => return Err(ContentError::NotAFile),
        Err(error) => return Err(no_access(error.into())),
    };
    let facts = file.metadata().map_err(no_access)?;
    if facts.is_file() { Ok((file, facts.len())) } else { Err(ContentError::NotAFile) }
}

/// A regular file and its size.
#[cfg(not(unix))]
fn open_file(place: &Path) -> Result<(File, u64), ContentError> {
    let facts = place.symlink_metadata().map_err(no_access)?;
    if !facts.is_file() {
        return Err(ContentError::NotAFile);
    }
    Ok((File::open(place).map_err(no_access)?, facts.len()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn no_access(error: std::io::Error) -> ContentError {
    ContentError::Unreadable(error.to_string())
}

impl CommitContents {
    fn with_repository<T>(&self, work: impl FnOnce(&Repository) -> Result<T, ContentError>) -> Result<T, ContentError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let repository = match idle {
            Some(repository) => repository,
            None => Repository::open(&self.git_folder).map_err(|error| unreadable(&error))?,
        };
        let outcome = work(&repository);
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(repository);
        }
        outcome
    }
}

fn unreadable(error: &git2::Error) -> ContentError {
    match error.code() {
        ErrorCode::NotFound => ContentError::Absent,
        _ => ContentError::Unreadable(error.message().to_owned()),
    }
}

impl Contents for CommitContents {
    fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError> {
        let oid = Oid::from_str(entry.blob.as_str()).map_err(|error| unreadable(&error))?;
        self.with_repository(|repository| {
            let objects = repository.odb().map_err(|error| unreadable(&error))?;
            let (size, kind) = objects.read_header(oid).map_err(|error| unreadable(&error))?;
            let bytes = u64::try_from(size).unwrap_or(u64::MAX);
            match kind {
                ObjectType::Blob if bytes <= limit => {}
                ObjectType::Blob => return Err(ContentError::TooLarge { bytes, limit }),
                _ => return Err(ContentError::NotAFile),
            }
            let object = objects.read(oid).map_err(|error| unreadable(&error))?;
            Ok(object.data().to_vec())
        })
    }
}
