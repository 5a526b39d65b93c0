//! The clients in docs/clients follow what the program publishes, and refuse what it did not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use stockroom::ids::Sha256Hex;
use tempfile::TempDir;

use crate::file_server::{FileServer, Page};
use crate::page::{drive, example, project, tool};
use crate::program::Library;
use crate::published;
use crate::published::FIRST;

/// A library that is published time and again, and a server that gives away what the last publication left.
struct Place {
    library: Library,
    server: FileServer,
}

/// A reader that keeps what it has seen.
struct Reader {
    name: &'static str,
    program: PathBuf,
    script: PathBuf,
    client: PathBuf,
    temp: TempDir,
}

impl Place {
    /// Eighty assets in two collections, of which one takes several shards.
    fn new() -> Self {
        let config = "version: 1\ncollections:\n  models: { metadata: \"models/*.json\", id: id }\n  \
                      notes: { metadata: \"notes/*.json\", id: id }\n";
        let place = Self { library: Library::of(&[("stockroom.yml", config)]), server: FileServer::start() };
        for index in 0..80 {
            place.write(index, "first");
        }
        place
            .library
            .write("notes/a.json", r#"{"id": "ein/Zettel 😀", "number": 1.5e-7, "text": "\u2028\uFFEE\u007f\u0001"}"#);
        place.library.write("notes/b.json", "{\"id\": \"\u{ffee}\"}");
        place.publish();
        place
    }

    fn write(&self, index: usize, text: &str) {
        let record = json!({"id": format!("model {index}"), "title": text, "long": format!("{index} ").repeat(900)});
        self.library.write(&format!("models/{index}.json"), record.to_string());
    }

    /// Publishes what the library holds now, and gives it away.
    fn publish(&self) {
        self.library.commit();
        self.library.run(&["sync", "--only", "manifest"]).ends(0);
        for file in fs::read_dir(self.folder()).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            self.server.put(&format!("/{name}"), Page::File(fs::read(file.path()).unwrap()));
        }
    }

    fn folder(&self) -> PathBuf {
        self.library.path(".stockroom/manifest")
    }

    fn put(&self, name: &str, page: Page) {
        self.server.put(&format!("/{name}"), page);
    }

    fn root(&self) -> Value {
        published::root(&self.folder())
    }

    fn shards(&self) -> Vec<String> {
        published::shards(&self.folder()).iter().map(|(_, shard)| shard["path"].as_str().unwrap().to_owned()).collect()
    }
}

impl Reader {
    /// One for each client whose language is there.
    fn all() -> Vec<Self> {
        [Self::typescript(), Self::python()].into_iter().flatten().collect()
    }

    fn typescript() -> Option<Self> {
        let (node, tsc) = (tool(&["node"])?, tool(&["tsc"])?);
        let temp = TempDir::new().unwrap();
        let checked = Command::new(tsc)
            .arg("-p")
            .arg(project().join("tests/clients/tsconfig.json"))
            .arg("--outDir")
            .arg(temp.path())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        let client = temp.path().join("stockroom.mjs");
        fs::rename(temp.path().join("stockroom.js"), &client).unwrap();
        let script = project().join("tests/clients/follow.mjs");
        Some(Self { name: "stockroom.ts", program: node, script, client, temp })
    }

    fn python() -> Option<Self> {
        let own = project().join(".tools/python/bin/python");
        let program = if own.is_file() { own } else { tool(&["python3"])? };
        let client = project().join("docs/clients/stockroom.py");
        let script = project().join("tests/clients/follow.py");
        Some(Self { name: "stockroom.py", program, script, client, temp: TempDir::new().unwrap() })
    }

    fn held(&self) -> PathBuf {
        self.temp.path().join("held.json")
    }

    /// Visits the place once more, with this public key to check signatures by.
    fn visits(&self, server: &FileServer, key: &str) -> Value {
        let run = Command::new(&self.program)
            .arg(&self.script)
            .arg(&self.client)
            .arg(server.url("/"))
            .arg(self.held())
            .arg(key)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        serde_json::from_str(&said)
            .unwrap_or_else(|_| panic!("{}: {said}{}", self.name, String::from_utf8_lossy(&run.stderr)))
    }

    /// Visits the place once more, and holds everything that is published there afterwards.
    fn follows(&self, place: &Place) -> Value {
        let seen = self.visits(&place.server, "");
        let published = published::assets(&place.folder());
        let mut keys: Vec<String> = published.keys().map(|(collection, id)| format!("{collection}/{id}")).collect();
        let held: Value = serde_json::from_slice(&fs::read(self.held()).unwrap()).unwrap();
        for ((collection, id), asset) in &published {
            let line = held["entries"][format!("{collection}/{id}")].as_str().unwrap_or_else(|| panic!("{id}: {seen}"));
            assert_eq!(&serde_json::from_str::<Value>(line).unwrap(), asset, "{}", self.name);
        }
        keys.sort();
        for what in ["held", "listed"] {
            let mut told: Vec<_> =
                seen[what].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
            told.sort();
            assert_eq!(told, keys, "{}: {what}", self.name);
        }
        seen
    }

    /// Visits the place once more, is told why not, and keeps what it has.
    fn refuses(&self, place: &Place, why: &str) {
        let before = fs::read(self.held()).ok();
        let seen = self.visits(&place.server, "");
        assert_eq!(seen["refused"], true, "{}: {seen}", self.name);
        assert!(seen["error"].as_str().unwrap().contains(why), "{}: {seen}", self.name);
        assert_eq!(fs::read(self.held()).ok(), before);
    }
}

fn requests(seen: &Value, kind: &str) -> usize {
    seen["requests"].as_array().unwrap().iter().filter(|request| *request == kind).count()
}

#[test]
fn a_reader_follows_by_deltas_and_holds_what_is_published() {
    let place = Place::new();
    let readers = Reader::all();
    assert!(place.shards().len() > 3, "{:?}", place.shards());
    for reader in &readers {
        let seen = reader.follows(&place);
        assert_eq!((&seen["by"], requests(&seen, "shard")), (&json!("shards"), place.shards().len()));
        assert_eq!(reader.follows(&place)["requests"], json!(["manifest.json"]), "{}", reader.name);
    }
    place.write(3, "second");
    fs::remove_file(place.library.path("models/4.json")).unwrap();
    place.publish();
    for reader in &readers {
        let seen = reader.follows(&place);
        assert_eq!(seen["by"], "delta", "{seen}");
        assert_eq!(seen["changed"], json!(["models/model 3"]));
        assert_eq!(seen["removed"], json!(["models/model 4"]));
        assert_eq!(seen["requests"], json!(["manifest.json", "delta"]));
    }
    // Two editions that nobody has looked at.
    place.write(5, "third");
    place.library.write("notes/c.json", "{\"id\": \"new,\\\"collection\\\":\"}");
    place.publish();
    place.write(5, "first");
    place.write(6, "fourth");
    place.publish();
    for reader in &readers {
        let seen = reader.follows(&place);
        assert_eq!((&seen["by"], requests(&seen, "delta")), (&json!("delta"), 2), "{seen}");
        assert_eq!(seen["changed"], json!(["models/model 6", "notes/new,\"collection\":"]));
    }
}

#[test]
fn a_reader_follows_a_hub_whose_collections_and_ids_have_slashes() {
    let place = Place::new();
    let (server, folder) = (FileServer::start(), place.library.beside("hub"));
    let federate = || {
        let own = ["a=.stockroom/manifest", "b=.stockroom/manifest"];
        place.library.run(&["federate", own[0], own[1], "-o", "../hub"]).ends(0);
        for file in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            server.put(&format!("/{name}"), Page::File(fs::read(file.path()).unwrap()));
        }
    };
    federate();
    let readers = Reader::all();
    for reader in &readers {
        let seen = reader.visits(&server, "");
        assert_eq!((&seen["by"], seen["held"].as_array().map(Vec::len)), (&json!("shards"), Some(164)), "{seen}");
        assert!(seen["held"].as_array().unwrap().contains(&json!("b%2Fnotes/ein/Zettel 😀")), "{seen}");
        assert!(seen["listed"].as_array().unwrap().contains(&json!("b/notes/ein/Zettel 😀")), "{seen}");
    }
    place.write(3, "second");
    place.publish();
    federate();
    for reader in &readers {
        let seen = reader.visits(&server, "");
        let changed = json!(["a%2Fmodels/model 3", "b%2Fmodels/model 3"]);
        assert_eq!((&seen["by"], &seen["changed"]), (&json!("delta"), &changed), "{}", reader.name);
    }
    // Without its index and its delta: the list is made of the shards, and of those only what has changed is fetched.
    place.write(3, "third");
    place.publish();
    federate();
    let mut root = published::root(&folder);
    (root["index"], root["delta"]) = (Value::Null, Value::Null);
    let root = root.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let root: Value = root.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
    server.put("/manifest.json", Page::File(root.to_string().into_bytes()));
    for reader in &readers {
        let seen = reader.visits(&server, "");
        assert_eq!((&seen["by"], requests(&seen, "shard")), (&json!("shards"), 2), "{}: {seen}", reader.name);
        assert!(seen["listed"].as_array().unwrap().contains(&json!("b/notes/ein/Zettel 😀")), "{seen}");
    }
}

#[test]
fn the_client_in_typescript_works_in_a_browser() {
    let Some(reader) = Reader::typescript() else { return };
    let (_library, server) = example();
    server.put("/stockroom.js", Page::File(fs::read(&reader.client).unwrap()));
    server.put("/blank/", Page::File(b"<!doctype html><title>Blank</title>".to_vec()));
    drive("client", &server.url("/"), &[]);
}

#[test]
fn a_reader_whose_chain_is_broken_fetches_the_shards_that_differ() {
    let place = Place::new();
    let readers = Reader::all();
    for reader in &readers {
        reader.follows(&place);
    }
    place.write(3, "second");
    place.publish();
    let delta = place.root()["delta"]["path"].as_str().unwrap().to_owned();
    place.write(3, "third");
    place.publish();
    place.put(&delta, Page::Status(404));
    for reader in &readers {
        let seen = reader.follows(&place);
        assert_eq!((&seen["by"], requests(&seen, "shard")), (&json!("shards"), 1), "{seen}");
        assert_eq!(seen["changed"], json!(["models/model 3"]));
    }
}

#[test]
fn a_reader_refuses_what_was_not_published_and_keeps_what_it_has() {
    let place = Place::new();
    let readers = Reader::all();
    let shard = place.shards()[0].clone();
    let good = fs::read(place.folder().join(&shard)).unwrap();
    let mut other = good.clone();
    let at = other.windows(5).position(|five| five == b"first").unwrap();
    other[at] = b'F';
    for bytes in [other, [&good[..], b" "].concat(), b"<html>".to_vec(), Vec::new()] {
        place.put(&shard, Page::File(bytes));
        readers.iter().for_each(|reader| reader.refuses(&place, if reader.held().exists() { "" } else { "shard-" }));
    }
    place.put(&shard, Page::File(good));
    readers.iter().for_each(|reader| drop(reader.follows(&place)));

    let first = fs::read(place.folder().join("manifest.json")).unwrap();
    place.write(3, "second");
    place.publish();
    let delta = place.root()["delta"]["path"].as_str().unwrap().to_owned();
    let good = fs::read(place.folder().join(&delta)).unwrap();
    place.put(&delta, Page::File(String::from_utf8(good.clone()).unwrap().replace("second", "sec0nd").into_bytes()));
    readers.iter().for_each(|reader| reader.refuses(&place, "is not the file that was published"));
    place.put(&delta, Page::File(good));
    readers.iter().for_each(|reader| drop(reader.follows(&place)));

    place.put("manifest.json", Page::File(first));
    readers.iter().for_each(|reader| {
        reader.refuses(&place, &format!("went back: it is number {FIRST}, and number {} was seen", FIRST + 1))
    });
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut root = place.root();
        change(&mut root);
        place.put("manifest.json", Page::File(root.to_string().into_bytes()));
    };
    forged(&|root| root["digest"] = json!("another"));
    readers.iter().for_each(|reader| reader.refuses(&place, "went back"));
    forged(&|root| root["expires"] = json!("2020-01-01T00:00:00Z"));
    readers.iter().for_each(|reader| reader.refuses(&place, "expired on 2020-01-01"));
    forged(&|root| root["version"] = json!(2));
    readers.iter().for_each(|reader| reader.refuses(&place, "version 2"));
    forged(&|root| {
        (root["seq"], root["digest"]) = (json!(FIRST + 9), json!("another"));
        root["delta"] = Value::Null;
        root["collections"]["models"]["digest"] = json!("another");
    });
    readers.iter().for_each(|reader| reader.refuses(&place, "do not add up"));
    forged(&|root| {
        (root["seq"], root["digest"], root["delta"]) = (json!(FIRST + 9), json!("another"), Value::Null);
        root["shards"]["path"] = json!("../manifest.json");
    });
    readers.iter().for_each(|reader| reader.refuses(&place, "is no file of a catalogue"));
}

/// The root of an empty catalogue, and what `minisign -S -l` and `minisign -S` have made of it.
const ROOT: &str = concat!(
    r#"{"collections":{},"digest":"a digest","presentation":"","schemas":{},"seq":1,"shards":{"bytes":31,"path":"shards-"#,
    "c91e16761e06ce599b3b15ad4fe90e6f811e2d4add768d8533c14496f5c48d62",
    r#".json","sha256":"c91e16761e06ce599b3b15ad4fe90e6f811e2d4add768d8533c14496f5c48d62"},"source":{},"version":1}"#,
    "\n"
);
const SIGNED: &str = "untrusted comment: signature from minisign secret key
RWSuZ7jhOVzJi11IHDJEG0aQXHz0r10k/eE1VQnxOzhMAPVcLM4esY3qzqAvV9S4AqaceuuppwH5ov3LvMARR8JY7xbS8mdsQgw=
trusted comment: an empty catalogue, for tests
wYiOGgsRCnBMpy1S5voH3EgL5qAu3z6CaO/Ac9RAIJd7zs918bJzVUMcGyXVIimc8SxDvpSe6+MQNzIW96u0DQ==
";
const HASHED: &str = "untrusted comment: signature from minisign secret key
RUSuZ7jhOVzJi7gdJ8NeLTDvFC7+5Q1Cp4QPqZ+ChokQfz+ZZmr7rFsAXs5hUxnLZjchDtZyWmwFfQf7s6kEL6tNUE0V3SHAzgI=
trusted comment: hashed
eOZMM01uZlpYdG3weuMaz6wliYC3/BK1t/VVUTGhc+Uz8UJ3xc5MEGyrJ3+rMuByxCSLJ4ayz+k2VYNgw87oAg==
";
const KEY: &str = "RWSuZ7jhOVzJi221Oz6K9f6+FSVcnXgH2skKJuInjNfqgVadJyecY5Ab";

#[test]
fn a_reader_with_a_key_takes_only_what_that_key_has_signed() {
    let server = FileServer::start();
    let put = |name: &str, text: &str| server.put(&format!("/{name}"), Page::File(text.as_bytes().to_vec()));
    let sha256 = |text: &str| Sha256Hex::of(text.as_bytes());
    put(
        &format!("shards-{}.json", sha256("{\"collections\":{},\"version\":1}\n")),
        "{\"collections\":{},\"version\":1}\n",
    );
    put("manifest.json", ROOT);
    let file = format!("root-{}.minisig", sha256(ROOT));
    for reader in Reader::all() {
        let refuses = |key: &str, why: &str| {
            let seen = reader.visits(&server, key);
            assert_eq!(seen["refused"], true, "{}: {seen}", reader.name);
            assert!(seen["error"].as_str().unwrap().contains(why), "{}: {seen}", reader.name);
        };
        server.put(&format!("/{file}"), Page::Status(404));
        refuses(KEY, "is not signed");
        put(&file, SIGNED);
        for key in [KEY, &format!("untrusted comment: minisign public key\n{KEY}\n")] {
            let seen = reader.visits(&server, key);
            assert!(seen["held"].is_array(), "{}: {seen}", reader.name);
        }
        refuses(&KEY.replace("dJyecY5Ab", "dJyecY5Ac"), "not one of this key");
        refuses(&KEY.replace("RWSuZ7jh", "RWSuZ7ji"), "not one of this key");
        for wrong in
            ["", "1\n2\n3\n4\n", HASHED, &SIGNED.replace("for tests", "for all"), &SIGNED.replace("RWSu", "RWSv")]
        {
            put(&file, wrong);
            refuses(KEY, "not one of this key");
        }
        // A root that the key has not signed, with the signature of one that it has.
        let other = ROOT.replace("\"seq\":1", "\"seq\":2");
        put("manifest.json", &other);
        put(&format!("root-{}.minisig", sha256(&other)), SIGNED);
        refuses(KEY, "not one of this key");
        put("manifest.json", ROOT);
    }
}

/// The text of the first block in this language of docs/clients/README.md.
fn block(language: &str) -> String {
    let readme = fs::read_to_string(project().join("docs/clients/README.md")).unwrap();
    let rest = readme.split_once(&format!("```{language}\n")).unwrap().1;
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_examples_of_the_documentation_print_what_it_says() {
    let place = Place { library: Library::example(), server: FileServer::start() };
    let readers = Reader::all();
    let print = |reader: &Reader| {
        let (language, file, client) = match reader.name {
            "stockroom.ts" => ("ts", "example.mjs", "stockroom.mjs"),
            _ => ("python", "example.py", "stockroom.py"),
        };
        let folder = reader.temp.path();
        if !folder.join(client).exists() {
            fs::copy(&reader.client, folder.join(client)).unwrap();
        }
        let text = block(language).replace("https://assets.example.com/catalogue/", &place.server.url("/"));
        fs::write(folder.join(file), text.replace("./stockroom.ts", "./stockroom.mjs")).unwrap();
        let run = Command::new(&reader.program).arg(file).current_dir(folder).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    place.publish();
    for reader in &readers {
        assert_eq!(print(reader).lines().count(), 16, "{}", reader.name);
    }
    place.library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "Parametric hex bolts", "Parametric hexagon bolts");
    fs::remove_dir_all(place.library.path("Dojo Lantern Kit")).unwrap();
    place.publish();
    for reader in &readers {
        assert_eq!(print(reader), block("text"), "{}", reader.name);
    }
}
