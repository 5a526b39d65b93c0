//! Which texts go to the model, and which of them together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::adapters::model::Limits;
use crate::embedding::{Chunk, Plan, Wanted};
use crate::ids::{ChunkId, Sha256Hex};

/// How many texts a request has when there are enough for all that may be under way: few enough that little is lost with a
/// run that is killed, enough that their number does not matter.
const FEWEST: usize = 32;
const MOST: usize = 256;

/// Chunks with the same text: it is embedded once, whosever it is.
#[derive(Debug, Clone)]
pub(super) struct SameText<'w> {
    pub first: &'w Wanted,
    pub others: Vec<&'w Wanted>,
}

impl SameText<'_> {
    /// All of them, given the first.
    pub(super) fn chunks(&self, first: &Chunk) -> impl Iterator<Item = Chunk> {
        let of = |wanted: &Wanted| Chunk {
            id: wanted.id.clone(),
            asset: (*wanted.asset).clone(),
            path: (*wanted.path).clone(),
            index: wanted.index,
            text: first.text.clone(),
            hash: wanted.hash.clone(),
        };
        std::iter::once(of(self.first))
            .chain(self.others.iter().map(move |other| of(other)))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// What a plan wants written.
pub(super) struct Sorted<'w> {
    /// Chunks whose vector is known.
    pub known: Vec<&'w Wanted>,
    /// The others.
    pub unknown: Vec<SameText<'w>>,
}

/// Sorts what is to be written, in the order of the chunks; the error is a chunk of the plan that is not among them.
pub(super) fn sorted<'w>(plan: &Plan, wanted: &'w [Wanted]) -> Result<Sorted<'w>, ChunkId> {
    let sent: BTreeSet<&ChunkId> = plan.embed.iter().collect();
    let mut left: BTreeSet<&ChunkId> = plan.embed.iter().chain(&plan.reuse).collect();
    let to_write: Vec<&Wanted> = wanted.iter().filter(|chunk| left.remove(&chunk.id)).collect();
    if let Some(id) = left.first() {
        return Err((*id).clone());
    }
    let of_sent: BTreeSet<&Sha256Hex> = to_write.iter().filter(|c| sent.contains(&c.id)).map(|c| &c.hash).collect();
    let (unknown, known) = to_write.into_iter().partition(|chunk| of_sent.contains(&chunk.hash));
    Ok(Sorted { known, unknown: by_text(unknown) })
}

/// The chunks by their texts, in the order in which each text comes first.
pub(super) fn by_text(chunks: Vec<&Wanted>) -> Vec<SameText<'_>> {
    let mut places: BTreeMap<&Sha256Hex, usize> = BTreeMap::new();
    let mut texts: Vec<SameText<'_>> = Vec::new();
    for chunk in chunks {
        let place = *places.entry(&chunk.hash).or_insert(texts.len());
        match texts.get_mut(place) {
            Some(same) => same.others.push(chunk),
            None => texts.push(SameText { first: chunk, others: Vec::new() }),
        }
    }
    texts
}

/// Hands out batches within the model's limits.
pub(super) struct Batches<'w> {
    left: VecDeque<SameText<'w>>,
    size: usize,
    tokens: u64,
}

impl<'w> Batches<'w> {
    pub(super) fn new(texts: Vec<SameText<'w>>, limits: Limits) -> Self {
        let even = texts.len().div_ceil(limits.at_once.max(1));
        let size = if limits.at_once > 1 { even.clamp(FEWEST, MOST) } else { MOST };
        Self { left: texts.into(), size: size.min(limits.texts).max(1), tokens: limits.tokens }
    }
}

impl<'w> Iterator for Batches<'w> {
    type Item = Vec<SameText<'w>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut batch, mut tokens) = (Vec::new(), 0_u64);
        while let Some(next) = self.left.front() {
            tokens = tokens.saturating_add(next.first.tokens.into());
            // One text alone goes to the model whatever it has: it is for the model to refuse it.
            if batch.len() == self.size || (tokens > self.tokens && !batch.is_empty()) {
                break;
            }
            batch.extend(self.left.pop_front());
        }
        (!batch.is_empty()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};

    fn wanted(tokens: &[u32]) -> Vec<Wanted> {
        let key = Arc::new(AssetKey { collection: CollectionName::new("p"), id: AssetId::new("a") });
        let one = |(at, tokens): (usize, &u32)| Wanted {
            id: ChunkId::from_store(at.to_string()),
            asset: Arc::clone(&key),
            path: Arc::new(RepoPath::new("a.md")),
            index: 0,
            hash: Sha256Hex::of(&at.to_le_bytes()),
            tokens: *tokens,
        };
        tokens.iter().enumerate().map(one).collect()
    }

    fn sizes(tokens: &[u32], limits: Limits) -> Vec<usize> {
        let all = wanted(tokens);
        Batches::new(by_text(all.iter().collect()), limits).map(|batch| batch.len()).collect()
    }

    #[test]
    fn a_batch_ends_where_its_texts_or_its_tokens_do() {
        let limits = Limits { texts: 3, tokens: 10, tokens_each: 10, at_once: 1 };
        assert_eq!(sizes(&[1, 1, 1, 1, 9, 2, 50, 1], limits), [3, 2, 1, 1, 1]);
        assert_eq!(sizes(&[], limits), [0_usize; 0]);
    }

    #[test]
    fn work_is_spread_over_all_that_may_be_under_way() {
        let limits = |at_once| Limits { texts: 2048, tokens: u64::MAX, tokens_each: 10, at_once };
        assert_eq!(sizes(&[1; 1750], limits(16)).len(), 16);
        assert_eq!(sizes(&[1; 40], limits(16)), [32, 8]);
        assert_eq!(sizes(&[1; 20_000], limits(16))[0], MOST);
        assert_eq!(sizes(&[1; 600], limits(1)), [256, 256, 88]);
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_within_the_limits(
            tokens in prop::collection::vec(0_u32..40, 0..200), texts in 1_usize..60, most in 1_u64..100, at_once in 1_usize..20,
        ) {
            let all = wanted(&tokens);
            let limits = Limits { texts, tokens: most, tokens_each: 1, at_once };
            let batches: Vec<_> = Batches::new(by_text(all.iter().collect()), limits).collect();
            let ids: Vec<_> = batches.iter().flatten().map(|same| same.first.id.clone()).collect();
            prop_assert_eq!(ids, all.iter().map(|w| w.id.clone()).collect::<Vec<_>>());
            for batch in batches {
                let sum: u64 = batch.iter().map(|same| u64::from(same.first.tokens)).sum();
                prop_assert!(batch.len() <= texts && (sum <= most || batch.len() == 1));
            }
        }
    }
}
