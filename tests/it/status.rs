//! `status` and `state`: what a person and a polling program are told, while a run is at work and after one was killed.

use serde_json::Value;
use stockroom::report::json::{state, status};

use crate::fake_github::{FakeGitHub, Fault, Grant};
use crate::program::{Library, Program, Run, named};

const TOKEN: &str = "ghp_canary";
const WEBSITE: &str = "org/website";
const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams: {website: {repo: org/website}}
embed: {text: [/title]}
";

struct Scene {
    library: Library,
    github: FakeGitHub,
}

impl Scene {
    fn new() -> Self {
        let library = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", r#"{"title": "a bolt"}"#)]);
        let github = FakeGitHub::start();
        github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
        Self { library, github }
    }

    fn program(&self, words: &[&str]) -> Program {
        self.library.program(words).env("GITHUB_API_URL", self.github.url()).env("STOCKROOM_TOKEN", TOKEN)
    }

    fn run(&self, words: &[&str]) -> Run {
        self.program(words).run()
    }

    fn status(&self) -> Value {
        self.run(&["status", "--format", "json"]).ends(0).document(&status::schema())
    }

    fn history(&self) -> Value {
        self.run(&["state", "history", "--format", "json"]).ends(0).document(&state::history_schema())
    }
}

fn levels(status: &Value) -> Vec<&str> {
    status["targets"].as_array().unwrap().iter().map(|target| target["status"].as_str().unwrap()).collect()
}

#[test]
fn a_status_follows_the_library_and_changes_nothing() {
    let scene = Scene::new();
    let before = scene.library.everything();
    assert_eq!(levels(&scene.status()), ["OUTDATED"; 3]);
    for words in [&["state", "show"][..], &["state", "history"], &["status", "--check"]] {
        scene.run(words).ends(if words.contains(&"--check") { 3 } else { 0 });
    }
    assert_eq!(scene.library.everything(), before, "and makes no state");

    scene.run(&["sync"]).ends(0);
    let first = scene.library.git(&["rev-parse", "HEAD"]);
    let synced = scene.status();
    assert_eq!((levels(&synced), &synced["in_step"]), (vec!["SYNCED"; 3], &true.into()));
    assert_eq!(named(&synced["targets"], "name", "embedding")["commit"], first.as_str());
    scene.run(&["status", "--check"]).ends(0);

    scene.library.write("nut.json", r#"{"title": "a nut"}"#);
    scene.library.commit();
    let behind = scene.status();
    assert_eq!(levels(&behind), ["OUTDATED"; 3]);
    let website = named(&behind["targets"], "name", "downstream/website");
    assert_eq!((&website["behind"]["added"], &website["commit"]), (&1.into(), &first.as_str().into()));
    scene.run(&["status", "--check"]).ends(3);
    assert_eq!(scene.github.seen().len(), 1, "nobody is asked for a status: {:?}", scene.github.seen());
}

#[test]
fn a_checkout_that_is_behind_what_was_served_says_so() {
    let scene = Scene::new();
    let first = scene.library.git(&["rev-parse", "HEAD"]);
    scene.library.write("nut.json", r#"{"title": "a nut"}"#);
    scene.library.commit();
    let newer = scene.library.git(&["rev-parse", "HEAD"]);
    scene.run(&["sync"]).ends(0);
    scene.library.git(&["checkout", "--quiet", &first]);
    let status = scene.status();
    assert_eq!((&status["commit"], &status["superseded"]), (&first.as_str().into(), &newer.as_str().into()));
    assert_eq!(levels(&status), ["SYNCED"; 3], "{status:#}");
    let told = scene.run(&["status", "--check"]).ends(0).out;
    let line = told.lines().next().unwrap_or_default();
    assert!(line.contains("was served already, and this checkout is behind it"), "{told}");
    assert!(told.contains("embedding") && !told.contains("every target has what it should have"), "{told}");
}

#[test]
fn a_failure_is_told_until_it_is_over() {
    let scene = Scene::new();
    scene.github.allow(TOKEN, WEBSITE, Grant::Read);
    scene.run(&["sync"]).ends(3);
    let failed = scene.status();
    let website = named(&failed["targets"], "name", "downstream/website");
    assert_eq!(website["status"], "FAILED");
    assert!(website["why"].as_str().unwrap().contains("must not be told (403"), "{website:#}");
    scene.github.allow(TOKEN, WEBSITE, Grant::Send);
    scene.run(&["sync"]).ends(0);
    assert_eq!(levels(&scene.status()), ["SYNCED"; 3]);
    let results: Vec<Value> = scene.history()["runs"].as_array().unwrap().iter().map(|r| r["result"].clone()).collect();
    assert_eq!(results, ["partial", "done"]);
    let website = ["state", "history", "--target", "downstream/website", "-n", "1", "--format", "json"];
    let of_website = scene.run(&website).ends(0).json();
    let changes = of_website["runs"][0]["changes"].as_array().unwrap();
    assert!(
        changes.iter().all(|change| change["target"] == "downstream/website") && changes.len() == 2,
        "{changes:#?}"
    );
}

#[test]
fn a_run_that_is_at_work_is_seen_and_keeps_its_lock() {
    let scene = Scene::new();
    scene.github.script(&[Fault::HoldAfter]);
    let child = scene.program(&["sync"]).begin();
    scene.github.wait_until_seen(1);
    let during = scene.status();
    assert_eq!(named(&during["targets"], "name", "downstream/website")["status"], "SYNCING");
    assert_eq!(during["lock"]["held"], "here");
    assert_eq!(scene.history()["runs"][0]["result"], "running");
    let refused = scene.run(&["state", "unlock", "--force"]).ends(2);
    assert!(refused.err.contains("A run in this clone has the turn"), "{}", refused.err);
    scene.github.release();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(levels(&scene.status()), ["SYNCED"; 3]);
    assert!(scene.run(&["state", "unlock"]).ends(0).out.contains("nobody has the lock"));
}

#[test]
fn after_a_kill_the_doubt_is_told_and_the_lock_can_be_taken_away() {
    let scene = Scene::new();
    scene.github.script(&[Fault::HangAfter]);
    let mut child = scene.program(&["sync"]).begin();
    scene.github.wait_until_seen(1);
    child.kill().unwrap();
    child.wait().unwrap();

    let after = scene.status();
    let website = named(&after["targets"], "name", "downstream/website");
    assert_eq!((&website["status"], &after["lock"]["held"]), (&"OUTDATED".into(), &"gone".into()));
    assert!(website["pending_since"].is_string() && website["why"].as_str().unwrap().contains("next one finds out"));
    assert_eq!(scene.history()["runs"][0]["result"], "killed");
    let shown = scene.run(&["state", "show", "--format", "json"]).ends(0).document(&state::show_schema());
    assert_eq!((&shown["rows"]["runs"], &shown["rows"]["run_ends"]), (&1.into(), &0.into()));

    let told = scene.run(&["state", "unlock"]).ends(2);
    let token = shown["lock"]["token"].as_str().unwrap();
    assert!(told.err.contains(&format!("`stockroom state unlock {token}` takes it away")), "{}", told.err);
    scene.run(&["state", "unlock", "another"]).ends(2);
    scene.run(&["state", "unlock", token]).ends(0);
    assert_eq!(scene.status()["lock"], Value::Null);
    scene.run(&["sync"]).ends(0);
    assert_eq!((levels(&scene.status()), scene.github.dispatches(WEBSITE).len()), (vec!["SYNCED"; 3], 1));
}

#[test]
fn a_library_that_cannot_be_sent_is_compared_by_its_commits() {
    let scene = Scene::new();
    scene.run(&["sync"]).ends(0);
    scene.library.write("broken.json", "{");
    let broken = scene.status();
    assert!(broken["problem"].as_str().unwrap().contains("1 error"), "{broken:#}");
    assert_eq!((levels(&broken), &broken["targets"][0]["behind"]), (vec!["OUTDATED"; 3], &Value::Null));
}

#[test]
fn a_remote_is_compared_without_a_clone_of_it() {
    let scene = Scene::new();
    let library = &scene.library;
    let origin = library.beside("origin.git");
    library.write("stockroom.yml", format!("{SETTINGS}state: {{carry: ref}}\n"));
    library.commit();
    library.git(&["init", "--quiet", "--bare", "--initial-branch=main", origin.to_str().unwrap()]);
    library.git(&["remote", "add", "origin", origin.to_str().unwrap()]);
    library.git(&["push", "--quiet", "origin", "main"]);
    let url = format!("file://{}", origin.display());
    let outside = library.beside("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    let ask = |code| {
        let words = ["status", "--remote", &url, "--check", "--format", "json"];
        let run = library.program_without_folder(&words).in_folder(&outside).run().ends(code);
        run.document(&status::schema())
    };
    let never = ask(3);
    assert!(never["problem"].as_str().unwrap().contains("carries no state"), "{never:#}");

    scene.run(&["sync"]).ends(0);
    let synced = ask(0);
    assert_eq!(levels(&synced), ["SYNCED"; 3]);
    assert_eq!((&synced["remote"], &synced["lock"]), (&url.as_str().into(), &Value::Null));
    assert_eq!(synced["commit"], library.git(&["rev-parse", "HEAD"]));

    library.write("nut.json", r#"{"title": "a nut"}"#);
    library.commit();
    library.git(&["push", "--quiet", "origin", "main"]);
    assert_eq!(levels(&ask(3)), ["OUTDATED"; 3]);
    let here = scene.run(&["status", "--remote"]).ends(0);
    assert!(here.out.starts_with("origin is at commit "), "{}", here.out);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "nothing is left behind");
    let nowhere = library.program_without_folder(&["status", "--remote", "file:///nowhere"]).run().ends(2);
    assert!(nowhere.err.contains("file:///nowhere cannot be asked"), "{}", nowhere.err);
}
