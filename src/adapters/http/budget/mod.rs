//! The budget of requests of one token at one server, which everybody shares who uses that token.
//!
//! [`ledger`] decides when a request may leave; [`Budget`] waits for that moment, hears the wish that the process end, and
//! counts. A server that asks to wait is heard by all.

mod ledger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::pace::Pace;
use super::policy::UNTOLD_WAIT;
use super::reply::Reply;
use crate::secret::Secret;

pub use ledger::Kind;
use ledger::{Booking, Ledger, Moment};

/// Requests under way at once; GitHub allows a hundred.
const AT_ONCE: u16 = 90;

/// Told the sentence that most of the limit is used up.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// What one token may still ask of one server.
pub struct Budget {
    pace: Arc<dyn Pace>,
    ledger: Mutex<Book>,
    places: Arc<Semaphore>,
    /// Wakes those who wait when the server asks everybody to.
    held: Notify,
    warn: Option<Warn>,
}

#[derive(Default)]
struct Book {
    ledger: Ledger,
    counted: Counted,
}

#[derive(Default)]
struct Counted {
    requests: u64,
    writes: u64,
    unchanged: u64,
    retries: u64,
    limited: u64,
    longest: Duration,
}

/// The numbers of a budget, as plain data for reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Requests made, repetitions included.
    pub requests: u64,
    /// Those of them that write.
    pub writes: u64,
    /// Answers `304 Not Modified`, which cost nothing.
    pub unchanged: u64,
    /// Requests that repeat another one.
    pub retries: u64,
    /// Answers that said that there were too many.
    pub limited: u64,
    /// For how many seconds the server held everybody back.
    pub held_seconds: u64,
    /// How many seconds a request waited at most until it might leave.
    pub waited_seconds: u64,
    /// How many requests the server lets pass in an hour.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: Option<u64>,
    /// When the hour begins anew, in seconds since 1970.
    pub reset: Option<u64>,
}

impl Numbers {
    /// The numbers of two budgets together: sums, the longer wait, and the limit of which less is left.
    pub fn and(self, other: &Self) -> Self {
        let share = |numbers: &Self| Some((numbers.remaining?, numbers.limit?));
        let is_scarcer = match (share(&self), share(other)) {
            (Some((left, limit)), Some((others_left, others_limit))) => {
                u128::from(others_left) * u128::from(limit) < u128::from(left) * u128::from(others_limit)
            }
            (mine, _) => mine.is_none(),
        };
        let scarce = if is_scarcer { other } else { &self };
        Self {
            requests: self.requests + other.requests,
            writes: self.writes + other.writes,
            unchanged: self.unchanged + other.unchanged,
            retries: self.retries + other.retries,
            limited: self.limited + other.limited,
            held_seconds: self.held_seconds + other.held_seconds,
            waited_seconds: self.waited_seconds.max(other.waited_seconds),
            limit: scarce.limit,
            remaining: scarce.remaining,
            reset: scarce.reset,
        }
    }
}

/// The right to make one request; it ends when the answer is there.
pub struct Permit {
    /// How long others were waited for, which is nobody's fault.
    pub queued: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

/// A moment that goes back when nobody comes for it.
struct Booked<'a> {
    budget: &'a Budget,
    booking: Option<Booking>,
}

impl Drop for Booked<'_> {
    fn drop(&mut self) {
        if let Some(booking) = self.booking {
            self.budget.book().ledger.give_back(&booking);
        }
    }
}

impl Budget {
    /// A budget of which nothing is used. Waits go by `pace`.
    pub fn new(pace: Arc<dyn Pace>) -> Self {
        let places = Arc::new(Semaphore::new(usize::from(AT_ONCE)));
        Self { pace, ledger: Mutex::default(), places, held: Notify::new(), warn: None }
    }

    /// The same, which says once that four fifths of the limit are used.
    pub fn warning(self, warn: Warn) -> Self {
        Self { warn: Some(warn), ..self }
    }

    /// The clock that waits go by.
    pub fn pace(&self) -> &Arc<dyn Pace> {
        &self.pace
    }

    /// Waits until a request may leave. The error says why it was not made.
    ///
    /// `patience` bounds what the server asks to wait; waiting for others who came before is not held against anybody.
    pub async fn permit(&self, kind: Kind, patience: Duration) -> Result<Permit, String> {
        let asked = self.pace.now();
        let booking = self.book().ledger.book(asked, kind, patience)?;
        let mut booked = Booked { budget: self, booking: Some(booking) };
        let mut place = None;
        loop {
            if let Some(signal) = self.pace.stop().asked() {
                return Err(format!("stopped by {signal} before the request was made"));
            }
            let news = self.held.notified();
            let now = self.pace.now();
            let under_way = usize::from(AT_ONCE).saturating_sub(self.places.available_permits());
            let under_way = under_way.saturating_sub(usize::from(place.is_some()));
            let moment = {
                let ledger = &mut self.book().ledger;
                match ledger.moment(now, &booking, u64::try_from(under_way).unwrap_or(u64::MAX)) {
                    Moment::At(at) if at.saturating_sub(booking.turn) > patience => return Err(ledger.refusal(now, at)),
                    moment => moment,
                }
            };
            match (moment, &place) {
                (Moment::At(at), _) => tokio::select! {
                    () = self.pace.sleep(at.saturating_sub(now)) => {}
                    () = news => {}
                },
                (Moment::Come, Some(_)) => break,
                (Moment::Come, None) => place = Some(self.place(patience).await?),
            }
        }
        booked.booking = None;
        let waited = self.pace.now().saturating_sub(asked);
        let mut book = self.book();
        book.counted.longest = book.counted.longest.max(waited);
        book.counted.requests += 1;
        book.counted.writes += u64::from(kind == Kind::Write);
        Ok(Permit { queued: waited.min(booking.turn.saturating_sub(asked)), _place: place })
    }

    /// One of the places of requests that are under way.
    async fn place(&self, patience: Duration) -> Result<OwnedSemaphorePermit, String> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let late = || format!("{AT_ONCE} other requests were under way for too long");
        tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(|_| late()),
            () = self.pace.sleep(patience) => Err(match self.pace.stop().asked() {
                Some(signal) => format!("stopped by {signal} before the request was made"),
                None => late(),
            }),
        }
    }

    /// Takes note of an answer: what the server counts, and whether it asks everybody to wait.
    pub fn observe(&self, reply: &Reply) {
        let now = self.pace.now();
        let (warning, is_held) = {
            let mut book = self.book();
            let held_before = book.ledger.held_for;
            book.counted.unchanged += u64::from(reply.status == 304);
            if reply.is_rate_limited() {
                book.counted.limited += 1;
                let wait = reply.wait().unwrap_or(UNTOLD_WAIT);
                let until = now.saturating_add(wait);
                book.ledger.hold(now, until, "GitHub asks everybody who uses this token to wait".to_owned());
            }
            let warning = reply.quota().and_then(|quota| book.ledger.count(now, quota));
            (warning, book.ledger.held_for > held_before)
        };
        if is_held {
            self.held.notify_waiters();
        }
        if let (Some(warn), Some(sentence)) = (&self.warn, warning) {
            warn(&sentence);
        }
    }

    /// Takes note that a request repeats another one.
    pub fn note_retry(&self) {
        self.book().counted.retries += 1;
    }

    /// What was used until now.
    pub fn numbers(&self) -> Numbers {
        let book = self.book();
        let Counted { requests, writes, unchanged, retries, limited, longest } = book.counted;
        let quota = book.ledger.quota();
        Numbers {
            requests,
            writes,
            unchanged,
            retries,
            limited,
            held_seconds: book.ledger.held_for.as_secs(),
            waited_seconds: longest.as_secs(),
            limit: quota.map(|quota| quota.limit),
            remaining: quota.map(|quota| quota.remaining),
            reset: quota.and_then(|quota| quota.reset),
        }
    }

    /// Never kept over a wait.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type ByServerAndToken = BTreeMap<(String, String), Arc<Budget>>;

/// The budgets of a run, one for each token at each server.
#[derive(Clone)]
pub struct Budgets {
    pace: Arc<dyn Pace>,
    warn: Option<Warn>,
    all: Arc<Mutex<ByServerAndToken>>,
}

impl Budgets {
    /// None is used yet. Waits go by `pace`; `warn` is told when most of one is used up.
    pub fn new(pace: Arc<dyn Pace>, warn: Option<Warn>) -> Self {
        Self { pace, warn, all: Arc::default() }
    }

    /// The budget of whoever is known at the server by this token; without one, of this machine.
    pub fn of(&self, server: &str, token: Option<&Secret>) -> Arc<Budget> {
        self.shared(server, token.map(fingerprint).unwrap_or_default())
    }

    /// The budget of a GitHub App: GitHub counts what it writes for all its installations together.
    pub fn of_app(&self, server: &str, id: &str) -> Arc<Budget> {
        self.shared(server, format!("app {id}"))
    }

    fn shared(&self, server: &str, whose: String) -> Arc<Budget> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = all.entry((server.trim_end_matches('/').to_owned(), whose)).or_insert_with(|| {
            let budget = Budget::new(Arc::clone(&self.pace));
            Arc::new(match &self.warn {
                Some(warn) => budget.warning(Arc::clone(warn)),
                None => budget,
            })
        });
        Arc::clone(budget)
    }

    /// The clock that waits go by.
    pub fn pace(&self) -> &Arc<dyn Pace> {
        &self.pace
    }

    /// What was used until now, of all together.
    pub fn numbers(&self) -> Numbers {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|budget| budget.numbers()).fold(Numbers::default(), |sum, numbers| sum.and(&numbers))
    }
}

/// Tells a token from another without giving it away.
pub fn fingerprint(token: &Secret) -> String {
    hex::encode(Sha256::new_with_prefix(b"stockroom token\0").chain_update(token.reveal()).finalize())
}

#[cfg(test)]
mod tests;
