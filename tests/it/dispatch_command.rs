//! `stockroom dispatch`: the downstreams alone, some of them, or once more.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use stockroom::report::json::targets;

use crate::program::Library;

const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams:
  website: {repo: org/website}
  addon: {repo: org/addon, needs: [website]}
  docs: {repo: org/docs}
";

fn library() -> Library {
    let library = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", "{\"title\": \"a bolt\"}")]);
    library.run(&["sync", "--only", "manifest"]).ends(0);
    library
}

/// The events in the outbox of a downstream, by their correlation ids.
fn events(library: &Library, name: &str) -> BTreeMap<String, Value> {
    let folder = library.repository().join(".git/stockroom/outbox").join(name);
    let files = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let event = |text: String| {
        let event: Value = serde_json::from_str(&text).unwrap();
        (event["client_payload"]["correlation_id"].as_str().unwrap().to_owned(), event["client_payload"].clone())
    };
    files.map(|file| event(fs::read_to_string(file).unwrap())).collect()
}

fn outcomes(library: &Library, words: &[&str]) -> Vec<(String, String)> {
    let words: Vec<&str> = [&["dispatch", "--format", "json"], words].concat();
    let document = library.run(&words).ends(0).document(&targets::sync_schema());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let results = document["results"].as_array().unwrap();
    results.iter().map(|result| (text(&result["name"]), text(&result["outcome"]))).collect()
}

fn named(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect()
}

#[test]
fn some_downstreams_are_served_and_the_others_are_left_alone() {
    let library = library();
    assert_eq!(outcomes(&library, &["--to", "website"]), named(&[("outbox/website", "done")]));
    assert_eq!((events(&library, "website").len(), events(&library, "docs").len()), (1, 0));
    let rest = named(&[("outbox/docs", "done"), ("outbox/website", "unchanged"), ("outbox/addon", "done")]);
    assert_eq!(outcomes(&library, &[]), rest);
    let history = library.run(&["state", "history"]).ends(0).out;
    assert!(history.contains("dispatch --to website"), "{history}");
}

#[test]
fn what_cannot_be_followed_is_refused_before_anything_is_done() {
    let library = library();
    let unknown = library.run(&["dispatch", "--to", "webiste"]).ends(2);
    assert!(unknown.err.contains("there is no downstream \"webiste\"; did you mean \"website\"?"), "{}", unknown.err);
    let early = library.run(&["dispatch", "--to", "addon"]).ends(2);
    assert!(early.err.contains("addon needs website") && early.err.contains("--to website,addon"), "{}", early.err);
    assert!(events(&library, "addon").is_empty());
    assert_eq!(
        outcomes(&library, &["--to", "website,addon"]),
        named(&[("outbox/website", "done"), ("outbox/addon", "done")])
    );
}

#[test]
fn force_delivers_once_more_under_another_id_and_has_the_receiver_read_the_manifest() {
    let library = library();
    library.run(&["sync"]).ends(0);
    let first = events(&library, "docs");
    assert_eq!(outcomes(&library, &["--to", "docs"]), named(&[("outbox/docs", "unchanged")]));
    assert_eq!(outcomes(&library, &["--to", "docs", "--force"]), named(&[("outbox/docs", "done")]));
    let all = events(&library, "docs");
    let [again] = &all.iter().filter(|(id, _)| !first.contains_key(*id)).collect::<Vec<_>>()[..] else {
        panic!("{all:#?}")
    };
    assert_eq!(again.1["delta"]["truncated"], true);
    assert_eq!(again.1["delta"]["counts"], serde_json::json!({"added": 0, "changed": 0, "removed": 0}));
    assert_eq!(outcomes(&library, &["--to", "docs"]), named(&[("outbox/docs", "unchanged")]), "and that is that");
}
