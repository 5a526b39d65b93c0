//! What a library is: its files, its configuration, and what is right and wrong with its records.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::crew;
use super::focus::{Concern, Focus};
use super::registry::at_source;
use super::releases;
use crate::adapters::schema_source::FolderSource;
use crate::adapters::worktree::{Head, Worktree};
use crate::catalog::asset::{Asset, CompanionFile, UsedSchema, meaning};
use crate::catalog::collection::Collection;
use crate::catalog::layout::companions;
use crate::catalog::place::Places;
use crate::catalog::read::Format;
use crate::catalog::record::{Candidate, EMPTY_COLLECTION, Record, Uniqueness, candidates};
use crate::catalog::tree::{ContentError, Contents, Entry, Tree};
use crate::config::{Config, PLACES};
use crate::finding::{Code, Finding, Severity, Span};
use crate::ids::{AssetKey, CollectionName, RepoPath, SchemaName};
use crate::report::{Check, Counts, Policy};
use crate::schema::SCHEMA_MISSING;
use crate::schema::choose::choose;
use crate::schema::registry::{Registry, SchemaFiles};
use crate::schema::settings as schemas;
use crate::schema::validate::validate;
use crate::schema::version;

/// We failed on a record.
pub static INTERNAL: Code = Code {
    id: "internal",
    meaning: "Stockroom itself failed on this file. It is a bug: please report it, with the file if you can.",
};

/// A record took too long.
pub static TOOK_TOO_LONG: Code = Code {
    id: "took-too-long",
    meaning: "To check the file takes longer than `limits.seconds` in stockroom.yml allows (10 seconds by default), so it \
              counts as wrong. Make the file smaller or its schema simpler.",
};

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
    focus: Focus,
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

/// A library that has been read.
pub struct Library {
    /// The repository.
    pub worktree: Worktree,
    /// Where its HEAD is.
    pub head: Head,
    /// What stockroom.yml says.
    pub config: Config,
    /// The files.
    pub tree: Tree,
    /// Gives their bytes.
    pub contents: Arc<dyn Contents + Send>,
    /// What is right and wrong.
    pub check: Check,
    /// The valid assets, in the order of their records' paths; empty where only a verdict was asked for.
    pub assets: Vec<Asset>,
}

/// What is wanted of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The findings: no record stays in memory.
    Verdict,
    /// The findings and the valid assets.
    Assets,
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
        Some(entry) => Config::read(&entry.path, contents.read(entry, crate::catalog::read::MAX_RECORD_BYTES)?)?,
        None => read_config(&Place { config: None, ..place.clone() }, &worktree, &tree, contents.as_ref())?,
    };
    let tree = without_output(tree, &config);
    Ok(Opened::new(worktree, config, tree, contents))
}

/// Reads and checks every record. What is wrong with them is a finding and no error.
pub fn gather(opened: Opened, wanted: Wanted) -> anyhow::Result<Library> {
    let released = opened.focus.since().map(|base| releases::findings(&opened, base)).unwrap_or_default();
    let Opened { worktree, config, tree, contents, focus, registry } = opened;
    let (source, more) = match registry {
        Some(registry) => registry,
        None if config.settings.schemas.is_elsewhere() => return Err(anyhow!("the registry has not been brought")),
        None => {
            let folder = FolderSource::new(&tree, &config.schema_folder, Arc::clone(&contents));
            (Arc::new(folder) as Arc<dyn SchemaFiles>, Vec::new())
        }
    };
    let registry = Registry::new(source, &config.schema_names(), config.settings.schemas.policy());
    let tree = Arc::new(tree);
    let (registry, focus) = (Arc::new(registry), Arc::new(focus));
    let (found, mut findings) = candidates(&tree, &config.collections);
    findings.extend(empty_collections(&config, &found));
    findings.extend(tree.findings.iter().cloned());
    let sight = Sight {
        tree: Arc::clone(&tree),
        collections: config.collections.clone(),
        contents: Arc::clone(&contents),
        registry: Arc::clone(&registry),
        focus: Arc::clone(&focus),
        wanted,
    };
    let looks = looks(&found, sight, &config);
    let repeats = repeats(&found, &looks, contents.as_ref());
    let by_schema = by_schema(&looks);
    let policy = policy(&config, &registry);
    let concerned = |is_so: fn(&Concern) -> bool| {
        let those = found.iter().zip(&looks).filter(|(_, look)| is_so(&look.concern));
        those.map(|(candidate, _)| candidate.entry.path.clone()).collect::<BTreeSet<_>>()
    };
    let (named, touched) = (concerned(|it| it.is_named), concerned(|it| it.is_touched));
    let records = if focus.lists_records { by_name(&found, &looks) } else { BTreeMap::new() };
    let unusable: BTreeSet<RepoPath> = looks.iter().filter_map(|look| look.unusable.clone()).collect();
    let (assets, counts) = settle(&found, looks, &repeats, &mut findings);
    findings.extend(repeats);
    focus.keep(&mut findings, &named);
    findings.extend(missing_schemas(&config, &registry).into_iter().filter(|finding| focus.asks(finding, &counts)));
    findings.extend(more);
    let of_schemas = registry.findings().into_iter().filter(|finding| focus.needs(finding, &unusable));
    findings.extend(of_schemas.map(|finding| at_source(finding, registry.folder(), &config)));
    findings.extend(released);
    let tree = Arc::unwrap_or_clone(tree);
    let mut check = Check::new(tree.commit.clone(), tree.is_dirty(), counts, findings);
    check.records = records;
    if let Some(touched) = focus.touched(touched) {
        check = check.touching(touched);
    }
    check.summary.by_schema = by_schema;
    check.summary.policy = Some(policy);
    let head = worktree.head()?;
    Ok(Library { worktree, head, config, tree, contents, check, assets })
}

fn read_config(place: &Place, worktree: &Worktree, tree: &Tree, contents: &dyn Contents) -> anyhow::Result<Config> {
    if let Some(file) = &place.config {
        let bytes =
            std::fs::read(file).with_context(|| format!("the configuration {} cannot be read", file.display()))?;
        return Ok(Config::read(&RepoPath::new(file.display().to_string()), bytes)?);
    }
    let entry = PLACES.iter().find_map(|path| tree.get(path)).ok_or_else(|| no_config(worktree.root()))?;
    let bytes = contents
        .read(entry, crate::catalog::read::MAX_RECORD_BYTES)
        .map_err(|error| anyhow!("{} cannot be read: {error}", entry.path))?;
    Ok(Config::read(&entry.path, bytes)?)
}

fn no_config(folder: &Path) -> anyhow::Error {
    let least = "version: 1\n  collections:\n    products:\n      metadata: \"*/*.json\"";
    anyhow!(
        "there is no stockroom.yml in {} (nor in its .github folder). The least one says which files are records:\n  {least}",
        folder.display()
    )
}

/// What we write ourselves is no part of the library, even where git does not ignore it.
pub(super) fn without_output(mut tree: Tree, config: &Config) -> Tree {
    let own = |folder: &str| {
        let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        format!("{}/", parts.join("/"))
    };
    let mut folders: Vec<String> = config.settings.manifest.publish.iter().map(|place| own(&place.folder)).collect();
    folders.push(".stockroom/".to_owned());
    let is_own = |path: &RepoPath| folders.iter().any(|folder| path.as_str().starts_with(folder));
    tree.entries.retain(|entry| !is_own(&entry.path));
    tree.changed.retain(|path| !is_own(path));
    tree
}

fn empty_collections(config: &Config, found: &[Candidate<'_>]) -> Vec<Finding> {
    let is_empty = |collection: &&Collection| !found.iter().any(|c| collection.holds(&c.entry.path));
    let finding = |collection: &Collection| {
        let name = &collection.name;
        let message = format!("the collection {name} has no record: its globs match no file");
        let finding = config.finding(&EMPTY_COLLECTION, &format!("/collections/{name}/metadata"), message);
        Finding { severity: Severity::Warning, ..finding }.help("look at its `metadata` and `exclude`")
    };
    config.collections.iter().filter(is_empty).map(finding).collect()
}

/// Collections whose schema, or whose default version of it, the registry does not have.
fn missing_schemas(config: &Config, registry: &Registry) -> Vec<Finding> {
    let missing = |(name, collection): (&CollectionName, &crate::catalog::settings::Settings)| {
        let schema = collection.schema.as_deref()?;
        let Some(versions) = registry.get(&SchemaName::new(schema)) else {
            let folder = if registry.folder().is_empty() { "the library's root" } else { registry.folder() };
            let message = format!("the registry has no schema {schema:?}, so the records of {name} are not checked");
            let finding = config.finding(&SCHEMA_MISSING, &format!("/collections/{name}/schema"), message);
            return Some(finding.help(format!("add {schema}/v1.0.0.json or {schema}.schema.json to {folder}")));
        };
        let default = collection.default_version.as_deref()?;
        if version::Wanted::parse(default).is_some_and(|wanted| versions.find(&wanted).is_some()) {
            return None;
        }
        let message = format!("the registry has no version of {schema} that {default:?} means");
        let finding = config.finding(&SCHEMA_MISSING, &format!("/collections/{name}/default_version"), message);
        Some(finding.help(format!("the registry has {}", versions.available())))
    };
    config.settings.collections.iter().filter_map(missing).collect()
}

/// What was seen of one record.
#[derive(Default)]
struct Look {
    findings: Vec<Finding>,
    key: Option<AssetKey>,
    schema: Option<UsedSchema>,
    unique: Vec<(usize, String, String)>,
    is_valid: bool,
    asset: Option<Box<Asset>>,
    concern: Concern,
    /// The schema that it should be checked with, where that is broken.
    unusable: Option<RepoPath>,
}

/// Looks at every record, under a watch.
fn looks(found: &[Candidate<'_>], sight: Sight, config: &Config) -> Vec<Look> {
    let limits = config.settings.limits;
    let places = places(found, &sight.tree, &config.collections);
    let look = move |index: usize| sight.candidate(places.get(index)).map(|candidate| sight.look(&candidate));
    let outcomes = crew::work(found.len(), Duration::from_secs(limits.seconds), look);
    let mut is_told = false;
    let look = |(candidate, outcome): (&Candidate<'_>, crew::Outcome<Option<Look>>)| {
        let path = &candidate.entry.path;
        let mut findings = Vec::new();
        match outcome {
            crew::Outcome::Done(look) => {
                let mut look = look.unwrap_or_default();
                if look.findings.len() > limits.findings {
                    look.findings.sort_by_key(|finding| !finding.is_error());
                    look.findings.truncate(limits.findings);
                }
                return look;
            }
            crew::Outcome::Overdue => {
                let message = format!("to check this file takes more than {} seconds", limits.seconds);
                let help = "make the file smaller, or its schema simpler: fewer alternatives, shorter patterns";
                findings.push(Finding::error(&TOOK_TOO_LONG, path.clone(), message).help(help));
            }
            crew::Outcome::GivenUp if !is_told => {
                let message = "too many files take too long: this one and those after it were not checked";
                let help = "mend the files that are named, or their schema";
                findings.push(Finding::error(&TOOK_TOO_LONG, path.clone(), message).help(help));
                is_told = true;
            }
            crew::Outcome::GivenUp => {}
        }
        Look { findings, ..Look::default() }
    };
    found.iter().zip(outcomes).map(look).collect()
}

/// Where the candidates are in what they were found in: by collection and by entry, in the order of the entries.
fn places(found: &[Candidate<'_>], tree: &Tree, collections: &[Collection]) -> Vec<(usize, usize)> {
    let mut entries = tree.entries.iter().enumerate();
    let place = |candidate: &Candidate<'_>| {
        let (entry, _) = entries.find(|(_, entry)| std::ptr::eq(*entry, candidate.entry))?;
        let collection = collections.iter().position(|collection| std::ptr::eq(collection, candidate.collection))?;
        Some((collection, entry))
    };
    found.iter().map_while(place).collect()
}

/// All that a record is looked at with; a worker that is left behind keeps it.
struct Sight {
    tree: Arc<Tree>,
    collections: Vec<Collection>,
    contents: Arc<dyn Contents + Send>,
    registry: Arc<Registry>,
    focus: Arc<Focus>,
    wanted: Wanted,
}

impl Sight {
    fn candidate(&self, place: Option<&(usize, usize)>) -> Option<Candidate<'_>> {
        let (collection, entry) = *place?;
        Some(Candidate { collection: self.collections.get(collection)?, entry: self.tree.entries.get(entry)? })
    }

    fn look(&self, candidate: &Candidate<'_>) -> Look {
        catch_unwind(AssertUnwindSafe(|| self.look_closely(candidate))).unwrap_or_else(|_| {
            let finding = Finding::error(&INTERNAL, candidate.entry.path.clone(), "Stockroom failed on this file");
            Look {
                findings: vec![finding.help("please report it as a bug; the other files were checked")],
                ..Look::default()
            }
        })
    }

    fn look_closely(&self, candidate: &Candidate<'_>) -> Look {
        let (record, findings) = candidate.load(self.contents.as_ref());
        let Some(record) = record else {
            return Look { findings, concern: self.focus.of_file(&candidate.entry.path), ..Look::default() };
        };
        let collection = candidate.collection;
        let concern = self.focus.of_record(&record, collection, &self.registry);
        let mut look = Look { findings, unique: record.unique_values(collection), concern, ..Look::default() };
        if !concern.is_named {
            // Nobody asked about it; but what stands in it may not stand in another.
            return Look { key: record.key(collection).ok(), ..look };
        }
        let (schema, more) = validate(&record, collection, &self.registry);
        look.findings.extend(more);
        look.schema = schema;
        if look.schema.is_none() {
            look.unusable =
                choose(&record, collection, &self.registry).ok().flatten().map(|(slot, _)| slot.path.clone());
        }
        look.findings.extend(self.focus.lowered(&record, collection, look.schema.as_ref()));
        let (files, more) = companions(&record, collection, &self.tree);
        look.findings.extend(more);
        match record.key(collection) {
            Ok(key) => look.key = Some(key),
            Err(finding) => look.findings.push(*finding),
        }
        // Where a schema is asked for and none could be used, nobody knows whether the record is valid.
        let is_checked = look.schema.is_some() || collection.settings.schema.is_none();
        look.is_valid = is_checked && !look.findings.iter().any(Finding::is_error);
        if let (Some(key), true, Wanted::Assets) = (&look.key, look.is_valid, self.wanted) {
            let companion = |entry: &&Entry| CompanionFile { path: entry.path.clone(), blob: entry.blob.clone() };
            // What follows the front matter of a Markdown record is part of the asset as well: the file as a whole.
            let own = Some(candidate.entry).filter(|_| record.document.format == Format::Markdown);
            let mut files: Vec<_> = files.iter().chain(&own).map(companion).collect();
            files.sort_by(|a, b| a.path.cmp(&b.path));
            look.asset = Some(Box::new(Asset {
                key: key.clone(),
                files,
                schema: look.schema.clone(),
                warned: !look.findings.is_empty(),
                meaning: meaning(collection, record.document.value),
                record: record.path,
            }));
        }
        look
    }
}

fn policy(config: &Config, registry: &Registry) -> Policy {
    let schemas::Policy { format, draft } = config.settings.schemas.policy();
    let drafts = registry.drafts().into_iter().map(|draft| draft.as_str().to_owned()).collect();
    Policy { format: format.as_str().to_owned(), draft: draft.as_str().to_owned(), drafts }
}

fn by_schema(looks: &[Look]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for schema in looks.iter().filter_map(|look| look.schema.as_ref()) {
        *counts.entry(schema).or_default() += 1;
    }
    counts.into_iter().map(|(schema, count): (&UsedSchema, usize)| (schema.label(), count)).collect()
}

/// The records that are reported, by collection.
fn by_name(found: &[Candidate<'_>], looks: &[Look]) -> BTreeMap<CollectionName, Vec<RepoPath>> {
    let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (candidate, _) in found.iter().zip(looks).filter(|(_, look)| look.concern.is_named) {
        names.entry(candidate.collection.name.clone()).or_default().push(candidate.entry.path.clone());
    }
    names
}

/// What stands twice among ids and unique values, each at its place in the later record.
fn repeats(found: &[Candidate<'_>], looks: &[Look], contents: &dyn Contents) -> Vec<Finding> {
    if are_all_different(looks) {
        return Vec::new();
    }
    let mut uniqueness = Uniqueness::default();
    for (index, (candidate, look)) in found.iter().zip(looks).enumerate() {
        if let Some(key) = &look.key {
            uniqueness.see(index, &candidate.entry.path, key, candidate.collection, &look.unique);
        }
    }
    let mut last: Option<(usize, Places)> = None;
    uniqueness.findings(|index, pointer| {
        if last.as_ref().is_none_or(|(read, _)| *read != index) {
            let record: Option<Record> = found.get(index).and_then(|candidate| candidate.load(contents).0);
            last = record.map(|record| (index, record.document.places()));
        }
        last.as_ref().map_or_else(Span::start, |(_, places)| places.nearest(pointer))
    })
}

/// Whether no id and no value stands twice, whatever their rules are; `false` says nothing.
fn are_all_different(looks: &[Look]) -> bool {
    let (mut keys, mut values) = (HashSet::with_capacity(looks.len()), HashSet::new());
    let mut keys_of_looks = looks.iter().filter_map(|look| look.key.as_ref());
    let mut unique_values = looks.iter().flat_map(|look| &look.unique);
    keys_of_looks.all(|key| keys.insert(key)) && unique_values.all(|(rule, _, text)| values.insert((rule, text)))
}

/// The assets that are valid, and the numbers by collection.
fn settle(
    found: &[Candidate<'_>],
    looks: Vec<Look>,
    repeats: &[Finding],
    findings: &mut Vec<Finding>,
) -> (Vec<Asset>, BTreeMap<CollectionName, Counts>) {
    let repeated: BTreeSet<&RepoPath> = repeats.iter().map(|finding| &finding.path).collect();
    let misnamed: BTreeSet<RepoPath> =
        findings.iter().filter(|f| f.severity == Severity::Error).map(|finding| finding.path.clone()).collect();
    let mut counts: BTreeMap<CollectionName, Counts> = BTreeMap::new();
    let mut assets = Vec::new();
    for (candidate, look) in found.iter().zip(looks).filter(|(_, look)| look.concern.is_named) {
        let path = &candidate.entry.path;
        let counts = counts.entry(candidate.collection.name.clone()).or_default();
        counts.records += 1;
        findings.extend(look.findings);
        if look.is_valid && !repeated.contains(path) && !misnamed.contains(path) {
            counts.valid += 1;
            assets.extend(look.asset.map(|asset| *asset));
        } else {
            counts.invalid += 1;
        }
    }
    (assets, counts)
}
