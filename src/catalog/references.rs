//! Values of a record that name files beside it.

use serde_json::Value;

use super::collection::Collection;
use super::declared::Claim;
use super::layout::irregular;
use super::neighbours::{Neighbours, Verb};
use super::record::Record;
use super::tree::{Entry, EntryKind};
use crate::finding::words::cut;
use crate::finding::{Code, Finding, codes};
use crate::ids::RepoPath;

codes! {
    REFERENCE_MISSING "reference-missing"
        "A value that the collection's `references` or `declared` takes for a file's name names none beside the \
         record. Names count letter by letter: case and spaces too."
    REFERENCE_UNFIT "reference-unfit"
        "A value that should name a file beside the record is no such name: an address, an absolute path, one that \
         leaves the folder with `..`, one with backslashes, or no text at all."
}

/// How much of a value that names or describes a file is shown, in characters.
pub(super) const SHOWN: usize = 200;

/// A finding whose place in the record is not looked up yet: that takes a second, slower reading of the record.
struct Unplaced<'r> {
    record: &'r Record,
    most: usize,
    /// The paths of which it is told already that no file is there.
    required: &'r [RepoPath],
    /// Those of which it is told here.
    missing: Vec<RepoPath>,
    findings: Vec<Finding>,
}

impl Unplaced<'_> {
    fn is_full(&self) -> bool {
        self.findings.len() >= self.most
    }

    /// Whether it is told already, and with it what to do.
    fn is_required(&self, wanted: &RepoPath) -> bool {
        self.required.contains(wanted)
    }

    fn tell(&mut self, code: &'static Code, pointer: &str, message: String, help: impl Into<String>) {
        if !self.is_full() {
            self.findings.push(Finding::error(code, self.record.path.clone(), message).about(pointer).help(help));
        }
    }

    fn placed(self) -> Vec<Finding> {
        if self.findings.is_empty() {
            return self.findings;
        }
        let places = self.record.document.places();
        self.findings.into_iter().map(|finding| Finding { span: places.nearest(&finding.pointer), ..finding }).collect()
    }
}

/// The files that values of the record name, and what is wrong with these values; `missing` are the paths at which others have
/// found no file, and afterwards those too that are told here.
pub fn references<'t>(
    record: &Record,
    collection: &Collection,
    near: &'t Neighbours,
    missing: &mut Vec<RepoPath>,
) -> (Vec<&'t Entry>, Vec<Claim>, Vec<Finding>) {
    let most = collection.limits.most_sought();
    let required = missing.clone();
    let unplaced = || Unplaced { record, most, required: &required, missing: Vec::new(), findings: Vec::new() };
    let (mut files, mut claims, mut told) = (Vec::new(), Vec::new(), unplaced());
    for pattern in &collection.references {
        for (pointer, value) in pattern.select(&record.document.value) {
            files.extend(referenced(record, &pointer, value, near, &mut told));
        }
    }
    for rule in &collection.declared {
        for (pointer, value) in rule.file.select(&record.document.value) {
            // What `references` names too has been told already.
            let is_told = collection.references.contains(&rule.file);
            let mut aside = unplaced();
            let Some(entry) = referenced(record, &pointer, value, near, if is_told { &mut aside } else { &mut told })
            else {
                continue;
            };
            claims.extend(near.tree.index_of(entry).and_then(|file| Claim::of(file, rule, &pointer, record)));
            files.push(entry);
        }
    }
    files.retain(|entry| entry.path != record.path);
    missing.append(&mut told.missing);
    (files, claims, told.placed())
}

/// The paths that the values of a record name, whether or not there are such files.
pub fn referenced_paths<'r>(record: &'r Record, collection: &'r Collection) -> impl Iterator<Item = RepoPath> + 'r {
    let patterns = collection.references.iter().chain(collection.declared.iter().map(|rule| &rule.file));
    let names =
        patterns.flat_map(|pattern| pattern.select(&record.document.value)).filter_map(|(_, value)| value.as_str());
    names.map(|name| RepoPath::join(record.path.folder(), name.strip_prefix("./").unwrap_or(name)))
}

fn referenced<'t>(
    record: &Record,
    pointer: &str,
    value: &Value,
    near: &'t Neighbours,
    told: &mut Unplaced<'_>,
) -> Option<&'t Entry> {
    if told.is_full() {
        return None;
    }
    let name = match value {
        Value::Null => return None,
        Value::String(name) => name,
        _ => {
            let message = format!("{} stands where a file's name is wanted", super::read::kind_of(value));
            told.tell(&REFERENCE_UNFIT, pointer, message, "write the name of a file in the record's folder, in quotes");
            return None;
        }
    };
    if let Some((why, help)) = unfit(name) {
        told.tell(&REFERENCE_UNFIT, pointer, format!("{:?} {why}", cut(name, SHOWN)), help);
        return None;
    }
    let wanted = RepoPath::join(record.path.folder(), name.strip_prefix("./").unwrap_or(name));
    match near.tree.get(wanted.as_str()) {
        Some(entry) if entry.kind == EntryKind::File => Some(entry),
        Some(entry) => {
            told.findings.push(irregular(entry, record).about(pointer));
            None
        }
        None if told.is_required(&wanted) => None,
        None => {
            let message = format!("there is no file {:?} beside the record", cut(name, SHOWN));
            told.tell(&REFERENCE_MISSING, pointer, message, near.advice(&wanted, &record.path, Verb::Write));
            told.missing.push(wanted);
            None
        }
    }
}

/// Why a text cannot be the path of a file below the record's folder, and what to write.
fn unfit(name: &str) -> Option<(&'static str, &'static str)> {
    const RELATIVE: &str = "put the file into the record's folder and write its name as seen from there";
    let bytes = name.as_bytes();
    let is_drive = bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic);
    let scheme = name.split_once(':').map(|(scheme, _)| scheme);
    if name.trim().is_empty() {
        return Some(("is empty where a file's name is wanted", "write the file's name, or take the value away"));
    }
    if name.starts_with(['/', '\\']) || is_drive {
        return Some(("is an absolute path, which is another one on every machine", RELATIVE));
    }
    if name.contains("://") || matches!(scheme, Some("data" | "mailto" | "file" | "http" | "https")) {
        return Some(("is an address and not a file beside the record", RELATIVE));
    }
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Some(("leaves the record's folder", RELATIVE));
    }
    if name.chars().any(char::is_control) {
        return Some(("holds control characters", "write the file's name without them"));
    }
    None
}

#[cfg(test)]
mod tests;
