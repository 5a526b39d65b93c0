//! What a pull request is told where that is asked for: a check run with every finding, a comment that is kept up to date.

use serde_json::{Value, json};

use crate::fake_github::reviews::WORKFLOW;
use crate::fake_github::{Commentary, Fault, Grant};
use crate::program::Library;
use crate::proposal::{Job, Step, proposed, pull_request};

const HERE: &str = "Codertocat/Hello-World";
const OURS: &str = "ghs_workflow0123456789";
const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
const MARKER: &str = "<!-- stockroom: check of / -->\n";
const BOTH: [(&str, &str); 3] =
    [("STOCKROOM_CHECK_RUN", "true"), ("STOCKROOM_COMMENT", "true"), ("STOCKROOM_GITHUB_TOKEN", OURS)];
const COMMENT: [(&str, &str); 2] = [BOTH[1], BOTH[2]];
const CHECK_RUN: [(&str, &str); 2] = [BOTH[0], BOTH[2]];

/// A pull request, number 2, in a repository whose workflow's token may review it.
fn reviewed() -> (Job, Value) {
    let (job, base, head) = proposed();
    job.github.add_repo(HERE, true).allow(OURS, HERE, Grant::Review);
    (job, pull_request(&base, &head))
}

fn step(job: &Job, payload: &Value, settings: &[(&str, &str)]) -> Step {
    let step = job.step("pull_request", payload, settings);
    assert!(step.run.code < 2, "{}", step.run.both());
    step
}

fn with_fault(job: &Job) {
    job.library.edit(HEX, "\"12.00\"", "12.00");
    job.library.commit();
}

#[test]
fn a_check_run_has_every_finding_on_the_proposed_commit_and_the_log_has_none_twice() {
    let (job, payload) = reviewed();
    for n in 0..120 {
        job.library.write(&format!("New {n:03}/New {n:03}.json"), "{\"handle\": 7");
    }
    job.library.commit();
    let step = step(&job, &payload, &CHECK_RUN);
    let [run] = &job.github.check_runs(HERE)[..] else { panic!("{}", step.run.both()) };
    assert_eq!(run["head_sha"], payload["pull_request"]["head"]["sha"]);
    assert_eq!((&run["conclusion"], &run["name"]), (&json!("failure"), &json!("Stockroom")));
    assert_eq!(run["output"]["annotations"].as_array().unwrap().len(), 120);
    assert_eq!(job.github.seen().len(), 3);
    assert!(!step.run.err.contains("::error file="), "{}", step.run.err);
    assert_eq!(job.github.comments(HERE), []);
}

#[test]
fn a_token_that_may_not_is_a_warning_that_names_the_permission() {
    let (job, payload) = reviewed();
    job.github.allow("ghs_fork", HERE, Grant::Read);
    with_fault(&job);
    let settings = [BOTH[0], BOTH[1], ("STOCKROOM_GITHUB_TOKEN", "ghs_fork")];
    let step = step(&job, &payload, &settings);
    for said in ["checks: write", "pull-requests: write", "a pull request from a fork never gets it"] {
        assert!(step.run.err.contains(said), "should say {said:?}: {}", step.run.err);
    }
    assert_eq!(step.run.code, 1, "the verdict stands");
    assert!(step.run.err.contains(&format!("::error file={HEX},line=24")), "the annotations come in the log");
    let step = self::step(&job, &payload, &[BOTH[0]]);
    assert!(step.run.err.contains("set the action's `github-token`"), "{}", step.run.err);
}

#[test]
fn a_comment_comes_once_and_says_in_the_end_that_all_is_well() {
    let (job, payload) = reviewed();
    with_fault(&job);
    step(&job, &payload, &COMMENT);
    let [first] = &job.github.comments(HERE)[..] else { panic!() };
    assert_eq!((first.issue, first.login.as_str()), (2, WORKFLOW));
    assert!(first.body.starts_with(MARKER) && first.body.contains("❌ 15 records"), "{}", first.body);

    let requests = job.github.seen().len();
    step(&job, &payload, &COMMENT);
    assert_eq!(job.github.comments(HERE), std::slice::from_ref(first), "the same again is nothing to say");
    assert!(job.github.seen()[requests..].iter().all(|seen| seen.method == "GET"));

    job.library.edit(HEX, "12.00", "\"12.00\"");
    job.library.commit();
    step(&job, &payload, &COMMENT);
    let [last] = &job.github.comments(HERE)[..] else { panic!() };
    assert!(last.body.contains("✅ 15 records") && last.body.contains("## Plan"), "{}", last.body);
}

#[test]
fn nobody_elses_comment_is_touched() {
    let (job, payload) = reviewed();
    with_fault(&job);
    job.github.add_comment(HERE, 2, "mallory", &format!("{MARKER}mine")).add_comment(HERE, 2, WORKFLOW, "a plan of it");
    for n in 0..120 {
        job.github.add_comment(HERE, 2, "chatter", &format!("{n}"));
    }
    let theirs = job.github.comments(HERE);
    step(&job, &payload, &COMMENT);
    step(&job, &payload, &COMMENT);
    let comments = job.github.comments(HERE);
    assert_eq!(comments[..122], theirs);
    let Commentary { login, body, .. } = &comments[122];
    assert!(login == WORKFLOW && body.starts_with(MARKER), "{body}");
    assert_eq!(comments.len(), 123);
}

#[test]
fn nothing_to_say_makes_no_comment() {
    let library = Library::example();
    let base = library.git(&["rev-parse", "HEAD"]);
    library.write("README.md", "Words about the library.\n");
    let head = library.commit();
    let job = Job::new(library);
    job.github.add_repo(HERE, true).allow(OURS, HERE, Grant::Review);
    step(&job, &pull_request(&base, &head), &BOTH);
    assert_eq!(job.github.comments(HERE), []);
    assert_eq!(job.github.check_runs(HERE)[0]["conclusion"], "success");
}

#[test]
fn hostile_text_is_code_and_the_token_is_masked() {
    let (job, payload) = reviewed();
    job.library.write("X/X.json", "{\"handle\": \"@everyone <img src=x> [x](http://evil)\", \"status\": \"@all\"}");
    job.library.commit();
    let step = step(&job, &payload, &BOTH);
    assert!(step.run.err.contains(&format!("::add-mask::{OURS}")), "whoever reads the token has it masked first");
    let body = &job.github.comments(HERE)[0].body;
    let outside: String = body.split('`').step_by(2).collect();
    assert!(!outside.contains('@') && !outside.contains("<img") && !outside.contains("evil"), "{body}");
}

#[test]
fn a_server_that_fails_is_a_warning_and_a_queue_has_no_comment() {
    let (job, payload) = reviewed();
    job.github.script(&[Fault::ResetAfter]);
    let step = step(&job, &payload, &CHECK_RUN);
    assert_eq!(step.run.code, 0, "{}", step.run.both());
    assert!(step.run.err.contains("warning: there is no check run"), "{}", step.run.err);
    let queued = json!({"merge_group": {
        "base_sha": payload["pull_request"]["base"]["sha"], "head_sha": payload["pull_request"]["head"]["sha"]}});
    let runs = job.github.check_runs(HERE).len();
    let step = job.step("merge_group", &queued, &BOTH);
    assert_eq!(step.run.code, 0, "{}", step.run.both());
    assert_eq!((job.github.check_runs(HERE).len(), job.github.comments(HERE).len()), (runs + 1, 0));
}

#[test]
fn what_nobody_asked_for_reads_no_token() {
    let (job, base, head) = proposed();
    job.quiet_step("pull_request", &pull_request(&base, &head), &[("STOCKROOM_GITHUB_TOKEN", OURS)]);
}
