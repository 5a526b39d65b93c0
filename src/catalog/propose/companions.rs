//! Which files beside the records belong to them, as templates.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::tree::{Entry, EntryKind, Tree};
use crate::ids::RepoPath;

/// How many templates are proposed.
const MOST: usize = 12;
/// What separates a record's name from what is put before or behind it.
const BORDERS: [char; 4] = ['_', '-', '.', ' '];

/// A file that stands beside records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Its name as stockroom.yml has it.
    pub template: String,
    /// How many records have one.
    pub having: usize,
    /// Whether all have.
    pub is_required: bool,
}

/// The files that stand beside these records; no record of any collection is one.
pub(super) fn companions(records: &[RepoPath], tree: &Tree, taken: &BTreeSet<&RepoPath>) -> Vec<Companion> {
    let folders: BTreeSet<&str> = records.iter().map(RepoPath::folder).collect();
    let has_own_folders = folders.len() == records.len() && !folders.contains("");
    let having = match has_own_folders {
        true => in_own_folders(records, tree, taken),
        false => in_shared_folders(records, &folders, tree, taken),
    };
    let mut found: Vec<Companion> = having
        .into_iter()
        .map(|(template, having)| (template, having.len()))
        .filter(|(_, having)| (*having > 1 && *having * 20 >= records.len()) || records.len() == 1)
        .map(|(template, having)| Companion {
            template,
            having,
            is_required: having == records.len() && records.len() > 1,
        })
        .collect();
    found.sort_by(|a, b| (b.is_required, b.having, &a.template).cmp(&(a.is_required, a.having, &b.template)));
    found.truncate(MOST);
    found
}

/// The records, by their index, that have a file of each template.
type Having = BTreeMap<String, BTreeSet<usize>>;

/// Every file of a record's own folder belongs to it, whatever it is called.
fn in_own_folders(records: &[RepoPath], tree: &Tree, taken: &BTreeSet<&RepoPath>) -> Having {
    let (mut named, mut loose) = (Having::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        let folder = record.folder();
        let dir = folder.rsplit('/').next().unwrap_or_default();
        for entry in files(tree.below(folder), taken) {
            let Some(name) = entry.path.as_str().get(folder.len() + 1..) else { continue };
            let template = match name.split_once('/') {
                Some((below, _)) => Some(below).filter(|below| is_plain(below)).map(|below| format!("{below}/**")),
                None => replaced(name, record.stem(), "{stem}").or_else(|| replaced(name, dir, "{dir}")),
            };
            match template {
                Some(template) => {
                    named.entry(template).or_default().insert(index);
                }
                None if !name.contains('/') => loose.push((index, name)),
                None => {}
            }
        }
    }
    for (template, having) in loosely(&loose, records.len()) {
        named.entry(template).or_default().extend(having);
    }
    named
}

/// What a name has in common with others, as a template.
type Way<'w> = &'w dyn Fn(&str) -> Option<String>;

/// Files that are not called like their record: those of one name, then those that begin alike, then those that end alike.
fn loosely(files: &[(usize, &str)], records: usize) -> Having {
    let mut having = Having::new();
    let mut rest: Vec<(usize, &str)> = files.iter().copied().filter(|(_, name)| is_plain(name)).collect();
    let begun = |name: &str| {
        let (stem, extension) = name.rsplit_once('.')?;
        let (begin, _) = stem.split_once(['_', '-'])?;
        Some(format!("{}*.{extension}", stem.get(..=begin.len())?))
    };
    let ended = |name: &str| name.rsplit_once('.').map(|(_, extension)| format!("*.{extension}"));
    let whole = |name: &str| Some(name.to_owned());
    let ways: [(Way<'_>, usize); 3] = [(&whole, records.div_ceil(2)), (&begun, 2), (&ended, 2)];
    for (way, least) in ways {
        let mut found = Having::new();
        for (index, name) in &rest {
            if let Some(template) = way(name) {
                found.entry(template).or_default().insert(*index);
            }
        }
        found.retain(|_, records| records.len() >= least.max(2));
        rest.retain(|(_, name)| way(name).is_none_or(|template| !found.contains_key(&template)));
        having.extend(found);
    }
    having
}

/// Where records share a folder, a file belongs to the one whose whole name is in its own.
fn in_shared_folders(
    records: &[RepoPath],
    folders: &BTreeSet<&str>,
    tree: &Tree,
    taken: &BTreeSet<&RepoPath>,
) -> Having {
    let by_stem: BTreeMap<(&str, &str), usize> =
        records.iter().enumerate().map(|(index, record)| ((record.folder(), record.stem()), index)).collect();
    let mut having = Having::new();
    for folder in folders {
        for entry in files(tree.folder(folder), taken) {
            let name = entry.path.file_name();
            let found = parts(name).into_iter().find_map(|stem| Some((stem, *by_stem.get(&(*folder, stem))?)));
            if let Some((template, index)) =
                found.and_then(|(stem, index)| Some((replaced(name, stem, "{stem}")?, index)))
            {
                having.entry(template).or_default().insert(index);
            }
        }
    }
    having
}

/// The parts of a file's name that may be a record's, the longest first.
fn parts(name: &str) -> Vec<&str> {
    let stops = || name.char_indices().filter(|(_, c)| BORDERS.contains(c)).map(|(at, _)| at);
    let ends: Vec<usize> = stops().chain([name.len()]).collect();
    let begins: Vec<usize> = std::iter::once(0).chain(stops().map(|at| at + 1)).collect();
    // A hostile name is all borders: there is no more than this to be said of it.
    let mut parts: Vec<&str> = begins
        .iter()
        .take(8)
        .flat_map(|begin| ends.iter().rev().take(16).filter_map(|end| name.get(*begin..*end)))
        .filter(|part| !part.is_empty())
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

fn files<'t>(entries: impl Iterator<Item = &'t Entry>, taken: &BTreeSet<&RepoPath>) -> impl Iterator<Item = &'t Entry> {
    entries.filter(|entry| {
        entry.kind == EntryKind::File && !taken.contains(&entry.path) && !entry.path.file_name().starts_with('.')
    })
}

/// The name with a placeholder for a part of it; none where the rest of it would mean something else in a template.
fn replaced(name: &str, part: &str, placeholder: &str) -> Option<String> {
    let (before, after) = name.split_once(part).filter(|_| !part.is_empty())?;
    let is_border = |c: Option<char>| c.is_none_or(|c| BORDERS.contains(&c));
    let stands_alone = is_border(before.chars().next_back()) && is_border(after.chars().next());
    (stands_alone && is_plain(before) && is_plain(after)).then(|| format!("{before}{placeholder}{after}"))
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\'))
}
