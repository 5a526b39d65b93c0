//! The files beside a record: which belong to it, and which are missing.

use globset::GlobMatcher;

use super::collection::{Collection, glob};
use super::record::Record;
use super::template::Template;
use super::tree::{Entry, EntryKind, Tree};
use crate::finding::{Code, Finding};
use crate::ids::RepoPath;

/// A file that a record needs is not there.
pub static FILE_MISSING: Code = Code {
    id: "file-missing",
    meaning: "A file that the collection's `files.required` asks for is not beside the record. Names count letter by \
              letter: case and spaces too.",
};
/// A file of the library is a symbolic link.
pub static SYMLINK: Code = Code {
    id: "symlink",
    meaning: "A record or a file beside it is a symbolic link. Links are never followed: put the file itself there.",
};

/// One rule of a collection's `files`.
#[derive(Debug, Clone)]
pub struct FileRule {
    /// As stockroom.yml has it.
    pub text: String,
    /// Whether a record without such a file is wrong.
    pub required: bool,
    template: Template,
    constant: Option<GlobMatcher>,
    has_wildcard: bool,
}

impl FileRule {
    /// Makes a rule ready; the error is a sentence about the text.
    pub fn new(text: &str, required: bool) -> Result<Self, String> {
        let template = Template::parse(text)?;
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return Err(format!("{text:?} leaves the record's folder; name files in it or below it"));
        }
        let has_wildcard = text.contains(['*', '?', '[']);
        let constant = match template.is_constant() && has_wildcard {
            true => Some(glob(text)?.compile_matcher()),
            false => None,
        };
        Ok(Self { text: text.to_owned(), required, template, constant, has_wildcard })
    }

    /// The name or glob for this record, and the files that it finds.
    fn matches<'t>(&self, record: &Record, tree: &'t Tree) -> (String, Vec<&'t Entry>) {
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

/// The files that belong to a record, sorted by path, and what is wrong with them.
pub fn companions<'t>(record: &Record, collection: &Collection, tree: &'t Tree) -> (Vec<&'t Entry>, Vec<Finding>) {
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    for rule in &collection.files {
        let (name, found) = rule.matches(record, tree);
        if found.is_empty() && rule.required {
            findings.push(missing(record, &name, tree));
        }
        for entry in found {
            if entry.kind != EntryKind::File {
                let message = format!("the file {:?} beside the record is a symbolic link", entry.path.as_str());
                findings.push(Finding::error(&SYMLINK, record.path.clone(), message).help("put the file itself there"));
            } else if entry.path != record.path {
                files.push(entry);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    (files, findings)
}

/// Whether one of these files belongs to the record, or would if it were there: those too that a change has removed.
pub fn has_a_part_in(record: &Record, collection: &Collection, files: &Tree) -> bool {
    let is_beside = |entry: &&Entry| entry.path != record.path;
    collection.files.iter().any(|rule| rule.matches(record, files).1.iter().any(is_beside))
}

fn missing(record: &Record, name: &str, tree: &Tree) -> Finding {
    let wanted = RepoPath::join(record.path.folder(), name);
    let message = format!("the file {name:?} is missing beside the record");
    let nearest = tree
        .folder(record.path.folder())
        .filter(|entry| entry.path != record.path && entry.path.extension().eq_ignore_ascii_case(wanted.extension()))
        .map(|entry| (strsim::damerau_levenshtein(entry.path.file_name(), wanted.file_name()), entry.path.file_name()))
        .filter(|(distance, _)| *distance <= wanted.file_name().chars().count() / 3)
        .min();
    let help = match nearest {
        Some((_, near)) => format!("there is {near:?}: rename it to {name:?}"),
        None => format!("add it to the folder {:?}", record.path.folder()),
    };
    Finding::error(&FILE_MISSING, record.path.clone(), message).help(help)
}
