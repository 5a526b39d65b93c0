use super::super::registry::tests::MemoryFiles;
use super::super::settings::FormatPolicy;
use super::*;
use crate::catalog::read::{Notation, read};
use crate::ids::CollectionName;

const V1: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["title"],
  "properties": {
    "schema_version": {"const": "1.0.0"},
    "title": {"type": "string", "minLength": 3},
    "license": {"enum": ["CC0-1.0", "CC-BY-4.0"]},
    "price": {"oneOf": [
      {"properties": {"kind": {"const": "free"}}, "required": ["kind"], "additionalProperties": false},
      {"properties": {"kind": {"const": "paid"}, "amount": {"type": "number", "exclusiveMinimum": 0}},
       "required": ["kind", "amount"], "additionalProperties": false}]},
    "sizes": {"type": "array", "items": {"type": "object", "properties": {"w": {"type": "integer"}}}},
    "mail": {"type": "string", "format": "email"},
    "slug": {"$ref": "./common.json#/$defs/slug"}
  },
  "additionalProperties": false
}"##;
const COMMON: &str = r#"{"$defs": {"slug": {"type": "string", "pattern": "^[a-z-]+$"}}}"#;

fn registry(format: FormatPolicy) -> Registry {
    let newer = V1.replace("1.0.0", "1.1.0");
    let files = [
        ("schemas/product/v1.0.0.json", V1),
        ("schemas/product/v1.1.0.json", newer.as_str()),
        ("schemas/product/common.json", COMMON),
    ];
    MemoryFiles::registry(&files, format)
}

fn collection(more: &str) -> Collection {
    let yaml = format!("metadata: '*.json'\nschema: product\n{more}");
    Collection::new(CollectionName::new("products"), &serde_yaml::from_str(&yaml).unwrap()).unwrap()
}

fn record(name: &str, text: &str) -> Record {
    let path = RepoPath::new(name);
    let (document, findings) = read(&path, Notation::of(&path).unwrap(), text.as_bytes().to_vec());
    Record { document: document.unwrap_or_else(|| panic!("{findings:?}")), path }
}

/// Code, line, column and message of every finding.
fn said(text: &str) -> Vec<(&'static str, u32, u32, String)> {
    let collection = collection("version_field: schema_version\ndefault_version: ^1.0");
    let record = record("shelf/a.json", text);
    let (_, mut findings) = validate(&record, &collection, &registry(FormatPolicy::Assert));
    crate::finding::sort(&mut findings);
    let row = |f: Finding| {
        let help = f.help.map(|help| format!(" ({help})")).unwrap_or_default();
        (f.code.id, f.span.line, f.span.column, format!("{}{help}", f.message))
    };
    findings.into_iter().map(row).collect()
}

fn only(text: &str) -> (&'static str, u32, u32, String) {
    let mut all = said(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_valid_record_has_no_finding_and_knows_its_schema() {
    let collection = collection("version_field: schema_version");
    let record = record("a.json", r#"{"schema_version": "1.1", "title": "Bolt", "slug": "hex-bolt"}"#);
    let record = Record { path: record.path, document: record.document };
    let (used, findings) = validate(&record, &collection, &registry(FormatPolicy::Assert));
    assert_eq!(used.map(|used| used.version), Some(Some("1.1.0".to_owned())));
    assert_eq!(findings.len(), 1, "the schema wants the const 1.1.0, not 1.1: {findings:?}");
}

#[test]
fn an_objection_is_a_sentence_at_its_place() {
    insta::assert_debug_snapshot!(
        said("{\n  \"schema_version\": \"1.0.0\",\n  \"title\": \"Bolt\",\n  \"licence\": \"CC0\",\n  \"sizes\": [{\"w\": 1}, {\"w\": \"2\"}],\n  \"mail\": \"nobody\",\n  \"slug\": \"Hex Bolt\"\n}"),
        @r#"
    [
        (
            "unknown-property",
            4,
            3,
            "unknown field \"licence\" (did you mean \"license\"?)",
        ),
        (
            "type",
            5,
            29,
            "the text \"2\" stands where a whole number is wanted (write it without quotes: 2)",
        ),
        (
            "format",
            6,
            11,
            "\"nobody\" is not an e-mail address: it has no @ (write it as in name@example.org)",
        ),
        (
            "pattern",
            7,
            11,
            "\"H\" may not stand in \"Hex Bolt\" (write lower-case letters and - only, such as \"hex-bolt\")",
        ),
    ]
    "#
    );
}

#[test]
fn a_number_is_to_be_quoted_as_it_is_written() {
    let (code, _, _, message) = only("{\"schema_version\": \"1.0.0\",\n \"title\": 12.00}");
    assert_eq!(code, "type");
    assert!(message.ends_with("(write it in quotes: \"12.00\")"), "{message}");
}

#[test]
fn a_missing_member_finds_its_misspelling() {
    let (code, line, _, message) = only("{\"schema_version\": \"1.0.0\",\n \"title\": \"x\"}");
    assert_eq!(
        (code, line, message.as_str()),
        ("length", 2, "\"x\" has 1 character; at least 3 are wanted (write 2 more)")
    );
    let (code, line, column, message) = only("{\"schema_version\": \"1.0.0\", \"titel\": \"Bolt\"}");
    assert_eq!((code, line, column), ("unknown-property", 1, 29));
    assert_eq!(message, "unknown field \"titel\" (did you mean \"title\"?)");
}

#[test]
fn of_several_shapes_the_one_that_is_meant_is_explained() {
    let (code, line, column, message) =
        only("{\"schema_version\": \"1.0.0\", \"title\": \"Bolt\",\n \"price\": {\"kind\": \"paid\", \"amount\": -3}}");
    assert_eq!((code, line, column), ("range", 2, 38), "{message}");
    let (code, _, _, message) =
        only("{\"schema_version\": \"1.0.0\", \"title\": \"Bolt\", \"price\": {\"kind\": \"gift\"}}");
    assert_eq!(
        (code, message.as_str()),
        ("enum", "\"gift\" is not one of the values allowed here (write \"free\" or \"paid\")")
    );
}

#[test]
fn an_unknown_version_names_the_ones_there_are() {
    let (code, line, column, message) = only("{\"title\": \"Bolt\",\n \"schema_version\": \"1.2.0\"}");
    assert_eq!((code, line, column), ("version-unknown", 2, 20));
    assert_eq!(message, "there is no schema version \"1.2.0\" (write one that there is: 1.0.0, 1.1.0)");
    for hostile in ["latest", "^1.0", "../../x", "1.0.0\\u200b", "0.0.1"] {
        assert_eq!(only(&format!("{{\"schema_version\": \"{hostile}\", \"title\": \"Bolt\"}}")).0, "version-unknown");
    }
}

#[test]
fn a_version_as_a_number_is_explained() {
    let (code, _, _, message) = only("{\"schema_version\": 1.10, \"title\": \"Bolt\"}");
    assert_eq!(code, "version-not-text");
    assert_eq!(
        message,
        "the schema version 1.10 is a number, which programs read as 1.1 (write one of the registry's versions in quotes; \
         it has 1.0.0, 1.1.0)"
    );
    let (_, _, _, message) = only("{\"schema_version\": 1.1, \"title\": \"Bolt\"}");
    assert_eq!(message, "the schema version 1.1 is a number where text is wanted (write it in quotes: \"1.1.0\")");
    assert!(only("{\"schema_version\": null, \"title\": \"Bolt\"}").3.starts_with("an empty value (null) stands"));
}

#[test]
fn a_record_without_a_version_gets_the_default_and_a_warning() {
    let (code, _, _, message) = only("{\"title\": \"Bolt\"}");
    assert_eq!(code, "version-missing");
    assert_eq!(
        message,
        "the field \"schema_version\" is missing; the record was checked with 1.1.0, the default (add \"schema_version\": \"1.1.0\")"
    );
    let strict = collection("version_field: schema_version");
    let record = record("a.json", "{\"title\": \"Bolt\"}");
    let (used, findings) = validate(&record, &strict, &registry(FormatPolicy::Assert));
    assert!(used.is_none() && findings[0].is_error(), "{findings:?}");
}

#[test]
fn a_record_may_name_its_schema_by_path_or_url_but_only_from_the_registry() {
    let plain = collection("");
    let version = |target: &str| {
        let text = format!("{{\"$schema\": \"{target}\", \"title\": \"Bolt\"}}");
        let record = record("shelf/a.json", &text);
        let registry = registry(FormatPolicy::Assert);
        let slot = super::super::choose::choose(&record, &plain, &registry);
        slot.map(|found| found.and_then(|(slot, _)| slot.version.clone())).map_err(|finding| finding.code.id)
    };
    assert_eq!(version("../schemas/product/v1.0.0.json"), Ok(Some("1.0.0".into())));
    assert_eq!(version("https://example.org/schemas/product/v1.0.0.json#"), Ok(Some("1.0.0".into())));
    for hostile in
        ["file:///etc/passwd", "http://169.254.169.254/", "../../x.json", "/etc/passwd", "https://x/v1.0.0.json"]
    {
        assert_eq!(version(hostile), Err("schema-unknown"), "{hostile}");
    }
}

#[test]
fn formats_follow_the_policy() {
    let text = "{\"schema_version\": \"1.0.0\", \"title\": \"Bolt\", \"mail\": \"nobody\"}";
    let collection = collection("version_field: schema_version");
    let severity = |format| {
        let record = record("a.json", text);
        validate(&record, &collection, &registry(format)).1.first().map(|finding| finding.severity)
    };
    assert_eq!(severity(FormatPolicy::Assert), Some(Severity::Error));
    assert_eq!(severity(FormatPolicy::Annotate), Some(Severity::Warning));
    assert_eq!(severity(FormatPolicy::Off), None);
}

#[test]
fn a_broken_schema_is_said_once_and_a_reference_out_of_the_registry_is_broken() {
    let broken = [
        "{\"type\": \"objekt\"}",
        "{\"$ref\": \"https://example.org/other.json\"}",
        "{\"$ref\": \"file:///etc/passwd\"}",
        "{\"$ref\": \"../../../etc/passwd\"}",
        "{\"properties\": {\"a\": {\"pattern\": \"(\"}}}",
        "{",
    ];
    for schema in broken {
        let registry = MemoryFiles::registry(&[("schemas/product.schema.json", schema)], FormatPolicy::Assert);
        let collection = collection("");
        for _ in 0..2 {
            let (used, findings) = validate(&record("a.json", "{\"a\": 1}"), &collection, &registry);
            assert!(used.is_none() && findings.is_empty(), "{schema}: {findings:?}");
        }
        let findings = registry.findings();
        assert_eq!(findings.len(), 1, "{schema}: {findings:?}");
        assert_eq!(findings[0].path.as_str(), "schemas/product.schema.json");
    }
}

#[test]
fn a_pattern_that_never_ends_counts_as_wrong_and_is_named() {
    let schema = r#"{"properties": {"a": {"pattern": "^(?:a+)+(?=b)c$"}}}"#;
    let registry = MemoryFiles::registry(&[("schemas/product.schema.json", schema)], FormatPolicy::Assert);
    let text = format!("{{\"a\": \"{}\"}}", "a".repeat(5_000));
    let (_, findings) = validate(&record("a.json", &text), &collection(""), &registry);
    assert!(findings.iter().all(Finding::is_error) && !findings.is_empty(), "{findings:?}");
}

#[test]
fn a_schema_is_read_by_the_draft_that_it_names() {
    let verdict = |schema: &str, record: &str| {
        let registry = MemoryFiles::registry(&[("schemas/product.json", schema)], FormatPolicy::Assert);
        let collection = collection("");
        let path = RepoPath::new("a.json");
        let document = read(&path, Notation::Json, record.as_bytes().to_vec()).0.unwrap();
        let (_, findings) = validate(&Record { path, document }, &collection, &registry);
        assert!(!registry.findings().iter().any(Finding::is_error), "{schema}");
        findings.is_empty()
    };
    let draft = |version: &str, rest: &str| format!(r#"{{"$schema": "{version}", "properties": {{"x": {rest}}}}}"#);
    // A boolean beside `minimum` in draft 4, a number of its own since draft 6.
    let positive = draft("http://json-schema.org/draft-04/schema#", r#"{"minimum": 0, "exclusiveMinimum": true}"#);
    assert!(verdict(&positive, r#"{"x": 1}"#) && !verdict(&positive, r#"{"x": 0}"#));
    // A list for `items` is a tuple up to 2019-09, and called `prefixItems` since.
    for tuple in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema"] {
        let tuple = draft(tuple, r#"{"items": [{"type": "integer"}]}"#);
        assert!(verdict(&tuple, r#"{"x": [1]}"#) && !verdict(&tuple, r#"{"x": ["1"]}"#));
    }
    for newest in ["https://json-schema.org/draft/2020-12/schema", "https://example.com/our-own-dialect"] {
        let newest = draft(newest, r#"{"prefixItems": [{"type": "integer"}]}"#);
        assert!(verdict(&newest, r#"{"x": [1]}"#) && !verdict(&newest, r#"{"x": ["1"]}"#));
    }
}
