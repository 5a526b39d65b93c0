//! The example workflows that receive deliveries, run as they are: they do their work, and run nothing of what is delivered.

#![cfg(unix)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::act::{Act, Job, Ran, repository};

/// What would leave a mark if a shell ran any of it.
const HOSTILE: &str = "`touch $MARK`$(touch $MARK)\"; touch $MARK; '\n::set-env name=A::B\n${{ github.token }}";

struct Receiver {
    act: Act,
    temp: TempDir,
}

impl Receiver {
    fn new() -> Option<Self> {
        let receiver = Self { act: Act::found()?, temp: TempDir::new().unwrap() };
        repository(&receiver.path("receiver"), &[("README.md", "A receiver")]);
        Some(receiver)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// Runs an example with its source in place of the one that it names.
    fn run(&self, example: &str, event: &str, payload: &Value, source: &str) -> Ran {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows-examples");
        let text = std::fs::read_to_string(folder.join(example)).unwrap();
        let workflow = self.path("workflow.yml");
        std::fs::write(&workflow, text.replace("https://assets.example.com/library/", source)).unwrap();
        let job = Job {
            scratch: &self.path("scratch"),
            repository: &self.path("receiver"),
            workflow: &workflow,
            event,
            payload,
            env: &[("MARK", self.path("mark").display().to_string())],
            secrets: &[],
        };
        self.act.run(&job)
    }

    /// The same by both events.
    fn run_by_both(&self, example: &str, envelope: &Value, source: &str) -> [Ran; 2] {
        let event = json!({"action": "asset-updated", "client_payload": envelope});
        let inputs = json!({"correlation_id": envelope["correlation_id"], "envelope": envelope.to_string()});
        let runs = [
            self.run(example, "repository_dispatch", &event, source),
            self.run(example, "workflow_dispatch", &json!({"inputs": inputs, "ref": "refs/heads/main"}), source),
        ];
        assert!(!self.path("mark").exists(), "a part of the envelope was run:\n{}", runs[0].log);
        runs
    }
}

fn envelope(digest: &str) -> Value {
    json!({
        "version": 1, "correlation_id": format!("sr-1{HOSTILE}"), "repository": HOSTILE, "commit": HOSTILE,
        "manifest": {"digest": digest, "url": HOSTILE}, "ref": HOSTILE,
        "delta": {"added": [{"collection": HOSTILE, "id": HOSTILE}], "truncated": false},
    })
}

#[test]
fn the_receiver_rebuilds_whatever_the_envelope_holds() {
    let Some(receiver) = Receiver::new() else { return };
    for run in receiver.run_by_both("website-repo-receiver.yml", &envelope(&"a".repeat(64)), "nowhere") {
        assert!(run.succeeded && run.log.contains("delivery \"sr-1`touch"), "{}", run.log);
        assert!(!run.log.contains("goes back"), "{}", run.log);
    }
    let mut back = envelope(&"a".repeat(64));
    back["delta"]["rollback"] = json!(true);
    for run in receiver.run_by_both("website-repo-receiver.yml", &back, "nowhere") {
        assert!(run.succeeded && run.log.contains("goes back"), "{}", run.log);
    }
    for run in receiver.run_by_both("website-repo-receiver.yml", &json!({"version": 2}), "nowhere") {
        assert!(!run.succeeded && !run.log.contains("Here the "), "{}", run.log);
    }
}

#[test]
fn the_gate_tests_what_is_announced_and_nothing_else() {
    let Some(receiver) = Receiver::new() else { return };
    let library = crate::program::Library::of(&[
        ("stockroom.yml", "version: 1\ncollections: {products: {metadata: '*.json'}}\n"),
        ("bolt.json", r#"{"title": "a bolt"}"#),
    ]);
    let published = library.path("published");
    let source = published.to_str().unwrap();
    library.run(&["manifest", "--output", source]).ends(0);
    let root: Value = serde_json::from_str(&library.read("published/manifest.json")).unwrap();
    let digest = root["digest"].as_str().unwrap();
    for run in receiver.run_by_both("integration-gate.yml", &envelope(digest), source) {
        assert!(run.succeeded && run.log.contains("Here the tests run"), "{}", run.log);
    }
    for run in receiver.run_by_both("integration-gate.yml", &envelope(&"b".repeat(64)), source) {
        assert!(!run.succeeded && !run.log.contains("Here the "), "{}", run.log);
    }
    for run in receiver.run_by_both("integration-gate.yml", &envelope(HOSTILE), source) {
        assert!(!run.succeeded && !run.log.contains("Here the "), "{}", run.log);
    }
    let mut back = envelope(&"b".repeat(64));
    back["delta"]["rollback"] = json!(true);
    for run in receiver.run_by_both("integration-gate.yml", &back, source) {
        assert!(run.succeeded && !run.log.contains("Here the tests run"), "{}", run.log);
    }
}
