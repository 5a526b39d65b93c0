//! What a downstream was told of an earlier commit, for one that is brought back to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::places::Found;
use crate::adapters::publication::PublishTarget;
use crate::downstream::{Action, Announcement, Delivery};
use crate::ids::{CommitId, Sha256Hex, TargetName};
use crate::manifest::edition::Held;
use crate::manifest::files::{ROOT, copy_of};
use crate::manifest::format::Root;
use crate::manifest::retired::GRACE_SECONDS;
use crate::mirror::documents::{self, MOST_ROOT};

/// How many editions before the one that a place holds are looked at.
const MOST_STEPS: usize = 4;

/// An edition that a place held when it was looked at, or one before it.
struct Known {
    root: Root,
    /// Where its root stays readable; none at a place without an address, or where an older version has published it.
    address: Option<String>,
}

/// The editions that somebody may be brought back to.
pub struct Editions(Vec<Known>);

/// The commits that a rollback would bring somebody back to.
pub fn wanted(deliveries: &[Delivery]) -> BTreeSet<CommitId> {
    let linked = deliveries.iter().filter(|one| one.group.is_some() && one.action != Action::None);
    linked.filter_map(|one| one.known.delivered.as_ref()?.commit.clone()).collect()
}

impl Editions {
    /// What the places held, and as many editions before as it takes to find these commits. What cannot be read is not known.
    pub async fn read(
        targets: &[(TargetName, Arc<dyn PublishTarget>)],
        found: &[Found],
        wanted: &BTreeSet<CommitId>,
        now: i64,
    ) -> Self {
        let mut all = Vec::new();
        for ((_, target), held) in targets.iter().zip(found).filter_map(|(at, found)| Some((at, found.held.as_ref()?)))
        {
            let mut missing: BTreeSet<&str> = wanted.iter().map(CommitId::as_str).collect();
            let (mut root, mut sha256) = (held.root.clone(), held.sha256.clone());
            for _ in 0..=MOST_STEPS {
                if let Some(commit) = root.source.commit.as_deref() {
                    missing.remove(commit);
                }
                let prev = root.prev.as_ref().and_then(|prev| Sha256Hex::parse(&prev.sha256).ok());
                all.push(Known { address: address_of_copy(target.address(), held, &sha256, now), root });
                let Some(prev) = prev.filter(|prev| !missing.is_empty() && stays(held, &copy_of(prev), now)) else {
                    break;
                };
                let Some(before) = root_of(target.as_ref(), &prev).await else { break };
                (root, sha256) = (before, prev);
            }
        }
        Self(all)
    }

    /// What was told of a commit, as far as its edition is known; of the places that have it, the first one that has an address
    /// at which the root of that edition stays readable.
    pub fn announcement(&self, commit: Option<&CommitId>, news: &Announcement) -> Announcement {
        let is_of_it = |one: &&Known| commit.is_some_and(|it| one.root.source.commit.as_deref() == Some(it.as_str()));
        let of_it = || self.0.iter().filter(is_of_it);
        let known = of_it().find(|one| one.address.is_some()).or_else(|| of_it().next());
        Announcement {
            commit: commit.cloned(),
            manifest_digest: known.and_then(|known| Sha256Hex::parse(&known.root.digest).ok()),
            schemas: known.map(|known| versions(&known.root.schemas)).unwrap_or_default(),
            manifest_url: known.and_then(|known| known.address.clone()),
            ..news.clone()
        }
    }
}

/// Whether a file is there, and is not about to be taken away.
fn stays(held: &Held, name: &str, now: i64) -> bool {
    let is_over = |since: &i64| now.saturating_sub(*since) >= GRACE_SECONDS;
    held.names.contains_key(name) && !held.retired.files.get(name).is_some_and(is_over)
}

fn address_of_copy(root: Option<String>, held: &Held, sha256: &Sha256Hex, now: i64) -> Option<String> {
    let name = copy_of(sha256);
    let folder = root?.strip_suffix(ROOT).filter(|_| stays(held, &name, now))?.to_owned();
    Some(format!("{folder}{name}"))
}

/// The root with this SHA-256; none where it cannot be had whole.
async fn root_of(target: &dyn PublishTarget, sha256: &Sha256Hex) -> Option<Root> {
    let bytes = target.read(&copy_of(sha256), MOST_ROOT).await.ok()??;
    documents::root(&bytes).ok().filter(|_| Sha256Hex::of(&bytes) == *sha256)
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
            commit: CommitId::parse(&"b".repeat(40)).ok(),
            reference: Some("refs/heads/main".to_owned()),
            manifest_url: Some("https://a.example.com/manifest.json".to_owned()),
            manifest_digest: Some(Sha256Hex::of(b"b")),
            ..Announcement::default()
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
        let commit = |digit: &str| CommitId::parse(&digit.repeat(40)).ok();
        let wanted = commit("a").into_iter().collect();
        let editions = Editions::read(&targets, &found, &wanted, 0).await;
        let told = editions.announcement(commit("a").as_ref(), &news());
        let address = told.manifest_url.unwrap();
        let name = address.strip_prefix("https://with.example.com/m/").unwrap();
        let root = std::fs::read(scratch.path().join("with").join(name)).unwrap();
        assert_eq!(name, copy_of(&Sha256Hex::of(&root)));
        assert_eq!((told.manifest_digest.as_ref(), told.commit), (Some(&first.manifest.digest), commit("a")));
        // Where none has it, the digest is still told, and never the address of another edition.
        let some = Editions::read(&targets[..3], &found[..3], &wanted, 0).await;
        let told = some.announcement(commit("a").as_ref(), &news());
        assert_eq!((told.manifest_url, told.manifest_digest), (None, Some(first.manifest.digest.clone())));
        for unknown in [None, commit("c")] {
            let told = editions.announcement(unknown.as_ref(), &news());
            assert_eq!((told.commit, told.manifest_url, told.manifest_digest), (unknown, None, None));
        }
        // A later run finds the second edition, and goes back to the first one as long as that is there.
        let (third, with) = (at("c", 3), &targets[3..]);
        let now_found = [third.look(with[0].1.as_ref()).await.unwrap()];
        for (now, wanted, expected) in [
            (GRACE_SECONDS - 1, &wanted, Some(address.clone())),
            (GRACE_SECONDS, &wanted, None),
            (0, &BTreeSet::new(), None),
        ] {
            let editions = Editions::read(with, &now_found, wanted, now).await;
            assert_eq!(editions.announcement(commit("a").as_ref(), &news()).manifest_url, expected, "{now}");
        }
        std::fs::write(scratch.path().join("with").join(name), "torn").unwrap();
        let editions = Editions::read(with, &now_found, &wanted, 0).await;
        assert_eq!(editions.announcement(commit("a").as_ref(), &news()).manifest_url, None);
    }
}
