//! The files of a manifest that are the same wherever it is published: shards, their list, the index.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::build::{BuildError, Manifest, document};
use super::files::{Files, add};
use super::format::{FileRef, ShardList, ShardRef, VERSION};
use super::shard::{MostBytes, lines, shards};

/// How a place is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habits {
    /// Again and again, for what has changed.
    Followed,
    /// Once: a release.
    Snapshot,
}

/// A manifest's files that do not depend on what was published before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How the place is read that they are made for.
    pub habits: Habits,
    /// The shards.
    pub list: ShardList,
    /// The file of that list.
    pub shards: FileRef,
    /// All files by name.
    pub files: Files,
}

/// An entry as it stands in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The collection.
    pub collection: String,
    /// The asset's id.
    pub id: String,
    /// What it means, as a digest.
    pub digest: String,
    /// The entry's bytes.
    pub bytes: Vec<u8>,
}

impl Layout {
    /// Lays a manifest out for a place that is read so.
    pub fn of(manifest: &Manifest, habits: Habits) -> Result<Self, BuildError> {
        let most = match habits {
            Habits::Followed => MostBytes::FOLLOWED,
            Habits::Snapshot => MostBytes::SNAPSHOT,
        };
        let mut files = Files::new();
        let collections = manifest.collections.iter();
        let collections =
            collections.map(|(name, collection)| (name.clone(), shards(&collection.entries, most, &mut files)));
        let list = ShardList { version: VERSION, collections: collections.collect() };
        let shards = add(&mut files, "shards", document(&list)?);
        Ok(Self { habits, list, shards, files })
    }

    /// The entries in shards that the other list does not have.
    pub fn lines_beside(&self, other: &ShardList) -> Vec<Line> {
        let mut found = Vec::new();
        for (collection, shard) in beside(&self.list, other) {
            let bytes = self.files.get(&shard.path).map(Vec::as_slice).unwrap_or_default();
            found.extend(entries(collection, bytes).unwrap_or_default());
        }
        found
    }
}

/// The shards of `list` that `other` does not have.
pub fn beside<'l>(list: &'l ShardList, other: &ShardList) -> Vec<(&'l str, &'l ShardRef)> {
    let known: BTreeSet<(&str, &str)> =
        all(other).map(|(collection, shard)| (collection, shard.path.as_str())).collect();
    all(list).filter(|(collection, shard)| !known.contains(&(*collection, shard.path.as_str()))).collect()
}

/// All shards with their collections.
pub fn all(list: &ShardList) -> impl Iterator<Item = (&str, &ShardRef)> {
    list.collections.iter().flat_map(|(name, shards)| shards.iter().map(|shard| (name.as_str(), shard)))
}

/// The entries of a shard; none where these are not the bytes of one.
pub fn entries(collection: &str, bytes: &[u8]) -> Option<Vec<Line>> {
    #[derive(Deserialize)]
    struct Known {
        id: String,
        digest: String,
    }
    let entry = |line: &[u8]| {
        let known: Known = serde_json::from_slice(line).ok()?;
        Some(Line { collection: collection.to_owned(), id: known.id, digest: known.digest, bytes: line.to_vec() })
    };
    lines(bytes)?.into_iter().map(entry).collect()
}

/// Entries by collection and id.
pub fn by_key(lines: Vec<Line>) -> BTreeMap<(String, String), Line> {
    lines.into_iter().map(|line| ((line.collection.clone(), line.id.clone()), line)).collect()
}
