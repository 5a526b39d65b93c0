//! `federate`: several libraries' manifests become one, which is published like any other.
//!
//! Nothing is believed: each document is what the one that names it promised. What cannot be had of a library, or must not be
//! taken, leaves the hub with what it had of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, SecondsFormat};
use tokio::task::JoinSet;

use super::places::{Found, Publishable};
use super::pull::{admit, read, sum};
use crate::adapters::publication::{ManifestSource, PublicationError, PublishTarget, Version};
use crate::adapters::stop::{Stop, Stopped};
use crate::ids::{RepoSlug, Sha256Hex};
use crate::manifest::build::Entry;
use crate::manifest::federation::{Part, federate as compose, hub_name, own_name};
use crate::manifest::format::{AssetEntry, CollectionSummary, MOST_NUMBER, Member, Root, ShardRef, Source};
use crate::manifest::settings::Settings;
use crate::manifest::signature::PublicKey;
use crate::mirror::admission::{Refusal, refuse_expired};
use crate::mirror::documents::{self, Document, Flaw, flaw};
use crate::report::federation::{Federated, Taken};
use crate::state::Timestamp;

/// How many documents are fetched at once.
const AT_ONCE: usize = 8;
/// How long the name of a collection may be, in bytes.
const MOST_NAME: usize = 255;

/// A library that goes into the hub.
pub struct Library {
    /// Its name in the hub.
    pub name: String,
    /// Where its manifest is, as everybody may know it.
    pub shown: String,
    /// The way there.
    pub source: Arc<dyn ManifestSource>,
}

/// What is wanted beside the libraries.
pub struct Wish {
    /// The key that must have signed each library's manifest, if any.
    pub key: Option<PublicKey>,
    /// Whether an older edition may take the place of a newer one.
    pub allows_older: bool,
    /// The time now.
    pub now: Timestamp,
    /// The repository that the hub is kept in, where that is known.
    pub repository: Option<String>,
}

/// Makes the hub's manifest and publishes it where it differs from what is there.
///
/// An error says that nothing was published.
pub async fn federate(
    mut libraries: Vec<Library>,
    target: Arc<dyn PublishTarget>,
    wish: &Wish,
    stop: &Stop,
) -> anyhow::Result<Federated> {
    libraries.sort_by(|a, b| a.name.cmp(&b.name));
    let before = Before::read(Arc::clone(&target) as Arc<dyn ManifestSource>, stop).await?;
    let target = target.as_ref();
    let (mut parts, mut taken) = (Vec::new(), Vec::new());
    for library in &libraries {
        stop.asked().map_or(Ok(()), |signal| Err(Stopped(signal)))?;
        let known = before.member(&library.name);
        let fetched = fetch(library, &before, wish, stop).await;
        let (part, away) = match fetched {
            Ok(part) => (Some(part), None),
            Err(error) if error.is::<Stopped>() => return Err(error),
            Err(error) => (before.part(known).await?, Some(format!("{error:#}"))),
        };
        taken.push(Taken {
            name: library.name.clone(),
            seq: part.as_ref().map(|part| part.member.seq),
            assets: part
                .as_ref()
                .map_or(0, |part| part.collections.values().map(|(of, _)| of.assets).fold(0, usize::saturating_add)),
            away,
        });
        parts.extend(part);
    }
    if let (true, Some(why)) =
        (taken.iter().all(|one| one.away.is_some()), taken.iter().find_map(|one| one.away.clone()))
    {
        return Err(anyhow!("nothing was published, as no library could be taken; the first one: {why}"));
    }
    let manifest = compose(parts, wish.repository.clone())?;
    let digest = manifest.digest.to_string();
    let habits = [target.habits()].into_iter();
    let publishable = Publishable::new(manifest, Settings::default(), Vec::new(), (wish.now, None), habits)?;
    let found: Found = publishable.look(target).await?;
    // What it had of the libraries was read from that edition, and from no later one.
    if found.version != before.version {
        return Err(PublicationError::Moved { place: target.place() }.into());
    }
    if let Some(held) = &found.held
        && publishable.is_held(target, held)?
    {
        return Ok(Federated { seq: held.root.seq, digest, is_changed: false, libraries: taken });
    }
    let edition = publishable.publish(target, &found).await?;
    Ok(Federated { seq: edition.root.seq, digest, is_changed: true, libraries: taken })
}

/// What the hub's place holds.
struct Before<'s> {
    target: Arc<dyn ManifestSource>,
    version: Option<Version>,
    root: Option<Root>,
    stop: &'s Stop,
}

impl<'s> Before<'s> {
    async fn read(target: Arc<dyn ManifestSource>, stop: &'s Stop) -> anyhow::Result<Self> {
        let stored = target.root().await?;
        let version = stored.as_ref().map(|stored| stored.version.clone());
        let root = stored.map(|stored| documents::root(&stored.bytes));
        let root = root.transpose().with_context(|| {
            format!(
                "what is at {} cannot be understood, so it is not replaced: name another place, or take it away",
                target.place()
            )
        })?;
        if let Some(root) = root.as_ref().filter(|root| root.members.is_empty()) {
            return Err(anyhow!(
                "the manifest at {} is that of a library ({} collections) and of no hub: name another place",
                target.place(),
                root.collections.len()
            ));
        }
        Ok(Self { target, version, root, stop })
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.root.as_ref()?.members.iter().find(|member| member.name == name)
    }

    /// What it has of a library.
    async fn part(&self, member: Option<&Member>) -> anyhow::Result<Option<Part>> {
        let (Some(member), Some(root)) = (member, &self.root) else { return Ok(None) };
        let own = |name: &String| own_name(&member.name, name).map(str::to_owned);
        let summaries = root.collections.iter().filter_map(|(name, of)| Some((own(name)?, of.clone()))).collect();
        let schemas = root.schemas.iter().filter_map(|(name, of)| Some((own(name)?, of.clone()))).collect();
        let there = |name: &str| hub_name(&member.name, name);
        let collections = entries(&self.target, root, &there, summaries, self.stop);
        let collections = collections.await.with_context(|| {
            format!(
                "what {} has of {:?} cannot be read, and its source cannot either",
                self.target.place(),
                member.name
            )
        })?;
        let (date, modified) = (root.source.date.as_deref().and_then(in_utc), root.source.modified);
        Ok(Some(Part { member: member.clone(), date, modified, schemas, collections }))
    }
}

/// Reads a library, verified as a whole. Where the hub has its edition already, that is read from the hub.
async fn fetch(library: &Library, before: &Before<'_>, wish: &Wish, stop: &Stop) -> anyhow::Result<Part> {
    let admitted = admit(library.source.as_ref(), None, wish.key.as_ref()).await?;
    let root = admitted.root;
    refuse_expired(&root, wish.now.0)?;
    let known = before.member(&library.name);
    refuse_older(&root, known.filter(|_| !wish.allows_older))?;
    if let Some(why) = source_problem(&root.source) {
        return Err(flaw("manifest.json", why).into());
    }
    let member = Member {
        name: library.name.clone(),
        place: library.shown.clone(),
        digest: root.digest.clone(),
        seq: root.seq,
        commit: root.source.commit.clone(),
    };
    let (date, modified) = (root.source.date.clone(), root.source.modified);
    if known.is_some_and(|known| known.digest == root.digest)
        && let Ok(Some(part)) = before.part(known).await
    {
        return Ok(Part { member, date: date.as_deref().and_then(in_utc), modified, ..part });
    }
    let collections = entries(&library.source, &root, &str::to_owned, root.collections.clone(), stop).await?;
    Ok(Part { member, date: date.as_deref().and_then(in_utc), modified, schemas: root.schemas, collections })
}

/// A moment as the hub's manifest has it: dates are compared as texts.
fn in_utc(date: &str) -> Option<String> {
    let date = DateTime::parse_from_rfc3339(date).ok()?;
    Some(date.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// What is wrong with what a library says of its commit, which the hub would tell everybody.
fn source_problem(source: &Source) -> Option<String> {
    let is_id = |id: &String| matches!(id.len(), 40 | 64) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let ids = [("commit", &source.commit), ("tree", &source.tree)];
    let wrong =
        ids.into_iter().find_map(|(name, id)| id.as_ref().filter(|id| !is_id(id)).map(|id| (name, id, "a Git id")));
    let date = source.date.as_ref().filter(|date| in_utc(date).is_none());
    let repository = source.repository.as_ref().filter(|slug| RepoSlug::parse(slug).is_err());
    let wrong = wrong.or(date.map(|date| ("date", date, "a moment as RFC 3339 writes it")));
    let (name, found, wanted) = wrong.or(repository.map(|slug| ("repository", slug, "OWNER/NAME")))?;
    let found: String = found.chars().take(100).collect();
    Some(format!("has a `source.{name}` that is not {wanted}: {found:?}"))
}

fn refuse_older(root: &Root, known: Option<&Member>) -> Result<(), Refusal> {
    match known {
        Some(known) if root.seq < known.seq => Err(Refusal::Older { found: root.seq, held: known.seq }),
        Some(known) if root.seq == known.seq && root.digest != known.digest => Err(Refusal::Replaced { seq: root.seq }),
        _ => Ok(()),
    }
}

type Collections = BTreeMap<String, (CollectionSummary, Vec<Entry>)>;

/// The entries of these collections, each held against what the root says of it. `there` is what the source calls them.
async fn entries(
    source: &Arc<dyn ManifestSource>,
    root: &Root,
    there: &(dyn Fn(&str) -> String + Sync),
    summaries: BTreeMap<String, CollectionSummary>,
    stop: &Stop,
) -> anyhow::Result<Collections> {
    let document = Document::from(&root.shards);
    let bytes = read(source.as_ref(), &document).await?.ok_or_else(|| flaw(&document.path, "is not there"))?;
    let list = documents::shard_list(&document, &bytes)?;
    let mut collections = Collections::new();
    for (name, mut summary) in summaries {
        // Neither number is part of any digest, so both are counted.
        (summary.files, summary.bytes) = (0, 0);
        stop.asked().map_or(Ok(()), |signal| Err(Stopped(signal)))?;
        if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
            return Err(flaw("manifest.json", format!("has a collection called {name:?}, which is no name")).into());
        }
        let shards = list.collections.get(&there(&name)).map(Vec::as_slice).unwrap_or_default();
        let mut found = BTreeMap::new();
        for shards in shards.chunks(AT_ONCE) {
            for (shard, bytes) in all(source, shards).await? {
                for line in documents::shard(&shard, &bytes)? {
                    let (entry, sizes) = entry(&shard.path, line)?;
                    summary.files = summary.files.saturating_add(sizes.len());
                    summary.bytes = sum(sizes.into_iter().chain([summary.bytes])).min(MOST_NUMBER);
                    found.insert(entry.id.clone(), entry);
                }
            }
        }
        let digest = documents::collection_digest(found.values().map(|entry| (entry.id.as_str(), &entry.sha256)));
        if digest.as_str() != summary.digest || found.len() != summary.assets {
            return Err(flaw("manifest.json", format!("says something else of {name:?} than its shards")).into());
        }
        collections.insert(name, (summary, found.into_values().collect()));
    }
    Ok(collections)
}

/// Several shards at once, in no order.
async fn all(source: &Arc<dyn ManifestSource>, shards: &[ShardRef]) -> anyhow::Result<Vec<(ShardRef, Vec<u8>)>> {
    let mut under_way = JoinSet::new();
    for shard in shards.iter().cloned() {
        let source = Arc::clone(source);
        under_way.spawn(async move {
            let bytes = read(source.as_ref(), &Document::from(&shard)).await;
            (shard, bytes)
        });
    }
    let mut came = Vec::new();
    while let Some(one) = under_way.join_next().await {
        let (shard, bytes) = one?;
        let bytes = bytes?.ok_or_else(|| flaw(&shard.path, "is not there"))?;
        came.push((shard, bytes));
    }
    Ok(came)
}

/// An entry, and the sizes of its files.
fn entry(shard: &str, line: documents::Line) -> Result<(Entry, Vec<u64>), Flaw> {
    let asset: AssetEntry = serde_json::from_slice(&line.bytes)
        .map_err(|error| flaw(shard, format!("has {:?}, which is no asset: {error}", line.id)))?;
    let digest =
        Sha256Hex::parse(&asset.digest).map_err(|_| flaw(shard, format!("has {:?} without a digest", line.id)))?;
    let sizes = asset.files.iter().map(|file| file.bytes).collect();
    Ok((Entry { id: line.id, bytes: line.bytes, sha256: line.sha256, digest }, sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_of_its_commit_is_what_it_should_be_or_the_library_is_not_taken() {
        let fit = Source {
            repository: Some("owner/name".to_owned()),
            commit: Some("a".repeat(40)),
            tree: Some("0".repeat(64)),
            date: Some("2026-01-01T01:00:00+01:00".to_owned()),
            modified: false,
        };
        assert_eq!((source_problem(&fit), source_problem(&Source::default())), (None, None));
        assert_eq!(in_utc(fit.date.as_ref().unwrap()).as_deref(), Some("2026-01-01T00:00:00Z"));
        let bad = |text: &str| Some(text.to_owned());
        let wrong = [
            ("date", Source { date: bad("9999-99-99 </script>"), ..fit.clone() }),
            ("commit", Source { commit: bad("\u{1b}[31m\n::error::"), ..fit.clone() }),
            ("tree", Source { tree: bad("xyz"), ..fit.clone() }),
            ("repository", Source { repository: bad("javascript:alert(1)"), ..fit }),
        ];
        for (name, source) in wrong {
            let told = source_problem(&source).unwrap();
            assert!(told.contains(&format!("`source.{name}`")) && !told.contains(['\n', '\u{1b}']), "{told}");
        }
    }

    #[test]
    fn files_are_counted_by_whoever_publishes_them() {
        let asset = crate::mirror::fixture::entry("a", 1, &[("x", "one"), ("y", "another")]);
        let bytes = serde_json_canonicalizer::to_vec(&asset).unwrap();
        let line = documents::Line { id: "a".to_owned(), sha256: Sha256Hex::of(&bytes), bytes };
        assert_eq!(entry("shard", line).unwrap().1, [11, 15]);
    }
}
