//! The parts of the vector index: what each should hold, and what is known of what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Present, Scope};
use crate::adapters::state_store::StateError;
use crate::adapters::vector_store::VectorStoreError;
use crate::commands::embed;
use crate::commands::gather::Library;
use crate::commands::outside::Outside;
use crate::commands::sources::{self, Known, Sources};
use crate::commands::texts::{LibraryTexts, Texts};
use crate::embedding::plan::Actual;
use crate::embedding::{self, Namespace, Wanted};
use crate::ids::{AssetKey, CommitId, Sha256Hex, TargetName};
use crate::plan::{Indexing, embedding_target};
use crate::state::State;

/// A part of the vector index as it should be.
pub struct Index {
    /// Its name among the targets.
    pub target: TargetName,
    /// Its generation.
    pub namespace: Namespace,
    /// Its chunks.
    pub wanted: Vec<Wanted>,
    /// Gives the texts, where they are not the library's own.
    pub texts: Option<Arc<dyn Texts>>,
    /// The commit of another repository that they are of.
    pub commit: Option<CommitId>,
    /// What is known of the files of another repository.
    pub assets: BTreeMap<AssetKey, Sha256Hex>,
}

/// The index of the library's own texts.
pub(super) fn own_index(library: &Library, outside: &Outside, settings: &embedding::Settings) -> anyhow::Result<Index> {
    let model = outside.model.as_ref();
    Ok(Index {
        target: embedding_target(),
        namespace: Namespace::of(&model.fingerprint(), model.dimension(), &settings.chunk),
        wanted: LibraryTexts::new(library, settings, model)?.wanted()?,
        texts: None,
        commit: None,
        assets: BTreeMap::new(),
    })
}

/// What the sources of the index hold now.
pub(super) async fn look_at_sources(
    library: &Library,
    outside: &Outside,
    indexes: &[Index],
    present: &Present,
) -> Sources {
    let (Some(settings), Some(own)) = (&library.config.settings.embed, indexes.first()) else {
        return Sources::default();
    };
    let Some(sources) = &outside.sources else { return sources::left_out(settings) };
    let known = Known {
        settings,
        namespace: &own.namespace,
        state: &present.state,
        held: &present.vectors,
        own: outside.repository.as_ref(),
        model: &outside.model,
    };
    sources::look(sources, known).await
}

/// What the index may hold, by the state where that is of this very index, else by the index itself; and which of the two.
pub(super) async fn indexed(outside: &Outside, state: &State) -> anyhow::Result<(Actual, bool)> {
    if let Some(mark) = outside.vectors.mark().await? {
        if mark.lineage == state.lineage && mark.serial > state.serial {
            let (found, expected) = (state.serial.0, mark.serial.0);
            return Err(StateError::Old { place: outside.state.place(), found, expected }.into());
        }
        if let Some(rows) = outside.state.chunks(&mark).await? {
            // A store that has lost what it held is looked through.
            let certain = rows.iter().filter(|row| row.stored).count();
            let held = outside.vectors.count().await?;
            if held.is_none_or(|held| u64::try_from(certain).is_ok_and(|certain| held >= certain)) {
                return Ok((embed::actual(rows), false));
            }
        }
    }
    Ok((outside.vectors.held().await?, true))
}

/// Whether the store of the index does not answer, or lets us not in; nothing is said of what it holds.
pub(super) fn is_out_of_reach(error: &anyhow::Error) -> bool {
    let of_store = error.downcast_ref::<VectorStoreError>();
    of_store.is_some_and(|error| matches!(error, VectorStoreError::Unusable { .. } | VectorStoreError::Refused { .. }))
}

/// Which of the texts that no store holds have been embedded before.
pub(super) async fn cached(outside: &Outside, indexes: &[Index], held: &Actual) -> BTreeSet<Sha256Hex> {
    let Some(cache) = outside.cache.as_ref().filter(|_| outside.model.is_remote()) else { return BTreeSet::new() };
    let mut known = BTreeSet::new();
    for index in indexes {
        let same_model = held.iter().filter(|(name, _)| name.model() == index.namespace.model());
        let of_store: BTreeSet<&Sha256Hex> =
            same_model.flat_map(|(_, held)| held.values().filter(|held| held.certain).map(|held| &held.hash)).collect();
        let lacking = index.wanted.iter().map(|wanted| &wanted.hash).filter(|hash| !of_store.contains(hash));
        known.extend(cache.known(index.namespace.model(), lacking.cloned().collect()).await);
    }
    known
}

/// What has to be done for a part of the index of a library with so many assets.
pub(super) fn indexing(
    Index { target, namespace, wanted, .. }: &Index,
    assets: usize,
    outside: &Outside,
    present: &Present,
    scope: &Scope,
) -> Indexing {
    let plan = embedding::plan(namespace, wanted, &present.vectors, &present.cached, scope.allow_mass_delete);
    let is_own = namespace.source().is_none();
    let with_text = wanted.iter().map(|wanted| &wanted.asset).collect::<BTreeSet<_>>().len();
    Indexing {
        target: target.clone(),
        place: outside.index_place.clone(),
        plan: plan.priced(outside.model.price()),
        without_text: if is_own { assets.saturating_sub(with_text) } else { 0 },
    }
}
