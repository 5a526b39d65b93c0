//! Fields that are missing, unknown, misnamed or in the wrong place.

use jsonschema::ValidationError;
use serde_json::{Map, Value};

use super::words::{choice, nearest, shown};
use super::{Aim, Explanation, NOT_ALLOWED, REQUIRED, Reading, Subject, UNKNOWN_PROPERTY, about, objections, origin};
use crate::catalog::place::{child_pointer, segments};
use crate::finding::words::quoted;

/// A field is missing.
pub(super) fn required(error: &ValidationError<'_>, property: &Value, reading: &Reading<'_>) -> Explanation {
    let name = property.as_str().unwrap_or_default();
    let holder = origin::holder(reading.schema, error);
    let example = holder.and_then(|holder| origin::field(reading.schema, holder, name));
    let example = example.map_or_else(|| "…".into(), |field| origin::example(reading.schema, field));
    let known = holder.map(|holder| origin::known_fields(reading.schema, holder)).unwrap_or_default();
    let explanation = missing(error.instance_path().as_str(), error.instance(), name, &example, reading);
    let misspelt = explanation.misspelt.clone().filter(|near| !known.contains(near.as_str()));
    Explanation { misspelt, ..explanation }
}

/// The same, for a field of which an example is known.
pub(super) fn missing(
    pointer: &str,
    object: &Value,
    name: &str,
    example: &Value,
    reading: &Reading<'_>,
) -> Explanation {
    let names = object.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let near = nearest(name, names).map(str::to_owned);
    let help = match &near {
        Some(near) => format!("there is {}: should it be {}?", quoted(near), quoted(name)),
        None => format!("add it, as in {}", reading.spelling.member(name, example)),
    };
    let message = format!("the field {} is missing", quoted(name));
    let explanation = Explanation::new(&REQUIRED, pointer, message).aim(Aim::Opening).help(help);
    Explanation { subject: Subject::Missing(name.to_owned()), misspelt: near, ..explanation }
}

/// Fields that the schema does not know.
pub(super) fn unknown(error: &ValidationError<'_>, unexpected: &[String], reading: &Reading<'_>) -> Vec<Explanation> {
    let parent = error.instance_path().as_str();
    let holder = origin::holder(reading.schema, error);
    let allowed: Vec<&str> = holder.into_iter().flat_map(origin::properties).collect();
    let elsewhere = holder.map(|holder| origin::known_fields(reading.schema, holder)).unwrap_or_default();
    let explanation = |name: &String| {
        let help = if elsewhere.contains(name.as_str()) {
            Some(
                "the schema names it in another part, which \"additionalProperties\" does not see: whoever looks after \
                 the schema can mend it with \"unevaluatedProperties\""
                    .to_owned(),
            )
        } else {
            misspelt(name, &allowed, error.instance())
        };
        unknown_field(parent, name, help)
    };
    unexpected.iter().map(explanation).collect()
}

fn unknown_field(parent: &str, name: &str, help: Option<String>) -> Explanation {
    let message = format!("unknown field {}", quoted(name));
    let explanation = Explanation::new(&UNKNOWN_PROPERTY, child_pointer(parent, name), message).aim(Aim::Key);
    Explanation { subject: Subject::Unknown, help, ..explanation }
}

/// What a field may have been meant to be.
fn misspelt(name: &str, allowed: &[&str], object: &Value) -> Option<String> {
    let is_there = |name: &str| object.get(name).is_some();
    if let Some(near) = nearest(name, allowed.iter().copied().filter(|name| !is_there(name))) {
        return Some(format!("did you mean {}?", quoted(near)));
    }
    if let Some(near) = nearest(name, allowed.iter().copied()) {
        return Some(format!("{} is there already: take this one away", quoted(near)));
    }
    let free: Vec<String> = allowed.iter().filter(|name| !is_there(name)).map(|name| quoted(name)).collect();
    match (allowed.is_empty(), free.is_empty()) {
        (true, _) => Some("take it away: no field may stand here but those that the schema names".to_owned()),
        (false, true) => Some("take it away: all fields that are allowed here are there".to_owned()),
        (false, false) => Some(format!("take it away, or use {}", choice(&free))),
    }
}

/// Fields that no part of the schema has accepted.
pub(super) fn unevaluated(
    error: &ValidationError<'_>,
    unexpected: &[String],
    reading: &Reading<'_>,
) -> Vec<Explanation> {
    let parent = error.instance_path().as_str();
    let holder = origin::holder(reading.schema, error);
    let known = holder.map(|holder| origin::known_fields(reading.schema, holder)).unwrap_or_default();
    let names: Vec<&str> = known.iter().copied().collect();
    let explanation = |name: &String| {
        if !known.contains(name.as_str()) {
            return unknown_field(parent, name, misspelt(name, &names, error.instance()));
        }
        let message = format!("the field {} is not allowed beside the others here", quoted(name));
        let explanation = Explanation::new(&UNKNOWN_PROPERTY, child_pointer(parent, name), message).aim(Aim::Key);
        Explanation { subject: Subject::Unevaluated, ..explanation }.help("take it away, or change what it depends on")
    };
    unexpected.iter().map(explanation).collect()
}

/// A field has a name that is not allowed.
pub(super) fn name(error: &ValidationError<'_>, inner: &ValidationError<'_>, reading: &Reading<'_>) -> Explanation {
    let key = inner.instance().as_ref();
    let why = objections(inner, reading).into_iter().next();
    let message = match &why {
        Some(why) => format!("the name {} is not allowed here: {}", shown(key), why.message),
        None => format!("the name {} is not allowed here", shown(key)),
    };
    let pointer = child_pointer(error.instance_path().as_str(), key.as_str().unwrap_or_default());
    let explanation = Explanation::new(&UNKNOWN_PROPERTY, pointer, message).aim(Aim::Key);
    Explanation { help: why.and_then(|why| why.help), ..explanation }
}

/// Something stands where the schema allows nothing.
pub(super) fn forbidden(error: &ValidationError<'_>) -> Explanation {
    match segments(error.instance_path().as_str()).last() {
        Some(name) if name.parse::<usize>().is_err() => {
            let message = format!("the field {} is not allowed here", quoted(&name));
            about(error, &NOT_ALLOWED, message).aim(Aim::Key).help("take it away")
        }
        Some(_) => about(error, &NOT_ALLOWED, "the list may not have this item").help("take it away"),
        None => about(error, &NOT_ALLOWED, "nothing is allowed here"),
    }
}
