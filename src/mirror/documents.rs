//! The documents of a publication, from bytes that anybody could have put there: each is what its parent promised, or refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::names::is_beside_root;
use crate::ids::Sha256Hex;
use crate::manifest::format::{CollectionSummary, Delta, DeltaRef, FileRef, Root, ShardList, ShardRef, VERSION};

/// How large a root may be, in bytes.
pub const MOST_ROOT: u64 = 4 << 20;
/// How large any other document may be, in bytes, whatever its parent says.
pub const MOST_DOCUMENT: u64 = 256 << 20;

/// How many bytes all shards together may have: they are held in memory.
const MOST_SHARDS: u64 = 1 << 30;

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {why}")]
pub struct Flaw {
    /// The document's name beside the root.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Says what is wrong with a document.
pub fn flaw(name: &str, why: impl Into<String>) -> Flaw {
    Flaw { name: name.to_owned(), why: why.into() }
}

/// A document that another one names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Document {
    /// Its name beside the root.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl From<&FileRef> for Document {
    fn from(reference: &FileRef) -> Self {
        Self { path: reference.path.clone(), bytes: reference.bytes, sha256: reference.sha256.clone() }
    }
}

impl From<&DeltaRef> for Document {
    fn from(reference: &DeltaRef) -> Self {
        Self { path: reference.path.clone(), bytes: reference.bytes, sha256: reference.sha256.clone() }
    }
}

impl From<&ShardRef> for Document {
    fn from(reference: &ShardRef) -> Self {
        Self { path: reference.path.clone(), bytes: reference.bytes, sha256: reference.sha256.clone() }
    }
}

impl Document {
    /// Refuses what no root of ours would name, before anything is asked for.
    pub fn refuse_unusable(&self) -> Result<(), Flaw> {
        if !is_beside_root(&self.path) {
            return Err(flaw(&format!("{:?}", self.path), "is no name of a file beside the root"));
        }
        if Sha256Hex::parse(&self.sha256).is_err() {
            return Err(flaw(&self.path, "is named without a SHA-256"));
        }
        if self.bytes > MOST_DOCUMENT {
            return Err(flaw(
                &self.path,
                format!("is said to have {} bytes, more than is taken ({MOST_DOCUMENT})", self.bytes),
            ));
        }
        Ok(())
    }

    /// Whether these bytes are the document: its size and its SHA-256.
    pub fn refuse_other(&self, bytes: &[u8]) -> Result<(), Flaw> {
        if size(bytes) != self.bytes {
            let why = format!("has {} bytes, and {} were promised{}", bytes.len(), self.bytes, web_page(bytes));
            return Err(flaw(&self.path, why));
        }
        let found = Sha256Hex::of(bytes);
        if found.as_str() != self.sha256 {
            let why = format!("is not what the root promised: its SHA-256 is {found}, and should be {}", self.sha256);
            return Err(flaw(&self.path, why));
        }
        Ok(())
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A few words where it looks like a page for people.
fn web_page(bytes: &[u8]) -> &'static str {
    let start = bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    if start == Some(b'<') {
        "; it looks like a web page, such as a server sends in place of a file that it lacks"
    } else {
        ""
    }
}

/// Any document of ours says which version of the format it is of.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

pub(super) fn parsed<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Flaw> {
    let page = web_page(bytes);
    if !page.is_empty() {
        return Err(flaw(name, format!("is not JSON{page}")));
    }
    let broken = |error: serde_json::Error| match error.is_eof() {
        true => flaw(name, "breaks off in the middle"),
        false => flaw(name, format!("is not what a manifest holds there: {error}")),
    };
    let versioned: Versioned = serde_json::from_slice(bytes).map_err(broken)?;
    if versioned.version != VERSION {
        let why = format!(
            "is of version {} of the format, and this Stockroom knows version {VERSION}; a newer one may know it",
            versioned.version
        );
        return Err(flaw(name, why));
    }
    serde_json::from_slice(bytes).map_err(broken)
}

/// Reads a root, and refuses one that contradicts itself.
pub fn root(bytes: &[u8]) -> Result<Root, Flaw> {
    const NAME: &str = "manifest.json";
    if size(bytes) > MOST_ROOT {
        return Err(flaw(NAME, format!("is larger than any root may be ({MOST_ROOT} bytes)")));
    }
    let root: Root = parsed(NAME, bytes)?;
    if Sha256Hex::parse(&root.digest).is_err() {
        return Err(flaw(NAME, "has a `digest` that is none"));
    }
    let digest = catalogue_digest(&root);
    if digest.as_ref().map(Sha256Hex::as_str) != Some(root.digest.as_str()) {
        return Err(flaw(NAME, "contradicts itself: its `digest` is not that of its collections and schemas"));
    }
    for document in documents(&root) {
        document.refuse_unusable()?;
    }
    Ok(root)
}

/// The documents that a root names.
pub fn documents(root: &Root) -> Vec<Document> {
    let further = [root.index.as_ref(), root.findings.as_ref(), root.exports.as_ref()];
    let mut all = vec![Document::from(&root.shards), Document::from(&root.updated)];
    all.extend(further.into_iter().flatten().map(Document::from));
    all.extend(root.delta.as_ref().map(Document::from));
    all
}

/// The digest of the catalogue that a root speaks of, from its own summaries.
fn catalogue_digest(root: &Root) -> Option<Sha256Hex> {
    let summary = |of: &CollectionSummary| json!({"assets": of.assets, "digest": of.digest});
    let collections: BTreeMap<&String, Value> = root.collections.iter().map(|(name, of)| (name, summary(of))).collect();
    let whole = json!({"version": root.version, "schemas": root.schemas, "collections": collections});
    serde_json_canonicalizer::to_vec(&whole).ok().map(|bytes| Sha256Hex::of(&bytes))
}

/// The digest of a collection whose assets have entries with these SHA-256s.
pub fn collection_digest<'e>(entries: impl Iterator<Item = (&'e str, &'e Sha256Hex)>) -> Sha256Hex {
    let mut lines = String::new();
    for (id, sha256) in entries {
        lines.push_str(sha256.as_str());
        lines.push(' ');
        lines.push_str(id);
        lines.push('\n');
    }
    Sha256Hex::of(lines.as_bytes())
}

/// Reads the list of the shards.
pub fn shard_list(document: &Document, bytes: &[u8]) -> Result<ShardList, Flaw> {
    document.refuse_other(bytes)?;
    let list: ShardList = parsed(&document.path, bytes)?;
    let mut bytes = 0_u64;
    for shard in list.collections.values().flatten() {
        Document::from(shard).refuse_unusable()?;
        bytes = bytes.saturating_add(shard.bytes);
        if bytes > MOST_SHARDS {
            return Err(flaw(&document.path, format!("names shards of more bytes than are taken ({MOST_SHARDS})")));
        }
        if shard.prefix.len() > 256 || !shard.prefix.bytes().all(|bit| matches!(bit, b'0' | b'1')) {
            return Err(flaw(&document.path, format!("names a shard by {:?}, which are no bits", shard.prefix)));
        }
    }
    Ok(list)
}

/// An asset's entry as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The asset's id.
    pub id: String,
    /// The SHA-256 of the entry.
    pub sha256: Sha256Hex,
    /// The entry in canonical JSON.
    pub bytes: Vec<u8>,
}

/// Takes an entry that stands in a document.
fn line(name: &str, entry: &Value) -> Result<Line, Flaw> {
    let id = entry.get("id").and_then(Value::as_str).ok_or_else(|| flaw(name, "has an asset without an id"))?;
    let bytes = serde_json_canonicalizer::to_vec(entry)
        .map_err(|error| flaw(name, format!("has no canonical form: {error}")))?;
    Ok(Line { id: id.to_owned(), sha256: Sha256Hex::of(&bytes), bytes })
}

#[derive(Deserialize)]
struct RawShard {
    assets: Vec<Value>,
}

/// Reads a shard: the assets that it was promised to have, each where its id leads.
pub fn shard(reference: &ShardRef, bytes: &[u8]) -> Result<Vec<Line>, Flaw> {
    let document = Document::from(reference);
    document.refuse_other(bytes)?;
    let raw: RawShard = parsed(&document.path, bytes)?;
    let lines = raw.assets.iter().map(|entry| line(&document.path, entry)).collect::<Result<Vec<_>, _>>()?;
    if lines.len() != reference.assets {
        let why = format!("has {} assets, and {} were promised", lines.len(), reference.assets);
        return Err(flaw(&document.path, why));
    }
    if lines.windows(2).any(|pair| matches!(pair, [a, b] if a.id >= b.id)) {
        return Err(flaw(&document.path, "has its assets out of order, or one of them twice"));
    }
    match lines.iter().find(|line| !belongs(&line.id, &reference.prefix)) {
        Some(stray) => {
            Err(flaw(&document.path, format!("has the asset {:?}, which belongs into another shard", stray.id)))
        }
        None => Ok(lines),
    }
}

/// Whether the SHA-256 of an asset's id begins with these bits.
pub fn belongs(id: &str, prefix: &str) -> bool {
    let digest = Sha256Hex::of(id.as_bytes());
    let digits = digest.as_str().bytes().map(|digit| char::from(digit).to_digit(16).unwrap_or_default());
    let mut bits = digits.flat_map(|value| [8, 4, 2, 1].map(|bit| if value & bit == 0 { b'0' } else { b'1' }));
    prefix.bytes().all(|wanted| bits.next() == Some(wanted))
}

/// A delta that has been read: what it leads from and to, and what it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The digest of the catalogue before.
    pub from: String,
    /// The digest of the catalogue after.
    pub to: String,
    /// The assets that are new or other than before, by collection.
    pub put: Vec<(String, Line)>,
    /// The assets that are gone: collection and id.
    pub removed: Vec<(String, String)>,
    /// The delta before it.
    pub prev: Option<DeltaRef>,
}

/// Reads a delta.
pub fn delta(reference: &DeltaRef, bytes: &[u8]) -> Result<Change, Flaw> {
    let document = Document::from(reference);
    document.refuse_other(bytes)?;
    // Entries are kept as they stand, with fields that this program does not know.
    let mut raw: Value = parsed(&document.path, bytes)?;
    let puts = raw.get_mut("put").map(Value::take).unwrap_or_default();
    if let Some(frame) = raw.as_object_mut() {
        frame.insert("put".to_owned(), json!([]));
    }
    let broken = |why: String| flaw(&document.path, format!("is not what a manifest holds there: {why}"));
    let frame: Delta = serde_json::from_value(raw).map_err(|error| broken(error.to_string()))?;
    if frame.from != reference.from {
        return Err(flaw(&document.path, "leads from another catalogue than was promised"));
    }
    let mut put = Vec::new();
    for item in puts.as_array().ok_or_else(|| broken("`put` is no list".to_owned()))? {
        let collection = item.get("collection").and_then(Value::as_str);
        let parts = collection.zip(item.get("asset"));
        let (collection, entry) = parts.ok_or_else(|| broken("an asset stands without its collection".to_owned()))?;
        put.push((collection.to_owned(), line(&document.path, entry)?));
    }
    if let Some(prev) = &frame.prev {
        Document::from(prev).refuse_unusable()?;
    }
    let removed = frame.removed.into_iter().map(|key| (key.collection, key.id)).collect();
    Ok(Change { from: frame.from, to: frame.to, put, removed, prev: frame.prev })
}
