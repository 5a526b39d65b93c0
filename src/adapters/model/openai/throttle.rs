//! Waits until a request may leave, first come first served; the [`Ledger`] says when that is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex as Queue, Notify};

use super::ledger::{Fate, Ledger, Moment, Ticket};
use super::said;
use crate::adapters::http::{Event, Gate, Pace};

/// What all requests to one model go through.
pub(super) struct Throttle {
    pace: Arc<dyn Pace>,
    ledger: Mutex<Ledger>,
    /// Who is first waits for the moment, the others for their turn.
    queue: Queue<()>,
    news: Notify,
    closed: Mutex<Option<String>>,
}

impl Throttle {
    pub(super) fn new(pace: Arc<dyn Pace>, ledger: Ledger) -> Self {
        Self {
            pace,
            ledger: Mutex::new(ledger),
            queue: Queue::default(),
            news: Notify::new(),
            closed: Mutex::default(),
        }
    }

    /// Never kept over a wait.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody through any more, for the reason that was told first.
    pub(super) fn close(&self, why: &str) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
        self.news.notify_waiters();
    }

    /// Why nobody is let through any more.
    pub(super) fn closed(&self) -> Option<String> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The passage of the requests that one batch makes, which `can_be_parted` if it has several texts.
    pub(super) fn passage(&self, estimate: u64, can_be_parted: bool) -> Passage<'_> {
        Passage {
            throttle: self,
            estimate: estimate as f64,
            ticket: Mutex::default(),
            last: Mutex::default(),
            comes_again: AtomicBool::new(false),
            can_be_parted,
            is_too_wide: AtomicBool::new(false),
        }
    }
}

/// The requests of one batch on their way through, one after the other.
pub(super) struct Passage<'a> {
    throttle: &'a Throttle,
    estimate: f64,
    /// The one that is under way.
    ticket: Mutex<Option<Ticket>>,
    /// The one that came back last.
    last: Mutex<Option<Ticket>>,
    /// Whether the server has told it to come again.
    comes_again: AtomicBool,
    can_be_parted: bool,
    is_too_wide: AtomicBool,
}

impl Passage<'_> {
    fn settle(&self, fate: Option<Fate>) {
        let Some(ticket) = self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.throttle.ledger().settle(self.throttle.pace.now(), ticket, fate);
        self.note_again(matches!(fate, Some(Fate::Limited { .. })));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket);
        self.throttle.news.notify_waiters();
    }

    fn note_again(&self, is_told: bool) {
        if self.comes_again.swap(is_told, Ordering::SeqCst) != is_told {
            self.throttle.ledger().note_again(is_told);
        }
    }

    /// Whether it was not let through because it has more tokens than a minute.
    pub(super) fn is_too_wide(&self) -> bool {
        self.is_too_wide.load(Ordering::SeqCst)
    }

    /// Learns how many tokens the texts really had.
    pub(super) fn count(&self, tokens: u64) {
        let Some(ticket) = *self.last.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        self.throttle.ledger().count(self.throttle.pace.now(), ticket, self.estimate, tokens as f64);
        self.throttle.news.notify_waiters();
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.settle(None);
        self.note_again(false);
        self.throttle.news.notify_waiters();
    }
}

#[async_trait]
impl Gate for Passage<'_> {
    async fn enter(&self, _: Duration) -> Result<Duration, String> {
        let Throttle { pace, queue, news, .. } = self.throttle;
        let asked = pace.now();
        let comes_again = self.comes_again.load(Ordering::SeqCst);
        let _turn = if comes_again { None } else { Some(queue.lock().await) };
        loop {
            // What is told from here on is heard.
            let mut heard = std::pin::pin!(news.notified());
            heard.as_mut().enable();
            if let Some(why) = self.throttle.closed() {
                return Err(why);
            }
            if let Some(signal) = pace.stop().asked() {
                return Err(format!("stopped by {signal} before the request was made"));
            }
            let now = pace.now();
            let moment = {
                let mut ledger = self.throttle.ledger();
                let most = ledger.tokens_per_minute().filter(|_| self.can_be_parted);
                if most.is_some_and(|most| ledger.likely(self.estimate) > most) {
                    self.is_too_wide.store(true, Ordering::SeqCst);
                    return Err("these are more tokens than the server takes in a minute".to_owned());
                }
                let moment = ledger.moment(now, self.estimate, comes_again);
                if moment == Moment::Come {
                    let ticket = ledger.leave(now, self.estimate);
                    *self.ticket.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket);
                    return Ok(now.saturating_sub(asked));
                }
                moment
            };
            match moment {
                Moment::At(at) => tokio::select! {
                    () = heard => {}
                    () = pace.sleep(at.saturating_sub(now)) => {}
                },
                _ => tokio::select! {
                    () = heard => {}
                    _ = pace.stop().until_asked() => {}
                },
            }
        }
    }

    fn leave(&self, event: &Event) {
        self.settle(Some(match event {
            Event::Answer(reply) => said::fate(reply),
            Event::NotSent { .. } | Event::NoAnswer { .. } => Fate::Troubled,
        }));
    }

    fn note_retry(&self) {}
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
