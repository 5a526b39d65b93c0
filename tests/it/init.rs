//! `init` and `schema infer`: what they write is checked clean, and nothing that is there is touched.

use std::fs;

use serde_json::{Value, json};

use crate::program::{Library, Run};

const WORKFLOW: &str = ".github/workflows/stockroom.yml";

/// Runs `init`, then `check`, which must agree with it.
fn init(library: &Library, code: i32) -> Run {
    let run = library.run(&["init"]).ends(code);
    let check = library.run(&["check"]).ends(code);
    assert!(run.out.contains(check.out.trim()), "init:\n{}\ncheck:\n{}", run.out, check.out);
    run
}

fn product(handle: &str, more: &[(&str, Value)]) -> String {
    let mut record = json!({ "handle": handle, "title": handle.to_uppercase(), "price": "1.00" });
    more.iter().for_each(|(key, value)| record[*key] = value.clone());
    format!("{record:#}\n")
}

fn shop() -> Library {
    let library = Library::empty();
    for (name, handle) in [("Dojo Bolt Gen v05", "bolt"), ("Studio Lights $0", "lights"), ("Rope [& Knot] #1", "rope")]
    {
        library.write(&format!("{name}/{name}.json"), product(handle, &[]));
        library.write(&format!("{name}/{name}.blend"), handle);
        library.write(&format!("{name}/icon_{name}.png"), handle);
    }
    library.write("package.json", "{}");
    library
}

#[test]
fn the_example_library_is_found_again_from_its_files() {
    let library = Library::example();
    fs::remove_file(library.path("stockroom.yml")).unwrap();
    let run = init(&library, 0);
    assert!(run.out.contains("schema: product-metadata (it is there already)"), "{}", run.out);
    let config = library.read("stockroom.yml");
    for line in [
        "id: handle",
        "version_field: schema_version",
        "# volatile: [/polar/last_synced]",
        "- \"preview_*.png\"",
        "exclude: [\"_template/**\"]",
    ] {
        assert!(config.contains(line), "{line}:\n{config}");
    }
    let check = library.run(&["check", "--format", "json"]).ends(0).json();
    assert_eq!(check["summary"]["by_collection"]["products"]["valid"], 13);
    assert_eq!(check["summary"]["by_collection"]["guides"]["valid"], 2);
}

#[test]
fn a_repository_without_a_commit_and_with_wild_names_becomes_a_library() {
    let library = shop();
    let run = init(&library, 0);
    assert!(run.out.contains("3 records in */*.json, id: handle"), "{}", run.out);
    assert!(run.out.contains("beside every record: icon_{stem}.png, {stem}.blend"), "{}", run.out);
    let schema: Value = serde_json::from_str(&library.read("schemas/products/v1.0.0.json")).unwrap();
    assert_eq!(schema["required"], json!(["handle", "price", "title"]));
    assert!(library.read(WORKFLOW).contains("branches: [main]"));
    fs::remove_file(library.path("Dojo Bolt Gen v05/Dojo Bolt Gen v05.blend")).unwrap();
    assert!(library.run(&["check"]).ends(1).out.contains("file-missing"));
}

#[test]
fn a_library_stays_as_it_is() {
    let library = Library::example();
    let before = library.everything();
    let run = library.run(&["init"]).ends(2);
    assert!(run.err.contains("stockroom.yml is there already"), "{}", run.err);
    assert_eq!(library.everything(), before);
}

#[test]
fn a_dry_run_prints_every_file_and_writes_none() {
    let library = shop();
    let before = library.everything();
    let run = library.run(&["init", "--dry-run"]).ends(0);
    assert_eq!(library.everything(), before);
    for path in ["stockroom.yml", "schemas/products/v1.0.0.json", WORKFLOW] {
        assert!(run.out.contains(&format!("would write {path}:")), "{}", run.out);
    }
    library.run(&["init"]).ends(0);
    for line in library.read("stockroom.yml").lines() {
        assert!(run.out.contains(line), "{line}");
    }
}

#[test]
fn where_there_is_nothing_to_find_it_says_what_it_looks_for() {
    for files in [&[][..], &[("README.md", "# Nothing"), ("package.json", "{}")][..]] {
        let library = Library::of(files);
        let before = library.everything();
        let run = library.run(&["init"]).ends(2);
        assert!(run.err.contains("there is no collection to propose") && run.err.contains("metadata:"), "{}", run.err);
        assert_eq!(library.everything(), before);
    }
}

#[test]
fn bad_records_are_named_and_left_out_of_the_schema() {
    let library = shop();
    library.write("Bad/Bad.json", "{\"handle\": \"bad\",,}");
    library.write("Bad/Bad.blend", "");
    library.write("Bad/icon_Bad.png", "");
    let run = init(&library, 1);
    assert!(run.out.contains("1 record cannot be read") && run.out.contains("Bad/Bad.json:1:"), "{}", run.out);
    library.write("Bad/Bad.json", product("bad", &[]));
    library.run(&["check"]).ends(0);
}

#[test]
fn members_of_two_kinds_are_worth_a_look() {
    let library = shop();
    library.write("Free/Free.json", product("free", &[("price", json!(0))]));
    library.write("Free/Free.blend", "");
    library.write("Free/icon_Free.png", "");
    assert!(init(&library, 0).out.contains("worth a look: /price is a text 3 times and a number once"));
}

#[test]
fn each_version_that_records_name_gets_its_schema() {
    let library = Library::empty();
    for (name, version) in [("a", "1.0.0"), ("b", "1.1.0"), ("c", "1.1.0")] {
        library.write(&format!("items/{name}.yaml"), format!("schema_version: \"{version}\"\ntitle: {name}\n"));
    }
    init(&library, 0);
    let constant = |version: &str| -> Value {
        let schema: Value = serde_json::from_str(&library.read(&format!("schemas/items/v{version}.json"))).unwrap();
        schema["properties"]["schema_version"]["const"].clone()
    };
    assert_eq!(constant("1.1.0"), "1.1.0");
    library.edit("items/a.yaml", "1.0.0", "1.2.0");
    assert!(library.run(&["check"]).ends(1).out.contains("version-unknown"));
}

#[test]
fn a_schema_that_records_refer_to_and_nobody_has_is_put_where_they_look_for_it() {
    let library = Library::empty();
    for name in ["a", "b", "c"] {
        library.write(&format!("icons/{name}.json"), "{\"$schema\": \"../icon.schema.json\", \"tags\": []}");
        library
            .write(&format!("kinds/{name}.json"), "{\"$schema\": \"https://example.com/no-such-thing\", \"order\": 1}");
    }
    let run = init(&library, 0);
    assert!(library.path("icon.schema.json").is_file(), "{}", run.out);
    assert!(run.out.contains("schema: none"), "{}", run.out);
}

#[test]
fn what_is_there_is_left_and_said() {
    let library = shop();
    library.write(WORKFLOW, "name: mine\n");
    let run = init(&library, 0);
    assert!(run.out.contains(&format!("{WORKFLOW} is there already")), "{}", run.out);
    assert_eq!(library.read(WORKFLOW), "name: mine\n");
    // Git ignores it, so it is no file of the library; it is there all the same.
    let library = shop();
    library.write(".gitignore", "schemas/\n");
    library.write("schemas/products/v1.0.0.json", "mine");
    let before = library.everything();
    let run = library.run(&["init"]).ends(2);
    assert!(run.err.contains("is there already"), "{}", run.err);
    assert_eq!(library.everything(), before);
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    let library = shop();
    let elsewhere = library.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, library.path("schemas")).unwrap();
    let run = library.run(&["init"]).ends(2);
    assert!(run.err.contains("links are not followed"), "{}", run.err);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert!(!library.path("stockroom.yml").exists() && !library.path(".github").exists());
}

#[test]
fn a_library_below_a_larger_repository_gets_no_workflow_at_its_root() {
    let library = Library::example_below("assets/shop");
    fs::remove_file(library.path("stockroom.yml")).unwrap();
    let run = init(&library, 0);
    assert!(run.out.contains("no workflow: the library is the folder \"assets/shop\""), "{}", run.out);
    assert!(!library.path(".github").exists() && !library.repository().join(".github").exists());
}

#[test]
fn the_workflow_watches_the_branch_that_the_repository_builds_on() {
    let library = shop();
    library.commit();
    library.git(&["branch", "--move", "trunk"]);
    init(&library, 0);
    assert!(library.read(WORKFLOW).contains("branches: [trunk]"));
}

#[test]
fn a_schema_is_inferred_from_the_records_that_are_named() {
    let library = Library::example();
    let infer = |words: &[&str], code: i32| library.run(&[&["schema", "infer"], words].concat()).ends(code);
    let schema = infer(&["--collection", "guides", "--title", "Guide"], 0).json();
    assert_eq!(
        (&schema["title"], &schema["properties"]["schema_version"]),
        (&json!("Guide"), &json!({"const": "1.0.0"}))
    );
    assert_eq!(infer(&["guides/*.md", "--title", "Guide"], 0).json(), schema);
    assert_eq!(infer(&["./guides/", "--title", "Guide"], 0).json(), schema);
    assert_eq!(infer(&["Studio Lights $0/Studio Lights $0.json"], 0).json().get("required"), None);
    assert_eq!(infer(&["guides", "--strict"], 0).json()["additionalProperties"], false);
    for (words, said) in [
        (&[][..], "name one collection"),
        (&["--collection", "x"][..], "stockroom.yml has guides, products"),
        (&["nowhere/*.json"][..], "names no JSON"),
        (&["../x.json"][..], "leaves the library"),
        (&["a[/x.json"][..], "a[/x.json"),
    ] {
        let run = infer(words, 2);
        assert!(run.err.contains(said), "{words:?}: {}", run.err);
    }
}

#[test]
fn an_inferred_schema_overwrites_nothing_and_names_what_it_was_not_made_from() {
    let library = Library::of(&[("a.json", "{\"x\": 1}"), ("b.json", "{\"x\": 2}"), ("c.json", "{")]);
    let file = library.beside("schema.json");
    let words = ["schema", "infer", "*.json", "-o", file.to_str().unwrap()];
    let run = library.run(&words).ends(1);
    assert!(run.err.contains("c.json:1:") && run.err.contains("inferred from 2 records"), "{}", run.err);
    let text = fs::read_to_string(&file).unwrap();
    assert!(library.run(&words).ends(2).err.contains("is there already"));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let broken = Library::of(&[("c.json", "{")]);
    assert!(broken.run(&["schema", "infer", "*.json"]).ends(2).err.contains("no record can be read"));
}
