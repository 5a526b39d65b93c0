//! Every way out of the process, one folder per kind, each a small `dyn` trait.
//!
//! `mod.rs` of a kind holds the trait, its error and its conformance suite; each implementation is one file, and one of
//! them works in memory.

mod archive;
pub mod carrier;
pub mod clock;
pub mod dispatcher;
pub mod download;
pub mod github;
pub mod health;
pub mod http;
#[cfg(test)]
pub(crate) mod loopback;
pub mod mirror_folder;
pub mod model;
pub mod notifier;
pub mod origin;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod publication;
pub mod reach;
pub mod repositories;
pub mod schema_source;
mod sqlite;
pub mod state_store;
pub mod stop;
pub mod turn;
pub mod vector_cache;
pub mod vector_store;
pub mod whole_file;
pub mod worktree;
