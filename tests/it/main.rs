//! Whole runs of the built binary, and the adapters against servers that behave like the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "clippy sees tests only in functions marked so; all of this is test"
)]

mod about_changes;
#[cfg(unix)]
mod act;
mod action;
mod bad_input;
#[cfg(feature = "object-store")]
#[allow(dead_code, reason = "what the adapters' own tests ask of it")]
mod bucket_server;
#[cfg(feature = "object-store")]
mod buckets;
mod carried;
mod chain;
#[allow(dead_code, reason = "what the adapters' own tests ask of it")]
mod chroma_server;
mod clients;
mod concerns;
mod convergence;
mod corpora;
mod dispatch;
mod dispatch_command;
mod doctor;
mod documents;
mod example_library;
mod exports;
mod fake_embeddings;
mod fake_github;
#[allow(dead_code, reason = "what the adapters' own tests ask of it")]
mod fake_pinecone;
mod fake_slack;
mod fault_sweep;
mod federation;
mod file_server;
mod files;
mod frugality;
mod guards;
mod hostile_log;
mod hundred;
mod init;
mod kill_sweep;
mod launcher;
mod library;
mod linters;
mod locking;
mod loops;
mod overlap;
mod page;
mod places;
#[cfg(feature = "postgres")]
#[allow(dead_code, reason = "what the adapters' own tests ask of it")]
mod postgres_server;
mod program;
mod proposal;
mod published;
#[cfg(unix)]
mod pull;
#[allow(dead_code, reason = "what the adapters' own tests ask of it")]
mod qdrant_server;
mod receivers;
mod registry;
mod remote_indexes;
mod remote_model;
mod retrieval;
mod review;
mod runner_log;
mod schema_diff;
mod secrets;
#[cfg(feature = "postgres")]
mod shards;
mod signals;
mod simulated_github;
mod sources;
#[cfg(feature = "postgres")]
mod state_migrate;
mod static_search;
mod status;
mod suites;
mod tell;
mod threats;
mod vector_servers;
mod webhooks;
