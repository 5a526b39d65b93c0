//! Applies a plan: publish, deliver, embed, and remember each as soon as it is done.

use std::collections::BTreeMap;

use super::dispatch::{self, Settled};
use super::embed;
use super::outside::Outside;
use super::plan::Desired;
use crate::adapters::state_store::StateError;
use crate::embedding::plan::digest as chunks_digest;
use crate::ids::{CorrelationId, Sha256Hex, TargetName};
use crate::manifest::plan::{Action as ManifestAction, Publication};
use crate::plan::embedding_target;
use crate::report::counting::count;
use crate::report::targets::{EmbeddingNumbers, Outcome, Sync, TargetResult};
use crate::state::{Change, Delivered, Intent};

/// Does what the plan says; a target that fails is reported and holds nobody up who does not need it.
///
/// `progress` hears a short line now and then.
pub async fn apply(desired: Desired, outside: &Outside, progress: &mut (dyn FnMut(&str) + Send)) -> Sync {
    let mut results = Vec::new();
    for publication in &desired.plan.publications {
        results.push(publish(publication, &desired, outside).await);
    }
    let is_published = results.iter().all(|result| matches!(result.outcome, Outcome::Done | Outcome::Unchanged));
    results.extend(deliver(&desired, outside, is_published).await);
    let mut numbers = EmbeddingNumbers::default();
    if desired.plan.embedding.is_some() {
        let (result, taken) = index(&desired, outside, progress).await;
        results.push(result);
        numbers = taken;
    }
    if desired.plan.superseded.is_some() {
        results.iter_mut().for_each(|result| result.outcome = Outcome::Superseded);
    }
    Sync { plan: desired.plan, results, embedding: numbers }
}

async fn publish(publication: &Publication, desired: &Desired, outside: &Outside) -> TargetResult {
    let name = publication.target.clone();
    let result = |outcome, message: String| TargetResult { name: name.clone(), outcome, message };
    if publication.action == ManifestAction::None {
        return result(Outcome::Unchanged, publication.why.clone());
    }
    let Some((_, target)) = outside.targets.iter().find(|(name, _)| *name == publication.target) else {
        return result(Outcome::Skipped, "this run was given no way to it".to_owned());
    };
    let digest = &publication.digest;
    if let Err(error) = intend(outside, &name, digest).await {
        return result(Outcome::Failed, error.to_string());
    }
    if let Err(error) = target.publish(&desired.manifest).await {
        let why = error.to_string();
        return match settle(outside, failed(outside, &name, why.clone())).await {
            Ok(()) => result(Outcome::Failed, why),
            Err(error) => result(Outcome::Failed, format!("{why}; and {error}")),
        };
    }
    match settle(outside, delivered(desired, outside, &name, digest)).await {
        Ok(()) => {
            let message = format!("{} published to {}", count(publication.assets, "asset"), publication.place);
            result(Outcome::Done, message)
        }
        Err(error) => result(Outcome::Failed, format!("published, but {error}")),
    }
}

async fn deliver(desired: &Desired, outside: &Outside, is_published: bool) -> Vec<TargetResult> {
    let skipped = |delivery: &crate::downstream::Delivery, message: &str| TargetResult {
        name: delivery.target.clone(),
        outcome: Outcome::Skipped,
        message: message.to_owned(),
    };
    let deliveries = &desired.plan.deliveries;
    if !is_published {
        let why = "the manifest that it would be told of is not published; the next run tells it";
        return deliveries.iter().map(|delivery| skipped(delivery, why)).collect();
    }
    // A downstream fetches what it is told of, and what is not committed it cannot fetch.
    let (held, open): (Vec<_>, Vec<_>) = deliveries.iter().cloned().partition(|delivery| {
        let is_busy = delivery.action != crate::downstream::Action::None;
        desired.plan.dirty && is_busy && delivery.channel == crate::downstream::Channel::GitHub
    });
    let mut results: Vec<TargetResult> = held
        .iter()
        .map(|delivery| {
            skipped(delivery, "there are uncommitted changes, which it could not fetch; commit and push first")
        })
        .collect();
    let clock = outside.clock.as_ref();
    let means = dispatch::Means {
        news: &desired.news,
        dispatchers: &outside.dispatchers,
        store: outside.state.as_ref(),
        pace: outside.pace.as_ref(),
        clock,
    };
    let receipts = dispatch::apply(&open, &means).await;
    results.extend(receipts.into_iter().map(|receipt| {
        let is_file = outside.channel(&receipt.name) == crate::downstream::Channel::Outbox;
        let (outcome, message) = match receipt.result {
            Settled::Done { place, .. } if is_file => {
                (Outcome::Done, format!("no token is set, so the event was written to {place} and not sent"))
            }
            Settled::Unchanged => (Outcome::Unchanged, "in step".to_owned()),
            Settled::Done { place, found: false } => (Outcome::Done, format!("delivered: {place}")),
            Settled::Done { place, found: true } => {
                (Outcome::Done, format!("an earlier run had delivered it: {place}"))
            }
            Settled::Skipped { why } => (Outcome::Skipped, why),
            Settled::Superseded { why } => (Outcome::Superseded, why),
            Settled::Failed { why, .. } => (Outcome::Failed, why),
        };
        TargetResult { name: receipt.target, outcome, message }
    }));
    results
}

async fn index(
    desired: &Desired,
    outside: &Outside,
    progress: &mut (dyn FnMut(&str) + Send),
) -> (TargetResult, EmbeddingNumbers) {
    let name = embedding_target();
    let nothing = EmbeddingNumbers::default();
    let result = |outcome, message: String| TargetResult { name: name.clone(), outcome, message };
    let Some(plan) = &desired.plan.embedding else {
        return (result(Outcome::Unchanged, "no index".to_owned()), nothing);
    };
    if plan.is_empty() && plan.refusal.is_none() {
        return (result(Outcome::Unchanged, "in step".to_owned()), nothing);
    }
    let digest = chunks_digest(&plan.namespace, &desired.chunks);
    if let Err(error) = intend(outside, &name, &digest).await {
        return (result(Outcome::Failed, error.to_string()), nothing);
    }
    let total = plan.upserts();
    let mut heard = |done: &embed::Outcome| progress(&format!("embedding {} of {total} chunks", done.upserted));
    let applied =
        embed::apply(plan, &desired.chunks, outside.model.as_ref(), outside.vectors.as_ref(), &mut heard).await;
    let (done, why) = match applied {
        Ok(done) => (done, None),
        Err(error) => (error.done(), Some(error.to_string())),
    };
    let numbers = EmbeddingNumbers {
        embedded: done.embedded,
        reused: done.reused,
        upserted: done.upserted,
        deleted: done.deleted,
        tokens: done.tokens,
    };
    let change = match &why {
        Some(why) => failed(outside, &name, why.clone()),
        None => delivered(desired, outside, &name, &digest),
    };
    let recorded = settle(outside, change).await;
    let result = match (why, recorded) {
        (Some(why), _) => result(Outcome::Failed, why),
        (None, Err(error)) => result(Outcome::Failed, format!("indexed, but {error}")),
        (None, Ok(())) => {
            let said =
                format!("{} embedded, {} known, {} deleted", count(done.embedded, "chunk"), done.reused, done.deleted);
            result(Outcome::Done, said)
        }
    };
    (result, numbers)
}

fn delivered(desired: &Desired, outside: &Outside, target: &TargetName, digest: &Sha256Hex) -> Change {
    let delivered = Delivered {
        commit: desired.plan.commit.clone(),
        digest: digest.clone(),
        assets: BTreeMap::new(),
        at: (outside.clock)(),
    };
    Change::Deliver { target: target.clone(), delivered }
}

fn failed(outside: &Outside, target: &TargetName, why: String) -> Change {
    Change::Fail { target: target.clone(), why, certain: false, at: (outside.clock)() }
}

/// Remembers that an effect is about to happen, before it does.
async fn intend(outside: &Outside, target: &TargetName, digest: &Sha256Hex) -> Result<(), StateError> {
    let state = outside.state.load().await?;
    let correlation = CorrelationId::of(target, digest, &state.lineage);
    let intent = Intent { correlation, digest: digest.clone(), at: (outside.clock)() };
    outside.state.record(state.serial, &Change::Intend { target: target.clone(), intent }).await.map(drop)
}

/// Remembers what became of it. Another run may have recorded something meanwhile; ours is about our target alone.
async fn settle(outside: &Outside, change: Change) -> Result<(), StateError> {
    loop {
        let state = outside.state.load().await?;
        match outside.state.record(state.serial, &change).await {
            Err(StateError::Moved { .. }) => {}
            other => return other.map(drop),
        }
    }
}
