//! What is refused, and what somebody has made in the folder that follows a manifest.

use super::*;

#[test]
fn files_of_somebody_else_are_not_overwritten() {
    let edition = library(&[("a", 1)]).publish(1, None);
    let mut folder = Folder::default();
    folder.files.insert("files/a/file".into(), b"mine".to_vec());
    let refused = folder.refused(&edition);
    assert!(
        refused.contains("1 file in the folder would be overwritten and is not what was pulled: files/a/file"),
        "{refused}"
    );
    folder.files.insert("files/a/file".into(), content("a 1"));
    let (plan, _) = folder.pull(&edition);
    assert_eq!((plan.kept, plan.place.len()), (1, 2), "what is the same already is taken over");
}

#[test]
fn what_somebody_has_made_while_files_were_fetched_is_not_overwritten() {
    let (one, mut folder) = (library(&ALL).publish(1, None), Folder::default());
    folder.pull(&one);
    let two = library(&[("a", 2), ("b", 1), ("x", 1)]).publish(2, Some(&one));
    let (plan, _) = folder.planned(&two, &Choice::default(), &|_| false).unwrap();
    let (record, before) = (folder.record.clone().unwrap(), folder.files.clone());
    assert_eq!(refuse_changed(&plan, &record, &mut folder), Ok(()));
    for path in ["files/a/file", "files/x/file", "files/x"] {
        folder.files.insert(path.to_owned(), b"mine".to_vec());
        let refusal = refuse_changed(&plan, &record, &mut folder).unwrap_err().to_string();
        assert!(refusal.contains(&format!("was pulled: {path}. Move")), "{refusal}");
        folder.files = before.clone();
    }
}

#[test]
fn what_somebody_has_changed_is_left_where_it_would_go_and_refused_where_it_would_be_replaced() {
    let one = library(&[("a", 1), ("b", 1)]).publish(1, None);
    let mut folder = Folder::default();
    folder.pull(&one);
    folder.files.insert("files/a/file".into(), b"changed".to_vec());
    let (plan, _) = folder.pull(&one);
    assert_eq!((plan.left.len(), plan.is_empty()), (1, true), "{:?}", plan.left);
    assert!(plan.leaves_differences());
    let gone = library(&[("b", 1)]).publish(2, Some(&one));
    let (plan, _) = folder.clone().pull(&gone);
    assert_eq!((plan.left.len(), plan.remove.len()), (1, 1));
    assert!(!plan.leaves_differences(), "the manifest says nothing of it any more");
    let newer = library(&[("a", 2), ("b", 1)]).publish(2, Some(&one));
    assert!(folder.refused(&newer).contains("files/a/file"));
}

#[test]
fn names_that_lead_elsewhere_refuse_the_whole_manifest() {
    for bad in ["../x", "/etc/passwd", "a/../../x", "C:/x", "a\\x", ".git/config", "A/.GIT/x", "a//b", ""] {
        let mut library = library(&ALL);
        library.put("products", "g", entry("g", 1, &[(bad, "1")]));
        let refused = Folder::default().refused(&library.publish(1, None));
        assert!(refused.contains("not written here"), "{bad}: {refused}");
    }
    for pair in [["x/Icon", "x/icon"], ["caf\u{e9}", "cafe\u{301}"], ["x", "X/y"]] {
        let mut library = library(&ALL);
        library.put("products", "g", entry("g", 1, &[(pair[0], "1"), (pair[1], "2")]));
        assert!(Folder::default().refused(&library.publish(1, None)).contains("on Windows and macOS"), "{pair:?}");
    }
    let mut library = library(&ALL);
    library.put("products", "g", entry("g", 1, &[("a/file", "8")]));
    assert!(Folder::default().refused(&library.publish(1, None)).contains("contradicts itself"));
}

#[test]
fn links_in_the_folder_are_not_followed() {
    let edition = library(&[("a", 1)]).publish(1, None);
    for link in ["files", "files/a", "files/a/file", "records", "records/products", "manifest.json", ".stockroom"] {
        let mut folder = Folder::default();
        folder.links.insert(link.to_owned());
        assert!(folder.refused(&edition).contains("a symbolic link"), "{link}");
    }
}

#[test]
fn hostile_ids_stay_below_the_records() {
    let mut library = Library::default();
    for id in ["../../etc/passwd", "..", "a/b", "CON", "x\u{202e}y", "A", "a"] {
        library.put("products/../..", id, entry(id, 1, &[]));
    }
    let mut folder = Folder::default();
    let (plan, _) = folder.pull(&library.publish(1, None));
    assert_eq!(plan.place.len(), 8);
    for path in folder.files.keys().filter(|path| *path != "manifest.json") {
        let parts: Vec<&str> = path.split('/').collect();
        assert!(parts.len() == 3 && parts[0] == "records" && !parts.contains(&".."), "{path}");
    }
}

#[test]
fn a_file_can_take_the_place_of_a_folder_and_a_folder_that_of_a_file() {
    let of = |paths: &[(&str, &str)], seq: u64, before: Option<&Edition>| {
        let mut library = Library::default();
        library.put("products", "a", entry("a", seq, paths));
        library.publish(seq, before)
    };
    let one = of(&[("x", "1")], 1, None);
    let two = of(&[("x/y", "2"), ("x/z", "3")], 2, Some(&one));
    let three = of(&[("x", "4")], 3, Some(&two));
    let mut folder = Folder::default();
    for edition in [&one, &two, &three] {
        folder.pull(edition);
        let mut anew = Folder::default();
        anew.pull(edition);
        assert_eq!(folder.files, anew.files);
    }
    folder.pull(&two);
    folder.files.insert("files/x/mine".into(), b"mine".to_vec());
    let four = of(&[("x", "5")], 4, Some(&three));
    assert!(folder.refused(&four).contains("files/x"));
}

#[test]
fn what_is_wrong_with_a_document_is_told_in_a_sentence() {
    let edition = library(&ALL).publish(1, None);
    let shard = edition.files.keys().find(|name| name.starts_with("shard-")).unwrap().clone();
    let list = edition.files.keys().find(|name| name.starts_with("shards-")).unwrap().clone();
    let told = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut edition = edition.clone();
        change(edition.files.get_mut(name).unwrap());
        arrive(&edition, &Choice::default(), None, true, &|_| false).unwrap_err().to_string()
    };
    assert!(told(&shard, &|bytes| bytes[60] ^= 1).contains("is not what the root promised"));
    assert!(told(&shard, &|bytes| bytes.truncate(50)).contains("has 50 bytes, and"));
    assert!(told(&list, &|bytes| *bytes = b"<html>not found</html>".to_vec()).contains("looks like a web page"));
    let away = arrive(&edition, &Choice::default(), None, true, &|name| name == shard).unwrap_err();
    assert!(away.to_string().contains("is not there, though the root names it"), "{away}");
}

#[test]
fn a_root_that_is_none_is_told_why() {
    let edition = library(&ALL).publish(1, None);
    let told = |bytes: &[u8]| documents::root(bytes).unwrap_err().to_string();
    assert!(told(b"<!DOCTYPE html>").contains("looks like a web page"));
    let whole = edition.root_bytes();
    assert_eq!(told(&whole[..whole.len() / 2]), "manifest.json breaks off in the middle");
    let with = |pointer: &str, value: serde_json::Value| {
        let mut root = edition.root.clone();
        *root.pointer_mut(pointer).unwrap() = value;
        told(&serde_json::to_vec(&root).unwrap())
    };
    assert!(with("/version", json!(2)).contains("of version 2"));
    assert!(with("/collections/products/assets", json!(5)).contains("contradicts itself"));
    assert!(with("/shards/path", json!("../../etc/passwd")).contains("no name of a file beside the root"));
    assert!(with("/shards/bytes", json!(1_u64 << 50)).contains("more than is taken"));
    assert!(with("/shards/sha256", json!("x")).contains("without a SHA-256"));
    assert!(with("/seq", json!(1_u64 << 53)).contains("a larger number than a manifest may hold"));
    assert!(with("/seq", json!("x")).contains("is not what a manifest holds there"));
    assert!(told(&vec![b' '; 5 << 20]).contains("larger than any root"));
}

#[test]
fn shards_that_lie_are_found_out_by_the_digest_of_their_collection() {
    let edition = library(&[("a", 1)]).publish(1, None);
    let other = library(&[("a", 2)]).publish(1, None);
    let mut mixed = edition;
    mixed.files.extend(other.files.clone());
    mixed.root["shards"] = other.root["shards"].clone();
    let flaw = arrive(&mixed, &Choice::default(), None, true, &|_| false).unwrap_err();
    assert!(flaw.to_string().contains("does not agree with its shards"), "{flaw}");
}
