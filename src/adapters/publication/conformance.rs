//! What every place must do.

use std::collections::BTreeMap;

use super::*;
use crate::manifest::files::{Files, add};

/// An update with a root that says so, and a file for each text.
pub(crate) fn update(expected: Option<&Version>, root: &str, texts: &[&str]) -> Update {
    let mut files = Files::new();
    for text in texts {
        add(&mut files, "shard", text.as_bytes().to_vec());
    }
    Update {
        expected: expected.cloned(),
        files,
        root: root.as_bytes().to_vec(),
        removed: Vec::new(),
        summary: Summary { title: format!("Publish {root}"), seconds: Some(1_700_000_000) },
    }
}

/// The name that a file of this text gets.
pub(crate) fn name(text: &str) -> String {
    let mut files = Files::new();
    add(&mut files, "shard", text.as_bytes().to_vec()).path
}

async fn version(target: &dyn PublishTarget) -> Option<Version> {
    target.root().await.unwrap().map(|stored| stored.version)
}

async fn root(target: &dyn PublishTarget) -> Option<String> {
    target.root().await.unwrap().map(|stored| String::from_utf8(stored.bytes).unwrap())
}

async fn text(target: &dyn PublishTarget, name: &str) -> Option<String> {
    target.read(name, 1_000).await.unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

/// What every target must do, beginning with an empty one.
pub(crate) async fn run(target: &dyn PublishTarget) {
    assert_eq!(target.root().await, Ok(None), "nothing is published yet");
    assert_eq!(target.list().await, Ok(BTreeMap::new()));
    assert_eq!(text(target, &name("a")).await, None);

    target.publish(&update(None, "one", &["a", "b"])).await.unwrap();
    assert_eq!(root(target).await.as_deref(), Some("one"));
    assert_eq!(text(target, &name("a")).await.as_deref(), Some("a"));
    assert_eq!(target.read(&name("a"), 0).await, Ok(None), "larger than was asked for");
    let listed: Vec<_> = target.list().await.unwrap().into_iter().collect();
    let mut expected = vec![(name("a"), 1), (name("b"), 1)];
    expected.sort();
    assert_eq!(listed, expected, "the root is not among the files");

    // Who has not seen what is there now replaces nothing.
    let one = version(target).await;
    for stale in [None, Some(Version("of another root".to_owned()))] {
        let refused = target.publish(&update(stale.as_ref(), "late", &["late"])).await;
        assert!(matches!(refused, Err(PublicationError::Moved { .. })), "{refused:?}");
        assert_eq!(root(target).await.as_deref(), Some("one"));
    }

    let mut two = update(one.as_ref(), "two", &["c"]);
    two.removed = vec![name("b"), name("never there")];
    two.files.insert("feed.json".to_owned(), b"first".to_vec());
    target.publish(&two).await.unwrap();
    assert_eq!(root(target).await.as_deref(), Some("two"));
    assert_ne!(version(target).await, one);
    let names: Vec<_> = target.list().await.unwrap().into_keys().collect();
    let mut expected = [name("a"), name("c"), "feed.json".to_owned()];
    expected.sort();
    assert_eq!(names.iter().filter(|name| expected.contains(name)).count(), 3, "{names:?}");
    assert!(!names.contains(&name("b")) && text(target, &name("b")).await.is_none());

    // A file of the same name is replaced, and one that is there already may be written once more.
    let two = version(target).await;
    let mut three = update(two.as_ref(), "three", &["c"]);
    three.files.insert("feed.json".to_owned(), b"second".to_vec());
    target.publish(&three).await.unwrap();
    assert_eq!(text(target, "feed.json").await.as_deref(), Some("second"));
    assert_eq!(root(target).await.as_deref(), Some("three"));

    // The same root again: nobody may take that for somebody else's.
    let three = version(target).await;
    target.publish(&update(three.as_ref(), "three", &[])).await.unwrap();
    assert_eq!(root(target).await.as_deref(), Some("three"));
}
