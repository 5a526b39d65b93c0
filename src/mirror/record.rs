//! What a folder that follows a manifest remembers of it: `.stockroom/pull.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::documents::belongs;
use super::names::refuse_elsewhere;
use crate::ids::Sha256Hex;

/// The place of the record in the folder.
pub const RECORD: &str = ".stockroom/pull.json";
/// The version of the record that is written here.
const VERSION: u32 = 1;

/// What the folder was brought to last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format: 1.
    pub version: u32,
    /// The source, as it is shown to people.
    pub source: String,
    /// The number of the edition.
    pub seq: u64,
    /// The digest of its catalogue.
    pub digest: String,
    /// The repository of the library as `owner/name`, where a root has ever named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The SHA-256 of its root.
    pub root: Sha256Hex,
    /// What the server calls that root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What was wanted of it.
    pub choice: Choice,
    /// The assets, by collection and id.
    pub assets: BTreeMap<String, BTreeMap<String, Held>>,
    /// What was placed: by path, the SHA-256 and the size.
    pub placed: BTreeMap<String, (Sha256Hex, u64)>,
    /// Shards of which it is known that the folder has all assets: by collection and prefix, the SHA-256.
    #[serde(default)]
    pub shards: BTreeMap<String, BTreeMap<String, String>>,
}

/// An asset that the folder has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The SHA-256 of its entry.
    pub entry: Sha256Hex,
    /// The paths of its files in the folder, of those that were wanted, with SHA-256 and size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, Sha256Hex, u64)>,
    /// How many files were wanted that have no address.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unaddressed: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Record {
    /// A record of nothing at all.
    pub fn empty(source: &str, choice: Choice) -> Self {
        Self {
            version: VERSION,
            source: source.to_owned(),
            seq: 0,
            digest: String::new(),
            repository: None,
            root: Sha256Hex::of(b""),
            etag: None,
            choice,
            assets: BTreeMap::new(),
            placed: BTreeMap::new(),
            shards: BTreeMap::new(),
        }
    }

    /// Reads a record; what is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match record.version {
            VERSION => record.refuse_elsewhere().map(|()| record),
            other => Err(format!("it is of version {other}, and this Stockroom knows version {VERSION}")),
        }
    }

    /// Refuses a record that speaks of places outside of the folder.
    fn refuse_elsewhere(&self) -> Result<(), String> {
        let files = self.assets.values().flat_map(BTreeMap::values).flat_map(|held| &held.files);
        let mut paths = self.placed.keys().chain(files.map(|(path, ..)| path));
        paths.try_for_each(|path| refuse_elsewhere(path)).map_err(|refused| refused.to_string())
    }

    /// The record as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json_canonicalizer::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Forgets assets whose entries are not to be had any more, and the shards that they are in.
    pub fn forget(&mut self, lost: &BTreeSet<(String, String)>) {
        for (collection, id) in lost {
            if let Some(assets) = self.assets.get_mut(collection) {
                assets.remove(id);
            }
        }
        forget_shards(&mut self.shards, lost.iter().map(|(collection, id)| (collection.as_str(), id.as_str())));
    }
}

/// Forgets the shards in which one of these assets, by collection and id, is or was.
pub fn forget_shards<'a>(
    shards: &mut BTreeMap<String, BTreeMap<String, String>>,
    assets: impl Iterator<Item = (&'a str, &'a str)>,
) {
    for (collection, id) in assets {
        if let Some(shards) = shards.get_mut(collection) {
            shards.retain(|prefix, _| !belongs(id, prefix));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_leads_out_of_the_folder_is_not_believed() {
        let mut record = Record::empty("https://example.com/", Choice::default());
        record.placed.insert("files/a".to_owned(), (Sha256Hex::of(b"a"), 1));
        assert_eq!(Record::parse(&record.to_bytes()), Ok(record.clone()));
        record.placed.insert("../a".to_owned(), (Sha256Hex::of(b"a"), 1));
        assert!(Record::parse(&record.to_bytes()).is_err());
    }
}
