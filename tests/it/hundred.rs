//! A hundred downstreams within GitHub's published limits, by a clock that costs no time.
//!
//! The engine that delivers, the dispatchers, the API, the budget and the cache are the real ones; GitHub is in memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use stockroom::adapters::dispatcher::{Dispatch, Dispatcher, EventDispatcher};
use stockroom::adapters::github::{Access, Credentials, GitHub};
use stockroom::adapters::http::{Budget, Policy, RealPace, ReplyCache};
use stockroom::adapters::state_store::MemoryState;
use stockroom::commands::dispatch::{Means, Settled, apply};
use stockroom::downstream::{Announcement, Channel, Settings, plan};
use stockroom::ids::{AssetId, AssetKey, CollectionName, CorrelationId, DownstreamName, RepoSlug, Sha256Hex};
use stockroom::secret::Secret;
use stockroom::state::Timestamp;
use tokio::time::Instant;

use crate::simulated_github::{EPOCH, Hits, Manner, SimulatedGitHub};

fn repo(number: usize) -> String {
    format!("acme/site-{number:03}")
}

fn dispatch(number: usize) -> Dispatch {
    let correlation = CorrelationId::new(format!("sr-{number:016x}"));
    let envelope = json!({"correlation_id": correlation.as_str()});
    Dispatch { downstream: DownstreamName::new(format!("site-{number:03}")), envelope, correlation }
}

struct Simulation {
    github: SimulatedGitHub,
    budget: Arc<Budget>,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
    _cache: tempfile::TempDir,
}

impl Simulation {
    fn of(count: usize, github: SimulatedGitHub) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(ReplyCache::at(folder.path().join("http")));
        let budget = Arc::new(Budget::new(Arc::new(RealPace::default())));
        let token = Credentials::Token(Secret::new("github_pat_simulated"));
        let access = Access::new(github.transport(), "https://api.github.com", token, Arc::clone(&budget));
        let through = GitHub::with(access.keeping(cache)).unwrap();
        let way = |number| -> Arc<dyn Dispatcher> {
            let slug = RepoSlug::parse(&repo(number)).unwrap();
            Arc::new(EventDispatcher::new(through.clone(), slug, "asset-updated".to_owned(), Policy::once()))
        };
        let dispatchers = (0..count).map(way).collect();
        Self { github, budget, dispatchers, _cache: folder }
    }

    /// Delivers to all, by the plan for downstreams with these further settings; gives what became of each.
    async fn run(&self, more: &str) -> Vec<Settled> {
        let mut yaml = String::new();
        for number in 0..self.dispatchers.len() {
            writeln!(yaml, "site-{number:03}: {{repo: {}{more}}}", repo(number)).unwrap();
        }
        let settings: BTreeMap<DownstreamName, Settings> = serde_yaml::from_str(&yaml).unwrap();
        let store = MemoryState::new("acme/library");
        let bolt = AssetKey { collection: CollectionName::new("products"), id: AssetId::new("bolt") };
        let concerns = [(bolt, Sha256Hex::of(b"1"))].into_iter().collect();
        let state = stockroom::adapters::state_store::StateStore::load(&store).await.unwrap();
        let deliveries = plan(&settings, &concerns, &state, &|_| Channel::Remote);
        let ways = settings.keys().cloned().zip(self.dispatchers.iter().cloned()).collect();
        let pace = Arc::clone(self.budget.pace());
        let begun = pace.now();
        let clock = || Timestamp(EPOCH + i64::try_from((pace.now() - begun).as_secs()).unwrap());
        let mut hear = |_: &str| {};
        let means = Means {
            news: &Announcement::default(),
            before: &|_| Announcement::default(),
            commit: None,
            dispatchers: &ways,
            probe: None,
            store: &store,
            pace: &*pace,
            clock: &clock,
            voice: &Mutex::new(&mut hear),
        };
        apply(&deliveries, &means).await.into_iter().map(|receipt| receipt.result).collect()
    }
}

fn is_done(settled: &Settled) -> bool {
    matches!(settled, Settled::Done { .. })
}

#[tokio::test(start_paused = true)]
async fn a_hundred_deliveries_break_no_limit_and_neither_a_dead_nor_a_broken_one_holds_up_the_others() {
    let github = SimulatedGitHub::new(Duration::from_secs(60));
    github.behave(&repo(3), Manner::Dead);
    github.behave(&repo(40), Manner::Broken);
    let simulation = Simulation::of(100, github);
    let begun = Instant::now();
    let found = simulation.run("").await;
    let took = begun.elapsed();
    eprintln!("100 deliveries took {:.1} s\n{}", took.as_secs_f32(), simulation.github.figures());
    assert!(took <= Duration::from_secs(110), "{took:?}");
    for (number, settled) in found.iter().enumerate() {
        match settled {
            Settled::Failed { certain: false, .. } => assert!([3, 40].contains(&number), "{number}"),
            other => assert!(is_done(other) && ![3, 40].contains(&number), "{number}: {other:?}"),
        }
    }
    assert_eq!((simulation.github.hits(), simulation.github.told().len()), (Hits::default(), 98));
    let last = simulation.github.told().values().max().copied().unwrap();
    assert!(last <= Duration::from_secs(100), "nobody waits for the two: {last:?}");
    let numbers = simulation.budget.numbers();
    assert_eq!((numbers.requests, numbers.writes, numbers.retries, numbers.limited), (100, 100, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_runs_are_waited_for_and_no_limit_is_broken() {
    let simulation = Simulation::of(100, SimulatedGitHub::new(Duration::from_secs(60)));
    let begun = Instant::now();
    let found = simulation.run(", wait: 15m").await;
    let took = begun.elapsed();
    eprintln!("100 deliveries with their runs took {:.1} s\n{}", took.as_secs_f32(), simulation.github.figures());
    assert!(found.iter().all(is_done), "{found:?}");
    assert_eq!(simulation.github.hits(), Hits::default());
    // The last event after a hundred seconds, its run of a minute, and until somebody looks.
    assert!(took <= Duration::from_secs(175), "{took:?}");
    assert!(simulation.budget.numbers().unchanged > 100, "what has not changed costs nothing");
}

#[tokio::test(start_paused = true)]
async fn six_hundred_at_once_are_told_as_far_as_the_hour_allows_and_the_others_hear_why() {
    let simulation = Simulation::of(600, SimulatedGitHub::new(Duration::from_secs(60)));
    let found = simulation.run("").await;
    let told = found.iter().filter(|settled| is_done(settled)).count();
    assert_eq!((told, simulation.github.hits()), (500, Hits::default()));
    let Some(Settled::Failed { why, certain: true, .. }) = found.iter().find(|settled| !is_done(settled)) else {
        panic!()
    };
    assert!(why.contains("GitHub lets 500 writes pass in an hour"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_token_with_few_requests_left_breaks_no_limit_either() {
    let simulation = Simulation::of(60, SimulatedGitHub::new(Duration::from_secs(60)).with_limit(40));
    let found = simulation.run("").await;
    let told = found.iter().filter(|settled| is_done(settled)).count();
    assert_eq!((told, simulation.github.hits()), (40, Hits::default()));
    let Some(Settled::Failed { why, certain: true, .. }) = found.iter().find(|settled| !is_done(settled)) else {
        panic!()
    };
    assert!(why.contains("all 40 requests that GitHub lets pass in an hour are used up"), "{why}");
}

/// The simulation itself must be able to fail.
#[tokio::test(start_paused = true)]
async fn whoever_does_not_keep_to_a_budget_is_refused() {
    let github = SimulatedGitHub::new(Duration::from_secs(60));
    let deliveries = (0..120).map(|number| {
        // Each has a budget of its own, as if nobody knew of the others.
        let budget = Arc::new(Budget::new(Arc::new(RealPace::default())));
        let token = Credentials::Token(Secret::new("github_pat_simulated"));
        let access = Access::new(github.transport(), "https://api.github.com", token, budget);
        let slug = RepoSlug::parse(&repo(number)).unwrap();
        let policy = Policy { deadline: Duration::from_secs(5), ..Policy::once() };
        let way = EventDispatcher::new(GitHub::with(access).unwrap(), slug, "asset-updated".to_owned(), policy);
        async move { way.deliver(&dispatch(number)).await.is_ok() }
    });
    let all: FuturesUnordered<_> = deliveries.collect();
    let told = all.filter(|is_told| std::future::ready(*is_told)).count().await;
    let hits = github.hits();
    assert_eq!(told, 80);
    assert_eq!((hits.close_writes, hits.writes_a_minute), (119, 40));
}
