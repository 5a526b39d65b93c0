//! What a person reads in a terminal or in the log.

use std::fmt::Write as _;

use super::excerpt::Excerpts;
use super::log_text::for_people;
use super::{Check, Summary};
use crate::finding::words::count;
use crate::finding::{Finding, Severity};

/// Whether the text carries colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With the colours of ANSI terminals.
    Ansi,
}

impl Style {
    /// Bold and red.
    pub fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Bold and yellow.
    pub fn warning(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// Bold and green.
    pub fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// Dimmed: what can be passed over.
    pub fn quiet(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, codes: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\u{1b}[{codes}m{text}\u{1b}[0m"),
        }
    }
}

/// The findings, at most `most` of them, and a line with the totals.
pub fn check(check: &Check, excerpts: &Excerpts, style: Style, most: usize) -> String {
    let mut out = String::new();
    for finding in check.findings.iter().take(most) {
        told(&mut out, finding, excerpts, style, is_elsewhere(check, finding));
    }
    let unsaid = check.findings.len().saturating_sub(most);
    if unsaid > 0 {
        let _ = writeln!(out, "… and {}", count_more(unsaid));
    }
    if !check.findings.is_empty() {
        out.push('\n');
    }
    out.push_str(&totals(&check.summary, style));
    out.push('\n');
    if let Some(said) = check.division_said() {
        let _ = writeln!(out, "{}", for_people(&said));
    }
    if let Some(line) = schemas(&check.summary) {
        let _ = writeln!(out, "{}", style.quiet(&line));
    }
    out
}

/// Such as `checked with product-metadata@1.0.0 (3), product-metadata@1.1.0 (10); formats asserted, draft 2020-12`.
pub(super) fn schemas(summary: &Summary) -> Option<String> {
    let said: Vec<String> = summary.by_schema.iter().map(|(label, n)| format!("{} ({n})", for_people(label))).collect();
    let policy = summary.policy.as_ref().map(|policy| format!("; {}", policy.words())).unwrap_or_default();
    (!said.is_empty()).then(|| format!("checked with {}{policy}", said.join(", ")))
}

fn count_more(n: usize) -> String {
    count(n, "more finding")
}

/// One finding: its place, what is wrong, and below it the line in question and what to do.
pub fn finding(out: &mut String, finding: &Finding, excerpts: &Excerpts, style: Style) {
    told(out, finding, excerpts, style, false);
}

/// Whether a change is looked at that has not touched what the finding is about.
pub(super) fn is_elsewhere(check: &Check, finding: &Finding) -> bool {
    check.is_touched(finding) == Some(false)
}

fn told(out: &mut String, finding: &Finding, excerpts: &Excerpts, style: Style, is_elsewhere: bool) {
    let severity = match finding.severity {
        Severity::Error => style.error("error"),
        Severity::Warning => style.warning("warning"),
    };
    let path = for_people(finding.path.as_str());
    let (line, column) = (finding.span.line, finding.span.column);
    let message = for_people(&finding.message);
    let code = style.quiet(&format!("[{}]", finding.code.id));
    let elsewhere = if is_elsewhere { style.quiet(" (elsewhere)") } else { String::new() };
    let _ = writeln!(out, "{path}:{line}:{column}: {severity}: {message} {code}{elsewhere}");
    excerpts.write(out, finding, style);
    // Indented throughout: no text of a record can begin a block of its own.
    for (at, line) in finding.help.iter().flat_map(|help| help.lines()).enumerate() {
        let lead = if at == 0 { "  help: " } else { "        " };
        let _ = writeln!(out, "{lead}{}", for_people(line));
    }
}

/// Such as `13 records in 2 collections: 12 valid, 1 invalid (1 error, 2 warnings)`.
pub fn totals(summary: &Summary, style: Style) -> String {
    let Summary { records, valid, invalid, errors, warnings, by_collection, .. } = summary;
    let place = format!("{} in {}", count(*records, "record"), count(by_collection.len(), "collection"));
    let verdict = match (*invalid, *valid) {
        // An error need not lie in a record: a file can be missing, a schema be broken.
        (0, _) if *errors > 0 => format!("{valid} valid"),
        (0, _) => style.good(&format!("{valid} valid")),
        (_, 0) => style.error(&format!("{invalid} invalid")),
        _ => format!("{valid} valid, {}", style.error(&format!("{invalid} invalid"))),
    };
    let kinds = [(*errors, "error"), (*warnings, "warning")];
    let said: Vec<String> = kinds.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| count(n, noun)).collect();
    if said.is_empty() { format!("{place}: {verdict}") } else { format!("{place}: {verdict} ({})", said.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{check as check_of, three_findings};

    #[test]
    fn each_finding_is_a_block_and_the_last_line_adds_up() {
        insta::assert_snapshot!(check(&check_of(three_findings()), &Excerpts::default(), Style::Plain, 100), @r#"
        Hex Bolt/hex.json:4:12: error: /price is a string, not a number [wrong-type]
          help: write 4.5 without quotes
        Hex Bolt/hex.json:1:1: warning: the record names no schema version [no-version]
          help: add "schema_version": "1.1.0"
        new\nline\u{1b}[2J.json:1:1: warning: ::error::the record names none [no-version]

        13 records in 2 collections: 12 valid, 1 invalid (1 error, 2 warnings)
        "#);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let text = check(&check_of(three_findings()), &Excerpts::default(), Style::Plain, 1);
        assert!(text.contains("\n… and 2 more findings\n\n13 records"), "{text}");
    }

    #[test]
    fn a_clean_check_is_one_line() {
        let clean = crate::report::Check::new(None, false, Default::default(), vec![]);
        assert_eq!(check(&clean, &Excerpts::default(), Style::Plain, 100), "0 records in 0 collections: 0 valid\n");
    }

    #[test]
    fn colours_are_closed_on_their_line() {
        let text = check(&check_of(three_findings()), &Excerpts::default(), Style::Ansi, 100);
        assert!(text.lines().all(|line| line.matches("\u{1b}[").count() % 2 == 0), "{text:?}");
        assert!(text.contains("\u{1b}[1;31merror\u{1b}[0m"));
        assert!(!text.contains("\u{1b}[2J"), "an escape in a file's name is shown, not obeyed");
    }
}
