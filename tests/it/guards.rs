//! What must not happen by mistake: a library that empties its targets, a text that only seems to have gone, and schemas
//! or records that take all the memory there is.

use std::fs;

use serde_json::{Value, json};

use crate::program::{Library, named};

fn synced() -> Library {
    let library = Library::example();
    library.run(&["sync"]).ends(0);
    library
}

fn target<'v>(plan: &'v Value, name: &str) -> &'v Value {
    named(&plan["targets"], "name", name)
}

#[test]
fn a_wrong_glob_does_not_empty_the_targets() {
    let library = synced();
    let before = library.digests(&[".git/stockroom", ".stockroom"]);
    library.edit("stockroom.yml", "metadata: \"*/*.json\"", "metadata: \"*/*.jsn\"");
    let plan = library.run(&["plan", "--format", "json"]).ends(0).json();
    assert!(plan["refusal"].as_str().unwrap().contains("13 of the 15 assets that manifest has would vanish"), "{plan}");
    let run = library.run(&["sync"]).ends(2);
    assert!(run.err.contains("nothing was done: 13 of the 15 assets"), "{}", run.err);
    assert!(run.both().contains("stockroom.yml:6:"), "the empty collection is named on its line: {}", run.both());
    assert_eq!(library.digests(&[".git/stockroom", ".stockroom"]), before);
    library.run(&["sync", "--allow-mass-delete"]).ends(0);
    let plan = library.run(&["plan", "--format", "json"]).ends(0).json();
    assert_eq!((&plan["refusal"], &target(&plan, "manifest")["assets"]), (&Value::Null, &json!(2)));
}

#[test]
fn the_text_of_a_markdown_record_is_part_of_its_asset() {
    let library = synced();
    let guide =
        library.every_file().into_iter().map(|(path, _)| path).find(|path| path.to_string_lossy().contains("guides/"));
    let guide = guide.unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let path = format!("guides/{guide}");
    library.write(&path, format!("{}\nA paragraph about zeppelins.\n", library.read(&path)));
    let plan = library.run(&["plan", "--format", "json"]).ends(0).json();
    assert_eq!(target(&plan, "manifest")["changed"], 1);
    library.edit("stockroom.yml", "\"*_desc.md\"]", "\"*_desc.md\", \"{stem}.md\"]");
    library.run(&["sync"]).ends(0);
    let hits = library.run(&["search", "zeppelins", "-k", "1", "--format", "json"]).ends(0).json();
    assert_eq!(hits["hits"][0]["path"], path);
}

#[test]
fn a_text_that_cannot_be_read_is_not_deleted_from_the_index() {
    let library = synced();
    let description = "Hex Bolt Gen v2/Hex Bolt Gen v2_desc.md";
    library.write(description, "word ".repeat(1_000_000));
    let run = library.run(&["sync"]).ends(2);
    assert!(run.err.contains(description) && run.err.contains("cannot be read for the index"), "{}", run.err);
}

#[test]
fn a_pull_request_that_adds_a_downstream_plans_its_first_delivery() {
    let library = Library::example();
    let base = library.git(&["rev-parse", "HEAD"]);
    library.edit("stockroom.yml", "downstreams:\n", "downstreams:\n  addon: { repo: example-org/addon }\n");
    let head = library.commit();
    let event = library.beside("event.json");
    let payload = json!({"pull_request": {"base": {"sha": base}, "head": {"sha": head}}});
    fs::write(&event, payload.to_string()).unwrap();
    let run = library.program(&["run"]).env("GITHUB_EVENT_NAME", "pull_request").env("GITHUB_EVENT_PATH", &event);
    let run = run.run().ends(0);
    assert!(run.out.contains("deliver  downstream/addon: example-org/addon, 15 added"), "{}", run.out);
    assert!(run.out.contains("in step  downstream/website"), "{}", run.out);
    assert!(run.out.contains("everything counts as touched, because stockroom.yml was changed"), "{}", run.out);
}

#[test]
fn a_schema_that_grows_beyond_measure_is_refused_and_a_huge_failure_is_not_explained() {
    let steps: String = (0..30)
        .map(|n| {
            format!("\"d{n}\": {{\"allOf\": [{{\"$ref\": \"#/$defs/d{0}\"}}, {{\"$ref\": \"#/$defs/d{0}\"}}]}},", n + 1)
        })
        .collect();
    let bomb = format!("{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{steps} \"d30\": {{\"type\": \"string\"}}}}}}");
    let shapes: Vec<Value> =
        (0..2_000).map(|n| json!({"properties": {"k": {"const": n}}, "required": ["k"]})).collect();
    let wide = json!({"properties": {"l": {"items": {"oneOf": shapes}}}});
    let items = vec![json!({"k": "none"}); 20_000];
    let library = Library::of(&[
        (
            "stockroom.yml",
            "version: 1\ncollections:\n  a: {metadata: 'a.json', schema: bomb}\n  b: {metadata: 'b.json', schema: wide}\n",
        ),
        ("schemas/bomb.schema.json", &bomb),
        ("schemas/wide.schema.json", &wide.to_string()),
        ("a.json", "{\"x\": 1}"),
        ("b.json", &json!({"l": items}).to_string()),
    ]);
    let check = library.run(&["check", "--format", "json"]).ends(1).json();
    let codes: Vec<_> = check["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["too-large-to-explain", "schema-too-large"]);
    assert_eq!(check["summary"]["valid"], 0);
}

#[test]
fn a_program_that_waits_for_a_document_gets_the_findings_instead() {
    let library = Library::example();
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "\"active\"", "\"actve\"");
    for words in [["plan", "--format", "json"], ["sync", "--format", "json"]] {
        let document = library.run(&words).ends(1).document(&stockroom::report::json::check::schema());
        assert_eq!(document["findings"][0]["code"], "enum", "{words:?}");
    }
    assert_eq!(library.run(&["plan", "--format", "markdown"]).ends(1).out, "");
}
