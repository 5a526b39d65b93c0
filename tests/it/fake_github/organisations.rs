//! The repositories of organisations and users, and whole repositories as archives, which lie on another server.

#![allow(dead_code, reason = "not every test asks for all of it")]

use std::io::Write as _;

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::answers::Answer;
use super::contract::Contract;
use super::{FakeGitHub, World};

/// Where archives are fetched from, in place of `https://codeload.github.com`.
pub const CODELOAD: &str = "/codeload/";

impl FakeGitHub {
    /// Makes a repository say this of itself; one that nothing was published in is empty.
    pub fn describe(&self, slug: &str, description: &str, topics: &[&str]) -> &Self {
        let mut world = self.world();
        let contents = world.contents.entry(slug.to_owned()).or_default();
        description.clone_into(&mut contents.description);
        contents.topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        drop(world);
        self
    }

    /// Makes the owner a person, and no organisation.
    pub fn make_user(&self, owner: &str) -> &Self {
        self.world().users.insert(owner.to_owned());
        self
    }

    /// Leaves files out of the repository's archives, or gives them another content there, as `.gitattributes` may ask for.
    pub fn spoil_archive(&self, slug: &str, files: &[(&str, Option<&str>)]) -> &Self {
        let mut world = self.world();
        let contents = world.contents.entry(slug.to_owned()).or_default();
        contents.spoilt = files.iter().map(|(path, text)| ((*path).to_owned(), text.map(str::to_owned))).collect();
        drop(world);
        self
    }
}

/// Answers a question for the repositories of an owner; nothing where it is about something else.
pub fn answer(world: &World, template: &str, path: &str, query: &[(String, String)]) -> Option<Answer> {
    let is_users = match template {
        "/orgs/{org}/repos" => false,
        "/users/{username}/repos" => true,
        _ => return None,
    };
    let owner = path.split('/').nth(2)?;
    if is_users != world.users.contains(owner) {
        return Some(Answer::error(404, "Not Found"));
    }
    let number = |name: &str, or: usize| {
        query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(or)
    };
    let (page, per_page) = (number("page", 1), number("per_page", 30));
    let of_owner = world.contents.keys().filter(|slug| slug.split_once('/').is_some_and(|(of, _)| of == owner));
    let all: Vec<&String> = of_owner.collect();
    if all.is_empty() {
        return Some(Answer::error(404, "Not Found"));
    }
    let listed: Vec<Value> =
        all.into_iter().skip((page - 1) * per_page).take(per_page).map(|slug| minimal(world, slug)).collect();
    Some(Answer::json(200, &json!(listed)))
}

fn minimal(world: &World, slug: &str) -> Value {
    let mut body = Contract::get().example("minimal-repository-items")[0].take();
    let (contents, name) = (&world.contents[slug], slug.split_once('/').map_or("", |(_, name)| name));
    for (key, value) in [
        ("name", json!(name)),
        ("full_name", json!(slug)),
        ("description", json!(contents.description)),
        ("topics", json!(contents.topics)),
    ] {
        body[key] = value;
    }
    body
}

/// Where the archive of a commit lies.
pub fn sent_on(world: &World, slug: &str, commit: &str) -> Answer {
    Answer::empty(302).with("location", &format!("{}{CODELOAD}{slug}/legacy.tar.gz/{commit}", world.url))
}

/// The archive of a commit; nothing for another address.
pub fn archive(world: &mut World, path: &str, headers: &HeaderMap) -> Option<Answer> {
    let rest = path.strip_prefix(CODELOAD)?;
    if headers.contains_key("authorization") {
        world.violations.push("the token was told to the server of the archives".to_owned());
    }
    let parts: Vec<_> = rest.split('/').collect();
    let (slug, commit) = (parts.get(..2)?.join("/"), parts.last()?);
    let Some((contents, files)) =
        world.contents.get(&slug).and_then(|contents| Some((contents, contents.at(Some(commit))?)))
    else {
        return Some(Answer::empty(404));
    };
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).expect("a size"));
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, format!("{}-{commit}/{path}", slug.replace('/', "-")), bytes).expect("an archive");
    };
    for (path, bytes) in files {
        match contents.spoilt.get(path) {
            None => add(path, bytes),
            Some(Some(text)) => add(path, text.as_bytes()),
            Some(None) => {}
        }
    }
    let mut packed = tar.into_inner().expect("an archive");
    packed.flush().expect("an archive");
    let packed = packed.finish().expect("an archive");
    Some(Answer { body: packed, ..Answer::empty(200) }.with("content-type", "application/x-gzip"))
}
