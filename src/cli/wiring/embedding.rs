//! Makes the model and the store of the vector index.

mod indexes;
mod servers;

use std::sync::Arc;

use super::VECTORS;
use crate::adapters::http::{Pace, is_near};
use crate::adapters::model::EmbeddingModel;
use crate::adapters::model::local::Local;
use crate::adapters::model::openai::{Keys, OpenAi};
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
            Provider::Local => Ok(Arc::new(match dimensions {
                Some(dimensions) => Local::with_dimensions(usize::try_from(*dimensions)?)?,
                None => Local::new()?,
            })),
            Provider::OpenAi | Provider::Azure => {
                Ok(Arc::new(OpenAi::new(&settings.model, self.keys(&settings.model), Arc::clone(self.pace))))
            }
            Provider::Onnx => self.onnx(&settings.model),
        }
    }

    #[cfg(feature = "onnx")]
    fn onnx(&self, settings: &ModelSettings) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
        let Some(path) = &settings.path else {
            return Err(anyhow::anyhow!("embed.model: `path` is missing: the folder of the model in the library"));
        };
        Ok(Arc::new(crate::adapters::model::onnx::Onnx::open(self.worktree.root(), path)?))
    }

    #[cfg(not(feature = "onnx"))]
    fn onnx(&self, _: &ModelSettings) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
        Err(anyhow::anyhow!(
            "embed.model: this program was built without ONNX models. Take another `provider`, or build a program with them \
             (`cargo build --release --features onnx`)"
        ))
    }

    fn keys(&self, model: &ModelSettings) -> Keys {
        let held = |reference: &Option<SecretRef>| reference.as_ref().and_then(|reference| self.secret(reference));
        let url = match &model.url {
            Some(Endpoint::Secret(reference)) => self.secret(reference),
            _ => None,
        };
        Keys { url, key: held(&model.key), token: held(&model.token) }
    }

    /// Where the vectors are kept. Nothing is opened or asked yet, and a secret that is missing is told when it is needed.
    pub fn store(&self, settings: &Settings) -> anyhow::Result<Arc<dyn VectorStore>> {
        let StoreSettings { kind, namespace, .. } = &settings.store;
        if *kind != StoreKind::Embedded && namespace.is_none() && self.repository.is_none() {
            return Err(anyhow::anyhow!(
                "it cannot be said whose the chunks in a store of the kind `{}` are, as this repository has no `origin`: \
                 set `embed.store.namespace` in stockroom.yml to a name that no other library there has",
                kind.as_str()
            ));
        }
        match kind {
            StoreKind::Embedded => Ok(Arc::new(Embedded::at(self.worktree.private_folder().join(VECTORS)))),
            StoreKind::Pinecone => Ok(Arc::new(indexes::pinecone(self, &settings.store)?)),
            StoreKind::Chroma => Ok(Arc::new(indexes::chroma(self, &settings.store)?)),
            StoreKind::Qdrant => Ok(Arc::new(servers::qdrant(self, &settings.store)?)),
            StoreKind::Pgvector => servers::pgvector(self, &settings.store),
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
        // What a pull request says of addresses is a proposal: no key goes there.
        if self.reach == Reach::Local || self.environment.is_pull_request() {
            return None;
        }
        let secret = self.environment.secret(reference)?;
        self.console.mask(secret.reveal());
        Some(secret)
    }

    /// The address of a store, which no key goes to where anybody on the way could read it.
    pub fn guarded(&self, endpoint: &Endpoint, key: Option<&SecretRef>) -> Result<Secret, String> {
        let address = self.address(endpoint)?;
        let is_open = url::Url::parse(address.reveal()).is_ok_and(|url| url.scheme() == "http" && !is_near(&url));
        if is_open && key.is_some() {
            return Err("`embed.store.url` is not https, so anybody on the way could read the key".to_owned());
        }
        Ok(address)
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

/// The model and the store of the index, for those who ask it and do nothing else: no other secret is read, nobody else asked.
pub fn to_ask(
    worktree: &Worktree,
    settings: &Settings,
    environment: &Environment,
    console: &Console,
    pace: &Arc<dyn Pace>,
) -> anyhow::Result<(Arc<dyn EmbeddingModel>, Arc<dyn VectorStore>)> {
    let repository = environment.repository().or_else(|| worktree.origin());
    let (repository, reach) = (repository.as_ref(), Reach::Look);
    let indexing = Indexing { worktree, environment, console, pace, repository, reach };
    Ok((indexing.model(settings)?, indexing.store(settings)?))
}
