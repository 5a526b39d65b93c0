//! Pinecone, by its REST API.
//!
//! An index is never made: that costs money and needs a choice of cloud and region, so what to do is said. Each generation is
//! a namespace of its own, and the mark one more. A word of the query finds its chunks by a list of words in the metadata.
//! What was written may be seen a little later: nothing that a run does relies on reading what it has just written, and a
//! list or a mark that is behind only makes the next run look again.

mod names;
mod record;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use self::wire::{Fetched, Found, Index, Listed, Question, Stats, Upserted, VERSION};
use super::json_server::{Access, Answer, JsonServer, last_of_each, runs};
use super::{Description, Point, VectorStore, VectorStoreError};
use crate::adapters::http::Pace;
use crate::embedding::plan::Actual;
use crate::embedding::search::{Candidate, rank};
use crate::embedding::{Held, Hit, Namespace, Query};
use crate::ids::ChunkId;
use crate::secret::Secret;
use crate::state::row::IndexMark;

/// The control plane.
const CONTROL: &str = "https://api.pinecone.io";
/// Where indexes are made by hand.
const CONSOLE: &str = "https://app.pinecone.io";
/// The most records and bytes of a request, with room for what stands around the records.
const RECORDS: usize = 1_000;
const BYTES: usize = 2_000_000 - 2_000;
/// How many ids a request to delete may hold.
const DELETED: usize = 1_000;
/// How many ids are listed at a time, and how many are fetched: these stand in an address of some 4 KB.
const PAGE: usize = 100;
/// Answers that are held in memory at a time.
const ANSWERS: usize = 16;
/// A hundred requests a second, for each namespace.
const SPACING: Duration = Duration::from_millis(10);
/// A list that is longer is one without an end.
const PAGES: usize = 200_000;
const MARK: &str = "mark";

/// A library's chunks in an index of Pinecone.
pub struct Pinecone {
    server: Arc<JsonServer>,
    url: Option<Secret>,
    index: String,
    scope: String,
    located: OnceCell<Located>,
}

/// An index that was found.
struct Located {
    base: Secret,
    dimension: usize,
}

/// Which index it is and what it is to keep.
pub struct PineconeSettings {
    /// The address of the index itself, of the control plane, or of an emulator on this machine; Pinecone's where there is none.
    /// The error says why it is not known, once the store is asked.
    pub url: Result<Option<Secret>, String>,
    /// The key. The error says why there is none.
    pub key: Result<Secret, String>,
    /// The name of the index.
    pub index: String,
    /// Whose chunks these are.
    pub scope: String,
}

impl Pinecone {
    /// The store, which is not asked yet.
    pub fn new(client: reqwest::Client, pace: Arc<dyn Pace>, settings: PineconeSettings) -> Self {
        let PineconeSettings { url, key, index, scope } = settings;
        let place = format!("the Pinecone index {index} (namespace {scope})");
        let (key, url) = match (key, url) {
            (key, Ok(url)) => (key.map(Some), url),
            (Err(why), _) | (_, Err(why)) => (Err(why), None),
        };
        let (carriers, headers) = (&[("api-key", "")], &[VERSION]);
        let server = JsonServer::new(Access { client, pace, place, key, carriers, headers, spacing: SPACING });
        Self { server: Arc::new(server), url, index, scope, located: OnceCell::new() }
    }

    async fn located(&self) -> Result<&Located, VectorStoreError> {
        let find = || async {
            let base = self.host().await?;
            let stats = self.stats(&base).await?;
            let name = &self.index;
            if stats.vector_type.as_deref().is_some_and(|kind| kind != "dense") {
                return Err(self
                    .server
                    .unusable(format!("the index {name} is not for dense vectors. {}", self.advice())));
            }
            // All vectors are of length 1, so a dot product is a cosine.
            if let Some(metric) = stats.metric.filter(|metric| metric != "cosine" && metric != "dotproduct") {
                let why = format!("the index {name} measures by `{metric}` and not by `cosine`. {}", self.advice());
                return Err(self.server.unusable(why));
            }
            let none =
                || self.server.unusable(format!("the index {name} does not say its dimension. {}", self.advice()));
            Ok(Located { dimension: stats.dimension.ok_or_else(none)?, base })
        };
        self.located.get_or_try_init(find).await
    }

    /// What to do about an index that is missing or does not fit.
    fn advice(&self) -> String {
        format!(
            "Make one at {CONSOLE} (it costs money, so Stockroom does not): a serverless index with dense vectors, the metric \
             `cosine` and the dimension of your model, without an embedding model of Pinecone's; then set `embed.store.name` to \
             its name"
        )
    }

    /// The address of the index.
    async fn host(&self) -> Result<Secret, VectorStoreError> {
        let control = match &self.url {
            None => Secret::new(CONTROL),
            Some(url) => Secret::new(url.reveal().trim_end_matches('/')),
        };
        let parsed = Url::parse(control.reveal())
            .map_err(|error| self.server.unusable(format!("`embed.store.url` is no address: {error}")))?;
        let host = parsed.host_str().unwrap_or_default();
        let is_here = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        if !is_here && host != "api.pinecone.io" {
            return Ok(control);
        }
        let name = &self.index;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') || name.is_empty() {
            return Err(self.server.unusable(format!("no index is called {name:?}: {}", self.advice())));
        }
        let address = Secret::new(format!("{}/indexes/{name}", control.reveal()));
        let answer = self.server.ask(Method::GET, &address, None).await?;
        if answer.status == 404 {
            // An emulator of one index has no control plane, which would have its own form of a refusal.
            if is_here && !answer.has("/error/code") {
                return Ok(control);
            }
            return Err(self.server.unusable(format!("there is no index {name}. {}", self.advice())));
        }
        let Index { host, status } = self.server.parse(&answer)?;
        if !status.ready {
            let state = if status.state.chars().all(char::is_alphanumeric) { status.state } else { String::new() };
            return Err(self.server.unusable(format!("it is not ready yet ({state}). Run again when it is")));
        }
        if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) || host.is_empty() {
            return Err(self.server.unusable("the host that Pinecone gives for it is none"));
        }
        Ok(Secret::new(format!("{}://{host}", if is_here { "http" } else { "https" })))
    }

    async fn stats(&self, base: &Secret) -> Result<Stats, VectorStoreError> {
        let url = Secret::new(format!("{}/describe_index_stats", base.reveal()));
        let answer = self.server.ask(Method::POST, &url, Some("{}".to_owned())).await?;
        self.server.parse(&answer)
    }

    async fn url(&self, path: &str) -> Result<Secret, VectorStoreError> {
        Ok(Secret::new(format!("{}{path}", self.located().await?.base.reveal())))
    }

    async fn post(&self, path: &str, body: String) -> Result<Answer, VectorStoreError> {
        self.server.ask(Method::POST, &self.url(path).await?, Some(body)).await
    }

    fn named(&self, generation: &Namespace) -> Result<String, VectorStoreError> {
        names::of(&self.scope, generation).map_err(|error| self.server.unusable(error.to_string()))
    }

    /// The ids of our records in a namespace.
    async fn listed(&self, namespace: &str) -> Result<Vec<String>, VectorStoreError> {
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let limit = PAGE.to_string();
            let mut pairs = vec![("namespace", namespace), ("prefix", record::PREFIX), ("limit", &limit)];
            pairs.extend(token.as_deref().map(|token| ("paginationToken", token)));
            let url = self.url(&format!("/vectors/list?{}", query(&pairs))).await?;
            let answer = self.server.ask(Method::GET, &url, None).await?;
            if answer.status == 404 {
                return Ok(ids);
            }
            let Listed { vectors, pagination } = self.server.parse(&answer)?;
            ids.extend(vectors.into_iter().map(|listed| listed.id));
            let next = pagination.and_then(|page| page.next).filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(ids);
            }
            if next == token {
                break;
            }
            token = next;
        }
        Err(self.server.unusable("its list of ids has no end"))
    }

    /// Records by their ids, of which each goes through `take`.
    async fn fetched<T>(
        &self,
        namespace: &str,
        ids: &[String],
        take: impl Fn(wire::Fetch) -> Option<T>,
    ) -> Result<BTreeMap<String, T>, VectorStoreError> {
        let mut all = BTreeMap::new();
        let pages: Vec<&[String]> = ids.chunks(PAGE).collect();
        for pages in pages.chunks(ANSWERS) {
            let mut requests = Vec::new();
            for ids in pages {
                let pairs: Vec<_> =
                    ids.iter().map(|id| ("ids", id.as_str())).chain([("namespace", namespace)]).collect();
                requests.push((self.url(&format!("/vectors/fetch?{}", query(&pairs))).await?, None));
            }
            for answer in self.server.ask_all(&Method::GET, requests).await? {
                if answer.status != 404 {
                    let fetched: Fetched = self.server.parse(&answer)?;
                    all.extend(fetched.vectors.into_iter().filter_map(|(id, fetch)| Some((id, take(fetch)?))));
                }
            }
        }
        Ok(all)
    }

    fn content_refused(&self, why: String) -> VectorStoreError {
        VectorStoreError::Refused { place: self.server.place().to_owned(), why }
    }

    /// Writes records, each as JSON, in as few requests as they fit in.
    async fn write(&self, namespace: &str, records: Vec<String>) -> Result<(), VectorStoreError> {
        let url = self.url("/vectors/upsert").await?;
        let cut = runs(records, RECORDS, BYTES);
        let counts: Vec<usize> = cut.iter().map(Vec::len).collect();
        let name = json!(namespace);
        let body = |run: Vec<String>| format!(r#"{{"namespace":{name},"vectors":[{}]}}"#, run.join(","));
        let requests = cut.into_iter().map(|run| (url.clone(), Some(body(run)))).collect();
        for (answer, sent) in self.server.ask_all(&Method::POST, requests).await?.into_iter().zip(counts) {
            if answer.is_about_content() {
                return Err(self.content_refused(self.server.told(&answer)));
            }
            let Upserted { upserted_count } = self.server.parse(&answer)?;
            if let Some(taken) = upserted_count.filter(|taken| *taken < sent) {
                return Err(self.content_refused(format!("it has taken {taken} of {sent} chunks")));
            }
        }
        Ok(())
    }

    async fn nearest(
        &self,
        namespace: &str,
        vector: &[f32],
        count: usize,
        filter: Option<&Value>,
    ) -> Result<Vec<Candidate>, VectorStoreError> {
        let mut top_k = count;
        loop {
            let question = Question {
                namespace,
                top_k,
                vector,
                include_metadata: true,
                include_values: false,
                filter: filter.cloned(),
            };
            let body = serde_json::to_string(&question).unwrap_or_default();
            let answer = self.post("/query", body).await?;
            if answer.status == 404 {
                return Ok(Vec::new());
            }
            // Its answers have at most 4 MB; where texts are long, fewer fit.
            if answer.is_about_content() && top_k > 10 {
                top_k /= 2;
                continue;
            }
            let found: Found = self.server.parse(&answer)?;
            let candidate = |found: wire::Match| {
                let (Held { asset, path, .. }, text) = record::read(found.metadata)?;
                Some(Candidate { id: record::chunk(&found.id)?, asset, path, text, cosine: found.score })
            };
            return Ok(found.matches.into_iter().filter_map(candidate).collect());
        }
    }
}

/// Pairs as the query of an address.
fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[async_trait]
impl VectorStore for Pinecone {
    fn place(&self) -> String {
        self.server.place().to_owned()
    }

    async fn describe(&self) -> Result<Description, VectorStoreError> {
        let Located { base, dimension } = self.located().await?;
        let stats = self.stats(base).await?;
        let ours = stats.namespaces.iter().filter(|(name, _)| names::generation(&self.scope, name).is_some());
        let chunks = ours.map(|(_, summary)| summary.vector_count).sum();
        Ok(Description { server: format!("{}, of dimension {dimension}", self.place()), chunks })
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        let namespace = names::of_mark(&self.scope).map_err(|error| self.server.unusable(error.to_string()))?;
        let text = |fetch: wire::Fetch| fetch.metadata.get(MARK)?.as_str().and_then(IndexMark::parse);
        Ok(self.fetched(&namespace, &[MARK.to_owned()], text).await?.remove(MARK))
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        let namespace = names::of_mark(&self.scope).map_err(|error| self.server.unusable(error.to_string()))?;
        // A record has a vector, and not that of zeros.
        let mut values = vec![0.0_f32; self.located().await?.dimension];
        values.iter_mut().take(1).for_each(|value| *value = 1.0);
        let record = json!({"id": MARK, "values": values, "metadata": {MARK: mark.to_text()}});
        self.write(&namespace, vec![record.to_string()]).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        let mut all = Actual::new();
        let stats = self.stats(&self.located().await?.base).await?;
        for name in stats.namespaces.keys() {
            let Some(generation) = names::generation(&self.scope, name) else { continue };
            let ids = self.listed(name).await?;
            let records = self.fetched(name, &ids, |fetch| Some(record::read(fetch.metadata)?.0)).await?;
            let chunks: BTreeMap<ChunkId, Held> =
                records.into_iter().filter_map(|(id, held)| Some((record::chunk(&id)?, held))).collect();
            if !chunks.is_empty() {
                all.insert(generation, chunks);
            }
        }
        Ok(all)
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        let ids: Vec<String> = ids.iter().map(record::id).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let dimension = self.located().await?.dimension;
        let values = |fetch: wire::Fetch| (fetch.values.len() == dimension).then_some(fetch.values);
        let records = self.fetched(&self.named(namespace)?, &ids, values).await?;
        Ok(records.into_iter().filter_map(|(id, vector)| Some((record::chunk(&id)?, vector))).collect())
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        let Some(first) = points.first() else { return Ok(()) };
        let (given, taken) = (first.vector.len(), self.located().await?.dimension);
        if given != taken {
            return Err(self.server.unusable(format!(
                "the index {} takes vectors of {taken} numbers, and the model gives {given}. Set `embed.model.dimensions` to \
                 {taken}, where the model can do so. Or another index: {}",
                self.index,
                self.advice()
            )));
        }
        let name = self.named(namespace)?;
        let records: Result<Vec<String>, _> =
            last_of_each(points, |point| &point.chunk.id).into_iter().map(record::written).collect();
        self.write(&name, records.map_err(|error| self.content_refused(error.to_string()))?).await
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        let name = self.named(namespace)?;
        for page in ids.chunks(DELETED) {
            let ids: Vec<String> = page.iter().map(record::id).collect();
            let answer = self.post("/vectors/delete", json!({"namespace": name, "ids": ids}).to_string()).await?;
            if !answer.is_ok() && answer.status != 404 {
                return Err(self.server.refused(&answer));
            }
        }
        Ok(())
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        let name = self.named(namespace)?;
        let url = self.url(&format!("/namespaces/{name}")).await?;
        let mut answer = self.server.ask(Method::DELETE, &url, None).await?;
        if matches!(answer.status, 404 | 405 | 501) {
            // It is not there, or the server is one that knows no namespaces to take away, but can empty them.
            answer = self.post("/vectors/delete", json!({"namespace": name, "deleteAll": true}).to_string()).await?;
        }
        if answer.is_ok() || answer.status == 404 { Ok(()) } else { Err(self.server.refused(&answer)) }
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        let name = self.named(namespace)?;
        let count = super::candidates(k);
        let mut found = self.nearest(&name, &query.vector, count, None).await?;
        let words = record::words(&query.text);
        if !words.is_empty() {
            let filter = json!({"words": {"$in": words}});
            found.extend(self.nearest(&name, &query.vector, count, Some(&filter)).await?);
        }
        let each: BTreeMap<ChunkId, Candidate> = found.into_iter().map(|c| (c.id.clone(), c)).collect();
        Ok(rank(&query.text, each.into_values().collect(), k))
    }
}

#[cfg(test)]
mod tests;
