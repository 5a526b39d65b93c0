//! The stores that are asked over HTTP with a key.

use std::sync::Arc;

use super::Indexing;
use crate::adapters::http;
use crate::adapters::vector_store::{Chroma, ChromaSettings, Pinecone, PineconeSettings};
use crate::embedding::StoreSettings;
use crate::secret::{Endpoint, Secret};

/// The index at Pinecone.
pub(super) fn pinecone(indexing: &Indexing<'_>, store: &StoreSettings) -> anyhow::Result<Pinecone> {
    let none = || "`embed.store.key` is missing, and Pinecone lets nobody in without one".to_owned();
    let settings = PineconeSettings {
        url: store.url.as_ref().map(|url| indexing.guarded(url, store.key.as_ref())).transpose(),
        key: key(indexing, store).and_then(|key| key.ok_or_else(none)),
        index: store.name().to_owned(),
        scope: indexing.scope(store),
    };
    Ok(Pinecone::new(http::client()?, Arc::clone(indexing.pace), settings))
}

/// The collections at Chroma.
pub(super) fn chroma(indexing: &Indexing<'_>, store: &StoreSettings) -> anyhow::Result<Chroma> {
    let (url, shown) = match &store.url {
        Some(endpoint @ Endpoint::Open(url)) => (indexing.guarded(endpoint, store.key.as_ref()), url.clone()),
        Some(endpoint) => (indexing.guarded(endpoint, store.key.as_ref()), endpoint.to_string()),
        None => (Err("`embed.store.url` is missing".to_owned()), "an address that is missing".to_owned()),
    };
    let key = key(indexing, store);
    let (name, scope) = (store.name().to_owned(), indexing.scope(store));
    let settings = ChromaSettings { url, shown, key, name, scope };
    Ok(Chroma::new(http::client()?, Arc::clone(indexing.pace), settings))
}

/// The key, where one is named; the error names the variable that is not set.
pub(super) fn key(indexing: &Indexing<'_>, store: &StoreSettings) -> Result<Option<Secret>, String> {
    let Some(reference) = &store.key else { return Ok(None) };
    let missing = || format!("the variable {}, which holds its key, is not set", reference.variable());
    indexing.secret(reference).map(Some).ok_or_else(missing)
}
