//! All that a record and its collection say about files, and what these files are.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::collection::Collection;
use super::declared::Claim;
use super::image::{self, ImageRule};
use super::layout::{Companions, code_of, companions};
use super::leaks;
use super::lint::Settings as Lint;
use super::names::unportable;
use super::neighbours::Neighbours;
use super::record::{Candidate, Record};
use super::references::references;
use super::settings::Others;
use super::tree::{Contents, Entry, EntryKind, Tree};
use crate::finding::{Finding, codes};
use crate::ids::RepoPath;

codes! {
    FILE_FORBIDDEN "file-forbidden"
        "A file is beside a record that the collection's `files.forbidden` names. Take it away."
    FILE_UNEXPECTED "file-unexpected"
        "A file is in a record's folder that belongs to no record, and `files.others` does not let it pass. Take it \
         away, or name it in `files.optional`."
}

/// How large a text beside a record may be that is searched for leaks, in bytes.
const MAX_TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// The files of one record, by their indices in the tree.
#[derive(Debug, Default)]
pub struct Beside {
    /// Those that belong to it, sorted by path.
    files: Vec<usize>,
    /// Those that must not be there, each with the index of the rule that says so.
    forbidden: Vec<(usize, usize)>,
    /// The files that a finding takes for those that were meant.
    misnamed: Vec<usize>,
    /// The images of which something is asked, each with the index of the rule.
    images: Vec<(usize, usize)>,
    /// What the record says of some of them.
    pub claims: Vec<Claim>,
}

impl Beside {
    /// The files that a record's collection and its values name, and what is wrong with that.
    pub fn of(record: &Record, collection: &Collection, near: &Neighbours) -> (Self, Vec<Finding>) {
        let Companions { mut files, forbidden, mut missing, mut findings } = companions(record, collection, near);
        let (referenced, claims, more) = references(record, collection, near, &mut missing);
        findings.extend(more);
        if !referenced.is_empty() {
            files.extend(referenced);
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files.dedup_by(|a, b| a.path == b.path);
        }
        let index = |entry: &Entry| near.tree.index_of(entry);
        let indexed = |(entry, rule): (&Entry, usize)| Some((index(entry)?, rule));
        let mut images = Vec::new();
        for (rule, image) in collection.images.iter().enumerate() {
            let (_, found) = image.files.matches(record, &near.tree);
            images.extend(found.into_iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| (entry, rule)));
        }
        let beside = Self {
            files: files.into_iter().filter_map(index).collect(),
            forbidden: forbidden.into_iter().filter_map(indexed).collect(),
            misnamed: missing.iter().filter_map(|wanted| index(near.meant(wanted, &record.path)?)).collect(),
            images: images.into_iter().filter_map(indexed).collect(),
            claims,
        };
        (beside, findings)
    }

    /// Those that belong to the record, sorted by path.
    pub fn files<'t>(&self, tree: &'t Tree) -> impl Iterator<Item = &'t Entry> {
        self.files.iter().filter_map(|index| tree.entries.get(*index))
    }

    /// The paths of all of them.
    pub fn paths<'t>(&self, tree: &'t Tree) -> impl Iterator<Item = &'t RepoPath> {
        let named = self.forbidden.iter().chain(&self.images).map(|(index, _)| index);
        self.files.iter().chain(named).filter_map(|index| tree.entries.get(*index)).map(|entry| &entry.path)
    }

    /// Whether one of the files is among these.
    pub fn touches(&self, paths: &BTreeSet<&RepoPath>, tree: &Tree) -> bool {
        !paths.is_empty() && self.paths(tree).any(|path| paths.contains(path))
    }
}

/// What is wrong with the files of all records, each file looked at once.
///
/// `beside` has the files of each of `found`, in the same order; only where `is_known` says so, none was left out of those that
/// may have the file, so that it may be said to belong to none.
pub fn inspect(
    found: &[Candidate<'_>],
    beside: &[&Beside],
    near: &Neighbours,
    contents: &dyn Contents,
    lint: &Lint,
    is_known: &dyn Fn(&RepoPath) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tree = near.tree.as_ref();
    let files = distinct(found, beside, tree);
    let looks = files.par_iter().map(|(entry, rules)| {
        let mut findings = image::findings(entry, rules, contents, lint.images);
        findings.extend(text_findings(entry, contents, lint));
        findings
    });
    findings.extend(looks.collect::<Vec<_>>().into_iter().flatten());
    let records = found.iter().map(|candidate| &candidate.entry.path);
    // Both parts are in order already, which makes the sorting cheap.
    let mut named: Vec<&RepoPath> = files.iter().map(|(entry, _)| &entry.path).chain(records).collect();
    named.sort();
    named.dedup();
    findings.extend(unportable(named.iter().copied(), lint.names));
    let unwanted = forbidden(found, beside, tree);
    findings.extend(
        others(found, &named, &accounted(&unwanted, beside, tree), tree)
            .into_iter()
            .filter(|finding| is_known(&finding.path)),
    );
    findings.extend(unwanted);
    findings.extend(irregular(found, tree));
    let folders: OnceCell<BTreeSet<&str>> = OnceCell::new();
    let matters = |path: &str| {
        let folders = folders.get_or_init(|| found.iter().map(|candidate| candidate.entry.path.folder()).collect());
        is_among(&named, path) || folders.contains(path)
    };
    findings.extend(near.folded().findings(tree, matters));
    findings
}

fn is_among(sorted: &[&RepoPath], path: &str) -> bool {
    sorted.binary_search_by(|known| known.as_str().cmp(path)).is_ok()
}

/// Each file beside any record once, in the order of paths, with all that is asked of it as an image.
fn distinct<'a>(found: &[Candidate<'a>], beside: &[&Beside], tree: &'a Tree) -> Vec<(&'a Entry, Vec<&'a ImageRule>)> {
    let mut all: Vec<(usize, Option<&ImageRule>)> = Vec::new();
    for (candidate, beside) in found.iter().zip(beside) {
        let rules = &candidate.collection.images;
        all.extend(beside.files.iter().map(|index| (*index, None)));
        all.extend(beside.images.iter().map(|(index, rule)| (*index, rules.get(*rule))));
    }
    // The tree's entries are sorted by path.
    all.sort_by_key(|(index, _)| *index);
    let mut files: Vec<(usize, Vec<&ImageRule>)> = Vec::with_capacity(all.len());
    for (index, rule) in all {
        if files.last().is_none_or(|(last, _)| *last != index) {
            files.push((index, Vec::new()));
        }
        // Records of a folder share its files: each rule counts once.
        if let (Some((_, asked)), Some(rule)) = (files.last_mut(), rule)
            && !asked.iter().any(|known| std::ptr::eq(*known, rule))
        {
            asked.push(rule);
        }
    }
    files.into_iter().filter_map(|(index, rules)| Some((tree.entries.get(index)?, rules))).collect()
}

fn text_findings(entry: &Entry, contents: &dyn Contents, lint: &Lint) -> Vec<Finding> {
    let is_text = ["md", "markdown", "txt"].iter().any(|known| entry.path.extension().eq_ignore_ascii_case(known));
    if !is_text {
        return Vec::new();
    }
    // A text that cannot be read is told of where it is used.
    let Ok(bytes) = contents.read(entry, MAX_TEXT_BYTES) else { return Vec::new() };
    let Ok(text) = String::from_utf8(bytes) else { return Vec::new() };
    leaks::findings(&entry.path, &text, || None, lint)
}

fn forbidden(found: &[Candidate<'_>], beside: &[&Beside], tree: &Tree) -> Vec<Finding> {
    let mut told: BTreeMap<&RepoPath, (&Collection, usize)> = BTreeMap::new();
    for (candidate, beside) in found.iter().zip(beside) {
        for (index, rule) in &beside.forbidden {
            let Some(entry) = tree.entries.get(*index) else { continue };
            told.entry(&entry.path).or_insert((candidate.collection, *rule));
        }
    }
    let finding = |(path, (collection, rule)): (&RepoPath, (&Collection, usize))| {
        let rule = collection.files.get(rule).map(|rule| rule.text.as_str()).unwrap_or_default();
        let message = format!("the file must not be here: the collection {} forbids {rule:?}", collection.name);
        Finding::error(&FILE_FORBIDDEN, path.clone(), message).help("take it away")
    };
    told.into_iter().map(finding).collect()
}

/// The files of which another finding says already what to do: these, and those that were meant where one is missing.
fn accounted<'a>(unwanted: &'a [Finding], beside: &[&Beside], tree: &'a Tree) -> BTreeSet<&'a RepoPath> {
    let misnamed = beside.iter().flat_map(|beside| &beside.misnamed);
    let misnamed = misnamed.filter_map(|index| tree.entries.get(*index)).map(|entry| &entry.path);
    unwanted.iter().map(|finding| &finding.path).chain(misnamed).collect()
}

/// The files in folders of records that belong to none, where the collection has something to say about them.
fn others(found: &[Candidate<'_>], named: &[&RepoPath], accounted: &BTreeSet<&RepoPath>, tree: &Tree) -> Vec<Finding> {
    let strict = |candidate: &&Candidate<'_>| candidate.collection.settings.files.others != Others::Allow;
    let mut folders: BTreeMap<&str, &Collection> = BTreeMap::new();
    if !found.iter().any(|candidate| strict(&candidate)) {
        return Vec::new();
    }
    let owned: BTreeSet<&str> = found.iter().map(|candidate| candidate.entry.path.folder()).collect();
    for candidate in found.iter().filter(strict) {
        folders.entry(candidate.entry.path.folder()).or_insert(candidate.collection);
    }
    let mut findings = Vec::new();
    for (folder, collection) in folders {
        let is_own = |entry: &&Entry| match folder {
            // The root of the library holds much that is no asset's.
            "" => entry.path.folder().is_empty() && !entry.path.file_name().starts_with("stockroom."),
            _ => nearest_owned(entry.path.folder(), &owned) == Some(folder),
        };
        for entry in tree.below(folder).filter(is_own) {
            let is_git = entry.path.file_name().starts_with(".git");
            // What is no file is told of elsewhere.
            if is_git
                || entry.kind != EntryKind::File
                || is_among(named, entry.path.as_str())
                || accounted.contains(&entry.path)
                || collection.excludes(entry.path.as_str())
            {
                continue;
            }
            let message = format!("the file belongs to nothing: no rule and no record of {} names it", collection.name);
            let finding = match collection.settings.files.others {
                Others::Forbid => Finding::error(&FILE_UNEXPECTED, entry.path.clone(), message),
                Others::Allow | Others::Warn => Finding::warning(&FILE_UNEXPECTED, entry.path.clone(), message),
            };
            findings.push(finding.help("take it away, or name it in `files.optional` of stockroom.yml"));
        }
    }
    findings
}

/// The innermost folder with records around this one, or this one itself.
fn nearest_owned<'f>(folder: &'f str, owned: &BTreeSet<&str>) -> Option<&'f str> {
    let mut at = folder;
    loop {
        if owned.contains(at) {
            return Some(at);
        }
        at = at.rsplit_once('/').map(|(around, _)| around)?;
    }
}

/// What is no file and stands where records, or files beside them, would be looked for.
fn irregular(found: &[Candidate<'_>], tree: &Tree) -> Vec<Finding> {
    let strange: Vec<&Entry> = tree.entries.iter().filter(|entry| entry.kind != EntryKind::File).collect();
    if strange.is_empty() {
        return Vec::new();
    }
    let records: BTreeSet<&RepoPath> = found.iter().map(|candidate| &candidate.entry.path).collect();
    let mut collections: Vec<&Collection> = Vec::new();
    let mut folders: BTreeMap<&str, &Collection> = BTreeMap::new();
    for candidate in found {
        if folders.insert(candidate.entry.path.folder(), candidate.collection).is_none()
            && !collections.iter().any(|known| known.name == candidate.collection.name)
        {
            collections.push(candidate.collection);
        }
    }
    let stands_in_the_way = |entry: &&&Entry| {
        let path = entry.path.as_str();
        let beside = folders.get(entry.path.folder()).is_some_and(|collection| {
            let name = entry.path.file_name();
            collection.files.iter().any(|rule| rule.may_be_in(name))
        });
        !records.contains(&entry.path)
            && entry.kind != EntryKind::Special
            && (beside || collections.iter().any(|collection| collection.may_be_in(path)))
    };
    let finding = |entry: &&Entry| {
        let message = format!("{:?} is {}: no record or file in it is seen", entry.path.as_str(), entry.kind.words());
        let finding = Finding::warning(code_of(entry.kind), entry.path.clone(), message);
        finding.help("put the folder itself there, or leave it out with `exclude`")
    };
    strange.iter().filter(stands_in_the_way).map(finding).collect()
}

#[cfg(test)]
mod tests;
