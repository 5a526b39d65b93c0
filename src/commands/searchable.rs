//! The search that is published beside the manifest: of which texts it is made, and that it is made only when it is published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use anyhow::anyhow;
use rayon::prelude::*;
use serde_json::json;

use super::gather::Library;
use super::texts::{Cutter, MAX_TEXT_BYTES};
use crate::adapters::model::EmbeddingModel as _;
use crate::adapters::model::local::Local;
use crate::catalog::asset::{Asset, CompanionFile};
use crate::catalog::lfs;
use crate::catalog::tree::{ContentError, Contents, Entry, EntryKind};
use crate::config::Settings;
use crate::embedding::packed::packed;
use crate::embedding::search::{B, K1, WORDS, occurrences};
use crate::embedding::{self, Chunk};
use crate::ids::{BlobId, RepoPath, Sha256Hex};
use crate::manifest;
use crate::manifest::build::{Published, canonical};
use crate::manifest::role::Roles;
use crate::manifest::search::format::Scoring;
use crate::manifest::search::{Bundle, MOST_CHUNKS, Model, Search, Writer, model};

/// How many numbers a vector has: more than twice as many bytes would find a tenth more (models/minilm-static/README.md).
const DIMENSIONS: usize = 64;

/// Whether a search is published beside the manifest: as the setting says, else where there is a page that uses it and the
/// library says with `embed` which texts count.
pub fn is_wanted(settings: &Settings) -> bool {
    let is_usual = settings.manifest.page.is_wanted() && settings.embed.is_some();
    settings.manifest.search.unwrap_or(is_usual)
}

/// The search of a library, which is made when it is first asked for. Whatever it is made from is in the manifest's digest,
/// but for what `made_from` says.
pub fn search(library: &Library) -> anyhow::Result<Option<Search>> {
    let settings = &library.config.settings;
    if !is_wanted(settings) {
        return Ok(None);
    }
    let local = Local::with_dimensions(DIMENSIONS)?;
    let embed = settings.embed.clone().unwrap_or_default();
    let made_from = canonical(&json!([1, local.fingerprint(), embed.text, embed.context, embed.chunk]))?;
    let texts = PublicTexts {
        assets: Arc::clone(&library.assets),
        contents: Arc::clone(&library.contents),
        manifest: settings.manifest.clone(),
        embed,
    };
    let made: OnceLock<Result<Option<Arc<Bundle>>, String>> = OnceLock::new();
    let make = move || {
        let make = || made_of(&texts.chunks(&local)?, &local);
        made.get_or_init(|| make().map(|made| made.map(Arc::new)).map_err(|error| format!("{error:#}"))).clone()
    };
    Ok(Some(Search { made_from: Sha256Hex::of(&made_from), make: Arc::new(make) }))
}

/// The texts of a library, as far as its manifest publishes what they stand in.
struct PublicTexts {
    assets: Arc<Vec<Asset>>,
    contents: Arc<dyn Contents + Send>,
    manifest: manifest::settings::Settings,
    embed: embedding::Settings,
}

impl PublicTexts {
    /// The chunks of the published part of each record, and of those files that the entry has and that are not private.
    fn chunks(&self, local: &Local) -> anyhow::Result<Vec<Chunk>> {
        let cutter = Cutter::new(&self.embed, local)?;
        let published = Published::new(&self.manifest);
        let blobs = self.files();
        let files: BTreeSet<RepoPath> = blobs.keys().map(|path| (*path).clone()).collect();
        let records: Vec<&RepoPath> = self.assets.iter().map(|asset| &asset.record).collect();
        let companions = cutter.rules.companions(&records, &files);
        let cut = |asset: &Asset| {
            let beside = companions.get(&asset.record).map(Vec::as_slice).unwrap_or_default();
            let read = |path: &RepoPath| Ok(self.read(path, &blobs)?.map(|bytes| (path.clone(), bytes)));
            let bytes = beside.iter().map(read).filter_map(Result::transpose);
            let bytes: BTreeMap<RepoPath, Vec<u8>> = bytes.collect::<anyhow::Result<_>>()?;
            Ok(cutter.chunks(asset, &published.of(&asset.meaning), beside, &bytes))
        };
        let mut cut: Vec<Vec<Chunk>> = self.assets.par_iter().map(cut).collect::<anyhow::Result<_>>()?;
        cut.sort_by(|a, b| a.first().map(|chunk| &chunk.asset).cmp(&b.first().map(|chunk| &chunk.asset)));
        Ok(cut.into_iter().flatten().collect())
    }

    /// The files of all entries that are not private.
    fn files(&self) -> BTreeMap<&RepoPath, &BlobId> {
        let roles = Roles::new(&self.manifest);
        let is_public = |file: &&CompanionFile| {
            let role = roles.of(&file.path, manifest::files::media_type(file.path.as_str()));
            !self.manifest.is_private(&role)
        };
        let files = self.assets.iter().flat_map(|asset| &asset.files).filter(is_public);
        files.map(|file| (&file.path, &file.blob)).collect()
    }

    /// The bytes of a text; none of one that is too large. One that is not there must not look as if it said nothing: the same
    /// commit would be published in two ways.
    fn read(&self, path: &RepoPath, blobs: &BTreeMap<&RepoPath, &BlobId>) -> anyhow::Result<Option<Vec<u8>>> {
        let blob = blobs.get(path).ok_or_else(|| anyhow!("the text {path} has gone"))?;
        let entry = Entry { path: path.clone(), blob: (*blob).clone(), kind: EntryKind::File };
        let bytes = match self.contents.read(&entry, MAX_TEXT_BYTES) {
            Ok(bytes) => bytes,
            Err(ContentError::TooLarge { .. }) => return Ok(None),
            Err(error) => return Err(anyhow!("the text {path} cannot be read for the search: {error}")),
        };
        if lfs::is_pointer(&bytes) {
            return Err(anyhow!(
                "the text {path} is a Git LFS pointer, so there is nothing to search. Run `git lfs pull`, keep texts out of \
                 LFS, or narrow `embed.text`"
            ));
        }
        Ok(Some(bytes))
    }
}

fn made_of(chunks: &[Chunk], local: &Local) -> anyhow::Result<Option<Bundle>> {
    if chunks.len() > MOST_CHUNKS {
        return Ok(None);
    }
    let mut writer = Writer::default();
    let vectors: Vec<Vec<u8>> = chunks.par_iter().map(|chunk| packed(&local.vector(&chunk.text))).collect();
    for (chunk, vector) in chunks.iter().zip(vectors) {
        writer.add(&chunk.asset, &vector, occurrences(&chunk.text));
    }
    let rows = local.rows().map(|row| (row.scale, row.levels));
    let model = Model {
        name: local.fingerprint(),
        dimensions: DIMENSIONS,
        bytes: model::bytes(DIMENSIONS, rows, Local::vocabulary()),
    };
    Ok(writer.finish(model, Scoring { k1: K1, b: B, words: WORDS })?)
}
