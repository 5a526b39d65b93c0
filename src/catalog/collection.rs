//! A collection with its globs and pointers made ready.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::layout::FileRule;
use super::pointer::PointerPattern;
use super::settings::Settings;
use super::template::Template;
use crate::ids::{CollectionName, RepoPath};

/// What names an asset of a collection.
#[derive(Debug, Clone)]
pub enum IdSource {
    /// A value of the record.
    Pointer(PointerPattern),
    /// A text made from the record's path.
    Template(Template),
    /// The path of the record's folder.
    Folder,
}

/// A collection as the catalog works with it.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its name in stockroom.yml.
    pub name: CollectionName,
    /// What stockroom.yml says about it.
    pub settings: Settings,
    /// What names its assets.
    pub id: IdSource,
    /// The values that are no change.
    pub volatile: Vec<PointerPattern>,
    /// The values that stand only once.
    pub unique: Vec<PointerPattern>,
    /// The files beside a record, required ones first.
    pub files: Vec<FileRule>,
    /// Where the record names its schema's version.
    pub version_field: Option<PointerPattern>,
    metadata: GlobSet,
    exclude: GlobSet,
}

/// What is wrong in a part of stockroom.yml: where, as a JSON Pointer within that part, and a sentence.
pub type Problem = (String, String);

impl Collection {
    /// Makes the globs and templates ready, or gives all that is wrong with them.
    pub fn new(name: CollectionName, settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let id = match settings.id.as_deref() {
            None => IdSource::Folder,
            Some(text) if text.contains('{') => match Template::parse(text) {
                Ok(template) => IdSource::Template(template),
                Err(why) => {
                    problems.push(("/id".to_owned(), why));
                    IdSource::Folder
                }
            },
            Some(text) => IdSource::Pointer(PointerPattern::new(text)),
        };
        let metadata = glob_set(settings.metadata.iter(), "/metadata", &mut problems);
        let exclude = glob_set(settings.exclude.iter().map(String::as_str), "/exclude", &mut problems);
        let mut files = Vec::new();
        for (required, list, place) in
            [(true, &settings.files.required, "required"), (false, &settings.files.optional, "optional")]
        {
            for (index, text) in list.iter().enumerate() {
                match FileRule::new(text, required) {
                    Ok(rule) => files.push(rule),
                    Err(why) => problems.push((format!("/files/{place}/{index}"), why)),
                }
            }
        }
        for (key, value) in [("version_field", &settings.version_field), ("default_version", &settings.default_version)]
        {
            if value.is_some() && settings.schema.is_none() {
                problems.push((format!("/{key}"), format!("`{key}` says nothing without `schema`")));
            }
        }
        let volatile = pointers(&settings.volatile, "/volatile", &mut problems);
        let unique = pointers(&settings.unique, "/unique", &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name,
            id,
            volatile,
            unique,
            files,
            version_field: settings.version_field.as_deref().map(PointerPattern::new),
            metadata,
            exclude,
            settings: settings.clone(),
        })
    }

    /// Whether this file is one of the collection's records.
    pub fn holds(&self, path: &RepoPath) -> bool {
        self.metadata.is_match(path.as_str()) && !self.exclude.is_match(path.as_str())
    }
}

/// A glob in which `*` stays within one name and letters count as they are.
pub fn glob(text: &str) -> Result<Glob, String> {
    GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build().map_err(|error| error.to_string())
}

/// A glob that matches this text alone.
pub fn literal(text: &str) -> String {
    // The crate's own function leaves backslashes as they are, and to us they escape.
    globset::escape(&text.replace('\\', "\\\\"))
}

fn pointers(texts: &[String], place: &str, problems: &mut Vec<Problem>) -> Vec<PointerPattern> {
    let mut patterns = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match PointerPattern::parse(text) {
            Some(pattern) if !text.is_empty() => patterns.push(pattern),
            _ => problems.push((format!("{place}/{index}"), format!("{text:?} is no JSON Pointer such as `/title`"))),
        }
    }
    patterns
}

fn glob_set<'a>(texts: impl Iterator<Item = &'a str>, place: &str, problems: &mut Vec<Problem>) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for text in texts {
        match glob(text) {
            Ok(glob) => {
                builder.add(glob);
            }
            Err(why) => problems.push((place.to_owned(), why)),
        }
    }
    builder.build().unwrap_or_else(|error| {
        problems.push((place.to_owned(), error.to_string()));
        GlobSet::empty()
    })
}
