//! An index in a PostgreSQL database with pgvector, which many libraries and machines may share.
//!
//! Each generation has a table of its own: it is dropped as a whole, and searched without a filter. Vectors are kept at half
//! precision. A large generation gets an HNSW index when it has been loaded; a small one is searched exactly.

mod fault;
mod format;
mod pool;
mod rows;
mod words;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use self::fault::Fault;
use self::format::{Extension, Format};
use self::pool::{For, Pool, Turn, within};
use self::rows::{Chunks, Rows};
use super::{Description, Point, VectorStore, VectorStoreError};
use crate::adapters::postgres::Address;
use crate::embedding::plan::Actual;
use crate::embedding::search::rank;
use crate::embedding::{Hit, Namespace, Query};
use crate::ids::ChunkId;
use crate::state::row::IndexMark;

/// From so many chunks on an index pays: fewer are searched exactly within milliseconds.
const INDEXED_FROM: u64 = 10_000;
/// pgvector indexes no longer vectors at half precision.
const INDEXED_DIMENSION: usize = 4_000;
/// How many of the nearest chunks are ranked, at least and at most; pgvector's index gives no more.
const CANDIDATES: (usize, usize) = (200, 1_000);

/// The index of one scope in a PostgreSQL database. The tables are made, in a schema of their own, by the first change.
pub struct PgVector {
    pool: Pool,
    schema: String,
    scope: String,
    place: String,
    /// The extension, once the tables were found to be those that this version works with.
    known: Mutex<Option<Extension>>,
}

impl PgVector {
    /// The index of `scope` in the database at `address`, in a schema of this name. An address that is not known is told when
    /// the database is needed.
    pub fn new(address: Result<Address, String>, schema: impl Into<String>, scope: impl Into<String>) -> Self {
        let schema = schema.into();
        let shown = address.as_ref().map_or_else(|_| "a PostgreSQL database".to_owned(), Address::shown);
        let place = format!("{shown} (schema {schema:?})");
        Self { pool: Pool::new(address), schema, scope: scope.into(), place, known: Mutex::default() }
    }

    fn rows<'a>(&'a self, turn: &'a Turn<'_>) -> Rows<'a> {
        Rows { client: &turn.client, schema: &self.schema, scope: &self.scope }
    }

    fn known(&self) -> Option<Extension> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, extension: Option<Extension>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = extension;
    }

    /// Begins to read; none where nothing was ever written.
    async fn begin_reading(&self) -> Result<Option<(Turn<'_>, Extension)>, Fault> {
        let turn = self.pool.begin(For::Reading).await?;
        if let Some(extension) = self.known() {
            return Ok(Some((turn, extension)));
        }
        if format::look(&turn.client, &self.schema).await? == Format::Absent {
            turn.end(Ok(())).await?;
            return Ok(None);
        }
        let missing = || Fault::Damaged("the extension pgvector is not in the database any more".to_owned());
        let extension = format::extension(&turn.client).await?.ok_or_else(missing)?;
        self.learn(Some(extension.clone()));
        Ok(Some((turn, extension)))
    }

    /// Begins to write, in tables that are made or brought up to date first, in a transaction of their own.
    async fn begin_writing(&self, purpose: For) -> Result<(Turn<'_>, Extension), Fault> {
        if let Some(extension) = self.known() {
            return Ok((self.pool.begin(purpose).await?, extension));
        }
        let turn = self.pool.begin(For::Writing).await?;
        let prepared = async {
            let extension = format::installed(&turn.client).await?;
            if format::look(&turn.client, &self.schema).await? != Format::Current {
                format::prepare(&turn.client, &self.schema).await?;
            }
            Ok(extension)
        };
        let prepared = prepared.await;
        let extension = turn.end(prepared).await?;
        self.learn(Some(extension.clone()));
        Ok((self.pool.begin(purpose).await?, extension))
    }

    /// Does it, in time; once more where the connection was lost, as all of it may be repeated.
    async fn done<T, F>(&self, work: impl Fn() -> F) -> Result<T, VectorStoreError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut done = within(work()).await;
        if done.as_ref().is_err_and(Fault::is_lost) {
            done = within(work()).await;
        }
        self.told(done)
    }

    fn told<T>(&self, done: Result<T, Fault>) -> Result<T, VectorStoreError> {
        done.map_err(|fault| {
            // The tables may have gone since they were looked at.
            self.learn(None);
            fault.at(&self.place)
        })
    }

    async fn mark_once(&self) -> Result<Option<IndexMark>, Fault> {
        let Some((turn, _)) = self.begin_reading().await? else { return Ok(None) };
        let mark = self.rows(&turn).mark().await;
        let mark = turn.end(mark).await?;
        Ok(mark.as_deref().and_then(IndexMark::parse))
    }

    async fn set_mark_once(&self, mark: &IndexMark) -> Result<(), Fault> {
        let (turn, _) = self.begin_writing(For::Writing).await?;
        let set = self.rows(&turn).set_mark(&mark.to_text()).await;
        turn.end(set).await
    }

    async fn held_once(&self) -> Result<Actual, Fault> {
        let Some((turn, extension)) = self.begin_reading().await? else { return Ok(Actual::new()) };
        let held = async {
            let mut all = Actual::new();
            for generation in self.rows(&turn).generations().await? {
                let chunks = Chunks { client: &turn.client, generation: &generation, extension: &extension };
                let held = chunks.held().await?;
                if !held.is_empty() {
                    all.insert(generation.namespace, held);
                }
            }
            Ok(all)
        };
        let held = held.await;
        turn.end(held).await
    }

    async fn vectors_once(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<BTreeMap<ChunkId, Vec<f32>>, Fault> {
        let Some((turn, extension)) = self.begin_reading().await? else { return Ok(BTreeMap::new()) };
        let found = async {
            let Some(generation) = self.rows(&turn).generation(namespace, false).await? else {
                return Ok(BTreeMap::new());
            };
            Chunks { client: &turn.client, generation: &generation, extension: &extension }.vectors(ids).await
        };
        let found = found.await;
        turn.end(found).await
    }

    async fn upsert_once(&self, namespace: &Namespace, points: &[Point]) -> Result<(), Fault> {
        let Some(dimension) = points.first().map(|point| point.vector.len()) else { return Ok(()) };
        let (turn, extension) = self.begin_writing(For::Writing).await?;
        let put = async {
            let generation = self.rows(&turn).made(namespace, dimension, &extension).await?;
            if let Some(other) = points.iter().map(|point| point.vector.len()).find(|n| *n != generation.dimension) {
                let dimension = generation.dimension;
                return Err(Fault::refused(format!(
                    "it keeps vectors of {dimension} numbers for {namespace}, and the model gives {other}. Somebody has \
                     made that generation otherwise: drop the schema, or give `name` another one, and the index is built again"
                )));
            }
            Chunks { client: &turn.client, generation: &generation, extension: &extension }.put(points).await
        };
        let put = put.await;
        turn.end(put).await
    }

    async fn delete_once(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), Fault> {
        if ids.is_empty() || self.nothing_there().await? {
            return Ok(());
        }
        let (turn, extension) = self.begin_writing(For::Writing).await?;
        let deleted = async {
            let Some(generation) = self.rows(&turn).generation(namespace, true).await? else { return Ok(()) };
            Chunks { client: &turn.client, generation: &generation, extension: &extension }.delete(ids).await
        };
        let deleted = deleted.await;
        turn.end(deleted).await
    }

    async fn drop_once(&self, namespace: &Namespace) -> Result<(), Fault> {
        if self.nothing_there().await? {
            return Ok(());
        }
        let (turn, _) = self.begin_writing(For::Writing).await?;
        let dropped = async {
            match self.rows(&turn).generation(namespace, false).await? {
                Some(generation) => self.rows(&turn).drop_generation(&generation).await,
                None => Ok(()),
            }
        };
        let dropped = dropped.await;
        turn.end(dropped).await
    }

    /// Whether nothing was ever written: then there is nothing to take away either, and no table is made.
    async fn nothing_there(&self) -> Result<bool, Fault> {
        if self.known().is_some() {
            return Ok(false);
        }
        match self.begin_reading().await? {
            None => Ok(true),
            Some((turn, _)) => turn.end(Ok(false)).await,
        }
    }

    async fn search_once(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, Fault> {
        let Some((turn, extension)) = self.begin_reading().await? else { return Ok(Vec::new()) };
        let found = async {
            let generation = self.rows(&turn).generation(namespace, false).await?;
            let Some(generation) = generation.filter(|found| found.dimension == query.vector.len()) else {
                return Ok(Vec::new());
            };
            let most = k.saturating_mul(4).clamp(CANDIDATES.0, CANDIDATES.1);
            Chunks { client: &turn.client, generation: &generation, extension: &extension }
                .candidates(query, most)
                .await
        };
        let found = found.await;
        Ok(rank(&query.text, turn.end(found).await?, k))
    }

    async fn settle_once(&self, namespace: &Namespace) -> Result<(), Fault> {
        let Some((turn, extension)) = self.begin_reading().await? else { return Ok(()) };
        let due = async {
            let Some(generation) = self.rows(&turn).generation(namespace, false).await? else { return Ok(None) };
            let chunks = Chunks { client: &turn.client, generation: &generation, extension: &extension };
            let is_due = generation.dimension <= INDEXED_DIMENSION
                && !chunks.is_indexed(&self.schema).await?
                && chunks.count().await? >= INDEXED_FROM;
            Ok(is_due.then_some(generation))
        };
        let due = due.await;
        let Some(generation) = turn.end(due).await? else { return Ok(()) };
        let (turn, extension) = self.begin_writing(For::Building).await?;
        let built = Chunks { client: &turn.client, generation: &generation, extension: &extension }.index().await;
        turn.end(built).await
    }

    async fn describe_once(&self) -> Result<Description, Fault> {
        let Some((turn, extension)) = self.begin_reading().await? else {
            return Ok(Description { server: format!("{}, in which there is no index yet", self.place), chunks: 0 });
        };
        let described = async {
            let version = turn.client.query_typed("SELECT current_setting('server_version')", &[]).await?;
            let version = version.first().map(|row| row.get::<_, String>(0)).unwrap_or_default();
            let (mut sum, mut parts) = (0, Vec::new());
            for generation in self.rows(&turn).generations().await? {
                let chunks = Chunks { client: &turn.client, generation: &generation, extension: &extension };
                let count = chunks.count().await?;
                let indexed = if chunks.is_indexed(&self.schema).await? { "HNSW" } else { "exact" };
                parts.push(format!("{} with {count} chunks, {indexed}", generation.namespace));
                sum += count;
            }
            let (place, pgvector) = (&self.place, &extension.version);
            let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
            Ok(Description {
                server: format!("PostgreSQL {version} with pgvector {pgvector}, {place}{parts}"),
                chunks: sum,
            })
        };
        let described = described.await;
        turn.end(described).await
    }
}

#[async_trait]
impl VectorStore for PgVector {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        self.done(|| self.mark_once()).await
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        self.done(|| self.set_mark_once(mark)).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        self.done(|| self.held_once()).await
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        self.done(|| self.vectors_once(namespace, ids)).await
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        self.done(|| self.upsert_once(namespace, points)).await
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        self.done(|| self.delete_once(namespace, ids)).await
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        self.done(|| self.drop_once(namespace)).await
    }

    async fn settle(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        // An index of millions takes long, and the server bounds it.
        let settled = self.settle_once(namespace).await;
        self.told(settled)
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        self.done(|| self.search_once(namespace, query, k)).await
    }

    async fn describe(&self) -> Result<Description, VectorStoreError> {
        self.done(|| self.describe_once()).await
    }
}

#[cfg(test)]
mod tests;
