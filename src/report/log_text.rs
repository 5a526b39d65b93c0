//! Makes foreign text harmless in a log.
//!
//! GitHub's runner reads every line of both streams. It executes `::name …::data` at a line's start and `##[name …]data`
//! anywhere in a line, and it compares by the rules of a culture, in which invisible characters do not count: `#`, a
//! zero-width space and `#[` are a command too. Hence the order here: first everything invisible goes, then what is left
//! is broken with a space that stays visible.

use std::fmt::Write as _;

/// The longest line of a log in bytes.
pub const LINE_LIMIT: usize = 4096;

const CUT_MARK: &str = " … (cut)";

/// The text without terminal sequences, controls and invisible characters, in lines of at most [`LINE_LIMIT`] bytes, none of
/// which the runner takes for a command: `##[` becomes `## [`, and `::` at a line's start becomes `: :`.
///
/// Lines end in LF alone, whatever they ended in before. Defusing twice changes nothing more.
pub fn defuse(text: &str) -> String {
    let calm = without_controls(text);
    let mut out = String::with_capacity(calm.len() + 16);
    for (at, line) in calm.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        defuse_line(line, &mut out);
    }
    out
}

fn defuse_line(line: &str, out: &mut String) {
    let mut broken = line.replace("##[", "## [");
    // Rust's white space is that of .NET's TrimStart.
    let indent = broken.len() - broken.trim_start().len();
    if broken.get(indent..).is_some_and(|start| start.starts_with("::")) {
        broken.insert(indent + 1, ' ');
    }
    if broken.len() <= LINE_LIMIT {
        out.push_str(&broken);
    } else {
        out.push_str(prefix(&broken, LINE_LIMIT - CUT_MARK.len()));
        out.push_str(CUT_MARK);
    }
}

/// The longest beginning of the text of at most `limit` bytes that does not split a character.
pub fn prefix(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// The text without terminal sequences, control characters other than LF and tab, and invisible characters.
///
/// CR, CR LF, NEL, LS and PS become LF: whatever ends a line for some reader ends it for all.
pub fn without_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {
                out.push('\n');
                if rest.starts_with("\r\n") {
                    taken = 2;
                }
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            c if c.is_control() => taken = terminal_sequence(rest).unwrap_or(taken),
            c if is_invisible(c) => {}
            c => out.push(c),
        }
        rest = rest.get(taken..).unwrap_or("");
    }
    out
}

/// Whether a terminal or a log reader could take something in the text for more than text: whether
/// [`without_controls`] would change it.
pub fn holds_controls(text: &str) -> bool {
    text.chars().any(|c| !matches!(c, '\n' | '\t') && is_hidden(c))
}

/// The length of the terminal sequence at the start of the text. One that is not whole gives none, so that only its
/// introducer goes: an unfinished sequence must not swallow the sentence behind it.
fn terminal_sequence(text: &str) -> Option<usize> {
    let (introducer, body) = match text.strip_prefix('\u{1b}') {
        Some(after) => {
            let kind = after.chars().next()?;
            match kind {
                '[' | ']' | 'P' | 'X' | '^' | '_' => (kind, after.get(1..)?),
                ' '..='/' => {
                    let end = after.find(|c| !matches!(c, ' '..='/'))?;
                    return matches!(after.get(end..)?.chars().next()?, '0'..='~').then_some(1 + end + 1);
                }
                '0'..='~' => return Some(2),
                _ => return None,
            }
        }
        None => {
            let c = text.chars().next()?;
            let kind = match c {
                '\u{9b}' => '[',
                '\u{9d}' => ']',
                '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => 'P',
                _ => return None,
            };
            (kind, text.get(c.len_utf8()..)?)
        }
    };
    let end = if introducer == '[' { control_sequence_end(body) } else { control_string_end(body) }?;
    Some(text.len() - body.len() + end)
}

fn control_sequence_end(body: &str) -> Option<usize> {
    let parameters = body.find(|c| !matches!(c, '0'..='?'))?;
    let intermediates = body.get(parameters..)?.find(|c| !matches!(c, ' '..='/'))?;
    let last = parameters + intermediates;
    matches!(body.get(last..)?.chars().next()?, '@'..='~').then_some(last + 1)
}

fn control_string_end(body: &str) -> Option<usize> {
    let end = body.find(char::is_control)?;
    let terminator = body.get(end..)?;
    ["\u{7}", "\u{1b}\\", "\u{9c}"].iter().find(|t| terminator.starts_with(**t)).map(|t| end + t.len())
}

/// Whether a character takes no room or turns the direction of what follows (Unicode: default ignorable, and the bidi
/// controls). Joiners go too: a log is the wrong place for typography.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The same JSON document, in which no string can act on a log or a terminal: `##[` is written `#\u0023[`, and controls
/// and invisible characters are written as escapes. Takes valid JSON; a reader gets the very same values.
pub fn json_text(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    let mut units = [0; 2];
    for c in json.chars() {
        if c == '\n' || c == '\t' || c == '\r' || !is_hidden(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    if out.contains("##[") { out.replace("##[", "#\\u0023[") } else { out }
}

/// The same XML document, in which no text can act on a log or a terminal: `##[` and `::` lose a character to a reference, and
/// so do controls and invisible characters. Takes well-formed XML without comments; a reader gets the very same texts.
pub fn xml_text(xml: &str) -> String {
    let mut out = String::with_capacity(xml.len() + 16);
    for c in xml.chars() {
        if c == '\n' || c == '\t' || c == '\r' || !is_hidden(c) {
            out.push(c);
        } else {
            let _ = write!(out, "&#{};", u32::from(c));
        }
    }
    out.replace("##[", "#&#35;[").replace("::", ":&#58;")
}

/// A name or value as a person can read it in the middle of a sentence: one line, controls and invisible characters as
/// escapes (`\n`, `\u{202e}`).
///
/// Not for machines: a backslash stays one backslash. The selector that makes an emoji colourful stays.
pub fn for_people(text: &str) -> String {
    if !holds_controls(text) && !text.contains(['\n', '\t']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{fe0f}' => out.push(c),
            c if is_hidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The text, or its beginning and `…` when it has more than `limit` UTF-16 units, which is how GitHub counts characters.
pub fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit || text.encode_utf16().count() <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let mut out = String::new();
    for c in text.chars() {
        match room.checked_sub(c.len_utf16()) {
            Some(left) => room = left,
            None => break,
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::runner_parser::{commands, hostile_text};

    #[test]
    fn both_forms_of_a_command_are_broken_by_a_visible_space() {
        assert_eq!(defuse("::error::x"), ": :error::x");
        assert_eq!(defuse(" \t\u{3000}::set-env name=A::b"), " \t\u{3000}: :set-env name=A::b");
        assert_eq!(defuse("a ##[add-mask]b ###[x]"), "a ## [add-mask]b ### [x]");
        assert_eq!(defuse("std::error::Error, a # [b] and ## c"), "std::error::Error, a # [b] and ## c");
    }

    #[test]
    fn invisible_characters_cannot_hide_a_command() {
        assert_eq!(defuse("#\u{200b}#\u{ad}[error]x"), "## [error]x");
        assert_eq!(defuse("\u{feff}:\u{200d}:error::x"), ": :error::x");
        assert_eq!(defuse("##\u{1b}[0m[error]x"), "## [error]x");
    }

    #[test]
    fn every_end_of_line_becomes_lf() {
        assert_eq!(defuse("a\rb\r\nc\u{85}d\u{2028}e\u{2029}f\n"), "a\nb\nc\nd\ne\nf\n");
        assert_eq!(defuse("x\r::error::y"), "x\n: :error::y");
    }

    #[test]
    fn terminal_sequences_go_and_unfinished_ones_swallow_nothing() {
        assert_eq!(defuse("\u{1b}[1;31mred\u{1b}[0m \u{1b}(Bx\u{1b}cy"), "red xy");
        assert_eq!(defuse("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}."), "link.");
        assert_eq!(defuse("\u{9b}31mred\u{9d}0;title\u{9c}."), "red.");
        assert_eq!(defuse("\u{1b}]0;all of this stays\nand this"), "]0;all of this stays\nand this");
        assert_eq!(defuse("\u{1b}[12"), "[12");
        assert_eq!(defuse("a\0b\u{8}c\u{202e}d\u{2066}e"), "abcde");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let cut = defuse(&format!("{}\nshort", "é".repeat(4000)));
        let lines: Vec<&str> = cut.lines().collect();
        assert!(lines[0].len() <= LINE_LIMIT && lines[0].ends_with("é … (cut)"), "{}", lines[0].len());
        assert_eq!(lines[1], "short");
    }

    #[test]
    fn names_are_shown_on_one_line() {
        assert_eq!(for_people("a\nb\r\t\u{1b}[m\u{202e}\u{2028}\0"), r"a\nb\r\t\u{1b}[m\u{202e}\u{2028}\u{0}");
        assert_eq!(for_people(r"Dojo $ \d ❤️ é"), r"Dojo $ \d ❤️ é");
    }

    #[test]
    fn a_shortened_text_counts_as_github_does() {
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(shortened("abcde", 4), "abc…");
        assert_eq!(shortened("😀😀😀", 4), "😀…");
    }

    proptest! {
        #[test]
        fn no_text_holds_a_command_after_defusing(text in hostile_text()) {
            let safe = defuse(&text);
            prop_assert_eq!(commands(&safe), vec![], "{:?}", safe);
            prop_assert!(!safe.contains("##["));
            prop_assert!(!holds_controls(&safe));
            prop_assert!(safe.split('\n').all(|line| line.len() <= LINE_LIMIT));
            prop_assert_eq!(&defuse(&safe), &safe, "defusing twice changes nothing");
        }

        #[test]
        fn plain_text_is_left_alone(text in "[a-zA-Z0-9 .,/$_é-]{0,200}") {
            prop_assert_eq!(defuse(&text), text);
        }

        #[test]
        fn json_keeps_its_values_and_holds_no_command(text in hostile_text(), key in hostile_text()) {
            let value = serde_json::json!({ key: [text] });
            for json in [value.to_string(), format!("{value:#}\n")] {
                let safe = json_text(&json);
                prop_assert_eq!(commands(&safe), vec![], "{}", safe);
                prop_assert!(!holds_controls(&safe));
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value.clone());
            }
        }

        #[test]
        fn what_people_read_stays_on_its_line(text in hostile_text()) {
            prop_assert!(!for_people(&text).chars().any(char::is_control));
        }
    }
}
