//! What holds only under a condition, what must not hold, and what must hold for some items of a list.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::{Map, Value};

use super::words::{all_of, choice, shown, subject};
use super::{Aim, Explanation, NOT_ALLOWED, Reading, SHAPE, about, origin};
use crate::catalog::place::{child_pointer, segments};
use crate::finding::words::{count, cut, quoted};

/// Why the schema says what it says, where that depends on the record: ` (because "kind" is "paid")`.
pub(super) fn reason(error: &ValidationError<'_>, reading: &Reading<'_>) -> Option<String> {
    let way = error.evaluation_path().as_str();
    let pointer = error.instance_path().as_str();
    if matches!(error.kind(), Kind::Required { .. }) && way.contains("/depend") {
        // The way ends at the keyword, or at one key of it.
        let (_, last) = way.rsplit_once('/')?;
        if matches!(last, "dependentRequired" | "dependencies") {
            return depends(origin::at(reading.schema, way)?, error);
        }
    }
    let marks = ["/then", "/else", "/dependentSchemas/", "/dependencies/"];
    let (at, mark) = marks.iter().filter_map(|mark| Some((way.rfind(mark)?, *mark))).max()?;
    if mark.starts_with("/depend") {
        let name = segments(way.get(at..)?).nth(1)?;
        return Some(format!(" (because there is {})", quoted(&name)));
    }
    let condition = origin::at(reading.schema, way.get(..at)?)?.get("if")?;
    let facts = facts(condition, reading, pointer);
    (!facts.is_empty()).then(|| format!(" (because {})", all_of(&facts)))
}

/// The field that asks for the missing one.
fn depends(dependencies: &Value, error: &ValidationError<'_>) -> Option<String> {
    let Kind::Required { property } = error.kind() else { return None };
    let object = error.instance().as_object()?;
    let asks = |(name, wanted): &(&String, &Value)| {
        object.contains_key(*name) && wanted.as_array().is_some_and(|wanted| wanted.contains(property))
    };
    let (name, _) = dependencies.as_object()?.iter().find(asks)?;
    Some(format!(" (because there is {})", quoted(name)))
}

/// What the record says of the fields that a condition asks about.
fn facts(condition: &Value, reading: &Reading<'_>, pointer: &str) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for part in origin::together(reading.schema, condition) {
        let required = part.get("required").and_then(Value::as_array);
        for name in origin::properties(part).chain(required.into_iter().flatten().filter_map(Value::as_str)) {
            if !names.contains(&name) && names.len() < 3 {
                names.push(name);
            }
        }
    }
    let fact = |name: &&str| match origin::nearest_field(reading.record, pointer, name) {
        Some(Value::Object(_) | Value::Array(_)) => format!("there is {}", quoted(name)),
        Some(value) => format!("{} is {}", quoted(name), shown(value)),
        None => format!("there is no {}", quoted(name)),
    };
    names.iter().map(fact).collect()
}

/// A value is what it must not be.
pub(super) fn not(error: &ValidationError<'_>, schema: &Value) -> Explanation {
    let value = error.instance().as_ref();
    let required: Vec<String> = texts(schema.get("required")).map(quoted).collect();
    let only =
        schema.as_object().is_some_and(|schema| schema.keys().all(|key| matches!(key.as_str(), "required" | "type")));
    match required.as_slice() {
        [name] if only => {
            let pointer =
                child_pointer(error.instance_path().as_str(), texts(schema.get("required")).next().unwrap_or_default());
            let message = format!("the field {name} is not allowed here");
            return Explanation::new(&NOT_ALLOWED, pointer, message).aim(Aim::Key).help("take it away");
        }
        [_, _, ..] if only => {
            let message = format!("the fields {} must not stand together", all_of(&required));
            return about(error, &SHAPE, message).aim(Aim::Opening).help("take one of them away");
        }
        _ => {}
    }
    let any: Vec<String> = texts_of_branches(schema);
    if !any.is_empty() {
        let message = format!("none of {} may stand here", choice(&any));
        return about(error, &SHAPE, message).aim(Aim::Opening).help("take them away");
    }
    match described(schema) {
        Some(words) => {
            let message = format!("{} must not be {words}", subject(value));
            about(error, &SHAPE, message).help("write something else")
        }
        None => about(error, &SHAPE, format!("{} is what the schema excludes here", subject(value))),
    }
}

/// The fields of `anyOf: [{required: [a]}, {required: [b]}]`.
fn texts_of_branches(schema: &Value) -> Vec<String> {
    let branches = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> = branches.iter().flat_map(|branch| texts(branch.get("required"))).map(quoted).collect();
    if names.len() == branches.len() { names } else { Vec::new() }
}

/// Too few or too many items of a list are of a certain kind.
pub(super) fn contains(error: &ValidationError<'_>, reading: &Reading<'_>) -> Explanation {
    let holder = origin::holder(reading.schema, error);
    let limit = |key: &str| holder.and_then(|holder| holder.get(key)).and_then(Value::as_u64);
    let wanted = holder.and_then(|holder| holder.get("contains"));
    let words = wanted.and_then(described).unwrap_or_else(|| "of the kind that the schema wants".to_owned());
    if error.schema_path().as_str().ends_with("/maxContains") {
        let most = limit("maxContains").unwrap_or(1);
        let message = format!("more than {} of the list is {words}", count(most, "item"));
        return about(error, &SHAPE, message).aim(Aim::Opening).help("take away what is too many");
    }
    let least = limit("minContains").unwrap_or(1).max(1);
    let message = match least {
        1 => format!("no item of the list is {words}"),
        least => format!("the list needs {least} items that are {words}"),
    };
    about(error, &SHAPE, message).aim(Aim::Opening).help("add one that is")
}

/// A small schema in words, as the end of "it is …".
fn described(schema: &Value) -> Option<String> {
    let schema = schema.as_object()?;
    if let Some(value) = schema.get("const") {
        return Some(shown(value));
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        return Some(choice(&options.iter().map(shown).collect::<Vec<_>>()));
    }
    if let Some(words) = fields(schema) {
        return Some(words);
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        return Some(super::patterns::in_words(pattern).unwrap_or_else(|| format!("a match of {}", cut(pattern, 80))));
    }
    Some(match schema.get("type").and_then(Value::as_str)? {
        "string" => "text".to_owned(),
        "number" => "a number".to_owned(),
        "integer" => "a whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a group of fields".to_owned(),
        "null" => "empty (null)".to_owned(),
        _ => return None,
    })
}

/// `a group with "kind": "main" and "url"`.
fn fields(schema: &Map<String, Value>) -> Option<String> {
    let mut parts = Vec::new();
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = field.get("const") {
            parts.push(format!("{}: {}", quoted(name), shown(value)));
        }
    }
    for name in texts(schema.get("required")).map(quoted) {
        if !parts.iter().any(|part| part.starts_with(&name)) {
            parts.push(name);
        }
    }
    (!parts.is_empty()).then(|| format!("a group with {}", all_of(&parts)))
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
