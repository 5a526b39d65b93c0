//! Everything that a run would do, for every target: plain data that can be printed, compared and thrown away.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::downstream::{self, Delivery};
use crate::embedding;
use crate::ids::{CommitId, RepoSlug, TargetName};
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
    /// Why it must not be applied, if so.
    pub refusal: Option<MassDelete>,
    /// What is published where.
    pub publications: Vec<Publication>,
    /// What is told to whom.
    pub deliveries: Vec<Delivery>,
    /// What becomes of each part of the vector index; nothing when the library has none.
    pub indexes: Vec<Indexing>,
    /// The sources of the index that were not read.
    pub unread: Vec<Unread>,
}

/// What becomes of the library's own texts in the vector index, or of those of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Indexing {
    /// Its name among the targets.
    pub target: TargetName,
    /// Where the vectors are kept, for people.
    pub place: String,
    /// What has to be done.
    pub plan: embedding::Plan,
    /// How many assets of the library have no text that is wanted.
    pub without_text: usize,
}

/// A source of the index that was not read, or the index itself; what it has stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its name among the targets.
    pub target: TargetName,
    /// Why, in a sentence; no secret in it.
    pub why: String,
    /// Whether it should have been read.
    pub is_trouble: bool,
}

/// More assets would vanish from a target than a run may take away unasked: a wrong glob or an empty checkout looks so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error(
    "{lost} of the {held} assets that {target} has would vanish, and at most {limit} may in one run. Look whether the \
     checkout and `metadata` in stockroom.yml are as you want them; if so, run again with --allow-mass-delete \
     (in a workflow: the input allow-mass-delete)"
)]
pub struct MassDelete {
    /// The target that would lose them.
    pub target: TargetName,
    /// How many would vanish.
    pub lost: usize,
    /// How many it has.
    pub held: usize,
    /// How many may vanish.
    pub limit: usize,
}

/// The name of the vector index among the targets.
pub fn embedding_target() -> TargetName {
    TargetName::new("embedding")
}

/// Whether a target is what the vector index holds of another repository: what it has is of that one's commits.
pub fn is_source_target(target: &TargetName) -> bool {
    target.as_str().starts_with("embedding/")
}

/// The name of what the vector index holds of another repository.
pub fn source_target(repository: &RepoSlug) -> TargetName {
    TargetName::new(format!("embedding/{repository}"))
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
        Self { indexes: Vec::new(), unread: Vec::new(), superseded: Some(newer), refusal: None, ..self }
    }

    /// The first target that would lose more than ten assets and more than a fifth of them.
    pub fn mass_delete(&self) -> Option<MassDelete> {
        let publications = self
            .publications
            .iter()
            .map(|of| (&of.target, of.removed, (of.assets - of.added).saturating_add(of.removed)));
        let deliveries = self.deliveries.iter().map(|of| {
            let held = of.known.delivered.as_ref().map_or(0, |delivered| delivered.assets.len());
            (&of.target, of.removed, held)
        });
        let judged = publications.chain(deliveries).map(|(target, lost, held)| {
            let limit = (held / 5).max(10);
            (lost > limit).then(|| MassDelete { target: target.clone(), lost, held, limit })
        });
        // What another repository would lose is refused where it is brought into step, and holds nothing else up.
        let indexes = self.indexes.iter().filter(|of| !is_source_target(&of.target)).map(|of| {
            let refusal = of.plan.refusal?;
            let embedding::plan::MassDelete { lost, held, limit } = refusal;
            Some(MassDelete { target: of.target.clone(), lost, held, limit })
        });
        judged.chain(indexes).flatten().next()
    }

    /// Whether every target is in step.
    pub fn is_empty(&self) -> bool {
        self.is_empty_but_for(&BTreeSet::new())
    }

    /// Whether every target is in step, whatever stands with these places of the manifest.
    pub fn is_empty_but_for(&self, places: &BTreeSet<TargetName>) -> bool {
        let is_done = |one: &Publication| one.action == ManifestAction::None || places.contains(&one.target);
        self.publications.iter().all(is_done)
            && self.deliveries.iter().all(|delivery| delivery.action == downstream::Action::None)
            && self.indexes.iter().all(|index| index.plan.is_empty())
    }
}
