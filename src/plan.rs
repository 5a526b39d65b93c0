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
    /// Whether every target is in step.
    pub fn is_empty(&self) -> bool {
        self.publications.iter().all(|publication| publication.action == ManifestAction::None)
            && self.deliveries.iter().all(|delivery| delivery.action == downstream::Action::None)
            && self.embedding.as_ref().is_none_or(embedding::Plan::is_empty)
    }
}
