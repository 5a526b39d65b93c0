//! A record that follows the old schema and not the new one, made from one that there is.

use serde_json::Value;

use super::changes::{Change, Effect, Trial};
use crate::catalog::place::{child_pointer, segments};
use crate::catalog::pointer::PointerPattern;

/// How many records are altered, and how often, to find one.
const MOST_RECORDS: usize = 20;
const MOST_PLACES: usize = 20;
const MOST_TRIALS: usize = 2_000;

/// How a record that follows the old schema was altered so that it still does, and breaks the new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness {
    /// Which of the records it was made from.
    pub record: usize,
    /// What was done to it, in a few words.
    pub alteration: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// Looks for such a record by altering those that there are as the changes suggest.
///
/// `old` and `new` say whether a value follows the schemas.
pub fn witness(
    changes: &[Change],
    records: &[&Value],
    old: &dyn Fn(&Value) -> bool,
    new: &dyn Fn(&Value) -> bool,
) -> Option<Witness> {
    let mut trials = 0;
    for change in changes.iter().filter(|change| change.effect == Effect::Breaking) {
        for (record, value) in records.iter().enumerate().take(MOST_RECORDS) {
            for (altered, alteration) in altered(value, change) {
                trials += 1;
                if trials > MOST_TRIALS {
                    return None;
                }
                if old(&altered) && !new(&altered) {
                    return Some(Witness { record, alteration, rule: change.rule });
                }
            }
        }
    }
    None
}

fn altered(value: &Value, change: &Change) -> Vec<(Value, String)> {
    let place = |pointer: &str| if pointer.is_empty() { "the record".to_owned() } else { pointer.to_owned() };
    let mut found = Vec::new();
    match &change.trial {
        Trial::None => {}
        Trial::Without(name) => {
            for at in places(value, &change.at) {
                let mut copy = value.clone();
                let members = copy.pointer_mut(&at).and_then(Value::as_object_mut);
                if members.is_some_and(|members| members.remove(name).is_some()) {
                    found.push((copy, format!("without {}", child_pointer(&at, name))));
                }
            }
        }
        Trial::And(name) => {
            for at in places(value, &change.at) {
                let mut copy = value.clone();
                if let Some(members) = copy.pointer_mut(&at).and_then(Value::as_object_mut) {
                    members.insert(name.clone(), Value::from("x"));
                    found.push((copy, format!("with {}", child_pointer(&at, name))));
                }
            }
        }
        Trial::With(samples) => {
            for at in targets(value, &change.at) {
                for sample in samples {
                    let mut copy = value.clone();
                    if put(&mut copy, &at, sample) {
                        let shown = super::rules::list(std::slice::from_ref(sample), "");
                        found.push((copy, format!("with {shown} as {}", place(&at))));
                    }
                }
            }
        }
    }
    found
}

fn places(value: &Value, at: &str) -> Vec<String> {
    let found = PointerPattern::new(at).select(value);
    found.into_iter().take(MOST_PLACES).map(|(pointer, _)| pointer).collect()
}

/// The places that are there, and below the objects that are there the ones that could be.
fn targets(value: &Value, at: &str) -> Vec<String> {
    let mut found = places(value, at);
    if let Some((parent, _)) = at.rsplit_once('/')
        && let Some(name) = segments(at).last().filter(|name| name != "*")
    {
        found.extend(places(value, parent).into_iter().map(|parent| child_pointer(&parent, &name)));
    }
    found.dedup();
    found
}

fn put(value: &mut Value, pointer: &str, sample: &Value) -> bool {
    if let Some(place) = value.pointer_mut(pointer) {
        *place = sample.clone();
        return true;
    }
    let Some((parent, _)) = pointer.rsplit_once('/') else { return false };
    let (Some(Value::Object(members)), Some(name)) = (value.pointer_mut(parent), segments(pointer).last()) else {
        return false;
    };
    members.insert(name, sample.clone());
    true
}
