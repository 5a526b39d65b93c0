//! Carries a few files from one run to the next on a ref of the library's own remote, so that a machine that forgets
//! everything finds what the one before it has left.
//!
//! The ref points at one commit without parents, which stands for the files as they are; there is no history. It moves by
//! compare-and-set alone. Transport is the `git` program's, with whatever rights it has there; the objects lie in a
//! folder of their own beside the clone's, so that nothing of it shows in the clone, and what is old can be thrown away.

mod bound;
mod error;
mod groups;
mod heads;
mod objects;
mod program;
mod said;
mod segments;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use tempfile::NamedTempFile;

pub use self::error::CarrierError;
pub use self::groups::end_all;
pub use self::program::Patience;
pub use self::said::header;
pub use self::segments::{Limits, Prepared};

use self::bound::Bound;
use self::objects::Objects;
use self::program::{Git, Heard};
use self::said::Refusal;
use crate::ids::{CommitId, Sha256Hex};
use crate::secret::Secret;

/// The name under which git knows the remote while we speak with it; it is in no file.
const REMOTE: &str = "stockroom-carrier";

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
        let common = git2::Repository::open(&self.repository).map(|clone| clone.commondir().to_owned());
        common.unwrap_or_else(|_| self.repository.clone()).join("objects")
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
    patience: Patience,
    token: Option<Token>,
    stop: Arc<AtomicBool>,
}

/// A token, for a server to which git has no key of its own.
#[derive(Debug, Clone)]
struct Token {
    server: String,
    secret: Secret,
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
        let (limits, patience) = (Limits::default(), Patience::default());
        Self { place, limits, patience, token: None, stop: Arc::default() }
    }

    /// The same, with a token for a server such as `https://github.com`, which is used where git has no credentials for it.
    #[must_use]
    pub fn with_token(self, server: &str, secret: Secret) -> Self {
        let token = Token { server: server.trim_end_matches('/').to_owned(), secret };
        Self { token: Some(token), ..self }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Ends what is under way within a moment, once it is set: nobody waits for it any more.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
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
        self.send(&mut git, expected, commit)?;
        objects.keep_only(&prepared.ids)
    }

    /// Sends the commit; what came of it is looked up where that is not certain.
    fn send(&self, git: &mut Git, expected: Option<&CommitId>, commit: &CommitId) -> Result<(), CarrierError> {
        let reference = &self.place.reference;
        let lease = format!("--force-with-lease={reference}:{}", expected.map_or("", CommitId::as_str));
        let refspec = format!("{commit}:{reference}");
        let quiet = ["--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"];
        let words = [&["push", "--porcelain", "--progress"], &quiet[..], &[&lease, "--", REMOTE, &refspec]].concat();
        let mut pauses = self.patience.pauses.iter();
        loop {
            let refusal = match self.hear(git, &words) {
                Ok(heard) if heard.success => return Ok(()),
                Ok(heard) => said::refusal(&heard),
                Err(CarrierError::Unreachable { why }) => Refusal::Trouble(why),
                Err(error) => return Err(error),
            };
            let why = match refusal {
                Refusal::NotAllowed(why) => return Err(CarrierError::NotAllowed { why: self.shown(&why) }),
                // The border that we drew ourselves is what it minds.
                Refusal::Shallow if git.unset("GIT_SHALLOW_FILE") => continue,
                Refusal::Shallow => "the server takes nothing from a shallow clone".to_owned(),
                Refusal::Moved(why) | Refusal::Trouble(why) => why,
            };
            // An answer that got lost may have been a yes.
            match self.head_by(git) {
                Ok(Some(found)) if found == *commit => return Ok(()),
                Ok(found) if found.as_ref() != expected => return Err(CarrierError::Moved { found }),
                _ => {}
            }
            match pauses.next() {
                Some(pause) => thread::sleep(*pause),
                None => return Err(CarrierError::Unreachable { why: self.shown(&why) }),
            }
        }
    }

    /// Lets git leave out what the remote has. It looks into trees of unrelated commits for that in a shallow clone alone;
    /// a border at a commit without parents cuts nothing off.
    fn deepen(&self, git: &mut Git, objects: &Objects, known: Option<&CommitId>) -> Result<(), CarrierError> {
        let is_shallow = git2::Repository::open(&self.place.repository).is_ok_and(|clone| clone.is_shallow());
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
        match self.told(git.run_within(&words.concat(), Some(bound))) {
            Ok(heard) if heard.success => Ok(()),
            Ok(heard) => Err(self.failed(&heard)),
            Err(error @ CarrierError::Unfit { .. }) => {
                Objects::forget(&self.place.objects)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn head_by(&self, git: &Git) -> Result<Option<CommitId>, CarrierError> {
        let heard = self.hear(git, &["ls-remote", "--refs", "--", REMOTE, &self.place.reference])?;
        if !heard.success {
            return Err(self.failed(&heard));
        }
        let named = |line: &str| {
            let (id, name) = line.split_once('\t')?;
            (name == self.place.reference).then(|| CommitId::parse(id))
        };
        match heard.out.lines().find_map(named) {
            None => Ok(None),
            Some(Ok(commit)) => Ok(Some(commit)),
            Some(Err(_)) => Err(CarrierError::Unreachable { why: "the remote names no commit".to_owned() }),
        }
    }

    fn unpack(&self, objects: &Objects, commit: &CommitId, folder: &Path) -> Result<Carried, CarrierError> {
        let files = segments::unpack(objects, commit, self.place.names, &self.limits, folder)?;
        Ok(Carried { commit: commit.clone(), files })
    }

    /// The git program, set up to speak with `origin` and with nothing else.
    fn git(&self) -> Result<Git, CarrierError> {
        Objects::open(&self.place)?;
        let mut git = Git::new(&self.place, self.patience.clone(), self.stop());
        // By a name of its own the remote is neither a promisor nor a mirror, and has no further wishes.
        let heard = self.hear(&git, &["config", "--null", "--get-regexp", r"^remote\.origin\.(url|pushurl|proxy)$"])?;
        let mut named = BTreeMap::new();
        for (key, value) in heard.out.split('\0').filter_map(|entry| entry.split_once('\n')) {
            named.entry(key.trim_start_matches("remote.origin.")).or_insert(value);
        }
        if !named.contains_key("url") {
            return Err(CarrierError::NoRemote);
        }
        for (key, value) in named {
            git.configure(&format!("remote.{REMOTE}.{key}"), value);
        }
        git.settle();
        if let Some(token) = &self.token {
            let server = format!("{}/", token.server);
            let known = self.hear(&git, &["config", "--get-urlmatch", "http.extraheader", &server])?;
            if !known.success {
                git.configure(&format!("http.{server}.extraheader"), said::header(&token.secret).reveal());
                // Git would take the header along to wherever the server sends it.
                for key in ["http.followRedirects".to_owned(), format!("http.{server}.followRedirects")] {
                    git.configure(&key, "false");
                }
            }
        }
        Ok(git)
    }

    fn hear(&self, git: &Git, words: &[&str]) -> Result<Heard, CarrierError> {
        self.told(git.run_within(words, None))
    }

    fn told(&self, heard: Result<Heard, CarrierError>) -> Result<Heard, CarrierError> {
        heard.map_err(|error| match error {
            CarrierError::Unreachable { why } => CarrierError::Unreachable { why: self.shown(&why) },
            other => other,
        })
    }

    /// Why nothing was read.
    fn failed(&self, heard: &Heard) -> CarrierError {
        match said::refusal(heard) {
            Refusal::NotAllowed(why) => CarrierError::Unreadable { why: self.shown(&why) },
            Refusal::Moved(why) | Refusal::Trouble(why) => CarrierError::Unreachable { why: self.shown(&why) },
            Refusal::Shallow => CarrierError::Unreachable { why: "shallow update not allowed".to_owned() },
        }
    }

    /// What git has said, fit to be shown.
    fn shown(&self, text: &str) -> String {
        said::shown(text, self.token.as_ref().map(|token| &token.secret))
    }
}
