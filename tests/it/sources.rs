//! A hub: one index over its own texts and those of other repositories.

use std::path::Path;

use serde_json::Value;
use stockroom::report;

use crate::fake_github::{FakeGitHub, Grant};
use crate::program::{Library, Program, Run, named};

const TOKEN: &str = "github_pat_canary0123456789";
const SETTINGS: &str = "version: 1
collections: {tools: {metadata: 'tools/*.json', id: '{stem}'}}
embed:
  text: [/title]
  sources:
    - {repo: acme/docs, exclude: ['drafts/**'], token: '${{ env.SOURCES_TOKEN }}'}
    - {org: acme, keyword: assets, token: '${{ env.SOURCES_TOKEN }}'}
";

fn hub() -> Library {
    Library::of(&[("stockroom.yml", SETTINGS), ("tools/saw.json", r#"{"title": "a saw for wood"}"#)])
}

fn server() -> FakeGitHub {
    let github = FakeGitHub::start();
    let bolts = "# Hex bolts\n\nSix sides, made of steel.";
    github.publish("acme/docs", "main", &[("guide.md", bolts), ("drafts/no.md", "unfinished"), ("icon.png", "x")]);
    github.publish("acme/asset-store", "main", &[("README.md", "Screws of brass, with a flat head")]);
    github.publish("acme/elsewhere", "main", &[("README.md", "nothing of interest")]);
    github.describe("acme/asset-store", "Our assets", &[]);
    for repo in ["acme/docs", "acme/asset-store"] {
        github.make_private(repo).allow(TOKEN, repo, Grant::Read);
    }
    github
}

fn program(library: &Library, github: &FakeGitHub, words: &[&str]) -> Program {
    library.program(words).env("GITHUB_API_URL", github.url()).env("SOURCES_TOKEN", TOKEN)
}

fn run(library: &Library, github: &FakeGitHub, words: &[&str]) -> Run {
    program(library, github, words).run()
}

fn sync(library: &Library, github: &FakeGitHub, code: i32) -> Value {
    let ended = run(library, github, &["sync", "--only", "embed", "--format", "json"]).ends(code);
    ended.document(&report::json::targets::sync_schema())
}

fn outcome<'v>(document: &'v Value, name: &str) -> &'v str {
    named(&document["results"], "name", name)["outcome"].as_str().unwrap()
}

fn hits(library: &Library, github: &FakeGitHub, query: &str) -> Vec<(String, String)> {
    let found = run(library, github, &["search", query, "--format", "json"]).ends(0);
    let found = found.document(&report::search::schema());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    found["hits"].as_array().unwrap().iter().map(|hit| (text(&hit["repository"]), text(&hit["path"]))).collect()
}

fn at(repository: &str, path: &str) -> (String, String) {
    (repository.to_owned(), path.to_owned())
}

#[test]
fn a_hub_answers_from_its_own_texts_and_from_those_of_other_repositories() {
    let (library, github) = (hub(), server());
    let done = sync(&library, &github, 0);
    let names: Vec<_> = done["results"].as_array().unwrap().iter().map(|result| &result["name"]).collect();
    assert_eq!(names, ["embedding", "embedding/acme/docs", "embedding/acme/asset-store"]);
    assert_eq!(hits(&library, &github, "hexagonal bolt")[0], at("acme/docs", "guide.md"));
    assert_eq!(hits(&library, &github, "brass screws")[0], at("acme/asset-store", "README.md"));
    let saw = hits(&library, &github, "saw");
    assert_eq!((saw.len(), &saw[0]), (3, &at("", "tools/saw.json")), "all are there, drafts and pictures are not");
}

#[test]
fn what_has_not_changed_costs_a_free_request_for_each_source() {
    let (library, github) = (hub(), server());
    sync(&library, &github, 0);
    let before = github.seen().len();
    let again = sync(&library, &github, 0);
    assert!(again["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "unchanged"), "{again:#}");
    let asked: Vec<_> = github.seen().split_off(before);
    let paid: Vec<_> = asked.iter().filter(|seen| seen.status != Some(304)).collect();
    assert!(paid.is_empty() && asked.len() == 3, "the list of the organisation and two commits: {asked:?}");
}

#[test]
fn an_edit_is_embedded_a_move_is_not_and_what_is_gone_goes() {
    let (library, github) = (hub(), server());
    sync(&library, &github, 0);
    let bolts = "# Hex bolts\n\nSix sides, made of steel.";
    github.publish("acme/docs", "main", &[("docs/bolts.md", bolts)]);
    let moved = sync(&library, &github, 0);
    assert_eq!((&moved["embedding"]["embedded"], &moved["embedding"]["reused"]), (&0.into(), &1.into()), "{moved:#}");
    assert_eq!(hits(&library, &github, "bolt")[0], at("acme/docs", "docs/bolts.md"));
    github.publish("acme/docs", "main", &[("docs/bolts.md", "Bicycles")]);
    let edited = sync(&library, &github, 0);
    assert_eq!((&edited["embedding"]["embedded"], &edited["embedding"]["deleted"]), (&1.into(), &1.into()));
    assert_eq!(hits(&library, &github, "bicycle")[0], at("acme/docs", "docs/bolts.md"));
}

#[test]
fn a_source_that_cannot_be_read_fails_alone_and_keeps_what_it_has() {
    let (library, github) = (hub(), server());
    sync(&library, &github, 0);
    library.write("tools/drill.json", r#"{"title": "a drill"}"#);
    library.commit();
    let partial = program(&library, &github, &["sync", "--only", "embed", "--format", "json"]);
    let partial = partial.env("SOURCES_TOKEN", "github_pat_revoked").run().ends(3);
    assert!(!partial.both().contains("github_pat_revoked"), "{}", partial.both());
    let partial = partial.json();
    assert_eq!((outcome(&partial, "embedding"), outcome(&partial, "embedding/acme/docs")), ("done", "failed"));
    assert!(named(&partial["results"], "name", "embedding/acme/docs")["message"].as_str().unwrap().contains("401"));
    assert_eq!(hits(&library, &github, "bolt")[0], at("acme/docs", "guide.md"));
    assert_eq!(hits(&library, &github, "drill")[0], at("", "tools/drill.json"));
    let unset = library.program(&["sync", "--only", "embed"]).env("GITHUB_API_URL", github.url()).run().ends(3);
    assert!(unset.both().contains("its `token` names SOURCES_TOKEN, which is not set"), "{}", unset.both());
    let plan = program(&library, &github, &["plan", "--only", "embed"]).env("SOURCES_TOKEN", "x").run().ends(3);
    assert!(plan.both().contains("embedding/acme/docs"), "{}", plan.both());
    sync(&library, &github, 0);
}

#[test]
fn a_source_that_is_no_more_in_stockroom_yml_loses_its_chunks() {
    let (library, github) = (hub(), server());
    sync(&library, &github, 0);
    library.edit(
        "stockroom.yml",
        "    - {repo: acme/docs, exclude: ['drafts/**'], token: '${{ env.SOURCES_TOKEN }}'}\n",
        "",
    );
    library.commit();
    let plan = run(&library, &github, &["plan", "--only", "embed"]).ends(0);
    assert!(plan.both().contains("embedding/acme/docs"), "{}", plan.both());
    sync(&library, &github, 0);
    assert!(hits(&library, &github, "bolt").iter().all(|(repository, _)| repository != "acme/docs"));
    let again = sync(&library, &github, 0);
    let names: Vec<_> = again["results"].as_array().unwrap().iter().map(|result| &result["name"]).collect();
    assert_eq!(names, ["embedding", "embedding/acme/asset-store"]);
}

#[test]
fn a_source_that_is_suddenly_empty_is_taken_for_a_mistake() {
    let (library, github) = (hub(), server());
    let many: Vec<(String, String)> = (0..12).map(|n| (format!("{n}.md"), format!("text {n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    github.publish("acme/docs", "main", &many);
    sync(&library, &github, 0);
    github.publish("acme/docs", "main", &[("only.png", "x")]);
    let refused = run(&library, &github, &["sync", "--only", "embed"]).ends(3);
    assert!(refused.both().contains("12 of the 12 assets in the index have no text any more"), "{}", refused.both());
    run(&library, &github, &["sync", "--only", "embed", "--allow-mass-delete"]).ends(0);
}

#[test]
fn a_lost_state_is_built_again_without_embedding_anything() {
    let (library, github) = (hub(), server());
    sync(&library, &github, 0);
    for name in ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"] {
        let _ = std::fs::remove_file(library.repository().join(".git/stockroom").join(name));
    }
    let rebuilt = sync(&library, &github, 0);
    assert_eq!(rebuilt["embedding"]["embedded"], 0, "{rebuilt:#}");
    let again = sync(&library, &github, 0);
    assert!(again["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "unchanged"), "{again:#}");
}

#[test]
fn the_command_embed_serves_the_index_alone() {
    let (library, github) = (hub(), server());
    let done = run(&library, &github, &["embed", "--format", "json"]).ends(0).json();
    assert_eq!(outcome(&done, "embedding/acme/docs"), "done");
    assert!(!library.path(".stockroom").exists(), "no manifest");
    for words in [&["embed", "--shard", "1/4"][..], &["plan", "--shards", "4"]] {
        let refused = run(&library, &github, words).ends(2);
        assert!(refused.both().contains("set `embed.store.kind` to a store that every runner reaches"), "{refused:?}");
    }
    let bad = run(&library, &github, &["embed", "--shard", "5/4"]).ends(2);
    assert!(bad.both().contains("write I/N, such as 2/4"), "{}", bad.both());
}

#[test]
fn a_pull_request_reads_no_source() {
    let (library, github) = (hub(), server());
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/github/events/pull_request-opened.json");
    let program = program(&library, &github, &["run"]).env("GITHUB_ACTIONS", "true");
    let ended = program.env("GITHUB_EVENT_NAME", "pull_request").env("GITHUB_EVENT_PATH", event).run();
    assert!(github.seen().is_empty(), "{:?}", github.seen());
    let said = ended.ends(0).both();
    assert!(said.contains("embedding/acme/docs") && said.contains("a pull request reads no source"), "{said}");
}
