//! A plan and what came of it, as rows: one for each target, the same in every report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::course::{Course, Requests};
use crate::downstream::{self, Channel, Delivery};
use crate::finding::words::count;
use crate::ids::{CommitId, Sha256Hex, TargetName};
use crate::manifest::plan::{Action as ManifestAction, Publication};
use crate::plan::{Indexing, Plan, Unread, embedding_target};

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
    /// It was told, and then told again what it had before, as another one failed.
    Restored,
    /// It did not work; the next run tries again.
    Failed,
}

impl Outcome {
    /// Its name in JSON and in the history, where whatever does not have what it should have has failed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
            Self::Restored | Self::Failed => "failed",
        }
    }

    /// What people call it.
    pub fn word(self) -> &'static str {
        if self == Self::Restored { "brought back" } else { self.as_str() }
    }

    /// Whether the target does not have what it should have.
    pub fn is_behind(self) -> bool {
        matches!(self, Self::Failed | Self::Restored | Self::Skipped)
    }
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

impl EmbeddingNumbers {
    /// These and others together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            embedded: self.embedded + other.embedded,
            reused: self.reused + other.reused,
            upserted: self.upserted + other.upserted,
            deleted: self.deleted + other.deleted,
            tokens: self.tokens + other.tokens,
        }
    }
}

/// A whole run of `sync`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// What was planned.
    pub plan: Plan,
    /// What came of it, in the order in which it was done.
    pub results: Vec<TargetResult>,
    /// What deliveries led to, by their targets, as far as they were followed.
    pub courses: BTreeMap<TargetName, Course>,
    /// What the servers of the downstreams were asked.
    pub requests: Requests,
    /// What the vector index took.
    pub embedding: EmbeddingNumbers,
    /// The digest of the manifest that every place has now; none where one of them has another, or none.
    pub published: Option<Sha256Hex>,
    /// Whether this run has published a manifest that differs from the one published last.
    pub has_new_manifest: bool,
    /// The signal that asked the run to stop, if one did.
    pub stopped: Option<String>,
}

impl Sync {
    /// Whether some target did not get what it should have.
    pub fn is_partial(&self) -> bool {
        self.results.iter().any(|result| result.outcome.is_behind())
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
    let unread = plan.unread.iter().map(unread);
    publications.chain(deliveries).chain(plan.indexes.iter().map(indexing)).chain(unread).collect()
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
        downstream::Action::Restore => "restore",
        downstream::Action::Withheld => "withhold",
    };
    let place = match of.channel {
        Channel::Remote => of.settings.receiver.place(),
        Channel::Outbox => format!("{} (no token, so a file in the outbox)", of.settings.receiver.place()),
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

fn indexing(Indexing { target, place, plan: of, without_text }: &Indexing) -> Row {
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
            let price = of.cost.map(|cost| format!(", ≈ {}", dollars(cost))).unwrap_or_default();
            let tokens =
                format!("{} to embed (about {}{price})", count(of.embed.len(), "chunk"), count_u64(of.tokens, "token"));
            let what = format!("{tokens}, {} known, {} to delete", of.reuse.len(), of.delete.len());
            // Whatever the store holds of this library is unchanged, deleted, or gives its vector to another chunk.
            let was_empty = of.unchanged == 0 && of.delete.is_empty() && of.reuse.is_empty();
            let why = if was_empty { "the index is empty".to_owned() } else { format!("{} unchanged", of.unchanged) };
            ("embed", what, why)
        }
    };
    let why = match without_text {
        0 => why,
        n => format!("{why}; {} without a text that `embed.text` names", count(*n, "asset")),
    };
    let mut counts = widened(&counts);
    counts.push(("tokens", of.tokens));
    counts.extend(of.cost.map(|cost| ("micro_usd", cost)));
    Row { name: target.clone(), kind: Kind::Embedding, action, place: place.clone(), what, why, counts }
}

fn unread(of: &Unread) -> Row {
    Row {
        name: of.target.clone(),
        kind: Kind::Embedding,
        action: "unread",
        place: if of.target == embedding_target() { "vector index" } else { "another repository" }.to_owned(),
        what: String::new(),
        why: of.why.clone(),
        counts: Vec::new(),
    }
}

/// Millionths of a US dollar, for people: two digits that count, and cents from a dollar on.
fn dollars(millionths: u64) -> String {
    match millionths {
        0..1_000_000 => {
            let digits = format!("{millionths:06}");
            let lead = digits.bytes().position(|digit| digit != b'0').unwrap_or(0);
            format!("$0.{}", digits.get(..(lead + 2).max(2)).unwrap_or(&digits))
        }
        _ => format!("${}.{:02}", millionths / 1_000_000, millionths % 1_000_000 / 10_000),
    }
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
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::downstream::{Delta, Slice};
    use crate::embedding::plan::MassDelete;
    use crate::embedding::{self, Namespace};
    use crate::ids::{ChunkId, CorrelationId, DownstreamName, RepoSlug, Sha256Hex};
    use crate::state::TargetState;

    fn publication(action: ManifestAction) -> Publication {
        Publication {
            target: TargetName::new("manifest"),
            place: "public/\u{1b}[2J|list".to_owned(),
            action,
            why: if action == ManifestAction::None { "in step" } else { "nothing is published there yet" }.to_owned(),
            digest: Sha256Hex::of(b"manifest"),
            assets: 13,
            added: 12,
            changed: 0,
            removed: 1,
        }
    }

    fn delivery(name: &str, channel: Channel, action: downstream::Action) -> Delivery {
        let (name, repo) = (DownstreamName::new(name), RepoSlug::parse("org/site").unwrap());
        let changed = if action == downstream::Action::None { 0 } else { 2 };
        Delivery {
            target: channel.target(&name),
            slice: Slice::new(repo.as_str(), BTreeMap::new()),
            settings: serde_yaml::from_str(&format!("repo: {repo}")).unwrap(),
            group: None,
            is_gate: false,
            why: if changed == 0 { "in step" } else { "a run died half-way" }.to_owned(),
            added: 0,
            changed,
            removed: 0,
            wave: 0,
            needs: Vec::new(),
            correlation: CorrelationId::new("sr-1"),
            complete: true,
            delta: Delta::default(),
            known: TargetState::default(),
            name,
            channel,
            action,
        }
    }

    fn in_index(plan: embedding::Plan) -> Indexing {
        Indexing { target: embedding_target(), place: "vector index".to_owned(), plan, without_text: 0 }
    }

    fn index(embed: &[&str], unchanged: usize) -> embedding::Plan {
        embedding::Plan {
            cost: None,
            namespace: Namespace::from_store("model/256/c1-1000-200"),
            embed: embed.iter().map(|id| ChunkId::from_store(*id)).collect(),
            reuse: Vec::new(),
            delete: Vec::new(),
            unchanged,
            tokens: 7 * u64::try_from(embed.len()).unwrap(),
            obsolete: Vec::new(),
            refusal: None,
        }
    }

    /// A plan with something to do for a target of each kind, and one that is in step.
    pub(crate) fn busy() -> Plan {
        Plan {
            commit: CommitId::parse(&"a1".repeat(20)).ok(),
            dirty: false,
            superseded: None,
            refusal: None,
            publications: vec![publication(ManifestAction::Publish)],
            deliveries: vec![
                delivery("addon", Channel::Remote, downstream::Action::None),
                delivery("site", Channel::Outbox, downstream::Action::Deliver),
            ],
            indexes: vec![in_index(index(&["c1"], 4))],
            unread: Vec::new(),
        }
    }

    /// A plan that delivers to these: each with its wave and what it needs.
    pub(crate) fn waves(of: &[(&str, usize, &[&str])]) -> Plan {
        let one = |(name, wave, needs): &(&str, usize, &[&str])| Delivery {
            wave: *wave,
            needs: needs.iter().map(|need| DownstreamName::new(*need)).collect(),
            ..delivery(name, Channel::Remote, downstream::Action::Deliver)
        };
        Plan { deliveries: of.iter().map(one).collect(), ..busy() }
    }

    /// A plan with nothing to do.
    pub(crate) fn idle() -> Plan {
        Plan {
            publications: vec![publication(ManifestAction::None)],
            deliveries: vec![delivery("site", Channel::Remote, downstream::Action::None)],
            indexes: vec![in_index(index(&[], 5))],
            ..busy()
        }
    }

    /// A run in which these became of the targets, in the order of the plan's.
    pub(crate) fn run(plan: Plan, outcomes: &[(Outcome, &str)]) -> Sync {
        let result = |(row, (outcome, message)): (Row, &(Outcome, &str))| TargetResult {
            name: row.name,
            outcome: *outcome,
            message: (*message).to_owned(),
        };
        let results = rows(&plan).into_iter().zip(outcomes).map(result).collect();
        let embedding = EmbeddingNumbers { embedded: 1, reused: 0, upserted: 1, deleted: 2, tokens: 7 };
        Sync {
            results,
            plan,
            courses: BTreeMap::new(),
            requests: Requests::default(),
            embedding,
            published: None,
            has_new_manifest: true,
            stopped: None,
        }
    }

    fn words(plan: &Plan) -> Vec<[String; 4]> {
        let row = |row: Row| [row.name.to_string(), row.action.to_owned(), row.what, row.why];
        rows(plan).into_iter().map(row).collect()
    }

    #[test]
    fn a_price_has_two_digits_that_count() {
        for (millionths, said) in [
            (0, "$0.00"),
            (1, "$0.000001"),
            (42, "$0.000042"),
            (200, "$0.00020"),
            (12_345, "$0.012"),
            (999_999, "$0.99"),
            (1_000_000, "$1.00"),
            (12_345_678, "$12.34"),
        ] {
            assert_eq!(dollars(millionths), said);
        }
    }

    #[test]
    fn every_target_has_a_row_in_the_order_of_the_work() {
        let expected = [
            ["manifest", "publish", "13 assets: 12 added, 1 removed", "nothing is published there yet"],
            ["downstream/addon", "none", "", "in step"],
            ["outbox/site", "deliver", "2 changed", "a run died half-way"],
            ["embedding", "embed", "1 chunk to embed (about 7 tokens), 0 known, 0 to delete", "4 unchanged"],
        ];
        assert_eq!(words(&busy()), expected);
    }

    #[test]
    fn a_target_in_step_has_nothing_to_say_about_how_much() {
        assert!(rows(&idle()).iter().all(|row| row.action == "none" && row.what.is_empty()), "{:?}", words(&idle()));
    }

    #[test]
    fn a_refusal_is_an_action_of_its_own() {
        let refusal = Some(MassDelete { lost: 20, held: 30, limit: 10 });
        let plan = Plan { indexes: vec![in_index(embedding::Plan { refusal, ..index(&["c1"], 0) })], ..busy() };
        let row = rows(&plan).pop().unwrap();
        assert_eq!((row.action, row.what.as_str()), ("refuse", ""));
        assert!(row.why.contains("--allow-mass-delete"), "{}", row.why);
    }

    #[test]
    fn a_publication_that_changes_no_asset_says_so() {
        let same = Publication { added: 0, removed: 0, ..publication(ManifestAction::Publish) };
        let plan = Plan { publications: vec![same], ..busy() };
        assert_eq!(rows(&plan).remove(0).what, "13 assets: no asset differs");
    }

    #[test]
    fn the_numbers_are_those_of_the_words() {
        let counts = |at: usize| rows(&busy()).remove(at).counts;
        assert_eq!(counts(0), [("assets", 13), ("added", 12), ("changed", 0), ("removed", 1)]);
        assert_eq!(counts(2), [("added", 0), ("changed", 2), ("removed", 0)]);
        let index = [("embed", 1), ("reuse", 0), ("upsert", 1), ("delete", 0), ("unchanged", 4), ("tokens", 7)];
        assert_eq!(counts(3), index);
    }

    #[test]
    fn an_older_commit_has_nothing_to_do_and_says_why_for_each_target() {
        let newer = CommitId::parse(&"b2".repeat(20)).unwrap();
        let plan = busy().superseded_by(newer);
        assert!(plan.is_empty());
        assert!(rows(&plan).iter().all(|row| row.why == "commit b2b2b2b, which is newer, was served already"));
    }

    #[test]
    fn a_library_is_called_by_its_commit_and_what_differs_from_it() {
        let commit = CommitId::parse(&"a1".repeat(20)).ok();
        assert_eq!(library(commit.as_ref(), false), "commit a1a1a1a");
        assert_eq!(library(commit.as_ref(), true), "commit a1a1a1a with uncommitted changes");
        assert_eq!(library(None, true), "files without a commit");
    }

    #[test]
    fn what_failed_or_was_left_out_makes_a_run_partial() {
        let with = |outcome| run(busy(), &[(Outcome::Unchanged, ""), (outcome, "")]);
        let partial = [
            Outcome::Done,
            Outcome::Unchanged,
            Outcome::Superseded,
            Outcome::Skipped,
            Outcome::Restored,
            Outcome::Failed,
        ]
        .map(|outcome| with(outcome).is_partial());
        assert_eq!(partial, [false, false, false, true, true, true]);
        assert!(with(Outcome::Done).has_changed() && !with(Outcome::Superseded).has_changed());
    }

    #[test]
    fn an_index_is_said_to_be_empty_only_where_it_is() {
        let why = |reuse: &[&str], delete: &[&str], unchanged| {
            let ids = |ids: &[&str]| ids.iter().map(|id| ChunkId::from_store(*id)).collect();
            indexing(&in_index(embedding::Plan {
                reuse: ids(reuse),
                delete: ids(delete),
                ..index(&["new"], unchanged)
            }))
            .why
        };
        assert_eq!(why(&[], &[], 0), "the index is empty");
        assert_eq!(why(&[], &["old"], 0), "0 unchanged", "every text has changed");
        assert_eq!(why(&["moved"], &["old"], 0), "0 unchanged", "every asset was renamed");
        assert_eq!(why(&[], &[], 2), "2 unchanged");
    }
}
