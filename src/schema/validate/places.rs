//! What stands under the mark of a finding, in every notation.

use super::super::registry::tests::MemoryFiles;
use super::super::settings::FormatPolicy;
use super::*;
use crate::catalog::place::Lines;
use crate::catalog::read::{Notation, read};
use crate::ids::CollectionName;

const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["title"],
  "additionalProperties": false,
  "properties": {
    "title": {"type": "string"},
    "names": {"type": "array", "items": {"type": "string", "pattern": "^[a-zé日本 ]+$"}},
    "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    "shared": {"$ref": "#/$defs/size"},
    "again": {"$ref": "#/$defs/size"},
    "parts": {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"},
      "size": {"$ref": "#/$defs/size"}}, "additionalProperties": false}},
    "author": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
  },
  "$defs": {"size": {"type": "object", "properties": {"w": {"type": "integer"}}, "additionalProperties": false}}
}"##;

/// Each finding's code, its line and what it marks.
fn marked(name: &str, text: &str) -> Vec<(&'static str, u32, String)> {
    let registry = MemoryFiles::registry(&[("schemas/product.json", SCHEMA)], FormatPolicy::Assert);
    let settings = serde_yaml::from_str("metadata: '*'\nschema: product").unwrap();
    let collection = Collection::new(CollectionName::new("products"), &settings).unwrap();
    let path = RepoPath::new(name);
    let (document, findings) = read(&path, Notation::of(&path).unwrap(), text.as_bytes().to_vec());
    let document = document.unwrap_or_else(|| panic!("{findings:?}"));
    let (_, mut findings) = validate(&Record { path, document }, &collection, &registry);
    crate::finding::sort(&mut findings);
    let lines = Lines::new(text);
    let row = |finding: &Finding| {
        let (line, bytes) = lines.line_with(finding.span).unwrap();
        (finding.code.id, finding.span.line, line[bytes].to_owned())
    };
    findings.iter().map(row).collect()
}

fn assert_marked(name: &str, text: &str, expected: &[(&'static str, u32, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(code, line, text)| (*code, *line, (*text).to_owned())).collect();
    assert_eq!(marked(name, text), expected, "{name}:\n{text}");
}

#[test]
fn a_value_of_the_wrong_kind_is_marked_itself() {
    assert_marked("a.json", "{\"title\": 5.0}", &[("type", 1, "5.0")]);
    assert_marked("a.yaml", "title: 5.0 # five\n", &[("type", 1, "5.0")]);
    assert_marked("a.toml", "title = 5.0 # five\n", &[("type", 1, "5.0")]);
    assert_marked("a.md", "---\ntitle: 5.0\n---\ntitle: x\n", &[("type", 2, "5.0")]);
    assert_marked("a.md", "+++\ntitle = 5.0\n+++\n", &[("type", 2, "5.0")]);
}

#[test]
fn an_unknown_field_is_marked_at_its_key() {
    let found = [("unknown-property", 2, "tilte")];
    assert_marked("a.json", "{\"title\": \"x\",\n \"tilte\": \"y\"}", &[("unknown-property", 2, "\"tilte\"")]);
    assert_marked("a.yaml", "title: x\ntilte: y\n", &found);
    assert_marked("a.toml", "title = 'x'\ntilte = 'y'\n", &found);
    assert_marked("a.md", "---\ntilte: y\n---\n", &found);
}

#[test]
fn a_missing_field_is_marked_at_the_key_or_the_opening_of_what_lacks_it() {
    assert_marked("a.json", "\n {\"names\": []}", &[("required", 2, "{")]);
    assert_marked("a.json", "{\"title\": \"x\",\n\"author\": {\"age\": 3}}", &[("required", 2, "\"author\"")]);
    assert_marked("a.json", "{\"title\": \"x\", \"parts\": [\n{\"id\": \"a\"},\n {\n}]}", &[("required", 3, "{")]);
    assert_marked("a.yaml", "# a\nnames: []\n", &[("required", 2, "n")]);
    assert_marked("a.yaml", "title: x\nauthor:\n  age: 3\n", &[("required", 2, "author")]);
    assert_marked("a.yaml", "title: x\nparts:\n- id: a\n- size: {w: 1}\n", &[("required", 4, "s")]);
    assert_marked("a.toml", "title = 'x'\n[author]\nage = 3\n", &[("required", 2, "author")]);
    assert_marked("a.toml", "title = 'x'\n[[parts]]\nid = 'a'\n[[parts]]\nsize = {w = 1}\n", &[("required", 4, "[")]);
    assert_marked("a.md", "---\ntitle: x\nauthor: {age: 3}\n---\n", &[("required", 3, "author")]);
}

#[test]
fn lists_in_lists_are_followed_to_the_item() {
    let found = |line| [("type", line, "'x'"), ("type", line, "2.5")];
    assert_marked(
        "a.json",
        "{\"title\": \"x\", \"grid\": [[1, 2], [], [\"x\", [3]],\n[2.5]]}",
        &[("type", 1, "\"x\""), ("type", 1, "[3]"), ("type", 2, "2.5")],
    );
    assert_marked(
        "a.yaml",
        "title: x\ngrid:\n- - 1\n  - 2\n- []\n- - 'x'\n  - 2.5\n",
        &[("type", 6, "'x'"), ("type", 7, "2.5")],
    );
    assert_marked("a.yaml", "title: x\ngrid: [[1, 2], [], ['x', 2.5]]\n", &found(2));
    assert_marked("a.toml", "title = 'x'\ngrid = [[1, 2], [], ['x', 2.5]]\n", &found(2));
    assert_marked("a.md", "---\ntitle: x\ngrid: [[1, 2], [], ['x', 2.5]]\n---\n", &found(3));
}

#[test]
fn columns_are_characters_with_tabs_wide_and_combined_ones() {
    assert_marked(
        "a.json",
        "{\"title\":\t\"x\",\t\"names\": [\"日本\", \"e\u{301}é\", \"🦀\"]}",
        &[("pattern", 1, "\"e\u{301}é\""), ("pattern", 1, "\"🦀\"")],
    );
    assert_marked(
        "a.yaml",
        "title: 日本\nnames: [日本, é, 🦀, \"🦀 b\"]\n",
        &[("pattern", 2, "🦀"), ("pattern", 2, "\"🦀 b\"")],
    );
    assert_marked("a.toml", "title = '日本'\nnames = [\t'日本', '🦀']\n", &[("pattern", 2, "'🦀'")]);
    assert_marked("a.md", "---\ntitle: é\nnames: [日本, '🦀']\n---\n", &[("pattern", 3, "'🦀'")]);
}

#[test]
fn lines_may_end_as_they_do_on_windows() {
    assert_marked(
        "a.json",
        "{\r\n\"title\": 5,\r\n\"tilte\": 6\r\n}\r\n",
        &[("type", 2, "5"), ("unknown-property", 3, "\"tilte\"")],
    );
    assert_marked("a.yaml", "title: 5\r\nparts:\r\n- id: 6\r\n", &[("type", 1, "5"), ("type", 3, "6")]);
    assert_marked("a.toml", "title = 5\r\ntilte = 6\r\n", &[("type", 1, "5"), ("unknown-property", 2, "tilte")]);
    assert_marked("a.md", "---\r\ntitle: 5\r\n---\r\n", &[("type", 2, "5")]);
}

#[test]
fn what_an_alias_repeats_is_marked_where_it_is_written() {
    let text = "title: x\nshared: &s\n  w: wide\nagain: *s\n";
    assert_marked("a.yaml", text, &[("type", 3, "wide"), ("type", 3, "wide")]);
    assert_marked("a.yaml", "title: &t 5\nauthor: {name: *t}\n", &[("type", 1, "5"), ("type", 2, "*t")]);
}

#[test]
fn a_text_over_several_lines_is_marked_where_it_begins() {
    assert_marked("a.yaml", "title: x\nnames:\n- |\n  ONE\n  two\n", &[("pattern", 4, "ONE")]);
    assert_marked("a.toml", "title = 'x'\nnames = ['''\nONE''']\n", &[("pattern", 2, "'''")]);
}
