//! Asks the vector index.

use anyhow::anyhow;

use super::embed;
use super::open::Opened;
use super::outside::Outside;
use crate::embedding::{Answer, Namespace};
use crate::ids::RepoSlug;
use crate::state::{State, TargetState};

/// The `most` best assets for a query, of the library and of its sources. An error says that the library has no index, or that
/// it cannot be asked.
pub async fn search(opened: &Opened, outside: &Outside, query: &str, most: usize) -> anyhow::Result<Vec<Answer>> {
    let Some(settings) = &opened.config.settings.embed else {
        let path = &opened.config.path;
        return Err(anyhow!(
            "{path} has no `embed`, so there is no index to ask. Add `embed: {{}}` and run `stockroom sync`"
        ));
    };
    let model = outside.model.as_ref();
    let own = Namespace::of(&model.fingerprint(), model.dimension(), &settings.chunk);
    let sources = match settings.sources.is_empty() {
        true => Vec::new(),
        false => sources(&outside.state.load().await?),
    };
    let parts: Vec<Namespace> =
        std::iter::once(own.clone()).chain(sources.iter().map(|repository| own.of_source(repository))).collect();
    Ok(embed::search_parts(query, most, model, outside.vectors.as_ref(), &parts).await?)
}

/// The repositories that the index is known to hold something of.
fn sources(state: &State) -> Vec<RepoSlug> {
    let has_files = |target: &TargetState| target.delivered.as_ref().is_some_and(|last| !last.assets.is_empty());
    let held = state.targets.iter().filter(|(_, target)| has_files(target) || target.intent.is_some());
    held.filter_map(|(name, _)| RepoSlug::parse(name.as_str().strip_prefix("embedding/")?).ok()).collect()
}
