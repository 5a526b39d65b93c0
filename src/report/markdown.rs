//! Makes foreign text harmless in Markdown as GitHub renders it.
//!
//! Foreign text goes into code spans alone: nothing in them is a mention, a link, an image or HTML.

use super::log_text::{for_people, shortened};
use crate::secret::tokens::masked;

/// GitHub drops a job summary that is larger as a whole.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// A cell is cut after so many characters: a value of a megabyte is no help to anybody.
const CELL_LIMIT: usize = 300;
/// Renderers give up on fences beyond 80 ticks, and what they give up on is read as Markdown.
const LONGEST_FENCE: usize = 16;

/// The text as a code span on one line, with a fence that is longer than any run of backticks in it.
pub fn code_span(text: &str) -> String {
    let mut text = for_people(text);
    if text.is_empty() {
        return "*(empty)*".to_owned();
    }
    if longest_run(&text) >= LONGEST_FENCE {
        text = text.replace('`', "\\u{60}");
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // A renderer takes one space off each end when both have one; a backtick must not touch the fence.
    let padded = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let pad = if padded && !text.trim_matches(' ').is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// What stands in one cell of a table: words of ours, a number, or foreign text as code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell(String);

impl Cell {
    /// Words of ours, as they are.
    pub fn words(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// A number.
    pub fn number(n: usize) -> Self {
        Self(n.to_string())
    }

    /// Words of ours that lead to an address. The caller vouches that nothing in it means anything to a renderer.
    pub(super) fn link(words: &'static str, address: &str) -> Self {
        Self(format!("[{words}]({address})"))
    }

    /// Foreign text, shortened, as a code span in which no `|` ends the cell.
    pub fn code(text: &str) -> Self {
        let mut out = String::new();
        let mut last = None;
        for c in shortened(&masked(text), CELL_LIMIT).chars() {
            match (last, c) {
                // Renderers differ in whether `\\|` ends a cell; so there is none.
                (Some('\\'), '|') => out.push_str("\\u{7c}"),
                _ => out.push(c),
            }
            last = Some(c);
        }
        Self(code_span(&out).replace('|', "\\|"))
    }
}

/// A table that is built row by row.
#[derive(Debug, Clone)]
pub struct Table {
    text: String,
    columns: usize,
}

impl Table {
    /// A table with these headings. A heading that begins with `#` is that of a column of numbers and set to the right,
    /// without the `#`.
    pub fn new(headings: &[&'static str]) -> Self {
        let names: Vec<&str> = headings.iter().map(|heading| heading.trim_start_matches('#')).collect();
        let rule: Vec<&str> = headings.iter().map(|h| if h.starts_with('#') { "---:" } else { "---" }).collect();
        let text = format!("| {} |\n| {} |\n", names.join(" | "), rule.join(" | "));
        Self { text, columns: headings.len() }
    }

    /// Adds a row; a cell too many is left out, a missing one is empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells = cells.into_iter();
        for _ in 0..self.columns {
            self.text.push_str("| ");
            self.text.push_str(&cells.next().map_or(String::new(), |cell| cell.0));
            self.text.push(' ');
        }
        self.text.push_str("|\n");
    }

    /// Adds a row for each of the first items and gives how many were left out: it stops after `most` rows, or when the
    /// table has `bytes`.
    pub fn rows<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        most: usize,
        bytes: usize,
        cells: impl Fn(T) -> Vec<Cell>,
    ) -> usize {
        let mut left_out = 0;
        for (at, item) in items.into_iter().enumerate() {
            if at < most && left_out == 0 && self.text.len() < bytes {
                self.row(cells(item));
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// The table as Markdown, ending in a line break.
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::report::runner_parser::hostile_text;

    #[test]
    fn the_fence_is_longer_than_any_run_inside() {
        assert_eq!(code_span("a"), "`a`");
        assert_eq!(code_span("a`b``c"), "```a`b``c```");
        assert_eq!(code_span("`"), "`` ` ``");
        assert_eq!(code_span(" a "), "`  a  `");
        assert_eq!(code_span(""), "*(empty)*");
        assert_eq!(code_span("a\nb"), r"`a\nb`");
        assert_eq!(code_span(&"`".repeat(100)), format!("`{}`", "\\u{60}".repeat(100)));
    }

    #[test]
    fn a_pipe_does_not_end_a_cell() {
        assert_eq!(Cell::code("a|b"), Cell(r"`a\|b`".into()));
        assert_eq!(Cell::code(r"a\|b"), Cell(r"`a\\u{7c}b`".into()));
    }

    #[test]
    fn a_table_keeps_its_columns() {
        let mut table = Table::new(&["File", "#Errors"]);
        table.row([Cell::code("a|b.json"), Cell::number(3), Cell::words("too much")]);
        table.row([Cell::words("none")]);
        assert_eq!(table.into_text(), "| File | Errors |\n| --- | ---: |\n| `a\\|b.json` | 3 |\n| none |  |\n");
    }

    #[test]
    fn rows_stop_at_the_cap_and_are_counted() {
        let mut table = Table::new(&["#N"]);
        assert_eq!(table.rows(0..10, 4, 10_000, |n| vec![Cell::number(n)]), 6);
        assert_eq!(Table::new(&["#N"]).rows(0..10, 10, 30, |n| vec![Cell::number(n)]), 7);
    }

    fn plain_events(markdown: &str) -> Vec<String> {
        let foreign = |event: &Event| {
            matches!(
                event,
                Event::Html(_)
                    | Event::InlineHtml(_)
                    | Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock)
            )
        };
        Parser::new_ext(markdown, Options::all()).filter(foreign).map(|event| format!("{event:?}")).collect()
    }

    fn codes(markdown: &str) -> Vec<String> {
        let code = |event| if let Event::Code(text) = event { Some(text.to_string()) } else { None };
        Parser::new_ext(markdown, Options::all()).filter_map(code).collect()
    }

    proptest! {
        #[test]
        fn foreign_text_stays_in_its_span(text in hostile_text()) {
            let line = format!("before {} after", code_span(&text));
            prop_assert_eq!(plain_events(&line), [""; 0]);
            if !text.is_empty() {
                let expected = for_people(&text);
                let expected = if longest_run(&expected) < LONGEST_FENCE { expected } else { expected.replace('`', "\\u{60}") };
                prop_assert_eq!(codes(&line), vec![expected]);
            }
        }

        #[test]
        fn a_row_of_foreign_text_has_its_columns(texts in prop::collection::vec(hostile_text(), 3)) {
            let mut table = Table::new(&["A", "B", "C"]);
            table.row(texts.iter().map(|text| Cell::code(text)));
            table.row([Cell::number(7)]);
            let markdown = table.into_text();
            prop_assert_eq!(markdown.lines().count(), 4);
            prop_assert_eq!(plain_events(&markdown), [""; 0]);
            let cells = Parser::new_ext(&markdown, Options::all()).filter(|e| matches!(e, Event::Start(Tag::TableCell)));
            prop_assert_eq!(cells.count(), 9);
            let filled = texts.iter().filter(|text| !text.is_empty()).count();
            prop_assert_eq!(codes(&markdown).len(), filled, "{}", markdown);
            let row = markdown.lines().nth(2).unwrap_or("");
            prop_assert_eq!(unescaped_pipes(row), 4, "{}", row);
        }
    }

    /// As the strictest renderers count: a backslash that is itself escaped escapes nothing.
    fn unescaped_pipes(row: &str) -> usize {
        let mut escaped = false;
        row.chars()
            .filter(|c| {
                let ends = *c == '|' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            })
            .count()
    }
}
