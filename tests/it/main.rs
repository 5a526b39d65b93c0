//! Whole runs of the built binary, and the adapters against servers that behave like the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy sees tests only in functions marked so; all of this is test"
)]

mod convergence;
mod dispatch;
mod fake_github;
