//! All records of a library with what was seen of each: the numbers, and which assets are valid.

use std::collections::{BTreeMap, BTreeSet};

use super::look::{Look, Sight, looks};
use crate::catalog::asset::{Asset, UsedSchema};
use crate::catalog::beside::Beside;
use crate::catalog::record::Candidate;
use crate::catalog::tree::Tree;
use crate::commands::focus::Concern;
use crate::config::Config;
use crate::finding::Finding;
use crate::ids::{CollectionName, RepoPath};
use crate::report::Counts;

/// The records, and in the same order what was seen of each.
pub(super) struct Seen<'a> {
    pub(super) found: Vec<Candidate<'a>>,
    pub(super) looks: Vec<Look>,
}

impl<'a> Seen<'a> {
    /// Looks at each of these.
    pub(super) fn of(found: Vec<Candidate<'a>>, sight: Sight, config: &Config) -> Self {
        let looks = looks(&found, sight, config);
        Self { found, looks }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Candidate<'a>, &Look)> {
        self.found.iter().zip(&self.looks)
    }

    /// Whether somebody wants to know of every one.
    pub(super) fn is_whole(&self) -> bool {
        self.looks.iter().all(|look| look.concern.is_named)
    }

    /// What lies beside each.
    pub(super) fn beside(&self) -> Vec<&Beside> {
        self.looks.iter().map(|look| &look.beside).collect()
    }

    /// The records that are of this concern.
    pub(super) fn concerned(&self, is_so: fn(&Concern) -> bool) -> BTreeSet<RepoPath> {
        self.iter()
            .filter(|(_, look)| is_so(&look.concern))
            .map(|(candidate, _)| candidate.entry.path.clone())
            .collect()
    }

    /// The schemas that records should be checked with and that are broken.
    pub(super) fn unusable(&self) -> BTreeSet<RepoPath> {
        self.looks.iter().filter_map(|look| look.unusable.clone()).collect()
    }

    /// How many records each schema was used for.
    pub(super) fn by_schema(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for schema in self.looks.iter().filter_map(|look| look.schema.as_ref()) {
            *counts.entry(schema).or_default() += 1;
        }
        counts.into_iter().map(|(schema, count): (&UsedSchema, usize)| (schema.label(), count)).collect()
    }

    /// The records that are reported, by collection.
    pub(super) fn by_name(&self) -> BTreeMap<CollectionName, Vec<RepoPath>> {
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (candidate, _) in self.iter().filter(|(_, look)| look.concern.is_named) {
            names.entry(candidate.collection.name.clone()).or_default().push(candidate.entry.path.clone());
        }
        names
    }

    /// The assets that are valid, and the numbers by collection.
    pub(super) fn settle(
        self,
        between: &[Finding],
        of_files: &[Finding],
        tree: &Tree,
        findings: &mut Vec<Finding>,
    ) -> (Vec<Asset>, BTreeMap<CollectionName, Counts>) {
        let entangled: BTreeSet<&RepoPath> = between.iter().map(|finding| &finding.path).collect();
        let misnamed: BTreeSet<RepoPath> =
            findings.iter().filter(|f| f.is_error()).map(|finding| finding.path.clone()).collect();
        let doubtful: BTreeSet<&RepoPath> = of_files.iter().map(|finding| &finding.path).collect();
        let spoiled: BTreeSet<&RepoPath> =
            of_files.iter().filter(|finding| finding.is_error()).map(|finding| &finding.path).collect();
        let mut counts: BTreeMap<CollectionName, Counts> = BTreeMap::new();
        let mut assets = Vec::new();
        for (candidate, look) in self.found.iter().zip(self.looks).filter(|(_, look)| look.concern.is_named) {
            let path = &candidate.entry.path;
            let counts = counts.entry(candidate.collection.name.clone()).or_default();
            counts.records += 1;
            findings.extend(look.findings);
            let is_spoiled = spoiled.contains(path) || look.beside.touches(&spoiled, tree);
            if look.is_valid && !is_spoiled && !entangled.contains(path) && !misnamed.contains(path) {
                counts.valid += 1;
                let is_doubtful = doubtful.contains(path) || look.beside.touches(&doubtful, tree);
                assets.extend(look.asset.map(|asset| Asset { warned: asset.warned || is_doubtful, ..*asset }));
            } else {
                counts.invalid += 1;
            }
        }
        (assets, counts)
    }
}
