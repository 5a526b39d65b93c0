use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::changes::changes;
use super::proof::prove;
use super::*;
use crate::schema::registry::tests::MemoryFiles;
use crate::schema::settings::{DraftName, FormatPolicy, Policy};

const POLICY: Policy = Policy { format: FormatPolicy::Assert, draft: DraftName::Draft202012 };

/// The changes as `effect pointer: message`.
fn told(old: &Value, new: &Value) -> Vec<String> {
    let line = |c: &changes::Change| format!("{:?} {}: {}", c.effect, c.pointer, c.message);
    changes(old, new, POLICY).list.iter().map(line).collect()
}

fn one(schema: &Value) -> Side {
    let path = RepoPath::new("schemas/a.json");
    let files: Arc<dyn crate::schema::registry::SchemaFiles> = Arc::new(MemoryFiles::new(&[]));
    let shelf = Arc::new(Shelf::new(&files, &path, schema));
    Side { schema: Arc::new(schema.clone()), base: base_of(&path), shelf }
}

fn proof(old: &Value, new: &Value) -> Proof {
    prove(&one(old), &one(new), &changes(old, new, POLICY).introduced, POLICY)
}

#[test]
fn each_change_is_a_sentence_on_its_place() {
    let old = json!({
        "type": "object", "required": ["a", "b"], "additionalProperties": false,
        "properties": {
            "a": {"type": "string", "maxLength": 10}, "b": {"enum": ["x", "y"]}, "gone": {"type": "string"},
            "list": {"type": "array", "items": {"$ref": "#/$defs/item"}}, "n": {"type": "number", "minimum": 1}
        },
        "$defs": {"item": {"type": "object", "required": ["name"]}}
    });
    let new = json!({
        "type": "object", "required": ["a", "c"], "additionalProperties": false, "title": "T",
        "properties": {
            "a": {"type": ["string", "null"], "maxLength": 5}, "b": {"enum": ["y", "z"]}, "c": {"type": "string"},
            "list": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 4}, "n": {"type": "integer", "minimum": 0}
        },
        "$defs": {"item": {"type": "object", "required": ["name", "url"]}}
    });
    assert_eq!(
        told(&old, &new),
        [
            "Breaking /required: /c must be there now",
            "Compatible /required: /b need not be there any more",
            "Compatible /properties/a/type: /a was string and is string or null now",
            "Breaking /properties/a/maxLength: /a must be at most that many characters long: 5 now, and not 10 as before",
            "Breaking /properties/b/enum: /b may no longer be \"x\"",
            "Compatible /properties/b/enum: /b may be \"z\" now",
            "Compatible /properties/c: /c may be there now",
            "Breaking /properties/gone: /gone may not be there any more",
            "Breaking /$defs/item/required: /list/*/url must be there now",
            "Breaking /properties/list/maxItems: /list must be with at most that many items: 4 now",
            "Breaking /properties/n/type: /n was number and is integer now",
            "Compatible /properties/n/minimum: /n must be at least 0 now, and not 1 as before",
            "Neutral : titles, descriptions and other notes differ in one place",
        ]
    );
}

#[test]
fn under_a_not_less_is_more_and_in_a_choice_of_one_nobody_knows() {
    let under = |inner: Value| json!({"not": inner});
    assert_eq!(
        told(&under(json!({"enum": [1, 2]})), &under(json!({"enum": [1]}))),
        ["Compatible /not/enum: the record may no longer be 2"]
    );
    let of = |inner: Value| json!({"oneOf": [inner, {"type": "string"}]});
    assert_eq!(
        told(&of(json!({"enum": [1, 2]})), &of(json!({"enum": [1]}))),
        ["Unclear /oneOf/0/enum: the record may no longer be 2"]
    );
}

#[test]
fn a_definition_that_refers_to_itself_comes_to_an_end() {
    let tree = |kind: &str| {
        json!({"$ref": "#/$defs/node", "$defs": {"node": {"properties": {
            "value": {"type": kind}, "children": {"items": {"$ref": "#/$defs/node"}}}}}})
    };
    assert_eq!(
        told(&tree("integer"), &tree("number")),
        ["Compatible /$defs/node/properties/value/type: /value was integer and is number now"]
    );
    assert!(changes(&tree("integer"), &tree("number"), POLICY).are_harmless());
}

#[test]
fn a_member_that_is_described_first_breaks_only_who_had_it_by_chance() {
    let old = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let new = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    let found = changes(&old, &new, POLICY);
    assert!(found.are_harmless());
    assert_eq!(
        found.introduced.iter().map(|one| (one.schema.as_str(), one.at.as_str())).collect::<Vec<_>>(),
        [("", "/b")]
    );
    assert_eq!(proof(&old, &new), Proof::Covers);
    let demanding = json!({"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}});
    assert_eq!(proof(&old, &demanding), Proof::Breaks);
}

#[test]
fn what_is_not_understood_is_never_called_harmless() {
    let pairs = [
        (json!({"unevaluatedProperties": false, "properties": {"a": {}}}), json!({"unevaluatedProperties": false})),
        (json!({"$ref": "other.json"}), json!({"$ref": "other.json"})),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
        ),
        (json!({"patternProperties": {"^a": {"type": "string"}}}), json!({"additionalProperties": {"type": "null"}})),
    ];
    for (old, new) in pairs {
        assert!(!changes(&old, &new, POLICY).are_harmless(), "{old} {new}");
    }
}

#[test]
fn the_verdict_is_the_strongest_evidence_and_the_bump_follows() {
    let old = json!({"type": "object", "required": ["a"]});
    let judge = |new: &Value, evidence: Evidence| {
        let changes = changes(&old, new, POLICY);
        let verdict = verdict(&changes, &evidence);
        (verdict, bump(verdict, &changes))
    };
    let nothing = Evidence::default;
    assert_eq!(judge(&old, nothing()), (Verdict::Compatible, Some(Bump::None)));
    assert_eq!(
        judge(&json!({"type": "object", "required": ["a"], "title": "t"}), nothing()),
        (Verdict::Compatible, Some(Bump::Patch))
    );
    assert_eq!(judge(&json!({"type": "object"}), nothing()), (Verdict::Compatible, Some(Bump::Minor)));
    let stricter = json!({"type": "object", "required": ["a", "b"]});
    assert_eq!(judge(&stricter, nothing()), (Verdict::Unknown, None));
    for evidence in [
        Evidence { broken: 1, ..nothing() },
        Evidence { proof: Some(Proof::Breaks), ..nothing() },
        Evidence { proof: Some(Proof::Covers), broken: 1, ..nothing() },
    ] {
        assert_eq!(judge(&stricter, evidence), (Verdict::Breaking, Some(Bump::Major)));
    }
}

#[test]
fn a_record_is_altered_until_it_shows_the_change() {
    let show = |old: &Value, new: &Value, record: Value| {
        let found = changes(old, new, POLICY);
        let build = |schema: &Value| jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        let (old, new) = (build(old), build(new));
        trial::witness(&found.list, &[&record], &|v| old.is_valid(v), &|v| new.is_valid(v))
            .map(|witness| witness.alteration)
    };
    let object = |rest: Value| json!({"type": "object", "properties": {"a": rest}});
    let with = |rest: Value| object(rest);
    let record = || json!({"a": "text"});
    for (old, new, alteration) in [
        (json!({"type": "object"}), json!({"required": ["a"]}), "without /a"),
        (with(json!({"enum": ["text", "x"]})), with(json!({"enum": ["text"]})), "with \"x\" as /a"),
        (with(json!({"type": ["string", "null"]})), with(json!({"type": "string"})), "with null as /a"),
        (with(json!({"maxLength": 5})), with(json!({"maxLength": 4})), "with \"xxxxx\" as /a"),
        (with(json!({})), with(json!({"format": "uri"})), "with \"%{\" as /a"),
        (
            json!({"properties": {"a": {}}}),
            json!({"properties": {"a": {}}, "additionalProperties": false}),
            "with /x-unknown-member",
        ),
    ] {
        assert_eq!(show(&old, &new, record()).as_deref(), Some(alteration), "{old} {new}");
    }
    assert_eq!(
        show(&with(json!({"type": "string"})), &with(json!({"minLength": 1})), record()).as_deref(),
        Some("with \"\" as /a")
    );
}

/// Small schemas of every kind that the rules know.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        prop_oneof![Just("string"), Just("integer"), Just("number"), Just("null"), Just("object"), Just("array")]
            .prop_map(|name| json!({"type": name})),
        Just(json!({"type": ["string", "null"]})),
        prop::sample::subsequence(vec![json!(0), json!(1), json!("x"), Value::Null], 1..=3)
            .prop_map(|all| json!({"enum": all})),
        prop_oneof![Just(json!(0)), Just(json!("x"))].prop_map(|one| json!({"const": one})),
        (
            prop_oneof![
                Just("minimum"),
                Just("exclusiveMaximum"),
                Just("maxLength"),
                Just("minItems"),
                Just("maxProperties"),
                Just("multipleOf")
            ],
            1..3
        )
            .prop_map(|(name, limit)| json!({name: limit})),
        prop::sample::subsequence(vec!["a", "b"], 0..=2).prop_map(|names| json!({"required": names})),
        Just(json!({"uniqueItems": true})),
        Just(json!({"pattern": "^x"})),
        Just(json!({"dependentRequired": {"a": ["b"]}})),
        Just(json!({"$ref": "#/$defs/d"})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let some = || inner.clone();
        prop_oneof![
            (
                prop::collection::btree_map(prop_oneof![Just("a"), Just("b")], some(), 0..=2),
                prop::option::of(some()),
                prop::option::of(some())
            )
                .prop_map(|(properties, rest, pattern)| {
                    let mut schema = json!({"properties": properties});
                    rest.into_iter().for_each(|rest| schema["additionalProperties"] = rest);
                    pattern.into_iter().for_each(|pattern| schema["patternProperties"] = json!({"^b": pattern}));
                    schema
                }),
            (some(), prop::option::of(some())).prop_map(|(items, first)| match first {
                Some(first) => json!({"items": items, "prefixItems": [first]}),
                None => json!({"items": items}),
            }),
            (prop_oneof![Just("allOf"), Just("anyOf"), Just("oneOf")], prop::collection::vec(some(), 1..=2))
                .prop_map(|(name, all)| json!({name: all})),
            (prop_oneof![Just("not"), Just("contains"), Just("propertyNames")], some())
                .prop_map(|(name, one)| json!({name: one})),
            (some(), some()).prop_map(|(one, then)| json!({"if": one, "then": then})),
            (some(), some()).prop_map(|(one, other)| match (one, other) {
                (Value::Object(mut one), Value::Object(other)) => {
                    one.extend(other);
                    Value::Object(one)
                }
                (one, _) => one,
            }),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(2)),
        Just(json!(1.5)),
        Just(json!("")),
        Just(json!("x")),
        Just(json!("xyz")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..=3).prop_map(Value::Array),
            prop::collection::btree_map(
                prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("c".to_owned())],
                inner,
                0..=3
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn whole((root, definition): (Value, Value)) -> Value {
    match root {
        Value::Object(mut members) => {
            members.insert("$defs".to_owned(), json!({"d": definition}));
            Value::Object(members)
        }
        other => json!({"allOf": [other], "$defs": {"d": definition}}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What the rules call harmless breaks no value, but for one that has a member which is introduced.
    #[test]
    fn what_is_harmless_breaks_nothing(
        old in (schema(), schema()).prop_map(whole), mix in 0..4, other in (schema(), schema()).prop_map(whole),
        values in prop::collection::vec(value(), 12),
    ) {
        // Unrelated schemas are seldom compatible: most pairs share one of their parts.
        let new = match (mix, &old, &other) {
            (0, Value::Object(old), Value::Object(other)) => {
                let mut new = old.clone();
                new.extend(other.clone());
                Value::Object(new)
            }
            (1, Value::Object(old), Value::Object(other)) => {
                let mut new = old.clone();
                new.insert("$defs".to_owned(), other["$defs"].clone());
                Value::Object(new)
            }
            (2, Value::Object(old), _) => {
                let mut new = old.clone();
                let first = new.keys().find(|name| *name != "$defs").cloned();
                first.and_then(|name| new.remove(&name));
                Value::Object(new)
            }
            _ => other.clone(),
        };
        let build = |schema: &Value| jsonschema::options().build(schema);
        let (Ok(before), Ok(after)) = (build(&old), build(&new)) else { return Ok(()) };
        let found = changes(&old, &new, POLICY);
        if !found.are_harmless() || !found.introduced.is_empty() {
            return Ok(());
        }
        for value in &values {
            prop_assert!(!before.is_valid(value) || after.is_valid(value), "{value} follows {old} and not {new}: {:?}", found.list);
        }
    }

    /// A schema does not differ from itself.
    #[test]
    fn nothing_changes_from_a_schema_to_itself(schema in (schema(), schema()).prop_map(whole)) {
        prop_assert_eq!(changes(&schema, &schema, POLICY).list, vec![]);
    }
}
