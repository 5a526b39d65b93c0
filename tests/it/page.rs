//! The catalogue page in a real browser, on libraries that the program has published.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stockroom::ids::RepoPath;

use crate::file_server::{FileServer, Page};
use crate::program::Library;

/// The first of these programs that is there, the tools of scripts/install-tools.sh before others.
pub fn tool(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = [project().join(".tools/bin")].into_iter().chain(std::env::split_paths(&path)).collect();
    let found =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|it| it.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {} is not installed; scripts/install-tools.sh installs it", names[0]);
    }
    found
}

/// The project's own folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Uses a page in one of the ways that tests/page/drive.mjs knows.
pub fn drive(scenario: &str, url: &str, more: &[&str]) {
    let (Some(node), Some(chromium)) = (tool(&["node"]), tool(&["chromium", "google-chrome"])) else { return };
    let tools = project().join(".tools/browser");
    if !tools.join("node_modules/playwright-core").is_dir() {
        eprintln!("SKIPPED: playwright-core is not installed; scripts/install-tools.sh installs it");
        return;
    }
    let run = Command::new(node)
        .arg(project().join("tests/page/drive.mjs"))
        .args([scenario, url])
        .args(more)
        .env("TOOLS", tools)
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{scenario} at {url}:\n{said}");
    eprint!("{said}");
}

/// A server with everything that was published, and the library's files below `/files/`.
pub fn serve(library: &Library, server: &FileServer) {
    library.run(&["sync", "--only", "manifest"]).ends(0);
    for file in fs::read_dir(library.path(".stockroom/manifest")).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        server.put(&format!("/{name}"), Page::File(fs::read(file.path()).unwrap()));
    }
    server.put("/", Page::File(fs::read(library.path(".stockroom/manifest/index.html")).unwrap()));
    for (path, bytes) in library.every_file() {
        let Ok(path) = path.strip_prefix(library.root()) else { continue };
        if !path.starts_with(".git") {
            let path = RepoPath::new(path.to_str().unwrap()).percent_encoded();
            server.put(&format!("/files/{path}"), Page::File(bytes));
        }
    }
}

/// The library that ships with the project, with a page, a record that names no version of its schema, and its files here.
pub fn example() -> (Library, FileServer) {
    let (library, server) = (Library::example(), FileServer::start());
    library.edit("stockroom.yml", "https://assets.example.com/library/", &server.url("/files/"));
    library.edit(
        "stockroom.yml",
        "manifest:\n",
        "manifest:\n  page: { title: \"Northbench <library>\", language: en }\n",
    );
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "\"schema_version\": \"1.1.0\",", "");
    library.commit();
    serve(&library, &server);
    (library, server)
}

/// Two thousand assets whose texts try to be more than texts.
fn hostile(description: &str) -> (Library, FileServer) {
    let titles = [
        "Hostile number",
        "<img src=x onerror=\"window.hacked=1\">",
        "\"><script>window.hacked=2</script>",
        "</script><script>window.hacked=3</script>",
        "javascript:window.hacked=4",
        "Zażółć \u{202e}gęślą\u{0} jaźń",
        &"endless".repeat(30),
    ];
    let config = "version: 1\ncollections:\n  models: { metadata: \"models/*.json\", id: id }\n  \
                  __proto__: { metadata: \"more/*.json\", id: id }\nmanifest: { page: true }\n";
    let library = Library::of(&[("stockroom.yml", config)]);
    for index in 0..2_000 {
        let record = json!({
            "id": format!("hostile-{index}<b>"), "title": format!("{} {index}", titles[index % titles.len()]),
            "tags": [format!("tag{}", index % 40), "<b>", "__proto__"],
            "url": "javascript:window.hacked=5", "image": "javascript:window.hacked=6",
            "description": description, "toString": {"__proto__": ["<i>", null, 1.5]}
        });
        let folder = if index % 2 == 0 { "models" } else { "more" };
        library.write(&format!("{folder}/{index}.json"), record.to_string());
    }
    library.commit();
    let server = FileServer::start();
    serve(&library, &server);
    (library, server)
}

/// The picture in docs/page.md: `cargo nextest run --run-ignored only the_picture_of_the_page`
#[test]
#[ignore = "writes docs/images/page.png"]
fn the_picture_of_the_page() {
    let (library, server) = (Library::example(), FileServer::start());
    library.edit("stockroom.yml", "https://assets.example.com/library/", &server.url("/files/"));
    library.edit("stockroom.yml", "manifest:\n", "manifest:\n  page: { title: Northbench library }\n");
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "\"schema_version\": \"1.1.0\",", "");
    library.commit();
    serve(&library, &server);
    drive("picture", &server.url("/"), &[project().join("docs/images/page.png").to_str().unwrap()]);
}

fn root(library: &Library) -> Value {
    serde_json::from_str(&library.read(".stockroom/manifest/manifest.json")).unwrap()
}

#[test]
fn people_find_assets_and_findings_with_mouse_and_keyboard() {
    let (_library, server) = example();
    drive("example", &server.url("/"), &[]);
}

#[test]
fn two_thousand_hostile_assets_stay_texts_and_stay_quick() {
    let (library, server) = hostile("");
    assert!(root(&library)["index"].is_object(), "these are few enough for an index");
    drive("large", &server.url("/"), &[]);
}

#[test]
fn a_catalogue_without_an_index_is_read_shard_by_shard() {
    let (library, server) = hostile(&"A long description. ".repeat(12));
    assert!(root(&library)["index"].is_null(), "these are too many for an index");
    drive("shards", &server.url("/"), &[]);
}

#[test]
fn a_browser_without_crypto_of_its_own_verifies_all_the_same() {
    let (_library, server) = example();
    drive("insecure", &server.url("/"), &[]);
}

#[test]
fn a_shard_that_was_tampered_with_is_not_shown() {
    let (library, server) = example();
    let shards: Value = serde_json::from_str(
        &library.read(&format!(".stockroom/manifest/{}", root(&library)["shards"]["path"].as_str().unwrap())),
    )
    .unwrap();
    let shard = shards["collections"]["products"][0]["path"].as_str().unwrap();
    let text = library.read(&format!(".stockroom/manifest/{shard}")).replace("bolt", "b0lt");
    server.put(&format!("/{shard}"), Page::File(text.into_bytes()));
    drive("tampered", &server.url("/"), &[]);
}

#[test]
fn what_is_wrong_with_a_catalogue_is_said_in_sentences() {
    let (library, server) = example();
    let root = root(&library);
    let index = root["index"]["path"].as_str().unwrap();
    let page = fs::read(library.path(".stockroom/manifest/index.html")).unwrap();
    let good = fs::read(library.path(&format!(".stockroom/manifest/{index}"))).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut other = root.clone();
        change(&mut other);
        Page::File(other.to_string().into_bytes())
    };
    let as_it_is = || with(&|_| ());
    let cases = [
        (as_it_is(), Page::File(good[..100].to_vec()), "is not the file that was published"),
        (as_it_is(), Page::Half(good.clone()), "broke off half-way"),
        (as_it_is(), Page::Status(404), "There is no index-"),
        (with(&|root| root["version"] = json!(2)), Page::Status(404), "a kind that this page does not know"),
        (with(&|root| root["index"]["path"] = json!("../x.json")), Page::Status(404), "manifest.json is damaged"),
        (with(&|root| root["shards"] = Value::Null), Page::Status(404), "an older Stockroom"),
        (Page::File(b"<!doctype html><title>Sign in</title>".to_vec()), Page::Status(404), "It is not JSON"),
        (Page::Status(503), Page::Status(404), "answers with the status 503"),
        (Page::Status(404), Page::Status(404), "There is no manifest.json beside this page"),
    ];
    let mut pairs = vec![
        format!("file://{}", library.path(".stockroom/manifest/index.html").display()),
        "python3 -m http.server".to_owned(),
    ];
    for (number, (root, listed, said)) in cases.into_iter().enumerate() {
        server.put(&format!("/{number}/"), Page::File(page.clone()));
        server.put(&format!("/{number}/manifest.json"), root);
        server.put(&format!("/{number}/{index}"), listed);
        pairs.extend([server.url(&format!("/{number}/")), said.to_owned()]);
    }
    drive("wrong", "", &pairs.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_forged_index_makes_no_address_and_no_markup() {
    let (library, server) = example();
    let asset = |title: Value, more: Value| {
        let mut asset =
            json!({"collection": "products", "id": title.to_string(), "digest": "", "status": "valid", "title": title});
        asset.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asset
    };
    let assets = json!([
        null, 7, [], {"id": {}}, {"id": "", "title": "none"},
        asset(json!("a"), json!({"image": "javascript:window.hacked=1", "url": "javascript:window.hacked=2"})),
        asset(json!("b"), json!({"image": "data:image/svg+xml,<svg onload='window.hacked=3'/>", "url": "data:text/html,x"})),
        asset(json!("c"), json!({"image": {"toString": 1}, "url": ["https://x"], "tags": {"length": 3}, "description": [1]})),
        asset(json!(["d"]), json!({"tags": [null, {}, "<b>", "<b>"], "status": "<script>"})),
    ]);
    let bytes = json!({"version": 1, "assets": assets}).to_string();
    let mut root = root(&library);
    let path = "index-forged.json";
    root["index"] = json!({"path": path, "bytes": bytes.len(), "sha256": format!("{:x}", Sha256::digest(&bytes))});
    server.put(&format!("/{path}"), Page::File(bytes.into_bytes()));
    server.put("/manifest.json", Page::File(root.to_string().into_bytes()));
    drive("forged", &server.url("/"), &[]);
}

#[test]
fn a_home_page_of_somebody_else_is_not_replaced() {
    let (library, _server) = example();
    fs::remove_dir_all(library.path(".stockroom/manifest")).unwrap();
    library.write(".stockroom/manifest/index.html", "<h1>Welcome</h1>");
    let run = library.run(&["sync", "--only", "manifest"]);
    assert_ne!(run.code, 0);
    assert!(run.both().contains("a file index.html that Stockroom has not made"), "{}", run.both());
    assert_eq!(library.read(".stockroom/manifest/index.html"), "<h1>Welcome</h1>");
    assert!(!library.path(".stockroom/manifest/manifest.json").exists());
    fs::remove_file(library.path(".stockroom/manifest/index.html")).unwrap();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    // A run that was killed has left a page and no root.
    fs::remove_file(library.path(".stockroom/manifest/manifest.json")).unwrap();
    library.run(&["sync", "--only", "manifest"]).ends(0);
}

#[test]
fn the_page_comes_and_goes_with_its_setting() {
    let (library, _server) = example();
    assert!(library.path(".stockroom/manifest/index.html").is_file());
    assert_eq!(library.run(&["sync", "--only", "manifest"]).ends(0).out.matches("published").count(), 0);
    let before = root(&library)["seq"].as_u64().unwrap();
    library.edit("stockroom.yml", "Northbench <library>", "Another title");
    library.commit();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    assert_eq!(root(&library)["seq"], before + 1);
    assert!(library.read(".stockroom/manifest/index.html").contains("<title>Another title</title>"));
    library.edit("stockroom.yml", "  page: { title: \"Another title\", language: en }\n", "");
    library.commit();
    library.run(&["sync", "--only", "manifest"]).ends(0);
    assert!(root(&library)["exports"].is_null() && root(&library)["findings"].is_null());
}
