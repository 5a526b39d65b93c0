//! Which registry a library is checked with: its own folder, or one elsewhere at the commit that stockroom.lock names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::open::Opened;
use crate::adapters::schema_source::{Brought, RemoteSource, SourceError, select};
use crate::adapters::whole_file;
use crate::config::Config;
use crate::finding::Finding;
use crate::finding::words::count;
use crate::ids::{RepoPath, SchemaName, Sha256Hex};
use crate::schema::lock::{LOCK, Lock, MAX_LOCK_BYTES, SCHEMA_EDITED, moves};
use crate::schema::registry::{SchemaFiles, is_release, schema_name};
use crate::schema::settings::Settings;
use crate::schema::source::{Download, Repository, Source, digest};
use crate::secret::SecretRef;

/// A way to a registry elsewhere.
pub type Way = anyhow::Result<Box<dyn RemoteSource>>;

/// Makes the way to a repository.
pub type ToRepository<'a> = Box<dyn Fn(&Repository, Option<&SecretRef>) -> Way + Sync + 'a>;
/// Makes the way to a download.
pub type ToDownload<'a> = Box<dyn Fn(&Download, Option<Sha256Hex>) -> Way + Sync + 'a>;

/// Makes the ways to registries elsewhere.
pub struct Ways<'a> {
    /// To a repository, with the token that a reference leads to.
    pub github: ToRepository<'a>,
    /// To a download with its digest.
    pub web: ToDownload<'a>,
}

/// What is asked of a registry.
pub struct Ask<'a> {
    /// The library whose stockroom.yml and stockroom.lock count.
    pub opened: &'a Opened,
    /// Where the registry is, and with what it is asked for.
    pub settings: &'a Settings,
    /// The schemas that are needed.
    pub names: &'a BTreeSet<SchemaName>,
    /// Whether anything that stockroom.lock does not say is refused.
    pub locked: bool,
    /// The branch that is tried first in the registry's repository.
    pub branch: Option<String>,
    /// The ways there.
    pub ways: &'a Ways<'a>,
}

/// A registry that can be read.
pub struct Settled {
    /// Its files.
    pub files: Arc<dyn SchemaFiles>,
    /// What is wrong with it as a whole.
    pub findings: Vec<Finding>,
    /// What a person should know of it, a sentence each.
    pub said: Vec<String>,
}

/// Finds the registry of a library, and brings it where it lies elsewhere.
///
/// Content that does not have the digest that stockroom.lock gives it is never used, and never only warned of, unless it is a
/// folder of the library: that is part of the very commit that is checked.
pub async fn settle(ask: &Ask<'_>) -> anyhow::Result<Settled> {
    let source = source(ask.settings)?;
    let mut said = Vec::new();
    let lock = match read_lock(ask.opened)? {
        Some(lock) if lock.is_of(&source.to_string()) => Some(lock),
        Some(lock) => {
            let differs = format!("{LOCK} is of {}, and stockroom.yml names {source}", lock.source);
            if ask.locked {
                return Err(anyhow!("{differs}; --locked refuses that: `stockroom schema lock` writes it anew"));
            }
            said.push(format!("{differs}, so it is not used; `stockroom schema lock` writes it anew"));
            None
        }
        None => None,
    };
    if let Source::Folder(folder) = &source {
        let files = ask.opened.folder_files(folder);
        let findings = lock.map_or(Ok(Vec::new()), |lock| edited(&lock, &files, ask.locked))?;
        return Ok(Settled { files: Arc::new(files), findings, said });
    }
    if let (Source::GitHub(at), Some(lock)) = (&source, &lock)
        && let (Some(named), Some(held)) = (at.commit(), &lock.commit)
        && named != *held
    {
        let differs = format!("stockroom.yml names the commit {named} of {}, and {LOCK} the commit {held}", at.repo);
        return Err(anyhow!("{differs}; if stockroom.yml is right, run `stockroom schema lock`"));
    }
    if let (Source::GitHub(at), Some(branch)) = (&source, &ask.branch)
        && let Some(brought) = same_branch(ask, at, branch, &mut said).await?
    {
        return Ok(Settled { files: Arc::new(brought), findings: Vec::new(), said });
    }
    let is_pinned = match &source {
        Source::GitHub(at) => at.commit().is_some(),
        Source::Folder(_) | Source::Web(_) => true,
    };
    if lock.is_none() && !is_pinned && ask.locked {
        let why = format!("there is no {LOCK}, and {source} may be something else tomorrow; --locked refuses that");
        return Err(anyhow!("{why}: `stockroom schema lock` writes it"));
    }
    let pin = lock.as_ref().and_then(|lock| lock.commit.as_ref());
    let brought = to(&source, ask.settings, ask.ways)?.bring(ask.names, pin, false).await;
    let brought = match (brought, pin) {
        (Err(error), Some(commit)) => Err(error).context(format!("the registry at commit {commit}, as {LOCK} says")),
        (brought, _) => brought.context("the registry"),
    }?;
    match &lock {
        Some(lock) => verify(lock, &source, &brought.digests(), ask.locked, &mut said)?,
        None => said.extend(how_to_pin(&source, &brought).filter(|_| !is_pinned)),
    }
    Ok(Settled { files: Arc::new(brought), findings: Vec::new(), said })
}

/// What stockroom.lock would say now, whatever it says: nothing that was learnt earlier stands in for the server.
async fn resolve(opened: &Opened, names: &BTreeSet<SchemaName>, ways: &Ways<'_>) -> anyhow::Result<Lock> {
    let settings = &opened.config.settings.schemas;
    let source = source(settings)?;
    let (commit, schemas) = match &source {
        Source::Folder(folder) => {
            let files = opened.folder_files(folder);
            let mut chosen = select(&files, names).map_err(|why| anyhow!(why))?;
            // Those that no collection names are released all the same.
            for path in files.paths() {
                let is_schema = below(&files, path).and_then(schema_name).is_some();
                if is_schema && !chosen.contains_key(path) {
                    chosen.insert(path.clone(), files.read(path).map_err(|why| anyhow!("{path}: {why}"))?);
                }
            }
            let digest =
                |(path, bytes): (&RepoPath, &Vec<u8>)| Some((below(&files, path)?.to_owned(), Sha256Hex::of(bytes)));
            (None, chosen.iter().filter_map(digest).collect())
        }
        Source::GitHub(_) | Source::Web(_) => {
            let brought = to(&source, settings, ways)?.bring(names, None, true).await.context("the registry")?;
            (brought.commit.clone(), brought.digests())
        }
    };
    if schemas.is_empty() {
        return Err(anyhow!("{source} has none of the schemas that collections name, so there is nothing to lock"));
    }
    Ok(Lock { source: source.to_string(), commit, schemas })
}

/// The lock of a library; none where it has none.
fn read_lock(opened: &Opened) -> anyhow::Result<Option<Lock>> {
    let Some(bytes) = opened.read(LOCK, MAX_LOCK_BYTES).map_err(|error| anyhow!("{LOCK} cannot be read: {error}"))?
    else {
        return Ok(None);
    };
    Lock::parse(&bytes).map(Some).map_err(|why| anyhow!("{LOCK} cannot be used: {why}"))
}

/// A lock that has been written, or was as it should be.
pub struct Written {
    /// What is in it, and what has moved, for a person to read.
    pub text: String,
    /// Why the old one could not be compared with.
    pub complaint: Option<String>,
}

/// Resolves the registry of a library anew and writes the library's lock.
pub async fn write_lock(opened: &Opened, ways: &Ways<'_>) -> anyhow::Result<Written> {
    let lock = resolve(opened, &opened.config.schema_names(), ways).await?;
    let (old, complaint) = match read_lock(opened) {
        Ok(old) => (old, None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let text = lock.render();
    let is_new = opened.read(LOCK, MAX_LOCK_BYTES).ok().flatten() != Some(text.clone().into_bytes());
    if is_new {
        let path = opened.worktree.root().join(LOCK);
        whole_file::write(&path, text.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let commit = lock.commit.as_ref().map_or(String::new(), |commit| format!(" at commit {}", commit.short()));
    let what = format!("{}{commit}, {}", lock.source, count(lock.schemas.len(), "schema file"));
    let verb = if is_new { "written" } else { "is as it should be" };
    let moved: String = moves(old.as_ref(), &lock).iter().map(|line| format!("  {line}\n")).collect();
    Ok(Written { text: format!("{LOCK} {verb}: {what}\n{moved}"), complaint })
}

fn source(settings: &Settings) -> anyhow::Result<Source> {
    Source::parse(&settings.source).map_err(|why| anyhow!(why))
}

/// The way to a source.
fn to(source: &Source, settings: &Settings, ways: &Ways<'_>) -> Way {
    match source {
        Source::Folder(_) => Err(anyhow!("a folder of the library is not asked for")),
        Source::GitHub(at) => (ways.github)(at, settings.token.as_ref()),
        Source::Web(at) => {
            let digest = settings.digest.as_deref().map(digest).transpose().map_err(|why| anyhow!(why))?;
            (ways.web)(at, digest)
        }
    }
}

fn below<'p>(files: &dyn SchemaFiles, path: &'p RepoPath) -> Option<&'p str> {
    crate::schema::registry::below(files.folder(), path)
}

/// The registry at the branch of this name, if its repository has one.
async fn same_branch(
    ask: &Ask<'_>,
    at: &Repository,
    branch: &str,
    said: &mut Vec<String>,
) -> anyhow::Result<Option<Brought>> {
    if ask.locked {
        return Err(anyhow!(
            "`schemas.branch: match` would try the branch {branch:?} of {} instead of what {LOCK} says; --locked refuses that",
            at.repo
        ));
    }
    let there = at.at_branch(branch);
    match to(&Source::GitHub(there.clone()), ask.settings, ask.ways)?.bring(ask.names, None, false).await {
        Ok(brought) => {
            let commit = brought.commit.as_ref().map_or("", |commit| commit.short());
            let stale = brought.stale.as_ref().map_or(String::new(), |why| format!(" when it was last seen ({why})"));
            said.push(format!(
                "{there} at commit {commit}{stale}: the branch of the same name, as `branch: match` says"
            ));
            Ok(Some(brought))
        }
        Err(SourceError::NotThere(_)) => {
            said.push(format!("{} has no branch {branch:?}, so {at} counts", at.repo));
            Ok(None)
        }
        Err(SourceError::Away(why)) => {
            said.push(format!("{why}; so {at} counts"));
            Ok(None)
        }
        Err(error @ SourceError::Refused(_)) => Err(error).context("the registry"),
    }
}

fn how_to_pin(source: &Source, brought: &Brought) -> Option<String> {
    let commit = brought.commit.as_ref()?.short();
    Some(match &brought.stale {
        Some(why) => format!("{why}; so its commit {commit} is used, which it was when it was last seen"),
        None => format!("{source} is commit {commit} now; `stockroom schema lock` pins it"),
    })
}

/// A finding on a file of a registry elsewhere, put where the library names that registry: every report leads to files of the
/// library alone.
pub fn at_source(finding: Finding, registry: &str, config: &Config) -> Finding {
    // No folder of a library that can be a registry has a colon in its name.
    if !registry.contains(':') || !finding.path.as_str().starts_with(registry) {
        return finding;
    }
    let Finding { code, severity, path, span, message, help, .. } = finding;
    let message = format!("{path}:{}:{}: {message}", span.line, span.column);
    Finding { severity, help, ..config.finding(code, "/schemas/source", message) }
}

/// Holds what was brought against the lock.
fn verify(
    lock: &Lock,
    source: &Source,
    digests: &BTreeMap<String, Sha256Hex>,
    locked: bool,
    said: &mut Vec<String>,
) -> anyhow::Result<()> {
    if let Some(path) = lock.contradicted(digests) {
        let cure = "look at what has changed, and if it was meant, run `stockroom schema lock`";
        return Err(anyhow!("{path} of {source} does not have the digest that {LOCK} gives it; {cure}"));
    }
    if let Some(path) = lock.unknown(digests) {
        let unknown = format!("{LOCK} does not know {path}, which is needed now");
        if locked {
            return Err(anyhow!("{unknown}; --locked refuses that: `stockroom schema lock` adds it"));
        }
        said.push(format!("{unknown}; `stockroom schema lock` adds it"));
    }
    Ok(())
}

/// The released versions in the library's own folder that are not what the lock says.
fn edited(lock: &Lock, files: &dyn SchemaFiles, locked: bool) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, digest) in &lock.schemas {
        let there = RepoPath::join(files.folder(), path);
        let now = files.paths().binary_search(&there).ok().map(|_| files.read(&there));
        let (at, what) = match now {
            Some(Ok(bytes)) if Sha256Hex::of(&bytes) == *digest => continue,
            Some(Ok(_)) => (there, "is not what it was"),
            // Why it cannot be read is said where it is used.
            Some(Err(_)) => continue,
            None => (RepoPath::new(LOCK), "is gone"),
        };
        if locked {
            let why = format!("{path} {what} when {LOCK} was written; --locked refuses that");
            return Err(anyhow!("{why}: put it back, or run `stockroom schema lock`"));
        }
        if is_release(path) {
            let message = format!("{path} is a released version and {what} when {LOCK} was written");
            let cure = "put it back and release the change as a new version; if nobody uses this one yet, run `stockroom \
                        schema lock`";
            findings.push(Finding::warning(&SCHEMA_EDITED, at, message).help(cure));
        }
    }
    Ok(findings)
}
