use serde_json::{Value, json};

use super::*;
use crate::catalog::read::{self, Notation};

const NEWEST: Policy = Policy { format: FormatPolicy::Assert, draft: DraftName::Draft202012 };
const SEVEN: Policy = Policy { format: FormatPolicy::Assert, draft: DraftName::Draft7 };

/// The suspicions as `code pointer: message | help`.
fn told(schema: &Value, policy: Policy) -> Vec<String> {
    let line = |s: Explanation| format!("{} {}: {} | {}", s.code.id, s.pointer, s.message, s.help.unwrap_or_default());
    suspicions(schema, policy).into_iter().map(line).collect()
}

/// The codes and pointers alone.
fn places(schema: &Value, policy: Policy) -> Vec<String> {
    suspicions(schema, policy).into_iter().map(|s| format!("{} {}", s.code.id, s.pointer)).collect()
}

/// A schema that is not open, with these members.
fn closed(mut schema: Value) -> Value {
    schema["type"] = json!("object");
    schema
}

#[test]
fn a_misspelt_keyword_names_the_one_that_was_meant() {
    let schema = closed(json!({
        "requried": ["a"], "propertis": {"a": {"tpye": "string", "maxlength": 4}}, "aditionalProperties": false,
        "ref": "#/a", "patern": "a",
    }));
    let lines = told(&schema, NEWEST);
    let meant: Vec<&str> = lines.iter().filter_map(|line| line.split("| ").nth(1)).collect();
    assert_eq!(
        meant,
        [
            "did you mean \"additionalProperties\"?",
            "did you mean \"pattern\"?",
            "did you mean \"properties\"?",
            "did you mean \"$ref\"?",
            "did you mean \"required\"?",
        ]
    );
    let inner = closed(json!({"properties": {"a": {"tpye": "string", "maxlength": 4, "enmu": [1], "formatt": "uri"}}}));
    assert_eq!(
        places(&inner, NEWEST),
        ["enmu", "formatt", "maxlength", "tpye"].map(|name| format!("schema-keyword /properties/a/{name}"))
    );
}

#[test]
fn words_of_others_and_of_the_author_are_no_slips() {
    let schema = closed(json!({
        "x-requried": [], "example": 1, "discriminator": {"propertyName": "a"}, "markdownDescription": "", "nullable": true,
        "defaultSnippets": [], "$comment": "", "deprecated": true, "readOnly": true, "note": "mind", "cost": 5,
        "label": "a", "order": 1, "group": "b", "icon": "c", "unit": "mm", "ui:widget": "text", "version": "1.0", "formats": {},
        "titel": "a title does nothing either way", "examples": [1], "errorMessage": {}, "name": "n", "notes": [], "kind": "k",
        "range": [0, 1], "when": "later", "alias": "a", "types": 3, "links": [], "author": "x", "hint": "h", "fields": {}
    }));
    assert_eq!(told(&schema, NEWEST), [""; 0]);
}

#[test]
fn names_of_properties_and_values_are_not_looked_at() {
    let schema = closed(json!({
        "properties": {"requried": {"type": "string"}, "propertis": {"type": "string"}},
        "$defs": {"enmu": {"type": "string"}}, "patternProperties": {"^tpye": {"type": "string"}},
        "default": {"requried": []}, "examples": [{"propertis": {}}], "enum": [{"tpye": 1}], "const": {"requried": []},
        "dependentRequired": {"tpye": ["a"]},
    }));
    assert_eq!(told(&schema, NEWEST), [""; 0]);
}

#[test]
fn keywords_of_another_draft_are_told_with_what_to_write() {
    let schema = closed(json!({
        "$defs": {}, "unevaluatedProperties": false, "dependentRequired": {"a": ["b"]}, "prefixItems": [true], "minContains": 1,
        "definitions": {}, "if": true, "$comment": "",
    }));
    assert_eq!(
        places(&schema, SEVEN),
        ["$defs", "dependentRequired", "minContains", "prefixItems", "unevaluatedProperties"]
            .map(|name| format!("schema-draft /{name}"))
    );
    assert_eq!(told(&schema, NEWEST), [""; 0]);
    let lines = told(&closed(json!({"items": [{"type": "string"}], "additionalItems": false, "id": "a"})), NEWEST);
    assert_eq!(
        lines,
        [
            "schema-draft /additionalItems: `additionalItems` ended with draft 2019-09 and does nothing in draft 2020-12 | write `prefixItems` for `items`, and `items` for it",
            "schema-draft /id: `id` ended with draft 4 and does nothing in draft 2020-12 | it is called `$id` there",
            "schema-draft /items: `items` as a list does not count in draft 2020-12 | it is called `prefixItems` there",
        ]
    );
    let early = closed(json!({"$schema": "http://json-schema.org/draft-04/schema#", "const": 1, "id": "a"}));
    assert_eq!(places(&early, NEWEST), ["schema-draft /const"]);
}

#[test]
fn what_stands_beside_a_reference_in_draft_7_is_told() {
    let schema = json!({"properties": {"a": {"$ref": "#/definitions/b", "description": "fine", "minLength": 2, "maxLength": 3}},
        "definitions": {"b": {"type": "string"}}});
    assert_eq!(
        told(&schema, SEVEN),
        ["schema-ignored /properties/a/maxLength: `maxLength`, `minLength` beside `$ref` does not count in draft 7 | \
          write \"allOf\": [{\"$ref\": …}] beside it, or name draft 2019-09 or later in `$schema`"]
    );
    assert_eq!(told(&schema, NEWEST), [""; 0]);
    // A property that is called `$ref` is none.
    assert_eq!(places(&json!({"properties": {"$ref": {"type": "string"}, "b": {"type": "string"}}}), SEVEN), [""; 0]);
}

#[test]
fn a_schema_that_refuses_nothing_is_told_once() {
    assert_eq!(places(&json!({"requried": ["a"]}), NEWEST), ["schema-open ", "schema-keyword /requried"]);
    assert_eq!(places(&json!({"$ref": "#"}), NEWEST), ["schema-open "]);
    assert_eq!(places(&json!({"properties": {"a": {}, "b": {"type": "string"}}}), NEWEST), [""; 0]);
}

#[test]
fn contradictions_are_told_at_the_keyword() {
    let schema = closed(json!({
        "properties": {
            "a": {"minimum": 5, "maximum": 4}, "b": {"exclusiveMinimum": 5, "maximum": 5}, "c": {"minLength": 3, "maxLength": 2},
            "fine": {"minimum": 5, "maximum": 5, "minItems": 1, "maxItems": 1}
        },
        "required": ["a", "d", "fien"], "additionalProperties": false,
    }));
    let lines = places(&schema, NEWEST);
    assert_eq!(
        lines,
        [
            "schema-never /required/1",
            "schema-never /required/2",
            "schema-never /properties/a/minimum",
            "schema-never /properties/b/exclusiveMinimum",
            "schema-never /properties/c/minLength",
        ]
    );
    assert!(told(&schema, NEWEST)[1].ends_with("did you mean \"fine\"?"), "{:?}", told(&schema, NEWEST));
    let open = closed(json!({"required": ["d"], "properties": {"a": {"type": "string"}}}));
    assert_eq!(told(&open, NEWEST), [""; 0]);
    let by_pattern = closed(json!({"required": ["d"], "patternProperties": {"^d": {}}, "additionalProperties": false}));
    assert_eq!(told(&by_pattern, NEWEST), [""; 0]);
}

#[test]
fn formats_that_nobody_checks_are_told_unless_no_format_counts() {
    let schema = closed(
        json!({"properties": {"a": {"format": "data-time"}, "b": {"format": "uuid"}, "c": {"format": "int64"}}}),
    );
    assert_eq!(places(&schema, SEVEN), ["schema-format /properties/a/format", "schema-format /properties/b/format"]);
    assert_eq!(places(&schema, NEWEST), ["schema-format /properties/a/format"]);
    assert_eq!(places(&schema, Policy { format: FormatPolicy::Off, ..SEVEN }), [""; 0]);
}

/// The list is the validator's own: each format on it refuses something from its draft on, and not before.
#[test]
fn the_formats_are_those_that_the_validator_checks() {
    let all = [DraftName::Draft4, DraftName::Draft6, DraftName::Draft7, DraftName::Draft201909, DraftName::Draft202012];
    let refuses = |name: &str, draft: DraftName| {
        let schema = json!({"format": name});
        let validator =
            jsonschema::options().with_draft(draft.draft()).should_validate_formats(true).build(&schema).unwrap();
        ["%", "{", "(", "no date"].iter().any(|text| !validator.is_valid(&json!(text)))
    };
    for (name, since) in FORMATS {
        for draft in all {
            assert_eq!(refuses(name, draft), draft >= *since, "{name} in {draft:?}");
        }
    }
    assert!(!refuses("idn-email", DraftName::Draft202012) && !refuses("int64", DraftName::Draft202012));
}

#[test]
fn values_that_stand_twice_and_patterns_are_told() {
    let schema = closed(json!({
        "enum": ["a", "b", "a", 1, 1.0], "properties": {"a": {"pattern": "(?i)x"}, "b": {"pattern": "^(a+)+$"}},
        "patternProperties": {"\\Ax": {"type": "string"}}
    }));
    assert_eq!(
        places(&schema, NEWEST),
        [
            "schema-enum /enum/2",
            "schema-regex /patternProperties/\\Ax",
            "schema-regex /properties/a/pattern",
            "schema-regex /properties/b/pattern",
        ]
    );
}

#[test]
fn an_unknown_dialect_is_told() {
    let schema = closed(json!({"$schema": "https://example.org/dialect"}));
    assert_eq!(places(&schema, NEWEST), ["schema-dialect /$schema"]);
}

#[test]
fn a_finding_stands_on_its_key() {
    let text = "{\n  \"type\": \"object\",\n  \"properties\": {\n    \"a\": { \"tpye\": \"string\" }\n  }\n}\n";
    let path = RepoPath::new("schemas/a.json");
    let (document, _) = read::read(&path, Notation::Json, text.as_bytes().to_vec());
    let findings = findings(&path, &document.unwrap(), NEWEST);
    let place = |f: &Finding| (f.span.line, f.span.column, f.severity, f.pointer.clone());
    assert_eq!(
        findings.iter().map(place).collect::<Vec<_>>(),
        [(4, 12, Severity::Warning, "/properties/a/tpye".to_owned())]
    );
}

#[test]
fn a_thousand_slips_are_told_fifty_times() {
    let many: serde_json::Map<String, Value> = (0..1000).map(|n| (n.to_string(), json!({"tpye": "string"}))).collect();
    let found = suspicions(&json!({"properties": many}), NEWEST).len();
    assert!((MOST..MOST + 5).contains(&found), "{found}");
}
