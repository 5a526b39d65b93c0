//! Where the vectors are kept, as it stands in stockroom.yml.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::{Endpoint, SecretRef};

/// Where the vectors are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The kind of store.
    pub kind: StoreKind,
    /// Where it is: an address, or `${{ env.NAME }}` where that holds a secret. Not for `embedded`.
    #[schemars(with = "Option<String>", length(min = 1, max = 2000))]
    pub url: Option<Endpoint>,
    /// The key: `${{ env.QDRANT_API_KEY }}`.
    pub key: Option<SecretRef>,
    /// What the chunks are in there: the schema of `pgvector`, the collection of `qdrant` and `chroma`, the index of `pinecone`;
    /// `stockroom` when this is left out.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]{0,44}$"))]
    pub name: Option<String>,
    /// Whose the chunks are, where several libraries share a store; this repository's name when this is left out.
    #[schemars(length(min = 1, max = 200))]
    pub namespace: Option<String>,
}

/// The kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A SQLite file beside the state.
    #[default]
    Embedded,
    /// PostgreSQL with the extension `vector`.
    Pgvector,
    /// Qdrant.
    Qdrant,
    /// Pinecone.
    Pinecone,
    /// Chroma.
    Chroma,
}

impl StoreKind {
    /// As it stands in stockroom.yml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Pgvector => "pgvector",
            Self::Qdrant => "qdrant",
            Self::Pinecone => "pinecone",
            Self::Chroma => "chroma",
        }
    }
}

impl StoreSettings {
    /// What the chunks are in, at the store.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("stockroom")
    }

    /// What does not fit the kind: the key at fault, and a sentence.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let Self { kind, url, key, name, namespace } = self;
        let refused = |key, why: String| vec![(key, why)];
        let kind = kind.as_str();
        match self.kind {
            StoreKind::Embedded => {
                let given = [
                    ("url", url.is_some()),
                    ("key", key.is_some()),
                    ("name", name.is_some()),
                    ("namespace", namespace.is_some()),
                ];
                let strange = given.into_iter().filter(|(_, is_given)| *is_given);
                let why = |key| {
                    format!("`{key}` has no meaning for the embedded store; take it away, or name another `kind`")
                };
                strange.map(|(key, _)| (key, why(key))).collect()
            }
            StoreKind::Pgvector if key.is_some() => {
                refused("key", "the password of `pgvector` stands in its `url`; take `key` away".to_owned())
            }
            StoreKind::Pgvector if !matches!(url, Some(Endpoint::Secret(_))) => {
                let why =
                    "the address of `pgvector` holds a password: write `${{ env.NAME }}` and set NAME to postgres://…";
                refused(if url.is_some() { "url" } else { "kind" }, why.to_owned())
            }
            StoreKind::Pinecone if key.is_none() => refused(
                "kind",
                "`key` is missing: Pinecone lets nobody in without one; write `${{ env.PINECONE_API_KEY }}`".to_owned(),
            ),
            StoreKind::Qdrant | StoreKind::Chroma if url.is_none() => {
                refused("kind", format!("`url` is missing: where {kind} is, such as `http://localhost:6333`"))
            }
            StoreKind::Pgvector => Vec::new(),
            StoreKind::Qdrant | StoreKind::Pinecone | StoreKind::Chroma => {
                let bad = url.as_ref().and_then(|url| super::bad_address(url, &["http", "https"]));
                bad.into_iter().map(|why| ("url", why)).collect()
            }
        }
    }
}
