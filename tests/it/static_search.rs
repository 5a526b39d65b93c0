//! The search that is published beside a manifest: in the catalogue page, with the client of docs/clients, and what it tells.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::corpora::unpacked;
use crate::file_server::{FileServer, Page};
use crate::page::{drive, project, serve, tool};
use crate::program::Library;
use crate::published;

/// What people type, and what nobody does.
const QUERIES: [&str; 50] = [
    "trash",
    "throw something away",
    "hold papers together",
    "hex bolt",
    "screws and nuts",
    "metal surface",
    "brushed steel",
    "wooden chair for a tavern",
    "old wood",
    "light for a product photo",
    "how do I light metal",
    "which thread do I need",
    "M3 to M36",
    "rope",
    "knots and ropes",
    "japanese lamp",
    "forest of pines",
    "gear with teeth",
    "cable in a spaceship",
    "wall of bricks",
    "hydraulics",
    "arrow pointing up",
    "volume down",
    "mute",
    "bad weather",
    "heart broken",
    "buy, cart, shop",
    "send an email",
    "delete a file",
    "folder open",
    "play music",
    "take a photo",
    "padlock",
    "password",
    "map location",
    "train and bus",
    "sports",
    "food and drink",
    "christmas",
    "battery low",
    "user remove",
    "circle circle circle",
    "a",
    "the of and",
    "Ölmühle",
    "HÉX BOLT İstanbul ΣΟΦΟΣ",
    "漢字 😀 ﬁle",
    "xqzzy",
    "!!! -- ???",
    "[UNK] [PAD] ##ing\u{1}\u{200b}tab\tand\u{a0}more 0123456789",
];

const LUCIDE: &str = r#"version: 1
collections:
  icons: { metadata: "icons/*.json", id: "{stem}", schema: icon }
schemas: { source: . }
manifest: { page: true }
embed: { text: [/tags, /categories], model: { dimensions: 64 } }
"#;

/// The library that ships with the project, with a page and the model that a browser has.
fn example() -> Library {
    let library = Library::example();
    // No pictures: they are elsewhere.
    library.edit("stockroom.yml", "  base_url: \"https://assets.example.com/library/\"\n", "");
    library.edit("stockroom.yml", "manifest:\n", "manifest:\n  page: true\n");
    library.edit("stockroom.yml", "provider: local", "provider: local, dimensions: 64");
    library.commit();
    library
}

fn folder(library: &Library) -> std::path::PathBuf {
    library.path(".stockroom/manifest")
}

fn head(library: &Library) -> Value {
    published::json(&folder(library), &published::root(&folder(library))["search"])
}

/// The bytes of all files of words, one after the other.
fn words(library: &Library) -> Vec<u8> {
    let head = head(library);
    let files = head["words"].as_array().unwrap().iter();
    files.flat_map(|words| published::file(&folder(library), &words["file"])).collect()
}

fn says(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// The first ten that the command finds for each query.
fn answers(library: &Library) -> Vec<Value> {
    let key = |hit: &Value| format!("{}/{}", hit["collection"].as_str().unwrap(), hit["id"].as_str().unwrap());
    let answer = |query: &&str| {
        let found = library.run(&["search", "--format", "json", query]).ends(0).json();
        json!({"query": query, "ids": found["hits"].as_array().unwrap().iter().map(key).collect::<Vec<_>>()})
    };
    QUERIES.iter().map(answer).collect()
}

/// The client in a browser finds what the command finds, in the same order.
fn finds_the_same(library: &Library) {
    library.run(&["sync"]).ends(0);
    let server = FileServer::start();
    serve(library, &server);
    server.put("/blank/", Page::File(b"<!doctype html><title>Blank</title>".to_vec()));
    server.put("/search.mjs", Page::File(fs::read(project().join("docs/clients/search.mjs")).unwrap()));
    let answers = answers(library);
    let different: BTreeSet<String> = answers.iter().map(|answer| answer["ids"].to_string()).collect();
    assert!(different.len() > 30, "{} different answers", different.len());
    let file = library.beside("answers.json");
    fs::write(&file, Value::from(answers).to_string()).unwrap();
    drive("same", &server.url("/"), &[file.to_str().unwrap()]);
}

#[test]
fn a_browser_finds_what_the_command_finds_in_the_example_library() {
    finds_the_same(&example());
}

#[test]
fn a_browser_finds_what_the_command_finds_among_the_icons_of_lucide() {
    let Some(library) = unpacked("lucide", LUCIDE) else { return };
    library.commit();
    finds_the_same(&library);
}

#[test]
fn the_page_finds_by_meaning_and_sends_nothing_anywhere() {
    let (library, server) = (example(), FileServer::start());
    serve(&library, &server);
    drive("meaning", &server.url("/"), &[]);
    drive("plain", &server.url("/"), &[]);
}

#[test]
fn the_page_that_the_documentation_shows_runs() {
    let (library, server) = (example(), FileServer::start());
    serve(&library, &server);
    let document = fs::read_to_string(project().join("docs/search.md")).unwrap();
    let page = document.split_once("```html\n").unwrap().1.split_once("```").unwrap().0;
    let page = page.replace("https://assets.example.com/catalogue/", &server.url("/"));
    server.put("/demo/", Page::File(page.into_bytes()));
    server.put("/demo/search.mjs", Page::File(fs::read(project().join("docs/clients/search.mjs")).unwrap()));
    drive("demo", &server.url("/"), &[]);
}

#[test]
fn typing_in_a_large_catalogue_waits_for_no_search() {
    let Some(library) = unpacked("lucide", LUCIDE) else { return };
    library.commit();
    let server = FileServer::start();
    serve(&library, &server);
    drive("typing", &server.url("/"), &[]);
}

#[test]
fn a_page_whose_search_is_missing_or_false_searches_words() {
    let (library, server) = (example(), FileServer::start());
    serve(&library, &server);
    let root = published::root(&folder(&library));
    let (name, file) = (root["search"]["path"].as_str().unwrap(), head(&library)["model"]["file"].clone());
    let model = format!("/{}", file["path"].as_str().unwrap());
    let bytes = published::file(&folder(&library), &file);
    let mut other = bytes.clone();
    other[100] ^= 1;
    for bad in [Page::Status(404), Page::File(other), Page::Endless] {
        server.put(&model, bad);
        drive("broken", &server.url("/"), &[]);
    }
    server.put(&model, Page::File(bytes));
    // A head that is whole, and says what is not so.
    for (at, lie) in [("/version", json!(2)), ("/scoring/k1", json!("x"))] {
        let mut head = head(&library);
        *head.pointer_mut(at).unwrap() = lie;
        let text = head.to_string();
        let mut root = root.clone();
        root["search"]["bytes"] = json!(text.len());
        root["search"]["sha256"] = json!(hex::encode(Sha256::digest(&text)));
        server.put(&format!("/{name}"), Page::File(text.into_bytes()));
        server.put("/manifest.json", Page::File(root.to_string().into_bytes()));
        drive("broken", &server.url("/"), &[]);
    }
}

#[test]
fn there_is_a_search_where_there_is_a_page_and_an_index_unless_it_is_set() {
    let library = example();
    let publish = || {
        library.commit();
        library.run(&["sync", "--only", "manifest"]).ends(0);
        published::root(&folder(&library))
    };
    let first = publish();
    assert!(first["search"].is_object() && head(&library)["assets"] == 15);
    let list = published::json(&folder(&library), &first["exports"]);
    assert_eq!(list["exports"]["search"][0], first["search"], "a reader of the exports finds it too");
    library.run(&["verify", ".stockroom/manifest"]).ends(0);
    let again = library.run(&["sync", "--only", "manifest"]).ends(0);
    assert_eq!(again.out.matches("published").count(), 0, "{}", again.out);

    library.edit("stockroom.yml", "  page: true\n", "  page: true\n  search: false\n");
    let without = publish();
    assert!(without["search"].is_null());
    let page =
        |root: &Value| published::json(&folder(&library), &root["exports"])["exports"]["page"][0]["bytes"].as_u64();
    assert!(page(&without) < page(&first), "the page does not carry what it does not need");
    library.edit("stockroom.yml", "  page: true\n  search: false\n", "  search: true\n");
    assert_eq!(publish()["search"], first["search"], "the same texts give the same files");
    library.edit("stockroom.yml", "  search: true\n", "");
    assert!(publish()["search"].is_null(), "an index alone publishes nothing");
}

#[test]
fn what_changes_in_a_text_changes_the_search_and_nothing_else_does() {
    let library = example();
    let publish = || {
        library.commit();
        library.run(&["sync", "--only", "manifest"]).ends(0);
        head(&library)
    };
    let first = publish();
    library.write("README-of-nobody.md", "zebra");
    library.write("Hex Bolt Gen v2/Hex Bolt Gen v2.blend", "another model");
    assert_eq!(publish(), first);
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2_desc.md", "\n", "\nzebrafish\n\n");
    let next = publish();
    assert!(next != first && says(&words(&library), "zebrafish"));
    assert_eq!(next["model"], first["model"], "the model is the same for ever");
    library.edit("stockroom.yml", "max: 1000, overlap: 200", "max: 100, overlap: 20");
    assert!(publish()["chunks"].as_u64() > next["chunks"].as_u64(), "another cut is another search");
}

#[test]
fn a_search_says_nothing_that_the_manifest_does_not() {
    let config = r#"version: 1
collections:
  products: { metadata: "*/*.json", id: id, volatile: [/nightly], files: { optional: ["{stem}.md", "{stem}.paid.md"] } }
manifest:
  fields: [/title, /tags]
  roles: { source: ["*.paid.md"] }
  private: [source]
  search: true
embed: { text: [/title, /cost, /nightly, /tags, "*.md"] }
"#;
    let record = r#"{"id": "bolt", "title": "aardvark", "cost": "quokkas", "nightly": "vicuna", "tags": ["mandrill"]}"#;
    let library = Library::of(&[
        ("stockroom.yml", config),
        ("bolt/bolt.json", record),
        ("bolt/bolt.md", "badger"),
        ("bolt/bolt.paid.md", "wolverine"),
        ("bolt/notes.md", "jackal"),
    ]);
    library.commit();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    let words = words(&library);
    for public in ["aardvark", "mandrill", "badger"] {
        assert!(says(&words, public), "{public}");
    }
    for file in fs::read_dir(folder(&library)).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let bytes = fs::read(file.path()).unwrap();
        for secret in ["quokkas", "vicuna", "wolverine", "jackal"] {
            // The model knows many animals.
            assert!(name.starts_with("model-") || !says(&bytes, secret), "{secret} in {name}");
        }
    }
    assert_eq!(head(&library)["chunks"], 2);
}

#[test]
fn a_library_without_texts_has_no_search_and_a_release_has_none() {
    let config =
        "version: 1\ncollections:\n  a: { metadata: \"*.json\", id: id }\nmanifest: { page: true, search: true }\n";
    let library = Library::of(&[("stockroom.yml", config), ("x.json", r#"{"id": "x"}"#)]);
    library.commit();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    assert!(published::root(&folder(&library))["search"].is_null());
    library.write("x.json", r#"{"id": "x", "title": "hex bolt"}"#);
    library.commit();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    assert_eq!(head(&library)["assets"], 1, "without `embed` titles and descriptions are searched");
}

/// The types of the client are checked, and its tokenizer is held to the texts that the program's own is held to.
#[test]
fn the_client_cuts_texts_as_the_program_does_and_refuses_what_is_no_search() {
    let Some(node) = tool(&["node"]) else { return };
    if let Some(tsc) = tool(&["tsc"]) {
        let checked =
            Command::new(tsc).arg("-p").arg(project().join("tests/clients/tsconfig.search.json")).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    let library = example();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    let run = Command::new(node)
        .arg(project().join("tests/clients/search.mjs"))
        .args([project().join("docs/clients/search.mjs"), folder(&library)])
        .arg(project().join("src/adapters/model/fixture.json"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}
