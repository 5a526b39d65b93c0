//! An index whose every change stands in the state: before it may be there, and until it is certainly gone.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::adapters::state_store::{ChunkRows, StateError};
use crate::adapters::vector_store::{Point, VectorStore, VectorStoreError};
use crate::embedding::plan::{Actual, Held};
use crate::embedding::{Chunk, Hit, Namespace, Query};
use crate::ids::{ChunkId, CorrelationId};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};

/// How many rows go into the state at a time.
const PAGE: usize = 1_000;

/// A vector store that tells the state beforehand what it is about to hold, and afterwards what it holds no more.
///
/// So the state's rows cover the store at every moment, whenever a run is killed, and those of them that are certain are in
/// it: before a chunk is taken away, its row becomes uncertain, as the library may want it back before the next run.
pub struct Recorded<'a> {
    /// The store.
    pub store: &'a dyn VectorStore,
    /// The state.
    pub rows: &'a dyn ChunkRows,
    /// What is under way: rows are written only as long as it is.
    pub intent: &'a CorrelationId,
    /// What the store was found to hold when this was planned.
    pub held: &'a Actual,
}

impl Recorded<'_> {
    /// Begins to write to the store, under a new mark. Where it was listed, that takes the place of the rows.
    pub async fn begin(&self, mark: &IndexMark, was_listed: bool) -> Result<(), VectorStoreError> {
        if was_listed {
            self.change(ChunkChange::Forget).await?;
            for (namespace, held) in self.held {
                self.put_rows(held.iter().map(|(id, held)| row(namespace, id, held)).collect()).await?;
            }
        }
        self.store.set_mark(mark).await?;
        self.change(ChunkChange::Mark(mark.clone())).await
    }

    /// Says that these chunks, which the store holds, may be gone at any moment.
    async fn doubt<'i>(
        &self,
        namespace: &Namespace,
        ids: impl Iterator<Item = &'i ChunkId> + Send,
    ) -> Result<(), VectorStoreError> {
        let nothing = BTreeMap::new();
        let held = self.held.get(namespace).unwrap_or(&nothing);
        let of = |id: &ChunkId| Some(ChunkRow { stored: false, ..row(namespace, id, held.get(id)?) });
        self.put_rows(ids.filter_map(of).collect()).await
    }

    async fn put_rows(&self, rows: Vec<ChunkRow>) -> Result<(), VectorStoreError> {
        for page in rows.chunks(PAGE) {
            self.change(ChunkChange::Put(page.to_vec())).await?;
        }
        Ok(())
    }

    async fn change(&self, change: ChunkChange) -> Result<(), VectorStoreError> {
        let unusable = |error: StateError| VectorStoreError::Unusable {
            place: "its rows in the state".to_owned(),
            why: error.to_string(),
        };
        self.rows.change_chunks(self.intent, &change).await.map_err(unusable)
    }

    async fn put(&self, namespace: &Namespace, points: &[Point], stored: bool) -> Result<(), VectorStoreError> {
        let row = |point: &Point| {
            let Chunk { id, asset, path, index, hash, .. } = point.chunk.clone();
            ChunkRow { namespace: namespace.to_string(), id, asset, path, index, hash, stored }
        };
        self.change(ChunkChange::Put(points.iter().map(row).collect())).await
    }
}

fn row(namespace: &Namespace, id: &ChunkId, held: &Held) -> ChunkRow {
    let Held { asset, path, index, hash, certain } = held.clone();
    ChunkRow { namespace: namespace.to_string(), id: id.clone(), asset, path, index, hash, stored: certain }
}

/// What the index may hold, by its rows in the state.
pub fn actual(rows: Vec<ChunkRow>) -> Actual {
    let mut all = Actual::new();
    for ChunkRow { namespace, id, asset, path, index, hash, stored } in rows {
        let held = Held { asset, path, index, hash, certain: stored };
        all.entry(Namespace::from_store(namespace)).or_default().insert(id, held);
    }
    all
}

#[async_trait]
impl VectorStore for Recorded<'_> {
    fn place(&self) -> String {
        self.store.place()
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        self.store.mark().await
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        self.store.set_mark(mark).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        self.store.held().await
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        self.store.vectors(namespace, ids).await
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        self.put(namespace, points, false).await?;
        self.store.upsert(namespace, points).await?;
        self.put(namespace, points, true).await
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        self.doubt(namespace, ids.iter()).await?;
        self.store.delete(namespace, ids).await?;
        self.change(ChunkChange::Gone { namespace: namespace.to_string(), ids: ids.to_vec() }).await
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        self.doubt(namespace, self.held.get(namespace).into_iter().flat_map(BTreeMap::keys)).await?;
        self.store.drop_namespace(namespace).await?;
        self.change(ChunkChange::Dropped { namespace: namespace.to_string() }).await
    }

    async fn settle(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        self.store.settle(namespace).await
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        self.store.search(namespace, query, k).await
    }
}
