//! Which documents lead from what a folder has to the catalogue that a root names, and what they say.
//!
//! Deltas where they lead there and are few bytes, else the shards that differ. Nothing that they say is believed before the
//! digests of the collections, worked out anew from all entries, are those of the root: whatever the way, the end is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::Choice;
use super::documents::{
    Change, Document, Flaw, Line, belongs, collection_digest, delta, flaw, lines, refuse_misplaced, shard_list,
};
use super::record::{Record, forget_shards};
use crate::ids::Sha256Hex;
use crate::manifest::format::{DeltaRef, Root, ShardList, ShardRef};

/// The most deltas that are followed.
const MOST_DELTAS: usize = 32;
/// So many bytes of deltas are never too many: a single shard may have as many.
const LEAST_WORTH: u64 = 64 << 10;

/// An asset's entry, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its SHA-256.
    pub sha256: Sha256Hex,
    /// The entry, where it has come with a document.
    pub bytes: Option<Vec<u8>>,
}

/// The entries of a catalogue, by collection and id.
pub type Entries = BTreeMap<String, BTreeMap<String, Entry>>;

/// Which shards a folder has all assets of: by collection and prefix, the SHA-256.
pub type Shards = BTreeMap<String, BTreeMap<String, String>>;

/// The way that was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The folder had the same catalogue.
    Nowhere,
    /// By so many deltas.
    Deltas(usize),
    /// By so many of all shards.
    Shards {
        /// Those that were fetched.
        fetched: usize,
        /// All that there are of the wanted collections.
        all: usize,
    },
}

/// Where a route has led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// All entries of the wanted collections.
    pub entries: Entries,
    /// The shards that are known to be of these entries.
    pub shards: Shards,
    /// The way.
    pub way: Way,
    /// Why a shorter way could not be gone, in sentences.
    pub detours: Vec<String>,
}

/// A route under way: ask it what it [`wants`](Self::wants), and give it that.
#[derive(Debug)]
pub struct Route<'r> {
    root: &'r Root,
    choice: &'r Choice,
    /// The digest of the catalogue that the folder has.
    from: String,
    held: Entries,
    known: Shards,
    stage: Stage,
    detours: Vec<String>,
}

#[derive(Debug)]
enum Stage {
    Deltas {
        wanted: DeltaRef,
        taken: Vec<Change>,
        left: u64,
    },
    List,
    Shards {
        wanted: BTreeMap<Document, Vec<(String, ShardRef)>>,
        entries: Entries,
        shards: Shards,
        fetched: usize,
        all: usize,
    },
    There {
        entries: Entries,
        shards: Shards,
        way: Way,
    },
}

impl<'r> Route<'r> {
    /// A route from what the folder has to this root. `is_whole` says that the record tells of everything that the folder had.
    pub fn new(root: &'r Root, choice: &'r Choice, record: Option<&Record>, is_whole: bool) -> Self {
        let mut held = Entries::new();
        for (collection, assets) in record.iter().flat_map(|record| &record.assets) {
            if choice.takes(collection) {
                let entry = |(id, held): (&String, &super::record::Held)| {
                    (id.clone(), Entry { sha256: held.entry.clone(), bytes: None })
                };
                held.insert(collection.clone(), assets.iter().map(entry).collect());
            }
        }
        let known = record.map(|record| record.shards.clone()).unwrap_or_default();
        let from = record.map(|record| record.digest.clone()).unwrap_or_default();
        let mut route = Self { root, choice, from, held, known, stage: Stage::List, detours: Vec::new() };
        let has_all = |record: &&Record| is_whole && route.wanted().all(|name| record.choice.takes(name));
        let Some(record) = record.filter(has_all) else { return route };
        if record.digest == root.digest {
            match route.settle(&route.held) {
                Ok(()) => route.arrive(route.held.clone(), route.known.clone(), Way::Nowhere),
                Err(_) => route.detour(&"the record of this folder does not agree with its own digest"),
            }
        } else if let Some(wanted) = &root.delta {
            let left = route.worth(record);
            route.follow(wanted.clone(), Vec::new(), left);
        }
        route
    }

    fn wanted(&self) -> impl Iterator<Item = &'r String> + use<'r> {
        let choice = self.choice;
        self.root.collections.keys().filter(move |name| choice.takes(name))
    }

    /// How many bytes deltas may have before shards are the shorter way: the list of the shards, and half of all entries.
    fn worth(&self, record: &Record) -> u64 {
        let entries = record.placed.iter().filter(|(path, _)| path.starts_with(super::names::RECORDS));
        let entries = entries.map(|(_, (_, bytes))| *bytes).fold(0, u64::saturating_add);
        (entries / 2).saturating_add(self.root.shards.bytes).max(LEAST_WORTH)
    }

    fn follow(&mut self, wanted: DeltaRef, taken: Vec<Change>, left: u64) {
        self.stage = match left.checked_sub(wanted.bytes) {
            Some(left) if taken.len() < MOST_DELTAS => Stage::Deltas { wanted, taken, left },
            _ => Stage::List,
        };
    }

    fn detour(&mut self, why: &dyn std::fmt::Display) {
        self.detours.push(format!("{why}; the shards are taken instead"));
        self.stage = Stage::List;
    }

    /// The documents that are needed next; none at the end of the way.
    pub fn wants(&self) -> Vec<Document> {
        match &self.stage {
            Stage::Deltas { wanted, .. } => vec![Document::from(wanted)],
            Stage::List => vec![Document::from(&self.root.shards)],
            Stage::Shards { wanted, .. } => wanted.keys().cloned().collect(),
            Stage::There { .. } => Vec::new(),
        }
    }

    /// Takes a document that was wanted; `None` says that it is not to be had.
    pub fn take(&mut self, document: &Document, bytes: Option<&[u8]>) -> Result<(), Flaw> {
        match std::mem::replace(&mut self.stage, Stage::List) {
            Stage::Deltas { wanted, taken, left } => {
                let read =
                    bytes.ok_or_else(|| flaw(&wanted.path, "is not there")).and_then(|bytes| delta(&wanted, bytes));
                match read {
                    Ok(change) => self.take_delta(change, taken, left),
                    Err(flaw) => self.detour(&flaw),
                }
                Ok(())
            }
            Stage::List => self.take_list(&shard_list(document, there(document, bytes)?)?),
            Stage::Shards { mut wanted, mut entries, shards, fetched, all } => {
                let found = lines(document, there(document, bytes)?)?;
                for (collection, reference) in wanted.remove(document).unwrap_or_default() {
                    refuse_misplaced(&reference, &found)?;
                    put(entries.entry(collection).or_default(), found.clone());
                }
                if wanted.is_empty() {
                    self.settle(&entries)?;
                    self.arrive(entries, shards, Way::Shards { fetched, all });
                } else {
                    self.stage = Stage::Shards { wanted, entries, shards, fetched, all };
                }
                Ok(())
            }
            there @ Stage::There { .. } => {
                self.stage = there;
                Ok(())
            }
        }
    }

    fn take_delta(&mut self, change: Change, mut taken: Vec<Change>, left: u64) {
        let wanted_to = taken.last().map_or(self.root.digest.as_str(), |later| later.from.as_str());
        if change.to != wanted_to {
            return self.detour(&"the deltas do not lead to this edition");
        }
        let prev = change.prev.clone();
        let is_begin = self.from == change.from;
        taken.push(change);
        if !is_begin {
            return match prev {
                Some(prev) => self.follow(prev, taken, left),
                None => self.stage = Stage::List,
            };
        }
        let (mut entries, mut shards, count) = (self.held.clone(), self.known.clone(), taken.len());
        for change in taken.into_iter().rev() {
            let keys = change.put.iter().map(|(collection, line)| (collection.as_str(), line.id.as_str()));
            let gone = change.removed.iter().map(|(collection, id)| (collection.as_str(), id.as_str()));
            forget_shards(&mut shards, keys.chain(gone));
            for (collection, id) in &change.removed {
                entries.get_mut(collection).map(|assets| assets.remove(id));
            }
            for (collection, line) in change.put {
                if self.choice.takes(&collection) {
                    put(entries.entry(collection).or_default(), vec![line]);
                }
            }
        }
        match self.settle(&entries) {
            Ok(()) => self.arrive(entries, shards, Way::Deltas(count)),
            Err(_) => self.detour(&"the deltas do not lead to what the root says"),
        }
    }

    fn take_list(&mut self, list: &ShardList) -> Result<(), Flaw> {
        let name = &self.root.shards.path;
        let (mut wanted, mut entries, mut shards, mut all) =
            (BTreeMap::<_, Vec<_>>::new(), Entries::new(), Shards::new(), 0);
        let nothing = BTreeMap::new();
        for collection in self.wanted() {
            let Some(references) = list.collections.get(collection) else {
                return Err(flaw(name, format!("has no shards of {collection:?}, which the root names")));
            };
            let (held, known) = (self.held.get(collection), self.known.get(collection).unwrap_or(&nothing));
            let (target, prefixes) =
                (entries.entry(collection.clone()).or_default(), shards.entry(collection.clone()).or_default());
            let mut met = BTreeSet::new();
            for reference in references {
                if !met.insert(&reference.prefix) {
                    return Err(flaw(name, format!("names two shards of {collection:?} by one prefix")));
                }
                all += 1;
                prefixes.insert(reference.prefix.clone(), reference.sha256.clone());
                if known.get(&reference.prefix) == Some(&reference.sha256) {
                    let same = held.into_iter().flatten().filter(|(id, _)| belongs(id, &reference.prefix));
                    target.extend(same.map(|(id, entry)| (id.clone(), entry.clone())));
                } else {
                    wanted.entry(Document::from(reference)).or_default().push((collection.clone(), reference.clone()));
                }
            }
        }
        let fetched = wanted.len();
        if wanted.is_empty() {
            self.settle(&entries)?;
            self.arrive(entries, shards, Way::Shards { fetched, all });
        } else {
            self.stage = Stage::Shards { wanted, entries, shards, fetched, all };
        }
        Ok(())
    }

    /// Whether these entries are the catalogue that the root speaks of.
    fn settle(&self, entries: &Entries) -> Result<(), Flaw> {
        let nothing = BTreeMap::new();
        for collection in self.wanted() {
            let assets = entries.get(collection).unwrap_or(&nothing);
            let digest = collection_digest(assets.iter().map(|(id, entry)| (id.as_str(), &entry.sha256)));
            let promised = self.root.collections.get(collection);
            if promised.is_none_or(|of| of.assets != assets.len() || of.digest != digest.as_str()) {
                let why = format!("does not agree with its shards: the digest of {collection:?} is another");
                return Err(flaw("manifest.json", why));
            }
        }
        Ok(())
    }

    fn arrive(&mut self, mut entries: Entries, mut shards: Shards, way: Way) {
        entries.retain(|name, _| self.root.collections.contains_key(name));
        shards.retain(|name, _| self.root.collections.contains_key(name) && self.choice.takes(name));
        for name in self.wanted() {
            entries.entry(name.clone()).or_default();
        }
        self.stage = Stage::There { entries, shards, way };
    }

    /// Where it has led; none before [`wants`](Self::wants) is empty.
    pub fn arrival(self) -> Option<Arrival> {
        match self.stage {
            Stage::There { entries, shards, way } => Some(Arrival { entries, shards, way, detours: self.detours }),
            _ => None,
        }
    }
}

fn there<'b>(document: &Document, bytes: Option<&'b [u8]>) -> Result<&'b [u8], Flaw> {
    let why = "is not there, though the root names it; if a newer edition has just come, pull again";
    bytes.ok_or_else(|| flaw(&document.path, why))
}

fn put(assets: &mut BTreeMap<String, Entry>, lines: Vec<Line>) {
    for Line { id, sha256, bytes } in lines {
        assets.insert(id, Entry { sha256, bytes: Some(bytes) });
    }
}
