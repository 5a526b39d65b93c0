//! The manifest's format, version 1: a promise to everybody who reads one.
//!
//! Fields may be added within a version; none is renamed or taken away. The JSON Schemas `dist/schemas/manifest-*.schema.json`
//! are generated from these types. Every file but the root is named by its SHA-256 and never changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The version of the format that is written here.
pub const VERSION: u32 = 1;

/// The largest number of anything: canonical JSON (RFC 8785) has no larger one that everybody reads alike.
pub const MOST_NUMBER: u64 = (1 << 53) - 1;

/// Reads a number of things, which is none that canonical JSON could not carry on.
fn counted<'de, D: Deserializer<'de>, N: TryFrom<u64>>(from: D) -> Result<N, D::Error> {
    let number = u64::deserialize(from)?;
    let fit = N::try_from(number).ok().filter(|_| number <= MOST_NUMBER);
    fit.ok_or_else(|| D::Error::custom(format!("{number} is a larger number than a manifest may hold ({MOST_NUMBER})")))
}

/// The one mutable file, `manifest.json`: what there is and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Root {
    /// The format's version: 1.
    pub version: u32,
    /// SHA-256 of the canonical JSON (RFC 8785) of `version`, `schemas`, and of each collection its `assets` and `digest`:
    /// equal digest, equal library.
    pub digest: String,
    /// Where the library was read from.
    pub source: Source,
    /// The libraries that it was made of, where it is that of a hub; their collections are called `NAME/COLLECTION`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// A number that only grows: the time of the commit in seconds since 1970-01-01 UTC, or one more than that of the edition
    /// before where that is higher.
    #[serde(deserialize_with = "counted")]
    pub seq: u64,
    /// The edition before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Prev>,
    /// The schemas that the records follow: name, version (or `latest`, or `-` for none), SHA-256 of the schema's file.
    pub schemas: BTreeMap<String, BTreeMap<String, String>>,
    /// The collections by name.
    pub collections: BTreeMap<String, CollectionSummary>,
    /// The list of the shards.
    pub shards: FileRef,
    /// All assets in short; absent where that would be no small file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<FileRef>,
    /// What has changed since the edition with the digest `from`; absent where it would be larger than the shards that have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaRef>,
    /// Which commit last changed each asset.
    pub updated: FileRef,
    /// What there is to look at in the library; absent where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<FileRef>,
    /// The head of the search in a browser, whose files are among the exports; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<FileRef>,
    /// The list of the files in other formats; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exports: Option<FileRef>,
    /// SHA-256 of all that the exports are made from beside the assets, so that a change of it is published.
    pub presentation: String,
    /// Until when this edition may be relied on, as RFC 3339 in UTC: a place that is not renewed was forgotten or is held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// The commit that a manifest was built from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The repository as `owner/name`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The commit; absent in a repository without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit's tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// When it was committed, as RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Present and true when files differed from that commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modified: bool,
}

/// A library of a hub, and the edition of it that the hub has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Its name in the hub.
    pub name: String,
    /// Where its manifest was read: an address, or the last part of a path.
    pub place: String,
    /// The `digest` of its edition.
    pub digest: String,
    /// The `seq` of its edition.
    #[serde(deserialize_with = "counted")]
    pub seq: u64,
    /// The commit that it was built from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// An earlier edition at the same place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prev {
    /// Its number.
    #[serde(deserialize_with = "counted")]
    pub seq: u64,
    /// Its `digest`.
    pub digest: String,
    /// The SHA-256 of its root's bytes.
    pub sha256: String,
}

/// A collection in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CollectionSummary {
    /// How many assets it has.
    #[serde(deserialize_with = "counted")]
    pub assets: usize,
    /// How many files they have.
    #[serde(deserialize_with = "counted")]
    pub files: usize,
    /// How many bytes those files have.
    #[serde(deserialize_with = "counted")]
    pub bytes: u64,
    /// SHA-256 over a line for each asset, in the order of their ids: the SHA-256 of its entry as it stands in its shard, a
    /// space, its id, a line break.
    pub digest: String,
}

/// A file beside the root. Its name holds its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRef {
    /// Its name, relative to the root.
    pub path: String,
    /// Its size in bytes.
    #[serde(deserialize_with = "counted")]
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// A delta, and what it is one from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltaRef {
    /// Its name, relative to the root.
    pub path: String,
    /// Its size in bytes.
    #[serde(deserialize_with = "counted")]
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// The digest of the library that it is to be applied to.
    pub from: String,
}

/// All shards of all collections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ShardList {
    /// The format's version: 1.
    pub version: u32,
    /// The shards of each collection, in the order of their prefixes.
    pub collections: BTreeMap<String, Vec<ShardRef>>,
}

/// A file of those assets of a collection the SHA-256 of whose ids begins with certain bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardRef {
    /// The bits, as zeros and ones; none where the collection has a single shard.
    pub prefix: String,
    /// Its name, relative to the root.
    pub path: String,
    /// Its size in bytes.
    #[serde(deserialize_with = "counted")]
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// How many assets it has.
    #[serde(deserialize_with = "counted")]
    pub assets: usize,
}

/// Some assets of one collection, sorted by id. Each stands on a line of its own, in canonical JSON (RFC 8785).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// The format's version: 1.
    pub version: u32,
    /// The assets.
    pub assets: Vec<AssetEntry>,
}

/// One asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssetEntry {
    /// Its id, unique in the collection.
    pub id: String,
    /// The path of its metadata file in the repository.
    pub path: String,
    /// SHA-256 of what it means: its record without volatile values, its path, its schema, and the paths and contents of its
    /// files. Equal digest, nothing that matters has changed.
    pub digest: String,
    /// `valid`, or `warning` when there is something to look at.
    pub status: String,
    /// The schema that accepted it, as `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The published part of the record.
    pub record: Value,
    /// The files beside it, sorted by path.
    pub files: Vec<FileEntry>,
}

/// A file of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    /// Its path in the repository.
    pub path: String,
    /// Where to fetch it, percent-encoded; absent without `base_url`, and for a private file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What a shop's own server finds a private file by: its path, percent-encoded. Present where the file is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its size in bytes.
    #[serde(deserialize_with = "counted")]
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its git object id.
    pub git_oid: String,
    /// Its media type by its extension (IANA, else `application/octet-stream`).
    pub media_type: String,
    /// What it is to the asset: `thumbnail`, `image`, `model`, `video`, `text` or `file`, or a role of the library's own.
    pub role: String,
    /// The width of an image, in pixels, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The height of an image, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

/// All assets in short, sorted by collection and id, each on a line of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Index {
    /// The format's version: 1.
    pub version: u32,
    /// The assets.
    pub assets: Vec<IndexEntry>,
}

/// One asset in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexEntry {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// The `digest` of its entry.
    pub digest: String,
    /// The `status` of its entry.
    pub status: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A few words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where its page is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The address of its picture; absent where it has none that can be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// What leads from one library to the next: it can be applied where the digest of what one has is `from`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delta {
    /// The format's version: 1.
    pub version: u32,
    /// The digest before.
    pub from: String,
    /// The digest after.
    pub to: String,
    /// The number of the edition that it belongs to.
    #[serde(deserialize_with = "counted")]
    pub seq: u64,
    /// Where the library was read from.
    pub source: Source,
    /// Assets that are new or have changed, each on a line of its own.
    pub put: Vec<Put>,
    /// Assets that are gone.
    pub removed: Vec<Key>,
    /// Assets that have another id now. Each is in `removed` and `put` too, so this may be ignored.
    pub renamed: Vec<Renamed>,
    /// The delta before this one, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<DeltaRef>,
}

/// An asset as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Put {
    /// Its collection.
    pub collection: String,
    /// Its entry.
    pub asset: AssetEntry,
}

/// What names an asset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
}

/// An asset with another id than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Renamed {
    /// Its collection.
    pub collection: String,
    /// Its id before.
    pub from: String,
    /// Its id now.
    pub to: String,
}

/// Which commit last changed what an asset means, as far as this place has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Updated {
    /// The format's version: 1.
    pub version: u32,
    /// The commits, oldest first.
    pub commits: Vec<Moment>,
    /// The place in `commits` of the one that counts for all assets that are not listed.
    #[serde(deserialize_with = "counted")]
    pub base: usize,
    /// By collection and id, the place in `commits`.
    pub collections: BTreeMap<String, BTreeMap<String, usize>>,
    /// The deltas that are kept, newest first.
    pub deltas: Vec<DeltaRef>,
}

/// A commit and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// The commit; absent for files that were not committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When it was committed, as RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// What there is to look at in the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// The format's version: 1.
    pub version: u32,
    /// The findings in the order of their files.
    pub findings: Vec<PublishedFinding>,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedFinding {
    /// What kind of finding it is.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// The file.
    pub path: String,
    /// The line, from 1; absent where it is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The files in other formats.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExportList {
    /// The format's version: 1.
    pub version: u32,
    /// By the name of the export, its files, sorted by path.
    pub exports: BTreeMap<String, Vec<FileRef>>,
}
