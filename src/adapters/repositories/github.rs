//! Repositories on GitHub, through its REST API.
//!
//! A ref that has not moved costs a request that is a 304 and counts for nothing. A commit costs one for the list of its
//! files. Contents come one by one where they are few, else all in one archive.
//!
//! The repositories of an organisation are listed, not searched for: a search tells of a thousand at most, may leave some out
//! without saying which, and may be asked thirty times a minute. Whatever it left out would look as if it had gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::LOCATION;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::tarball::{self, MAX_WHOLE};
use super::{Repositories, RepositoryError, Take, Wanted, blob_of, is_meant};
use crate::adapters::github::GitHub;
use crate::adapters::github::api::Api;
use crate::adapters::http::{Policy, Reply};
use crate::embedding::source::{Listed, Listing, MAX_FILE_BYTES};
use crate::ids::{BlobId, CommitId, RepoPath, RepoSlug, percent_encode};

/// How many repositories an organisation may have, in pages of a hundred.
const MAX_PAGES: usize = 100;
const PAGE: usize = 100;
/// How many contents are fetched one by one; for more of them the whole repository is fetched, if it is not too large.
const FEW: usize = 50;
/// How many requests for contents are under way at once.
const AT_ONCE: usize = 8;
/// How many folders are asked for where the list of a commit's files does not come at once.
const MAX_FOLDERS: usize = 1_000;
/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 100;
/// More files than that nobody has.
const MAX_LISTED: usize = 2_000_000;

/// Repositories on a GitHub, with what lets us in there.
pub struct GitHubRepositories {
    github: GitHub,
    /// Fetches archives, which lie on another server.
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Told {
    full_name: String,
    description: Option<String>,
    topics: Option<Vec<String>>,
    #[serde(default)]
    fork: bool,
    disabled: Option<bool>,
}

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    sha: String,
    size: Option<u64>,
}

impl GitHubRepositories {
    /// Repositories on this GitHub.
    pub fn new(github: GitHub, client: reqwest::Client) -> Self {
        Self { github, client }
    }

    fn api(&self) -> &Arc<Api> {
        &self.github.api
    }

    async fn tree(&self, repo: &RepoSlug, id: &CommitId, is_recursive: bool) -> Result<Tree, RepositoryError> {
        let query = if is_recursive { "?recursive=1" } else { "" };
        let path = format!("/repos/{repo}/git/trees/{id}{query}");
        let reply = self.api().call(&Policy::idempotent(), http::Method::GET, &path, None).await;
        let reply = reply.map_err(|error| away(repo.as_str(), &error))?;
        match reply.status {
            200 => parsed(&reply, "the list of files", repo.as_str()),
            _ => Err(self.refused(&reply, "the list of files", repo.as_str())),
        }
    }

    async fn one_by_one(
        &self,
        repo: &RepoSlug,
        wanted: BTreeSet<BlobId>,
        take: &mut Take<'_>,
    ) -> Result<(), RepositoryError> {
        let (mut under_way, mut wanted) = (JoinSet::new(), wanted.into_iter());
        let cap = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
        loop {
            while under_way.len() < AT_ONCE
                && let Some(id) = wanted.next()
            {
                let (api, path) = (Arc::clone(self.api()), format!("/repos/{repo}/git/blobs/{id}"));
                under_way.spawn(async move {
                    (id, api.get(&Policy::idempotent(), &path, "application/vnd.github.raw+json", cap).await)
                });
            }
            let Some(done) = under_way.join_next().await else { return Ok(()) };
            let broken = |_| RepositoryError::Refused(format!("a file of {repo} could not be fetched"));
            let (id, reply) = done.map_err(broken)?;
            let reply = reply.map_err(|error| away(repo.as_str(), &error))?;
            if reply.status != 200 {
                return Err(self.refused(&reply, "a file", repo.as_str()));
            }
            if blob_of(&reply.body).as_ref() != Some(&id) {
                return Err(RepositoryError::Refused(format!(
                    "the blob {id} of {repo} came with another content than its id says"
                )));
            }
            take(&id, &reply.body).map_err(RepositoryError::Refused)?;
        }
    }

    /// What is wanted and in the archive of the commit; gives back what is not in it.
    async fn all_at_once(&self, wanted: &Wanted, take: &mut Take<'_>) -> Result<BTreeSet<BlobId>, RepositoryError> {
        let Wanted { repo, commit, .. } = wanted;
        let path = format!("/repos/{repo}/tarball/{commit}");
        let reply = self.api().call(&Policy::idempotent(), http::Method::GET, &path, None).await;
        let reply = reply.map_err(|error| away(repo.as_str(), &error))?;
        let address = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let (301 | 302 | 303 | 307 | 308, Some(address)) = (reply.status, address) else {
            return Err(self.refused(&reply, "the archive", repo.as_str()));
        };
        let blobs = wanted.blobs.keys().cloned().collect();
        tarball::fetch(&self.client, self.api().pace(), repo, address, blobs, take).await
    }

    /// What a final answer other than the hoped-for one means.
    fn refused(&self, reply: &Reply, what: &str, on: &str) -> RepositoryError {
        let advice = || self.api().advice(reply, "contents: read", on);
        let said = self.api().said(reply);
        let status = reply.status;
        RepositoryError::NotThere(match status {
            401 => format!("GitHub does not know the token for {on} (401{said}); {}", advice()),
            403 => format!("{what} of {on} must not be read (403{said}); {}", advice()),
            404 => format!("{what} of {on} is not there (404), or not to be seen; if it is private, it {}", advice()),
            300..=399 => format!("{on} has another name now ({status}); correct `embed.sources`"),
            _ => format!("GitHub answered {status} to the question for {what} of {on}{said}"),
        })
    }
}

#[async_trait]
impl Repositories for GitHubRepositories {
    async fn of(&self, owner: &str, keyword: Option<&str>) -> Result<Vec<RepoSlug>, RepositoryError> {
        let (mut kind, mut meant) = ("orgs", BTreeSet::new());
        for page in 1..=MAX_PAGES {
            let ask = |kind: &str| {
                let owner = percent_encode(owner).replace('/', "%2F");
                format!("/{kind}/{owner}/repos?per_page={PAGE}&sort=full_name&page={page}")
            };
            let mut reply = self.api().look(&Policy::idempotent(), &ask(kind)).await;
            if page == 1 && reply.as_ref().is_ok_and(|reply| reply.status == 404) {
                kind = "users";
                reply = self.api().look(&Policy::idempotent(), &ask(kind)).await;
            }
            let reply = reply.map_err(|error| away(owner, &error))?;
            let told: Vec<Told> = match reply.status {
                200 => parsed(&reply, "the list of repositories", owner)?,
                _ => return Err(self.refused(&reply, "the list of repositories", owner)),
            };
            let is_last = told.len() < PAGE;
            for one in told {
                let Ok(slug) = RepoSlug::parse(&one.full_name) else { continue };
                let topics = one.topics.unwrap_or_default();
                let topics = topics.iter().map(String::as_str);
                let is_usable = !one.fork && one.disabled != Some(true);
                if is_usable && is_meant(slug.name(), one.description.as_deref(), topics, keyword) {
                    meant.insert(slug);
                }
            }
            if is_last {
                return Ok(meant.into_iter().collect());
            }
        }
        let most = MAX_PAGES * PAGE;
        Err(RepositoryError::Refused(format!("{owner} has more than {most} repositories; name those that you mean")))
    }

    async fn head(&self, repo: &RepoSlug, reference: Option<&str>) -> Result<Option<CommitId>, RepositoryError> {
        let name = reference.unwrap_or("HEAD");
        let path = format!("/repos/{repo}/commits/{}", percent_encode(name).replace('/', "%2F"));
        let reply = self.api().look_at(&Policy::idempotent(), &path, "application/vnd.github.sha").await;
        let reply = reply.map_err(|error| away(repo.as_str(), &error))?;
        match reply.status {
            200 => CommitId::parse(reply.text().trim()).map(Some).map_err(|_| nonsense("the commit", repo.as_str())),
            409 => Ok(None),
            422 => Err(RepositoryError::NotThere(format!("{repo} has no branch, tag or commit {name:?}"))),
            _ => Err(self.refused(&reply, &format!("the commit of {name:?}"), repo.as_str())),
        }
    }

    async fn list(&self, repo: &RepoSlug, commit: &CommitId) -> Result<Listing, RepositoryError> {
        let mut listing = Listing::new();
        // Each folder with its depth; one that GitHub does not list whole is gone through.
        let mut open = vec![(String::new(), commit.clone(), 0_usize)];
        let mut asked = 0;
        while let Some((folder, id, depth)) = open.pop() {
            asked += 1;
            if asked > MAX_FOLDERS || depth > MAX_DEPTH || listing.len() > MAX_LISTED {
                return Err(too_much(repo));
            }
            let whole = self.tree(repo, &id, true).await?;
            let is_whole = !whole.truncated;
            let tree = if is_whole { whole } else { self.tree(repo, &id, false).await? };
            if tree.truncated {
                return Err(too_much(repo));
            }
            for entry in tree.tree {
                let path = RepoPath::join(&folder, &entry.path);
                let bad = |_| nonsense("the list of files", repo.as_str());
                match entry.kind.as_str() {
                    // Links lead nowhere, and submodules are another repository.
                    "blob" if entry.mode.starts_with("100") => {
                        let blob = BlobId::parse(&entry.sha).map_err(bad)?;
                        listing.insert(path, Listed { blob, bytes: entry.size.unwrap_or_default() });
                    }
                    "tree" if !is_whole => {
                        let id = CommitId::parse(&entry.sha).map_err(bad)?;
                        open.push((path.as_str().to_owned(), id, depth + 1));
                    }
                    _ => {}
                }
            }
        }
        Ok(listing)
    }

    async fn fetch(&self, wanted: &Wanted, take: &mut Take<'_>) -> Result<(), RepositoryError> {
        let is_whole = wanted.blobs.len() > FEW && wanted.all <= MAX_WHOLE;
        let left = match is_whole {
            true => self.all_at_once(wanted, take).await?,
            false => wanted.blobs.keys().cloned().collect(),
        };
        self.one_by_one(&wanted.repo, left, take).await
    }
}

fn parsed<T: DeserializeOwned>(reply: &Reply, what: &str, on: &str) -> Result<T, RepositoryError> {
    serde_json::from_slice(&reply.body).map_err(|_| nonsense(what, on))
}

fn away(on: &str, error: &crate::adapters::http::HttpError) -> RepositoryError {
    RepositoryError::Away(format!("{on} cannot be asked for: {error}"))
}

fn nonsense(what: &str, on: &str) -> RepositoryError {
    RepositoryError::Refused(format!("{what} of {on} is not told as GitHub tells it; is a proxy answering?"))
}

fn too_much(repo: &RepoSlug) -> RepositoryError {
    RepositoryError::Refused(format!("{repo} has more files than can be listed"))
}
