//! Libraries that people have made: all of their records are valid, and what is broken in one is found on its line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Library, shared};

const LUCIDE: &str = r#"version: 1
collections:
  icons: { metadata: "icons/*.json", id: "{stem}", schema: icon, files: { required: ["{stem}.svg"] } }
  categories: { metadata: "categories/*.json", id: "{stem}", schema: category }
schemas: { source: . }
"#;

const OSV: &str = r#"version: 1
collections:
  advisories: { metadata: "data/osv/*.json", id: id, schema: osv, version_field: schema_version }
schemas: { source: ./schemas }
"#;

/// The repository of a corpus at its last commit; none, said aloud, where the corpus or xz is not at hand.
pub fn unpacked(name: &str, config: &str) -> Option<Library> {
    let stream = shared(&format!("corpora/{name}.stream.xz"))?;
    let Ok(mut xz) = Command::new("xz").arg("-dc").arg(&stream).stdout(Stdio::piped()).spawn() else {
        eprintln!("SKIPPED: xz is not installed");
        return None;
    };
    let library = Library::empty();
    let import = library.git_command().args(["fast-import", "--quiet"]).stdin(xz.stdout.take().unwrap()).status();
    assert!(import.unwrap().success() && xz.wait().unwrap().success());
    library.git(&["checkout", "--quiet", "main"]);
    library.write("stockroom.yml", config);
    Some(library)
}

fn check(library: &Library, code: i32) -> Value {
    library.run(&["check", "--format", "json"]).ends(code).json()
}

/// The findings as `path:line: code`.
fn places(check: &Value) -> Vec<String> {
    let place = |f: &Value| format!("{}:{}: {}", f["path"].as_str().unwrap(), f["line"], f["code"].as_str().unwrap());
    check["findings"].as_array().unwrap().iter().map(place).collect()
}

/// The line on which a text first stands.
fn line_of(library: &Library, path: &str, text: &str) -> usize {
    library.read(path).lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn the_icons_and_categories_of_lucide() {
    let Some(library) = unpacked("lucide", LUCIDE) else { return };
    let whole = check(&library, 0);
    assert_eq!(whole["summary"]["by_collection"]["icons"], json!({"records": 1776, "valid": 1776, "invalid": 0}));
    assert_eq!(whole["summary"]["by_collection"]["categories"], json!({"records": 42, "valid": 42, "invalid": 0}));
    assert_eq!(places(&whole), [""; 0]);

    let icon = "icons/a-arrow-down.json";
    library.edit(icon, "\"contributors\": [", "\"contributors\": [\n    17,");
    fs::remove_file(library.path("icons/zoom-in.svg")).unwrap();
    let line = line_of(&library, icon, "17,");
    let found = places(&check(&library, 1));
    assert_eq!(found, [format!("{icon}:{line}: type"), "icons/zoom-in.json:1: file-missing".to_owned()]);
}

#[test]
fn the_advisories_of_the_go_vulnerability_database() {
    let Some(library) = unpacked("osv", OSV) else { return };
    let Some(schemas) = shared("corpora/osv-schemas") else { return };
    copy_schemas(&schemas, &library.path("schemas/osv"));
    let whole = check(&library, 0);
    let summary = &whole["summary"];
    assert_eq!((&summary["records"], &summary["valid"]), (&json!(4291), &json!(4291)));
    assert_eq!(places(&whole), [""; 0]);

    let advisory = "data/osv/GO-2021-0064.json";
    library.edit(advisory, "\"type\": \"SEMVER\"", "\"type\": \"SEMANTIC\"");
    let line = line_of(&library, advisory, "SEMANTIC");
    let found = places(&check(&library, 1));
    assert!(found.contains(&format!("{advisory}:{line}: enum")), "line {line}: {found:?}");
    assert!(found.iter().all(|place| place.starts_with(advisory)), "{found:?}");
}

/// One commit of lucide requires a member more and gives it to all of its records: to 1,711 of them by the same line, to one
/// with words in it. So many must break the new schema as they stood before.
#[test]
fn a_required_member_breaks_the_records_that_were_mended_for_it() {
    let Some(library) = unpacked("lucide", LUCIDE) else { return };
    let commit = library.git(&["log", "--format=%H", "-S\"use-cases\"", "--", "icon.schema.json"]);
    let commit = commit.lines().last().unwrap();
    let parent = format!("{commit}^");
    let mended = library.git(&["diff", "--numstat", &parent, commit, "--", "icons"]);
    let by_one_line = mended.lines().filter(|line| line.starts_with("1\t0\t")).count();
    assert_eq!((mended.lines().count(), by_one_line), (1_712, 1_711));

    let sides = [format!("{parent}:icon.schema.json"), format!("{commit}:icon.schema.json")];
    let words = ["schema", "diff", &sides[0], &sides[1], "--rev", &parent, "--format", "json"];
    let found = library.run(&words).ends(0).json();
    let records = &found["records"];
    assert_eq!((&found["verdict"], &found["bump"]), (&json!("breaking"), &json!("major")));
    assert_eq!((&records["followed"], &records["broken"]), (&json!(1_712), &json!(1_712)));
    let kind =
        json!([{"code": "required", "at": "", "message": "the field \"use-cases\" is missing", "records": 1_712}]);
    assert_eq!(records["kinds"], kind);

    // The records of the commit itself follow it, and so no record shows what the proof still knows.
    let words = ["schema", "diff", &sides[0], &sides[1], "--rev", commit, "--format", "json"];
    let found = library.run(&words).ends(0).json();
    assert_eq!((&found["verdict"], &found["records"]["broken"]), (&json!("breaking"), &json!(0)));
}

/// Neighbours among the released versions of the OSV schema, judged against all records of the Go vulnerability database.
#[test]
fn the_released_versions_of_the_osv_schema() {
    let Some(library) = unpacked("osv", OSV) else { return };
    let Some(schemas) = shared("corpora/osv-schemas") else { return };
    copy_schemas(&schemas, &library.path("schemas/osv"));
    let verdict = |old: &str, new: &str| {
        let words = ["schema", "diff", &format!("osv@{old}"), &format!("osv@{new}"), "--format", "json"];
        let found = library.run(&words).json();
        assert_eq!((&found["records"]["followed"], &found["records"]["broken"]), (&json!(4291), &json!(0)));
        found["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("1.3.1", "1.4.0"), "compatible");
    assert_eq!(verdict("1.7.0", "1.7.5"), "compatible", "a pattern that lists more names");
    assert_eq!(verdict("1.5.0", "1.6.0"), "breaking", "no other members any more");
    assert_eq!(verdict("1.2.0", "1.3.0"), "unknown", "a condition that only records of the new version can meet");
}

fn copy_schemas(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap()) {
        fs::write(to.join(file.file_name()), fs::read(file.path()).unwrap()).unwrap();
    }
}

#[test]
fn what_init_proposes_for_them_is_clean() {
    for (name, config, records) in [("lucide", LUCIDE, 1776 + 42), ("osv", OSV, 4291)] {
        let Some(library) = unpacked(name, config) else { return };
        fs::remove_file(library.path("stockroom.yml")).unwrap();
        library.run(&["init"]).ends(0);
        assert_eq!(check(&library, 0)["summary"]["valid"], records, "{name}");
    }
}
