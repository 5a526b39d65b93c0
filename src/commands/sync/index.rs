//! Brings the parts of the vector index into step, each of them a target of its own.

use super::{delivered, not_recorded, settle_in_step, steps};
use crate::adapters::vector_cache::VectorCache;
use crate::adapters::vector_store::VectorStoreError;
use crate::commands::embed::{self, ApplyError, Means};
use crate::commands::gather::Library;
use crate::commands::outside::Outside;
use crate::commands::plan::{Desired, Index};
use crate::commands::record::{STOPPED, Steps};
use crate::commands::texts::{LibraryTexts, Texts};
use crate::embedding::Plan;
use crate::embedding::plan::digest as chunks_digest;
use crate::finding::words::count;
use crate::ids::{CorrelationId, Sha256Hex};
use crate::plan::Indexing;
use crate::report::targets::{EmbeddingNumbers, Outcome, TargetResult};
use crate::state::Delivered;
use crate::state::row::IndexMark;

/// What the parts of the index have in common within one run.
pub(in crate::commands) struct Session<'a> {
    desired: &'a Desired,
    library: &'a Library,
    outside: &'a Outside,
    /// Whether the rows in the state are still to be written from what the store was found to hold.
    is_unwritten: bool,
}

impl<'a> Session<'a> {
    pub(in crate::commands) fn new(desired: &'a Desired, library: &'a Library, outside: &'a Outside) -> Self {
        Self { desired, library, outside, is_unwritten: desired.was_listed }
    }

    /// Brings one part into step; says what became of it, and what it took.
    pub(super) async fn bring(
        &mut self,
        Indexing { target: name, plan, .. }: &Indexing,
        index: &Index,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> (TargetResult, EmbeddingNumbers) {
        let (desired, outside, nothing) = (self.desired, self.outside, EmbeddingNumbers::default());
        let result = |outcome, message: String| TargetResult { name: name.clone(), outcome, message };
        let digest = chunks_digest(&plan.namespace, &index.wanted);
        let done = self.delivered(index, &digest);
        if plan.is_empty() && plan.refusal.is_none() && !(desired.is_index_strange && self.is_unwritten) {
            settle_in_step(desired, outside, name, done).await;
            return (result(Outcome::Unchanged, "in step".to_owned()), nothing);
        }
        if outside.stop().is_asked() {
            return (result(Outcome::Skipped, STOPPED.to_owned()), nothing);
        }
        let known = desired.planned.target(name);
        let steps = steps(desired, outside, name, &digest, &known);
        let mark = match steps.intend(&known).await {
            Ok(serial) => IndexMark { lineage: desired.planned.lineage.clone(), serial },
            Err(error) => return (not_recorded(name, error, |error| error.to_string()), nothing),
        };
        let applied = self.apply(plan, index, &steps, &mark, progress).await;
        let (done_so_far, why) = match &applied {
            Ok(done) => (*done, None),
            Err(error) => (error.done(), Some(error.to_string())),
        };
        // What was begun is the next run's to go on with: no failure, and an intent that stays.
        let is_stopped = matches!(applied, Err(ApplyError::Stopped { .. }));
        // What an earlier run left in doubt stays so.
        let certain = applied.is_err_and(|error| error.is_certain()) && known.intent.is_none();
        let recorded = match &why {
            Some(_) if is_stopped => Ok(()),
            Some(why) => steps.failed(why, certain).await,
            None => steps.delivered(done).await,
        };
        let result = match (why, recorded) {
            (None, Ok(())) if plan.is_empty() => result(Outcome::Unchanged, "in step".to_owned()),
            (None, Ok(())) => result(Outcome::Done, said(&done_so_far)),
            (Some(why), Ok(())) if is_stopped => result(Outcome::Skipped, why),
            (Some(why), Ok(())) => result(Outcome::Failed, why),
            (None, Err(error)) => not_recorded(name, error, |error| format!("indexed, but {error}")),
            (Some(why), Err(error)) => not_recorded(name, error, |error| format!("{why}; and {error}")),
        };
        (result, numbers(&done_so_far))
    }

    async fn apply(
        &mut self,
        plan: &Plan,
        index: &Index,
        steps: &Steps<'_>,
        mark: &IndexMark,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<embed::Outcome, ApplyError> {
        if let Some(refusal) = plan.refusal {
            return Err(refusal.into());
        }
        let begun = self.begin(&steps.correlation, mark, self.is_unwritten).await;
        begun.map_err(|source| ApplyError::Store { source, done: embed::Outcome::default() })?;
        self.is_unwritten = false;
        self.embed(plan, index, &steps.correlation, progress).await
    }

    /// Begins to write to the index, under a new mark; where it was listed, what it holds takes the place of the rows.
    pub(in crate::commands) async fn begin(
        &self,
        intent: &CorrelationId,
        mark: &IndexMark,
        was_listed: bool,
    ) -> Result<(), VectorStoreError> {
        self.recorded(intent).begin(mark, was_listed).await
    }

    fn recorded<'s>(&'s self, intent: &'s CorrelationId) -> embed::Recorded<'s> {
        let (rows, held) = (self.outside.state.as_ref(), &self.desired.indexed);
        embed::Recorded { store: self.outside.vectors.as_ref(), rows, intent, held }
    }

    /// Does what the plan says; what is written is recorded as long as the intent is under way.
    pub(in crate::commands) async fn embed(
        &self,
        plan: &Plan,
        index: &Index,
        intent: &CorrelationId,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<embed::Outcome, ApplyError> {
        let (outside, held) = (self.outside, &self.desired.indexed);
        let (store, nothing) = (self.recorded(intent), embed::Outcome::default());
        let unread = |error: anyhow::Error| ApplyError::Text { why: format!("{error:#}"), done: nothing };
        let settings = self.library.config.settings.embed.clone().unwrap_or_default();
        let own;
        let texts: &dyn Texts = match &index.texts {
            Some(texts) => texts.as_ref(),
            None => {
                own = LibraryTexts::new(self.library, &settings, outside.model.as_ref()).map_err(unread)?;
                &own
            }
        };
        let means = Means {
            model: outside.model.as_ref(),
            store: &store,
            cache: cache(outside),
            held,
            texts,
            stop: outside.stop(),
        };
        let total = plan.upserts();
        let mut heard = |done: &embed::Outcome| progress(&format!("embedding {} of {total} chunks", done.upserted));
        embed::apply(plan, &index.wanted, &means, &mut heard).await
    }

    fn delivered(&self, index: &Index, digest: &Sha256Hex) -> Delivered {
        let own = delivered(self.desired, self.outside, digest);
        match &index.texts {
            None => own,
            Some(_) => Delivered { commit: index.commit.clone(), assets: index.assets.clone(), ..own },
        }
    }
}

/// The cache, where the model's vectors are worth it.
fn cache(outside: &Outside) -> Option<&VectorCache> {
    outside.cache.as_ref().filter(|_| outside.model.is_remote())
}

fn said(done: &embed::Outcome) -> String {
    format!("{} embedded, {} known, {} deleted", count(done.embedded, "chunk"), done.reused, done.deleted)
}

/// The same for a report.
pub(in crate::commands) fn numbers(done: &embed::Outcome) -> EmbeddingNumbers {
    let embed::Outcome { embedded, reused, upserted, deleted, tokens } = *done;
    EmbeddingNumbers { embedded, reused, upserted, deleted, tokens }
}
