//! A library out of a repository: what it seems to hold, as a first stockroom.yml, schemas and a workflow.
//!
//! Everything is decided and tried out first, on the files as they would be; only then is anything written, and nothing
//! that is there already.

mod overlay;
mod schemas;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use rayon::prelude::*;

use super::gather::{INTERNAL, Library, Wanted, gather};
use super::infer::from_records;
use super::open::Opened;
use crate::adapters::worktree::Worktree;
use crate::catalog::propose::{Glance, Proposal, candidates, propose};
use crate::catalog::record::load;
use crate::catalog::tree::{Contents, Entry, Tree};
use crate::config::draft::{DraftCollection, draft};
use crate::config::{Config, PLACES};
use crate::ids::RepoPath;
use crate::schema::infer::Inference;
use overlay::Overlay;
use schemas::{Chosen, choose};

pub use write::write;

/// The workflow that checks pull requests and syncs the default branch.
const WORKFLOW: &str = include_str!("../../../workflows-examples/asset-repo.yml");
/// Where the workflow goes.
const WORKFLOW_PLACE: &str = ".github/workflows/stockroom.yml";

/// How many members of several kinds are told of a collection.
const MOST_MIXED: usize = 5;

/// What `init` has found, and what it is about to write.
pub struct Initiation {
    /// The collections that were found.
    pub collections: Vec<Found>,
    /// How many files stand where records stand, cannot be read, and say nothing to an inferred schema.
    pub unreadable: usize,
    /// The files to be written, with their texts.
    pub files: Vec<(RepoPath, String)>,
    /// What is there already, or is not done, in sentences.
    pub notes: Vec<String>,
    /// The library as it is once the files are written, checked.
    pub library: Library,
}

/// A collection that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// How many records it has.
    pub records: usize,
    /// Its globs.
    pub metadata: Vec<String>,
    /// What names its assets.
    pub id: String,
    /// The files that stand beside every record.
    pub required: Vec<String>,
    /// Its schema, and where that comes from.
    pub schema: String,
    /// Members that are of one kind here and of another there, in words.
    pub mixed: Vec<String>,
}

/// Looks at a repository and decides what to write; writes nothing.
pub fn initiate(folder: &Path) -> anyhow::Result<Initiation> {
    let worktree = Worktree::open(folder)?;
    let tree = worktree.tree_now()?;
    if let Some(there) = PLACES.iter().find(|place| worktree.root().join(place).symlink_metadata().is_ok()) {
        return Err(anyhow!(
            "{there} is there already, so this is a library: nothing was written. `stockroom check` checks it; \
             `stockroom schema infer --collection NAME` infers a schema"
        ));
    }
    let disk: Arc<dyn Contents + Send> = Arc::new(worktree.disk());
    let glances = look(&candidates(&tree), disk.as_ref());
    let proposals = propose(&glances, &tree);
    if proposals.is_empty() {
        return Err(nothing_found(&tree, glances.len()));
    }
    let tried = Attempt { folder, tree: &tree, disk: &disk, proposals: &proposals };
    let mut unfit = BTreeSet::new();
    let (mut files, mut found, mut library) = tried.make(&unfit)?;
    // A schema that does not fit the way in which the records name theirs is left out rather than imposed.
    for proposal in &found {
        if schemas::is_unfit(&library.check, &tried.collection(&proposal.name)) {
            unfit.insert(proposal.name.clone());
        }
    }
    if !unfit.is_empty() {
        (files, found, library) = tried.make(&unfit)?;
    }
    let mut notes = Vec::new();
    add_workflow(&mut files, &mut notes, &worktree);
    let unreadable = proposals.iter().map(|proposal| proposal.unreadable.len()).sum();
    Ok(Initiation { collections: found, unreadable, files, notes, library })
}

/// Reads every candidate once. What cannot be read still counts by its place.
fn look(entries: &[&Entry], contents: &dyn Contents) -> Vec<Glance> {
    let glance = |entry: &&Entry| {
        let (record, findings) = load(entry, contents);
        Glance::of(&entry.path, record.as_ref().map(|record| &record.document), &findings)
    };
    let mut glances: Vec<Glance> = entries.par_iter().filter_map(glance).collect();
    let mut known = BTreeSet::new();
    glances.iter_mut().filter_map(|glance| glance.facts.as_mut()).for_each(|facts| facts.share_keys(&mut known));
    glances
}

fn nothing_found(tree: &Tree, seen: usize) -> anyhow::Error {
    let looked = match (tree.entries.len(), seen) {
        (0, _) => "the repository has no file yet (or git ignores them all)".to_owned(),
        (files, 0) => format!("none of the {files} files looks like a record"),
        (_, seen) => format!("{seen} files could be records, but no two of them stand and say alike"),
    };
    anyhow!(
        "{looked}, so there is no collection to propose and nothing was written.\n\
         A record is a JSON, YAML or TOML file, or Markdown with front matter, that describes one asset. `init` finds records\n\
         that share most of their keys and stand alike, such as:\n\
         \x20 Hex Bolt/Hex Bolt.json    one in each asset's folder\n\
         \x20 icons/arrow.json          all in one folder\n\
         Add two, and run it again; or write stockroom.yml by hand, of which this is the least:\n\
         \x20 version: 1\n\
         \x20 collections:\n\
         \x20   products:\n\
         \x20     metadata: \"*/*.json\""
    )
}

/// All that the files to be written are made from.
struct Attempt<'a> {
    folder: &'a Path,
    tree: &'a Tree,
    disk: &'a Arc<dyn Contents + Send>,
    proposals: &'a [Proposal],
}

type Made = (Vec<(RepoPath, String)>, Vec<Found>, Library);

impl Attempt<'_> {
    fn collection(&self, name: &str) -> BTreeSet<&RepoPath> {
        self.proposals.iter().filter(|proposal| proposal.name == name).flat_map(|proposal| &proposal.records).collect()
    }

    /// Makes the files without schemas for these collections, and checks the library that there would be.
    fn make(&self, unfit: &BTreeSet<String>) -> anyhow::Result<Made> {
        let chosen = choose(self.proposals, self.tree, self.disk, unfit);
        let mut files: BTreeMap<RepoPath, String> = BTreeMap::new();
        let (mut drafts, mut found) = (Vec::new(), Vec::new());
        for (proposal, choice) in self.proposals.iter().zip(&chosen.choices) {
            let entries: Vec<&Entry> =
                proposal.records.iter().filter_map(|path| self.tree.get(path.as_str())).collect();
            let (inference, _) = from_records(&entries, self.disk.as_ref());
            let written = schemas::texts(proposal, choice, &chosen.source, &entries, self.disk.as_ref());
            drafts.push(DraftCollection {
                proposal,
                schema: choice
                    .name()
                    .map(|name| (name.to_owned(), schemas::remark(choice, written.first().map(|(path, _)| path)))),
                version_field: choice.version_field().map(str::to_owned),
                touched: inference.touched(),
            });
            found.push(found_as(proposal, choice, &inference));
            files.extend(written);
        }
        let config = draft(&drafts, &chosen.source);
        files.insert(RepoPath::new(PLACES[0]), config);
        let library = self.check(&files)?;
        Ok((files.into_iter().collect(), found, library))
    }

    fn check(&self, files: &BTreeMap<RepoPath, String>) -> anyhow::Result<Library> {
        let (tree, contents) = Overlay::over(self.tree, Arc::clone(self.disk), files)?;
        let path = RepoPath::new(PLACES[0]);
        let text = files.get(&path).cloned().unwrap_or_default();
        let config = Config::read(&path, text.into_bytes());
        let config =
            config.context("the proposed stockroom.yml is wrong, which is a mistake in Stockroom: please report it")?;
        let opened = Opened::new(Worktree::open(self.folder)?, config, tree, Arc::new(contents));
        let library = gather(opened, Wanted::Verdict)?;
        match library.check.findings.iter().find(|finding| finding.code == &INTERNAL) {
            Some(finding) => Err(anyhow!("Stockroom failed on {}: please report it as a bug", finding.path)),
            None => Ok(library),
        }
    }
}

fn found_as(proposal: &Proposal, choice: &Chosen, inference: &Inference) -> Found {
    let required = proposal.files.iter().filter(|file| file.is_required).map(|file| file.template.clone());
    Found {
        name: proposal.name.clone(),
        records: proposal.records.len(),
        metadata: proposal.metadata.clone(),
        id: proposal.id.clone(),
        required: required.collect(),
        schema: choice.said(),
        mixed: inference.mixed().iter().take(MOST_MIXED).map(|(pointer, kinds)| mixed(pointer, kinds)).collect(),
    }
}

/// Such as `/price is a text 11 times and a number 5 times`.
fn mixed(pointer: &str, kinds: &[(&'static str, u64)]) -> String {
    let times = |count: &u64| if *count == 1 { "once".to_owned() } else { format!("{count} times") };
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{} {kind} {}", if *kind == "object" { "an" } else { "a" }, times(count)))
        .collect();
    format!("{pointer} is {}", kinds.join(" and "))
}

/// The workflow is the repository's, so it is written only where the library is all of it.
fn add_workflow(files: &mut Vec<(RepoPath, String)>, notes: &mut Vec<String>, worktree: &Worktree) {
    if !worktree.prefix().is_empty() {
        let folder = worktree.prefix().trim_end_matches('/');
        notes.push(format!(
            "no workflow: the library is the folder {folder:?} of a larger repository, and workflows stand at its root. \
             Run `init` there, or write one with `directory: {folder:?}`"
        ));
    } else if worktree.root().join(WORKFLOW_PLACE).symlink_metadata().is_ok() {
        notes.push(format!("{WORKFLOW_PLACE} is there already, and is left as it is"));
    } else {
        let branch = worktree.main_branch().unwrap_or_else(|| "main".to_owned());
        files.push((
            RepoPath::new(WORKFLOW_PLACE),
            WORKFLOW.replace("branches: [main]", &format!("branches: [{branch}]")),
        ));
    }
}
