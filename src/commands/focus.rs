//! What a check is about: the files that somebody named, and those that a change touched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;

use super::before::Before;
use super::open::{Opened, without_output};
use crate::adapters::worktree::{Worktree, WorktreeError};
use crate::catalog::asset::UsedSchema;
use crate::catalog::collection::Collection;
use crate::catalog::layout::has_a_part_in;
use crate::catalog::record::Record;
use crate::catalog::tree::{Entry, EntryKind, Tree};
use crate::config::{Config, PLACES};
use crate::finding::Finding;
use crate::ids::{AssetKey, BlobId, CollectionName, RepoPath};
use crate::report::Counts;
use crate::report::touched::{Extent, Touched};
use crate::schema::choose::choose;
use crate::schema::lock::LOCK;
use crate::schema::registry::Registry;

/// What a check is about. By default it is about everything, and compares with nothing.
#[derive(Default)]
pub struct Focus {
    named: Option<Named>,
    change: Option<Changed>,
    /// Whether the records are to be listed by name.
    pub lists_records: bool,
}

/// The files that somebody named.
struct Named {
    files: Tree,
    /// Those of them that the registry is made of.
    schemas: BTreeSet<RepoPath>,
}

/// What a change did.
struct Changed {
    since: String,
    /// Why everything counts as touched, if it does.
    everything: Option<String>,
    files: Tree,
    before: Before,
}

/// What a record has to do with the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concern {
    /// It is to be looked at and reported.
    pub is_named: bool,
    /// The change touched it or a file of it.
    pub is_touched: bool,
}

impl Default for Concern {
    fn default() -> Self {
        Self { is_named: true, is_touched: false }
    }
}

impl Focus {
    /// Looks only at what these paths, relative to `folder`, have a part in. A folder stands for the files below it; what is
    /// no part of the library is passed over, and what is not there at all is an error.
    pub fn on_paths(mut self, opened: &Opened, folder: &Path, paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut named = BTreeSet::new();
        for path in paths {
            let Some(place) = in_library(opened.worktree.root(), &folder.join(path)) else {
                is_there(&folder.join(path), path)?;
                continue;
            };
            let before = named.len();
            named.extend(opened.tree.get(&place).map(|entry| entry.path.clone()));
            named.extend(opened.tree.below(&place).map(|entry| entry.path.clone()));
            if named.len() == before && !named.contains(&RepoPath::new(place)) {
                is_there(&folder.join(path), path)?;
            }
        }
        if named.iter().any(|path| is_config(path, &opened.config)) {
            return Ok(self);
        }
        let schemas = named.iter().filter(|path| is_of_registry(path, &opened.config)).cloned().collect();
        self.named = Some(Named { files: tree_of(named), schemas });
        Ok(self)
    }

    /// Looks first at what has changed since this revision, or since the history of what is checked left it.
    ///
    /// Where the revision is not in the clone, everything counts as touched.
    pub fn on_change(mut self, opened: &Opened, revision: &str) -> Self {
        self.change = Some(Changed::since(opened, revision).unwrap_or_else(|error| {
            let cure = match opened.worktree.is_shallow() {
                true => "; `fetch-depth: 2` in actions/checkout is enough for a pull request",
                false => "",
            };
            Changed {
                since: revision.to_owned(),
                everything: Some(format!("what it is compared with cannot be read: {error}{cure}")),
                files: tree_of(BTreeSet::new()),
                before: Before::default(),
            }
        }));
        self
    }

    /// What the library is compared with, where a change is looked at.
    pub fn since(&self) -> Option<&str> {
        self.change.as_ref().map(|change| change.since.as_str())
    }

    /// What a file that may be a record has to do with the focus, as far as its name tells.
    pub fn of_file(&self, path: &RepoPath) -> Concern {
        let holds = |files: &Tree| files.get(path.as_str()).is_some();
        Concern {
            is_named: self.named.as_ref().is_none_or(|named| holds(&named.files)),
            is_touched: self.change.as_ref().is_some_and(|change| holds(&change.files)),
        }
    }

    /// Whether a file was named that may belong to a record in this folder: one below it.
    pub fn names_below(&self, folder: &str) -> bool {
        self.named.as_ref().is_some_and(|named| named.files.below(folder).next().is_some())
    }

    /// What a record has to do with the focus.
    pub fn of_record(&self, record: &Record, collection: &Collection, registry: &Registry) -> Concern {
        let by_name = self.of_file(&record.path);
        let has_part = |files: &Tree| has_a_part_in(record, collection, files);
        Concern {
            is_named: by_name.is_named
                || self.named.as_ref().is_some_and(|named| {
                    has_part(&named.files) || uses_one_of(&named.schemas, record, collection, registry)
                }),
            is_touched: by_name.is_touched || self.change.as_ref().is_some_and(|change| has_part(&change.files)),
        }
    }

    /// The finding on a record whose schema version is lower than before the change.
    pub fn lowered(&self, record: &Record, collection: &Collection, used: Option<&UsedSchema>) -> Option<Finding> {
        self.change.as_ref()?.before.lowered(record, collection, used)
    }

    /// Where the assets lay before the change that it touched; none where no change is looked at.
    pub fn former(&self) -> Option<&BTreeMap<AssetKey, RepoPath>> {
        self.change.as_ref().map(|change| &change.before.assets)
    }

    /// Leaves the findings that are about what was named: `records` are those that are to be reported.
    pub fn keep(&self, findings: &mut Vec<Finding>, records: &BTreeSet<RepoPath>) {
        let Some(named) = &self.named else { return };
        let is_named = |path: &RepoPath| records.contains(path) || named.files.get(path.as_str()).is_some();
        findings.retain(|finding| is_named(&finding.path) || finding.related.iter().any(is_named));
    }

    /// Whether a finding on a collection's settings bears on the records that are reported.
    pub fn asks(&self, finding: &Finding, reported: &BTreeMap<CollectionName, Counts>) -> bool {
        let is_about = |name: &CollectionName| finding.pointer.starts_with(&format!("/collections/{name}/"));
        self.named.is_none() || reported.keys().any(is_about)
    }

    /// Whether a finding on a schema is asked for: the schema was named, or records that are reported hang on it.
    pub fn needs(&self, finding: &Finding, unusable: &BTreeSet<RepoPath>) -> bool {
        let is_named = |named: &Named| named.files.get(finding.path.as_str()).is_some();
        self.named.as_ref().is_none_or(is_named) || unusable.contains(&finding.path)
    }

    /// What the change touched: its files, and these records that they belong to.
    pub fn touched(&self, records: BTreeSet<RepoPath>) -> Option<Touched> {
        let change = self.change.as_ref()?;
        let files = || change.files.entries.iter().map(|entry| entry.path.clone());
        let extent = match &change.everything {
            Some(why) => Extent::Everything { why: why.clone() },
            None => Extent::Files(records.into_iter().chain(files()).collect()),
        };
        Some(Touched { since: change.since.clone(), extent })
    }
}

impl Changed {
    fn since(opened: &Opened, revision: &str) -> Result<Self, WorktreeError> {
        let worktree = &opened.worktree;
        let base = worktree.fork_point(revision, opened.tree.commit.as_ref())?;
        let base_tree = without_output(worktree.tree_at(base.as_str())?, &opened.config);
        let changed = differing(&base_tree, &opened.tree);
        let rules = changed.iter().find(|path| is_rule(path, &opened.config));
        let paths: Vec<RepoPath> = changed.iter().cloned().collect();
        Ok(Self {
            since: base.short().to_owned(),
            everything: rules.map(|path| format!("{path} was changed")),
            before: before(worktree, &base_tree, &opened.config, &paths),
            files: tree_of(changed),
        })
    }
}

fn before(worktree: &Worktree, base: &Tree, config: &Config, paths: &[RepoPath]) -> Before {
    Before::read(worktree, base, &config.collections, paths)
}

/// The files that one of two trees has and the other has not, or not with the same content.
fn differing(old: &Tree, new: &Tree) -> BTreeSet<RepoPath> {
    let lacks = |tree: &Tree, entry: &Entry| {
        tree.get(entry.path.as_str()).is_none_or(|other| (&other.blob, other.kind) != (&entry.blob, entry.kind))
    };
    let gone = old.entries.iter().filter(|entry| lacks(new, entry));
    let come = new.entries.iter().filter(|entry| lacks(old, entry));
    gone.chain(come).map(|entry| entry.path.clone()).collect()
}

/// Files as a tree, of which only the names count.
fn tree_of(paths: BTreeSet<RepoPath>) -> Tree {
    let blob = BlobId::of_nothing();
    let entry = |path| Entry { path, blob: blob.clone(), kind: EntryKind::File };
    let entries = paths.into_iter().map(entry).collect();
    Tree { commit: None, staged: false, changed: Vec::new(), entries, findings: Vec::new() }
}

fn is_config(path: &RepoPath, config: &Config) -> bool {
    *path == config.path || PLACES.contains(&path.as_str())
}

/// Whether every verdict may hang on this file.
fn is_rule(path: &RepoPath, config: &Config) -> bool {
    is_config(path, config) || path.as_str() == LOCK || is_of_registry(path, config)
}

fn is_of_registry(path: &RepoPath, config: &Config) -> bool {
    let below = |folder: &str| path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    match config.schema_folder.as_str() {
        _ if config.settings.schemas.is_elsewhere() => false,
        // The registry is the library's root: its own files are told from others by the names that collections ask for.
        "" => config.schema_names().iter().any(|name| {
            let is_plain = path.as_str().strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'));
            is_plain || below(name.as_str())
        }),
        folder => below(folder),
    }
}

/// Whether the record is checked with one of these schemas. A file of the registry that is no schema by itself may be a part
/// of any.
fn uses_one_of(schemas: &BTreeSet<RepoPath>, record: &Record, collection: &Collection, registry: &Registry) -> bool {
    if schemas.is_empty() || collection.settings.schema.is_none() {
        return false;
    }
    if schemas.iter().any(|path| registry.at(path).is_none()) {
        return true;
    }
    matches!(choose(record, collection, registry), Ok(Some((slot, _))) if schemas.contains(&slot.path))
}

/// The path within the library, where it is in it. The folders that lead to it may be links, it itself is not followed.
fn in_library(root: &Path, path: &Path) -> Option<String> {
    let plain = lexical(path);
    let whole = match (plain.parent(), plain.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map_or_else(|_| plain.clone(), |parent| parent.join(name)),
        _ => plain,
    };
    let below = if whole == *root { Path::new("") } else { whole.strip_prefix(root).ok()? };
    let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
    Some(parts?.join("/"))
}

/// The path without `.` and `..`.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn is_there(place: &Path, path: &Path) -> anyhow::Result<()> {
    match place.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(anyhow!(
            "there is no {}: look at its spelling, capitals and spaces too; a name with spaces stands in quotes",
            path.display()
        )),
        Err(error) => Err(anyhow!("{} cannot be looked at: {error}", path.display())),
    }
}
