//! The places at which branches of a schema want different values: what tells them apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Reading, origin};
use crate::catalog::place::child_pointer;

/// How far below a branch a discriminator may stand.
const DEEPEST: usize = 4;

/// The values that a branch allows, by the pointer below it.
pub(super) type Demands<'s> = BTreeMap<String, Vec<&'s Value>>;

/// What the discriminators of some branches say of a value.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// These branches are meant, fewer than there were.
    Meant(Vec<usize>),
    /// The value at this pointer belongs to none of them; these would.
    Wrong(String, Vec<Value>),
    /// Nothing stands at this pointer; these values may.
    Missing(String, Vec<Value>),
    /// They say nothing.
    Unclear,
}

/// The values that a branch wants at places below it, through references, `allOf` and branches of its own.
pub(super) fn demands<'s>(reading: &Reading<'s>, branch: &'s Value) -> Demands<'s> {
    let mut found = Demands::new();
    collect(reading, branch, "", 0, &mut found);
    found
}

fn collect<'s>(reading: &Reading<'s>, schema: &'s Value, at: &str, depth: usize, found: &mut Demands<'s>) {
    for part in origin::together(reading.schema, schema) {
        if !reading.spend(1) {
            return;
        }
        if let Some(value) = part.get("const") {
            found.insert(at.to_owned(), vec![value]);
        } else if let Some(Value::Array(values)) = part.get("enum") {
            found.entry(at.to_owned()).or_insert_with(|| values.iter().collect());
        }
        if depth >= DEEPEST {
            continue;
        }
        for (name, field) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            collect(reading, field, &child_pointer(at, name), depth + 1, found);
        }
        let below = |schema: &'s Value| {
            let mut found = Demands::new();
            collect(reading, schema, at, depth + 1, &mut found);
            found
        };
        for key in ["oneOf", "anyOf"] {
            let branches = part.get(key).and_then(Value::as_array).into_iter().flatten();
            any_of(&branches.map(below).collect::<Vec<_>>(), found);
        }
        if let (Some(condition), Some(then)) = (part.get("if"), part.get("then")) {
            match part.get("else") {
                Some(Value::Bool(false)) => found.extend(below(condition).into_iter().chain(below(then))),
                Some(otherwise) => any_of(&[below(then), below(otherwise)], found),
                None => {}
            }
        }
    }
}

/// What all of them want in one way or the other is wanted.
fn any_of<'s>(all: &[Demands<'s>], found: &mut Demands<'s>) {
    let Some(first) = all.first() else { return };
    for place in first.keys().filter(|place| all.iter().all(|demands| demands.contains_key(*place))) {
        let values = all.iter().filter_map(|demands| demands.get(place)).flatten().copied().collect();
        found.entry(place.clone()).or_insert(values);
    }
}

/// Which of the branches the value means.
pub(super) fn judge(branches: &[(usize, Demands<'_>)], value: &Value) -> Verdict {
    let mut left: Vec<&(usize, Demands<'_>)> = branches.iter().collect();
    let places = places(branches);
    for place in &places {
        let Some(found) = value.pointer(place) else { continue };
        let fits = |branch: &&&(usize, Demands<'_>)| {
            branch.1.get(place.as_str()).is_some_and(|values| values.iter().any(|value| same(value, found)))
        };
        let meant: Vec<_> = left.iter().filter(fits).copied().collect();
        if !meant.is_empty() {
            left = meant;
        }
    }
    if left.len() < branches.len() {
        return Verdict::Meant(left.iter().map(|(index, _)| *index).collect());
    }
    for place in places {
        let sets: Vec<&Vec<&Value>> = branches.iter().filter_map(|(_, demands)| demands.get(&place)).collect();
        let mut options: Vec<Value> = Vec::new();
        for value in sets.iter().copied().flatten() {
            if !options.iter().any(|option| same(option, value)) {
                options.push((*value).clone());
            }
        }
        // Only what every branch fixes, each to values of its own, is what tells them apart.
        if sets.len() < branches.len() || options.len() < sets.iter().map(|set| set.len()).sum() {
            continue;
        }
        return match value.pointer(&place) {
            Some(_) => Verdict::Wrong(place, options),
            None => Verdict::Missing(place, options),
        };
    }
    Verdict::Unclear
}

/// The places at which the branches differ, those first that tell most about them.
fn places(branches: &[(usize, Demands<'_>)]) -> Vec<String> {
    let all: BTreeSet<&String> =
        branches.iter().flat_map(|(_, demands)| demands.keys()).filter(|at| !at.is_empty()).collect();
    let differ = |place: &&String| {
        let mut sets = branches.iter().filter_map(|(_, demands)| demands.get(*place));
        let Some(first) = sets.next() else { return false };
        sets.any(|set| set != first)
    };
    let order = |place: &&String| {
        let constrained = branches.iter().filter(|(_, demands)| demands.contains_key(*place)).count();
        (std::cmp::Reverse(constrained), place.matches('/').count())
    };
    let mut places: Vec<&String> = all.into_iter().filter(differ).collect();
    places.sort_by_key(order);
    places.into_iter().cloned().collect()
}

/// Whether two values are equal as JSON Schema has it: 1.0 is 1.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}
