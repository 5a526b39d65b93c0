//! A plan and what came of it, as rows: one for each target, the same in every report.

use serde::Serialize;

use crate::downstream::{self, Channel, Delivery};
use crate::embedding;
use crate::ids::{CommitId, Sha256Hex, TargetName};
use crate::manifest::plan::{Action as ManifestAction, Publication};
use crate::plan::{Plan, embedding_target};
use crate::report::counting::count;

/// The kind of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A place for the manifest.
    Manifest,
    /// A repository that builds on the library.
    Downstream,
    /// The vector index.
    Embedding,
}

/// What a plan says of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The target's name.
    pub name: TargetName,
    /// Its kind.
    pub kind: Kind,
    /// `none`, or the verb of what is to be done.
    pub action: &'static str,
    /// Where that is, for people.
    pub place: String,
    /// How much, in words; empty when there is nothing to do.
    pub what: String,
    /// Why.
    pub why: String,
    /// The numbers behind `what`, by the names that the JSON has for them.
    pub counts: Vec<(&'static str, u64)>,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What was planned was done.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// A newer run has served it.
    Superseded,
    /// It was left out, for the reason that the message gives.
    Skipped,
    /// It did not work; the next run tries again.
    Failed,
}

/// The outcome for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetResult {
    /// The target.
    pub name: TargetName,
    /// What became of it.
    pub outcome: Outcome,
    /// What was done, or why not, in a sentence.
    pub message: String,
}

/// What the vector index took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbeddingNumbers {
    /// Texts that went to the model.
    pub embedded: usize,
    /// Chunks whose vector was known.
    pub reused: usize,
    /// Chunks written.
    pub upserted: usize,
    /// Chunks taken away.
    pub deleted: usize,
    /// Tokens that the model counted.
    pub tokens: u64,
}

/// A whole run of `sync`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// What was planned.
    pub plan: Plan,
    /// What came of it, in the order in which it was done.
    pub results: Vec<TargetResult>,
    /// What the vector index took.
    pub embedding: EmbeddingNumbers,
    /// The digest of the manifest that every place has now; none where one of them has another, or none.
    pub published: Option<Sha256Hex>,
    /// Whether this run has published a manifest that differs from the one published last.
    pub has_new_manifest: bool,
}

impl Sync {
    /// Whether some target did not get what it should have.
    pub fn is_partial(&self) -> bool {
        self.results.iter().any(|result| matches!(result.outcome, Outcome::Failed | Outcome::Skipped))
    }

    /// Whether anything was changed anywhere.
    pub fn has_changed(&self) -> bool {
        self.results.iter().any(|result| result.outcome == Outcome::Done)
    }
}

/// The rows of a plan, in the order in which it is applied.
pub fn rows(plan: &Plan) -> Vec<Row> {
    let publications = plan.publications.iter().map(publication);
    let deliveries = plan.deliveries.iter().map(delivery);
    publications.chain(deliveries).chain(plan.embedding.as_ref().map(embedding)).collect()
}

/// The state of the library that a plan is for: a commit, or what is there instead.
pub fn library(commit: Option<&CommitId>, dirty: bool) -> String {
    match (commit, dirty) {
        (Some(commit), false) => format!("commit {}", commit.short()),
        (Some(commit), true) => format!("commit {} with uncommitted changes", commit.short()),
        (None, _) => "files without a commit".to_owned(),
    }
}

fn publication(of: &Publication) -> Row {
    let counts = [("assets", of.assets), ("added", of.added), ("changed", of.changed), ("removed", of.removed)];
    let (action, what) = match of.action {
        ManifestAction::None => ("none", String::new()),
        ManifestAction::Publish => ("publish", format!("{}: {}", count(of.assets, "asset"), changes(&counts[1..]))),
    };
    Row {
        name: of.target.clone(),
        kind: Kind::Manifest,
        action,
        place: of.place.clone(),
        what,
        why: of.why.clone(),
        counts: widened(&counts),
    }
}

fn delivery(of: &Delivery) -> Row {
    let counts = [("added", of.added), ("changed", of.changed), ("removed", of.removed)];
    let action = match of.action {
        downstream::Action::None => "none",
        downstream::Action::Deliver => "deliver",
        downstream::Action::Resolve => "resolve",
    };
    let place = match of.channel {
        Channel::GitHub => of.repo.to_string(),
        Channel::Outbox => format!("{} (no token, so a file in the outbox)", of.repo),
    };
    Row {
        name: of.target.clone(),
        kind: Kind::Downstream,
        action,
        place,
        what: if action == "none" { String::new() } else { changes(&counts) },
        why: of.why.clone(),
        counts: widened(&counts),
    }
}

fn embedding(of: &embedding::Plan) -> Row {
    let counts = [
        ("embed", of.embed.len()),
        ("reuse", of.reuse.len()),
        ("upsert", of.upserts()),
        ("delete", of.delete.len()),
        ("unchanged", of.unchanged),
    ];
    let (action, what, why) = match &of.refusal {
        Some(refusal) => ("refuse", String::new(), refusal.to_string()),
        None if of.is_empty() => ("none", String::new(), "in step".to_owned()),
        None => {
            let tokens =
                format!("{} to embed (about {})", count(of.embed.len(), "chunk"), count_u64(of.tokens, "token"));
            let what = format!("{tokens}, {} known, {} to delete", of.reuse.len(), of.delete.len());
            // Whatever the store holds of this library is unchanged, deleted, or gives its vector to another chunk.
            let was_empty = of.unchanged == 0 && of.delete.is_empty() && of.reuse.is_empty();
            let why = if was_empty { "the index is empty".to_owned() } else { format!("{} unchanged", of.unchanged) };
            ("embed", what, why)
        }
    };
    let mut counts = widened(&counts);
    counts.push(("tokens", of.tokens));
    Row { name: embedding_target(), kind: Kind::Embedding, action, place: "vector index".to_owned(), what, why, counts }
}

fn count_u64(n: u64, noun: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), noun)
}

fn changes(counts: &[(&'static str, usize)]) -> String {
    let said: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    if said.is_empty() { "no asset differs".to_owned() } else { said.join(", ") }
}

fn widened(counts: &[(&'static str, usize)]) -> Vec<(&'static str, u64)> {
    counts.iter().map(|(name, n)| (*name, u64::try_from(*n).unwrap_or(u64::MAX))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::Namespace;
    use crate::ids::ChunkId;

    fn why(embed: usize, reuse: usize, delete: usize, unchanged: usize) -> String {
        let ids = |n| vec![ChunkId::from_store("c"); n];
        let plan = embedding::Plan {
            namespace: Namespace::from_store("m/1/c"),
            embed: ids(embed),
            reuse: ids(reuse),
            delete: ids(delete),
            unchanged,
            tokens: 0,
            obsolete: Vec::new(),
            refusal: None,
        };
        embedding(&plan).why
    }

    #[test]
    fn an_index_is_said_to_be_empty_only_where_it_is() {
        assert_eq!(why(3, 0, 0, 0), "the index is empty");
        assert_eq!(why(3, 0, 3, 0), "0 unchanged", "every text has changed");
        assert_eq!(why(0, 3, 3, 0), "0 unchanged", "every asset was renamed");
        assert_eq!(why(1, 0, 0, 2), "2 unchanged");
    }
}
