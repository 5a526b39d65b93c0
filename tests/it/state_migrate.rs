//! A library whose state is in PostgreSQL, and one whose state moves there and back.

use std::io::{BufRead as _, BufReader};

use stockroom::adapters::state_store::{SqliteState, StateLock as _};
use stockroom::adapters::turn::Turn;

use crate::postgres_server::{Database, PASSWORD, server};
use crate::program::{Library, Program};

const URL: &str = "STOCKROOM_STATE_URL";

fn database() -> Option<Database> {
    Some(server()?.database())
}

fn program(library: &Library, database: &Database, words: &[&str]) -> Program {
    library.program(words).env(URL, database.tcp()).env("GITHUB_REPOSITORY", "org/library")
}

fn keep_in(library: &Library, kind: &str) {
    let settings = library.read("stockroom.yml");
    let kept: Vec<&str> = settings.lines().filter(|line| !line.starts_with("state:")).collect();
    library.write("stockroom.yml", format!("{}\nstate: {{ kind: {kind} }}\n", kept.join("\n")));
    library.commit();
}

#[test]
fn a_state_in_postgresql_does_what_one_in_a_file_does() {
    let Some(database) = database() else { return };
    let library = Library::example();
    keep_in(&library, "postgres");
    let unset = library.program(&["sync"]).env("GITHUB_REPOSITORY", "org/library").run().ends(2);
    assert!(unset.both().contains("the variable STOCKROOM_STATE_URL"), "{}", unset.both());
    let nameless = library.program(&["sync"]).env(URL, database.tcp()).run().ends(2);
    assert!(nameless.both().contains("set GITHUB_REPOSITORY"), "{}", nameless.both());

    program(&library, &database, &["sync"]).run().ends(0);
    assert!(!library.path(".git/stockroom/state.sqlite").exists());
    let serial = database.sql("SELECT serial FROM stockroom.libraries WHERE name = 'org/library:'");
    assert_ne!(serial, "0");
    let again = program(&library, &database, &["sync", "--format", "json"]).run().ends(0).json();
    assert!(again["targets"].as_array().unwrap().iter().all(|target| target["action"] == "none"), "{again:#}");
    assert_eq!(database.sql("SELECT serial FROM stockroom.libraries"), serial, "nothing was written");
    let shown = program(&library, &database, &["state", "show"]).run().ends(0);
    assert!(shown.both().contains("PostgreSQL"), "{}", shown.both());
    program(&library, &database, &["plan"]).run().ends(0);

    let wrong = database.tcp_as("stockroom", "canary-of-a-password");
    let refused = library.program(&["sync"]).env(URL, wrong).env("GITHUB_REPOSITORY", "org/library").run().ends(2);
    assert!(refused.both().contains("does not let this user in"), "{}", refused.both());
    assert!(!refused.both().contains("canary"), "{}", refused.both());
}

#[test]
fn a_move_waits_for_the_sync_that_is_at_work_in_the_clone() {
    let Some(database) = database() else { return };
    let library = Library::example();
    program(&library, &database, &["sync"]).run().ends(0);
    let turn = Turn::take(&library.path(".git/stockroom")).unwrap();
    program(&library, &database, &["state", "migrate", "check", "--to", "postgres"]).run().ends(0);
    let mut child = program(&library, &database, &["state", "migrate", "run", "--to", "postgres"]).begin();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("another sync is at work in this clone"), "{said}");
    let kept = SqliteState::new(library.path(".git/stockroom/state.sqlite"), "org/library:");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(kept.locked()).unwrap(), None, "it has not begun");
    drop(turn);
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_state_moves_to_postgresql_and_back_and_every_step_says_what_to_do_next() {
    let Some(database) = database() else { return };
    let library = Library::example();
    let run = |words: &[&str]| program(&library, &database, words).run();
    let step = |step: &str, to: &str| run(&["state", "migrate", step, "--to", to]);
    let none = step("check", "postgres").ends(2);
    assert!(none.both().contains("there is no state at"), "{}", none.both());
    run(&["sync"]).ends(0);

    let looked = step("check", "postgres").ends(0);
    assert!(looked.both().contains("nothing is there yet"), "{}", looked.both());
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'stockroom'"), "0");
    keep_in(&library, "postgres");
    let early = run(&["sync"]).ends(2);
    assert!(early.both().contains("stockroom state migrate run --to postgres"), "{}", early.both());
    keep_in(&library, "sqlite");

    let refused = step("cleanup", "postgres").ends(2);
    assert!(refused.both().contains("was not moved"), "{}", refused.both());
    let moved = step("run", "postgres").ends(0);
    assert!(moved.both().contains("Write `state: { kind: postgres }`"), "{}", moved.both());
    let stale = run(&["sync"]).ends(2);
    assert!(stale.both().contains("set `state` in stockroom.yml"), "{}", stale.both());
    for looks in [&["state", "show"][..], &["status"], &["state", "history"], &["state", "unlock"]] {
        let told = run(looks).ends(0).both();
        let is_told = looks[0] == "status" || looks[1] == "show";
        assert_eq!(told.contains("set `state` in stockroom.yml"), is_told, "{looks:?}: {told}");
    }
    run(&["status", "--check"]).ends(3);
    let shown = run(&["state", "show", "--format", "json"]).ends(0);
    let shown = shown.document(&stockroom::report::json::state::show_schema());
    assert_eq!((&shown["serial"], &shown["lock"]), (&serde_json::Value::Null, &serde_json::Value::Null));

    keep_in(&library, "postgres");
    step("validate", "postgres").ends(0);
    let document = run(&["state", "migrate", "validate", "--to", "postgres", "--format", "json"]).ends(0);
    let document = document.document(&stockroom::report::moving::schema());
    assert_eq!((&document["equal"], &document["step"]), (&true.into(), &"validate".into()));
    let would = step("cleanup", "postgres").ends(2);
    assert!(would.both().contains("would be deleted; with --yes"), "{}", would.both());
    assert!(library.path(".git/stockroom/state.sqlite").exists());
    run(&["state", "migrate", "cleanup", "--to", "postgres", "--yes"]).ends(0);
    assert!(!library.path(".git/stockroom/state.sqlite").exists());
    let again = run(&["sync", "--format", "json"]).ends(0).json();
    assert!(again["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "unchanged"), "{again:#}");

    let back = run(&["state", "migrate", "run", "--to", "sqlite", "--format", "json"]).ends(0);
    back.document(&stockroom::report::moving::schema());
    keep_in(&library, "sqlite");
    step("validate", "sqlite").ends(0);
    run(&["sync"]).ends(0);
    for told in [moved, looked, refused, stale] {
        assert!(!told.both().contains(PASSWORD) && !told.both().contains("canary"), "{}", told.both());
    }
}
