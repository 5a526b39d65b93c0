//! The documents of a publication, from bytes that anybody could have put there: each is what its parent promised, or refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::cost::too_costly;
use super::names::is_beside_root;
use crate::ids::Sha256Hex;
use crate::manifest::format::{
    CollectionSummary, DeltaRef, FileRef, Key, Renamed, Root, ShardList, ShardRef, Source, VERSION,
};

/// How large a root may be, in bytes.
pub const MOST_ROOT: u64 = 4 << 20;
/// How large any other document may be, in bytes, whatever its parent says.
pub const MOST_DOCUMENT: u64 = 64 << 20;
/// How large a shard may be that has another one beside it: so the format says.
const MOST_SHARD: u64 = 64 << 10;
/// How large a shard of a single asset may be, which cannot be divided.
const MOST_SINGLE: u64 = 8 << 20;
/// How large all shards may be together: whoever reads them has them in memory.
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
    if let Some(why) = too_costly(bytes) {
        return Err(flaw(name, why));
    }
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
    let (mut together, mut met) = (0_u64, BTreeSet::new());
    for (collection, shard) in
        list.collections.iter().flat_map(|(name, shards)| shards.iter().map(move |one| (name, one)))
    {
        Document::from(shard).refuse_unusable()?;
        let most = match (shard.assets, shard.prefix.as_str()) {
            (1, _) => MOST_SINGLE,
            (_, "") => MOST_DOCUMENT,
            _ => MOST_SHARD,
        };
        if shard.bytes > most {
            let assets = if shard.assets == 1 { "1 asset".to_owned() } else { format!("{} assets", shard.assets) };
            let why = format!("is said to have {} bytes, more than a shard of {assets} may have ({most})", shard.bytes);
            return Err(flaw(&shard.path, why));
        }
        together = together.saturating_add(shard.bytes);
        if !met.insert((collection, &shard.path)) {
            return Err(flaw(&document.path, format!("names the shard {} of {collection:?} twice", shard.path)));
        }
        if shard.prefix.len() > 256 || !shard.prefix.bytes().all(|bit| matches!(bit, b'0' | b'1')) {
            return Err(flaw(&document.path, format!("names a shard by {:?}, which are no bits", shard.prefix)));
        }
    }
    if together > MOST_SHARDS {
        let why = format!("names shards of {together} bytes together, more than is taken into memory ({MOST_SHARDS})");
        return Err(flaw(&document.path, why));
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
impl TryFrom<&Value> for Line {
    type Error = String;

    fn try_from(entry: &Value) -> Result<Self, String> {
        let id = entry.get("id").and_then(Value::as_str).ok_or("there is an asset without an id")?;
        let bytes = serde_json_canonicalizer::to_vec(entry)
            .map_err(|error| format!("there is an asset without a canonical form: {error}"))?;
        Ok(Self { id: id.to_owned(), sha256: Sha256Hex::of(&bytes), bytes })
    }
}

/// An asset of a delta, with its collection.
struct Put(String, Line);

impl TryFrom<&Value> for Put {
    type Error = String;

    fn try_from(item: &Value) -> Result<Self, String> {
        let parts = item.get("collection").and_then(Value::as_str).zip(item.get("asset"));
        let (collection, entry) = parts.ok_or("an asset stands without its collection")?;
        Ok(Self(collection.to_owned(), Line::try_from(entry)?))
    }
}

/// A list the items of which are taken one by one: as data, a whole shard is many times as large as it was on the way.
///
/// Entries are kept as they stand, with fields that this program does not know.
struct OneByOne<T>(Vec<T>);

impl<'de, T: for<'v> TryFrom<&'v Value, Error = String>> Deserialize<'de> for OneByOne<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: for<'v> TryFrom<&'v Value, Error = String>> Visitor<'de> for Items<T> {
            type Value = OneByOne<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of assets")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneByOne<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<Value>()? {
                    items.push(T::try_from(&item).map_err(A::Error::custom)?);
                }
                Ok(OneByOne(items))
            }
        }

        from.deserialize_seq(Items(PhantomData))
    }
}

#[derive(Deserialize)]
struct RawShard {
    assets: OneByOne<Line>,
}

/// Reads a shard: the assets that it was promised to have, each where its id leads.
pub fn shard(reference: &ShardRef, bytes: &[u8]) -> Result<Vec<Line>, Flaw> {
    let lines = lines(&Document::from(reference), bytes)?;
    refuse_misplaced(reference, &lines)?;
    Ok(lines)
}

/// Reads the assets of a shard, whichever they are.
pub fn lines(document: &Document, bytes: &[u8]) -> Result<Vec<Line>, Flaw> {
    document.refuse_other(bytes)?;
    let raw: RawShard = parsed(&document.path, bytes)?;
    Ok(raw.assets.0)
}

/// Refuses assets that are not those which a shard was promised to have.
pub fn refuse_misplaced(reference: &ShardRef, lines: &[Line]) -> Result<(), Flaw> {
    if lines.len() != reference.assets {
        let why = format!("has {} assets, and {} were promised", lines.len(), reference.assets);
        return Err(flaw(&reference.path, why));
    }
    if lines.windows(2).any(|pair| matches!(pair, [a, b] if a.id >= b.id)) {
        return Err(flaw(&reference.path, "has its assets out of order, or one of them twice"));
    }
    match lines.iter().find(|line| !belongs(&line.id, &reference.prefix)) {
        Some(stray) => {
            Err(flaw(&reference.path, format!("has the asset {:?}, which belongs into another shard", stray.id)))
        }
        None => Ok(()),
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

#[derive(Deserialize)]
struct RawDelta {
    from: String,
    to: String,
    put: OneByOne<Put>,
    removed: Vec<Key>,
    prev: Option<DeltaRef>,
    #[serde(rename = "renamed")]
    _renamed: Vec<Renamed>,
    #[serde(rename = "source")]
    _source: Source,
    #[serde(rename = "seq")]
    _seq: u64,
}

/// Reads a delta.
pub fn delta(reference: &DeltaRef, bytes: &[u8]) -> Result<Change, Flaw> {
    let document = Document::from(reference);
    document.refuse_other(bytes)?;
    let RawDelta { from, to, put, removed, prev, .. } = parsed(&document.path, bytes)?;
    if from != reference.from {
        return Err(flaw(&document.path, "leads from another catalogue than was promised"));
    }
    if let Some(prev) = &prev {
        Document::from(prev).refuse_unusable()?;
    }
    let put = put.0.into_iter().map(|Put(collection, line)| (collection, line)).collect();
    let removed = removed.into_iter().map(|key| (key.collection, key.id)).collect();
    Ok(Change { from, to, put, removed, prev })
}
