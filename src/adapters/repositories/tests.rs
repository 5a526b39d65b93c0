//! What reading repositories on GitHub costs, and what becomes of it when things go wrong.

use std::path::Path;
use std::sync::Arc;

use super::conformance::fetched;
use super::{GitHubRepositories, Repositories as _, RepositoryError, Wanted};
use crate::adapters::github::fake_github::{FakeGitHub, Fault, Grant};
use crate::adapters::github::{Access, Credentials, GitHub};
use crate::adapters::http::{Budget, ReplyCache, SteppedPace, client};
use crate::ids::{CommitId, RepoSlug};
use crate::secret::Secret;

const TOKEN: &str = "github_pat_reader";

pub(super) fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

pub(super) fn github(server: &FakeGitHub, cache: Option<&Path>) -> GitHubRepositories {
    with(server, cache, Credentials::Nobody)
}

fn with(server: &FakeGitHub, cache: Option<&Path>, credentials: Credentials) -> GitHubRepositories {
    let budget = Arc::new(Budget::new(Arc::new(SteppedPace::default())));
    let mut access = Access::new(client().unwrap(), server.url(), credentials, budget);
    if let Some(cache) = cache {
        access = access.keeping(Arc::new(ReplyCache::at(cache.to_owned())));
    }
    GitHubRepositories::new(GitHub::with(access).unwrap(), client().unwrap())
}

fn asked(server: &FakeGitHub) -> Vec<(String, Option<u16>)> {
    server
        .seen()
        .into_iter()
        .map(|seen| (seen.uri.split('?').next().unwrap_or_default().to_owned(), seen.status))
        .collect()
}

fn commit(server: &FakeGitHub, files: usize) -> CommitId {
    let files: Vec<(String, String)> = (0..files).map(|n| (format!("docs/{n}.md"), format!("text {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    CommitId::parse(&server.publish("acme/bolts", "main", &files)).unwrap()
}

#[tokio::test]
async fn a_ref_that_has_not_moved_costs_one_free_request() {
    let (server, folder) = (FakeGitHub::start(), tempfile::tempdir().unwrap());
    let first = commit(&server, 1);
    for _ in 0..2 {
        let repositories = github(&server, Some(folder.path()));
        assert_eq!(repositories.head(&slug("acme/bolts"), Some("main")).await.unwrap(), Some(first.clone()));
    }
    let path = "/repos/acme/bolts/commits/main".to_owned();
    assert_eq!(asked(&server), [(path.clone(), Some(200)), (path, Some(304))]);
    let second = commit(&server, 2);
    let repositories = github(&server, Some(folder.path()));
    assert_eq!(repositories.head(&slug("acme/bolts"), Some("main")).await.unwrap(), Some(second));
}

#[tokio::test]
async fn few_contents_come_one_by_one_and_many_in_one_archive() {
    let server = FakeGitHub::start();
    let repositories = github(&server, None);
    let few = commit(&server, 50);
    fetched(&repositories, &slug("acme/bolts"), &few).await.unwrap();
    assert_eq!(asked(&server).len(), 1 + 50);
    let many = commit(&server, 51);
    fetched(&repositories, &slug("acme/bolts"), &many).await.unwrap();
    assert_eq!(asked(&server).len(), 1 + 50 + 2, "a list and an archive, which lies on another server");
}

#[tokio::test]
async fn what_an_archive_leaves_out_or_rewrites_comes_by_itself() {
    let server = FakeGitHub::start();
    let repositories = github(&server, None);
    let many = commit(&server, 60);
    server.spoil_archive("acme/bolts", &[("docs/7.md", None), ("docs/8.md", Some("$Format:%H$"))]);
    let contents = fetched(&repositories, &slug("acme/bolts"), &many).await.unwrap();
    assert_eq!(contents.len(), 60);
    assert_eq!(asked(&server).iter().filter(|(path, _)| path.contains("/git/blobs/")).count(), 2);
}

#[tokio::test]
async fn a_repository_that_is_too_large_for_one_list_is_gone_through() {
    let server = FakeGitHub::start();
    let files = [("a/b/c.md", "1"), ("a/d.md", "2"), ("e.md", "3"), ("f/g.md", "4")];
    let id = CommitId::parse(&server.publish("acme/bolts", "main", &files)).unwrap();
    server.make_huge("acme/bolts");
    let listing = github(&server, None).list(&slug("acme/bolts"), &id).await.unwrap();
    assert_eq!(listing.keys().map(|path| path.as_str()).collect::<Vec<_>>(), files.map(|(path, _)| path));
    assert_eq!(asked(&server).len(), 4, "the root twice, and each folder in it");
}

#[tokio::test]
async fn the_archive_of_a_large_repository_is_not_fetched() {
    let server = FakeGitHub::start();
    let id = commit(&server, 60);
    let (repositories, repo) = (github(&server, None), slug("acme/bolts"));
    let listing = repositories.list(&repo, &id).await.unwrap();
    let blobs = listing.values().map(|listed| (listed.blob.clone(), listed.bytes)).collect();
    let wanted = Wanted { repo, commit: id, blobs, all: 600 << 20 };
    repositories.fetch(&wanted, &mut |_, _| Ok(())).await.unwrap();
    assert!(asked(&server).iter().all(|(path, _)| !path.contains("tarball")));
}

#[tokio::test]
async fn a_private_repository_needs_a_token_and_the_sentence_says_so() {
    let server = FakeGitHub::start();
    let id = commit(&server, 60);
    server.make_private("acme/bolts").allow(TOKEN, "acme/bolts", Grant::Read);
    let repo = slug("acme/bolts");
    let error = github(&server, None).head(&repo, None).await.unwrap_err().to_string();
    assert!(
        error.contains("acme/bolts is not there (404), or not to be seen; if it is private, it needs a token"),
        "{error}"
    );
    let allowed = with(&server, None, Credentials::Token(Secret::new(TOKEN)));
    assert_eq!(fetched(&allowed, &repo, &id).await.unwrap().len(), 60, "and the archive's server is told no token");
    let unknown = with(&server, None, Credentials::Token(Secret::new("github_pat_other")));
    let error = unknown.list(&repo, &id).await.unwrap_err().to_string();
    assert!(error.contains("(401") && !error.contains("github_pat_other"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be_and_one_that_stumbles_is_asked_again() {
    let server = FakeGitHub::start();
    let id = commit(&server, 3);
    server.script(&[Fault::BadGateway, Fault::ResetBefore, Fault::Secondary { retry_after: Some(7) }]);
    assert_eq!(github(&server, None).list(&slug("acme/bolts"), &id).await.unwrap().len(), 3);
    server.script(&[Fault::HtmlPage]);
    let error = github(&server, None).list(&slug("acme/bolts"), &id).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Refused(why) if why.contains("is a proxy answering?")), "{error}");
    server.script(&[Fault::BadGateway; 5]);
    let error = github(&server, None).head(&slug("acme/bolts"), None).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::Away(why) if why.starts_with("acme/bolts cannot be asked for")),
        "{error}"
    );
}

#[tokio::test]
async fn an_organisation_is_listed_to_its_end_and_a_user_as_well() {
    let server = FakeGitHub::start();
    for n in 0..101 {
        server.publish(&format!("acme/r{n:03}"), "main", &[("a.md", "x")]);
    }
    let repositories = github(&server, None);
    assert_eq!(repositories.of("acme", None).await.unwrap().len(), 101);
    assert_eq!(asked(&server).len(), 2);
    server.make_user("acme");
    assert_eq!(repositories.of("acme", Some("r10")).await.unwrap(), [slug("acme/r100")]);
}

#[tokio::test]
async fn an_empty_repository_has_no_commit() {
    let server = FakeGitHub::start();
    server.describe("acme/new", "nothing yet", &[]);
    assert_eq!(github(&server, None).head(&slug("acme/new"), None).await.unwrap(), None);
}
