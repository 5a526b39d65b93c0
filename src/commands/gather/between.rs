//! What stands wrong between records: repeats, links, and what several say of one file.

use std::collections::{BTreeSet, HashSet};

use super::look::Look;
use super::seen::Seen;
use crate::catalog::declared::differing;
use crate::catalog::links::Dangling;
use crate::catalog::place::Places;
use crate::catalog::record::{Candidate, Record};
use crate::catalog::tree::{Contents, Tree};
use crate::catalog::unique::{Uniqueness, Unlocated, located};
use crate::commands::focus::Focus;
use crate::finding::{Finding, Span};

/// What stands twice among ids and unique values, what links to no record, and what is said wrongly of files, each at its
/// place.
pub(super) fn between_records(seen: &Seen<'_>, tree: &Tree, contents: &dyn Contents, focus: &Focus) -> Vec<Finding> {
    let mut unlocated = repeats_and_links(seen, focus);
    let claims = seen.iter().enumerate().flat_map(|(index, (candidate, look))| {
        look.beside.claims.iter().map(move |claim| (index, &candidate.entry.path, claim))
    });
    unlocated.extend(differing(&claims.collect::<Vec<_>>(), tree, contents));
    let mut last: Option<(usize, Places)> = None;
    located(unlocated, |index, pointer| {
        if last.as_ref().is_none_or(|(read, _)| *read != index) {
            let record: Option<Record> = seen.found.get(index).and_then(|candidate| candidate.load(contents).0);
            last = record.map(|record| (index, record.document.places()));
        }
        last.as_ref().map_or_else(Span::start, |(_, places)| places.nearest(pointer))
    })
}

/// What stands twice among ids and unique values, and what links to no record.
fn repeats_and_links(seen: &Seen<'_>, focus: &Focus) -> Vec<Unlocated> {
    if are_all_different(seen) && seen.looks.iter().all(|look| look.links.is_empty()) {
        return Vec::new();
    }
    let mut uniqueness = Uniqueness::default();
    let mut unsure = BTreeSet::new();
    for (index, (candidate, look)) in blamed_last(seen) {
        match &look.key {
            Some(key) => uniqueness.see(index, &candidate.entry.path, key, candidate.collection, &look.unique),
            None => {
                unsure.insert(&candidate.collection.name);
            }
        }
    }
    let mut dangling = Dangling::new(&uniqueness, unsure, focus.former());
    for (index, (candidate, look)) in seen.iter().enumerate() {
        dangling.see(index, &candidate.entry.path, candidate.collection, &look.links);
    }
    let mut unlocated = dangling.found();
    unlocated.extend(uniqueness.repeats());
    unlocated
}

/// The records with their indices: of two that have the same, the one that comes later bears the finding, so that is the one
/// that was named, or that the change touched, and else the one whose path comes later.
fn blamed_last<'s, 'a>(seen: &'s Seen<'a>) -> Vec<(usize, (&'s Candidate<'a>, &'s Look))> {
    let mut records: Vec<_> = seen.iter().enumerate().collect();
    records.sort_by_key(|(_, (_, look))| (look.concern.is_named, look.concern.is_touched));
    records
}

/// Whether no id and no value stands twice, whatever their rules are; `false` says nothing.
fn are_all_different(seen: &Seen<'_>) -> bool {
    let (mut keys, mut values) = (HashSet::with_capacity(seen.looks.len()), HashSet::new());
    let mut keys_of_looks = seen.looks.iter().filter_map(|look| look.key.as_ref());
    let mut unique_values = seen.iter().flat_map(|(candidate, look)| {
        let rules = &candidate.collection.unique;
        look.unique.iter().map(move |(rule, _, text)| (rules.get(*rule).map(|rule| &rule.scope), text))
    });
    keys_of_looks.all(|key| keys.insert(key)) && unique_values.all(|value| values.insert(value))
}
