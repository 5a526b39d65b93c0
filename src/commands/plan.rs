//! From a checked library to the plan for every target.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use rayon::prelude::*;

use super::gather::Library;
use super::outside::Outside;
use crate::adapters::publication::PublishTarget;
use crate::catalog::asset::CompanionFile;
use crate::catalog::tree::{Entry, EntryKind};
use crate::downstream::{self, Announcement};
use crate::embedding::{self, Chunk, Namespace, Sources, Text, chunks};
use crate::ids::{BlobId, RepoPath, Sha256Hex};
use crate::manifest::build::FileFacts;
use crate::manifest::format::Source;
use crate::manifest::plan::{Held, plan as plan_publication};
use crate::manifest::{Manifest, build};
use crate::plan::Plan;
use crate::state::State;

/// How large a file beside a record may be whose text is embedded, in bytes.
const MAX_TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// What should be, and what has to be done for it.
pub struct Desired {
    /// The manifest.
    pub manifest: Manifest,
    /// The chunks of all texts; empty when the library has no index.
    pub chunks: Vec<Chunk>,
    /// What a downstream is told beside what changed for it.
    pub news: Announcement,
    /// The state that the plan was made from.
    pub state: State,
    /// What has to be done.
    pub plan: Plan,
}

/// Works out what should be and compares it with what is; changes nothing but the memory of file digests, and that only if
/// `remember` is set.
pub async fn plan(
    library: &Library,
    outside: &Outside,
    allow_mass_delete: bool,
    remember: bool,
) -> anyhow::Result<Desired> {
    let facts = file_facts(library, outside, remember).await?;
    let tree = &library.tree;
    let source = Source {
        repository: outside.repository.as_ref().map(ToString::to_string),
        commit: tree.commit.as_ref().map(ToString::to_string),
        modified: tree.dirty,
    };
    let settings = &library.config.settings;
    let manifest = build(&library.assets, &facts, &settings.manifest, source)?;
    let state = outside.state.load().await?;
    let mut publications = Vec::new();
    for (name, target) in &outside.targets {
        let held = held(target.as_ref(), &manifest).await?;
        publications.push(plan_publication(name.clone(), target.place(), &manifest, held.as_ref()));
    }
    let deliveries = downstream::plan(&settings.downstreams, &manifest.assets, &state, &|name| outside.channel(name));
    let (chunks, embedding) = match &settings.embed {
        None => (Vec::new(), None),
        Some(settings) => {
            let chunks = texts(library, settings)?;
            let model = outside.model.as_ref();
            let namespace = Namespace::of(&model.fingerprint(), model.dimension(), &settings.chunk);
            let held = outside.vectors.held().await?;
            let plan = embedding::plan(&namespace, &chunks, &held, allow_mass_delete);
            (chunks, Some(plan))
        }
    };
    let plan = Plan { commit: tree.commit.clone(), dirty: tree.dirty, publications, deliveries, embedding };
    let news = announcement(library, outside, &manifest);
    Ok(Desired { manifest, chunks, news, state, plan })
}

fn announcement(library: &Library, outside: &Outside, manifest: &Manifest) -> Announcement {
    Announcement {
        repository: outside.repository.clone(),
        commit: library.tree.commit.clone(),
        reference: library.head.branch.clone(),
        manifest_url: None,
        manifest_digest: Some(manifest.digest.clone()),
        schemas: manifest
            .root
            .schemas
            .iter()
            .map(|(name, versions)| (name.clone(), versions.keys().cloned().collect()))
            .collect(),
    }
}

async fn held(target: &dyn PublishTarget, manifest: &Manifest) -> anyhow::Result<Option<Held>> {
    let Some(root) = target.root().await? else { return Ok(None) };
    let mut held = Held { whole: target.is_whole(&root).await?, catalogs: Vec::new(), root };
    if !held.is(&manifest.digest) {
        for reference in held.root.collections.values() {
            held.catalogs.extend(target.catalog(reference).await?);
        }
    }
    Ok(Some(held))
}

/// Sizes and digests of all files of the assets; what was hashed once is known by its git object id.
async fn file_facts(library: &Library, outside: &Outside, remember: bool) -> anyhow::Result<FileFacts> {
    let files: BTreeMap<&BlobId, &CompanionFile> =
        library.assets.iter().flat_map(|asset| &asset.files).map(|file| (&file.blob, file)).collect();
    let blobs: Vec<BlobId> = files.keys().map(|blob| (*blob).clone()).collect();
    let mut facts: FileFacts = outside.state.known(&blobs).await?;
    let unknown: Vec<&CompanionFile> = files.into_values().filter(|file| !facts.contains_key(&file.blob)).collect();
    // Threads share the contents; the repository itself belongs to one thread.
    let contents = library.contents.as_ref();
    let hash = |file: &&CompanionFile| {
        let entry = Entry { path: file.path.clone(), blob: file.blob.clone(), kind: EntryKind::File };
        let (sha256, bytes) = contents
            .hash(&entry)
            .map_err(|error| anyhow!("the file {} cannot be read: {error}", file.path))?;
        Ok((file.blob.clone(), sha256, bytes))
    };
    let hashed: Vec<(BlobId, Sha256Hex, u64)> = unknown.par_iter().map(hash).collect::<anyhow::Result<_>>()?;
    if remember && !hashed.is_empty() {
        outside.state.remember(&hashed).await.context("the digests of files could not be remembered")?;
    }
    facts.extend(hashed.into_iter().map(|(blob, sha256, bytes)| (blob, (sha256, bytes))));
    Ok(facts)
}

/// The chunks of every asset, in the order of the assets.
fn texts(library: &Library, settings: &embedding::Settings) -> anyhow::Result<Vec<Chunk>> {
    let sources = Sources::parse(&settings.text).map_err(|why| anyhow!("embed.text: {why}"))?;
    let records: Vec<&RepoPath> = library.assets.iter().map(|asset| &asset.record).collect();
    let regular = library.tree.entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let files: BTreeSet<RepoPath> = regular.map(|entry| entry.path.clone()).collect();
    let companions = sources.companions(&records, &files);
    let (tree, contents) = (&library.tree, library.contents.as_ref());
    let cut = |asset: &crate::catalog::asset::Asset| {
        let beside = companions.get(&asset.record).map(Vec::as_slice).unwrap_or_default();
        let read = |path: &RepoPath| {
            let entry = tree.get(path.as_str())?;
            Some((path.clone(), contents.read(entry, MAX_TEXT_BYTES).ok()?))
        };
        let bytes: BTreeMap<RepoPath, Vec<u8>> = beside.iter().filter_map(read).collect();
        let texts: Vec<Text> = sources.texts(&asset.record, &asset.meaning, beside, &bytes);
        chunks(&asset.key, &texts, &settings.chunk)
    };
    Ok(library.assets.par_iter().map(cut).collect::<Vec<_>>().concat())
}
