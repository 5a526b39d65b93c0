//! Regular expressions in words, where they are simple.

use jsonschema::ValidationError;
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};

use super::words::{all_of, choice, shown};
use super::{Explanation, PATTERN, about};
use crate::finding::words::{cut, quoted};

/// How many parts a sentence can hold.
const MOST_PARTS: usize = 8;

/// A text does not match its pattern.
pub(super) fn unmatched(error: &ValidationError<'_>, pattern: &str) -> Explanation {
    let text = error.instance().as_str().unwrap_or_default();
    let shown = shown(error.instance());
    let Some(form) = Form::parse(pattern) else {
        let message = format!("{shown} does not match the pattern {}", cut(pattern, 120));
        return about(error, &PATTERN, message);
    };
    let stranger =
        form.class.as_ref().and_then(|(class, joint)| text.chars().find(|c| !holds(class, *c) && *joint != Some(*c)));
    let message = match stranger {
        Some(c) => format!("{} may not stand in {shown}", character(c)),
        None => format!("{shown} has not the form that is wanted"),
    };
    let advice = form.advice();
    let advice = match form.likeness(text) {
        Some(likeness) => format!("{advice}, such as {}", quoted(&likeness)),
        None => advice,
    };
    about(error, &PATTERN, message).help(advice)
}

/// A pattern in words, as the end of "it is …".
pub(super) fn in_words(pattern: &str) -> Option<String> {
    Some(Form::parse(pattern)?.words)
}

fn character(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\n' => "a line break".to_owned(),
        '\t' => "a tab".to_owned(),
        c => quoted(&c.to_string()),
    }
}

/// A simple pattern.
struct Form {
    words: String,
    begins: bool,
    ends: bool,
    /// The only characters that may stand in the text, and the one that joins words of them.
    class: Option<(ClassUnicode, Option<char>)>,
}

impl Form {
    fn parse(pattern: &str) -> Option<Self> {
        if pattern.len() > 500 {
            return None;
        }
        let hir = regex_syntax::Parser::new().parse(&in_ascii(pattern)).ok()?;
        let mut parts: Vec<&Hir> = match hir.kind() {
            HirKind::Concat(parts) => parts.iter().collect(),
            _ => vec![&hir],
        };
        let is = |part: Option<&&Hir>, look: Look| part.is_some_and(|part| *part.kind() == HirKind::Look(look));
        let begins = is(parts.first(), Look::Start);
        if begins {
            parts.remove(0);
        }
        let ends = is(parts.last(), Look::End);
        if ends {
            parts.pop();
        }
        if begins && ends {
            if let [part] = parts.as_slice()
                && let Some((class, count)) = repeated(part)
            {
                let words = format!("{}{count}", class_in_words(class)?);
                return Some(Self { words, begins, ends, class: Some((class.clone(), None)) });
            }
            if let Some((class, joint)) = joined(&parts) {
                let words = format!("words of {}, joined by {}", class_in_words(class)?, character(joint));
                return Some(Self { words, begins, ends, class: Some((class.clone(), Some(joint))) });
            }
        }
        if parts.is_empty() || parts.len() > MOST_PARTS {
            return None;
        }
        let words: Option<Vec<String>> = parts.iter().map(|part| part_in_words(part)).collect();
        Some(Self { words: words?.join(", then "), begins, ends, class: None })
    }

    fn advice(&self) -> String {
        let words = &self.words;
        match (&self.class, self.begins, self.ends) {
            (Some((_, None)), ..) => format!("write {words} only"),
            (Some(_), ..) | (None, true, true) => format!("write {words}"),
            (None, true, false) => format!("begin it with {words}"),
            (None, false, true) => format!("end it with {words}"),
            (None, false, false) => format!("it must hold {words}"),
        }
    }

    /// A text that looks like this one and fits.
    fn likeness(&self, text: &str) -> Option<String> {
        let (class, joint) = self.class.as_ref()?;
        let gap = joint.or_else(|| ['-', '_'].into_iter().find(|c| holds(class, *c)))?;
        let mut likeness = String::new();
        for c in text.chars() {
            let lower = c.to_lowercase().next().unwrap_or(c);
            let fitting = [c, lower].into_iter().find(|c| holds(class, *c) && *c != gap);
            match fitting {
                Some(c) => likeness.push(c),
                None if likeness.is_empty() || likeness.ends_with(gap) => {}
                None => likeness.push(gap),
            }
        }
        let likeness = likeness.trim_end_matches(gap);
        // What has lost most of its letters helps nobody, and a number of characters may be asked for.
        let is_alike = likeness.chars().count() * 2 > text.chars().count() && likeness.chars().count() <= 60;
        (is_alike && likeness != text && !self.words.contains("characters")).then(|| likeness.to_owned())
    }
}

/// The pattern with the classes of ECMAScript, whose `\d` and `\w` know ASCII alone.
fn in_ascii(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().unwrap_or('\\');
                let class = match escaped {
                    'd' => "0-9",
                    'w' => "A-Za-z0-9_",
                    '/' => "/",
                    other => {
                        out.push('\\');
                        out.push(other);
                        continue;
                    }
                };
                match (in_class, escaped) {
                    (true, _) | (_, '/') => out.push_str(class),
                    (false, _) => out.push_str(&format!("[{class}]")),
                }
            }
            '[' if in_class => out.push_str("\\["),
            _ => {
                in_class = match c {
                    '[' => true,
                    ']' => false,
                    _ => in_class,
                };
                out.push(c);
            }
        }
    }
    out
}

fn holds(class: &ClassUnicode, c: char) -> bool {
    class.ranges().iter().any(|range| range.start() <= c && c <= range.end())
}

fn class_of(hir: &Hir) -> Option<&ClassUnicode> {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        HirKind::Capture(capture) => class_of(&capture.sub),
        _ => None,
    }
}

/// A class that stands any number of times, and the words for how often.
fn repeated(hir: &Hir) -> Option<(&ClassUnicode, String)> {
    match hir.kind() {
        HirKind::Capture(capture) => repeated(&capture.sub),
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            let count = match (min, max) {
                (0 | 1, None) => String::new(),
                (min, Some(max)) if min == max => format!(", {min} characters"),
                (min, Some(max)) => format!(", {min} to {max} characters"),
                (min, None) => format!(", {min} characters or more"),
            };
            Some((class_of(sub)?, count))
        }
        _ => None,
    }
}

/// `[a-z]+(-[a-z]+)*`: words of a class, and what joins them.
fn joined<'h>(parts: &[&'h Hir]) -> Option<(&'h ClassUnicode, char)> {
    let [first, rest] = parts else { return None };
    let (class, count) = repeated(first)?;
    let HirKind::Repetition(Repetition { min: 0, max: None, sub, .. }) = rest.kind() else { return None };
    let inner = if let HirKind::Capture(capture) = sub.kind() { &capture.sub } else { sub };
    let HirKind::Concat(inner) = inner.kind() else { return None };
    let [joint, again] = inner.as_slice() else { return None };
    let HirKind::Literal(joint) = joint.kind() else { return None };
    let mut joint = std::str::from_utf8(&joint.0).ok()?.chars();
    let (c, None) = (joint.next()?, joint.next()) else { return None };
    (repeated(again)? == (class, count)).then_some((class, c))
}

fn part_in_words(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(quoted),
        HirKind::Capture(capture) => part_in_words(&capture.sub),
        HirKind::Class(Class::Unicode(class)) => Some(format!("one of {}", class_in_words(class)?)),
        HirKind::Repetition(Repetition { min, max, sub, .. }) => match (min, max, class_of(sub)) {
            (0, Some(1), _) => Some(format!("perhaps {}", part_in_words(sub)?)),
            (_, Some(max), Some(class)) if min == max => Some(format!("{min} of {}", class_in_words(class)?)),
            (min, Some(max), Some(class)) => Some(format!("{min} to {max} of {}", class_in_words(class)?)),
            (0, None, Some(class)) => Some(format!("any number of {}", class_in_words(class)?)),
            (1, None, Some(class)) => Some(format!("one or more of {}", class_in_words(class)?)),
            (min, None, Some(class)) => Some(format!("{min} or more of {}", class_in_words(class)?)),
            _ => None,
        },
        HirKind::Alternation(branches) if branches.len() <= MOST_PARTS => {
            let literal = |hir: &Hir| matches!(hir.kind(), HirKind::Literal(_)).then(|| part_in_words(hir)).flatten();
            let words: Option<Vec<String>> = branches.iter().map(literal).collect();
            Some(choice(&words?))
        }
        HirKind::Concat(parts) if parts.len() <= MOST_PARTS => {
            let words: Option<Vec<String>> = parts.iter().map(part_in_words).collect();
            Some(words?.join(", then "))
        }
        _ => None,
    }
}

/// `lower-case letters, digits and -`.
fn class_in_words(class: &ClassUnicode) -> Option<String> {
    let has = |from: char, to: char| class.ranges().iter().any(|range| range.start() <= from && to <= range.end());
    if has('\u{80}', '\u{fffff}') {
        let mut left = class.clone();
        left.negate();
        let words = class_in_words(&left).filter(|_| left.ranges().len() < 12)?;
        return Some(if left.ranges().is_empty() {
            "any character".to_owned()
        } else {
            format!("anything but {words}")
        });
    }
    let mut names = Vec::new();
    match (has('a', 'z'), has('A', 'Z')) {
        (true, true) => names.push("letters".to_owned()),
        (true, false) => names.push("lower-case letters".to_owned()),
        (false, true) => names.push("capital letters".to_owned()),
        (false, false) => {}
    }
    if has('0', '9') {
        names.push("digits".to_owned());
    }
    let named = |c: char| {
        (c.is_ascii_lowercase() && has('a', 'z'))
            || (c.is_ascii_uppercase() && has('A', 'Z'))
            || (c.is_ascii_digit() && has('0', '9'))
    };
    let mut signs = Vec::new();
    for range in class.ranges() {
        let (start, end) = (range.start(), range.end());
        let same_kind = (start.is_ascii_lowercase() && end.is_ascii_lowercase())
            || (start.is_ascii_uppercase() && end.is_ascii_uppercase())
            || (start.is_ascii_digit() && end.is_ascii_digit());
        if same_kind && !named(start) && start != end {
            names.push(format!("{start} to {end}"));
            continue;
        }
        for c in (start..=end).filter(|c| !named(*c)).take(40) {
            match c {
                ' ' => names.push("spaces".to_owned()),
                '\n' => names.push("line breaks".to_owned()),
                '\t' => names.push("tabs".to_owned()),
                c if c.is_control() => return None,
                c => signs.push(c.to_string()),
            }
        }
    }
    match signs.as_slice() {
        [] => {}
        [sign] => names.push(sign.clone()),
        signs if names.is_empty() && signs.iter().all(|sign| sign.chars().all(char::is_alphanumeric)) => {
            names.extend(signs.iter().cloned());
        }
        signs => names.push(format!("the signs {}", signs.join(" "))),
    }
    (names.len() <= 24).then(|| all_of(&names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_pattern_is_told_in_words() {
        let said = |pattern: &str| Form::parse(pattern).map(|form| form.advice()).unwrap_or_default();
        for (pattern, advice) in [
            ("^[a-z0-9-]+$", "write lower-case letters, digits and - only"),
            (r"^[\w.]+$", "write letters, digits and the signs . _ only"),
            (r"^\d{4}$", "write digits, 4 characters only"),
            ("^[a-z0-9]+(-[a-z0-9]+)*$", "write words of lower-case letters and digits, joined by \"-\""),
            ("^#[0-9a-f]{6}$", "write \"#\", then 6 of digits and a to f"),
            (
                r"^v?\d+\.\d+$",
                "write perhaps \"v\", then one or more of digits, then \".\", then one or more of digits",
            ),
            ("^https://", "begin it with \"https://\""),
            (r"\.png$", "end it with \".png\""),
            ("^(cat|dog)$", "write \"cat\" or \"dog\""),
            ("^[^/]+$", "write anything but / only"),
            ("^(?:a+)+(?=b)c$", ""),
            ("(", ""),
        ] {
            assert_eq!(said(pattern), advice, "{pattern}");
        }
    }

    #[test]
    fn what_would_fit_is_made_of_what_is_there() {
        let alike = |pattern: &str, text: &str| Form::parse(pattern).and_then(|form| form.likeness(text));
        assert_eq!(alike("^[a-z0-9-]+$", "Hex  Bolt!").as_deref(), Some("hex-bolt"));
        assert_eq!(alike("^[a-z]+(_[a-z]+)*$", "Hex Bolt").as_deref(), Some("hex_bolt"));
        assert_eq!(alike("^[a-z]+$", "Hex Bolt"), None);
        assert_eq!(alike("^[a-z-]+$", "12345678 a"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_is_too_strange(pattern in "[\\[\\](){}^$a-z0-9\\\\dw.,+*?|-]{0,40}", text in "\\PC{0,20}") {
            if let Some(form) = Form::parse(&pattern) {
                form.likeness(&text);
            }
        }
    }
}
