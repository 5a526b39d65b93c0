//! The limits that GitHub's REST API has: counted always, and kept to where a test wants it.

#![allow(dead_code, reason = "not every test asks for all of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answers::Answer;
use super::{FakeGitHub, World};

/// A write costs five points, anything else one; 900 may be spent in a minute.
const POINTS: (u64, u64) = (900, 60_000);
/// Writes in a minute.
const CONTENT_A_MINUTE: (u64, u64) = (80, 60_000);
/// Writes in an hour.
const CONTENT_AN_HOUR: (u64, u64) = (500, 3_600_000);

/// What each token has used, and how far each may go.
#[derive(Default)]
pub struct Limits {
    of_tokens: BTreeMap<String, Account>,
    is_enforced: bool,
    hits: u64,
}

struct Account {
    limit: u64,
    used: u64,
    /// In seconds since 1970.
    reset: Option<i64>,
    /// When something was asked, in milliseconds, and whether it was a write.
    asked: Vec<(u64, bool)>,
}

impl Default for Account {
    fn default() -> Self {
        Self { limit: 5_000, used: 0, reset: None, asked: Vec::new() }
    }
}

/// The time since 1970 in milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

impl FakeGitHub {
    /// From now on the limits bite.
    pub fn enforce_limits(&self) -> &Self {
        self.world().limits.is_enforced = true;
        self
    }

    /// How often a request met a limit.
    pub fn limit_hits(&self) -> u64 {
        self.world().limits.hits
    }

    /// What a token may ask in an hour, what it has asked already, and in how many seconds the hour is over.
    pub fn budget(&self, token: &str, limit: u64, used: u64, resets_in: i64) -> &Self {
        let mut world = self.world();
        let reset = Some(world.seconds() + resets_in);
        let account = world.limits.of_tokens.entry(token.to_owned()).or_default();
        (account.limit, account.used, account.reset) = (limit, used, reset);
        drop(world);
        self
    }

    /// What a token has asked, as far as GitHub counts it: no 304, no `/rate_limit`.
    pub fn used(&self, token: &str) -> u64 {
        self.world().limits.of_tokens.get(token).map_or(0, |account| account.used)
    }

    /// Adds these headers to every answer from now on, or puts them in the place of the true ones.
    pub fn headers(&self, headers: &[(&'static str, &str)]) -> &Self {
        self.world().headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self
    }

    /// Takes the time from here: milliseconds since 1970.
    pub fn keep_time(&self, clock: Clock) -> &Self {
        self.world().clock = Some(clock);
        self
    }
}

impl World {
    /// The time in milliseconds since 1970.
    pub fn millis(&self) -> u64 {
        match &self.clock {
            Some(clock) => clock(),
            None => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
                u64::try_from(now.as_millis()).expect("a time that fits")
            }
        }
    }

    /// The time in seconds since 1970.
    pub fn seconds(&self) -> i64 {
        i64::try_from(self.millis() / 1_000).expect("a time that fits")
    }

    /// The refusal of a request that goes over a limit, where limits are kept to.
    pub fn over_limit(&mut self, token: &str, method: &str, path: &str) -> Option<Answer> {
        let (now, seconds) = (self.millis(), self.seconds());
        if !self.limits.is_enforced || path == "/rate_limit" {
            return None;
        }
        let account = self.limits.of_tokens.entry(token.to_owned()).or_default();
        account.begin_anew(seconds);
        let writes = is_write(method, path);
        let refused = if account.used >= account.limit {
            Some(Answer::error(403, "API rate limit exceeded for user ID 1."))
        } else {
            account.overdrawn(now, writes).map(|seconds| {
                let message =
                    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
                Answer::error(403, message).with("retry-after", &seconds.to_string())
            })
        };
        self.limits.hits += u64::from(refused.is_some());
        refused
    }

    /// Counts what was asked, where GitHub counts it.
    pub fn count(&mut self, token: &str, method: &str, path: &str, status: u16) {
        let (now, seconds) = (self.millis(), self.seconds());
        let account = self.limits.of_tokens.entry(token.to_owned()).or_default();
        account.begin_anew(seconds);
        if status != 304 && path != "/rate_limit" {
            account.used += 1;
        }
        account.asked.push((now, is_write(method, path)));
    }

    /// The headers with which GitHub counts, and those that the test has written.
    pub fn with_headers(&mut self, token: &str, mut answer: Answer) -> Answer {
        let seconds = self.seconds();
        let (limit, used, remaining, reset) = self.numbers(token, seconds);
        answer = answer
            .with("x-ratelimit-limit", &limit.to_string())
            .with("x-ratelimit-used", &used.to_string())
            .with("x-ratelimit-remaining", &remaining.to_string())
            .with("x-ratelimit-reset", &reset.to_string())
            .with("x-ratelimit-resource", "core");
        for (name, value) in &self.headers {
            answer = answer.with(name, value);
        }
        answer
    }

    /// The limit, what is used and what remains of it, and when it begins anew.
    pub fn numbers(&mut self, token: &str, seconds: i64) -> (u64, u64, u64, i64) {
        let account = self.limits.of_tokens.entry(token.to_owned()).or_default();
        let remaining = account.limit.saturating_sub(account.used);
        (account.limit, account.used, remaining, account.reset.unwrap_or(seconds + 3_600))
    }
}

impl Account {
    fn begin_anew(&mut self, seconds: i64) {
        if self.reset.is_none_or(|reset| reset <= seconds) {
            self.used = if self.reset.is_some() { 0 } else { self.used };
            self.reset = Some(seconds + 3_600);
        }
    }

    /// In how many seconds the next request is within the secondary limits, if it is not now.
    fn overdrawn(&self, now: u64, writes: bool) -> Option<u64> {
        let cost = |writes: bool| if writes { 5 } else { 1 };
        let since = |window: u64| self.asked.iter().filter(move |(at, _)| at + window > now);
        let points: u64 = since(POINTS.1).map(|(_, writes)| cost(*writes)).sum();
        let written = |window| since(window).filter(|(_, writes)| *writes);
        let over = [
            (points + cost(writes) > POINTS.0, since(POINTS.1).next(), POINTS.1),
            (
                writes && count(written(CONTENT_A_MINUTE.1)) >= CONTENT_A_MINUTE.0,
                written(CONTENT_A_MINUTE.1).next(),
                CONTENT_A_MINUTE.1,
            ),
            (
                writes && count(written(CONTENT_AN_HOUR.1)) >= CONTENT_AN_HOUR.0,
                written(CONTENT_AN_HOUR.1).next(),
                CONTENT_AN_HOUR.1,
            ),
        ];
        let exceeded = over.into_iter().filter(|(is_over, ..)| *is_over);
        let waits =
            exceeded.map(|(_, oldest, window)| oldest.map_or(1, |(at, _)| (at + window - now).div_ceil(1_000).max(1)));
        waits.max()
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).expect("few requests")
}

/// Whether it makes content: a token for an App is none.
fn is_write(method: &str, path: &str) -> bool {
    !matches!(method, "GET" | "HEAD") && !path.starts_with("/app/")
}
