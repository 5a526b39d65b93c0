//! A registry in a repository on GitHub, read through its REST API at one commit.
//!
//! A ref costs one request, which is a 304 and free of charge as long as it has not moved; a commit whose files were fetched
//! before costs none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::brought::{Brought, Selection, is_plain_path, may_be_schema};
use super::cache::{Cache, is_blob};
use super::{DEADLINE, MAX_ALL, MAX_FILE, MAX_FILES, RemoteSource, SourceError, read_policy};
use crate::adapters::http::{HttpError, Pace, Policy, Reply, Trouble, read, send};
use crate::ids::{BlobId, CommitId, RepoPath, SchemaName};
use crate::schema::registry::below;
use crate::schema::source::Repository;
use crate::secret::Secret;

/// A listing of GitHub's has at most 7 MB; an Enterprise Server may be more generous.
const LISTING_CAP: usize = 16 << 20;
/// How many files are fetched at once.
const AT_ONCE: usize = 8;
/// How deep a registry's folder may lie where its repository is too large for one listing.
const MAX_DEPTH: usize = 20;
/// One part of a path in an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads GitHub's API, with a token or without.
#[derive(Clone)]
pub struct Reader {
    client: reqwest::Client,
    base: String,
    authorization: Option<HeaderValue>,
    pace: Arc<dyn Pace>,
}

impl Reader {
    /// Reads the API at `base`. The token goes there and nowhere else: the client follows no redirect.
    pub fn new(
        client: reqwest::Client,
        base: &str,
        token: Option<&Secret>,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, SourceError> {
        let header = |token: &Secret| {
            let mut header = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
                let why = "the token of schemas.token holds characters that no token has; set the variable again, without \
                           line breaks";
                SourceError::NotThere(why.to_owned())
            })?;
            header.set_sensitive(true);
            Ok(header)
        };
        let authorization = token.map(header).transpose()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), authorization, pace })
    }

    async fn get(&self, path: &str, accept: &'static str, etag: Option<&str>, cap: usize) -> Result<Reply, HttpError> {
        let policy: Policy = read_policy();
        let attempt = || async {
            let mut request = self.client.get(format!("{}{path}", self.base)).header(ACCEPT, accept);
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            read(request.send().await.map_err(|error| Trouble::of(&error))?, cap).await
        };
        send(&policy, &*self.pace, attempt).await
    }
}

/// A registry in a repository.
pub struct GitHubSource {
    /// Reads the API.
    pub reader: Reader,
    /// What was fetched before.
    pub cache: Arc<Cache>,
    /// Where it is.
    pub at: Repository,
}

/// What a ref was when it was last looked up.
#[derive(Serialize, Deserialize)]
struct Resolution {
    commit: String,
    etag: Option<String>,
}

/// A file of the repository at some commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listed {
    /// Below the registry's folder.
    path: String,
    blob: String,
    bytes: u64,
}

#[async_trait]
impl RemoteSource for GitHubSource {
    async fn bring(
        &self,
        names: &BTreeSet<SchemaName>,
        pin: Option<&CommitId>,
        fresh: bool,
    ) -> Result<Brought, SourceError> {
        let late = || SourceError::Away(format!("{} did not come within {} seconds", self.at, DEADLINE.as_secs()));
        tokio::time::timeout(DEADLINE, self.all(names, pin, fresh)).await.unwrap_or_else(|_| Err(late()))
    }
}

impl GitHubSource {
    async fn all(
        &self,
        names: &BTreeSet<SchemaName>,
        pin: Option<&CommitId>,
        fresh: bool,
    ) -> Result<Brought, SourceError> {
        let (commit, stale) = match self.at.commit().or_else(|| pin.cloned()) {
            Some(commit) => (commit, None),
            None => self.resolve(fresh).await?,
        };
        let listing = self.listing(&commit).await?;
        let label = self.at.to_string();
        let at = |listed: &Listed| RepoPath::join(&label, &listed.path);
        let mut paths: Vec<RepoPath> = listing.iter().map(at).collect();
        paths.sort();
        let listing: BTreeMap<RepoPath, Listed> = listing.into_iter().map(|listed| (at(&listed), listed)).collect();
        let (mut selection, mut open) = Selection::new(&label, &paths, names);
        let (mut files, mut all) = (BTreeMap::new(), 0_usize);
        while !open.is_empty() {
            let round = open.iter().filter_map(|path| listing.get(path)).cloned().collect();
            open.clear();
            for (path, bytes) in self.blobs(round, &mut all).await? {
                let path = RepoPath::join(&label, &path);
                open.extend(selection.after(&path, &bytes));
                files.insert(path, bytes);
            }
        }
        let mut brought = Brought::new(&label, paths, files);
        brought.commit = Some(commit);
        brought.stale = stale;
        Ok(brought)
    }

    /// The commit that the ref is now; with the reason, if it could only be said what it was.
    async fn resolve(&self, fresh: bool) -> Result<(CommitId, Option<String>), SourceError> {
        let (repo, reference) = (&self.at.repo, &self.at.reference);
        let key = format!("ref\0{}\0{repo}\0{reference}", self.reader.base);
        let known: Option<(CommitId, Option<String>)> =
            self.cache.note::<Resolution>(&key).and_then(|note| Some((CommitId::parse(&note.commit).ok()?, note.etag)));
        let path = format!("/repos/{repo}/commits/{}", encoded(reference));
        let etag = known.as_ref().and_then(|(_, etag)| etag.as_deref());
        let reply = match self.reader.get(&path, "application/vnd.github.sha", etag, 1 << 20).await {
            Ok(reply) => reply,
            Err(error) => {
                let why = self.away(&error);
                return match known {
                    Some((commit, _)) if !fresh => Ok((commit, Some(why))),
                    _ => Err(SourceError::Away(why)),
                };
            }
        };
        let commit = match (reply.status, known) {
            (304, Some((commit, _))) => return Ok((commit, None)),
            (200, _) => CommitId::parse(reply.text().trim()).map_err(|_| self.nonsense("the commit"))?,
            (422, _) => {
                return Err(SourceError::NotThere(format!("{repo} has no tag, branch or commit {reference:?}")));
            }
            _ => return Err(self.refused(&reply, &format!("the ref {reference:?}"))),
        };
        let etag = reply.headers.get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.cache.put_note(&key, &Resolution { commit: commit.to_string(), etag });
        Ok((commit, None))
    }

    /// The files of a commit below the registry's folder that can be schemas.
    async fn listing(&self, commit: &CommitId) -> Result<Vec<Listed>, SourceError> {
        let (repo, folder) = (&self.at.repo, &self.at.folder);
        let key = format!("tree\0{}\0{repo}\0{commit}\0{folder}", self.reader.base);
        if let Some(listing) = self.cache.note::<Vec<Listed>>(&key) {
            return Ok(listing);
        }
        let whole = self.tree(commit.as_str(), true).await?;
        let (tree, folder) = if whole.truncated { (self.below(commit).await?, "") } else { (whole, folder.as_str()) };
        let inside = |entry: Entry| Some((below(folder, &RepoPath::new(entry.path.as_str()))?.to_owned(), entry));
        let mut files = Vec::new();
        let mut is_there = self.at.folder.is_empty();
        for (path, entry) in tree.tree.into_iter().filter_map(inside) {
            is_there = true;
            // Links lead nowhere, and submodules are another repository.
            if entry.kind != "blob" || !entry.mode.starts_with("100") || !may_be_schema(&path) {
                continue;
            }
            if !is_plain_path(&path) || BlobId::parse(&entry.sha).is_err() {
                return Err(self.nonsense("a file"));
            }
            files.push(Listed { path, blob: entry.sha, bytes: entry.size.unwrap_or_default() });
        }
        if !is_there {
            let why = format!("{repo} has no folder {:?} at commit {}", self.at.folder, commit.short());
            return Err(SourceError::NotThere(format!("{why}; correct `schemas.source`")));
        }
        if files.len() > MAX_FILES {
            return Err(self.too_much(&format!("{} files that could be schemas, more than {MAX_FILES}", files.len())));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        self.cache.put_note(&key, &files);
        Ok(files)
    }

    /// The tree of the registry's folder, in a repository that is too large to be listed at once.
    async fn below(&self, commit: &CommitId) -> Result<Tree, SourceError> {
        let parts: Vec<&str> = self.at.folder.split('/').filter(|part| !part.is_empty()).collect();
        let mut id = commit.to_string();
        for part in parts.iter().take(MAX_DEPTH) {
            let level = self.tree(&id, false).await?;
            let found = level.tree.into_iter().find(|entry| entry.kind == "tree" && entry.path == *part);
            id = found.map(|entry| entry.sha).filter(|id| CommitId::parse(id).is_ok()).ok_or_else(|| {
                let why = format!("{} has no folder {:?} at commit {}", self.at.repo, self.at.folder, commit.short());
                SourceError::NotThere(format!("{why}; correct `schemas.source`"))
            })?;
        }
        let tree = if parts.is_empty() { None } else { Some(self.tree(&id, true).await?) };
        tree.filter(|tree| !tree.truncated)
            .ok_or_else(|| self.too_much("so many files that GitHub does not list them all"))
    }

    async fn tree(&self, id: &str, recursive: bool) -> Result<Tree, SourceError> {
        let query = if recursive { "?recursive=1" } else { "" };
        let path = format!("/repos/{}/git/trees/{id}{query}", self.at.repo);
        let reply = self.reader.get(&path, "application/vnd.github+json", None, LISTING_CAP).await;
        let reply = reply.map_err(|error| SourceError::Away(self.away(&error)))?;
        match reply.status {
            200 => serde_json::from_slice(&reply.body).map_err(|_| self.nonsense("the list of its files")),
            _ => Err(self.refused(&reply, "the list of its files")),
        }
    }

    /// The contents of these files, from the cache as far as it has them; each is fetched once, whatever its names.
    async fn blobs(&self, wanted: Vec<Listed>, all: &mut usize) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        let (mut by_id, mut told) = (BTreeMap::<BlobId, Vec<String>>::new(), *all);
        for listed in wanted {
            let bytes = usize::try_from(listed.bytes).unwrap_or(usize::MAX);
            if bytes > MAX_FILE {
                return Err(self.too_much(&format!("{} with more than {} MiB", listed.path, MAX_FILE >> 20)));
            }
            self.add(&mut told, bytes)?;
            let id = BlobId::parse(&listed.blob).map_err(|_| self.nonsense("a file"))?;
            by_id.entry(id).or_default().push(listed.path);
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (id, paths) in by_id {
            match self.cache.blob(&id) {
                Some(bytes) => self.take(&mut found, all, paths, &bytes)?,
                None => missing.push((id, paths)),
            }
        }
        let (mut under_way, mut missing) = (JoinSet::new(), missing.into_iter());
        loop {
            while under_way.len() < AT_ONCE
                && let Some((id, paths)) = missing.next()
            {
                let reader = self.reader.clone();
                let address = format!("/repos/{}/git/blobs/{id}", self.at.repo);
                under_way.spawn(async move {
                    (paths, id, reader.get(&address, "application/vnd.github.raw+json", None, MAX_FILE).await)
                });
            }
            let Some(done) = under_way.join_next().await else { break };
            let (paths, id, reply) = done.map_err(|_| self.nonsense("a file"))?;
            let path = paths.first().map_or("", String::as_str);
            let reply = reply.map_err(|error| SourceError::Away(self.away(&error)))?;
            if reply.status != 200 {
                return Err(self.refused(&reply, &format!("the file {path}")));
            }
            if !is_blob(&id, &reply.body) {
                return Err(SourceError::Refused(format!(
                    "{path} of {} came with another content than its id says",
                    self.at
                )));
            }
            self.cache.put_blob(&id, &reply.body);
            self.take(&mut found, all, paths, &reply.body)?;
        }
        Ok(found)
    }

    /// Takes a content under all its names, each of which counts: the listing may have told too little.
    fn take(
        &self,
        found: &mut Vec<(String, Vec<u8>)>,
        all: &mut usize,
        paths: Vec<String>,
        bytes: &[u8],
    ) -> Result<(), SourceError> {
        for path in paths {
            self.add(all, bytes.len())?;
            found.push((path, bytes.to_vec()));
        }
        Ok(())
    }

    fn add(&self, all: &mut usize, bytes: usize) -> Result<(), SourceError> {
        *all = all.saturating_add(bytes);
        match *all > MAX_ALL {
            true => Err(self.too_much(&format!("schemas of more than {} MiB in all", MAX_ALL >> 20))),
            false => Ok(()),
        }
    }

    fn away(&self, error: &HttpError) -> String {
        let is_paced = self.reader.authorization.is_none() && error.why.contains("asks to wait");
        let advice = match is_paced {
            true => "; without a token GitHub answers 60 requests an hour: set `schemas.token`",
            false => "",
        };
        format!("{} cannot be asked for: {error}{advice}", self.at)
    }

    fn nonsense(&self, what: &str) -> SourceError {
        SourceError::Refused(format!("{what} of {} is not told as GitHub tells it; is a proxy answering?", self.at))
    }

    fn too_much(&self, what: &str) -> SourceError {
        let cure = "name the registry's folder in `schemas.source`: github:owner/repo@ref:path";
        SourceError::Refused(format!("{} holds {what}; {cure}", self.at))
    }

    /// What a final answer other than the hoped-for one means.
    fn refused(&self, reply: &Reply, what: &str) -> SourceError {
        let (repo, status) = (&self.at.repo, reply.status);
        let needs = format!("a token with `contents: read` on {repo} (`schemas.token: ${{{{ env.NAME }}}}`)");
        let has_token = self.reader.authorization.is_some();
        SourceError::NotThere(match status {
            401 => format!("GitHub does not know the token of schemas.token (401); {repo} needs {needs}"),
            404 if has_token => {
                format!("{what} of {repo} is not there (404), or the token may not see it: that takes {needs}")
            }
            403 => format!("{what} of {repo} must not be read (403); it needs {needs}"),
            404 => format!("{what} of {repo} is not there (404), or the repository is private and needs {needs}"),
            409 => format!("{repo} is empty (409)"),
            300..=399 => format!("{repo} has another name now ({status}); correct `schemas.source`"),
            _ => format!("GitHub answered {status} to the question for {what} of {repo}"),
        })
    }
}

/// A folder as GitHub tells it.
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

fn encoded(reference: &str) -> String {
    utf8_percent_encode(reference, PART).to_string()
}
