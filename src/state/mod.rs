//! What has already been done to each target, as plain data.
//!
//! A state changes only by a [`Change`]. [`State::apply`] says what a change means; every store must agree with it
//! (the conformance suite in `adapters::state_store` holds them to it).

mod arrival;
mod history;
mod lock;
pub mod moving;
pub mod row;
mod run;
mod settings;
mod survey;

pub use arrival::Arrival;
pub use history::HistoryEntry;
pub use lock::{Claim, Lock};
pub use run::{Run, RunEnd, RunResult};
pub use settings::{Carry, Kind, Settings};
pub use survey::Survey;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{AssetKey, CommitId, CorrelationId, RunId, Sha256Hex, TargetName};

/// Seconds since 1970-01-01 UTC, as the caller's clock says; never part of what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// How many changes a state has seen: the token of compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub u64);

/// What has been done so far for one library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Which library it belongs to: a state of another one must never be used.
    pub library: String,
    /// Drawn at random when the state was made: two histories of the same library are told apart by it.
    pub lineage: String,
    /// How many changes it has seen.
    pub serial: Serial,
    /// The run that has begun and not ended: it is at work, or it was killed.
    pub run: Option<RunId>,
    /// Every target that was ever tried.
    pub targets: BTreeMap<TargetName, TargetState>,
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetState {
    /// What was last delivered there, if anything.
    pub delivered: Option<Delivered>,
    /// What is under way: recorded before its effect, gone when the outcome is known.
    pub intent: Option<Intent>,
    /// Why the last try failed; gone after the next success.
    pub failure: Option<String>,
    /// What is not delivered to it again by itself; gone after the next success.
    pub withheld: Option<Withheld>,
}

/// The last thing that a target is known to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The commit it was made from; none in a repository without one.
    pub commit: Option<CommitId>,
    /// The digest of what was delivered: equal digest, nothing to do.
    pub digest: Sha256Hex,
    /// The digest of each asset in it, where the target wants to hear what changed; empty for the others.
    pub assets: BTreeMap<AssetKey, Sha256Hex>,
    /// When.
    pub at: Timestamp,
}

/// An effect that was about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The id that goes with the effect.
    pub correlation: CorrelationId,
    /// The digest of what was to be delivered.
    pub digest: Sha256Hex,
    /// When it was recorded.
    pub at: Timestamp,
    /// What names the run that it began at the target ([`Arrival`]), once the target is known to have taken it; empty where
    /// nothing does.
    pub arrived: Option<String>,
}

/// Something that a target has failed with, and is not to be given again before somebody asks for it or it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The digest of what is withheld.
    pub digest: Sha256Hex,
    /// Why, in a sentence; no secret in it.
    pub why: String,
    /// When it was recorded.
    pub at: Timestamp,
}

/// One step of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An effect on the target is about to happen.
    Intend {
        /// Which target.
        target: TargetName,
        /// What is about to happen.
        intent: Intent,
    },
    /// The target has taken what is under way, and is at work on it. The intent stays; where there is none, nothing happens.
    Arrive {
        /// Which target.
        target: TargetName,
        /// What names the run that it began there ([`Arrival`]); empty where nothing does. No secret in it.
        run: String,
        /// When.
        at: Timestamp,
    },
    /// The effect has happened.
    Deliver {
        /// Which target.
        target: TargetName,
        /// What it has now.
        delivered: Delivered,
    },
    /// The effect has not happened, or nobody knows. The intent stays: the next run has to find out.
    Fail {
        /// Which target.
        target: TargetName,
        /// Why, in a sentence; no secret in it.
        why: String,
        /// Whether it is certain that nothing happened, so that the intent can be forgotten.
        certain: bool,
        /// When.
        at: Timestamp,
    },
    /// The target is not to be given this again by itself. All else that is known of it stays.
    Withhold {
        /// Which target.
        target: TargetName,
        /// What is withheld, and why.
        withheld: Withheld,
    },
    /// A run begins to apply its plan.
    Begin {
        /// The run.
        run: Run,
    },
    /// A run has ended by itself; one that was killed has no end.
    End {
        /// How.
        end: RunEnd,
    },
}

impl Change {
    /// The target that it is about; none where it is about a run.
    pub fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Intend { target, .. }
            | Self::Arrive { target, .. }
            | Self::Deliver { target, .. }
            | Self::Fail { target, .. }
            | Self::Withhold { target, .. } => Some(target),
            Self::Begin { .. } | Self::End { .. } => None,
        }
    }

    /// When it was made.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Intend { intent, .. } => intent.at,
            Self::Deliver { delivered, .. } => delivered.at,
            Self::Arrive { at, .. } | Self::Fail { at, .. } => *at,
            Self::Withhold { withheld, .. } => withheld.at,
            Self::Begin { run } => run.at,
            Self::End { end } => end.at,
        }
    }
}

impl State {
    /// The state of a library for which nothing has been done.
    pub fn new(library: impl Into<String>, lineage: impl Into<String>) -> Self {
        let (library, lineage) = (library.into(), lineage.into());
        Self { library, lineage, serial: Serial(0), run: None, targets: BTreeMap::new() }
    }

    /// Takes one step.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Begin { run } => self.run = Some(run.id.clone()),
            Change::End { end } => self.run = self.run.take().filter(|open| *open != end.run),
            _ => {}
        }
        if let Some(target) = change.target() {
            self.targets.entry(target.clone()).or_default().apply(change);
        }
        self.serial = Serial(self.serial.0 + 1);
    }

    /// What is known of a target: nothing, when it was never tried.
    pub fn target(&self, name: &TargetName) -> TargetState {
        self.targets.get(name).cloned().unwrap_or_default()
    }
}

impl TargetState {
    /// Takes one step that is about this target.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Intend { intent, .. } => self.intent = Some(intent.clone()),
            Change::Arrive { run, .. } => {
                if let Some(intent) = &mut self.intent {
                    intent.arrived = Some(run.clone());
                }
            }
            Change::Deliver { delivered, .. } => {
                *self = Self { delivered: Some(delivered.clone()), ..Self::default() };
            }
            Change::Fail { why, certain, .. } => {
                self.failure = Some(why.clone());
                if *certain {
                    self.intent = None;
                }
            }
            Change::Withhold { withheld, .. } => self.withheld = Some(withheld.clone()),
            Change::Begin { .. } | Change::End { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> TargetName {
        TargetName::new("downstream/website")
    }

    fn intent() -> Intent {
        let (correlation, digest) = (CorrelationId::new("sr-1"), Sha256Hex::of(b"new"));
        Intent { correlation, digest, at: Timestamp(1), arrived: None }
    }

    fn delivered() -> Delivered {
        Delivered { commit: None, digest: Sha256Hex::of(b"new"), assets: BTreeMap::new(), at: Timestamp(2) }
    }

    #[test]
    fn a_delivery_settles_its_intent_and_the_failure_before_it() {
        let mut state = State::new("lib", "line");
        state.apply(&Change::Intend { target: name(), intent: intent() });
        state.apply(&Change::Fail { target: name(), why: "reset".into(), certain: false, at: Timestamp(2) });
        assert_eq!(state.target(&name()).intent, Some(intent()), "nobody knows, so the intent stays");
        assert!(state.target(&name()).failure.is_some());
        state.apply(&Change::Deliver { target: name(), delivered: delivered() });
        let settled = TargetState { delivered: Some(delivered()), ..TargetState::default() };
        assert_eq!(state.target(&name()), settled);
        assert_eq!(state.serial, Serial(3));
    }

    #[test]
    fn what_has_arrived_is_still_under_way_until_it_is_delivered() {
        let mut state = State::new("lib", "line");
        let arrive = Change::Arrive { target: name(), run: "77".into(), at: Timestamp(2) };
        state.apply(&arrive);
        assert_eq!(state.target(&name()), TargetState::default(), "without an intent nothing has arrived");
        state.apply(&Change::Intend { target: name(), intent: intent() });
        state.apply(&arrive);
        let arrived = Intent { arrived: Some("77".into()), ..intent() };
        assert_eq!(state.target(&name()).intent, Some(arrived.clone()));
        state.apply(&Change::Fail { target: name(), why: "its run failed".into(), certain: false, at: Timestamp(3) });
        assert_eq!(state.target(&name()).intent, Some(arrived), "the next run looks at that run again");
        state.apply(&Change::Deliver { target: name(), delivered: delivered() });
        assert_eq!(state.target(&name()).intent, None);
    }

    #[test]
    fn what_is_withheld_stays_so_until_something_is_delivered() {
        let mut state = State::new("lib", "line");
        let withheld = Withheld { digest: Sha256Hex::of(b"bad"), why: "its run failed".into(), at: Timestamp(3) };
        state.apply(&Change::Intend { target: name(), intent: intent() });
        state.apply(&Change::Withhold { target: name(), withheld: withheld.clone() });
        assert_eq!(state.target(&name()).intent, Some(intent()), "what is under way stays");
        state.apply(&Change::Fail { target: name(), why: "404".into(), certain: true, at: Timestamp(4) });
        state.apply(&Change::Intend { target: name(), intent: intent() });
        assert_eq!(state.target(&name()).withheld, Some(withheld));
        state.apply(&Change::Deliver { target: name(), delivered: delivered() });
        assert_eq!(state.target(&name()).withheld, None);
    }

    #[test]
    fn a_certain_failure_forgets_the_intent() {
        let mut state = State::new("lib", "line");
        state.apply(&Change::Intend { target: name(), intent: intent() });
        state.apply(&Change::Fail { target: name(), why: "404".into(), certain: true, at: Timestamp(2) });
        assert_eq!(state.target(&name()).intent, None);
    }
}
