//! One metadata file as a record of its collection.

use serde_json::Value;

use super::collection::{Collection, IdSource};
use super::layout::code_of;
use super::lfs::{self, LFS_POINTER};
use super::limits::Limits;
use super::read::{self, Document, Notation};
use super::tree::{Contents, Entry, EntryKind, Tree};
use crate::finding::{Finding, Span, codes};
use crate::ids::{AssetId, AssetKey, RepoPath};

codes! {
    ID_MISSING "id-missing"
        "The record has no value at the collection's `id` pointer, or one that is neither a text nor an integer."
    ID_UNFIT "id-unfit"
        "The record's id is longer than 200 characters, holds control characters, or has a part `.` or `..`: it would \
         break addresses and file names that are made of it."
    TWO_COLLECTIONS "two-collections"
        "A file is matched by two collections. Narrow one of their globs, or use `exclude`."
    UNKNOWN_FORMAT "unknown-format"
        "A record's file name ends in none of .json, .yaml, .yml, .toml, .md. Narrow the collection's globs."
    UNREADABLE "unreadable"
        "A file cannot be read: too large for a record, absent from a partial clone, or refused by the system."
    EMPTY_COLLECTION "empty-collection"
        "The globs of a collection match no file. Look at `metadata` and `exclude` in stockroom.yml."
}

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
        return refuse(code_of(entry.kind), format!("the record is {}", entry.kind.words()));
    }
    let Some(notation) = Notation::of(path) else {
        return refuse(&UNKNOWN_FORMAT, format!("{:?} is no notation of records", path.extension()));
    };
    let bytes = match contents.read(entry, limits.record_bytes) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(&UNREADABLE, format!("the record cannot be read: {error}")),
    };
    if lfs::is_pointer(&bytes) {
        let message = "the record is a Git LFS pointer: its content is not here".to_owned();
        let help = "run `git lfs pull`, or set `lfs: true` for actions/checkout; better, keep records out of LFS, as \
                    only their pointers are in a commit: `git lfs migrate export --include=\"NAME\"`";
        let (none, findings) = refuse(&LFS_POINTER, message);
        return (none, findings.into_iter().map(|finding| finding.help(help)).collect());
    }
    let (document, findings) = read::read_within(path, notation, bytes, limits.values);
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

#[cfg(test)]
mod tests;
