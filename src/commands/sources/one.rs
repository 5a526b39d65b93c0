//! One source: what it holds now, and what of it is new.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::texts::SourceTexts;
use super::{Known, Source, index};
use crate::adapters::repositories::{Fetched, Repositories, Wanted as WantedContents};
use crate::commands::plan::Index;
use crate::embedding::plan::{Held, digest};
use crate::embedding::source::{FileRules, Refresh, key, refresh, seal};
use crate::embedding::{Wanted, wanted};
use crate::ids::{AssetKey, BlobId, ChunkId, CommitId, RepoPath, RepoSlug, Sha256Hex};
use crate::plan::source_target;
use crate::state::Delivered;

/// What the index should hold of a source. The error is a sentence about it.
///
/// One whose commit is known, and whose chunks are all there, is not asked for more than its commit.
pub(super) async fn look(repo: &RepoSlug, source: &Source, known: Known<'_>) -> Result<Index, String> {
    let settings = &source.settings;
    let rules = FileRules::parse(&settings.files, &settings.exclude)?;
    let rules_digest = Sha256Hex::of(format!("{:?}\n{:?}", settings.files, settings.exclude).as_bytes());
    let holdings = Holdings::of(repo, known);
    let told = |error: crate::adapters::repositories::RepositoryError| error.to_string();
    let repositories = source.repositories.as_ref();
    let Some(commit) = repositories.head(repo, settings.reference.as_deref()).await.map_err(told)? else {
        return Ok(index(repo, known, Vec::new(), SourceTexts::none(), None, BTreeMap::new()));
    };
    let delivered = known.state.target(&source_target(repo)).delivered;
    if let Some(last) = delivered.as_ref().filter(|last| last.commit.as_ref() == Some(&commit))
        && last.assets.get(&rules_key(repo)) == Some(&rules_digest)
    {
        let wanted = holdings.all();
        if digest(&holdings.namespace, &wanted) == last.digest {
            return Ok(index(repo, known, wanted, SourceTexts::none(), Some(commit), last.assets.clone()));
        }
    }
    let listing = repositories.list(repo, &commit).await.map_err(told)?;
    let all = listing.values().map(|listed| listed.bytes).fold(0, u64::saturating_add);
    let wanted_files = rules.select(listing).map_err(|why| format!("{repo}: {why}"))?.wanted;
    let seals = seals(repo, delivered.as_ref());
    let found = refresh(&wanted_files, &seals, |path, blob| holdings.seal(&key(repo, path), blob));
    let texts = fetch(repositories, repo, &commit, all, &found, known).await?;
    let (mut wanted, mut assets) = cut(repo, &found, &texts, &holdings, known)?;
    for path in &found.unchanged {
        let key = key(repo, path);
        wanted.extend(holdings.of_asset(&key));
        assets.extend(seals.get(path).map(|seal| (key, seal.clone())));
    }
    assets.insert(rules_key(repo), rules_digest);
    Ok(index(repo, known, wanted, texts, Some(commit), assets))
}

/// What stands for the globs among what is known of the files.
fn rules_key(repo: &RepoSlug) -> AssetKey {
    key(repo, &RepoPath::new(""))
}

/// What is known of each file.
fn seals(repo: &RepoSlug, delivered: Option<&Delivered>) -> BTreeMap<RepoPath, Sha256Hex> {
    let rules = rules_key(repo);
    let assets = delivered.into_iter().flat_map(|delivered| &delivered.assets).filter(|(key, _)| **key != rules);
    assets.map(|(key, seal)| (RepoPath::new(key.id.as_str()), seal.clone())).collect()
}

/// Fetches what has changed.
async fn fetch(
    repositories: &dyn Repositories,
    repo: &RepoSlug,
    commit: &CommitId,
    all: u64,
    found: &Refresh,
    known: Known<'_>,
) -> Result<SourceTexts, String> {
    if found.fetch.is_empty() {
        return Ok(SourceTexts::none());
    }
    let disk = |error: std::io::Error| format!("what comes of {repo} cannot be kept on this disk: {error}");
    let fetched = Fetched::new().map_err(disk)?;
    let blobs = found.fetch.values().map(|listed| (listed.blob.clone(), listed.bytes)).collect();
    let contents = WantedContents { repo: repo.clone(), commit: commit.clone(), blobs, all };
    let mut take = |id: &BlobId, bytes: &[u8]| fetched.put(id, bytes).map_err(disk);
    repositories.fetch(&contents, &mut take).await.map_err(|error| error.to_string())?;
    let files = found.fetch.iter().map(|(path, listed)| (key(repo, path), (path.clone(), listed.blob.clone())));
    Ok(SourceTexts::new(files.collect(), fetched, &known.settings.chunk, Arc::clone(known.model)))
}

type Cut = (Vec<Wanted>, BTreeMap<AssetKey, Sha256Hex>);

/// The chunks of what was fetched, and what is to be remembered of each file.
fn cut(
    repo: &RepoSlug,
    found: &Refresh,
    texts: &SourceTexts,
    holdings: &Holdings<'_>,
    known: Known<'_>,
) -> Result<Cut, String> {
    let fetch: Vec<(&RepoPath, &BlobId)> = found.fetch.iter().map(|(path, listed)| (path, &listed.blob)).collect();
    let one = |(path, blob): &(&RepoPath, &BlobId)| {
        let key = key(repo, path);
        let chunks = texts.chunks(&key).map_err(|error| format!("{error:#}"))?;
        let seal = seal(blob, &holdings.namespace, chunks.iter().map(|chunk| (chunk.index, &chunk.id)));
        Ok((wanted(&chunks, |text: &str| known.model.tokens(text)), (key, seal)))
    };
    let all: Vec<(Vec<Wanted>, (AssetKey, Sha256Hex))> = fetch.par_iter().map(one).collect::<Result<_, String>>()?;
    let (chunks, seals): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    Ok((chunks.into_iter().flatten().collect(), seals.into_iter().collect()))
}

/// What the index is certain to hold of a source, in the generation in use.
struct Holdings<'a> {
    namespace: crate::embedding::Namespace,
    chunks: BTreeMap<&'a AssetKey, Vec<(&'a ChunkId, &'a Held)>>,
}

impl<'a> Holdings<'a> {
    fn of(repo: &RepoSlug, known: Known<'a>) -> Self {
        let namespace = known.namespace.of_source(repo);
        let mut chunks: BTreeMap<&AssetKey, Vec<(&ChunkId, &Held)>> = BTreeMap::new();
        for (id, held) in known.held.get(&namespace).into_iter().flatten().filter(|(_, held)| held.certain) {
            chunks.entry(&held.asset).or_default().push((id, held));
        }
        Self { namespace, chunks }
    }

    fn seal(&self, key: &AssetKey, blob: &BlobId) -> Sha256Hex {
        let chunks = self.chunks.get(key).into_iter().flatten().map(|(id, held)| (held.index, *id));
        seal(blob, &self.namespace, chunks)
    }

    /// The chunks of a file, as they should stay.
    fn of_asset(&self, key: &AssetKey) -> Vec<Wanted> {
        let Some((key, chunks)) = self.chunks.get_key_value(key) else { return Vec::new() };
        let asset = Arc::new((*key).clone());
        let one = |(id, held): &(&ChunkId, &Held)| Wanted {
            id: (*id).clone(),
            asset: Arc::clone(&asset),
            path: Arc::new(held.path.clone()),
            index: held.index,
            hash: held.hash.clone(),
            tokens: 0,
        };
        chunks.iter().map(one).collect()
    }

    fn all(&self) -> Vec<Wanted> {
        self.chunks.keys().flat_map(|key| self.of_asset(key)).collect()
    }
}
