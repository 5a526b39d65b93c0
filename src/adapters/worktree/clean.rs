//! Proof that the work tree is what the index says, in less time than git needs to tell what is not.
//!
//! Git looks into each folder for ignore rules and for other repositories, one after the other. Most libraries are clean
//! when they are checked, and a walk on all cores can show it: each file is in the index with the size and the time that
//! the index remembers, and none of the index is absent. Whatever leaves a doubt is left to git.

use git2::{ObjectType, Oid};

use super::Worktree;
use super::index::{Index, Moment, Remembered};

/// How many names that the index does not know are asked about before it is git's turn.
const MOST_UNKNOWN: usize = 100;

/// An index that describes the work tree.
pub(super) struct Clean {
    /// The library's files: name and content.
    pub(super) files: Vec<(Vec<u8>, Oid)>,
    /// The tree that they are committed as, if git has noted it.
    pub(super) tree: Option<Oid>,
}

impl Worktree {
    /// The library's files if none of them can differ from the index; nothing says nothing.
    pub(super) fn clean(&self) -> Option<Clean> {
        let place = self.repository.path().join("index");
        // When it was written must be asked before it is read.
        let written = written(&place)?;
        let index = Index::read(&place)?;
        let (files, extensions) = index.files(self.prefix.as_bytes())?;
        let unknown = walk::unknown(&self.root, &self.prefix, &files, written)?;
        let is_ignored =
            |path: &String| self.repository.is_path_ignored(format!("{}{path}", self.prefix)).unwrap_or(false);
        if !unknown.iter().all(is_ignored) {
            return None;
        }
        let file = |file: &Remembered<'_>| Some((file.path.get(self.prefix.len()..)?.to_vec(), file.blob));
        Some(Clean { files: files.iter().map(file).collect::<Option<_>>()?, tree: extensions.tree(&self.prefix) })
    }
}

#[cfg(unix)]
fn written(index: &std::path::Path) -> Option<Moment> {
    use std::os::unix::fs::MetadataExt as _;
    let facts = index.metadata().ok()?;
    Some((u32::try_from(facts.mtime()).ok()?, u32::try_from(facts.mtime_nsec()).ok()?))
}

/// Elsewhere the index remembers what the standard library does not tell.
#[cfg(not(unix))]
fn written(_: &std::path::Path) -> Option<Moment> {
    None
}

#[cfg(not(unix))]
mod walk {
    use super::*;

    pub(super) fn unknown(_: &std::path::Path, _: &str, _: &[Remembered<'_>], _: Moment) -> Option<Vec<String>> {
        None
    }
}

#[cfg(unix)]
mod walk {
    use std::cmp::Ordering;
    use std::ffi::CStr;
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::path::Path;

    use rayon::prelude::*;
    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

    use super::*;

    /// From how many files on a walk is worth several threads.
    const LARGE: usize = 200;

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

    /// What the index knows of a folder and of those below it.
    #[derive(Clone, Copy)]
    struct Folder<'f, 'i> {
        /// The files, in the order of their paths.
        files: &'f [Remembered<'i>],
        /// How many bytes of each path lead to the folder.
        at: usize,
        /// Whether it is the repository's own.
        is_top: bool,
    }

    /// The names that the index does not know, if all that it knows is as it was.
    pub(super) fn unknown(root: &Path, prefix: &str, files: &[Remembered<'_>], written: Moment) -> Option<Vec<String>> {
        let top = Folder { files, at: prefix.len(), is_top: prefix.is_empty() };
        let met =
            Walk { root, prefix, written, is_large: files.len() > LARGE }.folder(open(CWD, root.as_os_str())?, top)?;
        (met.known == files.len()).then_some(met.unknown)
    }

    fn open<N: rustix::path::Arg>(parent: BorrowedFd<'_>, name: N) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty()).ok()
    }

    struct Walk<'w> {
        root: &'w Path,
        prefix: &'w str,
        written: Moment,
        is_large: bool,
    }

    impl Walk<'_> {
        /// What is in a folder and below it, or nothing where there is a doubt.
        fn folder(&self, open_folder: OwnedFd, folder: Folder<'_, '_>) -> Option<Met> {
            let (mut met, mut folders) = (Met::default(), Vec::new());
            let mut names = Dir::new(open_folder).ok()?;
            while let Some(entry) = names.read() {
                let entry = entry.ok()?;
                let name = entry.file_name();
                match name.to_bytes() {
                    b"." | b".." => continue,
                    b".git" if folder.is_top => continue,
                    b".git" => return None,
                    _ => {}
                }
                let kind = match entry.file_type() {
                    FileType::Unknown => FileType::from_raw_mode(facts(names.fd().ok()?, name)?.st_mode),
                    kind => kind,
                };
                if kind == FileType::Directory {
                    match folder.below(name.to_bytes()) {
                        [] => met.unknown.push(self.path(folder, name)?),
                        files => folders.push((name.to_owned(), files)),
                    }
                } else if let Some(known) = folder.get(name.to_bytes()) {
                    if !self.is_same(known, &facts(names.fd().ok()?, name)?) {
                        return None;
                    }
                    met.known += 1;
                } else {
                    met.unknown.push(self.path(folder, name)?);
                }
            }
            let parent = names.fd().ok()?;
            let inner = |(name, files): &(std::ffi::CString, &[Remembered<'_>])| {
                let at = folder.at + name.as_bytes().len() + 1;
                self.folder(open(parent, name.as_c_str())?, Folder { files, at, is_top: false })
            };
            // A few files are looked at in less time than threads need to begin.
            let below = match self.is_large {
                true => folders.par_iter().map(inner).try_reduce(Met::default, Met::and)?,
                false => folders.iter().map(inner).try_fold(Met::default(), |met, below| met.and(below?))?,
            };
            below.and(met)
        }

        /// The path of an unknown name, in the library.
        fn path(&self, folder: Folder<'_, '_>, name: &CStr) -> Option<String> {
            let path = folder.files.first().and_then(|file| file.path.get(self.prefix.len()..folder.at));
            Some(format!("{}{}", std::str::from_utf8(path.unwrap_or_default()).ok()?, name.to_str().ok()?))
        }

        fn is_same(&self, known: &Remembered<'_>, facts: &Stat) -> bool {
            let Some((changed, touched)) = moments(facts) else { return false };
            let mode = if facts.st_mode & 0o100 == 0 { 0o100_644 } else { 0o100_755 };
            let looks_same = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile
                && mode == known.mode
                && changed == known.changed
                && touched == known.touched
                && u32::try_from(facts.st_size) == Ok(known.size);
            // A file that changed in the moment when the index was written may look as before.
            looks_same && (changed < self.written || self.holds_the_same(known))
        }

        fn holds_the_same(&self, known: &Remembered<'_>) -> bool {
            let path = known.path.get(self.prefix.len()..).and_then(|path| std::str::from_utf8(path).ok());
            path.is_some_and(|path| {
                Oid::hash_file(ObjectType::Blob, self.root.join(path)).is_ok_and(|id| id == known.blob)
            })
        }
    }

    fn facts(folder: BorrowedFd<'_>, name: &CStr) -> Option<Stat> {
        rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    fn moments(facts: &Stat) -> Option<(Moment, Moment)> {
        let changed = (u32::try_from(facts.st_mtime).ok()?, u32::try_from(facts.st_mtime_nsec).ok()?);
        let touched = (u32::try_from(facts.st_ctime).ok()?, u32::try_from(facts.st_ctime_nsec).ok()?);
        Some((changed, touched))
    }

    impl<'f, 'i> Folder<'f, 'i> {
        fn get(&self, name: &[u8]) -> Option<&'f Remembered<'i>> {
            let found = self.files.binary_search_by(|file| self.rest(file).cmp(name)).ok()?;
            self.files.get(found)
        }

        /// The files in and below the folder of this name.
        fn below(&self, name: &[u8]) -> &'f [Remembered<'i>] {
            let place = |file: &Remembered<'_>| {
                let rest = self.rest(file);
                let begin = rest.get(..rest.len().min(name.len())).unwrap_or_default();
                begin.cmp(name).then_with(|| rest.get(name.len()).map_or(Ordering::Less, |next| next.cmp(&b'/')))
            };
            let from = self.files.partition_point(|file| place(file) == Ordering::Less);
            let to = self.files.partition_point(|file| place(file) != Ordering::Greater);
            self.files.get(from..to).unwrap_or_default()
        }

        fn rest<'r>(&self, file: &Remembered<'r>) -> &'r [u8] {
            file.path.get(self.at..).unwrap_or_default()
        }
    }
}
