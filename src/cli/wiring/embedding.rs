//! Makes the model and the store of the vector index.

use std::sync::Arc;

use super::VECTORS;
use crate::adapters::http::Pace;
use crate::adapters::model::EmbeddingModel;
use crate::adapters::model::local::Local;
use crate::adapters::vector_store::{Embedded, VectorStore};
use crate::adapters::worktree::Worktree;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::cli::wiring::Reach;
use crate::embedding::{ModelSettings, Provider, Settings, StoreKind, StoreSettings};
use crate::ids::RepoSlug;
use crate::secret::{Endpoint, Secret, SecretRef};

/// What the index is made with.
pub struct Indexing<'a> {
    /// Where the library is.
    pub worktree: &'a Worktree,
    /// What the environment says.
    pub environment: &'a Environment,
    /// Where secrets are made known, so that they are not shown.
    pub console: &'a Console,
    /// Waits between requests.
    pub pace: &'a Arc<dyn Pace>,
    /// The name of the library's repository.
    pub repository: Option<&'a RepoSlug>,
    /// How far it may reach: a run that is local reads no secret and asks nobody.
    pub reach: Reach,
}

impl Indexing<'_> {
    /// What turns texts into vectors. Nothing is loaded or asked yet, and a secret that is missing is told when it is needed.
    pub fn model(&self, settings: &Settings) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
        let ModelSettings { provider, dimensions, .. } = &settings.model;
        match provider {
            Provider::Local => Ok(Arc::new(match dimensions.and_then(|n| usize::try_from(n).ok()) {
                Some(dimensions) => Local::with_dimensions(dimensions)?,
                None => Local::new()?,
            })),
            Provider::Onnx => self.onnx(&settings.model),
            Provider::OpenAi | Provider::Azure => {
                Err(anyhow::anyhow!("the provider `{}` is not built into this program", provider.as_str()))
            }
        }
    }

    #[cfg(feature = "onnx")]
    fn onnx(&self, settings: &ModelSettings) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
        use crate::adapters::model::onnx::Onnx;
        let Some(path) = &settings.path else {
            let why = "a model at a `url` is not fetched yet; put it into the library and name its folder as `path`";
            return Err(anyhow::anyhow!("embed.model: {why}"));
        };
        let library = self.worktree.root();
        Ok(Arc::new(Onnx::open(library, path)?))
    }

    #[cfg(not(feature = "onnx"))]
    fn onnx(&self, _: &ModelSettings) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
        Err(anyhow::anyhow!(
            "embed.model: this program was built without `onnx`. Build one with `cargo build --release --features onnx` and              name it in STOCKROOM_BIN, or take another `provider`"
        ))
    }

    /// Where the vectors are kept. Nothing is opened or asked yet, and a secret that is missing is told when it is needed.
    pub fn store(&self, settings: &Settings) -> anyhow::Result<Arc<dyn VectorStore>> {
        let StoreSettings { kind, .. } = &settings.store;
        match kind {
            StoreKind::Embedded => Ok(Arc::new(Embedded::at(self.worktree.private_folder().join(VECTORS)))),
            StoreKind::Pgvector | StoreKind::Qdrant | StoreKind::Pinecone | StoreKind::Chroma => {
                Err(anyhow::anyhow!("the store `{}` is not built into this program", kind.as_str()))
            }
        }
    }

    /// Whose the chunks are in a store that several libraries share.
    pub fn scope(&self, settings: &StoreSettings) -> String {
        let own = || {
            let prefix = self.worktree.prefix();
            let name = self.repository.map_or_else(|| "local".to_owned(), ToString::to_string);
            if prefix.is_empty() { name } else { format!("{name}/{}", prefix.trim_end_matches('/')) }
        };
        settings.namespace.clone().unwrap_or_else(own)
    }

    /// A secret, made known to the console; none where its variable is not set, or nothing may be asked.
    pub fn secret(&self, reference: &SecretRef) -> Option<Secret> {
        if self.reach == Reach::Local {
            return None;
        }
        let secret = self.environment.secret(reference)?;
        self.console.mask(secret.reveal());
        Some(secret)
    }

    /// An address; the error names the variable that is not set.
    pub fn address(&self, endpoint: &Endpoint) -> Result<Secret, String> {
        match endpoint {
            Endpoint::Open(url) => Ok(Secret::new(url.clone())),
            Endpoint::Secret(reference) => {
                self.secret(reference).ok_or_else(|| format!("the variable {} is not set", reference.variable()))
            }
        }
    }
}
