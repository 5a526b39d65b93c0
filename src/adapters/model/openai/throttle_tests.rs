//! A server that lets 200,000 tokens a minute pass, on a clock that runs as fast as nothing is left to do.

use std::sync::atomic::{AtomicU32, Ordering};

use http::header::{HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};

use super::*;
use crate::adapters::http::{Policy, RealPace, Reply, send_through};

const PER_MINUTE: f64 = 200_000.0;
const LATENCY: Duration = Duration::from_millis(700);

/// The limit as OpenAI keeps it: a bucket that fills up steadily.
struct Server {
    bucket: Mutex<(f64, Instant)>,
    refused: AtomicU32,
    tells: bool,
}

impl Server {
    fn new(level: f64, tells: bool) -> Self {
        Self { bucket: Mutex::new((level, Instant::now())), refused: AtomicU32::new(0), tells }
    }

    /// A request of so many tokens.
    async fn answer(&self, tokens: f64) -> Reply {
        let wait = {
            let mut bucket = self.bucket.lock().unwrap();
            let level = (bucket.0 + bucket.1.elapsed().as_secs_f64() * PER_MINUTE / 60.0).min(PER_MINUTE);
            *bucket = (if level < tokens { level } else { level - tokens }, Instant::now());
            (tokens - level) * 60.0 / PER_MINUTE
        };
        let mut reply = Reply::with_status(if wait > 0.0 { 429 } else { 200 });
        let mut tell = |name: &'static str, value: f64| {
            let value = HeaderValue::from_str(&format!("{value:.0}")).unwrap();
            reply.headers.insert(HeaderName::from_static(name), value);
        };
        if wait > 0.0 {
            self.refused.fetch_add(1, Ordering::SeqCst);
            tell("retry-after-ms", (wait * 1_000.0).ceil());
        } else {
            sleep(LATENCY).await;
        }
        if self.tells {
            tell("x-ratelimit-limit-tokens", PER_MINUTE);
            tell("x-ratelimit-remaining-tokens", self.bucket.lock().unwrap().0);
        }
        reply
    }
}

/// Sends a million tokens in batches of so many, sixteen at once, each estimated to be 1.5 to 1.8 times what it is; gives the
/// seconds that took and how often the server refused.
async fn run(server: Server, set: Option<f64>, batch: u32) -> (f64, u32) {
    let start = Instant::now();
    let pace: Arc<dyn Pace> = Arc::new(RealPace::default());
    let throttle = Arc::new(Throttle::new(Arc::clone(&pace), Ledger::new(16, set, None)));
    let (server, next) = (Arc::new(server), Arc::new(AtomicU32::new(0)));
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (server, next) = (Arc::clone(&server), Arc::clone(&next));
            let (throttle, pace) = (Arc::clone(&throttle), Arc::clone(&pace));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number * batch >= 1_000_000 {
                        return;
                    }
                    let passage = throttle.passage(u64::from(batch) * u64::from(15 + number % 4) / 10, false);
                    let attempt = || async { Ok(said::plain(server.answer(f64::from(batch)).await, 0)) };
                    let reply =
                        send_through(&Policy { attempts: 10, ..Policy::idempotent() }, &*pace, &passage, attempt)
                            .await
                            .unwrap();
                    assert_eq!(reply.status, 200);
                    passage.count(u64::from(batch));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    (start.elapsed().as_secs_f64(), server.refused.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_tokens_is_used_to_nineteen_twentieths_without_being_hit() {
    // The bucket is full at first; the rest comes at its rate, and the last answer takes its time.
    let bound = (1_000_000.0 - PER_MINUTE) * 60.0 / PER_MINUTE + LATENCY.as_secs_f64();
    for (what, tells, set) in
        [("told by the server", true, None), ("set", false, Some(PER_MINUTE)), ("both", true, Some(PER_MINUTE))]
    {
        for batch in [2_000, 10_000, 25_000, 100_000] {
            let (seconds, refused) = run(Server::new(PER_MINUTE, tells), set, batch).await;
            eprintln!("{what}, batches of {batch}: {seconds:.1} s, bound {bound:.1} s, {refused} refusals");
            assert!(seconds <= bound * 1.05, "{what}, {batch}: {seconds} s");
            assert_eq!(refused, 0, "{what}, {batch}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_others_have_used_up_is_met_once() {
    let bound = 1_000_000.0 * 60.0 / PER_MINUTE + LATENCY.as_secs_f64();
    for set in [None, Some(PER_MINUTE)] {
        let (seconds, refused) = run(Server::new(0.0, true), set, 25_000).await;
        eprintln!("empty at first: {seconds:.1} s, bound {bound:.1} s, {refused} refusals");
        assert!(seconds <= bound * 1.05, "{seconds} s");
        assert!(refused <= 2, "{refused} refusals");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_of_its_limit_is_met_now_and_then() {
    let (seconds, refused) = run(Server::new(PER_MINUTE, false), None, 25_000).await;
    eprintln!("nothing told: {seconds:.1} s, {refused} refusals");
    assert!(refused <= 60 && seconds < 300.0, "{seconds} s, {refused} refusals");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_hears_that_nobody_is_let_through() {
    let pace: Arc<dyn Pace> = Arc::new(RealPace::default());
    let throttle = Arc::new(Throttle::new(pace, Ledger::new(1, None, None)));
    let first = throttle.passage(1, true);
    first.enter(Duration::ZERO).await.unwrap();
    let others: Vec<_> = (0..3)
        .map(|_| {
            let throttle = Arc::clone(&throttle);
            tokio::spawn(async move { throttle.passage(1, true).enter(Duration::ZERO).await })
        })
        .collect();
    tokio::task::yield_now().await;
    throttle.close("spent");
    throttle.close("something else");
    for other in others {
        assert_eq!(other.await.unwrap(), Err("spent".to_owned()));
    }
}
