//! What a library publishes: a small root and, for each collection, an immutable file of its assets.
//!
//! [`build::build`] is a pure function of the assets and the settings: the same library gives the same bytes, wherever
//! and whenever it is built.

pub mod build;
pub mod format;
pub mod plan;
pub mod settings;
pub mod signature;

pub use build::{Manifest, build};
