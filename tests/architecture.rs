//! Holds the rooms to the table in ARCHITECTURE.md: what each may import, and what a pure room may never touch.
//!
//! If the table is wrong, change it here and in ARCHITECTURE.md in the same commit, and say why.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/source.rs"]
mod source;

use source::{crate_imports, mentions, test_only_files, tokens, without_tests};

/// A top-level module of the crate.
struct Room {
    name: &'static str,
    pure: bool,
    may_import: &'static [&'static str],
    holds: &'static str,
}

const fn pure(name: &'static str, may_import: &'static [&'static str], holds: &'static str) -> Room {
    Room { name, pure: true, may_import, holds }
}

const fn effects(name: &'static str, may_import: &'static [&'static str], holds: &'static str) -> Room {
    Room { name, pure: false, may_import, holds }
}

/// From the ground up: a room imports only rooms that stand above it in this list.
const ROOMS: &[Room] = &[
    pure("ids", &[], "newtypes that name things"),
    pure("secret", &[], "values that print as ***, and what looks like one; every room may hold one"),
    pure("finding", &["ids"], "what is wrong with the user's data"),
    pure("state", &["ids"], "what has already been done, as plain data"),
    pure("event", &["ids"], "what happened on GitHub, and what it asks for"),
    pure("catalog", &["ids", "finding"], "assets and records, read from bytes"),
    pure("schema", &["ids", "finding", "catalog"], "the registry and validation"),
    pure("manifest", &["ids", "finding", "catalog"], "what is published"),
    pure("mirror", &["ids", "catalog", "manifest"], "what a folder that follows a manifest has, lacks and may take"),
    pure("downstream", &["ids", "finding", "state", "catalog", "schema"], "who is told what, in which order"),
    pure("diagnosis", &["ids"], "what is concluded from what was seen of all that a run needs"),
    pure("embedding", &["ids", "catalog"], "texts, chunks and what to embed"),
    pure("plan", &["ids", "manifest", "downstream", "embedding"], "what is to be done, for all targets"),
    pure(
        "report",
        &["ids", "finding", "manifest", "mirror", "downstream", "diagnosis", "embedding", "plan", "state"],
        "renderers, one per format",
    ),
    effects(
        "adapters",
        &[
            "ids",
            "finding",
            "state",
            "event",
            "catalog",
            "schema",
            "manifest",
            "mirror",
            "downstream",
            "diagnosis",
            "embedding",
            "plan",
        ],
        "every way out of the process",
    ),
    pure(
        "config",
        &["ids", "finding", "state", "catalog", "schema", "manifest", "downstream", "embedding", "report"],
        "stockroom.yml, assembled from each room's Settings",
    ),
    effects(
        "commands",
        &[
            "ids",
            "finding",
            "state",
            "event",
            "catalog",
            "schema",
            "manifest",
            "mirror",
            "downstream",
            "diagnosis",
            "embedding",
            "plan",
            "report",
            "adapters",
            "config",
        ],
        "one file per command: gather, plan, apply, report",
    ),
    effects(
        "cli",
        &[
            "ids",
            "finding",
            "state",
            "event",
            "manifest",
            "mirror",
            "downstream",
            "diagnosis",
            "embedding",
            "config",
            "commands",
            "report",
            "adapters",
        ],
        "the words of the command line and the environment",
    ),
];

/// Paths that no pure room may name, and where the piece belongs instead.
const IMPURE: &[(&[&str], &str)] = &[
    (&["std", "fs"], "reading and writing files belongs in src/adapters; take the bytes as an argument"),
    (&["std", "net"], "connections belong in src/adapters; take the answer as an argument"),
    (&["std", "process"], "running programs belongs in src/adapters, leaving the process in src/main.rs"),
    (&["std", "env"], "the environment is read in src/cli alone; take the value as an argument"),
    (&["SystemTime", "now"], "the clock is read in src/commands; take the Timestamp as an argument"),
    (&["Instant", "now"], "the clock is read in src/commands; take a budget or a deadline as an argument"),
    (&["tokio"], "what waits belongs in src/adapters or src/commands; decide here and return data"),
    (&["reqwest"], "HTTP belongs in src/adapters/http"),
    (&["octocrab"], "GitHub's API belongs in src/adapters/github"),
    (&["git2"], "git belongs in src/adapters/worktree"),
    (&["rusqlite"], "databases belong in src/adapters/state_store or src/adapters/vector_store"),
    (&["async"], "what waits belongs in src/adapters or src/commands; decide here and return data"),
];

/// What every room but cli leaves to cli.
const ENVIRONMENT: &[&str] = &["var", "var_os", "vars", "vars_os", "args", "args_os", "set_var", "remove_var"];

#[test]
fn the_rooms_import_only_what_the_table_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    read_sources(&src, &src, &mut sources);
    let test_only = test_only_files(&sources);
    let complaints: Vec<String> = sources
        .iter()
        .filter(|(path, _)| !test_only.iter().any(|t| path.starts_with(t) || **path == t.with_extension("rs")))
        .flat_map(|(path, text)| complaints(path, text))
        .collect();
    assert!(sources.len() > 10, "no sources found below {}", src.display());
    assert!(complaints.is_empty(), "\n\n{}\n\nThe table: ARCHITECTURE.md.\n", complaints.join("\n"));
}

#[test]
fn the_table_itself_has_no_cycle_and_names_only_rooms() {
    let mut above = BTreeSet::new();
    for room in ROOMS {
        for import in room.may_import {
            assert!(above.contains(import), "{} imports {import}, which does not stand above it", room.name);
        }
        above.insert(room.name);
    }
}

/// What is wrong with one file, each as a sentence that says where the piece belongs.
fn complaints(path: &Path, text: &str) -> Vec<String> {
    let shown = format!("src/{}", path.display());
    let mut parts = path.components().map(|c| c.as_os_str().to_string_lossy().into_owned());
    let first = parts.next().unwrap_or_default();
    let name = first.strip_suffix(".rs").unwrap_or(&first);
    if matches!(first.as_str(), "lib.rs" | "main.rs") {
        return Vec::new();
    }
    let Some(room) = ROOMS.iter().find(|r| r.name == name) else {
        return vec![format!(
            "{shown}: `{name}` is no room of the table. Move its parts into the room whose noun they are, \
             or add the room to tests/architecture.rs and ARCHITECTURE.md and say what it holds."
        )];
    };
    // `super` climbs from the file's own module: src/a.rs and src/a/mod.rs are one step from the root, src/a/b.rs two.
    let steps = path.components().count() - usize::from(path.ends_with("mod.rs"));
    let tokens = without_tests(&tokens(text));
    let mut found = Vec::new();
    for (line, import) in crate_imports(&tokens, steps) {
        if import != room.name && import != "secret" && !room.may_import.contains(&import.as_str()) {
            let allowed = match room.may_import {
                [] => "nothing".to_owned(),
                rooms => rooms.join(", "),
            };
            let advice = match ROOMS.iter().find(|r| r.name == import) {
                Some(other) => format!(
                    "`{import}` holds {}. Move the piece there or higher, or pass in what it needs as plain data",
                    other.holds
                ),
                None => "name the room in full, as crate::room::Item".to_owned(),
            };
            found.push(format!("{shown}:{line}: `{name}` ({}) may import {allowed}; {advice}.", room.holds));
        }
    }
    let banned = IMPURE.iter().filter(|_| room.pure);
    for (banned, advice) in banned {
        for line in mentions(&tokens, banned) {
            found.push(format!("{shown}:{line}: `{name}` is pure and may not use `{}`: {advice}.", banned.join("::")));
        }
    }
    if !room.pure && room.name != "cli" {
        for word in ENVIRONMENT {
            for line in mentions(&tokens, &["env", word]) {
                found.push(format!(
                    "{shown}:{line}: `env::{word}` is for src/cli alone; take the value as an argument."
                ));
            }
        }
    }
    found
}

fn read_sources(root: &Path, folder: &Path, sources: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(root, &path, sources);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.insert(path.strip_prefix(root).unwrap().to_owned(), text);
        }
    }
}

/// The test must be able to fail: each of these sources is wrong, in this room, for this reason.
#[test]
fn every_kind_of_trespass_is_seen() {
    let wrong = [
        ("ids.rs", "use crate::finding::Finding;", "`ids` (newtypes that name things) may import nothing"),
        ("catalog/mod.rs", "use crate::manifest::Manifest;", "`manifest` holds what is published"),
        ("catalog/read.rs", "fn f() { crate::schema::validate() }", "src/catalog/read.rs:1"),
        ("catalog/read.rs", "use super::super::schema::X;", "may import ids, finding;"),
        ("manifest/mod.rs", "use crate::{\n  ids::{A, B},\n  adapters::http,\n};", "src/manifest/mod.rs:3"),
        ("config/mod.rs", "use crate::commands::sync;", "`commands` holds one file per command"),
        ("adapters/github/mod.rs", "use crate::config::Settings;", "`config` holds stockroom.yml"),
        ("commands/sync.rs", "use crate::cli::Args;", "`cli` holds the words"),
        ("catalog/mod.rs", "use crate::*;", "name the room in full"),
        ("utils.rs", "", "`utils` is no room of the table"),
        ("event.rs", "use std::fs;", "src/adapters"),
        ("event.rs", "use std::{collections::BTreeMap, env};", "src/cli alone"),
        ("event.rs", "fn f() { std::process::exit(1) }", "src/main.rs"),
        ("event.rs", "use std::net::IpAddr;", "connections belong"),
        ("plan.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now(); }", "src/plan.rs:2"),
        ("plan.rs", "pub async fn f() {}", "what waits"),
        ("state/mod.rs", "use tokio::sync::Mutex;", "what waits"),
        ("state/mod.rs", "use rusqlite as sql;", "databases belong"),
        ("report/mod.rs", "fn f(e: reqwest::Error) {}", "src/adapters/http"),
        ("schema/mod.rs", "type R = git2::Repository;", "src/adapters/worktree"),
        ("adapters/model/mod.rs", "fn f() { std::env::var(\"KEY\"); }", "for src/cli alone"),
        ("ids.rs", "#[cfg(test)]\nmod tests { }\nuse crate::plan::Plan;", "src/ids.rs:3"),
        ("ids.rs", "#[cfg(not(test))]\nuse crate::plan::Plan;", "src/ids.rs:2"),
        ("ids.rs", "const Q: char = '\"'; use crate::plan::Plan; const S: &str = \"\";", "src/ids.rs:1"),
    ];
    for (path, source, sentence) in wrong {
        let found = complaints(Path::new(path), source).join("\n");
        assert!(found.contains(sentence), "{path} with {source:?} should be told {sentence:?}, but was told {found:?}");
    }
}

#[test]
fn what_the_table_allows_is_left_in_peace() {
    let right = [
        ("catalog/record.rs", "use crate::ids::RepoPath; use super::read::Json; use crate::catalog::asset::Asset;"),
        ("catalog/read/json.rs", "use super::super::record::Record; use crate::secret::Secret;"),
        (
            "ids.rs",
            "// use crate::plan::Plan;\n/* std::fs /* nested */ tokio::x */\nconst S: &str = \"crate::plan std::fs\";",
        ),
        ("ids.rs", "const S: &str = r#\"crate::plan \" std::fs\"#; const B: &[u8] = b\"\\\"tokio::x\";"),
        (
            "ids.rs",
            "#[cfg(test)]\n#[allow(dead_code)]\nmod tests { use crate::plan::Plan; fn f() { std::fs::read(\"}\"); } }",
        ),
        ("ids.rs", "#[cfg(test)]\nuse std::{fs, env};\npub struct Id<'a>(&'a str);"),
        ("event.rs", "use std::fmt; let env = 1; let process = env; env!(\"CARGO_PKG_VERSION\");"),
        ("adapters/state_store/mod.rs", "use std::fs; use tokio::time; pub async fn f() { std::env::temp_dir(); }"),
        ("cli/mod.rs", "use crate::commands::sync; fn f() { std::env::var(\"GITHUB_TOKEN\"); }"),
        ("lib.rs", "pub mod catalog;"),
    ];
    for (path, source) in right {
        assert_eq!(complaints(Path::new(path), source), Vec::<String>::new(), "{path} with {source:?}");
    }
}

#[test]
fn modules_for_tests_alone_are_known_by_their_declaration() {
    let sources = [
        ("report/mod.rs", "#[cfg(test)]\nmod runner_parser;\nmod human;"),
        ("catalog/record.rs", "#[cfg(test)]\npub(crate) mod tests;"),
        ("ids.rs", "#[cfg(test)]\nmod tests { mod inner; }"),
    ];
    let sources = sources.into_iter().map(|(p, t)| (PathBuf::from(p), t.to_owned())).collect();
    let found: BTreeSet<_> = test_only_files(&sources).into_iter().collect();
    assert_eq!(found, BTreeSet::from([PathBuf::from("report/runner_parser"), PathBuf::from("catalog/record/tests")]));
}
