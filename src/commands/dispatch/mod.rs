//! Delivers what is planned for the downstreams, each as soon as those that it needs are done, and records each step before
//! and after its effect.
//!
//! The intent is recorded before anything is sent. If the run dies or the answer is lost, the next run looks for the delivery
//! by its correlation id, and sends it again under the same id only when it is not found. [`one`] has the steps of one
//! delivery, [`schedule`] who may begin, [`back`] what becomes of those that are linked with one that failed.

mod back;
mod follow;
#[cfg(test)]
mod histories;
mod one;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;

use crate::adapters::dispatcher::Dispatcher;
use crate::adapters::health::Probe;
use crate::adapters::http::Pace;
use crate::adapters::state_store::StateStore;
use crate::downstream::{Announcement, Delivery};
use crate::ids::{CommitId, DownstreamName, TargetName};
use crate::report::course::Course;
use crate::state::Timestamp;
use one::{End, One};
use schedule::{Begin, Schedule};

/// Hears a short line now and then about what is waited for.
pub type Voice<'a> = Mutex<&'a mut (dyn FnMut(&str) + Send)>;

/// What a run needs in order to deliver.
pub struct Means<'a> {
    /// What every downstream is told alike.
    pub news: &'a Announcement,
    /// What was told of an earlier commit, as far as that is still known: for those that are brought back to it.
    pub before: &'a (dyn Fn(Option<&CommitId>) -> Announcement + Send + Sync),
    /// The commit that they will have; none where it is not committed.
    pub commit: Option<&'a CommitId>,
    /// The way to each downstream.
    pub dispatchers: &'a BTreeMap<DownstreamName, Arc<dyn Dispatcher>>,
    /// Asks how downstreams are; needed where one says where to ask.
    pub probe: Option<&'a dyn Probe>,
    /// Where the steps are recorded.
    pub store: &'a dyn StateStore,
    /// The clock for waits.
    pub pace: &'a dyn Pace,
    /// The time that goes into the state.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Who hears what is waited for.
    pub voice: &'a Voice<'a>,
}

impl Means<'_> {
    fn say(&self, line: &str) {
        (self.voice.lock().unwrap_or_else(PoisonError::into_inner))(line);
    }
}

/// What became of one planned delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The downstream.
    pub name: DownstreamName,
    /// The name under which the state knows it.
    pub target: TargetName,
    /// What happened.
    pub result: Settled,
    /// What the delivery led to, as far as it was followed.
    pub course: Course,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Settled {
    /// It was in step.
    Unchanged,
    /// It was told, and shows all that it must show.
    Done {
        /// Where the delivery is.
        place: String,
        /// Whether an earlier run had told it already, so that nothing was sent now.
        found: bool,
        /// What is to be known beside: why its run was not waited for to the end; else empty.
        note: String,
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
    /// It was told and brought back to what it had before, as another one failed.
    Restored {
        /// Whose failure that was, in a sentence.
        why: String,
    },
    /// It was not told, or nobody knows, or it does not show what it must; the next run takes care of it.
    Failed {
        /// Why, and what to do.
        why: String,
        /// Whether it is certain that it was not told.
        certain: bool,
        /// Whether it was told and did not pass: its run, its health or its time says no. That takes others back, where it
        /// is wanted; what did not get through does not.
        verdict: bool,
    },
}

impl Settled {
    /// Whether the downstream has what it should have.
    pub fn is_in_step(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Done { .. } | Self::Superseded { .. })
    }
}

/// Something that has come to its end.
enum Work {
    Delivery(usize, Box<End>),
    Group(Vec<(usize, Box<End>)>),
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Work> + Send + 'a>>>;

/// Delivers `deliveries`, which stand in the order of their waves, and says what became of each, in their order.
///
/// Each begins as soon as those that it needs are done. One that fails holds up only those that need it, unless its settings
/// want something else.
pub async fn apply(deliveries: &[Delivery], means: &Means<'_>) -> Vec<Receipt> {
    let mut schedule = Schedule::new(deliveries);
    let mut running: Running<'_> = FuturesUnordered::new();
    loop {
        while let Some((index, begin)) = schedule.next(means.pace.stop().is_asked()) {
            let Some(delivery) = deliveries.get(index) else { break };
            match begin {
                Begin::Now => running.push(Box::pin(async move {
                    Work::Delivery(index, Box::new(One::planned(delivery, means).settle().await))
                })),
                Begin::Never(result) => schedule.ended(index, End::without_effect(result)),
            }
        }
        // Whoever has ended may have been the last of its group.
        while let Some(group) = schedule.finished_group() {
            running.push(Box::pin(async move { Work::Group(back::finish(group, deliveries, means).await) }));
        }
        match running.next().await {
            None => break,
            Some(Work::Delivery(index, end)) => schedule.ended(index, *end),
            Some(Work::Group(ends)) => ends.into_iter().for_each(|(index, end)| schedule.replace(index, *end)),
        }
    }
    schedule.receipts()
}
