//! A store that lives as long as the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Point, VectorStore, VectorStoreError, cosine};
use crate::embedding::plan::Actual;
use crate::embedding::search::{Candidate, rank};
use crate::embedding::{Held, Hit, Namespace, Query};
use crate::ids::ChunkId;
use crate::state::row::IndexMark;

type Points = BTreeMap<Namespace, BTreeMap<ChunkId, Point>>;

/// Points in maps.
#[derive(Debug, Default)]
pub struct Memory {
    points: Mutex<Points>,
    mark: Mutex<Option<IndexMark>>,
}

impl Memory {
    fn points(&self) -> MutexGuard<'_, Points> {
        // Each change is one step; a panic elsewhere cannot have left half of one.
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl VectorStore for Memory {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        Ok(self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark.clone());
        Ok(())
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        let held = |point: &Point| {
            let chunk = point.chunk.clone();
            Held { asset: chunk.asset, path: chunk.path, index: chunk.index, hash: chunk.hash, certain: true }
        };
        let all = |points: &BTreeMap<ChunkId, Point>| points.iter().map(|(id, p)| (id.clone(), held(p))).collect();
        Ok(self.points().iter().map(|(name, points)| (name.clone(), all(points))).collect())
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        let points = self.points();
        let Some(points) = points.get(namespace) else { return Ok(BTreeMap::new()) };
        Ok(ids.iter().filter_map(|id| Some((id.clone(), points.get(id)?.vector.clone()))).collect())
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        if !points.is_empty() {
            let new = points.iter().map(|point| (point.chunk.id.clone(), point.clone()));
            self.points().entry(namespace.clone()).or_default().extend(new);
        }
        Ok(())
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        let mut all = self.points();
        if let Some(points) = all.get_mut(namespace) {
            ids.iter().for_each(|id| drop(points.remove(id)));
        }
        all.retain(|_, points| !points.is_empty());
        Ok(())
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        self.points().remove(namespace);
        Ok(())
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        let candidate = |Point { chunk, vector }: &Point| Candidate {
            id: chunk.id.clone(),
            asset: chunk.asset.clone(),
            path: chunk.path.clone(),
            text: chunk.text.clone(),
            cosine: cosine(vector, &query.vector),
        };
        let all = self.points().get(namespace).map(|points| points.values().map(candidate).collect());
        Ok(rank(&query.text, all.unwrap_or_default(), k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_a_vector_store() {
        super::super::conformance::holds(Memory::default).await;
    }
}
