//! The schemas that records may be checked with, by name and version.
//!
//! Below the registry's folder, `NAME/v1.2.0.json` is version 1.2.0 of NAME, `NAME/latest.json` what `latest` means, and
//! `NAME.schema.json` or `NAME.json` a schema without versions. Nothing outside the registry is ever read: the validator
//! has no network and no files of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use semver::Version;

use super::compile::{Compiled, compile};
use super::settings::{DraftName, Policy};
use super::version::{self, Wanted};
use crate::finding::Finding;
use crate::ids::{RepoPath, SchemaName};

/// The files of a registry, wherever they come from.
pub trait SchemaFiles: Send + Sync {
    /// Every file of the registry, sorted, relative to the library's root.
    fn paths(&self) -> &[RepoPath];
    /// The folder that `paths` are below; empty for the root.
    fn folder(&self) -> &str;
    /// The content of one of the files; the error is a sentence.
    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, String>;
}

/// A schema file that is compiled when the first record asks for it.
pub struct Slot {
    /// Where it is.
    pub path: RepoPath,
    /// Its schema's name.
    pub name: SchemaName,
    /// Its version, `latest`, or nothing for a schema without versions.
    pub version: Option<String>,
    compiled: OnceLock<Result<Compiled, Vec<Finding>>>,
}

/// All versions of one schema.
#[derive(Default)]
pub struct Versions {
    exact: BTreeMap<Version, Slot>,
    latest: Option<Slot>,
    plain: Option<Slot>,
}

/// The schemas that a library's collections name.
pub struct Registry {
    files: Arc<dyn SchemaFiles>,
    policy: Policy,
    schemas: BTreeMap<SchemaName, Versions>,
}

impl Registry {
    /// Looks the named schemas up among the registry's files; a name without a file is simply not there.
    pub fn new(files: Arc<dyn SchemaFiles>, names: &BTreeSet<SchemaName>, policy: Policy) -> Self {
        let mut schemas: BTreeMap<SchemaName, Versions> = BTreeMap::new();
        for path in files.paths() {
            let Some((name, label)) = place_in_registry(files.folder(), path) else { continue };
            let name = SchemaName::new(name);
            if !names.contains(&name) {
                continue;
            }
            let versions = schemas.entry(name.clone()).or_default();
            let slot = |version| Slot { path: path.clone(), name, version, compiled: OnceLock::new() };
            match label {
                Label::Version(version) => {
                    let text = version.to_string();
                    versions.exact.entry(version).or_insert_with(|| slot(Some(text)));
                }
                Label::Latest => versions.latest = Some(slot(Some("latest".to_owned()))),
                Label::Plain => versions.plain = Some(slot(None)),
            }
        }
        Self { files, policy, schemas }
    }

    /// All versions of a schema.
    pub fn get(&self, name: &SchemaName) -> Option<&Versions> {
        self.schemas.get(name)
    }

    /// The schema in this file, if it is one that a collection names.
    pub fn at(&self, path: &RepoPath) -> Option<&Slot> {
        self.schemas.values().find_map(|versions| versions.at(path))
    }

    /// The compiled schema, or nothing when it is broken (which `findings` says once).
    pub fn compiled<'s>(&self, slot: &'s Slot) -> Result<&'s Compiled, &'s [Finding]> {
        let compiled = slot.compiled.get_or_init(|| compile(&self.files, slot, self.policy));
        compiled.as_ref().map_err(Vec::as_slice)
    }

    /// Where its files are, for a sentence: a folder of the library, or a registry elsewhere.
    pub fn folder(&self) -> &str {
        self.files.folder()
    }

    /// What is wrong with the schemas that were asked for so far, and with the newest of each, which is asked for next.
    pub fn findings(&self) -> Vec<Finding> {
        for versions in self.schemas.values() {
            versions.find(&Wanted::Latest).into_iter().chain(versions.newest()).for_each(|slot| {
                let _ = self.compiled(slot);
            });
        }
        let slots = self.schemas.values().flat_map(Versions::slots);
        let told = |slot: &Slot| match slot.compiled.get() {
            Some(Ok(compiled)) => compiled.suspicions.clone(),
            Some(Err(findings)) => findings.clone(),
            None => Vec::new(),
        };
        slots.flat_map(told).collect()
    }

    /// The drafts that are in force in the schemas that were asked for so far.
    pub fn drafts(&self) -> BTreeSet<DraftName> {
        let slots = self.schemas.values().flat_map(Versions::slots);
        slots.filter_map(|slot| Some(slot.compiled.get()?.as_ref().ok()?.draft)).collect()
    }
}

/// A file outside every registry, which may refer to nothing but itself.
pub struct LoneFile {
    paths: [RepoPath; 1],
    bytes: Vec<u8>,
}

impl LoneFile {
    /// Takes the file.
    pub fn new(path: RepoPath, bytes: Vec<u8>) -> Self {
        Self { paths: [path], bytes }
    }
}

impl SchemaFiles for LoneFile {
    fn paths(&self) -> &[RepoPath] {
        &self.paths
    }

    fn folder(&self) -> &str {
        ""
    }

    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, String> {
        if self.paths.contains(path) { Ok(self.bytes.clone()) } else { Err("it is not there".to_owned()) }
    }
}

/// Compiles a file as a version of a schema, or says what is wrong with it.
pub fn compile_file(
    files: &Arc<dyn SchemaFiles>,
    path: &RepoPath,
    name: &SchemaName,
    version: Option<String>,
    policy: Policy,
) -> Result<Compiled, Vec<Finding>> {
    let slot = Slot { path: path.clone(), name: name.clone(), version, compiled: OnceLock::new() };
    compile(files, &slot, policy)
}

/// Which schema, and which version of it, a file of the registry is; nothing where it is none.
pub fn named(folder: &str, path: &RepoPath) -> Option<(SchemaName, Option<Version>)> {
    let (name, label) = place_in_registry(folder, path)?;
    let version = match label {
        Label::Version(version) => Some(version),
        Label::Latest | Label::Plain => None,
    };
    Some((SchemaName::new(name), version))
}

impl Versions {
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.exact.values().chain(&self.latest).chain(&self.plain)
    }

    /// The schema of exactly this version.
    pub fn exact(&self, version: &Version) -> Option<&Slot> {
        self.exact.get(version)
    }

    /// The newest schema that is wanted.
    pub fn find(&self, wanted: &Wanted) -> Option<&Slot> {
        match wanted {
            Wanted::Exact(version) => self.exact(version),
            Wanted::Range(range) => self.exact.iter().rev().find(|(version, _)| range.matches(version)).map(|(_, s)| s),
            Wanted::Latest => self.latest.as_ref().or_else(|| self.newest()),
        }
    }

    /// The one schema without versions.
    pub fn plain(&self) -> Option<&Slot> {
        self.plain.as_ref()
    }

    /// The schema in this file.
    pub fn at(&self, path: &RepoPath) -> Option<&Slot> {
        self.slots().find(|slot| slot.path == *path)
    }

    fn newest(&self) -> Option<&Slot> {
        let releases = self.exact.iter().rev().find(|(version, _)| version.pre.is_empty());
        releases.or_else(|| self.exact.iter().next_back()).map(|(_, slot)| slot)
    }

    /// The versions that there are, for a sentence: `1.0.0, 1.1.0`.
    pub fn available(&self) -> String {
        if self.exact.is_empty() {
            return "none with a number".to_owned();
        }
        self.exact.keys().map(Version::to_string).collect::<Vec<_>>().join(", ")
    }
}

pub(super) enum Label {
    Version(Version),
    Latest,
    Plain,
}

pub(super) fn place_in_registry<'p>(folder: &str, path: &'p RepoPath) -> Option<(&'p str, Label)> {
    label_of(below(folder, path)?)
}

/// The path of a file below its registry's folder.
pub fn below<'p>(folder: &str, path: &'p RepoPath) -> Option<&'p str> {
    match folder {
        "" => Some(path.as_str()),
        folder => path.as_str().strip_prefix(folder)?.strip_prefix('/'),
    }
}

/// Whether the file at this path, below the registry's folder, is one version of a schema, which stays as it is.
pub fn is_release(below: &str) -> bool {
    matches!(label_of(below), Some((_, Label::Version(_))))
}

/// The name of the schema in the file at this path, below the registry's folder; none for a file that holds no schema.
pub fn schema_name(below: &str) -> Option<SchemaName> {
    label_of(below).map(|(name, _)| SchemaName::new(name))
}

fn label_of(below: &str) -> Option<(&str, Label)> {
    let stem =
        below.strip_suffix(".json").or_else(|| below.strip_suffix(".yaml")).or_else(|| below.strip_suffix(".yml"))?;
    match stem.rsplit_once('/') {
        Some((name, "latest")) => Some((name, Label::Latest)),
        Some((name, version)) => Some((name, Label::Version(version::parse(version)?))),
        None => Some((stem.strip_suffix(".schema").unwrap_or(stem), Label::Plain)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::schema::settings::FormatPolicy;

    pub(crate) struct MemoryFiles(pub(crate) BTreeMap<RepoPath, String>, pub(crate) Vec<RepoPath>);

    impl MemoryFiles {
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            let map: BTreeMap<_, _> = files.iter().map(|(p, t)| (RepoPath::new(*p), (*t).to_owned())).collect();
            let paths: Vec<_> = map.keys().cloned().collect();
            Self(map, paths)
        }

        pub(crate) fn registry(files: &[(&str, &str)], format: FormatPolicy) -> Registry {
            let Self(map, paths) = Self::new(files);
            let names =
                paths.iter().filter_map(|path| place_in_registry("schemas", path).map(|(n, _)| SchemaName::new(n)));
            let names = names.collect();
            Registry::new(Arc::new(Self(map, paths)), &names, Policy { format, draft: DraftName::Draft202012 })
        }
    }

    impl SchemaFiles for MemoryFiles {
        fn paths(&self) -> &[RepoPath] {
            &self.1
        }
        fn folder(&self) -> &str {
            "schemas"
        }
        fn read(&self, path: &RepoPath) -> Result<Vec<u8>, String> {
            self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "it is not there".to_owned())
        }
    }

    #[test]
    fn a_registry_knows_names_versions_and_what_latest_means() {
        let registry = MemoryFiles::registry(
            &[
                ("schemas/product/v1.9.0.json", "{}"),
                ("schemas/product/v1.10.0.json", "{}"),
                ("schemas/product/v2.0.0-beta.1.json", "{}"),
                ("schemas/asset/latest.json", "{}"),
                ("schemas/asset/1.0.json", "{}"),
                ("schemas/icon.schema.json", "{}"),
                ("schemas/README.md", ""),
            ],
            FormatPolicy::Assert,
        );
        let found = |name: &str, wanted: &str| {
            let versions = registry.get(&SchemaName::new(name)).unwrap();
            versions.find(&Wanted::parse(wanted).unwrap()).map(|slot| slot.path.to_string())
        };
        assert_eq!(found("product", "^1.0").as_deref(), Some("schemas/product/v1.10.0.json"));
        assert_eq!(found("product", "latest").as_deref(), Some("schemas/product/v1.10.0.json"));
        assert_eq!(found("product", "1.9").as_deref(), Some("schemas/product/v1.9.0.json"));
        assert_eq!(found("product", "3.0.0"), None);
        assert_eq!(found("asset", "latest").as_deref(), Some("schemas/asset/latest.json"));
        assert!(registry.get(&SchemaName::new("icon")).unwrap().plain().is_some());
    }
}
