//! `check --format sarif`: SARIF 2.1.0, for code scanning on GitHub and other readers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Check;
use crate::finding::words::count;
use crate::finding::{Code, Finding, Severity};
use crate::ids::{RepoPath, Sha256Hex};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Where each code is explained.
const CODES: &str = "https://github.com/stockroom/stockroom/blob/v1/docs/finding-codes.md";
/// GitHub shows no more of one run, and refuses files of more than 10 MB, compressed.
const MOST_RESULTS: usize = 5_000;
/// What paths are relative to: the root of the checkout.
const ROOT: &str = "SRCROOT";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    invocations: [Invocation; 1],
    original_uri_base_ids: BTreeMap<&'static str, Base>,
    column_kind: &'static str,
    results: Vec<ResultV1<'a>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    help: Text,
    help_uri: String,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
}

#[derive(Serialize)]
struct Base {
    description: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultV1<'a> {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location<'a>>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Properties>,
}

#[derive(Serialize)]
struct Properties {
    /// Whether the change that was looked at touched it.
    touched: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    uri_base_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'a> {
    fully_qualified_name: &'a str,
}

/// The log of one run. `folder` is where the library lies in the checkout, empty for its root.
///
/// Beyond the most that GitHub takes, the first ones are listed and the rest is counted in a notification.
pub fn check(check: &Check, folder: &str) -> String {
    let listed = check.findings.get(..MOST_RESULTS).unwrap_or(&check.findings);
    let codes: BTreeMap<&'static str, &'static Code> = listed.iter().map(|f| (f.code.id, f.code)).collect();
    let indexes: BTreeMap<&str, usize> = codes.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let mut seen = BTreeMap::new();
    let results = listed.iter().map(|finding| ResultV1 {
        rule_id: finding.code.id,
        rule_index: indexes.get(finding.code.id).copied().unwrap_or_default(),
        level: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: Text { text: message(finding) },
        locations: [location(finding, folder)],
        related_locations: finding.related.iter().map(|path| Location::of_file(path, folder)).collect(),
        partial_fingerprints: [("stockroom/v1", fingerprint(finding, folder, &mut seen))].into(),
        properties: check.is_touched(finding).map(|touched| Properties { touched }),
    });
    let unsaid = check.findings.len() - listed.len();
    let unsaid = (unsaid > 0).then(|| Notification {
        level: "note",
        message: Text { text: format!("{} left out", count(unsaid, "more finding")) },
    });
    let division = check.division_said();
    let division =
        division.map(|said| Notification { level: "note", message: Text { text: said.replace("](", "] (") } });
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            results: results.collect(),
            tool: Tool { driver: driver(codes.values().copied()) },
            invocations: [Invocation {
                execution_successful: true,
                tool_execution_notifications: unsaid.into_iter().chain(division).collect(),
            }],
            original_uri_base_ids: [(ROOT, Base { description: Text { text: "The root of the checkout.".into() } })]
                .into(),
            column_kind: "unicodeCodePoints",
        }],
    };
    super::json::pretty(&log)
}

fn driver(codes: impl Iterator<Item = &'static Code>) -> Driver {
    let rule = |code: &'static Code| Rule {
        id: code.id,
        short_description: Text { text: first_sentence(code.meaning).to_owned() },
        help: Text { text: code.meaning.to_owned() },
        help_uri: format!("{CODES}#{}", code.id),
    };
    Driver {
        name: "Stockroom",
        semantic_version: env!("CARGO_PKG_VERSION"),
        information_uri: "https://github.com/stockroom/stockroom",
        rules: codes.map(rule).collect(),
    }
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").and_then(|end| text.get(..=end)).unwrap_or(text)
}

/// What is wrong and what to do. In a SARIF message `[text](target)` is a link, which nothing foreign may become.
fn message(finding: &Finding) -> String {
    let said = match &finding.help {
        Some(help) => format!("{}\n{help}", finding.message),
        None => finding.message.clone(),
    };
    said.replace("](", "] (")
}

fn location<'a>(finding: &'a Finding, folder: &str) -> Location<'a> {
    let span = finding.span;
    let region = Region {
        start_line: span.line.max(1),
        start_column: span.column.max(1),
        end_line: span.end_line.max(span.line).max(1),
        end_column: span.end_column.max(1),
    };
    let pointer = Some(finding.pointer.as_str()).filter(|pointer| !pointer.is_empty());
    let mut location = Location::of_file(&finding.path, folder);
    location.physical_location.region = Some(region);
    location.logical_locations =
        pointer.map(|name| LogicalLocation { fully_qualified_name: name }).into_iter().collect();
    location
}

impl Location<'_> {
    fn of_file(path: &RepoPath, folder: &str) -> Self {
        let uri = in_checkout(path, folder).percent_encoded();
        let artifact_location = ArtifactLocation { uri, uri_base_id: ROOT };
        Self { physical_location: PhysicalLocation { artifact_location, region: None }, logical_locations: Vec::new() }
    }
}

fn in_checkout(path: &RepoPath, folder: &str) -> RepoPath {
    RepoPath::join(Some(folder.trim_end_matches('/')).filter(|folder| *folder != ".").unwrap_or(""), path.as_str())
}

/// What stays the same while lines move and words change: the code, the file, the pointer, and which of several such it is.
fn fingerprint(finding: &Finding, folder: &str, seen: &mut BTreeMap<String, usize>) -> String {
    let what = format!("{}\0{}\0{}", finding.code.id, in_checkout(&finding.path, folder), finding.pointer);
    let digest = Sha256Hex::of(what.as_bytes());
    let earlier = seen.entry(what).or_default();
    *earlier += 1;
    format!("{}:{earlier}", digest.short())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::finding::Span;
    use crate::report::tests::{WRONG_TYPE, check as check_of, three_findings};
    use crate::report::touched::{Extent, Touched};

    fn valid(text: &str) -> Value {
        let schema = include_str!("../../tests/fixtures/sarif/sarif-schema-2.1.0.json");
        let mut schema: Value = serde_json::from_str(schema).unwrap();
        for owner in ["run", "toolComponent"] {
            // A regular expression with one bracket too many, by which the schema would be no schema.
            schema["definitions"][owner]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
        }
        let validator = jsonschema::options().offline().should_validate_formats(true).build(&schema).unwrap();
        let document: Value = serde_json::from_str(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{text}");
        document
    }

    fn results(findings: Vec<Finding>, folder: &str) -> Vec<Value> {
        valid(&check(&check_of(findings), folder))["runs"][0]["results"].as_array().unwrap().clone()
    }

    #[test]
    fn what_lies_elsewhere_is_counted_in_a_notification() {
        let extent = Extent::Everything { why: "stockroom.yml was changed".to_owned() };
        let document =
            valid(&check(&check_of(vec![]).touching(Touched { since: "a1b2c3d".to_owned(), extent }), ""));
        let said = &document["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert_eq!(said, "everything counts as touched, because stockroom.yml was changed");
    }

    #[test]
    fn the_log_is_as_the_standard_says() {
        let document = valid(&check(&check_of(three_findings()), ""));
        let run = &document["runs"][0];
        insta::assert_json_snapshot!(run["results"][0], @r#"
        {
          "level": "error",
          "locations": [
            {
              "logicalLocations": [
                {
                  "fullyQualifiedName": "/price"
                }
              ],
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "Hex%20Bolt/hex.json",
                  "uriBaseId": "SRCROOT"
                },
                "region": {
                  "endColumn": 18,
                  "endLine": 4,
                  "startColumn": 12,
                  "startLine": 4
                }
              }
            }
          ],
          "message": {
            "text": "/price is a string, not a number\nwrite 4.5 without quotes"
          },
          "partialFingerprints": {
            "stockroom/v1": "eb0ec2be62a556ca:1"
          },
          "ruleId": "wrong-type",
          "ruleIndex": 1
        }
        "#);
        assert_eq!(run["tool"]["driver"]["rules"][1]["id"], "wrong-type");
        assert_eq!(run["columnKind"], "unicodeCodePoints");
        valid(&check(&check_of(vec![]), "assets/"));
    }

    #[test]
    fn the_folder_of_the_library_leads_the_path() {
        let uri = |folder: &str| {
            let results = results(three_findings(), folder);
            results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().to_owned()
        };
        assert_eq!(uri("my assets/"), "my%20assets/Hex%20Bolt/hex.json");
        assert_eq!(uri("."), "Hex%20Bolt/hex.json");
    }

    #[test]
    fn a_fingerprint_outlives_a_move_and_tells_equals_apart() {
        let finding = |line: u32, message: &str| {
            Finding::error(&WRONG_TYPE, RepoPath::new("a"), message).at(Span::at(line, 1)).about("/x")
        };
        let prints = |findings: Vec<Finding>| {
            let results = results(findings, "");
            results.iter().map(|result| result["partialFingerprints"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(prints(vec![finding(1, "m")]), prints(vec![finding(9, "other words")]));
        let twice = prints(vec![finding(1, "m"), finding(2, "m")]);
        assert_ne!(twice[0], twice[1]);
    }

    #[test]
    fn nothing_foreign_becomes_a_link() {
        let finding = Finding::error(&WRONG_TYPE, RepoPath::new("a"), "[x](http://evil)").help("[y](1)");
        assert_eq!(results(vec![finding], "")[0]["message"]["text"], "[x] (http://evil)\n[y] (1)");
    }

    #[test]
    fn what_github_would_not_show_is_counted() {
        let finding = |n: u32| Finding::error(&WRONG_TYPE, RepoPath::new("a"), "m").at(Span::at(n, 1));
        let text = check(&check_of((1..=5_003).map(finding).collect()), "");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["runs"][0]["results"].as_array().unwrap().len(), MOST_RESULTS);
        let notes = &document["runs"][0]["invocations"][0]["toolExecutionNotifications"];
        assert_eq!(notes[0]["message"]["text"], "3 more findings left out");
    }

    #[test]
    fn a_change_and_the_other_file_are_named() {
        let finding = Finding::error(&WRONG_TYPE, RepoPath::new("a"), "m").related(RepoPath::new("b c"));
        let touched = Touched { since: String::new(), extent: Extent::Files([RepoPath::new("b c")].into()) };
        let document = valid(&check(&check_of(vec![finding]).touching(touched), ""));
        let result = &document["runs"][0]["results"][0];
        assert_eq!(result["properties"]["touched"], true);
        let related = &result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(related, "b%20c");
    }
}
