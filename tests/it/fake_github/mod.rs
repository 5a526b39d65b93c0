//! A GitHub on loopback that remembers what is done to it.
//!
//! Every request and every response is held against GitHub's own OpenAPI; a violation fails the test that caused it. Faults
//! are scripted: [`FakeGitHub::script`] says what befalls the next requests, one after the other, [`FakeGitHub::strike`] what
//! befalls a certain one. What becomes of the runs that events begin is written with [`FakeGitHub::live`].

mod answers;
pub mod app;
mod contents;
mod contract;
mod doors;
mod faults;
pub mod grants;
mod likeness;
pub mod limits;
mod organisations;
pub mod releases;
pub mod reports;
mod repository;
pub mod reviews;
pub mod runs;
mod server;
mod workflows;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

pub use faults::Fault;
pub use grants::Grant;
pub use reviews::Commentary;
#[allow(unused_imports, reason = "not every test asks for all of it")]
pub use runs::{Begun, Life, Run};

/// The server's handle: it stops when this is dropped, and the test fails if the contract was broken.
pub struct FakeGitHub {
    url: String,
    world: Arc<Mutex<World>>,
    arrivals: Arc<Notify>,
    released: Arc<tokio::sync::Semaphore>,
    visits: Arc<doors::Visits>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub uri: String,
    /// The status that was answered; none when the connection was cut or left hanging.
    pub status: Option<u16>,
}

/// Everything that the server knows.
#[derive(Default)]
pub struct World {
    repos: BTreeMap<String, Repo>,
    grants: BTreeMap<String, BTreeMap<String, Grant>>,
    scopes: BTreeMap<String, String>,
    apps: Vec<app::App>,
    limits: limits::Limits,
    headers: Vec<(&'static str, String)>,
    clock: Option<limits::Clock>,
    /// Whether it is an Enterprise Server of before `return_run_details`.
    is_enterprise: bool,
    /// The runs that nobody has taken over yet, and those that execute others.
    begun: Vec<runs::Begun>,
    runners: Vec<std::thread::JoinHandle<()>>,
    /// What befalls certain requests, by how many came before.
    strikes: BTreeMap<usize, Fault>,
    contents: BTreeMap<String, contents::Contents>,
    /// The owners that are people, and no organisations.
    users: std::collections::BTreeSet<String>,
    faults: VecDeque<Fault>,
    /// Those that befall uploads alone.
    upload_faults: VecDeque<Option<Fault>>,
    /// How many assets there have ever been.
    assets_made: u64,
    /// The server's own address.
    url: String,
    seen: Vec<Seen>,
    violations: Vec<String>,
}

/// A repository.
pub struct Repo {
    /// Whether its workflow has `run-name: … ${{ github.event.client_payload.correlation_id }}`.
    shows_correlation: bool,
    default_branch: String,
    is_archived: bool,
    is_disabled: bool,
    /// The paths of its workflows that are switched off.
    disabled_workflows: std::collections::BTreeSet<String>,
    dispatches: Vec<Value>,
    runs: Vec<Run>,
    lives: runs::Lives,
    runner: Option<runs::Runner>,
    statuses: Vec<Value>,
    deployments: Vec<Value>,
    check_runs: Vec<Value>,
    comments: Vec<Commentary>,
    releases: Vec<releases::Release>,
}

impl FakeGitHub {
    /// Starts on a free port of the loopback, on a thread of its own: the test may be blocking or not.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let world = Arc::new(Mutex::new(World { url: url.clone(), ..World::default() }));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let arrivals = Arc::new(Notify::new());
        let released = Arc::new(tokio::sync::Semaphore::new(0));
        let served = server::Served {
            world: Arc::clone(&world),
            arrivals: Arc::clone(&arrivals),
            released: Arc::clone(&released),
        };
        let visits = Arc::new(doors::Visits::default());
        let book = Arc::clone(&visits);
        let thread = std::thread::spawn(move || server::serve(listener, book, served, stopped));
        Self { url, world, arrivals, released, visits, stop: Some(stop), thread: Some(thread) }
    }

    /// The base of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a repository; `shows_correlation` says whether the titles of its runs hold the correlation id.
    pub fn add_repo(&self, slug: &str, shows_correlation: bool) -> &Self {
        let repo = Repo {
            shows_correlation,
            default_branch: "main".to_owned(),
            is_archived: false,
            is_disabled: false,
            disabled_workflows: std::collections::BTreeSet::new(),
            dispatches: Vec::new(),
            runs: Vec::new(),
            lives: runs::Lives::new(),
            runner: None,
            statuses: Vec::new(),
            deployments: Vec::new(),
            check_runs: Vec::new(),
            comments: Vec::new(),
            releases: Vec::new(),
        };
        self.world().repos.insert(slug.to_owned(), repo);
        self
    }

    /// The faults that befall the next requests, after those scripted before.
    pub fn script(&self, faults: &[Fault]) -> &Self {
        self.world().faults.extend(faults);
        self
    }

    /// The fault that befalls the request which comes after so many others, counted from the server's start, if it ever comes.
    #[allow(dead_code, reason = "not every test asks for all of it")]
    pub fn strike(&self, after: usize, fault: Fault) -> &Self {
        self.world().strikes.insert(after, fault);
        self
    }

    /// Makes it an Enterprise Server 3.19: it knows no `return_run_details`.
    #[allow(dead_code, reason = "not every test asks for all of it")]
    pub fn make_enterprise(&self) -> &Self {
        self.world().is_enterprise = true;
        self
    }

    /// The bodies of the events that a repository has received, of either kind.
    pub fn dispatches(&self, slug: &str) -> Vec<Value> {
        self.world().repos.get(slug).map(|repo| repo.dispatches.clone()).unwrap_or_default()
    }

    /// The check runs of a repository, each with all its annotations.
    pub fn check_runs(&self, slug: &str) -> Vec<Value> {
        self.world().repos.get(slug).map(|repo| repo.check_runs.clone()).unwrap_or_default()
    }

    /// The comments in a repository, oldest first.
    pub fn comments(&self, slug: &str) -> Vec<Commentary> {
        self.world().repos.get(slug).map(|repo| repo.comments.clone()).unwrap_or_default()
    }

    /// Has somebody comment.
    pub fn add_comment(&self, slug: &str, issue: u64, login: &str, body: &str) -> &Self {
        if let Some(repo) = self.world().repos.get_mut(slug) {
            let id = 1 + u64::try_from(repo.comments.len()).expect("few comments");
            repo.comments.push(Commentary { id, issue, login: login.to_owned(), body: body.to_owned() });
        }
        self
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.world().seen.clone()
    }

    /// Lets one answer go that [`Fault::HoldAfter`] holds back.
    pub fn release(&self) {
        self.released.add_permits(1);
    }

    /// The same as [`Self::until_seen`], for a test that does not wait otherwise.
    pub fn wait_until_seen(&self, requests: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(self.until_seen(requests));
    }

    /// Waits until so many requests have taken their effect.
    pub async fn until_seen(&self, requests: usize) {
        loop {
            let arrival = self.arrivals.notified();
            tokio::pin!(arrival);
            // From here on no arrival is missed, also one between the look and the wait.
            arrival.as_mut().enable();
            if self.world().seen.len() >= requests {
                return;
            }
            arrival.await;
        }
    }

    /// Waits until what a client that has ended, however it ended, has sent is served or given up.
    pub fn drain(&self) {
        self.visits.drain(self.url.trim_start_matches("http://"));
    }

    /// Takes the violations of the contract, for a test that provokes them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.world().violations)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for FakeGitHub {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error says that the server has already ended.
            let _ = stop.send(());
        }
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        let runners = std::mem::take(&mut self.world().runners);
        let is_sound = runners.into_iter().all(|runner| runner.join().is_ok());
        if std::thread::panicking() {
            return;
        }
        assert!(matches!(ended, Some(Ok(()))), "the fake GitHub itself has failed");
        assert!(is_sound, "what executes a run has failed");
        let violations = self.take_violations();
        assert!(violations.is_empty(), "against GitHub's OpenAPI:\n{}", violations.join("\n"));
        let World { faults, upload_faults, .. } = &*self.world();
        assert!(faults.is_empty(), "scripted, but never met: {faults:?}");
        assert!(upload_faults.is_empty(), "scripted, but never met: {upload_faults:?}");
    }
}
