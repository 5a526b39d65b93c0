//! Several libraries' manifests as one: a hub that needs no server.
//!
//! A collection becomes `NAME/COLLECTION` and keeps its entries byte for byte, so its shards are the very files of the library
//! that it comes from.

use std::collections::BTreeMap;

use super::build::{BuildError, Collection, Entry, Manifest};
use super::format::{CollectionSummary, Member, Source};
use crate::ids::{AssetId, AssetKey, CollectionName, Sha256Hex};

/// A library as it goes into the hub, verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which it is, and which edition of it.
    pub member: Member,
    /// When its commit was made.
    pub date: Option<String>,
    /// Whether its files differed from that commit.
    pub modified: bool,
    /// The schemas that its records follow.
    pub schemas: BTreeMap<String, BTreeMap<String, String>>,
    /// Its collections and their entries, sorted by id.
    pub collections: BTreeMap<String, (CollectionSummary, Vec<Entry>)>,
}

/// What is wrong with a library's name in the hub, as a sentence.
pub fn name_problem(name: &str) -> Option<String> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let starts = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    (!starts || name.len() > 64 || !name.bytes().all(is_fit)).then(|| {
        format!(
            "{name:?} is no name for a library in a hub: it has up to 64 letters, digits, hyphens, dots and underscores, and \
             begins with a letter or a digit"
        )
    })
}

/// The name that a library's collection, or schema, has in the hub.
pub fn hub_name(library: &str, name: &str) -> String {
    format!("{library}/{name}")
}

/// The collection or schema of this library that a name in the hub stands for.
pub fn own_name<'n>(library: &str, name: &'n str) -> Option<&'n str> {
    name.strip_prefix(library)?.strip_prefix('/')
}

/// The hub's manifest. `repository` is where the hub is kept, where that is known.
pub fn federate(parts: Vec<Part>, repository: Option<String>) -> Result<Manifest, BuildError> {
    let source = Source {
        repository,
        commit: None,
        tree: None,
        // All are RFC 3339 in UTC, whose order is that of their texts.
        date: parts.iter().filter_map(|part| part.date.clone()).max(),
        modified: parts.iter().any(|part| part.modified),
    };
    let (mut schemas, mut collections, mut assets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut members = Vec::new();
    for part in parts {
        let library = &part.member.name;
        schemas.extend(part.schemas.into_iter().map(|(name, versions)| (hub_name(library, &name), versions)));
        for (name, (summary, entries)) in part.collections {
            let name = hub_name(library, &name);
            let key = |entry: &Entry| AssetKey {
                collection: CollectionName::new(name.as_str()),
                id: AssetId::new(entry.id.as_str()),
            };
            let digests: Vec<(AssetKey, Sha256Hex)> = entries.iter().map(|e| (key(e), e.digest.clone())).collect();
            assets.extend(digests);
            collections.insert(name, Collection { summary, entries });
        }
        members.push(part.member);
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Manifest { members, ..Manifest::of(source, schemas, collections, assets)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::build::collection_digest;

    fn part(name: &str, ids: &[&str], date: &str) -> Part {
        let entry = |id: &&str| {
            let bytes = format!("{{\"digest\":\"{0}\",\"id\":\"{id}\"}}", "d".repeat(64)).into_bytes();
            let digest = Sha256Hex::parse(&"d".repeat(64)).unwrap();
            Entry { id: (*id).to_owned(), sha256: Sha256Hex::of(&bytes), bytes, digest }
        };
        let entries: Vec<Entry> = ids.iter().map(entry).collect();
        let digest = collection_digest(entries.iter().map(|e| (&e.sha256, e.id.as_str()))).to_string();
        let summary = CollectionSummary { assets: entries.len(), files: 0, bytes: 0, digest };
        Part {
            member: Member {
                name: name.to_owned(),
                place: "x".to_owned(),
                digest: "d".repeat(64),
                seq: 1,
                commit: None,
            },
            date: Some(date.to_owned()),
            modified: false,
            schemas: [("product".to_owned(), BTreeMap::new())].into(),
            collections: [("products".to_owned(), (summary, entries))].into(),
        }
    }

    #[test]
    fn libraries_stand_side_by_side_whatever_their_order() {
        let (a, b) = (part("a", &["1", "2"], "2026-01-01T00:00:00Z"), part("b", &["1"], "2026-02-01T00:00:00Z"));
        let one = federate(vec![a.clone(), b.clone()], None).unwrap();
        assert_eq!(one, federate(vec![b, a.clone()], None).unwrap());
        assert_eq!(one.collections.keys().collect::<Vec<_>>(), ["a/products", "b/products"]);
        assert_eq!((one.assets.len(), one.source.date.as_deref()), (3, Some("2026-02-01T00:00:00Z")));
        assert_eq!(one.schemas.keys().collect::<Vec<_>>(), ["a/product", "b/product"]);
        assert_eq!(one.collections["a/products"].entries, a.collections["products"].1);
    }

    #[test]
    fn a_name_is_taken_off_again() {
        assert_eq!(own_name("a", &hub_name("a", "x/y")), Some("x/y"));
        assert_eq!((own_name("a", "ab/x"), own_name("a", "a")), (None, None));
        for bad in ["", "-a", "a/b", "a b", ".a", &"a".repeat(65)] {
            assert!(name_problem(bad).is_some(), "{bad}");
        }
        assert_eq!(name_problem("Tools-2.v_1"), None);
    }
}
