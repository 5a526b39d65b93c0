//! What goes to Qdrant and comes from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Builder;

use super::super::Point;
use crate::embedding::search::Candidate;
use crate::embedding::{Held, Namespace};
use crate::ids::{AssetId, AssetKey, ChunkId, CollectionName, InvalidId, RepoPath, Sha256Hex};

/// What `held` wants of a payload; not the text.
pub(super) const OF_HELD: [&str; 7] = ["namespace", "chunk", "collection", "asset", "path", "position", "hash"];

/// Every answer.
#[derive(Deserialize)]
pub(super) struct Reply<T> {
    pub(super) result: T,
}

/// What the server says of itself.
#[derive(Deserialize)]
pub(super) struct Root {
    pub(super) title: String,
    pub(super) version: String,
}

/// The names of the collections.
#[derive(Deserialize)]
pub(super) struct Collections {
    pub(super) collections: Vec<Named>,
}

/// The name of one.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// What a collection is.
#[derive(Deserialize)]
pub(super) struct Collection {
    config: Config,
    #[serde(default)]
    pub(super) payload_schema: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Config {
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    vectors: Value,
}

impl Collection {
    /// Whether it keeps one vector of this length with each point, and measures by cosine.
    pub(super) fn takes(&self, dimension: usize) -> bool {
        let vectors = &self.config.params.vectors;
        vectors["size"].as_u64() == u64::try_from(dimension).ok() && vectors["distance"] == "Cosine"
    }
}

/// What stands beside a vector.
#[derive(Serialize, Deserialize)]
pub(super) struct Payload {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(default)]
    pub(super) namespace: String,
    chunk: String,
    #[serde(default)]
    collection: String,
    #[serde(default)]
    asset: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    position: u32,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    text: String,
}

/// A point on its way.
#[derive(Serialize)]
pub(super) struct Sent<'p> {
    id: String,
    vector: &'p [f32],
    payload: Payload,
}

impl<'p> Sent<'p> {
    pub(super) fn of(scope: &str, namespace: &Namespace, Point { chunk, vector }: &'p Point) -> Self {
        let payload = Payload {
            scope: scope.to_owned(),
            namespace: namespace.to_string(),
            chunk: chunk.id.to_string(),
            collection: chunk.asset.collection.to_string(),
            asset: chunk.asset.id.to_string(),
            path: chunk.path.to_string(),
            position: chunk.index,
            hash: chunk.hash.to_string(),
            text: chunk.text.clone(),
        };
        Self { id: point_id(scope, namespace, &chunk.id), vector, payload }
    }
}

/// A point that comes back.
#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) payload: Payload,
    #[serde(default)]
    pub(super) vector: Vec<f32>,
    #[serde(default)]
    score: f32,
}

impl Found {
    /// The chunk, as far as `held` wants it.
    pub(super) fn held(self) -> Result<(Namespace, ChunkId, Held), InvalidId> {
        let Payload { namespace, chunk, collection, asset, path, position, hash, .. } = self.payload;
        let asset = AssetKey { collection: CollectionName::new(collection), id: AssetId::new(asset) };
        let held =
            Held { asset, path: RepoPath::new(path), index: position, hash: Sha256Hex::parse(&hash)?, certain: true };
        Ok((Namespace::from_store(namespace), ChunkId::from_store(chunk), held))
    }

    /// The chunk with its text.
    pub(super) fn candidate(self) -> Candidate {
        let Payload { chunk, collection, asset, path, text, .. } = self.payload;
        let asset = AssetKey { collection: CollectionName::new(collection), id: AssetId::new(asset) };
        Candidate { id: ChunkId::from_store(chunk), asset, path: RepoPath::new(path), text, cosine: self.score }
    }

    /// The chunk's id.
    pub(super) fn chunk(&self) -> ChunkId {
        ChunkId::from_store(self.payload.chunk.clone())
    }
}

/// A page of points.
#[derive(Deserialize)]
pub(super) struct Scrolled {
    pub(super) points: Vec<Found>,
    #[serde(default)]
    pub(super) next_page_offset: Value,
}

/// What one of several queries found.
#[derive(Deserialize)]
pub(super) struct Queried {
    pub(super) points: Vec<Found>,
}

/// How often values occur.
#[derive(Deserialize)]
pub(super) struct Facets {
    pub(super) hits: Vec<Facet>,
}

/// How often one does.
#[derive(Deserialize)]
pub(super) struct Facet {
    pub(super) value: Value,
    pub(super) count: u64,
}

/// A point that carries nothing but what is kept of a scope, or of all.
#[derive(Deserialize)]
pub(super) struct Note {
    #[serde(default)]
    pub(super) payload: Value,
}

/// The id of a chunk's point: Qdrant takes numbers and UUIDs only, and one collection holds several libraries.
pub(super) fn point_id(scope: &str, namespace: &Namespace, chunk: &ChunkId) -> String {
    id_of(["chunk", scope, namespace.as_str(), chunk.as_str()])
}

/// A UUID (version 8) made of a digest of texts.
pub(super) fn id_of<const N: usize>(texts: [&str; N]) -> String {
    // Of each its digest, so that no text can stand for two.
    let digest = texts.iter().fold(Sha256::new(), |all, text| all.chain_update(Sha256::digest(text))).finalize();
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(digest) {
        *byte = from;
    }
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Points with this value.
pub(super) fn is(key: &str, value: &str) -> Value {
    json!({"key": key, "match": {"value": value}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_points_id_is_a_uuid_of_its_own_for_every_scope_and_namespace() {
        let id =
            |scope, namespace, chunk| point_id(scope, &Namespace::from_store(namespace), &ChunkId::from_store(chunk));
        let ids = [id("a", "b", "c"), id("ab", "", "c"), id("", "ab", "c"), id("a", "bc", ""), id("a", "b\0", "c")];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
        assert_eq!(uuid::Uuid::parse_str(&ids[0]).unwrap().get_version_num(), 8);
        assert_eq!(ids[0], id("a", "b", "c"));
    }
}
