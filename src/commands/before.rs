//! What the records that a change touched were called before it, and the schema versions that they named.

use std::collections::BTreeMap;

use rayon::prelude::*;
use semver::Version;

use crate::adapters::worktree::Worktree;
use crate::catalog::asset::UsedSchema;
use crate::catalog::collection::Collection;
use crate::catalog::record::{Candidate, Record};
use crate::catalog::tree::Tree;
use crate::finding::Finding;
use crate::ids::{AssetKey, RepoPath};
use crate::schema::lowered::{lowered, named_version};

/// The ids of the records which a change touched, as they were before it, and the versions that they named, by asset and by
/// file.
#[derive(Debug, Default)]
pub struct Before {
    /// The assets, and where each lay.
    pub assets: BTreeMap<AssetKey, RepoPath>,
    by_key: BTreeMap<AssetKey, Version>,
    by_path: BTreeMap<RepoPath, Version>,
}

impl Before {
    /// Reads those of these files that were records, as they were in `base`; no other file is read.
    pub fn read(worktree: &Worktree, base: &Tree, collections: &[Collection], touched: &[RepoPath]) -> Self {
        let wants_versions =
            |collection: &&Collection| collection.settings.schema.is_some() && !collection.settings.allow_downgrade;
        let candidate = |path: &RepoPath| {
            let entry = base.get(path.as_str())?;
            let collection = collections.iter().find(|collection| collection.holds(path))?;
            Some(Candidate { collection, entry })
        };
        let candidates: Vec<Candidate<'_>> = touched.iter().filter_map(candidate).collect();
        let contents = worktree.objects();
        let named = |candidate: &Candidate<'_>| {
            let record = candidate.load(&contents).0?;
            let collection = candidate.collection;
            let version = Some(collection).filter(wants_versions).and_then(|_| named_version(&record, collection));
            Some((record.key(collection).ok(), record.path, version))
        };
        let named: Vec<_> = candidates.par_iter().filter_map(named).collect();
        let mut before = Self::default();
        for (key, path, version) in named {
            if let Some(version) = version {
                before.by_key.extend(key.clone().map(|key| (key, version.clone())));
                before.by_path.insert(path.clone(), version);
            }
            before.assets.extend(key.map(|key| (key, path)));
        }
        before
    }

    /// What is wrong with the version of a record, compared with what its asset had before: wherever that lay, or else in
    /// the same file.
    pub fn lowered(&self, record: &Record, collection: &Collection, used: Option<&UsedSchema>) -> Option<Finding> {
        if self.by_path.is_empty() {
            return None;
        }
        let same_asset = record.key(collection).ok().and_then(|key| self.by_key.get(&key));
        lowered(record, collection, used, same_asset.or_else(|| self.by_path.get(&record.path))?)
    }
}
