//! Chroma, by version 2 of its REST API.
//!
//! Each generation is a collection of its own: a collection has one dimension, and to take a generation away is to take its
//! collection, where a deletion in the index would leave its place behind. Which generation of which scope a collection
//! holds is in its metadata; its name is made of a digest, as a name holds few characters. The mark is the metadata of one
//! more collection, which stays empty.

mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use self::wire::{Checks, Collection, Found, Got, Identity, Metadata, Upsert};
use super::json_server::{Access, Answer, JsonServer, asked_words, last_of_each};
use super::{Description, Point, VectorStore, VectorStoreError};
use crate::adapters::http::Pace;
use crate::embedding::plan::Actual;
use crate::embedding::search::{Candidate, rank};
use crate::embedding::{Held, Hit, Namespace, Query};
use crate::ids::{AssetId, AssetKey, ChunkId, CollectionName, RepoPath, Sha256Hex};
use crate::secret::Secret;
use crate::state::row::IndexMark;

/// Records that are read at a time; Chroma's cloud gives no more.
const PAGE: usize = 300;
/// Collections that are listed at a time.
const COLLECTIONS: usize = 100;
/// A list that has more pages is one without an end.
const PAGES: usize = 100_000;
/// Records that are written at a time: Chroma answers when all are in its index, and takes up to 20 ms for each that it has already.
const MOST: usize = 500;
/// A request is not much larger than this, so that it is sent well before its deadline; a server takes 40 MB.
const BYTES: usize = 4 << 20;
/// How a collection says what it is to us.
const KIND: &str = "stockroom";

/// A library's chunks in a Chroma server.
pub struct Chroma {
    server: JsonServer,
    url: Secret,
    name: String,
    scope: String,
    base: OnceCell<Secret>,
    batch: OnceCell<usize>,
    /// The collections that are written to.
    known: Mutex<BTreeMap<Namespace, String>>,
}

/// Where a server is and what it is to keep.
pub struct ChromaSettings {
    /// Its address; with `/api/v2/tenants/T/databases/D` at its end where the key opens several databases. The error says
    /// why there is none, once the store is asked.
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

impl Chroma {
    /// The store, which is not asked yet.
    pub fn new(client: reqwest::Client, pace: Arc<dyn Pace>, settings: ChromaSettings) -> Self {
        let ChromaSettings { url, shown, key, name, scope } = settings;
        let place = format!("Chroma at {shown} (collections {name}-…, namespace {scope})");
        let (key, url) = match (key, url) {
            (Err(why), Ok(url)) => (Err(why), url),
            (_, Err(why)) => (Err(why), Secret::new("")),
            (key, Ok(url)) => (key, url),
        };
        // Chroma's cloud reads the one, a server behind a proxy the other.
        let carriers = &[("x-chroma-token", ""), ("authorization", "Bearer ")];
        let (headers, spacing) = (&[], Duration::ZERO);
        let server = JsonServer::new(Access { client, pace, place, key, carriers, headers, spacing });
        let (base, batch, known) = (OnceCell::new(), OnceCell::new(), Mutex::default());
        Self { server, url, name, scope, base, batch, known }
    }

    /// The part of the address that is the server's alone.
    fn root(&self) -> &str {
        let url = self.url.reveal();
        url.split_once("/api/v2").map_or(url, |(root, _)| root).trim_end_matches('/')
    }

    /// The address of our database.
    async fn base(&self) -> Result<&Secret, VectorStoreError> {
        let find = || async {
            let url = self.url.reveal().trim_end_matches('/');
            if url.contains("/api/v2/tenants/") {
                return Ok(Secret::new(url));
            }
            let identity = Secret::new(format!("{}/api/v2/auth/identity", self.root()));
            let answer = self.server.ask(Method::GET, &identity, None).await?;
            let Identity { tenant, databases } = self.server.parse(&answer)?;
            let [database] = databases.as_slice() else {
                return Err(self.server.unusable(format!(
                    "the key opens {} databases. Say which in `embed.store.url`: the server's address with \
                     /api/v2/tenants/TENANT/databases/DATABASE at its end",
                    databases.len()
                )));
            };
            let part = |text: &str| {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                text.chars().all(is_plain).then(|| text.to_owned())
            };
            let (Some(tenant), Some(database)) = (part(&tenant), part(database)) else {
                return Err(self.server.unusable("the names that it gives for the tenant and the database are none"));
            };
            Ok(Secret::new(format!("{}/api/v2/tenants/{tenant}/databases/{database}", self.root())))
        };
        self.base.get_or_try_init(find).await
    }

    /// How many records a request may hold.
    async fn batch(&self) -> Result<usize, VectorStoreError> {
        let find = || async {
            let checks = Secret::new(format!("{}/api/v2/pre-flight-checks", self.root()));
            let answer = self.server.ask(Method::GET, &checks, None).await?;
            Ok(self.server.parse::<Checks>(&answer)?.max_batch_size.clamp(1, MOST))
        };
        self.batch.get_or_try_init(find).await.copied()
    }

    /// Asks at a path below `collections`.
    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, VectorStoreError> {
        let url = Secret::new(format!("{}/collections{path}", self.base().await?.reveal()));
        self.server.ask(method, &url, body).await
    }

    fn collection_name(&self, kind: &str, generation: &str) -> String {
        let digest = Sha256Hex::of(format!("{kind}\0{}\0{generation}", self.scope).as_bytes());
        format!("{}-{}", self.name, digest.as_str().get(..24).unwrap_or_default())
    }

    /// The collection of this name, if it is there and says that it is ours.
    async fn find(&self, name: &str) -> Result<Option<Collection>, VectorStoreError> {
        let answer = self.ask(Method::GET, &format!("/{name}"), None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let collection: Collection = self.server.parse(&answer)?;
        if collection.text("scope") != Some(&self.scope) {
            let why = format!("the collection {name} is somebody else's; choose another `embed.store.name`");
            return Err(self.server.unusable(why));
        }
        Ok(Some(collection))
    }

    async fn make(&self, name: &str, metadata: &Value) -> Result<Collection, VectorStoreError> {
        let configuration = json!({"hnsw": {"space": "cosine"}});
        let body = json!({"name": name, "get_or_create": true, "metadata": metadata, "configuration": configuration});
        let answer = self.ask(Method::POST, "", Some(body.to_string())).await?;
        self.server.parse(&answer)
    }

    /// The collection of a generation; it is made if it is not there.
    async fn opened(&self, namespace: &Namespace, dimension: usize) -> Result<String, VectorStoreError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned();
        if let Some(id) = known {
            return Ok(id);
        }
        let name = self.collection_name("chunks", namespace.as_str());
        let metadata = json!({KIND: "chunks", "scope": self.scope, "generation": namespace.as_str()});
        let collection = match self.find(&name).await? {
            Some(collection) => collection,
            None => self.make(&name, &metadata).await?,
        };
        if let Some(there) = collection.dimension.filter(|there| *there != dimension) {
            return Err(self.server.unusable(format!(
                "the collection {name} holds vectors of {there} numbers, and the model gives {dimension}. Delete that \
                 collection, or choose another `embed.store.name`"
            )));
        }
        if let Some(space) = collection.space().filter(|space| *space != "cosine") {
            return Err(self.server.unusable(format!(
                "the collection {name} measures by `{space}` and not by `cosine`. Delete it, or choose another \
                 `embed.store.name`"
            )));
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.clone(), collection.id.clone());
        Ok(collection.id)
    }

    fn forget(&self, namespace: &Namespace) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(namespace);
    }

    /// The collections of our generations.
    async fn generations(&self) -> Result<Vec<(Namespace, Collection)>, VectorStoreError> {
        let mut all = Vec::new();
        for page in 0..PAGES {
            let path = format!("?limit={COLLECTIONS}&offset={}", page * COLLECTIONS);
            let answer = self.ask(Method::GET, &path, None).await?;
            let collections: Vec<Collection> = self.server.parse(&answer)?;
            let is_last = collections.len() < COLLECTIONS;
            for collection in collections {
                let Some(generation) = collection.text("generation").map(str::to_owned) else { continue };
                // Who copies a collection copies its metadata too, but not its name.
                if collection.name == self.collection_name("chunks", &generation) {
                    all.push((Namespace::from_store(generation), collection));
                }
            }
            if is_last {
                return Ok(all);
            }
        }
        Err(self.server.unusable("its list of collections has no end"))
    }

    async fn chunks_of(&self, collection: &Collection) -> Result<BTreeMap<ChunkId, Held>, VectorStoreError> {
        let mut chunks = BTreeMap::new();
        for page in 0..PAGES {
            let body = json!({"limit": PAGE, "offset": page * PAGE, "include": ["metadatas"]});
            let answer = self.ask(Method::POST, &format!("/{}/get", collection.id), Some(body.to_string())).await?;
            if answer.status == 404 {
                return Ok(chunks);
            }
            let Got { ids, metadatas, .. } = self.server.parse(&answer)?;
            let is_last = ids.len() < PAGE;
            let metadatas = metadatas.unwrap_or_default();
            chunks
                .extend(ids.into_iter().zip(metadatas).filter_map(|(id, m)| Some((ChunkId::from_store(id), held(m)?))));
            if is_last {
                return Ok(chunks);
            }
        }
        Err(self.server.unusable("its list of chunks has no end"))
    }

    async fn write(&self, namespace: &Namespace, points: &[&Point]) -> Result<(), VectorStoreError> {
        let dimension = points.first().map_or(0, |point| point.vector.len());
        let body = body(points);
        let mut answer = None;
        for _ in 0..2 {
            let id = self.opened(namespace, dimension).await?;
            let said = self.ask(Method::POST, &format!("/{id}/upsert"), Some(body.clone())).await?;
            if said.is_ok() {
                return Ok(());
            }
            // Somebody has taken the collection away since it was opened; it is made again.
            self.forget(namespace);
            let is_gone = said.status == 404;
            answer = Some(said);
            if !is_gone {
                break;
            }
        }
        match answer {
            Some(answer) if answer.is_about_content() => {
                Err(VectorStoreError::Refused { place: self.server.place().to_owned(), why: self.server.told(&answer) })
            }
            Some(answer) => Err(self.server.refused(&answer)),
            None => Ok(()),
        }
    }

    async fn nearest(
        &self,
        collection: &Collection,
        vector: &[f32],
        count: usize,
        words: Option<&str>,
    ) -> Result<Vec<Candidate>, VectorStoreError> {
        let include = ["documents", "metadatas", "distances"];
        let mut body = json!({"query_embeddings": [vector], "n_results": count, "include": include});
        if let (Some(pattern), Some(body)) = (words, body.as_object_mut()) {
            body.insert("where_document".to_owned(), json!({"$regex": pattern}));
        }
        let answer = self.ask(Method::POST, &format!("/{}/query", collection.id), Some(body.to_string())).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        if words.is_some() && answer.is_about_content() {
            let why = format!("{}. Chroma finds words by a pattern since version 1.0.12", self.server.told(&answer));
            return Err(self.server.unusable(why));
        }
        let found: Found = self.server.parse(&answer)?;
        let mut lists = found.ids.into_iter().zip(found.documents).zip(found.metadatas).zip(found.distances);
        let Some((((ids, documents), metadatas), distances)) = lists.next() else { return Ok(Vec::new()) };
        let each = ids.into_iter().zip(documents).zip(metadatas).zip(distances);
        let candidate = |(((id, text), metadata), distance): (((String, _), _), Option<f32>)| {
            let Held { asset, path, .. } = held(metadata)?;
            let cosine = 1.0 - distance.filter(|distance| distance.is_finite())?;
            Some(Candidate { id: ChunkId::from_store(id), asset, path, text: Option::unwrap_or_default(text), cosine })
        };
        Ok(each.filter_map(candidate).collect())
    }
}

/// What a record's metadata says of a chunk; nothing where somebody else has written it.
fn held(metadata: Value) -> Option<Held> {
    let Metadata { collection, asset, path, index, hash } = serde_json::from_value(metadata).ok()?;
    let asset = AssetKey { collection: CollectionName::new(collection), id: AssetId::new(asset) };
    Some(Held { asset, path: RepoPath::new(path), index, hash: Sha256Hex::parse(&hash).ok()?, certain: true })
}

fn body(points: &[&Point]) -> String {
    let mut body = Upsert::default();
    for Point { chunk, vector } in points {
        body.ids.push(chunk.id.as_str());
        body.embeddings.push(vector);
        body.documents.push(&chunk.text);
        body.metadatas.push(Metadata {
            collection: chunk.asset.collection.as_str().to_owned(),
            asset: chunk.asset.id.as_str().to_owned(),
            path: chunk.path.as_str().to_owned(),
            index: chunk.index,
            hash: chunk.hash.as_str().to_owned(),
        });
    }
    // Lists of texts and finite numbers have a form in JSON.
    serde_json::to_string(&body).unwrap_or_default()
}

/// Cuts points into runs that one request may hold.
fn runs<'p>(points: &[&'p Point], most: usize) -> Vec<Vec<&'p Point>> {
    // A number of a vector takes about twelve characters.
    let size = |point: &Point| point.vector.len() * 12 + point.chunk.text.len() * 2 + 1_000;
    let mut all: Vec<Vec<&Point>> = Vec::new();
    let mut bytes = 0;
    for point in points {
        bytes += size(point);
        match all.last_mut() {
            Some(run) if run.len() < most && bytes <= BYTES => run.push(point),
            _ => {
                bytes = size(point);
                all.push(vec![point]);
            }
        }
    }
    all
}

/// A pattern of texts that hold one of these words, whatever their case; none without words.
fn pattern(words: &[String]) -> Option<String> {
    // A word is made of letters and digits, which mean themselves.
    (!words.is_empty()).then(|| format!(r"(?i)(^|[\W_])({})($|[\W_])", words.join("|")))
}

#[async_trait]
impl VectorStore for Chroma {
    fn place(&self) -> String {
        self.server.place().to_owned()
    }

    async fn describe(&self) -> Result<Description, VectorStoreError> {
        let answer =
            self.server.ask(Method::GET, &Secret::new(format!("{}/api/v2/version", self.root())), None).await?;
        let version: String = self.server.parse(&answer)?;
        let version: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').take(20).collect();
        let mut chunks = 0;
        for (_, collection) in self.generations().await? {
            let answer = self.ask(Method::GET, &format!("/{}/count", collection.id), None).await?;
            chunks += if answer.status == 404 { 0 } else { self.server.parse::<u64>(&answer)? };
        }
        Ok(Description { server: format!("Chroma (interface {version}), {}", self.place()), chunks })
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        let found = self.find(&self.collection_name("mark", "")).await?;
        Ok(found.as_ref().and_then(|collection| collection.text("mark")).and_then(IndexMark::parse))
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        let name = self.collection_name("mark", "");
        let metadata = json!({KIND: "mark", "scope": self.scope, "mark": mark.to_text()});
        let collection = match self.find(&name).await? {
            Some(collection) => collection,
            None => self.make(&name, &metadata).await?,
        };
        let body = json!({"new_metadata": metadata}).to_string();
        let answer = self.ask(Method::PUT, &format!("/{}", collection.id), Some(body)).await?;
        if answer.is_ok() { Ok(()) } else { Err(self.server.refused(&answer)) }
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        let mut all = Actual::new();
        for (namespace, collection) in self.generations().await? {
            let chunks = self.chunks_of(&collection).await?;
            if !chunks.is_empty() {
                all.insert(namespace, chunks);
            }
        }
        Ok(all)
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        let mut vectors = BTreeMap::new();
        if ids.is_empty() {
            return Ok(vectors);
        }
        let name = self.collection_name("chunks", namespace.as_str());
        let Some(collection) = self.find(&name).await? else { return Ok(vectors) };
        for page in ids.chunks(PAGE) {
            let ids: Vec<&str> = page.iter().map(ChunkId::as_str).collect();
            let body = json!({"ids": ids, "include": ["embeddings"]}).to_string();
            let answer = self.ask(Method::POST, &format!("/{}/get", collection.id), Some(body)).await?;
            if answer.status == 404 {
                break;
            }
            let Got { ids, embeddings, .. } = self.server.parse(&answer)?;
            let each = ids.into_iter().zip(embeddings.unwrap_or_default());
            let fits = |vector: &Vec<f32>| Some(vector.len()) == collection.dimension;
            vectors.extend(each.filter_map(|(id, vector)| Some((ChunkId::from_store(id), vector.filter(fits)?))));
        }
        Ok(vectors)
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let most = self.batch().await?;
        for run in runs(&last_of_each(points, |point| &point.chunk.id), most) {
            self.write(namespace, &run).await?;
        }
        Ok(())
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let name = self.collection_name("chunks", namespace.as_str());
        let Some(collection) = self.find(&name).await? else { return Ok(()) };
        let most = self.batch().await?;
        for page in ids.chunks(most) {
            let ids: Vec<&str> = page.iter().map(ChunkId::as_str).collect();
            let body = json!({"ids": ids}).to_string();
            let answer = self.ask(Method::POST, &format!("/{}/delete", collection.id), Some(body)).await?;
            if !answer.is_ok() && answer.status != 404 {
                return Err(self.server.refused(&answer));
            }
        }
        Ok(())
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        let name = self.collection_name("chunks", namespace.as_str());
        self.forget(namespace);
        if self.find(&name).await?.is_none() {
            return Ok(());
        }
        let answer = self.ask(Method::DELETE, &format!("/{name}"), None).await?;
        if answer.is_ok() || answer.status == 404 { Ok(()) } else { Err(self.server.refused(&answer)) }
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        let name = self.collection_name("chunks", namespace.as_str());
        let Some(collection) = self.find(&name).await? else { return Ok(Vec::new()) };
        if k == 0 || collection.dimension.is_none() {
            return Ok(Vec::new());
        }
        let count = super::candidates(k);
        let mut found = self.nearest(&collection, &query.vector, count, None).await?;
        if let Some(pattern) = pattern(&asked_words(&query.text)) {
            found.extend(self.nearest(&collection, &query.vector, count, Some(&pattern)).await?);
        }
        let each: BTreeMap<ChunkId, Candidate> = found.into_iter().map(|c| (c.id.clone(), c)).collect();
        Ok(rank(&query.text, each.into_values().collect(), k))
    }
}

#[cfg(test)]
mod tests;
