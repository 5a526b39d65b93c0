//! Whether a schema accepts everything.

use serde_json::Value;

use crate::schema::keyword::{Role, keyword};

/// Whether nothing in a schema can refuse a value, as far as its own `#…` references tell.
///
/// A reference that leads back to where it came from refuses nothing either.
pub(in crate::schema) fn accepts_everything(schema: &Value, root: &Value) -> bool {
    accepts(schema, root, &mut Vec::new())
}

fn accepts<'s>(schema: &'s Value, root: &'s Value, under_way: &mut Vec<&'s str>) -> bool {
    let members = match schema {
        Value::Bool(all) => return *all,
        Value::Object(members) => members,
        _ => return false,
    };
    members.iter().all(|(name, value)| match (name.as_str(), value) {
        ("$ref", Value::String(target)) => refers_to_everything(target, root, under_way),
        ("$dynamicRef" | "$recursiveRef", _) => false,
        ("allOf", Value::Array(all)) => all.iter().all(|one| accepts(one, root, under_way)),
        ("anyOf", Value::Array(any)) => any.iter().any(|one| accepts(one, root, under_way)),
        ("properties" | "patternProperties" | "dependentSchemas", Value::Object(each)) => {
            each.values().all(|one| accepts(one, root, under_way))
        }
        ("additionalProperties" | "items" | "propertyNames" | "unevaluatedProperties" | "unevaluatedItems", one) => {
            accepts(one, root, under_way)
        }
        ("required", Value::Array(names)) => names.is_empty(),
        (name, _) => keyword(name).is_none_or(|keyword| keyword.role != Role::Rule),
    })
}

fn refers_to_everything<'s>(target: &'s str, root: &'s Value, under_way: &mut Vec<&'s str>) -> bool {
    let Some(pointer) = target.strip_prefix('#') else { return false };
    if under_way.contains(&pointer) {
        return true;
    }
    let Some(schema) = root.pointer(pointer) else { return false };
    // Deeper than anybody writes; what is not known to be open is not said to be.
    if under_way.len() > 50 {
        return false;
    }
    under_way.push(pointer);
    let is_open = accepts(schema, root, under_way);
    under_way.pop();
    is_open
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_no_rule_accepts_everything() {
        for open in [
            json!(true),
            json!({}),
            json!({"$schema": "x", "title": "t", "$defs": {"a": {"type": "string"}}}),
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"description": "any"}}}),
            json!({"properties": {"a": {"title": "anything"}}}),
            json!({"requried": ["a"]}),
        ] {
            assert!(accepts_everything(&open, &open), "{open}");
        }
    }

    #[test]
    fn one_rule_is_enough() {
        for closed in [
            json!(false),
            json!({"type": "object"}),
            json!({"required": ["a"]}),
            json!({"$ref": "other.json"}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"minimum": 1}}}),
            json!({"properties": {"a": {"type": "string"}}}),
            json!({"properties": {"child": {"$ref": "#"}, "a": {"type": "string"}}}),
            json!({"not": {}}),
        ] {
            assert!(!accepts_everything(&closed, &closed), "{closed}");
        }
    }
}
