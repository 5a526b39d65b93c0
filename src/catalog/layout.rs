//! The files beside a record: which belong to it, which are missing, and which must not be there.

use globset::GlobMatcher;

use super::collection::{Collection, glob};
use super::neighbours::{Neighbours, Verb};
use super::record::Record;
use super::references::referenced_paths;
use super::template::Template;
use super::tree::{Entry, EntryKind, Tree};
use crate::finding::{Code, Finding, codes};
use crate::ids::RepoPath;

codes! {
    FILE_MISSING "file-missing"
        "A file that the collection's `files.required` asks for is not beside the record. Names count letter by \
         letter: case and spaces too."
    SYMLINK "symlink"
        "A record, a file beside it or a folder of such files is a symbolic link. Links are never followed: put the \
         file itself there."
    NOT_A_FILE "not-a-file"
        "Where a record or a file beside it is looked for, there is another repository (a submodule), a pipe or a \
         device. Such things are never entered nor opened: put the file itself there."
}

/// What a rule says of the files that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// One must be there.
    Required,
    /// They may be there.
    Optional,
    /// None may be there.
    Forbidden,
}

/// One rule of a collection's `files`.
#[derive(Debug, Clone)]
pub struct FileRule {
    /// As stockroom.yml has it.
    pub text: String,
    /// What it says of the files that it names.
    pub presence: Presence,
    template: Template,
    constant: Option<GlobMatcher>,
    has_wildcard: bool,
}

impl FileRule {
    /// Makes a rule ready; the error is a sentence about the text.
    pub fn new(text: &str, presence: Presence) -> Result<Self, String> {
        let template = Template::parse(text)?;
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return Err(format!("{text:?} leaves the record's folder; name files in it or below it"));
        }
        let has_wildcard = text.contains(['*', '?', '[']);
        let constant = match template.is_constant() && has_wildcard {
            true => Some(glob(text)?.compile_matcher()),
            false => None,
        };
        Ok(Self { text: text.to_owned(), presence, template, constant, has_wildcard })
    }

    /// Whether it names files in a folder of this name beside the record; a template may mean any.
    pub fn may_be_in(&self, folder: &str) -> bool {
        let mut depth = 0_u32;
        let is_end = |c: char| {
            depth = if c == '{' { depth + 1 } else { depth.saturating_sub(u32::from(c == '}')) };
            c == '/' && depth == 0
        };
        let Some((first, _)) = self.text.split_once(is_end) else { return false };
        first.contains('{') || glob(first).is_ok_and(|glob| glob.compile_matcher().is_match(folder))
    }

    /// The name or glob for this record, and the files that it finds.
    pub fn matches<'t>(&self, record: &Record, tree: &'t Tree) -> (String, Vec<&'t Entry>) {
        let folder = record.path.folder();
        if !self.has_wildcard {
            let Ok(name) = self.template.fill(&record.path, &record.document.value, str::to_owned) else {
                return (self.text.clone(), Vec::new());
            };
            let found = tree.get(RepoPath::join(folder, &name).as_str());
            return (name, found.into_iter().collect());
        }
        let Ok(name) = self.template.fill(&record.path, &record.document.value, globset::escape) else {
            return (self.text.clone(), Vec::new());
        };
        let filled = match &self.constant {
            Some(_) => None,
            None => glob(&name).ok().map(|glob| glob.compile_matcher()),
        };
        let Some(matcher) = self.constant.as_ref().or(filled.as_ref()) else { return (name, Vec::new()) };
        let skip = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let fits = |entry: &&Entry| matcher.is_match(entry.path.as_str().get(skip..).unwrap_or_default());
        // Thousands of records may share a folder: only what begins like the name is looked at.
        let literal = name.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
        let found = tree.starting_with(RepoPath::join(folder, literal).to_string()).filter(fits).collect();
        (name, found)
    }
}

/// The files that rules find beside a record.
#[derive(Debug, Default)]
pub struct Companions<'t> {
    /// Those that belong to it, sorted by path.
    pub files: Vec<&'t Entry>,
    /// Those that must not be there, each with the index of the rule that says so.
    pub forbidden: Vec<(&'t Entry, usize)>,
    /// The paths at which a file must be and none is.
    pub missing: Vec<RepoPath>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The files beside a record that the collection's rules name.
pub fn companions<'t>(record: &Record, collection: &Collection, near: &'t Neighbours) -> Companions<'t> {
    let mut beside = Companions::default();
    for (index, rule) in collection.files.iter().enumerate() {
        let (name, found) = rule.matches(record, &near.tree);
        if found.is_empty() && rule.presence == Presence::Required {
            let wanted = RepoPath::join(record.path.folder(), &name);
            let message = format!("the file {name:?} is missing beside the record");
            let finding = Finding::error(&FILE_MISSING, record.path.clone(), message);
            beside.findings.push(finding.help(near.advice(&wanted, &record.path, Verb::Rename)));
            beside.missing.push(wanted);
        }
        for entry in found.into_iter().filter(|entry| entry.path != record.path) {
            if rule.presence == Presence::Forbidden {
                beside.forbidden.push((entry, index));
            } else if entry.kind == EntryKind::File {
                beside.files.push(entry);
            } else {
                beside.findings.push(irregular(entry, record));
            }
        }
    }
    beside.files.sort_by(|a, b| a.path.cmp(&b.path));
    beside.files.dedup_by(|a, b| a.path == b.path);
    beside
}

/// Whether one of these files belongs to the record, or would if it were there: those too that a change has removed.
pub fn has_a_part_in(record: &Record, collection: &Collection, files: &Tree) -> bool {
    let is_beside = |entry: &&Entry| entry.path != record.path;
    collection.files.iter().any(|rule| rule.matches(record, files).1.iter().any(is_beside))
        || referenced_paths(record, collection).any(|path| files.get(path.as_str()).is_some())
}

/// Something beside a record is named as a file and is none.
pub fn irregular(entry: &Entry, record: &Record) -> Finding {
    let message = format!("{:?} beside the record is {}", entry.path.as_str(), entry.kind.words());
    Finding::error(code_of(entry.kind), record.path.clone(), message).help("put the file itself there")
}

/// The code for what is no regular file.
pub fn code_of(kind: EntryKind) -> &'static Code {
    if kind == EntryKind::Symlink { &SYMLINK } else { &NOT_A_FILE }
}
