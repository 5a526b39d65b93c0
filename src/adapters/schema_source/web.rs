//! A registry on a web server: a file whose digest is known beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use http::header::{ACCEPT_ENCODING, LOCATION};
use reqwest::Url;

use super::brought::{Brought, may_be_schema, select};
use super::cache::Cache;
use super::{DEADLINE, MAX_ALL, MAX_FILE, MAX_FILES, RemoteSource, SourceError, archive, read_policy};
use crate::adapters::http::{Pace, Reply, Trouble, read, send};
use crate::ids::{CommitId, RepoPath, SchemaName, Sha256Hex};
use crate::schema::registry::SchemaFiles as _;
use crate::schema::registry::{below, schema_name};
use crate::schema::source::{Download, DownloadKind};

/// How often a server may say that the file is elsewhere.
const MAX_REDIRECTS: usize = 5;

/// A file on a web server. No token ever goes there.
pub struct WebSource {
    /// The one client.
    pub client: reqwest::Client,
    /// The clock for waits.
    pub pace: Arc<dyn Pace>,
    /// What was fetched before.
    pub cache: Arc<Cache>,
    /// Where it is.
    pub at: Download,
    /// The digest that it must have; without one nothing is taken, and the digest that was seen is told.
    pub digest: Option<Sha256Hex>,
    /// Whether plain http to this very machine will do, as for tests.
    pub allows_loopback: bool,
}

#[async_trait]
impl RemoteSource for WebSource {
    async fn bring(&self, names: &BTreeSet<SchemaName>, _: Option<&CommitId>, _: bool) -> Result<Brought, SourceError> {
        let bytes = match self.digest.as_ref().and_then(|digest| self.cache.download(digest)) {
            Some(bytes) => bytes,
            None => {
                let late = || format!("{} did not come within {} seconds", self.at.url, DEADLINE.as_secs());
                let fetched = tokio::time::timeout(DEADLINE, self.fetch()).await;
                fetched.unwrap_or_else(|_| Err(SourceError::Away(late())))?
            }
        };
        self.unpack(bytes, names).map_err(|why| SourceError::Refused(format!("{}: {why}", self.at.url)))
    }
}

impl WebSource {
    async fn fetch(&self) -> Result<Vec<u8>, SourceError> {
        let url = &self.at.url;
        let reply = self.follow().await?;
        match reply.status {
            200 => {}
            404 | 410 => return Err(SourceError::NotThere(format!("{url} is not there ({})", reply.status))),
            401 | 403 => {
                let why =
                    format!("{url} is not for everybody ({}); a web source is fetched without a token", reply.status);
                return Err(SourceError::NotThere(why));
            }
            status => return Err(SourceError::Refused(format!("{url}: the server answered {status}"))),
        }
        let seen = Sha256Hex::of(&reply.body);
        match &self.digest {
            Some(digest) if *digest == seen => {}
            Some(digest) => {
                return Err(SourceError::Refused(format!(
                    "{url} is not what schemas.digest says: its digest is sha256:{seen}, not sha256:{digest}. If somebody \
                     meant to change it, look at what it holds and write the new digest into stockroom.yml"
                )));
            }
            None => {
                return Err(SourceError::Refused(format!(
                    "{url} has no digest in stockroom.yml, so nothing says what it should hold. What is there now has \
                     `digest: sha256:{seen}`: if you trust it, write that line below `schemas:`"
                )));
            }
        }
        self.cache.put_download(&seen, &reply.body);
        Ok(reply.body)
    }

    /// Follows the server to where it keeps the file: releases on GitHub are never where their address says.
    async fn follow(&self) -> Result<Reply, SourceError> {
        let refused = |why: String| SourceError::Refused(format!("{}: {why}", self.at.url));
        let mut url = Url::parse(&self.at.url).map_err(|error| refused(error.to_string()))?;
        for _ in 0..=MAX_REDIRECTS {
            if url.scheme() != "https" && !(self.allows_loopback && is_loopback(&url)) {
                return Err(refused(
                    "it is not to be had over https alone, so anybody on the way could change it".into(),
                ));
            }
            let reply = self.get(&url).await?;
            if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(reply);
            }
            let next = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            url =
                next.and_then(|next| url.join(next).ok()).ok_or_else(|| refused("it is said to be nowhere".into()))?;
        }
        Err(refused("the servers send us round in circles".into()))
    }

    async fn get(&self, url: &Url) -> Result<Reply, SourceError> {
        let attempt = || async {
            // The digest is that of the file, not of what a server makes of it on the way.
            let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            read(request.send().await.map_err(|error| Trouble::of(&error))?, MAX_ALL).await
        };
        let reply = send(&read_policy(), &*self.pace, attempt).await;
        reply.map_err(|error| SourceError::Away(format!("{} cannot be fetched: {error}", self.at.url)))
    }

    fn unpack(&self, bytes: Vec<u8>, names: &BTreeSet<SchemaName>) -> Result<Brought, String> {
        let (folder, files) = match &self.at.kind {
            DownloadKind::Schema(name) => {
                let (folder, _) =
                    self.at.url.split_once('?').unwrap_or((&self.at.url, "")).0.rsplit_once('/').unwrap_or_default();
                if bytes.len() > MAX_FILE {
                    return Err(format!("it is larger than the {} MiB that a schema may have", MAX_FILE >> 20));
                }
                (folder.to_owned(), BTreeMap::from([(name.clone(), bytes)]))
            }
            DownloadKind::Archive => (self.at.url.clone(), without_wrapper(archive::unpack(&bytes)?, names)),
        };
        if files.len() > MAX_FILES {
            return Err(format!("it holds {} schema files; a registry has at most {MAX_FILES}", files.len()));
        }
        let files: BTreeMap<RepoPath, Vec<u8>> =
            files.into_iter().map(|(path, bytes)| (RepoPath::join(&folder, &path), bytes)).collect();
        let all = Brought::new(&folder, files.keys().cloned().collect(), files);
        let chosen = select(&all, names)?;
        Ok(Brought::new(&folder, all.paths().to_vec(), chosen))
    }
}

fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Takes a single folder around everything away, unless a schema that is asked for is found with it.
fn without_wrapper(files: BTreeMap<String, Vec<u8>>, names: &BTreeSet<SchemaName>) -> BTreeMap<String, Vec<u8>> {
    let is_asked = |path: &str| schema_name(path).is_some_and(|name| names.contains(&name));
    let Some(wrapper) = files.keys().next().and_then(|path| path.split_once('/')).map(|(first, _)| first.to_owned())
    else {
        return files;
    };
    let inner = |path: &String| below(&wrapper, &RepoPath::new(path.as_str())).map(str::to_owned);
    if files.keys().any(|path| is_asked(path) || inner(path).is_none()) {
        return files;
    }
    files
        .into_iter()
        .filter_map(|(path, bytes)| Some((inner(&path)?, bytes)))
        .filter(|(path, _)| may_be_schema(path))
        .collect()
}
