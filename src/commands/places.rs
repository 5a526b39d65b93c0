//! What the places of the manifest hold, and how an edition gets there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use serde::de::DeserializeOwned;

use crate::adapters::publication::{PublicationError, PublishTarget, Summary, Update, Version};
use crate::ids::Sha256Hex;
use crate::manifest::build::BuildError;
use crate::manifest::edition::{Edition, Held, Offer};
use crate::manifest::files::{RETIRED, ROOT, signature_of, size};
use crate::manifest::format::{ExportList, FileRef, MOST_NUMBER, PublishedFinding, Root, ShardList, VERSION};
use crate::manifest::layout::{Habits, Layout, Line, beside, entries};
use crate::manifest::retired::Retired;
use crate::manifest::settings::Settings;
use crate::manifest::{Manifest, page};
use crate::state::Timestamp;

/// How large a signature may be, in bytes.
const MOST_SIGNATURE: u64 = 4 * 1024;
/// How large the publisher's own list may be, in bytes.
const MOST_RETIRED: u64 = 16 * 1024 * 1024;

/// How often one publication is made anew because somebody else was faster.
const MOST_ATTEMPTS: u32 = 3;

/// Signs the bytes of a root.
pub type Sign = std::sync::Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A manifest, ready to be published anywhere.
pub struct Publishable {
    /// The manifest.
    pub manifest: Manifest,
    /// What stockroom.yml says of it.
    pub settings: Settings,
    /// What there is to look at in the library, as far as that is published.
    pub findings: Vec<PublishedFinding>,
    /// When that is.
    pub now: Timestamp,
    /// Signs roots, where that is wanted.
    pub sign: Option<Sign>,
    layouts: BTreeMap<Habits, Layout>,
}

impl Publishable {
    /// Lays a manifest out for places with these habits.
    pub fn new(
        manifest: Manifest,
        settings: Settings,
        findings: Vec<PublishedFinding>,
        (now, sign): (Timestamp, Option<Sign>),
        habits: impl Iterator<Item = Habits>,
    ) -> Result<Self, BuildError> {
        // What is kept in a folder, where somebody asks for that, is followed.
        let habits: BTreeSet<Habits> = habits.chain([Habits::Followed]).collect();
        let layouts = habits.into_iter().map(|habits| Ok((habits, Layout::of(&manifest, habits)?)));
        let layouts = layouts.collect::<Result<_, BuildError>>()?;
        Ok(Self { manifest, settings, findings, now, sign, layouts })
    }

    /// What is offered to every place.
    pub fn offer(&self) -> Offer<'_> {
        Offer {
            manifest: &self.manifest,
            settings: &self.settings,
            findings: &self.findings,
            now: self.now.0,
            is_signed: self.sign.is_some(),
        }
    }

    /// How it is laid out for a place with these habits.
    pub fn layout(&self, habits: Habits) -> anyhow::Result<&Layout> {
        self.layouts.get(&habits).ok_or_else(|| anyhow!("the manifest was not laid out for a place of this kind"))
    }

    /// What a place would hold that has this, as far as it takes to compare it with `next`.
    pub fn held_after(&self, habits: Habits, next: &Self) -> anyhow::Result<Found> {
        let layout = self.layout(habits)?;
        let edition = Edition::after(None, &self.offer(), layout, None)?;
        let names: BTreeMap<String, u64> = edition.files.iter().map(|(name, it)| (name.clone(), size(it))).collect();
        let sha256 = Sha256Hex::of(&edition.root_bytes);
        let held = Held {
            sha256,
            is_signed: true,
            names,
            lines: Some(layout.lines_beside(&next.layout(habits)?.list)),
            list: Some(layout.list.clone()),
            updated: None,
            exports: ExportList::default(),
            retired: Retired::default(),
            root: edition.root,
        };
        Ok(Found { version: None, held: Some(held) })
    }

    /// Reads what a place holds, as far as it takes to compare it.
    pub async fn look(&self, target: &dyn PublishTarget) -> anyhow::Result<Found> {
        look(target, &self.offer(), self.layout(target.habits())?, self.sign.as_ref()).await
    }

    /// Publishes to a place that does not hold what it should.
    pub async fn bring_into_step(&self, target: &dyn PublishTarget) -> anyhow::Result<()> {
        let found = self.look(target).await?;
        let layout = self.layout(target.habits())?;
        let is_there = found.held.as_ref().map(|held| held.is(&self.offer(), layout)).transpose()?.unwrap_or_default();
        if !is_there {
            self.publish(target, &found).await?;
        }
        Ok(())
    }

    /// Publishes, unless somebody has published there since the place was looked at who knew a later commit of this library.
    pub async fn publish_or_yield(&self, target: &dyn PublishTarget, found: &Found) -> Result<Given, PublicationError> {
        let refused = |error: anyhow::Error| PublicationError::Refused { place: target.place(), why: format!("{error:#}") };
        let mut attempts = 1;
        let mut last = self.publish(target, found).await;
        while let Err(PublicationError::Moved { .. }) = &last {
            let now = self.look(target).await.map_err(refused)?;
            if let Some(held) = &now.held {
                if held.is(&self.offer(), self.layout(target.habits()).map_err(refused)?).map_err(|error| refused(error.into()))? {
                    return Ok(Given::Done);
                }
                let (theirs, ours) = (&held.root.source, &self.manifest.source);
                if theirs.repository == ours.repository && theirs.date > ours.date {
                    return Ok(Given::Superseded);
                }
            }
            if attempts == MOST_ATTEMPTS {
                break;
            }
            attempts += 1;
            last = self.publish(target, &now).await;
        }
        last.map(|_| Given::Done)
    }

    /// Publishes the edition that comes after what was found at a place.
    pub async fn publish(&self, target: &dyn PublishTarget, found: &Found) -> Result<Edition, PublicationError> {
        let refused = |error: anyhow::Error| PublicationError::Refused { place: target.place(), why: format!("{error:#}") };
        let (offer, layout) = (self.offer(), self.layout(target.habits()).map_err(refused)?);
        let address = target.address();
        let base = address.as_deref().map(|address| address.trim_end_matches(ROOT));
        let edition =
            Edition::after(found.held.as_ref(), &offer, layout, base).map_err(|error| refused(error.into()))?;
        // What lies around without a root, as after a run that was killed, need not be written once more.
        let names = match &found.held {
            Some(held) => held.names.clone(),
            None => target.list().await?,
        };
        let steps = edition.steps(found.held.as_ref(), &names, offer.now).map_err(|error| refused(error.into()))?;
        let had_page = found.held.as_ref().is_some_and(|held| held.exports.exports.contains_key("page"));
        if steps.put.contains_key(page::NAME) && !had_page {
            spare_others_page(target).await?;
        }
        let mut files = steps.put;
        if let Some(sign) = &self.sign {
            files.insert(signature_of(&edition.root_bytes), sign(&edition.root_bytes));
        }
        let update = Update {
            expected: found.version.clone(),
            files,
            root: edition.root_bytes.clone(),
            removed: steps.removed,
            summary: summary(&edition.root),
        };
        target.publish(&update).await?;
        Ok(edition)
    }
}

/// A home page that somebody else has put where the catalogue page goes is not replaced by it.
async fn spare_others_page(target: &dyn PublishTarget) -> Result<(), PublicationError> {
    let there = target.read(page::NAME, page::MOST_BYTES).await?;
    if there.is_none_or(|bytes| page::is_ours(&bytes)) {
        return Ok(());
    }
    let why = format!(
        "it has an {} that is no catalogue page and would be lost; publish to a folder without one, move that file away, or \
         leave `manifest.page` out of stockroom.yml",
        page::NAME
    );
    Err(PublicationError::Refused { place: target.place(), why })
}

/// What came of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The place holds the manifest.
    Done,
    /// It holds that of a later commit.
    Superseded,
}

/// What was found at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What the place calls the root that is there, whatever it says.
    pub version: Option<Version>,
    /// What it holds; none where there is nothing that can be understood.
    pub held: Option<Held>,
}

/// Reads what a place holds, as far as it takes to compare it with a manifest laid out for it.
async fn look(
    target: &dyn PublishTarget,
    offer: &Offer<'_>,
    layout: &Layout,
    sign: Option<&Sign>,
) -> anyhow::Result<Found> {
    let Some(stored) = target.root().await? else { return Ok(Found { version: None, held: None }) };
    let version = Some(stored.version);
    refuse_newer(target, &stored.bytes)?;
    let root = match serde_json::from_slice::<Root>(&stored.bytes) {
        Ok(root) => root,
        Err(error) => return not_understood(target, &stored.bytes, &error).map(|()| Found { version, held: None }),
    };
    let exports = match &root.exports {
        Some(reference) => file(target, reference).await?,
        None => Some(ExportList::default()),
    };
    let retired = target.read(RETIRED, MOST_RETIRED).await?;
    let mut held = Held {
        sha256: Sha256Hex::of(&stored.bytes),
        is_signed: is_signed(target, &stored.bytes, sign).await?,
        names: target.list().await?,
        list: Some(layout.list.clone()),
        lines: Some(Vec::new()),
        updated: None,
        exports: exports.unwrap_or_default(),
        retired: retired.and_then(|bytes| serde_json::from_slice::<Retired>(&bytes).ok()).unwrap_or_default(),
        root,
    };
    if !held.is(offer, layout)? {
        held.list = file::<ShardList>(target, &held.root.shards).await?;
        held.updated = file(target, &held.root.updated).await?;
        held.lines = lines(target, &held, layout).await?;
    }
    Ok(Found { version, held: Some(held) })
}

/// Whether the signature at the place is the one that our key makes: one key makes the same again.
async fn is_signed(target: &dyn PublishTarget, root: &[u8], sign: Option<&Sign>) -> Result<bool, PublicationError> {
    let Some(sign) = sign else { return Ok(false) };
    Ok(target.read(&signature_of(root), MOST_SIGNATURE).await?.is_some_and(|bytes| bytes == sign(root)))
}

/// A root of a later format is not ours to replace.
fn refuse_newer(target: &dyn PublishTarget, bytes: &[u8]) -> anyhow::Result<()> {
    let root = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    match root.and_then(|root| root.get("version")?.as_u64()) {
        Some(found) if found > u64::from(VERSION) => Err(anyhow!(
            "the manifest at {} has version {found}, and this Stockroom knows {VERSION}: update it, or publish elsewhere",
            target.place()
        )),
        _ => Ok(()),
    }
}

/// A root whose number is beyond those that there are is not replaced by a lower one: whoever follows it would be lost.
fn not_understood(target: &dyn PublishTarget, bytes: &[u8], error: &serde_json::Error) -> anyhow::Result<()> {
    let root = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let counts = |root: &serde_json::Value| {
        let own = root.get("seq").into_iter();
        let rows = ["collections", "members"].into_iter().filter_map(|of| root.get(of)).flat_map(|of| match of {
            serde_json::Value::Object(rows) => rows.values().collect::<Vec<_>>(),
            serde_json::Value::Array(rows) => rows.iter().collect(),
            _ => Vec::new(),
        });
        let in_rows = rows.flat_map(|row| ["assets", "files", "bytes", "seq"].into_iter().filter_map(|of| row.get(of)));
        own.chain(in_rows).any(|number| number.as_u64().map_or(number.is_f64(), |number| number > MOST_NUMBER))
    };
    match root.is_some_and(|root| counts(&root)) {
        true => Err(anyhow!(
            "the manifest at {} cannot be understood, so it is not replaced: {error}. Somebody else has written it; take \
             manifest.json away there, and publish again",
            target.place()
        )),
        false => Ok(()),
    }
}

/// A file that a root names; none when it is not there whole.
async fn file<T: DeserializeOwned>(
    target: &dyn PublishTarget,
    reference: &FileRef,
) -> Result<Option<T>, PublicationError> {
    let bytes = bytes(target, &reference.path, reference.bytes, &reference.sha256).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

async fn bytes(
    target: &dyn PublishTarget,
    path: &str,
    size: u64,
    sha256: &str,
) -> Result<Option<Vec<u8>>, PublicationError> {
    let read = target.read(path, size).await?;
    Ok(read.filter(|bytes| Sha256Hex::of(bytes).as_str() == sha256))
}

/// The entries of those of its shards that the layout does not have; none where one is not there whole.
async fn lines(target: &dyn PublishTarget, held: &Held, layout: &Layout) -> anyhow::Result<Option<Vec<Line>>> {
    // Nobody follows a snapshot, so nothing is compared with it.
    let list = held.list.as_ref().filter(|_| layout.habits == Habits::Followed);
    let Some(list) = list else { return Ok(None) };
    let mut found = Vec::new();
    for (collection, shard) in beside(list, &layout.list) {
        let bytes = bytes(target, &shard.path, shard.bytes, &shard.sha256).await?;
        match bytes.and_then(|bytes| entries(collection, &bytes)) {
            Some(lines) => found.extend(lines),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn summary(root: &Root) -> Summary {
    let source = &root.source;
    let at = source.commit.as_ref().map(|commit| format!(" {}", commit.get(..7).unwrap_or(commit)));
    let title = format!("Publish{} as edition {}", at.unwrap_or_default(), root.seq);
    let date = source.date.as_deref().and_then(|date| chrono::DateTime::parse_from_rfc3339(date).ok());
    Summary { title, seconds: date.map(|date| date.timestamp()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::publication::{ManifestSource as _, MemoryTarget};
    use crate::manifest::edition::tests::Library;

    fn publishable(price: u32) -> Publishable {
        let library = Library::of(&[("a", price)]);
        let habits = [Habits::Followed].into_iter();
        Publishable::new(library.manifest, library.settings, Vec::new(), (Timestamp(0), None), habits).unwrap()
    }

    #[tokio::test]
    async fn a_root_with_numbers_beyond_all_is_refused_and_not_replaced_by_the_first_edition() {
        for (field, beyond) in [("seq", "9007199254740992"), ("seq", "18446744073709552000"), ("bytes", "1e300")] {
            let target = MemoryTarget::default();
            publishable(1).bring_into_step(&target).await.unwrap();
            let stored = target.root().await.unwrap().unwrap();
            let text = String::from_utf8(stored.bytes).unwrap();
            let (head, rest) = text.split_once(&format!("\"{field}\":")).unwrap();
            let (_, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap());
            let root = format!("{head}\"{field}\":{beyond}{tail}").into_bytes();
            let (files, removed) = (BTreeMap::new(), Vec::new());
            let summary = Summary { title: String::new(), seconds: None };
            let update = Update { expected: Some(stored.version), files, root: root.clone(), removed, summary };
            target.publish(&update).await.unwrap();
            let told = publishable(2).bring_into_step(&target).await.unwrap_err().to_string();
            assert!(told.contains("cannot be understood, so it is not replaced"), "{told}");
            assert_eq!(target.root().await.unwrap().unwrap().bytes, root);
        }
    }
}
