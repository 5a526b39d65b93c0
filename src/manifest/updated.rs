//! When each asset has changed: the commit that last changed what it means.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Difference;
use super::edition::Offer;
use super::format::{Moment, Updated, VERSION};

/// The commit that last changed each asset.
pub fn updated(before: Option<&Updated>, offer: &Offer<'_>, difference: &Difference) -> Updated {
    let source = &offer.manifest.source;
    let commit = source.commit.clone().filter(|_| !source.modified);
    let now = Moment { commit, date: source.date.clone() };
    let mut commits: Vec<Moment> = before.map(|before| before.commits.clone()).unwrap_or_default();
    let at = commits.iter().position(|known| *known == now).unwrap_or_else(|| {
        commits.push(now);
        commits.len() - 1
    });
    let meant = difference.put.iter().filter(|changed| changed.is_meant);
    let fresh: BTreeSet<(&str, &str)> =
        meant.map(|changed| (changed.line.collection.as_str(), changed.line.id.as_str())).collect();
    let of = |collection: &str, id: &str| match before {
        Some(before) if !fresh.contains(&(collection, id)) => {
            Some(before.of(collection, id)).filter(|known| *known < before.commits.len()).unwrap_or(at)
        }
        _ => at,
    };
    let collections = offer.manifest.collections.iter();
    let all = collections.flat_map(|(name, of)| of.entries.iter().map(move |entry| (name.as_str(), entry.id.as_str())));
    Updated::new(&commits, all.map(|(collection, id)| (collection, id, of(collection, id))))
}

impl Updated {
    /// Lists the assets with their places in `commits`; commits that none of them has are left out.
    fn new<'a>(commits: &[Moment], assets: impl Iterator<Item = (&'a str, &'a str, usize)>) -> Self {
        let assets: Vec<_> = assets.collect();
        let mut used: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, _, at) in &assets {
            *used.entry(*at).or_default() += 1;
        }
        // The first of those that most assets have.
        let base = used.iter().max_by_key(|(at, count)| (**count, std::cmp::Reverse(**at))).map(|(at, _)| *at);
        let place: BTreeMap<usize, usize> = used.keys().enumerate().map(|(new, old)| (*old, new)).collect();
        let mut collections: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for (collection, id, at) in assets.into_iter().filter(|(_, _, at)| Some(*at) != base) {
            let at = place.get(&at).copied().unwrap_or_default();
            collections.entry(collection.to_owned()).or_default().insert(id.to_owned(), at);
        }
        Self {
            version: VERSION,
            commits: used.keys().filter_map(|at| commits.get(*at).cloned()).collect(),
            base: base.and_then(|base| place.get(&base).copied()).unwrap_or_default(),
            collections,
            deltas: Vec::new(),
        }
    }

    /// The place in `commits` of the one that last changed this asset.
    pub fn of(&self, collection: &str, id: &str) -> usize {
        self.collections.get(collection).and_then(|ids| ids.get(id)).copied().unwrap_or(self.base)
    }

    /// The commit that last changed this asset.
    pub fn moment(&self, collection: &str, id: &str) -> Option<&Moment> {
        self.commits.get(self.of(collection, id))
    }
}
