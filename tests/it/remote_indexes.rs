//! The index in a Pinecone and in a Chroma, by whole runs of the program.

use std::fs;

use serde_json::Value;

use crate::chroma_server;
use crate::fake_pinecone::{FakePinecone, Fault, KEY};
use crate::program::{Library, Run};

const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";

/// Where the index is.
enum Store {
    Pinecone(FakePinecone),
    /// The address of a database.
    Chroma(String),
}

use Store::{Chroma, Pinecone};

impl Store {
    /// One of each kind that there is here.
    fn each() -> Vec<Self> {
        let chroma = chroma_server::server().map(|server| Chroma(server.database()));
        std::iter::once(Pinecone(FakePinecone::start(256))).chain(chroma).collect()
    }

    /// `embed.store`, in one line.
    fn block(&self, namespace: &str) -> String {
        let (kind, url) = match self {
            Pinecone(fake) => ("pinecone", fake.url()),
            Chroma(url) => ("chroma", url.as_str()),
        };
        format!(
            "{{ kind: {kind}, url: \"{url}\", key: \"${{{{ env.INDEX_KEY }}}}\", name: assets, namespace: {namespace} }}"
        )
    }

    /// The example library, whose index is there.
    fn library(&self, namespace: &str) -> Library {
        let library = Library::example();
        library.edit("stockroom.yml", "{ kind: embedded }", &self.block(namespace));
        library.commit();
        library
    }
}

fn run(library: &Library, words: &[&str]) -> Run {
    let run = library.program(words).env("INDEX_KEY", KEY).env("STOCKROOM_TEST_PACE", "none").run();
    assert!(!run.both().contains(KEY), "{}", run.both());
    run
}

fn synced(library: &Library) -> Value {
    run(library, &["sync", "--only", "embed", "--format", "json"]).ends(0).json()["embedding"].take()
}

/// How many texts went to the model, how many chunks were written, and how many taken away.
fn counts(done: &Value) -> [u64; 3] {
    ["embedded", "upserted", "deleted"].map(|key| done[key].as_u64().unwrap_or_default())
}

fn found(library: &Library, query: &str) -> Vec<(String, f64)> {
    let hits = run(library, &["search", query, "--format", "json", "-k", "15"]).ends(0).json()["hits"].take();
    let hit = |hit: &Value| (hit["id"].as_str().unwrap().to_owned(), hit["score"].as_f64().unwrap());
    hits.as_array().unwrap().iter().map(hit).collect()
}

fn state(library: &Library) -> std::path::PathBuf {
    library.repository().join(".git/stockroom")
}

#[test]
fn an_index_elsewhere_answers_as_the_embedded_one_and_what_has_not_changed_is_not_written() {
    let own = Library::example();
    run(&own, &["sync", "--only", "embed"]).ends(0);
    for store in Store::each() {
        let library = store.library("acme/assets");
        assert_eq!(counts(&synced(&library)), [28, 28, 0]);
        for query in ["hex bolt", "something to drink from", "M8", "wood", "zeppelins"] {
            let (here, there) = (found(&own, query), found(&library, query));
            // The embedded one keeps a byte per coordinate, so what is as good as even may change places.
            let near = |a: f64, b: f64| (a - b).abs() < 0.01;
            let scored = |id: &String| there.iter().find(|hit| hit.0 == *id).unwrap().1;
            assert!(
                here.iter().zip(&there).all(|(a, b)| near(a.1, b.1) && near(a.1, scored(&a.0))),
                "{here:?} {there:?}"
            );
            assert_eq!((here.len(), &here[0].0), (there.len(), &there[0].0), "{query}");
        }
        if let Pinecone(fake) = &store {
            fake.take_requests();
        }
        synced(&library);
        library.commit();
        synced(&library);
        if let Pinecone(fake) = &store {
            assert_eq!(fake.take_writes(), 0);
        }
    }
}

#[test]
fn a_rename_pays_nothing_an_edit_its_chunk_and_another_cut_takes_the_place_of_the_first() {
    for store in Store::each() {
        let library = store.library("acme/assets");
        synced(&library);
        library.git(&["mv", "Hex Bolt Gen v2", "Fasteners"]);
        library.commit();
        assert_eq!(counts(&synced(&library))[0], 0);
        library.edit(
            &HEX.replace("Hex Bolt Gen v2/", "Fasteners/"),
            "Parametric hex bolts",
            "Parametric hexagon bolts",
        );
        library.commit();
        assert_eq!(counts(&synced(&library)), [1, 1, 1]);
        library.edit("stockroom.yml", "max: 1000, overlap: 200", "max: 900, overlap: 100");
        library.commit();
        synced(&library);
        assert_eq!(found(&library, "hexagon bolt")[0].0, "hex-bolt-gen-v2");
        if let Pinecone(fake) = &store {
            let names: Vec<String> = fake.namespaces().into_iter().map(|(name, _)| name).collect();
            let is_cut = |name: &String| name.ends_with("-900-100");
            assert!(names.len() == 2 && names.iter().filter(|name| is_cut(name)).count() == 1, "{names:?}");
        }
        let plan = run(&library, &["plan", "--format", "json"]).ends(0).json();
        let target = plan["targets"].as_array().unwrap().iter().find(|target| target["name"] == "embedding").unwrap();
        assert_eq!((&target["why"], target["unchanged"].as_u64() > Some(20)), (&"in step".into(), true), "{plan:#}");
    }
}

#[test]
fn a_state_that_is_lost_is_made_again_from_what_the_store_holds() {
    for store in Store::each() {
        let library = store.library("acme/assets");
        synced(&library);
        fs::remove_dir_all(state(&library)).unwrap();
        assert_eq!(counts(&synced(&library)), [0, 0, 0]);
    }
}

#[test]
fn two_libraries_in_one_store_leave_each_other_alone() {
    for store in Store::each() {
        let (ours, theirs) = (store.library("acme/assets"), store.library("acme/other"));
        synced(&ours);
        assert_eq!(counts(&synced(&theirs)), [28, 28, 0]);
        fs::remove_dir_all(theirs.path("Hex Bolt Gen v2")).unwrap();
        theirs.commit();
        assert_eq!(counts(&synced(&theirs)), [0, 0, 2]);
        assert_eq!(found(&ours, "hex bolt")[0].0, "hex-bolt-gen-v2");
        assert!(found(&theirs, "hex bolt").iter().all(|(id, _)| id != "hex-bolt-gen-v2"));
        let doctor = run(&ours, &["doctor", "--format", "json"]).json();
        let services = doctor["services"].as_array().unwrap();
        let told = services.iter().find(|service| service["name"] == "embedding").unwrap();
        assert!(told["status"] == "healthy" && told["message"].as_str().unwrap().contains("28 chunks"), "{told}");
    }
}

#[test]
fn a_pinecone_that_refuses_is_named_and_the_next_run_finishes() {
    let store = Pinecone(FakePinecone::start(256));
    let Pinecone(fake) = &store else { return };
    let library = store.library("acme/assets");
    let monthly = "Request failed. You've reached your write unit limit for the current month (2000000).";
    for (fault, said) in [
        (Fault::Refusal(401, "Invalid API Key", None), "the server refuses the key (401: Invalid API Key)"),
        (Fault::Refusal(429, monthly, None), "what the account may use is used up: Request failed"),
        (Fault::Refusal(429, "Too many requests", Some(86_400)), "Too many requests"),
        (Fault::Refusal(503, "Unavailable", None), "it says: Unavailable"),
        (Fault::Half, "Internal error"),
        (Fault::Text(200, "<html>".to_owned()), "its answer is no JSON"),
        (Fault::CutAfter, "the server does not answer"),
    ] {
        fake.befall("/vectors/upsert", 6, fault);
        let run = run(&library, &["sync", "--only", "embed"]);
        assert!(run.code == 3 && run.both().contains(said), "{}\n{}", run.code, run.both());
        // What is left of the fault is of no concern to the next.
        fake.forgive();
    }
    assert_eq!(counts(&synced(&library))[2], 0);
    assert_eq!(found(&library, "hex bolt")[0].0, "hex-bolt-gen-v2");
    assert_eq!(fake.namespaces().iter().map(|(_, count)| count).sum::<usize>(), 28 + 1);
}

#[test]
fn an_index_that_is_missing_or_of_another_dimension_is_told_with_what_to_do() {
    let store = Pinecone(FakePinecone::start(384));
    let library = store.library("acme/assets");
    let said = run(&library, &["sync", "--only", "embed"]).ends(3).both();
    assert!(said.contains("takes vectors of 384 numbers, and the model gives 256"), "{said}");
    let library = Library::example();
    library.edit(
        "stockroom.yml",
        "{ kind: embedded }",
        "{ kind: pinecone, url: \"http://127.0.0.1:1\", key: \"${{ env.INDEX_KEY }}\", namespace: acme/assets }",
    );
    library.commit();
    // What it holds is not known, so nothing is begun with it.
    let said = run(&library, &["sync", "--only", "embed"]).ends(3).both();
    assert!(said.contains("the server does not answer"), "{said}");
    let said = library.run(&["search", "bolt"]);
    assert!(
        said.code != 0 && said.both().contains("the variable INDEX_KEY, which holds its key, is not set"),
        "{}",
        said.both()
    );
}
