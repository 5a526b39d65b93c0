//! Regular expressions that list names, as in `^(GHSA|CVE|GO)-`: what a name more or less does.

use std::collections::BTreeSet;

use serde_json::Value;

use super::changes::Effect;
use super::rules::list;

/// What the change of a `pattern` does, and how to say it.
pub(super) fn change(subject: &str, old: &str, new: &str) -> (Effect, String) {
    let Some((before, after)) = listed(old, new) else {
        let shown = |text: &str| list(&[Value::from(text)], "");
        return (Effect::Unclear, format!("{subject} had the pattern {} and has {} now", shown(old), shown(new)));
    };
    let words = |names: Vec<&&str>| list(&names.into_iter().map(|name| Value::from(*name)).collect::<Vec<_>>(), "or");
    let gone: Vec<&&str> = before.difference(&after).collect();
    let come: Vec<&&str> = after.difference(&before).collect();
    match (gone.is_empty(), come.is_empty()) {
        (true, _) => (Effect::Compatible, format!("the pattern of {subject} allows {} too", words(come))),
        (false, true) => {
            (Effect::Breaking, format!("the pattern of {subject} does not allow {} any more", words(gone)))
        }
        (false, false) => {
            let message =
                format!("the pattern of {subject} does not allow {} any more, but {}", words(gone), words(come));
            (Effect::Breaking, message)
        }
    }
}

/// The alternatives in the one group in which two patterns differ; nothing where they differ in another way.
///
/// The alternatives have no groups of their own, and what stands before the group can only be followed straight on: then a text that
/// matched by one alternative goes on to match as long as that one is there.
fn listed<'p>(old: &'p str, new: &'p str) -> Option<(BTreeSet<&'p str>, BTreeSet<&'p str>)> {
    let common = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let open = old.get(..common)?.rfind('(')? + 1;
    let (head, old_rest, new_rest) = (old.get(..open)?, old.get(open..)?, new.get(open..)?);
    let (old_names, old_tail) = old_rest.strip_prefix("?:").unwrap_or(old_rest).split_once(')')?;
    let (new_names, new_tail) = new_rest.strip_prefix("?:").unwrap_or(new_rest).split_once(')')?;
    let is_straight = head.strip_suffix('(')?.chars().all(|c| is_name(c) || c == '^');
    let is_same = old_tail == new_tail && old_rest.starts_with("?:") == new_rest.starts_with("?:");
    // A repetition may want more than one of them, and a reference back the very same.
    let is_once = !old_tail.starts_with(['*', '+', '?', '{']) && !old_tail.contains('\\');
    let is_plain = is_straight && is_flat(old_names) && is_flat(new_names) && is_same && is_once;
    is_plain.then(|| (old_names.split('|').collect(), new_names.split('|').collect()))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || " _-:/,'".contains(c)
}

/// Whether every `|` in the text divides alternatives: names, escaped signs and classes of names.
fn is_flat(text: &str) -> bool {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_known = match c {
            // A digit or a letter after it would refer back or mean something.
            '\\' => rest.next().is_some_and(|sign| sign.is_ascii_punctuation()),
            '[' => rest.by_ref().find(|c| !is_name(*c)) == Some(']'),
            _ => is_name(c) || c == '|' || c == '.',
        };
        if !is_known {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_more_is_compatible_and_a_name_less_breaks() {
        let effect = |old: &str, new: &str| change("/id", old, new).0;
        assert_eq!(effect("^(GO|CVE)-[0-9]+$", "^(CVE|GHSA|GO)-[0-9]+$"), Effect::Compatible);
        assert_eq!(effect("^(?:GO|CVE)-", "^(?:GO|GHSA|CVE)-"), Effect::Compatible);
        assert_eq!(effect("^(a\\.io|U-[SRF]O)-", "^(a\\.io|b|U-[SRF]O)-"), Effect::Compatible);
        assert_eq!(effect("^(GO|CVE)-", "^(GO)-"), Effect::Breaking);
        assert_eq!(effect("^(GO|CVE)-", "^(GO|X)-"), Effect::Breaking);
        assert_eq!(change("/id", "^(GO)-", "^(GO|CVE)-").1, "the pattern of /id allows \"CVE\" too");
        for (old, new) in [
            ("^(GO)-", "^(GO|CVE)_"),
            ("^(?!(GO))", "^(?!(GO|CVE))"),
            ("^(GO)*$", "^(GO|CVE)*$"),
            ("^[a-z]+$", "^[a-z0-9]+$"),
            ("^(a+)-", "^(a+|b)-"),
            ("^([(]a)-", "^([(]a|b)-"),
            ("^([|]a)-", "^([|]a|b)-"),
            ("^(a\\)b)-", "^(a\\)b|c)-"),
            ("^(\\1)-", "^(\\1|c)-"),
            ("^(a)\\1", "^(a|b)\\1"),
            ("", "("),
        ] {
            assert_eq!(effect(old, new), Effect::Unclear, "{old} {new}");
        }
    }
}
