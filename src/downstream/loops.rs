//! Loops: programs that change the same values of the same records again and again, so that every change rebuilds what
//! builds on the library and nobody has anything of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::catalog::place::child_pointer;
use crate::finding::codes;
use crate::ids::{CollectionName, RepoPath};

codes! {
    SYNC_LOOP "sync-loop"
        "A program changes the same values of the same records again and again, and each of these changes would be \
         delivered. Name the values under `volatile` if they mean nothing to those who read the library; else set \
         `dispatch.on_loop`."
}

/// How many commits of a known program make a loop.
pub const ENOUGH: usize = 4;
/// How many of somebody whose name does not say that it is a program, and who did nothing else.
pub const ALIKE: usize = 8;
/// A record in which more pointers differ was changed as a whole.
const MOST_POINTERS: usize = 64;
/// Who signs as a workflow of GitHub's, beside those whose names end in `[bot]`.
const WORKFLOWS: [&str; 4] = ["github-actions", "github actions", "github action", "actions-user"];

/// What a commit did to the records of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Who wrote it.
    pub author: Author,
    /// The first line of its message.
    pub subject: String,
    /// The records that it changed, each of which was there before and after.
    pub touches: BTreeMap<RepoPath, Touch>,
    /// Whether it changed anything else of the library.
    pub has_more: bool,
}

/// Who wrote a commit, by the name and the address in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// What a commit did to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// The values at these pointers; `*` stands for the index in an array.
    Values {
        /// The collection of the record.
        collection: CollectionName,
        /// The pointers.
        pointers: BTreeSet<String>,
    },
    /// Nobody looked what it did, or it cannot be told.
    Unknown,
}

/// Values of a record that programs changed again and again, while they changed nothing else of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// The record's collection.
    pub collection: CollectionName,
    /// The pointers of the values.
    pub pointers: BTreeSet<String>,
    /// How many commits changed them.
    pub commits: usize,
    /// Who wrote these.
    pub authors: BTreeSet<String>,
}

/// The loops of a library, by record.
pub type Loops = BTreeMap<RepoPath, Loop>;

impl Author {
    /// Whether the name or the address says that it is a program.
    pub fn is_program(&self) -> bool {
        let (name, email) = (self.name.trim().to_lowercase(), self.email.trim().to_lowercase());
        let local = email.split('@').next().unwrap_or_default();
        [name.as_str(), email.as_str(), local].iter().any(|text| text.ends_with("[bot]") || WORKFLOWS.contains(text))
            || ["action@github.com", "actions@github.com"].contains(&email.as_str())
    }
}

/// The loops in a history.
pub fn loops(history: &[Past]) -> Loops {
    let programs = programs(history);
    let of_programs = || history.iter().filter(|past| programs.contains(&past.author));
    let restless = restless(of_programs(), ENOUGH);
    let mut found = Loops::new();
    for (path, candidates) in restless {
        let idle = |past: &&Past| touched(past, path).is_some_and(|(_, pointers)| pointers.is_subset(&candidates));
        let idle: Vec<&Past> = of_programs().filter(idle).collect();
        let still = counted(idle.iter().filter_map(|past| touched(past, path)).flat_map(|(_, pointers)| pointers));
        let pointers: BTreeSet<String> = enough(still, ENOUGH).cloned().collect();
        let Some((collection, _)) = idle.first().and_then(|past| touched(past, path)) else { continue };
        if pointers.is_empty() {
            continue;
        }
        let authors = idle.iter().map(|past| past.author.name.clone()).collect();
        found.insert(path.clone(), Loop { collection: collection.clone(), pointers, commits: idle.len(), authors });
    }
    found
}

/// Who wrote as a program does: those whose names say so, and those all of whose commits are alike, at least
/// [`ALIKE`] under the same message, each about nothing but the same values of the same records.
pub fn programs(history: &[Past]) -> BTreeSet<Author> {
    let mut by_author: BTreeMap<&Author, Vec<&Past>> = BTreeMap::new();
    for past in history {
        by_author.entry(&past.author).or_default().push(past);
    }
    let is_one =
        |author: &Author, commits: &[&Past]| author.is_program() || (commits.len() >= ALIKE && are_alike(commits));
    let programs = by_author.into_iter().filter(|(author, commits)| is_one(author, commits));
    programs.map(|(author, _)| author.clone()).collect()
}

fn are_alike(commits: &[&Past]) -> bool {
    let messages: BTreeSet<String> = commits.iter().map(|past| without_numbers(&past.subject)).collect();
    let restless = restless(commits.iter().copied(), ALIKE);
    let is_idle = |(path, touch): (&RepoPath, &Touch)| match (touch, restless.get(path)) {
        (Touch::Values { pointers, .. }, Some(candidates)) => pointers.is_subset(candidates),
        _ => false,
    };
    messages.len() == 1 && commits.iter().all(|past| !past.has_more && past.touches.iter().all(is_idle))
}

/// A message without what programs count in it: dates, numbers of builds.
fn without_numbers(subject: &str) -> String {
    subject.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The pointers that at least so many of the commits changed, by record.
fn restless<'p>(history: impl Iterator<Item = &'p Past>, least: usize) -> BTreeMap<&'p RepoPath, BTreeSet<String>> {
    let mut counts: BTreeMap<&RepoPath, BTreeMap<&String, usize>> = BTreeMap::new();
    for past in history {
        for path in past.touches.keys() {
            let Some((_, pointers)) = touched(past, path) else { continue };
            let of_record = counts.entry(path).or_default();
            pointers.iter().for_each(|pointer| *of_record.entry(pointer).or_default() += 1);
        }
    }
    let restless = counts.into_iter().map(|(path, counts)| (path, enough(counts, least).cloned().collect()));
    restless.filter(|(_, pointers): &(_, BTreeSet<String>)| !pointers.is_empty()).collect()
}

fn counted<'p>(pointers: impl Iterator<Item = &'p String>) -> BTreeMap<&'p String, usize> {
    pointers.fold(BTreeMap::new(), |mut counts, pointer| {
        *counts.entry(pointer).or_default() += 1;
        counts
    })
}

fn enough(counts: BTreeMap<&String, usize>, least: usize) -> impl Iterator<Item = &String> {
    counts.into_iter().filter(move |(_, count)| *count >= least).map(|(pointer, _)| pointer)
}

fn touched<'p>(past: &'p Past, path: &RepoPath) -> Option<(&'p CollectionName, &'p BTreeSet<String>)> {
    match past.touches.get(path)? {
        Touch::Values { collection, pointers } => Some((collection, pointers)),
        Touch::Unknown => None,
    }
}

/// The pointers of the values that two records do not share, with `*` for an index. None where the records have nothing
/// in common, or so little that it is another record.
pub fn differing(before: &Value, after: &Value) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    differ(before, after, String::new(), &mut found);
    (found.len() <= MOST_POINTERS && !found.contains("")).then_some(found)
}

fn differ(before: &Value, after: &Value, pointer: String, found: &mut BTreeSet<String>) {
    if before == after || found.len() > MOST_POINTERS {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let below = child_pointer(&pointer, key);
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => differ(old, new, below, found),
                    _ => {
                        found.insert(below);
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (old, new) in old.iter().zip(new) {
                differ(old, new, format!("{pointer}/*"), found);
            }
        }
        _ => {
            found.insert(pointer);
        }
    }
}

#[cfg(test)]
mod tests;
