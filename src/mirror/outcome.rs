//! What came of a pull, as data.

use super::plan::Plan;
use super::route::Way;
use crate::manifest::format::Root;

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The folder was in step already.
    Unchanged,
    /// It is in step now.
    Updated,
    /// It is in step but for files that could not be fetched, or that somebody has changed here.
    Partial,
}

/// The files that came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// How many were fetched.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many were copied from others in the folder.
    pub copied: usize,
    /// Those that could not be fetched, and why.
    pub missing: Vec<(String, String)>,
}

/// What came of a pull.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// How it ended.
    pub outcome: Outcome,
    /// The source.
    pub source: String,
    /// The root that the folder has now.
    pub root: Root,
    /// The way that led there.
    pub way: Way,
    /// Why a shorter one did not.
    pub detours: Vec<String>,
    /// What was done.
    pub plan: Plan,
    /// What was fetched.
    pub fetched: Fetched,
    /// How many requests were made.
    pub requests: u64,
    /// How many bytes came.
    pub bytes: u64,
    /// Whether an earlier pull that had been killed was brought to its end first.
    pub finished: bool,
    /// The id of the key that has signed the root, where one was asked for.
    pub signed_by: Option<String>,
    /// The source that the folder followed before, where it was another.
    pub came_from: Option<String>,
}
