//! What looks like a token or a private key, wherever it stands: in a file, or in a sentence that quotes one.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// What stands in a sentence where a token was.
const REDACTED: &str = "***";
/// A token that was cut is one from so many characters behind its prefix on.
const LEAST_CUT: usize = 6;

/// A text that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where it stands.
    pub bytes: Range<usize>,
    /// What it is, such as `a GitHub token`.
    pub name: &'static str,
}

/// The first characters of a secret, its name, which characters follow, and how many at least; a private key has no such
/// characters.
type Kind = (&'static str, &'static str, fn(u8) -> bool, usize);

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn path(byte: u8) -> bool {
    token(byte) || matches!(byte, b'/' | b'.')
}

const KEY: &str = "-----BEGIN ";

/// Each beginning is rare in texts, so that almost all of a text is passed in one go.
static KINDS: &[Kind] = &[
    ("ghp_", "a GitHub token", word, 36),
    ("gho_", "a GitHub token", word, 36),
    ("ghu_", "a GitHub token", word, 36),
    ("ghs_", "a GitHub token", token, 36),
    ("ghr_", "a GitHub token", word, 36),
    ("github_pat_", "a GitHub token", token, 60),
    ("glpat-", "a GitLab token", token, 20),
    ("xoxb-", "a Slack token", token, 20),
    ("xoxp-", "a Slack token", token, 20),
    ("xoxa-", "a Slack token", token, 20),
    ("xoxr-", "a Slack token", token, 20),
    ("hooks.slack.com/services/", "the address of a Slack webhook", path, 30),
    ("sk-ant-", "an Anthropic key", token, 40),
    ("sk-proj-", "an OpenAI key", token, 40),
    ("sk-", "an OpenAI key", word, 48),
    ("sk_live_", "a Stripe key", word, 24),
    ("rk_live_", "a Stripe key", word, 24),
    ("AKIA", "the id of an AWS key", upper, 16),
    ("ASIA", "the id of an AWS key", upper, 16),
    ("AIza", "a Google key", token, 35),
    ("shpat_", "a Shopify token", hex, 32),
    ("shpca_", "a Shopify token", hex, 32),
    ("shppa_", "a Shopify token", hex, 32),
    ("shpss_", "a Shopify secret", hex, 32),
    ("polar_oat_", "a Polar token", token, 32),
    ("polar_pat_", "a Polar token", token, 32),
    ("npm_", "an npm token", word, 36),
    ("pypi-AgE", "a PyPI token", token, 50),
    ("hf_", "a Hugging Face token", word, 34),
    (KEY, "a private key", upper, 0),
];

static SEARCHER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let beginnings = KINDS.iter().map(|kind| kind.0);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(beginnings).ok()
});

/// Every secret in a text, in its order, also where characters of it are written as escapes.
pub fn tokens(text: &str) -> Vec<Token> {
    let whole = |found: &(Token, bool)| !found.1;
    searched(text).into_iter().filter(whole).map(|(token, _)| token).collect()
}

/// The text with `***` in place of every secret, also of one that was cut.
pub fn masked(text: &str) -> Cow<'_, str> {
    replaced(text, |out, _| out.push_str(REDACTED))
}

/// The text with a `*` for each character of a secret, so that every place in it stays where it is.
pub fn starred(text: &str) -> Cow<'_, str> {
    replaced(text, |out, secret| out.extend(secret.chars().map(|c| if matches!(c, '\n' | '\r') { c } else { '*' })))
}

fn replaced(text: &str, replace: impl Fn(&mut String, &str)) -> Cow<'_, str> {
    let found = searched(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (Token { bytes, .. }, _) in found {
        out.push_str(text.get(from..bytes.start).unwrap_or_default());
        replace(&mut out, text.get(bytes.clone()).unwrap_or_default());
        from = bytes.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// The secrets, and of each whether it was cut.
fn searched(text: &str) -> Vec<(Token, bool)> {
    let Some((read, places)) = unescaped(text) else { return searched_as_it_is(text) };
    let place = |at: usize, is_end: bool| {
        // What an escape stands for ends where the escape ends.
        let before = places.partition_point(|(read, _)| if is_end { *read < at } else { *read <= at });
        let Some((read, written)) = before.checked_sub(1).and_then(|index| places.get(index)) else { return at };
        match (at - read, is_end) {
            (0, false) => written.start,
            (past, _) => written.end + past - 1,
        }
    };
    let mut found = searched_as_it_is(&read);
    for (token, _) in &mut found {
        token.bytes = place(token.bytes.start, false)..place(token.bytes.end, true);
    }
    found
}

/// Where a letter stands in the text that was read, and where its escape stands in the one that was written.
type Escape = (usize, Range<usize>);

/// The text with letters, digits and signs in place of their escapes, and where each of them stands in both; none where there
/// is no such escape.
fn unescaped(text: &str) -> Option<(String, Vec<Escape>)> {
    if !["\\u00", "\\x", "\\U000000"].iter().any(|escape| text.contains(escape)) {
        return None;
    }
    let (mut out, mut places, mut from) = (String::with_capacity(text.len()), Vec::new(), 0);
    for (at, _) in text.match_indices('\\') {
        let rest = text.get(at..).unwrap_or_default();
        let Some(head) = ["\\u00", "\\x", "\\U000000"].into_iter().find(|head| rest.starts_with(head)) else {
            continue;
        };
        let digits = rest.get(head.len()..head.len() + 2);
        let code = digits.filter(|two| two.bytes().all(hex)).and_then(|two| u8::from_str_radix(two, 16).ok());
        let Some(byte) = code.filter(u8::is_ascii_graphic) else { continue };
        out.push_str(text.get(from..at).unwrap_or_default());
        from = at + head.len() + 2;
        places.push((out.len(), at..from));
        out.push(char::from(byte));
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Some((out, places))
}

fn searched_as_it_is(text: &str) -> Vec<(Token, bool)> {
    let Some(searcher) = SEARCHER.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(hit) = searcher.find(Input::new(text).range(from..)) {
        from = hit.end();
        let Some(kind) = KINDS.get(hit.pattern().as_usize()) else { continue };
        let Some((end, is_cut)) = end(kind, text, hit.start(), hit.end()) else { continue };
        from = from.max(end);
        found.push((Token { bytes: hit.start()..end, name: kind.1 }, is_cut));
    }
    found
}

/// Where a secret ends and whether it was cut; none where it is no secret after all.
fn end(kind: &Kind, text: &str, start: usize, after: usize) -> Option<(usize, bool)> {
    let (beginning, _, fits, least) = kind;
    if *beginning == KEY {
        return end_of_key(text, after).map(|end| (end, false));
    }
    // What goes on where another word began is a part of that: `task-`, `desk-`. It is asked first, since a long word may hold
    // the beginning of a secret at every step.
    if !is_beginning(text.as_bytes(), start) {
        return None;
    }
    let rest = text.get(after..).unwrap_or_default();
    let length = rest.bytes().take_while(|byte| fits(*byte)).count();
    let is_cut = length < *least;
    let goes_on = || length >= LEAST_CUT && rest.get(length..).is_some_and(|rest| rest.starts_with('…'));
    (!is_cut || goes_on()).then_some((after + length, is_cut))
}

/// Whether a word may begin here: behind no part of one, but behind the last character of an escape.
fn is_beginning(bytes: &[u8], start: usize) -> bool {
    let byte = |back: usize| start.checked_sub(back).and_then(|at| bytes.get(at)).copied();
    let is_escape = |back: usize, signs: &[u8]| byte(back).is_some_and(|byte| signs.contains(&byte));
    let is_unicode = || is_escape(6, b"\\") && is_escape(5, b"u");
    let is_byte = || is_escape(4, b"\\") && is_escape(3, b"x");
    byte(1).is_none_or(|before| !token(before))
        || is_escape(2, b"\\~")
        || is_escape(3, b"%")
        || is_unicode()
        || is_byte()
}

/// Where a private key ends whose `-----BEGIN ` has been read: behind all that may be a line of it.
fn end_of_key(text: &str, after: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(after..).unwrap_or_default();
    let kind = bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b' ').count();
    let head = bytes.get(..kind)?.ends_with(b"PRIVATE KEY") && bytes.get(kind..)?.starts_with(b"-----");
    let mut end = head.then_some(kind + 5)?;
    let mut is_last = end;
    loop {
        let rest = bytes.get(end..).unwrap_or_default();
        match rest {
            [b'\\', b'\\', b'n' | b'r' | b't', ..] => end += 3,
            [b'\\', b'n' | b'r' | b't', ..] => end += 2,
            [byte, ..] if byte.is_ascii_whitespace() => end += 1,
            [byte, ..] if word(*byte) || matches!(byte, b'+' | b'/' | b'=') => {
                end += 1;
                is_last = end;
            }
            _ if rest.starts_with(b"-----END ") => {
                let kind = rest.iter().skip(9).take_while(|byte| byte.is_ascii_uppercase() || **byte == b' ').count();
                let is_end = rest.get(9 + kind..).is_some_and(|rest| rest.starts_with(b"-----"));
                return Some(after + if is_end { end + 9 + kind + 5 } else { is_last });
            }
            _ => return Some(after + is_last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made of parts, so that no scanner takes this file for a leak.
    fn canary() -> String {
        format!("ghp_{}", "a1B2c3D4e5".repeat(4))
    }

    #[test]
    fn a_secret_is_masked_behind_every_escape() {
        for before in ["", " ", "\\n", "\\u000a", "\\x0a", "%0A", "/~1", "\"", "@", "!", ":"] {
            assert_eq!(masked(&format!("x {before}{} y", canary())), format!("x {before}*** y"), "{before}");
        }
        assert!(matches!(masked("task-force, desk_live_"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_secret_with_escapes_in_it_is_found_where_it_is_written() {
        let tail = canary().split_off(4);
        for (escape, last) in [("\\u0067", ""), ("\\x67", ""), ("\\U00000067", "\\u0041")] {
            let text = format!("é \"{escape}hp_{tail}{last}\" x\\u0041");
            let [found] = &tokens(&text)[..] else { panic!("{text}") };
            assert_eq!(text[found.bytes.clone()], format!("{escape}hp_{tail}{last}"));
            assert_eq!(masked(&text), "é \"***\" x\\u0041");
            assert_eq!(starred(&text).len(), text.len());
        }
    }

    #[test]
    fn the_first_half_of_a_secret_is_masked_where_it_was_cut_and_is_no_secret_found() {
        let cut = format!("\"{}…\"", &canary()[..20]);
        assert_eq!(masked(&cut), "\"***…\"");
        assert_eq!(tokens(&cut), []);
        assert_eq!(masked("sk-a…"), "sk-a…");
    }

    #[test]
    fn a_private_key_is_masked_as_a_whole_and_json_stays_json() {
        let key =
            format!("{KEY}RSA PRIVATE {}", "KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF==\n-----END RSA PRIVATE KEY-----");
        assert_eq!(masked(&format!("a {key} b")), "a *** b");
        assert_eq!(masked(&key.replace('\n', "\\n")), "***");
        let quoted = serde_json::json!({ "a": format!("{:?} is odd", &key[..40]), "b": key }).to_string();
        let read: serde_json::Value = serde_json::from_str(&masked(&quoted)).unwrap();
        assert_eq!(read, serde_json::json!({ "a": "\"***\" is odd", "b": "***" }));
        assert_eq!(starred(&key).lines().count(), key.lines().count());
    }
}
