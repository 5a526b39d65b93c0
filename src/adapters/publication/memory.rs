//! A target in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{PublicationError, PublishTarget};
use crate::manifest::Manifest;
use crate::manifest::format::{Catalog, CatalogRef, Root};

/// Holds a manifest as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryTarget {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    root: Option<Root>,
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryTarget {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PublishTarget for MemoryTarget {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn root(&self) -> Result<Option<Root>, PublicationError> {
        Ok(self.held().root.clone())
    }

    async fn catalog(&self, reference: &CatalogRef) -> Result<Option<Catalog>, PublicationError> {
        Ok(self.held().files.get(&reference.path).and_then(|bytes| serde_json::from_slice(bytes).ok()))
    }

    async fn is_whole(&self, root: &Root) -> Result<bool, PublicationError> {
        let held = self.held();
        Ok(root.collections.values().all(|reference| held.files.contains_key(&reference.path)))
    }

    async fn publish(&self, manifest: &Manifest) -> Result<(), PublicationError> {
        let mut held = self.held();
        let last = held.root.replace(manifest.root.clone());
        held.files.extend(manifest.files.clone());
        let named = super::folder::named(&manifest.root, last.as_ref());
        held.files.retain(|name, _| named.contains(name.as_str()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_a_target() {
        super::super::conformance::run(&MemoryTarget::default()).await;
    }
}
