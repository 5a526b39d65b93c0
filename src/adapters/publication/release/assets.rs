//! A release and its assets, as GitHub's API tells of them.

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::trouble::Trouble;
use crate::adapters::github::api::Api;
use crate::adapters::http::{Policy, Reply};
use crate::ids::{RepoSlug, percent_encode};
use crate::manifest::files::{digest_in, media_type, size};

/// How many assets GitHub keeps for a release.
pub(super) const MOST_ASSETS: usize = 1_000;
/// Pages of a hundred that are looked through for a release that is not published yet.
const PAGES: usize = 10;
/// Assets, or releases, on a page.
const ON_A_PAGE: usize = 100;

/// A release. Older servers leave fields out.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Release {
    pub id: u64,
    pub tag_name: String,
    pub upload_url: String,
    #[serde(default)]
    pub draft: bool,
    /// Whether GitHub takes no more assets once it is published.
    #[serde(default)]
    pub immutable: bool,
}

/// A file of a release.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asset {
    pub id: u64,
    pub name: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    digest: Option<String>,
}

impl Asset {
    /// Whether it has come whole: what an upload leaves that broke off is called `starter`.
    pub(super) fn is_whole(&self) -> bool {
        let promised = digest_in(&self.name);
        let known = self.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
        self.state == "uploaded" && promised.zip(known).is_none_or(|(promised, known)| promised == known)
    }

    /// Whether it has these bytes, as far as GitHub tells.
    pub(super) fn has(&self, bytes: &[u8]) -> bool {
        let known = self.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
        let is_same = match known {
            Some(known) => known == crate::ids::Sha256Hex::of(bytes).as_str(),
            None => digest_in(&self.name).is_some(),
        };
        self.is_whole() && self.size == size(bytes) && is_same
    }
}

/// The releases of a repository.
pub(super) struct Releases<'a> {
    pub api: &'a Api,
    pub repository: &'a RepoSlug,
}

impl Releases<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{}/releases{rest}", self.repository.owner(), self.repository.name())
    }

    /// The release of a tag, published or not; none where there is no such release.
    pub(super) async fn of(&self, tag: &str) -> Result<Option<Release>, Trouble> {
        // A tag may hold slashes, which are a part of its name here.
        let published = self.ask(&self.path(&format!("/tags/{}", percent_encode(tag).replace('/', "%2F")))).await?;
        if published.status == 200 {
            return parsed(&published).map(Some);
        }
        // What is not published has no page under its tag.
        for page in 1..=PAGES {
            let path = self.path(&format!("?per_page={ON_A_PAGE}&page={page}"));
            let reply = self.ask(&path).await?;
            if reply.status != 200 {
                break;
            }
            let listed: Vec<Release> = parsed(&reply)?;
            let count = listed.len();
            if let Some(found) = listed.into_iter().find(|release| release.tag_name == tag) {
                return Ok(Some(found));
            }
            if count < ON_A_PAGE {
                break;
            }
        }
        Ok(None)
    }

    /// All assets of a release.
    pub(super) async fn assets(&self, release: &Release) -> Result<Vec<Asset>, Trouble> {
        let mut all = Vec::new();
        for page in 1..=MOST_ASSETS.div_ceil(ON_A_PAGE) + 1 {
            let path = self.path(&format!("/{}/assets?per_page={ON_A_PAGE}&page={page}", release.id));
            let reply = self.ask(&path).await?;
            if reply.status != 200 {
                return Err(self.refused(&reply));
            }
            let listed: Vec<Asset> = parsed(&reply)?;
            let is_last = listed.len() < ON_A_PAGE;
            all.extend(listed);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Adds an asset; what came of it is looked up by whoever asked where that is not certain.
    pub(super) async fn add(&self, release: &Release, name: &str, bytes: &[u8]) -> Result<Added, Trouble> {
        let address = release.upload_url.split('{').next().unwrap_or_default();
        // What a name of ours is made of stands for itself in an address.
        let address = format!("{address}?name={name}");
        let reply = match self.api.upload(&Policy::once(), &address, media_type(name), bytes).await {
            Ok(reply) => reply,
            Err(error) if error.certain => return Err(Trouble::away(&error)),
            Err(error) => return Ok(Added::Unknown(error.to_string())),
        };
        match reply.status {
            201 => Ok(match parsed::<Asset>(&reply) {
                Ok(asset) if asset.name == name && asset.size == size(bytes) => Added::Done(asset),
                _ => Added::Unknown("GitHub describes another asset than the one that was sent".to_owned()),
            }),
            422 if self.api.said(&reply).contains("already_exists") => Ok(Added::Taken),
            _ => Err(self.refused(&reply)),
        }
    }

    /// Takes an asset away; false where it was not there any more.
    pub(super) async fn remove(&self, id: u64) -> Result<bool, Trouble> {
        let path = self.path(&format!("/assets/{id}"));
        let reply = self.api.call(&Policy::idempotent(), Method::DELETE, &path, None).await;
        let reply = reply.map_err(|error| Trouble::away(&error))?;
        match reply.status {
            204 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&reply)),
        }
    }

    /// Gives an asset another name; false where that name is taken, or the asset is not there any more.
    pub(super) async fn rename(&self, id: u64, name: &str) -> Result<bool, Trouble> {
        let path = self.path(&format!("/assets/{id}"));
        let body = json!({ "name": name });
        let reply = self.api.call(&Policy::idempotent(), Method::PATCH, &path, Some(&body)).await;
        let reply = reply.map_err(|error| Trouble::away(&error))?;
        match reply.status {
            200 => Ok(parsed::<Asset>(&reply).is_ok_and(|asset| asset.name == name)),
            404 | 422 => Ok(false),
            _ => Err(self.refused(&reply)),
        }
    }

    /// The bytes of an asset; none where it is not there any more.
    pub(super) async fn bytes(&self, client: &reqwest::Client, asset: &Asset) -> Result<Option<Vec<u8>>, Trouble> {
        let cap = usize::try_from(asset.size).unwrap_or(usize::MAX);
        // An answer that only says where to look is longer than a small asset.
        let path = self.path(&format!("/assets/{}", asset.id));
        let policy = Policy::idempotent();
        let reply = self.api.raw(&policy, &path, cap.max(64 * 1024)).await.map_err(|error| Trouble::away(&error))?;
        match reply.status {
            200 => Ok(Some(reply.body)),
            404 => Ok(None),
            301 | 302 | 303 | 307 | 308 => self.bytes_elsewhere(client, &reply, cap).await.map(Some),
            _ => Err(self.refused(&reply)),
        }
    }

    /// Assets lie on another server, which is told nothing but the address.
    async fn bytes_elsewhere(&self, client: &reqwest::Client, reply: &Reply, cap: usize) -> Result<Vec<u8>, Trouble> {
        let broken = |why: &str| Trouble::Unusable(format!("GitHub sends us on to {why}"));
        let address = reply.headers.get("location").and_then(|value| value.to_str().ok());
        let address = address.and_then(|text| reqwest::Url::parse(text).ok()).ok_or_else(|| broken("no address"))?;
        let is_local = matches!(address.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if address.scheme() != "https" && !is_local {
            return Err(broken("an address that is not encrypted"));
        }
        let attempt = || async {
            let sent = client.get(address.clone()).send().await;
            let sent = sent.map_err(|error| crate::adapters::http::Trouble::of(&error))?;
            crate::adapters::http::read(sent, cap).await
        };
        let reply = crate::adapters::http::send(&Policy::idempotent(), self.api.pace(), attempt).await;
        let reply = reply.map_err(|error| Trouble::away(&error))?;
        match reply.status {
            200 => Ok(reply.body),
            status => Err(Trouble::Unusable(format!("the server of GitHub's assets answers {status}"))),
        }
    }

    async fn ask(&self, path: &str) -> Result<Reply, Trouble> {
        let reply = self.api.call(&Policy::idempotent(), Method::GET, path, None).await;
        let reply = reply.map_err(|error| Trouble::away(&error))?;
        match reply.status {
            200 | 404 => Ok(reply),
            _ => Err(self.refused(&reply)),
        }
    }

    /// What a refusal means, and what to do about it.
    fn refused(&self, reply: &Reply) -> Trouble {
        Trouble::of(reply.status, &self.api.said(reply))
    }
}

/// What became of an upload.
pub(super) enum Added {
    /// It is there.
    Done(Asset),
    /// An asset has the name already.
    Taken,
    /// Nobody knows, and this is why.
    Unknown(String),
}

fn parsed<T: DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
    serde_json::from_slice(&reply.body)
        .map_err(|_| Trouble::Unusable("what comes back is not what GitHub answers".to_owned()))
}
