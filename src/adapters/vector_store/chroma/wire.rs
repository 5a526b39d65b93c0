//! What Chroma is told and answers: the parts of its REST API, version 2, that are used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose databases a key opens.
#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    pub(super) tenant: String,
    #[serde(default)]
    pub(super) databases: Vec<String>,
}

/// What a server can take.
#[derive(Debug, Deserialize)]
pub(super) struct Checks {
    pub(super) max_batch_size: usize,
}

/// A collection, as the server describes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Collection {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) metadata: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(super) dimension: Option<usize>,
    #[serde(default)]
    pub(super) configuration_json: Value,
}

impl Collection {
    /// A text of its metadata.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key)?.as_str()
    }

    /// How it measures distances, where it says so.
    pub(super) fn space(&self) -> Option<&str> {
        ["/hnsw/space", "/spann/space"].iter().find_map(|place| self.configuration_json.pointer(place)?.as_str())
    }
}

/// What is kept of a chunk beside its text and vector.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) collection: String,
    pub(super) asset: String,
    pub(super) path: String,
    pub(super) index: u32,
    pub(super) hash: String,
}

/// Records to be written; the fields are lists of the same length.
#[derive(Debug, Default, Serialize)]
pub(super) struct Upsert<'a> {
    pub(super) ids: Vec<&'a str>,
    pub(super) embeddings: Vec<&'a [f32]>,
    pub(super) documents: Vec<&'a str>,
    pub(super) metadatas: Vec<Metadata>,
}

/// Records as they are read; what cannot be one of ours is empty.
#[derive(Debug, Deserialize)]
pub(super) struct Got {
    pub(super) ids: Vec<String>,
    #[serde(default)]
    pub(super) metadatas: Option<Vec<Value>>,
    #[serde(default)]
    pub(super) embeddings: Option<Vec<Option<Vec<f32>>>>,
}

/// The answer to a query; of each list the first is that of its first vector.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) ids: Vec<Vec<String>>,
    pub(super) documents: Vec<Vec<Option<String>>>,
    pub(super) metadatas: Vec<Vec<Value>>,
    pub(super) distances: Vec<Vec<Option<f32>>>,
}
