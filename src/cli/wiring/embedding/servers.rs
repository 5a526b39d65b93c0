//! The stores that people run themselves.

use std::sync::Arc;

use super::{Indexing, indexes::key};
use crate::adapters::http;
#[cfg(feature = "postgres")]
use crate::adapters::postgres::Address;
#[cfg(feature = "postgres")]
use crate::adapters::vector_store::PgVector;
use crate::adapters::vector_store::{Qdrant, QdrantSettings, VectorStore};
use crate::embedding::StoreSettings;
use crate::secret::Endpoint;

/// What is told where no address is named.
const MISSING: &str = "`embed.store.url` is missing";

/// The collections at Qdrant.
pub(super) fn qdrant(indexing: &Indexing<'_>, store: &StoreSettings) -> anyhow::Result<Qdrant> {
    let (url, shown) = match &store.url {
        Some(endpoint @ Endpoint::Open(url)) => (indexing.guarded(endpoint, store.key.as_ref()), url.clone()),
        Some(endpoint) => (indexing.guarded(endpoint, store.key.as_ref()), endpoint.to_string()),
        None => (Err(MISSING.to_owned()), "an address that is missing".to_owned()),
    };
    let key = key(indexing, store);
    let (name, scope) = (store.name().to_owned(), indexing.scope(store));
    let settings = QdrantSettings { url, shown, key, name, scope };
    Ok(Qdrant::new(http::client()?, Arc::clone(indexing.pace), settings))
}

/// The schema in a PostgreSQL database.
#[cfg(feature = "postgres")]
pub(super) fn pgvector(indexing: &Indexing<'_>, store: &StoreSettings) -> anyhow::Result<Arc<dyn VectorStore>> {
    let address = store.url.as_ref().ok_or_else(|| MISSING.to_owned()).and_then(|endpoint| {
        let url = indexing.address(endpoint)?;
        let address = Address::parse(&url).map_err(|error| format!("{endpoint}: {error}"))?;
        if let Some(password) = address.password() {
            indexing.console.mask(password.reveal());
        }
        Ok(address)
    });
    Ok(Arc::new(PgVector::new(address, store.name(), indexing.scope(store))))
}

/// The schema in a PostgreSQL database, which this program cannot reach.
#[cfg(not(feature = "postgres"))]
pub(super) fn pgvector(_: &Indexing<'_>, _: &StoreSettings) -> anyhow::Result<Arc<dyn VectorStore>> {
    Err(anyhow::anyhow!("the store `pgvector` is not built into this program"))
}
