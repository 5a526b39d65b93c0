//! What should not be in a text that is published: secrets, addresses in memory, folders of somebody's own machine.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::lint::{Level, Settings};
use super::place::{Inside, Lines, Places, child_pointer};
use super::record::Record;
use crate::finding::{Finding, Span, codes};
use crate::ids::RepoPath;

codes! {
    SECRET "secret"
        "A text of the library holds what looks like a token or a private key. Whoever can read the library has it: \
         revoke it where it was made, then take it out. Git's history keeps it, so taking it out is not enough."
    LEAK "leak"
        "A text of the library holds an address in the memory of the program that wrote it, or a path on somebody's \
         own machine. It means nothing to others, changes each time, and may tell a name: write the value that was \
         meant."
}

/// How many findings of this room are told of one file.
const MOST: usize = 50;

/// How long a user's name may be that has blanks in it.
const MOST_NAME: usize = 40;

/// How a kind of match goes on after its first characters.
enum Shape {
    /// A secret: a name, which characters follow, and how many at least.
    Secret(&'static str, fn(u8) -> bool, usize),
    /// A private key in PEM.
    Key,
    /// An address in memory, in hex digits.
    Address,
    /// A folder of a person.
    Home,
    /// A backslash behind the drive that a text in double quotes begins with, and a letter that makes it an escape.
    Drive,
    /// A file's address on this machine.
    FileUrl,
}

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

/// The first characters of what is looked for. Each is rare in texts, so that almost all of a text is passed in one go.
static KINDS: &[(&str, Shape)] = &[
    ("ghp_", Shape::Secret("a GitHub token", word, 36)),
    ("gho_", Shape::Secret("a GitHub token", word, 36)),
    ("ghu_", Shape::Secret("a GitHub token", word, 36)),
    ("ghs_", Shape::Secret("a GitHub token", token, 36)),
    ("ghr_", Shape::Secret("a GitHub token", word, 36)),
    ("github_pat_", Shape::Secret("a GitHub token", token, 60)),
    ("glpat-", Shape::Secret("a GitLab token", token, 20)),
    ("xoxb-", Shape::Secret("a Slack token", token, 20)),
    ("xoxp-", Shape::Secret("a Slack token", token, 20)),
    ("xoxa-", Shape::Secret("a Slack token", token, 20)),
    ("xoxr-", Shape::Secret("a Slack token", token, 20)),
    ("hooks.slack.com/services/", Shape::Secret("the address of a Slack webhook", path, 30)),
    ("sk-ant-", Shape::Secret("an Anthropic key", token, 40)),
    ("sk-proj-", Shape::Secret("an OpenAI key", token, 40)),
    ("sk-", Shape::Secret("an OpenAI key", word, 48)),
    ("sk_live_", Shape::Secret("a Stripe key", word, 24)),
    ("rk_live_", Shape::Secret("a Stripe key", word, 24)),
    ("AKIA", Shape::Secret("the id of an AWS key", upper, 16)),
    ("ASIA", Shape::Secret("the id of an AWS key", upper, 16)),
    ("AIza", Shape::Secret("a Google key", token, 35)),
    ("shpat_", Shape::Secret("a Shopify token", hex, 32)),
    ("shpca_", Shape::Secret("a Shopify token", hex, 32)),
    ("shppa_", Shape::Secret("a Shopify token", hex, 32)),
    ("shpss_", Shape::Secret("a Shopify secret", hex, 32)),
    ("polar_oat_", Shape::Secret("a Polar token", token, 32)),
    ("polar_pat_", Shape::Secret("a Polar token", token, 32)),
    ("npm_", Shape::Secret("an npm token", word, 36)),
    ("pypi-AgE", Shape::Secret("a PyPI token", token, 50)),
    ("hf_", Shape::Secret("a Hugging Face token", word, 34)),
    ("-----BEGIN ", Shape::Key),
    ("address=0x", Shape::Address),
    (" at 0x", Shape::Address),
    ("/home/", Shape::Home),
    ("/Users/", Shape::Home),
    (":\\Users\\", Shape::Home),
    (":\\\\Users\\\\", Shape::Home),
    (":\\t", Shape::Drive),
    (":\\n", Shape::Drive),
    (":\\b", Shape::Drive),
    (":\\f", Shape::Drive),
    (":\\r", Shape::Drive),
    ("file:///", Shape::FileUrl),
];

static SEARCHER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let prefixes = KINDS.iter().map(|(prefix, _)| prefix);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(prefixes).ok()
});

/// Something that should not be in a text.
struct Match<'t> {
    /// Where it stands, in bytes.
    bytes: std::ops::Range<usize>,
    /// The name of the secret, or none for a leak.
    secret: Option<&'static str>,
    text: &'t str,
}

fn matches(text: &str) -> Vec<Match<'_>> {
    let Some(searcher) = SEARCHER.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(hit) = searcher.find(aho_corasick::Input::new(text).range(from..)) {
        let end = KINDS.get(hit.pattern().as_usize()).and_then(|(_, shape)| end(shape, text, hit.start(), hit.end()));
        from = hit.end();
        let Some((end, secret)) = end else { continue };
        from = from.max(end);
        let start = if secret.is_none() { hit.start() - drive(text, hit.start()) } else { hit.start() };
        found.push(Match { bytes: start..end, secret, text: text.get(start..end).unwrap_or_default() });
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// How many bytes of a path's drive stand before the rest of it, which is what is searched for.
fn drive(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let byte = |back: usize| start.checked_sub(back).and_then(|at| bytes.get(at)).copied();
    match (bytes.get(start), byte(1), byte(2)) {
        (Some(b':'), Some(letter), _) if letter.is_ascii_alphabetic() => 1,
        (Some(b'/'), Some(b':'), Some(letter)) if letter.is_ascii_alphabetic() => 2,
        _ => 0,
    }
}

/// Where a match ends, and the name of the secret that it is; none where it is no match after all.
fn end(shape: &Shape, text: &str, start: usize, after: usize) -> Option<(usize, Option<&'static str>)> {
    let bytes = text.as_bytes();
    let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    let run =
        |fits: fn(u8) -> bool| bytes.get(after..).unwrap_or_default().iter().take_while(|byte| fits(**byte)).count();
    match shape {
        // What goes on where another word began is a part of that: `task-`, `desk-`. It is asked first, since a long word
        // may hold the beginning of a secret at every step.
        Shape::Secret(..) if token(before) => None,
        Shape::Secret(name, fits, least) => {
            let length = run(*fits);
            (length >= *least).then_some((after + length, Some(*name)))
        }
        Shape::Key => {
            let length = run(|byte| byte.is_ascii_uppercase() || byte == b' ');
            let kind = text.get(after..after + length).unwrap_or_default();
            let is_key =
                kind.ends_with("PRIVATE KEY") && bytes.get(after + length..).unwrap_or_default().starts_with(b"-----");
            is_key.then_some((after + length + 5, Some("a private key")))
        }
        Shape::Address => {
            let length = run(hex);
            (length >= 4).then_some((after + length, None))
        }
        Shape::Home => {
            // Below a host this is somebody's page, and below another folder it is anything.
            let is_windows = before.is_ascii_alphabetic() && text.as_bytes().get(start) == Some(&b':');
            let is_root = matches!(before, b' ' | b'"' | b'\'' | b'=' | b'(' | b'`' | b'\n' | b'\t' | b'<' | b',');
            let is_drive = before == b':' && text.as_bytes().get(start) == Some(&b'/');
            let name = run(|byte| token(byte) || byte == b'.' || byte >= 0x80);
            // A user of Windows may have a name of several words.
            let words = run(|byte| token(byte) || matches!(byte, b'.' | b' ') || byte >= 0x80);
            let is_whole = is_windows && name > 0 && words <= MOST_NAME && bytes.get(after + words) == Some(&b'\\');
            let name = if is_whole { words } else { name };
            let goes_on = matches!(bytes.get(after + name), Some(b'/' | b'\\'));
            ((is_windows || is_root || is_drive) && name > 0 && goes_on).then_some((after + name, None))
        }
        Shape::Drive => {
            let quote = start.checked_sub(2).and_then(|at| bytes.get(at));
            let length = run(path);
            (before.is_ascii_alphabetic() && quote == Some(&b'"')).then_some((after + length, None))
        }
        Shape::FileUrl => {
            let length = run(|byte| path(byte) || matches!(byte, b'%' | b':'));
            (length > 0).then_some((after + length, None))
        }
    }
}

/// What should not be in a text of the library. `places` are asked for only when there is something.
pub fn findings(
    path: &RepoPath,
    text: &str,
    places: impl FnOnce() -> Option<Places>,
    settings: &Settings,
) -> Vec<Finding> {
    if settings.leaks == Level::Off && settings.secrets == Level::Off {
        return Vec::new();
    }
    let found = matches(text);
    if found.is_empty() {
        return Vec::new();
    }
    let (lines, places) = (Lines::new(text), places());
    let finding = |found: &Match<'_>| {
        let span = lines.span(found.bytes.clone());
        let (finding, help) = match found.secret {
            Some(name) => {
                let shown: String = found.text.chars().take(4).collect();
                let message = format!("what looks like {name} stands here ({shown}…)");
                let help = "revoke it where it was made: it is in Git's history for good. Then take it out";
                (settings.secrets.finding(&SECRET, path, message)?, help)
            }
            None => {
                let is_escaped = path.extension().eq_ignore_ascii_case("json") && is_single_backslash(found.text);
                let (kind, help) = if found.text.contains("0x") {
                    (
                        "an address in memory",
                        "write the value itself; the program that exported this wrote down an object",
                    )
                } else if is_escaped {
                    (
                        "a path with backslashes, of which JSON makes line breaks and tabs,",
                        "write a path from the record's folder, with / between its parts",
                    )
                } else {
                    ("a path on somebody's own machine", "write a path from the record's folder, or take it away")
                };
                // As the path is read, whether or not its backslashes are escaped in the file.
                let shown = format!("{:?}", found.text.replace("\\\\", "\\")).replace("\\\\", "\\");
                let message = format!("{kind} stands here: {shown}");
                (settings.leaks.finding(&LEAK, path, message)?, help)
            }
        };
        let pointer = places.as_ref().map(|places| pointer_at(places, span)).unwrap_or_default();
        Some(finding.at(span).about(pointer).help(help))
    };
    found.iter().filter_map(finding).collect()
}

/// Whether a path's first backslash is not escaped.
fn is_single_backslash(text: &str) -> bool {
    text.get(1..).is_some_and(|rest| rest.starts_with(":\\") && !rest.starts_with(":\\\\"))
}

/// Adds what should not be in a record to the findings on it, and takes its secrets out of what these quote.
///
/// Gives the secrets, so that what other records' findings quote of them can be masked too.
pub fn look(record: &Record, settings: &Settings, findings: &mut Vec<Finding>) -> Vec<String> {
    let text = &record.document.text;
    let more = self::findings(&record.path, text, || Some(record.document.places()), settings);
    let mut secrets = Vec::new();
    if more.iter().any(|finding| finding.code == &SECRET) {
        let found = matches(text).into_iter().filter(|found| found.secret.is_some());
        secrets.extend(found.map(|found| found.text.to_owned()));
        mask(findings, &secrets);
    }
    findings.extend(more);
    secrets
}

/// A text with a `*` for each character of a secret, for whoever shows a part of a file.
pub fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for found in matches(text).into_iter().filter(|found| found.secret.is_some()) {
        masked.push_str(text.get(from..found.bytes.start).unwrap_or_default());
        masked.extend(found.text.chars().map(|_| '*'));
        from = found.bytes.end;
    }
    masked.push_str(text.get(from..).unwrap_or_default());
    masked
}

/// Takes secrets out of what findings quote.
pub fn mask(findings: &mut [Finding], secrets: &[String]) {
    for finding in findings {
        for secret in secrets {
            finding.message = finding.message.replace(secret, "***");
            finding.help = finding.help.take().map(|help| help.replace(secret, "***"));
        }
    }
}

/// The pointer of the innermost value around a place.
fn pointer_at(places: &Places, span: Span) -> String {
    let holds = |outer: &Span| {
        (outer.line, outer.column) <= (span.line, span.column)
            && (span.line, span.column) < (outer.end_line, outer.end_column)
    };
    let (mut at, mut pointer) = (places, String::new());
    loop {
        let next = match &at.inside {
            Inside::Scalar => None,
            Inside::Items(items) => {
                let item = items.iter().enumerate().find(|(_, item)| holds(&item.span));
                item.map(|(index, item)| (index.to_string(), item))
            }
            Inside::Members(members) => {
                let member = members.iter().find(|member| holds(&member.value.span));
                member.map(|member| (member.key.clone(), &member.value))
            }
        };
        let Some((segment, inner)) = next else { return pointer };
        pointer = child_pointer(&pointer, &segment);
        at = inner;
    }
}

#[cfg(test)]
mod tests;
