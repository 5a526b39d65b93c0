//! Carries a few files from one run to the next on a ref of the library's own remote, so that a machine that forgets
//! everything finds what the one before it has left.
//!
//! The ref points at one commit without parents, which stands for the files as they are; there is no history. It moves by
//! compare-and-set alone. Transport is the `git` program's, with whatever rights it has there; the objects lie in a
//! folder of their own beside the clone's, so that nothing of it shows in the clone, and what is old can be thrown away.

mod error;
mod heads;
mod objects;
mod segments;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::NamedTempFile;

pub use self::error::CarrierError;
pub use self::segments::{Limits, Prepared};

use self::objects::Objects;
use super::origin::{Bound, Git, Origin, OriginError, Patience, Push, REMOTE, clones_objects};
use crate::ids::{CommitId, Sha256Hex};
use crate::secret::Secret;

/// Where a library's files are carried.
#[derive(Debug, Clone)]
pub struct Place {
    /// The clone's own `.git`.
    pub repository: PathBuf,
    /// Where its files are checked out; a relative address of a remote is relative to it.
    pub folder: PathBuf,
    /// A folder of our own for objects; what is in it can be brought again.
    pub objects: PathBuf,
    /// The whole name of the ref.
    pub reference: String,
    /// The names that a file may have; nothing else is ever written.
    pub names: &'static [&'static str],
}

impl Place {
    /// Where the clone keeps its own objects.
    fn clones_objects(&self) -> PathBuf {
        clones_objects(&self.repository)
    }

    /// The ref for the library at `prefix` of a repository: `refs/stockroom/state`, with a digest where it is no library alone.
    pub fn reference_of(prefix: &str) -> String {
        match prefix {
            "" => "refs/stockroom/state".to_owned(),
            below => format!("refs/stockroom/state-{}", Sha256Hex::of(below.as_bytes()).short()),
        }
    }
}

/// Brings and takes the files. Its calls block, for a bounded time.
#[derive(Debug, Clone)]
pub struct Carrier {
    place: Place,
    limits: Limits,
    origin: Origin,
}

/// Files that were brought and found to be whole. They vanish unless they are given a name.
#[derive(Debug)]
pub struct Carried {
    /// The commit that stands for them.
    pub commit: CommitId,
    /// The files by name.
    pub files: Vec<(&'static str, NamedTempFile)>,
}

impl Carrier {
    /// A carrier for this place. Nothing is done yet.
    pub fn new(place: Place) -> Self {
        let origin = Origin::of(&place.repository, &place.folder);
        Self { place, limits: Limits::default(), origin }
    }

    /// The same, with a token for a server such as `https://github.com`, which is used where git has no credentials for it.
    #[must_use]
    pub fn with_token(self, server: &str, secret: Secret) -> Self {
        Self { origin: self.origin.with_token(server, secret), ..self }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { origin: self.origin.with_patience(patience), ..self }
    }

    /// Ends what is under way within a moment, once it is set: nobody waits for it any more.
    pub fn stop(&self) -> Arc<AtomicBool> {
        self.origin.stop()
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The commit at which the ref is on the remote; none where there is no such ref. Nothing is downloaded.
    pub fn head(&self) -> Result<Option<CommitId>, CarrierError> {
        self.head_by(&self.git()?)
    }

    /// The files that the remote has now, laid into `folder`; none where it has no such ref.
    ///
    /// Everything is held against its digest. [`CarrierError::Unfit`] means that somebody else has written there, or that it
    /// was damaged.
    pub fn fetch(&self, folder: &Path) -> Result<Option<Carried>, CarrierError> {
        let git = self.git()?;
        let mut last = None;
        // Another run may move the ref between the two questions.
        for _ in 0..3 {
            let Some(commit) = self.head_by(&git)? else { return Ok(None) };
            let objects = Objects::open(&self.place)?;
            if objects.holds(&commit) {
                match self.unpack(&objects, &commit, folder) {
                    Ok(carried) => return Ok(Some(carried)),
                    // A download that was cut off leaves a commit without its files.
                    Err(error) => last = Some(error),
                }
                Objects::forget(&self.place.objects)?;
            }
            self.download(&git)?;
            let objects = Objects::open(&self.place)?;
            if objects.holds(&commit) {
                match self.unpack(&objects, &commit, folder) {
                    Ok(carried) => return Ok(Some(carried)),
                    Err(error @ CarrierError::Unfit { .. }) => last = Some(error),
                    Err(error) => return Err(error),
                }
                break;
            }
        }
        let why = "the ref moves faster than it can be read".to_owned();
        Err(last.unwrap_or(CarrierError::Unreachable { why }))
    }

    /// Makes a commit of these files, which stays here for the moment. A file that is not there is left out.
    ///
    /// The same files give the same commit on every machine.
    pub fn prepare(&self, files: &[(&str, &Path)]) -> Result<Prepared, CarrierError> {
        segments::pack(&Objects::open(&self.place)?, files, self.place.names, &self.limits)
    }

    /// Lets the ref point at the commit, if it is still at `expected`.
    pub fn push(&self, expected: Option<&CommitId>, prepared: &Prepared) -> Result<(), CarrierError> {
        let commit = &prepared.commit;
        if expected == Some(commit) {
            return Ok(());
        }
        let objects = Objects::open(&self.place)?;
        let mut git = self.git()?;
        self.deepen(&mut git, &objects, expected)?;
        let push = Push { reference: &self.place.reference, expected, commit, follows: false };
        self.origin.push(&mut git, push)?;
        objects.keep_only(&prepared.ids)
    }

    /// Lets git leave out what the remote has. It looks into trees of unrelated commits for that in a shallow clone alone;
    /// a border at a commit without parents cuts nothing off.
    fn deepen(&self, git: &mut Git, objects: &Objects, known: Option<&CommitId>) -> Result<(), CarrierError> {
        let is_shallow = self.origin.is_shallow();
        if let Some(commit) = known.filter(|commit| !is_shallow && objects.holds(commit)) {
            git.set("GIT_SHALLOW_FILE", objects.border(commit)?);
        }
        Ok(())
    }

    fn download(&self, git: &Git) -> Result<(), CarrierError> {
        // Offered as all that we have, so that git does not offer the library's whole history.
        let tip = format!("--negotiation-tip={}", Objects::open(&self.place)?.nothing()?);
        let quiet = ["--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--no-write-fetch-head"];
        let words = [&["fetch", "--progress", &tip, "--refmap="], &quiet[..], &["--", REMOTE, &self.place.reference]];
        let bound = Bound::new(&self.place.objects.join("objects"), self.limits.most_fetched(self.place.names.len()));
        match self.origin.hear_within(git, &words.concat(), Some(bound)) {
            Ok(heard) if heard.success => Ok(()),
            Ok(heard) => Err(self.origin.failed(&heard).into()),
            Err(OriginError::TooMuch) => {
                Objects::forget(&self.place.objects)?;
                Err(OriginError::TooMuch.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn head_by(&self, git: &Git) -> Result<Option<CommitId>, CarrierError> {
        Ok(self.origin.head(git, &self.place.reference)?)
    }

    fn unpack(&self, objects: &Objects, commit: &CommitId, folder: &Path) -> Result<Carried, CarrierError> {
        let files = segments::unpack(objects, commit, self.place.names, &self.limits, folder)?;
        Ok(Carried { commit: commit.clone(), files })
    }

    /// The git program, set up to speak with `origin` and with nothing else.
    fn git(&self) -> Result<Git, CarrierError> {
        Objects::open(&self.place)?;
        Ok(self.origin.within(&self.place.objects)?)
    }
}
