//! `check --format json`, version 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::{Finding, Severity};
use crate::report::touched::Extent;
use crate::report::{Check, Counts, Summary};

/// What `stockroom check` found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom check, version 1")]
struct CheckV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// The commit that was checked; null in a repository without one.
    commit: Option<&'a str>,
    /// Whether files that differ from that commit were checked instead of its own.
    dirty: bool,
    /// The totals.
    summary: SummaryV1<'a>,
    /// Every finding: errors first; among those that are equally bad the touched ones first, then by path and place.
    findings: Vec<FindingV1<'a>>,
}

/// The totals.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
struct SummaryV1<'a> {
    /// Records read.
    records: usize,
    /// Records without an error.
    valid: usize,
    /// Records with at least one error.
    invalid: usize,
    /// Findings that are errors.
    errors: usize,
    /// Findings that are warnings.
    warnings: usize,
    /// The records of each collection, by its name.
    by_collection: BTreeMap<&'a str, CountsV1>,
    /// How many records were checked with each schema, by `name@version`.
    by_schema: &'a BTreeMap<String, usize>,
    /// What decided the verdicts beside the schemas themselves; null where there was nothing to decide.
    policy: Option<PolicyV1<'a>>,
    /// What the change touched that is looked at; null where none is.
    touched: Option<TouchedV1<'a>>,
}

/// What a change touched.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Touched")]
struct TouchedV1<'a> {
    /// The commit that the change is counted from.
    since: &'a str,
    /// Whether every finding counts as touched.
    everything: bool,
    /// Why everything does; null where it does not.
    why: Option<&'a str>,
    /// Findings in what the change touched.
    findings: usize,
    /// Findings in what it left alone.
    elsewhere: usize,
}

/// What decides verdicts beside the schemas themselves.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Policy")]
struct PolicyV1<'a> {
    /// What the keyword `format` did: `assert`, `annotate` or `off`.
    format: &'a str,
    /// The draft of a schema that names none, as `schemas.draft` has it.
    draft: &'a str,
    /// The drafts of the schemas that records were checked with, the oldest first.
    drafts: &'a [String],
}

/// The records of a collection.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Counts")]
struct CountsV1 {
    /// Records read.
    records: usize,
    /// Records without an error.
    valid: usize,
    /// Records with at least one error.
    invalid: usize,
}

/// One thing that is wrong with the data.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
pub(super) struct FindingV1<'a> {
    /// What kind of thing: lower-case words joined by `-`.
    code: &'a str,
    /// How bad.
    severity: SeverityV1,
    /// The file, relative to the library's root.
    path: &'a str,
    /// Counted from 1.
    line: u32,
    /// In characters, counted from 1.
    column: u32,
    /// The line of the last character.
    end_line: u32,
    /// The column after the last character.
    end_column: u32,
    /// The JSON Pointer of the value at fault; empty for the whole record or file.
    pointer: &'a str,
    /// What is wrong, in a sentence.
    message: &'a str,
    /// What to do; null where there is nothing to say.
    help: Option<&'a str>,
    /// Whether the change touched what it is about; null where no change is looked at.
    touched: Option<bool>,
}

/// How bad a finding is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Severity")]
enum SeverityV1 {
    Error,
    Warning,
}

impl<'a> From<&'a Check> for CheckV1<'a> {
    fn from(check: &'a Check) -> Self {
        Self {
            version: 1,
            commit: check.commit.as_ref().map(crate::ids::CommitId::as_str),
            dirty: check.dirty,
            summary: SummaryV1 { touched: touched(check), ..SummaryV1::from(&check.summary) },
            findings: check
                .findings
                .iter()
                .map(|finding| FindingV1 { touched: check.is_touched(finding), ..FindingV1::from(finding) })
                .collect(),
        }
    }
}

fn touched(check: &Check) -> Option<TouchedV1<'_>> {
    let (touched, division) = (check.touched.as_ref()?, check.division()?);
    let why = match &touched.extent {
        Extent::Everything { why } => Some(why.as_str()),
        Extent::Files(_) => None,
    };
    Some(TouchedV1 {
        since: &touched.since,
        everything: why.is_some(),
        why,
        findings: division.touched,
        elsewhere: division.elsewhere,
    })
}

impl<'a> From<&'a Summary> for SummaryV1<'a> {
    fn from(summary: &'a Summary) -> Self {
        let Summary { records, valid, invalid, errors, warnings, by_collection, by_schema, policy } = summary;
        Self {
            records: *records,
            valid: *valid,
            invalid: *invalid,
            errors: *errors,
            warnings: *warnings,
            by_schema,
            touched: None,
            policy: policy.as_ref().map(|policy| PolicyV1 {
                format: &policy.format,
                draft: &policy.draft,
                drafts: &policy.drafts,
            }),
            by_collection: by_collection
                .iter()
                .map(|(name, counts)| (name.as_str(), CountsV1::from(*counts)))
                .collect(),
        }
    }
}

impl From<Counts> for CountsV1 {
    fn from(Counts { records, valid, invalid }: Counts) -> Self {
        Self { records, valid, invalid }
    }
}

impl<'a> From<&'a Finding> for FindingV1<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            code: finding.code.id,
            severity: match finding.severity {
                Severity::Error => SeverityV1::Error,
                Severity::Warning => SeverityV1::Warning,
            },
            path: finding.path.as_str(),
            line: finding.span.line,
            column: finding.span.column,
            end_line: finding.span.end_line,
            end_column: finding.span.end_column,
            pointer: &finding.pointer,
            message: &finding.message,
            help: finding.help.as_deref(),
            touched: None,
        }
    }
}

/// The document, indented, ending in a line break. The texts in it are as the data has them; the console that writes it
/// makes them harmless.
pub fn render(check: &Check) -> String {
    super::pretty(&CheckV1::from(check))
}

/// The JSON Schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(CheckV1<'static>).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RepoPath;
    use crate::report::tests::{check, three_findings};
    use crate::report::touched::Touched;

    #[test]
    fn the_document_validates_against_its_schema() {
        let validator = jsonschema::options().offline().build(&schema()).unwrap();
        for findings in [vec![], three_findings()] {
            let document = serde_json::from_str(&render(&check(findings))).unwrap();
            assert_eq!(validator.iter_errors(&document).map(|e| e.to_string()).collect::<Vec<_>>(), [""; 0]);
        }
        assert!(!validator.is_valid(&serde_json::json!({ "version": 2 })));
    }

    #[test]
    fn the_shape_is_frozen() {
        let files = Extent::Files([RepoPath::new("Hex Bolt/hex.json")].into());
        let check = check(three_findings()).touching(Touched { since: "b2c3d4e".to_owned(), extent: files });
        let document: serde_json::Value = serde_json::from_str(&render(&check)).unwrap();
        insta::assert_json_snapshot!(document, @r#"
    {
      "commit": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
      "dirty": false,
      "findings": [
        {
          "code": "wrong-type",
          "column": 12,
          "end_column": 18,
          "end_line": 4,
          "help": "write 4.5 without quotes",
          "line": 4,
          "message": "/price is a string, not a number",
          "path": "Hex Bolt/hex.json",
          "pointer": "/price",
          "severity": "error",
          "touched": true
        },
        {
          "code": "no-version",
          "column": 1,
          "end_column": 2,
          "end_line": 1,
          "help": "add \"schema_version\": \"1.1.0\"",
          "line": 1,
          "message": "the record names no schema version",
          "path": "Hex Bolt/hex.json",
          "pointer": "",
          "severity": "warning",
          "touched": true
        },
        {
          "code": "no-version",
          "column": 1,
          "end_column": 2,
          "end_line": 1,
          "help": null,
          "line": 1,
          "message": "::error::the record names none",
          "path": "new\nline\u001b[2J.json",
          "pointer": "",
          "severity": "warning",
          "touched": false
        }
      ],
      "summary": {
        "by_collection": {
          "categories": {
            "invalid": 0,
            "records": 1,
            "valid": 1
          },
          "products": {
            "invalid": 1,
            "records": 12,
            "valid": 11
          }
        },
        "by_schema": {},
        "errors": 1,
        "invalid": 1,
        "policy": null,
        "records": 13,
        "touched": {
          "elsewhere": 1,
          "everything": false,
          "findings": 2,
          "since": "b2c3d4e",
          "why": null
        },
        "valid": 12,
        "warnings": 2
      },
      "version": 1
    }
    "#);
    }
}
