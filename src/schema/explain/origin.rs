//! The place in the schema from which an objection comes.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::catalog::place::{child_pointer, segments};

/// How many subschemas are looked at for one objection.
const MOST_STEPS: usize = 20_000;
/// How many references are followed in a row.
const MOST_REFERENCES: usize = 32;

/// The value at the end of a way through the schema that leads through local references; none where it leaves the file.
pub(super) fn at<'s>(root: &'s Value, way: &str) -> Option<&'s Value> {
    let mut at = root;
    for segment in segments(way) {
        at = match (at, segment.as_str()) {
            (Value::Object(members), "$ref" | "$dynamicRef" | "$recursiveRef") => target(root, members.get(&segment)?)?,
            (Value::Object(members), name) => members.get(name)?,
            (Value::Array(items), index) => items.get(index.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}

/// What a local reference refers to.
fn target<'s>(root: &'s Value, reference: &Value) -> Option<&'s Value> {
    let fragment = reference.as_str()?.strip_prefix('#')?;
    let pointer = percent_decode_str(fragment).decode_utf8().ok()?;
    if pointer.is_empty() || pointer.starts_with('/') { root.pointer(&pointer) } else { None }
}

/// The subschema that holds the keyword which raised an error.
pub(super) fn holder<'s>(root: &'s Value, error: &ValidationError<'_>) -> Option<&'s Map<String, Value>> {
    let way = error.evaluation_path().as_str();
    at(root, way.rsplit_once('/')?.0)?.as_object()
}

/// A subschema and all others that must hold beside it: behind its references and in its `allOf`.
pub(super) fn together<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Map<String, Value>> {
    let mut found = Vec::new();
    let mut rest = vec![(schema, 0_usize)];
    while let Some((schema, references)) = rest.pop() {
        let Value::Object(members) = schema else { continue };
        if found.len() >= MOST_STEPS.min(500) {
            break;
        }
        found.push(members);
        if references < MOST_REFERENCES {
            let targets = ["$ref", "$dynamicRef"].iter().filter_map(|key| target(root, members.get(*key)?));
            rest.extend(targets.map(|target| (target, references + 1)));
        }
        if let Some(Value::Array(parts)) = members.get("allOf") {
            rest.extend(parts.iter().map(|part| (part, references + 1)));
        }
    }
    found
}

/// The names of the fields that a subschema knows, in whichever of its parts.
pub(super) fn known_fields<'s>(root: &'s Value, holder: &'s Map<String, Value>) -> BTreeSet<&'s str> {
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut rest = vec![holder];
    while let Some(members) = rest.pop() {
        // A recursive schema comes back to itself.
        if seen.len() >= MOST_STEPS || !seen.insert(std::ptr::from_ref(members).addr()) {
            continue;
        }
        names.extend(properties(members));
        for key in ["allOf", "anyOf", "oneOf"] {
            rest.extend(members.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object));
        }
        for key in ["if", "then", "else"] {
            rest.extend(members.get(key).and_then(Value::as_object));
        }
        let dependent = members.get("dependentSchemas").and_then(Value::as_object);
        rest.extend(dependent.into_iter().flat_map(Map::values).filter_map(Value::as_object));
        let targets = ["$ref", "$dynamicRef"].iter().filter_map(|key| target(root, members.get(*key)?)?.as_object());
        rest.extend(targets);
    }
    names
}

/// The names in a subschema's own `properties`.
pub(super) fn properties(holder: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let properties = holder.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::keys).map(String::as_str)
}

/// What the schema says of one field of the object that a subschema is about.
pub(super) fn field<'s>(root: &'s Value, holder: &'s Map<String, Value>, name: &str) -> Option<&'s Value> {
    let own = |members: &'s Map<String, Value>| members.get("properties")?.get(name);
    own(holder).or_else(|| {
        let parts = holder.get("allOf").and_then(Value::as_array)?;
        parts.iter().flat_map(|part| together(root, part)).find_map(own)
    })
}

/// A value that a subschema would accept, as an example of how to write one.
pub(super) fn example(root: &Value, schema: &Value) -> Value {
    let parts = together(root, schema);
    let first = |key: &str| parts.iter().find_map(|part| part.get(key));
    if let Some(value) = first("const").or_else(|| first("default")) {
        return value.clone();
    }
    for key in ["examples", "enum"] {
        if let Some(value) = first(key).and_then(|values| values.get(0)) {
            return value.clone();
        }
    }
    let kind = match first("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None => None,
    };
    match kind {
        Some("integer" | "number") => first("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        Some("array") => Value::Array(Vec::new()),
        Some("object") => Value::Object(Map::new()),
        _ => match first("format").and_then(Value::as_str) {
            Some("date") => "2026-11-20".into(),
            Some("date-time") => "2026-11-20T09:30:00Z".into(),
            Some("email") => "name@example.org".into(),
            Some("uri") => "https://example.org/".into(),
            _ => "…".into(),
        },
    }
}

/// The pointers from a value outwards to the whole record.
pub(super) fn outwards(pointer: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(pointer), |at| at.rsplit_once('/').map(|(parent, _)| parent))
}

/// A pointer to a field of the nearest object around a value that has it.
pub(super) fn nearest_field<'v>(record: &'v Value, pointer: &str, name: &str) -> Option<&'v Value> {
    outwards(pointer).find_map(|around| record.pointer(&child_pointer(around, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_way_leads_through_references_and_ends_where_they_leave_the_file() {
        let schema = json!({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}, "x": {"$ref": "o.json"}});
        assert_eq!(at(&schema, "/properties/a/$ref/type"), Some(&json!("string")));
        assert_eq!(at(&schema, "/x/$ref/type"), None);
    }

    #[test]
    fn a_recursive_schema_has_an_end() {
        let schema = json!({"properties": {"a": {}}, "allOf": [{"$ref": "#"}, {"properties": {"b": {}}}]});
        let names = known_fields(&schema, schema.as_object().unwrap());
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(together(&schema, &schema).len() <= 500);
    }
}
