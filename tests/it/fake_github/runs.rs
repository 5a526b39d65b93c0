//! Workflow runs: begun by events, with a life that the test has written or that a real runner gives them.

#![allow(dead_code, reason = "not every test asks for all of it")]

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::answers::Answer;
use super::contract::Contract;
use super::{FakeGitHub, Repo, World, lock};

/// What becomes of a run. Each look at it, in a list or alone, brings it one step on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    hidden: usize,
    queued: usize,
    running: usize,
    end: Option<&'static str>,
}

impl Life {
    /// Ends so (`success`, `failure`, `cancelled`, `timed_out`, `action_required`, `neutral`, `skipped`) at once.
    pub const fn ends(conclusion: &'static str) -> Self {
        Self { hidden: 0, queued: 0, running: 0, end: Some(conclusion) }
    }

    /// Never ends.
    pub const fn hangs() -> Self {
        Self { end: None, ..Self::ends("") }
    }

    /// Is never seen: the event began nothing.
    pub const fn never_appears() -> Self {
        Self::hangs().hidden(usize::MAX)
    }

    /// Waits for a runner for so many looks.
    pub const fn queued(self, looks: usize) -> Self {
        Self { queued: looks, ..self }
    }

    /// Is at work for so many looks.
    pub const fn running(self, looks: usize) -> Self {
        Self { running: looks, ..self }
    }

    /// Is not yet in so many lists.
    pub const fn hidden(self, listings: usize) -> Self {
        Self { hidden: listings, ..self }
    }

    fn at(&self, looks: usize) -> (&'static str, Option<&'static str>) {
        match self.end {
            _ if looks < self.queued => ("queued", None),
            _ if looks < self.queued.saturating_add(self.running) => ("in_progress", None),
            Some(conclusion) => ("completed", Some(conclusion)),
            None => ("in_progress", None),
        }
    }
}

/// A workflow run that an event began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: u64,
    pub display_title: String,
    /// `repository_dispatch` or `workflow_dispatch`.
    pub event: &'static str,
    /// The workflow's file, where the repository holds it.
    pub path: String,
    pub attempt: u64,
    created: i64,
    life: Life,
    looks: usize,
}

impl Run {
    /// Its status and its conclusion, as the next look shows them.
    pub fn state(&self) -> (&'static str, Option<&'static str>) {
        self.life.at(self.looks)
    }

    fn look(&mut self, example: Value) -> Value {
        let shown = self.shown(example);
        self.looks = self.looks.saturating_add(1);
        shown
    }

    /// GitHub's own example of a run, with what is known of this one.
    fn shown(&self, mut body: Value) -> Value {
        let created =
            DateTime::from_timestamp(self.created, 0).expect("a date").to_rfc3339_opts(SecondsFormat::Secs, true);
        let (status, conclusion) = self.state();
        body["id"] = json!(self.id);
        body["event"] = json!(self.event);
        body["display_title"] = json!(self.display_title);
        body["path"] = json!(self.path);
        body["run_attempt"] = json!(self.attempt);
        body["status"] = json!(status);
        body["conclusion"] = json!(conclusion);
        body["html_url"] = json!(html_url(self.id));
        for key in ["created_at", "updated_at", "run_started_at"] {
            body[key] = json!(created);
        }
        body
    }
}

pub fn html_url(id: u64) -> String {
    format!("https://github.com/octo-org/octo-repo/actions/runs/{id}")
}

/// A run that has begun, for whoever executes it.
#[derive(Debug, Clone)]
pub struct Begun {
    pub slug: String,
    pub id: u64,
    pub workflow: String,
    pub event: &'static str,
    /// What the workflow gets as `github.event`.
    pub payload: Value,
}

/// Executes runs; gives their conclusions.
pub type Runner = Arc<dyn Fn(&Begun) -> &'static str + Send + Sync>;

impl FakeGitHub {
    /// What becomes of the next runs of a repository, one after the other; after these every run succeeds at once.
    pub fn live(&self, slug: &str, lives: &[Life]) -> &Self {
        self.world().repos.get_mut(slug).expect("a repository").lives.extend(lives);
        self
    }

    /// Lets a runner execute every further run of a repository: it is in progress until the runner has ended.
    pub fn run_by(&self, slug: &str, runner: Runner) -> &Self {
        self.world().repos.get_mut(slug).expect("a repository").runner = Some(runner);
        self
    }

    /// The runs of a repository, oldest first.
    pub fn runs(&self, slug: &str) -> Vec<Run> {
        self.world().repos.get(slug).map(|repo| repo.runs.clone()).unwrap_or_default()
    }

    /// Has a person run a run again, which keeps its id.
    pub fn rerun(&self, slug: &str, id: u64, life: Life) -> &Self {
        let mut world = self.world();
        let repo = world.repos.get_mut(slug).expect("a repository");
        let run = repo.runs.iter_mut().find(|run| run.id == id).expect("a run");
        (run.life, run.looks, run.attempt) = (life, 0, run.attempt + 1);
        drop(world);
        self
    }

    /// Begins a run that has nothing to do with us, as anybody's push or schedule does.
    pub fn add_run(&self, slug: &str, event: &'static str, title: &str, life: Life) -> &Self {
        let mut world = self.world();
        let now = world.seconds();
        let repo = world.repos.get_mut(slug).expect("a repository");
        repo.begin(event, title.to_owned(), String::new(), now, Some(life));
        drop(world);
        self
    }
}

impl Repo {
    /// Begins a run; its id.
    pub fn begin(
        &mut self,
        event: &'static str,
        display_title: String,
        path: String,
        created: i64,
        life: Option<Life>,
    ) -> u64 {
        let id = 1_000 + u64::try_from(self.runs.len()).expect("few runs");
        let of_runner = self.runner.is_some().then(Life::hangs);
        let life = life.or(of_runner).or_else(|| self.lives.pop_front()).unwrap_or(Life::ends("success"));
        self.runs.push(Run { id, display_title, event, path, attempt: 1, created, life, looks: 0 });
        id
    }

    /// The answer to `GET /repos/{owner}/{repo}/actions/runs`.
    pub fn list(&mut self, query: &[(String, String)]) -> Answer {
        let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = |name: &str, default: usize| parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let since = parameter("created").and_then(|text| text.strip_prefix(">="));
        let since =
            since.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map_or(i64::MIN, |date| date.timestamp());
        let (event, status) = (parameter("event"), parameter("status"));
        let is_wanted = |run: &Run| {
            let (now, conclusion) = run.state();
            run.created >= since
                && event.is_none_or(|event| event == run.event)
                && status.is_none_or(|wanted| wanted == now || Some(wanted) == conclusion)
        };
        let mut newest_first = Vec::new();
        for run in self.runs.iter_mut().rev().filter(|run| is_wanted(run)) {
            match run.life.hidden {
                0 => newest_first.push(run),
                usize::MAX => {}
                _ => run.life.hidden -= 1,
            }
        }
        let total = newest_first.len();
        let (size, page) = (number("per_page", 30).min(100), number("page", 1).max(1));
        let example = &Contract::get().example("workflow-run-paginated")["workflow_runs"][0];
        let page = newest_first.into_iter().skip((page - 1) * size).take(size);
        let listed: Vec<_> = page.map(|run| run.look(example.clone())).collect();
        Answer::json(200, &json!({"total_count": total, "workflow_runs": listed}))
    }

    /// The answer to `GET /repos/{owner}/{repo}/actions/runs/{run_id}`.
    pub fn one(&mut self, id: &str) -> Answer {
        let found = self.runs.iter_mut().find(|run| run.id.to_string() == id && run.life.hidden != usize::MAX);
        match found {
            Some(run) => Answer::json(200, &run.look(Contract::get().example("workflow-run"))),
            None => Answer::error(404, "Not Found"),
        }
    }
}

/// Gives the runs that have begun to their runners, each on a thread of its own.
pub fn execute(shared: &Arc<std::sync::Mutex<World>>) {
    let mut world = lock(shared);
    for begun in std::mem::take(&mut world.begun) {
        let Some(runner) = world.repos.get(&begun.slug).and_then(|repo| repo.runner.clone()) else { continue };
        let ended_in = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            let conclusion = runner(&begun);
            let mut world = lock(&ended_in);
            let runs = world.repos.get_mut(&begun.slug).map(|repo| &mut repo.runs);
            if let Some(run) = runs.and_then(|runs| runs.iter_mut().find(|run| run.id == begun.id)) {
                run.life = Life::ends(conclusion);
            }
        });
        world.runners.push(thread);
    }
}

/// The lives that are still to come.
pub type Lives = VecDeque<Life>;
