//! Releases and their assets: the API's part, the endpoint for uploads, and the server from which assets are downloaded.

#![allow(dead_code, reason = "the adapter's own tests ask for all of it")]

use axum::http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answers::Answer;
use super::contract::Contract;
use super::{FakeGitHub, Fault, Grant, Repo, World};

/// Where assets are sent, in place of `https://uploads.github.com`.
pub const UPLOADS: &str = "/api/uploads";
/// Where assets are fetched from, in place of a server that is not GitHub's.
pub const STORAGE: &str = "/storage/";

/// A release.
pub struct Release {
    id: u64,
    tag: String,
    is_draft: bool,
    is_immutable: bool,
    assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone)]
pub struct Asset {
    id: u64,
    name: String,
    is_whole: bool,
    bytes: Vec<u8>,
}

impl FakeGitHub {
    /// Makes a release of a repository that is there.
    pub fn add_release(&self, slug: &str, tag: &str) -> &Self {
        let mut world = self.world();
        let id = 1 + u64::try_from(world.repos.values().map(|repo| repo.releases.len()).sum::<usize>()).expect("few");
        let release = Release { id, tag: tag.to_owned(), is_draft: false, is_immutable: false, assets: Vec::new() };
        world.repos.get_mut(slug).expect("a repository").releases.push(release);
        drop(world);
        self
    }

    /// Says of the last release that was made whether it is a draft, and whether it takes no more assets once it is none.
    pub fn make_release(&self, slug: &str, is_draft: bool, is_immutable: bool) -> &Self {
        let mut world = self.world();
        let release = world.repos.get_mut(slug).and_then(|repo| repo.releases.last_mut()).expect("a release");
        (release.is_draft, release.is_immutable) = (is_draft, is_immutable);
        drop(world);
        self
    }

    /// Lets the last release that was made have an asset of somebody else.
    pub fn add_asset(&self, slug: &str, name: &str, bytes: &[u8]) -> &Self {
        let mut world = self.world();
        let id = world.next_asset();
        let release = world.repos.get_mut(slug).and_then(|repo| repo.releases.last_mut()).expect("a release");
        release.assets.push(Asset { id, name: name.to_owned(), is_whole: true, bytes: bytes.to_vec() });
        drop(world);
        self
    }

    /// The assets of the last release that was made, by name; of one that came in half there are no bytes.
    pub fn assets(&self, slug: &str) -> Vec<(String, Option<Vec<u8>>)> {
        let world = self.world();
        let release = world.repos.get(slug).and_then(|repo| repo.releases.last()).expect("a release");
        let told = |asset: &Asset| (asset.name.clone(), asset.is_whole.then(|| asset.bytes.clone()));
        let mut assets: Vec<_> = release.assets.iter().map(told).collect();
        assets.sort();
        assets
    }

    /// The faults that befall the next uploads alone, one after the other; none lets one pass.
    pub fn script_uploads(&self, faults: &[Option<Fault>]) -> &Self {
        self.world().upload_faults.extend(faults);
        self
    }
}

impl World {
    fn next_asset(&mut self) -> u64 {
        self.assets_made += 1;
        self.assets_made
    }
}

/// What the server gives from which assets are downloaded. It must not hear of the token.
pub fn storage(world: &mut World, path: &str, headers: &HeaderMap) -> Option<Answer> {
    let id: u64 = path.strip_prefix(STORAGE)?.parse().ok()?;
    if headers.contains_key("authorization") {
        world.violations.push("the token was told to the server of the assets".to_owned());
    }
    let assets = world.repos.values().flat_map(|repo| &repo.releases).flat_map(|release| &release.assets);
    let found = assets.into_iter().find(|asset| asset.id == id);
    Some(found.map_or(Answer::empty(404), |asset| Answer { body: asset.bytes.clone(), ..Answer::empty(200) }))
}

/// What is asked of releases.
pub struct Asked<'a> {
    pub slug: &'a str,
    pub method: &'a str,
    pub template: &'a str,
    pub path: &'a str,
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub leaves_starter: bool,
}

/// Answers what is about releases; none for anything else.
pub fn answer(world: &mut World, grant: Grant, asked: &Asked<'_>) -> Option<Answer> {
    let what = asked.template.strip_prefix("/repos/{owner}/{repo}/releases")?;
    let next = world.next_asset();
    let url = world.url.clone();
    let repo = world.repos.get_mut(asked.slug)?;
    let writes = grant.allows(("contents", "write"));
    if asked.method != "GET" && !writes {
        return Some(Answer::error(403, "Resource not accessible by integration"));
    }
    let last = asked.path.rsplit('/').next().unwrap_or_default();
    let last = percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned();
    let told = |release: &Release| described(release, asked.slug, &url);
    Some(match (asked.method, what) {
        ("GET", "") => {
            let seen = repo.releases.iter().filter(|release| writes || !release.is_draft).map(told);
            Answer::json(200, &Value::Array(page(seen.collect(), asked.query)))
        }
        ("GET", "/tags/{tag}") => match repo.releases.iter().find(|release| release.tag == last && !release.is_draft) {
            Some(release) => Answer::json(200, &told(release)),
            None => Answer::error(404, "Not Found"),
        },
        (_, "/{release_id}/assets") => {
            let id = asked.path.split('/').nth(5).and_then(|id| id.parse().ok());
            let Some(release) = repo.releases.iter_mut().find(|release| Some(release.id) == id) else {
                return Some(Answer::error(404, "Not Found"));
            };
            match asked.method {
                "GET" => {
                    let all =
                        release.assets.iter().map(|asset| asset_described(asset, asked.slug, &release.tag)).collect();
                    Answer::json(200, &Value::Array(page(all, asked.query)))
                }
                _ => upload(release, next, asked),
            }
        }
        _ => asset(repo, last.parse().unwrap_or_default(), asked, &url),
    })
}

fn upload(release: &mut Release, id: u64, asked: &Asked<'_>) -> Answer {
    let name = asked.query.iter().find(|(key, _)| key == "name").map(|(_, name)| name.clone()).unwrap_or_default();
    if release.is_immutable && !release.is_draft {
        return Answer::error(422, "Cannot upload assets to an immutable release.");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '.' }).collect();
    let name = name.trim_matches('.').to_owned();
    if release.assets.iter().any(|asset| asset.name == name) {
        return taken();
    }
    let is_whole = !asked.leaves_starter;
    let bytes = if is_whole { asked.body.to_vec() } else { Vec::new() };
    release.assets.push(Asset { id, name, is_whole, bytes });
    match release.assets.last().filter(|_| is_whole) {
        Some(asset) => Answer::json(201, &asset_described(asset, asked.slug, &release.tag)),
        None => Answer::error(502, "Bad Gateway"),
    }
}

fn taken() -> Answer {
    let errors = json!([{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]);
    let documentation = "https://docs.github.com/rest";
    Answer::json(422, &json!({"message": "Validation Failed", "errors": errors, "documentation_url": documentation}))
}

fn asset(repo: &mut Repo, id: u64, asked: &Asked<'_>, url: &str) -> Answer {
    let release = repo.releases.iter_mut().find(|release| release.assets.iter().any(|asset| asset.id == id));
    let Some(release) = release else { return Answer::error(404, "Not Found") };
    let accept = asked.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match asked.method {
        "DELETE" => {
            release.assets.retain(|asset| asset.id != id);
            Answer::empty(204)
        }
        "PATCH" => {
            let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
            let name = body["name"].as_str().unwrap_or_default().to_owned();
            if release.assets.iter().any(|asset| asset.name == name && asset.id != id) {
                return taken();
            }
            let asset = release.assets.iter_mut().find(|asset| asset.id == id).expect("the asset");
            asset.name = name;
            Answer::json(200, &asset_described(&asset.clone(), asked.slug, &release.tag))
        }
        _ if accept == "application/octet-stream" => {
            Answer::empty(302).with("location", &format!("{url}{STORAGE}{id}"))
        }
        _ => {
            let asset = release.assets.iter().find(|asset| asset.id == id).expect("the asset");
            Answer::json(200, &asset_described(asset, asked.slug, &release.tag))
        }
    }
}

fn page(all: Vec<Value>, query: &[(String, String)]) -> Vec<Value> {
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok());
    let (size, page) =
        (parameter("per_page").unwrap_or(30_usize).min(100), parameter("page").unwrap_or(1_usize).max(1));
    all.into_iter().skip((page - 1) * size).take(size).collect()
}

/// GitHub's own example of a release, with what is known of this one.
fn described(release: &Release, slug: &str, url: &str) -> Value {
    let mut body = Contract::get().example("release");
    let Release { id, tag, is_draft, is_immutable, .. } = release;
    body["id"] = json!(id);
    body["tag_name"] = json!(tag);
    body["draft"] = json!(is_draft);
    body["immutable"] = json!(is_immutable);
    body["upload_url"] = json!(format!("{url}{UPLOADS}/repos/{slug}/releases/{id}/assets{{?name,label}}"));
    body["assets"] = json!([]);
    body
}

fn asset_described(asset: &Asset, slug: &str, tag: &str) -> Value {
    let mut body = Contract::get().example("release-asset");
    let Asset { id, name, is_whole, bytes } = asset;
    body["id"] = json!(id);
    body["name"] = json!(name);
    body["size"] = json!(bytes.len());
    body["state"] = json!(if *is_whole { "uploaded" } else { "starter" });
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    body["digest"] = if *is_whole { json!(format!("sha256:{digest}")) } else { Value::Null };
    body["browser_download_url"] = json!(format!("https://github.com/{slug}/releases/download/{tag}/{name}"));
    body
}
