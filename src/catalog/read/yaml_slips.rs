//! What was done where a YAML parser gives up.

use super::super::place::{Lines, narrow};
use super::Problem;
use crate::finding::Span;
use crate::finding::words::cut;

/// The parser's problem in other words where the lines around it show what was done, else with advice.
pub(super) fn explain(text: &str, problem: Problem) -> Problem {
    let lines: Vec<&str> = text.split_inclusive('\n').map(|line| line.trim_end_matches(['\n', '\r'])).collect();
    let here = usize::try_from(problem.span.line).unwrap_or(1).saturating_sub(1);
    // A parser often notices a mistake of one line on the next.
    for number in [here, here.saturating_sub(1), here.saturating_sub(2)] {
        let Some(line) = lines.get(number) else { continue };
        if let Some((from, to, message, help)) = in_line(line) {
            let Ok(number) = u32::try_from(number + 1) else { continue };
            let column = |at: usize| narrow(line.get(..at).unwrap_or_default().chars().count() + 1);
            let span = Span { line: number, column: column(from), end_line: number, end_column: column(to) };
            return Problem { span, message, ..problem }.help(help);
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

/// A place behind the last line is shown nowhere: the end of what is there is.
fn at_the_end(text: &str, problem: Problem) -> Problem {
    let end = text.trim_end().len();
    Problem { span: Lines::new(text).span(end..end), ..problem }
}

/// The first mistake that a line shows by itself: its bytes, what it is and what to do.
fn in_line(line: &str) -> Option<(usize, usize, String, String)> {
    let indent = line.len() - line.trim_start().len();
    if let Some(tab) = line.get(..indent)?.find('\t') {
        let message = "a tab stands in the indentation, where YAML allows only spaces".to_owned();
        return Some((tab, tab + 1, message, "indent with spaces".to_owned()));
    }
    let mut start = indent;
    while line.get(start..)?.starts_with("- ") {
        start += 2 + line.get(start + 2..)?.len() - line.get(start + 2..)?.trim_start().len();
    }
    let content = line.get(start..)?;
    if content.is_empty() || content.starts_with('#') {
        return None;
    }
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
        return Some((start + colon, start + colon + 1, message, format!("write {key}: {}", brief(value))));
    }
    let text = value.trim_start();
    let at = line.len() - text.len();
    let first = text.chars().next()?;
    if matches!(first, '@' | '`' | '%') || (matches!(first, '*' | '&') && text.contains(' ')) {
        let message = format!("a text may not begin with {first} unless it is in quotes");
        return Some((at, line.len(), message, format!("write {key}: \"{}\"", brief(text))));
    }
    let is_plain = !matches!(first, '"' | '\'' | '[' | '{' | '|' | '>' | '#' | '!' | '&' | '*');
    if let Some(second) = text.find(": ").filter(|_| is_plain) {
        let message = "a second colon stands in this line, as if the value were a key".to_owned();
        let help = format!("put the text in quotes: {key}: \"{}\"", brief(&text.replace('"', "\\\"")));
        return Some((at + second, at + second + 1, message, help));
    }
    if matches!(first, '"' | '\'') {
        let closing = text.get(1..)?.find(first)? + 2;
        let rest = text.get(closing..)?.trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            let message = "something stands behind the closing quote".to_owned();
            let help = if first == '"' {
                "write a quote inside the text as \\\""
            } else {
                "write ' inside the text twice: ''"
            };
            return Some((line.len() - rest.len(), line.len(), message, help.to_owned()));
        }
    }
    None
}

fn advice(message: &str) -> Option<&'static str> {
    let table = [
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
    use super::super::{MAX_VALUES, yaml};
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

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[a: \\-\\[\\]{}\n\t\"'é*&@]{0,40}") {
            if let Err(mut problems) = yaml::value(&text, MAX_VALUES) {
                explain(&text, problems.remove(0));
            }
        }
    }
}
