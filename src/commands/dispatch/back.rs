//! The end of a group in which one failure takes back what the others were told.
//!
//! Until the whole group has passed, the state keeps what each had before, and the new delivery as an intent. So a rollback
//! knows what to go back to, and one that is cut short is finished by the next run: the one that failed remembers first what
//! it was that failed.

use super::one::{End, Held, One, Parcel, failed};
use super::schedule::Group;
use super::{Means, Settled};
use crate::commands::record::{NotRecorded, Steps};
use crate::downstream::{Announcement, Delivery, Delta, OnFailure, Slice};
use crate::ids::CorrelationId;
use crate::report::course::Course;
use crate::state::{Intent, TargetState};

/// Records what has passed, or takes it back where one has failed for which that is wanted.
pub(super) async fn finish(group: Group, deliveries: &[Delivery], means: &Means<'_>) -> Vec<(usize, Box<End>)> {
    let members = group.ends.into_iter().filter_map(|(index, end)| Some((index, deliveries.get(index)?, end)));
    let members: Vec<(usize, &Delivery, End)> = members.collect();
    let culprit = members.iter().find_map(|(_, one, end)| match &end.settled {
        Settled::Failed { why, verdict: true, .. } if one.settings.on_failure == OnFailure::Rollback => {
            Some((*one, why.clone()))
        }
        _ => None,
    });
    let mut ends = Vec::new();
    let Some((culprit, why)) = culprit else {
        if let Some(open) = members.iter().find(|(_, one, end)| is_open(one, end, means)) {
            // It may still pass, or take the others back: they stay as they are, and the next run goes on.
            let name = &open.1.name;
            let why = format!("it was told, and counts when {name} has passed too; the next run goes on");
            return members.into_iter().map(|(index, _, end)| (index, Box::new(left_open(end, &why)))).collect();
        }
        for (index, one, end) in members {
            ends.push((index, Box::new(record(one, end, means).await)));
        }
        return ends;
    };
    let said = format!("{} failed with this: {why}", culprit.name);
    let remembered = remember(culprit, &said, means).await;
    // The last that was told goes first.
    for (index, one, end) in members.into_iter().rev() {
        let is_unwell = end.course.health.as_ref().is_some_and(|health| !health.is_well);
        let (was_told, correlation) = match &end.held {
            Some(held) => (true, held.correlation.clone()),
            None => (is_unwell, end.course.correlation.clone().unwrap_or_else(|| one.correlation.clone())),
        };
        let end = match &remembered {
            // Without that memory the next run would not know that it must go on with it.
            Err(trouble) if was_told => End { settled: failed(trouble.clone(), false), ..end },
            Ok(()) if was_told => take_back(one, end, correlation, &culprit.name.to_string(), means).await,
            _ => end,
        };
        ends.push((index, Box::new(end)));
    }
    if ends.iter().any(|(_, end)| end.course.rolled_back.is_some()) {
        // It may have been brought back itself, and what is delivered to it takes that memory away.
        let _ = remember(culprit, &said, means).await;
    }
    ends
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

/// Records at the one that failed what it was told, so that nobody of its group is told that again by itself.
async fn remember(culprit: &Delivery, why: &str, means: &Means<'_>) -> Result<(), String> {
    let steps = Steps {
        store: means.store,
        clock: means.clock,
        target: &culprit.target,
        correlation: culprit.correlation.clone(),
        digest: &culprit.slice.digest,
        known: &culprit.known,
    };
    let why = why.chars().take(1_000).collect::<String>();
    // Nobody else is at work: this run has the lock, and has just recorded the failure.
    steps.withhold(&culprit.slice.digest, &why, |_| true).await.map_err(|error| match error {
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
    let (done, course) = One::of(one, parcel, means).bring_back().await;
    told_back(one, done, Course { health: end.course.health.clone(), ..course }, culprit, end)
}

/// Finishes what an earlier run began to take back.
pub(super) async fn restore(one: &Delivery, means: &Means<'_>) -> End {
    let Some(parcel) = parcel(one, one.known.clone(), means) else {
        return End::without_effect(Settled::Skipped { why: "there is nothing that it had before".to_owned() });
    };
    let (done, course) = One::of(one, parcel, means).bring_back().await;
    told_back(one, done, course, "another one", End::without_effect(Settled::Unchanged))
}

fn told_back(one: &Delivery, done: Result<(), Settled>, course: Course, culprit: &str, end: End) -> End {
    let course = Course { rolled_back: done.is_ok().then(|| culprit.to_owned()), ..course };
    let settled = match (done, end.settled) {
        // Its own failure is what people should read.
        (Ok(()), Settled::Failed { why, certain, verdict }) => {
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
        complete: true,
        news: Announcement { rollback: true, ..(means.before)(before.commit.as_ref()) },
        commit: before.commit,
        correlation,
        slice,
        known,
    })
}
