//! Waits until the run that a delivery began has ended.

use std::time::Duration;

use super::one::One;
use crate::adapters::dispatcher::{Dispatch, DispatchError, Dispatcher, Progress, RunRef, Search, Sighting};
use crate::downstream::Wait;
use crate::state::{Arrival, Timestamp};

/// How long a run may take to be seen; after that it is not waited for.
const TO_APPEAR: Duration = Duration::from_secs(90);
/// The pauses between looks at a run; the last one stays.
const PAUSES: [u64; 7] = [2, 2, 3, 4, 5, 8, 10];

/// What begins a failure that the state keeps of a run that did not pass. The next run knows by it that people were told.
pub(super) const ENDED: &str = "its run ended with";
/// The same of a run that is not to be found where it was.
pub(super) const GONE: &str = "its run cannot be seen any more";

/// The same of a run that was never seen, and for which others wait.
pub(super) const UNSEEN: &str = "it was told, and that its run passes cannot be seen";

/// How a failure ends after which the run may still pass.
pub(super) const LOOKS_AGAIN: &str = "; the next run looks again";

/// How waiting for a run ended.
pub(super) enum Followed {
    /// It has passed, or there is nothing to wait for.
    Passed,
    /// It cannot be waited for, for this reason.
    Unseen(String),
    /// It did not pass.
    Failed(String),
    /// Its time is over, or this run's: it may still pass.
    Open(String),
    /// It could not be looked at in the end.
    Lost(String),
}

/// A run that is waited for.
struct Watch<'w> {
    dispatcher: &'w dyn Dispatcher,
    dispatch: Dispatch,
    /// What names it, once that is known.
    run: Option<RunRef>,
    /// From when on it is looked for.
    since: Timestamp,
    /// What the state says of where it is.
    shown: Option<String>,
}

impl Watch<'_> {
    async fn look(&self) -> Result<Search, DispatchError> {
        match &self.run {
            Some(run) => self.dispatcher.look(run).await.map(Search::Found),
            None => self.dispatcher.find(&self.dispatch, self.since).await,
        }
    }
}

impl One<'_, '_> {
    /// Waits until the run has ended.
    pub(super) async fn follow(&mut self, dispatcher: &dyn Dispatcher, run: Option<RunRef>, wait: &Wait) -> Followed {
        let Ok(dispatch) = self.dispatch() else { return Followed::Unseen("its id cannot be told".to_owned()) };
        let known = self.parcel.known.intent.as_ref().filter(|intent| intent.correlation == self.parcel.correlation);
        let since = known.map_or_else(|| (self.means.clock)(), |intent| intent.at);
        let mut watch = Watch { dispatcher, dispatch, run, since, shown: None };
        let (begun, limit) = (self.means.pace.now(), wait.timeout.duration());
        let mut pauses = PAUSES.into_iter();
        let mut pause = Duration::ZERO;
        loop {
            let seen = watch.look().await;
            let waited = self.means.pace.now().saturating_sub(begun);
            self.course.waited = Some(waited);
            let trouble = match seen {
                Ok(Search::Found(sighting)) => match self.found(&mut watch, sighting, wait).await {
                    Some(end) => return end,
                    None => None,
                },
                Ok(Search::Absent { others }) if waited >= TO_APPEAR.min(limit) => {
                    return Followed::Unseen(unseen(others));
                }
                Ok(Search::Absent { .. }) => None,
                Err(DispatchError::NotAllowed { why }) => return Followed::Unseen(why),
                Err(DispatchError::Refused { why }) => {
                    return Followed::Lost(format!("{GONE}: {why}; the next run looks again, and else tells it again"));
                }
                Err(DispatchError::Unavailable { why }) => Some(why),
            };
            if let Some(end) = self.out_of_time(waited, limit, trouble) {
                return end;
            }
            self.means.say(&format!("waiting for {}: {}, {} s", self.delivery.name, self.at(), waited.as_secs()));
            pause = pauses.next().map_or(pause, Duration::from_secs);
            self.means.pace.sleep(pause.min(limit.saturating_sub(waited))).await;
        }
    }

    /// What a look at the run says; none while it is at work.
    async fn found(&mut self, watch: &mut Watch<'_>, sighting: Sighting, wait: &Wait) -> Option<Followed> {
        let Sighting { place, run, progress } = sighting;
        watch.run = run.or(watch.run.take());
        self.course.run = Some(place.clone());
        match progress {
            Progress::Still => Some(Followed::Passed),
            Progress::Ended { conclusion } => {
                let is_passed = wait.passes(&conclusion);
                let failed = || Followed::Failed(format!("{ENDED} `{conclusion}`: {place}"));
                let end = if is_passed { Followed::Passed } else { failed() };
                self.course.conclusion = Some(conclusion);
                Some(end)
            }
            Progress::Queued | Progress::Running => {
                let run = watch.run.as_ref().map(ToString::to_string).unwrap_or_default();
                let arrival = Arrival { run, place }.to_text();
                if watch.shown.as_ref() != Some(&arrival) {
                    // Whoever asks for the status sees what is waited for; nothing else depends on it.
                    let _ = self.steps().arrived(&arrival).await;
                    watch.shown = Some(arrival);
                }
                None
            }
        }
    }

    /// Whether it is not waited for any longer; `trouble` is why it could not be looked at just now.
    fn out_of_time(&self, waited: Duration, limit: Duration, trouble: Option<String>) -> Option<Followed> {
        let at = self.at();
        if self.means.pace.stop().is_asked() {
            return Some(Followed::Open(format!("stopped while {at} was waited for; the next run goes on waiting")));
        }
        let within = crate::report::moments::length(limit);
        (waited >= limit).then(|| match trouble {
            None => Followed::Open(format!("{at} has not ended within {within}{LOOKS_AGAIN}")),
            Some(why) => Followed::Lost(format!("{at} could not be seen to end within {within}: {why}")),
        })
    }

    /// Where its run is, as far as that is known.
    fn at(&self) -> &str {
        self.course.run.as_deref().unwrap_or("its run")
    }
}

fn unseen(others: usize) -> String {
    match others {
        0 => "no run of it has appeared. Does a workflow there listen to it? `stockroom doctor` looks".to_owned(),
        _ => "no run shows the correlation id: put it into `run-name` of the workflow there".to_owned(),
    }
}
