//! What publishing would change at a target.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Manifest;
use super::format::{Catalog, Root};
use crate::ids::{Sha256Hex, TargetName};

/// What is to be done at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It holds this manifest.
    None,
    /// It gets this manifest.
    Publish,
}

/// The plan for one publish target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publication {
    /// The target's name in the state.
    pub target: TargetName,
    /// What people call the place.
    pub place: String,
    /// What is to be done.
    pub action: Action,
    /// Why, in a sentence.
    pub why: String,
    /// The digest of the manifest that should be there.
    pub digest: Sha256Hex,
    /// How many assets it has.
    pub assets: usize,
    /// How many of them the target does not have.
    pub added: usize,
    /// How many it has in another form.
    pub changed: usize,
    /// How many it has that are gone.
    pub removed: usize,
}

/// What a target holds now.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The root.
    pub root: Root,
    /// Whether all files that it names are there.
    pub whole: bool,
    /// Those of its catalogs that are intact; they need not be read when the target is in step.
    pub catalogs: Vec<Catalog>,
}

impl Held {
    /// Whether the target has this manifest. One made from uncommitted files gives way to the same one of a commit.
    pub fn is(&self, manifest: &Manifest) -> bool {
        let is_provisional = self.root.source.modified && !manifest.root.source.modified;
        self.whole && self.root.digest == manifest.digest.as_str() && !is_provisional
    }
}

/// Compares the manifest that should be with what a target holds; none when it holds nothing that can be read.
pub fn plan(target: TargetName, place: String, manifest: &Manifest, held: Option<&Held>) -> Publication {
    let digest = manifest.digest.clone();
    let mut publication = Publication {
        target,
        place,
        action: Action::Publish,
        why: String::new(),
        assets: manifest.assets.len(),
        digest,
        added: 0,
        changed: 0,
        removed: 0,
    };
    if held.is_some_and(|held| held.is(manifest)) {
        return Publication { action: Action::None, why: "in step".to_owned(), ..publication };
    }
    publication.why = match held {
        None => "nothing is published there yet".to_owned(),
        Some(held) if held.whole && held.root.digest == manifest.digest.as_str() => {
            "what is published was made before these files were committed".to_owned()
        }
        Some(held) if held.whole => since(&held.root),
        Some(_) => "files of the published manifest are missing or damaged".to_owned(),
    };
    let old = entries(held.map(|held| held.catalogs.as_slice()).unwrap_or_default());
    let new: BTreeMap<(&str, &str), &str> =
        manifest.assets.iter().map(|(k, d)| ((k.collection.as_str(), k.id.as_str()), d.as_str())).collect();
    publication.added = new.keys().filter(|key| !old.contains_key(*key)).count();
    publication.changed = new.iter().filter(|(key, digest)| old.get(*key).is_some_and(|old| old != *digest)).count();
    publication.removed = old.keys().filter(|key| !new.contains_key(*key)).count();
    publication
}

fn since(root: &Root) -> String {
    match &root.source.commit {
        Some(commit) => format!("the library has changed since {}", commit.get(..7).unwrap_or(commit)),
        None => "the library has changed since it was published".to_owned(),
    }
}

fn entries(catalogs: &[Catalog]) -> BTreeMap<(&str, &str), &str> {
    let all = catalogs.iter().flat_map(|catalog| catalog.assets.iter().map(move |asset| (catalog, asset)));
    all.map(|(catalog, asset)| ((catalog.collection.as_str(), asset.id.as_str()), asset.digest.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::asset::Asset;
    use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};
    use crate::manifest::build::{FileFacts, build};
    use crate::manifest::format::Source;
    use crate::manifest::settings::Settings;

    fn manifest(assets: &[(&str, u32)]) -> Manifest {
        let asset = |(id, price): &(&str, u32)| Asset {
            key: AssetKey { collection: CollectionName::new("products"), id: AssetId::new(*id) },
            record: RepoPath::new(format!("{id}.json")),
            meaning: json!({"price": price}),
            schema: None,
            files: Vec::new(),
            warned: false,
        };
        let assets: Vec<_> = assets.iter().map(asset).collect();
        let source = Source { repository: None, commit: Some("a".repeat(40)), modified: false };
        build(&assets, &FileFacts::new(), &Settings::default(), source).unwrap()
    }

    fn held(manifest: &Manifest) -> Held {
        let catalogs = manifest.files.values().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect();
        Held { root: manifest.root.clone(), whole: true, catalogs }
    }

    fn plan_of(new: &Manifest, held: Option<&Held>) -> Publication {
        plan(TargetName::new("manifest"), "public".to_owned(), new, held)
    }

    #[test]
    fn the_difference_is_counted_by_asset() {
        let old = held(&manifest(&[("a", 1), ("b", 1), ("c", 1)]));
        let publication = plan_of(&manifest(&[("a", 1), ("b", 2), ("d", 1)]), Some(&old));
        assert_eq!((publication.added, publication.changed, publication.removed), (1, 1, 1));
        assert_eq!(publication.why, "the library has changed since aaaaaaa");
    }

    #[test]
    fn after_publishing_nothing_is_left_to_do() {
        let new = manifest(&[("a", 1)]);
        assert_eq!(plan_of(&new, None).action, Action::Publish);
        assert_eq!(plan_of(&new, Some(&held(&new))).action, Action::None);
    }

    #[test]
    fn what_was_published_from_uncommitted_files_gives_way_to_the_commit() {
        let new = manifest(&[("a", 1)]);
        let mut provisional = held(&new);
        provisional.root.source.modified = true;
        let publication = plan_of(&new, Some(&provisional));
        assert_eq!((publication.action, publication.changed), (Action::Publish, 0));
    }

    #[test]
    fn a_target_that_lost_files_gets_them_again() {
        let new = manifest(&[("a", 1)]);
        let torn = Held { whole: false, catalogs: Vec::new(), ..held(&new) };
        let publication = plan_of(&new, Some(&torn));
        assert_eq!(publication.action, Action::Publish);
        assert!(publication.why.contains("missing"), "{}", publication.why);
    }
}
