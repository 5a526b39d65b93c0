//! What was done where a YAML parser gives up.

use std::ops::Range;

use super::super::place::{Lines, narrow};
use super::{MAX_VALUES, Problem, SYNTAX, yaml};
use crate::finding::Span;
use crate::finding::words::cut;

/// How long a text may be in which guesses are tried out: each takes a parse.
const MOST_BYTES: usize = 256 * 1024;

/// The parser's problem in other words where a line near it is to blame, else with advice.
///
/// A line is to blame only if the parser comes further once the advice is followed.
pub(super) fn explain(text: &str, problem: Problem) -> Problem {
    let lines: Vec<&str> = text.split_inclusive('\n').map(|line| line.trim_end_matches(['\n', '\r'])).collect();
    let here = usize::try_from(problem.span.line).unwrap_or(1).saturating_sub(1);
    // A parser often notices a mistake of one line on the next, and a tab one line too early.
    let near = [Some(here), here.checked_sub(1), here.checked_sub(2), here.checked_add(1)];
    for number in near.into_iter().flatten().filter(|_| text.len() <= MOST_BYTES) {
        let Some(line) = lines.get(number) else { continue };
        let guilty = |suspect: &Suspect| {
            suspect.mended.iter().any(|mended| comes_further(&with_line(text, number, mended), &problem))
        };
        if let Some(suspect) = suspects(line).into_iter().find(guilty) {
            let Ok(number) = u32::try_from(number + 1) else { continue };
            let column = |at: usize| narrow(line.get(..at).unwrap_or_default().chars().count() + 1);
            let (from, to) = (column(suspect.at.start), column(suspect.at.end));
            let span = Span { line: number, column: from, end_line: number, end_column: to };
            return Problem { span, message: suspect.message, ..problem }.help(suspect.help);
        }
    }
    let problem = if here >= lines.len() { at_the_end(text, problem) } else { problem };
    match advice(&problem.message) {
        Some(help) => problem.help(help),
        None if problem.help.is_none() => {
            problem.help("look at this line and the one before: indentation, quotes, colons")
        }
        None => problem,
    }
}

/// The text with another line in the place of this one.
fn with_line(text: &str, number: usize, other: &str) -> String {
    let mut mended = String::with_capacity(text.len() + other.len());
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let end = line.trim_end_matches(['\n', '\r']).len();
        mended.push_str(if at == number { other } else { line.get(..end).unwrap_or_default() });
        mended.push_str(line.get(end..).unwrap_or_default());
    }
    mended
}

/// Whether a text is read, or at least further than to this problem.
fn comes_further(text: &str, problem: &Problem) -> bool {
    let Err(now) = yaml::value(text, MAX_VALUES) else { return true };
    now.iter().all(|now| {
        let is_later = now.span.line > problem.span.line;
        let is_other = now.span.line == problem.span.line && now.message != problem.message;
        now.code != &SYNTAX || is_later || is_other
    })
}

/// A place behind the last line is shown nowhere: the end of what is there is.
fn at_the_end(text: &str, problem: Problem) -> Problem {
    let end = text.trim_end().len();
    Problem { span: Lines::new(text).span(end..end), ..problem }
}

/// What may be wrong in a line.
struct Suspect {
    /// Its bytes in the line.
    at: Range<usize>,
    message: String,
    help: String,
    /// The line as it could be if the advice were followed.
    mended: Vec<String>,
}

impl Suspect {
    fn new(at: Range<usize>, message: impl Into<String>, help: impl Into<String>, mended: String) -> Self {
        Self { at, message: message.into(), help: help.into(), mended: vec![mended] }
    }
}

/// What may be wrong in a line, as far as it shows by itself.
fn suspects(line: &str) -> Vec<Suspect> {
    let mut found = Vec::new();
    found.extend(tab(line));
    found.extend(foreign(line));
    found.extend(item(line));
    found.extend(in_field(line));
    found
}

/// A tab before the first other character.
fn tab(line: &str) -> Option<Suspect> {
    let content = line.trim_start_matches([' ', '\t']);
    let indent = line.len() - content.len();
    let tab = line.get(..indent)?.find('\t')?;
    let message = "a tab stands in the indentation, where YAML allows only spaces".to_owned();
    // How wide the tab was meant to be shows nowhere.
    let mended = (0..=8).map(|spaces| format!("{:spaces$}{content}", "")).collect();
    Some(Suspect { at: tab..tab + 1, message, help: "indent with spaces".to_owned(), mended })
}

/// A character that only looks like one of YAML's.
fn foreign(line: &str) -> Option<Suspect> {
    let (at, c) = line.char_indices().find(|(_, c)| matches!(c, '\u{a0}' | '\u{3000}' | '：' | '，'))?;
    let range = at..at + c.len_utf8();
    Some(match c {
        '：' => {
            let message = "the full-width colon ： is none for YAML";
            Suspect::new(range, message, "write : and a space", line.replacen('：', ": ", 1))
        }
        '，' => {
            let message = "the full-width comma ， is none for YAML";
            Suspect::new(range, message, "write , and a space", line.replace('，', ", "))
        }
        _ => {
            let message = "a non-breaking space stands here, which YAML does not take for a space";
            Suspect::new(range, message, "write an ordinary space", line.replace(['\u{a0}', '\u{3000}'], " "))
        }
    })
}

/// An item of a list without a blank behind its mark.
fn item(line: &str) -> Option<Suspect> {
    let at = line.len() - line.trim_start().len();
    let text = line.get(at..)?.strip_prefix('-')?;
    if !text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '\'')) {
        return None;
    }
    let message = "no space stands behind the -, so it begins no item of a list";
    let mended = format!("{}- {text}", line.get(..at)?);
    Some(Suspect::new(at..at + 1, message, format!("write - {}", brief(text)), mended))
}

/// What is wrong with a field's colon, or with its value on the same line.
fn in_field(line: &str) -> Option<Suspect> {
    let mut start = line.len() - line.trim_start().len();
    while line.get(start..)?.starts_with("- ") {
        start += 2 + line.get(start + 2..)?.len() - line.get(start + 2..)?.trim_start().len();
    }
    let content = line.get(start..)?;
    let colon = content.find(':')?;
    let key = content.get(..colon)?;
    let is_key =
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '"' | '\''));
    if !is_key {
        return None;
    }
    let value = content.get(colon + 1..)?;
    if !value.is_empty() && !value.starts_with([' ', '\t', '/']) {
        let message = format!("no space stands behind the colon of {key:?}, so it is no key");
        let help = format!("write {key}: {}", brief(value));
        let mended = format!("{} {value}", line.get(..=start + colon)?);
        return Some(Suspect::new(start + colon..start + colon + 1, message, help, mended));
    }
    let text = value.trim_start();
    let at = line.len() - text.len();
    in_value(key, text).map(|suspect| {
        let mended = suspect.mended.iter().map(|mended| format!("{}{mended}", line.get(..at).unwrap_or_default()));
        Suspect { mended: mended.collect(), at: suspect.at.start + at..suspect.at.end + at, ..suspect }
    })
}

/// What is wrong with the value of a key; places and mends are those of the value alone.
fn in_value(key: &str, text: &str) -> Option<Suspect> {
    let first = text.chars().next()?;
    let plain = text.split(" #").next().unwrap_or_default().trim_end();
    if matches!(first, '@' | '`' | '%') || (matches!(first, '*' | '&') && plain.contains(' ')) {
        let message = format!("a text may not begin with {first} unless it is in quotes");
        let quoted = in_quotes(plain);
        return Some(Suspect::new(0..text.len(), message, format!("write {key}: {}", brief(&quoted)), quoted));
    }
    if matches!(first, '"' | '\'') {
        return if first == '"' { escape(key, text) } else { None }.or_else(|| behind_quote(text, first));
    }
    let is_plain = !matches!(first, '[' | '{' | '|' | '>' | '#' | '!');
    let second = plain.find(": ").filter(|_| is_plain)?;
    let message = "a second colon stands in this line, as if the value were a key";
    let quoted = in_quotes(plain);
    let help = format!("put the text in quotes: {key}: {}", brief(&quoted));
    Some(Suspect::new(second..second + 1, message, help, quoted))
}

/// A text in quotes that keep it as it is.
fn in_quotes(text: &str) -> String {
    if text.contains('\\') {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{}\"", text.replace('"', "\\\""))
    }
}

/// A backslash in double quotes that begins no escape, as in a Windows path.
fn escape(key: &str, text: &str) -> Option<Suspect> {
    let mut chars = text.char_indices().skip(1);
    let at = loop {
        let (at, c) = chars.next()?;
        match c {
            '"' => return None,
            '\\' => {
                let after = text.get(at + 1..)?;
                let hex = |digits: usize| {
                    after.get(1..=digits).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
                };
                let is_known = match after.chars().next()? {
                    'x' => hex(2),
                    'u' => hex(4),
                    'U' => hex(8),
                    c => "0abt\tnvfre \"/\\N_LP".contains(c),
                };
                if !is_known {
                    break at;
                }
                chars.next();
            }
            _ => {}
        }
    };
    let name: String = text.get(at..)?.chars().take(2).collect();
    let inside = text.get(1..)?.split('"').next()?;
    let behind = text.get(1 + inside.len() + 1..).unwrap_or_default();
    let message = format!("in double quotes a backslash begins an escape, and there is none that is written {name}");
    let help = format!("write it in single quotes: {key}: {}, or / for each backslash", brief(&format!("'{inside}'")));
    let mended = format!("'{}'{behind}", inside.replace('\'', "''"));
    Some(Suspect::new(at..at + name.len(), message, help, mended))
}

/// Something that stands behind the closing quote of a text.
fn behind_quote(text: &str, quote: char) -> Option<Suspect> {
    let mut chars = text.char_indices().skip(1).peekable();
    let closing = loop {
        let (at, c) = chars.next()?;
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            '\'' if quote == c && chars.peek().is_some_and(|(_, next)| *next == c) => {
                chars.next();
            }
            c if c == quote => break at + 1,
            _ => {}
        }
    };
    let rest = text.get(closing..)?.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        return None;
    }
    let mended = text.get(..closing)?.to_owned();
    let at = text.len() - rest.len()..text.len();
    let (message, help) = match (rest.trim_end(), quote) {
        (",", _) => ("a comma stands behind the text, as in JSON", "take the comma away"),
        (";", _) => ("a semicolon stands behind the text", "take the semicolon away"),
        (_, '"') => ("something stands behind the closing quote", "write a quote inside the text as \\\""),
        _ => ("something stands behind the closing quote", "write ' inside the text twice: ''"),
    };
    Some(Suspect::new(at, message, help, mended))
}

fn advice(message: &str) -> Option<&'static str> {
    let table = [
        ("unclosed bracket '['", "close it with ], and write commas between the items"),
        ("unclosed bracket '{'", "close it with }, and write commas between the fields"),
        ("unknown anchor", "a * at the beginning refers to something; put the text in quotes"),
        ("',' or '}'", "close what { opened with }, and write commas between the fields"),
        ("',' or ']'", "close what [ opened with ], and write commas between the items"),
        ("mapping values are not allowed", "put a text that holds \": \" in quotes, and indent fields alike"),
        ("expected key", "indent the fields of one group alike, and write a colon and a space behind each key"),
        ("'-' indicator", "begin each item of the list with \"- \", indented alike"),
        ("sequence entries are not allowed", "begin the list on a line of its own, below its key"),
        ("escape", "write a backslash as \\\\ in double quotes, or use single quotes"),
        ("quoted scalar", "close the text with the quote that opened it"),
        ("end of stream", "close the text with the quote that opened it"),
        ("indentation", "indent the fields of one group alike"),
        ("simple key", "write a colon and a space behind the key"),
        ("tab", "use spaces instead of tabs"),
    ];
    table.iter().find(|(part, _)| message.contains(part)).map(|(_, help)| *help)
}

fn brief(text: &str) -> String {
    cut(text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is marked, what is said and what is to be done.
    fn told(text: &str) -> (String, String, String) {
        let problem = yaml::value(text, MAX_VALUES).expect_err("it is no YAML").remove(0);
        let problem = explain(text, problem);
        let (line, marked) = Lines::new(text).line_with(problem.span).unwrap();
        (line.get(marked).unwrap().to_owned(), problem.message, problem.help.unwrap_or_default())
    }

    #[test]
    fn a_mistake_is_named_at_its_place_with_its_cure() {
        for (text, marked, message, help) in [
            (
                "a:\n\tb: 1\n",
                "\t",
                "a tab stands in the indentation, where YAML allows only spaces",
                "indent with spaces",
            ),
            (
                "a: 1\ntitle:Lamp\nb: 2\n",
                ":",
                "no space stands behind the colon of \"title\", so it is no key",
                "write title: Lamp",
            ),
            (
                "title: Lamp: red\n",
                ":",
                "a second colon stands in this line, as if the value were a key",
                "put the text in quotes: title: \"Lamp: red\"",
            ),
            ("by: @me\n", "@me", "a text may not begin with @ unless it is in quotes", "write by: \"@me\""),
            ("a: \"x\" y\n", "y", "something stands behind the closing quote", "write a quote inside the text as \\\""),
            ("- a: 'it's'\n", "s'", "something stands behind the closing quote", "write ' inside the text twice: ''"),
            ("a: 1\nb: \"x\",\nc: 2\n", ",", "a comma stands behind the text, as in JSON", "take the comma away"),
            (
                "src: \"C:\\Users\\Anna\\oak.png\"\n",
                "\\U",
                "in double quotes a backslash begins an escape, and there is none that is written \\U",
                "write it in single quotes: src: 'C:\\Users\\Anna\\oak.png', or / for each backslash",
            ),
            (
                "a: 1\nb:\u{a0}2\nc: 3\n",
                "\u{a0}",
                "a non-breaking space stands here, which YAML does not take for a space",
                "write an ordinary space",
            ),
            ("a: 1\ntags:\n-x\n-y\n", "-", "no space stands behind the -, so it begins no item of a list", "write - x"),
            ("a: 1\nb：2\nc: 3\n", "：", "the full-width colon ： is none for YAML", "write : and a space"),
            (
                "tags:\n  - a\n\t- b\n",
                "\t",
                "a tab stands in the indentation, where YAML allows only spaces",
                "indent with spaces",
            ),
            (
                "price: 3\n\tsrc: x\n",
                "\t",
                "a tab stands in the indentation, where YAML allows only spaces",
                "indent with spaces",
            ),
            (
                "title: Lamp: red # why\n",
                ":",
                "a second colon stands in this line, as if the value were a key",
                "put the text in quotes: title: \"Lamp: red\"",
            ),
        ] {
            assert_eq!(told(text), (marked.to_owned(), message.to_owned(), help.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_shows_nowhere_has_advice_all_the_same() {
        for text in [
            "a: [1, 2\nb: 3\n",
            "a: {b: 1\n",
            "a: \"never closed\n",
            "a: *b\n",
            "a: 1\n  b: 2\n",
            "a:\n- 1\nb\n",
            "a: 'x\n",
        ] {
            let (_, message, help) = told(text);
            assert!(!help.is_empty() && message.starts_with("not valid YAML"), "{text}: {message} ({help})");
        }
    }

    #[test]
    fn an_open_bracket_says_how_it_is_closed() {
        assert_eq!(told("a: 1\nb: [x\n").2, "close it with ], and write commas between the items");
        assert_eq!(told("a: 1\nb: {x: 1\n").2, "close it with }, and write commas between the fields");
    }

    #[test]
    fn a_line_that_is_valid_is_never_blamed_for_a_mistake_elsewhere() {
        for line in [
            "src: &x foo",
            "src: |\n  see: here: there",
            "src: 'it''s: a: b'",
            "src: |\n  \ta",
            "src: >\n  title:Lamp",
            "lint: &l {a: 1}",
            "src: \"a \\\" b: c\"",
            "src: http://x.org/a:b",
            "src: a:b:c",
        ] {
            for mistake in ["tags: [a, b\n", "x: 1\ntags: [a, b\n", "see: *unknown\n", "a: {b: c\n"] {
                let text = format!("title: x\n{line}\n{mistake}");
                let (_, message, help) = told(&text);
                assert!(message.starts_with("not valid YAML") && !help.is_empty(), "{text}: {message} ({help})");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[a: \\-\\[\\]{}\n\t\"'é*&@]{0,40}") {
            if let Err(mut problems) = yaml::value(&text, MAX_VALUES) {
                explain(&text, problems.remove(0));
            }
        }
    }
}
