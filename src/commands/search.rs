//! Asks the vector index.

use anyhow::anyhow;

use super::embed;
use super::open::Opened;
use super::outside::Outside;
use crate::embedding::{Hit, Namespace};

/// The `most` best assets for a query. An error says that the library has no index, or that it cannot be asked.
pub async fn search(opened: &Opened, outside: &Outside, query: &str, most: usize) -> anyhow::Result<Vec<Hit>> {
    let Some(settings) = &opened.config.settings.embed else {
        let path = &opened.config.path;
        return Err(anyhow!(
            "{path} has no `embed`, so there is no index to ask. Add `embed: {{}}` and run `stockroom sync`"
        ));
    };
    let model = outside.model.as_ref();
    let namespace = Namespace::of(&model.fingerprint(), model.dimension(), &settings.chunk);
    Ok(embed::search(query, most, model, outside.vectors.as_ref(), &namespace).await?)
}
