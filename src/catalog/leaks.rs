//! What should not be in a text that is published: secrets, addresses in memory, folders of somebody's own machine.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::lint::{Level, Settings};
use super::place::{Inside, Lines, Places, child_pointer};
use crate::finding::{Finding, Span, codes};
use crate::ids::RepoPath;
use crate::secret::tokens::{Token, tokens};

codes! {
    SECRET "secret"
        "A text of the library holds what looks like a token or a private key. Whoever can read the library has it: \
         revoke it where it was made, then take it out. Git's history keeps it, so taking it out is not enough."
    LEAK "leak"
        "A text of the library holds an address in the memory of the program that wrote it, or a path on somebody's \
         own machine. It means nothing to others, changes each time, and may tell a name: write the value that was \
         meant."
}

/// How many secrets, and how many leaks, are told of one file.
const MOST: usize = 50;

/// How long a user's name may be that has blanks in it.
const MOST_NAME: usize = 40;

/// How a kind of match goes on after its first characters.
enum Shape {
    /// An address in memory, in hex digits.
    Address,
    /// A folder of a person.
    Home,
    /// A backslash behind the drive that a text in double quotes begins with, and a letter that makes it an escape.
    Drive,
    /// A file's address on this machine.
    FileUrl,
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn path(byte: u8) -> bool {
    token(byte) || matches!(byte, b'/' | b'.')
}

/// The first characters of what is looked for. Each is rare in texts, so that almost all of a text is passed in one go.
static KINDS: &[(&str, Shape)] = &[
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

/// The first secrets and the first leaks of a text; where a leak is part of a secret, it is left out.
fn matches(text: &str) -> Vec<Match<'_>> {
    let secret = |found: Token| Match {
        secret: Some(found.name),
        text: text.get(found.bytes.clone()).unwrap_or_default(),
        bytes: found.bytes,
    };
    let secrets: Vec<_> = tokens(text).into_iter().map(secret).collect();
    let mut found = leaks(text);
    found.retain(|leak| {
        let next = secrets.partition_point(|secret| secret.bytes.end <= leak.bytes.start);
        secrets.get(next).is_none_or(|secret| leak.bytes.end <= secret.bytes.start)
    });
    found.truncate(MOST);
    found.extend(secrets.into_iter().take(MOST));
    found.sort_by_key(|found| found.bytes.start);
    found
}

fn leaks(text: &str) -> Vec<Match<'_>> {
    let Some(searcher) = SEARCHER.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(hit) = searcher.find(aho_corasick::Input::new(text).range(from..)) {
        let end = KINDS.get(hit.pattern().as_usize()).and_then(|(_, shape)| end(shape, text, hit.start(), hit.end()));
        from = hit.end();
        let Some(end) = end else { continue };
        from = from.max(end);
        let start = hit.start() - drive(text, hit.start());
        found.push(Match { bytes: start..end, secret: None, text: text.get(start..end).unwrap_or_default() });
        if found.len() == 2 * MOST {
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

/// Where a leak ends; none where it is none after all.
fn end(shape: &Shape, text: &str, start: usize, after: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    let run =
        |fits: fn(u8) -> bool| bytes.get(after..).unwrap_or_default().iter().take_while(|byte| fits(**byte)).count();
    match shape {
        Shape::Address => {
            let length = run(hex);
            (length >= 4).then_some(after + length)
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
            ((is_windows || is_root || is_drive) && name > 0 && goes_on).then_some(after + name)
        }
        Shape::Drive => {
            let quote = start.checked_sub(2).and_then(|at| bytes.get(at));
            let length = run(path);
            (before.is_ascii_alphabetic() && quote == Some(&b'"')).then_some(after + length)
        }
        Shape::FileUrl => {
            let length = run(|byte| path(byte) || matches!(byte, b'%' | b':'));
            (length > 0).then_some(after + length)
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
