//! `run` does what the event asks for: a proposal gets words alone, the default branch gets everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fake_github::{FakeGitHub, Grant};
use crate::program::{Library, Run};

const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
const TOKEN: &str = "ghp_canary0123456789";
const WEBSITE: &str = "example-org/website";

/// A job of a workflow: a checkout, an event, and a GitHub that would take deliveries.
pub struct Job {
    pub library: Library,
    pub github: FakeGitHub,
    /// Where GITHUB_OUTPUT points to in the place of a file that is there.
    output: Option<PathBuf>,
}

/// What a job's step has left.
pub struct Step {
    pub run: Run,
    pub outputs: BTreeMap<String, String>,
    pub summary: String,
}

impl Job {
    pub fn new(library: Library) -> Self {
        let github = FakeGitHub::start();
        github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
        Self { library, github, output: None }
    }

    /// Runs the action's command for an event, with all that a workflow may have set.
    pub fn step(&self, event: &str, payload: &Value, settings: &[(&str, &str)]) -> Step {
        let beside = |name: &str| self.library.beside(name);
        fs::write(beside("event.json"), payload.to_string()).unwrap();
        for file in ["output", "summary"] {
            fs::write(beside(file), "").unwrap();
        }
        let mut program = self.library.program_without_folder(&["run"]).in_folder(&self.library.root());
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("CI", "true"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_REPOSITORY", "Codertocat/Hello-World"),
            ("GITHUB_API_URL", self.github.url()),
            ("STOCKROOM_TOKEN", TOKEN),
            ("STOCKROOM_DIRECTORY", "."),
            ("STOCKROOM_CONFIG", ""),
            ("STOCKROOM_COMMAND", ""),
            ("STOCKROOM_FAIL_ON", "error"),
        ];
        for (name, value) in variables.iter().chain(settings) {
            program = program.env(name, value);
        }
        let files =
            [("GITHUB_EVENT_PATH", "event.json"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")];
        for (name, file) in files {
            program = program.env(name, beside(file));
        }
        if let Some(output) = &self.output {
            program = program.env("GITHUB_OUTPUT", output);
        }
        Step {
            run: program.run(),
            outputs: outputs(&fs::read_to_string(beside("output")).unwrap()),
            summary: fs::read_to_string(beside("summary")).unwrap(),
        }
    }

    /// A step that may leave no trace: no file, no request, no use of the token.
    pub fn quiet_step(&self, event: &str, payload: &Value, settings: &[(&str, &str)]) -> Step {
        let before = self.library.everything();
        let step = self.step(event, payload, settings);
        assert_eq!(self.library.everything(), before, "something was written:\n{}", step.run.both());
        assert_eq!(self.github.seen(), []);
        // Whoever reads the token has it masked first.
        assert!(!step.run.both().contains("add-mask"), "the token was read:\n{}", step.run.both());
        step
    }
}

impl Step {
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}

/// What the runner reads from GITHUB_OUTPUT.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut lines) = (BTreeMap::new(), text.lines());
    while let Some(line) = lines.next() {
        let (name, end) = line.split_once("<<").unwrap_or_else(|| panic!("not in the form with a delimiter: {line}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        assert_eq!(found.insert(name.to_owned(), value.join("\n")), None, "{name} is set twice");
    }
    found
}

/// One of GitHub's own payloads.
pub fn payload(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/github/events/{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

pub fn pull_request(base: &str, head: &str) -> Value {
    let mut payload = payload("pull_request-synchronize");
    payload["pull_request"]["base"]["sha"] = json!(base);
    payload["pull_request"]["head"]["sha"] = json!(head);
    payload
}

fn push(reference: &str, after: &str) -> Value {
    let mut payload = payload("push-branch");
    payload["ref"] = json!(reference);
    payload["after"] = json!(after);
    payload
}

/// The example library and a change to one record, merged as GitHub merges it for a pull request: base and head.
pub fn proposed() -> (Job, String, String) {
    let library = Library::example();
    let base = library.git(&["rev-parse", "HEAD"]);
    library.git(&["checkout", "--quiet", "-b", "topic"]);
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    let head = library.commit();
    library.git(&["checkout", "--quiet", "--detach", "main"]);
    library.git(&["merge", "--quiet", "--no-ff", "--no-edit", "topic"]);
    (Job::new(library), base, head)
}

#[test]
fn a_pull_request_is_compared_with_its_base_and_leaves_no_trace() {
    let (job, base, head) = proposed();
    let step = job.quiet_step("pull_request", &pull_request(&base, &head), &[]);
    assert_eq!(step.run.code, 0, "{}", step.run.both());
    for said in [
        "15 records in 2 collections: 15 valid",
        "publish  manifest: .stockroom/manifest, 15 assets: 1 changed",
        "deliver  downstream/website: example-org/website, 1 changed",
        "1 chunk to embed",
        "1 to delete",
    ] {
        assert!(step.run.out.contains(said), "should say {said:?}:\n{}", step.run.out);
    }
    assert_eq!(step.output("command"), "check and plan");
    assert_eq!((step.output("valid"), step.output("findings")), ("true", "0"));
    assert!(step.summary.contains("## Plan") && !step.summary.contains("## Sync"), "{}", step.summary);
}

#[test]
fn a_merge_group_is_a_proposal_too() {
    let (job, base, head) = proposed();
    let mut payload = payload("merge_group");
    payload["merge_group"]["base_sha"] = json!(base);
    payload["merge_group"]["head_sha"] = json!(head);
    let step = job.quiet_step("merge_group", &payload, &[]);
    assert!(step.run.out.contains("15 assets: 1 changed"), "{}", step.run.both());
}

#[test]
fn a_checkout_without_history_is_planned_from_nothing_and_told_how_to_do_better() {
    let (job, base, head) = proposed();
    let job = Job::new(job.library.clone_of_depth(1));
    let step = job.quiet_step("pull_request", &pull_request(&base, &head), &[]);
    assert_eq!(step.run.code, 0, "{}", step.run.both());
    assert!(step.run.out.contains("15 assets: 15 added"), "{}", step.run.out);
    assert!(step.run.err.contains("the base of this change cannot be read"), "{}", step.run.err);
    assert!(step.run.err.contains("fetch-depth: 0"), "{}", step.run.err);
}

#[test]
fn two_commits_of_history_are_enough_for_the_merge_of_a_pull_request() {
    let (job, base, head) = proposed();
    let job = Job::new(job.library.clone_of_depth(2));
    let step = job.quiet_step("pull_request", &pull_request(&base, &head), &[]);
    assert!(step.run.out.contains("15 assets: 1 changed"), "{}", step.run.both());
}

#[test]
fn a_pull_request_with_a_fault_fails_on_its_line_and_leaves_no_trace() {
    let (job, base, head) = proposed();
    job.library.edit(HEX, "\"12.00\"", "12.00");
    job.library.commit();
    let step = job.quiet_step("pull_request", &pull_request(&base, &head), &[]);
    assert_eq!(step.run.code, 1, "{}", step.run.both());
    assert!(step.run.err.contains(&format!("::error file={HEX},line=24,")), "{}", step.run.err);
    assert_eq!((step.output("valid"), step.output("errors")), ("false", "1"));
}

#[test]
fn a_fork_cannot_ask_for_more_than_words() {
    let (job, base, head) = proposed();
    for event in ["pull_request", "pull_request_target"] {
        let payload = pull_request(&base, &head);
        let step = job.quiet_step(event, &payload, &[("STOCKROOM_COMMAND", "sync")]);
        assert_eq!(step.run.code, 2, "{}", step.run.both());
        assert!(step.run.err.contains("`sync` is not done for a pull request"), "{}", step.run.err);
        for command in ["check", "plan"] {
            let step = job.quiet_step(event, &payload, &[("STOCKROOM_COMMAND", command)]);
            assert_eq!(step.run.code, 0, "{command}: {}", step.run.both());
        }
    }
}

#[test]
fn a_push_to_the_default_branch_brings_everything_into_step() {
    let job = Job::new(Library::example());
    let commit = job.library.git(&["rev-parse", "HEAD"]);
    let step = job.step("push", &push("refs/heads/master", &commit), &[]);
    assert_eq!(step.run.code, 0, "{}", step.run.both());
    let manifest: Value =
        serde_json::from_str(&job.library.read(&format!("{}/manifest.json", step.output("manifest-path")))).unwrap();
    let source = &manifest["source"];
    assert_eq!((&source["repository"], &source["commit"]), (&json!("Codertocat/Hello-World"), &json!(commit)));
    let expected = [
        ("changed", "true"),
        ("command", "sync"),
        ("dispatched", "1"),
        ("embedded", "28"),
        ("errors", "0"),
        ("findings", "0"),
        ("manifest-digest", manifest["digest"].as_str().unwrap()),
        ("manifest-path", ".stockroom/manifest"),
        ("valid", "true"),
        ("warnings", "0"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(step.outputs, BTreeMap::from(expected));
    assert!(step.summary.contains("## Sync") && step.summary.contains("downstream/website"), "{}", step.summary);
    assert_eq!(job.github.dispatches(WEBSITE)[0]["client_payload"]["repository"], "Codertocat/Hello-World");

    let again = job.step("workflow_dispatch", &payload("workflow_dispatch"), &[]);
    assert_eq!((again.output("changed"), again.output("dispatched"), again.output("embedded")), ("false", "0", "0"));
    assert_eq!(again.output("manifest-digest"), step.output("manifest-digest"));
    assert_eq!(job.github.dispatches(WEBSITE).len(), 1);
}

#[test]
fn a_fresh_checkout_gets_its_folder_again_and_that_is_no_change() {
    let job = Job::new(Library::example());
    let push = push("refs/heads/master", &job.library.git(&["rev-parse", "HEAD"]));
    let first = job.step("push", &push, &[]);
    fs::remove_dir_all(job.library.path(".stockroom")).unwrap();
    let again = job.step("push", &push, &[]);
    assert!(again.run.out.contains("done manifest: "), "{}", again.run.out);
    assert_eq!((first.output("changed"), again.output("changed")), ("true", "false"));
    assert_eq!(again.output("manifest-digest"), first.output("manifest-digest"));
}

#[test]
fn a_run_that_comes_too_late_speaks_of_no_manifest() {
    let job = Job::new(Library::example());
    let older = job.library.git(&["rev-parse", "HEAD"]);
    job.library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    let newer = job.library.commit();
    assert_eq!(job.step("push", &push("refs/heads/master", &newer), &[]).run.code, 0);
    job.library.git(&["checkout", "--quiet", "--detach", &older]);
    let late = job.step("push", &push("refs/heads/master", &older), &[]);
    assert_eq!(late.run.code, 0, "{}", late.run.both());
    assert!(late.run.out.contains("superseded"), "{}", late.run.out);
    assert_eq!((late.output("manifest-digest"), late.output("changed")), ("", "false"));
}

#[test]
fn a_runner_that_cannot_be_told_does_not_undo_what_was_done() {
    let mut job = Job::new(Library::example());
    let commit = job.library.git(&["rev-parse", "HEAD"]);
    job.output = Some(job.library.beside("absent/output"));
    let step = job.step("push", &push("refs/heads/master", &commit), &[]);
    assert_eq!(step.run.code, 0, "{}", step.run.both());
    assert!(
        step.run.err.contains("warning: cannot write ") && step.run.err.contains("absent/output"),
        "{}",
        step.run.err
    );
    assert!(step.summary.contains("## Sync"), "the summary comes all the same: {}", step.summary);
    assert_eq!(job.github.dispatches(WEBSITE).len(), 1);
}

#[test]
fn a_push_elsewhere_is_planned_alone() {
    let job = Job::new(Library::example());
    let commit = job.library.git(&["rev-parse", "HEAD"]);
    let mut tag = payload("push-tag");
    tag["after"] = json!(commit);
    for payload in [push("refs/heads/topic", &commit), tag] {
        let step = job.quiet_step("push", &payload, &[]);
        assert_eq!((step.run.code, step.output("command")), (0, "check and plan"), "{}", step.run.both());
        assert!(step.run.out.contains("15 assets: 15 added"), "{}", step.run.out);
    }
}

#[test]
fn a_deleted_branch_asks_for_nothing() {
    let job = Job::new(Library::example());
    let step = job.quiet_step("push", &push("refs/heads/master", &"0".repeat(40)), &[]);
    assert_eq!((step.run.code, step.run.out.as_str()), (0, ""), "{}", step.run.both());
}

#[test]
fn a_release_gets_the_manifest_of_its_tag() {
    let job = Job::new(Library::example());
    let mut payload = payload("release-published");
    payload["release"]["tag_name"] = json!("v1.0.0");
    job.library.git(&["tag", "v1.0.0"]);
    let tagged = job.library.git(&["rev-parse", "HEAD"]);
    job.library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    job.library.commit();
    // A branch of the same name is not the tag.
    job.library.git(&["branch", "v1.0.0"]);
    let step = job.step("release", &payload, &[]);
    assert_eq!((step.run.code, step.output("command")), (0, "manifest"), "{}", step.run.both());
    let manifest: Value = serde_json::from_str(&job.library.read(".stockroom/manifest/manifest.json")).unwrap();
    assert_eq!(manifest["source"]["commit"], tagged);
    assert_eq!(
        (step.output("manifest-digest"), step.output("manifest-path")),
        (manifest["digest"].as_str().unwrap(), ".stockroom/manifest")
    );
    assert_eq!(job.github.seen(), [], "a release tells nobody");
    assert!(!job.library.path(".git/stockroom/state.sqlite").exists());

    payload["release"]["tag_name"] = json!("v9");
    let step = job.step("release", &payload, &[]);
    assert_eq!(step.run.code, 2, "{}", step.run.both());
    assert!(step.run.err.contains("refs/tags/v9"), "{}", step.run.err);
}

#[test]
fn a_payload_that_is_not_the_events_own_is_refused() {
    let job = Job::new(Library::example());
    let step = job.quiet_step("push", &json!({}), &[]);
    assert_eq!(step.run.code, 2, "{}", step.run.both());
    assert!(step.run.err.contains("GITHUB_EVENT_PATH"), "{}", step.run.err);
    let step = job.quiet_step("schedule", &json!({}), &[("STOCKROOM_COMMAND", "publish")]);
    assert!(step.run.code == 2 && step.run.err.contains("command is \"publish\""), "{}", step.run.err);
}

#[test]
fn warnings_fail_the_step_where_that_is_asked() {
    let job = Job::new(Library::example());
    job.library.write(HEX, format!("\u{feff}{}", job.library.read(HEX)));
    let commit = job.library.commit();
    let payload = push("refs/heads/topic", &commit);
    let step = job.quiet_step("push", &payload, &[]);
    assert_eq!((step.run.code, step.output("warnings"), step.output("valid")), (0, "1", "true"), "{}", step.run.both());
    let step = job.quiet_step("push", &payload, &[("STOCKROOM_FAIL_ON", "warning")]);
    assert_eq!(
        (step.run.code, step.output("warnings"), step.output("valid")),
        (1, "1", "false"),
        "{}",
        step.run.both()
    );
}

#[test]
fn inputs_that_are_not_set_arrive_empty_and_count_as_absent() {
    let library = Library::example();
    for words in [&["check"][..], &["plan"], &["sync"]] {
        let mut program = library.program_without_folder(words).in_folder(&library.root());
        for name in ["COMMAND", "CONFIG", "DIRECTORY", "FAIL_ON", "TOKEN", "ACTION_REF"] {
            program = program.env(&format!("STOCKROOM_{name}"), "");
        }
        program.run().ends(0);
    }
}
