//! A text of an asset, cleaned.

use std::borrow::Cow;

use serde_json::Value;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::catalog::pointer::PointerPattern;
use crate::ids::RepoPath;

/// A text of an asset, as it goes to the chunker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The file it stands in.
    pub path: RepoPath,
    /// NFC, without control characters, paragraphs parted by one empty line, other white space single blanks.
    pub text: String,
}

impl Text {
    /// Cleans a raw text; none when nothing is left.
    pub fn new(path: &RepoPath, raw: &str) -> Option<Self> {
        let text = clean(raw);
        (!text.is_empty()).then(|| Self { path: path.clone(), text })
    }
}

/// Every value at a pointer, in words: strings as they are, numbers and booleans in digits and letters, an array of those
/// joined by commas. Objects and nulls say nothing.
pub fn values(value: &Value, pointer: &PointerPattern) -> Vec<String> {
    pointer.select(value).into_iter().filter_map(|(_, value)| words(value)).collect()
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(elements) => {
            let scalars = elements.iter().filter(|e| !e.is_array() && !e.is_object());
            let words: Vec<String> = scalars.filter_map(words).collect();
            (!words.is_empty()).then(|| words.join(", "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// What reads as white space after all.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Marks that steer the direction or width of a text and are no part of what it says.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn clean(raw: &str) -> String {
    // Most texts are in NFC already, and to see that is much cheaper than to make it so.
    let text = match is_nfc_quick(raw.chars()) {
        IsNormalized::Yes => Cow::Borrowed(raw),
        _ => Cow::Owned(raw.nfc().collect::<String>()),
    };
    let mut out = String::with_capacity(text.len());
    let (mut blank, mut lines, mut last) = (false, 0, ' ');
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if is_blank(c) {
            blank = true;
            lines += match c {
                '\n' if last == '\r' => 0,
                '\n' | '\r' | '\u{2028}' => 1,
                '\u{2029}' => 2,
                _ => 0,
            };
        } else {
            if blank && !out.is_empty() {
                out.push_str(if lines > 1 { "\n\n" } else { " " });
            }
            (blank, lines) = (false, 0);
            out.push(c);
        }
        last = c;
    }
    // To take a mark away may bring two letters together that make one.
    if text.len() == out.len() || is_nfc_quick(out.chars()) == IsNormalized::Yes { out } else { out.nfc().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(value: &Value, pointer: &str) -> Vec<String> {
        values(value, &PointerPattern::new(pointer))
    }

    #[test]
    fn a_value_is_said_in_words() {
        let value =
            json!({"s": "a", "n": 1.5, "b": true, "l": ["x", 2, null, {"y": 1}, ["z"]], "o": {"k": "v"}, "e": []});
        assert_eq!(at(&value, "/s"), ["a"]);
        assert_eq!(at(&value, "/n"), ["1.5"]);
        assert_eq!(at(&value, "/b"), ["true"]);
        assert_eq!(at(&value, "/l"), ["x, 2"]);
        assert_eq!(at(&value, "/l/1"), ["2"]);
        for nothing in ["/o", "/e", "/none", "/l/01", "/l/9", "/s/x"] {
            assert!(at(&value, nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_star_stands_for_any_element_or_key_in_an_order_of_its_own() {
        let one = json!({"v": [{"t": "a"}, {"u": 1}, {"t": "b"}], "m": {"z": {"t": "1"}, "a": {"t": "2"}}});
        assert_eq!(at(&one, "/v/*/t"), ["a", "b"]);
        assert_eq!(at(&one, "/m/*/t"), ["2", "1"]);
        assert_eq!(at(&one, "/*/*/t"), ["2", "1", "a", "b"]);
    }

    #[test]
    fn white_space_collapses_but_paragraphs_stay() {
        assert_eq!(clean("  a \t b\nc \r\n \r\n\r\n d\u{2029}e  "), "a b c\n\nd\n\ne");
        assert_eq!(clean("a\u{0}b\u{1b}[31m\u{200b}c\u{202e}d"), "a b [31mcd");
        assert_eq!(clean("cafe\u{301}"), "café");
        assert_eq!(clean(" \u{0}\n\n\u{feff} "), "");
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(raw in any::<String>()) {
            let once = clean(&raw);
            prop_assert_eq!(&clean(&once), &once);
            prop_assert!(!once.contains("\n\n\n") && !once.contains("  ") && once.trim() == once);
        }
    }
}
