//! Records whose schema versions downstreams cannot read: a finding on each, or one where they are many.

use std::collections::BTreeMap;

use super::seen::Seen;
use crate::catalog::asset::UsedSchema;
use crate::catalog::beside::Beside;
use crate::catalog::collection::Collection;
use crate::catalog::record::Record;
use crate::catalog::tree::Tree;
use crate::downstream::{Acceptance, Refusal};
use crate::finding::{Finding, Span};
use crate::ids::RepoPath;

/// Up to so many records that a downstream cannot read for the same reason, each has its finding. Of more, one tells.
const MOST_TOLD: usize = 10;
/// How many of the others that finding names.
const MOST_RELATED: usize = 9;

/// The downstreams that cannot read a record, and where the record names its version.
#[derive(Default)]
pub(super) struct Refused {
    pub(super) refusals: Vec<Refusal>,
    place: Span,
    pointer: String,
}

impl Refused {
    /// What stands against a record that was checked with this schema.
    pub(super) fn of(
        record: &Record,
        collection: &Collection,
        used: Option<&UsedSchema>,
        beside: (&Beside, &Tree),
        acceptance: &Acceptance,
    ) -> Self {
        let Some(used) = used.filter(|_| !acceptance.is_empty()) else { return Self::default() };
        let (beside, tree) = beside;
        let files: Vec<&RepoPath> = beside.files(tree).map(|entry| &entry.path).collect();
        let refusals = acceptance.refusals(&collection.name, &record.path, &files.iter().copied(), used);
        if refusals.is_empty() {
            return Self::default();
        }
        let value = &record.document.value;
        let field = collection.version_field.as_ref().filter(|field| field.get(value).is_some());
        let pointer = match field {
            Some(field) => field.exact(),
            None if value.get("$schema").is_some() => "/$schema".to_owned(),
            None => String::new(),
        };
        let place = if pointer.is_empty() { Span::start() } else { record.document.places().nearest(&pointer) };
        Self { refusals, place, pointer }
    }
}

/// The findings on all records that some downstream cannot read, those that a change touched apart from the others.
pub(super) fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let mut alike: BTreeMap<(&Refusal, bool), Vec<(&RepoPath, &Refused)>> = BTreeMap::new();
    for (candidate, look) in seen.iter() {
        for refusal in &look.refused.refusals {
            let records = alike.entry((refusal, look.concern.is_touched)).or_default();
            records.push((&candidate.entry.path, &look.refused));
        }
    }
    let at = |finding: Finding, refused: &Refused| finding.at(refused.place).about(refused.pointer.clone());
    let mut findings = Vec::new();
    for ((refusal, _), records) in alike {
        match records.as_slice() {
            [(first, refused), others @ ..] if records.len() > MOST_TOLD => {
                let finding = at(refusal.of_many((*first).clone(), records.len()), refused);
                let others = others.iter().take(MOST_RELATED);
                findings.push(others.fold(finding, |finding, (path, _)| finding.related((*path).clone())));
            }
            few => findings.extend(few.iter().map(|(path, refused)| at(refusal.of_record((*path).clone()), refused))),
        }
    }
    findings
}
