//! One publication of a manifest at one place.
//!
//! What it says beyond the manifest (its number, the one before, what has changed, and when) is worked out from the manifest
//! and from what the place held before, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Days, SecondsFormat, Utc};

use super::build::{BuildError, Manifest, canonical, document};
use super::difference::Difference;
use super::files::{Files, RETIRED, add, add_copy, is_ours, signature_of, size};
use super::format::{
    Delta, DeltaRef, ExportList, FileRef, Findings, MOST_NUMBER, Prev, PublishedFinding, Root, ShardList, Source,
    Updated, VERSION,
};
use super::index::index;
use super::layout::{Habits, Layout, Line, beside};
use super::listing::Listing;
use super::retired::Retired;
use super::search::{Bundle, Search};
use super::settings::Settings;
use super::shard::write;
use super::updated::updated;
use super::{exports, page};
use crate::ids::Sha256Hex;

/// How many deltas are kept: whoever is further behind fetches shards.
const MOST_DELTAS: usize = 32;

/// All that is published, wherever.
pub struct Offer<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// What stockroom.yml says of it.
    pub settings: &'a Settings,
    /// What there is to look at in the library.
    pub findings: &'a [PublishedFinding],
    /// Seconds since 1970-01-01 UTC, for what expires and what is taken away, and for nothing else.
    pub now: i64,
    /// Whether roots are signed.
    pub is_signed: bool,
    /// The address of the folder in which the files will be found, where that is known.
    pub base: Option<String>,
    /// The search in a browser, where one is wanted.
    pub search: Option<&'a Search>,
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The root.
    pub root: Root,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256Hex,
    /// Whether its signature is the one that is wanted now; of no account where none is.
    pub is_signed: bool,
    /// The files that are there, and their sizes.
    pub names: BTreeMap<String, u64>,
    /// Its shards; none where their list is not there whole.
    pub list: Option<ShardList>,
    /// The entries of its shards that the new layout does not have; none where one of them is not there whole.
    pub lines: Option<Vec<Line>>,
    /// When its assets have changed; none where that is not there whole.
    pub updated: Option<Updated>,
    /// Its files in other formats.
    pub exports: ExportList,
    /// The files that wait to be taken away.
    pub retired: Retired,
}

/// A publication that is ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Edition {
    /// The root.
    pub root: Root,
    /// Its bytes.
    pub root_bytes: Vec<u8>,
    /// The files that it names, and the root under its lasting name where the place is followed.
    pub files: Files,
    /// Files that it names and that the place has already.
    kept: BTreeSet<String>,
}

/// What has to be written at a place for an edition, and what taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps {
    /// Files that are not there, or not like this.
    pub put: Files,
    /// Files that nobody reads any more.
    pub removed: Vec<String>,
}

impl Held {
    /// Whether every file is there that its root names, given the names of all others.
    pub fn has(&self, files: &[(String, u64)]) -> bool {
        let exports = self.exports.exports.values().flatten().map(|file| (&file.path, file.bytes));
        let mut all = files.iter().map(|(name, bytes)| (name, *bytes)).chain(references(&self.root)).chain(exports);
        all.all(|(name, bytes)| self.names.get(name) == Some(&bytes))
    }

    /// Whether the place holds what is offered: the same library, presented in the same way, whole, signed where that is
    /// wanted, and good for a while. What was made from uncommitted files gives way to the same of a commit.
    pub fn is(&self, offer: &Offer<'_>, layout: &Layout) -> Result<bool, BuildError> {
        let root = &self.root;
        let is_provisional = root.source.modified && !offer.manifest.source.modified;
        let files: Vec<_> = layout.files.iter().map(|(name, bytes)| (name.clone(), size(bytes))).collect();
        Ok(root.digest == offer.manifest.digest.as_str()
            && !is_provisional
            && root.presentation == offer.presentation()?.as_str()
            && root.shards == layout.shards
            && self.has(&files)
            && self.is_signed_as(offer)
            && !offer.is_due(root))
    }

    /// The delta that leads to what the place holds, where its file is there: what is gone cannot be made again.
    fn delta(&self) -> Option<&DeltaRef> {
        self.root.delta.as_ref().filter(|delta| self.has_delta(delta))
    }

    /// The deltas that lead to it, the last one first, as far back as their files are there.
    fn deltas(&self) -> Vec<DeltaRef> {
        let all = self.updated.iter().flat_map(|updated| &updated.deltas);
        all.take_while(|delta| self.has_delta(delta)).take(MOST_DELTAS).cloned().collect()
    }

    fn has_delta(&self, delta: &DeltaRef) -> bool {
        self.names.get(&delta.path) == Some(&delta.bytes)
    }

    /// Whether there is a signature where there should be one.
    pub fn is_signed_as(&self, offer: &Offer<'_>) -> bool {
        !offer.is_signed || self.is_signed
    }
}

/// The files that a root names, with their sizes.
pub fn references(root: &Root) -> impl Iterator<Item = (&String, u64)> {
    let delta = root.delta.iter().map(|delta| (&delta.path, delta.bytes));
    let others =
        [Some(&root.shards), root.index.as_ref(), Some(&root.updated), root.findings.as_ref(), root.exports.as_ref()];
    others.into_iter().flatten().map(|file| (&file.path, file.bytes)).chain(delta)
}

impl Offer<'_> {
    /// The digest of all that exports are made from beside the assets.
    pub fn presentation(&self) -> Result<Sha256Hex, BuildError> {
        let members = &self.manifest.members;
        let settings = self.settings.presentation(self.base.as_deref(), self.search.map(|search| &search.made_from));
        if !members.is_empty() {
            // A hub says which editions it has, so that none of them goes back.
            return Ok(Sha256Hex::of(&canonical(&(settings, self.findings, members))?));
        }
        Ok(Sha256Hex::of(&canonical(&(settings, self.findings))?))
    }

    /// Whether it is time to renew an edition that expires, or to make one that does.
    ///
    /// One that outlives what a new one would is due too: the days have become fewer. An hour more is no sign of that, since
    /// the clocks of two publishers differ.
    pub fn is_due(&self, root: &Root) -> bool {
        let Some(days) = self.settings.expires_after_days else { return root.expires.is_some() };
        let left = |at: DateTime<Utc>| at.timestamp() - self.now;
        let until = root.expires.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let days = i64::from(days);
        until.is_none_or(|at| !(days * 43_200..=days * 86_400 + 3_600).contains(&left(at.to_utc())))
    }

    fn findings_bytes(&self) -> Result<Option<Vec<u8>>, BuildError> {
        if self.findings.is_empty() {
            return Ok(None);
        }
        document(&Findings { version: VERSION, findings: self.findings.to_vec() }).map(Some)
    }

    fn expires(&self) -> Option<String> {
        let days = self.settings.expires_after_days?;
        let at = DateTime::from_timestamp(self.now, 0)?.checked_add_days(Days::new(u64::from(days)))?;
        Some(at.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl Edition {
    /// The edition that comes after what the place holds.
    pub fn after(held: Option<&Held>, offer: &Offer<'_>, layout: &Layout) -> Result<Self, BuildError> {
        let manifest = offer.manifest;
        let mut files = layout.files.clone();
        let followed = held.filter(|_| layout.habits == Habits::Followed);
        let nothing = ShardList::default();
        // Entries that cannot be compared count as new, and no delta can lead from them.
        let known = followed.and_then(|held| held.list.as_ref().zip(held.lines.clone()));
        let difference = match &known {
            Some((list, lines)) => Difference::between(list, lines.clone(), layout),
            None => Difference::between(&nothing, Vec::new(), layout),
        };
        let seq = seq(held, &manifest.source)?;
        let before = followed.and_then(|held| held.updated.as_ref()).filter(|_| known.is_some());
        let mut updated = updated(before, offer, &difference);
        let delta = match (followed, &known, before) {
            (Some(held), Some(_), Some(_)) if held.root.digest == manifest.digest.as_str() => {
                updated.deltas = held.deltas();
                held.delta().cloned()
            }
            (Some(held), Some((list, _)), Some(_)) => {
                let cost = beside(&layout.list, list).iter().map(|(_, shard)| shard.bytes).fold(0, u64::saturating_add);
                let bytes = delta_bytes(held, offer, &difference, seq)?;
                (size(&bytes) <= cost.saturating_add(layout.shards.bytes)).then(|| {
                    let file = add(&mut files, "delta", bytes);
                    let FileRef { path, bytes, sha256 } = file;
                    let made = DeltaRef { path, bytes, sha256, from: held.root.digest.clone() };
                    updated.deltas = std::iter::once(made.clone()).chain(held.deltas()).take(MOST_DELTAS).collect();
                    made
                })
            }
            _ => None,
        };
        let listing = Listing::new(&offer.settings.listing);
        let index = index(manifest, &listing)?.map(|bytes| add(&mut files, "index", bytes));
        let findings = offer.findings_bytes()?.map(|bytes| add(&mut files, "findings", bytes));
        let search = searched(offer, layout)?;
        let exports = exports(offer, (&listing, &updated), search.as_deref(), layout, &mut files)?;
        let kept = updated.deltas.iter().map(|delta| delta.path.clone()).collect();
        let root = Root {
            version: VERSION,
            digest: manifest.digest.to_string(),
            source: manifest.source.clone(),
            members: manifest.members.clone(),
            seq,
            prev: held.map(|held| Prev {
                seq: held.root.seq,
                digest: held.root.digest.clone(),
                sha256: held.sha256.to_string(),
            }),
            schemas: manifest.schemas.clone(),
            collections: manifest.collections.iter().map(|(name, of)| (name.clone(), of.summary.clone())).collect(),
            shards: layout.shards.clone(),
            index,
            delta,
            updated: add(&mut files, "updated", document(&updated)?),
            findings,
            search: search.map(|search| search.head.clone()),
            exports,
            presentation: offer.presentation()?.to_string(),
            expires: offer.expires(),
        };
        let root_bytes = document(&root)?;
        // A root that nobody can read would be the end of the place.
        serde_json::from_slice::<Root>(&root_bytes).map_err(|error| BuildError::Json(error.to_string()))?;
        // A release keeps the root that it has.
        if layout.habits == Habits::Followed {
            add_copy(&mut files, &root_bytes);
        }
        Ok(Self { root_bytes, root, files, kept })
    }

    /// What has to be written at a place that holds this, and what taken away.
    pub fn steps(&self, held: Option<&Held>, names: &BTreeMap<String, u64>, now: i64) -> Result<Steps, BuildError> {
        let nothing = BTreeMap::new();
        let before: BTreeMap<&str, &str> = held.map_or(BTreeMap::new(), |held| {
            held.exports.exports.values().flatten().map(|file| (file.path.as_str(), file.sha256.as_str())).collect()
        });
        let is_there = |name: &str, bytes: &[u8]| {
            let is_same =
                is_ours(name) || before.get(name).is_some_and(|known| *known == Sha256Hex::of(bytes).as_str());
            is_same && names.get(name) == Some(&size(bytes))
        };
        let missing = self.files.iter().filter(|(name, bytes)| !is_there(name, bytes));
        let mut put: Files = missing.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        let signature = signature_of(&self.root_bytes);
        let is_named = |name: &str| self.files.contains_key(name) || self.kept.contains(name) || name == signature;
        let retired = held.map_or(&nothing, |held| &held.retired.files);
        let is_candidate = |name: &str| is_ours(name) || before.contains_key(name) || retired.contains_key(name);
        let idle = names.keys().map(String::as_str).filter(|name| is_candidate(name) && !is_named(name));
        let (left, removed) = Retired::sort(retired, idle, now);
        if left.files != *retired {
            put.insert(RETIRED.to_owned(), document(&left)?);
        }
        Ok(Steps { put, removed })
    }
}

/// The number of the edition: the time of its commit, or one more than the number of the one before where that is higher.
///
/// So it grows where the place has lost what it held, or never holds anything from one run to the next.
fn seq(held: Option<&Held>, source: &Source) -> Result<u64, BuildError> {
    let date = source.date.as_deref().and_then(|date| DateTime::parse_from_rfc3339(date).ok());
    let seconds = date.and_then(|date| u64::try_from(date.timestamp()).ok()).unwrap_or_default();
    let seq = held.map_or(1, |held| held.root.seq.saturating_add(1)).max(seconds);
    if seq > MOST_NUMBER { Err(BuildError::NoNumber(seq.saturating_sub(1))) } else { Ok(seq) }
}

/// The search that is published with it: none at a place that is read once.
fn searched(offer: &Offer<'_>, layout: &Layout) -> Result<Option<Arc<Bundle>>, BuildError> {
    let wanted = offer.search.filter(|_| layout.habits == Habits::Followed);
    wanted.map_or(Ok(None), |search| (search.make)().map_err(BuildError::NoSearch))
}

/// Adds the files in other formats, and their list. A place that is read once has none: nobody follows them there.
fn exports(
    offer: &Offer<'_>,
    (listing, updated): (&Listing, &Updated),
    search: Option<&Bundle>,
    layout: &Layout,
    files: &mut Files,
) -> Result<Option<FileRef>, BuildError> {
    if layout.habits == Habits::Snapshot {
        return Ok(None);
    }
    let settings = &offer.settings.exports;
    let mut rendered = exports::Rendered::default();
    if *settings != exports::Settings::default() {
        let assets = offer.manifest.entries()?;
        let updated = |collection: &str, id: &str| updated.moment(collection, id);
        let base = offer.base.as_deref();
        let context = exports::Context { assets: &assets, source: &offer.manifest.source, updated: &updated, base };
        rendered = exports::render(settings, listing, &context)?;
    }
    if let Some(bytes) = offer.settings.page_bytes() {
        rendered.by_export.insert("page".to_owned(), vec![page::NAME.to_owned()]);
        rendered.files.insert(page::NAME.to_owned(), bytes);
    }
    if let Some(search) = search {
        rendered.by_export.insert("search".to_owned(), search.names());
        rendered.files.extend(search.files.clone());
    }
    if rendered.files.is_empty() {
        return Ok(None);
    }
    let reference = |name: &String| {
        let bytes = rendered.files.get(name)?;
        Some(FileRef { path: name.clone(), bytes: size(bytes), sha256: Sha256Hex::of(bytes).to_string() })
    };
    let named = rendered.by_export.iter();
    let exports = named.map(|(name, files)| (name.clone(), files.iter().filter_map(reference).collect()));
    let list = ExportList { version: VERSION, exports: exports.collect() };
    let list = add(files, "exports", document(&list)?);
    files.extend(rendered.files);
    Ok(Some(list))
}

fn delta_bytes(held: &Held, offer: &Offer<'_>, difference: &Difference, seq: u64) -> Result<Vec<u8>, BuildError> {
    let delta = Delta {
        version: VERSION,
        from: held.root.digest.clone(),
        to: offer.manifest.digest.to_string(),
        seq,
        source: offer.manifest.source.clone(),
        put: Vec::new(),
        removed: difference.removed.clone(),
        renamed: difference.renamed.clone(),
        prev: held.delta().cloned(),
    };
    let text = canonical(&delta)?;
    let text = String::from_utf8(text).map_err(|error| BuildError::Json(error.to_string()))?;
    // The entries go in as they are, so that whoever has the shard has the same bytes.
    let (head, tail) = text.split_once("\"put\":[]").ok_or_else(|| BuildError::Json("the frame of a delta".into()))?;
    let mut puts = Vec::with_capacity(difference.put.len());
    for changed in &difference.put {
        let mut line = b"{\"asset\":".to_vec();
        line.extend_from_slice(&changed.line.bytes);
        line.extend_from_slice(b",\"collection\":");
        line.extend(canonical(&changed.line.collection)?);
        line.push(b'}');
        puts.push(line);
    }
    Ok(write(
        format!("{head}\"put\":[\n").as_bytes(),
        puts.iter().map(Vec::as_slice),
        format!("\n]{tail}\n").as_bytes(),
    ))
}

#[cfg(test)]
pub(crate) mod tests;
