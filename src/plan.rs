//! Everything that a run would do, for every target: plain data that can be printed, compared and thrown away.

use serde::Serialize;

use crate::downstream::{self, Delivery};
use crate::embedding;
use crate::ids::{CommitId, TargetName};
use crate::manifest::plan::{Action as ManifestAction, Publication};

/// What should be done, and why, in the order in which it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The commit that the library was read at; none before the first one.
    pub commit: Option<CommitId>,
    /// Whether files differ from that commit.
    pub dirty: bool,
    /// A newer commit that was served already: then nothing is done for this one.
    pub superseded: Option<CommitId>,
    /// What is published where.
    pub publications: Vec<Publication>,
    /// What is told to whom.
    pub deliveries: Vec<Delivery>,
    /// What becomes of the vector index; nothing when the library has none.
    pub embedding: Option<embedding::Plan>,
}

/// The name of the vector index among the targets.
pub fn embedding_target() -> TargetName {
    TargetName::new("embedding")
}

impl Plan {
    /// The same plan with nothing left to do, for an older commit never overwrites a newer one.
    #[must_use]
    pub fn superseded_by(mut self, newer: CommitId) -> Self {
        let why = format!("commit {}, which is newer, was served already", newer.short());
        for publication in &mut self.publications {
            publication.action = ManifestAction::None;
            publication.why.clone_from(&why);
        }
        for delivery in &mut self.deliveries {
            delivery.action = downstream::Action::None;
            delivery.why.clone_from(&why);
        }
        Self { embedding: None, superseded: Some(newer), ..self }
    }

    /// Whether every target is in step.
    pub fn is_empty(&self) -> bool {
        self.publications.iter().all(|publication| publication.action == ManifestAction::None)
            && self.deliveries.iter().all(|delivery| delivery.action == downstream::Action::None)
            && self.embedding.as_ref().is_none_or(embedding::Plan::is_empty)
    }
}
