//! One sentence for each thing that is wrong: what follows from something else is not said.

use std::collections::{BTreeMap, BTreeSet};

use super::words::nearest;
use super::{Aim, CONST, ENUM, Explanation, FORMAT, LENGTH, PATTERN, RANGE, SHAPE, Subject, TYPE};
use crate::catalog::place::{child_pointer, segments};
use crate::finding::Code;

/// Takes out what is said twice or follows from what is said already.
pub(super) fn settle(mut all: Vec<Explanation>) -> Vec<Explanation> {
    if all.len() < 2 {
        return all;
    }
    once(&mut all);
    leading(&mut all);
    misnamed(&mut all);
    evaluated(&mut all);
    all
}

/// A field that is missing because it is misspelt is told where the misspelt one stands.
pub(super) fn stand_on_misspelt(all: &mut [Explanation]) {
    for explanation in all {
        if let (Subject::Missing(_), Some(near)) = (&explanation.subject, explanation.misspelt.take()) {
            explanation.pointer = child_pointer(&explanation.pointer, &near);
            explanation.aim = Aim::Key;
        }
    }
}

/// Drops what several parts of a schema say alike.
fn once(all: &mut Vec<Explanation>) {
    let mut seen = BTreeSet::new();
    all.retain(|explanation| {
        let subject = match &explanation.subject {
            Subject::Missing(name) => name.clone(),
            Subject::Unknown | Subject::Unevaluated => String::new(),
            Subject::Value if explanation.code == &TYPE => String::new(),
            Subject::Value => explanation.message.clone(),
        };
        seen.insert((explanation.code.id, explanation.pointer.clone(), subject))
    });
}

/// What else a value is not follows from its being of the wrong kind, or none of those that are allowed.
fn leading(all: &mut Vec<Explanation>) {
    let rank = |explanation: &Explanation| {
        let order: [&Code; 8] = [&TYPE, &CONST, &ENUM, &SHAPE, &FORMAT, &PATTERN, &LENGTH, &RANGE];
        let is_empty = explanation.message == "the text is empty";
        match order.iter().position(|code| *code == explanation.code) {
            _ if explanation.subject != Subject::Value => None,
            Some(_) if is_empty => Some(1),
            Some(at @ (0..=2)) => Some(at),
            // A format is the better half of a pattern; a length or range may be wrong beside either.
            Some(4) => Some(4),
            Some(5) => Some(5),
            other => other.map(|_| 6),
        }
    };
    let mut best: BTreeMap<String, usize> = BTreeMap::new();
    for explanation in all.iter() {
        if let Some(rank) = rank(explanation) {
            let best = best.entry(explanation.pointer.clone()).or_insert(rank);
            *best = rank.min(*best);
        }
    }
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    all.retain(|explanation| {
        let (Some(rank), Some(best)) = (rank(explanation), best.get(&explanation.pointer)) else { return true };
        let is_led = rank > *best && (*best <= 2 || (*best == 4 && rank == 5));
        if let (true, Some(help)) = (is_led, &explanation.help) {
            helps.entry(explanation.pointer.clone()).or_insert_with(|| help.clone());
        }
        !is_led
    });
    for explanation in all.iter_mut().filter(|explanation| explanation.help.is_none()) {
        explanation.help = helps.remove(&explanation.pointer);
    }
}

/// A missing field and an unknown one of nearly its name are one mistake.
fn misnamed(all: &mut Vec<Explanation>) {
    let missing: Vec<(usize, String, String)> = all
        .iter()
        .enumerate()
        .filter_map(|(index, explanation)| match &explanation.subject {
            Subject::Missing(name) => Some((index, explanation.pointer.clone(), name.clone())),
            _ => None,
        })
        .collect();
    let mut taken = BTreeSet::new();
    for explanation in all.iter_mut().filter(|explanation| explanation.subject == Subject::Unknown) {
        let Some((parent, _)) = explanation.pointer.rsplit_once('/') else { continue };
        let Some(name) = segments(&explanation.pointer).last() else { continue };
        let here = missing.iter().filter(|(index, at, _)| at == parent && !taken.contains(index));
        let names: Vec<(usize, &str)> = here.map(|(index, _, name)| (*index, name.as_str())).collect();
        if let Some(near) = nearest(&name, names.iter().map(|(_, name)| *name)) {
            explanation.help = Some(format!("did you mean {near:?}?"));
            taken.extend(names.iter().find(|(_, name)| *name == near).map(|(index, _)| *index));
            continue;
        }
        // The right name in the wrong place, further in than it should be.
        let around = missing.iter().find(|(index, at, missing)| {
            *missing == name
                && parent.len() > at.len()
                && parent.starts_with(&format!("{at}/"))
                && !taken.contains(index)
        });
        if let Some((index, at, _)) = around {
            let inner = segments(parent.get(at.len()..).unwrap_or_default()).next().unwrap_or_default();
            explanation.help = Some(format!("move it out: it belongs beside {inner:?}"));
            taken.insert(*index);
        }
    }
    let mut index = 0;
    all.retain(|_| {
        index += 1;
        !taken.contains(&(index - 1))
    });
}

/// A field that the schema knows counts as unevaluated only because something else in its object is wrong.
fn evaluated(all: &mut Vec<Explanation>) {
    let told: Vec<(String, bool)> = all
        .iter()
        .map(|explanation| (explanation.pointer.clone(), explanation.subject == Subject::Unevaluated))
        .collect();
    all.retain(|explanation| {
        let Some((parent, _)) = explanation.pointer.rsplit_once('/') else { return true };
        let is_around =
            |pointer: &str| pointer.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        explanation.subject != Subject::Unevaluated
            || !told.iter().any(|(pointer, is_unevaluated)| !is_unevaluated && is_around(pointer))
    });
}
