//! What a repository is, and its files as `contents` gives them.

#![allow(dead_code, reason = "not every test asks for all of it")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::Answer;
use super::contents::{Contents, blob_id, id};
use super::contract::Contract;
use super::{FakeGitHub, Repo, World};

impl FakeGitHub {
    /// Names the default branch, which is `main` otherwise.
    pub fn default_branch(&self, slug: &str, name: &str) -> &Self {
        self.world().repos.get_mut(slug).expect("a repository").default_branch = name.to_owned();
        self
    }

    /// Archives the repository: it can only be read.
    pub fn archive(&self, slug: &str) -> &Self {
        self.world().repos.get_mut(slug).expect("a repository").is_archived = true;
        self
    }

    /// Switches a workflow of the repository off.
    pub fn disable_workflow(&self, slug: &str, path: &str) -> &Self {
        self.world().repos.get_mut(slug).expect("a repository").disabled_workflows.insert(path.to_owned());
        self
    }

    /// Says that the repository is disabled.
    pub fn disable(&self, slug: &str) -> &Self {
        self.world().repos.get_mut(slug).expect("a repository").is_disabled = true;
        self
    }
}

/// The repository itself.
pub fn repository(slug: &str, repo: &Repo) -> Answer {
    let mut body = Contract::get().example("full-repository-default-response");
    // GitHub's own example lacks what its schema requires.
    for repository in ["", "/source"] {
        body.pointer_mut(repository).expect("a part of the example")["language"] = json!("JavaScript");
    }
    let (owner, name) = slug.split_once('/').unwrap_or(("", slug));
    body["full_name"] = json!(slug);
    body["name"] = json!(name);
    body["owner"]["login"] = json!(owner);
    body["default_branch"] = json!(repo.default_branch);
    body["archived"] = json!(repo.is_archived);
    body["disabled"] = json!(repo.is_disabled);
    // The role of whose token it is; what the token itself may do is another matter, and GitHub does not say it here.
    body["permissions"]["push"] = json!(true);
    Answer::json(200, &body)
}

/// A branch: the default one, or one that something was published on.
pub fn branch(world: &World, slug: &str, name: &str) -> Answer {
    let contents = world.contents.get(slug);
    let commit = contents.and_then(|contents| contents.commit_of(name)).map(str::to_owned);
    let is_default = world.repos.get(slug).is_some_and(|repo| repo.default_branch == name);
    let Some(commit) = commit.or_else(|| is_default.then(|| id(slug))) else {
        return Answer::error(404, "Branch not found");
    };
    let mut body = Contract::get().example("branch-get");
    body["name"] = json!(name);
    body["commit"]["sha"] = json!(commit);
    Answer::json(200, &body)
}

/// A file, or what a folder holds.
pub fn files(world: &World, slug: &str, path: &str, query: &[(String, String)], accept: &str) -> Answer {
    let missing = || Answer::error(404, "Not Found");
    let reference = query.iter().find(|(name, _)| name == "ref").map(|(_, value)| value.as_str());
    let Some(files) = world.contents.get(slug).and_then(|contents: &Contents| contents.at(reference)) else {
        return missing();
    };
    let path = path.trim_end_matches('/');
    if let Some(bytes) = files.get(path) {
        if accept.contains("raw") {
            return Answer { body: bytes.clone(), ..Answer::empty(200) }
                .with("content-type", "application/vnd.github.raw+json; charset=utf-8");
        }
        let mut body = entry(slug, "content-file-response-if-content-is-a-file", path, bytes);
        body["content"] = json!(STANDARD.encode(bytes));
        return Answer::json(200, &body);
    }
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut listed: Vec<Value> = Vec::new();
    for (file, bytes) in files {
        let Some(below) = file.strip_prefix(&prefix) else { continue };
        let Some((folder, _)) = below.split_once('/') else {
            listed.push(entry(slug, "content-file-response-if-content-is-a-directory", file, bytes));
            continue;
        };
        if listed.last().is_none_or(|last| last["name"] != folder) {
            let path = format!("{prefix}{folder}");
            let mut body = entry(slug, "content-file-response-if-content-is-a-directory", &path, b"");
            body["type"] = json!("dir");
            listed.push(body);
        }
    }
    if listed.is_empty() { missing() } else { Answer::json(200, &json!(listed)) }
}

fn entry(slug: &str, example: &str, path: &str, bytes: &[u8]) -> Value {
    let mut example = Contract::get().example(example);
    let mut body = if example.is_array() { example[0].take() } else { example };
    let name = path.rsplit('/').next().unwrap_or(path);
    for (key, value) in [("name", json!(name)), ("path", json!(path)), ("size", json!(bytes.len()))] {
        body[key] = value;
    }
    body["sha"] = json!(blob_id(bytes));
    body["url"] = json!(format!("https://api.github.com/repos/{slug}/contents/{path}"));
    body
}
