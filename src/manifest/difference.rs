//! What has changed between what a place holds and a manifest.

use std::collections::BTreeMap;

use serde_json::json;

use super::build::canonical;
use super::format::{AssetEntry, Key, Renamed, ShardList};
use super::layout::{Layout, Line, by_key};
use crate::ids::Sha256Hex;

/// The assets that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Those that are new, or whose entries have changed, in the order of their keys.
    pub put: Vec<Changed>,
    /// Those that are gone.
    pub removed: Vec<Key>,
    /// Those that have another id.
    pub renamed: Vec<Renamed>,
}

/// An asset whose entry is not the one of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its entry now.
    pub line: Line,
    /// Whether there was none before.
    pub is_new: bool,
    /// Whether it means something else than before.
    pub is_meant: bool,
}

impl Difference {
    /// Compares a layout with the shards of before; `old` are the entries of those that the layout does not have.
    pub fn between(old_list: &ShardList, old: Vec<Line>, new: &Layout) -> Self {
        let mut old = by_key(old);
        let mut difference = Self::default();
        for (key, line) in by_key(new.lines_beside(old_list)) {
            match old.remove(&key) {
                Some(before) if before.bytes == line.bytes => {}
                before => {
                    let is_meant = before.as_ref().is_none_or(|before| before.digest != line.digest);
                    difference.put.push(Changed { line, is_new: before.is_none(), is_meant });
                }
            }
        }
        difference.renamed = renamed(&old, &difference.put);
        difference.removed = old.into_keys().map(|(collection, id)| Key { collection, id }).collect();
        difference
    }

    /// How many are new.
    pub fn added(&self) -> usize {
        self.put.iter().filter(|changed| changed.is_new).count()
    }
}

/// What is gone and has come again under another id of the same collection. Of several that are alike none can be told.
fn renamed(gone: &BTreeMap<(String, String), Line>, put: &[Changed]) -> Vec<Renamed> {
    let gone = by_content(gone.values());
    if gone.is_empty() {
        return Vec::new();
    }
    let come = by_content(put.iter().filter(|changed| changed.is_new).map(|changed| &changed.line));
    let mut all = Vec::new();
    for (key, from) in gone {
        if let ([from], Some([to])) = (from.as_slice(), come.get(&key).map(Vec::as_slice)) {
            all.push(Renamed { collection: key.0.to_owned(), from: (*from).to_owned(), to: (*to).to_owned() });
        }
    }
    all.sort();
    all
}

/// The ids of those that are alike, by their collection and what they are.
fn by_content<'l>(lines: impl Iterator<Item = &'l Line>) -> BTreeMap<(&'l str, Sha256Hex), Vec<&'l str>> {
    let mut all: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for line in lines {
        if let Some(content) = content(line) {
            all.entry((line.collection.as_str(), content)).or_default().push(&line.id);
        }
    }
    all
}

/// What an asset is, whatever it and its files are called.
fn content(line: &Line) -> Option<Sha256Hex> {
    let entry: AssetEntry = serde_json::from_slice(&line.bytes).ok()?;
    let mut files: Vec<&str> = entry.files.iter().map(|file| file.sha256.as_str()).collect();
    files.sort_unstable();
    let mut record = entry.record;
    if let Some(members) = record.as_object_mut() {
        // The id itself often stands in the record.
        members.retain(|_, value| value.as_str() != Some(entry.id.as_str()));
    }
    Some(Sha256Hex::of(&canonical(&json!([record, entry.schema, files])).ok()?))
}
