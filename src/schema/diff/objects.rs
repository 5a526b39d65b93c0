//! The rules for the members of objects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::changes::{Effect, Members, Pair, Spot, Trial, Walk, refers};
use crate::catalog::place::child_pointer;

/// Compares the rules for members: which must be there, which may, and what they must be.
pub(super) fn compare<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    required(walk, pair, spot);
    members(walk, pair, spot);
    patterns(walk, pair, spot);
    names(walk, pair, spot);
    dependent(walk, pair, spot);
}

fn texts(value: Option<&Value>) -> BTreeSet<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn required(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, spot: &Spot) {
    let (old, new) = pair.both("required");
    let (before, after) = (texts(old), texts(new));
    let place = spot.keyword("required");
    for name in after.difference(&before) {
        let message = format!("{} must be there now", child_pointer(&spot.at, name));
        walk.tell(&place, Effect::Breaking, "required", message, Trial::Without((*name).to_owned()));
    }
    for name in before.difference(&after) {
        let message = format!("{} need not be there any more", child_pointer(&spot.at, name));
        walk.tell(&place, Effect::Compatible, "required", message, Trial::None);
    }
}

fn map<'s>(schema: &'s Members, name: &str) -> Option<&'s Members> {
    schema.get(name).and_then(Value::as_object)
}

/// `properties`, and `additionalProperties` for those that it does not have.
fn members<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let (old, new) = (map(pair.old, "properties"), map(pair.new, "properties"));
    let (old_at, new_at) = pair.pointers("properties");
    let (old_rest, new_rest) = pair.both("additionalProperties");
    let (old_rest_at, new_rest_at) = pair.pointers("additionalProperties");
    let names: BTreeSet<&String> = [old, new].into_iter().flatten().flat_map(Members::keys).collect();
    let has_patterns = pair.old.contains_key("patternProperties") || pair.new.contains_key("patternProperties");
    for name in names {
        let below = spot.below(name);
        let (was, is) = (old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name)));
        let (was_at, is_at) = (child_pointer(&old_at, name), child_pointer(&new_at, name));
        let place = below.to(&is_at);
        match (was, is) {
            (Some(was), Some(is)) => walk.schemas(Some((was, &was_at)), Some((is, &is_at)), &below),
            // A pattern may have ruled it before, or rules it now; that is not worked out.
            _ if has_patterns => by_pattern(walk, &place, was.is_some(), is.is_some_and(|is| walk.is_open(is, false))),
            (None, Some(is)) => {
                let was_open = old_rest.is_none_or(|rest| walk.is_open(rest, true));
                let told = if was_open {
                    comes_new(walk, pair, &place, name, is)
                } else if old_rest == Some(&Value::Bool(false)) {
                    walk.tell(
                        &place,
                        Effect::Compatible,
                        "member",
                        format!("{} may be there now", below.at),
                        Trial::None,
                    );
                    true
                } else {
                    false
                };
                if !told {
                    walk.schemas(old_rest.map(|rest| (rest, old_rest_at.as_str())), Some((is, &is_at)), &below);
                }
            }
            (Some(was), None) => {
                let place = below.to(&was_at);
                goes(walk, &place, was, new_rest, (&was_at, &new_rest_at), &below);
            }
            (None, None) => {}
        }
    }
    rest(walk, pair, spot, has_patterns);
}

/// A member comes to an object that let everything pass. By the letter it breaks records that have one of that name by
/// chance; nobody who describes a new member means those, and the records tell whether there are any.
fn comes_new(walk: &mut Walk<'_>, pair: &Pair<'_, '_>, place: &Spot, name: &str, schema: &Value) -> bool {
    if walk.is_open(schema, false) {
        walk.tell(place, Effect::Neutral, "member", format!("{} is described now", place.at), Trial::None);
        return true;
    }
    if !walk.introduce(pair.old_at, name, place) {
        return false;
    }
    walk.tell(
        place,
        Effect::Compatible,
        "member",
        format!("{} is described now, and has rules", place.at),
        Trial::None,
    );
    true
}

fn goes<'s>(
    walk: &mut Walk<'s>,
    place: &Spot,
    was: &'s Value,
    rest: Option<&'s Value>,
    (was_at, rest_at): (&str, &str),
    below: &Spot,
) {
    if rest == Some(&Value::Bool(false)) && was != &Value::Bool(false) {
        let trial = Trial::With(vec![Value::Null, Value::from("x"), Value::from(0), Value::Array(Vec::new())]);
        walk.tell(place, Effect::Breaking, "member", format!("{} may not be there any more", place.at), trial);
    } else if rest.is_none_or(|rest| walk.is_open(rest, false)) {
        walk.tell(place, Effect::Compatible, "member", format!("{} has no rules any more", place.at), Trial::None);
    } else {
        walk.schemas(Some((was, was_at)), rest.map(|rest| (rest, rest_at)), below);
    }
}

fn by_pattern(walk: &mut Walk<'_>, place: &Spot, is_gone: bool, is_open: bool) {
    let (effect, message) = match (is_gone, is_open) {
        (true, _) => (Effect::Unclear, format!("{} is not described by its name any more", place.at)),
        (false, _) => (Effect::Unclear, format!("{} is described by its name now", place.at)),
    };
    walk.tell(place, effect, "member", message, Trial::None);
}

/// The members that neither schema names.
fn rest<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot, has_patterns: bool) {
    let (old, new) = pair.both("additionalProperties");
    let (old_at, new_at) = pair.pointers("additionalProperties");
    let place = spot.keyword("additionalProperties");
    let is_closed = |value: Option<&Value>| value == Some(&Value::Bool(false));
    if has_patterns && old != new && pair.differing("patternProperties").is_some() {
        let message = format!("other members of {} have other rules", spot.subject());
        walk.tell(&place, Effect::Unclear, "additionalProperties", message, Trial::None);
        return;
    }
    match (is_closed(old), is_closed(new)) {
        (true, true) => {}
        (false, true) => {
            let message = format!("{} may not have members that the schema does not name any more", spot.subject());
            let trial = Trial::And("x-unknown-member".to_owned());
            walk.tell(&place, Effect::Breaking, "additionalProperties", message, trial);
        }
        (true, false) => {
            let message = format!("{} may have members that the schema does not name now", spot.subject());
            walk.tell(&place, Effect::Compatible, "additionalProperties", message, Trial::None);
        }
        (false, false) => {
            let (old, new) = (old.map(|old| (old, old_at.as_str())), new.map(|new| (new, new_at.as_str())));
            walk.schemas_if_any(old, new, &spot.below("*"));
        }
    }
}

fn patterns<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let (old, new) = (map(pair.old, "patternProperties"), map(pair.new, "patternProperties"));
    let (old_at, new_at) = pair.pointers("patternProperties");
    let names: BTreeSet<&String> = [old, new].into_iter().flatten().flat_map(Members::keys).collect();
    for name in names {
        let (was, is) = (old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name)));
        let (was_at, is_at) = (child_pointer(&old_at, name), child_pointer(&new_at, name));
        if let (Some(was), Some(is)) = (was, is) {
            walk.schemas(Some((was, &was_at)), Some((is, &is_at)), &spot.below("*"));
            continue;
        }
        let pointer = if is.is_some() { is_at } else { was_at };
        let place = spot.to(&pointer);
        let verb = if is.is_some() { "have rules now" } else { "have no rules any more" };
        let message = format!("members of {} whose names match {name:?} {verb}", spot.subject());
        // Whether it frees or binds depends on the rules for all other members.
        walk.tell(&place, Effect::Unclear, "patternProperties", message, Trial::None);
    }
}

fn names<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let Some((old, new)) = pair.differing("propertyNames") else { return };
    let place = spot.keyword("propertyNames");
    let (effect, message) = match (old, new) {
        (None, Some(_)) => (Effect::Breaking, format!("the names of members of {} have rules now", spot.subject())),
        (Some(_), None) => (Effect::Compatible, format!("the names of members of {} are free now", spot.subject())),
        _ => (Effect::Unclear, format!("the names of members of {} have other rules", spot.subject())),
    };
    walk.tell(&place, effect, "propertyNames", message, Trial::None);
}

fn dependent<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>, spot: &Spot) {
    let none = Members::new();
    let (old, new) = (map(pair.old, "dependentRequired"), map(pair.new, "dependentRequired"));
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (texts(old.get(name)), texts(new.get(name)));
        let place = spot.keyword("dependentRequired").keyword(name);
        for other in after.difference(&before) {
            let at = |name: &str| child_pointer(&spot.at, name);
            let message = format!("{} must be there now where {} is", at(other), at(name));
            walk.tell(&place, Effect::Breaking, "required", message, Trial::Without((*other).to_owned()));
        }
        for other in before.difference(&after) {
            let at = |name: &str| child_pointer(&spot.at, name);
            let message = format!("{} need not be there any more where {} is", at(other), at(name));
            walk.tell(&place, Effect::Compatible, "required", message, Trial::None);
        }
    }
    for rule in ["dependentSchemas", "dependencies"] {
        let Some((old, new)) = pair.differing(rule) else { continue };
        let (effect, message) = match (old, new) {
            (None, Some(_)) => {
                (Effect::Breaking, format!("{} has rules that depend on its members now", spot.subject()))
            }
            (Some(_), None) => {
                (Effect::Compatible, format!("{} has no rules that depend on its members any more", spot.subject()))
            }
            _ => (Effect::Unclear, format!("{} has other rules that depend on its members", spot.subject())),
        };
        walk.tell(&spot.keyword(rule), effect, "dependent", message, Trial::None);
    }
    through_references(walk, pair);
}

/// Equal texts may refer to definitions that differ.
fn through_references<'s>(walk: &mut Walk<'s>, pair: &Pair<'s, '_>) {
    let is_hidden = |name: &str| pair.old.get(name).is_some_and(refers) && pair.differing(name).is_none();
    if ["dependentSchemas", "dependencies", "propertyNames"].iter().any(|name| is_hidden(name)) {
        walk.give_up();
    }
}
