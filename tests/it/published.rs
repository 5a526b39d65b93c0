//! What is published in a folder, read as a stranger would read it: each file is held against its size and SHA-256.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A collection and an id.
pub type Key = (String, String);

/// The number of an edition of the first commit of a test's library, where the place held nothing before.
pub const FIRST: u64 = 1_767_225_600;

/// The root.
pub fn root(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

/// A file that a root, or another file, refers to.
pub fn file(folder: &Path, reference: &Value) -> Vec<u8> {
    let path = reference["path"].as_str().unwrap_or_else(|| panic!("no reference: {reference}"));
    let bytes = fs::read(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(reference["bytes"], bytes.len(), "{path}");
    assert_eq!(reference["sha256"], hex::encode(Sha256::digest(&bytes)), "{path}");
    assert!(path.contains(reference["sha256"].as_str().unwrap()) || !path.starts_with("shard"), "{path}");
    bytes
}

/// A JSON file that is referred to.
pub fn json(folder: &Path, reference: &Value) -> Value {
    serde_json::from_slice(&file(folder, reference)).unwrap()
}

/// The references to all shards, with their collections.
pub fn shards(folder: &Path) -> Vec<(String, Value)> {
    let list = json(folder, &root(folder)["shards"]);
    let collections = list["collections"].as_object().unwrap().clone();
    let shards = |(name, shards): (String, Value)| {
        shards.as_array().unwrap().iter().map(|shard| (name.clone(), shard.clone())).collect::<Vec<_>>()
    };
    collections.into_iter().flat_map(shards).collect()
}

/// All entries.
pub fn assets(folder: &Path) -> BTreeMap<Key, Value> {
    let mut assets = BTreeMap::new();
    for (collection, shard) in shards(folder) {
        for asset in json(folder, &shard)["assets"].as_array().unwrap() {
            assets.insert((collection.clone(), asset["id"].as_str().unwrap().to_owned()), asset.clone());
        }
    }
    let count = |of: &Value| usize::try_from(of["assets"].as_u64().unwrap()).unwrap();
    assert_eq!(assets.len(), root(folder)["collections"].as_object().unwrap().values().map(count).sum::<usize>());
    assets
}

/// The names of the files that stand for the library itself, whatever was published before.
pub fn names(folder: &Path) -> Vec<String> {
    let root = root(folder);
    let own = ["shards", "index"].into_iter().filter_map(|kind| root[kind]["path"].as_str().map(str::to_owned));
    let shards = shards(folder).into_iter().map(|(_, shard)| shard["path"].as_str().unwrap().to_owned());
    own.chain(shards).collect()
}
