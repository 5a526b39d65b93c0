//! A library in which everything is wrong that can be: each fault gets its finding at its place, the rest is checked, and
//! nothing leaves the house.

#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use serde_json::Value;
use stockroom::report;

use crate::program::{Library, Run};

const CONFIG: &str = r#"version: 1
collections:
  things:
    metadata: ["things/**"]
    exclude: ["**/*.png"]
    id: id
    schema: thing
    version_field: schema_version
    files: { required: ["{stem}.png"] }
  broken: { metadata: "broken/*", id: id, schema: broken }
  leaking: { metadata: "leaking/*", id: id, schema: leaking }
  looping: { metadata: "looping/*", id: id, schema: looping }
  circling: { metadata: "circling/*", id: id, schema: circling }
  slow: { metadata: "slow/*", id: id, schema: slow }
schemas: { source: ./schemas }
lint: { images: off }
downstreams:
  website: { repo: example-org/website }
embed: {}
"#;

const SCHEMAS: [(&str, &str); 6] = [
    (
        "thing/v1.0.0",
        r#"{"required": ["id"], "properties": {"id": {"type": "string"}, "a": {"properties": {"b": {"items": {"properties": {"c": {"type": "number"}}}}}}}}"#,
    ),
    ("broken", "{\n  \"type\": \"objekt\"\n}"),
    ("leaking", "{\n  \"properties\": {\"id\": {\"$ref\": \"file:///etc/passwd\"}}\n}"),
    ("looping", r##"{"$ref": "#"}"##),
    (
        "circling",
        r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}"##,
    ),
    ("slow", r#"{"properties": {"x": {"pattern": "^(([a-z])+.)+\\2[A-Z](?=x)([a-z])+$"}}}"#),
];

/// The records that are at fault: what they hold, the code of the finding, its line and its column.
fn faults() -> Vec<(&'static str, Vec<u8>, &'static str, u64, u64)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let good = |rest: &str| format!("{{\n  \"schema_version\": \"1.0.0\",\n  \"id\": \"{rest}\n}}\n").into_bytes();
    let deep = |n: usize| format!("{{\"id\": \"x\", \"x\": {}{}}}", "[".repeat(n), "]".repeat(n)).into_bytes();
    let mut bomb = "schema_version: 1.0.0\nid: bomb\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
    }
    vec![
        ("things/unparsable.json", good("unparsable\",\n  \"x\": }"), "syntax", 4, 8),
        ("things/twice.json", good("twice\",\n  \"x\": 1,\n  \"x\": 2"), "duplicate-key", 5, 3),
        (
            "things/deep-type.json",
            good("deep-type\",\n  \"a\": {\"b\": [{\"c\": 1},\n    {\"c\": \"1\"}]}"),
            "type",
            5,
            11,
        ),
        (
            "things/unknown-version.json",
            text("{\n  \"id\": \"v\",\n  \"schema_version\": \"9.9.9\"}"),
            "version-unknown",
            3,
            21,
        ),
        ("things/number-version.yaml", text("id: n\nschema_version: 1.10\n"), "version-not-text", 2, 17),
        ("things/invalid.json", [b"{\"id\":\n \"caf".as_slice(), b"\xe9\"}"].concat(), "not-utf8", 2, 6),
        ("things/mark.json", [b"\xef\xbb\xbf".as_slice(), &good("mark\"")].concat(), "byte-order-mark", 1, 1),
        ("things/bomb.yaml", bomb.into_bytes(), "too-many-values", 8, 30),
        ("things/abyss.json", deep(10_000), "too-deep", 1, 81),
        ("things/abyss.yaml", [b"id: x\nx: ".to_vec(), vec![b'['; 10_000]].concat(), "too-deep", 2, 259),
        ("things/empty.json", Vec::new(), "syntax", 1, 1),
        ("things/list.json", text("[]"), "not-an-object", 1, 1),
        ("things/one-id-b.json", good("one-id\""), "duplicate-id", 3, 9),
        ("things/new\nline.json", good("newline\""), "name-control-characters", 1, 1),
        ("things/without-picture.json", good("without-picture\""), "file-missing", 1, 1),
        ("things/words.txt", text("words"), "unknown-format", 1, 1),
        (
            "slow/x.json",
            text("{\"id\": \"slow\",\n \"x\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
            "pattern-gave-up",
            2,
            7,
        ),
    ]
}

fn bad_library() -> Library {
    let library = Library::empty();
    library.write("stockroom.yml", CONFIG);
    for (name, schema) in SCHEMAS {
        library.write(&format!("schemas/{name}.json"), schema);
    }
    for (path, bytes, code, ..) in faults() {
        library.write(path, bytes);
        if path.starts_with("things/") && code != "file-missing" {
            let (stem, _) = path.rsplit_once('.').unwrap();
            library.write(&format!("{stem}.png"), "picture");
        }
    }
    for name in ["good", "one-id-a"] {
        let id = name.trim_end_matches("-a");
        library.write(&format!("things/{name}.json"), format!("{{\"schema_version\": \"1.0.0\", \"id\": \"{id}\"}}"));
        library.write(&format!("things/{name}.png"), "picture");
    }
    for folder in ["broken", "leaking", "looping", "circling"] {
        library.write(&format!("{folder}/x.json"), "{\"id\": \"x\"}");
    }
    symlink("good.json", library.path("things/link.json")).unwrap();
    library.write("things/link.png", "picture");
    symlink("/etc/passwd", library.path("things/passwd.json")).unwrap();
    fs::write(library.root().join(OsStr::from_bytes(b"things/latin-\xe9.json")), "{}").unwrap();
    library
}

fn findings(run: &Run) -> Vec<Value> {
    run.document(&report::json::check::schema())["findings"].as_array().unwrap().clone()
}

/// The findings as `path:line:column code`.
fn places(findings: &[Value]) -> Vec<String> {
    let place = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        format!("{}:{}:{} {}", text("path"), finding["line"], finding["column"], text("code"))
    };
    findings.iter().map(place).collect()
}

#[test]
fn every_fault_is_found_at_its_place_and_everything_else_is_checked() {
    let library = bad_library();
    let run = library.run(&["check", "--format", "json"]).ends(1);
    let mut found = places(&findings(&run));
    found.sort();
    let mut expected: Vec<String> =
        faults().iter().map(|(path, _, code, line, column)| format!("{path}:{line}:{column} {code}")).collect();
    expected.extend(
        [
            "things/link.json:1:1 symlink",
            "things/passwd.json:1:1 symlink",
            "things/latin-\\xe9.json:1:1 name-not-utf8",
            "things/new\nline.png:1:1 name-control-characters",
            "schemas/broken.json:2:11 schema-broken",
            "schemas/leaking.json:2:33 schema-broken",
            "schemas/circling.json:1:1 schema-open",
            "schemas/looping.json:1:1 schema-open",
        ]
        .map(str::to_owned),
    );
    expected.sort();
    assert_eq!(found, expected, "{}", run.out);
    for secret in ["root:", "/bin/bash"] {
        assert!(!run.out.contains(secret), "{secret} of /etc/passwd is in the report");
    }
}

#[test]
fn what_is_right_is_counted_as_valid() {
    let summary = bad_library().run(&["check", "--format", "json"]).ends(1).json()["summary"].take();
    // good, one-id-a and the one with a byte order mark, which is a warning, as are the two schemas that accept everything.
    assert_eq!(summary["by_collection"]["things"]["valid"], 3, "{summary:#}");
    assert_eq!(summary["warnings"], 3, "{summary:#}");
}

#[test]
fn a_schema_that_refers_to_itself_without_end_ends() {
    let library = bad_library();
    for folder in ["things", "broken", "leaking", "slow"] {
        fs::remove_dir_all(library.path(folder)).unwrap();
    }
    let run = library.run(&["check", "--format", "json"]).ends(0);
    let collections = &run.json()["summary"]["by_collection"];
    assert_eq!((&collections["looping"]["records"], &collections["circling"]["records"]), (&1.into(), &1.into()));
}

#[test]
fn nothing_is_written_or_sent_while_something_is_wrong() {
    let library = bad_library();
    let before = library.everything();
    for words in [&["check"][..], &["plan"], &["sync"], &["sync", "--format", "json"], &["manifest"]] {
        // Nobody answers at port 1: a request would end in exit code 3 and in words about the network.
        let program =
            library.program(words).env("STOCKROOM_TOKEN", "ghp_x").env("GITHUB_API_URL", "http://127.0.0.1:1");
        let run = program.run().ends(1);
        assert!(run.both().contains("things/unparsable.json:4:8: error: "), "{words:?}: {}", run.both());
        assert_eq!(library.everything(), before, "{words:?}");
    }
    let fork = library.program(&["run"]).env("GITHUB_EVENT_NAME", "schedule").run();
    assert_eq!(fork.code, 2, "nothing is committed: {}", fork.both());
    library.commit();
    let before = library.everything();
    let run = library.program(&["run"]).env("GITHUB_EVENT_NAME", "schedule").run().ends(1);
    assert!(run.err.contains("nothing was sent"), "{}", run.both());
    assert_eq!(library.everything(), before);
}

#[test]
fn a_finding_of_the_commit_is_that_of_the_work_tree() {
    let library = bad_library();
    let now = findings(&library.run(&["check", "--format", "json"]).ends(1));
    library.commit();
    let then = findings(&library.run(&["check", "--rev", "HEAD", "--format", "json"]).ends(1));
    assert_eq!(places(&now), places(&then));
}

#[test]
fn a_broken_configuration_tells_all_its_problems_at_once() {
    let library = Library::of(&[(
        "stockroom.yml",
        "version: 2\ncollections:\n  things:\n    metadta: \"*.json\"\n    files: { required: [\"../x\"] }\ndownstreams:\n  website: { repo: nowhere }\nembd: {}\n",
    )]);
    for words in ["check", "plan", "sync", "manifest"] {
        let run = library.run(&[words]).ends(2);
        assert_eq!(run.out, "");
        for place in ["stockroom.yml:1:10: ", "stockroom.yml:4:5: ", "stockroom.yml:7:20: ", "stockroom.yml:8:1: "] {
            assert!(run.err.contains(place), "{words} should say {place}:\n{}", run.err);
        }
        for nearest in ["\"metadata\"", "\"embed\"", "nothing was done"] {
            assert!(run.err.contains(nearest), "{words} should name {nearest}:\n{}", run.err);
        }
    }
}

#[test]
fn what_is_not_there_is_said() {
    let nowhere = tempfile::TempDir::new().unwrap();
    fs::write(nowhere.path().join("stockroom.yml"), CONFIG).unwrap();
    let library = Library::of(&[("readme.md", "")]);
    let run = library.run(&["check"]).ends(2);
    assert!(run.err.contains("there is no stockroom.yml in "), "{}", run.err);
    let run = library.program_without_folder(&["check"]).in_folder(nowhere.path()).run().ends(2);
    assert!(run.err.contains("is not in a Git repository (no .git there or in a folder above)"), "{}", run.err);
    let run = library.program_without_folder(&["check", "-C", "absent"]).run().ends(2);
    assert!(run.err.contains("the folder absent cannot be opened"), "{}", run.err);
    let run = library.run(&["check", "--rev", "v9"]).ends(2);
    assert!(run.err.contains("the revision \"v9\" is not in this clone"), "{}", run.err);
    let run = library.run(&["check", "--config", "absent.yml"]).ends(2);
    assert!(run.err.contains("absent.yml cannot be read"), "{}", run.err);
}

#[test]
fn a_slip_in_the_words_of_the_command_is_no_finding() {
    let library = Library::example();
    for words in [&["chek"][..], &[], &["check", "--format", "xml"], &["search"], &["sync", "--only", "nothing"]] {
        let run = library.run(words).ends(2);
        assert_eq!(run.out, "", "{words:?}");
        assert!(run.err.contains("Usage: ") || run.err.contains("--help"), "{words:?}: {}", run.err);
    }
    let run = library.run(&["run"]).ends(2);
    assert!(run.err.contains("GITHUB_EVENT_NAME is not set"), "{}", run.err);
}

#[test]
fn a_manifest_is_never_written_through_a_link() {
    let library = Library::example();
    let elsewhere = library.beside("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    // The link may be at any step of the way, and what it leads to need not be a folder yet.
    for (link, target) in [(".stockroom", elsewhere.clone()), (".stockroom/manifest", elsewhere.join("new"))] {
        fs::remove_file(library.path(".stockroom")).ok();
        fs::create_dir_all(library.path(link).parent().unwrap()).unwrap();
        symlink(&target, library.path(link)).unwrap();
        for (word, code) in [("sync", 3), ("manifest", 2), ("plan", 3)] {
            let run = library.run(&[word]).ends(code);
            assert!(run.both().contains("a symbolic link, which is not followed"), "{word}: {}", run.both());
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{link}");
    }
}

#[test]
fn a_manifest_goes_into_the_library_and_not_into_git() {
    for folder in ["../x", "/tmp/x", ".", "a/../../x", ".git/hooks", ".GIT"] {
        let library = Library::example();
        library.edit("stockroom.yml", "folder: .stockroom/manifest", &format!("folder: {folder}"));
        let run = library.run(&["sync"]).ends(2);
        assert!(run.err.contains("stockroom.yml:32:15: "), "{folder}: {}", run.err);
    }
}
