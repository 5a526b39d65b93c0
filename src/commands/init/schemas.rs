//! Which schema each proposed collection gets: one that is there, else one that is inferred from its records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::adapters::schema_source::FolderSource;
use crate::catalog::collection::Collection;
use crate::catalog::propose::Proposal;
use crate::catalog::record::{Record, load};
use crate::catalog::settings::{OneOrMany, Settings};
use crate::catalog::tree::{Contents, Entry, Tree};
use crate::commands::infer::{Style, from_records};
use crate::finding::{Code, Finding};
use crate::ids::{CollectionName, RepoPath, SchemaName};
use crate::report::Check;
use crate::schema::choose::{SCHEMA_UNKNOWN, VERSION_NOT_TEXT, VERSION_UNKNOWN};
use crate::schema::registry::{Registry, named};
use crate::schema::settings as schemas;
use crate::schema::validate::validate;
use crate::schema::version;

/// How many records are tried with a schema that is there.
const TRIED: usize = 100;
/// How many schemas that are there are tried.
const MOST_SCHEMAS: usize = 50;
/// How many versions of a schema are inferred, each from the records that name it.
const MOST_VERSIONS: usize = 8;
/// The registry's folder where there is none.
const OWN_FOLDER: &str = "schemas";

/// Where a collection's schema comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The registry has it, under this name; the member that names its version.
    There(String, Option<String>),
    /// It is to be inferred under this name, from all records.
    Inferred(String),
    /// It is to be inferred under this name for each version that this member names.
    InferredByVersion(String, String),
    /// To be inferred into this file of the registry, which the records' `$schema` names.
    InferredAs(String, RepoPath),
    /// None fits.
    Nothing,
}

/// The registry and the schemas of all collections, in their order.
pub(super) struct Choices {
    pub(super) source: String,
    pub(super) choices: Vec<Chosen>,
}

impl Chosen {
    /// Its name in the registry.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::There(name, _)
            | Self::Inferred(name)
            | Self::InferredByVersion(name, _)
            | Self::InferredAs(name, _) => Some(name),
            Self::Nothing => None,
        }
    }

    /// The member that names the version.
    pub(super) fn version_field(&self) -> Option<&str> {
        match self {
            Self::There(_, field) => field.as_deref(),
            Self::InferredByVersion(_, field) => Some(field),
            _ => None,
        }
    }

    /// In words.
    pub(super) fn said(&self) -> String {
        match self {
            Self::There(name, _) => format!("{name} (it is there already)"),
            Self::Inferred(name) | Self::InferredByVersion(name, _) | Self::InferredAs(name, _) => {
                format!("{name} (inferred)")
            }
            Self::Nothing => String::new(),
        }
    }
}

/// What stockroom.yml remarks on a collection's schema.
pub(super) fn remark(chosen: &Chosen, written: Option<&RepoPath>) -> String {
    match (chosen, written) {
        (Chosen::InferredByVersion(..), Some(path)) => {
            format!("{} and its like, inferred: tighten them where you know more", path)
        }
        (_, Some(path)) => format!("{path}, inferred: tighten it where you know more"),
        _ => "it was there already".to_owned(),
    }
}

/// Chooses the schemas; the unfit collections get none.
pub(super) fn choose(
    proposals: &[Proposal],
    tree: &Tree,
    contents: &Arc<dyn Contents + Send>,
    unfit: &BTreeSet<String>,
) -> Choices {
    let source = proposals.iter().find_map(referred).map_or_else(|| there(tree), |path| source_of(&path));
    let shelf = Shelf::new(source, tree, contents);
    let choice = |proposal: &Proposal| match unfit.contains(&proposal.name) {
        true => Chosen::Nothing,
        false => shelf.choose(proposal),
    };
    Choices { choices: proposals.iter().map(choice).collect(), source: shelf.source }
}

/// The one file that all records of the collection name as their `$schema`; nothing that is hidden.
fn referred(proposal: &Proposal) -> Option<RepoPath> {
    let only = proposal.schemas.first().filter(|named| proposal.schemas.len() == 1 && !named.contains("://"))?;
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    (only.ends_with(".json") && only.split('/').all(is_plain)).then(|| RepoPath::new(only.as_str()))
}

/// The folder of the registry that a schema at this path belongs to: `schemas` for `schemas/icon/v1.0.0.json`.
fn source_of(path: &RepoPath) -> String {
    let is_version = path.stem() == "latest" || version::parse(path.stem()).is_some();
    let folder = path.folder();
    match folder.rsplit_once('/') {
        _ if !is_version => folder.to_owned(),
        Some((source, _)) => source.to_owned(),
        None => String::new(),
    }
}

/// The registry that the library seems to have, else where it shall be.
fn there(tree: &Tree) -> String {
    let is_schema = |path: &RepoPath| {
        let is_hidden = path.as_str().split('/').any(|part| part.starts_with('.') || part == "node_modules");
        let is_in_registry = path.folder().split('/').any(|part| matches!(part, "schemas" | "schema"));
        let name = path.file_name();
        !is_hidden && (name.ends_with(".schema.json") || (is_in_registry && name.ends_with(".json")))
    };
    let mut sources: BTreeMap<String, usize> = BTreeMap::new();
    for entry in tree.entries.iter().filter(|entry| is_schema(&entry.path)) {
        *sources.entry(source_of(&entry.path)).or_default() += 1;
    }
    if sources.is_empty() || sources.contains_key(OWN_FOLDER) {
        return OWN_FOLDER.to_owned();
    }
    let most = sources.into_iter().max_by_key(|(_, schemas)| *schemas);
    most.map_or_else(|| OWN_FOLDER.to_owned(), |(source, _)| source)
}

/// The schemas that are there, to be tried on records.
struct Shelf<'a> {
    source: String,
    tree: &'a Tree,
    contents: &'a Arc<dyn Contents + Send>,
    names: BTreeSet<SchemaName>,
    registry: Registry,
}

impl<'a> Shelf<'a> {
    fn new(source: String, tree: &'a Tree, contents: &'a Arc<dyn Contents + Send>) -> Self {
        let paths = tree.below(&source).map(|entry| &entry.path);
        // A registry at the library's root shares its folder with everything else.
        let may_be = |path: &&RepoPath| !source.is_empty() || path.file_name().ends_with(".schema.json");
        let names: BTreeSet<SchemaName> =
            paths.filter(may_be).filter_map(|path| named(&source, path).map(|(name, _)| name)).collect();
        let files = Arc::new(FolderSource::new(tree, &source, Arc::clone(contents)));
        let registry = Registry::new(files, &names, schemas::Settings::default().policy());
        Self { source, tree, contents, names, registry }
    }

    fn choose(&self, proposal: &Proposal) -> Chosen {
        if let Some(path) = referred(proposal).filter(|path| source_of(path) == self.source)
            && let Some((name, _)) = named(&self.source, &path)
        {
            return match self.tree.get(path.as_str()) {
                Some(_) => Chosen::There(name.to_string(), None),
                None => Chosen::InferredAs(name.to_string(), path),
            };
        }
        self.fitting(proposal).or_else(|| self.addressed(proposal)).unwrap_or_else(|| self.inferred(proposal))
    }

    /// A schema that is there: one called like the collection that fits half of the records, or any that fits all.
    fn fitting(&self, proposal: &Proposal) -> Option<Chosen> {
        let records = self.sample(proposal);
        let field = proposal.version.as_ref().map(|(field, _)| field.clone());
        let (called, others): (Vec<&SchemaName>, Vec<&SchemaName>) =
            self.names.iter().take(MOST_SCHEMAS).partition(|name| are_called_alike(name.as_str(), &proposal.name));
        for (name, is_called) in
            called.into_iter().map(|name| (name, true)).chain(others.into_iter().map(|name| (name, false)))
        {
            for field in [field.clone(), None].into_iter().take(1 + usize::from(field.is_some())) {
                let collection = as_collection(proposal, name, field.clone())?;
                let fits = |record: &&Record| {
                    let (schema, findings) = validate(record, &collection, &self.registry);
                    schema.is_some() && !findings.iter().any(Finding::is_error)
                };
                let fitting = records.iter().filter(fits).count();
                let is_enough = if is_called { fitting * 2 >= records.len() } else { fitting == records.len() };
                if is_enough && fitting > 0 && (is_called || self.says_something(name)) {
                    return Some(Chosen::There(name.to_string(), field));
                }
            }
        }
        None
    }

    /// Whether a schema refuses anything: one that accepts the empty object fits everybody.
    fn says_something(&self, name: &SchemaName) -> bool {
        let Some(versions) = self.registry.get(name) else { return false };
        let slot = versions.plain().or_else(|| versions.find(&version::Wanted::Latest));
        let compiled = slot.and_then(|slot| self.registry.compiled(slot).ok());
        compiled.is_some_and(|compiled| !compiled.validator.is_valid(&serde_json::json!({})))
    }

    fn sample(&self, proposal: &Proposal) -> Vec<Record> {
        let step = proposal.records.len().div_ceil(TRIED).max(1);
        let entries = proposal.records.iter().step_by(step).filter_map(|path| self.tree.get(path.as_str()));
        entries.filter_map(|entry| load(entry, self.contents.as_ref()).0).collect()
    }

    /// The place in the registry at which an address that all records name as their `$schema` is found.
    fn addressed(&self, proposal: &Proposal) -> Option<Chosen> {
        let only = proposal.schemas.first().filter(|_| proposal.schemas.len() == 1 && !self.source.is_empty())?;
        let (folder, file) = only.split_once("://")?.1.rsplit_once('/')?;
        let stem = file.strip_suffix(".json")?;
        let name = match version::parse(stem) {
            Some(_) => folder.rsplit_once('/')?.1,
            None => stem.strip_suffix(".schema").unwrap_or(stem),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let below = if version::parse(stem).is_some() { format!("{name}/{file}") } else { file.to_owned() };
        let path = RepoPath::join(&self.source, &below);
        let is_free = !name.is_empty() && name.chars().all(is_plain) && !self.names.contains(&SchemaName::new(name));
        is_free.then(|| Chosen::InferredAs(name.to_owned(), path))
    }

    fn inferred(&self, proposal: &Proposal) -> Chosen {
        let plain = match self.source.as_str() {
            "" => format!("{OWN_FOLDER}/{}", proposal.name),
            _ => proposal.name.clone(),
        };
        let is_free = |name: &String| !self.names.contains(&SchemaName::new(name.as_str()));
        let more = (2..).map(|number| format!("{plain}-{number}"));
        let name = std::iter::once(plain.clone()).chain(more).find(is_free).unwrap_or(plain);
        match &proposal.version {
            Some((field, versions))
                if versions.len() <= MOST_VERSIONS && versions.iter().all(|text| version::parse(text).is_some()) =>
            {
                Chosen::InferredByVersion(name, field.clone())
            }
            _ => Chosen::Inferred(name),
        }
    }
}

/// `icon` and `icons`, `Category` and `categories`.
fn are_called_alike(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        match name.strip_suffix("ies") {
            Some(stem) => format!("{stem}y"),
            None => name.strip_suffix('s').unwrap_or(&name).to_owned(),
        }
    };
    plain(a) == plain(b)
}

fn as_collection(proposal: &Proposal, schema: &SchemaName, version_field: Option<String>) -> Option<Collection> {
    let settings = Settings {
        schema: Some(schema.to_string()),
        version_field,
        ..Settings::new(OneOrMany::Many(proposal.metadata.clone()))
    };
    Collection::new(CollectionName::new(proposal.name.as_str()), &settings).ok()
}

/// The schemas to be written for a collection.
pub(super) fn texts(
    proposal: &Proposal,
    chosen: &Chosen,
    source: &str,
    entries: &[&Entry],
    contents: &dyn Contents,
) -> Vec<(RepoPath, String)> {
    let style = Style { title: Some(title(&proposal.name)), strict: false };
    let text = |entries: &[&Entry]| from_records(entries, contents).0.schema(&style).to_text();
    match chosen {
        Chosen::There(..) | Chosen::Nothing => Vec::new(),
        Chosen::Inferred(name) => vec![(RepoPath::join(source, &format!("{name}/v1.0.0.json")), text(entries))],
        Chosen::InferredAs(_, path) => vec![(path.clone(), text(entries))],
        Chosen::InferredByVersion(name, field) => {
            let mut by_version: BTreeMap<semver::Version, Vec<&Entry>> = BTreeMap::new();
            for entry in entries {
                let record = load(entry, contents).0;
                let named = record.as_ref().and_then(|record| record.document.value.get(field)?.as_str());
                if let Some(version) = named.and_then(version::parse) {
                    by_version.entry(version).or_default().push(entry);
                }
            }
            let file = |version: &semver::Version| RepoPath::join(source, &format!("{name}/v{version}.json"));
            by_version.into_iter().map(|(version, entries)| (file(&version), text(&entries))).collect()
        }
    }
}

/// `hex-bolts` as a title: `Hex bolts`.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Whether records of a collection cannot be given a schema at all, by the way in which they name theirs.
pub(super) fn is_unfit(check: &Check, records: &BTreeSet<&RepoPath>) -> bool {
    let codes: [&Code; 3] = [&SCHEMA_UNKNOWN, &VERSION_UNKNOWN, &VERSION_NOT_TEXT];
    let is_about = |finding: &Finding| finding.is_error() && codes.contains(&finding.code);
    check.findings.iter().any(|finding| is_about(finding) && records.contains(&finding.path))
}
