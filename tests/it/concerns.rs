//! Which changes concern a downstream, and which versions of schemas it can read.

use serde_json::{Value, json};

use crate::program::{Library, named};

const SCHEMA: &str = r#"{"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}"#;

fn library(downstreams: &str) -> Library {
    let config = format!(
        "version: 1
collections:
  products: {{metadata: 'products/*.json', id: '{{stem}}', schema: product, version_field: schema_version,
    volatile: [/seen], files: {{optional: ['{{stem}}.glb', '{{stem}}.png']}}}}
  notes: {{metadata: 'notes/*.json', id: '{{stem}}'}}
downstreams:
{downstreams}"
    );
    let library = Library::of(&[
        ("stockroom.yml", &config),
        ("schemas/product/v1.0.0.json", SCHEMA),
        ("schemas/product/v2.0.0.json", SCHEMA),
        ("notes/a.json", "{}"),
    ]);
    for n in 0..12 {
        write(&library, n, "1.0.0", "Knob");
    }
    library.commit();
    library
}

fn write(library: &Library, n: usize, version: &str, title: &str) {
    let record = json!({"title": title, "price": 1, "seen": 1, "schema_version": version});
    let text = serde_json::to_string_pretty(&record).unwrap();
    library.write(&format!("products/knob {n:02} $.json"), text);
    library.write(&format!("products/knob {n:02} $.glb"), "model");
}

fn told(library: &Library, name: &str) -> usize {
    let folder = library.repository().join(".git/stockroom/outbox").join(name);
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn each_downstream_hears_of_what_it_reads_and_of_nothing_else() {
    let library = library(
        "  all: {repo: o/a}
  titles: {repo: o/t, when: {pointers: [/title, /seen]}}
  models: {repo: o/m, when: {paths: ['products/*.glb']}}
  notes: {repo: o/n, when: {collections: [notes], pointers: [/title]}}
",
    );
    let sync = || {
        library.commit();
        library.run(&["sync", "--only", "manifest,dispatch"]).ends(0);
        ["all", "titles", "models", "notes"].map(|name| told(&library, name))
    };
    assert_eq!(sync(), [1, 1, 1, 1]);
    let record = "products/knob 03 $.json";
    library.edit(record, "\"seen\": 1", "\"seen\": 2");
    assert_eq!(sync(), [1, 1, 1, 1], "a volatile value concerns nobody, even who names it");
    library.edit(record, "\"price\": 1", "\"price\": 2");
    assert_eq!(sync(), [2, 1, 1, 1]);
    library.edit(record, "Knob", "Large knob");
    assert_eq!(sync(), [3, 2, 1, 1]);
    library.write("products/knob 03 $.glb", "another model");
    library.write("products/knob 04 $.png", "not looked at");
    assert_eq!(sync(), [4, 2, 2, 1]);
    std::fs::remove_file(library.path("products/knob 05 $.glb")).unwrap();
    std::fs::remove_file(library.path("products/knob 05 $.json")).unwrap();
    assert_eq!(sync(), [5, 3, 3, 1], "an asset that goes concerns all that read its collection");
    assert!(library.run(&["plan"]).ends(0).out.contains("in step"));
}

fn findings(document: &Value) -> Vec<String> {
    let finding = |it: &Value| {
        let at = format!("{}:{}", it["path"].as_str().unwrap(), it["line"]);
        format!("{at} {} {}", it["code"].as_str().unwrap(), it["message"].as_str().unwrap())
    };
    document["findings"].as_array().unwrap().iter().map(finding).collect()
}

#[test]
fn a_version_that_a_downstream_cannot_read_is_an_error_where_the_record_names_it() {
    let library = library("  addon: {repo: o/a, accepts: '>=1.0, <2.0'}\n  website: {repo: o/w}\n");
    library.run(&["sync", "--only", "manifest,dispatch"]).ends(0);
    write(&library, 3, "2.0.0", "Knob");
    library.commit();
    let run = library.run(&["check", "--format", "json"]).ends(1);
    assert_eq!(
        findings(&run.json()),
        [
            "products/knob 03 $.json:3 version-not-accepted addon cannot read this record: it accepts >=1.0, <2.0, and this \
          follows product@2.0.0"
        ]
    );
    let help = run.json()["findings"][0]["help"].as_str().unwrap().to_owned();
    assert_eq!(help, "keep a version that addon can read; once addon is ready, widen its `accepts` in stockroom.yml");
    let run = library.run(&["sync"]).ends(1);
    assert!(run.both().contains("nothing was sent"), "{}", run.both());
    assert_eq!((told(&library, "addon"), told(&library, "website")), (1, 1));
    library.edit("stockroom.yml", "<2.0", "<3.0");
    library.commit();
    library.run(&["sync", "--only", "manifest,dispatch"]).ends(0);
    assert_eq!(told(&library, "addon"), 2);
}

#[test]
fn many_records_beyond_a_range_are_one_finding_and_those_of_a_change_another() {
    let library = library("  addon: {repo: o/a, accepts: {product: '1.0'}}\n");
    (0..11).for_each(|n| write(&library, n, "2.0.0", "Knob"));
    library.commit();
    let document = library.run(&["check", "--format", "json"]).ends(1).json();
    assert_eq!(
        findings(&document),
        [
            "products/knob 00 $.json:3 version-not-accepted addon cannot read 11 records, this one first: it accepts 1.0, and \
          they follow product@2.0.0"
        ]
    );
    assert_eq!(document["summary"]["invalid"], 11);
    write(&library, 11, "2.0.0", "Knob");
    let document = library.run(&["check", "--changed-since", "HEAD", "--format", "json"]).ends(1).json();
    let told = findings(&document);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("products/knob 11 $.json:3"), "{told:#?}");
}

#[test]
fn a_new_version_tells_whom_it_leaves_before_a_record_follows_it() {
    let library = library("  addon: {repo: o/a, accepts: '>=1.0, <2.0'}\n  website: {repo: o/w, accepts: '<3.0'}\n");
    let diff = library.run(&["schema", "diff", "product@1.0.0", "product@2.0.0"]).ends(0);
    assert!(diff.out.contains("addon cannot read product@2.0.0: it accepts >=1.0, <2.0"), "{}", diff.out);
    assert!(!diff.out.contains("website"), "{}", diff.out);
    library.write("schemas/product/v3.0.0.json", SCHEMA);
    let run = library.run(&["check", "--changed-since", "HEAD", "--format", "json"]).ends(0).json();
    let finding = named(&run["findings"], "code", "schema-not-accepted");
    assert_eq!(finding["path"], "schemas/product/v3.0.0.json");
    assert_eq!(
        finding["message"],
        "no downstream can read product 3.0.0: addon accepts >=1.0, <2.0, website accepts <3.0"
    );
}

#[test]
fn a_mistake_in_what_concerns_a_downstream_is_told_at_its_line() {
    let library = library(
        "  addon:
    repo: o/a
    accepts: {prodct: '^1.0'}
    when:
      paths: [/products/*.glb]
      pointers: [a/b]
  website:
    repo: o/w
    accepts: '>=1 <2'
",
    );
    let run = library.run(&["check", "--format", "human"]);
    let said = run.both();
    for line in [
        "stockroom.yml:9:",
        "did you mean `product`?",
        "stockroom.yml:11:",
        "write \"products/*.glb\"",
        "stockroom.yml:12:",
        "does not begin with `/`",
        "stockroom.yml:15:",
        "is no range of versions",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    assert_eq!(run.code, 2);
}
