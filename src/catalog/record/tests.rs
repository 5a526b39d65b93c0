use std::sync::Arc;

use super::super::layout::{Companions, companions};
use super::super::neighbours::Neighbours;
use super::super::tree::tests::MemoryTree;
use super::super::unique::{Uniqueness, located, unique_values};
use super::*;
use crate::ids::CollectionName;

fn collection(yaml: &str) -> Collection {
    let settings = serde_yaml::from_str(yaml).unwrap();
    Collection::new(CollectionName::new("products"), &settings).unwrap()
}

fn bolts() -> Collection {
    collection(
        "metadata: '*/*.json'\nexclude: ['_template/**']\nid: handle\nunique: ['/variants/*/sku']\n\
         files: {required: ['{stem}.blend', 'icon_{stem}.png'], optional: ['preview_*.png', '{/handle}.md']}\n",
    )
}

fn library() -> MemoryTree {
    MemoryTree::new(&[
        ("$5 Bolt v2/Bolt [a].json", r#"{"handle": "bolt", "variants": [{"sku": "A"}, {"sku": "B"}]}"#),
        ("$5 Bolt v2/Bolt [a].blend", ""),
        ("$5 Bolt v2/icon_Bolt [a].png", ""),
        ("$5 Bolt v2/preview_1.png", ""),
        ("$5 Bolt v2/preview_2.png", ""),
        ("$5 Bolt v2/bolt.md", ""),
        ("$5 Bolt v2/deep/preview_3.png", ""),
        ("Nut/Nut.json", "{\"handle\": \"bolt\",\n \"variants\": [{\"sku\": \"B\"}]}"),
        ("Nut/nut.blend", ""),
        ("_template/x.json", "{}"),
    ])
}

#[test]
fn globs_choose_the_records_and_exclude_takes_some_away() {
    let (memory, collections) = (library(), [bolts()]);
    let (found, findings) = candidates(&memory.tree, &collections);
    let paths: Vec<_> = found.iter().map(|c| c.entry.path.as_str()).collect();
    assert_eq!(paths, ["$5 Bolt v2/Bolt [a].json", "Nut/Nut.json"]);
    assert!(findings.is_empty());
}

#[test]
fn a_file_in_two_collections_is_a_finding() {
    let memory = library();
    let collections = [bolts(), collection("metadata: 'Nut/*.json'")];
    let (_, findings) = candidates(&memory.tree, &collections);
    let codes: Vec<_> = findings.iter().map(|f| (f.code.id, f.path.as_str())).collect();
    assert_eq!(codes, [("two-collections", "Nut/Nut.json")]);
}

#[test]
fn companion_files_are_found_by_template_and_a_missing_one_names_its_neighbour() {
    let (memory, collections) = (library(), [bolts()]);
    let (found, _) = candidates(&memory.tree, &collections);
    let near = Neighbours::new(Arc::new(memory.tree.clone()));
    let files = |index: usize| {
        let record = found[index].load(&memory).0.unwrap();
        let Companions { files, findings, .. } = companions(&record, found[index].collection, &near);
        (files.iter().map(|e| e.path.file_name().to_owned()).collect::<Vec<_>>(), findings)
    };
    let (bolt, findings) = files(0);
    assert_eq!(bolt, ["Bolt [a].blend", "bolt.md", "icon_Bolt [a].png", "preview_1.png", "preview_2.png"]);
    assert!(findings.is_empty(), "{findings:?}");
    let (_, findings) = files(1);
    let said: Vec<_> = findings.iter().map(|f| (f.message.as_str(), f.help.as_deref().unwrap())).collect();
    assert_eq!(
        said,
        [
            (
                "the file \"Nut.blend\" is missing beside the record",
                "there is \"nut.blend\"; on Linux and on the web that is another file: rename it to \"Nut.blend\""
            ),
            ("the file \"icon_Nut.png\" is missing beside the record", "add it to the folder \"Nut\""),
        ]
    );
}

#[test]
fn an_id_or_a_unique_value_that_stands_twice_is_found_in_the_later_record() {
    let (memory, collections) = (library(), [bolts()]);
    let (found, _) = candidates(&memory.tree, &collections);
    let records: Vec<_> = found.iter().map(|c| c.load(&memory).0.unwrap()).collect();
    let mut uniqueness = Uniqueness::default();
    for (index, record) in records.iter().enumerate() {
        let (collection, path) = (found[index].collection, &record.path);
        uniqueness.see(index, path, &record.key(collection).unwrap(), collection, &unique_values(record, collection));
    }
    let findings = located(uniqueness.repeats(), |index, pointer| records[index].document.places().nearest(pointer));
    let said: Vec<_> = findings.iter().map(|f| (f.code.id, f.span.line, f.pointer.as_str())).collect();
    assert_eq!(said, [("duplicate-id", 1, "/handle"), ("duplicate-value", 2, "/variants/0/sku")]);
}

#[test]
fn a_record_without_its_id_is_a_finding() {
    let memory = MemoryTree::new(&[("a/a.json", r#"{"handle": " "}"#), ("b/b.json", r#"{"handle": 1.5}"#)]);
    let collections = [collection("metadata: '*/*.json'\nid: handle")];
    let (found, _) = candidates(&memory.tree, &collections);
    for candidate in found {
        let record = candidate.load(&memory).0.unwrap();
        assert_eq!(record.key(candidate.collection).unwrap_err().code, &ID_MISSING);
    }
}

#[test]
fn an_id_that_would_break_addresses_is_a_finding() {
    for id in ["..", "../../etc", "a/./b", "line\\nbreak", &"x".repeat(201)] {
        let text = format!("{{\"handle\": \"{id}\"}}");
        let memory = MemoryTree::new(&[("a/a.json", &text)]);
        let collections = [collection("metadata: '*/*.json'\nid: handle")];
        let (found, _) = candidates(&memory.tree, &collections);
        let record = found[0].load(&memory).0.unwrap();
        assert_eq!(record.key(found[0].collection).unwrap_err().code, &ID_UNFIT, "{id}");
    }
}

#[test]
fn without_an_id_rule_the_folder_names_the_asset() {
    let memory = MemoryTree::new(&[("a/b/x.json", "{}"), ("root.json", "{}")]);
    let key = |yaml: &str, path: &str| {
        let collections = [collection(yaml)];
        let (found, _) = candidates(&memory.tree, &collections);
        let candidate = found.iter().find(|c| c.entry.path.as_str() == path).unwrap();
        candidate.load(&memory).0.unwrap().key(candidate.collection).unwrap().id.to_string()
    };
    assert_eq!(key("metadata: '**/*.json'", "a/b/x.json"), "a/b");
    assert_eq!(key("metadata: '**/*.json'", "root.json"), "root");
    assert_eq!(key("metadata: '**/*.json'\nid: '{dir}-{stem}'", "a/b/x.json"), "b-x");
}
