//! Whole runs of the built binary.

mod action;
mod launcher;
mod linters;
