//! Opening a library: its files at some moment, and what its stockroom.yml says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::focus::Focus;
use crate::adapters::schema_source::FolderSource;
use crate::adapters::worktree::Worktree;
use crate::catalog::read::MAX_RECORD_BYTES;
use crate::catalog::tree::{ContentError, Contents, Tree};
use crate::config::{Config, PLACES, SETTING};
use crate::finding::Finding;
use crate::ids::RepoPath;
use crate::manifest::files::{RETIRED, ROOT, is_immutable};
use crate::manifest::page::NAME as PAGE;
use crate::schema::registry::SchemaFiles;

/// Which files are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// The work tree with all changes, committed or not.
    Now,
    /// A commit, by any name that git understands.
    At(String),
}

/// Which library, at which moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The library's folder.
    pub folder: PathBuf,
    /// The configuration file, where it is not in one of its usual places.
    pub config: Option<PathBuf>,
    /// The moment.
    pub moment: Moment,
}

/// A library's files and configuration, before its records are read.
pub struct Opened {
    /// The repository.
    pub worktree: Worktree,
    /// What stockroom.yml says.
    pub config: Config,
    /// The files.
    pub tree: Tree,
    /// Gives their bytes.
    pub contents: Arc<dyn Contents + Send>,
    pub(super) focus: Focus,
    /// The registry and what is wrong with it as a whole, where it was brought from elsewhere.
    registry: Option<(Arc<dyn SchemaFiles>, Vec<Finding>)>,
}

impl Opened {
    /// These files with this configuration, all of them to be looked at.
    pub fn new(worktree: Worktree, config: Config, tree: Tree, contents: Arc<dyn Contents + Send>) -> Self {
        Self { worktree, config, tree, contents, focus: Focus::default(), registry: None }
    }

    /// The same, to be looked at with this focus.
    #[must_use]
    pub fn about(self, focus: Focus) -> Self {
        Self { focus, ..self }
    }

    /// The registry in a folder of the library.
    pub fn folder_files(&self, folder: &str) -> FolderSource {
        FolderSource::new(&self.tree, folder, Arc::clone(&self.contents))
    }

    /// A file at the library's root, of at most so many bytes; none where there is no such file.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, ContentError> {
        self.tree.get(path).map(|entry| self.contents.read(entry, limit)).transpose()
    }

    /// The same, to be checked with this registry.
    #[must_use]
    pub fn with_registry(self, files: Arc<dyn SchemaFiles>, findings: Vec<Finding>) -> Self {
        Self { registry: Some((files, findings)), ..self }
    }

    /// The registry that the records are checked with, and what is wrong with it as a whole.
    pub(super) fn registry(&self) -> anyhow::Result<(Arc<dyn SchemaFiles>, Vec<Finding>)> {
        match &self.registry {
            None if self.config.settings.schemas.is_elsewhere() => Err(anyhow!("the registry has not been brought")),
            None => Ok((self.registry_files(), Vec::new())),
            Some((files, findings)) => Ok((Arc::clone(files), findings.clone())),
        }
    }

    /// The registry's files: those that were brought, else those of its folder.
    pub fn registry_files(&self) -> Arc<dyn SchemaFiles> {
        match &self.registry {
            Some((files, _)) => Arc::clone(files),
            None => Arc::new(self.folder_files(&self.config.schema_folder)),
        }
    }

    /// The files of another moment, under the configuration of this one.
    pub fn at(&self, moment: &Moment) -> anyhow::Result<Self> {
        let worktree = Worktree::open(self.worktree.root())?;
        let (tree, contents) = files(&worktree, moment)?;
        let tree = without_output(tree, &self.config);
        // A registry that lies elsewhere has no other moment; one in the library is that of the moment.
        let registry = self.registry.clone().filter(|_| self.config.settings.schemas.is_elsewhere());
        Ok(Self { registry, ..Self::new(worktree, self.config.clone(), tree, contents) })
    }
}

fn files(worktree: &Worktree, moment: &Moment) -> anyhow::Result<(Tree, Arc<dyn Contents + Send>)> {
    Ok(match moment {
        Moment::Now => (worktree.tree_now()?, Arc::new(worktree.disk())),
        Moment::At(revision) => (worktree.tree_at(revision)?, Arc::new(worktree.objects())),
    })
}

/// Finds a library and reads its configuration.
///
/// An error means that nothing can be done: no repository, no configuration, or a broken one.
pub fn open(place: &Place) -> anyhow::Result<Opened> {
    let worktree = Worktree::open(&place.folder)?;
    let (tree, contents) = files(&worktree, &place.moment)?;
    let config = read_config(place, &worktree, &tree, contents.as_ref())?;
    let tree = without_output(tree, &config);
    Ok(Opened::new(worktree, config, tree, contents))
}

/// The same at a commit, with the configuration that stands in that commit even where a file was named.
pub fn open_committed(place: &Place, revision: &str) -> anyhow::Result<Opened> {
    let worktree = Worktree::open(&place.folder)?;
    let (tree, contents) = (worktree.tree_at(revision)?, Arc::new(worktree.objects()));
    let named = place.config.as_ref().map(|file| {
        let below = file.strip_prefix(&place.folder).ok().and_then(Path::to_str);
        below.and_then(|path| tree.get(path)).ok_or_else(|| anyhow!("it holds no {}", file.display()))
    });
    let config = match named.transpose()? {
        Some(entry) => Config::read(&entry.path, contents.read(entry, MAX_RECORD_BYTES)?)?,
        None => read_config(&Place { config: None, ..place.clone() }, &worktree, &tree, contents.as_ref())?,
    };
    let tree = without_output(tree, &config);
    Ok(Opened::new(worktree, config, tree, contents))
}

fn read_config(place: &Place, worktree: &Worktree, tree: &Tree, contents: &dyn Contents) -> anyhow::Result<Config> {
    if let Some(file) = &place.config {
        let bytes =
            std::fs::read(file).with_context(|| format!("the configuration {} cannot be read", file.display()))?;
        return Ok(Config::read(&RepoPath::new(file.display().to_string()), bytes)?);
    }
    let entry = PLACES.iter().find_map(|path| tree.get(path)).ok_or_else(|| no_config(worktree.root()))?;
    let bytes =
        contents.read(entry, MAX_RECORD_BYTES).map_err(|error| anyhow!("{} cannot be read: {error}", entry.path))?;
    Ok(Config::read(&entry.path, bytes)?)
}

fn no_config(folder: &Path) -> anyhow::Error {
    let least = "version: 1\n  collections:\n    products:\n      metadata: \"*/*.json\"";
    anyhow!(
        "there is no stockroom.yml in {} (nor in its .github folder). The least one says which files are records:\n  {least}",
        folder.display()
    )
}

/// Folders to publish to that hold records: with what we write ourselves these would be left out of the library.
fn hidden_records(tree: &Tree, config: &Config, folders: &[String]) -> Vec<Finding> {
    let finding = |(index, folder): (usize, &String)| {
        let is_record = |path: &RepoPath| {
            let name = path.as_str().strip_prefix(folder.as_str());
            name.is_some_and(|name| !may_be_published(name)) && config.collections.iter().any(|all| all.holds(path))
        };
        let first = tree.entries.iter().map(|entry| &entry.path).find(|path| is_record(path))?;
        let message = format!(
            "the folder {:?} holds records, such as {first}, and nothing in it counts as part of the library, because the \
             manifest is published there",
            folder.trim_end_matches('/')
        );
        let finding = config.finding(&SETTING, &format!("/manifest/publish/{index}/folder"), message);
        Some(finding.help(
            "name a folder in which nothing else lies, such as public; or, if these are no records, name them in the \
             collection's `exclude`",
        ))
    };
    let named = config.settings.manifest.publish.iter().enumerate().filter(|(_, place)| place.branch.is_none());
    let named = named.filter(|(_, place)| place.folder.is_some()).map(|(index, _)| index);
    named.zip(folders).filter_map(finding).collect()
}

/// Whether a file of this name in a folder may be part of an edition.
fn may_be_published(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        ROOT,
        RETIRED,
        PAGE,
        "feed.json",
        "datapackage.json",
        "sitemap.xml",
        "_asset-library-meta.json",
        "_v1/asset-index.json",
    ];
    NAMES.contains(&name) || is_immutable(name)
}

/// What we write ourselves is no part of the library, even where git does not ignore it.
pub(super) fn without_output(mut tree: Tree, config: &Config) -> Tree {
    let own = |folder: &str| {
        let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        format!("{}/", parts.join("/"))
    };
    let mut folders: Vec<String> = config.settings.manifest.folders().map(own).collect();
    folders.push(".stockroom/".to_owned());
    tree.findings.extend(hidden_records(&tree, config, &folders));
    let is_own = |path: &RepoPath| folders.iter().any(|folder| path.as_str().starts_with(folder));
    tree.entries.retain(|entry| !is_own(&entry.path));
    tree.changed.retain(|path| !is_own(path));
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tree::tests::MemoryTree;

    #[test]
    fn a_folder_to_publish_to_that_holds_records_is_a_problem_on_its_line() {
        let text = "version: 1
collections: {icons: {metadata: '**/*.json', exclude: ['drafts/*']}}
manifest:
  publish:
    - branch: pages
      folder: icons
    - folder: public
    - folder: ./icons/
    - folder: drafts
";
        let config = Config::read(&RepoPath::new("stockroom.yml"), text.as_bytes().to_vec()).unwrap();
        let shard = format!("public/shard-{}.json", "a".repeat(64));
        let files = ["drafts/a.json", "icons/a.json", "icons/b.json", "public/manifest.json", &shard, "x/c.json"];
        let tree = MemoryTree::new(&files.map(|path| (path, "{}"))).tree;
        let tree = without_output(tree, &config);
        let told: Vec<_> = tree.findings.iter().map(|finding| (finding.span.line, finding.message.as_str())).collect();
        assert_eq!(
            told,
            [(
                8,
                "the folder \"icons\" holds records, such as icons/a.json, and nothing in it counts as part of the library, \
                 because the manifest is published there"
            )]
        );
        assert!(tree.findings.iter().all(Finding::is_error));
        assert_eq!(tree.entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["x/c.json"]);
    }
}
