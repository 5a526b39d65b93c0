//! The job summary: Markdown on the page of the run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Check;
use super::human::{Style, is_elsewhere, schemas, totals};
use super::log_text::shortened;
use super::markdown::{Cell, SUMMARY_LIMIT, Table, code_span};
use super::touched::Extent;
use crate::finding::words::count;
use crate::finding::{Finding, Severity};

const MOST_COLLECTIONS: usize = 100;
const MOST_CODES: usize = 50;
const MOST_FILES: usize = 10;
const MOST_FINDINGS: usize = 200;
/// How much of a reason is shown.
const WHY_LIMIT: usize = 500;

/// The section on a check: totals, then collections, codes, the worst files and the first findings, each as a table.
pub fn check(check: &Check) -> String {
    within(check, SUMMARY_LIMIT)
}

/// The same in at most so many bytes, 32 KiB at least: its tables are cut short.
pub fn within(check: &Check, limit: usize) -> String {
    let table_bytes = limit / 8;
    let mut out = String::from("## Check\n\n");
    let verdict = if check.summary.errors > 0 { "❌" } else { "✅" };
    let _ = write!(out, "{verdict} {}", totals(&check.summary, Style::Plain));
    if let Some(commit) = &check.commit {
        let _ = write!(out, " at {}", code_span(commit.short()));
    }
    out.push_str(if check.dirty { ", with changes that are not committed\n" } else { "\n" });
    division(&mut out, check);
    if let Some(line) = schemas(&check.summary) {
        let _ = writeln!(out, "\n{}", code_span(&line));
    }
    collections(&mut out, check, table_bytes);
    if !check.findings.is_empty() {
        codes(&mut out, &check.findings, table_bytes);
        files(&mut out, &check.findings, table_bytes);
        findings(&mut out, check, MOST_FINDINGS, table_bytes);
    }
    out
}

/// What the change that is looked at has to do with it.
pub(super) fn division(out: &mut String, check: &Check) {
    let Some((touched, division)) = check.touched.as_ref().zip(check.division()) else { return };
    let _ = match &touched.extent {
        Extent::Everything { why } => {
            writeln!(out, "\nEverything counts as touched: {}.", code_span(&shortened(why, WHY_LIMIT)))
        }
        Extent::Files(_) => {
            let here = count(division.touched, "finding");
            let since = code_span(&touched.since);
            writeln!(out, "\n{here} in what was touched since {since}, {} elsewhere.", division.elsewhere)
        }
    };
}

fn collections(out: &mut String, check: &Check, table_bytes: usize) {
    let mut table = Table::new(&["Collection", "#Records", "#Valid", "#Invalid"]);
    let left_out = table.rows(&check.summary.by_collection, MOST_COLLECTIONS, table_bytes, |(name, counts)| {
        let numbers = [counts.records, counts.valid, counts.invalid].map(Cell::number);
        [vec![Cell::code(name.as_str())], numbers.to_vec()].concat()
    });
    section(out, "By collection", table, left_out, "collection");
}

#[derive(Default, Clone, Copy)]
struct Tally {
    errors: usize,
    warnings: usize,
}

fn tallied<'a>(findings: &'a [Finding], key: impl Fn(&'a Finding) -> &'a str) -> Vec<(&'a str, Tally)> {
    let mut tallies = BTreeMap::<&str, Tally>::new();
    for finding in findings {
        let tally = tallies.entry(key(finding)).or_default();
        match finding.severity {
            Severity::Error => tally.errors += 1,
            Severity::Warning => tally.warnings += 1,
        }
    }
    let mut tallies: Vec<_> = tallies.into_iter().collect();
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.errors, tally.warnings)));
    tallies
}

fn tally_row((name, tally): (&str, Tally)) -> Vec<Cell> {
    vec![Cell::code(name), Cell::number(tally.errors), Cell::number(tally.warnings)]
}

fn codes(out: &mut String, findings: &[Finding], table_bytes: usize) {
    let mut table = Table::new(&["Code", "#Errors", "#Warnings"]);
    let left_out = table.rows(tallied(findings, |f| f.code.id), MOST_CODES, table_bytes, tally_row);
    section(out, "By kind", table, left_out, "kind");
}

fn files(out: &mut String, findings: &[Finding], table_bytes: usize) {
    let mut table = Table::new(&["File", "#Errors", "#Warnings"]);
    let left_out = table.rows(tallied(findings, |f| f.path.as_str()), MOST_FILES, table_bytes, tally_row);
    section(out, "Files with the most findings", table, left_out, "file");
}

/// The first findings as a table.
pub(super) fn findings(out: &mut String, check: &Check, most: usize, table_bytes: usize) {
    let mut table = Table::new(&["", "Place", "What is wrong", "What to do", "Code"]);
    let left_out = table.rows(&check.findings, most, table_bytes, |finding| {
        let severity = match finding.severity {
            Severity::Error if is_elsewhere(check, finding) => Cell::words("❌ elsewhere"),
            Severity::Error => Cell::words("❌"),
            Severity::Warning if is_elsewhere(check, finding) => Cell::words("⚠️ elsewhere"),
            Severity::Warning => Cell::words("⚠️"),
        };
        let place = format!("{}:{}", finding.path, finding.span.line);
        let help = finding.help.as_deref().map_or(Cell::words(""), Cell::code);
        vec![severity, Cell::code(&place), Cell::code(&finding.message), help, Cell::code(finding.code.id)]
    });
    section(out, "Findings", table, left_out, "finding");
}

/// Adds a table under its heading, and how many rows it lacks.
pub fn section(out: &mut String, heading: &'static str, table: Table, left_out: usize, noun: &'static str) {
    let _ = write!(out, "\n### {heading}\n\n{}", table.into_text());
    if left_out > 0 {
        let _ = writeln!(out, "\n… and {}.", count(left_out, &format!("more {noun}")));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::ids::RepoPath;
    use crate::report::runner_parser::hostile_text;
    use crate::report::tests::{NO_VERSION, WRONG_TYPE, check as check_of, three_findings};
    use crate::report::touched::Touched;

    #[test]
    fn every_table_is_there() {
        insta::assert_snapshot!(check(&check_of(three_findings())), @r#"
        ## Check

        ❌ 13 records in 2 collections: 12 valid, 1 invalid (1 error, 2 warnings) at `a1a1a1a`

        ### By collection

        | Collection | Records | Valid | Invalid |
        | --- | ---: | ---: | ---: |
        | `categories` | 1 | 1 | 0 |
        | `products` | 12 | 11 | 1 |

        ### By kind

        | Code | Errors | Warnings |
        | --- | ---: | ---: |
        | `wrong-type` | 1 | 0 |
        | `no-version` | 0 | 2 |

        ### Files with the most findings

        | File | Errors | Warnings |
        | --- | ---: | ---: |
        | `Hex Bolt/hex.json` | 1 | 1 |
        | `new\nline\u{1b}[2J.json` | 0 | 1 |

        ### Findings

        |  | Place | What is wrong | What to do | Code |
        | --- | --- | --- | --- | --- |
        | ❌ | `Hex Bolt/hex.json:4` | `/price is a string, not a number` | `write 4.5 without quotes` | `wrong-type` |
        | ⚠️ | `Hex Bolt/hex.json:1` | `the record names no schema version` | `add "schema_version": "1.1.0"` | `no-version` |
        | ⚠️ | `new\nline\u{1b}[2J.json:1` | `::error::the record names none` |  | `no-version` |
        "#);
    }

    #[test]
    fn a_clean_check_has_no_list_of_findings() {
        let text = check(&check_of(vec![]));
        assert!(text.contains("✅ 13 records") && !text.contains("Findings"), "{text}");
    }

    #[test]
    fn ten_thousand_long_findings_fit_and_the_rest_is_counted() {
        let finding = |n: usize| {
            let path = RepoPath::new(format!("{n}/{}", "😀".repeat(2000)));
            Finding::error(&WRONG_TYPE, path, "`".repeat(9000)).help("|".repeat(9000))
        };
        let text = check(&check_of((0..10_000).map(finding).collect()));
        // The sections on plan and sync want room too: each has one table.
        assert!(text.len() < SUMMARY_LIMIT / 8 * 5, "{}", text.len());
        assert!(text.contains("more findings.") && text.contains("more files."));
        let text = within(&check_of((0..10_000).map(finding).collect()), 64 * 1024);
        assert!(text.len() < 64 * 1024 && text.contains("more findings."), "{}", text.len());
    }

    #[test]
    fn a_change_is_told_from_the_rest() {
        let files = [RepoPath::new("Hex Bolt/hex.json")].into();
        let touched = Touched { since: "b2c3d4e".to_owned(), extent: Extent::Files(files) };
        let text = check(&check_of(three_findings()).touching(touched));
        assert!(text.contains("\n2 findings in what was touched since `b2c3d4e`, 1 elsewhere.\n"), "{text}");
        assert!(text.contains("\n| ⚠️ elsewhere | `new") && text.contains("\n| ❌ | `Hex"), "{text}");
        let why = "[x](http://evil) was changed".to_owned();
        let touched = Touched { since: String::new(), extent: Extent::Everything { why } };
        let text = check(&check_of(vec![]).touching(touched));
        assert!(text.contains("\nEverything counts as touched: `[x](http://evil) was changed`.\n"), "{text}");
    }

    proptest! {
        #[test]
        fn nothing_foreign_becomes_markup(path in hostile_text(), message in hostile_text(), help in hostile_text()) {
            let finding = Finding::warning(&NO_VERSION, RepoPath::new(path), message).help(help);
            let text = check(&check_of(vec![finding]));
            let events: Vec<Event> = Parser::new_ext(&text, Options::all()).collect();
            let links = |e: &&Event| {
                matches!(e, Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Link { .. } | Tag::Image { .. }))
            };
            prop_assert_eq!(events.iter().find(links), None);
            let cells = events.iter().filter(|e| matches!(e, Event::Start(Tag::TableCell))).count();
            prop_assert_eq!(cells, 3 * 4 + 2 * 3 + 2 * 3 + 2 * 5);
        }
    }
}
