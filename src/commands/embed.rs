//! Brings the vector index to where it should be, and asks it.

mod batch;
mod error;
mod flight;
mod recorded;

pub use error::{ApplyError, Outcome, Refusal};
pub use recorded::{Recorded, actual};

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use self::batch::{Batches, SameText, Sorted, by_text, sorted};
use self::flight::{Landed, Piece, Trouble, fly, write};
use super::texts::Texts;
use crate::adapters::model::{self, EmbeddingModel, ModelError};
use crate::adapters::stop::Stop;
use crate::adapters::vector_cache::VectorCache;
use crate::adapters::vector_store::{Point, VectorStore, VectorStoreError};
use crate::embedding::plan::Actual;
use crate::embedding::search::best;
use crate::embedding::{Answer, Chunk, Hit, Namespace, Plan, Query, Wanted};
use crate::ids::{AssetKey, ChunkId, Sha256Hex};

/// How many points are read, written or deleted at a time when no model is asked.
const PAGE: usize = 500;
/// How often a batch that was not taken is parted before the model is given up.
const PARTINGS: usize = 400;

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

/// What an application works with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Turns texts into vectors.
    pub model: &'a dyn EmbeddingModel,
    /// Keeps them.
    pub store: &'a dyn VectorStore,
    /// Remembers the vectors of texts, where the model's are worth it.
    pub cache: Option<&'a VectorCache>,
    /// What the store was found to hold when the plan was made.
    pub held: &'a Actual,
    /// Gives the texts.
    pub texts: &'a dyn Texts,
    /// Whether the process was asked to end.
    pub stop: &'a Stop,
}

/// Applies a plan: known vectors first, then as many batches at once as the model takes, then deletions, then old generations.
///
/// Each batch is stored durably as soon as it is embedded, so a run that was killed pays again for what was under way at most.
/// Nothing is deleted before everything is written, and nothing of an asset one of whose chunks was refused. Texts are read
/// batch by batch. `progress` hears of the outcome so far after each step. An empty plan touches neither model nor store. Once
/// `stop` is asked, no further step is begun.
pub async fn apply(
    plan: &Plan,
    wanted: &[Wanted],
    means: &Means<'_>,
    progress: &mut (dyn FnMut(&Outcome) + Send),
) -> Result<Outcome, ApplyError> {
    if let Some(refusal) = plan.refusal {
        return Err(refusal.into());
    }
    let mut run = Run { plan, means: *means, progress, done: Outcome::default(), refusals: Vec::new() };
    if plan.upserts() > 0 {
        let fits = sorted(plan, wanted);
        let Sorted { known, mut unknown } =
            fits.map_err(|id| run.foreign(format!("it has the chunk {id}, which the library does not")))?;
        let lost = run.reuse(known).await?;
        unknown.extend(by_text(lost));
        run.embed(unknown).await?;
    }
    run.delete().await?;
    if !run.refusals.is_empty() {
        return Err(ApplyError::Partly { refusals: run.refusals, done: run.done, total: plan.upserts() });
    }
    for namespace in &plan.obsolete {
        run.go_on()?;
        means.store.drop_namespace(namespace).await.map_err(|source| run.store_failed(source))?;
    }
    if plan.upserts() > 0 {
        means.store.settle(&plan.namespace).await.map_err(|source| run.store_failed(source))?;
    }
    Ok(run.done)
}

/// An application under way.
struct Run<'a> {
    plan: &'a Plan,
    means: Means<'a>,
    progress: &'a mut (dyn FnMut(&Outcome) + Send),
    done: Outcome,
    refusals: Vec<Refusal>,
}

impl Run<'_> {
    fn go_on(&self) -> Result<(), ApplyError> {
        if self.means.stop.is_asked() {
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

    /// The texts of these chunks, read again.
    fn texts<'w>(
        &self,
        chunks: impl Iterator<Item = &'w Wanted> + Clone,
    ) -> Result<BTreeMap<ChunkId, Chunk>, ApplyError> {
        let assets: BTreeSet<&AssetKey> = chunks.clone().map(|chunk| &*chunk.asset).collect();
        let read = self.means.texts.read(&assets);
        let read = read.map_err(|error| ApplyError::Text { why: format!("{error:#}"), done: self.done })?;
        let read: BTreeMap<ChunkId, Chunk> = read.into_iter().map(|chunk| (chunk.id.clone(), chunk)).collect();
        let changed = chunks.into_iter().find(|chunk| !read.contains_key(&chunk.id));
        match changed {
            Some(chunk) => Err(self.foreign(format!("the text of {} has changed since it was made", chunk.path))),
            None => Ok(read),
        }
    }

    /// Writes chunks whose vector is known; gives back those whose vector was not to be had after all.
    async fn reuse<'w>(&mut self, known: Vec<&'w Wanted>) -> Result<Vec<&'w Wanted>, ApplyError> {
        let wanted: BTreeSet<&Sha256Hex> = known.iter().map(|chunk| &chunk.hash).collect();
        let mut places: BTreeMap<&Sha256Hex, (&Namespace, &ChunkId)> = BTreeMap::new();
        for (namespace, held) in self.means.held.iter().filter(|(name, _)| name.model() == self.plan.namespace.model())
        {
            let of_use = held.iter().filter(|(_, held)| held.certain && wanted.contains(&held.hash));
            places.extend(of_use.map(|(id, held)| (&held.hash, (namespace, id))));
        }
        let mut lost = Vec::new();
        for page in known.chunks(PAGE) {
            self.go_on()?;
            let vectors = self.vectors(page, &places).await?;
            let (at_hand, gone): (Vec<&Wanted>, Vec<&Wanted>) =
                page.iter().copied().partition(|chunk| vectors.contains_key(&chunk.hash));
            lost.extend(gone);
            let mut texts = self.texts(at_hand.iter().copied())?;
            let point = |chunk: &&Wanted| {
                let text = texts.remove(&chunk.id)?;
                Some(Point { chunk: text, vector: vectors.get(&chunk.hash)?.clone() })
            };
            let points: Vec<Point> = at_hand.iter().filter_map(point).collect();
            let written = write(&self.means, &self.plan.namespace, points).await;
            self.done.reused += written.stored;
            self.done.upserted += written.stored;
            let refusal = |(chunk, why): (Chunk, String)| Refusal { asset: chunk.asset, path: chunk.path, why };
            self.refusals.extend(written.refused.into_iter().map(refusal));
            if let Some(trouble) = written.trouble {
                return Err(self.store_failed(trouble));
            }
            (self.progress)(&self.done);
        }
        Ok(lost)
    }

    /// The vectors of a page of texts: of the cache, else of the store.
    async fn vectors(
        &self,
        page: &[&Wanted],
        places: &BTreeMap<&Sha256Hex, (&Namespace, &ChunkId)>,
    ) -> Result<BTreeMap<Sha256Hex, Vec<f32>>, ApplyError> {
        let hashes: BTreeSet<&Sha256Hex> = page.iter().map(|chunk| &chunk.hash).collect();
        let mut found = match self.means.cache {
            Some(cache) => {
                cache.get(self.plan.namespace.model(), hashes.iter().map(|hash| (*hash).clone()).collect()).await
            }
            None => BTreeMap::new(),
        };
        let mut asked: BTreeMap<&Namespace, BTreeMap<&ChunkId, &Sha256Hex>> = BTreeMap::new();
        for hash in hashes.into_iter().filter(|hash| !found.contains_key(*hash)) {
            if let Some((namespace, id)) = places.get(hash) {
                asked.entry(namespace).or_default().insert(id, hash);
            }
        }
        for (namespace, ids) in asked {
            let wanted: Vec<ChunkId> = ids.keys().map(|id| (*id).clone()).collect();
            let vectors = self.means.store.vectors(namespace, &wanted).await.map_err(|e| self.store_failed(e))?;
            found.extend(vectors.into_iter().filter_map(|(id, vector)| Some(((*ids.get(&id)?).clone(), vector))));
        }
        // Whoever can write a store or a cache can write anything.
        let dimension = self.means.model.dimension();
        found.retain(|_, vector| vector.len() == dimension && vector.iter().all(|x| x.is_finite()));
        Ok(found)
    }

    /// Sends texts to the model, as many batches at once as it takes.
    async fn embed(&mut self, texts: Vec<SameText<'_>>) -> Result<(), ApplyError> {
        let limits = self.means.model.limits();
        let mut batches = Batches::new(texts, limits);
        let mut halves: Vec<Vec<Piece<'_>>> = Vec::new();
        let mut partings = 0;
        let mut trouble: Option<ApplyError> = None;
        let mut flying = FuturesUnordered::new();
        let (means, namespace) = (self.means, &self.plan.namespace);
        loop {
            while trouble.is_none() && flying.len() < limits.at_once.max(1) {
                if let Err(stopped) = self.go_on() {
                    trouble = Some(stopped);
                    break;
                }
                let batch = match halves.pop() {
                    Some(half) => Ok(Some(half)),
                    None => batches.next().map(|batch| self.read(batch)).transpose(),
                };
                match batch {
                    Ok(Some(batch)) => flying.push(async move { fly(&means, namespace, batch).await }),
                    Ok(None) => break,
                    Err(error) => trouble = Some(error),
                }
            }
            let Some(landed) = flying.next().await else { break };
            let mut again = self.land(landed, &mut trouble);
            if !again.is_empty() {
                partings += 1;
                let second = again.split_off(again.len() / 2);
                halves.extend([second, again]);
            }
            if partings > PARTINGS && trouble.is_none() {
                let why = format!("it refused more than {PARTINGS} batches; look at its settings under `embed.model`");
                let source = ModelError::Unavailable { model: means.model.fingerprint(), why };
                trouble = Some(ApplyError::Model { source, done: self.done, total: self.plan.upserts() });
            }
        }
        match trouble {
            Some(error) => Err(self.as_of_now(error)),
            None => Ok(()),
        }
    }

    fn read<'w>(&self, batch: Vec<SameText<'w>>) -> Result<Vec<Piece<'w>>, ApplyError> {
        let mut texts = self.texts(batch.iter().map(|same| same.first))?;
        let pieces = batch.into_iter().filter_map(|same| Some(Piece { chunk: texts.remove(&same.first.id)?, same }));
        Ok(pieces.collect())
    }

    /// Counts what a batch came to; gives back what is to be tried again.
    fn land<'w>(&mut self, landed: Landed<'w>, trouble: &mut Option<ApplyError>) -> Vec<Piece<'w>> {
        let Landed { embedded, stored, tokens, refusals, again, trouble: met } = landed;
        self.done.embedded += embedded;
        self.done.reused += stored - embedded;
        self.done.upserted += stored;
        self.done.tokens = self.done.tokens.saturating_add(tokens);
        self.refusals.extend(refusals);
        if let Some(met) = met {
            // The first one is the one to be told.
            let total = self.plan.upserts();
            trouble.get_or_insert(match met {
                // Who was asked to end has not failed.
                Trouble::Model(_) if self.means.stop.is_asked() => ApplyError::Stopped { done: self.done, total },
                Trouble::Model(source) => ApplyError::Model { source, done: self.done, total },
                Trouble::Store(source) => ApplyError::Store { source, done: self.done },
            });
        }
        if stored > 0 {
            (self.progress)(&self.done);
        }
        again
    }

    /// The same error with what was done until all that was under way had landed.
    fn as_of_now(&self, error: ApplyError) -> ApplyError {
        let done = self.done;
        match error {
            ApplyError::Model { source, total, .. } => ApplyError::Model { source, done, total },
            ApplyError::Store { source, .. } => ApplyError::Store { source, done },
            ApplyError::Stopped { total, .. } => ApplyError::Stopped { done, total },
            other => other,
        }
    }

    /// Takes away what no asset has any more, but for assets that did not get all that they should have.
    async fn delete(&mut self) -> Result<(), ApplyError> {
        let behind: BTreeSet<&AssetKey> = self.refusals.iter().map(|refusal| &refusal.asset).collect();
        let held = self.means.held.get(&self.plan.namespace);
        let is_behind =
            |id: &&ChunkId| held.and_then(|held| held.get(*id)).is_some_and(|held| behind.contains(&held.asset));
        let gone: Vec<ChunkId> = self.plan.delete.iter().filter(|id| !is_behind(id)).cloned().collect();
        for page in gone.chunks(PAGE) {
            self.go_on()?;
            self.means.store.delete(&self.plan.namespace, page).await.map_err(|source| self.store_failed(source))?;
            self.done.deleted += page.len();
            (self.progress)(&self.done);
        }
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
    let answers = search_parts(query, k, model, store, std::slice::from_ref(namespace)).await?;
    Ok(answers.into_iter().map(|answer| answer.hit).collect())
}

/// The `k` assets of several parts of the index that answer best.
pub async fn search_parts(
    query: &str,
    k: usize,
    model: &dyn EmbeddingModel,
    store: &dyn VectorStore,
    parts: &[Namespace],
) -> Result<Vec<Answer>, SearchError> {
    if query.trim().is_empty() {
        return Err(SearchError::Empty);
    }
    let answer = model.embed(&[query]).await?;
    model::verify(model, 1, &answer)?;
    let vector = answer.vectors.into_iter().next().unwrap_or_default();
    let query = Query { text: query.to_owned(), vector };
    let mut answers = Vec::new();
    for part in parts {
        let hits = store.search(part, &query, k).await?;
        answers.extend(hits.into_iter().map(|hit| Answer { repository: part.source().map(str::to_owned), hit }));
    }
    Ok(best(answers, k))
}

#[cfg(test)]
mod tests;
