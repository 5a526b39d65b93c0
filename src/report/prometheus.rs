//! What a sync did as numbers for Prometheus, in the text format that node_exporter's textfile collector reads.
//!
//! Each is what the last run did, so each is a gauge. What became of nothing is a zero, so that a series that was there once
//! does not end.

use std::fmt::Write as _;
use std::time::Duration;

use super::course::Requests;
use super::targets::{EmbeddingNumbers, Kind, Outcome, Sync, rows};
use crate::ids::TargetName;

const KINDS: [(Kind, &str); 3] =
    [(Kind::Manifest, "manifest"), (Kind::Downstream, "downstream"), (Kind::Embedding, "embedding")];
const OUTCOMES: [Outcome; 5] =
    [Outcome::Done, Outcome::Unchanged, Outcome::Superseded, Outcome::Skipped, Outcome::Failed];

/// Writes metrics of one library.
struct Exposition {
    out: String,
    /// `library="…"`, which keeps the libraries of a machine apart.
    library: String,
}

impl Exposition {
    /// The head of a metric.
    fn metric(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP stockroom_{name} {help}\n# TYPE stockroom_{name} gauge");
    }

    /// A metric of one value.
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.metric(name, help);
        let _ = writeln!(self.out, "stockroom_{name}{{{}}} {value}", self.library);
    }
}

/// The whole file: what this run of the library did, and how long it took.
pub fn render(library: &str, sync: &Sync, took: Duration) -> String {
    let mut all = Exposition { out: String::new(), library: format!("library=\"{}\"", escaped(library)) };
    targets(&mut all, sync);
    let Requests { requests, writes, unchanged, retries, limited, waited_seconds, limit, remaining } = sync.requests;
    all.gauge("requests", "Requests that the last run made to GitHub's API, repetitions included.", requests);
    all.gauge("requests_writes", "Those of them that write.", writes);
    all.gauge("requests_unchanged", "Answers 304 Not Modified, which cost nothing.", unchanged);
    all.gauge("requests_retries", "Requests that repeat another one.", retries);
    all.gauge("requests_limited", "Answers that said that there were too many requests.", limited);
    all.gauge("requests_longest_wait_seconds", "How long a request waited at most for its turn.", waited_seconds);
    if let (Some(limit), Some(remaining)) = (limit, remaining) {
        all.gauge("budget_limit", "Requests that GitHub lets pass in an hour.", limit);
        all.gauge("budget_remaining", "Requests that were left of that after the last run.", remaining);
    }
    let EmbeddingNumbers { embedded, tokens, .. } = sync.embedding;
    let embedded = u64::try_from(embedded).unwrap_or(u64::MAX);
    all.gauge("embedded_chunks", "Chunks that the last run gave to the model.", embedded);
    all.gauge("embedded_tokens", "Tokens that the model counted in them.", tokens);
    all.metric("run_duration_seconds", "How long the last run took.");
    let _ = writeln!(all.out, "stockroom_run_duration_seconds{{{}}} {}", all.library, took.as_secs_f64());
    all.out
}

fn targets(all: &mut Exposition, sync: &Sync) {
    let planned = rows(&sync.plan);
    let kind = |name: &TargetName| planned.iter().find(|row| row.name == *name).map(|row| row.kind);
    let ended: Vec<_> = sync.results.iter().map(|result| (kind(&result.name), result.outcome)).collect();
    all.metric("targets", "Targets of the last run, by their kind and by what became of them.");
    for (kind, kind_name) in KINDS {
        for outcome in OUTCOMES {
            let count = ended.iter().filter(|ended| **ended == (Some(kind), outcome)).count();
            let (library, outcome) = (&all.library, outcome.as_str());
            let labels = format!("{library},kind=\"{kind_name}\",outcome=\"{outcome}\"");
            let _ = writeln!(all.out, "stockroom_targets{{{labels}}} {count}");
        }
    }
}

/// The text within the quotes of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::targets::tests::{busy, run};
    use super::*;

    fn ended() -> Sync {
        let ended = [(Outcome::Done, ""), (Outcome::Unchanged, ""), (Outcome::Failed, ""), (Outcome::Done, "")];
        let requests =
            Requests { requests: 9, writes: 2, limit: Some(5_000), remaining: Some(4_991), ..Requests::default() };
        Sync { requests, ..run(busy(), &ended) }
    }

    #[test]
    fn every_number_has_its_line() {
        let text = render("org/library", &ended(), Duration::from_millis(2_500));
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        stockroom_targets{library="org/library",kind="manifest",outcome="done"} 1
        stockroom_targets{library="org/library",kind="downstream",outcome="unchanged"} 1
        stockroom_targets{library="org/library",kind="downstream",outcome="failed"} 1
        stockroom_targets{library="org/library",kind="embedding",outcome="done"} 1
        stockroom_requests{library="org/library"} 9
        stockroom_requests_writes{library="org/library"} 2
        stockroom_budget_limit{library="org/library"} 5000
        stockroom_budget_remaining{library="org/library"} 4991
        stockroom_embedded_chunks{library="org/library"} 1
        stockroom_embedded_tokens{library="org/library"} 7
        stockroom_run_duration_seconds{library="org/library"} 2.5
        "#);
        assert_eq!(text.lines().filter(|line| line.starts_with("stockroom_targets{")).count(), 15, "zeros too");
    }

    #[test]
    fn a_server_that_does_not_count_has_no_budget() {
        let text = render("x", &run(busy(), &[]), Duration::ZERO);
        assert!(
            !text.contains("budget") && text.ends_with("stockroom_run_duration_seconds{library=\"x\"} 0\n"),
            "{text}"
        );
    }

    #[test]
    fn each_metric_has_one_head_right_before_its_values_and_nothing_breaks_a_line() {
        let text = render("a\"b\\c\nd", &ended(), Duration::ZERO);
        assert!(text.contains(r#"{library="a\"b\\c\nd"}"#), "{text}");
        let mut seen = std::collections::BTreeSet::new();
        let mut lines = text.lines().peekable();
        while let Some(head) = lines.next() {
            let name = head.strip_prefix("# HELP ").and_then(|rest| rest.split(' ').next()).unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && seen.insert(name), "{name}");
            assert_eq!(lines.next().unwrap(), format!("# TYPE {name} gauge"));
            let mut values = 0;
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (of, value) = line.rsplit_once("} ").unwrap();
                assert!(of.starts_with(&format!("{name}{{library=\"")) && value.parse::<f64>().is_ok(), "{line}");
                values += 1;
            }
            assert!(values > 0, "{name}");
        }
    }
}
