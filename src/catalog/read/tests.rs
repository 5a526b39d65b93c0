use proptest::prelude::*;
use serde_json::json;

use super::*;

fn document(name: &str, text: &str) -> (Option<Document>, Vec<Finding>) {
    let path = RepoPath::new(name);
    let notation = Notation::of(&path).unwrap();
    read(&path, notation, text.as_bytes().to_vec())
}

/// The only finding: its code and where it is.
fn finding(name: &str, text: &str) -> (&'static str, u32, u32) {
    let (document, findings) = document(name, text);
    assert!(document.is_none(), "{text:?} was accepted");
    assert_eq!(findings.len(), 1, "{findings:?}");
    (findings[0].code.id, findings[0].span.line, findings[0].span.column)
}

/// The text that stands at the value's and at the key's place.
fn cut(name: &str, text: &str, pointer: &str) -> (String, String) {
    let document = document(name, text).0.expect("it is valid");
    let places = document.places();
    let at = |span: Span| {
        let line = text.lines().nth(span.line as usize - 1).unwrap();
        let line: Vec<char> = line.chars().collect();
        let end = if span.end_line == span.line { span.end_column as usize - 1 } else { line.len() };
        line[span.column as usize - 1..end].iter().collect::<String>()
    };
    (places.key(pointer).map(at).unwrap_or_default(), at(places.value(pointer).expect("it is there").span))
}

#[test]
fn every_format_knows_the_line_and_column_of_every_key_and_value() {
    let json = "{\n  \"a\": [1, {\"b\\u0063\": \"x\"}],\n  \"e/f\": true\n}";
    assert_eq!(cut("r.json", json, "/a/1/bc"), ("\"b\\u0063\"".into(), "\"x\"".into()));
    assert_eq!(cut("r.json", json, "/e~1f"), ("\"e/f\"".into(), "true".into()));
    let yaml = "a:\n  - 1\n  - bé: 'x'\n    c: y\nd: {e: [f, g]}\n";
    assert_eq!(cut("r.yaml", yaml, "/a/1/bé"), ("bé".into(), "'x'".into()));
    assert_eq!(cut("r.yaml", yaml, "/a/1/c"), ("c".into(), "y".into()));
    assert_eq!(cut("r.yml", yaml, "/d/e/1"), (String::new(), "g".into()));
    assert_eq!(cut("r.yml", yaml, "/d"), ("d".into(), "{e: [f, g]}".into()));
    let toml = "title = \"é\"\n[a.b]\nc = [1, \"x\"]\n";
    assert_eq!(cut("r.toml", toml, "/title"), ("title".into(), "\"é\"".into()));
    assert_eq!(cut("r.toml", toml, "/a/b/c/1"), (String::new(), "\"x\"".into()));
    assert_eq!(cut("r.md", "---\nt: x\n---\n# Text\n", "/t"), ("t".into(), "x".into()));
    assert_eq!(cut("r.md", "+++\nt = 'x'\n+++\ntext", "/t"), ("t".into(), "'x'".into()));
}

#[test]
fn the_same_record_in_four_notations_is_the_same_value() {
    let texts = [
        ("r.json", "{\"v\": \"1.10\", \"n\": 3, \"l\": [true, null], \"d\": \"2026-01-02\"}"),
        ("r.yaml", "v: '1.10'\nn: 3\nl: [true, ~]\nd: 2026-01-02\n"),
        ("r.md", "---\nv: \"1.10\"\nn: 3\nl:\n- true\n-\nd: 2026-01-02\n---\n\nText"),
    ];
    for (name, text) in texts {
        let value = document(name, text).0.unwrap().value;
        assert_eq!(value, json!({"v": "1.10", "n": 3, "l": [true, null], "d": "2026-01-02"}), "{name}");
    }
    let toml = document("r.toml", "v = '1.10'\nn = 3\nl = [true]\nd = 2026-01-02").0.unwrap().value;
    assert_eq!(toml, json!({"v": "1.10", "n": 3, "l": [true], "d": "2026-01-02"}));
}

#[test]
fn a_syntax_error_says_where_it_is() {
    assert_eq!(finding("r.json", "{\n  \"a\": 1,\n}"), ("syntax", 2, 9));
    assert_eq!(finding("r.json", "{\"a\": 1} x"), ("syntax", 1, 10));
    assert_eq!(finding("r.json", "{\"é\": tru}").0, "syntax");
    assert_eq!(finding("r.json", ""), ("syntax", 1, 1));
    assert_eq!(finding("r.json", "{\"a\": NaN}"), ("syntax", 1, 7));
    assert_eq!(finding("r.json", "{\"a\": 1e999}").0, "syntax");
    assert_eq!(finding("r.json", "{\"a\": \"\\ud800\"}").0, "syntax");
    assert_eq!(finding("r.yaml", "a: [1, 2\nb: 3\n").0, "syntax");
    assert_eq!(finding("r.toml", "a = 1\nb = \n"), ("syntax", 2, 5));
    assert_eq!(finding("r.md", "# no matter\n").0, "no-front-matter");
    assert_eq!(finding("r.md", "---\nnever closed\n").0, "no-front-matter");
}

#[test]
fn a_duplicate_key_is_named_with_its_second_place() {
    assert_eq!(finding("r.json", "{\"a\": 1,\n \"b\": {\"x\": 1, \"x\": 2}}"), ("duplicate-key", 2, 16));
    assert_eq!(finding("r.yaml", "a: 1\nb: 2\na: 3\n"), ("duplicate-key", 3, 1));
    assert_eq!(finding("r.yaml", "1: a\n\"1\": b\n"), ("duplicate-key", 2, 1));
    assert_eq!(finding("r.md", "---\na: 1\na: 2\n---\n"), ("duplicate-key", 3, 1));
    assert_eq!(finding("r.toml", "a = 1\na = 2\n").0, "duplicate-key");
    let (_, findings) = document("r.json", "{\"a\":1,\"a\":2,\"b\":[{\"c\":1,\"c\":2}]}");
    assert_eq!(findings.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(), ["/a", "/b/0/c"]);
}

#[test]
fn a_file_with_a_duplicate_key_and_a_syntax_error_reports_the_syntax() {
    assert_eq!(finding("r.json", "{\"a\": 1, \"a\": 2,").0, "syntax");
}

#[test]
fn depth_has_one_limit_in_every_format() {
    for (name, open, close, deepest) in
        [("r.json", "[", "]", "1"), ("r.yaml", "[", "]", "1"), ("r.toml", "[", "]", "1")]
    {
        let text = |depth: usize| {
            let inner = format!("{}{deepest}{}", open.repeat(depth - 1), close.repeat(depth - 1));
            match name {
                "r.toml" => format!("a = {inner}"),
                "r.yaml" => format!("a: {inner}"),
                _ => format!("{{\"a\": {inner}}}"),
            }
        };
        assert!(document(name, &text(MAX_DEPTH)).0.is_some(), "{name}");
        for depth in [MAX_DEPTH + 1, 100_000] {
            let (read, findings) = document(name, &text(depth));
            assert_eq!(read.map(|d| d.notation), None, "{name} at {depth}");
            assert_eq!(findings.iter().map(|f| f.code.id).collect::<Vec<_>>(), ["too-deep"], "{name} at {depth}");
        }
    }
}

#[test]
fn yaml_that_json_cannot_say_is_refused_on_its_line() {
    let cases = [
        "a: .nan\n",
        "a: -.inf\n",
        "a: !custom x\n",
        "? [a]\n: b\n",
        "a: &x {b: 1}\nc:\n  <<: *x\n",
        "a: 1\n---\nb: 2\n",
    ];
    for text in cases {
        assert_eq!(finding("r.yaml", text).0, "no-json-value", "{text}");
    }
    assert_eq!(finding("r.toml", "a = nan\n"), ("no-json-value", 1, 5));
}

#[test]
fn aliases_are_copies_and_a_bomb_of_them_is_refused() {
    let value = document("r.yaml", "a: &x {b: 1}\nc: *x\n").0.unwrap().value;
    assert_eq!(value, json!({"a": {"b": 1}, "c": {"b": 1}}));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..20 {
        let refs = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    assert_eq!(finding("r.yaml", &bomb).0, "too-many-values");
    assert_eq!(finding("r.yaml", "a: &a [*a]\n").0, "no-json-value");
}

#[test]
fn memory_has_a_budget_that_long_texts_copies_and_json_cannot_get_past() {
    let long = "x".repeat(100_000);
    let many = vec!["*a"; 40_000].join(",");
    assert_eq!(finding("r.yaml", &format!("t: &a \"{long}\"\nl: [{many}]\n")).0, "too-many-values");
    let items = vec!["1"; 100_000].join(",");
    let nested = (0..20).fold(format!("[{items}]"), |inner, level| format!("&n{level} [{inner}]"));
    assert_eq!(finding("r.yaml", &format!("t: {nested}\n")).0, "too-many-values");
    let numbers = vec!["1"; MAX_VALUES + 1].join(",");
    assert_eq!(finding("r.json", &format!("{{\"a\":[{numbers}]}}")).0, "too-many-values");
    assert_eq!(finding("r.toml", &format!("a = [{numbers}]")).0, "too-many-values");
}

#[test]
fn an_integer_that_json_would_change_is_a_warning_at_its_place() {
    let (document, findings) = document("r.json", "{\"a\": [1,\n 9007199254740993, -9007199254740992]}");
    assert!(document.is_some());
    let said: Vec<_> = findings.iter().map(|f| (f.code.id, f.span.line, f.span.column, f.is_error())).collect();
    assert_eq!(said, [("imprecise-number", 2, 2, false)]);
}

#[test]
fn an_integer_beyond_64_bits_is_a_warning_and_a_large_float_is_none() {
    for number in ["123456789012345678901234567890", "18446744073709551616", "-9223372036854775809"] {
        for (name, text) in [
            ("r.json", format!("{{\"a\": [1, {number}]}}")),
            ("r.yaml", format!("a: [1, {number}]\n")),
            ("r.md", format!("---\na: [1, {number}]\n---\n")),
        ] {
            let (document, findings) = document(name, &text);
            assert!(document.is_some());
            let [finding] = &findings[..] else { panic!("{text}: {findings:?}") };
            assert_eq!((finding.code, finding.pointer.as_str()), (&IMPRECISE, "/a/1"), "{text}");
            assert_eq!(finding.help.as_deref(), Some(&*format!("write it in quotes: \"{number}\"")));
        }
    }
    for (name, text) in
        [("r.json", "{\"a\": [1e300, -1.5e19]}"), ("r.yaml", "a: [1e300, -1.5e19]\n"), ("r.toml", "a = 1e300")]
    {
        assert_eq!(document(name, text).1, [], "{text}");
    }
}

#[test]
fn a_fence_may_have_blanks_behind_it_and_a_file_of_comments_is_not_called_empty() {
    assert_eq!(document("r.md", "--- \na: 1\n---\n").0.unwrap().value, json!({"a": 1}));
    assert_eq!(document("r.md", "+++\t\na = 1\n+++ \n").0.unwrap().value, json!({"a": 1}));
    let message = |text: &str| document("r.yaml", text).1.remove(0).message;
    assert_eq!(message("# a: 1\n"), "the file holds only comments");
    assert_eq!(message("\n"), "the file is empty");
}

#[test]
fn the_mark_of_code_that_was_pasted_too_is_named() {
    for name in ["r.json", "r.yaml", "r.toml"] {
        let (_, findings) = document(name, "```json\n{\"a\": 1}\n```\n");
        assert_eq!(findings[0].help.as_deref(), Some("take away the lines that begin with ```"), "{name}");
    }
}

#[test]
fn a_mistake_in_front_matter_leaves_its_valid_lines_alone() {
    let text = "---\nsrc: |\n  see: here: there\ntags: [a, b\n---\n# Text: more: text\n";
    let (_, findings) = document("r.md", text);
    assert!(findings[0].message.starts_with("not valid YAML"), "{findings:?}");
}

#[test]
fn findings_of_one_file_are_capped() {
    let twice: String = (0..2_000).map(|n| format!("\"k{}\": 0,", n / 2)).collect();
    let (_, findings) = document("r.json", &format!("{{{twice} \"z\": 0}}"));
    assert_eq!(findings.len(), 100);
}

#[test]
fn a_byte_order_mark_is_a_warning_and_bad_bytes_are_a_place() {
    let (document, findings) = document("r.json", "\u{feff}{\"a\": 1}");
    assert!(document.is_some() && findings[0].code == &BYTE_ORDER_MARK && !findings[0].is_error());
    let path = RepoPath::new("r.json");
    let (document, findings) = read(&path, Notation::Json, b"{\n \"a\": \"\xff\"}".to_vec());
    assert!(document.is_none());
    assert_eq!((findings[0].code.id, findings[0].span.line, findings[0].span.column), ("not-utf8", 2, 8));
}

#[test]
fn a_record_is_an_object() {
    assert_eq!(finding("r.json", "[1]").0, "not-an-object");
    assert_eq!(finding("r.yaml", "just text\n").0, "not-an-object");
    assert_eq!(finding("r.yaml", "").0, "not-an-object");
}

#[test]
fn the_marks_of_a_merge_are_named_as_such_in_every_notation() {
    let marks = |ours: &str, theirs: &str| format!("<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> branch\n");
    let json = format!("{{\n{}}}\n", marks("\"a\": 1", "\"a\": 2"));
    assert_eq!(finding("r.json", &json), ("conflict-markers", 2, 1));
    assert_eq!(finding("r.yaml", &format!("x: 1\n{}", marks("a: 1", "a: 2"))), ("conflict-markers", 2, 1));
    assert_eq!(finding("r.toml", &format!("x = 1\n{}", marks("a = 1", "a = 2"))), ("conflict-markers", 2, 1));
    assert_eq!(finding("r.md", &format!("---\nx: 1\n{}---\n", marks("a: 1", "a: 2"))), ("conflict-markers", 3, 1));
}

#[test]
fn another_encoding_is_named() {
    let path = RepoPath::new("r.json");
    let utf16: Vec<u8> = "\u{feff}{\"a\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let said = |bytes: Vec<u8>| read(&path, Notation::Json, bytes).1.remove(0);
    assert_eq!(said(utf16.clone()).message, "the file is saved as UTF-16");
    assert_eq!(said(utf16[2..].to_vec()).code, &NOT_UTF8);
    assert!(said(b"{\"a\": \"caf\xe9\"}".to_vec()).message.ends_with("in an older encoding it is 'é'"));
}

#[test]
fn front_matter_without_an_end_and_a_file_without_fields_say_what_to_write() {
    let help = |name: &str, text: &str| document(name, text).1.remove(0).help.unwrap_or_default();
    assert_eq!(help("r.md", "---\na: 1\n"), "write a line `---` below the last field");
    assert_eq!(help("r.md", "\n---\na: 1\n---\n"), "let the file begin with the line `---`");
    assert!(help("r.yaml", "title:Lamp\n").contains("a space behind the colon"));
    for path in ["title = \"C:\\Users\"\n", "title = \"D:\\new\\oak\"\n"] {
        assert!(help("r.toml", path).contains("single quotes"), "{path}");
    }
    assert!(help("r.toml", "title: 'x'\n").contains('='), "{}", help("r.toml", "title: 'x'\n"));
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,200}", notation in 0..4_usize) {
        let name = ["r.json", "r.yaml", "r.toml", "r.md"][notation];
        if let (Some(document), _) = document(name, &text) {
            document.places();
        }
    }

    #[test]
    fn every_value_of_a_json_record_has_a_place(value in json_value()) {
        let text = serde_json::to_string_pretty(&json!({ "root": value })).unwrap();
        let document = document("r.json", &text).0.unwrap();
        let places = document.places();
        for (pointer, value) in leaves(&document.value) {
            let span = places.value(&pointer).unwrap().span;
            let line: Vec<char> = text.lines().nth(span.line as usize - 1).unwrap().chars().collect();
            let cut: String = line[span.column as usize - 1..span.end_column as usize - 1].iter().collect();
            prop_assert_eq!(serde_json::from_str::<Value>(&cut).unwrap(), value);
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\,:{}\\[\\] é\u{1f600}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"/~ ]{0,5}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut rest = vec![(String::new(), value)];
    while let Some((pointer, value)) = rest.pop() {
        match value {
            Value::Object(members) => {
                rest.extend(members.iter().map(|(key, value)| (child_pointer(&pointer, key), value)));
            }
            Value::Array(items) => {
                rest.extend(items.iter().enumerate().map(|(index, value)| (format!("{pointer}/{index}"), value)));
            }
            leaf => found.push((pointer, leaf.clone())),
        }
    }
    found
}

/// The cases of a suite that must be accepted and whose one value is known: name, text, value.
fn accepted(notation: &str) -> Vec<(String, String, Value)> {
    let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/suites/{notation}.json"));
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(place).unwrap()).unwrap();
    let text = |case: &Value, key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let value = |case: &Value| match case["values"].as_array().map(Vec::as_slice) {
        Some([value]) => Some(value.clone()),
        Some(_) => None,
        None => case.get("value").cloned(),
    };
    let known = cases.iter().filter(|case| case["verdict"] == "accept");
    known.filter_map(|case| Some((text(case, "name"), text(case, "text"), value(case)?))).collect()
}

/// Equal as JSON Schema sees it: 1 is 1.0.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_equal(a, b)))
        }
        _ => a == b,
    }
}

/// Of the YAML suite: tags of one's own, the kinds of YAML 1.1, and aliases in the place of keys.
const BEYOND_JSON: [&str; 15] = [
    "2XXW-0", "565N-0", "6CK3-0", "7FWL-0", "C4HZ-0", "CC74-0", "CUP7-0", "J7PZ-0", "M5C3-0", "P76L-0", "UGM3-0",
    "Z67P-0", "Z9M4-0", "26DV-0", "E76Z-0",
];

#[test]
fn every_value_of_the_parsers_suites_is_the_right_one() {
    let mut wrong = Vec::new();
    for (name, text, value) in accepted("json") {
        match json::read(&text, MAX_VALUES) {
            Ok((read, _)) if is_equal(&read, &value) => {}
            Err(problems) if problems[0].code == &DUPLICATE_KEY && name.contains("duplicated") => {}
            other => wrong.push(format!("{name}: {other:?} instead of {value}")),
        }
    }
    for (name, text, value) in accepted("yaml") {
        match yaml::value(&text, MAX_VALUES) {
            Ok(read) if is_equal(&read, &value) => {}
            Err(problems) if problems[0].code == &NO_JSON_VALUE && BEYOND_JSON.contains(&&*name) => {}
            other => wrong.push(format!("{name}: {text:?} is {other:?} instead of {value}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
