//! The remote `origin` of a clone, as the `git` program reaches it with whatever rights it has there.

mod bound;
mod error;
mod groups;
mod program;
mod said;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

pub(in crate::adapters) use self::bound::Bound;
pub use self::error::OriginError;
pub use self::groups::end_all;
pub use self::program::Patience;
pub(in crate::adapters) use self::program::{Git, Heard};
pub(in crate::adapters) use self::said::Refusal;
pub use self::said::header;
use crate::ids::CommitId;
use crate::secret::Secret;

/// The name under which git knows the remote while we speak with it; it is in no file.
pub(in crate::adapters) const REMOTE: &str = "stockroom-carrier";

/// What of a clone's configuration says where origin is.
const WHERE: &str = r"^remote\.origin\.(url|pushurl|proxy)$";
/// What of it says how origin is reached.
const HOW: &str = r"^(http|url|credential|ssh|protocol)\.|^core\.(sshcommand|gitproxy)$";

/// The remote `origin` of a clone, and by which key it is reached.
#[derive(Debug, Clone)]
pub struct Origin {
    clone: PathBuf,
    folder: PathBuf,
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

/// A commit that is to be where a ref points.
#[derive(Debug, Clone, Copy)]
pub(in crate::adapters) struct Push<'a> {
    /// The whole name of the ref.
    pub reference: &'a str,
    /// Where it is before.
    pub expected: Option<&'a CommitId>,
    /// Where it is to be.
    pub commit: &'a CommitId,
    /// Whether the commit stands on the one before, so that the remote itself sees whether anything would be lost.
    pub follows: bool,
}

impl Origin {
    /// The origin of the clone whose `.git` this is; a relative address is relative to `folder`.
    pub fn of(clone: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        let (clone, folder) = (clone.into(), folder.into());
        Self { clone, folder, patience: Patience::default(), token: None, stop: Arc::default() }
    }

    /// The same, with a token for a server such as `https://github.com`, which is used where git has no credentials for it.
    #[must_use]
    pub fn with_token(self, server: &str, secret: Secret) -> Self {
        let token = Token { server: server.trim_end_matches('/').to_owned(), secret };
        Self { token: Some(token), ..self }
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

    /// Whether the clone lacks a part of the history.
    pub(in crate::adapters) fn is_shallow(&self) -> bool {
        git2::Repository::open(&self.clone).is_ok_and(|clone| clone.is_shallow())
    }

    /// The git program within the clone, with a folder of its own for what it brings.
    pub(in crate::adapters) fn within(&self, objects: &Path) -> Result<Git, OriginError> {
        let mut git = self.program(&self.clone);
        git.keep_objects(objects, &clones_objects(&self.clone));
        // By a name of its own the remote is neither a promisor nor a mirror, and has no further wishes.
        let place = self.configured(&git, WHERE)?;
        self.lead(&mut git, &place)?;
        Ok(git)
    }

    /// The git program in a bare repository that has nothing of the clone but its way to origin.
    pub(in crate::adapters) fn apart(&self, repository: &Path) -> Result<Git, OriginError> {
        let asked = self.program(&self.clone);
        let (place, way) = (self.configured(&asked, WHERE)?, self.configured(&asked, HOW)?);
        let mut git = self.program(repository);
        // All of it comes from the clone, once: a header that is given twice is refused.
        git.set("GIT_CONFIG_NOSYSTEM", "1");
        git.set("GIT_CONFIG_GLOBAL", "/dev/null");
        way.iter().for_each(|(key, value)| git.configure(key, value));
        self.lead(&mut git, &place)?;
        Ok(git)
    }

    fn program(&self, repository: &Path) -> Git {
        Git::new(repository, &self.folder, self.patience.clone(), self.stop())
    }

    /// What git's configuration says under the keys that match, in its order.
    fn configured(&self, git: &Git, keys: &str) -> Result<Vec<(String, String)>, OriginError> {
        let heard = self.hear(git, &["config", "--null", "--get-regexp", keys])?;
        let entries = heard.out.split('\0').filter(|entry| !entry.is_empty());
        // A key alone is a yes.
        let pair = |entry: &str| {
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            (key.to_owned(), value.to_owned())
        };
        Ok(entries.map(pair).collect())
    }

    /// Sets the program up to speak with `origin` and with nothing else.
    fn lead(&self, git: &mut Git, place: &[(String, String)]) -> Result<(), OriginError> {
        let mut named = BTreeMap::new();
        for (key, value) in place {
            named.entry(key.trim_start_matches("remote.origin.")).or_insert(value);
        }
        if !named.contains_key("url") {
            return Err(OriginError::NoRemote);
        }
        for (key, value) in named {
            git.configure(&format!("remote.{REMOTE}.{key}"), value);
        }
        git.settle();
        if let Some(token) = &self.token {
            let server = format!("{}/", token.server);
            let known = self.hear(git, &["config", "--get-urlmatch", "http.extraheader", &server])?;
            if !known.success {
                git.configure(&format!("http.{server}.extraheader"), header(&token.secret).reveal());
                // Git would take the header along to wherever the server sends it.
                for key in ["http.followRedirects".to_owned(), format!("http.{server}.followRedirects")] {
                    git.configure(&key, "false");
                }
            }
        }
        Ok(())
    }

    /// The commit at which a ref is on the remote; none where there is no such ref. Nothing is downloaded.
    pub(in crate::adapters) fn head(&self, git: &Git, reference: &str) -> Result<Option<CommitId>, OriginError> {
        // `HEAD` alone is no ref to git, but a pointer to one.
        let refs = if reference == "HEAD" { &[][..] } else { &["--refs"][..] };
        let heard = self.hear(git, &[&["ls-remote"], refs, &["--", REMOTE, reference]].concat())?;
        if !heard.success {
            return Err(self.failed(&heard));
        }
        let named = heard.out.lines().filter_map(|line| line.split_once('\t')).find(|(_, name)| *name == reference);
        let unreadable = |_| OriginError::Unreachable { why: "the remote names no commit".to_owned() };
        named.map(|(id, _)| CommitId::parse(id).map_err(unreadable)).transpose()
    }

    /// Lets a ref point at the commit, if it is still where it was; what came of it is looked up where that is not certain.
    pub(in crate::adapters) fn push(&self, git: &mut Git, push: Push<'_>) -> Result<(), OriginError> {
        let Push { reference, expected, commit, follows } = push;
        let lease = format!("--force-with-lease={reference}:{}", expected.map_or("", CommitId::as_str));
        let refspec = format!("{commit}:{reference}");
        let quiet = ["--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"];
        let lease = if follows { &[][..] } else { &[lease.as_str()][..] };
        let words = [&["push", "--porcelain", "--progress"], &quiet[..], lease, &["--", REMOTE, &refspec]].concat();
        let mut pauses = self.patience.pauses.iter();
        loop {
            let refusal = match self.hear(git, &words) {
                Ok(heard) if heard.success => return Ok(()),
                Ok(heard) => said::refusal(&heard),
                Err(OriginError::Unreachable { why }) => Refusal::Trouble(why),
                Err(error) => return Err(error),
            };
            let why = match refusal {
                Refusal::NotAllowed(why) => return Err(OriginError::NotAllowed { why: self.shown(&why) }),
                // The border that we drew ourselves is what it minds.
                Refusal::Shallow if git.unset("GIT_SHALLOW_FILE") => continue,
                Refusal::Shallow => "the server takes nothing from a shallow clone".to_owned(),
                Refusal::Moved(why) | Refusal::Trouble(why) => why,
            };
            // An answer that got lost may have been a yes.
            match self.head(git, reference) {
                Ok(Some(found)) if found == *commit => return Ok(()),
                Ok(found) if found.as_ref() != expected => return Err(OriginError::Moved { found }),
                _ => {}
            }
            match pauses.next() {
                Some(pause) => thread::sleep(*pause),
                None => return Err(OriginError::Unreachable { why: self.shown(&why) }),
            }
        }
    }

    /// Runs git to its end.
    pub(in crate::adapters) fn hear(&self, git: &Git, words: &[&str]) -> Result<Heard, OriginError> {
        self.hear_within(git, words, None)
    }

    /// Runs git to its end, or until it has brought more than it may.
    pub(in crate::adapters) fn hear_within(
        &self,
        git: &Git,
        words: &[&str],
        bound: Option<Bound>,
    ) -> Result<Heard, OriginError> {
        git.run_within(words, bound).map_err(|error| match error {
            OriginError::Unreachable { why } => OriginError::Unreachable { why: self.shown(&why) },
            other => other,
        })
    }

    /// Why nothing was read.
    pub(in crate::adapters) fn failed(&self, heard: &Heard) -> OriginError {
        match said::refusal(heard) {
            Refusal::NotAllowed(why) => OriginError::Unreadable { why: self.shown(&why) },
            Refusal::Moved(why) | Refusal::Trouble(why) => OriginError::Unreachable { why: self.shown(&why) },
            Refusal::Shallow => OriginError::Unreachable { why: "shallow update not allowed".to_owned() },
        }
    }

    /// What git has said, fit to be shown.
    fn shown(&self, text: &str) -> String {
        said::shown(text, self.token.as_ref().map(|token| &token.secret))
    }
}

/// Where a clone keeps its own objects.
pub(in crate::adapters) fn clones_objects(clone: &Path) -> PathBuf {
    let common = git2::Repository::open(clone).map(|found| found.commondir().to_owned());
    common.unwrap_or_else(|_| clone.to_owned()).join("objects")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, words: &[&str]) {
        let run = Command::new("git").args(words).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
        assert!(run.unwrap().status.success(), "{words:?}");
    }

    #[test]
    fn a_repository_apart_has_the_clone_s_way_to_origin_once_and_nothing_else_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path().join("clone");
        git(folder.path(), &["init", "-q", "clone"]);
        git(folder.path(), &["init", "-q", "--bare", "apart.git"]);
        git(&clone, &["config", "remote.origin.url", "https://example.org/o/r.git"]);
        git(&clone, &["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
        git(&clone, &["config", "core.sparseCheckout", "true"]);
        // So actions/checkout leaves its key since version 6.
        let beside = folder.path().join("credentials.config");
        let key = "http.https://example.org/.extraheader";
        git(&clone, &["config", "-f", beside.to_str().unwrap(), key, "AUTHORIZATION: basic abc"]);
        let condition = format!("includeIf.gitdir:{}.path", clone.canonicalize().unwrap().join(".git").display());
        git(&clone, &["config", &condition, beside.to_str().unwrap()]);
        let origin = Origin::of(clone.join(".git"), &clone).with_token("https://example.org", Secret::new("other"));
        let apart = origin.apart(&folder.path().join("apart.git")).unwrap();
        let all = |key: &str| origin.hear(&apart, &["config", "--get-all", key]).unwrap().out;
        assert_eq!(all(key), "AUTHORIZATION: basic abc\n", "a second header would be refused");
        assert_eq!(all(&format!("remote.{REMOTE}.url")), "https://example.org/o/r.git\n");
        assert_eq!(all("core.sparseCheckout") + &all("remote.origin.fetch"), "");
        git(&clone, &["config", "--unset", &condition]);
        let apart = origin.apart(&folder.path().join("apart.git")).unwrap();
        let said = origin.hear(&apart, &["config", "--get-all", key]).unwrap().out;
        assert_eq!(said.trim_end(), header(&Secret::new("other")).reveal());
    }
}
