//! Applies a plan: publish, deliver, embed, and remember each as soon as it is done.

pub(super) mod index;

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::dispatch::{self, Settled};
use super::earlier::{self, Editions};
use super::gather::Library;
use super::outside::Outside;
use super::places::Given;
use super::plan::Desired;
use super::record::{NotRecorded, STOPPED, SUPERSEDED, Steps};
use crate::adapters::http::Numbers;
use crate::adapters::state_store::StateError;
use crate::downstream::{self, Delivery};
use crate::finding::words::count;
use crate::ids::{CorrelationId, Sha256Hex, TargetName};
use crate::manifest::plan::{Action as ManifestAction, Publication};
use crate::plan::Plan;
use crate::report::course::{Course, Requests};
use crate::report::targets::{EmbeddingNumbers, Outcome, Sync, TargetResult};
use crate::state::{Change, Delivered, Run, RunEnd, RunResult, TargetState};

/// How often the beginning or the end of a run is recorded anew because the state had moved on.
const RUN_ATTEMPTS: u32 = 10;

/// Applies a plan as a run that stands in the history; second is why its end could not be recorded, if it could not.
///
/// A plan that leaves nothing to do makes no run.
pub async fn carry_out(
    desired: Desired,
    library: &Library,
    outside: &Outside,
    run: Run,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<(Sync, Result<(), StateError>), StateError> {
    if desired.is_settled() {
        return Ok((apply(desired, library, outside, progress).await, Ok(())));
    }
    let id = run.id.clone();
    record_run(outside, &Change::Begin { run }).await?;
    let sync = apply(desired, library, outside, progress).await;
    let result = match () {
        () if sync.stopped.is_some() && sync.is_partial() => RunResult::Interrupted,
        () if sync.is_partial() => RunResult::Partial,
        () if sync.results.iter().any(|result| result.outcome == Outcome::Superseded) => RunResult::Superseded,
        () => RunResult::Done,
    };
    let outcomes = sync.results.iter().filter(|result| result.outcome != Outcome::Unchanged);
    let detail = outcomes.map(|result| format!("{} {}", result.name, result.outcome.as_str())).collect::<Vec<_>>();
    let end = RunEnd { run: id, result, detail: detail.join(", "), at: (outside.clock)() };
    let ended = record_run(outside, &Change::End { end }).await;
    Ok((sync, ended))
}

/// Records the beginning or the end of a run. Only somebody who broke the lock can come in between, and not for long.
async fn record_run(outside: &Outside, change: &Change) -> Result<(), StateError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let serial = outside.state.load().await?.serial;
        match outside.state.record(serial, change).await {
            Err(StateError::Moved { .. }) if attempt < RUN_ATTEMPTS => {}
            recorded => return recorded.map(drop),
        }
    }
}

/// Does what the plan says; a target that fails is reported and holds nobody up who does not need it.
///
/// `progress` hears a short line now and then.
pub async fn apply(
    desired: Desired,
    library: &Library,
    outside: &Outside,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Sync {
    if desired.plan.superseded.is_some() {
        return superseded(desired.plan);
    }
    let mut results = Vec::new();
    for publication in &desired.plan.publications {
        results.push(publish(publication, &desired, outside).await);
    }
    let gate = Gate::of(&results, desired.is_published);
    let published = (gate == Gate::Open).then(|| desired.publishable.manifest.digest.clone());
    let has_new_manifest = results.iter().any(|result| is_new(result, &desired));
    let (told, courses) = deliver(&desired, outside, gate, progress).await;
    results.extend(told);
    let mut numbers = EmbeddingNumbers::default();
    let mut session = index::Session::new(&desired, library, outside);
    for (indexing, wanted) in desired.plan.indexes.iter().zip(&desired.indexes) {
        let (result, taken) = session.bring(indexing, wanted, progress).await;
        results.push(result);
        numbers = numbers.and(taken);
    }
    results.extend(desired.plan.unread.iter().map(|unread| TargetResult {
        name: unread.target.clone(),
        outcome: Outcome::Failed,
        message: unread.why.clone(),
    }));
    let stopped = outside.stop().asked().map(|signal| signal.to_string());
    Sync {
        plan: desired.plan,
        results,
        courses,
        requests: requests(outside),
        embedding: numbers,
        published,
        has_new_manifest,
        stopped,
    }
}

/// What the servers of the downstreams were asked.
fn requests(outside: &Outside) -> Requests {
    let Numbers { requests, writes, unchanged, retries, limited, waited_seconds, limit, remaining, .. } =
        outside.budgets.numbers();
    Requests { requests, writes, unchanged, retries, limited, waited_seconds, limit, remaining }
}

/// Whether a place got another manifest than the last one. A fresh checkout gets its folder again, which is no news.
fn is_new(publication: &TargetResult, desired: &Desired) -> bool {
    let last = desired.planned.target(&publication.name).delivered;
    publication.outcome == Outcome::Done && last.is_none_or(|last| last.digest != desired.publishable.manifest.digest)
}

/// A newer commit was served already: nothing is done, and nothing is recorded either.
fn superseded(plan: Plan) -> Sync {
    let publications = plan.publications.iter().map(|publication| (&publication.target, &publication.why));
    let deliveries = plan.deliveries.iter().map(|delivery| (&delivery.target, &delivery.why));
    let result = |(name, why): (&TargetName, &String)| TargetResult {
        name: name.clone(),
        outcome: Outcome::Superseded,
        message: why.clone(),
    };
    let results = publications.chain(deliveries).map(result).collect();
    Sync {
        plan,
        results,
        courses: BTreeMap::new(),
        requests: Requests::default(),
        embedding: EmbeddingNumbers::default(),
        published: None,
        has_new_manifest: false,
        stopped: None,
    }
}

async fn publish(publication: &Publication, desired: &Desired, outside: &Outside) -> TargetResult {
    let name = &publication.target;
    let result = |outcome, message: String| TargetResult { name: name.clone(), outcome, message };
    if publication.action == ManifestAction::None {
        settle_in_step(desired, outside, name, delivered(desired, outside, &publication.digest)).await;
        return result(Outcome::Unchanged, publication.why.clone());
    }
    if outside.stop().is_asked() {
        return result(Outcome::Skipped, STOPPED.to_owned());
    }
    let mut places = outside.targets.iter().zip(&desired.found);
    let Some(((_, target), found)) = places.find(|((name, _), _)| *name == publication.target) else {
        return result(Outcome::Skipped, "this run was given no way to it".to_owned());
    };
    // What others read must be in some commit, by which they can find the files of it.
    if desired.plan.dirty && !target.is_own() {
        let why = "there are uncommitted changes, which nobody else could find; commit them first";
        return result(Outcome::Skipped, why.to_owned());
    }
    let done = || format!("{} published to {}", count(publication.assets, "asset"), publication.place);
    if desired.restored.contains(name) {
        return match desired.publishable.publish_or_yield(target.as_ref(), found).await {
            Ok(_) => result(Outcome::Done, done()),
            Err(error) => result(Outcome::Failed, error.to_string()),
        };
    }
    let known = desired.planned.target(name);
    let steps = steps(desired, outside, name, &publication.digest, &known);
    if let Err(error) = steps.intend(&known).await {
        return not_recorded(name, error, |error| error.to_string());
    }
    let given = desired.publishable.publish_or_yield(target.as_ref(), found).await;
    let (outcome, why, certain) = match given {
        // Nothing was tried at a place that could not be read.
        Err(error) if found.trouble.is_some() => (Outcome::Failed, error.to_string(), true),
        Ok(Given::Done) => (Outcome::Done, String::new(), true),
        Ok(Given::Superseded) => (Outcome::Superseded, SUPERSEDED.to_owned(), true),
        Err(error) => (Outcome::Failed, error.to_string(), error.is_certain()),
    };
    if outcome != Outcome::Done {
        return match steps.failed(&why, certain && known.intent.is_none()).await {
            Ok(()) => result(outcome, why),
            Err(error) => not_recorded(name, error, |error| format!("{why}; and {error}")),
        };
    }
    match steps.delivered(delivered(desired, outside, &publication.digest)).await {
        Ok(()) => result(Outcome::Done, done()),
        Err(error) => not_recorded(name, error, |error| format!("published, but {error}")),
    }
}

/// Whether downstreams may be told of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Every place has it.
    Open,
    /// Another run has published meanwhile, and it is that run which tells of it.
    Superseded,
    /// Some place does not have it.
    Closed,
}

impl Gate {
    /// Places that were left out of the run count as they were when it was planned.
    fn of(publications: &[TargetResult], is_published: bool) -> Self {
        let any = |wanted: &[Outcome]| publications.iter().any(|result| wanted.contains(&result.outcome));
        if any(&[Outcome::Failed, Outcome::Skipped]) || (publications.is_empty() && !is_published) {
            return Self::Closed;
        }
        if any(&[Outcome::Superseded]) { Self::Superseded } else { Self::Open }
    }
}

/// What became of the deliveries, and what they led to.
type Told = (Vec<TargetResult>, BTreeMap<TargetName, Course>);

async fn deliver(desired: &Desired, outside: &Outside, gate: Gate, progress: &mut (dyn FnMut(&str) + Send)) -> Told {
    let left_out = |outcome, delivery: &Delivery, message: &str| TargetResult {
        name: delivery.target.clone(),
        outcome,
        message: message.to_owned(),
    };
    let deliveries = &desired.plan.deliveries;
    let shut = match gate {
        _ if outside.stop().is_asked() => Some((Outcome::Skipped, STOPPED)),
        Gate::Open => None,
        Gate::Superseded => Some((Outcome::Superseded, "another run has published the manifest in the meantime")),
        Gate::Closed => Some((
            Outcome::Skipped,
            "the manifest that it would be told of is not published; the run that publishes it tells it",
        )),
    };
    if let Some((outcome, why)) = shut {
        let in_step = |delivery: &Delivery| delivery.action == downstream::Action::None;
        let result = |delivery: &Delivery| match in_step(delivery) {
            true => left_out(Outcome::Unchanged, delivery, "in step"),
            false => left_out(outcome, delivery, why),
        };
        return (deliveries.iter().map(result).collect(), BTreeMap::new());
    }
    // A downstream fetches what it is told of, and what is not committed it cannot fetch.
    let (held, open): (Vec<_>, Vec<_>) = deliveries.iter().cloned().partition(|delivery| {
        let is_busy = !matches!(delivery.action, downstream::Action::None | downstream::Action::Withheld);
        desired.plan.dirty && is_busy && delivery.channel == downstream::Channel::Remote
    });
    let mut results: Vec<TargetResult> = held
        .iter()
        .map(|delivery| {
            let why = "there are uncommitted changes, which it could not fetch; commit and push first";
            left_out(Outcome::Skipped, delivery, why)
        })
        .collect();
    let clock = outside.clock.as_ref();
    let wanted = earlier::wanted(&open);
    let editions = Editions::read(&outside.targets, &desired.found, &wanted, desired.publishable.now.0).await;
    let means = dispatch::Means {
        news: &desired.news,
        commit: desired.plan.commit.as_ref().filter(|_| !desired.plan.dirty),
        dispatchers: &outside.dispatchers,
        store: outside.state.as_ref(),
        pace: outside.pace.as_ref(),
        before: &|commit| editions.announcement(commit, &desired.news),
        probe: outside.probe.as_deref(),
        voice: &Mutex::new(progress),
        clock,
    };
    let mut courses = BTreeMap::new();
    for receipt in dispatch::apply(&open, &means).await {
        let is_file = outside.channel(&receipt.name) == downstream::Channel::Outbox;
        let (outcome, message) = in_words(receipt.result, is_file);
        if receipt.course != Course::default() {
            courses.insert(receipt.target.clone(), receipt.course);
        }
        results.push(TargetResult { name: receipt.target, outcome, message });
    }
    (results, courses)
}

fn in_words(settled: Settled, is_file: bool) -> (Outcome, String) {
    match settled {
        Settled::Done { place, .. } if is_file => {
            (Outcome::Done, format!("no token is set, so the event was written to {place} and not sent"))
        }
        Settled::Unchanged => (Outcome::Unchanged, "in step".to_owned()),
        Settled::Done { place, found, note } => {
            let said = if found { "an earlier run had delivered it" } else { "delivered" };
            let note = if note.is_empty() { note } else { format!(", {note}") };
            (Outcome::Done, format!("{said}{note}: {place}"))
        }
        Settled::Restored { why } => (Outcome::Restored, why),
        Settled::Skipped { why } => (Outcome::Skipped, why),
        Settled::Superseded { why } => (Outcome::Superseded, why),
        Settled::Failed { why, .. } => (Outcome::Failed, why),
    }
}

/// A target that was seen to hold what it should has no failure any more, what an earlier run had begun is done, and a state
/// that did not know of it knows now.
async fn settle_in_step(desired: &Desired, outside: &Outside, target: &TargetName, delivered: Delivered) {
    let known = desired.planned.target(target);
    let is_known = known.delivered.as_ref().is_some_and(|last| last.assets == delivered.assets);
    if known.intent.is_none() && known.failure.is_none() && is_known {
        return;
    }
    let digest = delivered.digest.clone();
    let change = Change::Deliver { target: target.clone(), delivered };
    // Only the status would stay out of date; the next run tries again.
    let _ = steps(desired, outside, target, &digest, &known).record(&change, |state| *state == known).await;
}

fn delivered(desired: &Desired, outside: &Outside, digest: &Sha256Hex) -> Delivered {
    Delivered {
        // What is not committed is in no commit.
        commit: desired.plan.commit.clone().filter(|_| !desired.plan.dirty),
        digest: digest.clone(),
        assets: BTreeMap::new(),
        at: (outside.clock)(),
    }
}

/// The steps of bringing a target to `digest`. Their id holds the state that they were planned from, so no two runs share it.
fn steps<'a>(
    desired: &Desired,
    outside: &'a Outside,
    target: &'a TargetName,
    digest: &'a Sha256Hex,
    known: &'a TargetState,
) -> Steps<'a> {
    let salt = format!("{}\0{}", desired.planned.lineage, desired.planned.serial.0);
    let correlation = CorrelationId::of(target, digest, &salt);
    Steps { store: outside.state.as_ref(), clock: outside.clock.as_ref(), target, correlation, digest, known }
}

/// What is said of a target whose step was not recorded.
fn not_recorded(target: &TargetName, why: NotRecorded, say: impl Fn(StateError) -> String) -> TargetResult {
    let (outcome, message) = match why {
        NotRecorded::Superseded => (Outcome::Superseded, SUPERSEDED.to_owned()),
        NotRecorded::Store(error) => (Outcome::Failed, say(error)),
    };
    TargetResult { name: target.clone(), outcome, message }
}
