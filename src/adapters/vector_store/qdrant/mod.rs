//! Qdrant, by its REST API.
//!
//! Vectors of one length are in one collection, `NAME-LENGTH`, those of all libraries and generations: many small collections
//! are what Qdrant copes with worst. Whose a point is stands in its payload. `NAME-marks` holds what is kept of each library,
//! and the format; a collection that is there without it is somebody else's.

mod collections;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::wire::{Facets, Found, OF_HELD, Queried, Reply, Scrolled, Sent, id_of, is, point_id};
use super::json_server::{Access, Answer, JsonServer, asked_words, last_of_each, runs};
use super::{Description, Point, VectorStore, VectorStoreError};
use crate::adapters::http::Pace;
use crate::embedding::plan::Actual;
use crate::embedding::search::rank;
use crate::embedding::{Hit, Namespace, Query};
use crate::ids::ChunkId;
use crate::secret::Secret;
use crate::state::row::IndexMark;

/// What one request holds at most, in points and about in bytes; a server takes 32 MB.
const POINTS: usize = 500;
const BYTES: usize = 8 << 20;
/// How many points are listed at a time.
const PAGE: usize = 1_000;
/// How many pages a list may have: nobody keeps as many chunks.
const PAGES: usize = 20_000;
/// How many ids stand in one request.
const IDS: usize = 1_000;
/// How many of the nearest chunks are ranked, at least and at most.
const CANDIDATES: (usize, usize) = (200, 1_000);
/// For each word of a query so many of the nearest chunks that hold it are looked at, for so many words.
const OF_EACH_WORD: usize = 100;
const WORDS: usize = 16;

/// A library's chunks in a Qdrant server.
pub struct Qdrant {
    server: JsonServer,
    url: Secret,
    name: String,
    scope: String,
    known: Mutex<Known>,
}

/// Where a server is and what it is to keep.
pub struct QdrantSettings {
    /// Its address. The error says why there is none, once the store is asked.
    pub url: Result<Secret, String>,
    /// What may be said of the address.
    pub shown: String,
    /// The key, where it asks for one. The error says why there is none.
    pub key: Result<Option<Secret>, String>,
    /// What the names of our collections begin with.
    pub name: String,
    /// Whose chunks these are.
    pub scope: String,
}

/// What was found out.
#[derive(Default)]
struct Known {
    /// The format was looked at, and there is something.
    is_there: bool,
    /// The collections that can be written to, by the length of their vectors.
    ready: BTreeSet<usize>,
}

impl Qdrant {
    /// The store, which is not asked yet.
    pub fn new(client: reqwest::Client, pace: Arc<dyn Pace>, settings: QdrantSettings) -> Self {
        let QdrantSettings { url, shown, key, name, scope } = settings;
        let place = format!("Qdrant at {shown} (collections {name}-…, namespace {scope})");
        let (key, url) = match (key, url) {
            (_, Err(why)) => (Err(why), Secret::new("")),
            (key, Ok(url)) => (key, url),
        };
        let (carriers, headers, spacing) = (&[("api-key", "")], &[], Duration::ZERO);
        let server = JsonServer::new(Access { client, pace, place, key, carriers, headers, spacing });
        Self { server, url, name, scope, known: Mutex::default() }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, VectorStoreError> {
        let url = Secret::new(format!("{}{path}", self.url.reveal().trim_end_matches('/')));
        self.server.ask(method, &url, body).await
    }

    fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, VectorStoreError> {
        Ok(self.server.parse::<Reply<T>>(answer)?.result)
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for so many at most, and for fewer where the server says that it does not give so many.
    async fn ask_most(
        &self,
        path: &str,
        mut most: usize,
        body: impl Fn(usize) -> Value + Send,
    ) -> Result<Answer, VectorStoreError> {
        loop {
            let answer = self.ask(Method::POST, path, Some(body(most).to_string())).await?;
            if answer.status != 400 || most <= 10 {
                return Ok(answer);
            }
            most /= 4;
        }
    }

    /// The points of the scope, or of one of its namespaces.
    fn filter(&self, namespace: Option<&Namespace>) -> Value {
        let mut must = vec![is("scope", &self.scope)];
        must.extend(namespace.map(|namespace| is("namespace", namespace.as_str())));
        json!({"must": must})
    }

    /// All points of the scope in a collection; one that has gone since has none.
    async fn scroll(&self, collection: &str, all: &mut Actual) -> Result<(), VectorStoreError> {
        let (path, filter) = (format!("{collection}/points/scroll"), self.filter(None));
        let mut offset = Value::Null;
        for _ in 0..PAGES {
            let body = |limit: usize| {
                let payload = json!({"include": OF_HELD});
                json!({"filter": filter, "limit": limit, "offset": offset, "with_payload": payload, "with_vector": false})
            };
            let answer = self.ask_most(&path, PAGE, body).await?;
            if answer.status == 404 {
                return Ok(());
            }
            let Scrolled { points, next_page_offset } = self.parse(&answer)?;
            let is_last = points.is_empty();
            for point in points {
                let odd = |error| self.server.unusable(format!("a point in {collection} is not one of ours ({error})"));
                let (namespace, id, held) = point.held().map_err(odd)?;
                all.entry(namespace).or_default().insert(id, held);
            }
            // The same page again would be one for ever.
            if is_last || next_page_offset.is_null() || next_page_offset == offset {
                return Ok(());
            }
            offset = next_page_offset;
        }
        Err(self.server.unusable(format!("it lists more points in {collection} than can be ours")))
    }

    /// What came of a write.
    fn written(&self, answer: &Answer) -> Result<(), VectorStoreError> {
        if answer.is_about_content() {
            return Err(VectorStoreError::Refused {
                place: self.server.place().to_owned(),
                why: self.server.told(answer),
            });
        }
        self.parse::<Value>(answer).map(drop)
    }
}

#[async_trait]
impl VectorStore for Qdrant {
    fn place(&self) -> String {
        self.server.place().to_owned()
    }

    async fn describe(&self) -> Result<Description, VectorStoreError> {
        let version = self.version().await?;
        let (mut chunks, mut parts) = (0, Vec::new());
        for collection in self.collections().await? {
            let body =
                json!({"key": "namespace", "filter": self.filter(None), "limit": 100, "exact": true}).to_string();
            let answer = self.ask(Method::POST, &format!("{collection}/facet"), Some(body)).await?;
            let Facets { hits } = self.parse(&answer)?;
            for facet in hits {
                let generation = facet.value.as_str().unwrap_or_default();
                parts.push(format!("{generation} with {} chunks", facet.count));
                chunks = facet.count.saturating_add(chunks);
            }
        }
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
        Ok(Description { server: format!("version {version} of {}{parts}", self.place()), chunks })
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        if !self.is_there().await? {
            return Ok(None);
        }
        let notes = self.note(&id_of(["mark", &self.scope])).await?.unwrap_or_default();
        Ok(notes.first().and_then(|note| note.payload["mark"].as_str()).and_then(IndexMark::parse))
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        self.begin().await?;
        let payload = json!({"scope": self.scope, "mark": mark.to_text()});
        self.keep(&id_of(["mark", &self.scope]), &payload).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        let mut all = Actual::new();
        for collection in self.collections().await? {
            self.scroll(&collection, &mut all).await?;
        }
        Ok(all)
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        let mut found = BTreeMap::new();
        if ids.is_empty() || !self.is_there().await? {
            return Ok(found);
        }
        for dimension in self.dimensions().await? {
            // A number takes about a dozen bytes in the answer.
            let most = (BYTES / (12 * dimension.max(1))).clamp(1, IDS);
            for page in ids.chunks(most) {
                let ids: Vec<String> = page.iter().map(|id| point_id(&self.scope, namespace, id)).collect();
                let body = json!({"ids": ids, "with_payload": {"include": ["chunk"]}, "with_vector": true}).to_string();
                let answer =
                    self.ask(Method::POST, &format!("{}/points", self.collection(dimension)), Some(body)).await?;
                if answer.status == 404 {
                    break;
                }
                let points: Vec<Found> = self.parse(&answer)?;
                found.extend(points.into_iter().map(|point| (point.chunk(), point.vector)));
            }
        }
        Ok(found)
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        let mut by_dimension: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for point in last_of_each(points, |point| &point.chunk.id) {
            let sent = serde_json::to_string(&Sent::of(&self.scope, namespace, point));
            let sent = sent.map_err(|error| self.server.unusable(error.to_string()))?;
            by_dimension.entry(point.vector.len()).or_default().push(sent);
        }
        for (dimension, points) in by_dimension {
            self.prepare(dimension).await?;
            let path = format!("{}/points?wait=true", self.collection(dimension));
            for run in runs(points, POINTS, BYTES) {
                let body = format!("{{\"points\":[{}]}}", run.join(","));
                let answer = self.ask(Method::PUT, &path, Some(body)).await?;
                if answer.status == 404 {
                    // Somebody has deleted the collection; the next try makes it again.
                    self.known(|known| *known = Known::default());
                }
                self.written(&answer)?;
            }
        }
        Ok(())
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        for collection in self.collections().await? {
            for page in ids.chunks(IDS) {
                let ids: Vec<String> = page.iter().map(|id| point_id(&self.scope, namespace, id)).collect();
                let body = json!({"points": ids}).to_string();
                let answer =
                    self.ask(Method::POST, &format!("{collection}/points/delete?wait=true"), Some(body)).await?;
                if answer.status == 404 {
                    break;
                }
                self.parse::<Value>(&answer)?;
            }
        }
        Ok(())
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        for collection in self.collections().await? {
            let body = json!({"filter": self.filter(Some(namespace))}).to_string();
            let answer = self.ask(Method::POST, &format!("{collection}/points/delete?wait=true"), Some(body)).await?;
            if answer.status != 404 {
                self.parse::<Value>(&answer)?;
            }
        }
        Ok(())
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        if !self.is_there().await? {
            return Ok(Vec::new());
        }
        let most = k.saturating_mul(4).clamp(CANDIDATES.0, CANDIDATES.1);
        let words: Vec<String> = asked_words(&query.text).into_iter().take(WORDS).collect();
        let of = |filter: Value, limit: usize| {
            let payload = json!({"include": ["chunk", "collection", "asset", "path", "text"]});
            json!({"query": query.vector, "filter": filter, "limit": limit, "with_payload": payload})
        };
        let body = |most: usize| {
            let mut searches = vec![of(self.filter(Some(namespace)), most)];
            for word in &words {
                let must = [
                    is("scope", &self.scope),
                    is("namespace", namespace.as_str()),
                    json!({"key": "text", "match": {"text": word}}),
                ];
                searches.push(of(json!({"must": must}), OF_EACH_WORD.min(most)));
            }
            json!({"searches": searches})
        };
        let path = format!("{}/points/query/batch", self.collection(query.vector.len()));
        let answer = self.ask_most(&path, most, body).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let found: Vec<Queried> = self.parse(&answer)?;
        let candidates = found.into_iter().flat_map(|found| found.points).map(Found::candidate);
        let by_id: BTreeMap<ChunkId, _> = candidates.map(|candidate| (candidate.id.clone(), candidate)).collect();
        Ok(rank(&query.text, by_id.into_values().collect(), k))
    }
}

#[cfg(test)]
#[path = "../../../../tests/it/qdrant_server.rs"]
pub mod test_server;
#[cfg(test)]
mod tests;
