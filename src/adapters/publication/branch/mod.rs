//! A manifest on a branch of origin, for GitHub Pages or whoever reads the branch.
//!
//! One commit for an edition, so that whoever reads sees it whole. Files of others in the branch are never touched.

mod bench;
mod commit;
mod promised;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use git2::Oid;

use self::bench::{Bench, failed};
use super::{MOST_ROOT_BYTES, ManifestSource, PublicationError, PublishTarget, Stored, Update, Version};
use crate::adapters::origin::{Origin, OriginError};
use crate::ids::RepoSlug;
use crate::manifest::files::{RETIRED, ROOT, digest_in};
use crate::manifest::settings::History;

/// How often an edition is put on top of what others have pushed meanwhile.
const ATTEMPTS: usize = 8;
/// After how many shards that were asked for one by one all of them are brought at once.
const PATIENCE: usize = 2;

/// Where on origin a manifest is.
#[derive(Debug, Clone)]
pub struct BranchPlace {
    /// The clone's `.git`.
    pub clone: PathBuf,
    /// A folder of our own; nothing in it outlives the process.
    pub scratch: PathBuf,
    /// The branch's name.
    pub branch: String,
    /// A folder of the branch, without slashes at its ends; empty for its top.
    pub folder: String,
    /// What becomes of the branch's earlier commits.
    pub history: History,
    /// The branches that the library itself is on: nothing is published there.
    pub sources: Vec<String>,
}

/// A branch of origin that holds one manifest and perhaps other things, which are left alone.
#[derive(Clone)]
pub struct BranchTarget {
    place: Arc<BranchPlace>,
    origin: Origin,
    address: Option<String>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// The branch as it was when it was looked at last.
struct Seen {
    bench: Bench,
    tip: Option<Oid>,
    /// How many shards were asked for that had to be brought.
    asked: usize,
}

impl BranchTarget {
    /// Nothing is done yet. `clock` gives the seconds since 1970-01-01 UTC, for a commit whose source has no date.
    pub fn new(place: BranchPlace, origin: Origin, clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { place: Arc::new(place), origin, address: None, clock, seen: Arc::default() }
    }

    /// The same, whose root can be fetched at this address.
    #[must_use]
    pub fn at(self, address: Option<String>) -> Self {
        Self { address, ..self }
    }

    /// Does what blocks where it holds nobody up.
    async fn work<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Self, &mut Option<Seen>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, PublicationError> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut seen = own.seen.lock().unwrap_or_else(PoisonError::into_inner);
            work(&own, &mut seen)
        });
        let lost = |error| Err(OriginError::local("the work on the branch was lost", error).into());
        done.await.unwrap_or_else(lost).map_err(|trouble| self.told(what, trouble))
    }

    /// Looks at the branch as it is now.
    fn look<'s>(&self, seen: &'s mut Option<Seen>) -> Result<&'s mut Seen, OriginError> {
        if seen.is_none() {
            let bench = Bench::new(&self.origin, &self.place.scratch, &self.place.branch)?;
            *seen = Some(Seen { bench, tip: None, asked: 0 });
        }
        let seen = seen.as_mut().ok_or_else(|| failed("no bench"))?;
        seen.tip = seen.bench.look()?;
        Ok(seen)
    }

    /// The branch as it was seen last; it is looked at where it was not.
    fn known<'s>(&self, seen: &'s mut Option<Seen>) -> Result<&'s mut Seen, OriginError> {
        match seen {
            Some(seen) => Ok(seen),
            None => self.look(seen),
        }
    }

    fn read_root(&self, seen: &mut Option<Seen>) -> Result<Option<Stored>, Trouble> {
        let folder = &self.place.folder;
        let seen = self.look(seen)?;
        let Some(blob) = seen.file(folder, ROOT)? else { return Ok(None) };
        // What is read next comes with it.
        let beside = seen.file(folder, RETIRED)?;
        seen.bench.bring(&beside.into_iter().chain([blob]).collect::<Vec<_>>())?;
        let bytes = seen.bench.read(blob, MOST_ROOT_BYTES)?.unwrap_or_default();
        promised::bring(seen, folder, &bytes)?;
        Ok(Some(Stored { bytes, version: version(blob) }))
    }

    fn read_file(&self, seen: &mut Option<Seen>, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let folder = &self.place.folder;
        let seen = self.known(seen)?;
        let Some(blob) = seen.file(folder, name)? else { return Ok(None) };
        if seen.bench.size(blob).is_none() && digest_in(name).is_some() {
            seen.asked += 1;
            if seen.asked > PATIENCE {
                seen.bench.bring(&seen.files(folder)?.into_values().collect::<Vec<_>>())?;
            }
        }
        Ok(seen.bench.read(blob, limit)?)
    }

    /// Puts the update on top of the branch, and again on top of what others have pushed meanwhile.
    fn write(&self, seen: &mut Option<Seen>, update: &Update) -> Result<(), Trouble> {
        let place = &self.place;
        if place.sources.contains(&place.branch) {
            return Err(Trouble::Source);
        }
        let mut moved = None;
        for attempt in 0..ATTEMPTS {
            let seen = if attempt == 0 { self.known(seen)? } else { self.look(seen)? };
            let root = seen.file(&place.folder, ROOT)?.map(version);
            let tree = commit::tree(&seen.bench, seen.tip, &place.branch, &place.folder, update)?;
            // So it is also where a push has taken effect whose answer was lost.
            if seen.has(tree)? && (root == update.expected || attempt > 0) {
                return Ok(());
            }
            if root != update.expected {
                return Err(Trouble::Moved);
            }
            let follows = place.history == History::Append;
            let parent = seen.tip.filter(|_| follows);
            let repository = seen.bench.repository();
            let commit = commit::commit(repository, &place.clone, &update.summary, (self.clock)(), tree, parent)?;
            match seen.bench.send(seen.tip, commit, follows) {
                Ok(()) => {
                    seen.tip = Some(commit);
                    return Ok(());
                }
                Err(error @ OriginError::Moved { .. }) => moved = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(moved.unwrap_or_else(|| failed("the branch moves all the time")).into())
    }

    fn told(&self, what: &'static str, trouble: Trouble) -> PublicationError {
        let place = self.place();
        let unusable = |why: String| PublicationError::Unusable { place: place.clone(), what, why };
        let refused = |why: String| PublicationError::Refused { place: place.clone(), why };
        let error = match trouble {
            Trouble::Moved => return PublicationError::Moved { place },
            Trouble::Source => {
                return refused("it is the branch of the library itself; name another one, such as gh-pages".into());
            }
            Trouble::Origin(error) => error,
        };
        match error {
            OriginError::NoRemote => {
                refused("this clone has no remote `origin`, so there is no branch to publish to".into())
            }
            OriginError::NotAllowed { why } => refused(format!(
                "origin does not let this run push ({why}). Give the job `permissions: contents: write`; where the branch is \
                 protected, let the workflow push to it, or name another one"
            )),
            OriginError::Unreadable { why } => refused(format!(
                "origin cannot be read ({why}). Give the job `permissions: contents: write`, and actions/checkout or the \
                 input `github-token` a token that may read the repository"
            )),
            OriginError::Moved { .. } => {
                unusable(format!("others push to it all the time: {ATTEMPTS} tries have come too late; run it again"))
            }
            OriginError::TooMuch => {
                unusable("its files are more than 4 GiB, and the server cannot send a part of them".into())
            }
            OriginError::Unreachable { why } => unusable(format!("origin cannot be reached: {why}")),
            OriginError::Local { why } => unusable(why),
        }
    }
}

impl Seen {
    /// A file beside the root, or the root.
    fn file(&self, folder: &str, name: &str) -> Result<Option<Oid>, OriginError> {
        let Some(tip) = self.tip else { return Ok(None) };
        Ok(self.bench.folder(tip, folder)?.and_then(|tree| Bench::file(&tree, name)))
    }

    /// All files in the folder and below it, by name.
    fn files(&self, folder: &str) -> Result<BTreeMap<String, Oid>, OriginError> {
        let Some(tip) = self.tip else { return Ok(BTreeMap::new()) };
        let tree = self.bench.folder(tip, folder)?;
        tree.map_or(Ok(BTreeMap::new()), |tree| Bench::files(&tree))
    }

    /// Whether the tip has this tree.
    fn has(&self, tree: Oid) -> Result<bool, OriginError> {
        let Some(tip) = self.tip else { return Ok(false) };
        let commit = self.bench.repository().find_commit(tip).map_err(failed)?;
        Ok(commit.tree_id() == tree)
    }
}

/// Why it was not done.
enum Trouble {
    /// Another root is there.
    Moved,
    /// The branch is the one that the library is on.
    Source,
    /// Everything else.
    Origin(OriginError),
}

impl From<OriginError> for Trouble {
    fn from(error: OriginError) -> Self {
        Self::Origin(error)
    }
}

fn version(blob: Oid) -> Version {
    Version(blob.to_string())
}

/// Where GitHub Pages serves the root of a manifest in this folder of the branch `gh-pages`; none for another branch, of
/// which nobody knows whether it is served.
pub fn pages_address(repository: &RepoSlug, branch: &str, folder: &str) -> Option<String> {
    if branch != "gh-pages" {
        return None;
    }
    let owner = repository.owner().to_ascii_lowercase();
    let site = format!("{owner}.github.io");
    // The repository of that name is the owner's own site, at its top.
    let project = match repository.name().to_ascii_lowercase() == site {
        true => String::new(),
        false => format!("/{}", repository.name()),
    };
    let folder = if folder.is_empty() {
        String::new()
    } else {
        format!("/{}", crate::ids::RepoPath::new(folder).percent_encoded())
    };
    Some(format!("https://{site}{project}{folder}/{ROOT}"))
}

#[async_trait]
impl ManifestSource for BranchTarget {
    fn place(&self) -> String {
        let BranchPlace { branch, folder, .. } = &*self.place;
        if folder.is_empty() { format!("the branch {branch}") } else { format!("the branch {branch}, {folder}") }
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        self.work("read", Self::read_root).await
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        let name = name.to_owned();
        self.work("read", move |own, seen| own.read_file(seen, &name, limit)).await
    }
}

#[async_trait]
impl PublishTarget for BranchTarget {
    fn address(&self) -> Option<String> {
        self.address.clone()
    }

    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        self.work("read", |own, seen| {
            let folder = &own.place.folder;
            Ok(promised::sizes(own.known(seen)?, folder)?)
        })
        .await
    }

    async fn publish(&self, update: &Update) -> Result<(), PublicationError> {
        let update = update.clone();
        self.work("written", move |own, seen| own.write(seen, &update)).await
    }
}
