//! The runs that have changed a state: who, on which commit, for which event, and what came of it.

use super::Timestamp;
use crate::ids::{CommitId, RunId};

/// A run that applies a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Who started it: an account on the forge, or a user and a machine.
    pub who: String,
    /// The event that started it, such as `push`; none outside of a workflow.
    pub event: Option<String>,
    /// What it was asked to do, such as `sync --only embed`.
    pub command: String,
    /// The commit that it serves; none in a repository without one.
    pub commit: Option<CommitId>,
    /// Where its log is.
    pub link: Option<String>,
    /// When it began.
    pub at: Timestamp,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Which run.
    pub run: RunId,
    /// How it ended.
    pub result: RunResult,
    /// The targets and what became of each, in a line.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunResult {
    /// Every target is in step.
    Done,
    /// Some target did not get its part.
    Partial,
    /// Another run had done its work.
    Superseded,
    /// It was asked to stop.
    Interrupted,
}

impl RunResult {
    /// Its name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Superseded => "superseded",
            Self::Interrupted => "interrupted",
        }
    }

    /// The result with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Done, Self::Partial, Self::Superseded, Self::Interrupted].into_iter().find(|one| one.as_str() == text)
    }
}
