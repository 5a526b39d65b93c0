//! A token in a library, wherever it stands there, is found and stands in no report.

use std::fs;

use crate::program::Library;

/// Made of parts, so that no scanner takes this file for a leak.
fn canary() -> String {
    ["ghp_", "Q7w8E9r1T2y3U4i5O6p7", "A8s9D1f2G3h4J5k6L7z8"].concat()
}

/// What no report may hold: what follows the few characters by which a token may be told from another.
fn is_told(text: &str) -> bool {
    ["w8E9r1T2", "3U4i5O6p", "A8s9D1f2", "J5k6L7z8"].iter().any(|part| text.contains(part))
}

/// Records that hold the token `@@`, each in another place.
fn placements() -> Vec<(&'static str, String)> {
    let leaks = "<bpy id prop: owner=\\\"S\\\", address=0x7f00deadbeef> ".repeat(60);
    let texts = [
        ("value.json", r#"{"id": "1", "kind": "@@"}"#),
        ("id.json", r#"{"id": "@@"}"#),
        ("unquoted.json", r#"{"id":"b","kind":@@}"#),
        ("unquoted-key.json", "{\"id\":\"b\",\n@@: 1}"),
        ("single-quoted-key.json", r#"{"id":"b",'@@': 1}"#),
        ("single-quoted.json", r#"{"id":"b","kind": '@@'}"#),
        ("key.json", r#"{"id":"3", "@@": 1}"#),
        ("key-in-key.json", r#"{"id":"4", "kind": {"@@": {"/@@": 1}}}"#),
        ("twice.json", r#"{"id":"5", "@@": 1, "@@": 2}"#),
        ("twice.yaml", "id: '6'\n@@: 1\n@@: 2\n"),
        ("no-colon.yaml", "id: '7'\n@@\nkind: a\n"),
        ("no-blank.yaml", "id: '8'\nkind:@@\n"),
        ("at.yaml", "id: '9'\nkind: @@@\n"),
        ("tag.yaml", "id: '10'\nkind: !@@ x\n"),
        ("alias.yaml", "id: '11'\nkind: *@@\n"),
        ("anchor.yaml", "id: '12'\nkind: [&@@ x\n"),
        ("missing-colon.json", r#"{"id":"13", "@@" 1}"#),
        ("missing-comma.json", r#"{"id":"14" "@@": 1}"#),
        ("end.json", r#"{"id":"15"} @@"#),
        ("open.json", "{\"id\":\"16\", \"kind\": \"@@\n"),
        ("line.json", r#"{"id":"17", "kind": "x\n@@"}"#),
        ("unit.json", r#"{"id":"18", "kind": "x\u000a@@"}"#),
        ("escaped.json", r#"{"id":"19", "kind": "\u0067##"}"#),
        ("escaped.yaml", "id: '20'\nkind: \"\\x67##\"\n"),
        ("escaped-key.json", r#"{"id":"21", "\u0067##": 1}"#),
        ("many-leaks.json", r#"{"id":"22", "title": "LEAKS", "kind": "@@"}"#),
        ("one-line-of-leaks.json", r#"{"id":"23", "kind": "LEAKS @@"}"#),
        ("cut.json", r#"{"id":"24", "kind": "Some words before it, so many that what is quoted ends in it: 12 @@"}"#),
    ];
    let tail = canary().split_off(1);
    texts
        .map(|(name, text)| (name, text.replace("@@", &canary()).replace("##", &tail).replace("LEAKS", &leaks)))
        .into_iter()
        .collect()
}

fn library() -> Library {
    let library = Library::empty();
    library.write(
        "stockroom.yml",
        "version: 1\ncollections:\n  things: { metadata: [\"things/*.json\", \"things/*.yaml\"], schema: thing, id: id }\n\
         schemas: { source: ./schemas }\n",
    );
    let schema = r#"{"properties": {"id": {"maxLength": 20}, "kind": {"enum": ["a"]}, "title": true}, "additionalProperties": false}"#;
    library.write("schemas/thing.json", schema);
    for (name, text) in placements() {
        library.write(&format!("things/{name}"), text);
    }
    library.commit();
    library
}

#[test]
fn a_secret_is_found_wherever_it_stands() {
    let document = library().run(&["check", "--format", "json"]).ends(1).json();
    let findings = document["findings"].as_array().unwrap();
    for (name, _) in placements() {
        let is_found = findings.iter().any(|finding| {
            finding["code"] == "secret"
                && finding["path"].as_str().is_some_and(|path| path.ends_with(&format!("/{name}")))
        });
        assert!(is_found, "{name}");
    }
}

#[test]
fn no_report_repeats_a_secret() {
    let library = library();
    let formats = ["human", "json", "github", "sarif", "junit"];
    for format in formats {
        let run = library.run(&["check", "--format", format]).ends(1);
        let lines: Vec<&str> = run.out.lines().chain(run.err.lines()).filter(|line| is_told(line)).collect();
        assert_eq!(lines, [""; 0], "{format}");
    }
    let files: Vec<String> = formats.iter().map(|f| format!("{f}={}", library.beside(f).display())).collect();
    let words = files.iter().fold(vec!["check"], |words, file| [words, vec!["--report", file]].concat());
    let program = library.program(&words).env("GITHUB_ACTIONS", "true").env("CI", "true");
    let run = program.env("GITHUB_STEP_SUMMARY", library.beside("summary")).run().ends(1);
    assert!(!is_told(&run.both()), "{}", run.both());
    for name in formats.iter().chain(&["summary"]) {
        let text = fs::read_to_string(library.beside(name)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| is_told(line)).collect();
        assert_eq!(lines, [""; 0], "{name}");
    }
}

#[test]
fn what_is_inferred_and_proposed_repeats_no_secret() {
    let library = library();
    for words in [&["schema", "infer"][..], &["plan"], &["init", "--dry-run"]] {
        let run = library.run(words);
        assert!(!is_told(&run.both()), "{words:?}: {}", run.both());
    }
}
