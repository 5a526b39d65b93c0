//! The texts of a source that were fetched in this run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::anyhow;
use rayon::prelude::*;

use crate::adapters::model::{EmbeddingModel, TokensOf};
use crate::adapters::repositories::Fetched;
use crate::commands::texts::Texts;
use crate::embedding::source::text;
use crate::embedding::{Chunk, ChunkSettings, chunks_by};
use crate::ids::{AssetKey, BlobId, RepoPath};

/// Files of a source whose contents were fetched, by what names them.
pub(super) struct SourceTexts {
    files: BTreeMap<AssetKey, (RepoPath, BlobId)>,
    fetched: Option<(Fetched, Arc<dyn EmbeddingModel>)>,
    cut: ChunkSettings,
}

impl SourceTexts {
    /// Nothing was fetched, as nothing has to be embedded.
    pub(super) fn none() -> Self {
        Self { files: BTreeMap::new(), fetched: None, cut: ChunkSettings::default() }
    }

    /// These files, and whose tokens count where they are cut.
    pub(super) fn new(
        files: BTreeMap<AssetKey, (RepoPath, BlobId)>,
        fetched: Fetched,
        cut: &ChunkSettings,
        model: Arc<dyn EmbeddingModel>,
    ) -> Self {
        Self { files, fetched: Some((fetched, model)), cut: cut.clone() }
    }

    /// The chunks of a file; none of one that was not fetched.
    pub(super) fn chunks(&self, key: &AssetKey) -> anyhow::Result<Vec<Chunk>> {
        let (Some((path, blob)), Some((fetched, model))) = (self.files.get(key), &self.fetched) else {
            return Ok(Vec::new());
        };
        let model = TokensOf(model.as_ref());
        let bytes = fetched.get(blob).map_err(|error| anyhow!("{key} cannot be read again: {error}"))?;
        Ok(text(path, &bytes).map(|text| chunks_by(key, &[text], &self.cut, &model)).unwrap_or_default())
    }
}

impl Texts for SourceTexts {
    fn read(&self, assets: &BTreeSet<&AssetKey>) -> anyhow::Result<Vec<Chunk>> {
        let all: Vec<Vec<Chunk>> = assets.par_iter().map(|key| self.chunks(key)).collect::<anyhow::Result<_>>()?;
        Ok(all.into_iter().flatten().collect())
    }
}
