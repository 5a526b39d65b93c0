//! What became of an application, and why it did not come to its end.

use crate::adapters::model::ModelError;
use crate::adapters::vector_store::VectorStoreError;
use crate::embedding::plan::MassDelete;
use crate::ids::{AssetKey, RepoPath};

/// How many chunks that were refused are named.
const NAMED: usize = 3;

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

/// A chunk that the model or the store did not take, while the others went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose text it is.
    pub asset: AssetKey,
    /// The file it stands in.
    pub path: RepoPath,
    /// What was said of it.
    pub why: String,
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
    /// Some chunks were refused, and everything else was done that does not depend on them.
    #[error("{}", partly(refusals, done, *total))]
    Partly {
        /// Each of them.
        refusals: Vec<Refusal>,
        /// What was done.
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
    /// A text could not be read again.
    #[error("{why} ({} chunks were stored before that)", done.upserted)]
    Text {
        /// What is wrong.
        why: String,
        /// What was done before that was seen.
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
            | Self::Partly { done, .. }
            | Self::Stopped { done, .. }
            | Self::Store { done, .. }
            | Self::Text { done, .. }
            | Self::Foreign { done, .. } => *done,
            Self::Refused(_) => Outcome::default(),
        }
    }

    /// Whether it is certain that the store is as it was.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Foreign { done, .. } | Self::Text { done, .. } | Self::Stopped { done, .. } => {
                *done == Outcome::default()
            }
            // What the store was doing when it failed may have been done all the same.
            Self::Model { .. } | Self::Partly { .. } | Self::Store { .. } => false,
        }
    }
}

fn partly(refusals: &[Refusal], done: &Outcome, total: usize) -> String {
    let named = refusals.iter().take(NAMED).map(|Refusal { asset, path, why }| format!("{asset} ({path}): {why}"));
    let more = refusals.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!(
        "{} of {total} chunks were refused: {}{more}. {} were stored; what these assets had before stays in the index until \
         their texts are taken",
        refusals.len(),
        named.collect::<Vec<_>>().join("; "),
        done.upserted
    )
}
