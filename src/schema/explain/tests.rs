use serde_json::json;

use super::*;

#[allow(clippy::needless_pass_by_value, reason = "the calls read better")]
/// Every sentence with the pointer and the help, for a schema and a record.
fn told(schema: Value, record: Value) -> Vec<String> {
    let validator = jsonschema::options().offline().should_validate_formats(true).build(&schema).unwrap();
    let written = |pointer: &str| record.pointer(pointer).map(ToString::to_string);
    let reading = Reading {
        schema: &schema,
        record: &record,
        spelling: Spelling::Json,
        written: &written,
        budget: Cell::new(BUDGET),
    };
    let line = |explanation: Explanation| {
        let help = explanation.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {}{help}", explanation.pointer, explanation.message)
    };
    explain(validator.iter_errors(&record), &reading, 100).into_iter().map(line).collect()
}

fn union() -> Value {
    json!({
        "properties": {"price": {"oneOf": [{"$ref": "#/$defs/free"}, {"$ref": "#/$defs/paid"}, {"$ref": "#/$defs/rent"}]}},
        "$defs": {
            "free": {"properties": {"kind": {"const": "free"}}, "required": ["kind"], "additionalProperties": false},
            "paid": {"allOf": [{"properties": {"kind": {"$ref": "#/$defs/paid-kind"}}, "required": ["kind"]}],
                "properties": {"kind": {}, "tax": {"properties": {"rate": {"properties": {"percent": {"type": "number", "maximum": 100}}}}}}},
            "paid-kind": {"enum": ["paid", "once"]},
            "rent": {"properties": {"kind": {"const": "rent"}, "months": {"type": "integer"}}, "required": ["kind", "months"]}
        }
    })
}

#[test]
fn of_a_union_the_branch_that_its_discriminator_names_is_explained_however_deep_the_error() {
    assert_eq!(
        told(union(), json!({"price": {"kind": "once", "tax": {"rate": {"percent": "19"}}}})),
        ["/price/tax/rate/percent: the text \"19\" stands where a number is wanted (write it without quotes: 19)"]
    );
    assert_eq!(
        told(union(), json!({"price": {"kind": "free", "mouths": 3}})),
        ["/price/mouths: unknown field \"mouths\" (take it away: all fields that are allowed here are there)"]
    );
    assert_eq!(
        told(union(), json!({"price": {"kind": "rent", "mouths": 3}})),
        ["/price/mouths: the field \"months\" is missing (there is \"mouths\": should it be \"months\"?)"]
    );
}

#[test]
fn a_discriminator_that_is_wrong_or_missing_is_the_one_thing_that_is_told() {
    assert_eq!(
        told(union(), json!({"price": {"kind": "payed", "tax": 3}})),
        ["/price/kind: \"payed\" is not one of the values allowed here (did you mean \"paid\"?)"]
    );
    assert_eq!(
        told(union(), json!({"price": {"tax": 3}})),
        ["/price: the field \"kind\" is missing (add it, with \"free\", \"paid\", \"once\" or \"rent\")"]
    );
}

#[test]
fn a_discriminator_may_stand_deep_in_a_nested_union_or_a_condition() {
    let schema = json!({"oneOf": [
        {"properties": {"meta": {"properties": {"kind": {"const": "mesh"}}}, "faces": {"type": "integer"}}},
        {"oneOf": [
            {"properties": {"meta": {"properties": {"kind": {"const": "png"}}}, "width": {"minimum": 1}}},
            {"properties": {"meta": {"properties": {"kind": {"const": "exr"}}}, "width": {"minimum": 2}}}
        ]},
        {"if": {"properties": {"meta": {"properties": {"kind": {"const": "rig"}}}}}, "then": {"required": ["bones"]}, "else": false}
    ]});
    assert_eq!(
        told(schema.clone(), json!({"meta": {"kind": "exr"}, "width": 1})),
        ["/width: 1 is less than 2, the least allowed (write 2 or more)"]
    );
    assert_eq!(
        told(schema.clone(), json!({"meta": {"kind": "rig"}})),
        ["/meta: x"]
            .map(|_| ": the field \"bones\" is missing (because there is \"meta\") (add it, as in \"bones\": \"…\")")
    );
    assert_eq!(
        told(schema, json!({"meta": {"kind": "mesh"}, "faces": 1.5})),
        ["/faces: the number 1.5 stands where a whole number is wanted (write it without a fraction, such as 2)"]
    );
}

#[test]
fn a_union_of_kinds_says_all_of_them_and_a_value_of_one_kind_is_explained_by_it() {
    let schema = json!({"properties": {"size": {"anyOf": [
        {"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[a-z]+$"}, {"type": "null"}]}}});
    assert_eq!(
        told(schema.clone(), json!({"size": [1]})),
        [
            "/size: a list stands where a whole number, text or an empty value (null) is wanted (write one text instead of a list)"
        ]
    );
    assert_eq!(
        told(schema.clone(), json!({"size": "XL"})),
        ["/size: \"X\" may not stand in \"XL\" (write lower-case letters only)"]
    );
    assert_eq!(told(schema, json!({"size": 0})), ["/size: 0 is less than 1, the least allowed (write 1 or more)"]);
}

#[test]
fn alternatives_that_list_values_are_one_list() {
    let schema = json!({"properties": {"a": {"anyOf": [{"const": "low"}, {"enum": ["mid", "high"]}]}}});
    assert_eq!(
        told(schema, json!({"a": "hihg"})),
        ["/a: \"hihg\" is not one of the values allowed here (did you mean \"high\"?)"]
    );
}

#[test]
fn a_value_that_is_almost_listed_finds_its_like() {
    let schema = json!({"properties": {"a": {"enum": ["cc0-1.0", "cc-by-4.0", "1"]}}});
    let help = |value: Value| told(schema.clone(), json!({"a": value})).remove(0).split_once('(').unwrap().1.to_owned();
    assert_eq!(help(json!("CC0")), "did you mean \"cc0-1.0\"?)");
    assert_eq!(help(json!("cc")), "write \"cc0-1.0\", \"cc-by-4.0\" or \"1\")");
    assert_eq!(help(json!(1)), "write it in quotes: \"1\")");
}

#[test]
fn one_of_several_fields_is_wanted() {
    let schema = json!({"anyOf": [{"required": ["file"]}, {"required": ["url", "sha256"]}]});
    assert_eq!(
        told(schema.clone(), json!({})),
        [": one of the fields \"file\" or \"url\" and \"sha256\" is missing (add one of them, as in \"file\": \"…\")"]
    );
    assert_eq!(
        told(schema, json!({"fiel": 1})),
        [
            ": one of the fields \"file\" or \"url\" and \"sha256\" is missing (there is \"fiel\": should it be \"file\"?)"
        ]
    );
    let schema = json!({"oneOf": [{"required": ["file"]}, {"required": ["url"]}]});
    assert_eq!(
        told(schema, json!({"file": 1, "url": 2})),
        [": the fields \"file\" and \"url\" exclude each other (keep one of them)"]
    );
}

#[test]
fn without_a_discriminator_the_form_counts_and_then_the_number_of_objections() {
    let schema = json!({"oneOf": [
        {"properties": {"url": {"type": "string"}}, "required": ["url"], "additionalProperties": false},
        {"properties": {"file": {"type": "string"}}, "required": ["file"], "additionalProperties": false}]});
    assert_eq!(
        told(schema.clone(), json!({"url": 5})),
        ["/url: the number 5 stands where text is wanted (write it in quotes: \"5\")"]
    );
    assert_eq!(
        told(schema, json!({"urll": "x"})),
        ["/urll: unknown field \"urll\" (did you mean \"url\"?)"],
        "one objection against two"
    );
    let schema = json!({"oneOf": [{"title": "Square", "minimum": 3, "maximum": 4}, {"minimum": 9}]});
    assert_eq!(
        told(schema, json!(1)),
        [
            ": the number 1 fits none of the 2 forms allowed here (the closest one, \"Square\", says: 1 is less than 3, the least allowed)"
        ]
    );
}

#[test]
fn what_depends_on_another_field_says_on_which() {
    let schema = json!({"dependentRequired": {"card": ["billing"]}});
    assert_eq!(
        told(schema, json!({"card": 1})),
        [": the field \"billing\" is missing (because there is \"card\") (add it, as in \"billing\": \"…\")"]
    );
    let schema = json!({"dependentSchemas": {"rig": {"properties": {"bones": {"minimum": 1}}}}});
    assert_eq!(
        told(schema, json!({"rig": 1, "bones": 0})),
        ["/bones: 0 is less than 1, the least allowed (because there is \"rig\") (write 1 or more)"]
    );
    let schema = json!({"properties": {"p": {"if": {"properties": {"kind": {"const": "paid"}}, "required": ["kind"]},
        "then": {"required": ["amount"]}, "else": {"properties": {"amount": false}}}}});
    assert_eq!(
        told(schema.clone(), json!({"p": {"kind": "paid"}})),
        ["/p: the field \"amount\" is missing (because \"kind\" is \"paid\") (add it, as in \"amount\": \"…\")"]
    );
    assert_eq!(
        told(schema, json!({"p": {"amount": 3}})),
        ["/p/amount: the field \"amount\" is not allowed here (because there is no \"kind\") (take it away)"]
    );
}

#[test]
fn what_must_not_be_is_said_in_words() {
    let only = |schema: Value, record: Value| told(json!({"properties": {"a": schema}}), json!({"a": record}));
    assert_eq!(
        only(json!({"not": {"const": "TODO"}}), json!("TODO")),
        ["/a: the text \"TODO\" must not be \"TODO\" (write something else)"]
    );
    assert_eq!(
        only(json!({"not": {"required": ["x"]}}), json!({"x": 1})),
        ["/a/x: the field \"x\" is not allowed here (take it away)"]
    );
    assert_eq!(
        only(json!({"not": {"required": ["x", "y"]}}), json!({"x": 1, "y": 2})),
        ["/a: the fields \"x\" and \"y\" must not stand together (take one of them away)"]
    );
}

#[test]
fn a_list_says_what_it_lacks_and_what_it_has_twice() {
    let only = |schema: Value, record: Value| told(json!({"properties": {"a": schema}}), json!({"a": record}));
    let main = json!({"contains": {"properties": {"role": {"const": "main"}}, "required": ["role"]}});
    assert_eq!(
        only(main, json!([{}])),
        ["/a: no item of the list is a group with \"role\": \"main\" (add one that is)"]
    );
    assert_eq!(
        only(json!({"contains": {"type": "string"}, "minContains": 2}), json!(["x", 1])),
        ["/a: the list needs 2 items that are text (add one that is)"]
    );
    assert_eq!(
        only(json!({"contains": {"const": 1}, "maxContains": 1}), json!([1, 1])),
        ["/a: more than 1 item of the list is 1 (take away what is too many)"]
    );
    assert_eq!(
        only(json!({"uniqueItems": true}), json!(["x", {"a": 1, "b": 2}, {"b": 2, "a": 1.0}])),
        ["/a/2: the same stands twice in the list, as item 2 and item 3 (take one of the two away)"]
    );
    assert_eq!(
        only(json!({"minItems": 1}), json!([])),
        ["/a: the list is empty; at least 1 item is wanted (add 1 more)"]
    );
}

#[test]
fn a_misspelt_field_that_is_required_is_one_mistake() {
    let schema =
        json!({"properties": {"title": {}, "tilde": {}}, "required": ["title"], "additionalProperties": false});
    assert_eq!(told(schema, json!({"tilte": "x"})), ["/tilte: unknown field \"tilte\" (did you mean \"title\"?)"]);
    let schema = json!({"properties": {"title": {}, "meta": {"properties": {"x": {}}, "additionalProperties": false}},
        "required": ["title"]});
    assert_eq!(
        told(schema, json!({"meta": {"title": 1}})),
        ["/meta/title: unknown field \"title\" (move it out: it belongs beside \"meta\")"]
    );
    let schema = json!({"properties": {"licence": {}, "title": {}}, "additionalProperties": false});
    assert_eq!(
        told(schema, json!({"licence": "x", "license": "y"})),
        ["/license: unknown field \"license\" (\"licence\" is there already: take this one away)"]
    );
}

#[test]
fn fields_that_only_a_broken_part_knows_are_no_mistakes_of_their_own() {
    let schema = json!({"allOf": [{"properties": {"a": {"type": "string"}}}],
        "oneOf": [{"properties": {"kind": {"const": 1}, "x": {"type": "integer"}}}, {"properties": {"kind": {"const": 2}}}],
        "unevaluatedProperties": false});
    assert_eq!(
        told(schema.clone(), json!({"a": "t", "kind": 1, "x": "1"})),
        ["/x: the text \"1\" stands where a whole number is wanted (write it without quotes: 1)"]
    );
    assert_eq!(
        told(schema, json!({"a": "t", "kind": 1, "xx": 1})),
        ["/xx: unknown field \"xx\" (take it away, or use \"x\")"]
    );
    let schema = json!({"allOf": [{"properties": {"a": {}}}], "properties": {"b": {}}, "additionalProperties": false});
    let said = told(schema, json!({"a": 1}));
    assert!(said.len() == 1 && said[0].contains("unevaluatedProperties"), "{said:?}");
}

#[test]
fn names_have_rules_too() {
    let schema = json!({"propertyNames": {"pattern": "^[a-z_]+$"}});
    assert_eq!(
        told(schema, json!({"Big Size": 1})),
        [
            "/Big Size: the name \"Big Size\" is not allowed here: \"B\" may not stand in \"Big Size\" (write lower-case \
          letters and _ only, such as \"big_size\")"
        ]
    );
}

#[test]
fn a_value_of_the_wrong_kind_has_no_other_faults() {
    let schema = json!({"properties": {"a": {"type": "string", "enum": ["1.0", "1.10"], "pattern": "x"}}});
    assert_eq!(
        told(schema, json!({"a": 1.5})),
        ["/a: the number 1.5 stands where text is wanted (write it in quotes: \"1.5\")"]
    );
    let schema = json!({"properties": {"a": {"minLength": 1, "pattern": "^[a-z]+$", "format": "email"}}});
    assert_eq!(told(schema, json!({"a": ""})), ["/a: the text is empty (write something between the quotes)"]);
}

#[test]
fn how_to_write_it_is_said_for_every_kind() {
    let only = |kind: Value, record: Value| {
        told(json!({"properties": {"a": {"type": kind}}}), json!({"a": record}))
            .join("")
            .split_once(" wanted")
            .unwrap()
            .1
            .to_owned()
    };
    for (kind, record, help) in [
        (json!("number"), json!("4,5"), " (write it with a point and without quotes: 4.5)"),
        (
            json!("number"),
            json!("12 cm"),
            " (\"cm\" is no part of a number: write the number alone, without quotes: 12)",
        ),
        (json!("number"), json!("much"), ""),
        (
            json!("number"),
            json!("1,000"),
            " (a number has no thousands separators and no quotes: write 1000, or 1.000 if a decimal comma was meant)",
        ),
        (
            json!("integer"),
            json!("1,000"),
            " (a number has no thousands separators and no quotes: write 1000, or 1 if a decimal comma was meant)",
        ),
        (json!("integer"), json!("1,234"), " (a number has no thousands separators and no quotes: write 1234)"),
        (json!("integer"), json!("1e3"), " (write it without quotes, and with digits alone: 1000)"),
        (json!("integer"), json!("1,5"), " (write a whole number, without quotes)"),
        (json!("integer"), json!("1.5"), " (write a whole number, without quotes)"),
        (json!("integer"), json!("1_0"), " ('_' is no part of a number: write digits, and no quotes)"),
        (json!("number"), json!("1.000,50"), " (a number has no thousands separators and no quotes: write 1000.50)"),
        (
            json!("number"),
            json!("1.000"),
            " (write it without quotes: 1.000, or 1000 if the point stands between thousands)",
        ),
        (
            json!("integer"),
            json!("20 KB"),
            " (\"KB\" is no part of a number: write the number alone, without quotes: 20)",
        ),
        (json!("number"), json!("1,5 kg"), " (',' is no part of a number: write digits, and no quotes)"),
        (json!("number"), json!("many"), ""),
        (json!("boolean"), json!("yes"), " (write true, without quotes)"),
        (json!("boolean"), json!("false"), " (write it without quotes: false)"),
        (json!("boolean"), json!(0), " (write false)"),
        (json!("string"), json!(true), " (write it in quotes: \"true\")"),
        (json!("string"), json!(null), " (write a value there, or take the field away)"),
        (json!("string"), json!(["x"]), " (write it without the brackets: \"x\")"),
        (json!("array"), json!("a, b"), " (write a list: [\"a\", \"b\"])"),
        (json!("array"), json!({"x": 1}), " (put it into [ and ], as the first of a list)"),
        (json!(["integer", "null"]), json!("null"), " (write null without quotes)"),
    ] {
        assert_eq!(only(kind, record.clone()), help, "{record}");
    }
    let schema = json!({"properties": {"a": {"type": "object", "required": ["w"], "properties": {"w": {"type": "number", "minimum": 5}}}}});
    assert_eq!(
        told(schema, json!({"a": 3})),
        ["/a: the number 3 stands where a group of fields is wanted (write its fields, as in {\"w\":5})"]
    );
}

#[test]
fn a_document_with_four_mistakes_in_nested_alternatives_gets_four_lines() {
    let schema = json!({
        "type": "object",
        "required": ["title", "assets"],
        "properties": {
            "title": {"type": "string"},
            "assets": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/mesh"}, {"$ref": "#/$defs/image"}, {"$ref": "#/$defs/sound"}]}}
        },
        "additionalProperties": false,
        "$defs": {
            "mesh": {"type": "object", "required": ["kind", "faces"], "additionalProperties": false,
                "properties": {"kind": {"const": "mesh"}, "faces": {"type": "integer"}, "materials": {"type": "array", "items": {"anyOf": [
                    {"type": "object", "required": ["shader"], "properties": {"shader": {"const": "principled"}, "roughness": {"type": "number", "maximum": 1}}, "additionalProperties": false},
                    {"type": "object", "required": ["shader"], "properties": {"shader": {"const": "emission"}, "strength": {"type": "number"}}, "additionalProperties": false}]}}}},
            "image": {"type": "object", "required": ["kind", "width"], "additionalProperties": false,
                "properties": {"kind": {"const": "image"}, "width": {"type": "integer"}, "colour": {"enum": ["srgb", "linear"]}}},
            "sound": {"type": "object", "required": ["kind", "seconds"], "additionalProperties": false,
                "properties": {"kind": {"const": "sound"}, "seconds": {"type": "number"}}}
        }
    });
    let record = json!({"tilte": "Lamp", "assets": [
        {"kind": "mesh", "faces": 12, "materials": [{"shader": "principled", "roughness": 1.5}]},
        {"kind": "image", "width": "640", "colour": "sRBG"},
        {"kind": "sound", "seconds": 2}]});
    assert_eq!(
        told(schema, record),
        [
            "/assets/0/materials/0/roughness: 1.5 is more than 1, the most allowed (write 1 or less)",
            "/assets/1/colour: \"sRBG\" is not one of the values allowed here (did you mean \"srgb\"?)",
            "/assets/1/width: the text \"640\" stands where a whole number is wanted (write it without quotes: 640)",
            "/tilte: unknown field \"tilte\" (did you mean \"title\"?)",
        ]
    );
}

#[test]
fn a_schema_that_takes_too_many_steps_is_cut_short() {
    // Eighty alternatives at each of three levels: all of them explained would be half a million sentences.
    let level = |inner: Value| json!({"oneOf": (0..80).map(|n| json!({"minimum": n + 5, "allOf": [inner.clone()]})).collect::<Vec<_>>()});
    let schema = level(level(json!({"minimum": 3})));
    assert!(!told(schema, json!(1)).is_empty());
}

proptest::proptest! {
    #[test]
    fn an_invalid_record_is_always_told_why(a in value(), b in value()) {
        let schema = union_of_everything();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let record = json!({"a": a, "b": b});
        proptest::prop_assert_eq!(told(schema, record.clone()).is_empty(), validator.is_valid(&record));
    }
}

fn union_of_everything() -> Value {
    json!({"properties": {
        "a": {"anyOf": [{"type": "string", "minLength": 3}, {"enum": [1, 2]}, {"properties": {"k": {"const": 1}}, "required": ["k"], "type": "object"},
            {"type": "array", "uniqueItems": true, "items": {"type": "integer"}, "minItems": 2}]},
        "b": {"oneOf": [{"required": ["k"]}, {"required": ["l"]}, {"type": "boolean"}], "unevaluatedProperties": false}
    }})
}

fn value() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (0..4).prop_map(Value::from),
        "[a-c]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[kl]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn a_misspelt_field_of_an_open_schema_is_told_where_it_stands() {
    let schema = json!({"required": ["vendor"], "properties": {"vendor": {"type": "string"}, "vendors": {}}});
    let told = |record| told(schema.clone(), record);
    assert_eq!(
        told(json!({"a": 1, "vender": "x"})),
        ["/vender: the field \"vendor\" is missing (there is \"vender\": should it be \"vendor\"?)"]
    );
    assert_eq!(
        told(json!({"vendors": "x"})),
        [": the field \"vendor\" is missing (there is \"vendors\": should it be \"vendor\"?)"]
    );
}

#[test]
fn to_take_a_field_away_is_advised_only_where_nothing_requires_it() {
    let schema = json!({"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    let told = told(schema, json!({"a": null, "b": null}));
    assert!(told[0].ends_with("(write a value there)") && told[1].ends_with("or take the field away)"), "{told:?}");
}

#[test]
fn a_list_of_yaml_without_blanks_is_seen_as_one() {
    let schema = json!({"properties": {"tags": {"type": "array"}}});
    let record = json!({"tags": "-a -b"});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let written = |_: &str| Some("-a".to_owned());
    let reading = Reading {
        schema: &schema,
        record: &record,
        spelling: Spelling::Yaml,
        written: &written,
        budget: Cell::new(BUDGET),
    };
    let told = explain(validator.iter_errors(&record), &reading, 9).remove(0);
    assert_eq!(told.help.as_deref(), Some("write a space behind the - of each item: \"- a\" and not \"-a\""));
}
