//! What a run has found and done, for each reader: one pure renderer per file, data in, text out.
//!
//! The text of a record, a path or an answer is hostile here. [`log_text`] makes it harmless in a log, [`markdown`] in a
//! summary, [`workflow_command`] in an annotation; `cli` writes it.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::finding::{self, Finding, Severity};
use crate::ids::{CollectionName, CommitId, RepoPath};
use crate::secret::tokens::masked;

use touched::Touched;

pub mod changelog;
pub mod check_run;
pub mod comment;
pub mod connections;
pub mod course;
pub mod dependencies;
pub mod doctor;
pub mod excerpt;
pub mod federation;
pub mod github;
pub mod history;
pub mod human;
pub mod human_targets;
pub mod json;
pub mod junit;
pub mod log_text;
pub mod markdown;
pub mod mermaid;
pub mod moments;
pub mod moving;
pub mod notify;
pub mod phrase;
pub mod prometheus;
pub mod pull;
pub mod redaction;
pub mod sarif;
pub mod schema_diff;
pub mod search;
pub mod slack;
pub mod state;
pub mod status;
pub mod summary;
pub mod summary_targets;
pub mod targets;
pub mod touched;
pub mod verify;
pub mod waves;
pub mod workflow_command;

#[cfg(test)]
pub(crate) mod runner_parser;

/// What `check` has found, as every renderer takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The commit that was checked; none in a repository without one.
    pub commit: Option<CommitId>,
    /// Whether files that differ from that commit were checked instead of its own.
    pub dirty: bool,
    /// The totals.
    pub summary: Summary,
    /// Every finding, in the order of [`finding::sort`]; of those that are equally bad, the touched ones first.
    pub findings: Vec<Finding>,
    /// What the change touched that is looked at, where there is one.
    pub touched: Option<Touched>,
    /// The records by name, where a report is to list them.
    pub records: BTreeMap<CollectionName, Vec<RepoPath>>,
}

/// The totals of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Records read.
    pub records: usize,
    /// Records without an error.
    pub valid: usize,
    /// Records with at least one error.
    pub invalid: usize,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// The records of each collection.
    pub by_collection: BTreeMap<CollectionName, Counts>,
    /// How many records were checked with each schema, by `name@version`.
    pub by_schema: BTreeMap<String, usize>,
    /// What decided the verdicts beside the schemas themselves.
    pub policy: Option<Policy>,
}

/// What decides verdicts beside the schemas themselves, as stockroom.yml names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the keyword `format` did: `assert`, `annotate` or `off`.
    pub format: String,
    /// The draft of a schema that names none.
    pub draft: String,
    /// The drafts of the schemas that records were checked with, the oldest first.
    pub drafts: Vec<String>,
}

impl Policy {
    /// Such as `formats asserted, draft 2020-12`.
    pub fn words(&self) -> String {
        let formats = match self.format.as_str() {
            "assert" => "asserted",
            "annotate" => "annotated",
            _ => "not looked at",
        };
        let short = |draft: &String| draft.trim_start_matches("draft-0").to_owned();
        let drafts: Vec<String> = self.drafts.iter().map(short).collect();
        match drafts.as_slice() {
            [] => format!("formats {formats}, draft {}", short(&self.draft)),
            [one] => format!("formats {formats}, draft {one}"),
            several => format!("formats {formats}, drafts {}", several.join(" and ")),
        }
    }
}

/// How many records there are and how many hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records read.
    pub records: usize,
    /// Records without an error.
    pub valid: usize,
    /// Records with at least one error.
    pub invalid: usize,
}

impl Check {
    /// Adds everything up and puts the findings into their order.
    pub fn new(
        commit: Option<CommitId>,
        dirty: bool,
        by_collection: BTreeMap<CollectionName, Counts>,
        mut findings: Vec<Finding>,
    ) -> Self {
        // Whatever a room quotes of the data, no report repeats a secret.
        findings.iter_mut().for_each(without_secrets);
        finding::sort(&mut findings);
        let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
        let mut summary = Summary { errors, warnings: findings.len() - errors, ..Summary::default() };
        for counts in by_collection.values() {
            summary.records += counts.records;
            summary.valid += counts.valid;
            summary.invalid += counts.invalid;
        }
        summary.by_collection = by_collection;
        Self { commit, dirty, summary, findings, touched: None, records: BTreeMap::new() }
    }

    /// The same, as the check of a change: what it touched comes first.
    #[must_use]
    pub fn touching(mut self, touched: Touched) -> Self {
        self.findings.sort_by_key(|finding| (Reverse(finding.severity), !touched.holds(finding)));
        self.touched = Some(touched);
        self
    }

    /// Whether the change touched what a finding is about; none where no change is looked at.
    pub fn is_touched(&self, finding: &Finding) -> Option<bool> {
        self.touched.as_ref().map(|touched| touched.holds(finding))
    }
}

fn without_secrets(finding: &mut Finding) {
    let texts = [&mut finding.message, &mut finding.pointer].into_iter().chain(finding.help.as_mut());
    for text in texts {
        if let Cow::Owned(masked) = masked(text) {
            *text = masked;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::finding::{Code, Span};
    use crate::ids::RepoPath;

    pub(crate) static WRONG_TYPE: Code =
        Code { id: "wrong-type", meaning: "A value has another type than its schema says." };
    pub(crate) static NO_VERSION: Code = Code { id: "no-version", meaning: "A record names no schema version." };

    pub(crate) fn check(findings: Vec<Finding>) -> Check {
        let counts = |records, invalid| Counts { records, valid: records - invalid, invalid };
        let collections = [("products", counts(12, 1)), ("categories", counts(1, 0))];
        let by_collection = collections.map(|(name, counts)| (CollectionName::new(name), counts)).into();
        Check::new(CommitId::parse(&"a1".repeat(20)).ok(), false, by_collection, findings)
    }

    pub(crate) fn three_findings() -> Vec<Finding> {
        vec![
            Finding::warning(&NO_VERSION, RepoPath::new("Hex Bolt/hex.json"), "the record names no schema version")
                .help("add \"schema_version\": \"1.1.0\""),
            Finding::error(&WRONG_TYPE, RepoPath::new("Hex Bolt/hex.json"), "/price is a string, not a number")
                .at(Span { line: 4, column: 12, end_line: 4, end_column: 18 })
                .about("/price")
                .help("write 4.5 without quotes"),
            Finding::warning(&NO_VERSION, RepoPath::new("new\nline\u{1b}[2J.json"), "::error::the record names none"),
        ]
    }

    #[test]
    fn the_totals_are_added_up_and_errors_come_first() {
        let check = check(three_findings());
        let Summary { records, valid, invalid, errors, warnings, .. } = check.summary;
        assert_eq!((records, valid, invalid, errors, warnings), (13, 12, 1, 1, 2));
        assert_eq!(check.findings[0].code.id, "wrong-type");
    }
}
