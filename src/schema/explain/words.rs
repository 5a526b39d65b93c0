//! The words for values: text, a number, a list, a group of fields.

use serde_json::Value;

use crate::catalog::read::kind_of;
use crate::finding::words::{QUOTED, cut, quoted};

/// How many values a sentence lists.
const LISTED: usize = 12;

/// A value as a sentence quotes it: short, and on one line.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) | Value::Null => kind_of(value).to_owned(),
        other => cut(&other.to_string(), QUOTED),
    }
}

/// A value with its kind, as the subject of a sentence: `the text "a"`, `the number 5`, `a list`.
pub(super) fn subject(value: &Value) -> String {
    match value {
        Value::String(_) => format!("the text {}", shown(value)),
        Value::Number(_) => format!("the number {}", shown(value)),
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => kind_of(value).to_owned(),
    }
}

/// `a`, `a or b`, `a, b or c`; what is too much is counted.
pub(super) fn choice(names: &[String]) -> String {
    enumerate(names, "or")
}

/// `a`, `a and b`, `a, b and c`; what is too much is counted.
pub(super) fn all_of(names: &[String]) -> String {
    enumerate(names, "and")
}

fn enumerate(names: &[String], joint: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= LISTED => format!("{} {joint} {last}", first.join(", ")),
        _ => {
            let first = names.get(..LISTED).unwrap_or_default();
            format!("{} {joint} {} more", first.join(", "), names.len() - LISTED)
        }
    }
}

/// The nearest of the names, if one is near enough to be a slip.
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let length = name.chars().count();
    // A long text is no misspelt name, and to compare it with each would take its time.
    if length > 64 {
        return None;
    }
    let limit = ((length + 1) / 3).min(4);
    let plain = |text: &str| text.to_lowercase().replace(['-', ' ', '.'], "_");
    let wanted = plain(name);
    let near = names.filter(|other| *other != name && other.chars().count().abs_diff(length) <= limit);
    let near = near.map(|other| (strsim::damerau_levenshtein(&wanted, &plain(other)), other));
    near.filter(|(distance, other)| *distance <= limit && *distance < other.chars().count())
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_quoted_briefly_and_on_one_line() {
        assert_eq!(shown(&json!("a\n\u{1b}[31m")), r#""a\n\u{1b}[31m""#);
        assert_eq!(subject(&json!(5)), "the number 5");
        assert_eq!(subject(&json!({"a": 1})), "a group of fields");
        assert!(shown(&json!("x".repeat(1000))).chars().count() < 90);
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(choice(&names[..3]), "0, 1 or 2");
        assert_eq!(all_of(&names[..2]), "0 and 1");
        assert!(choice(&names).ends_with("10, 11 or 8 more"), "{}", choice(&names));
    }

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let names = || ["title", "license", "tags", "x"].into_iter();
        assert_eq!(nearest("tilte", names()), Some("title"));
        assert_eq!(nearest("Licence", names()), Some("license"));
        assert_eq!(nearest("price", names()), None);
        assert_eq!(nearest("y", names()), None, "one letter is no likeness");
        assert_eq!(nearest("preview image", ["preview_image"].into_iter()), Some("preview_image"));
    }
}
