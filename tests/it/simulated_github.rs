//! A GitHub in memory by tokio's clock, behind octocrab: it keeps GitHub's published limits and refuses whoever breaks one.
//!
//! A second of it costs nothing, so that what takes an hour there can be tried here.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use octocrab::{AuthState, OctoBody, OctocrabBuilder};
use serde_json::{Value, json};
use stockroom::adapters::github::Transport;
use tokio::time::{Instant, sleep};
use tower::service_fn;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// What the first moment is, in seconds since 1970.
pub const EPOCH: i64 = 1_445_412_480;

/// How a repository's server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Well,
    /// A request to it hangs until the client gives up.
    Dead,
    /// It answers every event with 500.
    Broken,
}

/// The limits that were broken, each counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hits {
    /// 5,000 requests an hour.
    pub hourly: u32,
    /// 900 points a minute.
    pub points: u32,
    /// 80 writes a minute.
    pub writes_a_minute: u32,
    /// 500 writes an hour.
    pub writes_an_hour: u32,
    /// 100 requests at once.
    pub at_once: u32,
    /// A second between two writes, which GitHub asks for.
    pub close_writes: u32,
}

#[derive(Default)]
struct World {
    begun: Option<Instant>,
    asked: VecDeque<(Instant, u32)>,
    writes: VecDeque<Instant>,
    counted: u64,
    unchanged: u64,
    under_way: u32,
    most_under_way: u32,
    hits: Hits,
    manners: BTreeMap<String, Manner>,
    runs: BTreeMap<String, Vec<(Instant, String)>>,
    /// What happened first to which repository, and when.
    told: BTreeMap<String, Duration>,
}

/// The server.
#[derive(Clone)]
pub struct SimulatedGitHub {
    world: Arc<Mutex<World>>,
    /// How long a workflow runs.
    run: Duration,
    limit: u64,
}

impl SimulatedGitHub {
    /// With workflows that run so long.
    pub fn new(run: Duration) -> Self {
        Self { world: Arc::default(), run, limit: 5_000 }
    }

    /// The same with another number of requests an hour.
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Has a repository behave otherwise.
    pub fn behave(&self, repo: &str, manner: Manner) {
        self.world().manners.insert(repo.to_owned(), manner);
    }

    /// What carries requests to it.
    pub fn transport(&self) -> Transport {
        let server = self.clone();
        let service = service_fn(move |request: Request<OctoBody>| {
            let server = server.clone();
            async move { server.serve(request).await }
        });
        let octocrab = OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build();
        octocrab.unwrap_or_else(|never: Infallible| match never {}).into()
    }

    /// The limits that were broken.
    pub fn hits(&self) -> Hits {
        self.world().hits.clone()
    }

    /// When each repository got its first event, since the first request.
    pub fn told(&self) -> BTreeMap<String, Duration> {
        self.world().told.clone()
    }

    /// The numbers of a simulation, as a table for people.
    pub fn figures(&self) -> String {
        let world = self.world();
        let mut text = String::new();
        let last = world.told.values().max().copied().unwrap_or_default();
        let line = |text: &mut String, name: &str, value: String| writeln!(text, "  {name:<32}{value}").unwrap();
        line(&mut text, "repositories told", world.told.len().to_string());
        line(&mut text, "the last one after", format!("{:.1} s", last.as_secs_f32()));
        line(&mut text, "requests that count", world.counted.to_string());
        line(&mut text, "304, which cost nothing", world.unchanged.to_string());
        line(&mut text, "at once, at most", world.most_under_way.to_string());
        line(&mut text, "limits broken", format!("{:?}", world.hits));
        text
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(
        &self,
        request: Request<OctoBody>,
    ) -> Result<Response<String>, Box<dyn std::error::Error + Send + Sync>> {
        let is_write = request.method() != "GET";
        let path = request.uri().path().to_owned();
        let tag = request.headers().get("if-none-match").map(|tag| tag.to_str().unwrap().to_owned());
        let body = http_body_util::BodyExt::collect(request.into_body()).await?.to_bytes();
        let (refused, manner, repo) = self.arrive(is_write, &path);
        // From 120 to 400 milliseconds, as the repository's name has it.
        let latency = 120 + repo.bytes().map(u64::from).sum::<u64>() * 37 % 280;
        let response = match (refused, manner) {
            (Some(refused), _) => Ok(refused),
            (None, Manner::Dead) => {
                // The client's own limit on each silence.
                sleep(Duration::from_secs(30)).await;
                Err("nobody answers".into())
            }
            (None, manner) => {
                sleep(Duration::from_millis(latency)).await;
                Ok(self.answer(&repo, &path, &body, manner, tag.as_deref()))
            }
        };
        self.world().under_way -= 1;
        response
    }

    /// Counts a request; gives the refusal, if it breaks a limit, and who it is for.
    fn arrive(&self, is_write: bool, path: &str) -> (Option<Response<String>>, Manner, String) {
        let now = Instant::now();
        let mut world = self.world();
        world.begun.get_or_insert(now);
        while world.asked.front().is_some_and(|(at, _)| now - *at >= MINUTE) {
            world.asked.pop_front();
        }
        while world.writes.front().is_some_and(|at| now - *at >= HOUR) {
            world.writes.pop_front();
        }
        world.under_way += 1;
        world.most_under_way = world.most_under_way.max(world.under_way);
        let mut refused = false;
        let mut hit = |count: &mut u32, is_hit: bool| {
            *count += u32::from(is_hit);
            refused |= is_hit;
        };
        let mut hits = world.hits.clone();
        hit(&mut hits.at_once, world.under_way > 100);
        if is_write {
            let close = world.writes.back().is_some_and(|last| now - *last < Duration::from_millis(999));
            hits.close_writes += u32::from(close);
            world.writes.push_back(now);
            let of_minute = world.writes.iter().filter(|at| now - **at < MINUTE).count();
            hit(&mut hits.writes_a_minute, of_minute > 80);
            hit(&mut hits.writes_an_hour, world.writes.len() > 500);
        }
        world.asked.push_back((now, if is_write { 5 } else { 1 }));
        let points: u32 = world.asked.iter().map(|(_, points)| points).sum();
        hit(&mut hits.points, points > 900);
        world.counted += 1;
        hit(&mut hits.hourly, world.counted > self.limit);
        world.hits = hits;
        let repo = path.split('/').skip(2).take(2).collect::<Vec<_>>().join("/");
        let manner = world.manners.get(&repo).copied().unwrap_or(Manner::Well);
        let refusal = refused.then(|| {
            let told = json!({"message": "You have exceeded a secondary rate limit."}).to_string();
            self.counted(&world, Response::builder().status(403)).header("retry-after", "60").body(told).unwrap()
        });
        (refusal, manner, repo)
    }

    fn answer(&self, repo: &str, path: &str, body: &[u8], manner: Manner, tag: Option<&str>) -> Response<String> {
        let now = Instant::now();
        let mut world = self.world();
        let response = |world: &World, status: u16| self.counted(world, Response::builder().status(status));
        if path.ends_with("/dispatches") {
            if manner == Manner::Broken {
                return response(&world, 500).body(json!({"message": "Server Error"}).to_string()).unwrap();
            }
            let event: Value = serde_json::from_slice(body).unwrap();
            let id = event["client_payload"]["correlation_id"].as_str().unwrap().to_owned();
            let since = now - world.begun.unwrap();
            world.told.entry(repo.to_owned()).or_insert(since);
            world.runs.entry(repo.to_owned()).or_default().push((now, id));
            return response(&world, 204).body(String::new()).unwrap();
        }
        let runs: Vec<Value> =
            world.runs.get(repo).into_iter().flatten().enumerate().map(|run| self.run(now, run)).collect();
        let wanted = path.rsplit('/').next().and_then(|last| last.parse::<usize>().ok());
        let told = match wanted {
            Some(id) => runs.into_iter().find(|run| run["id"] == json!(id)).unwrap_or_default(),
            None => json!({"total_count": runs.len(), "workflow_runs": runs}),
        };
        let told = told.to_string();
        let current = format!("\"{:x}\"", told.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte)));
        if tag == Some(&current) {
            // It is not counted.
            world.counted -= 1;
            world.unchanged += 1;
            return response(&world, 304).header("etag", current).body(String::new()).unwrap();
        }
        response(&world, 200).header("etag", current).body(told).unwrap()
    }

    /// A run: queued for five seconds, then at work, then well.
    fn run(&self, now: Instant, (index, (begun, id)): (usize, &(Instant, String))) -> Value {
        let age = now - *begun;
        let (status, conclusion) = match age {
            age if age < Duration::from_secs(5) => ("queued", Value::Null),
            age if age < self.run => ("in_progress", Value::Null),
            _ => ("completed", json!("success")),
        };
        json!({"id": index + 1, "display_title": format!("Rebuild ({id})"), "status": status, "conclusion": conclusion})
    }

    fn counted(&self, world: &World, response: http::response::Builder) -> http::response::Builder {
        let since = world.begun.map_or(Duration::ZERO, |begun| Instant::now() - begun);
        let since = i64::try_from(since.as_secs()).unwrap();
        let date = chrono::DateTime::from_timestamp(EPOCH + since, 0).unwrap().to_rfc2822();
        response
            .header("date", date)
            .header("x-ratelimit-limit", self.limit.to_string())
            .header("x-ratelimit-remaining", self.limit.saturating_sub(world.counted).to_string())
            .header("x-ratelimit-reset", (EPOCH + 3_600).to_string())
            .header("x-ratelimit-resource", "core")
    }
}
