//! The part of the library that concerns one downstream, and the difference between two such parts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::settings::When;
use crate::ids::{AssetKey, Sha256Hex};

/// The assets that concern one downstream, each with the digest of what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The digest of each asset.
    pub assets: BTreeMap<AssetKey, Sha256Hex>,
    /// The digest of the whole slice at this receiver: equal digest, nothing to say.
    pub digest: Sha256Hex,
}

/// What became different between two slices, each list in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Delta {
    /// In the new one only.
    pub added: Vec<AssetKey>,
    /// In both, with another meaning.
    pub changed: Vec<AssetKey>,
    /// In the old one only.
    pub removed: Vec<AssetKey>,
}

impl When {
    /// Whether a change of this asset concerns the downstream.
    pub fn concerns(&self, asset: &AssetKey) -> bool {
        self.collections.as_ref().is_none_or(|collections| collections.contains(&asset.collection))
    }
}

impl Slice {
    /// The assets that concern the downstream whose receiver has this identity.
    pub fn of(receiver: &str, when: &When, assets: &BTreeMap<AssetKey, Sha256Hex>) -> Self {
        let concerned = assets.iter().filter(|(key, _)| when.concerns(key));
        Self::new(receiver, concerned.map(|(key, digest)| (key.clone(), digest.clone())).collect())
    }

    /// These assets, as they were or are to be delivered to this receiver.
    pub fn new(receiver: &str, assets: BTreeMap<AssetKey, Sha256Hex>) -> Self {
        // The receiver is part of the digest: a downstream that moves to another receiver has nothing yet.
        // Lengths stand before the names, so that no name can pass for two lines.
        let mut lines = format!("{receiver}\n");
        for (AssetKey { collection, id }, digest) in &assets {
            let (collection, id) = (collection.as_str(), id.as_str());
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{digest} {} {} {collection}{id}", collection.len(), id.len());
        }
        Self { assets, digest: Sha256Hex::of(lines.as_bytes()) }
    }
}

impl Delta {
    /// What happened from `old` to `new`.
    pub fn between(old: &BTreeMap<AssetKey, Sha256Hex>, new: &BTreeMap<AssetKey, Sha256Hex>) -> Self {
        let mut delta = Self::default();
        for (key, digest) in new {
            match old.get(key) {
                None => delta.added.push(key.clone()),
                Some(before) if before != digest => delta.changed.push(key.clone()),
                Some(_) => {}
            }
        }
        delta.removed = old.keys().filter(|key| !new.contains_key(*key)).cloned().collect();
        delta
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{AssetId, CollectionName};

    fn key(collection: &str, id: &str) -> AssetKey {
        AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) }
    }

    fn repo() -> &'static str {
        "org/website"
    }

    fn assets(of: &[(&str, &str, &str)]) -> BTreeMap<AssetKey, Sha256Hex> {
        of.iter().map(|(collection, id, text)| (key(collection, id), Sha256Hex::of(text.as_bytes()))).collect()
    }

    #[test]
    fn only_the_collections_named_are_of_concern() {
        let all = assets(&[("products", "bolt", "1"), ("icons", "bolt", "2")]);
        let when = When { collections: Some(vec![CollectionName::new("icons")]), ..When::default() };
        assert_eq!(Slice::of(repo(), &when, &all).assets, assets(&[("icons", "bolt", "2")]));
        assert_eq!(Slice::of(repo(), &When::default(), &all).assets, all);
    }

    #[test]
    fn a_digest_tells_slices_and_receivers_apart() {
        let one = assets(&[("a", "b", "1")]);
        let digest = Slice::new(repo(), one.clone()).digest;
        assert_eq!(digest, Slice::new(repo(), one.clone()).digest);
        assert_ne!(digest, Slice::new("org/moved", one).digest);
        assert_ne!(digest, Slice::new(repo(), assets(&[("ab", "", "1")])).digest);
    }

    #[test]
    fn a_name_with_a_line_end_cannot_pass_for_two_assets() {
        let digest = Sha256Hex::of(b"1");
        let two: BTreeMap<_, _> = [(key("c", "x"), digest.clone()), (key("c", "y"), digest.clone())].into();
        let forged: BTreeMap<_, _> = [(key("c", &format!("x\n{digest} 1 1 cy")), digest)].into();
        assert_ne!(Slice::new(repo(), two).digest, Slice::new(repo(), forged).digest);
    }

    #[test]
    fn a_delta_sorts_what_was_added_changed_and_removed() {
        let old = assets(&[("c", "gone", "1"), ("c", "same", "1"), ("c", "other", "1")]);
        let new = assets(&[("c", "same", "1"), ("c", "other", "2"), ("c", "z", "1"), ("c", "a", "1")]);
        let delta = Delta::between(&old, &new);
        assert_eq!(delta.added, [key("c", "a"), key("c", "z")]);
        assert_eq!(delta.changed, [key("c", "other")]);
        assert_eq!(delta.removed, [key("c", "gone")]);
    }

    fn any_assets() -> impl Strategy<Value = BTreeMap<AssetKey, Sha256Hex>> {
        let entry = ("[ab]", "[a-e]", "[01]").prop_map(|(c, id, d)| (key(&c, &id), Sha256Hex::of(d.as_bytes())));
        proptest::collection::btree_map(entry.clone().prop_map(|(k, _)| k), entry.prop_map(|(_, d)| d), 0..8)
    }

    proptest! {
        #[test]
        fn equal_digests_mean_an_empty_delta_and_no_other(old in any_assets(), new in any_assets()) {
            let same = Slice::new(repo(), old.clone()).digest == Slice::new(repo(), new.clone()).digest;
            prop_assert_eq!(same, Delta::between(&old, &new).is_empty());
        }

        #[test]
        fn a_delta_read_backwards_swaps_added_and_removed(old in any_assets(), new in any_assets()) {
            let (there, back) = (Delta::between(&old, &new), Delta::between(&new, &old));
            prop_assert_eq!((there.added, there.changed, there.removed), (back.removed, back.changed, back.added));
        }
    }
}
