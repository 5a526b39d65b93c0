//! A collection with its globs and pointers made ready.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::declared::DeclaredRule;
use super::image::ImageRule;
use super::layout::{FileRule, Presence};
use super::limits::Limits;
use super::links::LinkRule;
use super::pointer::PointerPattern;
use super::settings::{self, Settings, Unique};
use super::template::Template;
use super::unique::UniqueRule;
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
    pub unique: Vec<UniqueRule>,
    /// The files beside a record: required, optional, forbidden ones.
    pub files: Vec<FileRule>,
    /// The values that name a file beside the record.
    pub references: Vec<PointerPattern>,
    /// Where records speak of a file's size and digest.
    pub declared: Vec<DeclaredRule>,
    /// What images must be.
    pub images: Vec<ImageRule>,
    /// The values that name another record.
    pub links: Vec<LinkRule>,
    /// Where the record names its schema's version.
    pub version_field: Option<PointerPattern>,
    /// What one of its records may cost.
    pub limits: Limits,
    metadata: GlobSet,
    exclude: GlobSet,
    /// The folders in which records may be.
    folders: GlobSet,
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
            Some(text) => {
                problems.extend(pointer(text, "/id").err());
                IdSource::Pointer(PointerPattern::new(text))
            }
        };
        let metadata = glob_set(settings.metadata.iter(), "/metadata", &mut problems);
        let exclude = glob_set(settings.exclude.iter().map(String::as_str), "/exclude", &mut problems);
        let files = file_rules(&settings.files, &mut problems);
        for (key, value) in [("version_field", &settings.version_field), ("default_version", &settings.default_version)]
        {
            if value.is_some() && settings.schema.is_none() {
                problems.push((format!("/{key}"), format!("`{key}` says nothing without `schema`")));
            }
        }
        problems.extend(settings.version_field.as_deref().and_then(|text| pointer(text, "/version_field").err()));
        let volatile = pointers(&settings.volatile, "/volatile", &mut problems);
        let unique = unique_rules(&name, &settings.unique, &mut problems);
        let references = pointers(&settings.references, "/references", &mut problems);
        let declared = declared_rules(&settings.declared, &mut problems);
        let images = collect(&settings.images, "/images", &mut problems, ImageRule::new);
        let links = collect(&settings.links, "/links", &mut problems, LinkRule::new);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name,
            id,
            volatile,
            unique,
            files,
            references,
            declared,
            images,
            links,
            version_field: settings.version_field.as_deref().map(PointerPattern::new),
            folders: folders(&settings.metadata),
            limits: Limits::default(),
            metadata,
            exclude,
            settings: settings.clone(),
        })
    }

    /// Whether this file is one of the collection's records.
    pub fn holds(&self, path: &RepoPath) -> bool {
        self.metadata.is_match(path.as_str()) && !self.excludes(path.as_str())
    }

    /// Whether the collection leaves this file out, whatever it is.
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude.is_match(path)
    }

    /// Whether records of the collection may be in a folder of this name.
    pub fn may_be_in(&self, folder: &str) -> bool {
        self.folders.is_match(folder) && !self.excludes(folder) && !self.excludes(&format!("{folder}/any"))
    }
}

/// The globs of all folders on the way to a record: of `a/*/x.json`, `a` and `a/*`.
fn folders(metadata: &settings::OneOrMany) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for text in metadata.iter() {
        let ends = text.match_indices('/').map(|(at, _)| text.get(..at).unwrap_or_default());
        // Alternatives that hold a `/` themselves make no glob when they are cut; nothing is said of their folders.
        for glob in ends.filter_map(|prefix| glob(prefix).ok()) {
            builder.add(glob);
        }
    }
    builder.build().unwrap_or_else(|_| GlobSet::empty())
}

fn file_rules(settings: &settings::FileRules, problems: &mut Vec<Problem>) -> Vec<FileRule> {
    let lists = [
        (Presence::Required, &settings.required, "required"),
        (Presence::Optional, &settings.optional, "optional"),
        (Presence::Forbidden, &settings.forbidden, "forbidden"),
    ];
    let mut rules = Vec::new();
    for (presence, list, place) in lists {
        let new = |text: &String| FileRule::new(text, presence).map_err(|why| (String::new(), why));
        rules.extend(collect(list, &format!("/files/{place}"), problems, new));
    }
    rules
}

/// Makes each part ready, or notes what is wrong with it, at its index.
fn collect<S, R>(
    parts: &[S],
    place: &str,
    problems: &mut Vec<Problem>,
    new: impl Fn(&S) -> Result<R, Problem>,
) -> Vec<R> {
    let mut rules = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match new(part) {
            Ok(rule) => rules.push(rule),
            Err((below, why)) => problems.push((format!("{place}/{index}{below}"), why)),
        }
    }
    rules
}

fn unique_rules(name: &CollectionName, settings: &[Unique], problems: &mut Vec<Problem>) -> Vec<UniqueRule> {
    let indexed: Vec<(usize, &Unique)> = settings.iter().enumerate().collect();
    collect(&indexed, "/unique", problems, |(index, unique)| match unique {
        Unique::Within(text) => Ok(UniqueRule::within(pointer(text, "")?, name, *index)),
        Unique::Across(rule) if rule.across.trim().is_empty() => {
            Err(("/across".to_owned(), "`across` is empty; write a name such as `skus`".to_owned()))
        }
        Unique::Across(rule) => Ok(UniqueRule::across(pointer(&rule.pointer, "/pointer")?, &rule.across)),
    })
}

fn declared_rules(settings: &[settings::Declared], problems: &mut Vec<Problem>) -> Vec<DeclaredRule> {
    collect(settings, "/declared", problems, |declared| {
        let file = pointer(&declared.file, "/file")?;
        let value = |text: &Option<String>, place: &str| -> Result<Option<PointerPattern>, Problem> {
            let Some(text) = text else { return Ok(None) };
            let pattern = pointer(text, place)?;
            if pattern.count_wildcards() != file.count_wildcards() {
                let beside = declared.file.rsplit_once('/').map_or("", |(around, _)| around);
                let fitting = format!("{beside}/{}", text.rsplit('/').next().unwrap_or_default());
                let why = format!(
                    "{text:?} has not as many `*` as {:?}, so nobody knows which value is of which file; perhaps it is \
                     {fitting:?}",
                    declared.file
                );
                return Err((place.to_owned(), why));
            }
            Ok(Some(pattern))
        };
        let (bytes, sha256) = (value(&declared.bytes, "/bytes")?, value(&declared.sha256, "/sha256")?);
        if bytes.is_none() && sha256.is_none() {
            let why = "neither `bytes` nor `sha256` is named; to say that the file must be there, use `references`";
            return Err((String::new(), why.to_owned()));
        }
        Ok(DeclaredRule { file, bytes, sha256 })
    })
}

/// A pointer into a record; the error is at `place`.
pub fn pointer(text: &str, place: &str) -> Result<PointerPattern, Problem> {
    // A plain name is a key; what has a slash or a star in it and none before it names nothing that anybody has.
    if !text.starts_with('/') && text.contains(['/', '*']) {
        return Err((place.to_owned(), format!("{text:?} does not begin with `/`: write \"/{text}\"")));
    }
    match PointerPattern::parse(text) {
        Some(pattern) if !text.is_empty() => Ok(pattern),
        _ => Err((place.to_owned(), format!("{text:?} is no JSON Pointer such as `/title`"))),
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
    collect(texts, place, problems, |text| pointer(text, ""))
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
