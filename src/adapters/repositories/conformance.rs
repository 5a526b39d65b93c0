//! What every server of repositories must do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tests::{github, slug};
use super::{MemoryRepositories, Repositories, RepositoryError, Wanted};
use crate::adapters::github::fake_github::FakeGitHub;
use crate::ids::{BlobId, CommitId, RepoPath, RepoSlug};

/// Files of a repository, and what they hold.
pub(super) type Files<'a> = &'a [(&'a str, &'a [u8])];

/// A server that can be furnished.
pub(super) trait Furnished {
    fn publish(&self, repo: &RepoSlug, reference: &str, files: Files<'_>) -> CommitId;
    fn describe(&self, repo: &RepoSlug, description: &str, topics: &[&str]);
    fn repositories(&self) -> Arc<dyn Repositories>;
}

/// Runs all of it against servers that are empty at first.
async fn holds<S: Furnished>(fresh: impl Fn() -> S) {
    a_keyword_finds_repositories_by_name_description_and_topic(&fresh()).await;
    a_ref_is_a_commit_until_it_moves(&fresh()).await;
    a_commit_lists_its_files_and_gives_what_is_in_them(&fresh()).await;
    many_contents_come_as_well(&fresh()).await;
    what_is_not_there_is_said(&fresh()).await;
    who_refuses_a_content_ends_it(&fresh()).await;
}

pub(super) async fn fetched(
    repositories: &dyn Repositories,
    repo: &RepoSlug,
    commit: &CommitId,
) -> Result<BTreeMap<RepoPath, Vec<u8>>, RepositoryError> {
    let listing = repositories.list(repo, commit).await?;
    let wanted = Wanted {
        repo: repo.clone(),
        commit: commit.clone(),
        blobs: listing.values().map(|listed| (listed.blob.clone(), listed.bytes)).collect(),
        all: listing.values().map(|listed| listed.bytes).sum(),
    };
    let mut contents: BTreeMap<BlobId, Vec<u8>> = BTreeMap::new();
    let mut take = |id: &BlobId, bytes: &[u8]| match contents.insert(id.clone(), bytes.to_vec()) {
        None => Ok(()),
        Some(_) => Err("it came twice".to_owned()),
    };
    repositories.fetch(&wanted, &mut take).await?;
    assert_eq!(contents.keys().collect::<Vec<_>>(), wanted.blobs.keys().collect::<Vec<_>>());
    Ok(listing.into_iter().map(|(path, listed)| (path, contents[&listed.blob].clone())).collect())
}

async fn a_keyword_finds_repositories_by_name_description_and_topic(server: &impl Furnished) {
    for (name, description, topics) in [
        ("acme/assets-tools", "", &[][..]),
        ("acme/bolts", "Our Assets of steel", &[]),
        ("acme/nuts", "", &["screws", "assets"]),
        ("acme/website", "the shop", &["assets-free"]),
        ("other/assets", "", &[]),
    ] {
        server.publish(&slug(name), "main", &[("README.md", b"x")]);
        server.describe(&slug(name), description, topics);
    }
    let repositories = server.repositories();
    let found = repositories.of("acme", Some("ASSETS")).await.unwrap();
    assert_eq!(found, ["acme/assets-tools", "acme/bolts", "acme/nuts"].map(slug));
    assert_eq!(repositories.of("acme", None).await.unwrap().len(), 4);
    assert!(repositories.of("acme", Some("nothing like it")).await.unwrap().is_empty());
    assert!(matches!(repositories.of("nobody", None).await, Err(RepositoryError::NotThere(_))));
}

async fn a_ref_is_a_commit_until_it_moves(server: &impl Furnished) {
    let (repo, repositories) = (slug("acme/bolts"), server.repositories());
    let first = server.publish(&repo, "main", &[("a.md", b"one")]);
    for name in [None, Some("main"), Some(first.as_str())] {
        assert_eq!(repositories.head(&repo, name).await.unwrap().as_ref(), Some(&first), "{name:?}");
    }
    let second = server.publish(&repo, "main", &[("a.md", b"two")]);
    server.publish(&repo, "dev/next", &[("a.md", b"three")]);
    assert_eq!(repositories.head(&repo, Some("main")).await.unwrap(), Some(second));
    assert!(repositories.head(&repo, Some("dev/next")).await.unwrap().is_some());
    assert_eq!(repositories.head(&repo, Some(first.as_str())).await.unwrap(), Some(first));
}

async fn a_commit_lists_its_files_and_gives_what_is_in_them(server: &impl Furnished) {
    let (repo, repositories) = (slug("acme/bolts"), server.repositories());
    let files: Files<'_> = &[
        ("README.md", b"# Bolts".as_slice()),
        ("docs/a b/hex.md", b""),
        ("docs/same.md", b"# Bolts"),
        ("odd/é.txt", b"\xff\0"),
    ];
    let commit = server.publish(&repo, "main", files);
    let listing = repositories.list(&repo, &commit).await.unwrap();
    let sizes: Vec<_> = listing.iter().map(|(path, listed)| (path.as_str(), listed.bytes)).collect();
    assert_eq!(sizes, [("README.md", 7), ("docs/a b/hex.md", 0), ("docs/same.md", 7), ("odd/é.txt", 2)]);
    let contents = fetched(repositories.as_ref(), &repo, &commit).await.unwrap();
    for (path, bytes) in files {
        assert_eq!(contents[&RepoPath::new(*path)], *bytes, "{path}");
    }
}

async fn many_contents_come_as_well(server: &impl Furnished) {
    let (repo, repositories) = (slug("acme/bolts"), server.repositories());
    let files: Vec<(String, Vec<u8>)> =
        (0..300).map(|n| (format!("{}/{n}.md", n % 7), format!("text {n}").into_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let commit = server.publish(&repo, "main", &files);
    assert_eq!(fetched(repositories.as_ref(), &repo, &commit).await.unwrap().len(), 300);
}

async fn what_is_not_there_is_said(server: &impl Furnished) {
    let (repo, repositories) = (slug("acme/bolts"), server.repositories());
    let is_missing = |error: Option<RepositoryError>| {
        assert!(matches!(&error, Some(RepositoryError::NotThere(why)) if why.contains("acme/")), "{error:?}");
    };
    is_missing(repositories.head(&slug("acme/none"), None).await.err());
    let commit = server.publish(&repo, "main", &[("a.md", b"one")]);
    is_missing(repositories.head(&repo, Some("elsewhere")).await.err());
    is_missing(repositories.list(&repo, &CommitId::parse(&"1".repeat(40)).unwrap()).await.err());
    let none = BlobId::parse(&"2".repeat(40)).unwrap();
    let wanted = Wanted { repo, commit, blobs: BTreeMap::from([(none, 1)]), all: 1 };
    is_missing(repositories.fetch(&wanted, &mut |_, _| Ok(())).await.err());
}

async fn who_refuses_a_content_ends_it(server: &impl Furnished) {
    let (repo, repositories) = (slug("acme/bolts"), server.repositories());
    let commit = server.publish(&repo, "main", &[("a.md", b"one"), ("b.md", b"two")]);
    let listing = repositories.list(&repo, &commit).await.unwrap();
    let blobs = listing.values().map(|listed| (listed.blob.clone(), listed.bytes)).collect();
    let wanted = Wanted { repo, commit, blobs, all: 6 };
    let mut came = 0;
    let ended = repositories
        .fetch(&wanted, &mut |_, _| {
            came += 1;
            Err("the disk is full".to_owned())
        })
        .await;
    assert_eq!((ended, came), (Err(RepositoryError::Refused("the disk is full".to_owned())), 1));
}

struct Memory(Arc<MemoryRepositories>);

impl Furnished for Memory {
    fn publish(&self, repo: &RepoSlug, reference: &str, files: Files<'_>) -> CommitId {
        self.0.publish(repo, reference, files).unwrap()
    }
    fn describe(&self, repo: &RepoSlug, description: &str, topics: &[&str]) {
        self.0.describe(repo, description, topics);
    }
    fn repositories(&self) -> Arc<dyn Repositories> {
        Arc::clone(&self.0) as Arc<dyn Repositories>
    }
}

impl Furnished for FakeGitHub {
    fn publish(&self, repo: &RepoSlug, reference: &str, files: Files<'_>) -> CommitId {
        CommitId::parse(&self.publish_bytes(repo.as_str(), reference, files)).unwrap()
    }
    fn describe(&self, repo: &RepoSlug, description: &str, topics: &[&str]) {
        FakeGitHub::describe(self, repo.as_str(), description, topics);
    }
    fn repositories(&self) -> Arc<dyn Repositories> {
        Arc::new(github(self, None))
    }
}

#[tokio::test]
async fn repositories_in_memory_conform() {
    holds(|| Memory(Arc::new(MemoryRepositories::default()))).await;
}

#[tokio::test]
async fn repositories_on_github_conform() {
    holds(FakeGitHub::start).await;
}
