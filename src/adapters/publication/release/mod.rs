//! A manifest as assets of a GitHub release.
//!
//! Assets cannot be replaced: one is taken away and another comes. Taking away the root that was seen, and giving its name to the
//! new one, are steps that one run alone can take; so nobody replaces a root that he has not seen.

mod assets;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::assets::{Added, Asset, MOST_ASSETS, Release, Releases};
use self::trouble::Trouble;
use super::{MOST_ROOT_BYTES, ManifestSource, PublicationError, PublishTarget, Stored, Update, Version};
use crate::adapters::github::api::Api;
use crate::adapters::http::Pace;
use crate::ids::{RepoSlug, Sha256Hex, percent_encode};
use crate::manifest::files::ROOT;
use crate::manifest::layout::Habits;
use crate::secret::Secret;

/// How the names begin that new roots have until the old one is gone.
const COMING: &str = "coming-";
/// GitHub asks for this much between requests that change something.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// How often an asset is sent whose fate is unknown or that came in half.
const TRIES: usize = 3;

/// The assets of one release.
pub struct ReleaseTarget {
    api: Api,
    client: reqwest::Client,
    repository: RepoSlug,
    tag: String,
    server: String,
    seen: Mutex<Option<Arc<Seen>>>,
    written: Mutex<Option<Duration>>,
}

/// A release as it was when it was looked at last.
struct Seen {
    release: Option<Release>,
    assets: Vec<Asset>,
}

impl Seen {
    fn named(&self, name: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.name == name)
    }

    fn root(&self) -> Option<&Asset> {
        self.named(ROOT).filter(|asset| asset.is_whole())
    }
}

/// How the API is reached.
pub struct Access<'a> {
    /// The client for all requests.
    pub client: reqwest::Client,
    /// The API's address.
    pub api: &'a str,
    /// The forge's own address, under which people download.
    pub server: &'a str,
    /// A token that may write to the repository.
    pub token: &'a Secret,
    /// The clock for waits.
    pub pace: Arc<dyn Pace>,
}

impl ReleaseTarget {
    /// The release of this tag. To be called within a tokio runtime. The error is a sentence about the token.
    pub fn new(access: Access<'_>, repository: RepoSlug, tag: impl Into<String>) -> Result<Self, String> {
        let Access { client, api, server, token, pace } = access;
        let api = Api::new(client.clone(), api, token, pace)?;
        let server = server.trim_end_matches('/').to_owned();
        let (seen, written) = (Mutex::default(), Mutex::default());
        Ok(Self { api, client, repository, tag: tag.into(), server, seen, written })
    }

    fn releases(&self) -> Releases<'_> {
        Releases { api: &self.api, repository: &self.repository }
    }

    /// Looks at the release as it is now.
    async fn look(&self) -> Result<Arc<Seen>, Trouble> {
        let releases = self.releases();
        let release = releases.of(&self.tag).await?;
        let assets = match &release {
            Some(release) => releases.assets(release).await?,
            None => Vec::new(),
        };
        let seen = Arc::new(Seen { release, assets });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&seen));
        Ok(seen)
    }

    async fn known(&self) -> Result<Arc<Seen>, Trouble> {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(seen) => Ok(seen),
            None => self.look().await,
        }
    }

    async fn file(&self, seen: &Seen, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Trouble> {
        match seen.named(name).filter(|asset| asset.is_whole() && asset.size <= limit) {
            Some(asset) => self.releases().bytes(&self.client, asset).await,
            None => Ok(None),
        }
    }

    /// Waits until another request that changes something may be made.
    async fn before_write(&self) {
        let now = self.api.pace().now();
        let last = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let left = last.map(|last| BETWEEN_WRITES.saturating_sub(now.saturating_sub(last))).unwrap_or_default();
        if !left.is_zero() {
            self.api.pace().sleep(left).await;
        }
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.api.pace().now());
    }

    async fn remove(&self, asset: &Asset) -> Result<bool, Trouble> {
        self.before_write().await;
        self.releases().remove(asset.id).await
    }

    /// Sends a file, in the place of whatever has its name.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<Asset, Trouble> {
        let mut why = String::new();
        let mut seen = self.known().await?;
        for _ in 0..TRIES {
            match seen.named(name) {
                Some(asset) if asset.has(bytes) => return Ok(asset.clone()),
                // Another file, or what an upload has left that broke off.
                Some(asset) => drop(self.remove(asset).await?),
                None => {}
            }
            let release = seen.release.as_ref().ok_or_else(|| Trouble::absent(&self.tag))?;
            self.before_write().await;
            match self.releases().add(release, name, bytes).await? {
                Added::Done(asset) => return Ok(asset),
                Added::Taken => "another run is at the same file".clone_into(&mut why),
                Added::Unknown(said) => why = said,
            }
            seen = self.look().await?;
        }
        match seen.named(name) {
            Some(asset) if asset.has(bytes) => Ok(asset.clone()),
            _ => Err(Trouble::Unusable(format!("{name} does not arrive: {why}"))),
        }
    }

    /// Refuses what could not end well before anything is sent.
    fn refuse(&self, seen: &Seen, update: &Update) -> Result<(), Trouble> {
        let release = seen.release.as_ref().ok_or_else(|| Trouble::absent(&self.tag))?;
        if release.immutable && !release.draft {
            return Err(Trouble::immutable());
        }
        if let Some(name) = update.files.keys().find(|name| !is_kept(name)) {
            return Err(Trouble::Refused(format!("GitHub would give the file {name:?} another name")));
        }
        let held = seen.assets.iter().map(|asset| asset.name.as_str());
        let coming = coming(&update.root);
        let names = held.chain(update.files.keys().map(String::as_str)).chain([ROOT, coming.as_str()]);
        let count = names.collect::<std::collections::BTreeSet<_>>().len();
        if count > MOST_ASSETS {
            return Err(Trouble::Refused(format!(
                "the release would have {count} assets, and GitHub takes {MOST_ASSETS}; publish to a `branch` or an \
                 `object_store` instead"
            )));
        }
        Ok(())
    }

    async fn write(&self, update: &Update) -> Result<(), Trouble> {
        let seen = self.look().await?;
        self.refuse(&seen, update)?;
        if seen.root().map(version) != update.expected {
            return Err(Trouble::Moved);
        }
        for (name, bytes) in &update.files {
            self.put(name, bytes).await?;
        }
        self.put_root(update).await?;
        let seen = self.look().await?;
        let gone = |asset: &&Asset| update.removed.contains(&asset.name) || is_coming(&asset.name);
        for asset in seen.assets.iter().filter(gone) {
            self.remove(asset).await?;
        }
        self.look().await.map(drop)
    }

    /// Lets the new root come beside the old one, takes that one away, and gives its name to the new one.
    async fn put_root(&self, update: &Update) -> Result<(), Trouble> {
        let coming = self.put(&coming(&update.root), &update.root).await?;
        let seen = self.look().await?;
        // What an upload has left under the root's name that broke off is no root, and in the way.
        let (root, rubbish) = (seen.root(), seen.named(ROOT).filter(|asset| !asset.is_whole()));
        if root.map(version) != update.expected {
            self.remove(&coming).await?;
            return Err(Trouble::Moved);
        }
        for asset in root.into_iter().chain(rubbish) {
            self.remove(asset).await?;
        }
        self.before_write().await;
        let renamed = self.releases().rename(coming.id, ROOT).await;
        // Of two runs that have taken the same root away one alone gets the name; and an answer may have been lost.
        let now = self.look().await?;
        match now.root() {
            Some(root) if root.id == coming.id => Ok(()),
            Some(_) => {
                if let Some(left) = now.assets.iter().find(|asset| asset.id == coming.id) {
                    self.remove(left).await?;
                }
                Err(Trouble::Moved)
            }
            None => match renamed {
                Ok(_) => Err(Trouble::Unusable("the root does not get its name; run it again".to_owned())),
                Err(trouble) => Err(trouble),
            },
        }
    }

    fn told(&self, what: &'static str) -> impl Fn(Trouble) -> PublicationError + '_ {
        move |trouble| {
            let place = self.place();
            match trouble {
                Trouble::Moved => PublicationError::Moved { place },
                Trouble::Refused(why) => PublicationError::Refused { place, why },
                Trouble::Unusable(why) => PublicationError::Unusable { place, what, why },
            }
        }
    }
}

/// Whether GitHub keeps an asset's name as it is.
fn is_kept(name: &str) -> bool {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    is_plain && !name.is_empty() && !name.starts_with('.') && !name.ends_with('.')
}

/// What a root of these bytes is called until it is the root.
fn coming(root: &[u8]) -> String {
    format!("{COMING}{}.json", Sha256Hex::of(root))
}

fn is_coming(name: &str) -> bool {
    let digest = name.strip_prefix(COMING).and_then(|rest| rest.strip_suffix(".json"));
    digest.is_some_and(|digest| Sha256Hex::parse(digest).is_ok())
}

fn version(root: &Asset) -> Version {
    Version(root.id.to_string())
}

#[async_trait]
impl ManifestSource for ReleaseTarget {
    fn place(&self) -> String {
        format!("the release {}", self.tag)
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        let read = async {
            let seen = self.look().await?;
            let Some(root) = seen.root() else { return Ok(None) };
            let bytes = self.file(&seen, ROOT, MOST_ROOT_BYTES).await?.unwrap_or_default();
            Ok(Some(Stored { bytes, version: version(root) }))
        };
        read.await.map_err(self.told("read"))
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        let read = async { self.file(&*self.known().await?, name, limit).await };
        read.await.map_err(self.told("read"))
    }
}

#[async_trait]
impl PublishTarget for ReleaseTarget {
    fn address(&self) -> Option<String> {
        let (repository, tag) = (&self.repository, percent_encode(&self.tag));
        Some(format!("{}/{repository}/releases/download/{tag}/{ROOT}", self.server))
    }

    fn habits(&self) -> Habits {
        Habits::Snapshot
    }

    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        let seen = self.known().await.map_err(self.told("read"))?;
        let files =
            seen.assets.iter().filter(|asset| asset.is_whole() && asset.name != ROOT && !is_coming(&asset.name));
        Ok(files.map(|asset| (asset.name.clone(), asset.size)).collect())
    }

    async fn publish(&self, update: &Update) -> Result<(), PublicationError> {
        self.write(update).await.map_err(self.told("written"))
    }
}
