//! A run that is asked to stop: it ends soon, says so, and leaves what the next run goes on from.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use stockroom::adapters::turn::Turn;

use crate::fake_github::{FakeGitHub, Fault, Grant};
use crate::program::{Library, Program, Run, named};

const TOKEN: &str = "ghp_canary";
const WEBSITE: &str = "org/website";
/// What GitHub's runner gives between its first signal and the second.
const RUNNER: Duration = Duration::from_millis(7_500);

const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams: {addon: {repo: org/addon, needs: [website]}, website: {repo: org/website}}
embed: {text: [/title]}
";

fn library() -> Library {
    Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", r#"{"title": "a bolt"}"#)])
}

fn github() -> FakeGitHub {
    let github = FakeGitHub::start();
    for repo in [WEBSITE, "org/addon"] {
        github.add_repo(repo, true).allow(TOKEN, repo, Grant::SendAndList);
    }
    github
}

fn program(library: &Library, github: &FakeGitHub, words: &[&str]) -> Program {
    library.program(words).env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN)
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success(), "{signal} is sent");
}

/// What came of a run after a signal, and how long it took to end.
fn ended(child: Child) -> (Run, Duration) {
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("it did not end by itself: {}", output.status));
    (Run { code, out: text(output.stdout), err: text(output.stderr) }, begun.elapsed())
}

/// No file is left that a later run would not know.
fn leaves_nothing_temporary(library: &Library) {
    let is_temporary = |path: &Path| path.file_name().unwrap().to_string_lossy().contains("tmp");
    let left: Vec<_> = library.every_file().into_iter().map(|(path, _)| path).filter(|p| is_temporary(p)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A quiet run brings everything into step, and the one after it has nothing to do.
fn converges(library: &Library, github: &FakeGitHub) {
    program(library, github, &["sync"]).run().ends(0);
    let quiet = program(library, github, &["sync", "--format", "json"]).run().ends(0).json();
    let outcomes = quiet["results"].as_array().unwrap();
    assert!(outcomes.iter().all(|result| result["outcome"] == "unchanged"), "{quiet:#}");
    assert_eq!(quiet["stopped"], serde_json::Value::Null);
}

#[test]
fn an_answer_that_comes_in_time_is_waited_for_and_nothing_else_is_begun() {
    let (library, github) = (library(), github());
    github.script(&[Fault::HoldAfter]);
    let child = program(&library, &github, &["sync", "--format", "json"]).begin();
    github.wait_until_seen(1);
    send("INT", &child);
    // The runner's second signal changes nothing.
    send("TERM", &child);
    github.release();
    let (run, took) = ended(child);
    let run = run.ends(130);
    assert!(took < RUNNER, "{took:?}");
    let document = run.document(&stockroom::report::json::targets::sync_schema());
    assert_eq!(document["stopped"], "SIGINT");
    for (target, outcome) in [
        ("manifest", "done"),
        ("downstream/website", "done"),
        ("downstream/addon", "skipped"),
        ("embedding", "skipped"),
    ] {
        assert_eq!(named(&document["results"], "name", target)["outcome"], outcome, "{document:#}");
    }
    assert!(named(&document["results"], "name", "embedding")["message"].as_str().unwrap().contains("asked to stop"));
    assert_eq!(github.seen().len(), 1, "nobody else was told: {:?}", github.seen());
    leaves_nothing_temporary(&library);
    converges(&library, &github);
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
}

#[test]
fn an_answer_that_does_not_come_leaves_the_event_in_doubt_and_the_next_run_finds_it() {
    let (library, github) = (library(), github());
    github.script(&[Fault::HangAfter]);
    let child = program(&library, &github, &["sync"]).begin();
    github.wait_until_seen(1);
    send("TERM", &child);
    let (run, took) = ended(child);
    let run = run.ends(143);
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert!(run.out.contains("stopped by SIGTERM: 3 of 4 targets are left, and the next run goes on"), "{}", run.out);
    leaves_nothing_temporary(&library);
    converges(&library, &github);
    assert_eq!(github.dispatches(WEBSITE).len(), 1, "it is told once: {:?}", github.seen());
}

#[test]
fn whoever_presses_it_twice_gets_out_at_once() {
    let (library, github) = (library(), github());
    github.script(&[Fault::HangAfter]);
    let mut child = program(&library, &github, &["sync"]).begin();
    github.wait_until_seen(1);
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        send("INT", &child);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let (run, _) = ended(child);
    assert!(run.ends(130).err.contains("in the middle of what was being done"));
    converges(&library, &github);
    assert_eq!(github.dispatches(WEBSITE).len(), 1, "it is told once: {:?}", github.seen());
}

#[test]
fn whoever_waits_for_a_turn_goes() {
    let (library, github) = (library(), github());
    let turn = Turn::take(&library.repository().join(".git/stockroom")).unwrap();
    let mut child = program(&library, &github, &["sync"]).begin();
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("another sync is at work") {
        line.clear();
        assert!(talk.read_line(&mut line).unwrap() > 0, "it waits for its turn");
    }
    send("TERM", &child);
    let (run, took) = ended(child);
    assert_eq!(run.code, 143);
    assert!(took < Duration::from_secs(3), "{took:?}");
    line.clear();
    talk.read_to_string(&mut line).unwrap();
    assert_eq!(
        line,
        "stopped by SIGTERM before anything was published, sent or embedded; run it again to have it done\n"
    );
    assert_eq!(github.seen(), []);
    drop(turn);
    converges(&library, &github);
}

#[test]
fn an_embedding_stops_after_its_batch_and_pays_for_nothing_twice() {
    let library = Library::of(&[(
        "stockroom.yml",
        "version: 1\ncollections: {products: {metadata: '*/*.json'}}\nembed: {text: [/text]}\n",
    )]);
    let count = 3_000;
    for n in 0..count {
        let text = format!("part {n}: ").repeat(40);
        library.write(&format!("p{n}/p.json"), format!(r#"{{"text": "{text}"}}"#));
    }
    library.commit();
    let mut child = library.program(&["sync", "--format", "json"]).begin();
    let index = library.repository().join(".git/stockroom/vectors.sqlite");
    while !index.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it is still at work");
        std::thread::yield_now();
    }
    send("INT", &child);
    let (run, took) = ended(child);
    let run = run.ends(130);
    assert!(took < Duration::from_secs(7), "{took:?}");
    let first = run.json()["embedding"]["embedded"].as_u64().unwrap();
    assert!(first < count, "it is not done: {first}");
    leaves_nothing_temporary(&library);
    let rest = library.run(&["sync", "--format", "json"]).ends(0).json();
    assert_eq!(rest["embedding"]["embedded"].as_u64().unwrap(), count - first);
    let quiet = library.run(&["sync", "--format", "json"]).ends(0).json();
    assert_eq!(quiet["embedding"]["upserted"], 0);
}

#[test]
fn a_check_that_is_asked_to_stop_makes_no_report() {
    // The system takes the connection, and nobody ever answers: the check waits for its schemas.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("http://{}/thing.schema.json", silent.local_addr().unwrap());
    let digest = "0".repeat(64);
    let settings = format!(
        "version: 1\ncollections: {{products: {{metadata: '*.json', schema: thing}}}}\nschemas: {{source: \"{source}\", digest: \"sha256:{digest}\"}}\n"
    );
    let library = Library::of(&[("stockroom.yml", settings.as_str()), ("bolt.json", "{}")]);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let before = library.everything();
        let report = library.beside("report.sarif");
        let words = ["check", "--report", &format!("sarif={}", report.display())];
        let child = library.program(&words).env("STOCKROOM_HTTP_LOOPBACK", "true").begin();
        let _connection = silent.accept().unwrap();
        send(signal, &child);
        let (run, took) = ended(child);
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert_eq!((run.ends(code).out.as_str(), report.exists()), ("", false));
        assert_eq!(library.everything(), before);
    }
}
