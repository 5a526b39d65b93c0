//! What every source of schemas must do, wherever the files lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::archive::tests::packed;
use super::file_server::{FileServer, Page};
use super::tests::{Web, github, names};
use super::{FolderSource, RemoteSource as _};
use crate::adapters::github::fake_github::FakeGitHub;
use crate::catalog::tree::tests::MemoryTree;
use crate::ids::{RepoPath, SchemaName, Sha256Hex};
use crate::schema::registry::{Registry, SchemaFiles, below};
use crate::schema::settings::Settings;
use crate::schema::version::Wanted;

/// A registry in which one schema refers to a file of no name of its own.
pub(super) const FILES: [(&str, &str); 5] = [
    ("common/price.json", r#"{"type": "string"}"#),
    ("icon.schema.json", r#"{"type": "object"}"#),
    ("product/latest.json", r#"{"$ref": "v1.1.0.json"}"#),
    ("product/v1.0.0.json", r#"{"type": "object"}"#),
    ("product/v1.1.0.json", r#"{"properties": {"price": {"$ref": "../common/price.json"}}}"#),
];

fn conforms(files: Arc<dyn SchemaFiles>) {
    let folder = files.folder().to_owned();
    let all: Vec<&str> = files.paths().iter().map(|path| below(&folder, path).expect("below the folder")).collect();
    assert_eq!(all, FILES.map(|(path, _)| path), "every file, sorted, and nothing else");
    for (path, text) in FILES {
        let bytes = files.read(&RepoPath::join(&folder, path)).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), text, "{path}");
    }
    for path in ["gone.json", "product", ""] {
        assert!(files.read(&RepoPath::join(&folder, path)).is_err_and(|why| why.contains(' ')), "{path}");
    }
    assert!(files.read(&RepoPath::new("icon.schema.json")).is_err(), "paths begin with the folder");
    let registry = Registry::new(files, &names(), Settings::default().policy());
    let versions = registry.get(&SchemaName::new("product")).unwrap();
    assert_eq!(versions.available(), "1.0.0, 1.1.0");
    for wanted in ["1.0.0", "^1.1", "latest"] {
        let slot = versions.find(&Wanted::parse(wanted).unwrap()).unwrap();
        assert!(registry.compiled(slot).is_ok(), "{wanted}: {:?}", registry.findings());
    }
    let newest = registry.compiled(versions.find(&Wanted::Latest).unwrap()).unwrap();
    assert!(!newest.validator.is_valid(&serde_json::json!({"price": 1})), "references are followed");
    assert!(registry.get(&SchemaName::new("icon")).unwrap().plain().is_some());
}

#[test]
fn a_folder_conforms() {
    let files: Vec<_> = FILES.map(|(path, text)| (format!("schemas/{path}"), text)).to_vec();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let memory = MemoryTree::new(&files);
    let tree = memory.tree.clone();
    conforms(Arc::new(FolderSource::new(&tree, "schemas", Arc::new(memory))));
}

#[tokio::test]
async fn a_repository_conforms_at_its_root_and_in_a_folder() {
    let server = FakeGitHub::start();
    server.publish("org/schemas", "v1", &FILES);
    let within: Vec<_> = FILES.map(|(path, text)| (format!("deep/er/{path}"), text)).to_vec();
    let within: Vec<_> = within.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    server.publish("org/large", "v1", &within);
    server.make_huge("org/large");
    for source in ["github:org/schemas@v1", "github:org/schemas", "github:org/large@v1:deep/er"] {
        let folder = tempfile::tempdir().unwrap();
        let brought = github(&server, source, folder.path(), None).bring(&names(), None, false).await.unwrap();
        conforms(Arc::new(brought));
    }
}

#[tokio::test]
async fn a_download_conforms_with_a_wrapper_and_without() {
    let server = FileServer::start();
    for wrapper in ["", "./", "registry-1.0/"] {
        let files: Vec<_> = FILES.map(|(path, text)| (format!("{wrapper}{path}"), text.as_bytes())).to_vec();
        let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
        let archive = packed(&files);
        server.put("/r.tar.gz", Page::File(archive.clone()));
        let web = Web::new(&server.url("/r.tar.gz"), Some(Sha256Hex::of(&archive)));
        conforms(Arc::new(web.source.bring(&names(), None, false).await.unwrap()));
    }
}

#[tokio::test]
async fn only_what_is_needed_is_brought() {
    let server = FakeGitHub::start();
    server.publish("org/schemas", "v1", &FILES);
    let folder = tempfile::tempdir().unwrap();
    let only: BTreeSet<_> = [SchemaName::new("icon")].into();
    let brought =
        github(&server, "github:org/schemas@v1", folder.path(), None).bring(&only, None, false).await.unwrap();
    let digests: BTreeMap<_, _> = brought.digests();
    assert_eq!(digests.keys().collect::<Vec<_>>(), ["icon.schema.json"]);
    assert_eq!(server.seen().len(), 3, "a commit, a list, a file");
    let path = RepoPath::new("github:org/schemas@v1/product/v1.0.0.json");
    assert!(brought.read(&path).unwrap_err().contains("not fetched"));
}
