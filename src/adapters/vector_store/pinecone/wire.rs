//! What Pinecone is told and answers: the parts of its REST API of April 2026 that are used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the API; every request names it.
pub(super) const VERSION: (&str, &str) = ("x-pinecone-api-version", "2026-04");

/// An index, as the control plane describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    pub(super) host: String,
    pub(super) status: Status,
}

/// Whether it can be used.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) ready: bool,
    #[serde(default)]
    pub(super) state: String,
}

/// What an index says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    #[serde(default)]
    pub(super) dimension: Option<usize>,
    #[serde(default)]
    pub(super) metric: Option<String>,
    #[serde(default)]
    pub(super) vector_type: Option<String>,
    #[serde(default)]
    pub(super) namespaces: BTreeMap<String, Summary>,
}

/// What it says of a namespace.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) vector_count: u64,
}

/// How many records it has written, where it says so.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Upserted {
    #[serde(default)]
    pub(super) upserted_count: Option<usize>,
}

/// A page of ids.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) vectors: Vec<ListedId>,
    #[serde(default)]
    pub(super) pagination: Option<Pagination>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct ListedId {
    pub(super) id: String,
}

/// Where the next page is.
#[derive(Debug, Deserialize)]
pub(super) struct Pagination {
    #[serde(default)]
    pub(super) next: Option<String>,
}

/// Records by their ids.
#[derive(Debug, Deserialize)]
pub(super) struct Fetched {
    #[serde(default)]
    pub(super) vectors: BTreeMap<String, Fetch>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Fetch {
    #[serde(default)]
    pub(super) values: Vec<f32>,
    #[serde(default)]
    pub(super) metadata: Value,
}

/// The answer to a query.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    #[serde(default)]
    pub(super) matches: Vec<Match>,
}

/// One of its records.
#[derive(Debug, Deserialize)]
pub(super) struct Match {
    pub(super) id: String,
    #[serde(default)]
    pub(super) score: f32,
    #[serde(default)]
    pub(super) metadata: Value,
}

/// A record to be written.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a> {
    pub(super) id: &'a str,
    pub(super) values: &'a [f32],
    pub(super) metadata: Value,
}

/// A question.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Question<'a> {
    pub(super) namespace: &'a str,
    pub(super) top_k: usize,
    pub(super) vector: &'a [f32],
    pub(super) include_metadata: bool,
    pub(super) include_values: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<Value>,
}
