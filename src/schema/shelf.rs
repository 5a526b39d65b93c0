//! The registry's schemas under the names by which a `$ref` may ask for them, each read when it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Arc, OnceLock};

use jsonschema::{Retrieve, Uri};
use serde_json::Value;

use super::compile::{BASE, resolve_path};
use super::registry::{SchemaFiles, below};
use crate::catalog::read::{self, Notation};
use crate::ids::{RepoPath, percent_encode};

/// The addresses under which the validator knows its own metaschemas.
const METASCHEMAS: [&str; 2] = ["http://json-schema.org/", "https://json-schema.org/"];

/// The registry's schemas by address: their path, what their path would be below the `$id` of the one that asks, their `$id`.
pub(super) struct Shelf {
    files: Arc<dyn SchemaFiles>,
    by_path: BTreeMap<String, RepoPath>,
    by_id: OnceLock<BTreeMap<String, RepoPath>>,
}

impl Shelf {
    /// The shelf for the schema at `path`. No file is read yet.
    pub(super) fn new(files: &Arc<dyn SchemaFiles>, path: &RepoPath, schema: &Value) -> Self {
        let mut by_path = BTreeMap::new();
        if refers_outward(schema) {
            let prefix = id_of(schema).and_then(|id| folder_url(id, files.folder(), path));
            for path in files.paths().iter().filter(|path| Notation::of(path) == Some(Notation::Json)) {
                if let (Some(prefix), Some(below)) = (&prefix, below(files.folder(), path)) {
                    by_path.insert(format!("{prefix}/{}", percent_encode(below)), path.clone());
                }
                by_path.insert(format!("{BASE}{}", path.percent_encoded()), path.clone());
            }
        }
        Self { files: Arc::clone(files), by_path, by_id: OnceLock::new() }
    }

    fn get(&self, name: &str) -> Option<Value> {
        let path = self.by_path.get(name).or_else(|| self.by_id().get(name))?;
        self.read(path)
    }

    /// What each file calls itself: all of them have to be read for that, once.
    fn by_id(&self) -> &BTreeMap<String, RepoPath> {
        self.by_id.get_or_init(|| {
            let paths: BTreeSet<&RepoPath> = self.by_path.values().collect();
            let named =
                |path: &&RepoPath| Some((id_of(&self.read(path)?)?.trim_end_matches('#').to_owned(), (*path).clone()));
            paths.iter().filter_map(named).collect()
        })
    }

    fn read(&self, path: &RepoPath) -> Option<Value> {
        self.files.read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    }
}

/// Gives the validator what is on the shelf and refuses everything else.
pub(super) struct Shelved(pub(super) Arc<Shelf>);

impl Retrieve for Shelved {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let name = uri.as_str().trim_end_matches('#');
        self.0.get(name).ok_or_else(|| format!("{name:?} is not in the registry").into())
    }
}

/// The files that a schema needs beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// These.
    Files(BTreeSet<RepoPath>),
    /// Nobody can tell before all have been looked at: a `$ref` asks for what some file calls itself.
    All,
}

/// Which of the registry's files, `listed` and sorted, the schema at `path` refers to.
pub fn needed(folder: &str, listed: &[RepoPath], path: &RepoPath, bytes: &[u8]) -> Needed {
    let mut files = BTreeSet::new();
    let document = read::read(path, Notation::of(path).unwrap_or(Notation::Json), bytes.to_vec()).0;
    let Some(schema) = document.map(|document| document.value) else { return Needed::Files(files) };
    let (own, mut targets) = (id_of(&schema), BTreeSet::new());
    let has_bases = outward(&schema, true, &mut targets);
    let prefix = own.and_then(|id| folder_url(id, folder, path));
    for target in targets {
        let target = target.split('#').next().unwrap_or_default();
        if METASCHEMAS.iter().any(|address| target.starts_with(address)) {
            continue;
        }
        let inside = match &prefix {
            Some(prefix) => target.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/')),
            None => None,
        };
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let found = match (inside, own) {
            (Some(rest), _) => Some(RepoPath::join(folder, &decoded(rest))),
            // Relative to a `$id` that is not the file's place, a path says nothing about files.
            (None, Some(_)) if prefix.is_none() => None,
            (None, _) if target.contains(':') || target.starts_with('/') => None,
            (None, _) => resolve_path(path, &decoded(target)),
        };
        match found.filter(|path| listed.binary_search(path).is_ok()) {
            Some(path) if !has_bases => files.insert(path),
            _ => return Needed::All,
        };
    }
    Needed::Files(files)
}

/// Collects the references that leave the document; whether a part of it below the root has a base of its own.
fn outward<'s>(schema: &'s Value, is_root: bool, targets: &mut BTreeSet<&'s str>) -> bool {
    let mut has_bases = false;
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value.as_str()) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Some(target)) if !target.starts_with('#') => {
                        targets.insert(target);
                    }
                    ("$id" | "id", Some(_)) if !is_root => has_bases = true,
                    _ => has_bases |= outward(value, false, targets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| has_bases |= outward(item, false, targets)),
        _ => {}
    }
    has_bases
}

fn refers_outward(schema: &Value) -> bool {
    let mut targets = BTreeSet::new();
    outward(schema, true, &mut targets);
    !targets.is_empty()
}

fn id_of(schema: &Value) -> Option<&str> {
    schema.get("$id").or_else(|| schema.get("id")).and_then(Value::as_str)
}

/// What the registry's folder is called in the `$id` of one of its files, if the `$id` ends like the file's path.
fn folder_url(id: &str, folder: &str, path: &RepoPath) -> Option<String> {
    let below = path.as_str().strip_prefix(folder)?.trim_start_matches('/');
    id.trim_end_matches('#').strip_suffix(&percent_encode(below))?.strip_suffix('/').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Watched {
        paths: Vec<RepoPath>,
        files: BTreeMap<RepoPath, &'static str>,
        read: Mutex<Vec<String>>,
    }

    impl SchemaFiles for Watched {
        fn paths(&self) -> &[RepoPath] {
            &self.paths
        }
        fn folder(&self) -> &str {
            "s"
        }
        fn read(&self, path: &RepoPath) -> Result<Vec<u8>, String> {
            self.read.lock().unwrap().push(path.to_string());
            self.files.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| "it is not there".to_owned())
        }
    }

    fn watched(files: &[(&str, &'static str)]) -> Arc<Watched> {
        let files: BTreeMap<_, _> = files.iter().map(|(path, text)| (RepoPath::new(*path), *text)).collect();
        Arc::new(Watched { paths: files.keys().cloned().collect(), files, read: Mutex::default() })
    }

    #[test]
    fn only_what_is_asked_for_is_read() {
        let files = watched(&[("s/a/v1.0.0.json", "{}"), ("s/common.json", "{}"), ("s/z.json", r#"{"$id": "urn:z"}"#)]);
        let as_files: Arc<dyn SchemaFiles> = files.clone();
        let schema = serde_json::json!({"$ref": "../common.json"});
        let shelf = Shelf::new(&as_files, &RepoPath::new("s/a/v1.0.0.json"), &schema);
        assert!(shelf.get("stockroom:///s/common.json").is_some());
        assert_eq!(*files.read.lock().unwrap(), ["s/common.json"]);
        assert!(shelf.get("urn:z").is_some() && shelf.get("urn:y").is_none());
        assert_eq!(files.read.lock().unwrap().len(), 5, "a name is looked up in all files, once");
    }

    #[test]
    fn what_a_schema_needs_is_told_from_its_references() {
        let listed: Vec<RepoPath> = ["s/a/b c.json", "s/a/v1.0.0.json", "s/common.json"].map(RepoPath::new).to_vec();
        let needed = |schema: &str| super::needed("s", &listed, &RepoPath::new("s/a/v1.0.0.json"), schema.as_bytes());
        let files = |paths: &[&str]| Needed::Files(paths.iter().map(|path| RepoPath::new(*path)).collect());
        let table = [
            (r##"{"$ref": "#/$defs/x"}"##, files(&[])),
            (r#"{"items": [{"$ref": "../common.json#/x"}]}"#, files(&["s/common.json"])),
            (r#"{"$ref": "b%20c.json"}"#, files(&["s/a/b c.json"])),
            (r#"{"$ref": "http://json-schema.org/draft-07/schema#"}"#, files(&[])),
            (r#"{"$id": "https://x/s/a/v1.0.0.json", "$ref": "https://x/s/common.json"}"#, files(&["s/common.json"])),
            (r#"{"$id": "https://x/s/a/v1.0.0.json", "$ref": "../common.json"}"#, files(&["s/common.json"])),
            (r#"{"$id": "https://x/other.json", "$ref": "../common.json"}"#, Needed::All),
            (r#"{"$ref": "https://x/common"}"#, Needed::All),
            (r#"{"$ref": "../gone.json"}"#, Needed::All),
            (r#"{"$defs": {"x": {"$id": "/y/", "$ref": "../common.json"}}}"#, Needed::All),
            ("no json", files(&[])),
        ];
        for (schema, wanted) in table {
            assert_eq!(needed(schema), wanted, "{schema}");
        }
    }
}
