//! What publishing would change at a target.

use serde::Serialize;

use super::build::BuildError;
use super::difference::Difference;
use super::edition::{Held, Offer};
use super::format::Root;
use super::layout::{Layout, all};
use crate::ids::{Sha256Hex, TargetName};

/// What is to be done at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It holds this manifest.
    None,
    /// It gets this manifest.
    Publish,
}

/// The plan for one publish target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publication {
    /// The target's name in the state.
    pub target: TargetName,
    /// What people call the place.
    pub place: String,
    /// What is to be done.
    pub action: Action,
    /// Why, in a sentence.
    pub why: String,
    /// The digest of the manifest that should be there.
    pub digest: Sha256Hex,
    /// How many assets it has.
    pub assets: usize,
    /// How many of them the target does not have.
    pub added: usize,
    /// How many it has in another form.
    pub changed: usize,
    /// How many it has that are gone.
    pub removed: usize,
}

/// Compares what is offered with what a place holds; none when it holds nothing that can be read.
pub fn plan(
    target: TargetName,
    place: String,
    offer: &Offer<'_>,
    layout: &Layout,
    held: Option<&Held>,
) -> Result<Publication, BuildError> {
    let Some(held) = held else {
        let why = "nothing is published there yet".to_owned();
        return Ok(Publication { added: offer.manifest.assets.len(), ..unread(target, place, offer, why) });
    };
    let mut publication = unread(target, place, offer, String::new());
    if held.is(offer, layout)? {
        let (action, why) = (Action::None, "in step".to_owned());
        return Ok(Publication { action, why, ..publication });
    }
    publication.why = why(held, offer, layout)?;
    match held.list.as_ref().zip(held.lines.clone()) {
        Some((list, lines)) => {
            let difference = Difference::between(list, lines, layout);
            publication.added = difference.added();
            publication.changed = difference.put.len() - difference.added();
            publication.removed = difference.removed.len();
        }
        // Which assets those were cannot be read, but how many there were may be known.
        None => {
            let shards = held.list.iter().flat_map(all);
            let before = shards.fold(0, |sum: usize, (_, shard)| sum.saturating_add(shard.assets));
            publication.added = publication.assets.saturating_sub(before);
            publication.removed = before.saturating_sub(publication.assets);
        }
    }
    Ok(publication)
}

/// The plan for a place of which nobody knows what it holds, and why: no asset counts as new there or as gone.
pub fn unread(target: TargetName, place: String, offer: &Offer<'_>, why: String) -> Publication {
    let manifest = offer.manifest;
    Publication {
        target,
        place,
        action: Action::Publish,
        why,
        digest: manifest.digest.clone(),
        assets: manifest.assets.len(),
        added: 0,
        changed: 0,
        removed: 0,
    }
}

fn why(held: &Held, offer: &Offer<'_>, layout: &Layout) -> Result<String, BuildError> {
    let root = &held.root;
    if !held.has(&[]) || held.list.is_none() || held.lines.is_none() {
        return Ok("files of the published manifest are missing or damaged".to_owned());
    }
    if root.digest != offer.manifest.digest.as_str() {
        return Ok(since(root));
    }
    Ok(match () {
        () if root.source.modified && !offer.manifest.source.modified => {
            "what is published was made before these files were committed".to_owned()
        }
        () if root.presentation != offer.presentation()?.as_str() => {
            "the exports, or what there is to look at, have changed".to_owned()
        }
        () if offer.is_due(root) => match offer.settings.expires_after_days {
            Some(_) => "what is published expires and is renewed".to_owned(),
            None => "what is published would expire, and should not any more".to_owned(),
        },
        () if !held.is_signed_as(offer) => "what is published is not signed with the key".to_owned(),
        () if root.shards != layout.shards => "another version of Stockroom has published it".to_owned(),
        () => "files of the published manifest are missing or damaged".to_owned(),
    })
}

fn since(root: &Root) -> String {
    match &root.source.commit {
        Some(commit) => format!("the library has changed since {}", commit.get(..7).unwrap_or(commit)),
        None => "the library has changed since it was published".to_owned(),
    }
}

#[cfg(test)]
mod tests;
