//! Machines that forget everything: fresh clones of one origin, which carries the state from one to the next.

#![cfg(unix)]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use stockroom::report;

use crate::fake_github::{FakeGitHub, Grant};
use crate::program::{Library, Program, Run, named};

const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
const TOKEN: &str = "ghp_canary/0123456789+%40=";
const WEBSITE: &str = "example-org/website";
const REFERENCE: &str = "refs/stockroom/state";

/// A runner's clone: one commit of history, and nothing of what other runners had.
fn runner(origin: &Library) -> Library {
    origin.clone_of_depth(1)
}

fn github() -> FakeGitHub {
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
    github
}

fn on_actions(runner: &Library, github: &FakeGitHub, words: &[&str]) -> Program {
    let program = runner.program(words).env("GITHUB_ACTIONS", "true").env("GITHUB_REPOSITORY", "example-org/library");
    program.env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN)
}

fn sync(runner: &Library, github: &FakeGitHub) -> (Value, Run) {
    let run = on_actions(runner, github, &["sync", "--format", "json"]).run().ends(0);
    (run.document(&report::json::targets::sync_schema()), run)
}

fn outcome<'v>(document: &'v Value, name: &str) -> &'v str {
    named(&document["results"], "name", name)["outcome"].as_str().unwrap()
}

fn state(origin: &Library) -> String {
    origin.git(&["for-each-ref", "--format=%(objectname)", REFERENCE])
}

#[test]
fn what_one_runner_has_done_the_next_ones_know_and_only_the_change_is_sent() {
    let (origin, github) = (Library::example(), github());
    let (first, run) = sync(&runner(&origin), &github);
    assert_eq!(outcome(&first, "downstream/website"), "done", "{}", run.both());
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
    assert_eq!(origin.git(&["rev-list", "--count", REFERENCE]), "1", "the state has no history");
    assert!(!run.err.contains("warning"), "{}", run.err);

    let rest = state(&origin);
    let second = runner(&origin);
    let (again, run) = sync(&second, &github);
    assert_eq!((outcome(&again, "manifest"), state(&origin)), ("done", rest), "a fresh folder is no change");
    assert_eq!(outcome(&again, "downstream/website"), "unchanged", "{}", run.both());
    assert_eq!((&again["embedding"]["embedded"], &again["embedding"]["upserted"]), (&json!(0), &json!(0)));
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
    assert_eq!(second.git(&["for-each-ref", "refs/stockroom"]), "", "nothing of it shows in the clone");
    let rest = state(&origin);
    sync(&second, &github);
    assert_eq!(state(&origin), rest, "with nothing at all to do nothing is pushed");
    for words in [&["plan"][..], &["search", "hex bolt"]] {
        let run = on_actions(&runner(&origin), &github, words).run().ends(0);
        assert!(words[0] != "search" || run.out.contains("Hex"), "the index comes with the state: {}", run.out);
        assert_eq!(state(&origin), rest, "{words:?} only looks");
    }

    origin.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    origin.commit();
    let (third, run) = sync(&runner(&origin), &github);
    assert_eq!(outcome(&third, "downstream/website"), "done", "{}", run.both());
    let [_, event] = &github.dispatches(WEBSITE)[..] else { panic!("{:#?}", github.seen()) };
    assert_eq!(event["client_payload"]["delta"]["counts"], json!({"added": 0, "changed": 1, "removed": 0}));
    assert!(third["embedding"]["embedded"].as_u64().unwrap() < 5, "{third:#}");
    let files = origin.every_file();
    assert!(files.iter().all(|(_, bytes)| !bytes.windows(6).any(|window| window == b"canary")));
}

#[test]
fn of_two_runners_at_once_one_tells_the_downstream_and_the_other_sees_that_it_did() {
    let (origin, github) = (Library::example(), github());
    let runners = [runner(&origin), runner(&origin)];
    let begun = runners.each_ref().map(|runner| on_actions(runner, &github, &["sync"]).begin());
    for child in begun {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
    let (after, run) = sync(&runner(&origin), &github);
    assert_eq!(outcome(&after, "downstream/website"), "unchanged", "{}", run.both());
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
}

#[test]
fn without_the_permission_a_run_says_so_once_and_goes_on_with_what_the_clone_has() {
    let (origin, github) = (Library::example(), github());
    let hook = origin.repository().join(".git/hooks/update");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let runner = runner(&origin);
    let run = on_actions(&runner, &github, &["sync"]).run().ends(0);
    let annotations = run.both().matches("::warning").count();
    assert!(annotations == 1 && run.both().contains("permissions: contents: write"), "{}", run.both());
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
    // As with a folder that actions/cache has brought back.
    let run = on_actions(&runner, &github, &["sync"]).run().ends(0);
    assert!(run.out.contains("in step"), "{}", run.out);
    assert_eq!((state(&origin), github.dispatches(WEBSITE).len()), (String::new(), 1));
}

#[test]
fn where_it_is_carried_is_the_configuration_s_to_say() {
    let (origin, github) = (Library::example(), github());
    runner(&origin).run(&["sync"]).ends(0);
    assert_eq!(state(&origin), "", "a laptop carries nothing by itself");
    let settings = origin.read("stockroom.yml");
    origin.write("stockroom.yml", format!("{settings}\nstate: {{ carry: none }}\n"));
    origin.commit();
    sync(&runner(&origin), &github);
    assert_eq!(state(&origin), "");
    origin.write("stockroom.yml", format!("{settings}\nstate: {{ carry: ref }}\n"));
    origin.commit();
    runner(&origin).run(&["sync"]).ends(0);
    assert_ne!(state(&origin), "");
}

#[test]
fn libraries_of_one_repository_are_carried_apart() {
    let (origin, github) = (Library::example_below("shop a"), github());
    sync(&runner(&origin), &github);
    assert_eq!(state(&origin), "");
    let refs = origin.git(&["for-each-ref", "--format=%(refname)", "refs/stockroom"]);
    assert!(refs.starts_with("refs/stockroom/state-") && refs.lines().count() == 1, "{refs}");
    let (again, run) = sync(&runner(&origin), &github);
    assert_eq!(outcome(&again, "downstream/website"), "unchanged", "{}", run.both());
}

#[test]
fn an_origin_that_does_not_answer_ends_the_run_before_anything_is_sent() {
    let (origin, github) = (Library::example(), github());
    let runner = runner(&origin);
    runner.git(&["remote", "set-url", "origin", "file:///nowhere/at/all"]);
    let run = on_actions(&runner, &github, &["sync"]).run().ends(2);
    assert!(run.err.contains("origin cannot be reached"), "{}", run.err);
    assert_eq!(github.seen().len(), 0);
    // A pull request asks nobody.
    let payload = runner.beside("event.json");
    let head = runner.git(&["rev-parse", "HEAD"]);
    let event = json!({"pull_request": {"base": {"sha": head, "ref": "main"}, "head": {"sha": head, "ref": "topic"}}});
    fs::write(&payload, event.to_string()).unwrap();
    let program = on_actions(&runner, &github, &["run"]).env("GITHUB_EVENT_NAME", "pull_request");
    program.env("GITHUB_EVENT_PATH", &payload).run().ends(0);
}

#[test]
fn a_runner_of_an_older_commit_that_knows_no_newer_one_asks_origin_and_leaves_its_work_alone() {
    let (origin, github) = (Library::example(), github());
    let older = runner(&origin);
    sync(&runner(&origin), &github);
    origin.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    origin.commit();
    sync(&runner(&origin), &github);
    let (told, rest) = (github.dispatches(WEBSITE).len(), state(&origin));
    let (late, run) = sync(&older, &github);
    assert_eq!(outcome(&late, "downstream/website"), "superseded", "{}", run.both());
    assert_eq!((github.dispatches(WEBSITE).len(), state(&origin)), (told, rest));
    // Where the branch was set back to it, it is what is to be served.
    origin.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let (now, run) = sync(&runner(&origin), &github);
    assert_eq!(outcome(&now, "downstream/website"), "done", "{}", run.both());
}

fn ask(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_git_that_hears_nothing_ends_with_the_run_that_was_asked_to_end() {
    let (origin, github) = (Library::example(), github());
    let (runner, silent) = (runner(&origin), TcpListener::bind("127.0.0.1:0").unwrap());
    runner.git(&["remote", "set-url", "origin", &format!("http://{}/x.git", silent.local_addr().unwrap())]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let child = on_actions(&runner, &github, &["sync"]).begin();
        let (mut asked, _) = silent.accept().unwrap();
        ask(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        // Its end of the connection is closed with it; by itself it would wait for half a minute.
        asked.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        io::copy(&mut asked, &mut io::sink()).unwrap();
    }
    assert_eq!(github.seen().len(), 0);
}

#[test]
fn a_push_does_not_go_on_when_the_run_is_gone() {
    let (origin, github) = (Library::example(), github());
    let (hook, pipe) = (origin.repository().join(".git/hooks/update"), origin.beside("pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\nexec 3>'{}'\necho at work >&3\nexec sleep 60\n", pipe.display())).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let first = runner(&origin);
    let mut child = on_actions(&first, &github, &["sync"]).begin();
    // Should git never come to the hook, the wait for it ends all the same.
    let late = pipe.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(60));
        drop(fs::OpenOptions::new().write(true).open(late));
    });
    let (mut said, mut line) = (BufReader::new(fs::File::open(&pipe).unwrap()), String::new());
    said.read_line(&mut line).unwrap();
    let begun = Instant::now();
    // Pressed again and again.
    while child.try_wait().unwrap().is_none() {
        ask(&child, Signal::INT);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    // What the server's side runs holds it open.
    said.read_to_string(&mut line).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!((state(&origin), github.seen().len()), (String::new(), 0));
    fs::remove_file(hook).unwrap();
    sync(&runner(&origin), &github);
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
}

#[test]
fn an_origin_that_may_not_be_read_ends_a_sync_before_anybody_is_told_and_is_no_hindrance_to_looking() {
    let (origin, github) = (Library::example(), github());
    let runner = runner(&origin);
    sync(&runner, &github);
    let told = github.seen().len();
    runner.git(&["remote", "set-url", "origin", "ssh://nobody@localhost/library"]);
    runner.git(&["config", "core.sshCommand", "sh -c 'echo Permission denied >&2; exit 255' --"]);
    let run = on_actions(&runner, &github, &["sync"]).run().ends(2);
    assert!(run.err.contains("origin cannot be read"), "{}", run.err);
    let run = on_actions(&runner, &github, &["plan"]).run();
    assert!(run.code != 2 && run.both().contains("what this clone remembers"), "{}", run.both());
    assert_eq!(github.seen().len(), told);
}
