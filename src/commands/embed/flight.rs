//! One batch on its way through the model into the store.

use std::collections::BTreeMap;

use super::batch::SameText;
use super::{Means, Refusal};
use crate::adapters::model::{self, ModelError};
use crate::adapters::vector_store::{Point, VectorStoreError};
use crate::embedding::{Chunk, Namespace};
use crate::ids::{ChunkId, Sha256Hex};

/// A text with the chunks that have it.
#[derive(Debug)]
pub(super) struct Piece<'w> {
    pub same: SameText<'w>,
    pub chunk: Chunk,
}

/// How a batch came down.
pub(super) struct Landed<'w> {
    /// Texts that were embedded and stored.
    pub embedded: usize,
    /// Chunks that were stored.
    pub stored: usize,
    /// Tokens that the model counted.
    pub tokens: u64,
    /// What was not taken.
    pub refusals: Vec<Refusal>,
    /// What is to be tried again in two halves, as the model did not take it at once.
    pub again: Vec<Piece<'w>>,
    /// What ends the run.
    pub trouble: Option<Trouble>,
}

/// What ends a run.
pub(super) enum Trouble {
    Model(ModelError),
    Store(VectorStoreError),
}

impl Landed<'_> {
    fn new() -> Self {
        Self { embedded: 0, stored: 0, tokens: 0, refusals: Vec::new(), again: Vec::new(), trouble: None }
    }
}

/// Embeds a batch and stores it.
pub(super) async fn fly<'w>(means: &Means<'_>, namespace: &Namespace, batch: Vec<Piece<'w>>) -> Landed<'w> {
    let mut landed = Landed::new();
    let texts: Vec<&str> = batch.iter().map(|piece| piece.chunk.text.as_str()).collect();
    let answer = means.model.embed(&texts).await;
    let answer = match answer.and_then(|answer| model::verify(means.model, texts.len(), &answer).map(|()| answer)) {
        Ok(answer) => answer,
        Err(error @ ModelError::Unavailable { .. }) => {
            landed.trouble = Some(Trouble::Model(error));
            return landed;
        }
        Err(error) => {
            match batch.as_slice() {
                [one] => landed.refusals.push(refusal(&one.chunk, error.to_string())),
                _ => landed.again = batch,
            }
            return landed;
        }
    };
    landed.tokens = answer.tokens;
    if let Some(cache) = means.cache {
        let known: Vec<(Sha256Hex, Vec<f32>)> = batch
            .iter()
            .zip(&answer.vectors)
            .map(|(piece, vector)| (piece.chunk.hash.clone(), vector.clone()))
            .collect();
        cache.put(namespace.model(), known).await;
    }
    let each = batch.iter().zip(answer.vectors);
    let points = each.flat_map(|(piece, vector)| {
        piece.same.chunks(&piece.chunk).map(move |chunk| Point { chunk, vector: vector.clone() })
    });
    let written = write(means, namespace, points.collect()).await;
    landed.stored = written.stored;
    let refused: BTreeMap<&ChunkId, ()> = written.refused.iter().map(|(chunk, _)| (&chunk.id, ())).collect();
    landed.embedded = batch.iter().filter(|piece| !refused.contains_key(&piece.chunk.id)).count().min(written.stored);
    landed.refusals = written.refused.iter().map(|(chunk, why)| refusal(chunk, why.clone())).collect();
    landed.trouble = written.trouble.map(Trouble::Store);
    landed
}

fn refusal(chunk: &Chunk, why: String) -> Refusal {
    Refusal { asset: chunk.asset.clone(), path: chunk.path.clone(), why }
}

/// What became of points.
pub(super) struct Written {
    pub stored: usize,
    pub refused: Vec<(Chunk, String)>,
    pub trouble: Option<VectorStoreError>,
}

/// Stores points; where the store does not take them together, the half with the one at fault is found.
pub(super) async fn write(means: &Means<'_>, namespace: &Namespace, points: Vec<Point>) -> Written {
    let mut written = Written { stored: 0, refused: Vec::new(), trouble: None };
    let mut waiting = vec![points.as_slice()];
    while let Some(points) = waiting.pop() {
        match (means.store.upsert(namespace, points).await, points) {
            (Ok(()), _) => written.stored += points.len(),
            (Err(VectorStoreError::Refused { why, .. }), [one]) => written.refused.push((one.chunk.clone(), why)),
            (Err(VectorStoreError::Refused { .. }), _) => {
                let (first, second) = points.split_at(points.len() / 2);
                waiting.extend([second, first]);
            }
            (Err(trouble), _) => {
                written.trouble = Some(trouble);
                break;
            }
        }
    }
    written
}
