//! What the places of the manifest hold, and how an edition gets there.

mod look;
mod others;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;

pub use self::look::Found;
use self::look::look;
use self::others::spare_others;
use crate::adapters::publication::{PublicationError, PublishTarget, Summary, Update};
use crate::ids::Sha256Hex;
use crate::manifest::Manifest;
use crate::manifest::build::BuildError;
use crate::manifest::edition::{Edition, Held, Offer};
use crate::manifest::files::{ROOT, signature_of, size};
use crate::manifest::format::{ExportList, PublishedFinding, Root};
use crate::manifest::layout::{Habits, Layout};
use crate::manifest::retired::Retired;
use crate::manifest::search::Search;
use crate::manifest::settings::Settings;
use crate::state::Timestamp;

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
    /// Signs roots, where that is wanted and something is published.
    pub sign: Option<Sign>,
    /// The search in a browser, where one is wanted.
    pub search: Option<Search>,
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
        Ok(Self { manifest, settings, findings, now, sign, search: None, layouts })
    }

    /// What is offered to a place.
    pub fn offer(&self, target: &dyn PublishTarget) -> Offer<'_> {
        Offer {
            manifest: &self.manifest,
            settings: &self.settings,
            findings: &self.findings,
            now: self.now.0,
            is_signed: self.settings.sign.is_some(),
            base: target.address().map(|address| address.trim_end_matches(ROOT).to_owned()),
            search: self.search.as_ref(),
        }
    }

    /// How it is laid out for a place with these habits.
    pub fn layout(&self, habits: Habits) -> anyhow::Result<&Layout> {
        self.layouts.get(&habits).ok_or_else(|| anyhow!("the manifest was not laid out for a place of this kind"))
    }

    /// What a place would hold that has this, as far as it takes to compare it with `next`.
    pub fn held_after(&self, target: &dyn PublishTarget, next: &Self) -> anyhow::Result<Found> {
        let layout = self.layout(target.habits())?;
        let offer = self.offer(target);
        let presentation = offer.presentation()?.to_string();
        // Nobody will read it there, so no search is made.
        let mut edition = Edition::after(None, &Offer { search: None, ..offer }, layout)?;
        edition.root.presentation = presentation;
        let names: BTreeMap<String, u64> = edition.files.iter().map(|(name, it)| (name.clone(), size(it))).collect();
        let sha256 = Sha256Hex::of(&edition.root_bytes);
        let held = Held {
            sha256,
            is_signed: true,
            names,
            lines: Some(layout.lines_beside(&next.layout(target.habits())?.list)),
            list: Some(layout.list.clone()),
            updated: None,
            exports: ExportList::default(),
            retired: Retired::default(),
            root: edition.root,
        };
        Ok(Found { held: Some(held), ..Found::default() })
    }

    /// Reads what a place holds, as far as it takes to compare it.
    pub async fn look(&self, target: &dyn PublishTarget) -> Result<Found, PublicationError> {
        let layout = self.layout(target.habits()).map_err(|error| refused(target, &error))?;
        look(target, &self.offer(target), layout, self.sign.as_ref()).await
    }

    /// Whether a place holds what it should.
    pub fn is_held(&self, target: &dyn PublishTarget, held: &Held) -> anyhow::Result<bool> {
        Ok(held.is(&self.offer(target), self.layout(target.habits())?)?)
    }

    /// Publishes to a place that does not hold what it should.
    pub async fn bring_into_step(&self, target: &dyn PublishTarget) -> anyhow::Result<()> {
        let found = self.look(target).await?;
        let is_there = found.held.as_ref().map(|held| self.is_held(target, held)).transpose()?.unwrap_or_default();
        if !is_there {
            self.publish(target, &found).await?;
        }
        Ok(())
    }

    /// Publishes, unless somebody has published there since the place was looked at who knew a later commit of this library.
    pub async fn publish_or_yield(&self, target: &dyn PublishTarget, found: &Found) -> Result<Given, PublicationError> {
        let mut attempts = 1;
        let mut last = self.publish(target, found).await;
        while let Err(PublicationError::Moved { .. }) = &last {
            let now = self.look(target).await?;
            if let Some(held) = &now.held {
                if self.is_held(target, held).map_err(|error| refused(target, &error))? {
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
        if let Some(trouble) = &found.trouble {
            return Err(trouble.clone());
        }
        let layout = self.layout(target.habits()).map_err(|error| refused(target, &error))?;
        let (offer, held) = (self.offer(target), found.held.as_ref());
        let edition = Edition::after(held, &offer, layout).map_err(|error| refused(target, &error.into()))?;
        // What lies around without a root, as after a run that was killed, need not be written once more.
        let names = match held {
            Some(held) => held.names.clone(),
            None => target.list().await?,
        };
        let steps = edition.steps(held, &names, offer.now).map_err(|error| refused(target, &error.into()))?;
        spare_others(target, held, &names, &steps.put).await?;
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

fn refused(target: &dyn PublishTarget, error: &anyhow::Error) -> PublicationError {
    PublicationError::Refused { place: target.place(), why: format!("{error:#}") }
}

/// What came of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The place holds the manifest.
    Done,
    /// It holds that of a later commit.
    Superseded,
}

fn summary(root: &Root) -> Summary {
    let source = &root.source;
    let at = source.commit.as_ref().map(|commit| format!(" {}", commit.get(..7).unwrap_or(commit)));
    let title = format!("Publish{} as edition {}", at.unwrap_or_default(), root.seq);
    let date = source.date.as_deref().and_then(|date| chrono::DateTime::parse_from_rfc3339(date).ok());
    Summary { title, seconds: date.map(|date| date.timestamp()) }
}
