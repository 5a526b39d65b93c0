//! Finding the two schemas: files, what stood in files, and versions of the registry.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use semver::Version;

use crate::adapters::schema_source::FolderSource;
use crate::adapters::worktree::Worktree;
use crate::catalog::tree::Contents;
use crate::commands::open::{Opened, Place};
use crate::finding::Finding;
use crate::ids::{RepoPath, SchemaName};
use crate::report::schema_diff as report;
use crate::schema::compile::Compiled;
use crate::schema::registry::{LoneFile, Registry, SchemaFiles, compile_file, named};
use crate::schema::settings::{Policy, Settings};
use crate::schema::version::Wanted;

/// How large a schema may be, in bytes.
const MAX_SCHEMA_BYTES: u64 = 4 * 1024 * 1024;

/// One of the two schemas, found.
pub(super) struct Chosen {
    pub(super) label: String,
    pub(super) path: RepoPath,
    pub(super) name: Option<SchemaName>,
    pub(super) version: Option<Version>,
    pub(super) files: Arc<dyn SchemaFiles>,
    /// Out of history: what is suspicious about it is no news.
    pub(super) is_past: bool,
}

impl Chosen {
    pub(super) fn compile(&self, policy: Policy) -> Result<Compiled, Vec<Finding>> {
        let name = self.name.clone().unwrap_or_else(|| SchemaName::new(self.path.file_name()));
        compile_file(&self.files, &self.path, &name, self.version.as_ref().map(ToString::to_string), policy)
    }

    pub(super) fn told(&self) -> report::Side {
        report::Side {
            label: self.label.clone(),
            path: self.path.to_string(),
            name: self.name.as_ref().map(ToString::to_string),
            version: self.version.as_ref().map(ToString::to_string),
        }
    }
}

/// Where schemas are looked for.
pub(super) struct Desk<'a> {
    pub(super) place: &'a Place,
    pub(super) library: Option<&'a Opened>,
}

impl Desk<'_> {
    pub(super) fn policy(&self) -> Policy {
        self.library.map_or_else(|| Settings::default().policy(), |opened| opened.config.settings.schemas.policy())
    }

    /// The registry's folder; the root where there is no library.
    fn folder(&self) -> &str {
        self.library.map_or("", |opened| opened.config.schema_folder.as_str())
    }

    pub(super) fn side(&self, text: &str) -> anyhow::Result<Chosen> {
        let file = self.place.folder.join(text);
        if file.is_file() {
            return self.in_file(text);
        }
        if let Some((revision, path)) = text.split_once(':').filter(|(revision, _)| !revision.is_empty()) {
            return self.in_history(text, revision, path);
        }
        self.in_registry(text)
    }

    fn chosen(&self, label: &str, path: RepoPath, files: Arc<dyn SchemaFiles>, is_past: bool) -> Chosen {
        let (name, version) = named(self.folder(), &path).unzip();
        let is_used =
            |name: &SchemaName| self.library.is_some_and(|opened| opened.config.schema_names().contains(name));
        let name = name.filter(is_used);
        let version = version.flatten().filter(|_| name.is_some());
        Chosen { label: label.to_owned(), path, name, version, files, is_past }
    }

    fn in_file(&self, text: &str) -> anyhow::Result<Chosen> {
        let file = self.place.folder.join(text);
        if let Some(opened) = self.library {
            let full = file.canonicalize().with_context(|| format!("{text} cannot be read"))?;
            let below = full.strip_prefix(opened.worktree.root()).ok().and_then(|path| path.to_str());
            if let Some(entry) = below.and_then(|path| opened.tree.get(&path.replace('\\', "/"))) {
                let files = FolderSource::new(&opened.tree, self.folder_of(&entry.path), Arc::clone(&opened.contents));
                return Ok(self.chosen(text, entry.path.clone(), Arc::new(files), false));
            }
        }
        let size = std::fs::metadata(&file).with_context(|| format!("{text} cannot be read"))?.len();
        if size > MAX_SCHEMA_BYTES {
            return Err(anyhow!("{text} has {size} bytes, more than a schema may have"));
        }
        let bytes = std::fs::read(&file).with_context(|| format!("{text} cannot be read"))?;
        let path = RepoPath::new(text);
        Ok(self.chosen(text, path.clone(), Arc::new(LoneFile::new(path, bytes)), false))
    }

    /// What a schema's references may lead to: the registry, or the file's own folder where it is not in it.
    fn folder_of<'p>(&'p self, path: &'p RepoPath) -> &'p str {
        let folder = self.folder();
        let is_in = folder.is_empty() || path.as_str().starts_with(&format!("{folder}/"));
        if is_in { folder } else { path.folder() }
    }

    fn in_history(&self, text: &str, revision: &str, path: &str) -> anyhow::Result<Chosen> {
        let worktree = Worktree::open(&self.place.folder)?;
        let tree = worktree.tree_at(revision)?;
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let path = RepoPath::new(parts.join("/"));
        if tree.get(path.as_str()).is_none() {
            return Err(anyhow!("there is no file {path} at {revision}"));
        }
        let contents: Arc<dyn Contents + Send> = Arc::new(worktree.objects());
        let files = FolderSource::new(&tree, self.folder_of(&path), contents);
        Ok(self.chosen(text, path, Arc::new(files), true))
    }

    fn in_registry(&self, text: &str) -> anyhow::Result<Chosen> {
        let (name, wanted) = match text.split_once('@') {
            Some((name, wanted)) => (name, Some(wanted)),
            None => (text, None),
        };
        let nothing = || anyhow!("{text} is no file, and no schema of the registry either");
        let opened = self.library.ok_or_else(nothing)?;
        let shared = opened.registry_files();
        let registry = Registry::new(Arc::clone(&shared), &[SchemaName::new(name)].into(), self.policy());
        let versions = registry.get(&SchemaName::new(name)).ok_or_else(nothing)?;
        let slot = match wanted {
            None => versions.plain(),
            Some(wanted) => Wanted::parse(wanted).and_then(|wanted| versions.find(&wanted)),
        };
        let slot = slot.ok_or_else(|| anyhow!("the registry has no {text}; it has {}", versions.available()))?;
        let (_, version) = named(self.folder(), &slot.path).ok_or_else(nothing)?;
        let (path, name) = (slot.path.clone(), Some(slot.name.clone()));
        Ok(Chosen { label: text.to_owned(), path, name, version, files: shared, is_past: false })
    }
}
