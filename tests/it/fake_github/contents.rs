//! The files of repositories: refs, trees and blobs, for whoever reads them through the API.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::HeaderMap;
use git2::{ObjectType, Oid};
use serde_json::{Value, json};

use super::answers::Answer;
use super::{FakeGitHub, World};

/// What a repository holds.
#[derive(Default)]
pub struct Contents {
    is_private: bool,
    is_huge: bool,
    refs: BTreeMap<String, String>,
    commits: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub description: String,
    pub topics: Vec<String>,
    /// What archives leave out or give otherwise.
    pub spoilt: BTreeMap<String, Option<String>>,
}

impl FakeGitHub {
    /// Makes a branch or a tag of a public repository a new commit with these files, which is what HEAD is then.
    pub fn publish(&self, slug: &str, reference: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
        self.publish_bytes(slug, reference, &files)
    }

    /// The same with files of any content.
    pub fn publish_bytes(&self, slug: &str, reference: &str, files: &[(&str, &[u8])]) -> String {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        let commit = id(&format!("{reference} {files:?}"));
        let mut world = self.world();
        let contents = world.contents.entry(slug.to_owned()).or_default();
        contents.commits.insert(commit.clone(), files);
        for name in [reference, "HEAD"] {
            contents.refs.insert(name.to_owned(), commit.clone());
        }
        commit
    }

    /// Lets nobody without a token see the repository.
    pub fn make_private(&self, slug: &str) -> &Self {
        self.world().contents.entry(slug.to_owned()).or_default().is_private = true;
        self
    }

    /// Lists the repository's root only in part, as GitHub does with more than 100,000 files.
    pub fn make_huge(&self, slug: &str) -> &Self {
        self.world().contents.entry(slug.to_owned()).or_default().is_huge = true;
        self
    }
}

/// Answers a question for the contents of a repository; nothing where it is about something else.
pub fn answer(
    world: &World,
    template: &str,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
) -> Option<Answer> {
    let what = template.strip_prefix("/repos/{owner}/{repo}/")?;
    if !matches!(what, "commits/{ref}" | "git/trees/{tree_sha}" | "git/blobs/{file_sha}" | "tarball/{ref}") {
        return None;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts: Vec<_> = path.split('/').collect();
    let (slug, last) = (parts.get(2..4)?.join("/"), parts.last()?);
    let last = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
    let missing = || Some(Answer::error(404, "Not Found"));
    let token = header("authorization").strip_prefix("Bearer ").map(|token| world.grants.get(token));
    if token == Some(None) {
        return Some(Answer::error(401, "Bad credentials"));
    }
    let Some(contents) = world.contents.get(&slug) else { return missing() };
    if contents.is_private && token.flatten().and_then(|grants| grants.get(&slug)).is_none() {
        return missing();
    }
    Some(match what {
        "commits/{ref}" => contents.commit(&last, header("accept"), header("if-none-match")),
        "tarball/{ref}" => super::organisations::sent_on(world, &slug, &last),
        "git/blobs/{file_sha}" => contents.blob(&last, header("accept")),
        _ => contents.tree(&last, query.iter().any(|(name, _)| name == "recursive")),
    })
}

impl Contents {
    /// The files of the default branch.
    pub fn head(&self) -> Option<&BTreeMap<String, Vec<u8>>> {
        self.at(None)
    }

    /// The files of a branch, a tag or a commit; of the default branch, where none is named.
    pub fn at(&self, reference: Option<&str>) -> Option<&BTreeMap<String, Vec<u8>>> {
        let reference = reference.unwrap_or("HEAD");
        self.commits.get(self.refs.get(reference).map_or(reference, String::as_str))
    }

    /// Whether something was published on this branch or tag.
    pub fn has(&self, reference: &str) -> bool {
        self.refs.contains_key(reference)
    }

    /// The commit that a branch or a tag names.
    pub fn commit_of(&self, reference: &str) -> Option<&str> {
        self.refs.get(reference).map(String::as_str)
    }

    fn commit(&self, reference: &str, accept: &str, known: &str) -> Answer {
        assert_eq!(accept, "application/vnd.github.sha", "the fake tells nothing else of a commit");
        let name = reference.strip_prefix("heads/").unwrap_or(reference);
        let by_id = self.commits.contains_key(name).then(|| name.to_owned());
        if self.commits.is_empty() {
            return Answer::error(409, "Git Repository is empty.");
        }
        let Some(commit) = self.refs.get(name).cloned().or(by_id) else {
            return Answer::error(422, &format!("No commit found for SHA: {reference}"));
        };
        let etag = format!("\"{commit}\"");
        if known == etag {
            return Answer::empty(304);
        }
        Answer { body: commit.into_bytes(), ..Answer::empty(200) }
            .with("content-type", "application/vnd.github.sha; charset=utf-8")
            .with("etag", &etag)
    }

    fn blob(&self, wanted: &str, accept: &str) -> Answer {
        assert_eq!(accept, "application/vnd.github.raw+json", "the fake gives a blob as it is");
        let blob = self.commits.values().flat_map(BTreeMap::values).find(|bytes| blob_id(bytes) == wanted);
        match blob {
            Some(bytes) => Answer { body: bytes.clone(), ..Answer::empty(200) }
                .with("content-type", "application/vnd.github.raw+json; charset=utf-8"),
            None => Answer::error(404, "Not Found"),
        }
    }

    fn tree(&self, wanted: &str, recursive: bool) -> Answer {
        let found = self.commits.iter().find_map(|(commit, files)| {
            let folders = folders(files);
            let folder = if commit == wanted {
                Some("")
            } else {
                folders.iter().find(|f| tree_id(commit, f) == wanted).map(String::as_str)
            };
            folder.map(|folder| (commit, files, folder.to_owned()))
        });
        let Some((commit, files, folder)) = found else { return Answer::error(404, "Not Found") };
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let is_listed = |path: &str| recursive || !path.contains('/');
        let below = |path: &String| path.strip_prefix(&prefix).map(str::to_owned).filter(|path| is_listed(path));
        let mut entries: Vec<Value> = Vec::new();
        for path in folders(files).iter().filter_map(below) {
            let id = tree_id(commit, &format!("{prefix}{path}"));
            entries.push(json!({"path": path, "mode": "040000", "type": "tree", "sha": id}));
        }
        for (path, bytes) in files {
            if let Some(path) = below(path) {
                let entry =
                    json!({"path": path, "mode": "100644", "type": "blob", "sha": blob_id(bytes), "size": bytes.len()});
                entries.push(entry);
            }
        }
        let truncated = self.is_huge && recursive && folder.is_empty();
        if truncated {
            entries.truncate(1);
        }
        Answer::json(200, &json!({"sha": wanted, "tree": entries, "truncated": truncated}))
    }
}

fn folders(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let above = |path: &String| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
    files.keys().flat_map(above).collect()
}

pub fn blob_id(bytes: &[u8]) -> String {
    Oid::hash_object(ObjectType::Blob, bytes).expect("a blob has an id").to_string()
}

fn tree_id(commit: &str, folder: &str) -> String {
    id(&format!("{commit}:{folder}"))
}

/// Forty digits that are a function of the text alone.
pub fn id(text: &str) -> String {
    blob_id(text.as_bytes())
}
