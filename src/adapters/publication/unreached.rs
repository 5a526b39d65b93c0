//! A place that this run cannot or must not reach.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{ManifestSource, PublicationError, PublishTarget, Stored, Update};
use crate::manifest::layout::Habits;

/// Stands for a place of which nothing is known and where nothing is changed.
#[derive(Debug, Clone)]
pub struct UnreachedTarget {
    place: String,
    address: Option<String>,
    habits: Habits,
    /// Why it cannot be reached; none where it must not even be asked, so that it counts as new.
    why: Option<String>,
}

impl UnreachedTarget {
    /// What must not be asked is taken for new.
    pub fn unasked(target: &dyn PublishTarget) -> Self {
        Self { place: target.place(), address: target.address(), habits: target.habits(), why: None }
    }

    /// A place to which there is no way, and why.
    pub fn refused(place: impl Into<String>, habits: Habits, why: impl Into<String>) -> Self {
        Self { place: place.into(), address: None, habits, why: Some(why.into()) }
    }

    fn asked<T>(&self, nothing: T) -> Result<T, PublicationError> {
        match &self.why {
            None => Ok(nothing),
            Some(why) => Err(PublicationError::Refused { place: self.place.clone(), why: why.clone() }),
        }
    }
}

#[async_trait]
impl ManifestSource for UnreachedTarget {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        self.asked(None)
    }

    async fn read(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        self.asked(None)
    }
}

#[async_trait]
impl PublishTarget for UnreachedTarget {
    fn address(&self) -> Option<String> {
        self.address.clone()
    }

    fn habits(&self) -> Habits {
        self.habits
    }

    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        self.asked(BTreeMap::new())
    }

    async fn publish(&self, _: &Update) -> Result<(), PublicationError> {
        self.asked(())?;
        let why = "this run was given no way to it".to_owned();
        Err(PublicationError::Refused { place: self.place.clone(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryTarget;
    use super::super::conformance::update;
    use super::*;

    #[tokio::test]
    async fn what_must_not_be_asked_counts_as_new_and_takes_nothing() {
        let target = UnreachedTarget::unasked(&MemoryTarget::default());
        assert_eq!((target.place().as_str(), target.root().await), ("memory", Ok(None)));
        assert!(target.publish(&update(None, "one", &[])).await.unwrap_err().is_certain());
    }

    #[tokio::test]
    async fn what_has_no_way_says_why() {
        let target = UnreachedTarget::refused("the release v1", Habits::Snapshot, "there is no token");
        let said = target.root().await.unwrap_err().to_string();
        assert_eq!(said, "the manifest cannot be published to the release v1: there is no token");
    }
}
