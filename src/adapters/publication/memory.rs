//! A place in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{ManifestSource, PublicationError, PublishTarget, Stored, Update, Version};

/// Holds a manifest as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryTarget {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    root: Option<Stored>,
    editions: usize,
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryTarget {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ManifestSource for MemoryTarget {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        Ok(self.held().root.clone())
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        Ok(self.held().files.get(name).filter(|bytes| bytes.len() as u64 <= limit).cloned())
    }
}

#[async_trait]
impl PublishTarget for MemoryTarget {
    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        Ok(self.held().files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }

    async fn publish(&self, update: &Update) -> Result<(), PublicationError> {
        let mut held = self.held();
        if held.root.as_ref().map(|root| &root.version) != update.expected.as_ref() {
            return Err(PublicationError::Moved { place: self.place() });
        }
        held.editions += 1;
        let version = Version(held.editions.to_string());
        held.files.extend(update.files.clone());
        held.root = Some(Stored { bytes: update.root.clone(), version });
        held.files.retain(|name, _| !update.removed.contains(name));
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
