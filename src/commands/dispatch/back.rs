//! The end of a group in which one failure takes back what the others were told.
//!
//! Until the whole group has passed, the state keeps what each had before, and the new delivery as an intent. So a rollback
//! knows what to go back to, and one that is cut short is finished by the next run: the one that failed remembers first what
//! it was that failed.

use super::follow::LOOKS_AGAIN;
use super::one::{End, Held, One, Parcel, failed};
use super::schedule::Ended;
use super::{Means, Settled};
use crate::commands::record::{NotRecorded, Steps};
use crate::downstream::{Announcement, Delivery, Delta, OnFailure, Slice};
use crate::ids::CorrelationId;
use crate::report::course::Course;
use crate::state::{Intent, TargetState};

/// Records what has passed, or takes it back where one has failed for which that is wanted.
pub(super) async fn finish(ended: Ended, deliveries: &[Delivery], means: &Means<'_>) -> Vec<(usize, Box<End>)> {
    let members = ended.into_iter().filter_map(|(index, end)| Some((index, deliveries.get(index)?, end)));
    let members: Vec<Member<'_>> = members.collect();
    if members.iter().any(|(_, one, end)| takes_back(one, end)) {
        return take_all_back(members, means).await;
    }
    let mut ends = Vec::new();
    if let Some(open) = members.iter().find(|(_, one, end)| is_open(one, end, means)) {
        // It may still pass, or take the others back: they stay as they are, and the next run goes on.
        let why = format!("it was told, and counts when {} has passed too; the next run goes on", open.1.name);
        return members.into_iter().map(|(index, _, end)| (index, Box::new(left_open(end, &why)))).collect();
    }
    for (index, one, end) in members {
        ends.push((index, Box::new(record(one, end, means).await)));
    }
    ends
}

/// A member of a group: its index, its delivery, and what became of that.
type Member<'a> = (usize, &'a Delivery, End);

/// Whether its failure takes back what the others were told.
fn takes_back(one: &Delivery, end: &End) -> bool {
    one.settings.on_failure == OnFailure::Rollback && matches!(end.settled, Settled::Failed { verdict: true, .. })
}

async fn take_all_back(members: Vec<Member<'_>>, means: &Means<'_>) -> Vec<(usize, Box<End>)> {
    let mut trouble = None;
    let mut culprit = String::new();
    for (_, one, end) in members.iter().filter(|(_, one, end)| takes_back(one, end)) {
        let Settled::Failed { why, .. } = &end.settled else { continue };
        if culprit.is_empty() {
            culprit = one.name.to_string();
        }
        let remembered = remember(one, &format!("{} failed with this: {why}", one.name), means).await;
        trouble = trouble.or(remembered.err());
    }
    let mut ends = Vec::new();
    // The last that was told goes first.
    for (index, one, end) in members.into_iter().rev() {
        let was_told = end.held.is_some() || matches!(end.settled, Settled::Failed { verdict: true, .. });
        let told = end.held.as_ref().map(|held| held.correlation.clone()).or(end.course.correlation.clone());
        let end = match (&trouble, told) {
            // Without that memory the next run would not know that it must go on with it.
            (Some(trouble), Some(_)) if was_told => End { settled: failed(trouble.clone(), false), held: None, ..end },
            (None, Some(told)) if was_told && has_ended_badly(one, &end) => forget(one, end, told, means).await,
            (None, Some(told)) if was_told => take_back(one, end, told, &culprit, means).await,
            _ => end,
        };
        ends.push((index, Box::new(end)));
    }
    ends
}

/// Whether its own run has failed, and that takes back what others were told: it is left as that run has left it.
fn has_ended_badly(one: &Delivery, end: &End) -> bool {
    // Something else that was under way before may have arrived there; what was, is the same that has failed now.
    let under_way = one.known.intent.as_ref().map(|intent| &intent.correlation);
    let is_alone = under_way.is_none() || (one.complete && under_way == end.course.correlation.as_ref());
    takes_back(one, end) && is_alone && end.course.conclusion.is_some() && end.course.health.is_none()
}

/// What has failed and is withheld is not under way any more.
async fn forget(one: &Delivery, end: End, told: CorrelationId, means: &Means<'_>) -> End {
    let Settled::Failed { why, .. } = &end.settled else { return end };
    let steps = Steps { correlation: told, ..steps(one, means) };
    // If this is not recorded, the next run brings it back as well.
    let _ = steps.failed(why, true).await;
    end
}

/// Whether it is not known yet whether this one passes.
fn is_open(one: &Delivery, end: &End, means: &Means<'_>) -> bool {
    one.settings.on_failure == OnFailure::Rollback
        && match end.settled {
            Settled::Failed { verdict, .. } => !verdict,
            Settled::Skipped { .. } => means.pace.stop().is_asked(),
            _ => false,
        }
}

fn left_open(end: End, why: &str) -> End {
    match end.held {
        Some(_) => End { settled: Settled::Skipped { why: why.to_owned() }, held: None, ..end },
        None => end,
    }
}

/// Records one that has passed.
async fn record(one: &Delivery, end: End, means: &Means<'_>) -> End {
    let (Some(held), Settled::Done { place, found, note }) = (&end.held, end.settled.clone()) else { return end };
    let mut run = One::planned(one, means);
    run.parcel.correlation = held.correlation.clone();
    let settled = run.record_delivered(place, found, note).await;
    End { settled, held: None, ..end }
}

fn steps<'a>(one: &'a Delivery, means: &'a Means<'_>) -> Steps<'a> {
    Steps {
        store: means.store,
        clock: means.clock,
        target: &one.target,
        correlation: one.correlation.clone(),
        digest: &one.slice.digest,
        known: &one.known,
    }
}

/// Records at the one that failed what its group was told, so that nobody of it is told that again by itself.
async fn remember(culprit: &Delivery, why: &str, means: &Means<'_>) -> Result<(), String> {
    let Some(group) = &culprit.group else { return Ok(()) };
    let why = why.chars().take(1_000).collect::<String>();
    // Nobody else is at work: this run has the lock, and has just recorded the failure.
    steps(culprit, means).withhold(&group.digest, &why, |_| true).await.map_err(|error| match error {
        NotRecorded::Superseded => "another run has dealt with it in the meantime".to_owned(),
        NotRecorded::Store(error) => format!("nothing was taken back, as that could not be recorded: {error}"),
    })
}

/// Tells one that was told the news what it had before.
async fn take_back(one: &Delivery, end: End, told: CorrelationId, culprit: &str, means: &Means<'_>) -> End {
    let known = match means.store.load().await {
        Ok(state) => state.target(&one.target),
        Err(error) => return End { settled: failed(format!("it could not be brought back: {error}"), false), ..end },
    };
    if known.intent.as_ref().is_none_or(|intent| intent.correlation != told) {
        return End { settled: super::one::superseded(), ..end };
    }
    let was_well = end.held.is_some();
    let Some(parcel) = parcel(one, known, means) else {
        let note = format!("{culprit} failed, and there is nothing that it had before: it keeps what it was told");
        let held = End { held: Some(Box::new(Held { correlation: told })), ..end };
        return match held.settled {
            Settled::Done { place, found, .. } if was_well => {
                record(one, End { settled: Settled::Done { place, found, note }, ..held }, means).await
            }
            _ => End { held: None, ..held },
        };
    };
    let (done, course) = bring_back(one, parcel, means).await;
    told_back(one, done, Course { health: end.course.health.clone(), ..course }, culprit, end)
}

/// Finishes what an earlier run began to take back.
pub(super) async fn restore(one: &Delivery, means: &Means<'_>) -> End {
    let Some(parcel) = parcel(one, one.known.clone(), means) else {
        return End::without_effect(Settled::Skipped { why: "there is nothing that it had before".to_owned() });
    };
    let (done, course) = bring_back(one, parcel, means).await;
    told_back(one, done, course, "another one", End::without_effect(Settled::Unchanged))
}

/// Tells it what it had before. That takes away what it remembers to have failed with, which is written down again.
async fn bring_back(one: &Delivery, parcel: Parcel, means: &Means<'_>) -> (Result<(), Settled>, Course) {
    let withheld = parcel.known.withheld.clone();
    let (done, course) = One::of(one, parcel, means).bring_back().await;
    if let (Ok(()), Some(withheld)) = (&done, withheld) {
        // If this fails, what has failed is tried once more.
        let _ = steps(one, means).withhold(&withheld.digest, &withheld.why, |_| true).await;
    }
    (done, course)
}

fn told_back(one: &Delivery, done: Result<(), Settled>, course: Course, culprit: &str, end: End) -> End {
    let course = Course { rolled_back: done.is_ok().then(|| culprit.to_owned()), ..course };
    let settled = match (done, end.settled) {
        // Its own failure is what people should read.
        (Ok(()), Settled::Failed { why, certain, verdict }) => {
            let why = why.strip_suffix(LOOKS_AGAIN).unwrap_or(&why);
            Settled::Failed { why: format!("{why}; it has what it had before again"), certain, verdict }
        }
        (Ok(()), _) => {
            Settled::Restored { why: format!("{culprit} failed, so {} has what it had before again", one.name) }
        }
        (Err(Settled::Failed { why, .. }), _) => {
            failed(format!("{culprit} failed, and it could not be brought back to what it had before: {why}"), false)
        }
        (Err(other), _) => other,
    };
    End { settled, course, held: None }
}

/// What it had before, ready to be told; none where it had nothing, or nothing that is known.
fn parcel(one: &Delivery, known: TargetState, means: &Means<'_>) -> Option<Parcel> {
    let before = known.delivered.clone()?;
    let slice = Slice::new(&one.settings.receiver.identity(), before.assets.clone());
    if slice.digest != before.digest {
        return None;
    }
    let under_way = known.intent.as_ref();
    // Begun already by a run that was cut short: the same again.
    let begun = under_way.filter(|intent| intent.digest == before.digest);
    let correlation = match (begun, under_way) {
        (Some(Intent { correlation, .. }), _) => correlation.clone(),
        (None, Some(intent)) => CorrelationId::of(&one.target, &slice.digest, &format!("back\0{}", intent.correlation)),
        (None, None) => return None,
    };
    Some(Parcel {
        delta: Delta::between(&one.slice.assets, &slice.assets),
        in_doubt: begun.is_some(),
        // What came before that may have arrived as well, or this one may have been begun by a run before.
        complete: one.complete,
        news: Announcement { rollback: true, ..(means.before)(before.commit.as_ref()) },
        commit: before.commit,
        correlation,
        slice,
        known,
    })
}
