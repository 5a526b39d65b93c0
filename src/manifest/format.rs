//! The manifest's format, version 1: a promise to everybody who reads one.
//!
//! Fields may be added within a version; none is renamed or taken away. `dist/schemas/manifest-root.schema.json`
//! and `dist/schemas/manifest-catalog.schema.json` are generated from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The one mutable file, `manifest.json`: what there is and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Root {
    /// The format's version: 1.
    pub version: u32,
    /// Where the catalog was built from.
    pub source: Source,
    /// SHA-256 of the canonical JSON (RFC 8785) of this object without `source` and `digest`: equal digest, equal library.
    pub digest: String,
    /// The schemas that the records follow: name, version (or `latest`, or `-` for none), SHA-256 of the schema's file.
    pub schemas: BTreeMap<String, BTreeMap<String, String>>,
    /// The collections by name.
    pub collections: BTreeMap<String, CatalogRef>,
}

/// The commit that a manifest was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The repository as `owner/name`, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The commit; absent in a repository without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Present and true when files differed from that commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modified: bool,
}

/// Where a collection's catalog is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogRef {
    /// How many assets it lists.
    pub assets: usize,
    /// Its file beside the root; the name holds its digest, so it never changes.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// A collection's assets, sorted by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Catalog {
    /// The format's version: 1.
    pub version: u32,
    /// The collection's name.
    pub collection: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// Where to fetch it, percent-encoded; absent without `base_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its git object id.
    pub git_oid: String,
    /// Its media type by its extension (IANA, else `application/octet-stream`).
    pub media_type: String,
}
