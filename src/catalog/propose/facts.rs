//! What is remembered of a file once it has been read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::catalog::place::child_pointer;
use crate::catalog::read::{Document, NO_FRONT_MATTER, NOT_AN_OBJECT};
use crate::finding::Finding;
use crate::ids::RepoPath;

/// Keys by which an asset may be named, the best first.
const ID_KEYS: [&str; 4] = ["handle", "id", "slug", "name"];
/// Keys whose values stand only once where they name a thing.
const UNIQUE_KEYS: [&str; 6] = ["handle", "id", "slug", "sku", "uuid", "guid"];
/// Keys that name the version of the schema.
const VERSION_KEYS: [&str; 4] = ["schema_version", "schemaVersion", "metadata_version", "spec_version"];
/// How many keys of a record are remembered.
const MOST_KEYS: usize = 200;
/// How many unique values of one record are remembered.
const MOST_MARKS: usize = 100;

/// A file that may be a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Where it is.
    pub path: RepoPath,
    /// What it says; nothing where it cannot be read.
    pub facts: Option<Facts>,
}

/// What a record says, as far as proposals go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The keys of its members.
    pub(super) keys: Arc<BTreeSet<String>>,
    /// Texts that may name it, by the pattern of their pointers.
    marks: Vec<(String, String)>,
    /// The keys that name a version of the schema, with it.
    versions: Vec<(String, Option<String>)>,
    /// Its `$schema`.
    schema: Option<String>,
}

impl Glance {
    /// What a file shows; none for one that nobody takes for a record, such as Markdown without front matter.
    pub fn of(path: &RepoPath, document: Option<&Document>, findings: &[Finding]) -> Option<Self> {
        let is_something_else = findings.iter().any(|f| f.code == &NO_FRONT_MATTER || f.code == &NOT_AN_OBJECT);
        let facts = document.map(|document| Facts::of(&document.value));
        (!is_something_else).then(|| Self { path: path.clone(), facts })
    }
}

impl Facts {
    fn of(record: &Value) -> Self {
        let empty = serde_json::Map::new();
        let members = record.as_object().unwrap_or(&empty);
        let keys = members.keys().filter(|key| *key != "$schema").take(MOST_KEYS).cloned().collect();
        let text = |key: &str| members.get(key).and_then(Value::as_str);
        let mut marks = Vec::new();
        let top =
            UNIQUE_KEYS.iter().chain(&["name"]).filter_map(|key| Some((child_pointer("", key), text(key)?.to_owned())));
        marks.extend(top);
        for (key, value) in members {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            for (item, inner) in items.iter().flat_map(|item| ["sku", "uuid"].map(|inner| (item, inner))) {
                if let Some(mark) = item.get(inner).and_then(Value::as_str) {
                    marks.push((child_pointer(&format!("{}/*", child_pointer("", key)), inner), mark.to_owned()));
                }
            }
        }
        marks.retain(|(pointer, _)| !pointer.contains('~'));
        marks.truncate(MOST_MARKS);
        let version = |key: &str| Some((key.to_owned(), members.get(key)?.as_str().map(str::to_owned)));
        Self {
            keys: Arc::new(keys),
            marks,
            versions: VERSION_KEYS.iter().filter_map(|key| version(key)).collect(),
            schema: text("$schema").map(str::to_owned),
        }
    }

    /// Keeps one set of keys for all records that have the same.
    pub fn share_keys(&mut self, known: &mut BTreeSet<Arc<BTreeSet<String>>>) {
        match known.get(&self.keys) {
            Some(same) => self.keys = Arc::clone(same),
            None => {
                known.insert(Arc::clone(&self.keys));
            }
        }
    }

    fn mark(&self, pointer: &str) -> Option<&str> {
        self.marks.iter().find(|(at, _)| at == pointer).map(|(_, text)| text.as_str())
    }
}

/// What names the assets, and which other values stand only once.
pub(super) fn identity(facts: &[&Facts], paths: &[RepoPath]) -> (String, Vec<String>) {
    let is_fit = |text: &str| {
        let is_a_part = |part: &str| matches!(part, "." | "..");
        !text.trim().is_empty()
            && text.chars().count() <= 200
            && !text.chars().any(char::is_control)
            && !text.split('/').any(is_a_part)
    };
    let is_id = |key: &&&str| {
        let texts: Option<BTreeSet<&str>> =
            facts.iter().map(|facts| facts.mark(&child_pointer("", key)).filter(|text| is_fit(text))).collect();
        // A display name with spaces changes one day; a folder or a file name serves better.
        let is_steady = |texts: &BTreeSet<&str>| **key != "name" || texts.iter().all(|text| !text.contains(' '));
        facts.len() > 1 && texts.is_some_and(|texts| texts.len() == facts.len() && is_steady(&texts))
    };
    let id = ID_KEYS.iter().find(is_id).map_or_else(|| of_path(paths), |key| (*key).to_owned());
    let mut texts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (pointer, text) in facts.iter().flat_map(|facts| &facts.marks) {
        texts.entry(pointer).or_default().insert(text);
        *counts.entry(pointer).or_default() += 1;
    }
    let own = child_pointer("", &id);
    // What stands only in a few records may be unique by chance.
    let is_unique = |(pointer, texts): &(&str, BTreeSet<&str>)| {
        let count = counts.get(pointer).copied().unwrap_or_default();
        texts.len() == count && count >= facts.len().max(3) && *pointer != own && *pointer != "/name"
    };
    let unique = texts.into_iter().filter(is_unique).map(|(pointer, _)| pointer.to_owned()).collect();
    (id, unique)
}

/// An id out of the path: the folder's name, the file's, or both.
fn of_path(paths: &[RepoPath]) -> String {
    let folder = |path: &RepoPath| path.folder().rsplit('/').next().unwrap_or_default().to_owned();
    let are_unique = |id: &dyn Fn(&RepoPath) -> String| {
        let ids: BTreeSet<String> = paths.iter().map(id).filter(|id| !id.is_empty()).collect();
        ids.len() == paths.len()
    };
    if are_unique(&folder) {
        return "{dir}".to_owned();
    }
    if are_unique(&|path| path.stem().to_owned()) { "{stem}" } else { "{dir}/{stem}" }.to_owned()
}

/// The key of the schema's version: with the versions where all records name one as a text, else alone.
pub(super) fn version(facts: &[&Facts]) -> (Option<(String, BTreeSet<String>)>, Option<String>) {
    let has = |facts: &Facts, key: &str| facts.versions.iter().any(|(at, _)| at == key);
    let Some(key) = VERSION_KEYS.iter().find(|key| facts.iter().any(|facts| has(facts, key))) else {
        return (None, None);
    };
    let version = |facts: &&Facts| facts.versions.iter().find(|(at, _)| at == key).and_then(|(_, text)| text.clone());
    let versions: Option<BTreeSet<String>> = facts.iter().map(version).collect();
    match versions {
        Some(versions) => (Some(((*key).to_owned(), versions)), None),
        None => (None, Some((*key).to_owned())),
    }
}

/// What `$schema` names, where all records name something: a path of the library, else an address.
pub(super) fn schemas(glances: &[&Glance]) -> BTreeSet<String> {
    let of = |glance: &&Glance| {
        let named = glance.facts.as_ref()?.schema.as_deref()?;
        let plain = named.split('#').next().unwrap_or_default();
        if plain.contains("://") {
            return Some(plain.to_owned());
        }
        let mut parts: Vec<&str> = glance.path.folder().split('/').filter(|part| !part.is_empty()).collect();
        for part in plain.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        Some(parts.join("/"))
    };
    let named: Option<BTreeSet<String>> = glances.iter().map(of).collect();
    named.unwrap_or_default()
}
