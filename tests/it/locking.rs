//! The lock of the state: who has it applies their plan, and the others wait, plan anew, or find it abandoned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stockroom::adapters::http::{Pace, SteppedPace};
use stockroom::adapters::model::deterministic::Deterministic;
use stockroom::adapters::publication::FolderTarget;
use stockroom::adapters::state_store::{MemoryState, Redacted, StateLock as _, StateStore as _};
use stockroom::adapters::stop::Stop;
use stockroom::adapters::vector_store::Memory;
use stockroom::commands::gather::{Library as Gathered, Wanted, gather};
use stockroom::commands::lock::{Claimant, Held, plan_locked};
use stockroom::commands::open::{Moment, Place, open};
use stockroom::commands::outside::Outside;
use stockroom::commands::plan::{Desired, Scope, plan};
use stockroom::commands::sync::carry_out;
use stockroom::ids::{LockToken, RunId, TargetName};
use stockroom::report::state::Waiting;
use stockroom::report::targets::Outcome;
use stockroom::state::{Claim, Run, RunResult, Timestamp};

use crate::program::Library;

const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
";

/// What another run does while this one waits.
#[derive(Clone, Copy)]
enum Meanwhile {
    /// It works on, and renews its lock.
    Renews,
    /// It is dead.
    Nothing,
    /// It publishes what is to be published, and gives the lock back.
    Publishes,
}

/// A clock by which another run lives.
struct Shared {
    time: SteppedPace,
    state: MemoryState,
    meanwhile: Meanwhile,
    root: std::path::PathBuf,
}

#[async_trait]
impl Pace for Shared {
    fn now(&self) -> Duration {
        self.time.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.time.sleep(duration).await;
        let at = Timestamp(i64::try_from(self.now().as_secs()).unwrap());
        match self.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Renews => drop(self.state.lock(&theirs(), at).await.unwrap()),
            Meanwhile::Publishes => {
                let (root, state) = (self.root.clone(), self.state.clone());
                std::thread::spawn(move || publish(&root, &state)).join().unwrap();
            }
        }
    }

    fn stop(&self) -> &Stop {
        self.time.stop()
    }

    fn jitter(&self) -> u32 {
        0
    }
}

fn theirs() -> Claim {
    let (token, holder) = (LockToken::new("theirs"), "bob on desktop".to_owned());
    Claim { token, holder, seconds: 300, alone: false, abandoned: None }
}

/// A whole run, which had the lock and gives it back.
fn publish(root: &std::path::Path, state: &MemoryState) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let outside = outside(root, state, Arc::new(SteppedPace::default()));
        let library = library(root);
        let desired = plan(&library, &outside, Scope::default(), true).await.unwrap();
        carry_out(desired, &library, &outside, run("theirs"), &mut |_| {}).await.unwrap().1.unwrap();
        state.unlock(&theirs().token).await.unwrap();
    });
}

fn run(id: &str) -> Run {
    Run {
        id: RunId::new(id),
        who: "alice".to_owned(),
        event: None,
        command: "sync".to_owned(),
        commit: None,
        link: None,
        at: Timestamp(0),
    }
}

fn outside(root: &std::path::Path, state: &MemoryState, pace: Arc<dyn Pace>) -> Outside {
    let target = FolderTarget::new(root.join(".stockroom/manifest"), "the folder");
    Outside {
        sign: None,
        state: Arc::new(state.clone()),
        targets: vec![(TargetName::new("manifest"), Arc::new(target))],
        dispatchers: std::collections::BTreeMap::new(),
        probe: None,
        model: Arc::new(Deterministic::new(16)),
        vectors: Arc::new(Memory::default()),
        sources: None,
        index_place: "vector index".to_owned(),
        cache: None,
        budgets: stockroom::adapters::http::Budgets::new(Arc::clone(&pace), None),
        pace,
        // It stands still: that a lock has expired can be seen by waiting alone.
        clock: Arc::new(|| Timestamp(0)),
        index_apart: false,
        tip: None,
        repository: None,
    }
}

fn library(root: &std::path::Path) -> Gathered {
    let place = Place { folder: root.to_owned(), config: None, moment: Moment::Now };
    gather(open(&place).unwrap(), Wanted::Assets).unwrap()
}

/// A run that begins while another one has the lock: what it got, how long it waited, and whose lock it was told of.
async fn second(meanwhile: Meanwhile) -> (anyhow::Result<(Desired, Option<Held>)>, Duration, Vec<String>, MemoryState) {
    let files = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", "{}")]);
    let state = MemoryState::new("org/library:");
    state.lock(&theirs(), Timestamp(0)).await.unwrap();
    let root = files.root();
    let pace = Shared { time: SteppedPace::default(), state: state.clone(), meanwhile, root: root.clone() };
    let pace = Arc::new(pace);
    let outside = outside(&root, &state, Arc::clone(&pace) as Arc<dyn Pace>);
    let claimant = Claimant { token: LockToken::new("ours"), holder: "alice on laptop".to_owned(), alone: false };
    let mut told = Vec::new();
    let mut tell = |what: &Waiting| told.push(what.lock.holder.clone());
    let got = plan_locked(&library(&root), &outside, Scope::default(), &claimant, &mut tell).await;
    (got, pace.now(), told, state)
}

#[tokio::test]
async fn who_waits_for_another_run_plans_anew_and_finds_its_work_done() {
    let (got, waited, told, state) = second(Meanwhile::Publishes).await;
    let (desired, held) = got.unwrap();
    assert!(desired.plan.is_empty(), "the other run has published it");
    assert_eq!((waited.as_secs(), told), (0, vec!["bob on desktop".to_owned()]));
    assert_eq!(state.locked().await.unwrap().unwrap().token, LockToken::new("ours"));
    held.unwrap().give_back().await.unwrap();
    assert_eq!(state.locked().await.unwrap(), None);
    let runs = stockroom::adapters::state_store::StateHistory::runs(&state, 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].1.as_ref().unwrap().result, RunResult::Done);
}

#[tokio::test]
async fn a_lock_that_nobody_renews_is_taken_over_whatever_the_clocks_say() {
    let (got, waited, told, state) = second(Meanwhile::Nothing).await;
    let (desired, held) = got.unwrap();
    assert!(!desired.plan.is_empty() && held.is_some());
    assert_eq!(waited.as_secs(), 300);
    assert_eq!(told.len(), 1, "it is said once");
    assert_eq!(state.locked().await.unwrap().unwrap().holder, "alice on laptop");
}

#[tokio::test]
async fn a_run_that_lives_on_is_waited_for_ten_minutes_and_named() {
    let (got, waited, _, state) = second(Meanwhile::Renews).await;
    let error = got.err().unwrap().to_string();
    assert!(error.contains("locked by bob on desktop") && error.contains("stockroom state unlock"), "{error}");
    assert_eq!(waited.as_secs(), 600);
    assert_eq!(state.locked().await.unwrap().unwrap().holder, "bob on desktop");
    assert_eq!(state.load().await.unwrap().serial.0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_renewed_until_it_is_given_back() {
    let files = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", "{}")]);
    let state = MemoryState::new("org/library:");
    let mut outside = outside(&files.root(), &state, Arc::new(SteppedPace::default()));
    let claims = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&claims);
    // A holder is read with every claim, and with nothing else that happens here.
    let count = move |text: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        text.to_owned()
    };
    outside.state = Arc::new(Redacted::new(Arc::new(state.clone()), Arc::new(count)));
    let claimant = Claimant { token: LockToken::new("ours"), holder: "alice".to_owned(), alone: false };
    let planned = plan_locked(&library(&files.root()), &outside, Scope::default(), &claimant, &mut |_| {}).await;
    let held = planned.unwrap().1.unwrap();
    tokio::time::sleep(Duration::from_secs(250)).await;
    assert_eq!(claims.load(Ordering::SeqCst), 3, "once, and renewed twice");
    held.give_back().await.unwrap();
    tokio::time::sleep(Duration::from_secs(250)).await;
    assert_eq!((claims.load(Ordering::SeqCst), state.locked().await.unwrap()), (3, None));
}

#[tokio::test]
async fn a_run_with_nothing_to_do_takes_no_lock_and_leaves_no_trace() {
    let files = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", "{}")]);
    let state = MemoryState::new("org/library:");
    let outside = outside(&files.root(), &state, Arc::new(SteppedPace::default()));
    let claimant = Claimant { token: LockToken::new("ours"), holder: "alice".to_owned(), alone: false };
    for round in ["first", "second"] {
        let library = library(&files.root());
        let planned = plan_locked(&library, &outside, Scope::default(), &claimant, &mut |_| {}).await;
        let (desired, held) = planned.unwrap();
        assert_eq!(held.is_some(), round == "first");
        let before = state.load().await.unwrap();
        let (sync, ended) = carry_out(desired, &library, &outside, run(round), &mut |_| {}).await.unwrap();
        ended.unwrap();
        assert_eq!(sync.results[0].outcome, if round == "first" { Outcome::Done } else { Outcome::Unchanged });
        assert_eq!(before == state.load().await.unwrap(), round == "second");
        if let Some(held) = held {
            held.give_back().await.unwrap();
        }
    }
}
