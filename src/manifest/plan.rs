//! What publishing would change at a target.

use serde::Serialize;

use super::build::BuildError;
use super::difference::Difference;
use super::edition::{Held, Offer};
use super::format::{Root, ShardList};
use super::layout::Layout;
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
    let manifest = offer.manifest;
    let mut publication = Publication {
        target,
        place,
        action: Action::Publish,
        why: String::new(),
        digest: manifest.digest.clone(),
        assets: manifest.assets.len(),
        added: manifest.assets.len(),
        changed: 0,
        removed: 0,
    };
    let Some(held) = held else {
        publication.why = "nothing is published there yet".to_owned();
        return Ok(publication);
    };
    if held.is(offer, layout)? {
        let (action, why) = (Action::None, "in step".to_owned());
        return Ok(Publication { action, why, added: 0, ..publication });
    }
    publication.why = why(held, offer, layout)?;
    // What cannot be read counts as not there, and what is not known to be there cannot vanish.
    let nothing = ShardList::default();
    let known = held.list.as_ref().zip(held.lines.clone());
    let (list, lines) = known.unwrap_or((&nothing, Vec::new()));
    let difference = Difference::between(list, lines, layout);
    publication.added = difference.added();
    publication.changed = difference.put.len() - difference.added();
    publication.removed = difference.removed.len();
    Ok(publication)
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
        () if !held.is_signed_as(offer) => "what is published has no signature".to_owned(),
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
