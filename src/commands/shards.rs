//! The work on the index, shared among runs that go on side by side: each embeds its share and takes nothing away.
//!
//! They have one intent for each part of the index, which the first of them records: so what any of them writes is recorded as
//! long as no other run has begun, and whoever runs without a share afterwards finds it all, takes away what is gone, and
//! records the end. A share that was killed leaves nothing that would not be found by that run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use serde::Serialize;

use super::gather::Library;
use super::lock::{self, Claimant};
use super::outside::Outside;
use super::plan::{Choice, Desired, Index, Scope};
use super::sync::index::Session;
use crate::adapters::state_store::StateError;
use crate::config::Config;
use crate::embedding::plan::digest;
use crate::embedding::{Plan, Shard, StoreKind, Wanted};
use crate::finding::words::count;
use crate::ids::{ChunkId, CorrelationId, Sha256Hex, TargetName};
use crate::plan::Indexing;
use crate::report::course::Requests;
use crate::report::state::Waiting;
use crate::report::targets::{EmbeddingNumbers, Outcome, Sync, TargetResult};
use crate::state::row::IndexMark;
use crate::state::{Change, Intent, Kind, Serial};

/// How often the shared intent is recorded anew because the state had moved on.
const ATTEMPTS: u32 = 10;
/// What the ids of shared intents begin with.
const SHARED: &str = "shards-";

/// The shares in which there is anything to do, as GitHub Actions takes them for the jobs of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// One for each.
    pub include: Vec<Entry>,
}

/// A share in which there is something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What `embed --shard` takes: `2/4`.
    pub shard: String,
    /// How many chunks it has to write.
    pub chunks: usize,
}

/// Whether the work can be shared at all. The error says what it takes.
pub fn can_share(config: &Config) -> anyhow::Result<()> {
    let path = &config.path;
    let Some(embed) = &config.settings.embed else {
        return Err(anyhow!("{path} has no `embed`, so there is no index to work on. Add `embed: {{}}`"));
    };
    let needs = match (embed.store.kind, config.settings.state.kind) {
        (StoreKind::Embedded, _) => {
            "the embedded store is a file of one clone: set `embed.store.kind` to a store that \
                                     every runner reaches, such as pgvector or qdrant"
        }
        (_, Kind::Sqlite) => {
            "the state is in a file of one clone: set `state.kind` to postgres, which every runner reaches"
        }
        (_, Kind::Postgres) => return Ok(()),
    };
    Err(anyhow!("the work on the index cannot be shared among runners as {path} stands: {needs}"))
}

/// Which of so many shares there is anything to do in.
pub fn matrix(desired: &Desired, of: u16) -> Matrix {
    let hashes: Vec<&Sha256Hex> = parts(desired)
        .flat_map(|(indexing, index)| {
            let hashes = hashes(&index.wanted);
            to_write(&indexing.plan).filter_map(|id| hashes.get(id).copied()).collect::<Vec<_>>()
        })
        .collect();
    let entry = |shard: Shard| Entry {
        shard: shard.to_string(),
        chunks: hashes.iter().filter(|hash| shard.holds(hash)).count(),
    };
    Matrix { include: Shard::all(of).map(entry).filter(|entry| entry.chunks > 0).collect() }
}

/// What there is to do in one share.
pub async fn plan(library: &Library, outside: &Outside, shard: Shard) -> anyhow::Result<Desired> {
    let scope =
        Scope { manifest: false, dispatch: false, embed: true, allow_mass_delete: false, choice: Choice::default() };
    let mut desired = super::plan::plan(library, outside, scope, false).await?;
    if let Some(refusal) = &desired.plan.refusal {
        return Err(anyhow!("nothing was done: {refusal}"));
    }
    for (indexing, index) in desired.plan.indexes.iter_mut().zip(&desired.indexes) {
        narrow(&mut indexing.plan, &index.wanted, shard);
    }
    Ok(desired)
}

fn parts(desired: &Desired) -> impl Iterator<Item = (&Indexing, &Index)> {
    desired.plan.indexes.iter().zip(&desired.indexes)
}

fn to_write(plan: &Plan) -> impl Iterator<Item = &ChunkId> {
    plan.embed.iter().chain(&plan.reuse)
}

fn hashes(wanted: &[Wanted]) -> BTreeMap<&ChunkId, &Sha256Hex> {
    wanted.iter().map(|wanted| (&wanted.id, &wanted.hash)).collect()
}

/// Leaves of a plan what is to be written in this share.
fn narrow(plan: &mut Plan, wanted: &[Wanted], shard: Shard) {
    let hashes = hashes(wanted);
    let is_ours = |id: &ChunkId| hashes.get(id).is_some_and(|hash| shard.holds(hash));
    plan.embed.retain(&is_ours);
    plan.reuse.retain(&is_ours);
    plan.delete.clear();
    plan.obsolete.clear();
    let embed: BTreeSet<&ChunkId> = plan.embed.iter().collect();
    let tokens = wanted.iter().filter(|wanted| embed.contains(&wanted.id)).map(|wanted| u64::from(wanted.tokens));
    let (before, now) = (plan.tokens, tokens.sum());
    plan.cost = plan.cost.map(|cost| if before == 0 { 0 } else { cost.saturating_mul(now).div_ceil(before) });
    plan.tokens = now;
}

/// Embeds what `desired` has left of the index's plans. Nothing is recorded as delivered: others have their shares still.
pub async fn embed(
    desired: Desired,
    library: &Library,
    outside: &Outside,
    claimant: &Claimant,
    told: &mut (dyn FnMut(&Waiting) + Send),
    progress: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<Sync> {
    let mut sync = Sync {
        plan: desired.plan.clone(),
        results: Vec::new(),
        courses: BTreeMap::new(),
        requests: Requests::default(),
        embedding: EmbeddingNumbers::default(),
        published: None,
        has_new_manifest: false,
        stopped: None,
    };
    let busy: Vec<(&Indexing, &Index)> = parts(&desired).filter(|(indexing, _)| indexing.plan.upserts() > 0).collect();
    let intents = join(&busy, &desired, library, outside, claimant, told).await?;
    for (indexing, index) in parts(&desired) {
        let result = |outcome, message| TargetResult { name: indexing.target.clone(), outcome, message };
        let Some(intent) = intents.get(&indexing.target) else {
            sync.results.push(result(Outcome::Unchanged, "nothing to do in this share".to_owned()));
            continue;
        };
        let session = Session::new(&desired, library, outside);
        let applied = session.embed(&indexing.plan, index, intent, progress).await;
        let (done, why) = match applied {
            Ok(done) => (done, None),
            Err(error) => (error.done(), Some(error.to_string())),
        };
        sync.embedding = sync.embedding.and(super::sync::index::numbers(&done));
        sync.results.push(match why {
            None => result(Outcome::Done, format!("{} embedded, {} known", count(done.embedded, "chunk"), done.reused)),
            Some(why) => result(Outcome::Failed, why),
        });
    }
    sync.results.extend(desired.plan.unread.iter().map(|unread| TargetResult {
        name: unread.target.clone(),
        outcome: Outcome::Failed,
        message: unread.why.clone(),
    }));
    sync.stopped = outside.stop().asked().map(|signal| signal.to_string());
    Ok(sync)
}

/// Finds the intents that the shares have in common, or records them: one at a time, under the state's lock.
async fn join(
    busy: &[(&Indexing, &Index)],
    desired: &Desired,
    library: &Library,
    outside: &Outside,
    claimant: &Claimant,
    told: &mut (dyn FnMut(&Waiting) + Send),
) -> anyhow::Result<BTreeMap<TargetName, CorrelationId>> {
    let mut intents = BTreeMap::new();
    if busy.is_empty() {
        return Ok(intents);
    }
    let most = lock::patience(&library.config.settings.downstreams);
    let held = lock::take(outside, claimant, most, told).await?;
    let mut joined = Ok(());
    for (indexing, index) in busy {
        match join_one(indexing, index, desired, library, outside).await {
            Ok(intent) => drop(intents.insert(indexing.target.clone(), intent)),
            Err(error) => joined = Err(error),
        }
    }
    held.give_back().await?;
    joined.map(|()| intents)
}

async fn join_one(
    indexing: &Indexing,
    index: &Index,
    desired: &Desired,
    library: &Library,
    outside: &Outside,
) -> anyhow::Result<CorrelationId> {
    let target = &indexing.target;
    let digest = digest(&indexing.plan.namespace, &index.wanted);
    let mark = outside.vectors.mark().await?;
    // Whether the rows in the state are those of this very index; another share may have seen to that meanwhile.
    let is_known = match &mark {
        Some(mark) => !desired.was_listed || outside.state.chunks(mark).await?.is_some(),
        None => false,
    };
    for _ in 0..ATTEMPTS {
        let state = outside.state.load().await?;
        // Of another commit too: what was written for it stays in its rows, for the run that ends this.
        let begun = state.target(target).intent;
        let begun = begun.and_then(|intent| Some((serial(&intent.correlation)?, intent.correlation)));
        if let (Some((serial, correlation)), Some(mark)) = (begun, &mark)
            && is_known
            && mark.serial >= serial
        {
            return Ok(correlation);
        }
        let next = Serial(state.serial.0 + 1);
        let correlation = CorrelationId::new(format!("{SHARED}{}-{}", digest.short(), next.0));
        let at = (outside.clock)();
        let intent = Intent { correlation: correlation.clone(), digest: digest.clone(), at, arrived: None };
        let change = Change::Intend { target: target.clone(), intent };
        match outside.state.record(state.serial, &change).await {
            Ok(serial) => {
                let mark = IndexMark { lineage: state.lineage, serial };
                let session = Session::new(desired, library, outside);
                session.begin(&correlation, &mark, !is_known).await?;
                return Ok(correlation);
            }
            Err(StateError::Moved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(anyhow!("the state is never left alone for long enough to begin; run again"))
}

/// The serial that the state had when a shared intent was recorded; none of another one.
fn serial(correlation: &CorrelationId) -> Option<Serial> {
    let (_, serial) = correlation.as_str().strip_prefix(SHARED)?.rsplit_once('-')?;
    serial.parse().ok().map(Serial)
}
