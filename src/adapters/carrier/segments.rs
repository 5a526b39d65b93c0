//! Files as git objects: cut into segments, so that what has not changed is not sent again, with an index that says
//! what the whole must be.
//!
//! The tree holds `stockroom.json`, and for each file a folder of its name; in it, folders of 64 segments of 64 KiB.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use git2::{FileMode, ObjectType, Odb, Oid, Tree};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::CarrierError;
use super::objects::{Objects, failed};
use crate::ids::{CommitId, Sha256Hex};

/// The newest format that this version reads and the one that it writes.
const FORMAT: u64 = 1;
const INDEX: &str = "stockroom.json";
/// A multiple of SQLite's pages, so that a page that changes changes one segment.
const SEGMENT: usize = 64 * 1024;
const SEGMENTS_IN_FOLDER: usize = 64;
/// More than any index or folder of ours takes.
const MOST_LISTED: usize = 1024 * 1024;
const MESSAGE: &str = "The state of the library, carried from run to run by Stockroom\n";

/// How much is carried at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The bytes of one file.
    pub file: u64,
}

impl Limits {
    /// What objects for that many files take at most on a disk: all of their bytes, and what holds them together.
    pub(super) fn most_fetched(self, files: usize) -> u64 {
        let bytes = self.file.saturating_mul(u64::try_from(files).unwrap_or(u64::MAX));
        bytes.saturating_add(bytes / 8).saturating_add(1 << 20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 1 << 30 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Index {
    version: u64,
    files: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Files that have become objects of this clone.
#[derive(Debug)]
pub struct Prepared {
    /// The commit that stands for them.
    pub commit: CommitId,
    /// Every object that stands for them.
    pub(super) ids: BTreeSet<Oid>,
}

/// Makes objects of the files that are there.
pub(super) fn pack(
    objects: &Objects,
    files: &[(&str, &Path)],
    names: &[&str],
    limits: &Limits,
) -> Result<Prepared, CarrierError> {
    let store = objects.repository().odb().map_err(failed)?;
    let mut writer = Writer { objects, store, ids: BTreeSet::new() };
    let mut index = Index { version: FORMAT, files: Vec::new() };
    let mut root = Vec::new();
    for &(name, path) in files {
        if !names.contains(&name) {
            return Err(CarrierError::local("no such file is carried", name));
        }
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(CarrierError::local(&format!("{name} cannot be read"), error)),
        };
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes > limits.file {
            return Err(CarrierError::TooLarge { name: name.to_owned(), bytes, limit: limits.file });
        }
        let (tree, bytes, sha256) = writer.file(file)?;
        index.files.push(Listed { name: name.to_owned(), bytes, sha256 });
        root.push((name.to_owned(), tree, FileMode::Tree));
    }
    index.files.sort_by(|a, b| a.name.cmp(&b.name));
    let text = serde_json::to_vec(&index).map_err(failed)?;
    root.push((INDEX.to_owned(), writer.write(ObjectType::Blob, &text)?, FileMode::Blob));
    let tree = writer.tree(&root)?;
    let commit = objects.commit(tree, MESSAGE)?;
    writer.ids.insert(commit);
    writer.ids.insert(objects.nothing()?);
    let commit = CommitId::parse(&commit.to_string()).map_err(failed)?;
    Ok(Prepared { commit, ids: writer.ids })
}

struct Writer<'o> {
    objects: &'o Objects,
    store: Odb<'o>,
    ids: BTreeSet<Oid>,
}

impl Writer<'_> {
    /// The tree of a file's segments, with the size and the digest of what was read.
    fn file(&mut self, mut file: File) -> Result<(Oid, u64, String), CarrierError> {
        let (mut digest, mut total) = (Sha256::new(), 0_u64);
        let (mut folders, mut segments) = (Vec::new(), Vec::new());
        let mut buffer = Vec::with_capacity(SEGMENT);
        loop {
            buffer.clear();
            let limit = u64::try_from(SEGMENT).unwrap_or(u64::MAX);
            io::Read::by_ref(&mut file).take(limit).read_to_end(&mut buffer).map_err(failed)?;
            if !buffer.is_empty() {
                digest.update(&buffer);
                total += u64::try_from(buffer.len()).unwrap_or(u64::MAX);
                let id = self.write(ObjectType::Blob, &buffer)?;
                segments.push((segment_name(segments.len()), id, FileMode::Blob));
            }
            let is_end = buffer.len() < SEGMENT;
            if segments.len() == SEGMENTS_IN_FOLDER || (is_end && !segments.is_empty()) {
                let folder = self.tree(&segments)?;
                folders.push((folder_name(folders.len()), folder, FileMode::Tree));
                segments.clear();
            }
            if is_end {
                return Ok((self.tree(&folders)?, total, hex::encode(digest.finalize())));
            }
        }
    }

    fn write(&mut self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, CarrierError> {
        let id = self.store.write(kind, bytes).map_err(failed)?;
        self.ids.insert(id);
        Ok(id)
    }

    fn tree(&mut self, entries: &[(String, Oid, FileMode)]) -> Result<Oid, CarrierError> {
        let mut builder = self.objects.repository().treebuilder(None).map_err(failed)?;
        for (name, id, mode) in entries {
            builder.insert(name, *id, (*mode).into()).map_err(failed)?;
        }
        let id = builder.write().map_err(failed)?;
        self.ids.insert(id);
        Ok(id)
    }
}

fn folder_name(number: usize) -> String {
    format!("{number:05x}")
}

fn segment_name(number: usize) -> String {
    format!("{number:02x}")
}

/// Lays the files of a commit into a folder under names that nobody knows, each held against its size and digest.
pub(super) fn unpack(
    objects: &Objects,
    commit: &CommitId,
    names: &'static [&'static str],
    limits: &Limits,
    folder: &Path,
) -> Result<Vec<(&'static str, NamedTempFile)>, CarrierError> {
    let store = objects.repository().odb().map_err(failed)?;
    let reader = Reader { objects, store };
    let root = reader.root(commit)?;
    let index = reader.index(&root)?;
    if index.files.len() > names.len() {
        return Err(CarrierError::unfit("its index lists a file twice"));
    }
    let mut known: Vec<(&'static str, &Listed)> = Vec::new();
    for listed in &index.files {
        let name = names.iter().find(|name| **name == listed.name).copied();
        let name = name.ok_or_else(|| CarrierError::unfit(format!("its index lists a file {:?}", listed.name)))?;
        if known.iter().any(|(other, _)| *other == name) {
            return Err(CarrierError::unfit(format!("its index lists {name} twice")));
        }
        if listed.bytes > limits.file {
            let Listed { bytes, .. } = listed;
            let why = format!("its index lists {name} with {bytes} bytes; at most {} are carried", limits.file);
            return Err(CarrierError::unfit(why));
        }
        part(&root, name, FileMode::Tree, name)?;
        known.push((name, listed));
    }
    if root.len() != known.len() + 1 {
        return Err(CarrierError::unfit("its tree holds more than its index lists"));
    }
    known.into_iter().map(|(name, listed)| Ok((name, reader.file(&root, name, listed, folder)?))).collect()
}

struct Reader<'o> {
    objects: &'o Objects,
    store: Odb<'o>,
}

impl Reader<'_> {
    /// The tree of a commit of ours.
    fn root(&self, commit: &CommitId) -> Result<Tree<'_>, CarrierError> {
        let id = Oid::from_str(commit.as_str()).map_err(|_| missing("the commit"))?;
        self.check(id, ObjectType::Commit, MOST_LISTED, "the commit")?;
        let found = self.objects.repository().find_commit(id).map_err(|_| missing("the commit"))?;
        if found.parent_count() != 0 {
            return Err(CarrierError::unfit("the commit has a parent"));
        }
        self.tree(found.tree_id(), "its tree")
    }

    fn index(&self, root: &Tree<'_>) -> Result<Index, CarrierError> {
        if root.get_name(INDEX).is_none() {
            return Err(CarrierError::unfit(format!("it has no {INDEX}")));
        }
        let bytes = self.blob(part(root, INDEX, FileMode::Blob, INDEX)?, MOST_LISTED, INDEX)?;
        // A newer format may list its files otherwise: its number is read first.
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let broken = |_| CarrierError::unfit(format!("{INDEX} is not what it should be"));
        let Version { version } = serde_json::from_slice(&bytes).map_err(broken)?;
        if version > FORMAT {
            return Err(CarrierError::Newer { found: version, known: FORMAT });
        }
        serde_json::from_slice(&bytes).map_err(broken)
    }

    fn file(&self, root: &Tree<'_>, name: &str, listed: &Listed, folder: &Path) -> Result<NamedTempFile, CarrierError> {
        let cannot = |error: io::Error| CarrierError::local(&format!("{name} cannot be laid down"), error);
        let mut file = tempfile::Builder::new().prefix(".stockroom-").tempfile_in(folder).map_err(cannot)?;
        let folders = self.tree(part(root, name, FileMode::Tree, name)?, name)?;
        let (mut digest, mut left) = (Sha256::new(), listed.bytes);
        let mut number = 0;
        while left > 0 {
            let segments = self.tree(part(&folders, &folder_name(number), FileMode::Tree, name)?, name)?;
            let mut count = 0;
            for segment in 0..SEGMENTS_IN_FOLDER {
                let size = usize::try_from(left).unwrap_or(SEGMENT).min(SEGMENT);
                if size == 0 {
                    break;
                }
                let id = part(&segments, &segment_name(segment), FileMode::Blob, name)?;
                let bytes = self.blob(id, size, name)?;
                if bytes.len() != size {
                    return Err(CarrierError::unfit(format!("a segment of {name} has another size")));
                }
                digest.update(&bytes);
                file.write_all(&bytes).map_err(cannot)?;
                left -= u64::try_from(size).unwrap_or(left);
                count += 1;
            }
            has_only(&segments, count, name)?;
            number += 1;
        }
        has_only(&folders, number, name)?;
        if Sha256Hex::parse(&listed.sha256).ok() != Sha256Hex::parse(&hex::encode(digest.finalize())).ok() {
            return Err(CarrierError::unfit(format!("{name} has not the digest that its index says")));
        }
        file.as_file().sync_all().map_err(cannot)?;
        Ok(file)
    }

    fn tree(&self, id: Oid, what: &str) -> Result<Tree<'_>, CarrierError> {
        self.check(id, ObjectType::Tree, MOST_LISTED, what)?;
        self.objects.repository().find_tree(id).map_err(|_| missing(what))
    }

    fn blob(&self, id: Oid, limit: usize, what: &str) -> Result<Vec<u8>, CarrierError> {
        self.check(id, ObjectType::Blob, limit, what)?;
        Ok(self.store.read(id).map_err(|_| missing(what))?.data().to_vec())
    }

    /// Looks at an object's head before anything of it is unpacked.
    fn check(&self, id: Oid, kind: ObjectType, limit: usize, what: &str) -> Result<(), CarrierError> {
        let (size, found) = self.store.read_header(id).map_err(|_| missing(what))?;
        if found != kind || size > limit {
            return Err(other_kind(what));
        }
        Ok(())
    }
}

/// The object of this name and kind in a tree; a link, a submodule and a program are of another kind.
fn part(tree: &Tree<'_>, entry: &str, kind: FileMode, what: &str) -> Result<Oid, CarrierError> {
    let entry = tree.get_name(entry).ok_or_else(|| missing(what))?;
    if entry.filemode_raw() != i32::from(kind) {
        return Err(other_kind(what));
    }
    Ok(entry.id())
}

fn has_only(tree: &Tree<'_>, parts: usize, name: &str) -> Result<(), CarrierError> {
    if tree.len() == parts { Ok(()) } else { Err(CarrierError::unfit(format!("{name} has more parts than it should"))) }
}

fn other_kind(what: &str) -> CarrierError {
    CarrierError::unfit(format!("{what} has another kind or size than it should"))
}

fn missing(what: &str) -> CarrierError {
    CarrierError::unfit(format!("{what} is missing or cannot be read"))
}
