//! What sources elsewhere do when things go wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::conformance::FILES;
use super::file_server::{FileServer, Page};
use super::{Cache, GitHubSource, Reader, RemoteSource as _, SourceError, WebSource};
use crate::adapters::github::fake_github::{FakeGitHub, Fault, Grant};
use crate::adapters::http::{SteppedPace, client};
use crate::ids::{CommitId, SchemaName, Sha256Hex};
use crate::schema::source::Source;
use crate::secret::Secret;

const V1: &str = "github:org/schemas@v1";

pub(super) fn names() -> BTreeSet<SchemaName> {
    ["product", "icon"].map(SchemaName::new).into()
}

pub(super) fn github(server: &FakeGitHub, source: &str, cache: &Path, token: Option<&str>) -> GitHubSource {
    at(server.url(), source, cache, token)
}

fn at(base: &str, source: &str, cache: &Path, token: Option<&str>) -> GitHubSource {
    let Ok(Source::GitHub(at)) = Source::parse(source) else { panic!("{source}") };
    let token = token.map(Secret::new);
    let reader = Reader::new(client().unwrap(), base, token.as_ref(), Arc::new(SteppedPace::default())).unwrap();
    GitHubSource { reader, cache: Arc::new(Cache::at(cache.to_owned())), at }
}

pub(super) struct Web {
    pub(super) source: WebSource,
    cache: TempDir,
}

impl Web {
    pub(super) fn new(url: &str, digest: Option<Sha256Hex>) -> Self {
        let Ok(Source::Web(at)) = Source::parse(url) else { panic!("{url}") };
        let cache = tempfile::tempdir().unwrap();
        let kept = Arc::new(Cache::at(cache.path().to_owned()));
        let (client, pace) = (client().unwrap(), Arc::new(SteppedPace::default()));
        Self { source: WebSource { client, pace, cache: kept, at, digest, allows_loopback: true }, cache }
    }

    async fn fails(&self) -> String {
        self.source.bring(&names(), None, false).await.unwrap_err().to_string()
    }
}

/// A server with a registry and a cache that is empty.
fn registry() -> (FakeGitHub, TempDir, CommitId) {
    let server = FakeGitHub::start();
    let commit = server.publish("org/schemas", "v1", &FILES);
    (server, tempfile::tempdir().unwrap(), CommitId::parse(&commit).unwrap())
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn what_was_fetched_costs_one_question_and_nothing_at_all_when_it_is_pinned() {
    let (server, cache, commit) = registry();
    let source = github(&server, V1, cache.path(), None);
    let first = source.bring(&names(), None, false).await.unwrap();
    assert_eq!(first.commit.as_ref(), Some(&commit));
    let before = server.seen().len();
    assert_eq!(source.bring(&names(), None, false).await.unwrap(), first);
    let asked = server.seen().split_off(before);
    assert_eq!(asked.iter().map(|seen| seen.status).collect::<Vec<_>>(), [Some(304)]);
    assert_eq!(source.bring(&names(), Some(&commit), false).await.unwrap(), first);
    assert_eq!(server.seen().len(), before + 1);
}

#[tokio::test]
async fn a_ref_that_is_a_commit_is_not_looked_up() {
    let (server, cache, commit) = registry();
    let source = github(&server, &format!("github:org/schemas@{commit}"), cache.path(), None);
    source.bring(&names(), None, false).await.unwrap();
    assert!(server.seen().iter().all(|seen| !seen.uri.contains("/commits/")), "{:?}", server.seen());
}

#[tokio::test]
async fn a_pin_holds_when_the_ref_moves() {
    let (server, cache, commit) = registry();
    let moved = server.publish("org/schemas", "v1", &[("product/v1.0.0.json", "{}")]);
    let source = github(&server, V1, cache.path(), None);
    let pinned = source.bring(&names(), Some(&commit), false).await.unwrap();
    let newest = source.bring(&names(), None, false).await.unwrap();
    assert_eq!((pinned.digests().len(), newest.digests().len()), (5, 1));
    assert_eq!(newest.commit.unwrap().as_str(), moved);
}

#[tokio::test]
async fn without_the_network_what_was_seen_last_will_do_and_is_told() {
    let (server, cache, commit) = registry();
    let url = server.url().to_owned();
    let seen = at(&url, V1, cache.path(), None).bring(&names(), None, false).await.unwrap();
    drop(server);
    let away = at(&url, V1, cache.path(), None);
    let again = away.bring(&names(), None, false).await.unwrap();
    assert_eq!((again.digests(), again.commit.as_ref()), (seen.digests(), Some(&commit)));
    assert!(again.stale.unwrap().contains("cannot be asked for"));
    assert_eq!(away.bring(&names(), Some(&commit), false).await.unwrap().stale, None);
    assert!(matches!(away.bring(&names(), None, true).await, Err(SourceError::Away(_))), "who wants it fresh");
    let empty = tempfile::tempdir().unwrap();
    let never = at(&nobody(), V1, empty.path(), None).bring(&names(), None, false).await;
    assert!(matches!(never, Err(SourceError::Away(_))), "{never:?}");
}

#[tokio::test]
async fn faults_that_pass_are_waited_for_and_damage_is_mended() {
    let (server, cache, _) = registry();
    server.script(&[Fault::ErrorBefore, Fault::ResetBefore]);
    let source = github(&server, V1, cache.path(), None);
    let whole = source.bring(&names(), None, false).await.unwrap();
    for folder in ["blobs", "notes"] {
        for entry in std::fs::read_dir(cache.path().join(folder)).unwrap() {
            std::fs::write(entry.unwrap().path(), "tampered").unwrap();
        }
    }
    let again = github(&server, V1, cache.path(), None);
    assert_eq!(again.bring(&names(), None, false).await.unwrap(), whole);
    let before = server.seen().len();
    assert_eq!(again.bring(&names(), None, false).await.unwrap(), whole);
    assert_eq!(server.seen().len(), before + 1, "the cache is whole again");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let (server, cache, _) = registry();
    server.script(&[Fault::Truncated, Fault::Truncated]);
    assert!(github(&server, V1, cache.path(), None).bring(&names(), None, false).await.is_ok());
}

#[tokio::test]
async fn what_is_no_answer_of_githubs_is_not_believed() {
    let (server, cache, _) = registry();
    server.script(&[Fault::HtmlPage]);
    let error = github(&server, V1, cache.path(), None).bring(&names(), None, false).await.unwrap_err();
    assert!(error.to_string().contains("is a proxy answering?"), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_it_takes() {
    let (server, cache, _) = registry();
    server.publish("org/secret", "v1", &FILES);
    server.make_private("org/secret").allow("ghp_good", "org/secret", Grant::Read).allow(
        "ghp_other",
        "org/else",
        Grant::Read,
    );
    let said = async |source: &str, token: Option<&str>| {
        let error = github(&server, source, cache.path(), token).bring(&names(), None, false).await.unwrap_err();
        assert!(!error.to_string().contains("ghp_"), "{error}");
        error.to_string()
    };
    assert!(said("github:org/schemas@v9", None).await.contains("no tag, branch or commit \"v9\""));
    assert!(said("github:org/schemas@v1:gone", None).await.contains("no folder \"gone\""));
    assert!(said("github:org/secret@v1", None).await.contains("or the repository is private and needs a token"));
    assert!(said("github:org/secret@v1", Some("ghp_other")).await.contains("or the token may not see it"));
    assert!(said("github:org/secret@v1", Some("ghp_bad")).await.contains("does not know the token"));
    let source = github(&server, "github:org/secret@v1", cache.path(), Some("ghp_good"));
    assert!(source.bring(&names(), None, false).await.is_ok());
}

#[tokio::test]
async fn a_repository_beyond_measure_is_refused_and_its_folder_is_asked_for() {
    let server = FakeGitHub::start();
    let many: Vec<String> = (0..1_001).map(|n| format!("all/{n}.json")).collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|path| (path.as_str(), "{}")).collect();
    files.push(("few/icon.schema.json", "{}"));
    server.publish("org/large", "v1", &files);
    let cache = tempfile::tempdir().unwrap();
    let said = async |source: &str| {
        let brought = github(&server, source, cache.path(), None).bring(&names(), None, false).await;
        brought.map(|brought| brought.digests().len()).map_err(|error| error.to_string())
    };
    let many = said("github:org/large@v1").await.unwrap_err();
    assert!(many.contains("1002 files that could be schemas, more than 1000; name the registry's folder"), "{many}");
    assert_eq!(said("github:org/large@v1:few").await, Ok(1));
    server.publish("org/huge", "v1", &[("a.json", "{}"), ("few/icon.schema.json", "{}")]);
    server.make_huge("org/huge");
    assert!(said("github:org/huge@v1").await.unwrap_err().contains("does not list them all"));
    assert!(said("github:org/huge@v1:fewer").await.unwrap_err().contains("no folder \"fewer\""));
    assert_eq!(said("github:org/huge@v1:few").await, Ok(1));
    let fat = format!("\"{}\"", "x".repeat(super::MAX_FILE));
    server.publish("org/fat", "v1", &[("icon.schema.json", &fat)]);
    assert!(said("github:org/fat@v1").await.unwrap_err().contains("icon.schema.json with more than 4 MiB"));
}

#[tokio::test]
async fn one_content_under_many_names_is_fetched_once_and_counted_under_each() {
    let server = FakeGitHub::start();
    let cache = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..30).map(|n| format!("icon/v1.0.{n}.json")).collect();
    let publish = |repo: &str, text: &str| {
        let files: Vec<(&str, &str)> = names.iter().map(|path| (path.as_str(), text)).collect();
        server.publish(repo, "v1", &files);
    };
    publish("org/same", "{}");
    let source = github(&server, "github:org/same@v1", cache.path(), None);
    assert_eq!(source.bring(&self::names(), None, false).await.unwrap().digests().len(), 30);
    assert_eq!(server.seen().iter().filter(|seen| seen.uri.contains("/git/blobs/")).count(), 1);
    publish("org/much", &format!("\"{}\"", "x".repeat(3 << 20)));
    let before = server.seen().len();
    let source = github(&server, "github:org/much@v1", cache.path(), None);
    let error = source.bring(&self::names(), None, false).await.unwrap_err().to_string();
    assert!(error.contains("schemas of more than 64 MiB in all"), "{error}");
    assert!(server.seen().split_off(before).iter().all(|seen| !seen.uri.contains("/git/blobs/")), "nothing is fetched");
}

#[tokio::test]
async fn a_download_is_taken_only_with_its_digest_and_then_never_again() {
    let server = FileServer::start();
    let (path, bytes) = ("/icon.schema.json", b"{}".to_vec());
    server.put(path, Page::File(bytes.clone()));
    let digest = Sha256Hex::of(&bytes);
    let said = Web::new(&server.url(path), None).fails().await;
    assert!(said.contains(&format!("`digest: sha256:{digest}`")), "{said}");
    let said = Web::new(&server.url(path), Some(Sha256Hex::of(b"other"))).fails().await;
    assert!(said.contains(&format!("its digest is sha256:{digest}")), "{said}");
    let web = Web::new(&server.url(path), Some(digest.clone()));
    web.source.bring(&names(), None, false).await.unwrap();
    let before = server.seen().len();
    server.put(path, Page::Status(500));
    web.source.bring(&names(), None, false).await.unwrap();
    assert_eq!(server.seen().len(), before);
    let kept = web.cache.path().join("downloads").join(digest.as_str());
    std::fs::write(&kept, "tampered").unwrap();
    server.put(path, Page::File(bytes));
    web.source.bring(&names(), None, false).await.unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), b"{}");
}

#[tokio::test]
async fn a_download_may_lie_elsewhere_but_not_beyond_https_nor_in_a_circle() {
    let server = FileServer::start();
    let digest = Sha256Hex::of(b"{}");
    server.put("/there/icon.schema.json", Page::File(b"{}".to_vec()));
    server.put("/icon.schema.json", Page::Elsewhere("/there/icon.schema.json".to_owned()));
    let mut web = Web::new(&server.url("/icon.schema.json"), Some(digest));
    web.source.bring(&names(), None, false).await.unwrap();
    web.source.cache = Arc::new(Cache::at(web.cache.path().join("none")));
    server.put("/icon.schema.json", Page::Elsewhere("/icon.schema.json".to_owned()));
    assert!(web.fails().await.contains("in circles"));
    for elsewhere in ["http://169.254.169.254/icon.schema.json", "ftp://example.com/x", "file:///etc/passwd"] {
        server.put("/icon.schema.json", Page::Elsewhere(elsewhere.to_owned()));
        assert!(web.fails().await.contains("over https alone"), "{elsewhere}");
    }
    web.source.allows_loopback = false;
    let before = server.seen().len();
    assert!(web.fails().await.contains("over https alone"));
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn a_download_that_fails_says_why() {
    let server = FileServer::start();
    let web = |path: &str| Web::new(&server.url(path), Some(Sha256Hex::of(b"{}")));
    for (path, page, wanted) in [
        ("/a.json", Page::Status(404), "is not there (404)"),
        ("/b.json", Page::Status(403), "not for everybody"),
        ("/c.json", Page::Status(503), "cannot be fetched: the server answered 503 (tried 3 times)"),
        ("/d.json", Page::Half(b"{}".to_vec()), "cannot be fetched"),
        ("/e.json", Page::Status(418), "the server answered 418"),
    ] {
        server.put(path, page);
        let said = web(path).fails().await;
        assert!(said.contains(wanted), "{path}: {said}");
    }
}
