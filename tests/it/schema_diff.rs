//! `schema diff`: verdict, exit code and changelog, and what a pull request hears of its schemas.

use std::fs;

use serde_json::json;
use stockroom::report::json::schema_diff::schema;

use crate::program::{Library, Run};

const CONFIG: &str = r#"version: 1
collections:
  parts: { metadata: "parts/*.json", id: "{stem}", schema: part, version_field: version }
schemas: { source: ./schemas }
"#;

fn part(version: &str, rest: &str) -> String {
    format!(
        r#"{{"type": "object", "required": ["version", "name"],
            "properties": {{"version": {{"const": "{version}"}}, "name": {{"type": "string"}}{rest}}}}}"#
    )
}

/// Two records of 1.0.0, and a registry with a compatible, a breaking and an honest next version.
fn library() -> Library {
    let stricter = part("1.2.0", "").replace("\"type\": \"string\"", "\"type\": \"string\", \"maxLength\": 4");
    let files = [
        ("stockroom.yml", CONFIG.to_owned()),
        ("schemas/part/v1.0.0.json", part("1.0.0", "")),
        ("schemas/part/v1.1.0.json", part("1.1.0", r#", "size": {"type": "number"}"#)),
        ("schemas/part/v1.2.0.json", stricter.clone()),
        ("schemas/part/v2.0.0.json", stricter.replace("1.2.0", "2.0.0")),
        ("parts/bolt.json", r#"{"version": "1.0.0", "name": "bolt"}"#.to_owned()),
        ("parts/washer.json", r#"{"version": "1.0.0", "name": "washer"}"#.to_owned()),
    ];
    Library::of(&files.each_ref().map(|(path, text)| (*path, text.as_str())))
}

fn diff(library: &Library, words: &[&str]) -> Run {
    library.run(&[&["schema", "diff"], words].concat())
}

#[test]
fn a_version_that_only_adds_is_compatible() {
    let library = library();
    let found = diff(&library, &["part@1.0.0", "part@1.1.0", "--format", "json"]).ends(0).document(&schema());
    assert_eq!(
        (&found["verdict"], &found["bump"], &found["moved"]),
        (&json!("compatible"), &json!("minor"), &json!("minor"))
    );
    assert_eq!(found["records"]["followed"], 2);
    assert_eq!(found["records"]["broken"], 0);
}

#[test]
fn a_breaking_version_needs_a_major_number() {
    let library = library();
    let found = diff(&library, &["part@1.0.0", "part@1.2.0", "--format", "json"]).ends(1).document(&schema());
    assert_eq!((&found["verdict"], &found["bump"]), (&json!("breaking"), &json!("major")));
    assert_eq!((&found["records"]["broken"], &found["findings"][0]["code"]), (&json!(1), &json!("schema-bump")));
    assert_eq!(found["records"]["findings"][0]["path"], "parts/washer.json");
    assert_eq!(
        found["records"]["kinds"],
        json!([
            {"code": "length", "at": "/name", "message": "the text has 6 characters; at most 4 are allowed", "records": 1}
        ])
    );
    let honest = diff(&library, &["part@1.0.0", "part@2.0.0", "--format", "json"]).ends(0).json();
    assert_eq!((&honest["verdict"], &honest["findings"]), (&json!("breaking"), &json!([])));
}

#[test]
fn files_and_history_can_be_compared_with_and_without_a_library() {
    let library = library();
    library.edit("schemas/part/v1.0.0.json", "\"string\"", "[\"string\", \"null\"]");
    let words = ["HEAD:schemas/part/v1.0.0.json", "schemas/part/v1.0.0.json", "--format", "json"];
    let found = diff(&library, &words).ends(0).json();
    assert_eq!((&found["verdict"], &found["new"]["version"]), (&json!("compatible"), &json!("1.0.0")));
    // Back again: the released version breaks what followed it for a while.
    let words = ["schemas/part/v1.0.0.json", "HEAD:schemas/part/v1.0.0.json", "--format", "json"];
    let found = diff(&library, &words).ends(1).json();
    assert_eq!((&found["verdict"], &found["findings"][0]["code"]), (&json!("breaking"), &json!("schema-bump")));

    fs::write(library.beside("a.json"), r#"{"type": "string"}"#).unwrap();
    fs::write(library.beside("b.json"), r#"{"type": ["string", "null"]}"#).unwrap();
    let alone = library.program_without_folder(&["schema", "diff", "a.json", "b.json"]).run().ends(0);
    assert!(alone.out.starts_with("a.json -> b.json: compatible\n"), "{}", alone.out);
}

#[test]
fn what_is_not_there_is_an_error_with_what_there_is() {
    let library = library();
    let run = diff(&library, &["part@1.0.0", "part@3.0.0"]).ends(2);
    assert!(run.err.contains("the registry has no part@3.0.0; it has 1.0.0, 1.1.0, 1.2.0, 2.0.0"), "{}", run.err);
    for nothing in ["other@1.0.0", "HEAD:other.json", "other.json", "no-such-revision:a", "part@../../x", ":", "@"] {
        diff(&library, &["part@1.0.0", nothing]).ends(2);
    }
    library.write("schemas/part/v3.0.0.json", "{\"type\": 3}");
    let run = diff(&library, &["part@1.0.0", "part@3.0.0"]).ends(1);
    assert!(run.out.contains("[schema-broken]"), "{}", run.out);
}

#[test]
fn the_changelog_gets_one_entry_and_no_symlink_is_followed() {
    let library = library();
    let words = ["part@1.0.0", "part@1.1.0", "--changelog", "schemas/CHANGELOG.md"];
    diff(&library, &words).ends(0);
    let text = library.read("schemas/CHANGELOG.md");
    assert!(text.starts_with("# Changelog\n\n## `part` `1.1.0`, after `1.0.0`\n\nCompatible"), "{text}");
    let again = diff(&library, &words).ends(0);
    assert!(again.err.contains("has this entry already"), "{}", again.err);
    assert_eq!(library.read("schemas/CHANGELOG.md"), text);
    diff(&library, &["part@1.1.0", "part@1.2.0", "--changelog", "schemas/CHANGELOG.md"]).ends(1);
    assert_eq!(library.read("schemas/CHANGELOG.md").matches("\n## ").count(), 2);

    #[cfg(unix)]
    {
        fs::write(library.beside("theirs.md"), "theirs").unwrap();
        std::os::unix::fs::symlink(library.beside("theirs.md"), library.path("LINK.md")).unwrap();
        diff(&library, &["part@1.0.0", "part@1.1.0", "--changelog", "LINK.md"]).ends(2);
        assert_eq!(fs::read_to_string(library.beside("theirs.md")).unwrap(), "theirs");
    }
}

#[test]
fn a_change_that_breaks_a_released_schema_hears_of_it() {
    let library = library();
    // What is on the branch already is nobody's news.
    let base = library.git(&["rev-parse", "HEAD"]);
    let check = |library: &Library| library.run(&["check", "--format", "json", "--changed-since", &base]);
    assert_eq!(check(&library).ends(0).json()["findings"], json!([]));
    library.write(
        "schemas/part/v2.1.0.json",
        part("2.1.0", "").replace("[\"version\", \"name\"]", "[\"version\", \"name\", \"id\"]"),
    );
    library.write("schemas/part/v1.0.0.json", part("1.0.0", "").replace("\"string\"", "\"integer\""));
    library.write("parts/bolt.json", r#"{"version": "1.0.0", "name": 1}"#);
    library.write("parts/washer.json", r#"{"version": "1.0.0", "name": 2}"#);
    library.commit();
    let found = check(&library).ends(1).json();
    let told: Vec<(&str, &str)> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["code"].as_str().unwrap(), f["path"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("schema-bump", "schemas/part/v1.0.0.json"), ("schema-bump", "schemas/part/v2.1.0.json")]);
    // Without a change there is nothing to compare with.
    assert_eq!(library.run(&["check", "--format", "json"]).ends(0).json()["findings"], json!([]));
}
