//! Every attack on a parser, a validator and the file system that we know of: each gets its finding, within bounds of memory
//! and time, and the sound record beside it is checked.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::Library;

/// What a run may hold in memory, in KiB.
const MEMORY: u64 = 256 * 1024;
/// A watchdog, not a measure: what is asked for is two seconds, on a machine that does nothing else.
const TIME: Duration = Duration::from_secs(40);

const CONFIG: &str = r#"version: 1
collections:
  records: { metadata: "records/*", schema: SCHEMA, version_field: schema_version, default_version: "1.0.0", id: "{stem}" }
schemas: { source: ./schemas }
"#;

/// An attack: its name, the schema, the record's file, its bytes, and the code that must be told of it.
struct Attack {
    name: &'static str,
    schema: String,
    file: &'static str,
    bytes: Vec<u8>,
    code: &'static str,
}

fn attack(name: &'static str, file: &'static str, bytes: impl Into<Vec<u8>>, code: &'static str) -> Attack {
    Attack { name, schema: "{\"type\": \"object\"}".to_owned(), file, bytes: bytes.into(), code }
}

fn with_schema(
    name: &'static str,
    schema: impl Into<String>,
    record: impl Into<Vec<u8>>,
    code: &'static str,
) -> Attack {
    Attack { name, schema: schema.into(), file: "x.json", bytes: record.into(), code }
}

fn bomb(levels: usize, fan: usize) -> String {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..levels {
        text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); fan].join(", "));
    }
    text
}

fn notations() -> Vec<Attack> {
    let long = "x".repeat(100_000);
    vec![
        attack("YAML alias bomb", "x.yaml", bomb(30, 9), "too-many-values"),
        attack(
            "YAML quadratic strings",
            "x.yaml",
            format!("a: &a {long}\nb: [{}]\n", "*a,".repeat(20_000)),
            "too-many-values",
        ),
        attack("YAML alias that contains itself", "x.yaml", "a: &a [*a]\n", "no-json-value"),
        attack("YAML nested flow", "x.yaml", format!("a: {}", "[".repeat(200_000)), "too-deep"),
        attack(
            "YAML nested block",
            "x.yaml",
            (0..500).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>(),
            "too-deep",
        ),
        attack("YAML 100,000 documents", "x.yaml", "---\na: 1\n".repeat(100_000), "no-json-value"),
        attack("YAML merge key", "x.yaml", "a: &a {b: 1}\nc:\n  <<: *a\n", "no-json-value"),
        attack("YAML two keys that JSON cannot tell apart", "x.yaml", "1: a\n\"1\": b\n", "duplicate-key"),
        attack("YAML tag that makes objects", "x.yaml", "a: !!python/object:os.system ls\n", "no-json-value"),
        attack("YAML not a number", "x.yaml", "a: .nan\n", "no-json-value"),
        attack("YAML number beyond measure", "x.yaml", "a: 1e999\n", "no-json-value"),
        attack("YAML version as a number", "x.yaml", "schema_version: 1.10\n", "version-not-text"),
        attack("YAML not UTF-8", "x.yaml", b"a: caf\xe9\n".as_slice(), "not-utf8"),
        attack("JSON nested", "x.json", format!("{{\"a\": {}", "[".repeat(1_000_000)), "too-deep"),
        attack("JSON nested objects", "x.json", "{\"a\":".repeat(200_000), "too-deep"),
        attack("JSON duplicate key", "x.json", r#"{"a": 1, "a": 2}"#, "duplicate-key"),
        attack("JSON duplicate key in disguise", "x.json", r#"{"a": 1, "\u0061": 2}"#, "duplicate-key"),
        attack("JSON byte order mark", "x.json", "\u{feff}{}", "byte-order-mark"),
        attack("JSON lone surrogate", "x.json", r#"{"a": "\ud800"}"#, "syntax"),
        attack("JSON lone surrogate in a key", "x.json", r#"{"\udc00": 1}"#, "syntax"),
        attack("JSON number beyond measure", "x.json", r#"{"a": 1e999}"#, "syntax"),
        attack("JSON integer that loses digits", "x.json", r#"{"a": 9007199254740993}"#, "imprecise-number"),
        attack("JSON not UTF-8", "x.json", b"{\"a\": \"\xff\"}".as_slice(), "not-utf8"),
        attack("JSON in UTF-16", "x.json", b"\xff\xfe{\0}\0".as_slice(), "not-utf8"),
        attack("JSON with NaN", "x.json", r#"{"a": NaN}"#, "syntax"),
        attack(
            "JSON of a million values",
            "x.json",
            format!("{{\"a\": [{}1]}}", "1,".repeat(1_000_000)),
            "too-many-values",
        ),
        attack("JSON of zeros", "x.json", vec![0; 100_000], "not-utf8"),
        attack("TOML nested", "x.toml", format!("a = {}", "[".repeat(100_000)), "too-deep"),
        attack("TOML not a number", "x.toml", "a = nan\n", "no-json-value"),
        attack("TOML duplicate key", "x.toml", "a = 1\na = 2\n", "duplicate-key"),
        attack("Markdown without end", "x.md", "---\na: 1\n", "no-front-matter"),
        attack("a record that is larger than any", "x.json", vec![b' '; 17 * 1024 * 1024], "unreadable"),
    ]
}

fn schemas() -> Vec<Attack> {
    let record = |rest: &str| format!("{{\"schema_version\": \"1.0.0\"{rest}}}");
    let many_a = record(&format!(", \"x\": \"{}\"", "a".repeat(30_000)));
    let step = |level: usize| {
        let next = level + 1;
        format!("\"{level}\": {{\"allOf\": [{{\"$ref\": \"#/$defs/{next}\"}}, {{\"$ref\": \"#/$defs/{next}\"}}]}}")
    };
    let steps: Vec<String> = (0..40).map(step).collect();
    let exponential = format!("{{\"$ref\": \"#/$defs/0\", \"$defs\": {{{}, \"40\": {{}}}}}}", steps.join(", "));
    let branches: Vec<String> = (0..5000).map(|n| format!("{{\"const\": {n}}}")).collect();
    let wide = format!("{{\"properties\": {{\"k\": {{\"oneOf\": [{}]}}}}}}", branches.join(", "));
    let texts = record(&format!(", \"x\": [{}\"1\"]", "\"1\",".repeat(400_000)));
    let elsewhere = |target: &str| format!("{{\"properties\": {{\"x\": {{\"$ref\": \"{target}\"}}}}}}");
    let listed = |inner: &str| format!("{{\"properties\": {{\"x\": {{\"items\": {inner}}}}}}}");
    let list = |item: &str, count: usize| record(&format!(", \"x\": [{}]", vec![item; count].join(",")));
    let names: Vec<String> = (0..20).map(|n| format!("\"k{n}\"")).collect();
    let alternatives: Vec<String> = names.iter().map(|name| format!("{{\"required\": [{name}]}}")).collect();
    let twice = r##"{"type": "object", "properties": {"schema_version": {}}, "additionalProperties": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"type": "null"}]}}"##;
    let below = |key: usize, count: usize| format!("{{\"{}\": [{}1]}}", "k".repeat(key), "1,".repeat(count));
    let versioned = |version: &str| format!("{{\"schema_version\": \"{version}\"}}");
    vec![
        with_schema(
            "ReDoS",
            r#"{"properties": {"x": {"pattern": "^(a+)+\\1$"}}}"#,
            many_a.replace("a\"}", "b\"}"),
            "pattern-gave-up",
        ),
        with_schema(
            "ReDoS with look-around",
            r#"{"properties": {"x": {"pattern": "^(?=(a+)+$)(?!a)"}}}"#,
            many_a,
            "pattern",
        ),
        with_schema("exponential schema", exponential, record(""), "schema-too-large"),
        with_schema("5,000 alternatives", wide, record(", \"k\": \"none\""), "enum"),
        with_schema("a million errors", r#"{"properties": {"x": {"items": {"type": "integer"}}}}"#, texts, "type"),
        with_schema(
            "200,000 items that lack 20 fields each",
            listed(&format!("{{\"required\": [{}]}}", names.join(","))),
            list("{}", 200_000),
            "required",
        ),
        with_schema(
            "75,000 items that fit none of 20 alternatives",
            listed(&format!("{{\"oneOf\": [{}]}}", alternatives.join(","))),
            list("{\"a\":1}", 75_000),
            "too-large-to-explain",
        ),
        with_schema(
            "a schema that leads back to itself twice",
            twice,
            format!("{}1{}", "{\"a\":".repeat(50), "}".repeat(50)),
            "too-large-to-explain",
        ),
        with_schema("a long name above many values", "{}", below(400_000, 100_000), "too-many-values"),
        with_schema(
            "a name above values that are all wrong",
            r#"{"additionalProperties": {"items": {"type": "string"}}}"#,
            below(1_000, 20_000),
            "type",
        ),
        with_schema("$ref to http", elsewhere("http://127.0.0.1:1/x.json"), record(""), "schema-broken"),
        with_schema("$ref to a file", elsewhere("file:///etc/passwd"), record(""), "schema-broken"),
        with_schema(
            "$ref to a cloud's own address",
            elsewhere("http://169.254.169.254/latest/meta-data"),
            record(""),
            "schema-broken",
        ),
        with_schema("$ref out of the registry", elsewhere("../../../etc/passwd"), record(""), "schema-broken"),
        with_schema("a schema that is no JSON", "{", record(""), "syntax"),
        with_schema("a version that is unknown", "{}", versioned("0.0.1"), "version-unknown"),
        with_schema("a version that is a name", "{}", versioned("latest"), "version-unknown"),
        with_schema("a version that is a path", "{}", versioned("../../x"), "version-unknown"),
        with_schema("a version with a character that nobody sees", "{}", versioned("1.0.0\u{200b}"), "version-unknown"),
        with_schema("$schema to a file", "{}", "{\"$schema\": \"file:///etc/passwd\"}", "schema-unknown"),
        with_schema("$schema out of the library", "{}", "{\"$schema\": \"../../../../etc/passwd\"}", "schema-unknown"),
    ]
}

fn library(attack: &Attack) -> Library {
    let library = Library::empty();
    library.write("stockroom.yml", CONFIG.replace("SCHEMA", "attacked"));
    library.write("schemas/attacked/v1.0.0.json", &attack.schema);
    library.write(&format!("records/{}", attack.file), &attack.bytes);
    library.write("records/sound.json", "{\"schema_version\": \"1.0.0\"}");
    library
}

/// The findings of `check` on a library, whose memory is limited and whose time is watched.
fn findings(library: &Library, name: &str) -> (Vec<Value>, Value) {
    let began = Instant::now();
    let run = library.program_within(MEMORY, &["check", "--format", "json"]).run();
    assert!(began.elapsed() < TIME, "{name} took {:?}", began.elapsed());
    assert!(matches!(run.code, 0 | 1), "{name}: {}", run.both());
    let report = run.json();
    (report["findings"].as_array().unwrap().clone(), report["summary"].clone())
}

fn repelled(attack: &Attack) -> Option<String> {
    let library = library(attack);
    let (findings, _) = findings(&library, attack.name);
    let told: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    let has_place = findings.iter().all(|finding| finding["line"].as_u64() > Some(0));
    let spares_others = !findings.iter().any(|finding| finding["path"] == "records/sound.json");
    let is_right = told.contains(&attack.code) && !told.contains(&"internal") && has_place && spares_others;
    (!is_right).then(|| format!("{}: {told:?} instead of {}", attack.name, attack.code))
}

#[test]
fn every_attack_on_a_notation_gets_its_finding() {
    let wrong: Vec<String> = notations().iter().filter_map(repelled).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_attack_through_a_schema_gets_its_finding() {
    let wrong: Vec<String> = schemas().iter().filter_map(repelled).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_of_a_gigabyte_is_refused_in_little_memory() {
    let library = library(&attack("", "x.json", "{}", ""));
    library.commit();
    let file = File::options().write(true).open(library.path("records/x.json")).unwrap();
    file.set_len(1024 * 1024 * 1024).unwrap();
    std::fs::write(library.path(".gitattributes"), "").unwrap();
    let (findings, _) = findings(&library, "a huge file");
    assert_eq!(findings[0]["code"], "unreadable", "{findings:#?}");
}

#[test]
fn a_pipe_that_is_named_like_a_record_keeps_nobody_waiting() {
    let library = library(&attack("", "x.json", "{}", ""));
    library.commit();
    std::fs::remove_file(library.path("records/x.json")).unwrap();
    assert!(Command::new("mkfifo").arg(library.path("records/x.json")).status().unwrap().success());
    let (findings, summary) = findings(&library, "a pipe");
    assert!(findings.iter().all(|finding| finding["path"] != "records/sound.json"), "{findings:#?}");
    assert!(summary["by_collection"]["records"]["valid"].as_u64() >= Some(1));
}

#[test]
fn a_record_that_takes_too_long_is_named_and_the_others_are_checked() {
    // Each of 200,000 items is held against 2,000 alternatives, of which the last one fits.
    let branches: Vec<String> = (0..2_000).map(|n| format!("{{\"required\": [\"k{n}\"]}}")).collect();
    let schema = format!("{{\"properties\": {{\"x\": {{\"items\": {{\"anyOf\": [{}]}}}}}}}}", branches.join(", "));
    let record =
        format!("{{\"schema_version\": \"1.0.0\", \"x\": [{}{{\"k1999\":1}}]}}", "{\"k1999\":1},".repeat(200_000));
    let library = library(&with_schema("", schema, record, ""));
    library.edit("stockroom.yml", "version: 1\n", "version: 1\nlimits: { seconds: 2 }\n");
    let (findings, summary) = findings(&library, "a slow record");
    let told: Vec<_> = findings.iter().map(|it| (it["path"].as_str().unwrap(), it["code"].as_str().unwrap())).collect();
    assert!(told.contains(&("records/x.json", "took-too-long")), "{told:?}");
    assert_eq!(summary["by_collection"]["records"]["valid"], 1, "{summary:#}");
}

#[test]
fn a_configuration_lowers_limits_and_cannot_remove_them() {
    let library = library(&attack("", "x.json", r#"{"a": [1, 2, 3], "b": 1}"#, ""));
    library.edit("stockroom.yml", "version: 1\n", "version: 1\nlimits: { values: 3 }\n");
    assert_eq!(findings(&library, "few values").0[0]["code"], "too-many-values");
    library.edit("stockroom.yml", "values: 3", "record_bytes: 5");
    assert!(findings(&library, "few bytes").0.iter().all(|finding| finding["code"] == "unreadable"));
    for beyond in
        ["values: 500001", "record_bytes: 67108865", "findings: 1001", "seconds: 121", "seconds: 0", "depth: 1000"]
    {
        library.write(
            "stockroom.yml",
            CONFIG
                .replace("SCHEMA", "attacked")
                .replace("version: 1\n", &format!("version: 1\nlimits: {{ {beyond} }}\n")),
        );
        let run = library.run(&["check"]).ends(2);
        assert!(run.err.contains("stockroom.yml:2:"), "{beyond}: {}", run.err);
    }
}
