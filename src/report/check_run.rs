//! A check run on GitHub: every finding on its line, where a log may have ten of a kind.
//!
//! What is rendered is the bodies of requests to `POST` and `PATCH /repos/{owner}/{repo}/check-runs`, each with as many
//! annotations as GitHub takes at once.

use serde_json::{Map, Value, json};

use super::Check;
use super::log_text::{shortened, without_controls};
use super::summary;
use crate::finding::words::count;
use crate::finding::{Finding, Severity};
use crate::ids::CommitId;

/// GitHub takes so many annotations in one request.
const BATCH: usize = 50;
/// So many findings are shown, that a run makes twenty requests at most.
const MOST: usize = 1_000;
/// GitHub takes 65,535 characters; what is added behind the summary is short.
const SUMMARY_LIMIT: usize = 60_000;
/// GitHub takes 64 KB of a message; a sentence has less.
const MESSAGE_LIMIT: usize = 4_096;

/// What a check run says beside the findings.
#[derive(Debug, Clone, Copy)]
pub struct CheckRun<'a> {
    /// Where the library lies in the repository, empty for its root.
    pub folder: &'a str,
    /// The proposed commit, not the one that it would be merged as.
    pub head: &'a CommitId,
    /// Whether the run ends well.
    pub is_valid: bool,
    /// The page of the workflow's run.
    pub page: Option<&'a str>,
}

/// The bodies of the requests: the first makes the check run, the others add to it.
pub fn requests(check: &Check, run: CheckRun<'_>) -> Vec<Value> {
    let shown = check.findings.get(..MOST).unwrap_or(&check.findings);
    let annotations: Vec<Value> = shown.iter().map(|finding| annotation(finding, run.folder)).collect();
    let unsaid = check.findings.len() - shown.len();
    let mut text = summary::within(check, SUMMARY_LIMIT);
    if unsaid > 0 {
        text.push_str(&format!("\n… and {} that no line shows.\n", count(unsaid, "more finding")));
    }
    let output = |batch: &[Value]| json!({ "title": title(check), "summary": text, "annotations": batch });
    let mut batches = annotations.chunks(BATCH);
    let mut first = json!({
        "name": name(run.folder),
        "head_sha": run.head.as_str(),
        "status": "completed",
        "conclusion": if run.is_valid { "success" } else { "failure" },
        "output": output(batches.next().unwrap_or_default()),
    });
    if let (Some(page), Some(members)) = (run.page, first.as_object_mut()) {
        members.insert("details_url".to_owned(), json!(page));
    }
    std::iter::once(first).chain(batches.map(|batch| json!({ "output": output(batch) }))).collect()
}

fn name(folder: &str) -> String {
    match folder.trim_end_matches('/') {
        "" | "." => "Stockroom".to_owned(),
        folder => shortened(&format!("Stockroom: {}", without_controls(folder)), 100),
    }
}

fn title(check: &Check) -> String {
    let kinds = [(check.summary.errors, "error"), (check.summary.warnings, "warning")];
    let said: Vec<String> = kinds.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| count(n, noun)).collect();
    if said.is_empty() { format!("{} valid", count(check.summary.valid, "record")) } else { said.join(", ") }
}

fn annotation(finding: &Finding, folder: &str) -> Value {
    let message = match &finding.help {
        Some(help) => format!("{}\nhelp: {help}", finding.message),
        None => finding.message.clone(),
    };
    let path = match folder.trim_end_matches('/') {
        "" | "." => finding.path.to_string(),
        folder => format!("{folder}/{}", finding.path),
    };
    let span = finding.span;
    let (line, end_line) = (span.line.max(1), span.end_line.max(span.line).max(1));
    let mut annotation = Map::new();
    annotation.insert("path".into(), json!(path));
    annotation.insert("start_line".into(), json!(line));
    annotation.insert("end_line".into(), json!(end_line));
    // GitHub refuses columns where the lines differ.
    if line == end_line {
        let last = span.end_column.saturating_sub(1).max(span.column).max(1);
        annotation.insert("start_column".into(), json!(span.column.max(1)));
        annotation.insert("end_column".into(), json!(last));
    }
    let level = match finding.severity {
        Severity::Error => "failure",
        Severity::Warning => "warning",
    };
    annotation.insert("annotation_level".into(), json!(level));
    let message = shortened(&without_controls(&message), MESSAGE_LIMIT);
    annotation.insert("message".into(), json!(if message.is_empty() { finding.code.id } else { &message }));
    annotation.insert("title".into(), json!(finding.code.id));
    Value::Object(annotation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Span;
    use crate::ids::RepoPath;
    use crate::report::tests::{WRONG_TYPE, check as check_of, three_findings};

    fn of(findings: Vec<Finding>, folder: &str) -> Vec<Value> {
        let head = CommitId::parse(&"b2".repeat(20)).unwrap();
        requests(&check_of(findings), CheckRun { folder, head: &head, is_valid: false, page: Some("https://x/1") })
    }

    #[test]
    fn each_finding_is_an_annotation() {
        let requests = of(three_findings(), "assets/");
        assert_eq!(requests.len(), 1);
        let mut first = requests[0].clone();
        assert!(first["output"]["summary"].as_str().unwrap().starts_with("## Check\n"));
        first["output"]["summary"] = json!("…");
        first["output"]["annotations"].as_array_mut().unwrap().truncate(1);
        insta::assert_json_snapshot!(first, @r#"
        {
          "conclusion": "failure",
          "details_url": "https://x/1",
          "head_sha": "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2",
          "name": "Stockroom: assets",
          "output": {
            "annotations": [
              {
                "annotation_level": "failure",
                "end_column": 17,
                "end_line": 4,
                "message": "/price is a string, not a number\nhelp: write 4.5 without quotes",
                "path": "assets/Hex Bolt/hex.json",
                "start_column": 12,
                "start_line": 4,
                "title": "wrong-type"
              }
            ],
            "summary": "…",
            "title": "1 error, 2 warnings"
          },
          "status": "completed"
        }
        "#);
    }

    #[test]
    fn ten_thousand_findings_are_twenty_requests_within_the_limits() {
        let finding = |n: u32| {
            let path = RepoPath::new(format!("{n}/{}", "😀".repeat(500)));
            Finding::error(&WRONG_TYPE, path, "`".repeat(9000)).at(Span {
                line: n,
                column: 3,
                end_line: n + 1,
                end_column: 1,
            })
        };
        let requests = of((1..=10_000).map(finding).collect(), "");
        assert_eq!(requests.len(), 20);
        for request in &requests {
            let output = &request["output"];
            assert_eq!(output["annotations"].as_array().unwrap().len(), BATCH);
            assert!(output["summary"].as_str().unwrap().len() <= 65_535);
            assert_eq!(output["annotations"][0]["start_column"], Value::Null);
        }
        assert!(requests[0]["output"]["summary"].as_str().unwrap().contains("9000 more findings that no line shows."));
        assert_eq!(requests[1]["head_sha"], Value::Null);
    }

    #[test]
    fn a_check_without_findings_is_shown_too() {
        let requests = of(vec![], "");
        assert_eq!(requests.len(), 1);
        assert_eq!(
            (&requests[0]["name"], &requests[0]["output"]["title"]),
            (&json!("Stockroom"), &json!("12 records valid"))
        );
    }
}
