//! Whole runs of the built binary.

// The settings for tests cover test functions; here the functions that serve them are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod action;
mod launcher;
mod linters;
mod runner_log;
