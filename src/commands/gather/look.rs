//! Looking at one record after the other, under a watch.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::accepted::Refused;
use crate::catalog::asset::{Asset, CompanionFile, UsedSchema, meaning};
use crate::catalog::beside::Beside;
use crate::catalog::collection::Collection;
use crate::catalog::limits::bound;
use crate::catalog::links::links;
use crate::catalog::neighbours::Neighbours;
use crate::catalog::read::{MAX_RECORD_BYTES, Notation};
use crate::catalog::record::Candidate;
use crate::catalog::references::REFERENCE_UNFIT;
use crate::catalog::tree::{Contents, Entry, Tree};
use crate::catalog::unique::unique_values;
use crate::catalog::{leaks, lint};
use crate::commands::crew;
use crate::commands::focus::{Concern, Focus};
use crate::config::Config;
use crate::downstream::Acceptance;
use crate::finding::{Code, Finding, codes};
use crate::ids::{AssetKey, RepoPath};
use crate::manifest::exports::Lacks;
use crate::schema::choose::choose;
use crate::schema::registry::Registry;
use crate::schema::validate::validate;

codes! {
    INTERNAL "internal"
        "Stockroom itself failed on this file. It is a bug: please report it, with the file if you can."
    TOOK_TOO_LONG "took-too-long"
        "To check the file takes longer than `limits.seconds` in stockroom.yml allows (10 seconds by default), so it \
         counts as wrong. Make the file smaller or its schema simpler."
}

/// What is wanted of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The findings: no record stays in memory.
    Verdict,
    /// The findings and the valid assets.
    Assets,
}

/// What was seen of one record.
#[derive(Default)]
pub(super) struct Look {
    pub(super) findings: Vec<Finding>,
    pub(super) key: Option<AssetKey>,
    pub(super) schema: Option<UsedSchema>,
    pub(super) unique: Vec<(usize, String, String)>,
    pub(super) links: Vec<(usize, String, String)>,
    pub(super) beside: Beside,
    pub(super) is_valid: bool,
    pub(super) asset: Option<Box<Asset>>,
    pub(super) concern: Concern,
    /// The schema that it should be checked with, where that is broken.
    pub(super) unusable: Option<RepoPath>,
    /// The downstreams that cannot read it.
    pub(super) refused: Refused,
}

/// Looks at every record, under a watch.
pub(super) fn looks(found: &[Candidate<'_>], sight: Sight, config: &Config) -> Vec<Look> {
    let limits = config.settings.limits;
    let places = places(found, &sight.near.tree, &config.collections);
    let look = move |index: usize| sight.candidate(places.get(index)).map(|candidate| sight.look(&candidate));
    let outcomes = crew::work(found.len(), Duration::from_secs(limits.seconds), look);
    let mut is_told = false;
    let look = |(candidate, outcome): (&Candidate<'_>, crew::Outcome<Option<Look>>)| {
        let path = &candidate.entry.path;
        let mut findings = Vec::new();
        match outcome {
            crew::Outcome::Done(look) => {
                let mut look = look.unwrap_or_default();
                bound(&mut look.findings, limits.findings);
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
pub(super) struct Sight {
    pub(super) near: Arc<Neighbours>,
    pub(super) lint: lint::Settings,
    pub(super) collections: Vec<Collection>,
    pub(super) contents: Arc<dyn Contents + Send>,
    pub(super) registry: Arc<Registry>,
    pub(super) focus: Arc<Focus>,
    pub(super) wanted: Wanted,
    pub(super) lacks: Arc<Lacks>,
    pub(super) acceptance: Acceptance,
}

impl Sight {
    fn candidate(&self, place: Option<&(usize, usize)>) -> Option<Candidate<'_>> {
        let (collection, entry) = *place?;
        Some(Candidate { collection: self.collections.get(collection)?, entry: self.near.tree.entries.get(entry)? })
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

    /// A secret is one whether or not the record around it can be read.
    fn secrets_of_unreadable(&self, entry: &Entry) -> Vec<Finding> {
        let Ok(bytes) = self.contents.read(entry, MAX_RECORD_BYTES) else { return Vec::new() };
        let text = String::from_utf8_lossy(&bytes);
        let lint = lint::Settings { leaks: lint::Level::Off, ..self.lint };
        leaks::findings(&entry.path, text.trim_start_matches('\u{feff}'), || None, &lint)
    }

    fn look_closely(&self, candidate: &Candidate<'_>) -> Look {
        let (record, mut findings) = candidate.load(self.contents.as_ref());
        let Some(record) = record else {
            let concern = self.focus.of_file(&candidate.entry.path);
            if concern.is_named {
                findings.extend(self.secrets_of_unreadable(candidate.entry));
            }
            return Look { findings, concern, ..Look::default() };
        };
        let collection = candidate.collection;
        let concern = self.focus.of_record(&record, collection, &self.registry);
        let (unique, links) = (unique_values(&record, collection), links(&record, collection));
        let mut look = Look { findings, unique, links, concern, ..Look::default() };
        if !concern.is_named {
            // Nobody asked about it; but what stands in it may not stand in another, and a file that was named may be its.
            if self.focus.names_below(record.path.folder()) {
                look.beside = Beside::of(&record, collection, &self.near).0;
                look.beside.claims.clear();
            }
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
        let (beside, more) = Beside::of(&record, collection, &self.near);
        look.findings.extend(more);
        let near = (&beside, self.near.tree.as_ref());
        look.refused = Refused::of(&record, collection, look.schema.as_ref(), near, &self.acceptance);
        match record.key(collection) {
            Ok(key) => look.key = Some(key),
            Err(finding) => look.findings.push(*finding),
        }
        let document = &record.document;
        let leaks = leaks::findings(&record.path, &document.text, || Some(document.places()), &self.lint);
        look.findings.extend(leaks);
        one_for_each_path(&mut look.findings);
        // Where a schema is asked for and none could be used, nobody knows whether the record is valid.
        let is_checked = look.schema.is_some() || collection.settings.schema.is_none();
        let is_wrong = look.findings.iter().any(Finding::is_error) || !look.refused.refusals.is_empty();
        look.is_valid = is_checked && !is_wrong;
        if let (Some(key), true, false) = (&look.key, look.is_valid, self.lacks.is_nothing()) {
            let files: Vec<&RepoPath> = beside.files(&self.near.tree).map(|entry| &entry.path).collect();
            let meant = meaning(collection, record.document.value.clone());
            let lacks = self.lacks.of(key, &record.path, &meant, &files).into_iter();
            let at = |finding: Finding| Finding { span: record.document.places().nearest(&finding.pointer), ..finding };
            look.findings.extend(lacks.map(at));
        }
        if let (Some(key), true, Wanted::Assets) = (&look.key, look.is_valid, self.wanted) {
            let companion = |entry: &Entry| CompanionFile { path: entry.path.clone(), blob: entry.blob.clone() };
            // What follows the front matter of a Markdown record is part of the asset as well: the file as a whole.
            let own = Some(candidate.entry).filter(|_| record.document.notation == Notation::Markdown);
            let mut files: Vec<_> = beside.files(&self.near.tree).chain(own).map(companion).collect();
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
        look.beside = beside;
        look
    }
}

/// An absolute path where a file's name is wanted is one mistake, though it leaks a folder's name too.
fn one_for_each_path(findings: &mut Vec<Finding>) {
    let is = |finding: &Finding, code: &'static Code| std::ptr::eq(finding.code, code);
    let unfit = findings.iter().filter(|finding| is(finding, &REFERENCE_UNFIT));
    let unfit: BTreeSet<String> = unfit.map(|finding| finding.pointer.clone()).collect();
    findings.retain(|finding| !is(finding, &leaks::LEAK) || !unfit.contains(&finding.pointer));
}
