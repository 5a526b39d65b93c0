//! Whole runs that publish to a branch of origin, and to a release.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use stockroom::report;

use crate::fake_github::{FakeGitHub, Grant};
use crate::program::{Library, Run, named};
use crate::published;

const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
const REPO: &str = "example-org/library";
const TOKEN: &str = "ghp_canary/0123456789";

/// The example library, published to these places.
fn library(places: &str) -> Library {
    let library = Library::example();
    library.edit("stockroom.yml", "    - folder: .stockroom/manifest\n", places);
    library.commit();
    library
}

fn sync(clone: &Library) -> (Value, Run) {
    let run = clone.program(&["sync", "--format", "json"]).env("GITHUB_REPOSITORY", REPO).run().ends(0);
    (run.document(&report::json::targets::sync_schema()), run)
}

fn outcome<'v>(document: &'v Value, name: &str) -> &'v str {
    named(&document["results"], "name", name)["outcome"].as_str().unwrap()
}

/// What a branch of the repository holds, in a folder of its own.
fn checked_out(origin: &Library, branch: &str) -> PathBuf {
    let folder = origin.beside(&format!("checked-out-{}", origin.git(&["rev-parse", branch])));
    if !folder.exists() {
        origin.git(&["worktree", "add", "--quiet", "--detach", folder.to_str().unwrap(), branch]);
    }
    folder
}

fn commits(origin: &Library, branch: &str) -> usize {
    origin.git(&["rev-list", "--count", branch]).parse().unwrap()
}

#[test]
fn a_sync_publishes_to_a_branch_and_the_next_one_anywhere_has_nothing_to_push() {
    let origin = library("    - branch: gh-pages\n");
    let one = origin.clone_of_depth(1);
    let (first, run) = sync(&one);
    assert_eq!(outcome(&first, "manifest"), "done", "{}", run.both());
    let folder = checked_out(&origin, "gh-pages");
    let root = published::root(&folder);
    assert_eq!((&root["seq"], &root["source"]["repository"]), (&json!(published::FIRST), &json!(REPO)));
    assert_eq!(published::assets(&folder).len(), 15, "every file of it is there and whole");
    assert!(folder.join(".nojekyll").exists());
    let said = origin.git(&["log", "-1", "--format=%s", "gh-pages"]);
    assert_eq!(said, format!("Publish {} as edition {}", &origin.git(&["rev-parse", "HEAD"])[..7], published::FIRST));

    let rest = origin.git(&["rev-parse", "gh-pages"]);
    for clone in [&one, &origin.clone_of_depth(1)] {
        let (again, run) = sync(clone);
        assert_eq!(outcome(&again, "manifest"), "unchanged", "{}", run.both());
        assert_eq!(origin.git(&["rev-parse", "gh-pages"]), rest, "nothing is pushed");
    }
    assert_eq!(one.git(&["status", "--porcelain", "--branch"]).lines().count(), 1, "nothing shows in the clone");

    origin.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    origin.commit();
    let (_, run) = sync(&origin.clone_of_depth(1));
    let folder = checked_out(&origin, "gh-pages");
    let root = published::root(&folder);
    assert_eq!((&root["seq"], commits(&origin, "gh-pages")), (&json!(published::FIRST + 1), 2), "{}", run.both());
    assert!(root["delta"].is_object(), "who has the edition before needs the change alone");
    // An older commit does not take it back.
    let (late, run) = sync(&one);
    assert_eq!(outcome(&late, "manifest"), "superseded", "{}", run.both());
}

#[test]
fn a_branch_of_others_keeps_their_files_and_one_that_has_no_past_keeps_none() {
    let origin = library("    - {branch: gh-pages, folder: catalogue, history: orphan}\n    - folder: public\n");
    let website = origin.clone_of_depth(1);
    website.git(&["checkout", "--quiet", "--orphan", "gh-pages"]);
    website.git(&["rm", "-rfq", "."]);
    website.write("index.html", "theirs");
    website.commit();
    website.git(&["push", "--quiet", "origin", "gh-pages"]);
    let clone = origin.clone_of_depth(1);
    let (first, run) = sync(&clone);
    assert_eq!(outcome(&first, "manifest/branch:gh-pages/catalogue"), "done", "{}", run.both());
    assert_eq!(outcome(&first, "manifest/public"), "done", "{}", run.both());
    let folder = checked_out(&origin, "gh-pages");
    assert_eq!(fs::read_to_string(folder.join("index.html")).unwrap(), "theirs");
    assert_eq!(published::assets(&folder.join("catalogue")).len(), 15);
    assert_eq!((commits(&origin, "gh-pages"), folder.join(".nojekyll").exists()), (1, false));
}

#[test]
fn a_branch_that_may_not_be_written_is_told_of_and_the_other_places_are_served() {
    let origin = library("    - branch: gh-pages\n    - folder: public\n");
    let hook = origin.repository().join(".git/hooks/update");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let clone = origin.clone_of_depth(1);
    let run = clone.run(&["sync"]);
    assert_ne!(run.code, 0);
    assert!(run.both().contains("`permissions: contents: write`"), "{}", run.both());
    assert_eq!(published::assets(&clone.path("public")).len(), 15);
    fs::remove_file(hook).unwrap();
    clone.run(&["sync"]).ends(0);
    assert_eq!(published::assets(&checked_out(&origin, "gh-pages")).len(), 15);
}

#[test]
fn a_branch_that_cannot_be_read_fails_alone_and_the_next_run_serves_it() {
    let origin = library("    - branch: gh-pages\n    - folder: public\n");
    let clone = origin.clone_of_depth(1);
    let way = clone.git(&["remote", "get-url", "origin"]);
    clone.git(&["remote", "set-url", "origin", "file:///nowhere/at/all"]);
    let plan = clone.run(&["plan"]).ends(3);
    assert!(plan.both().contains("the branch gh-pages"), "{}", plan.both());
    let run = clone.program(&["sync", "--format", "json"]).env("GITHUB_REPOSITORY", REPO).run().ends(3);
    let document = run.document(&report::json::targets::sync_schema());
    assert_eq!(outcome(&document, "manifest/branch:gh-pages"), "failed", "{}", run.both());
    assert_eq!(outcome(&document, "manifest/public"), "done", "{}", run.both());
    assert_eq!(published::assets(&clone.path("public")).len(), 15);
    clone.git(&["remote", "set-url", "origin", &way]);
    let (after, run) = sync(&clone);
    assert_eq!(outcome(&after, "manifest/branch:gh-pages"), "done", "{}", run.both());
    assert_eq!(published::assets(&checked_out(&origin, "gh-pages")).len(), 15);
    let (rest, run) = sync(&clone);
    assert_eq!(outcome(&rest, "manifest/branch:gh-pages"), "unchanged", "{}", run.both());
}

#[test]
fn a_website_s_own_sitemap_and_manifest_on_the_branch_are_not_replaced() {
    let origin = library("    - branch: gh-pages\n  exports:\n    data_package: {}\n");
    let website = origin.clone_of_depth(1);
    website.git(&["checkout", "--quiet", "--orphan", "gh-pages"]);
    website.git(&["rm", "-rfq", "."]);
    for (name, text) in
        [("datapackage.json", "{\"name\": \"theirs\"}"), ("manifest.json", "{\"short_name\": \"theirs\"}")]
    {
        website.write(name, text);
        website.commit();
        website.git(&["push", "--quiet", "origin", "gh-pages"]);
        let rest = origin.git(&["rev-parse", "gh-pages"]);
        let run = origin.clone_of_depth(1).run(&["sync", "--only", "manifest"]).ends(3);
        assert!(
            run.both().contains(&format!("the {name} there is not Stockroom's"))
                || run.both().contains(&format!("a file {name} that")),
            "{}",
            run.both()
        );
        assert_eq!(origin.git(&["rev-parse", "gh-pages"]), rest);
    }
}

#[test]
fn a_run_that_is_killed_at_its_push_leaves_the_branch_as_it_was_and_the_next_one_serves_it() {
    let origin = library("    - branch: gh-pages\n");
    let clone = origin.clone_of_depth(1);
    sync(&clone);
    let rest = origin.git(&["rev-parse", "gh-pages"]);
    clone.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    clone.commit();
    let doors = [origin.beside("begun"), origin.beside("go-on")];
    for door in &doors {
        assert!(Command::new("mkfifo").arg(door).status().unwrap().success());
    }
    let [begun, go_on] = doors.each_ref().map(|door| door.display().to_string());
    let hook = origin.repository().join(".git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\necho > '{begun}'\nread line < '{go_on}'\nexit 1\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let mut child = clone.program(&["sync"]).env("GITHUB_REPOSITORY", REPO).begin();
    fs::read(&doors[0]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(&doors[1], "\n").unwrap();
    assert_eq!(origin.git(&["rev-parse", "gh-pages"]), rest);
    fs::remove_file(hook).unwrap();
    let (after, run) = sync(&clone);
    assert_eq!(outcome(&after, "manifest"), "done", "{}", run.both());
    let folder = checked_out(&origin, "gh-pages");
    assert_eq!(
        (published::root(&folder)["seq"].clone(), commits(&origin, "gh-pages")),
        (json!(published::FIRST + 1), 2)
    );
    assert_eq!(published::assets(&folder).len(), 15);
}

#[test]
fn a_pull_request_asks_no_branch() {
    let origin = library("    - branch: gh-pages\n");
    let clone = origin.clone_of_depth(1);
    clone.git(&["remote", "set-url", "origin", "file:///nowhere/at/all"]);
    let head = clone.git(&["rev-parse", "HEAD"]);
    let payload = clone.beside("event.json");
    let event = json!({"pull_request": {"number": 1, "base": {"sha": head}, "head": {"sha": head}}});
    fs::write(&payload, event.to_string()).unwrap();
    let program = clone.program(&["run"]).env("GITHUB_EVENT_NAME", "pull_request");
    program.env("GITHUB_EVENT_PATH", &payload).run().ends(0);
}

fn release(library: &Library, github: &FakeGitHub, tag: &str, token: &str) -> Run {
    let payload = library.beside("event.json");
    fs::write(&payload, json!({"action": "published", "release": {"tag_name": tag}}).to_string()).unwrap();
    let program = library.program(&["run"]).env("GITHUB_EVENT_NAME", "release").env("GITHUB_EVENT_PATH", &payload);
    let program = program.env("GITHUB_REPOSITORY", REPO).env("GITHUB_API_URL", github.url());
    program.env("STOCKROOM_GITHUB_TOKEN", token).env("STOCKROOM_TEST_PACE", "none").run()
}

#[test]
fn a_release_gets_the_manifest_of_its_tag_and_a_second_run_sends_nothing() {
    let library = library("    - release: {}\n    - branch: gh-pages\n    - folder: public\n");
    let github = FakeGitHub::start();
    github.add_repo(REPO, true).allow(TOKEN, REPO, Grant::Send).add_release(REPO, "v1.0.0");
    library.git(&["tag", "v1.0.0"]);
    let tagged = library.git(&["rev-parse", "HEAD"]);
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    library.commit();
    let run = release(&library, &github, "v1.0.0", TOKEN).ends(0);
    let assets = github.assets(REPO);
    let folder = library.beside("release");
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in &assets {
        fs::write(folder.join(name), bytes.as_deref().unwrap()).unwrap();
    }
    let root = published::root(&folder);
    assert_eq!(root["source"]["commit"], json!(tagged), "{}", run.both());
    assert_eq!(published::assets(&folder).len(), 15);
    assert!(assets.len() < 12, "a release has one shard for each collection: {:?}", published::names(&folder));
    assert!(library.path("public/manifest.json").exists() && run.out.contains("the release v1.0.0"), "{}", run.both());
    assert_eq!(library.git(&["branch", "--list", "gh-pages"]), "", "other places hear nothing of a release");
    assert!(!library.path(".git/stockroom/state.sqlite").exists());

    let before = github.seen().len();
    release(&library, &github, "v1.0.0", TOKEN).ends(0);
    let again: Vec<_> = github.seen().split_off(before);
    assert!(again.iter().all(|seen| seen.method == "GET"), "{again:?}");
}

#[test]
fn a_release_that_takes_nothing_more_is_told_of_and_the_folder_is_served() {
    let library = library("    - release: {}\n    - folder: public\n");
    let github = FakeGitHub::start();
    github.add_repo(REPO, true).allow(TOKEN, REPO, Grant::Send).allow("ghp_reader", REPO, Grant::Read);
    github.add_release(REPO, "v1.0.0").make_release(REPO, false, true);
    library.git(&["tag", "v1.0.0"]);
    let run = release(&library, &github, "v1.0.0", TOKEN);
    assert_ne!(run.code, 0);
    assert!(run.both().contains("immutable") && run.both().contains("`branch`"), "{}", run.both());
    assert!(library.path("public/manifest.json").exists());
    assert!(!run.both().contains("canary"), "{}", run.both());
    github.make_release(REPO, false, false);
    let run = release(&library, &github, "v1.0.0", "ghp_reader");
    assert!(run.both().contains("`permissions: contents: write`"), "{}", run.both());
    assert_eq!(github.assets(REPO), []);
}

#[test]
fn a_note_beside_the_library_keeps_nobody_from_publishing_and_a_changed_record_does() {
    let origin = library("    - branch: gh-pages\n");
    let clone = origin.clone_of_depth(1);
    clone.write("notes/to-do.txt", "buy bolts");
    clone.write("notes.txt", "buy nuts");
    let (first, run) = sync(&clone);
    assert_eq!(outcome(&first, "manifest"), "done", "{}", run.both());
    clone.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    let run = clone.program(&["sync"]).run();
    assert!(run.code == 3 && run.out.contains("there are uncommitted changes"), "{}", run.both());
}

#[test]
fn a_place_that_forgets_everything_does_not_go_back() {
    let origin = library("    - folder: public\n");
    let sync_anew = || {
        let clone = origin.clone_of_depth(1);
        sync(&clone);
        published::root(&clone.path("public"))["seq"].as_u64().unwrap()
    };
    let first = sync_anew();
    origin.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    let later = origin
        .git_command()
        .env("GIT_COMMITTER_DATE", "2026-01-02T00:00:00Z")
        .args(["commit", "-qam", "later"])
        .output();
    assert!(later.unwrap().status.success());
    assert_eq!(sync_anew(), first + 86_400);
}

#[test]
fn a_root_of_the_former_format_gives_way_to_the_new_one() {
    let library = library("    - folder: public\n");
    let former = json!({"version": 1, "source": {"commit": "c"}, "digest": "d", "schemas": {}, "collections": {
        "products": {"assets": 1, "path": "products.0123456789abcdef.json", "bytes": 2, "sha256": "s"}}});
    library.write("public/manifest.json", former.to_string());
    let (done, run) = sync(&library);
    assert_eq!(outcome(&done, "manifest"), "done", "{}", run.both());
    assert_eq!(published::assets(&library.path("public")).len(), 15);
}
