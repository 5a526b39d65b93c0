//! Delivers what is planned for the downstreams, wave by wave, and records each step before and after its effect.
//!
//! The intent is recorded before an event is sent. If the run dies or the answer is lost, the next run looks for the event
//! by its correlation id, and sends it again under the same id only when it is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::record::{NotRecorded, STOPPED, SUPERSEDED, Steps};
use crate::adapters::dispatcher::{Dispatch, DispatchError, Dispatcher, Outcome, Search};
use crate::adapters::http::Pace;
use crate::adapters::state_store::StateStore;
use crate::downstream::{Action, Announcement, Delivery, Envelope, Slice};
use crate::ids::{CommitId, DownstreamName, TargetName};
use crate::state::{Change, Delivered, TargetState, Timestamp};

/// GitHub asks for at least this between two writes.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// What a run needs in order to deliver.
pub struct Means<'a> {
    /// What every downstream is told alike.
    pub news: &'a Announcement,
    /// The commit that they will have; none where it is not committed.
    pub commit: Option<&'a CommitId>,
    /// The way to each downstream.
    pub dispatchers: &'a BTreeMap<DownstreamName, Arc<dyn Dispatcher>>,
    /// Where the steps are recorded.
    pub store: &'a dyn StateStore,
    /// The clock for the pauses between writes.
    pub pace: &'a dyn Pace,
    /// The time that goes into the state.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
}

/// What became of one planned delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The downstream.
    pub name: DownstreamName,
    /// The name under which the state knows it.
    pub target: TargetName,
    /// What happened.
    #[serde(flatten)]
    pub result: Settled,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Settled {
    /// It was in step.
    Unchanged,
    /// It was told.
    Done {
        /// Where the event is.
        place: String,
        /// Whether an earlier run had told it already, so that nothing was sent now.
        found: bool,
    },
    /// It was not tried.
    Skipped {
        /// Why.
        why: String,
    },
    /// Another run has dealt with it in the meantime.
    Superseded {
        /// How that was seen.
        why: String,
    },
    /// It was not told, or nobody knows; the next run takes care of it.
    Failed {
        /// Why, and what to do.
        why: String,
        /// Whether it is certain that it was not told.
        certain: bool,
    },
}

impl Settled {
    /// Whether the downstream has what it should have, so that those which need it may go on.
    pub fn is_in_step(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Done { .. } | Self::Superseded { .. })
    }
}

/// Delivers `deliveries`, which stand in the order of their waves, and says what became of each.
///
/// One that fails holds up only those that need it.
pub async fn apply(deliveries: &[Delivery], means: &Means<'_>) -> Vec<Receipt> {
    let mut held_up: BTreeSet<&DownstreamName> = BTreeSet::new();
    let mut receipts = Vec::with_capacity(deliveries.len());
    let mut written = false;
    for delivery in deliveries {
        let missing = delivery.needs.iter().find(|need| held_up.contains(*need));
        let result = match (delivery.action, missing) {
            (Action::None, _) => Run { delivery, means, written: &mut written }.clear_failure().await,
            (_, _) if means.pace.stop().is_asked() => Settled::Skipped { why: STOPPED.to_owned() },
            (_, Some(need)) => Settled::Skipped { why: format!("it needs {need}, which was not told") },
            (Action::Deliver | Action::Resolve, None) => Run { delivery, means, written: &mut written }.settle().await,
        };
        if !result.is_in_step() {
            held_up.insert(&delivery.name);
        }
        receipts.push(Receipt { name: delivery.name.clone(), target: delivery.target.clone(), result });
    }
    receipts
}

/// One delivery under way.
struct Run<'a, 'm> {
    delivery: &'a Delivery,
    means: &'a Means<'m>,
    /// Whether this run has already written to a receiver that counts.
    written: &'a mut bool,
}

impl Run<'_, '_> {
    fn steps(&self) -> Steps<'_> {
        let Delivery { target, correlation, slice, known, .. } = self.delivery;
        let Means { store, clock, .. } = *self.means;
        Steps { store, clock, target, correlation: correlation.clone(), digest: &slice.digest, known }
    }

    /// A downstream that is in step again, because the library went back, has no failure any more.
    async fn clear_failure(&self) -> Settled {
        // What is withheld stays so: the library may come back to it.
        if let TargetState { delivered: Some(delivered), failure: Some(_), intent: None, withheld: None } =
            &self.delivery.known
        {
            let change = Change::Deliver { target: self.delivery.target.clone(), delivered: delivered.clone() };
            // Only the status would stay out of date; the next run tries again.
            let _ = self.steps().record(&change, |state| *state == self.delivery.known).await;
        }
        Settled::Unchanged
    }

    async fn settle(&mut self) -> Settled {
        let Some(dispatcher) = self.means.dispatchers.get(&self.delivery.name).cloned() else {
            return failed("there is no way to reach it".to_owned(), true);
        };
        let dispatch = self.dispatch();
        if self.delivery.action == Action::Resolve {
            match self.look_for(&*dispatcher, &dispatch).await {
                Ok(Some(place)) => return self.delivered(place, true).await,
                Ok(None) => {}
                Err(why) => return self.record_failure(why, false).await,
            }
        }
        if dispatcher.is_remote() && std::mem::replace(self.written, true) {
            self.means.pace.sleep(BETWEEN_WRITES).await;
        }
        if self.means.pace.stop().is_asked() {
            return Settled::Skipped { why: STOPPED.to_owned() };
        }
        match self.begin().await {
            Ok(()) => {}
            Err(NotRecorded::Superseded) => return superseded(),
            Err(NotRecorded::Store(error)) => return failed(format!("nothing was sent: {error}"), true),
        }
        match dispatcher.deliver(&dispatch).await {
            Ok(Outcome::Delivered { place, .. }) => self.delivered(place, false).await,
            Ok(Outcome::Unknown { why }) => self.record_failure(why, false).await,
            Err(error) => {
                // An earlier send of the same event, whose fate is not known, stays in doubt.
                let certain = self.delivery.action != Action::Resolve;
                self.record_failure(error.to_string(), certain).await
            }
        }
    }

    /// Records that the event is about to be sent, unless another run is at this target.
    async fn begin(&self) -> Result<(), NotRecorded> {
        let Delivery { target, known, correlation, .. } = self.delivery;
        let mut expected = known.clone();
        // A state holds one intent. Before this one takes the place of another, that one's doubt is written down: it must
        // outlive this delivery, should this one certainly fail.
        if let Some(doubtful) = known.intent.as_ref().filter(|intent| intent.correlation != *correlation) {
            let Slice { assets, digest } = Slice::in_doubt(&doubtful.correlation);
            let delivered = Delivered { commit: None, digest, assets, at: (self.means.clock)() };
            let change = Change::Deliver { target: target.clone(), delivered: delivered.clone() };
            self.steps().record(&change, |state| *state == expected).await?;
            expected = TargetState { delivered: Some(delivered), ..TargetState::default() };
        }
        self.steps().intend(&expected).await.map(drop)
    }

    /// Looks for what an earlier run sent. A receiver whose runs may not be read gets the event again: the id is the same.
    async fn look_for(&self, dispatcher: &dyn Dispatcher, dispatch: &Dispatch) -> Result<Option<String>, String> {
        let Some(intent) = &self.delivery.known.intent else { return Ok(None) };
        match dispatcher.find(dispatch, intent.at).await {
            Ok(Search::Found(sighting)) => Ok(Some(sighting.place)),
            Ok(Search::Absent { .. }) => Ok(None),
            Err(DispatchError::NotAllowed { .. }) => Ok(None),
            Err(error) => Err(format!("whether {} has arrived is still not known: {error}", intent.correlation)),
        }
    }

    fn dispatch(&self) -> Dispatch {
        let Delivery { name, correlation, delta, complete, .. } = self.delivery;
        let envelope = Envelope::new(self.means.news, delta, *complete, correlation).payload();
        Dispatch { downstream: name.clone(), envelope, correlation: correlation.clone() }
    }

    async fn delivered(&self, place: String, found: bool) -> Settled {
        let slice = &self.delivery.slice;
        let delivered = Delivered {
            commit: self.means.commit.cloned(),
            digest: slice.digest.clone(),
            assets: slice.assets.clone(),
            at: (self.means.clock)(),
        };
        match self.steps().delivered(delivered).await {
            Ok(()) => Settled::Done { place, found },
            Err(NotRecorded::Superseded) => superseded(),
            Err(NotRecorded::Store(error)) => {
                let why =
                    format!("it was told ({place}), but that could not be recorded: {error}. The next run finds out");
                failed(why, false)
            }
        }
    }

    async fn record_failure(&self, why: String, certain: bool) -> Settled {
        match self.steps().failed(&why, certain).await {
            Ok(()) => failed(why, certain),
            Err(NotRecorded::Superseded) => superseded(),
            Err(NotRecorded::Store(error)) => failed(format!("{why}; nor could that be recorded: {error}"), certain),
        }
    }
}

fn failed(why: String, certain: bool) -> Settled {
    Settled::Failed { why, certain }
}

fn superseded() -> Settled {
    Settled::Superseded { why: SUPERSEDED.to_owned() }
}
