//! An asset: what the rest of the house needs of a record and the files beside it.

use serde::Serialize;
use serde_json::Value;

use super::collection::Collection;
use crate::ids::{AssetKey, BlobId, RepoPath, SchemaName, Sha256Hex};

/// A valid record with its files, ready to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// What names it.
    pub key: AssetKey,
    /// Its metadata file.
    pub record: RepoPath,
    /// What it means: its value without what the collection calls volatile.
    pub meaning: Value,
    /// The schema that accepted it, if the collection has one.
    pub schema: Option<UsedSchema>,
    /// The files beside it, sorted by path.
    pub files: Vec<CompanionFile>,
    /// Whether there are warnings about it.
    pub warned: bool,
}

/// A schema and the version of it that a record was checked with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UsedSchema {
    /// Its name in the registry.
    pub name: SchemaName,
    /// Its version, `latest`, or nothing for a schema without versions.
    pub version: Option<String>,
    /// The SHA-256 of the schema's file.
    pub sha256: Sha256Hex,
}

impl UsedSchema {
    /// `name@version`, or the name alone for a schema without versions.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// A file that belongs to an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionFile {
    /// Where it is.
    pub path: RepoPath,
    /// The git object id of its content.
    pub blob: BlobId,
}

/// What a record means: its value without the volatile parts.
pub fn meaning(collection: &Collection, mut value: Value) -> Value {
    for pattern in &collection.volatile {
        pattern.remove(&mut value);
    }
    value
}
