//! A registry's files that were brought from elsewhere, in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::read::Notation;
use crate::ids::{CommitId, RepoPath, SchemaName, Sha256Hex};
use crate::schema::registry::{SchemaFiles, below, schema_name};
use crate::schema::shelf::{Needed, needed};

/// The files of a registry elsewhere that a library needs, and the names of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// What findings call the registry: its source, at the ref that was taken.
    folder: String,
    paths: Vec<RepoPath>,
    files: BTreeMap<RepoPath, Vec<u8>>,
    /// The commit that it is, where it is a repository.
    pub commit: Option<CommitId>,
    /// Why it may not be the newest, where the network was away.
    pub stale: Option<String>,
}

impl Brought {
    pub(super) fn new(folder: &str, paths: Vec<RepoPath>, files: BTreeMap<RepoPath, Vec<u8>>) -> Self {
        Self { folder: folder.to_owned(), paths, files, commit: None, stale: None }
    }

    /// The digest of each file that was brought, by its path below the registry's folder.
    pub fn digests(&self) -> BTreeMap<String, Sha256Hex> {
        let digest =
            |(path, bytes): (&RepoPath, &Vec<u8>)| Some((below(&self.folder, path)?.to_owned(), Sha256Hex::of(bytes)));
        self.files.iter().filter_map(digest).collect()
    }
}

impl SchemaFiles for Brought {
    fn paths(&self) -> &[RepoPath] {
        &self.paths
    }

    fn folder(&self) -> &str {
        &self.folder
    }

    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, String> {
        self.files.get(path).cloned().ok_or_else(|| match self.paths.binary_search(path) {
            Ok(_) => "no collection names it, so it was not fetched".to_owned(),
            Err(_) => "it is not there".to_owned(),
        })
    }
}

/// Whether a file can be a schema, by its name.
pub(super) fn may_be_schema(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".json", ".yaml", ".yml"].iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// Whether a path is one that git could hold: it leads nowhere else.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.len() <= 1_000
        && !path.chars().any(char::is_control)
        && !path.contains('\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Which files of a registry a library needs, found out step by step: those that its collections name, and what these refer to.
pub struct Selection<'a> {
    folder: &'a str,
    paths: &'a [RepoPath],
    seen: BTreeSet<RepoPath>,
}

impl<'a> Selection<'a> {
    /// Begins with the files of the named schemas; `paths` are all of the registry, sorted.
    pub fn new(folder: &'a str, paths: &'a [RepoPath], names: &BTreeSet<SchemaName>) -> (Self, Vec<RepoPath>) {
        let is_named =
            |path: &&RepoPath| below(folder, path).and_then(schema_name).is_some_and(|name| names.contains(&name));
        let first: Vec<_> = paths.iter().filter(is_named).cloned().collect();
        (Self { folder, paths, seen: first.iter().cloned().collect() }, first)
    }

    /// The files that are needed because of this one and were not needed before.
    pub fn after(&mut self, path: &RepoPath, bytes: &[u8]) -> Vec<RepoPath> {
        let found: Vec<RepoPath> = match needed(self.folder, self.paths, path, bytes) {
            Needed::Files(files) => files.into_iter().collect(),
            Needed::All => {
                self.paths.iter().filter(|path| Notation::of(path) == Some(Notation::Json)).cloned().collect()
            }
        };
        found.into_iter().filter(|path| self.seen.insert(path.clone())).collect()
    }
}

/// The needed ones of files that are all at hand.
pub fn select(files: &dyn SchemaFiles, names: &BTreeSet<SchemaName>) -> Result<BTreeMap<RepoPath, Vec<u8>>, String> {
    let (mut selection, mut open) = Selection::new(files.folder(), files.paths(), names);
    let mut chosen = BTreeMap::new();
    while let Some(path) = open.pop() {
        let bytes = files.read(&path).map_err(|why| format!("{path}: {why}"))?;
        open.extend(selection.after(&path, &bytes));
        chosen.insert(path, bytes);
    }
    Ok(chosen)
}
