//! One delivery from its intent to its record: looked for, sent, waited for, asked how it is.

use super::follow::{ENDED, Followed, GONE, UNSEEN};
use super::{Means, Settled};
use crate::adapters::dispatcher::{Dispatch, DispatchError, Dispatcher, Outcome, Progress, RunRef, Search, Sighting};
use crate::commands::record::{NotRecorded, STOPPED, SUPERSEDED, Steps};
use crate::downstream::{Action, Announcement, Delivery, Delta, Health, HealthValue, Slice, payload};
use crate::ids::{CommitId, CorrelationId};
use crate::report::course::{Course, Healthy};
use crate::state::{Arrival, Change, Delivered, TargetState, Timestamp};

/// What begins a failure that the state keeps of a downstream that was not healthy. The next run knows by it that people were
/// told.
const UNWELL: &str = "it was told, and is not healthy";

/// What became of a delivery.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub settled: Settled,
    pub course: Course,
    /// What is recorded once the whole group has passed; none where nothing is held.
    pub held: Option<Box<Held>>,
}

/// A delivery that has passed and is not recorded yet.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The id of the delivery, which is the target's intent.
    pub correlation: CorrelationId,
}

impl End {
    pub(super) fn without_effect(settled: Settled) -> Self {
        Self { settled, course: Course::default(), held: None }
    }
}

/// What is delivered: the news, or what was before.
#[derive(Clone)]
pub(super) struct Parcel {
    pub correlation: CorrelationId,
    pub slice: Slice,
    pub delta: Delta,
    pub complete: bool,
    pub news: Announcement,
    pub commit: Option<CommitId>,
    /// What the target is known to have, and what is under way there.
    pub known: TargetState,
    /// Whether that may have arrived, so that it is looked for first.
    pub in_doubt: bool,
}

/// One delivery under way.
pub(super) struct One<'a, 'm> {
    pub delivery: &'a Delivery,
    pub parcel: Parcel,
    pub means: &'a Means<'m>,
    pub(super) course: Course,
}

/// What is known of a delivery after looking for it or sending it.
struct There {
    place: String,
    run: Option<RunRef>,
    found: bool,
}

impl<'a, 'm> One<'a, 'm> {
    /// The delivery as it was planned.
    pub(super) fn planned(delivery: &'a Delivery, means: &'a Means<'m>) -> Self {
        let parcel = Parcel {
            correlation: delivery.correlation.clone(),
            slice: delivery.slice.clone(),
            delta: delivery.delta.clone(),
            complete: delivery.complete,
            news: means.news.clone(),
            commit: means.commit.cloned(),
            known: delivery.known.clone(),
            in_doubt: delivery.action == Action::Resolve,
        };
        Self::of(delivery, parcel, means)
    }

    pub(super) fn of(delivery: &'a Delivery, parcel: Parcel, means: &'a Means<'m>) -> Self {
        Self { delivery, parcel, means, course: Course::default() }
    }

    pub(super) fn steps(&self) -> Steps<'_> {
        let Parcel { correlation, slice, known, .. } = &self.parcel;
        let Means { store, clock, .. } = *self.means;
        Steps {
            store,
            clock,
            target: &self.delivery.target,
            correlation: correlation.clone(),
            digest: &slice.digest,
            known,
        }
    }

    /// Carries it out.
    pub(super) async fn settle(mut self) -> End {
        let settled = match self.delivery.action {
            Action::None => self.clear_failure().await,
            Action::Restore => return super::back::restore(self.delivery, self.means).await,
            _ => match self.deliver().await {
                Ok((place, found, note)) => return self.passed(place, found, note).await,
                Err(settled) => settled,
            },
        };
        End { settled, course: self.course, held: None }
    }

    /// The same for what is brought back, which is recorded at once.
    pub(super) async fn bring_back(mut self) -> (Result<(), Settled>, Course) {
        let done = match self.deliver().await {
            Ok((place, found, note)) => match self.record_delivered(place, found, note).await {
                Settled::Done { .. } => Ok(()),
                other => Err(other),
            },
            Err(settled) => Err(settled),
        };
        (done, self.course)
    }

    /// A downstream that is in step again, because the library went back, has no failure any more.
    async fn clear_failure(&self) -> Settled {
        if let TargetState { delivered: Some(delivered), failure: Some(_), intent: None, .. } = &self.parcel.known {
            let change = Change::Deliver { target: self.delivery.target.clone(), delivered: delivered.clone() };
            // Only the status would stay out of date; the next run tries again.
            let _ = self.steps().record(&change, |state| *state == self.parcel.known).await;
        }
        Settled::Unchanged
    }

    /// Everything up to the point at which it may be recorded as delivered.
    async fn deliver(&mut self) -> Result<(String, bool, String), Settled> {
        let Some(dispatcher) = self.means.dispatchers.get(&self.delivery.name).cloned() else {
            return Err(failed("there is no way to reach it".to_owned(), true));
        };
        let there = match self.look_for(&*dispatcher).await? {
            Some(there) => there,
            None => self.send(&*dispatcher).await?,
        };
        self.course.correlation = Some(self.parcel.correlation.clone());
        // Where nothing runs there is nothing to see.
        if !dispatcher.is_remote() {
            return Ok((there.place, there.found, String::new()));
        }
        self.record_arrival(&there).await?;
        let note = self.wait(&*dispatcher, &there).await?;
        self.check_health().await?;
        let place = self.course.run.clone().unwrap_or(there.place);
        Ok((place, there.found, note))
    }

    /// Records that it has arrived, where it is not done with that.
    async fn record_arrival(&self, there: &There) -> Result<(), Settled> {
        let Delivery { settings, group, .. } = self.delivery;
        let is_done = settings.wait.is_none() && settings.health.is_none() && group.is_none();
        let is_known = there.found && self.parcel.known.intent.as_ref().is_some_and(|it| it.arrived.is_some());
        if is_done || is_known {
            return Ok(());
        }
        let run = there.run.as_ref().map(RunRef::as_str).unwrap_or_default();
        self.steps().arrived(run).await.map_err(|why| not_recorded(why, &there.place))
    }

    async fn wait(&mut self, dispatcher: &dyn Dispatcher, there: &There) -> Result<String, Settled> {
        let Some(wait) = self.delivery.settings.wait.clone() else { return Ok(String::new()) };
        match self.follow(dispatcher, there.run.clone(), &wait).await {
            Followed::Passed => Ok(String::new()),
            // Others wait for it to pass, and nobody has seen that.
            Followed::Unseen(why) if self.delivery.is_gate => {
                Err(self.record_failure(format!("{UNSEEN}: {why}"), false).await)
            }
            Followed::Unseen(why) => Ok(format!("not awaited: {why}")),
            Followed::Open(why) if self.means.pace.stop().is_asked() => Err(Settled::Skipped { why }),
            Followed::Failed(why) | Followed::Open(why) => Err(verdict(self.record_failure(why, false).await)),
            Followed::Lost(why) => Err(self.record_failure(why, false).await),
        }
    }

    async fn check_health(&mut self) -> Result<(), Settled> {
        let Some(health) = self.delivery.settings.health.clone() else { return Ok(()) };
        let begun = self.means.pace.now();
        let seen = match self.means.probe {
            Some(probe) => probe.probe(&health, self.wanted(&health).as_deref()).await,
            None => Err("there is no way to ask".to_owned()),
        };
        let waited = self.means.pace.now().saturating_sub(begun);
        if self.means.pace.stop().is_asked() && seen.is_err() {
            return Err(Settled::Skipped {
                why: "stopped while its health was asked for; the next run asks again".to_owned(),
            });
        }
        let (is_well, said) = match seen {
            Ok(said) => (true, said),
            Err(said) => (false, said),
        };
        self.course.health = Some(Healthy { is_well, said: said.clone(), waited });
        if is_well {
            return Ok(());
        }
        Err(verdict(self.record_failure(format!("{UNWELL}: {said}"), false).await))
    }

    fn wanted(&self, health: &Health) -> Option<String> {
        match health.equals {
            HealthValue::ManifestDigest => self.parcel.news.manifest_digest.as_ref().map(ToString::to_string),
            HealthValue::Commit => self.parcel.news.commit.as_ref().map(ToString::to_string),
        }
    }

    /// Looks for what an earlier run sent. A receiver whose runs may not be read gets it again: the id is the same.
    async fn look_for(&mut self, dispatcher: &dyn Dispatcher) -> Result<Option<There>, Settled> {
        let Some(intent) = self.parcel.known.intent.clone().filter(|_| self.parcel.in_doubt) else { return Ok(None) };
        let there = match &intent.arrived {
            // It is known to have arrived: whatever cannot be seen of it, it is not sent again.
            Some(run) => {
                let Arrival { run, .. } = Arrival::parse(run);
                let run = (!run.is_empty()).then(|| RunRef::new(run));
                There { place: self.delivery.settings.receiver.place(), run, found: true }
            }
            None => {
                let found = dispatcher.find(&self.dispatch()?, intent.at).await;
                match found {
                    Ok(Search::Found(Sighting { place, run, .. })) => There { place, run, found: true },
                    Ok(Search::Absent { .. })
                    | Err(DispatchError::NotAllowed { .. } | DispatchError::Refused { .. }) => return Ok(None),
                    Err(error) => {
                        let why = format!("whether {} has arrived is still not known: {error}", intent.correlation);
                        return Err(self.record_failure(why, false).await);
                    }
                }
            }
        };
        if intent.arrived.is_some() && self.has_failed_before(dispatcher, &there, intent.at).await {
            // Nobody began its run anew, so it is told anew, under an id of its own by which that run is not found.
            self.parcel.correlation = CorrelationId::of(
                &self.delivery.target,
                &self.parcel.slice.digest,
                &format!("again\0{}", intent.correlation),
            );
            return Ok(None);
        }
        Ok(Some(there))
    }

    /// Whether it did not pass, and people were told so.
    async fn has_failed_before(&self, dispatcher: &dyn Dispatcher, there: &There, since: Timestamp) -> bool {
        if ![ENDED, GONE, UNWELL, UNSEEN].into_iter().any(|kind| self.was_told(kind)) {
            return false;
        }
        let Some(wait) = &self.delivery.settings.wait else { return self.was_told(UNWELL) };
        let seen = match (&there.run, self.dispatch()) {
            (Some(run), _) => dispatcher.look(run).await.map(Search::Found),
            (None, Ok(dispatch)) => dispatcher.find(&dispatch, since).await,
            (None, Err(_)) => return false,
        };
        match seen {
            Ok(Search::Found(Sighting { progress: Progress::Ended { conclusion }, .. })) => {
                !wait.passes(&conclusion) || self.was_told(UNWELL)
            }
            Ok(Search::Absent { .. }) => self.was_told(UNSEEN),
            // Nobody will ever see how it ended.
            Err(DispatchError::Refused { .. }) => self.was_told(GONE),
            _ => false,
        }
    }

    /// Whether the last failure that people were told of is of this kind.
    fn was_told(&self, kind: &str) -> bool {
        self.parcel.known.failure.as_ref().is_some_and(|failure| failure.starts_with(kind))
    }

    async fn send(&mut self, dispatcher: &dyn Dispatcher) -> Result<There, Settled> {
        if self.means.pace.stop().is_asked() {
            return Err(Settled::Skipped { why: STOPPED.to_owned() });
        }
        let dispatch = self.dispatch()?;
        match self.steps().intend(&self.parcel.known).await {
            Ok(_) => {}
            Err(NotRecorded::Superseded) => return Err(superseded()),
            Err(NotRecorded::Store(error)) => return Err(failed(format!("nothing was sent: {error}"), true)),
        }
        match dispatcher.deliver(&dispatch).await {
            Ok(Outcome::Delivered { place, run }) => Ok(There { place, run, found: false }),
            Ok(Outcome::Unknown { why }) => Err(self.record_failure(why, false).await),
            Err(error) => {
                // What an earlier send came to stays in doubt, be it of the same or of something else: the intent stays.
                Err(self.record_failure(error.to_string(), self.parcel.known.intent.is_none()).await)
            }
        }
    }

    /// What is told; a payload that cannot be filled in is a failure before anything is sent.
    pub(super) fn dispatch(&self) -> Result<Dispatch, Settled> {
        let Parcel { news, delta, complete, correlation, .. } = &self.parcel;
        let Delivery { name, settings, .. } = self.delivery;
        let envelope = payload::envelope(&settings.receiver, &settings.payload, news, delta, *complete, correlation);
        let envelope =
            envelope.map_err(|error| failed(format!("nothing was sent: {error}; correct stockroom.yml"), true))?;
        Ok(Dispatch { downstream: name.clone(), envelope: envelope.payload(), correlation: correlation.clone() })
    }

    /// It has passed: recorded now, or when its whole group has.
    async fn passed(self, place: String, found: bool, note: String) -> End {
        if self.delivery.group.is_some() {
            let held = Some(Box::new(Held { correlation: self.parcel.correlation.clone() }));
            return End { settled: Settled::Done { place, found, note }, course: self.course, held };
        }
        let settled = self.record_delivered(place, found, note).await;
        End { settled, course: self.course, held: None }
    }

    /// Records that it has been delivered.
    pub(super) async fn record_delivered(&self, place: String, found: bool, note: String) -> Settled {
        let Slice { digest, assets } = self.parcel.slice.clone();
        let delivered = Delivered { commit: self.parcel.commit.clone(), digest, assets, at: (self.means.clock)() };
        match self.steps().delivered(delivered).await {
            Ok(()) => Settled::Done { place, found, note },
            Err(error) => not_recorded(error, &place),
        }
    }

    async fn record_failure(&self, why: String, certain: bool) -> Settled {
        // What is taken back stays to be done, whatever becomes of a try.
        let certain = certain && !self.parcel.news.rollback;
        match self.steps().failed(&why, certain).await {
            Ok(()) => failed(why, certain),
            Err(NotRecorded::Superseded) => superseded(),
            Err(NotRecorded::Store(error)) => failed(format!("{why}; nor could that be recorded: {error}"), certain),
        }
    }
}

fn not_recorded(why: NotRecorded, place: &str) -> Settled {
    match why {
        NotRecorded::Superseded => superseded(),
        NotRecorded::Store(error) => failed(
            format!("it was told ({place}), but that could not be recorded: {error}. The next run finds out"),
            false,
        ),
    }
}

pub(super) fn failed(why: String, certain: bool) -> Settled {
    Settled::Failed { why, certain, verdict: false }
}

/// It was told, and it is the downstream itself that did not pass.
fn verdict(settled: Settled) -> Settled {
    match settled {
        Settled::Failed { why, .. } => Settled::Failed { why, certain: false, verdict: true },
        other => other,
    }
}

pub(super) fn superseded() -> Settled {
    Settled::Superseded { why: SUPERSEDED.to_owned() }
}
