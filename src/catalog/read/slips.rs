//! Mistakes that people make often, recognised in a text that no parser accepts.
//!
//! A parser says what it met; here it is said what was done.

use std::ops::Range;

use super::super::place::Lines;
use super::{
    CONFLICT_MARKERS, DUPLICATE_KEY, NO_FRONT_MATTER, NOT_UTF8, Notation, Problem, SYNTAX, front_matter, json_slips,
    yaml_slips,
};

/// A mistake with its place in bytes.
pub(super) struct Slip {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

impl Slip {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: help.into() }
    }
}

/// The same problems in the words of what was done, where that can be told.
pub(super) fn recognise(notation: Notation, text: &str, problems: Vec<Problem>) -> Vec<Problem> {
    if let Some(at) = conflict(text) {
        let message =
            "two versions of this file stand in each other, between the marks that Git leaves where it cannot merge";
        let help =
            "keep one of the versions, or what is right of both, and take away the lines <<<<<<<, ======= and >>>>>>>";
        return vec![Problem::new(&CONFLICT_MARKERS, Lines::new(text).span(at), message).help(help)];
    }
    if text.bytes().take(64).any(|byte| byte == 0) {
        let problem = Problem::new(&NOT_UTF8, crate::finding::Span::start(), "the file is UTF-16 or no text at all");
        return vec![problem.help("save it with the encoding UTF-8")];
    }
    if notation != Notation::Markdown && text.trim_start().starts_with("```") {
        let at = text.len() - text.trim_start().len();
        let span = Lines::new(text).span(at..at + 3);
        let problem = Problem::new(&SYNTAX, span, "the file begins with ```, the mark of code in a chat or a page");
        return vec![problem.help("take away the lines that begin with ```")];
    }
    let is_toml = notation == Notation::Toml || (notation == Notation::Markdown && text.starts_with("+++"));
    let better = |problem: Problem| {
        if problem.code == &NO_FRONT_MATTER {
            return unclosed_matter(text, problem);
        }
        if problem.code != &SYNTAX {
            return problem;
        }
        let slip = match notation {
            Notation::Json => json_slips::find(text),
            Notation::Yaml if !is_toml => return yaml_slips::explain(text, problem),
            Notation::Markdown if !is_toml => {
                let matter = front_matter::split(text).map_or(text, |(matter, _)| matter);
                return yaml_slips::explain(matter, problem);
            }
            _ => return in_toml(problem),
        };
        match slip {
            Some(slip) => Problem::new(&SYNTAX, Lines::new(text).span(slip.at), slip.message).help(slip.help),
            None => problem,
        }
    };
    problems.into_iter().map(better).collect()
}

/// The mark that opens the first conflict, if another one divides it.
fn conflict(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    let mut opened = None;
    for line in text.split_inclusive('\n') {
        let mark = line.trim_end();
        match opened {
            None if mark.starts_with("<<<<<<< ") || mark == "<<<<<<<" => opened = Some(at..at + mark.len()),
            Some(_) if mark == "=======" || mark.starts_with(">>>>>>> ") => return opened,
            _ => {}
        }
        at += line.len();
    }
    None
}

fn unclosed_matter(text: &str, problem: Problem) -> Problem {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if matches!(first, "---" | "+++") {
        let problem = Problem { message: format!("the front matter has no end: no second line `{first}`"), ..problem };
        return problem.help(format!("write a line `{first}` below the last field"));
    }
    if text.trim_start().starts_with("---") {
        let problem = Problem { message: "something stands before the front matter".to_owned(), ..problem };
        return problem.help("let the file begin with the line `---`");
    }
    problem
}

const ESCAPE: &str =
    "in double quotes a backslash begins an escape: put a path in single quotes, or write / for each backslash";

/// The TOML parser's messages with advice.
fn in_toml(problem: Problem) -> Problem {
    if problem.message.contains("duplicate key") {
        let message = "a key stands twice in the same table".to_owned();
        return Problem { code: &DUPLICATE_KEY, message, ..problem }.help("keep one of the two");
    }
    let table = [
        ("escape", ESCAPE),
        ("unicode value digits", ESCAPE),
        ("string values must be quoted", "put the text in quotes"),
        ("key with no value", "write = and a value behind the key"),
        ("extra `:`", "write = and not : between key and value"),
        ("expected `=`", "write = between key and value"),
        ("unclosed", "close it where it should end"),
        ("missing comma", "write a comma between the values"),
        ("invalid basic string", "close the text with a quote on its own line"),
        ("invalid table header", "write the header as [name]"),
        ("leading zero", "write the number without leading zeros, or in quotes"),
    ];
    let help = table.iter().find(|(part, _)| problem.message.contains(part)).map(|(_, help)| *help);
    match help {
        Some(help) => problem.help(help),
        None if problem.help.is_none() => {
            problem.help("a field reads name = \"text\", name = 5 or name = [\"a\", \"b\"]")
        }
        None => problem,
    }
}
