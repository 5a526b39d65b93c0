//! What of each asset concerns a downstream that does not read everything: values at pointers, and files that globs match.

use std::collections::BTreeMap;

use globset::{GlobSet, GlobSetBuilder};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::settings::{Settings, When};
use crate::catalog::asset::Asset;
use crate::catalog::collection::glob;
use crate::catalog::fact::FileFacts;
use crate::catalog::pointer::PointerPattern;
use crate::ids::{AssetKey, DownstreamName, RepoPath, Sha256Hex};

/// The part of `when` that says what of an asset counts.
///
/// Both parts count, each by itself: a change concerns the downstream when it touches a value at one of the pointers or a
/// file that one of the globs matches. Where pointers are named every asset is of concern, so that it is told of each that
/// comes or goes; where only globs are, an asset is of concern while one of its files matches.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    paths: Option<GlobSet>,
    pointers: Option<Vec<PointerPattern>>,
}

impl Interest {
    /// What this `when` asks for. What cannot be read in it, which the configuration refuses, matches nothing.
    pub fn of(when: &When) -> Self {
        let globs = |texts: &Vec<String>| {
            let mut builder = GlobSetBuilder::new();
            for glob in texts.iter().filter_map(|text| glob(text).ok()) {
                builder.add(glob);
            }
            builder.build().unwrap_or_else(|_| GlobSet::empty())
        };
        let patterns = |texts: &Vec<String>| texts.iter().map(|text| PointerPattern::new(text)).collect();
        Self { paths: when.paths.as_ref().map(globs), pointers: when.pointers.as_ref().map(patterns) }
    }

    /// Whether everything counts.
    pub fn is_whole(&self) -> bool {
        self.paths.is_none() && self.pointers.is_none()
    }

    /// Whether all of this record counts.
    pub fn reads_whole(&self, record: &RepoPath) -> bool {
        self.is_whole() || self.matches(record)
    }

    /// Whether files beside records count.
    pub fn reads_files(&self) -> bool {
        self.is_whole() || self.paths.is_some()
    }

    /// Whether an asset with this record and these files beside it is of concern.
    pub fn holds<'p>(&self, record: &RepoPath, mut files: impl Iterator<Item = &'p RepoPath>) -> bool {
        self.paths.is_none() || self.pointers.is_some() || self.matches(record) || files.any(|path| self.matches(path))
    }

    /// Whether one of the globs matches the file.
    pub fn matches(&self, path: &RepoPath) -> bool {
        self.paths.as_ref().is_some_and(|paths| paths.is_match(path.as_str()))
    }

    /// What counts of a record that means this: all of it, or the values by their pointers. Null where nothing does.
    pub fn part(&self, record: &RepoPath, meaning: &Value) -> Value {
        if self.reads_whole(record) {
            return meaning.clone();
        }
        let Some(pointers) = &self.pointers else { return Value::Null };
        let values = pointers.iter().flat_map(|pointer| pointer.select(meaning));
        Value::Object(values.map(|(pointer, value)| (pointer, value.clone())).collect::<Map<_, _>>())
    }

    /// The digest of what counts of an asset; none where nothing of it is of concern.
    ///
    /// A change outside leaves it, and one inside does not.
    fn digest(&self, asset: &Asset, facts: &FileFacts) -> Option<Sha256Hex> {
        let files: Vec<_> = asset.files.iter().filter(|file| self.matches(&file.path)).collect();
        let is_matched = self.matches(&asset.record);
        if self.pointers.is_none() && files.is_empty() && !is_matched {
            return None;
        }
        let digest = |blob| facts.get(blob).map_or_else(|| format!("git {blob}"), |fact| fact.sha256.to_string());
        let files: Vec<_> = files.into_iter().map(|file| json!([file.path, digest(&file.blob)])).collect();
        let frame = json!({
            "files": files,
            "record": is_matched.then_some(&asset.record),
            "values": self.part(&asset.record, &asset.meaning),
        });
        // Values of records always have a canonical form; without one the bytes are still those of this asset.
        let bytes = serde_json_canonicalizer::to_vec(&frame).unwrap_or_else(|_| frame.to_string().into_bytes());
        Some(Sha256Hex::of(&bytes))
    }
}

/// What each asset is to the downstreams, as a digest: to those that read everything, and to each that reads a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Concerns {
    whole: BTreeMap<AssetKey, Sha256Hex>,
    parts: BTreeMap<When, BTreeMap<AssetKey, Sha256Hex>>,
}

impl Concerns {
    /// Works it out once for each different `when`; `whole` holds the digest of all that an asset means.
    pub fn new(
        all: &BTreeMap<DownstreamName, Settings>,
        whole: BTreeMap<AssetKey, Sha256Hex>,
        assets: &[Asset],
        facts: &FileFacts,
    ) -> Self {
        let mut parts = BTreeMap::new();
        for when in all.values().map(|settings| &settings.when) {
            let interest = Interest::of(when);
            if interest.is_whole() || parts.contains_key(when) {
                continue;
            }
            let concerned = assets.par_iter().filter(|asset| when.concerns(&asset.key));
            let digests = concerned.filter_map(|asset| Some((asset.key.clone(), interest.digest(asset, facts)?)));
            let digests: Vec<_> = digests.collect();
            parts.insert(when.clone(), digests.into_iter().collect());
        }
        Self { whole, parts }
    }

    /// What the assets are to a downstream with this `when`.
    pub fn of(&self, when: &When) -> &BTreeMap<AssetKey, Sha256Hex> {
        self.parts.get(when).unwrap_or(&self.whole)
    }
}

impl FromIterator<(AssetKey, Sha256Hex)> for Concerns {
    /// Those of downstreams that read everything.
    fn from_iter<I: IntoIterator<Item = (AssetKey, Sha256Hex)>>(whole: I) -> Self {
        Self { whole: whole.into_iter().collect(), parts: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests;
