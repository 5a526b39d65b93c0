//! A comment on a pull request that is kept up to date: what was found, and what a merge would change.

use std::fmt::Write as _;

use super::Check;
use super::human::{Style, totals};
use super::markdown::code_span;
use super::summary::{division, findings};
use super::summary_targets;
use crate::ids::{CommitId, percent_encode};
use crate::plan::Plan;

/// How many findings are listed; the job summary has more.
const MOST_FINDINGS: usize = 20;
/// GitHub takes 65,536 characters of a comment. Neither table takes more bytes than this.
const TABLE_BYTES: usize = 20_000;
const LIMIT: usize = 65_000;

/// What the comment about the library in this folder begins with. Readers do not see it.
pub fn marker(folder: &str) -> String {
    // Encoded, no text can end the remark before its end.
    let folder = percent_encode(folder.trim_end_matches('/')).replace('-', "%2D");
    format!("<!-- stockroom: check of /{folder} -->")
}

/// Whether there is something that nobody would know without the comment.
pub fn is_news(check: &Check, plan: Option<&Plan>) -> bool {
    !check.findings.is_empty() || plan.is_some_and(|plan| !plan.is_empty())
}

/// The whole text, its marker first.
pub fn text(check: &Check, plan: Option<&Plan>, folder: &str, head: &CommitId, page: Option<&str>) -> String {
    let mut out = format!("{}\n## Stockroom\n\n", marker(folder));
    let verdict = if check.summary.errors > 0 { "❌" } else { "✅" };
    let _ = writeln!(out, "{verdict} {} at {}", totals(&check.summary, Style::Plain), code_span(head.short()));
    division(&mut out, check);
    if !check.findings.is_empty() {
        findings(&mut out, check, MOST_FINDINGS, TABLE_BYTES);
    }
    if let Some(page) = page {
        let _ = write!(out, "\n[The summary of the run]({page}) has the details.\n");
    }
    let planned = plan.map(summary_targets::plan).unwrap_or_default();
    if !planned.is_empty() && out.len() + planned.len() < LIMIT {
        let _ = write!(out, "\n{planned}");
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::finding::Finding;
    use crate::ids::RepoPath;
    use crate::report::runner_parser::hostile_text;
    use crate::report::targets::tests::{busy, idle};
    use crate::report::tests::{NO_VERSION, WRONG_TYPE, check as check_of, three_findings};

    fn head() -> CommitId {
        CommitId::parse(&"b2".repeat(20)).unwrap()
    }

    #[test]
    fn the_comment_has_findings_and_plan() {
        let text = text(&check_of(three_findings()), Some(&busy()), "my assets/", &head(), Some("https://x/1"));
        assert!(text.starts_with("<!-- stockroom: check of /my%20assets -->\n## Stockroom\n\n❌ 13 records"), "{text}");
        for said in ["at `b2b2b2b`", "| `Hex Bolt/hex.json:4` |", "## Plan", "(https://x/1)"] {
            assert!(text.contains(said), "should say {said:?}: {text}");
        }
    }

    #[test]
    fn a_finding_or_a_plan_is_news_and_being_in_step_is_none() {
        assert!(is_news(&check_of(three_findings()), None) && is_news(&check_of(vec![]), Some(&busy())));
        assert!(!is_news(&check_of(vec![]), None) && !is_news(&check_of(vec![]), Some(&idle())));
        assert!(text(&check_of(vec![]), None, "", &head(), None).contains("\n✅ 13 records"));
    }

    #[test]
    fn no_folder_ends_the_marker() {
        assert_eq!(marker("a--> b/"), "<!-- stockroom: check of /a%2D%2D%3E%20b -->");
        assert_eq!(marker(""), "<!-- stockroom: check of / -->");
    }

    #[test]
    fn ten_thousand_long_findings_fit() {
        let finding = |n: usize| {
            let path = RepoPath::new(format!("{n}/{}", "😀".repeat(2000)));
            Finding::error(&WRONG_TYPE, path, "`".repeat(9000)).help("|".repeat(9000))
        };
        let check = check_of((0..10_000).map(finding).collect());
        let text = text(&check, Some(&busy()), "", &head(), None);
        assert!(text.len() < 65_536 && text.contains("more findings."), "{}", text.len());
    }

    proptest! {
        #[test]
        fn nothing_foreign_becomes_markup(path in hostile_text(), message in hostile_text(), folder in hostile_text()) {
            let finding = Finding::warning(&NO_VERSION, RepoPath::new(path), message);
            let text = text(&check_of(vec![finding]), None, &folder, &head(), None);
            let events: Vec<Event> = Parser::new_ext(&text, Options::all()).collect();
            let html: Vec<&Event> =
                events.iter().filter(|e| matches!(e, Event::Html(_) | Event::InlineHtml(_))).collect();
            prop_assert_eq!(html.len(), 1, "{}", text);
            let links = |e: &&Event| matches!(e, Event::Start(Tag::Link { .. } | Tag::Image { .. }));
            prop_assert_eq!(events.iter().find(links), None);
        }
    }
}
