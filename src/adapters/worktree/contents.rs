//! What is in the files: read from the disk or from git's object database, never through a link.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use git2::{ErrorCode, ObjectType, Oid, Repository};

use super::Worktree;
use crate::catalog::fact::FileFact;
use crate::catalog::lfs::MAX_POINTER;
use crate::catalog::tree::{ContentError, Contents, Entry};
use crate::ids::RepoPath;

/// The files as they are on disk; those that a sparse checkout left out, as git stored them.
pub struct DiskContents {
    root: Root,
    objects: CommitContents,
}

/// The files as git stored them, read by any number of threads at once.
pub struct CommitContents {
    git_folder: PathBuf,
    /// Repositories that no thread uses at the moment: libgit2 allows each to one thread at a time.
    idle: Mutex<Vec<Repository>>,
    /// Whose turn it is to hold a large object.
    large: Mutex<()>,
}

/// The size of an object from which on only one is held in memory, in bytes.
const LARGE: u64 = 16 * 1024 * 1024;

impl Worktree {
    /// Gives the bytes of the files that `tree_now` lists.
    pub fn disk(&self) -> DiskContents {
        DiskContents { root: Root::new(&self.root), objects: self.objects() }
    }

    /// Gives the bytes of the files that `tree_at` lists.
    pub fn objects(&self) -> CommitContents {
        CommitContents {
            git_folder: self.repository.path().to_owned(),
            idle: Mutex::new(Vec::new()),
            large: Mutex::new(()),
        }
    }
}

impl Contents for DiskContents {
    fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError> {
        let (file, size) = match self.root.open(&entry.path) {
            Err(Closed::Absent) => return self.objects.read(entry, limit),
            other => other?,
        };
        if size > limit {
            return Err(ContentError::TooLarge { bytes: size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        // As many bytes as there were: to ask for more would cost a call to the system for each file.
        file.take(size).read_to_end(&mut bytes).map_err(no_access)?;
        Ok(bytes)
    }

    /// What is said of the very bytes that the entry's git object id stands for; of an LFS pointer, of what that stands for.
    ///
    /// The file on disk may have other bytes: line ends and other filters. Then those that git stored count, as they
    /// are what everybody gets from the commit. A filter that keeps the size of a file is not seen.
    fn fact(&self, entry: &Entry) -> Result<FileFact, ContentError> {
        let stored = self.objects.size(entry).ok();
        match self.root.open(&entry.path) {
            Err(Closed::Absent) => self.objects.fact(entry),
            Ok((_, size)) if stored.is_some_and(|stored| stored != size) => self.objects.fact(entry),
            Ok((_, size)) if size <= MAX_POINTER => Ok(FileFact::of(&self.read(entry, MAX_POINTER)?)),
            other => FileFact::of_stream(&mut other?.0).map_err(no_access),
        }
    }

    fn head(&self, entry: &Entry, most: usize) -> Result<(Vec<u8>, u64), ContentError> {
        let (file, size) = match self.root.open(&entry.path) {
            Err(Closed::Absent) => return self.objects.head(entry, most),
            other => other?,
        };
        let wanted = size.min(u64::try_from(most).unwrap_or(u64::MAX));
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        file.take(wanted).read_to_end(&mut bytes).map_err(no_access)?;
        Ok((bytes, size))
    }
}

/// Why a file on disk could not be opened.
enum Closed {
    /// It is not there.
    Absent,
    /// It cannot be read.
    Refused(ContentError),
}

impl From<Closed> for ContentError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Absent => Self::Unreadable("it has gone meanwhile".to_owned()),
            Closed::Refused(error) => error,
        }
    }
}

impl From<std::io::Error> for Closed {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Refused(no_access(error)),
        }
    }
}

/// The library's folder, held open: the way to it is gone once and not for each file.
#[cfg(unix)]
struct Root {
    place: PathBuf,
    folder: Option<std::os::fd::OwnedFd>,
}

#[cfg(unix)]
impl Root {
    fn new(place: &Path) -> Self {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self { place: place.to_owned(), folder: rustix::fs::open(place, flags, Mode::empty()).ok() }
    }

    /// A regular file and its size.
    fn open(&self, path: &RepoPath) -> Result<(File, u64), Closed> {
        use std::os::fd::AsFd as _;

        use rustix::fs::{CWD, FileType, Mode, OFlags};
        // Of a link nothing is opened, and opening a pipe must not wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = match &self.folder {
            Some(folder) => rustix::fs::openat(folder.as_fd(), path.as_str(), flags, Mode::empty()),
            None => rustix::fs::openat(CWD, self.place.join(path.as_str()), flags, Mode::empty()),
        };
        let file = match opened {
            Ok(file) => file,
            Err(_) if self.place.join(path.as_str()).symlink_metadata().is_ok_and(|facts| !facts.is_file()) => {
                return Err(Closed::Refused(ContentError::NotAFile));
            }
            Err(error) => return Err(std::io::Error::from(error).into()),
        };
        let facts = rustix::fs::fstat(&file).map_err(std::io::Error::from)?;
        match (FileType::from_raw_mode(facts.st_mode), u64::try_from(facts.st_size)) {
            (FileType::RegularFile, Ok(size)) => Ok((File::from(file), size)),
            _ => Err(Closed::Refused(ContentError::NotAFile)),
        }
    }
}

/// The library's folder.
#[cfg(not(unix))]
struct Root {
    place: PathBuf,
}

#[cfg(not(unix))]
impl Root {
    fn new(place: &Path) -> Self {
        Self { place: place.to_owned() }
    }

    /// A regular file and its size.
    fn open(&self, path: &RepoPath) -> Result<(File, u64), Closed> {
        let place = self.place.join(path.as_str());
        let facts = place.symlink_metadata()?;
        if !facts.is_file() {
            return Err(Closed::Refused(ContentError::NotAFile));
        }
        Ok((File::open(place)?, facts.len()))
    }
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

impl CommitContents {
    fn with_object<T>(
        &self,
        entry: &Entry,
        work: impl FnOnce(&git2::Odb<'_>, Oid, u64) -> Result<T, ContentError>,
    ) -> Result<T, ContentError> {
        let oid = Oid::from_str(entry.blob.as_str()).map_err(|error| unreadable(&error))?;
        self.with_repository(|repository| {
            let objects = repository.odb().map_err(|error| unreadable(&error))?;
            let (size, kind) = objects.read_header(oid).map_err(|error| unreadable(&error))?;
            match kind {
                ObjectType::Blob => work(&objects, oid, u64::try_from(size).unwrap_or(u64::MAX)),
                _ => Err(ContentError::NotAFile),
            }
        })
    }

    fn size(&self, entry: &Entry) -> Result<u64, ContentError> {
        self.with_object(entry, |_, _, bytes| Ok(bytes))
    }
}

impl Contents for CommitContents {
    fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, ContentError> {
        self.with_object(entry, |objects, oid, bytes| {
            if bytes > limit {
                return Err(ContentError::TooLarge { bytes, limit });
            }
            let object = objects.read(oid).map_err(|error| unreadable(&error))?;
            Ok(object.data().to_vec())
        })
    }

    /// Large objects one at a time, since libgit2 holds the whole of each in memory.
    fn fact(&self, entry: &Entry) -> Result<FileFact, ContentError> {
        self.with_object(entry, |objects, oid, bytes| {
            let _turn = (bytes > LARGE).then(|| self.large.lock());
            let object = objects.read(oid).map_err(|error| unreadable(&error))?;
            Ok(FileFact::of(object.data()))
        })
    }

    /// Git has no way to the first bytes of an object but through all of them.
    fn head(&self, entry: &Entry, most: usize) -> Result<(Vec<u8>, u64), ContentError> {
        self.with_object(entry, |objects, oid, bytes| {
            if most == 0 {
                return Ok((Vec::new(), bytes));
            }
            let _turn = (bytes > LARGE).then(|| self.large.lock());
            let object = objects.read(oid).map_err(|error| unreadable(&error))?;
            Ok((object.data().get(..most).unwrap_or(object.data()).to_vec(), bytes))
        })
    }
}
