//! When a request may leave: how many are under way, what a server lets pass in a minute, and whether it asks everybody to wait.
//! Pure, but for the clock that it is told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The least time that is waited for, so that no rounding makes a wait of none.
const TICK: Duration = Duration::from_millis(1);

/// How many requests the estimates of the next ones are corrected by.
const LEARNT_FROM: usize = 32;
/// An estimate that was corrected by what others took may still be a little too low.
const MARGIN: f64 = 1.01;
/// After a 429 of a server that says nothing of its limits so many times the window must come back well before it grows.
const WARY: usize = 4;

/// What a server says of one of its limits, in its answer's headers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Told {
    /// How much it lets pass in its span of time.
    pub(super) limit: Option<f64>,
    /// How much of that is left.
    pub(super) remaining: Option<f64>,
    /// When all of it will be there again.
    pub(super) reset: Option<Duration>,
}

/// What fills up again by itself, up to its limit.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// The limit of stockroom.yml.
    set: Option<f64>,
    /// The limit that holds, of a minute.
    limit: Option<f64>,
    /// What comes back in a second.
    rate: f64,
    level: f64,
    at: Duration,
    /// The newest request whose answer has told the level.
    seen: Option<u64>,
}

impl Bucket {
    fn new(set: Option<f64>) -> Self {
        let limit = set.unwrap_or_default();
        Self { set, limit: set, rate: limit / 60.0, level: limit, at: Duration::ZERO, seen: None }
    }

    fn level(&self, now: Duration) -> f64 {
        let come = now.saturating_sub(self.at).as_secs_f64() * self.rate;
        self.limit.map_or(f64::INFINITY, |limit| (self.level + come).min(limit))
    }

    fn set_level(&mut self, now: Duration, level: f64) {
        (self.level, self.at) = (level, now);
    }

    /// How long it takes until so much is there. What is more than the limit waits until all of it is there: the server says the rest.
    fn ready_in(&self, now: Duration, wanted: f64) -> Duration {
        let Some(limit) = self.limit else { return Duration::ZERO };
        let lacks = wanted.min(limit) - self.level(now);
        if lacks <= 0.0 || self.rate <= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(lacks / self.rate).unwrap_or(Duration::MAX).max(TICK)
    }

    fn take(&mut self, now: Duration, wanted: f64) {
        if self.limit.is_some() {
            self.set_level(now, self.level(now) - wanted);
        }
    }

    /// What came after the request `told` by is under way, and not yet in what the server counts.
    fn observe(&mut self, now: Duration, request: u64, told: Told, under_way: f64) {
        let most = told.limit.or_else(|| {
            // Azure tells what is left alone: the limit is no less than the most that ever was.
            told.remaining.map(|remaining| remaining.max(self.limit.unwrap_or_default()))
        });
        let Some(most) = most.filter(|most| *most > 0.0) else { return };
        let level = self.level(now);
        let limit = self.set.map_or(most, |set| set.min(most));
        self.limit = Some(limit);
        self.rate = limit / 60.0;
        if let (Some(remaining), Some(reset)) = (told.remaining, told.reset) {
            // A limit of a day comes back more slowly than one of a minute.
            let told = (most - remaining) / reset.as_secs_f64();
            if reset >= Duration::from_secs(1) && told > 0.0 && told < self.rate / 2.0 {
                self.rate = told;
            }
        }
        let is_news = self.seen.is_none_or(|seen| request > seen);
        let Some(remaining) = told.remaining.filter(|_| is_news) else { return self.set_level(now, level.min(limit)) };
        self.seen = Some(request);
        // What is set counts for itself, where it is less than what the server gives.
        let told = remaining - under_way;
        let is_ours = self.set.is_some_and(|set| set < most);
        self.set_level(now, if is_ours { told.min(level) } else { told });
    }
}

/// The right of one request to be under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ticket {
    number: u64,
    reserved: f64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// It was answered, kindly or not.
    Answered { tokens: Told, requests: Told },
    /// There were too many: come again after that time.
    Limited { wait: Duration, tokens: Told, requests: Told },
    /// The server is in trouble, or silent.
    Troubled,
}

/// When a request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Now.
    Come,
    /// Not before then.
    At(Duration),
    /// When another has come back.
    AfterAnother,
}

/// The count of everything.
#[derive(Debug)]
pub(super) struct Ledger {
    at_once: usize,
    /// How many may be under way at present: fewer than `at_once` while the server is hard pressed.
    window: usize,
    /// How many have come back well since the window has changed.
    well: usize,
    under_way: BTreeMap<u64, f64>,
    next: u64,
    /// The first request that has left since the window shrank: those before it say nothing new.
    since: u64,
    held_until: Duration,
    /// Whether the server has said what it lets pass, or lets pass everything.
    is_known: bool,
    /// What a request really takes of what it was estimated to take; the most of the last ones.
    share: f64,
    shares: VecDeque<f64>,
    /// How many were told to come again. They go before all others, which would take what was promised to them.
    again: usize,
    wariness: usize,
    tokens: Bucket,
    requests: Bucket,
}

impl Ledger {
    /// Nothing is known but what stockroom.yml says.
    pub(super) fn new(at_once: usize, tokens: Option<f64>, requests: Option<f64>) -> Self {
        Self {
            at_once: at_once.max(1),
            window: at_once.max(1),
            well: 0,
            under_way: BTreeMap::new(),
            next: 0,
            since: 0,
            held_until: Duration::ZERO,
            is_known: false,
            share: 1.0,
            shares: VecDeque::new(),
            again: 0,
            wariness: 1,
            tokens: Bucket::new(tokens),
            requests: Bucket::new(requests),
        }
    }

    /// When a request may leave that is estimated to take so many tokens; one that `comes_again` goes before the others.
    pub(super) fn moment(&self, now: Duration, estimate: f64, comes_again: bool) -> Moment {
        let is_alone = self.under_way.is_empty();
        if self.again > 0 && !comes_again {
            return Moment::AfterAnother;
        }
        // Until the server has said what it lets pass, one request asks for all.
        if self.under_way.len() >= self.window || (!self.is_known && !is_alone) {
            return Moment::AfterAnother;
        }
        let wait = self.tokens.ready_in(now, estimate * self.share).max(self.requests.ready_in(now, 1.0));
        match now.saturating_add(wait).max(self.held_until) {
            at if at <= now => Moment::Come,
            at => Moment::At(at),
        }
    }

    /// Lets a request leave.
    pub(super) fn leave(&mut self, now: Duration, estimate: f64) -> Ticket {
        let ticket = Ticket { number: self.next, reserved: estimate * self.share };
        self.next += 1;
        self.under_way.insert(ticket.number, ticket.reserved);
        self.tokens.take(now, ticket.reserved);
        self.requests.take(now, 1.0);
        ticket
    }

    /// A request has come back, or will not.
    pub(super) fn settle(&mut self, now: Duration, ticket: Ticket, fate: Option<Fate>) {
        self.under_way.remove(&ticket.number);
        match fate {
            None => {}
            Some(Fate::Answered { tokens, requests }) => {
                self.observe(now, ticket, tokens, requests);
                self.well += 1;
                if self.well >= self.window * self.wariness && self.window < self.at_once {
                    (self.window, self.well) = (self.window + 1, 0);
                }
            }
            Some(Fate::Limited { wait, tokens, requests }) => {
                self.observe(now, ticket, tokens, requests);
                self.held_until = self.held_until.max(now.saturating_add(wait));
                if self.tokens.limit.is_some() {
                    // When the wait is over there is just enough for this one.
                    let level = ticket.reserved - wait.as_secs_f64() * self.tokens.rate;
                    self.tokens.set_level(now, level.min(self.tokens.level(now) + ticket.reserved));
                    self.shrink(ticket, self.window / 2, 1);
                } else {
                    self.shrink(ticket, 1, WARY);
                }
            }
            Some(Fate::Troubled) => self.shrink(ticket, self.window / 2, 1),
        }
    }

    fn observe(&mut self, now: Duration, ticket: Ticket, tokens: Told, requests: Told) {
        self.is_known = true;
        let after = (std::ops::Bound::Excluded(ticket.number), std::ops::Bound::Unbounded);
        let (reserved, count) =
            self.under_way.range(after).fold((0.0, 0.0), |(sum, count), (_, tokens)| (sum + tokens, count + 1.0));
        self.tokens.observe(now, ticket.number, tokens, reserved);
        self.requests.observe(now, ticket.number, requests, count);
    }

    fn shrink(&mut self, ticket: Ticket, window: usize, wariness: usize) {
        if ticket.number >= self.since {
            (self.window, self.well, self.since) = (window.max(1), 0, self.next);
            self.wariness = wariness;
        }
    }

    /// One more was told to come again, or one of these has done so or will not.
    pub(super) fn note_again(&mut self, is_told: bool) {
        self.again = if is_told { self.again + 1 } else { self.again.saturating_sub(1) };
    }

    /// Learns how many tokens a request really had.
    pub(super) fn count(&mut self, now: Duration, ticket: Ticket, estimate: f64, tokens: f64) {
        if estimate <= 0.0 {
            return;
        }
        self.shares.push_back(tokens / estimate);
        if self.shares.len() > LEARNT_FROM {
            self.shares.pop_front();
        }
        self.share = (self.shares.iter().copied().fold(0.01, f64::max) * MARGIN).min(2.0);
        if self.tokens.seen.is_none() {
            // No server tells the level, so it is our own count.
            self.tokens.set_level(now, self.tokens.level(now) + ticket.reserved - tokens);
        }
    }

    /// How many tokens may be asked for in a minute, as far as is known.
    pub(super) fn tokens_per_minute(&self) -> Option<f64> {
        self.tokens.limit
    }

    /// How many tokens an estimate stands for, by what was learnt.
    pub(super) fn likely(&self, estimate: f64) -> f64 {
        estimate * self.share
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
