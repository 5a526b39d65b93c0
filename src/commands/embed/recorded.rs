//! An index whose every change stands in the state: before it may be there, and until it is certainly gone.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::adapters::state_store::{ChunkRows, StateError};
use crate::adapters::vector_store::{Point, VectorStore, VectorStoreError};
use crate::embedding::plan::{Actual, Held};
use crate::embedding::{Chunk, Hit, Namespace, Query};
use crate::ids::{ChunkId, CorrelationId, Sha256Hex};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};

/// How many rows go into the state at a time.
const PAGE: usize = 1_000;

/// A vector store that tells the state beforehand what it is about to hold or to lose, and afterwards what it holds or holds no
/// more.
///
/// So the state's rows cover the store at every moment, whenever a run is killed, and the store need not be listed.
pub struct Recorded<'a> {
    /// The store.
    pub store: &'a dyn VectorStore,
    /// The state.
    pub rows: &'a dyn ChunkRows,
    /// What is under way: rows are written only as long as it is.
    pub intent: &'a CorrelationId,
    /// What the store may hold of what will be taken away.
    pub leaving: &'a Actual,
}

impl Recorded<'_> {
    /// Begins to write to the store, under a new mark. What was found by listing the store takes the place of the rows.
    pub async fn begin(&self, mark: &IndexMark, listed: Option<&Actual>) -> Result<(), VectorStoreError> {
        if let Some(listed) = listed {
            self.change(ChunkChange::Forget).await?;
            for (namespace, held) in listed {
                let rows: Vec<ChunkRow> = held.iter().map(|(id, held)| row(namespace, id, held)).collect();
                for page in rows.chunks(PAGE) {
                    self.change(ChunkChange::Put(page.to_vec())).await?;
                }
            }
        }
        self.store.set_mark(mark).await?;
        self.change(ChunkChange::Mark(mark.clone())).await
    }

    async fn change(&self, change: ChunkChange) -> Result<(), VectorStoreError> {
        let unusable = |error: StateError| VectorStoreError::Unusable {
            place: "its rows in the state".to_owned(),
            why: error.to_string(),
        };
        self.rows.change_chunks(self.intent, &change).await.map_err(unusable)
    }

    /// From here on it is not certain any more that the store holds these. Should the run be killed after they are gone, and the
    /// library go back to them, they would be missed for good.
    async fn doubt<'r>(
        &self,
        namespace: &Namespace,
        chunks: impl Iterator<Item = (&'r ChunkId, &'r Held)>,
    ) -> Result<(), VectorStoreError> {
        let in_doubt = |(id, held): (&ChunkId, &Held)| ChunkRow { stored: false, ..row(namespace, id, held) };
        let rows: Vec<ChunkRow> = chunks.map(in_doubt).collect();
        for page in rows.chunks(PAGE) {
            self.change(ChunkChange::Put(page.to_vec())).await?;
        }
        Ok(())
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
        hashes: &[Sha256Hex],
    ) -> Result<BTreeMap<Sha256Hex, Vec<f32>>, VectorStoreError> {
        self.store.vectors(namespace, hashes).await
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        self.put(namespace, points, false).await?;
        self.store.upsert(namespace, points).await?;
        self.put(namespace, points, true).await
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        if let Some(held) = self.leaving.get(namespace) {
            self.doubt(namespace, ids.iter().filter_map(|id| held.get_key_value(id))).await?;
        }
        self.store.delete(namespace, ids).await?;
        self.change(ChunkChange::Gone { namespace: namespace.to_string(), ids: ids.to_vec() }).await
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        if let Some(held) = self.leaving.get(namespace) {
            self.doubt(namespace, held.iter()).await?;
        }
        self.store.drop_namespace(namespace).await?;
        self.change(ChunkChange::Dropped { namespace: namespace.to_string() }).await
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        self.store.search(namespace, query, k).await
    }
}
