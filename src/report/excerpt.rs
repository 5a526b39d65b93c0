//! The line of a file that a finding is about, with a mark under the place.
//!
//! A line is foreign text: it is cut and made harmless before anything is laid out, so the mark stands where it should.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use super::human::Style;
use super::log_text::for_people;
use crate::finding::{Finding, Severity, Span};
use crate::ids::RepoPath;

/// How many columns of a line are shown.
const WIDEST: usize = 96;
/// How many of them stand before the mark, where the line must be cut.
const BEFORE: usize = 32;

/// A part of a line, and where in it the mark belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    text: String,
    /// In columns, from the beginning of `text`.
    indent: usize,
    /// In columns, at least one.
    width: usize,
}

/// The excerpts of findings, by file and place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpts(BTreeMap<(RepoPath, Span), Excerpt>);

impl Excerpts {
    /// Adds what stands at a place.
    pub fn insert(&mut self, path: RepoPath, span: Span, excerpt: Excerpt) {
        self.0.insert((path, span), excerpt);
    }

    /// Two lines for a finding, if there is something to show.
    pub(super) fn write(&self, out: &mut String, finding: &Finding, style: Style) {
        let Some(excerpt) = self.0.get(&(finding.path.clone(), finding.span)) else { return };
        let number = finding.span.line.to_string();
        let bar = style.quiet("|");
        let _ = writeln!(out, "  {} {bar} {}", style.quiet(&number), excerpt.text);
        let mark = "^".repeat(excerpt.width);
        let mark = match finding.severity {
            Severity::Error => style.error(&mark),
            Severity::Warning => style.warning(&mark),
        };
        let _ = writeln!(out, "  {:1$} {bar} {2:3$}{mark}", "", number.len(), "", excerpt.indent);
    }
}

impl Excerpt {
    /// Cuts a line around the bytes that are to be marked; none where nothing can be seen.
    pub fn new(line: &str, marked: Range<usize>) -> Option<Self> {
        let (before, rest) = (line.get(..marked.start)?, line.get(marked.start..)?);
        let marked = rest.get(..marked.end.saturating_sub(marked.start)).unwrap_or(rest);
        // Blanks at the end of a mark are not worth marking, unless they are all that is.
        let marked = if marked.trim().is_empty() { marked } else { marked.trim_end() };
        let after = rest.get(marked.len()..).unwrap_or_default();
        if line.trim().is_empty() {
            return None;
        }
        let (head, cut_before) = last_columns(before);
        let mut strip = Strip::default();
        if cut_before {
            strip.push_as_is('…');
        }
        head.chars().for_each(|c| strip.push(c));
        let indent = strip.columns;
        strip.shows_tabs = true;
        let cut_mark = strip.fill(marked, WIDEST);
        strip.shows_tabs = false;
        let width = (strip.columns - indent).max(1);
        let cut_after = strip.fill(after.trim_end(), WIDEST);
        if cut_mark || cut_after {
            strip.push_as_is('…');
        }
        Some(Self { text: strip.text.trim_end().to_owned(), indent, width })
    }
}

/// The end of a text that fits before the mark, and whether there was more.
fn last_columns(text: &str) -> (&str, bool) {
    let mut columns = 0;
    let mut starts = VecDeque::new();
    for (at, c) in text.char_indices().rev() {
        columns += shown(c).1;
        starts.push_front(at);
        if columns > WIDEST * 2 / 3 {
            let from = starts.get(starts.len().saturating_sub(BEFORE)).copied().unwrap_or(0);
            return (text.get(from..).unwrap_or_default(), true);
        }
    }
    (text, false)
}

/// A text as it grows, with the columns that it takes.
#[derive(Default)]
struct Strip {
    text: String,
    columns: usize,
    /// Whether a tab is seen as one, and not only as the blanks that it takes.
    shows_tabs: bool,
}

impl Strip {
    fn push_as_is(&mut self, c: char) {
        self.text.push(c);
        self.columns += 1;
    }

    fn push(&mut self, c: char) {
        // The log's writer would break this with a space of its own, and move what is behind it.
        if c == '[' && self.text.ends_with("##") {
            self.push_as_is(' ');
        }
        let (text, columns) = shown(c);
        if self.shows_tabs && c == '\t' {
            self.push_as_is('→');
            self.text.push_str(text.get(1..).unwrap_or_default());
            self.columns += columns - 1;
            return;
        }
        self.text.push_str(&text);
        self.columns += columns;
    }

    /// Adds what fits; whether something did not.
    fn fill(&mut self, text: &str, limit: usize) -> bool {
        for c in text.chars() {
            if self.columns + shown(c).1 > limit {
                return true;
            }
            self.push(c);
        }
        false
    }
}

/// A character as it is shown, and the columns that this takes.
fn shown(c: char) -> (String, usize) {
    if c == '\t' {
        return ("    ".to_owned(), 4);
    }
    let mut units = [0; 4];
    let text = for_people(c.encode_utf8(&mut units));
    let columns = text.chars().map(|c| c.width().unwrap_or(0)).sum();
    (text, columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::finding::Code;
    use crate::report::log_text::{defuse, holds_controls};
    use crate::report::runner_parser::hostile_text;

    static CODE: Code = Code { id: "test", meaning: "A test." };

    fn drawn(line: &str, marked: &str) -> String {
        let at = line.find(marked).unwrap();
        let mut excerpts = Excerpts::default();
        let finding = Finding::error(&CODE, RepoPath::new("a"), "x").at(Span::at(7, 1));
        if let Some(excerpt) = Excerpt::new(line, at..at + marked.len()) {
            excerpts.insert(finding.path.clone(), finding.span, excerpt);
        }
        let mut out = String::new();
        excerpts.write(&mut out, &finding, Style::Plain);
        out
    }

    #[test]
    fn the_mark_stands_below_the_place() {
        assert_eq!(drawn("  \"a\": 12,", "12"), "  7 |   \"a\": 12,\n    |        ^^\n");
        assert_eq!(drawn("\ta: b", "b"), "  7 |     a: b\n    |        ^\n");
        assert_eq!(drawn("日本: é", "é"), "  7 | 日本: é\n    |       ^\n");
        assert_eq!(
            drawn("a\u{1b}[2Jb\u{202e}: x", "x"),
            "  7 | a\\u{1b}[2Jb\\u{202e}: x\n    |                      ^\n"
        );
        assert_eq!(drawn("##[error]x: 1", "1"), "  7 | ## [error]x: 1\n    |              ^\n");
    }

    #[test]
    fn a_tab_that_is_marked_is_seen() {
        assert_eq!(drawn("\t- a", "\t"), "  7 | →   - a\n    | ^^^^\n");
        assert_eq!(drawn("{\"a\": \"x\ty\"}", "\t"), "  7 | {\"a\": \"x→   y\"}\n    |         ^^^^\n");
        assert_eq!(drawn("\ta: \"x\ty\"", "\"x\ty\""), "  7 |     a: \"x→   y\"\n    |        ^^^^^^^^\n");
        assert_eq!(drawn("a:\u{a0}b  ", "\u{a0}b  "), "  7 | a:\u{a0}b\n    |   ^^\n");
    }

    #[test]
    fn nothing_is_drawn_of_an_empty_line_and_an_end_of_line_takes_one_mark() {
        assert_eq!(drawn("", ""), "");
        let excerpt = Excerpt::new("{\"a\": 1", 7..7).unwrap();
        assert_eq!((excerpt.indent, excerpt.width), (7, 1));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{{{}\"price\": 12,{}}}", "\"x\": 1,".repeat(10_000), "\"y\": 2,".repeat(10_000));
        assert_eq!(
            drawn(&line, "12"),
            "  7 | …1,\"x\": 1,\"x\": 1,\"x\": 1,\"price\": 12,\"y\": 2,\"y\": 2,\"y\": 2,\"y\": 2,\"y\": 2,\"y\": 2,\"y\": 2,\"y\": 2,\"y\":…\n    |                                  ^^\n"
        );
        let long = drawn(&format!("a: {}", "x".repeat(500)), &"x".repeat(500));
        assert!(long.lines().all(|line| line.chars().count() < 110) && long.contains("x…\n"), "{long}");
    }

    proptest! {
        #[test]
        fn no_line_can_act_on_a_log_or_move_its_mark(text in hostile_text(), from in 0..40_usize, length in 0..40_usize) {
            let line: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
            let starts: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
            let at = |n: usize| starts[n.min(starts.len() - 1)];
            if let Some(excerpt) = Excerpt::new(&line, at(from)..at(from + length)) {
                let shown = format!("  7 | {}", excerpt.text);
                prop_assert!(!holds_controls(&shown.replace('\u{fe0f}', "")), "{:?}", shown);
                prop_assert_eq!(defuse(&shown), shown.replace('\u{fe0f}', ""));
                prop_assert!(excerpt.indent + excerpt.width <= WIDEST + 40);
            }
        }
    }
}
