//! Values of a record that name files beside it, and what the record says of these files.

use serde_json::Value;

use super::collection::Collection;
use super::layout::irregular;
use super::lfs;
use super::neighbours::{Neighbours, Verb};
use super::pointer::PointerPattern;
use super::record::Record;
use super::tree::{Contents, Entry, EntryKind};
use crate::finding::{Code, Finding};
use crate::ids::{RepoPath, Sha256Hex};

/// A file that a value names is not there.
pub static REFERENCE_MISSING: Code = Code {
    id: "reference-missing",
    meaning: "A value that the collection's `references` or `declared` takes for a file's name names none beside the record. \
              Names count letter by letter: case and spaces too.",
};
/// A value that should name a file cannot.
pub static REFERENCE_UNFIT: Code = Code {
    id: "reference-unfit",
    meaning: "A value that should name a file beside the record is no such name: an address, an absolute path, one that \
              leaves the folder with `..`, one with backslashes, or no text at all.",
};
/// A file has another size than its record says.
pub static SIZE_DIFFERS: Code = Code {
    id: "size-differs",
    meaning: "The record declares a size that the file beside it does not have. The file was changed, or the number was.",
};
/// A file has another digest than its record says.
pub static DIGEST_DIFFERS: Code = Code {
    id: "digest-differs",
    meaning: "The record declares a SHA-256 that the file beside it does not have. The file was changed, or the digest was.",
};

/// How many values of one record are told to be no files.
const MOST: usize = 100;

/// Where records speak of the size and the digest of a file.
#[derive(Debug, Clone)]
pub struct DeclaredRule {
    /// The file's name.
    pub file: PointerPattern,
    /// Its size.
    pub bytes: Option<PointerPattern>,
    /// Its SHA-256.
    pub sha256: Option<PointerPattern>,
}

/// A finding whose place in the record is not looked up yet: that takes a second, slower reading of the record.
struct Unplaced<'r> {
    record: &'r Record,
    findings: Vec<Finding>,
}

impl Unplaced<'_> {
    fn is_full(&self) -> bool {
        self.findings.len() >= MOST
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

/// The files that values of the record name, and what is wrong with these values.
pub fn references<'t>(
    record: &Record,
    collection: &Collection,
    near: &Neighbours<'t>,
    contents: &dyn Contents,
) -> (Vec<&'t Entry>, Vec<Finding>) {
    let (mut files, mut told) = (Vec::new(), Unplaced { record, findings: Vec::new() });
    for pattern in &collection.references {
        for (pointer, value) in pattern.select(&record.document.value) {
            files.extend(referenced(record, &pointer, value, near, &mut told));
        }
    }
    for rule in &collection.declared {
        for (pointer, value) in rule.file.select(&record.document.value) {
            // What `references` names too has been told already.
            let is_told = collection.references.contains(&rule.file);
            let mut aside = Unplaced { record, findings: Vec::new() };
            let Some(entry) = referenced(record, &pointer, value, near, if is_told { &mut aside } else { &mut told })
            else {
                continue;
            };
            let wildcards = rule.file.wildcards(&pointer);
            let declared = |pattern: &Option<PointerPattern>| {
                let pointer = pattern.as_ref()?.filled(&wildcards);
                let value = record.document.value.pointer(&pointer).filter(|value| !value.is_null())?;
                Some((pointer, value))
            };
            let facts = Facts { entry, near, contents };
            compare(&facts, declared(&rule.bytes), declared(&rule.sha256), &mut told);
            files.push(entry);
        }
    }
    files.retain(|entry| entry.path != record.path);
    (files, told.placed())
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
    near: &Neighbours<'t>,
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
        told.tell(&REFERENCE_UNFIT, pointer, format!("{:?} {why}", shown(name)), help);
        return None;
    }
    let wanted = RepoPath::join(record.path.folder(), name.strip_prefix("./").unwrap_or(name));
    match near.tree.get(wanted.as_str()) {
        Some(entry) if entry.kind == EntryKind::File => Some(entry),
        Some(entry) => {
            told.findings.push(irregular(entry, record).about(pointer));
            None
        }
        None => {
            let message = format!("there is no file {:?} beside the record", shown(name));
            told.tell(&REFERENCE_MISSING, pointer, message, near.advice(&wanted, &record.path, Verb::Write));
            None
        }
    }
}

/// As much of a text as a sentence can bear.
fn shown(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
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

/// A file, and what is needed to know its size and digest.
struct Facts<'a, 't> {
    entry: &'a Entry,
    near: &'a Neighbours<'t>,
    contents: &'a dyn Contents,
}

impl Facts<'_, '_> {
    /// Whether the file has this size; `false` says nothing of an LFS pointer or of a file that cannot be read.
    fn is_plainly(&self, bytes: u64) -> bool {
        let head = self.contents.head(self.entry, 64);
        head.is_ok_and(|(head, size)| size == bytes && !lfs::is_pointer(&head))
    }
}

fn compare(
    facts: &Facts<'_, '_>,
    bytes: Option<(String, &Value)>,
    sha256: Option<(String, &Value)>,
    told: &mut Unplaced<'_>,
) {
    let name = facts.entry.path.file_name();
    let declared_bytes = bytes.as_ref().map(|(_, value)| size_of(value));
    let declared_sha256 = sha256.as_ref().map(|(_, value)| digest_of(value));
    // A size that is right needs no more than the file's facts; everything else, all of its bytes.
    let is_settled = match (declared_bytes, &declared_sha256) {
        (_, Some(_)) => false,
        (Some(Some(bytes)), None) => facts.is_plainly(bytes),
        (None, None) => true,
        (Some(None), None) => false,
    };
    if is_settled {
        return;
    }
    let (is_sha256, is_bytes) = match facts.near.hash(facts.entry, facts.contents) {
        Ok(is) => is,
        Err(error) => {
            let pointer = bytes.or(sha256).map(|(pointer, _)| pointer).unwrap_or_default();
            let message = format!("the file {name:?} cannot be compared with what the record says of it: {error}");
            told.tell(&super::record::UNREADABLE, &pointer, message, "see that the file is there and can be read");
            return;
        }
    };
    if let Some((pointer, value)) = bytes
        && declared_bytes != Some(Some(is_bytes))
    {
        let message =
            format!("the file {name:?} has {is_bytes} bytes, and the record says {}", shown(&value.to_string()));
        told.tell(&SIZE_DIFFERS, &pointer, message, format!("if the file is the right one, write {is_bytes}"));
    }
    if let Some((pointer, value)) = sha256
        && declared_sha256 != Some(Some(is_sha256.clone()))
    {
        let message =
            format!("the file {name:?} has another SHA-256 than the record says, {}", shown(&value.to_string()));
        told.tell(&DIGEST_DIFFERS, &pointer, message, format!("if the file is the right one, write \"{is_sha256}\""));
    }
}

fn size_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A digest in either case of letters, perhaps with the name of its algorithm before it.
fn digest_of(value: &Value) -> Option<Sha256Hex> {
    let text = value.as_str()?.to_ascii_lowercase();
    Sha256Hex::parse(text.strip_prefix("sha256:").unwrap_or(&text)).ok()
}

#[cfg(test)]
mod tests;
