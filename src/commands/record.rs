//! Records what happens to one target, unless another run has been at that target since it was planned.

use crate::adapters::state_store::{StateError, StateStore};
use crate::ids::{CorrelationId, Sha256Hex, TargetName};
use crate::state::{Change, Delivered, Intent, Serial, TargetState, Timestamp, Withheld};

/// How often a step is recorded anew because another run changed the state of some other target in between.
const ATTEMPTS: u32 = 10;

/// What is said of a target that another run has moved on.
pub const SUPERSEDED: &str = "another run has dealt with it in the meantime";

/// What is said of a target that was not begun.
pub const STOPPED: &str = "not begun, as the run was asked to stop; the next run serves it";

/// Why a step was not recorded.
#[derive(Debug)]
pub enum NotRecorded {
    /// Another run has dealt with the same target.
    Superseded,
    /// The store does not work.
    Store(StateError),
}

/// The steps of one effect on one target: intended before it happens, then delivered or failed.
pub struct Steps<'a> {
    /// Where they are recorded.
    pub store: &'a dyn StateStore,
    /// The time that goes into the state.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// The target.
    pub target: &'a TargetName,
    /// The id of the effect, by which its intent is known as ours.
    pub correlation: CorrelationId,
    /// The digest of what is to be delivered.
    pub digest: &'a Sha256Hex,
    /// What was known of the target when the effect was planned.
    pub known: &'a TargetState,
}

impl Steps<'_> {
    /// Records that the effect is about to happen, provided that the target is still as `expected`.
    ///
    /// When the same effect is begun again, it keeps the time of the first try, from which it is looked for, and what is
    /// known of its arrival.
    pub async fn intend(&self, expected: &TargetState) -> Result<Serial, NotRecorded> {
        let first = self.known.intent.as_ref().filter(|intent| intent.correlation == self.correlation);
        let at = first.map_or_else(|| (self.clock)(), |intent| intent.at);
        let arrived = first.and_then(|intent| intent.arrived.clone());
        let intent = Intent { correlation: self.correlation.clone(), digest: self.digest.clone(), at, arrived };
        self.record(&Change::Intend { target: self.target.clone(), intent }, |state| state == expected).await
    }

    /// Records that the target has taken what is under way, provided that no other run has begun with it since. `run` names
    /// the run that it began there ([`crate::state::Arrival`]); empty where nothing does.
    pub async fn arrived(&self, run: &str) -> Result<(), NotRecorded> {
        let change = Change::Arrive { target: self.target.clone(), run: run.to_owned(), at: (self.clock)() };
        self.record(&change, |state| self.is_ours(state)).await.map(drop)
    }

    /// Records that the target is not to be given `digest` again by itself, provided that it is still as `expected` finds.
    ///
    /// What was delivered has no intent any more by which it is known as ours, so the caller says what must be there.
    pub async fn withhold(
        &self,
        digest: &Sha256Hex,
        why: &str,
        expected: impl Fn(&TargetState) -> bool + Send,
    ) -> Result<(), NotRecorded> {
        let withheld = Withheld { digest: digest.clone(), why: why.to_owned(), at: (self.clock)() };
        self.record(&Change::Withhold { target: self.target.clone(), withheld }, expected).await.map(drop)
    }

    /// Records that the target has this now, provided that no other run has begun with it since.
    pub async fn delivered(&self, delivered: Delivered) -> Result<(), NotRecorded> {
        let change = Change::Deliver { target: self.target.clone(), delivered };
        self.record(&change, |state| self.is_ours(state)).await.map(drop)
    }

    /// Records that the effect has not happened, or that nobody knows, provided that no other run has begun since.
    pub async fn failed(&self, why: &str, certain: bool) -> Result<(), NotRecorded> {
        let change = Change::Fail { target: self.target.clone(), why: why.to_owned(), certain, at: (self.clock)() };
        self.record(&change, |state| self.is_ours(state)).await.map(drop)
    }

    fn is_ours(&self, state: &TargetState) -> bool {
        state.intent.as_ref().is_some_and(|intent| intent.correlation == self.correlation)
    }

    /// Takes one step of the state and gives its new serial, provided that the target is still `as_expected`. Other targets may move on meanwhile.
    pub async fn record(
        &self,
        change: &Change,
        as_expected: impl Fn(&TargetState) -> bool + Send,
    ) -> Result<Serial, NotRecorded> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let state = self.store.load().await.map_err(NotRecorded::Store)?;
            if !as_expected(&state.target(self.target)) {
                return Err(NotRecorded::Superseded);
            }
            match self.store.record(state.serial, change).await {
                Ok(serial) => return Ok(serial),
                Err(moved @ StateError::Moved { .. }) => last = Some(moved),
                Err(error) => return Err(NotRecorded::Store(error)),
            }
        }
        Err(last.map_or(NotRecorded::Superseded, NotRecorded::Store))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::adapters::state_store::MemoryState;
    use crate::state::{Serial, State};

    /// A state in which another run is at another target before each of the first steps.
    struct Busy {
        store: MemoryState,
        steps: AtomicUsize,
    }

    #[async_trait]
    impl StateStore for Busy {
        fn place(&self) -> String {
            self.store.place()
        }

        async fn load(&self) -> Result<State, StateError> {
            self.store.load().await
        }

        async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
            let left = self.steps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_ok() {
                let target = TargetName::new("other");
                let theirs = Change::Fail { target, why: String::new(), certain: true, at: Timestamp(0) };
                self.store.record(expected, &theirs).await?;
            }
            self.store.record(expected, change).await
        }
    }

    async fn intend(others: usize) -> Result<Serial, NotRecorded> {
        let store = Busy { store: MemoryState::new("org/library"), steps: AtomicUsize::new(others) };
        let (target, digest, known) = (TargetName::new("manifest"), Sha256Hex::of(b"new"), TargetState::default());
        let steps = Steps {
            store: &store,
            clock: &|| Timestamp(0),
            target: &target,
            correlation: CorrelationId::new("sr-1"),
            digest: &digest,
            known: &known,
        };
        steps.intend(&known).await
    }

    #[tokio::test]
    async fn steps_of_other_targets_are_read_past() {
        assert!(intend(3).await.is_ok());
    }

    #[tokio::test]
    async fn a_state_that_never_stands_still_is_given_up() {
        assert!(matches!(intend(1_000).await, Err(NotRecorded::Store(StateError::Moved { .. }))));
    }
}
