//! Brings the vector index to where it should be, and asks it.

mod recorded;

pub use recorded::{Recorded, actual};

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::model::{self, EmbeddingModel, ModelError};
use crate::adapters::stop::Stop;
use crate::adapters::vector_store::{Point, VectorStore, VectorStoreError};
use crate::embedding::plan::{Actual, MassDelete};
use crate::embedding::{Chunk, Hit, Namespace, Plan, Query};
use crate::ids::{ChunkId, Sha256Hex};

/// How many points are read, written or deleted at a time when no model is asked.
const PAGE: usize = 500;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Texts that went to the model.
    pub embedded: usize,
    /// Chunks written with a vector that was known or came with another chunk's.
    pub reused: usize,
    /// Chunks written in all: `embedded` + `reused`.
    pub upserted: usize,
    /// Chunks taken away from the generation in use.
    pub deleted: usize,
    /// Tokens that the model counted.
    pub tokens: u64,
}

/// Why the index could not be brought to where it should be.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Nothing was done.
    #[error(transparent)]
    Refused(#[from] MassDelete),
    /// The model failed; what was embedded before is stored and will not be paid for again.
    #[error("{source} (stored before that: {} of {} chunks; nothing was deleted, the next run goes on from there)", done.upserted, total)]
    Model {
        /// What the model says.
        source: ModelError,
        /// What was done before.
        done: Outcome,
        /// How many chunks were to be written.
        total: usize,
    },
    /// The process was asked to end.
    #[error("the run was asked to stop after {} of {} chunks; nothing was deleted that is still to be, and the next run goes on from there", done.upserted, total)]
    Stopped {
        /// What was done before.
        done: Outcome,
        /// How many chunks were to be written.
        total: usize,
    },
    /// The store failed; the next run finds out what it has.
    #[error("{source} ({} chunks were stored before that)", done.upserted)]
    Store {
        /// What the store says.
        source: VectorStoreError,
        /// What was done before.
        done: Outcome,
    },
    /// The plan was made for other chunks, or for another model.
    #[error("the plan does not fit: {why}; make a new plan ({} chunks were stored before that)", done.upserted)]
    Foreign {
        /// What does not fit.
        why: String,
        /// What was done before that was seen.
        done: Outcome,
    },
}

impl ApplyError {
    /// What was done before it failed.
    pub fn done(&self) -> Outcome {
        match self {
            Self::Model { done, .. }
            | Self::Stopped { done, .. }
            | Self::Store { done, .. }
            | Self::Foreign { done, .. } => *done,
            Self::Refused(_) => Outcome::default(),
        }
    }

    /// Whether it is certain that the store is as it was.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Foreign { done, .. } | Self::Stopped { done, .. } => *done == Outcome::default(),
            // What the store was doing when it failed may have been done all the same.
            Self::Model { .. } | Self::Store { .. } => false,
        }
    }
}

/// Why a query could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// There is nothing to look for.
    #[error("the query is empty; say what to look for")]
    Empty,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] VectorStoreError),
}

/// Applies a plan: known vectors first, then batch after batch through the model, then deletions, then old generations.
///
/// Each batch is stored durably before the next one is embedded, so a run that was killed pays again for one batch at most.
/// Nothing is deleted before everything is written. `progress` hears of the outcome so far after each step. An empty plan
/// touches neither model nor store. Once `stop` is asked, no further step is begun.
pub async fn apply(
    plan: &Plan,
    chunks: &[Chunk],
    held: &Actual,
    model: &dyn EmbeddingModel,
    store: &dyn VectorStore,
    stop: &Stop,
    progress: &mut (dyn FnMut(&Outcome) + Send),
) -> Result<Outcome, ApplyError> {
    if let Some(refusal) = plan.refusal {
        return Err(refusal.into());
    }
    let mut run = Run { plan, held, model, store, progress, done: Outcome::default() };
    if plan.upserts() > 0 {
        let (known, unknown) = run.parted(chunks).await?;
        for page in known.chunks(PAGE) {
            run.go_on(stop)?;
            run.reuse(page).await?;
        }
        for batch in batches(unknown, model.limits().texts.max(1)) {
            run.go_on(stop)?;
            run.embed(&batch).await?;
        }
    }
    for page in plan.delete.chunks(PAGE) {
        run.go_on(stop)?;
        store.delete(&plan.namespace, page).await.map_err(|source| run.store_failed(source))?;
        run.done.deleted += page.len();
        (run.progress)(&run.done);
    }
    for namespace in &plan.obsolete {
        run.go_on(stop)?;
        store.drop_namespace(namespace).await.map_err(|source| run.store_failed(source))?;
    }
    Ok(run.done)
}

/// The chunks of one text: it is embedded once, whosever it is.
type SameText<'a> = Vec<&'a Chunk>;

fn batches(texts: Vec<SameText<'_>>, size: usize) -> impl Iterator<Item = Vec<SameText<'_>>> {
    let mut texts = texts.into_iter().peekable();
    std::iter::from_fn(move || texts.peek().is_some().then(|| texts.by_ref().take(size).collect()))
}

/// An application under way.
struct Run<'a> {
    plan: &'a Plan,
    held: &'a Actual,
    model: &'a dyn EmbeddingModel,
    store: &'a dyn VectorStore,
    progress: &'a mut (dyn FnMut(&Outcome) + Send),
    done: Outcome,
}

impl Run<'_> {
    fn go_on(&self, stop: &Stop) -> Result<(), ApplyError> {
        if stop.is_asked() {
            return Err(ApplyError::Stopped { done: self.done, total: self.plan.upserts() });
        }
        Ok(())
    }

    fn store_failed(&self, source: VectorStoreError) -> ApplyError {
        ApplyError::Store { source, done: self.done }
    }

    fn foreign(&self, why: String) -> ApplyError {
        ApplyError::Foreign { why, done: self.done }
    }

    /// The chunks to be written: those whose vector the store has, and the others by their text, in the order of the chunks.
    ///
    /// The store is asked again, for the plan's word may be old: what it has lost meanwhile is embedded.
    async fn parted<'c>(&self, chunks: &'c [Chunk]) -> Result<(Vec<&'c Chunk>, Vec<SameText<'c>>), ApplyError> {
        let mut wanted: BTreeSet<&ChunkId> = self.plan.embed.iter().chain(&self.plan.reuse).collect();
        let to_write: Vec<&Chunk> = chunks.iter().filter(|chunk| wanted.remove(&chunk.id)).collect();
        if let Some(id) = wanted.first() {
            return Err(self.foreign(format!("it has the chunk {id}, which the library does not")));
        }
        let sent: BTreeSet<&ChunkId> = self.plan.embed.iter().collect();
        let reused: BTreeSet<&Sha256Hex> = to_write.iter().filter(|c| !sent.contains(&c.id)).map(|c| &c.hash).collect();
        let reused: Vec<Sha256Hex> = reused.into_iter().cloned().collect();
        let mut known = BTreeSet::new();
        for page in reused.chunks(PAGE) {
            known.extend(self.vectors(page).await?.into_keys());
        }
        let (known, unknown): (Vec<_>, Vec<_>) = to_write.into_iter().partition(|c| known.contains(&c.hash));
        let mut places: BTreeMap<&Sha256Hex, usize> = BTreeMap::new();
        let mut texts: Vec<SameText<'c>> = Vec::new();
        for chunk in unknown {
            let place = *places.entry(&chunk.hash).or_insert(texts.len());
            match texts.get_mut(place) {
                Some(same) => same.push(chunk),
                None => texts.push(vec![chunk]),
            }
        }
        Ok((known, texts))
    }

    /// The vectors of texts with these digests, as far as the store holds them for this model.
    async fn vectors(&self, hashes: &[Sha256Hex]) -> Result<BTreeMap<Sha256Hex, Vec<f32>>, ApplyError> {
        let wanted: BTreeSet<&Sha256Hex> = hashes.iter().collect();
        let mut found = BTreeMap::new();
        for (namespace, held) in self.held.iter().filter(|(name, _)| name.model() == self.plan.namespace.model()) {
            let places: BTreeMap<&Sha256Hex, &ChunkId> = held
                .iter()
                .filter(|(_, h)| h.certain && wanted.contains(&h.hash))
                .map(|(id, h)| (&h.hash, id))
                .collect();
            let ids: Vec<ChunkId> = places.values().map(|id| (*id).clone()).collect();
            let vectors = self.store.vectors(namespace, &ids).await.map_err(|e| self.store_failed(e))?;
            found.extend(places.into_iter().filter_map(|(hash, id)| Some((hash.clone(), vectors.get(id)?.clone()))));
        }
        Ok(found)
    }

    async fn reuse(&mut self, page: &[&Chunk]) -> Result<(), ApplyError> {
        let hashes: BTreeSet<Sha256Hex> = page.iter().map(|chunk| chunk.hash.clone()).collect();
        let hashes: Vec<Sha256Hex> = hashes.into_iter().collect();
        let vectors = self.vectors(&hashes).await?;
        let point = |chunk: &&Chunk| Some(Point { chunk: (*chunk).clone(), vector: vectors.get(&chunk.hash)?.clone() });
        let points: Vec<Point> = page.iter().filter_map(point).collect();
        if points.len() < page.len() {
            return Err(self.foreign("another run has taken vectors away meanwhile".to_owned()));
        }
        self.write(&points, 0).await
    }

    async fn embed(&mut self, batch: &[SameText<'_>]) -> Result<(), ApplyError> {
        let texts: Vec<&str> = batch.iter().filter_map(|same| same.first()).map(|chunk| chunk.text.as_str()).collect();
        let answer = self.model.embed(&texts).await;
        let answer = answer.and_then(|a| model::verify(self.model, texts.len(), &a).map(|()| a));
        let failed = |source| ApplyError::Model { source, done: self.done, total: self.plan.upserts() };
        let answer = answer.map_err(failed)?;
        let point = |(chunk, vector): (&&Chunk, &Vec<f32>)| Point { chunk: (*chunk).clone(), vector: vector.clone() };
        let each = batch.iter().zip(&answer.vectors);
        let points: Vec<Point> = each.flat_map(|(same, v)| same.iter().map(move |c| point((c, v)))).collect();
        self.done.tokens += answer.tokens;
        self.write(&points, texts.len()).await
    }

    /// Stores points, of which the first of each text counts as embedded.
    async fn write(&mut self, points: &[Point], embedded: usize) -> Result<(), ApplyError> {
        self.store.upsert(&self.plan.namespace, points).await.map_err(|e| self.store_failed(e))?;
        self.done.embedded += embedded;
        self.done.reused += points.len() - embedded;
        self.done.upserted += points.len();
        (self.progress)(&self.done);
        Ok(())
    }
}

/// The `k` assets that answer best. A namespace without chunks gives none: nothing has been embedded with this model and cut.
pub async fn search(
    query: &str,
    k: usize,
    model: &dyn EmbeddingModel,
    store: &dyn VectorStore,
    namespace: &Namespace,
) -> Result<Vec<Hit>, SearchError> {
    if query.trim().is_empty() {
        return Err(SearchError::Empty);
    }
    let answer = model.embed(&[query]).await?;
    model::verify(model, 1, &answer)?;
    let vector = answer.vectors.into_iter().next().unwrap_or_default();
    let query = Query { text: query.to_owned(), vector };
    Ok(store.search(namespace, &query, k).await?)
}

#[cfg(test)]
mod tests;
