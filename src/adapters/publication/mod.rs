//! Where manifests are published.

mod folder;
mod memory;

use async_trait::async_trait;

pub use folder::FolderTarget;
pub use memory::MemoryTarget;

use crate::manifest::Manifest;
use crate::manifest::format::{Catalog, CatalogRef, Root};

/// Why a manifest could not be read or published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// The place cannot be read or written.
    #[error("the manifest at {place} cannot be {what}: {why}")]
    Unusable {
        /// The place.
        place: String,
        /// `read` or `written`.
        what: &'static str,
        /// What the system says.
        why: String,
    },
    /// A part of the place is a symbolic link. Nothing was read or written.
    #[error(
        "the manifest's folder {place} leads through {link}, a symbolic link, which is not followed: whoever proposes a \
         change could send us elsewhere by it. Take the link away, or name another folder in `publish`"
    )]
    Link {
        /// The place.
        place: String,
        /// The link.
        link: String,
    },
}

impl PublicationError {
    /// Whether it is certain that the place is as it was.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Link { .. })
    }
}

/// A place that holds one manifest.
#[async_trait]
pub trait PublishTarget: Send + Sync {
    /// What people call the place.
    fn place(&self) -> String;

    /// Whether it belongs to this clone, so that no run elsewhere can publish there.
    fn is_own(&self) -> bool {
        false
    }

    /// The root that is published now; none when there is none, or none that can be understood.
    async fn root(&self) -> Result<Option<Root>, PublicationError>;

    /// A file that the published root names; none when it is not there whole.
    async fn catalog(&self, reference: &CatalogRef) -> Result<Option<Catalog>, PublicationError>;

    /// Whether every file that the root names is there, byte for byte.
    async fn is_whole(&self, root: &Root) -> Result<bool, PublicationError>;

    /// Publishes: first the immutable files, then the root, then takes away what neither the new nor the last root names.
    ///
    /// Whoever reads meanwhile sees the old manifest or the new one, and both are whole.
    async fn publish(&self, manifest: &Manifest) -> Result<(), PublicationError>;
}

#[cfg(test)]
pub(crate) mod conformance {
    use serde_json::json;

    use super::*;
    use crate::catalog::asset::Asset;
    use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};
    use crate::manifest::build::{FileFacts, build};
    use crate::manifest::format::Source;
    use crate::manifest::settings::Settings;

    /// A manifest of one asset for each title.
    pub(crate) fn manifest(titles: &[&str]) -> Manifest {
        let asset = |title: &&str| Asset {
            key: AssetKey { collection: CollectionName::new("products"), id: AssetId::new(*title) },
            record: RepoPath::new(format!("{title}.json")),
            meaning: json!({"title": title}),
            schema: None,
            files: Vec::new(),
            warned: false,
        };
        let assets: Vec<_> = titles.iter().map(asset).collect();
        let source = Source { repository: None, commit: None, modified: false };
        build(&assets, &FileFacts::new(), &Settings::default(), source).unwrap()
    }

    /// What every target must do, beginning with an empty one.
    pub(crate) async fn run(target: &dyn PublishTarget) {
        assert_eq!(target.root().await, Ok(None), "nothing is published yet");
        let (one, two, three) = (manifest(&["a"]), manifest(&["a", "b"]), manifest(&["c"]));
        target.publish(&one).await.unwrap();
        assert_eq!(target.root().await.unwrap().as_ref(), Some(&one.root));
        let reference = &one.root.collections["products"];
        let catalog = target.catalog(reference).await.unwrap().unwrap();
        assert_eq!(catalog.assets.len(), 1);
        assert!(target.is_whole(&one.root).await.unwrap());
        assert!(!target.is_whole(&two.root).await.unwrap(), "its files are not there yet");
        target.publish(&two).await.unwrap();
        assert!(target.is_whole(&one.root).await.unwrap(), "somebody may still read the last one");
        target.publish(&two).await.unwrap();
        assert_eq!(target.root().await.unwrap().as_ref(), Some(&two.root), "publishing twice changes nothing");
        target.publish(&three).await.unwrap();
        assert_eq!(target.catalog(reference).await, Ok(None), "what no root names any more is gone");
        assert!(target.is_whole(&two.root).await.unwrap() && target.is_whole(&three.root).await.unwrap());
    }
}
