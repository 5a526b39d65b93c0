use std::sync::Arc;

use super::super::beside::Beside;
use super::super::declared::differing;
use super::super::record::candidates;
use super::super::tree::tests::MemoryTree;
use super::super::unique::located;
use super::*;
use crate::ids::{CollectionName, Sha256Hex};

fn collection(yaml: &str) -> Collection {
    let settings = serde_yaml::from_str(&format!("metadata: '*/*.json'\n{yaml}")).unwrap();
    Collection::new(CollectionName::new("products"), &settings).unwrap()
}

/// The files of the one record, and the code, place, message and help of every finding.
fn look(yaml: &str, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let (memory, collections) = (MemoryTree::new(files), [collection(yaml)]);
    let (found, _) = candidates(&memory.tree, &collections);
    let record = found[0].load(&memory).0.unwrap();
    let near = Neighbours::new(Arc::new(memory.tree.clone()));
    let (beside, mut findings) = Beside::of(&record, &collections[0], &near);
    let claims: Vec<_> = beside.claims.iter().map(|claim| (0, &record.path, claim)).collect();
    let places = record.document.places();
    findings.extend(located(differing(&claims, &near.tree, &memory), |_, pointer| places.nearest(pointer)));
    let row = |f: Finding| {
        format!(
            "{} {}:{} {}: {} ({})",
            f.code.id,
            f.span.line,
            f.span.column,
            f.pointer,
            f.message,
            f.help.unwrap_or_default()
        )
    };
    let files = beside.paths(&near.tree).map(ToString::to_string).collect();
    (files, findings.into_iter().map(row).collect())
}

#[test]
fn a_referenced_file_belongs_to_the_asset() {
    let record = r#"{"icon": "Icon.png", "more": ["./tex/a.png", null, "Bolt.json"]}"#;
    let files = [("Bolt/Bolt.json", record), ("Bolt/Icon.png", ""), ("Bolt/tex/a.png", ""), ("Bolt/other.png", "")];
    let (files, findings) = look("references: [/icon, /more/*, /none]", &files);
    assert_eq!(files, ["Bolt/Icon.png", "Bolt/tex/a.png"]);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_reference_that_finds_no_file_names_the_one_that_was_meant() {
    let record =
        "{\"f\": [\n\"icon.png\",\n\"cafe\u{301}.png\",\n\"a%20b.png\",\n\"tex\\\\a.png\",\n\"Icom.png\",\n\"x.y\"]}";
    let files = [
        ("Bolt/Bolt.json", record),
        ("Bolt/Icon.png", ""),
        ("Bolt/caf\u{e9}.png", ""),
        ("Bolt/a b.png", ""),
        ("Bolt/tex/a.png", ""),
    ];
    let (_, findings) = look("references: [/f/*]", &files);
    insta::assert_debug_snapshot!(findings, @r#"
    [
        "reference-missing 2:1 /f/0: there is no file \"icon.png\" beside the record (there is \"Icon.png\"; on Linux and on the web that is another file: write \"Icon.png\")",
        "reference-missing 3:1 /f/1: there is no file \"cafe\\u{301}.png\" beside the record (there is \"café.png\", which looks the same and is spelt with other Unicode characters; on Linux and on the web that is another file: write \"café.png\")",
        "reference-missing 4:1 /f/2: there is no file \"a%20b.png\" beside the record (there is \"a b.png\": write \"a b.png\")",
        "reference-missing 5:1 /f/3: there is no file \"tex\\\\a.png\" beside the record (there is \"tex/a.png\": write \"tex/a.png\")",
        "reference-missing 6:1 /f/4: there is no file \"Icom.png\" beside the record (there is \"Icon.png\": write \"Icon.png\")",
        "reference-missing 7:1 /f/5: there is no file \"x.y\" beside the record (add it to the folder \"Bolt\")",
    ]
    "#);
}

#[test]
fn what_cannot_be_a_file_beside_the_record_is_refused() {
    for bad in [
        r#""../secret.png""#,
        r#""a/../../b""#,
        r#""/etc/passwd""#,
        r#""C:\\x.png""#,
        r#""c:x.png""#,
        r#""\\\\host\\share""#,
        r#""https://example.org/x.png""#,
        r#""data:image/png;base64,AA""#,
        r#""file:///x""#,
        r#""""#,
        r#""a\u0000b""#,
        "1",
        "[]",
        "{}",
        "true",
    ] {
        let record = format!("{{\"f\": {bad}}}");
        let (files, findings) = look("references: [/f]", &[("Bolt/Bolt.json", &record), ("secret.png", ""), ("b", "")]);
        assert!(files.is_empty(), "{bad}");
        assert_eq!(
            findings.iter().filter(|f| f.starts_with("reference-unfit 1:7 /f")).count(),
            1,
            "{bad} {findings:?}"
        );
    }
}

#[test]
fn of_a_thousand_bad_references_a_hundred_are_told() {
    let record = format!("{{\"f\": [{}]}}", vec!["\"gone.png\""; 1000].join(","));
    assert_eq!(look("references: [/f/*]", &[("Bolt/Bolt.json", &record)]).1.len(), 101, "one more than are told");
}

const DECLARED: &str = "declared: [{file: /d/*/path, bytes: /d/*/size, sha256: /d/*/sha256}]";

#[test]
fn a_declared_size_and_digest_are_compared_with_the_file_of_the_same_item() {
    let (a, b) = (Sha256Hex::of(b"aa"), Sha256Hex::of(b"bbb"));
    let record = format!(
        r#"{{"d": [{{"path": "a.zip", "size": 2, "sha256": "{a}"}}, {{"path": "b.zip", "size": "3", "sha256": "SHA256:{}"}}, {{"path": "a.zip"}}]}}"#,
        b.as_str().to_uppercase()
    );
    let files = [("Bolt/Bolt.json", record.as_str()), ("Bolt/a.zip", "aa"), ("Bolt/b.zip", "bbb")];
    let (files, findings) = look(DECLARED, &files);
    assert_eq!((files, findings), (vec!["Bolt/a.zip".to_owned(), "Bolt/b.zip".to_owned()], Vec::<String>::new()));
}

#[test]
fn what_differs_is_told_at_the_value_that_says_so() {
    let record =
        "{\"d\": {\"x\": {\"path\": \"a.zip\",\n \"size\": 9,\n \"sha256\": \"no\"},\n \"y\": {\"path\": \"b.zip\"}}}";
    let (_, findings) = look(DECLARED, &[("Bolt/Bolt.json", record), ("Bolt/a.zip", "")]);
    insta::assert_debug_snapshot!(findings, @r#"
    [
        "reference-missing 4:16 /d/y/path: there is no file \"b.zip\" beside the record (there is \"a.zip\": write \"a.zip\")",
        "size-differs 2:10 /d/x/size: the file \"a.zip\" has 0 bytes, and the record says 9 (if the file is the right one, write 0)",
        "digest-differs 3:12 /d/x/sha256: the file \"a.zip\" has another SHA-256 than the record says, \"no\" (if the file is the right one, write \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\")",
    ]
    "#);
}

#[test]
fn a_file_that_is_referenced_and_declared_is_told_of_once() {
    let record = r#"{"d": [{"path": "gone.zip", "size": 1}]}"#;
    let (_, findings) = look(&format!("references: ['/d/*/path']\n{DECLARED}"), &[("Bolt/Bolt.json", record)]);
    assert_eq!(findings.len(), 1, "{findings:?}");
}

#[test]
fn of_an_lfs_pointer_the_file_counts_that_it_stands_for() {
    let sha256 = Sha256Hex::of(b"large");
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 5\n");
    let record =
        format!(r#"{{"d": [{{"path": "a.zip", "size": 5, "sha256": "{sha256}"}}, {{"path": "a.zip", "size": 5}}]}}"#);
    for content in ["large", &pointer] {
        let (_, findings) = look(DECLARED, &[("Bolt/Bolt.json", &record), ("Bolt/a.zip", content)]);
        assert!(findings.is_empty(), "{findings:?}");
    }
}
