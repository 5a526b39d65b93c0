//! `check --format junit`: a test suite for each collection, a test case for each record, as CI servers read it.
//!
//! There is no standard. What stands here is what Jenkins, GitLab and the common schemas agree on: at most one failure for a
//! test case, no attribute without a value, and no clock.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Check;
use crate::finding::words::count;
use crate::finding::{Finding, Severity};
use crate::ids::RepoPath;

/// What lies in no record: the configuration, schemas, files with bad names.
const REST: &str = "library";

/// The report. Findings of at least the severity `least` are failures, others are the output of their test case.
pub fn check(check: &Check, least: Severity) -> String {
    let mut by_path: BTreeMap<&RepoPath, Vec<&Finding>> = BTreeMap::new();
    for finding in &check.findings {
        by_path.entry(&finding.path).or_default().push(finding);
    }
    let records: BTreeSet<&RepoPath> = check.records.values().flatten().collect();
    let rest: Vec<&RepoPath> = by_path.keys().copied().filter(|path| !records.contains(*path)).collect();
    let named = check.records.iter().map(|(name, paths)| (name.as_str(), paths.iter().collect()));
    let suites: Vec<Suite<'_>> = named
        .chain((!rest.is_empty()).then_some((REST, rest)))
        .map(|(name, paths)| Suite::new(name, paths, &by_path, least))
        .collect();
    let sum = |number: fn(&Suite<'_>) -> usize| suites.iter().map(number).sum::<usize>();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failures) = (sum(|suite| suite.tests), sum(|suite| suite.failures));
    let _ = writeln!(
        out,
        "<testsuites name=\"stockroom check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"0\">"
    );
    let said = check.division_said();
    for suite in &suites {
        let Suite { name, tests, failures, body } = suite;
        let name = attribute(name);
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"0\">"
        );
        if let Some(said) = &said {
            let said = attribute(said);
            let _ = writeln!(out, "    <properties><property name=\"change\" value=\"{said}\"/></properties>");
        }
        out.push_str(body);
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

struct Suite<'a> {
    name: &'a str,
    tests: usize,
    failures: usize,
    body: String,
}

impl<'a> Suite<'a> {
    fn new(
        name: &'a str,
        paths: Vec<&RepoPath>,
        by_path: &BTreeMap<&RepoPath, Vec<&Finding>>,
        least: Severity,
    ) -> Self {
        let mut suite = Self { name, tests: paths.len(), failures: 0, body: String::new() };
        for path in paths {
            let findings = by_path.get(path).map(Vec::as_slice).unwrap_or_default();
            suite.case(path, findings, least);
        }
        suite
    }

    fn case(&mut self, path: &RepoPath, findings: &[&Finding], least: Severity) {
        let (name, class) = (attribute(path.as_str()), attribute(self.name));
        let opening = format!("    <testcase name=\"{name}\" classname=\"{class}\" file=\"{name}\" time=\"0\"");
        if findings.is_empty() {
            let _ = writeln!(self.body, "{opening}/>");
            return;
        }
        let _ = writeln!(self.body, "{opening}>");
        let (failed, noted): (Vec<&&Finding>, Vec<&&Finding>) = findings.iter().partition(|f| f.severity >= least);
        if let Some(first) = failed.first() {
            self.failures += 1;
            let more = failed.len() - 1;
            let more = if more > 0 { format!(" (and {})", count(more, "more finding")) } else { String::new() };
            let (kind, message) = (first.code.id, attribute(&first.message));
            let _ = writeln!(
                self.body,
                "      <failure type=\"{kind}\" message=\"{message}{more}\">{}</failure>",
                text(&lines(&failed))
            );
        }
        if !noted.is_empty() {
            let _ = writeln!(self.body, "      <system-out>{}</system-out>", text(&lines(&noted)));
        }
        self.body.push_str("    </testcase>\n");
    }
}

fn lines(findings: &[&&Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let (path, span, code) = (&finding.path, finding.span, finding.code.id);
        let _ =
            writeln!(out, "{path}:{}:{}: {}: {} [{code}]", span.line, span.column, finding.severity, finding.message);
        for line in finding.help.iter().flat_map(|help| help.lines()) {
            let _ = writeln!(out, "  help: {line}");
        }
    }
    out
}

/// A text as the value of an attribute.
fn attribute(value: &str) -> String {
    // A reader takes a bare line break or tab in an attribute for a space.
    text(value).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}

/// A text as the content of an element, without the characters that XML 1.0 cannot hold.
fn text(value: &str) -> String {
    let held: Cow<'_, str> =
        if value.chars().all(is_held) { value.into() } else { value.chars().filter(|c| is_held(*c)).collect() };
    held.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// Whether XML 1.0 can hold the character (its production 2).
fn is_held(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::CollectionName;
    use crate::report::log_text::{holds_controls, xml_text};
    use crate::report::runner_parser::{commands, hostile_text};
    use crate::report::touched::{Extent, Touched};
    use crate::report::tests::{NO_VERSION, WRONG_TYPE, check as check_of, three_findings};

    fn listed(findings: Vec<Finding>, records: &[&str]) -> Check {
        let records = records.iter().map(|path| RepoPath::new(*path)).collect();
        Check { records: [(CollectionName::new("products"), records)].into(), ..check_of(findings) }
    }

    #[test]
    fn a_record_is_a_case_and_its_errors_are_one_failure() {
        let mut findings = three_findings();
        findings.push(Finding::error(&WRONG_TYPE, RepoPath::new("Hex Bolt/hex.json"), "second"));
        let check = listed(findings, &["Hex Bolt/hex.json", "Nut/nut.json"]);
        insta::assert_snapshot!(super::check(&check, Severity::Error), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="stockroom check" tests="3" failures="1" errors="0" time="0">
          <testsuite name="products" tests="2" failures="1" errors="0" skipped="0" time="0">
            <testcase name="Hex Bolt/hex.json" classname="products" file="Hex Bolt/hex.json" time="0">
              <failure type="wrong-type" message="second (and 1 more finding)">Hex Bolt/hex.json:1:1: error: second [wrong-type]
        Hex Bolt/hex.json:4:12: error: /price is a string, not a number [wrong-type]
          help: write 4.5 without quotes
        </failure>
              <system-out>Hex Bolt/hex.json:1:1: warning: the record names no schema version [no-version]
          help: add "schema_version": "1.1.0"
        </system-out>
            </testcase>
            <testcase name="Nut/nut.json" classname="products" file="Nut/nut.json" time="0"/>
          </testsuite>
          <testsuite name="library" tests="1" failures="0" errors="0" skipped="0" time="0">
            <testcase name="new&#10;line[2J.json" classname="library" file="new&#10;line[2J.json" time="0">
              <system-out>new
        line[2J.json:1:1: warning: ::error::the record names none [no-version]
        </system-out>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn warnings_are_failures_where_they_fail_the_run() {
        let check = listed(three_findings(), &["Hex Bolt/hex.json"]);
        let text = super::check(&check, Severity::Warning);
        assert!(text.contains("failures=\"2\"") && !text.contains("system-out"), "{text}");
    }

    #[test]
    fn what_lies_elsewhere_is_a_property_of_each_suite() {
        let extent = Extent::Files([RepoPath::new("a")].into());
        let touched = Touched { since: "a1b2c3d".to_owned(), extent };
        let text = super::check(&listed(vec![], &["Nut/nut.json"]).touching(touched), Severity::Error);
        let document = roxmltree::Document::parse(&text).unwrap();
        let property = document.descendants().find(|node| node.has_tag_name("property")).unwrap();
        assert_eq!(property.attribute("value"), Some("0 findings in what was touched since a1b2c3d, 0 elsewhere"));
    }

    #[test]
    fn a_check_of_nothing_is_a_report_too() {
        let text = super::check(&listed(vec![], &[]), Severity::Error);
        assert!(roxmltree::Document::parse(&text).is_ok(), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_gives_well_formed_xml_with_the_very_text(path in hostile_text(), message in hostile_text()) {
            let finding = Finding::warning(&NO_VERSION, RepoPath::new(path.clone()), message.clone());
            let text = xml_text(&super::check(&listed(vec![finding], &[&path]), Severity::Warning));
            prop_assert_eq!(commands(&text), vec![], "{}", text);
            prop_assert!(!holds_controls(&text), "{}", text);
            let document = roxmltree::Document::parse(&text).unwrap();
            let node = |name: &str| document.descendants().find(|node| node.has_tag_name(name)).unwrap();
            let held = |text: &str| text.chars().filter(|c| is_held(*c)).collect::<String>();
            prop_assert_eq!(node("testcase").attribute("name").unwrap(), held(&path));
            prop_assert_eq!(node("failure").attribute("message").unwrap(), held(&message));
            prop_assert!(node("failure").text().unwrap().contains(&held(&message)));
            prop_assert_eq!(document.descendants().filter(|node| node.has_tag_name("testcase")).count(), 1);
        }
    }
}
