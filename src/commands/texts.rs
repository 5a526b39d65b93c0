//! The texts of the library's assets, cut into chunks; read once to know what should be, and again when it is embedded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::anyhow;
use rayon::prelude::*;
use serde_json::Value;

use super::gather::Library;
use crate::adapters::model::{EmbeddingModel, TokensOf};
use crate::catalog::asset::Asset;
use crate::catalog::lfs;
use crate::catalog::pointer::PointerPattern;
use crate::catalog::tree::{Contents, EntryKind, Tree};
use crate::embedding::{self, Chunk, Text, TextRules, Wanted, chunks_by, in_context, wanted};
use crate::ids::{AssetKey, RepoPath};

/// How large a file beside a record may be whose text is embedded, in bytes.
pub(super) const MAX_TEXT_BYTES: u64 = 4 * 1024 * 1024;
/// How much of a record's context stands before each chunk, in characters.
const MAX_CONTEXT: usize = 200;

/// What texts are read from, a few assets at a time.
pub trait Texts: Send + Sync {
    /// All chunks of these assets; an asset that is not there has none.
    fn read(&self, assets: &BTreeSet<&AssetKey>) -> anyhow::Result<Vec<Chunk>>;
}

/// How the texts of an asset become chunks.
pub(super) struct Cutter<'a> {
    settings: &'a embedding::Settings,
    model: &'a dyn EmbeddingModel,
    /// Which texts count.
    pub(super) rules: TextRules,
    context: Option<PointerPattern>,
}

impl<'a> Cutter<'a> {
    /// As the settings say; the model says what its tokens are.
    pub(super) fn new(settings: &'a embedding::Settings, model: &'a dyn EmbeddingModel) -> anyhow::Result<Self> {
        let rules = TextRules::parse(&settings.text).map_err(|why| anyhow!("embed.text: {why}"))?;
        Ok(Self { settings, model, rules, context: settings.context.as_deref().and_then(PointerPattern::parse) })
    }

    /// The chunks of an asset whose record says this, and of these files beside it.
    pub(super) fn chunks(
        &self,
        asset: &Asset,
        record: &Value,
        beside: &[RepoPath],
        bytes: &BTreeMap<RepoPath, Vec<u8>>,
    ) -> Vec<Chunk> {
        let texts: Vec<Text> = self.rules.texts(&asset.record, record, beside, bytes);
        let cut = chunks_by(&asset.key, &texts, &self.settings.chunk, &TokensOf(self.model));
        let Some(pointer) = &self.context else { return cut };
        let context = embedding::text::values(record, pointer).join(", ");
        let context: String = context.chars().take(MAX_CONTEXT).collect();
        let context = Text::new(&asset.record, &context).map(|text| text.text).unwrap_or_default();
        in_context(cut, &context)
    }
}

/// The texts of the library's own assets.
pub struct LibraryTexts<'a> {
    assets: &'a [Asset],
    tree: &'a Tree,
    contents: &'a dyn Contents,
    cutter: Cutter<'a>,
    companions: BTreeMap<RepoPath, Vec<RepoPath>>,
    places: BTreeMap<&'a AssetKey, usize>,
}

impl<'a> LibraryTexts<'a> {
    /// Finds the files whose texts are wanted; reads none of them yet.
    pub fn new(
        library: &'a Library,
        settings: &'a embedding::Settings,
        model: &'a dyn EmbeddingModel,
    ) -> anyhow::Result<Self> {
        let cutter = Cutter::new(settings, model)?;
        let records: Vec<&RepoPath> = library.assets.iter().map(|asset| &asset.record).collect();
        let regular = library.tree.entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let files: BTreeSet<RepoPath> = regular.map(|entry| entry.path.clone()).collect();
        let companions = cutter.rules.companions(&records, &files);
        let places = library.assets.iter().enumerate().map(|(place, asset)| (&asset.key, place)).collect();
        let Library { assets, tree, contents, .. } = library;
        Ok(Self { assets, tree, contents: contents.as_ref(), cutter, companions, places })
    }

    /// Every chunk that should be in the index, in the order of the assets.
    pub fn wanted(&self) -> anyhow::Result<Vec<Wanted>> {
        let of = |asset: &Asset| Ok(wanted(&self.cut(asset)?, |text: &str| self.cutter.model.tokens(text)));
        let all: Vec<Vec<Wanted>> = self.assets.par_iter().map(of).collect::<anyhow::Result<_>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    fn cut(&self, asset: &Asset) -> anyhow::Result<Vec<Chunk>> {
        let beside = self.companions.get(&asset.record).map(Vec::as_slice).unwrap_or_default();
        let bytes = beside.iter().map(|path| Ok((path.clone(), self.bytes(path)?)));
        let bytes: BTreeMap<RepoPath, Vec<u8>> = bytes.collect::<anyhow::Result<_>>()?;
        Ok(self.cutter.chunks(asset, &asset.meaning, beside, &bytes))
    }

    /// A text that cannot be read must not look as if it had gone: its chunks would be deleted.
    fn bytes(&self, path: &RepoPath) -> anyhow::Result<Vec<u8>> {
        let entry = self.tree.get(path.as_str()).ok_or_else(|| anyhow!("the text {path} has gone"))?;
        let bytes = self.contents.read(entry, MAX_TEXT_BYTES).map_err(|error| {
            anyhow!("the text {path} cannot be read for the index: {error}. Shorten it, or narrow `embed.text`")
        })?;
        if lfs::is_pointer(&bytes) {
            return Err(anyhow!(
                "the text {path} is a Git LFS pointer, so there is nothing to embed. Run `git lfs pull`, keep texts \
                 out of LFS, or narrow `embed.text`"
            ));
        }
        Ok(bytes)
    }
}

impl Texts for LibraryTexts<'_> {
    fn read(&self, assets: &BTreeSet<&AssetKey>) -> anyhow::Result<Vec<Chunk>> {
        let places: Vec<usize> = assets.iter().filter_map(|key| self.places.get(key).copied()).collect();
        let of = |place: &usize| self.assets.get(*place).map_or_else(|| Ok(Vec::new()), |asset| self.cut(asset));
        let all: Vec<Vec<Chunk>> = places.par_iter().map(of).collect::<anyhow::Result<_>>()?;
        Ok(all.into_iter().flatten().collect())
    }
}

/// Texts that are at hand.
pub struct AtHand(BTreeMap<AssetKey, Vec<Chunk>>);

impl AtHand {
    /// These chunks, by their assets.
    pub fn new(chunks: Vec<Chunk>) -> Arc<Self> {
        let mut all: BTreeMap<AssetKey, Vec<Chunk>> = BTreeMap::new();
        for chunk in chunks {
            all.entry(chunk.asset.clone()).or_default().push(chunk);
        }
        Arc::new(Self(all))
    }
}

impl Texts for AtHand {
    fn read(&self, assets: &BTreeSet<&AssetKey>) -> anyhow::Result<Vec<Chunk>> {
        Ok(assets.iter().filter_map(|asset| self.0.get(*asset)).flatten().cloned().collect())
    }
}
