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

    /// Takes the same, but nothing in which a `~` is followed by anything else than `0` (for `~`) or `1` (for `/`).
    pub fn parse(text: &str) -> Option<Self> {
        let escapes = text.split('~').skip(1);
        escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])).then(|| Self::new(text))
    }

    /// The values that it names, with their exact pointers: array items in their order, members by their keys.
    ///
    /// The order of members in a file carries no meaning, so it decides nothing.
    pub fn select<'v>(&self, value: &'v Value) -> Vec<(String, &'v Value)> {
        let mut found = Vec::new();
        walk(&self.segments, value, String::new(), &mut found);
        found
    }

    /// The one value that it names when it has no `*`.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.segments.iter().try_fold(value, |at, segment| child(at, segment))
    }

    /// How many `*` it has.
    pub fn count_wildcards(&self) -> usize {
        self.segments.iter().filter(|segment| *segment == "*").count()
    }

    /// What each `*` stands for in the pointer of a value that it names.
    pub fn wildcards(&self, pointer: &str) -> Vec<String> {
        let pairs = self.segments.iter().zip(segments(pointer));
        pairs.filter(|(pattern, _)| *pattern == "*").map(|(_, segment)| segment).collect()
    }

    /// The pointer that it is when its `*` stand for these, one after the other.
    pub fn filled(&self, wildcards: &[String]) -> String {
        let mut next = wildcards.iter();
        self.segments.iter().fold(String::new(), |pointer, segment| {
            let filled = if segment == "*" { next.next().unwrap_or(segment) } else { segment };
            child_pointer(&pointer, filled)
        })
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
        Value::Array(items) => items.get(index(segment)?),
        _ => None,
    }
}

/// An index without leading zeros, as RFC 6901 wants it.
fn index(segment: &str) -> Option<usize> {
    segment.parse::<usize>().ok().filter(|index| index.to_string() == segment)
}

fn walk<'v>(rest: &[String], value: &'v Value, pointer: String, found: &mut Vec<(String, &'v Value)>) {
    let Some((segment, rest)) = rest.split_first() else {
        found.push((pointer, value));
        return;
    };
    match value {
        Value::Object(members) if segment == "*" => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
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
            let Some(index) = index(segment) else { return };
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
    fn members_come_in_the_order_of_their_keys_and_an_index_has_no_leading_zero() {
        let record = json!({"m": {"z": 1, "a": 2}, "l": [0, 1]});
        let values =
            |text: &str| PointerPattern::new(text).select(&record).into_iter().map(|(p, _)| p).collect::<Vec<_>>();
        assert_eq!(values("/m/*"), ["/m/a", "/m/z"]);
        assert!(values("/l/01").is_empty());
        assert!(PointerPattern::parse("/a~2").is_none() && PointerPattern::parse("/a~").is_none());
    }

    #[test]
    fn what_the_stars_stand_for_fills_another_pattern() {
        let (from, to) = (PointerPattern::new("/files/*/at/*/path"), PointerPattern::new("/sizes/*/*"));
        assert_eq!(to.filled(&from.wildcards("/files/a~1b/at/3/path")), "/sizes/a~1b/3");
        assert_eq!((from.count_wildcards(), PointerPattern::new("/a").filled(&["x".to_owned()])), (2, "/a".to_owned()));
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
