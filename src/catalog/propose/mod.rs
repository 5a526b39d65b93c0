//! Which collections a repository seems to hold: proposed by looking at where its metadata files are and what they share.
//!
//! A file is looked at once ([`Glance`]); what decides are folders, names and keys. A proposal is a starting point for a
//! person, so it is better left out than wrong: two files that merely end alike are no collection.

mod companions;
mod facts;
mod group;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use super::collection::{glob, literal};
use super::tree::{Entry, EntryKind, Tree};
use crate::ids::RepoPath;
use group::Group;

pub use companions::Companion;
pub use facts::{Facts, Glance};
pub use names::is_candidate;

/// What `init` itself writes: no record, wherever globs reach.
const OUR_PLACES: [&str; 4] =
    ["stockroom.yml", ".github/workflows/stockroom.yml", "schemas/name/v1.0.0.json", ".stockroom/manifest/x.json"];

/// A collection that the repository seems to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its name.
    pub name: String,
    /// Globs of its records.
    pub metadata: Vec<String>,
    /// Globs of what is no record although `metadata` matches it.
    pub exclude: Vec<String>,
    /// Its records that can be read, sorted.
    pub records: Vec<RepoPath>,
    /// Files that stand where its records stand and cannot be read.
    pub unreadable: Vec<RepoPath>,
    /// What names an asset, as stockroom.yml has it.
    pub id: String,
    /// Pointers of other texts that each stand only once.
    pub unique: Vec<String>,
    /// The files beside a record.
    pub files: Vec<Companion>,
    /// The member that names the version of the schema, and the versions that are named; all records name one.
    pub version: Option<(String, BTreeSet<String>)>,
    /// A member that names the version of the schema in some of the records only.
    pub half_version: Option<String>,
    /// The schemas that `$schema` names in all of the records.
    pub schemas: BTreeSet<String>,
}

/// Proposes collections; the glances are those of all candidates among the tree's files, in their order.
pub fn propose(glances: &[Glance], tree: &Tree) -> Vec<Proposal> {
    let groups = group::groups(glances, tree);
    let taken: BTreeSet<&RepoPath> =
        groups.iter().flat_map(|group| &group.members).filter_map(|at| path(glances, *at)).collect();
    let mut names = BTreeSet::new();
    let mut proposals: Vec<Proposal> = groups.iter().map(|group| proposal(group, glances, tree, &taken)).collect();
    // The largest first: it is what the repository is about.
    proposals.sort_by_key(|proposal| (std::cmp::Reverse(proposal.records.len()), proposal.metadata.clone()));
    for proposal in &mut proposals {
        let plain = proposal.name.clone();
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !names.contains(name));
        proposal.name = free.unwrap_or(plain);
        names.insert(proposal.name.clone());
    }
    proposals
}

fn path(glances: &[Glance], at: usize) -> Option<&RepoPath> {
    glances.get(at).map(|glance| &glance.path)
}

fn proposal(group: &Group, glances: &[Glance], tree: &Tree, taken: &BTreeSet<&RepoPath>) -> Proposal {
    let metadata = group.globs();
    let members: Vec<&Glance> = group.members.iter().filter_map(|at| glances.get(*at)).collect();
    let (readable, unreadable): (Vec<&Glance>, Vec<&Glance>) =
        members.iter().partition(|glance| glance.facts.is_some());
    let paths = |glances: &[&Glance]| -> Vec<RepoPath> { glances.iter().map(|glance| glance.path.clone()).collect() };
    let facts: Vec<&Facts> = readable.iter().filter_map(|glance| glance.facts.as_ref()).collect();
    let all = paths(&members);
    let (id, unique) = facts::identity(&facts, &all);
    let (version, half_version) = facts::version(&facts);
    let schemas = facts::schemas(&readable);
    Proposal {
        name: names::of_collection(group, &facts),
        exclude: excluded(&metadata, &all, tree),
        metadata,
        records: paths(&readable),
        unreadable: paths(&unreadable),
        id,
        unique,
        files: companions::companions(&all, tree, taken),
        version,
        half_version,
        schemas,
    }
}

/// Globs of everything else that these globs match: by the outermost folder that holds no record.
fn excluded(metadata: &[String], records: &[RepoPath], tree: &Tree) -> Vec<String> {
    let matchers: Vec<_> =
        metadata.iter().filter_map(|text| glob(text).ok()).map(|glob| glob.compile_matcher()).collect();
    let own: BTreeSet<&str> = records.iter().map(RepoPath::as_str).collect();
    let mut folders = BTreeSet::from([""]);
    for record in records {
        folders.extend(record.as_str().match_indices('/').filter_map(|(at, _)| record.as_str().get(..at)));
    }
    let files = tree.entries.iter().map(|entry| entry.path.as_str()).chain(OUR_PLACES);
    let mut globs = BTreeSet::new();
    for file in files.filter(|file| !own.contains(file) && matchers.iter().any(|glob| glob.is_match(file))) {
        let mut outer = file.match_indices('/').filter_map(|(at, _)| file.get(..at));
        globs.insert(match outer.find(|folder| !folders.contains(folder)) {
            Some(folder) => format!("{}/**", literal(folder)),
            None => literal(file),
        });
    }
    globs.into_iter().collect()
}

/// The files that may be records, by their names and kinds.
pub fn candidates(tree: &Tree) -> Vec<&Entry> {
    tree.entries.iter().filter(|entry| entry.kind == EntryKind::File && is_candidate(&entry.path)).collect()
}

/// How often each of these stands there.
fn counted<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    items.for_each(|item| *counts.entry(item).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests;
