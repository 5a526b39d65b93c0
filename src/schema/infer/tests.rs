use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn infer(records: &[Value]) -> Inference {
    let mut inference = Inference::default();
    records.iter().for_each(|record| inference.see(record, None));
    inference
}

fn schema(records: &[Value]) -> Value {
    infer(records).schema(&Style::default()).to_value()
}

/// The schema of a member of records that have this member alone.
fn of_member(name: &str, values: Vec<Value>) -> Value {
    let records: Vec<Value> = values.into_iter().map(|value| json!({ name: value })).collect();
    schema(&records)["properties"][name].clone()
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|text| Value::from(*text)).collect()
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().offline().should_validate_formats(true).build(schema).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,2}",
        "[a-c]-[0-9]",
        "\\PC{0,4}",
        Just("2026-01-31".to_owned()),
        Just("2026-02-31".to_owned()),
        Just("2026-01-31T10:00:00Z".to_owned()),
        Just("2026-01-31T25:00:00Z".to_owned()),
        Just("https://example.com/a b".to_owned()),
        Just("https://example.com/a".to_owned()),
        Just("a@example.com".to_owned()),
        Just("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned()),
        Just("10.0.0.1".to_owned()),
        "v?1\\.[0-9]",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        (-4.0..4.0f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name(), inner.clone(), 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            prop::collection::btree_map("[a-z]{2}", inner, 20..24)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["id", "slug", "title", "kind", "schema_version", "version", "updated_at", "~/\"", ""])
        .prop_map(str::to_owned)
}

fn record() -> impl Strategy<Value = Value> {
    let member = prop_oneof![3 => text().prop_map(Value::from), 2 => value()];
    prop::collection::btree_map(name(), member, 0..6).prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_record_is_valid_by_the_schema_that_was_inferred_from_it(
        records in prop::collection::vec(record(), 1..12), copies in 1usize..12, strict: bool
    ) {
        let many: Vec<Value> = records.iter().cycle().take(records.len() * copies).cloned().collect();
        let schema = infer(&many).schema(&Style { title: Some("Kinds".into()), strict });
        let validator = validator(&schema.to_value());
        for record in &records {
            prop_assert!(validator.is_valid(record), "{record:#} by {}", schema.to_text());
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&schema.to_text()).unwrap(), schema.to_value());
    }

    #[test]
    fn the_order_of_records_and_how_they_are_shared_out_change_nothing(
        (records, shuffled) in prop::collection::vec(record(), 1..24)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        parts in 1usize..6
    ) {
        let whole = infer(&records);
        prop_assert_eq!(&infer(&shuffled), &whole);
        let merged = shuffled.chunks(parts).map(infer).fold(Inference::default(), Inference::merge);
        prop_assert_eq!(merged.schema(&Style::default()).to_text(), whole.schema(&Style::default()).to_text());
        prop_assert_eq!(merged.root, whole.root);
    }

    #[test]
    fn what_lies_too_deep_is_not_looked_at_and_forbids_nothing(records in prop::collection::vec(record(), 1..8), depth in 0usize..4) {
        let (mut looked, mut cut) = (Shape::default(), Shape::default());
        for record in &records {
            looked.see(record, None, depth);
            cut.see(record, None, 24);
        }
        cut.cut(depth);
        prop_assert_eq!(&looked, &cut);
        let schema = conclude::schema(&cut, &Style { strict: true, ..Style::default() }).to_value();
        let validator = validator(&schema);
        prop_assert!(records.iter().all(|record| validator.is_valid(record)));
    }
}

#[test]
fn types_are_told_apart_and_joined() {
    let schema =
        schema(&[json!({"a": 1, "b": 1, "c": null, "d": null}), json!({"a": 2, "b": 1.5, "c": "x", "d": null})]);
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["properties"]["a"], json!({"type": "integer"}));
    assert_eq!(schema["properties"]["b"], json!({"type": "number"}));
    assert_eq!(schema["properties"]["c"], json!({"type": ["string", "null"]}));
    assert_eq!(schema["properties"]["d"], json!({}), "the first value would be the news");
    assert_eq!(schema["required"], json!(["a", "b", "c", "d"]));
}

#[test]
fn a_member_that_one_record_lacks_is_not_required_and_one_record_requires_nothing() {
    assert_eq!(schema(&[json!({"a": 1, "b": 1}), json!({"a": 1})])["required"], json!(["a"]));
    assert_eq!(schema(&[json!({"a": 1})]).get("required"), None);
}

#[test]
fn few_values_that_all_come_again_are_a_choice() {
    let many = |values: &[&str]| texts(&values.repeat(6));
    assert_eq!(of_member("status", many(&["draft", "active"])), json!({"type": "string", "enum": ["active", "draft"]}));
    let mut nullable = many(&["draft", "active"]);
    nullable.push(Value::Null);
    assert_eq!(of_member("status", nullable)["enum"], json!(["active", "draft", null]));
    let mut with_a_new_one = many(&["draft", "active"]);
    with_a_new_one.push("archived".into());
    assert_eq!(of_member("status", with_a_new_one).get("enum"), None, "another new one is to be expected");
    assert_eq!(of_member("status", many(&["active"])).get("enum"), None, "one value is no choice");
    for open in ["title", "product_id", "tags", "vendor", "min_version"] {
        assert_eq!(of_member(open, many(&["a", "b"])).get("enum"), None, "{open}");
    }
}

#[test]
fn a_format_is_told_where_all_have_it_as_the_validator_sees_it() {
    let of = |values: &[&str]| of_member("x", texts(values));
    assert_eq!(of(&["2026-01-31", "2026-02-28", "2026-03-01"]), json!({"type": "string", "format": "date"}));
    assert_eq!(of(&["2026-01-31", "2026-02-31", "2026-03-01"]).get("format"), None, "no such day");
    assert_eq!(of(&["2026-01-31", "2026-02-28"]).get("format"), None, "two are no evidence");
    assert_eq!(of(&["2026-01-31T00:00:00Z"; 3])["format"], "date-time");
    assert_eq!(of(&["https://a.example/x"; 3])["format"], "uri");
    assert_eq!(of(&["urn:a"; 3]).get("format"), None);
    assert_eq!(of(&["a@b.example"; 3])["format"], "email");
    assert_eq!(of(&["6ba7b810-9dad-11d1-80b4-00c04fd430c8"; 3])["format"], "uuid");
    assert_eq!(of(&["10.0.0.1"; 3])["format"], "ipv4");
}

#[test]
fn slugs_and_versions_have_a_pattern_where_the_name_says_so() {
    let slugs = texts(&["hex-bolt", "nut", "m3", "pine-forest", "5-knobs"]);
    assert_eq!(of_member("handle", slugs.clone())["pattern"], texts::SLUG);
    assert_eq!(of_member("title", slugs), json!({"type": "string", "minLength": 1}));
    let versions = texts(&["4.2", "4.2.0", "5.0", "4.10", "1.0"]);
    assert_eq!(of_member("min_version", versions.clone())["pattern"], texts::DOTTED);
    assert_eq!(of_member("size", versions).get("pattern"), None);
}

#[test]
fn the_one_version_of_the_schema_is_a_constant_and_other_constants_are_not() {
    let schema =
        schema(&[json!({"schema_version": "1.0.0", "vendor": "x"}), json!({"schema_version": "1.0.0", "vendor": "x"})]);
    assert_eq!(schema["properties"]["schema_version"], json!({"const": "1.0.0"}));
    assert_eq!(schema["properties"]["vendor"], json!({"type": "string"}));
}

#[test]
fn many_names_for_the_same_kind_of_value_are_a_map() {
    let records: Vec<Value> =
        (0..60).map(|n| json!({"sizes": {format!("file-{n}"): n, format!("file-{}", n + 1): n}})).collect();
    assert_eq!(
        schema(&records)["properties"]["sizes"],
        json!({"type": "object", "additionalProperties": {"type": "integer"}})
    );
    let alike: Vec<Value> = (0..4)
        .map(|_| json!({"sizes": (0..30).map(|n| (format!("k{n}"), n)).collect::<std::collections::BTreeMap<_, _>>()}))
        .collect();
    assert_eq!(schema(&alike)["properties"]["sizes"]["properties"].as_object().unwrap().len(), 30);
}

#[test]
fn lists_without_equal_items_are_sets_where_the_evidence_is_strong() {
    let lists = |count: usize| of_member("tags", (0..count).map(|n| json!([format!("a{n}"), "b"])).collect());
    assert_eq!(
        lists(20),
        json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "minLength": 1}})
    );
    assert_eq!(lists(19), json!({"type": "array", "items": {"type": "string", "minLength": 1}}));
}

#[test]
fn members_stand_as_in_the_records() {
    let mut inference = Inference::default();
    for text in [r#"{"title": 1, "id": 1, "a": 1}"#, r#"{"title": 1, "id": 1}"#] {
        let path = crate::ids::RepoPath::new("a.json");
        let (document, _) = crate::catalog::read::read(&path, crate::catalog::read::Notation::Json, text.into());
        let document = document.unwrap();
        inference.see(&document.value, Some(&document.places()));
    }
    insta::assert_snapshot!(inference.schema(&Style { title: Some("Products".into()), strict: true }).to_text(), @r#"
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "Products",
      "$comment": "Inferred by stockroom from 2 records; tighten it where you know more.",
      "type": "object",
      "required": ["title", "id"],
      "properties": {
        "title": { "type": "integer" },
        "id": { "type": "integer" },
        "a": { "type": "integer" }
      },
      "additionalProperties": false
    }
    "#);
}

#[test]
fn memory_is_bounded_whatever_the_names_are() {
    let mut inference = Inference::default();
    let object = |seed: usize, inner: &Value| -> Value {
        Value::Object((0..40).map(|n| (format!("k{}", seed * 1000 + n), inner.clone())).collect())
    };
    let mut records = Vec::new();
    for seed in 0..6 {
        let record = object(seed, &object(seed, &object(seed, &json!("x"))));
        inference.see(&record, None);
        records.push(record);
    }
    assert!(inference.root.size() <= MAX_SHAPES, "{}", inference.root.size());
    let validator = validator(&inference.schema(&Style { strict: true, ..Style::default() }).to_value());
    assert!(records.iter().all(|record| validator.is_valid(record)));
}

#[test]
fn what_tells_when_a_record_was_last_touched_is_found() {
    let record = json!({"polar": {"last_synced": "2026-10-06T04:11:17Z", "sync_status": "ok"}, "published": "2026-10-06", "updated_at": "soon"});
    assert_eq!(infer(&[record]).touched(), ["/polar/last_synced", "/polar/sync_status"]);
}

#[test]
fn members_of_several_kinds_are_told() {
    let records =
        [json!({"price": "1.00", "l": [1, "a"]}), json!({"price": 1, "l": [1.5]}), json!({"price": null, "l": []})];
    assert_eq!(
        infer(&records).mixed(),
        [
            ("/l/*".to_owned(), vec![("text", 1), ("number", 2)]),
            ("/price".to_owned(), vec![("text", 1), ("number", 1)])
        ]
    );
}
