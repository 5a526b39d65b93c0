//! The rules of JSON Schema, each with what its change does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};

use super::changes::{Effect, Pair, Spot, Trial, Walk, refers};
use super::{bounds, objects, patterns};
use crate::catalog::place::child_pointer;
use crate::finding::words::cut;
use crate::schema::settings::DraftName;

/// Compares every rule of two schemas for the same values.
pub(super) fn compare<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    reference(walk, pair, spot);
    types(walk, pair, spot);
    values(walk, pair, spot);
    objects::compare(walk, pair, spot);
    items(walk, pair, spot);
    bounds::compare(walk, pair, spot);
    texts(walk, pair, spot);
    combinations(walk, pair, spot);
    conditions(walk, pair, spot);
}

/// A reference beside rules says what an `allOf` with one more schema says.
fn reference<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let (old, new) = (walk.behind(pair.old, true), walk.behind(pair.new, false));
    if old.is_some() || new.is_some() {
        walk.schemas(old, new, spot);
    }
    let differs = pair.differing("$ref").is_some();
    if differs && (pair.old.contains_key("$ref") != old.is_some() || pair.new.contains_key("$ref") != new.is_some()) {
        let message = format!("{} refers to another schema", spot.subject());
        walk.tell(&spot.keyword("$ref"), Effect::Unclear, "$ref", message, Trial::None);
    }
}

const TYPES: [&str; 6] = ["array", "boolean", "null", "number", "object", "string"];

/// The types that pass, where `number` stands for the numbers that are no integers.
fn passing(value: Option<&Value>) -> BTreeSet<&str> {
    let names: Vec<&str> = match value {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => TYPES.to_vec(),
    };
    let both = if names.contains(&"number") { vec!["integer"] } else { Vec::new() };
    names.into_iter().chain(both).collect()
}

fn type_words(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn example(name: &str) -> Vec<Value> {
    match name {
        "array" => vec![Value::Array(Vec::new())],
        "boolean" => vec![Value::Bool(true)],
        "integer" => vec![Value::from(1), Value::from(0)],
        "null" => vec![Value::Null],
        "number" => Number::from_f64(1.5).map(Value::Number).into_iter().collect(),
        "object" => vec![Value::Object(serde_json::Map::new())],
        _ => vec![Value::from("x"), Value::from("")],
    }
}

fn types(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, spot: &Spot) {
    let Some((old, new)) = pair.differing("type") else { return };
    let (before, after) = (passing(old), passing(new));
    let lost: Vec<&str> = before.difference(&after).copied().collect();
    let change = format!("{} was {} and is {}", spot.subject(), type_words(old), type_words(new));
    if !lost.is_empty() {
        let trial = Trial::With(lost.into_iter().flat_map(example).collect());
        walk.tell(&spot.keyword("type"), Effect::Breaking, "type", format!("{change} now"), trial);
    } else if before != after {
        walk.tell(&spot.keyword("type"), Effect::Compatible, "type", format!("{change} now"), Trial::None);
    }
}

/// `enum` and `const`: the values that alone pass, if any are named.
fn values(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, spot: &Spot) {
    let named = |list: Option<&Value>, one: Option<&Value>| -> Option<BTreeMap<String, Value>> {
        let by_text = |value: &Value| (value.to_string(), value.clone());
        match (list, one) {
            (_, Some(one)) => Some([by_text(one)].into()),
            (Some(Value::Array(list)), None) => Some(list.iter().map(by_text).collect()),
            _ => None,
        }
    };
    if pair.differing("enum").is_none() && pair.differing("const").is_none() {
        return;
    }
    let old = named(pair.old.get("enum"), pair.old.get("const").filter(|_| walk.drafts.0 > DraftName::Draft4));
    let new = named(pair.new.get("enum"), pair.new.get("const").filter(|_| walk.drafts.1 > DraftName::Draft4));
    let keyword = if pair.new.contains_key("const") || pair.old.contains_key("const") { "const" } else { "enum" };
    let (place, subject) = (spot.keyword(keyword), spot.subject());
    // Both keywords at once is nothing that anybody means; what it says is not worked out.
    if [pair.old, pair.new].iter().any(|schema| schema.contains_key("enum") && schema.contains_key("const")) {
        walk.tell(&place, Effect::Unclear, "enum", format!("{subject} has other values to choose from"), Trial::None);
        return;
    }
    match (old, new) {
        (Some(old), Some(new)) => {
            let missing = |of: &BTreeMap<String, Value>, from: &BTreeMap<String, Value>| -> Vec<Value> {
                from.iter().filter(|(text, _)| !of.contains_key(*text)).map(|(_, value)| value.clone()).collect()
            };
            let (gone, come) = (missing(&new, &old), missing(&old, &new));
            if !gone.is_empty() {
                let message = format!("{subject} may no longer be {}", list(&gone, "or"));
                walk.tell(&place, Effect::Breaking, "enum", message, Trial::With(gone));
            }
            if !come.is_empty() {
                let message = format!("{subject} may be {} now", list(&come, "or"));
                walk.tell(&place, Effect::Compatible, "enum", message, Trial::None);
            }
        }
        (None, Some(new)) => {
            let values: Vec<Value> = new.into_values().collect();
            let message = format!("{subject} must be {} now", list(&values, "or"));
            let trial = Trial::With(vec![Value::from("x"), Value::from(0), Value::Null]);
            walk.tell(&place, Effect::Breaking, "enum", message, trial);
        }
        (Some(_), None) => {
            let message = format!("{subject} is not bound to a list of values any more");
            walk.tell(&place, Effect::Compatible, "enum", message, Trial::None);
        }
        (None, None) => {}
    }
}

/// Values as a sentence lists them.
pub(super) fn list(values: &[Value], last: &str) -> String {
    let shown = |value: &Value| cut(&value.to_string(), 60);
    let mut words: Vec<String> = values.iter().take(8).map(shown).collect();
    if values.len() > words.len() {
        words.push(format!("{} others", values.len() - words.len()));
    }
    match words.as_slice() {
        [first @ .., end] if !first.is_empty() => format!("{} {last} {end}", first.join(", ")),
        _ => words.concat(),
    }
}

/// The schemas for the first items of a list, and the one for the rest, each with its pointer.
type Items<'s> = (Vec<(&'s Value, String)>, Option<(&'s Value, String)>);

fn item_schemas<'s>(schema: &'s serde_json::Map<String, Value>, at: &str, draft: DraftName) -> Items<'s> {
    let one = |name: &str| schema.get(name).map(|value| (value, child_pointer(at, name)));
    let many = |name: &str| match schema.get(name) {
        Some(Value::Array(items)) => {
            let below = child_pointer(at, name);
            items.iter().enumerate().map(|(n, item)| (item, format!("{below}/{n}"))).collect()
        }
        _ => Vec::new(),
    };
    if draft == DraftName::Draft202012 {
        return (many("prefixItems"), one("items"));
    }
    match schema.get("items") {
        Some(Value::Array(_)) => (many("items"), one("additionalItems")),
        _ => (Vec::new(), one("items")),
    }
}

fn items<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let (old_first, old_rest) = item_schemas(pair.old, pair.old_at, walk.drafts.0);
    let (new_first, new_rest) = item_schemas(pair.new, pair.new_at, walk.drafts.1);
    let side = |item: &Option<(&'s Value, String)>| item.clone();
    for index in 0..old_first.len().max(new_first.len()) {
        let old = old_first.get(index).cloned().or_else(|| side(&old_rest));
        let new = new_first.get(index).cloned().or_else(|| side(&new_rest));
        walk.schemas(as_side(&old), as_side(&new), &spot.below(&index.to_string()));
    }
    walk.schemas_if_any(as_side(&old_rest), as_side(&new_rest), &spot.below("*"));
    contains(walk, pair, spot);
}

fn as_side<'s, 'p>(item: &'p Option<(&'s Value, String)>) -> Option<(&'s Value, &'p str)> {
    item.as_ref().map(|(value, pointer)| (*value, pointer.as_str()))
}

fn contains<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let (old, new) = pair.both("contains");
    let (old_at, new_at) = pair.pointers("contains");
    let is_counted = ["minContains", "maxContains"].iter().any(|name| pair.differing(name).is_some());
    let has_most = pair.old.contains_key("maxContains") || pair.new.contains_key("maxContains");
    let below = spot.keyword("contains").below("*");
    match (old, new) {
        (None, None) => {}
        _ if is_counted || has_most => {
            if old != new || is_counted {
                let message = format!("{} must contain other items, or another number of them", spot.subject());
                walk.tell(&spot.keyword("contains"), Effect::Unclear, "contains", message, Trial::None);
            } else {
                walk.schemas(old.map(|v| (v, old_at.as_str())), new.map(|v| (v, new_at.as_str())), &below.open());
            }
        }
        (Some(old), Some(new)) => walk.schemas(Some((old, &old_at)), Some((new, &new_at)), &below),
        (None, Some(_)) => {
            let message = format!("{} must contain an item of a kind now", spot.subject());
            let trial = Trial::With(vec![Value::Array(Vec::new())]);
            walk.tell(&spot.keyword("contains"), Effect::Breaking, "contains", message, trial);
        }
        (Some(_), None) => {
            let message = format!("{} need not contain an item of a kind any more", spot.subject());
            walk.tell(&spot.keyword("contains"), Effect::Compatible, "contains", message, Trial::None);
        }
    }
}

fn texts(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, spot: &Spot) {
    let wrong = || Trial::With(vec![Value::from("%{"), Value::from(""), Value::from("no such format")]);
    for name in ["pattern", "format"] {
        let Some((old, new)) = pair.differing(name) else { continue };
        let rule = if name == "pattern" { "pattern" } else { "format" };
        let is_asserted = name == "pattern" || walk.asserts_formats;
        let shown = |value: &Value| list(std::slice::from_ref(value), "");
        let subject = spot.subject();
        let (effect, message) = match (old, new) {
            (None, Some(new)) => (Effect::Breaking, format!("{subject} must have the {name} {} now", shown(new))),
            (Some(old), None) => {
                (Effect::Compatible, format!("{subject} need not have the {name} {} any more", shown(old)))
            }
            (Some(Value::String(old)), Some(Value::String(new))) if name == "pattern" => {
                patterns::change(&subject, old, new)
            }
            (Some(old), Some(new)) => {
                (Effect::Unclear, format!("{subject} had the {name} {} and has {} now", shown(old), shown(new)))
            }
            (None, None) => continue,
        };
        let effect = if is_asserted { effect } else { Effect::Neutral };
        walk.tell(&spot.keyword(name), effect, rule, message, wrong());
    }
}

fn branches<'s>(schema: &'s serde_json::Map<String, Value>, at: &str, name: &str) -> Vec<(&'s Value, String)> {
    let below = child_pointer(at, name);
    let list = schema.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    list.map(|(index, value)| (value, format!("{below}/{index}"))).collect()
}

fn combinations<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    for name in ["allOf", "anyOf", "oneOf"] {
        let (old, new) = (branches(pair.old, pair.old_at, name), branches(pair.new, pair.new_at, name));
        if old.is_empty() && new.is_empty() {
            continue;
        }
        let place = spot.keyword(name);
        let place = if name == "oneOf" { place.open() } else { place };
        let is_choice = name != "allOf";
        if is_choice && (old.is_empty() || new.is_empty()) {
            let (effect, message) = if old.is_empty() {
                (Effect::Breaking, format!("{} must have one of several shapes now", spot.subject()))
            } else {
                (Effect::Compatible, format!("{} is not bound to one of several shapes any more", spot.subject()))
            };
            // The choice as a whole comes or goes: what it does is clear, whichever kind it is.
            walk.tell(&spot.keyword(name), effect, "shapes", message, Trial::None);
            continue;
        }
        let (pairs, gone, come) = paired(old, new);
        for (old, new) in pairs {
            walk.schemas(Some((old.0, &old.1)), Some((new.0, &new.1)), &place);
        }
        extra(walk, spot, &place, is_choice, &gone, &come);
    }
    let (old, new) = pair.both("not");
    let (old_at, new_at) = pair.pointers("not");
    match (old, new) {
        (Some(old), Some(new)) => {
            walk.schemas(Some((old, &old_at)), Some((new, &new_at)), &spot.keyword("not").negated());
        }
        (None, Some(_)) => {
            let message = format!("{} may not have a certain shape any more", spot.subject());
            walk.tell(&spot.keyword("not"), Effect::Breaking, "not", message, Trial::None);
        }
        (Some(_), None) => {
            let message = format!("{} may have any shape now", spot.subject());
            walk.tell(&spot.keyword("not"), Effect::Compatible, "not", message, Trial::None);
        }
        (None, None) => {}
    }
}

type Branch<'s> = (&'s Value, String);

/// Which branches belong together: those that are equal, then the others in their order.
fn paired<'s>(
    old: Vec<Branch<'s>>,
    new: Vec<Branch<'s>>,
) -> (Vec<(Branch<'s>, Branch<'s>)>, Vec<Branch<'s>>, Vec<Branch<'s>>) {
    if old.len() == new.len() {
        return (old.into_iter().zip(new).collect(), Vec::new(), Vec::new());
    }
    let mut rest: Vec<Option<Branch<'s>>> = new.into_iter().map(Some).collect();
    let mut pairs = Vec::new();
    let mut alone = Vec::new();
    for branch in old {
        let twin = rest.iter_mut().find(|other| other.as_ref().is_some_and(|other| other.0 == branch.0));
        match twin.and_then(Option::take) {
            Some(other) => pairs.push((branch, other)),
            None => alone.push(branch),
        }
    }
    let mut come: Vec<Branch<'s>> = rest.into_iter().flatten().collect();
    let both = alone.len().min(come.len());
    let gone = alone.split_off(both);
    let later = come.split_off(both);
    pairs.extend(alone.into_iter().zip(come));
    (pairs, gone, later)
}

fn extra(walk: &mut Walk<'_>, spot: &Spot, place: &Spot, is_choice: bool, gone: &[Branch<'_>], come: &[Branch<'_>]) {
    for (branch, pointer) in gone {
        let place = place.to(pointer);
        let subject = spot.subject();
        if is_choice {
            walk.tell(
                &place,
                Effect::Breaking,
                "shapes",
                format!("{subject} has a shape less to choose from"),
                Trial::None,
            );
        } else if !walk.is_open(branch, true) {
            walk.tell(
                &place,
                Effect::Compatible,
                "rules",
                format!("{subject} has a set of rules less to follow"),
                Trial::None,
            );
        }
    }
    for (branch, pointer) in come {
        let place = place.to(pointer);
        let subject = spot.subject();
        if is_choice {
            walk.tell(
                &place,
                Effect::Compatible,
                "shapes",
                format!("{subject} has another shape to choose from"),
                Trial::None,
            );
        } else if !walk.is_open(branch, false) {
            walk.tell(&place, Effect::Breaking, "rules", format!("{subject} has more rules to follow"), Trial::None);
        }
    }
}

fn conditions<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let condition = pair.both("if");
    let (old_at, new_at) = pair.pointers("if");
    let side = |schema: &'s serde_json::Map<String, Value>, name: &str, at: &str| {
        schema.get("if")?;
        schema.get(name).map(|value| (value, child_pointer(at, name)))
    };
    let place = match condition {
        (None, None) => return,
        (Some(old), Some(new)) => {
            walk.schemas(Some((old, &old_at)), Some((new, &new_at)), &spot.keyword("if").open());
            // Where the same values meet the condition, what follows from it may be taken by itself.
            if old == new && !refers(old) { spot.clone() } else { spot.open() }
        }
        // Without a condition nothing follows: the other side's consequences come or go as a whole.
        _ => {
            let (effect, message) = match condition.0 {
                None => (Effect::Breaking, format!("{} has a rule with a condition now", spot.subject())),
                Some(_) => (Effect::Compatible, format!("{} has a rule with a condition less", spot.subject())),
            };
            walk.tell(&spot.keyword("if"), effect, "if", message, Trial::None);
            return;
        }
    };
    for name in ["then", "else"] {
        let (old, new) = (side(pair.old, name, pair.old_at), side(pair.new, name, pair.new_at));
        walk.schemas_if_any(as_side(&old), as_side(&new), &place);
    }
}
