use std::sync::Arc;

use super::super::tree::tests::MemoryTree;
use super::*;
use crate::catalog::collection::Collection;
use crate::catalog::record::candidates;
use crate::ids::CollectionName;

fn collection(name: &str, yaml: &str) -> Collection {
    Collection::new(CollectionName::new(name), &serde_yaml::from_str(yaml).unwrap()).unwrap()
}

/// Severity, code, path and message of everything that is wrong with the files of a library.
fn said(collections: &[Collection], memory: &MemoryTree) -> Vec<String> {
    let (found, _) = candidates(&memory.tree, collections);
    let near = Neighbours::new(Arc::new(memory.tree.clone()));
    let lint = Lint::default();
    let mut findings = Vec::new();
    let mut all = Vec::new();
    for candidate in &found {
        let record = candidate.load(memory).0.unwrap();
        let (beside, more) = Beside::of(&record, candidate.collection, &near);
        findings.extend(more);
        all.push(beside);
    }
    findings.extend(inspect(&found, &all.iter().collect::<Vec<_>>(), &near, memory, &lint, &|_| true));
    findings.iter().map(|f| format!("{} {} {}: {}", f.severity, f.code.id, f.path, f.message)).collect()
}

#[test]
fn a_forbidden_file_is_told_once_for_all_records_of_its_folder() {
    let icons = collection("icons", "metadata: 'icons/*.json'\nfiles: {forbidden: ['*.bak', '{stem}.old']}");
    let files = ["icons/a.json", "icons/b.json", "icons/c.bak", "icons/a.old", "icons/x.old", "elsewhere/d.bak"];
    let memory = MemoryTree::new(&files.map(|path| (path, "{}")));
    assert_eq!(
        said(&[icons], &memory),
        [
            "error file-forbidden icons/a.old: the file must not be here: the collection icons forbids \"{stem}.old\"",
            "error file-forbidden icons/c.bak: the file must not be here: the collection icons forbids \"*.bak\"",
        ]
    );
}

#[test]
fn other_files_are_told_where_the_collection_says_so() {
    let files = [
        ("Bolt/Bolt.json", r#"{"notes": "notes.txt"}"#),
        ("Bolt/icon.png.bak", ""),
        ("Bolt/notes.txt", ""),
        ("Bolt/deep/x.txt", ""),
        ("Bolt/.gitkeep", ""),
        ("Bolt/sub/Sub.json", "{}"),
        ("Bolt/sub/x.txt", ""),
        ("Bolt/skipped/x.txt", ""),
        ("README.md", ""),
        ("root.json", "{}"),
    ];
    let memory = MemoryTree::new(&files);
    let strict = |others: &str| {
        let yaml = format!(
            "metadata: '*/*.json'\nexclude: ['*/skipped/**']\nreferences: [/notes]\nfiles: {{others: {others}}}"
        );
        collection("products", &yaml)
    };
    let subs = collection("subs", "metadata: '*/sub/*.json'");
    assert!(said(&[strict("allow"), subs.clone()], &memory).is_empty());
    let told = said(&[strict("warn"), subs.clone()], &memory);
    let paths: Vec<_> = told.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(paths, ["warning file-unexpected Bolt/deep/x.txt", "warning file-unexpected Bolt/icon.png.bak"]);
    assert!(said(&[strict("forbid"), subs], &memory)[0].starts_with("error"));
}

#[test]
fn at_the_root_only_the_files_right_there_are_others() {
    let memory = MemoryTree::new(&[("a.json", "{}"), ("stockroom.yml", ""), ("x.txt", ""), ("schemas/s.json", "")]);
    let told = said(&[collection("all", "metadata: '*.json'\nfiles: {others: forbid}")], &memory);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("error file-unexpected x.txt"), "{told:?}");
}

#[test]
fn a_shared_image_is_looked_at_once_with_the_rules_of_all() {
    let icons = collection(
        "icons",
        "metadata: 'icons/*.json'\nfiles: {optional: ['*.png']}\nimages: [{files: '*.png', max_bytes: 2}, {files: 's.png', max_bytes: 1}]",
    );
    let memory = MemoryTree::new(&[("icons/a.json", "{}"), ("icons/b.json", "{}"), ("icons/s.png", "no image")]);
    let told = said(&[icons], &memory);
    let codes: Vec<_> = told.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(codes, ["image-broken", "image-size", "image-size"], "{told:?}");
}

#[test]
fn a_leak_in_a_text_beside_a_record_is_found() {
    let products = collection("products", "metadata: '*/*.json'\nfiles: {optional: ['*.md']}");
    let memory =
        MemoryTree::new(&[("a/a.json", "{}"), ("a/a.md", "x\n<Object at 0x7f00dead>"), ("a/b.txt", " at 0x7f00dead")]);
    assert_eq!(said(&[products], &memory).len(), 1);
}

#[test]
fn a_collision_matters_where_assets_are() {
    let products = collection("products", "metadata: '*/*.json'\nfiles: {optional: ['*.png']}");
    let names = ["a/a.json", "a/X.png", "a/x.png", "docs/Y", "docs/y", "A/b.json"];
    let memory = MemoryTree::new(&names.map(|path| (path, "{}")));
    let told: Vec<_> = said(&[products], &memory).into_iter().filter(|line| line.contains("collision")).collect();
    let heads: Vec<_> = told.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        heads,
        ["error name-collision a/X.png", "error name-collision a/x.png", "warning name-collision docs/y",],
        "{told:?}"
    );
}

#[test]
fn what_is_no_folder_where_records_or_their_files_would_be_is_a_warning() {
    let products = collection(
        "products",
        "metadata: 'shop/*/*.json'\nexclude: ['shop/_old/**']\nfiles: {optional: ['tex*/*.png', '*.blend']}",
    );
    let paths = ["shop/a/a.json", "shop/b", "shop/_old", "shop/a/textures", "shop/a/notes", "shop/a/x.blend", "docs"];
    let mut memory = MemoryTree::new(&paths.map(|path| (path, "{}")));
    for entry in memory.tree.entries.iter_mut().filter(|entry| entry.path.extension() != "json") {
        entry.kind = EntryKind::Symlink;
    }
    memory.tree.entries.iter_mut().find(|entry| entry.path.as_str() == "shop/b").unwrap().kind = EntryKind::Submodule;
    assert_eq!(
        said(&[products], &memory),
        [
            "error symlink shop/a/a.json: \"shop/a/x.blend\" beside the record is a symbolic link, which is never followed",
            "warning symlink shop/a/textures: \"shop/a/textures\" is a symbolic link, which is never followed: no record or file in it is seen",
            "warning not-a-file shop/b: \"shop/b\" is another repository, which is never entered: no record or file in it is seen",
        ]
    );
}
