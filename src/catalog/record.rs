//! One metadata file as a record of its collection.

use std::collections::BTreeMap;

use serde_json::Value;

use super::collection::{Collection, IdSource};
use super::layout::SYMLINK;
use super::limits::Limits;
use super::read::{self, Document, Format};
use super::tree::{Contents, Entry, EntryKind, Tree};
use crate::finding::{Code, Finding, Span};
use crate::ids::{AssetId, AssetKey, RepoPath};

/// The record has no id.
pub static ID_MISSING: Code = Code {
    id: "id-missing",
    meaning: "The record has no value at the collection's `id` pointer, or one that is neither a text nor an integer.",
};
/// The record's id cannot be used.
pub static ID_UNFIT: Code = Code {
    id: "id-unfit",
    meaning: "The record's id is longer than 200 characters, holds control characters, or has a part `.` or `..`: it would \
              break addresses and file names that are made of it.",
};
/// Two records have one id.
pub static DUPLICATE_ID: Code = Code {
    id: "duplicate-id",
    meaning: "Two records of a collection have the same id. An id names one asset for good: change one of them.",
};
/// A value stands twice that may stand once.
pub static DUPLICATE_VALUE: Code = Code {
    id: "duplicate-value",
    meaning: "A value that the collection's `unique` lets stand only once stands in two places.",
};
/// A file matches two collections.
pub static TWO_COLLECTIONS: Code = Code {
    id: "two-collections",
    meaning: "A file is matched by two collections. Narrow one of their globs, or use `exclude`.",
};
/// A collection matches a file in no known notation.
pub static UNKNOWN_FORMAT: Code = Code {
    id: "unknown-format",
    meaning: "A record's file name ends in none of .json, .yaml, .yml, .toml, .md. Narrow the collection's globs.",
};
/// The file cannot be read.
pub static UNREADABLE: Code = Code {
    id: "unreadable",
    meaning: "A file cannot be read: too large for a record, absent from a partial clone, or refused by the system.",
};
/// A collection without records.
pub static EMPTY_COLLECTION: Code = Code {
    id: "empty-collection",
    meaning: "The globs of a collection match no file. Look at `metadata` and `exclude` in stockroom.yml.",
};

/// How many values of one record are told to stand elsewhere too.
const MOST_REPEATS: usize = 100;

/// A file that is to be read as a record of a collection.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The collection whose globs match it.
    pub collection: &'a Collection,
    /// The file.
    pub entry: &'a Entry,
}

/// A parsed metadata file.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it is.
    pub path: RepoPath,
    /// What it says.
    pub document: Document,
}

/// Finds the files that are records, in the order of their paths.
pub fn candidates<'a>(tree: &'a Tree, collections: &'a [Collection]) -> (Vec<Candidate<'a>>, Vec<Finding>) {
    let (mut candidates, mut findings) = (Vec::new(), Vec::new());
    for entry in &tree.entries {
        let mut holders = collections.iter().filter(|collection| collection.holds(&entry.path));
        let Some(collection) = holders.next() else { continue };
        if let Some(second) = holders.next() {
            let message = format!("the file belongs to two collections, {} and {}", collection.name, second.name);
            findings.push(
                Finding::error(&TWO_COLLECTIONS, entry.path.clone(), message)
                    .help("narrow `metadata` of one of them in stockroom.yml, or `exclude` the file there"),
            );
        }
        candidates.push(Candidate { collection, entry });
    }
    (candidates, findings)
}

impl Candidate<'_> {
    /// Reads and parses the file.
    pub fn load(&self, contents: &dyn Contents) -> (Option<Record>, Vec<Finding>) {
        load_within(self.entry, contents, &self.collection.limits)
    }
}

/// Reads and parses a file as a record, of whatever collection.
pub fn load(entry: &Entry, contents: &dyn Contents) -> (Option<Record>, Vec<Finding>) {
    load_within(entry, contents, &Limits::default())
}

fn load_within(entry: &Entry, contents: &dyn Contents, limits: &Limits) -> (Option<Record>, Vec<Finding>) {
    let path = &entry.path;
    let refuse = |code, message: String| (None, vec![Finding::error(code, path.clone(), message)]);
    if entry.kind != EntryKind::File {
        return refuse(&SYMLINK, "the record is a symbolic link or a submodule, which is never followed".to_owned());
    }
    let Some(format) = Format::of(path) else {
        return refuse(&UNKNOWN_FORMAT, format!("{:?} is no notation of records", path.extension()));
    };
    let bytes = match contents.read(entry, limits.record_bytes) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(&UNREADABLE, format!("the record cannot be read: {error}")),
    };
    let (document, findings) = read::read_within(path, format, bytes, limits.values);
    (document.map(|document| Record { path: path.clone(), document }), findings)
}

impl Record {
    /// The asset's name, or the finding that says why it has none.
    pub fn key(&self, collection: &Collection) -> Result<AssetKey, Box<Finding>> {
        let id = match &collection.id {
            IdSource::Folder if self.path.folder().is_empty() => self.path.stem().to_owned(),
            IdSource::Folder => self.path.folder().to_owned(),
            IdSource::Template(template) => template
                .fill(&self.path, &self.document.value, str::to_owned)
                .map_err(|pointer| self.no_id(&pointer))?,
            IdSource::Pointer(pointer) => match pointer.get(&self.document.value) {
                Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
                Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
                _ => return Err(self.no_id(&pointer.exact())),
            },
        };
        if let Some(why) = unfit(&id) {
            let shown: String = id.chars().take(40).collect();
            let message = format!("the id {shown:?} {why}");
            let pointer = if let IdSource::Pointer(pointer) = &collection.id { pointer.exact() } else { String::new() };
            let place = self.document.places().nearest(&pointer);
            let finding = Finding::error(&ID_UNFIT, self.path.clone(), message).at(place).about(pointer);
            return Err(Box::new(finding.help("use letters, digits and signs that are seen, 200 at most")));
        }
        Ok(AssetKey { collection: collection.name.clone(), id: AssetId::new(id) })
    }

    /// What stands at a place within one line, as it is written: `1.10` where the value is 1.1.
    pub fn as_written(&self, span: Span) -> Option<String> {
        let line = self.document.text.lines().nth(usize::try_from(span.line).ok()?.checked_sub(1)?)?;
        let from = usize::try_from(span.column).ok()?.checked_sub(1)?;
        let length = usize::try_from(span.end_column).ok()?.checked_sub(from + 1)?;
        Some(line.chars().skip(from).take(length).collect())
    }

    fn no_id(&self, pointer: &str) -> Box<Finding> {
        let name = pointer.trim_start_matches('/');
        let message = format!("the record has no id: {name:?} is missing, empty, or neither a text nor an integer");
        let finding = Finding::error(&ID_MISSING, self.path.clone(), message)
            .at(self.document.places().nearest(pointer))
            .about(pointer)
            .help(format!("give {name:?} a text that names this asset and no other"));
        Box::new(finding)
    }

    /// The values that may stand only once in the collection, as (index of the rule, pointer, value as text).
    pub fn unique_values(&self, collection: &Collection) -> Vec<(usize, String, String)> {
        let rules = collection.unique.iter().enumerate();
        rules
            .flat_map(|(rule, pattern)| {
                let found = pattern.select(&self.document.value).into_iter();
                found.filter(|(_, value)| !value.is_null()).map(move |(pointer, value)| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    (rule, pointer, text)
                })
            })
            .collect()
    }
}

/// Why an id cannot go into addresses, file names and events.
fn unfit(id: &str) -> Option<&'static str> {
    if id.chars().any(char::is_control) {
        return Some("holds control characters");
    }
    if id.split('/').any(|part| matches!(part, "." | "..")) {
        return Some("has a part that is `.` or `..`");
    }
    (id.chars().count() > 200).then_some("is longer than 200 characters")
}

/// What stands twice among values that may stand once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The index of the later record in the order of paths.
    pub record: usize,
    /// The pointer of the value in it; empty for an id without a pointer.
    pub pointer: String,
    /// The finding without its place.
    pub finding: Finding,
}

/// Watches over what may stand only once; records come in the order of their paths.
#[derive(Debug, Default)]
pub struct Uniqueness {
    ids: BTreeMap<AssetKey, RepoPath>,
    values: BTreeMap<(String, usize, String), (RepoPath, String)>,
    repeats: Vec<Repeat>,
}

impl Uniqueness {
    /// Takes note of a record's id and unique values.
    pub fn see(
        &mut self,
        record: usize,
        path: &RepoPath,
        key: &AssetKey,
        collection: &Collection,
        values: &[(usize, String, String)],
    ) {
        if let Some(first) = self.ids.get(key) {
            let message = format!("the id {:?} is taken: {} has it too", key.id.as_str(), first);
            let help = match &collection.id {
                IdSource::Folder => {
                    "records that share a folder need `id` in stockroom.yml, for example `id: \"{stem}\"`".to_owned()
                }
                _ => "give one of the two another id".to_owned(),
            };
            let pointer = match &collection.id {
                IdSource::Pointer(pointer) => pointer.exact(),
                _ => String::new(),
            };
            let finding = Finding::error(&DUPLICATE_ID, path.clone(), message).about(pointer.clone()).help(help);
            let finding = finding.related(first.clone());
            self.repeats.push(Repeat { record, pointer, finding });
        } else {
            self.ids.insert(key.clone(), path.clone());
        }
        for (rule, pointer, text) in values {
            let slot = (collection.name.to_string(), *rule, text.clone());
            let told =
                self.repeats.iter().rev().take_while(|repeat| repeat.record == record).take(MOST_REPEATS).count();
            if told == MOST_REPEATS {
                break;
            }
            if let Some((first, place)) = self.values.get(&slot) {
                let message = format!("the value {text:?} may stand only once, and {first} has it at {place}");
                let finding = Finding::error(&DUPLICATE_VALUE, path.clone(), message).about(pointer.clone());
                let finding = finding.related(first.clone());
                self.repeats.push(Repeat { record, pointer: pointer.clone(), finding });
            } else {
                self.values.insert(slot, (path.clone(), pointer.clone()));
            }
        }
    }

    /// Everything that stood twice; `place` finds the exact place in a record and is asked record by record.
    pub fn findings(self, mut place: impl FnMut(usize, &str) -> Span) -> Vec<Finding> {
        let locate = |repeat: Repeat| repeat.finding.at(place(repeat.record, &repeat.pointer));
        self.repeats.into_iter().map(locate).collect()
    }
}

#[cfg(test)]
mod tests;
