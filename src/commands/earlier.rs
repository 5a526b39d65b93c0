//! What a downstream was told of an earlier commit, for one that is brought back to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::places::Found;
use crate::adapters::publication::PublishTarget;
use crate::downstream::Announcement;
use crate::ids::{CommitId, Sha256Hex, TargetName};
use crate::manifest::edition::Held;
use crate::manifest::files::{ROOT, copy_of};

/// What was told of a commit, as far as some place still held its edition when it was looked at; of such places, the first one
/// that has an address at which the root of that edition stays readable.
pub fn announcement(
    commit: Option<&CommitId>,
    targets: &[(TargetName, Arc<dyn PublishTarget>)],
    found: &[Found],
    news: &Announcement,
) -> Announcement {
    let is_of_it = |held: &&Held| commit.is_some_and(|it| held.root.source.commit.as_deref() == Some(it.as_str()));
    let places = targets.iter().zip(found);
    let held = places.filter_map(|((_, target), found)| Some((target, found.held.as_ref().filter(is_of_it)?)));
    let held: Vec<(&Arc<dyn PublishTarget>, &Held)> = held.collect();
    let copy = held.iter().find_map(|(target, held)| Some((address_of_copy(&target.address()?, held)?, held)));
    let root = copy.as_ref().map(|(_, held)| &held.root).or_else(|| held.first().map(|(_, held)| &held.root));
    Announcement {
        commit: commit.cloned(),
        manifest_digest: root.and_then(|root| Sha256Hex::parse(&root.digest).ok()),
        schemas: root.map(|root| versions(&root.schemas)).unwrap_or_default(),
        manifest_url: copy.map(|(address, _)| address),
        ..news.clone()
    }
}

/// The address at which the root that a place held stays readable; none where an older version has published it.
fn address_of_copy(address: &str, held: &Held) -> Option<String> {
    let name = copy_of(&held.sha256);
    let folder = address.strip_suffix(ROOT).filter(|_| held.names.contains_key(&name))?;
    Some(format!("{folder}{name}"))
}

fn versions(schemas: &BTreeMap<String, BTreeMap<String, String>>) -> BTreeMap<String, Vec<String>> {
    schemas.iter().map(|(name, versions)| (name.clone(), versions.keys().cloned().collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::publication::{FolderTarget, MemoryTarget};
    use crate::commands::places::Publishable;
    use crate::manifest::edition::tests::Library;
    use crate::manifest::layout::Habits;
    use crate::manifest::settings::Settings;
    use crate::state::Timestamp;

    fn at(digit: &str, price: u32) -> Publishable {
        let manifest = Library::at(digit, &[("x", price)]).manifest;
        let habits = [Habits::Followed].into_iter();
        Publishable::new(manifest, Settings::default(), Vec::new(), (Timestamp(0), None), habits).unwrap()
    }

    fn news() -> Announcement {
        Announcement {
            repository: None,
            commit: CommitId::parse(&"b".repeat(40)).ok(),
            reference: Some("refs/heads/main".to_owned()),
            manifest_url: Some("https://a.example.com/manifest.json".to_owned()),
            manifest_digest: Some(Sha256Hex::of(b"b")),
            schemas: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn an_earlier_commit_is_told_with_the_address_of_its_edition_where_one_can_still_be_read() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = |name: &str, address: Option<&str>| -> Arc<dyn PublishTarget> {
            let folder = FolderTarget::new(scratch.path().join(name), name);
            Arc::new(folder.at(address.map(|address| format!("{address}/{ROOT}"))))
        };
        let targets: Vec<(TargetName, Arc<dyn PublishTarget>)> = [
            Arc::new(MemoryTarget::default()) as Arc<dyn PublishTarget>,
            folder("without", None),
            folder("older", Some("https://older.example.com")),
            folder("with", Some("https://with.example.com/m")),
        ]
        .into_iter()
        .enumerate()
        .map(|(index, target)| (TargetName::new(format!("manifest/{index}")), target))
        .collect();
        let (first, second) = (at("a", 1), at("b", 2));
        for (_, target) in &targets {
            first.bring_into_step(target.as_ref()).await.unwrap();
        }
        // As an older version has published it.
        let older = std::fs::read_dir(scratch.path().join("older")).unwrap().map(|entry| entry.unwrap().path());
        let copies: Vec<_> = older.filter(|path| path.to_str().unwrap().contains("edition-")).collect();
        assert_eq!(copies.len(), 1);
        std::fs::remove_file(&copies[0]).unwrap();
        let mut found = Vec::new();
        for (_, target) in &targets {
            found.push(second.look(target.as_ref()).await.unwrap());
            second.publish(target.as_ref(), found.last().unwrap()).await.unwrap();
        }
        let commit = CommitId::parse(&"a".repeat(40)).ok();
        let told = announcement(commit.as_ref(), &targets, &found, &news());
        let address = told.manifest_url.unwrap();
        let name = address.strip_prefix("https://with.example.com/m/").unwrap();
        let root = std::fs::read(scratch.path().join("with").join(name)).unwrap();
        assert_eq!(name, copy_of(&Sha256Hex::of(&root)));
        assert_eq!((told.manifest_digest.as_ref(), told.commit), (Some(&first.manifest.digest), commit.clone()));
        // Where none has it, the digest is still told, and never the address of another edition.
        let told = announcement(commit.as_ref(), &targets[..3], &found[..3], &news());
        assert_eq!((told.manifest_url, told.manifest_digest), (None, Some(first.manifest.digest.clone())));
        for unknown in [None, CommitId::parse(&"c".repeat(40)).ok()] {
            let told = announcement(unknown.as_ref(), &targets, &found, &news());
            assert_eq!((told.commit, told.manifest_url, told.manifest_digest), (unknown, None, None));
        }
    }
}
