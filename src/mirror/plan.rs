//! What is fetched, placed and taken away, so that a folder is what a manifest says; refused as a whole where it must not be.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{Choice, Files};
use super::draft::{Draft, refuse_taken};
use super::names::{RECORDS, UnsafeName, apart, both, file_path, refuse_collisions};
use super::record::{Held, Record};
use super::route::Arrival;
use crate::ids::Sha256Hex;
use crate::manifest::format::{AssetEntry, Root};

/// The place of the root in the folder.
pub const ROOT: &str = "manifest.json";

/// What is at a path of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// A file of so many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// Something else, such as a symbolic link; in words.
    Other(&'static str),
}

/// The folder as it is.
pub trait Ground {
    /// What is at a path; a symbolic link is not followed.
    fn look(&mut self, path: &str) -> Seen;
    /// The SHA-256 of a file; none where it cannot be read.
    fn digest(&mut self, path: &str) -> Option<Sha256Hex>;
    /// A small file; none where it cannot be read.
    fn read(&mut self, path: &str) -> Option<Vec<u8>>;
    /// Whether two paths lead to one file, as those do that differ in case where case does not count.
    fn is_one(&mut self, path: &str, other: &str) -> bool;
    /// Whether a folder holds anything but these files, at any depth.
    fn holds_others(&mut self, path: &str, but: &BTreeSet<&str>) -> bool;
}

/// Where the bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// They are here.
    Bytes(Vec<u8>),
    /// They are fetched from this address.
    Address(String),
    /// They are those of a file that the folder has.
    Copy(String),
}

/// A file that is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Where, in the folder.
    pub path: String,
    /// Its SHA-256.
    pub sha256: Sha256Hex,
    /// Its size.
    pub bytes: u64,
    /// What it takes the place of, by SHA-256 and size; none where nothing stands there.
    pub before: Option<(Sha256Hex, u64)>,
    /// Where its bytes come from.
    pub origin: Origin,
}

/// How many assets are new, other than before, and gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All that there are now.
    pub all: usize,
    /// New ones.
    pub added: usize,
    /// Other than before.
    pub changed: usize,
    /// Gone.
    pub removed: usize,
}

/// What is to be done to a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The files that are placed, the root last.
    pub place: Vec<Placement>,
    /// Files that go first, as a folder takes the place of one, or one the place of their folder.
    pub clear: Vec<(String, Sha256Hex)>,
    /// Files that go when all is in its place.
    pub remove: Vec<(String, Sha256Hex)>,
    /// Files that are left as somebody has made them, and why.
    pub left: Vec<(String, &'static str)>,
    /// How many files were in their place.
    pub kept: usize,
    /// How many files are wanted that have no address.
    pub unaddressed: usize,
    /// The assets.
    pub assets: Counts,
    /// What the folder is to remember.
    pub record: Record,
}

impl Plan {
    /// Whether a file that the manifest has is left otherwise than it says.
    pub fn leaves_differences(&self) -> bool {
        self.left.iter().any(|(path, _)| self.record.placed.contains_key(path))
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.place.is_empty() && self.remove.is_empty() && self.clear.is_empty()
    }

    /// Notes what was not placed after all, as somebody has changed it since the plan was made.
    pub fn leave(&mut self, left: Vec<String>) {
        for path in left {
            self.place.retain(|placement| placement.path != path);
            self.left.retain(|(other, _)| *other != path);
            self.left.push((path, "it was made or changed here during a pull; move or delete it, and pull again"));
        }
    }
}

/// Why nothing may be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The manifest names something that must not be written.
    #[error("the manifest names a file that is not written here: {0}")]
    Unsafe(#[from] UnsafeName),
    /// Two assets say different things of one file.
    #[error("the manifest contradicts itself: two assets have {0:?} with different contents")]
    Contradiction(String),
    /// An entry is not what the format says.
    #[error("the manifest's asset {id:?} of {collection:?} is not what the format says: {why}")]
    Malformed {
        /// Its collection.
        collection: String,
        /// Its id.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// Files of somebody else stand where ours should go.
    #[error(
        "{} in the folder would be overwritten and {}: {}. Move or delete {}, and pull again", files(*.count),
        if *.count == 1 { "is not what was pulled" } else { "are not what was pulled" }, .told.join(", "),
        if *.count == 1 { "it" } else { "them" }
    )]
    Taken {
        /// How many.
        count: usize,
        /// The first of them.
        told: Vec<String>,
    },
    /// Something that is not a file or a folder stands in the way.
    #[error("{path:?} in the folder is {what}, which is not followed and not replaced; take it away, and pull again")]
    InTheWay {
        /// Where.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// No file has a role that is wanted.
    #[error("no file of the manifest has the role {role:?}; its files have these: {}", .there.join(", "))]
    NoRole {
        /// The role.
        role: String,
        /// Those that there are, the nearest first.
        there: Vec<String>,
    },
    /// An asset's entry is not to be had.
    #[error("the entry of the asset {id:?} of {collection:?} is not in the folder any more; pull again")]
    Lost {
        /// Its collection.
        collection: String,
        /// Its id.
        id: String,
    },
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Where the entries of assets go, by collection and id.
type RecordPaths = BTreeMap<String, BTreeMap<String, String>>;

fn record_paths<'a, T: 'a>(assets: impl Iterator<Item = (&'a String, &'a BTreeMap<String, T>)>) -> RecordPaths {
    let assets: BTreeMap<&str, _> = assets.map(|(name, assets)| (name.as_str(), assets)).collect();
    let folders = apart(assets.keys().copied());
    let one = |(name, assets): (&&str, &&BTreeMap<String, T>)| {
        let folder = folders.get(name).map_or("", String::as_str);
        let names = apart(assets.keys().map(String::as_str));
        let paths = names.into_iter().map(|(id, file)| (id.to_owned(), format!("{RECORDS}/{folder}/{file}.json")));
        ((*name).to_owned(), paths.collect())
    };
    assets.iter().map(one).collect()
}

/// An entry as a file: on one line.
fn as_file(entry: &[u8]) -> Vec<u8> {
    [entry, b"\n"].concat()
}

/// What has become of the assets that a folder had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Losses {
    /// Assets whose entries have to be fetched again, by collection and id.
    pub lost: BTreeSet<(String, String)>,
    /// Entries that were read again as something of their assets is missing, or other files are wanted now.
    pub entries: BTreeMap<(String, String), Vec<u8>>,
}

/// Looks at what a folder has of what it should have.
pub fn losses(record: &Record, choice: &Choice, ground: &mut dyn Ground) -> Losses {
    let (mut losses, paths) = (Losses::default(), record_paths(record.assets.iter()));
    for (collection, assets) in &record.assets {
        for (id, held) in assets {
            let Some(path) = paths.get(collection).and_then(|paths| paths.get(id)) else { continue };
            let key = || (collection.clone(), id.clone());
            if ground.look(path) == Seen::Nothing {
                losses.lost.insert(key());
                continue;
            }
            let is_there = |path: &String, sha256: &Sha256Hex, ground: &mut dyn Ground| {
                record.placed.get(path).is_some_and(|(placed, _)| placed == sha256)
                    && ground.look(path) != Seen::Nothing
            };
            let is_complete = choice.files == record.choice.files
                && held.files.iter().all(|(path, sha256, _)| is_there(path, sha256, ground));
            if is_complete {
                continue;
            }
            let entry = ground.read(path).and_then(|bytes| bytes.strip_suffix(b"\n").map(<[u8]>::to_vec));
            match entry.filter(|entry| Sha256Hex::of(entry) == held.entry) {
                Some(entry) => drop(losses.entries.insert(key(), entry)),
                None => drop(losses.lost.insert(key())),
            }
        }
    }
    losses
}

/// What should be at a path.
#[derive(Debug)]
pub(super) struct Wanted {
    pub sha256: Sha256Hex,
    pub bytes: u64,
    pub origin: Option<Origin>,
}

/// What should be in the folder.
pub(super) struct Target {
    pub wanted: BTreeMap<String, Wanted>,
    assets: BTreeMap<String, BTreeMap<String, Held>>,
    unaddressed: usize,
    /// The roles of the files whose entries were read.
    roles: BTreeSet<String>,
}

/// What is known when a plan is made.
pub struct Known<'k> {
    /// The root that was admitted.
    pub root: &'k Root,
    /// Its bytes.
    pub root_bytes: &'k [u8],
    /// The source, as it is shown to people.
    pub source: &'k str,
    /// What the server calls the root.
    pub etag: Option<String>,
    /// What is wanted of it.
    pub choice: &'k Choice,
    /// What the folder remembers.
    pub before: &'k Record,
    /// The same without what it has lost.
    pub record: &'k Record,
    /// Entries that the folder has.
    pub entries: BTreeMap<(String, String), Vec<u8>>,
    /// The catalogue.
    pub arrival: Arrival,
}

/// Decides what is done to the folder.
pub fn plan(known: Known<'_>, ground: &mut dyn Ground) -> Result<Plan, Refusal> {
    let target = target(&known)?;
    target.refuse_unknown_roles(&known)?;
    refuse_collisions(target.wanted.keys().map(String::as_str))?;
    let record = known.record;
    let mut draft = Draft::new(record, ground);
    draft.look_at_folders(&target)?;
    for (path, wanted) in &target.wanted {
        draft.look_at(path, wanted)?;
    }
    let remove = draft.removals(&target);
    let Draft { clear, mut place, taken, left, kept, .. } = draft;
    refuse_taken(taken)?;
    // The root says that all else is there.
    place.sort_by_key(|placement| placement.path == ROOT);
    let placed =
        target.wanted.iter().map(|(path, wanted)| (path.clone(), (wanted.sha256.clone(), wanted.bytes))).collect();
    let assets = counts(known.before, &target.assets);
    let record = Record {
        seq: known.root.seq,
        digest: known.root.digest.clone(),
        // A root that keeps silent about it is no way to another library.
        repository: known.root.source.repository.clone().or_else(|| record.repository.clone()),
        root: Sha256Hex::of(known.root_bytes),
        etag: known.etag,
        assets: target.assets,
        placed,
        shards: known.arrival.shards,
        ..Record::empty(known.source, known.choice.clone())
    };
    let before = &known.record.placed;
    let digest_of = |path: String| before.get(&path).map(|(sha256, _)| (path.clone(), sha256.clone()));
    let clear = clear.into_iter().filter_map(digest_of).collect();
    Ok(Plan { place, clear, remove, left, kept, unaddressed: target.unaddressed, assets, record })
}

fn target(known: &Known<'_>) -> Result<Target, Refusal> {
    let paths = record_paths(known.arrival.entries.iter());
    let mut target =
        Target { wanted: BTreeMap::new(), assets: BTreeMap::new(), unaddressed: 0, roles: BTreeSet::new() };
    for (collection, assets) in &known.arrival.entries {
        let mut all = BTreeMap::new();
        for (id, entry) in assets {
            let key = (collection.clone(), id.clone());
            let held = known.record.assets.get(collection).and_then(|assets| assets.get(id));
            let held =
                held.filter(|held| held.entry == entry.sha256 && known.record.choice.files == known.choice.files);
            let bytes = entry.bytes.as_deref().or_else(|| known.entries.get(&key).map(Vec::as_slice));
            let lost = || Refusal::Lost { collection: key.0.clone(), id: key.1.clone() };
            let path = paths.get(collection).and_then(|paths| paths.get(id)).ok_or_else(lost)?;
            let now = match (bytes, held) {
                (Some(bytes), _) => {
                    let file = as_file(bytes);
                    target.want(path, &Sha256Hex::of(&file), size(&file), Some(Origin::Bytes(file)))?;
                    target.want_files(known.choice, &key, library_of(known.root, collection), (&entry.sha256, bytes))?
                }
                (None, Some(held)) => {
                    let (sha256, bytes) = placed_entry(known.record, collection, id).ok_or_else(lost)?;
                    target.want(path, &sha256, bytes, None)?;
                    for (path, sha256, bytes) in &held.files {
                        target.want(path, sha256, *bytes, None)?;
                    }
                    held.clone()
                }
                (None, None) => return Err(lost()),
            };
            target.unaddressed += now.unaddressed;
            all.insert(id.clone(), now);
        }
        target.assets.insert(collection.clone(), all);
    }
    let root = known.root_bytes;
    target.want(ROOT, &Sha256Hex::of(root), size(root), Some(Origin::Bytes(root.to_vec())))?;
    Ok(target)
}

/// The library of a hub that a collection comes from: its name in the hub, with that of the hub before it where it came by one.
///
/// Two libraries may have one path with different contents.
fn library_of<'c>(root: &Root, collection: &'c str) -> Option<&'c str> {
    let (library, _) = collection.rsplit_once('/').filter(|_| !root.members.is_empty())?;
    Some(library)
}

/// What was placed for an asset's entry, whose name was one of two, by its neighbours then.
fn placed_entry(record: &Record, collection: &str, id: &str) -> Option<(Sha256Hex, u64)> {
    let paths =
        both(collection).into_iter().flat_map(|folder| both(id).map(|file| format!("{RECORDS}/{folder}/{file}.json")));
    paths.into_iter().find_map(|path| record.placed.get(&path)).cloned()
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl Target {
    /// Refuses a choice of roles where it is a new one: then all entries were read. A role of which the last file goes later
    /// on was no mistake; neither is one before there are any files.
    fn refuse_unknown_roles(&self, known: &Known<'_>) -> Result<(), Refusal> {
        let is_new = known.before.digest.is_empty() || known.before.choice.files != known.choice.files;
        let Files::Roles(wanted) = &known.choice.files else { return Ok(()) };
        match wanted.iter().find(|role| !self.roles.contains(*role)).filter(|_| is_new && !self.roles.is_empty()) {
            None => Ok(()),
            Some(role) => {
                let mut there: Vec<String> = self.roles.iter().cloned().collect();
                there.sort_by_key(|other| strsim::damerau_levenshtein(other, role));
                Err(Refusal::NoRole { role: role.clone(), there })
            }
        }
    }

    fn want(&mut self, path: &str, sha256: &Sha256Hex, bytes: u64, origin: Option<Origin>) -> Result<(), Refusal> {
        match self.wanted.get_mut(path) {
            Some(wanted) if wanted.sha256 != *sha256 || wanted.bytes != bytes => {
                Err(Refusal::Contradiction(path.to_owned()))
            }
            Some(wanted) => {
                wanted.origin = wanted.origin.take().or(origin);
                Ok(())
            }
            None => {
                self.wanted.insert(path.to_owned(), Wanted { sha256: sha256.clone(), bytes, origin });
                Ok(())
            }
        }
    }

    fn want_files(
        &mut self,
        choice: &Choice,
        key: &(String, String),
        library: Option<&str>,
        (sha256, bytes): (&Sha256Hex, &[u8]),
    ) -> Result<Held, Refusal> {
        let malformed = |why: String| Refusal::Malformed { collection: key.0.clone(), id: key.1.clone(), why };
        let entry: AssetEntry = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let mut held = Held { entry: sha256.clone(), files: Vec::new(), unaddressed: 0 };
        self.roles.extend(entry.files.iter().map(|file| file.role.clone()));
        for file in entry.files.iter().filter(|file| choice.wants(file)) {
            let digest = Sha256Hex::parse(&file.sha256).map_err(|error| malformed(error.to_string()))?;
            let mut path = file_path(&file.path)?;
            if let Some(library) = library {
                path = file_path(&format!("{library}/{}", file.path))?;
            }
            match &file.url {
                None => held.unaddressed += 1,
                Some(url) => {
                    self.want(&path, &digest, file.bytes, Some(Origin::Address(url.clone())))?;
                    held.files.push((path, digest, file.bytes));
                }
            }
        }
        Ok(held)
    }
}

fn counts(record: &Record, now: &BTreeMap<String, BTreeMap<String, Held>>) -> Counts {
    let mut counts = Counts::default();
    for (collection, assets) in now {
        let before = record.assets.get(collection);
        counts.all += assets.len();
        for (id, held) in assets {
            match before.and_then(|assets| assets.get(id)) {
                None => counts.added += 1,
                Some(other) if other.entry != held.entry => counts.changed += 1,
                Some(_) => {}
            }
        }
    }
    for (collection, assets) in &record.assets {
        let now = now.get(collection);
        counts.removed += assets.keys().filter(|id| now.is_none_or(|now| !now.contains_key(*id))).count();
    }
    counts
}
