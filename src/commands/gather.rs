//! What a library is: its files, its configuration, and what is right and wrong with its records.
//!
//! Each record is looked at by itself, then what stands [`between`] them, then the files beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::open::Opened;
use super::registry::at_source;
use super::releases;
use crate::adapters::worktree::{Head, Worktree};
use crate::catalog::asset::Asset;
use crate::catalog::beside::inspect;
use crate::catalog::limits::bound;
use crate::catalog::neighbours::Neighbours;
use crate::catalog::record::candidates;
use crate::catalog::tree::{Contents, Tree};
use crate::config::Config;
use crate::downstream::Acceptance;
use crate::ids::RepoPath;
use crate::manifest::exports::Lacks;
use crate::report::{Check, Policy};
use crate::schema::registry::Registry;
use crate::schema::settings as schemas;

mod absent;
mod accepted;
mod between;
mod look;
mod seen;

use absent::{empty_collections, missing_schemas};
use between::between_records;
use look::Sight;
pub use look::{CODES, INTERNAL, Wanted};
use seen::Seen;

/// A library that has been read.
pub struct Library {
    /// The repository.
    pub worktree: Worktree,
    /// Where its HEAD is.
    pub head: Head,
    /// What stockroom.yml says.
    pub config: Config,
    /// The files.
    pub tree: Tree,
    /// Gives their bytes.
    pub contents: Arc<dyn Contents + Send>,
    /// What is right and wrong.
    pub check: Check,
    /// The valid assets, in the order of their records' paths; empty where only a verdict was asked for.
    pub assets: Arc<Vec<Asset>>,
}

impl Library {
    /// Whether files differ from the commit that have, or may have, a part in the library: not a note in a folder of its own.
    pub fn is_dirty(&self) -> bool {
        if self.tree.staged || self.tree.changed.is_empty() {
            return self.tree.staged;
        }
        let folders: BTreeSet<&str> = self.assets.iter().map(|asset| asset.record.folder()).collect();
        let files = self.assets.iter().flat_map(|asset| asset.files.iter().map(|file| &file.path));
        let files: BTreeSet<&RepoPath> = files.collect();
        let is_below_a_record = |path: &RepoPath| {
            let mut around = std::iter::successors(Some(path.folder()), |at| Some(at.rsplit_once('/')?.0));
            around.any(|folder| folders.contains(folder))
        };
        let has_a_part = |path: &&RepoPath| {
            let name = path.as_str();
            // What is not there any more may have been anything.
            self.tree.get(name).is_none()
                || name.starts_with("stockroom.")
                || **path == self.config.path
                || name.starts_with(self.config.schema_folder.as_str())
                || files.contains(path)
                || is_below_a_record(path)
        };
        self.tree.changed.iter().any(|path| has_a_part(&path))
    }
}

/// Reads and checks every record. What is wrong with them is a finding and no error.
pub fn gather(opened: Opened, wanted: Wanted) -> anyhow::Result<Library> {
    let released = opened.focus.since().map(|base| releases::findings(&opened, base)).unwrap_or_default();
    let (source, of_source) = opened.registry()?;
    let Opened { worktree, config, tree, contents, focus, .. } = opened;
    let registry = Arc::new(Registry::new(source, &config.schema_names(), config.settings.schemas.policy()));
    let (tree, focus, lint) = (Arc::new(tree), Arc::new(focus), config.settings.lint);
    let near = Arc::new(Neighbours::new(Arc::clone(&tree)));
    let (found, mut findings) = candidates(&tree, &config.collections);
    findings.extend(empty_collections(&config, &found));
    findings.extend(tree.findings.iter().cloned());
    let sight = Sight {
        near: Arc::clone(&near),
        lint,
        collections: config.collections.clone(),
        contents: Arc::clone(&contents),
        registry: Arc::clone(&registry),
        focus: Arc::clone(&focus),
        wanted,
        lacks: Arc::new(Lacks::new(&config.settings.manifest)),
        acceptance: Acceptance::of(&config.settings.downstreams),
    };
    let seen = Seen::of(found, sight, &config);
    let between = between_records(&seen, &tree, contents.as_ref(), &focus);
    let of_files =
        inspect(&seen.found, &seen.beside(), &near, contents.as_ref(), &lint, &|path| focus.of_file(path).is_named);
    let records = if focus.lists_records { seen.by_name() } else { BTreeMap::new() };
    findings.extend(accepted::findings(&seen));
    let (by_schema, unusable) = (seen.by_schema(), seen.unusable());
    let (mut named, touched) = (seen.concerned(|it| it.is_named), seen.concerned(|it| it.is_touched));
    if !seen.is_whole() {
        // What lies beside a record that was named is asked for too.
        let asked = seen.iter().filter(|(_, look)| look.concern.is_named);
        named.extend(asked.flat_map(|(_, look)| look.beside.paths(&tree)).cloned());
    }
    let (assets, counts) = seen.settle(&between, &of_files, &tree, &mut findings);
    findings.extend(between);
    findings.extend(of_files);
    focus.keep(&mut findings, &named);
    bound(&mut findings, config.settings.limits.findings);
    findings.extend(missing_schemas(&config, &registry).into_iter().filter(|finding| focus.asks(finding, &counts)));
    findings.extend(of_source);
    let of_schemas = registry.findings().into_iter().filter(|finding| focus.needs(finding, &unusable));
    findings.extend(of_schemas.map(|finding| at_source(finding, registry.folder(), &config)));
    findings.extend(released);
    let mut check = Check::new(tree.commit.clone(), tree.is_dirty(), counts, findings);
    check.records = records;
    if let Some(touched) = focus.touched(touched) {
        check = check.touching(touched);
    }
    check.summary.by_schema = by_schema;
    check.summary.policy = Some(policy(&config, &registry));
    drop(near);
    let head = worktree.head()?;
    Ok(Library { worktree, head, config, tree: Arc::unwrap_or_clone(tree), contents, check, assets: Arc::new(assets) })
}

fn policy(config: &Config, registry: &Registry) -> Policy {
    let schemas::Policy { format, draft } = config.settings.schemas.policy();
    let drafts = registry.drafts().into_iter().map(|draft| draft.as_str().to_owned()).collect();
    Policy { format: format.as_str().to_owned(), draft: draft.as_str().to_owned(), drafts }
}
