//! What a library publishes: entries of its assets in shards, and a small root that names them.
//!
//! [`build::build`] is a pure function of the assets and the settings: the same library gives the same bytes, wherever
//! and whenever it is built. An [`edition`] is one publication of it at one place.

pub mod build;
pub mod difference;
pub mod edition;
pub mod exports;
pub mod federation;
pub mod files;
pub mod format;
pub mod index;
pub mod layout;
pub mod listing;
pub mod page;
pub mod plan;
pub mod retired;
pub mod role;
pub mod search;
pub mod settings;
pub mod shard;
pub mod signature;
pub mod updated;

pub use build::{Manifest, build};
pub use edition::{Edition, Held, Offer};

/// The finding codes of this room.
pub fn codes() -> Vec<&'static crate::finding::Code> {
    exports::lacks::CODES.to_vec()
}
