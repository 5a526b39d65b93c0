//! Publications made by hand, for tests: independent of the code that publishes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ids::Sha256Hex;
use crate::manifest::format::Root;

/// A library: by collection and id, an entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library(pub BTreeMap<String, BTreeMap<String, Value>>);

/// A publication of it.
#[derive(Debug, Clone)]
pub struct Edition {
    pub files: BTreeMap<String, Vec<u8>>,
    pub root: Value,
    library: Library,
}

fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap()
}

/// A file's content, by what it is told to be.
pub fn content(of: &str) -> Vec<u8> {
    format!("content {of}").into_bytes()
}

/// An asset's entry with files of these paths and contents.
pub fn entry(id: &str, version: u64, files: &[(&str, &str)]) -> Value {
    let file = |(path, of): &(&str, &str)| {
        let bytes = content(of);
        json!({
            "path": path, "url": format!("https://files.example.com/{path}"), "bytes": bytes.len(), "sha256": Sha256Hex::of(&bytes),
            "git_oid": "0".repeat(40), "media_type": "text/plain", "role": "file",
        })
    };
    json!({
        "id": id, "path": format!("{id}.json"), "digest": Sha256Hex::of(&version.to_be_bytes()), "status": "valid",
        "record": {"title": id, "version": version}, "files": files.iter().map(file).collect::<Vec<_>>(),
    })
}

impl Library {
    /// A library of assets with one file each.
    pub fn of(assets: &[(&str, &str, u64)]) -> Self {
        let mut library = Self::default();
        for (collection, id, version) in assets {
            let (path, of) = (format!("{id}/file"), format!("{id} {version}"));
            library.put(collection, id, entry(id, *version, &[(path.as_str(), of.as_str())]));
        }
        library
    }

    pub fn put(&mut self, collection: &str, id: &str, entry: Value) {
        self.0.entry(collection.to_owned()).or_default().insert(id.to_owned(), entry);
    }

    fn summary(&self) -> (Value, String) {
        let mut collections = serde_json::Map::new();
        let mut slim = serde_json::Map::new();
        for (name, assets) in &self.0 {
            let lines: String =
                assets.iter().map(|(id, entry)| format!("{} {id}\n", Sha256Hex::of(&canonical(entry)))).collect();
            let digest = Sha256Hex::of(lines.as_bytes());
            collections.insert(name.clone(), json!({"assets": assets.len(), "files": 0, "bytes": 0, "digest": digest}));
            slim.insert(name.clone(), json!({"assets": assets.len(), "digest": digest}));
        }
        let digest = Sha256Hex::of(&canonical(&json!({"version": 1, "schemas": {}, "collections": slim})));
        (collections.into(), digest.to_string())
    }

    /// Publishes it as the edition `seq`, on top of the one before.
    pub fn publish(&self, seq: u64, before: Option<&Edition>) -> Edition {
        let (collections, digest) = self.summary();
        let mut files = before.map(|before| before.files.clone()).unwrap_or_default();
        let mut lists = serde_json::Map::new();
        for (name, assets) in &self.0 {
            let mut shards = Vec::new();
            divide(&assets.iter().collect::<Vec<_>>(), "", &mut shards, &mut files);
            lists.insert(name.clone(), shards.into());
        }
        let list = canonical(&json!({"version": 1, "collections": lists}));
        let mut root = json!({
            "version": 1, "digest": digest, "source": {}, "seq": seq, "schemas": {}, "collections": collections,
            "shards": add(&mut files, "shards", list), "presentation": "",
            "updated": add(&mut files, "updated", canonical(&json!({"version": 1, "commits": [{}], "base": 0, "collections": {}, "deltas": []}))),
        });
        if let Some(before) = before.filter(|before| before.root["digest"] != digest) {
            root["delta"] = self.delta(seq, before, &digest, &mut files);
            root["prev"] =
                json!({"seq": seq - 1, "digest": before.root["digest"], "sha256": Sha256Hex::of(&before.root_bytes())});
        } else if let Some(delta) = before.and_then(|before| before.root.get("delta")) {
            root["delta"] = delta.clone();
        }
        Edition { files, root, library: self.clone() }
    }

    fn delta(&self, seq: u64, before: &Edition, digest: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Value {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for (name, assets) in &self.0 {
            for (id, entry) in assets {
                if before.library.0.get(name).and_then(|assets| assets.get(id)) != Some(entry) {
                    put.push(json!({"asset": entry, "collection": name}));
                }
            }
        }
        for (name, assets) in &before.library.0 {
            for id in assets.keys().filter(|id| self.0.get(name).is_none_or(|now| !now.contains_key(*id))) {
                removed.push(json!({"collection": name, "id": id}));
            }
        }
        let mut delta = json!({
            "version": 1, "from": before.root["digest"], "to": digest, "seq": seq, "source": {}, "put": put, "removed": removed,
            "renamed": [],
        });
        if let Some(prev) = before.root.get("delta") {
            delta["prev"] = prev.clone();
        }
        let mut reference = add(files, "delta", canonical(&delta));
        reference["from"] = before.root["digest"].clone();
        reference
    }
}

fn add(files: &mut BTreeMap<String, Vec<u8>>, kind: &str, bytes: Vec<u8>) -> Value {
    let sha256 = Sha256Hex::of(&bytes);
    let path = format!("{kind}-{sha256}.json");
    let reference = json!({"path": path, "bytes": bytes.len(), "sha256": sha256});
    files.insert(path, bytes);
    reference
}

/// Shards of at most two assets.
fn divide(assets: &[(&String, &Value)], prefix: &str, shards: &mut Vec<Value>, files: &mut BTreeMap<String, Vec<u8>>) {
    if assets.len() <= 2 {
        let entries: Vec<_> = assets.iter().map(|(_, entry)| entry).collect();
        let bytes = canonical(&json!({"version": 1, "assets": entries}));
        let mut reference = add(files, "shard", bytes);
        reference["prefix"] = json!(prefix);
        reference["assets"] = json!(assets.len());
        return shards.push(reference);
    }
    for bit in ["0", "1"] {
        let prefix = format!("{prefix}{bit}");
        let half: Vec<_> = assets.iter().copied().filter(|(id, _)| super::documents::belongs(id, &prefix)).collect();
        if !half.is_empty() {
            divide(&half, &prefix, shards, files);
        }
    }
}

impl Edition {
    pub fn root(&self) -> Root {
        serde_json::from_value(self.root.clone()).unwrap()
    }

    pub fn root_bytes(&self) -> Vec<u8> {
        [canonical(&self.root), b"\n".to_vec()].concat()
    }
}
