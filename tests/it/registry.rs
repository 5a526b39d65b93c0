//! Libraries whose schemas lie elsewhere: brought once, pinned, and asked for only where nobody but us says so.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fake_github::{FakeGitHub, Fault, Grant};
use crate::file_server::{FileServer, Page};
use crate::program::{Library, Program, Run};

const V1: &str = r#"{"type": "object", "required": ["title"]}"#;
const V1_EDITED: &str = r#"{"type": "object", "required": ["title", "price"]}"#;
const RECORD: &str = r#"{"id": "bolt", "schema_version": "1.0.0", "title": "Bolt"}"#;
const TOKEN: &str = "ghp_canary0123456789";

fn config(schemas: &str) -> String {
    format!(
        "version: 1\ncollections:\n  things:\n    metadata: \"things/*.json\"\n    id: id\n    schema: thing\n    \
         version_field: schema_version\nschemas:\n{schemas}"
    )
}

fn library(schemas: &str) -> Library {
    Library::of(&[("stockroom.yml", &config(schemas)), ("things/bolt.json", RECORD)])
}

fn at_v1() -> Library {
    library("  source: github:org/schemas@v1\n")
}

fn server() -> FakeGitHub {
    let server = FakeGitHub::start();
    server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", V1)]);
    server
}

fn program(library: &Library, api: &str, words: &[&str]) -> Program {
    library.program(words).env("GITHUB_API_URL", api)
}

fn run(library: &Library, server: &FakeGitHub, words: &[&str]) -> Run {
    program(library, server.url(), words).run()
}

fn says(run: &Run, wanted: &str) {
    assert!(run.both().contains(wanted), "should say {wanted:?}:\n{}", run.both());
}

#[test]
fn a_registry_on_github_is_brought_once_and_serves_without_the_network() {
    let (library, server) = (at_v1(), server());
    let first = run(&library, &server, &["check"]).ends(0);
    says(&first, "schemas: github:org/schemas@v1 is commit ");
    says(&first, "`stockroom schema lock` pins it");
    says(&first, "1 record in 1 collection: 1 valid");
    assert_eq!(server.seen().len(), 3);
    let url = server.url().to_owned();
    drop(server);
    let away = program(&library, &url, &["check"]).run().ends(0);
    says(&away, "cannot be asked for");
    says(&away, "which it was when it was last seen");
    says(&away, "1 record in 1 collection: 1 valid");
    fs::remove_dir_all(library.path(".git/stockroom")).unwrap();
    let never = program(&library, &url, &["check"]).run().ends(2);
    says(&never, "the registry: github:org/schemas@v1 cannot be asked for: the connection failed");
}

#[test]
fn a_lock_holds_the_registry_where_it_was() {
    let (library, server) = (at_v1(), server());
    let refused = run(&library, &server, &["check", "--locked"]).ends(2);
    says(&refused, "there is no stockroom.lock, and github:org/schemas@v1 may be something else tomorrow");
    assert_eq!(server.seen(), [], "nothing is asked for what is refused");
    says(
        &run(&library, &server, &["schema", "lock"]).ends(0),
        "stockroom.lock written: github:org/schemas@v1 at commit ",
    );
    let lock: Value = serde_json::from_str(&library.read("stockroom.lock")).unwrap();
    let digest = format!("sha256:{:x}", Sha256::digest(V1));
    assert_eq!((&lock["version"], &lock["schemas"]), (&json!(1), &json!({"thing/v1.0.0.json": digest})));

    server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", V1_EDITED), ("thing/v1.1.0.json", V1)]);
    let before = server.seen().len();
    for words in [vec!["check"], vec!["check", "--locked"], vec!["plan", "--locked"], vec!["sync", "--locked"]] {
        let run = run(&library, &server, &words).ends(0);
        assert!(!run.err.contains("schemas:"), "there is nothing to say:\n{}", run.err);
    }
    assert_eq!(server.seen().len(), before, "what is locked and here is not asked for");
    fs::remove_dir_all(library.path(".git/stockroom/schemas")).unwrap();
    run(&library, &server, &["check", "--locked"]).ends(0);
    let asked: Vec<String> = server.seen().split_off(before).into_iter().map(|seen| seen.uri).collect();
    assert!(asked.len() == 2 && asked.iter().all(|uri| !uri.contains("/commits/")), "{asked:?}");

    let moved = run(&library, &server, &["schema", "lock"]).ends(0);
    says(&moved, "changed: thing/v1.0.0.json, a released version that should have stayed as it was");
    says(&moved, "new: thing/v1.1.0.json");
    says(&run(&library, &server, &["check"]).ends(1), "price");
    says(&run(&library, &server, &["schema", "lock"]).ends(0), "stockroom.lock is as it should be");
}

#[test]
fn a_lock_that_was_tampered_with_is_refused() {
    let (library, server) = (at_v1(), server());
    run(&library, &server, &["schema", "lock"]).ends(0);
    let digest = format!("{:x}", Sha256::digest(V1));
    library.edit("stockroom.lock", &digest, &"0".repeat(64));
    let refused = run(&library, &server, &["check"]).ends(2);
    says(&refused, "thing/v1.0.0.json of github:org/schemas@v1 does not have the digest that stockroom.lock gives it");
    library.write("stockroom.lock", "<<<<<<< HEAD\n");
    says(&run(&library, &server, &["check"]).ends(2), "stockroom.lock cannot be used: it is no JSON");
    says(&run(&library, &server, &["schema", "lock"]).ends(0), "stockroom.lock written");
    library.edit("stockroom.lock", "\"commit\": \"", "\"commit\": \"0000000000");
    says(&run(&library, &server, &["check"]).ends(2), "not a commit id");
}

#[test]
fn a_lock_of_another_commit_than_the_one_that_is_named_is_refused() {
    let server = FakeGitHub::start();
    let then = server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", "{}")]);
    let now = server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", V1_EDITED)]);
    let library = library(&format!("  source: github:org/schemas@{now}\n"));
    run(&library, &server, &["schema", "lock"]).ends(0);
    run(&library, &server, &["check", "--locked"]).ends(1);
    let (old, new) = (format!("{:x}", Sha256::digest("{}")), format!("{:x}", Sha256::digest(V1_EDITED)));
    library.edit("stockroom.lock", &format!("\"commit\": \"{now}\""), &format!("\"commit\": \"{then}\""));
    library.edit("stockroom.lock", &new, &old);
    for words in [vec!["check"], vec!["check", "--locked"]] {
        let refused = run(&library, &server, &words).ends(2);
        says(&refused, &format!("names the commit {now} of org/schemas, and stockroom.lock the commit {then}"));
    }
}

#[test]
fn a_lock_of_another_source_is_stale() {
    let (library, server) = (at_v1(), server());
    run(&library, &server, &["schema", "lock"]).ends(0);
    server.publish("org/schemas", "v2", &[("thing/v1.0.0.json", V1)]);
    library.edit("stockroom.yml", "@v1", "@v2");
    says(&run(&library, &server, &["check", "--locked"]).ends(2), "stockroom.lock is of github:org/schemas@v1, and");
    let stale = run(&library, &server, &["check"]).ends(0);
    says(&stale, "so it is not used; `stockroom schema lock` writes it anew");
    let through_environment = program(&library, server.url(), &["check"]).env("STOCKROOM_LOCKED", "1").run();
    says(&through_environment.ends(2), "--locked refuses that");
    program(&library, server.url(), &["check"]).env("STOCKROOM_LOCKED", "").run().ends(0);
}

#[test]
fn faults_and_damage_do_not_reach_the_records() {
    let (library, server) = (at_v1(), server());
    server.script(&[Fault::ErrorBefore, Fault::Truncated]);
    run(&library, &server, &["check"]).ends(0);
    for folder in ["blobs", "notes"] {
        for entry in fs::read_dir(library.path(".git/stockroom/schemas").join(folder)).unwrap() {
            fs::write(entry.unwrap().path(), V1_EDITED).unwrap();
        }
    }
    run(&library, &server, &["check"]).ends(0);
    server.script(&[Fault::ErrorBefore; 3]);
    says(&run(&library, &server, &["check"]).ends(0), "the server answered 500 (tried 3 times)");
    server.script(&[Fault::ErrorBefore; 3]);
    says(&run(&library, &server, &["schema", "lock"]).ends(2), "the server answered 500 (tried 3 times)");
}

#[test]
fn a_private_registry_is_read_with_its_token_which_nobody_sees() {
    let library = library("  source: github:org/secret@v1\n  token: ${{ env.SCHEMAS_TOKEN }}\n");
    let server = FakeGitHub::start();
    server.publish("org/secret", "v1", &[("thing/v1.0.0.json", V1)]);
    server.make_private("org/secret").allow(TOKEN, "org/secret", Grant::Read);
    let without = run(&library, &server, &["check"]).ends(2);
    says(&without, "or the repository is private and needs a token with `contents: read` on org/secret");
    let with = program(&library, server.url(), &["check"]).env("SCHEMAS_TOKEN", TOKEN).run().ends(0);
    assert!(!with.both().contains(TOKEN));
    for (path, bytes) in library.every_file() {
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "{}", path.display());
    }
}

#[test]
fn a_broken_schema_elsewhere_is_told_where_the_library_names_it() {
    let (library, server) = (at_v1(), FakeGitHub::start());
    server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", r#"{"type": 5}"#)]);
    let checked = run(&library, &server, &["check", "--format", "json"]).ends(1).json();
    let finding = &checked["findings"][0];
    assert_eq!(
        (&finding["path"], &finding["line"], &finding["pointer"]),
        (&json!("stockroom.yml"), &json!(9), &json!("/schemas/source"))
    );
    assert!(
        finding["message"].as_str().unwrap().starts_with("github:org/schemas@v1/thing/v1.0.0.json:1:"),
        "{finding}"
    );
}

#[test]
fn a_repository_that_is_too_large_is_read_from_the_named_folder() {
    let (library, server) = (at_v1(), server());
    server.publish("org/schemas", "v1", &[("a/thing/v1.0.0.json", "{}"), ("deep/er/thing/v1.0.0.json", V1)]);
    server.make_huge("org/schemas");
    says(&run(&library, &server, &["check"]).ends(2), "name the registry's folder in `schemas.source`");
    library.edit("stockroom.yml", "@v1", "@v1:deep/er");
    run(&library, &server, &["check"]).ends(0);
}

#[test]
fn a_download_that_breaks_off_is_not_used() {
    let server = FileServer::start();
    server.put("/thing.schema.json", Page::Elsewhere("/there".to_owned()));
    server.put("/there", Page::Half(V1.into()));
    let digest = format!("{:x}", Sha256::digest(V1));
    let library = library(&format!("  source: {}\n  digest: sha256:{digest}\n", server.url("/thing.schema.json")));
    let check = |library: &Library| library.program(&["check"]).env("STOCKROOM_HTTP_LOOPBACK", "true").run();
    says(&check(&library).ends(2), "cannot be fetched");
    server.put("/there", Page::File(V1.into()));
    library.edit("stockroom.yml", "    version_field: schema_version\n", "");
    check(&library).ends(0);
}

#[test]
fn a_download_is_pinned_by_its_digest() {
    let server = FileServer::start();
    server.put("/thing.schema.json", Page::File(V1.into()));
    let source = format!("  source: {}\n", server.url("/thing.schema.json"));
    let library = library(&source);
    library.edit("stockroom.yml", "    version_field: schema_version\n", "");
    let check = |library: &Library, words: &[&str]| library.program(words).env("STOCKROOM_HTTP_LOOPBACK", "true").run();
    says(&library.run(&["check"]).ends(2), "not to be had over https alone");
    let seen = check(&library, &["check"]).ends(2);
    let digest = format!("digest: sha256:{:x}", Sha256::digest(V1));
    says(&seen, &digest);
    library.edit("stockroom.yml", &source, &format!("{source}  {digest}\n"));
    let requests = server.seen().len();
    for words in [vec!["check"], vec!["check", "--locked"], vec!["schema", "lock"], vec!["check", "--locked"]] {
        check(&library, &words).ends(0);
    }
    assert_eq!(server.seen().len(), requests + 1);
}

#[test]
fn a_released_schema_of_the_librarys_own_must_not_change() {
    let library = library("  source: ./schemas\n");
    library.write("schemas/thing/v1.0.0.json", V1);
    library.write("schemas/thing/latest.json", V1);
    library.run(&["check", "--locked"]).ends(0);
    library.run(&["schema", "lock"]).ends(0);
    library.write("schemas/thing/latest.json", V1_EDITED);
    library.run(&["check", "--fail-on", "warning"]).ends(0);
    library.edit("schemas/thing/v1.0.0.json", "title", "name");
    library.edit("things/bolt.json", "title", "name");
    let warned = library.run(&["check"]).ends(0);
    says(
        &warned,
        "schemas/thing/v1.0.0.json:1:1: warning: thing/v1.0.0.json is a released version and is not what it was",
    );
    says(&library.run(&["check", "--locked"]).ends(2), "thing/latest.json is not what it was");
}

mod branches {
    use super::*;

    fn matching() -> (Library, FakeGitHub) {
        let library = library("  source: github:org/schemas@v1\n  branch: match\n");
        let server = FakeGitHub::start();
        server.publish("org/schemas", "new/price", &[("thing/v1.0.0.json", V1_EDITED)]);
        server.publish("org/schemas", "main", &[("thing/v1.0.0.json", V1_EDITED)]);
        server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", V1)]);
        (library, server)
    }

    #[test]
    fn the_branch_of_the_same_name_is_tried_first() {
        let (library, server) = matching();
        run(&library, &server, &["check"]).ends(0);
        run(&library, &server, &["schema", "lock"]).ends(0);
        library.git(&["checkout", "--quiet", "-b", "other"]);
        says(
            &run(&library, &server, &["check"]).ends(0),
            "org/schemas has no branch \"other\", so github:org/schemas@v1 counts",
        );
        library.git(&["checkout", "--quiet", "-b", "new/price"]);
        let run_on = run(&library, &server, &["check"]).ends(1);
        says(&run_on, "schemas: github:org/schemas@heads/new/price at commit ");
        says(&run_on, "the branch of the same name");
        says(&run(&library, &server, &["check", "--locked"]).ends(2), "would try the branch \"new/price\"");
        run(&library, &server, &["check", "--rev", "main"]).ends(0);
    }

    #[test]
    fn a_name_that_is_no_branch_of_ones_own_is_not_tried() {
        let (library, server) = matching();
        let check = |head: &str, base: &str| {
            let program = program(&library, server.url(), &["check"]);
            program.env("GITHUB_HEAD_REF", head).env("GITHUB_BASE_REF", base).run()
        };
        check("new/price", "main").ends(1);
        let before = server.seen().len();
        for (head, base) in [
            ("main", "develop"),
            ("new/price", "new/price"),
            ("../../../user", "main"),
            ("a?b=c", "main"),
            ("a b", "main"),
        ] {
            check(head, base).ends(0);
        }
        let asked = server.seen().split_off(before);
        assert!(asked.iter().all(|seen| seen.uri.ends_with("/commits/v1") || seen.uri.contains("/git/")), "{asked:?}");
        check("50%#x", "main").ends(0);
        assert!(
            server.seen().iter().any(|seen| seen.uri.ends_with("/commits/heads%2F50%25%23x")),
            "{:?}",
            server.seen()
        );
    }
}

mod proposals {
    use super::*;

    /// A proposal that changes stockroom.yml, merged as GitHub merges it.
    fn proposed(schemas: &str, change: &str) -> (Library, Value) {
        let library = library(schemas);
        let base = library.git(&["rev-parse", "HEAD"]);
        library.git(&["checkout", "--quiet", "-b", "topic"]);
        library.write("stockroom.yml", config(change));
        let head = library.commit();
        library.git(&["checkout", "--quiet", "--detach", "main"]);
        library.git(&["merge", "--quiet", "--no-ff", "--no-edit", "topic"]);
        (library, json!({"pull_request": {"base": {"sha": base}, "head": {"sha": head}}}))
    }

    fn propose(library: &Library, payload: &Value, server: &FakeGitHub, words: &[&str]) -> Run {
        on("pull_request", library, payload, server, words)
    }

    fn on(name: &str, library: &Library, payload: &Value, server: &FakeGitHub, words: &[&str]) -> Run {
        let event = library.beside("event.json");
        fs::write(&event, payload.to_string()).unwrap();
        let before = library.everything();
        let program = program(library, server.url(), words).env("GITHUB_ACTIONS", "true").env("SCHEMAS_TOKEN", TOKEN);
        let program = program.env("OTHER_SECRET", "ghp_other").env("GITHUB_HEAD_REF", "topic");
        let run = program.env("GITHUB_EVENT_NAME", name).env("GITHUB_EVENT_PATH", &event).run();
        assert_eq!(library.everything(), before, "a proposal leaves no trace:\n{}", run.both());
        run
    }

    #[test]
    fn another_registry_is_not_asked_for_before_the_merge() {
        let server = server();
        server.publish("evil/schemas", "v1", &[("thing/v1.0.0.json", "{}")]);
        let ours = "  source: github:org/schemas@v1\n";
        for theirs in [
            "github:evil/schemas@v1",
            "https://169.254.169.254/thing.schema.json",
            "http://127.0.0.1:1/thing.schema.json",
        ] {
            let (library, payload) = proposed(ours, &format!("  source: {theirs}\n  # and more\n"));
            let run = propose(&library, &payload, &server, &["run"]).ends(0);
            says(&run, "warning: this change names the registry");
            says(&run, "[schema-source-proposed]");
            says(&run, "1 record in 1 collection: 1 valid");
        }
        assert!(server.seen().iter().all(|seen| seen.uri.starts_with("/repos/org/schemas/")), "{:?}", server.seen());
    }

    #[test]
    fn no_event_makes_a_proposal_s_registry_trusted() {
        let server = server();
        server.publish("evil/schemas", "v1", &[("thing/v1.0.0.json", "{}")]);
        let (library, payload) = proposed(
            "  source: github:org/schemas@v1\n",
            "  source: github:evil/schemas@v1\n  token: ${{ env.OTHER_SECRET }}\n",
        );
        for name in ["pull_request_review", "pull_request_review_comment"] {
            says(&on(name, &library, &payload, &server, &["check"]).ends(0), "schema-source-proposed");
        }
        assert!(server.seen().iter().all(|seen| seen.uri.starts_with("/repos/org/schemas/")), "{:?}", server.seen());
        let before = server.seen().len();
        let comment = json!({"issue": {"number": 7, "pull_request": {"url": "https://api.github.com/x"}}});
        for name in ["issue_comment", "workflow_run", "repository_dispatch"] {
            says(
                &on(name, &library, &comment, &server, &["check"]).ends(2),
                "does not tell whose files are checked out",
            );
        }
        assert_eq!(server.seen().len(), before);
    }

    #[test]
    fn the_folder_that_has_been_merged_counts_until_then() {
        let (server, library) = (server(), library("  source: ./schemas\n"));
        library.write("schemas/thing/v1.0.0.json", V1_EDITED);
        let base = library.commit();
        library.write("stockroom.yml", config("  source: github:org/schemas@v1\n"));
        library.write("schemas/thing/v1.0.0.json", "{}");
        let head = library.commit();
        let payload = json!({"pull_request": {"base": {"sha": base}, "head": {"sha": head}}});
        let run = propose(&library, &payload, &server, &["check"]).ends(1);
        says(&run, "price");
        assert_eq!(server.seen(), []);
    }

    #[test]
    fn another_ref_of_the_same_registry_is_tried_with_the_token_that_has_been_merged() {
        let server = FakeGitHub::start();
        server.publish("org/schemas", "v1", &[("thing/v1.0.0.json", V1)]);
        server.publish("org/schemas", "v2", &[("thing/v1.0.0.json", V1_EDITED)]);
        server.make_private("org/schemas").allow(TOKEN, "org/schemas", Grant::Read);
        let (library, payload) = proposed(
            "  source: github:org/schemas@v1\n  token: ${{ env.SCHEMAS_TOKEN }}\n",
            "  source: github:org/schemas@v2\n  token: ${{ env.OTHER_SECRET }}\n",
        );
        let run = propose(&library, &payload, &server, &["check"]).ends(1);
        says(&run, "price");
        assert!(!run.both().contains("ghp_other"), "{}", run.both());
        assert!(run.both().contains(&format!("::add-mask::{TOKEN}")));
    }

    #[test]
    fn where_the_base_is_not_in_the_clone_nothing_is_asked_for() {
        let server = server();
        let (library, payload) =
            proposed("  source: github:org/schemas@v1\n", "  source: github:org/schemas@v1\n  # x\n");
        let shallow = library.clone_of_depth(1);
        says(&propose(&shallow, &payload, &server, &["run"]).ends(2), "with actions/checkout set `fetch-depth: 2`");
        assert_eq!(server.seen(), []);
        let deeper = library.clone_of_depth(2);
        propose(&deeper, &payload, &server, &["run"]).ends(0);
    }

    #[test]
    fn a_configuration_that_is_named_counts_as_it_was_merged() {
        let server = server();
        server.publish("evil/schemas", "v1", &[("thing/v1.0.0.json", "{}")]);
        let library = library("  source: github:org/schemas@v1\n");
        library.write("ci/stockroom.yml", config("  source: github:org/schemas@v1\n"));
        let base = library.commit();
        library.write("ci/stockroom.yml", config("  source: github:evil/schemas@v1\n"));
        let head = library.commit();
        let payload = json!({"pull_request": {"base": {"sha": base}, "head": {"sha": head}}});
        says(
            &propose(&library, &payload, &server, &["--config", "ci/stockroom.yml", "check"]).ends(0),
            "schema-source-proposed",
        );
        assert!(server.seen().iter().all(|seen| seen.uri.starts_with("/repos/org/schemas/")), "{:?}", server.seen());
        let outside = library.beside("stockroom.yml");
        fs::write(&outside, config("  source: github:evil/schemas@v1\n")).unwrap();
        let before = server.seen().len();
        propose(&library, &payload, &server, &["--config", outside.to_str().unwrap(), "check"]).ends(2);
        assert_eq!(server.seen().len(), before);
    }

    #[test]
    fn a_proposal_does_not_write_a_lock() {
        let server = server();
        let (library, payload) =
            proposed("  source: github:org/schemas@v1\n", "  source: github:org/schemas@v1\n  # x\n");
        says(&propose(&library, &payload, &server, &["schema", "lock"]).ends(2), "run this on your own machine");
    }
}
