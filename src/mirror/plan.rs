//! What is fetched, placed and taken away, so that a folder is what a manifest says; refused as a whole where it must not be.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::Choice;
use super::names::{OWN, RECORDS, UnsafeName, apart, file_path, folders, refuse_collisions};
use super::record::{Held, Record};
use super::route::Arrival;
use crate::catalog::names::folded;
use crate::ids::Sha256Hex;
use crate::manifest::format::{AssetEntry, Root};

/// The place of the root in the folder.
pub const ROOT: &str = "manifest.json";
/// How many names a refusal tells.
const MOST_TOLD: usize = 5;

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
struct Wanted {
    sha256: Sha256Hex,
    bytes: u64,
    origin: Option<Origin>,
}

/// What should be in the folder.
struct Target {
    wanted: BTreeMap<String, Wanted>,
    assets: BTreeMap<String, BTreeMap<String, Held>>,
    unaddressed: usize,
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
    /// What the folder remembers, without what it has lost.
    pub record: &'k Record,
    /// Entries that the folder has.
    pub entries: BTreeMap<(String, String), Vec<u8>>,
    /// The catalogue.
    pub arrival: Arrival,
}

/// Decides what is done to the folder.
pub fn plan(known: Known<'_>, ground: &mut dyn Ground) -> Result<Plan, Refusal> {
    let target = target(&known)?;
    refuse_collisions(target.wanted.keys().map(String::as_str))?;
    let record = known.record;
    let mut draft = Draft::new(record, ground);
    draft.look_at_folders(&target)?;
    for (path, wanted) in &target.wanted {
        draft.look_at(path, wanted)?;
    }
    let remove = draft.removals(&target);
    let Draft { clear, mut place, taken, left, kept, .. } = draft;
    if !taken.is_empty() {
        return Err(Refusal::Taken { count: taken.len(), told: taken.into_iter().take(MOST_TOLD).collect() });
    }
    // The root says that all else is there.
    place.sort_by_key(|placement| placement.path == ROOT);
    let placed =
        target.wanted.iter().map(|(path, wanted)| (path.clone(), (wanted.sha256.clone(), wanted.bytes))).collect();
    let assets = counts(record, &target.assets);
    let record = Record {
        seq: known.root.seq,
        digest: known.root.digest.clone(),
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
    let mut target = Target { wanted: BTreeMap::new(), assets: BTreeMap::new(), unaddressed: 0 };
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
                    target.want_files(known.choice, &key, &entry.sha256, bytes)?
                }
                (None, Some(held)) => {
                    let before = record_path_of(known.record, collection, id, path);
                    let (sha256, bytes) = before.ok_or_else(lost)?;
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

/// What was placed for an asset's entry: at this path, or where its name was another because of its neighbours.
fn record_path_of(record: &Record, collection: &str, id: &str, path: &str) -> Option<(Sha256Hex, u64)> {
    if let Some(placed) = record.placed.get(path) {
        return Some(placed.clone());
    }
    let assets = record.assets.get(collection)?;
    let folder = path.rsplit_once('/')?.0;
    let name = apart(assets.keys().map(String::as_str)).remove(id)?;
    record.placed.get(&format!("{folder}/{name}.json")).cloned()
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl Target {
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
        sha256: &Sha256Hex,
        bytes: &[u8],
    ) -> Result<Held, Refusal> {
        let malformed = |why: String| Refusal::Malformed { collection: key.0.clone(), id: key.1.clone(), why };
        let entry: AssetEntry = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let mut held = Held { entry: sha256.clone(), files: Vec::new(), unaddressed: 0 };
        for file in entry.files.iter().filter(|file| choice.wants(file)) {
            let digest = Sha256Hex::parse(&file.sha256).map_err(|error| malformed(error.to_string()))?;
            let path = file_path(&file.path)?;
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

/// A plan that is being made.
struct Draft<'d> {
    record: &'d Record,
    /// What was placed, by its SHA-256.
    contents: BTreeMap<&'d Sha256Hex, Vec<&'d str>>,
    /// What was placed, by its path as a system has it that takes no notice of case.
    former: BTreeMap<String, &'d str>,
    ground: &'d mut dyn Ground,
    clear: BTreeSet<String>,
    place: Vec<Placement>,
    taken: Vec<String>,
    left: Vec<(String, &'static str)>,
    kept: usize,
}

impl<'d> Draft<'d> {
    fn new(record: &'d Record, ground: &'d mut dyn Ground) -> Self {
        let mut contents: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (path, (sha256, _)) in &record.placed {
            contents.entry(sha256).or_default().push(path.as_str());
        }
        let (clear, place, taken, left, kept) = (BTreeSet::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        let former = record.placed.keys().map(|path| (folded(path), path.as_str())).collect();
        Self { record, contents, former, ground, clear, place, taken, left, kept }
    }

    /// The folders on the way have to be folders, or files that go.
    fn look_at_folders(&mut self, target: &Target) -> Result<(), Refusal> {
        let own = std::iter::once(OWN);
        for folder in folders(target.wanted.keys().map(String::as_str)).into_iter().chain(own) {
            match self.ground.look(folder) {
                Seen::Nothing | Seen::Folder => {}
                Seen::File(_) if self.is_ours(folder) && !target.wanted.contains_key(folder) => {
                    self.clear.insert(folder.to_owned());
                }
                Seen::File(_) => self.taken.push(folder.to_owned()),
                Seen::Other(what) => return Err(Refusal::InTheWay { path: folder.to_owned(), what }),
            }
        }
        Ok(())
    }

    /// Whether a file is as it was placed.
    fn is_ours(&mut self, path: &str) -> bool {
        let Some((sha256, bytes)) = self.record.placed.get(path) else { return false };
        self.ground.look(path) == Seen::File(*bytes) && self.ground.digest(path).as_ref() == Some(sha256)
    }

    fn look_at(&mut self, path: &str, wanted: &Wanted) -> Result<(), Refusal> {
        let placed = self.record.placed.get(path).map(|(sha256, _)| sha256 == &wanted.sha256);
        let seen = match self
            .clear
            .iter()
            .any(|gone| path.strip_prefix(gone.as_str()).is_some_and(|rest| rest.starts_with('/')))
        {
            true => Seen::Nothing,
            false => self.ground.look(path),
        };
        match (seen, placed) {
            (Seen::Other(what), _) => return Err(Refusal::InTheWay { path: path.to_owned(), what }),
            (Seen::Nothing, _) => self.fetch(path, wanted, None),
            (Seen::Folder, _) => self.take_folder(path, wanted),
            (Seen::File(bytes), Some(true)) if bytes == wanted.bytes => self.kept += 1,
            (Seen::File(_), Some(true)) => {
                self.kept += 1;
                self.left.push((path.to_owned(), "it was changed here; delete it to have it as it was published"));
            }
            (Seen::File(bytes), before) => {
                let is_same = bytes == wanted.bytes && self.ground.digest(path).as_ref() == Some(&wanted.sha256);
                match before {
                    _ if is_same => self.kept += 1,
                    Some(false) if self.is_ours(path) => {
                        let before = self.record.placed.get(path).cloned();
                        self.fetch(path, wanted, before);
                    }
                    None if let Some(former) = self.former_of(path)
                        && self.is_ours(former) =>
                    {
                        let before = self.record.placed.get(former).cloned();
                        self.fetch(path, wanted, before);
                    }
                    _ => self.taken.push(path.to_owned()),
                }
            }
        }
        Ok(())
    }

    /// A file takes the place of a folder of files that go.
    fn take_folder(&mut self, path: &str, wanted: &Wanted) {
        let below = format!("{path}/");
        let ours: Vec<String> = self.record.placed.keys().filter(|other| other.starts_with(&below)).cloned().collect();
        let there: Vec<String> = ours.into_iter().filter(|other| self.is_ours(other)).collect();
        if self.ground.holds_others(path, &there.iter().map(String::as_str).collect()) {
            self.taken.push(path.to_owned());
        } else {
            self.clear.extend(there);
            self.fetch(path, wanted, None);
        }
    }

    fn fetch(&mut self, path: &str, wanted: &Wanted, before: Option<(Sha256Hex, u64)>) {
        let origin = match &wanted.origin {
            Some(origin @ Origin::Bytes(_)) => Some(origin.clone()),
            other => self.donor(&wanted.sha256).map(Origin::Copy).or_else(|| other.clone()),
        };
        match origin {
            Some(origin) => {
                let (path, sha256, bytes) = (path.to_owned(), wanted.sha256.clone(), wanted.bytes);
                self.place.push(Placement { path, sha256, bytes, before, origin });
            }
            // Without its address it is not fetched again; losses() has seen to it that this is no file of an asset.
            None => self.taken.push(path.to_owned()),
        }
    }

    /// A file of the folder with the same content.
    fn donor(&mut self, sha256: &Sha256Hex) -> Option<String> {
        let same = self.contents.get(sha256)?.clone();
        same.into_iter().find(|path| self.is_ours(path)).map(str::to_owned)
    }

    /// The path at which a file was placed that another path leads to as well.
    fn former_of(&mut self, path: &str) -> Option<&'d str> {
        let former = self.former.get(&folded(path)).copied()?;
        (former != path && self.ground.is_one(former, path)).then_some(former)
    }

    fn removals(&mut self, target: &Target) -> Vec<(String, Sha256Hex)> {
        let mut remove = Vec::new();
        let wanted: BTreeMap<String, &str> = target.wanted.keys().map(|path| (folded(path), path.as_str())).collect();
        for (path, (sha256, _)) in &self.record.placed {
            if target.wanted.contains_key(path) || self.clear.contains(path) {
                continue;
            }
            // It has another name now, and taking the former one away would take the file itself.
            if wanted.get(&folded(path)).is_some_and(|now| self.ground.is_one(path, now)) {
                continue;
            }
            if self.is_ours(path) {
                remove.push((path.clone(), sha256.clone()));
            } else if self.ground.look(path) != Seen::Nothing {
                self.left.push((path.clone(), "the manifest does not have it any more, and it was changed here"));
            }
        }
        remove
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
