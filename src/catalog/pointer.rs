//! JSON Pointers with `*` for any key or index, as stockroom.yml uses them.

use serde_json::Value;

use super::place::{child_pointer, segments};

/// A JSON Pointer (RFC 6901) in which the segment `*` stands for every key or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerPattern {
    segments: Vec<String>,
}

impl PointerPattern {
    /// Takes `/a/*/b`; a plain `name` counts as `/name`.
    pub fn new(text: &str) -> Self {
        if text.is_empty() || text.starts_with('/') {
            Self { segments: segments(text).collect() }
        } else {
            Self { segments: vec![text.to_owned()] }
        }
    }

    /// The values that it names, with their exact pointers, items in their order and members by their keys.
    pub fn select<'v>(&self, value: &'v Value) -> Vec<(String, &'v Value)> {
        let mut found = Vec::new();
        walk(&self.segments, value, String::new(), &mut found);
        found
    }

    /// The one value that it names when it has no `*`.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.segments.iter().try_fold(value, |at, segment| child(at, segment))
    }

    /// Takes the values that it names out of the document.
    pub fn remove(&self, value: &mut Value) {
        remove(&self.segments, value);
    }

    /// The exact pointer of what it names when it has no `*`.
    pub fn exact(&self) -> String {
        self.segments.iter().fold(String::new(), |pointer, segment| child_pointer(&pointer, segment))
    }
}

fn child<'v>(value: &'v Value, segment: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    }
}

fn walk<'v>(rest: &[String], value: &'v Value, pointer: String, found: &mut Vec<(String, &'v Value)>) {
    let Some((segment, rest)) = rest.split_first() else {
        found.push((pointer, value));
        return;
    };
    match value {
        Value::Object(members) if segment == "*" => {
            for (key, value) in members {
                walk(rest, value, child_pointer(&pointer, key), found);
            }
        }
        Value::Array(items) if segment == "*" => {
            for (index, value) in items.iter().enumerate() {
                walk(rest, value, format!("{pointer}/{index}"), found);
            }
        }
        _ => {
            if let Some(value) = child(value, segment) {
                walk(rest, value, child_pointer(&pointer, segment), found);
            }
        }
    }
}

fn remove(path: &[String], value: &mut Value) {
    let Some((segment, rest)) = path.split_first() else { return };
    match value {
        Value::Object(members) if rest.is_empty() && segment == "*" => members.clear(),
        Value::Object(members) if rest.is_empty() => {
            members.remove(segment);
        }
        Value::Object(members) if segment == "*" => members.values_mut().for_each(|value| remove(rest, value)),
        Value::Object(members) => {
            if let Some(value) = members.get_mut(segment) {
                remove(rest, value);
            }
        }
        Value::Array(items) if rest.is_empty() && segment == "*" => items.clear(),
        Value::Array(items) if segment == "*" => items.iter_mut().for_each(|value| remove(rest, value)),
        Value::Array(items) => {
            let Ok(index) = segment.parse::<usize>() else { return };
            if rest.is_empty() && index < items.len() {
                items.remove(index);
            } else if let Some(value) = items.get_mut(index) {
                remove(rest, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Value {
        json!({"handle": "bolt", "variants": [{"sku": "a", "at": 1}, {"sku": "b", "at": 2}], "a/b": {"x": 1}})
    }

    #[test]
    fn a_star_names_every_item() {
        let record = record();
        let found = PointerPattern::new("/variants/*/sku").select(&record);
        assert_eq!(found, [("/variants/0/sku".into(), &json!("a")), ("/variants/1/sku".into(), &json!("b"))]);
    }

    #[test]
    fn a_plain_name_is_a_key_of_the_record() {
        assert_eq!(PointerPattern::new("handle").get(&record()), Some(&json!("bolt")));
        assert_eq!(PointerPattern::new("/handle").exact(), "/handle");
    }

    #[test]
    fn what_is_removed_is_no_longer_there_and_the_rest_is() {
        let mut record = record();
        PointerPattern::new("/variants/*/at").remove(&mut record);
        PointerPattern::new("/a~1b/x").remove(&mut record);
        PointerPattern::new("/no/such/thing").remove(&mut record);
        assert_eq!(record, json!({"handle": "bolt", "variants": [{"sku": "a"}, {"sku": "b"}], "a/b": {}}));
    }
}
