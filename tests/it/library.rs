//! The life of a library: first sync, second sync, edits, deletions, renames, other machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stockroom::report;

use crate::fake_github::{FakeGitHub, Fault, Grant};
use crate::program::{Library, Program, named};
use crate::published;

const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
const OURS: [&str; 2] = [".git/stockroom", ".stockroom"];

/// An example library whose targets are all in step.
fn synced() -> Library {
    let library = Library::example();
    library.run(&["sync"]).ends(0);
    library
}

fn sync(library: &Library) -> Value {
    library.run(&["sync", "--format", "json"]).ends(0).document(&report::json::targets::sync_schema())
}

fn target<'v>(document: &'v Value, name: &str) -> &'v Value {
    named(&document["targets"], "name", name)
}

fn outcome<'v>(document: &'v Value, name: &str) -> &'v str {
    named(&document["results"], "name", name)["outcome"].as_str().unwrap()
}

/// The events that were written while there was no token, oldest first.
fn outbox(library: &Library) -> Vec<Value> {
    let folder = library.repository().join(".git/stockroom/outbox/website");
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap()).collect();
    files.sort_by_key(|file| (file.metadata().unwrap().modified().unwrap(), file.file_name()));
    files.iter().map(|file| serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap()).collect()
}

fn manifest(library: &Library) -> Value {
    serde_json::from_str(&library.read(".stockroom/manifest/manifest.json")).unwrap()
}

/// The ids that the published shards of a collection hold.
fn published(library: &Library, collection: &str) -> Vec<String> {
    let assets = published::assets(&library.path(".stockroom/manifest"));
    assets.into_keys().filter(|(of, _)| of == collection).map(|(_, id)| id).collect()
}

fn ids(hits: &Value) -> Vec<&str> {
    hits["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect()
}

fn search(library: &Library, query: &str) -> Value {
    library.run(&["search", query, "--format", "json"]).ends(0).document(&report::search::schema())
}

#[test]
fn the_first_sync_publishes_writes_the_event_embeds_remembers_and_says_so() {
    let library = Library::example();
    let run = library.run(&["sync"]).ends(0);
    for said in [
        "15 records in 2 collections: 15 valid",
        "done manifest: 15 assets published to .stockroom/manifest",
        "done outbox/website: no token is set, so the event was written to ",
        "28 chunks embedded",
        "in step with commit ",
    ] {
        assert!(run.out.contains(said), "should say {said:?}:\n{}", run.out);
    }
    assert_eq!(run.err, "");
    assert_eq!(published(&library, "products").len(), 13);
    let [event] = &outbox(&library)[..] else { panic!("{:#?}", outbox(&library)) };
    assert_eq!(event["event_type"], "asset-updated");
    assert_eq!(event["client_payload"]["delta"]["counts"], json!({"added": 13, "changed": 0, "removed": 0}));
    assert_eq!(event["client_payload"]["commit"], library.git(&["rev-parse", "HEAD"]));
    let validator = jsonschema::options().offline().build(&stockroom::downstream::envelope_schema()).unwrap();
    assert!(validator.is_valid(&event["client_payload"]), "{event:#}");
    for file in [".git/stockroom/state.sqlite", ".git/stockroom/vectors.sqlite"] {
        assert!(library.path(file).is_file(), "{file}");
    }
    assert_eq!(library.git(&["status", "--porcelain"]), "", "what a sync leaves is ignored by git");
}

#[test]
fn the_second_sync_is_in_step_and_changes_no_byte() {
    let library = synced();
    let before = library.digests(&OURS);
    assert_eq!(before.len(), 12, "{before:#?}");
    let run = library.run(&["sync"]).ends(0);
    let commit = library.git(&["rev-parse", "--short=7", "HEAD"]);
    assert_eq!(
        run.out,
        format!(
            "15 records in 2 collections: 15 valid\nchecked with guide@1.0.0 (2), product-metadata@1.0.0 (3), product-metadata@1.1.0 (10); formats asserted, draft 2020-12\nin step with commit {commit}\n"
        )
    );
    assert_eq!(library.digests(&OURS), before);
}

#[test]
fn check_plan_and_search_write_nothing() {
    let library = synced();
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    let before = library.everything();
    for words in [&["check"][..], &["plan"], &["plan", "--rev", "HEAD"], &["search", "hex bolt"]] {
        library.run(words).ends(0);
        assert_eq!(library.everything(), before, "{words:?}");
    }
    // Nor in a library that has never been synced.
    let library = Library::example();
    let before = library.everything();
    for words in [&["check"][..], &["plan"]] {
        library.run(words).ends(0);
        assert_eq!(library.everything(), before, "{words:?}");
    }
}

#[test]
fn an_edited_record_costs_the_work_of_that_record() {
    let library = synced();
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    library.commit();
    let done = sync(&library);
    for name in ["manifest", "outbox/website"] {
        let target = target(&done, name);
        assert_eq!((&target["added"], &target["changed"], &target["removed"]), (&json!(0), &json!(1), &json!(0)));
    }
    let embedding = &done["embedding"];
    assert_eq!(
        (&embedding["embedded"], &embedding["upserted"], &embedding["deleted"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(target(&done, "embedding")["unchanged"], 27);
    let told = &outbox(&library)[1]["client_payload"]["delta"];
    assert_eq!(told["changed"], json!([{"collection": "products", "id": "hex-bolt-gen-v2"}]));
    assert_eq!(told["counts"], json!({"added": 0, "changed": 1, "removed": 0}));
    assert_eq!(done["targets"].as_array().unwrap().len(), 3);
}

#[test]
fn a_volatile_edit_is_no_change() {
    let library = synced();
    let before = library.digests(&OURS);
    library.edit(HEX, "2026-10-06T04:11:17Z", "2026-11-11T11:11:11Z");
    library.commit();
    let done = sync(&library);
    for name in ["manifest", "outbox/website", "embedding"] {
        assert_eq!((&target(&done, name)["action"], outcome(&done, name)), (&json!("none"), "unchanged"), "{name}");
    }
    assert_eq!(library.digests(&OURS), before);
}

#[test]
fn a_deleted_product_leaves_the_manifest_and_the_index_and_downstream_is_told() {
    let library = synced();
    fs::remove_dir_all(library.path("Hex Bolt Gen v2")).unwrap();
    library.commit();
    let done = sync(&library);
    assert_eq!(target(&done, "manifest")["removed"], 1);
    assert!(!published(&library, "products").contains(&"hex-bolt-gen-v2".to_owned()));
    let told = &outbox(&library)[1]["client_payload"]["delta"];
    assert_eq!(told["removed"], json!([{"collection": "products", "id": "hex-bolt-gen-v2"}]));
    assert_eq!((&done["embedding"]["embedded"], &done["embedding"]["deleted"]), (&json!(0), &json!(2)));
    assert!(!ids(&search(&library, "hex bolt")).contains(&"hex-bolt-gen-v2"));
}

#[test]
fn a_renamed_folder_embeds_nothing_anew() {
    let library = synced();
    library.git(&["mv", "Hex Bolt Gen v2", "Fasteners"]);
    library.commit();
    let done = sync(&library);
    assert_eq!(done["embedding"]["embedded"], 0, "{done:#}");
    assert_eq!(target(&done, "manifest")["changed"], 1, "its paths are others");
    assert_eq!(ids(&search(&library, "hex bolt"))[0], "hex-bolt-gen-v2");
}

#[test]
fn only_serves_what_it_names() {
    let library = Library::example();
    let done = library.run(&["sync", "--only", "embed", "--format", "json"]).ends(0).json();
    let names: Vec<_> = done["targets"].as_array().unwrap().iter().map(|target| &target["name"]).collect();
    assert_eq!(names, ["embedding"]);
    assert!(!library.path(".stockroom/manifest").exists() && outbox(&library).is_empty());
    let rest = sync(&library);
    assert_eq!((outcome(&rest, "manifest"), outcome(&rest, "embedding")), ("done", "unchanged"));
}

#[test]
fn a_library_keeps_its_state_when_its_repository_gets_a_name() {
    let library = synced();
    let in_workflow = || library.program(&["sync"]).env("GITHUB_REPOSITORY", "org/shop").run();
    let run = in_workflow().ends(0);
    assert_eq!(outbox(&library).len(), 1, "it has been told already: {}", run.out);
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    library.commit();
    in_workflow().ends(0);
    assert_eq!(outbox(&library)[1]["client_payload"]["delta"]["counts"]["changed"], 1);
    // From now on it has that name, which a remote gives as well as a workflow.
    library.git(&["remote", "add", "origin", "https://github.com/org/shop.git"]);
    library.run(&["sync"]).ends(0);
    let other = library.program(&["sync"]).env("GITHUB_REPOSITORY", "org/other").run().ends(0);
    assert!(other.err.contains("the state belongs to another library (org/shop:)"), "{}", other.err);
}

#[test]
fn a_search_finds_what_is_meant() {
    let library = synced();
    assert_eq!(ids(&search(&library, "hex bolt"))[0], "hex-bolt-gen-v2");
    assert_eq!(ids(&search(&library, "wood floor"))[0], "weathered-oak-planks");
    assert_eq!(search(&library, "hex bolt")["hits"].as_array().unwrap().len(), 10);
}

#[test]
fn a_search_without_an_index_says_how_to_get_one() {
    let run = Library::example().run(&["search", "hex bolt"]);
    assert!(run.both().contains("stockroom sync"), "{run:?}");
}

#[test]
fn every_json_document_is_as_its_schema_says() {
    let library = Library::example();
    let documents: [(&[&str], Value); 4] = [
        (&["check", "--format", "json"], report::json::check::schema()),
        (&["plan", "--format", "json"], report::json::targets::plan_schema()),
        (&["sync", "--format", "json"], report::json::targets::sync_schema()),
        (&["search", "lamp", "--format", "json"], report::search::schema()),
    ];
    for (words, schema) in documents {
        let document = library.run(words).ends(0).document(&schema);
        assert_eq!(document["version"], 1, "{words:?}");
    }
}

#[test]
fn the_plan_of_the_example_library() {
    let mut plan = Library::example().run(&["plan", "--format", "json"]).ends(0).json();
    assert_eq!(plan["commit"].as_str().unwrap().len(), 40);
    plan["commit"] = json!("[commit]");
    insta::assert_json_snapshot!(plan, @r#"
    {
      "commit": "[commit]",
      "dirty": false,
      "refusal": null,
      "superseded": null,
      "targets": [
        {
          "action": "publish",
          "added": 15,
          "assets": 15,
          "changed": 0,
          "kind": "manifest",
          "name": "manifest",
          "removed": 0,
          "why": "nothing is published there yet"
        },
        {
          "action": "deliver",
          "added": 13,
          "changed": 0,
          "kind": "downstream",
          "name": "outbox/website",
          "removed": 0,
          "why": "nothing was delivered to it yet"
        },
        {
          "action": "embed",
          "delete": 0,
          "embed": 28,
          "kind": "embedding",
          "name": "embedding",
          "reuse": 0,
          "tokens": 2427,
          "unchanged": 0,
          "upsert": 28,
          "why": "the index is empty"
        }
      ],
      "version": 1
    }
    "#);
}

/// Builds the manifest into a folder: the digest of every file by its name, and the root as it is.
fn build(library: &Library, words: &[&str], change: impl Fn(Program) -> Program) -> (BTreeMap<String, String>, Value) {
    let folder = library.beside("built");
    fs::remove_dir_all(&folder).ok();
    let words = [&["manifest", "-o", folder.to_str().unwrap()], words].concat();
    change(library.program(&words)).run().ends(0);
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap());
    let digest = |path: &Path| format!("{:x}", Sha256::digest(fs::read(path).unwrap()));
    let digests: BTreeMap<_, _> =
        files.map(|file| (file.file_name().into_string().unwrap(), digest(&file.path()))).collect();
    assert_eq!(digests.len(), 7, "{digests:?}");
    (digests, serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap())
}

#[test]
fn the_commit_and_the_work_tree_give_the_same_manifest() {
    let library = Library::example();
    assert_eq!(build(&library, &["--rev", "HEAD"], |it| it), build(&library, &[], |it| it));
}

#[test]
fn the_manifest_does_not_depend_on_where_and_how_it_is_built() {
    let library = Library::example();
    let expected = build(&library, &[], |it| it);
    let root = library.root();
    let settings = [
        ("TZ", "Pacific/Kiritimati"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("RAYON_NUM_THREADS", "1"),
        ("RAYON_NUM_THREADS", "4"),
    ];
    for (name, value) in settings {
        assert_eq!(build(&library, &[], |it| it.env(name, value)), expected, "{name}={value}");
    }
    assert_eq!(build(&library, &[], |it| it.in_folder(&root.join("guides"))), expected);

    // Another commit with the same content, so that there is a history to cut off.
    library.edit(HEX, "Parametric", "Parametrical");
    library.commit();
    library.edit(HEX, "Parametrical", "Parametric");
    library.commit();
    let clone = library.clone_of_depth(1);
    assert_eq!(clone.git(&["rev-list", "--count", "HEAD"]), "1");
    let again = build(&clone, &[], |it| it);
    assert_eq!(again, build(&library, &[], |it| it));
    assert_eq!(again.1["digest"], expected.1["digest"]);
    assert_ne!(again.1["source"], expected.1["source"]);
}

#[test]
fn a_library_may_be_a_folder_of_a_larger_repository() {
    let library = Library::example_below("assets/shop");
    fs::write(library.repository().join("unrelated.json"), "{").unwrap();
    library.run(&["sync"]).ends(0);
    assert!(library.path(".stockroom/manifest/manifest.json").is_file());
    assert_eq!(build(&library, &[], |it| it).1["digest"], build(&Library::example(), &[], |it| it).1["digest"]);
    library.edit(HEX, "\"12.00\"", "12.00");
    let check = library.run(&["check", "--format", "json"]).ends(1).json();
    assert_eq!(check["findings"][0]["path"], HEX, "paths are those of the library");
    let run = library.program(&["check"]).env("GITHUB_ACTIONS", "true").run().ends(1);
    assert!(
        run.err.contains(&format!("::error file=assets/shop/{HEX},line=")),
        "annotations name the repository's path: {}",
        run.err
    );
}

const TOKEN: &str = "ghp_canary/0123456789+%40=";
const WEBSITE: &str = "example-org/website";

/// The forms in which a secret could appear in a file or a log.
fn forms_of(secret: &str) -> Vec<Vec<u8>> {
    // Within a longer text, base64 begins at one of three places; what of it depends on the neighbours is left out.
    let shifted = ["", "a", "ab"].map(|before| {
        let text = BASE64_STANDARD.encode(format!("{before}{secret}"));
        text.get(4..text.len() - 4).unwrap().to_owned()
    });
    let encoded = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let escaped = serde_json::to_string(secret).unwrap().trim_matches('"').to_owned();
    let plain = [secret.to_owned(), encoded, escaped, "canary".to_owned()];
    plain.into_iter().chain(shifted).map(String::into_bytes).collect()
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[test]
fn with_a_token_the_event_is_sent_once_and_the_token_stays_secret() {
    let library = Library::example();
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
    let sync = |words: &[&str]| {
        let run = library.program(words).env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN);
        let run =
            run.env("GITHUB_OUTPUT", library.beside("output")).env("GITHUB_STEP_SUMMARY", library.beside("summary"));
        run.env("RUST_LOG", "trace").env("GITHUB_ACTIONS", "true").run()
    };
    let run = sync(&["sync"]).ends(0);
    let [event] = &github.dispatches(WEBSITE)[..] else { panic!("{:#?}", github.seen()) };
    assert_eq!(event["event_type"], "asset-updated");
    let validator = jsonschema::options().offline().build(&stockroom::downstream::envelope_schema()).unwrap();
    assert!(validator.is_valid(&event["client_payload"]), "{event:#}");
    assert!(run.out.contains("done downstream/website: delivered: "), "{}", run.out);
    let output = fs::read_to_string(library.beside("output")).unwrap();
    assert!(output.contains("dispatched<<"), "{output}");

    let again = sync(&["sync"]).ends(0);
    let asked = sync(&["plan", "--format", "json"]).ends(0);
    assert_eq!(github.dispatches(WEBSITE).len(), 1, "{}", again.out);
    assert!(!library.path(".git/stockroom/outbox").exists());

    let masks = |line: &&str| line.starts_with("::add-mask::");
    for run in [run, again, asked] {
        let said = run.both();
        assert!(said.lines().any(|line| masks(&line)), "{said}");
        let rest: String = said.lines().filter(|line| !masks(line)).collect::<Vec<_>>().join("\n");
        for form in forms_of(TOKEN) {
            assert!(!holds(rest.as_bytes(), &form), "{:?} in:\n{rest}", String::from_utf8_lossy(&form));
        }
    }
    let files = library.every_file();
    assert!(files.iter().any(|(path, _)| path.ends_with(".git/stockroom/state.sqlite")));
    for (path, bytes) in files {
        for form in forms_of(TOKEN) {
            assert!(!holds(&bytes, &form), "{:?} in {}", String::from_utf8_lossy(&form), path.display());
        }
    }
}

#[test]
fn a_token_that_the_server_repeats_is_kept_nowhere() {
    let library = Library::example();
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList).script(&[Fault::Echo]);
    let program = library.program(&["sync"]).env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN);
    let run = program.run().ends(3);
    assert!(run.out.contains("Invalid request with Bearer *** or Bearer%20***"), "{}", run.out);
    let files = library.every_file();
    let state = files.iter().filter(|(path, _)| path.ends_with(".git/stockroom/state.sqlite"));
    assert!(state.into_iter().any(|(_, bytes)| holds(bytes, b"Invalid request with Bearer ***")));
    for (path, bytes) in files {
        for form in forms_of(TOKEN) {
            assert!(!holds(&bytes, &form), "{:?} in {}", String::from_utf8_lossy(&form), path.display());
        }
    }
}

#[test]
fn a_token_that_is_refused_is_told_and_the_next_run_goes_on() {
    let library = Library::example();
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::Read);
    let sync = |token: &str| {
        library.program(&["sync"]).env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", token).run()
    };
    let run = sync(TOKEN).ends(3);
    assert!(run.out.contains("failed downstream/website: "), "{}", run.out);
    assert!(run.out.contains("done manifest: ") && run.out.contains("done embedding: "), "{}", run.out);
    github.allow("ghp_better", WEBSITE, Grant::SendAndList);
    let run = sync("ghp_better").ends(0);
    assert_eq!(github.dispatches(WEBSITE).len(), 1, "{}", run.out);
}

#[test]
fn an_older_commit_takes_nothing_back() {
    let library = synced();
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    library.commit();
    library.run(&["sync"]).ends(0);
    let before = library.digests(&OURS);
    let run = library.run(&["sync", "--rev", "HEAD~1"]).ends(0);
    assert!(run.out.contains("superseded: a newer run has served the targets"), "{}", run.out);
    assert_eq!(library.digests(&OURS), before);
    assert_eq!(outbox(&library).len(), 2);
}

#[test]
fn a_revert_is_delivered_like_any_change() {
    let library = synced();
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    library.commit();
    library.run(&["sync"]).ends(0);
    library.git(&["revert", "--no-edit", "HEAD"]);
    let done = sync(&library);
    assert_eq!(target(&done, "manifest")["changed"], 1);
    assert_eq!(outcome(&done, "outbox/website"), "done");
    let (digests, root) = build(&Library::example(), &[], |it| it);
    assert_eq!((manifest(&library)["digest"].clone(), digests.len()), (root["digest"].clone(), 7));
}

#[test]
fn syncs_at_once_deliver_once() {
    let library = Library::example();
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
    let start = || library.program(&["sync"]).env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN);
    let runs: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| start().run())).collect();
        all.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(github.dispatches(WEBSITE).len(), 1, "{runs:#?}");
    assert!(runs.iter().all(|run| matches!(run.code, 0 | 3)), "{runs:#?}");
    start().run().ends(0);
    assert_eq!(github.dispatches(WEBSITE).len(), 1);
    let before = library.digests(&OURS);
    start().run().ends(0);
    assert_eq!(library.digests(&OURS), before);
}

/// The asset ids that an event in the outbox names, and whether it says that there may be more to it.
fn told(event: &Value) -> (usize, bool) {
    let delta = &event["client_payload"]["delta"];
    (delta["added"].as_array().unwrap().len(), delta["truncated"].as_bool().unwrap())
}

#[test]
fn a_damaged_state_is_set_aside_and_each_downstream_is_told_of_everything_once() {
    let library = synced();
    let place = ".git/stockroom/state.sqlite";
    let sound = fs::read(library.path(place)).unwrap();
    let mut flipped = sound.clone();
    let digest = flipped.windows(9).position(|bytes| bytes == b"hex-bolt-").unwrap();
    flipped[digest] ^= 1;
    let index = fs::read(library.path(".git/stockroom/vectors.sqlite")).unwrap();
    for (round, damaged) in (1..).zip([b"rubbish".to_vec(), sound[..sound.len() / 2].to_vec(), flipped]) {
        library.write(place, &damaged);
        assert!(library.run(&["plan"]).ends(2).err.contains("The next `stockroom sync` sets it aside"));
        assert_eq!(fs::read(library.path(place)).unwrap(), damaged, "a plan changes nothing");
        let run = library.run(&["sync", "--format", "json"]).ends(0);
        assert!(run.err.contains("warning: the state was damaged"), "{}", run.err);
        assert_eq!(fs::read(library.path(".git/stockroom/state.aside")).unwrap(), damaged);
        let sync = run.json();
        assert_eq!((sync["embedding"]["embedded"].as_u64(), sync["embedding"]["deleted"].as_u64()), (Some(0), Some(0)));
        assert_eq!(outbox(&library).len(), round + 1);
        assert!(library.run(&["sync"]).ends(0).err.is_empty(), "once");
        assert_eq!(outbox(&library).len(), round + 1);
    }
    let events = outbox(&library);
    assert!(events.iter().all(|event| told(event) == told(&events[0]) && told(event).1), "{events:?}");
    assert_eq!(fs::read(library.path(".git/stockroom/vectors.sqlite")).unwrap().len(), index.len());
}

#[test]
fn an_earlier_state_that_was_brought_back_is_found_out() {
    let library = synced();
    let place = ".git/stockroom/state.sqlite";
    let earlier = fs::read(library.path(place)).unwrap();
    library.edit(HEX, "Parametric hex bolts", "Parametric hexagon bolts");
    library.commit();
    library.run(&["sync"]).ends(0);
    library.write(place, &earlier);
    library.edit(HEX, "Parametric hexagon bolts", "Parametric hex bolts");
    library.commit();
    let run = library.run(&["sync"]).ends(0);
    assert!(run.err.contains("warning: the state is an earlier one that was brought back"), "{}", run.err);
    let events = outbox(&library);
    assert_eq!(events.len(), 3, "by that state alone the downstream would be in step");
    assert_eq!(events.iter().map(|event| told(event).1).collect::<Vec<_>>(), [true, false, true]);
    library.run(&["sync"]).ends(0);
    assert_eq!(outbox(&library).len(), 3);
}

#[test]
fn a_damaged_index_is_set_aside_and_built_again() {
    let library = synced();
    let index = ".git/stockroom/vectors.sqlite";
    let sound = fs::read(library.path(index)).unwrap();
    let mut flipped = sound.clone();
    flipped[4096..12_000].fill(0x55);
    for damaged in [b"rubbish".to_vec(), sound[..sound.len() / 2].to_vec(), flipped] {
        library.write(index, damaged);
        let run = library.run(&["sync"]).ends(0);
        assert!(run.err.contains("the vector index was damaged"), "{}", run.err);
        assert!(library.path(".git/stockroom/vectors.damaged").is_file());
        assert_eq!(ids(&search(&library, "hex bolt"))[0], "hex-bolt-gen-v2");
        library.run(&["sync"]).ends(0);
    }
}
