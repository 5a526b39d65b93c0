//! What a place holds, read as far as it takes to compare it.
//!
//! Others may write there too, so nothing of it is believed: no size that it promises decides how much is read.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Sign;
use crate::adapters::publication::{PublicationError, PublishTarget, Version};
use crate::ids::Sha256Hex;
use crate::manifest::edition::{Held, Offer};
use crate::manifest::files::{RETIRED, ROOT, digest_in, is_ours, signature_of};
use crate::manifest::format::{ExportList, FileRef, MOST_NUMBER, Root, ShardList, VERSION};
use crate::manifest::layout::{Habits, Layout, Line, beside, entries};
use crate::manifest::retired::Retired;

/// How large the publisher's own list may be, in bytes.
const MOST_RETIRED: u64 = 16 * 1024 * 1024;
/// How large a signature may be, in bytes.
const MOST_SIGNATURE: u64 = 4 * 1024;
/// How large a list that a root names may be, in bytes.
const MOST_LISTED: u64 = 256 * 1024 * 1024;
/// How many bytes of shards are compared. Where more have changed, a delta would help nobody.
const MOST_COMPARED: u64 = 1024 * 1024 * 1024;

/// What was found at a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// What the place calls the root that is there, whatever it says.
    pub version: Option<Version>,
    /// What it holds; none where there is nothing that can be understood.
    pub held: Option<Held>,
    /// Why it could not be read, if so. Then nothing is known of it, and nothing is written there.
    pub trouble: Option<PublicationError>,
}

impl Found {
    /// Nothing is known of the place.
    pub fn unread(trouble: PublicationError) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }
}

/// Reads what a place holds, as far as it takes to compare it with a manifest laid out for it.
pub(super) async fn look(
    target: &dyn PublishTarget,
    offer: &Offer<'_>,
    layout: &Layout,
    sign: Option<&Sign>,
) -> Result<Found, PublicationError> {
    let Some(stored) = target.root().await? else { return Ok(Found::default()) };
    let version = Some(stored.version);
    refuse_newer(target, &stored.bytes)?;
    let root = match serde_json::from_slice::<Root>(&stored.bytes) {
        Ok(root) => root,
        Err(error) => {
            refuse_beyond_numbers(target, &stored.bytes, &error)?;
            spare_others_root(target, &stored.bytes).await?;
            return Ok(Found { version, ..Found::default() });
        }
    };
    let exports = match &root.exports {
        Some(reference) => file(target, reference).await?,
        None => Some(ExportList::default()),
    };
    let retired = target.read(RETIRED, MOST_RETIRED).await?;
    let mut held = Held {
        sha256: Sha256Hex::of(&stored.bytes),
        is_signed: offer.is_signed && is_signed(target, &stored.bytes, sign).await?,
        names: target.list().await?,
        list: Some(layout.list.clone()),
        lines: Some(Vec::new()),
        updated: None,
        exports: exports.unwrap_or_default(),
        retired: retired.and_then(|bytes| serde_json::from_slice::<Retired>(&bytes).ok()).unwrap_or_default(),
        root,
    };
    if !held.is(offer, layout).map_err(|error| super::refused(target, &error.into()))? {
        held.list = file::<ShardList>(target, &held.root.shards).await?;
        held.updated = file(target, &held.root.updated).await?;
        held.lines = lines(target, &held, layout).await?;
    }
    Ok(Found { version, held: Some(held), trouble: None })
}

/// A root with numbers beyond those that there are is not replaced by one with lower ones: whoever follows it would be lost.
fn refuse_beyond_numbers(
    target: &dyn PublishTarget,
    bytes: &[u8],
    error: &serde_json::Error,
) -> Result<(), PublicationError> {
    let Ok(root) = serde_json::from_slice::<Value>(bytes) else { return Ok(()) };
    let rows = ["collections", "members"].into_iter().filter_map(|of| root.get(of)).flat_map(|of| match of {
        Value::Object(rows) => rows.values().collect::<Vec<_>>(),
        Value::Array(rows) => rows.iter().collect(),
        _ => Vec::new(),
    });
    let in_rows = rows.flat_map(|row| ["assets", "files", "bytes", "seq"].into_iter().filter_map(|of| row.get(of)));
    let is_beyond = |number: &Value| number.as_u64().map_or(number.is_f64(), |number| number > MOST_NUMBER);
    if !root.get("seq").into_iter().chain(in_rows).any(is_beyond) {
        return Ok(());
    }
    let why = format!(
        "the manifest there cannot be understood, so it is not replaced: {error}. Somebody else has written it; take \
         manifest.json away there, and publish again"
    );
    Err(PublicationError::Refused { place: target.place(), why })
}

/// A root of a later format is not ours to replace.
fn refuse_newer(target: &dyn PublishTarget, bytes: &[u8]) -> Result<(), PublicationError> {
    let root = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    match root.and_then(|root| root.get("version")?.as_u64()) {
        Some(found) if found > u64::from(VERSION) => {
            let why = format!(
                "the manifest there has version {found}, and this Stockroom knows {VERSION}: update it, or publish elsewhere"
            );
            Err(PublicationError::Refused { place: target.place(), why })
        }
        _ => Ok(()),
    }
}

/// A `manifest.json` that is no root of ours is replaced only where other files of ours say that it was one: a web app's
/// manifest has the same name.
async fn spare_others_root(target: &dyn PublishTarget, bytes: &[u8]) -> Result<(), PublicationError> {
    let root = serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
    // What every root had, before there were shards too.
    let is_former = ["digest", "schemas", "collections", "source"].iter().all(|member| root.get(member).is_some());
    if is_former || target.list().await?.keys().any(|name| is_ours(name)) {
        return Ok(());
    }
    let why = format!(
        "the {ROOT} there is not Stockroom's, so it is left alone. Publish to a folder of its own (`folder` in \
         manifest.publish), or take that file away"
    );
    Err(PublicationError::Refused { place: target.place(), why })
}

/// Whether the signature at the place is the one that our key makes: one key makes the same again. Without the key, as in a
/// plan, any signature is taken for it.
async fn is_signed(target: &dyn PublishTarget, root: &[u8], sign: Option<&Sign>) -> Result<bool, PublicationError> {
    let found = target.read(&signature_of(root), MOST_SIGNATURE).await?;
    Ok(found.is_some_and(|bytes| sign.is_none_or(|sign| bytes == sign(root))))
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
    // What is named by its digest lies beside the root. Another name could lead anywhere.
    if digest_in(path) != Some(sha256) {
        return Ok(None);
    }
    let read = target.read(path, size.min(MOST_LISTED)).await?;
    Ok(read.filter(|bytes| Sha256Hex::of(bytes).as_str() == sha256))
}

/// The entries of those of its shards that the layout does not have; none where one is not there whole, or they are too many.
async fn lines(
    target: &dyn PublishTarget,
    held: &Held,
    layout: &Layout,
) -> Result<Option<Vec<Line>>, PublicationError> {
    // Nobody follows a snapshot, so nothing is compared with it.
    let list = held.list.as_ref().filter(|_| layout.habits == Habits::Followed);
    let Some(list) = list else { return Ok(None) };
    let shards = beside(list, &layout.list);
    if shards.iter().fold(0, |sum: u64, (_, shard)| sum.saturating_add(shard.bytes)) > MOST_COMPARED {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (collection, shard) in shards {
        let bytes = bytes(target, &shard.path, shard.bytes, &shard.sha256).await?;
        match bytes.and_then(|bytes| entries(collection, &bytes)) {
            Some(lines) => found.extend(lines),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}
