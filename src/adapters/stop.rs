//! The wish that the process end: heard by whoever begins something new, and by whoever waits.
//!
//! Between a wish and the end nothing new is begun. What is under way is brought to its end where that is soon: GitHub's
//! runner kills ten seconds after it has asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// How long after the wish an answer is still waited for.
const ANSWER: Duration = Duration::from_secs(4);
/// How long after the wish what is under way may take in all.
const LAST: Duration = Duration::from_millis(6_500);
/// How long after the wish other programs that work for us are ended, if they have not.
const OTHERS: Duration = Duration::from_secs(6);
/// How long a process ends by itself where nothing is under way that must not be cut off.
const AT_ONCE: Duration = Duration::from_millis(300);
/// A second wish that comes sooner is the echo of the first: programs that started us pass a terminal's ^C on.
const ECHO: Duration = Duration::from_millis(300);

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: somebody pressed ^C, or the runner cancels.
    Interrupt,
    /// SIGTERM: the machine goes down, or the runner grows impatient.
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// The process was asked to end before it had begun what it was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped by {0} before anything was published, sent or embedded; run it again to have it done")]
pub struct Stopped(pub Signal);

/// Whether the process was asked to end. Clones hear the same.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    told: Arc<watch::Sender<Told>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    first: Option<(Signal, Instant)>,
    insists: bool,
    holds: usize,
    /// Whether something was ever under way.
    was_held: bool,
    /// Whether the report has told of the wish.
    is_reported: bool,
}

/// While it lives, something is under way that is worth waiting for.
#[derive(Debug)]
pub struct Hold(Stop);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.told.send_modify(|told| told.holds = told.holds.saturating_sub(1));
    }
}

impl Stop {
    /// Asks the process to end. Who asks twice with SIGINT wants it at once.
    pub fn ask(&self, signal: Signal) {
        self.told.send_modify(|told| match told.first {
            None => told.first = Some((signal, Instant::now())),
            Some((_, at)) => told.insists |= signal == Signal::Interrupt && at.elapsed() > ECHO,
        });
    }

    /// The first signal, if there was one.
    pub fn asked(&self) -> Option<Signal> {
        self.told.borrow().first.map(|(signal, _)| signal)
    }

    /// Whether nothing new may be begun.
    pub fn is_asked(&self) -> bool {
        self.asked().is_some()
    }

    /// Says that something is under way from here on; refused to whoever was asked to end.
    pub fn hold(&self) -> Result<Hold, Stopped> {
        let mut refused = None;
        self.told.send_modify(|told| match told.first {
            None => (told.holds, told.was_held) = (told.holds + 1, true),
            Some((signal, _)) => refused = Some(Stopped(signal)),
        });
        refused.map_or_else(|| Ok(Hold(self.clone())), Err)
    }

    /// Whether something is under way.
    pub fn is_held(&self) -> bool {
        self.told.borrow().holds > 0
    }

    /// Whether something was ever under way, so that something may have been done.
    pub fn was_held(&self) -> bool {
        self.told.borrow().was_held
    }

    /// Notes that the run's own report says that it was asked to end.
    pub fn note_report(&self) {
        self.told.send_modify(|told| told.is_reported = true);
    }

    /// Whether the run's own report says that it was asked to end.
    pub fn is_reported(&self) -> bool {
        self.told.borrow().is_reported
    }

    /// Waits until the process is asked to end.
    pub async fn until_asked(&self) -> Signal {
        self.first().await.0
    }

    /// Waits for `duration`, or less where the process is asked to end.
    pub async fn sleep(&self, duration: Duration) {
        // Both ends of the wait are what was waited for.
        let _ = timeout(duration, self.until_asked()).await;
    }

    /// Waits until an answer is not worth waiting for any more; in a process that nobody asks to end, for ever.
    pub async fn until_unanswered(&self) {
        sleep_until(self.first().await.1 + ANSWER).await;
    }

    /// Waits until other programs that work for us are to be ended; in a process that nobody asks to end, for ever.
    pub async fn until_others_end(&self) {
        sleep_until(self.first().await.1 + OTHERS).await;
    }

    /// Waits until the process is to end, whatever it is doing.
    pub async fn until_overdue(&self) {
        let (_, at) = self.first().await;
        let mut news = self.told.subscribe();
        loop {
            let now = *news.borrow_and_update();
            let left = match now {
                Told { insists: true, .. } => return,
                Told { holds: 0, .. } => AT_ONCE,
                Told { .. } => (at + LAST).saturating_duration_since(Instant::now()),
            };
            // No news in time: it is late. (The sender lives as long as we do.)
            if timeout(left, news.changed()).await.is_err() {
                return;
            }
        }
    }

    async fn first(&self) -> (Signal, Instant) {
        let mut news = self.told.subscribe();
        loop {
            if let Some(first) = news.borrow_and_update().first {
                return first;
            }
            if news.changed().await.is_err() {
                // Nobody is left who could ask.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(wait: impl Future<Output = ()>) -> f32 {
        let begun = Instant::now();
        wait.await;
        begun.elapsed().as_secs_f32()
    }

    fn near(found: f32, wanted: Duration) -> bool {
        (found - wanted.as_secs_f32()).abs() < 0.05
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_by_the_wish() {
        let stop = Stop::default();
        let other = stop.clone();
        let waiter = tokio::spawn(async move { seconds(other.sleep(Duration::from_secs(3_600))).await });
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!stop.is_asked());
        stop.ask(Signal::Terminate);
        assert!(waiter.await.unwrap() < 2.1);
        assert_eq!(stop.asked(), Some(Signal::Terminate));
        assert!(seconds(stop.sleep(Duration::from_secs(60))).await < 0.05, "and nobody waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_under_way_ends_at_once_and_the_rest_has_its_time() {
        let idle = Stop::default();
        idle.ask(Signal::Interrupt);
        assert!(near(seconds(idle.until_overdue()).await, AT_ONCE));

        let busy = Stop::default();
        let _hold = busy.hold().unwrap();
        busy.ask(Signal::Interrupt);
        assert!(near(seconds(busy.until_unanswered()).await, ANSWER));
        assert!(near(seconds(busy.until_others_end()).await, OTHERS - ANSWER));
        assert!(near(seconds(busy.until_overdue()).await, LAST - OTHERS));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_come_to_its_end_leaves_time_to_say_so() {
        let stop = Stop::default();
        let hold = stop.hold().unwrap();
        stop.ask(Signal::Interrupt);
        let other = stop.clone();
        let waiter = tokio::spawn(async move { seconds(other.until_overdue()).await });
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(hold);
        assert!(near(waiter.await.unwrap(), Duration::from_secs(2) + AT_ONCE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_twice_wants_it_now_but_an_echo_and_the_runner_s_second_signal_do_not() {
        for (second, after, is_now) in [
            (Signal::Interrupt, Duration::from_secs(1), true),
            (Signal::Interrupt, ECHO / 2, false),
            (Signal::Terminate, Duration::from_secs(1), false),
        ] {
            let stop = Stop::default();
            let _hold = stop.hold().unwrap();
            stop.ask(Signal::Interrupt);
            tokio::time::sleep(after).await;
            stop.ask(second);
            let left = seconds(stop.until_overdue()).await;
            assert_eq!(left < 0.05, is_now, "{second} after {after:?}: {left} s");
            assert_eq!(stop.asked(), Some(Signal::Interrupt), "the first one counts");
        }
    }

    #[test]
    fn nothing_is_begun_after_the_wish() {
        let stop = Stop::default();
        drop(stop.hold().unwrap());
        stop.ask(Signal::Terminate);
        assert_eq!(stop.hold().unwrap_err(), Stopped(Signal::Terminate));
        assert!(!stop.is_held());
    }

    #[test]
    fn what_was_under_way_and_what_was_reported_is_remembered() {
        let stop = Stop::default();
        assert!(!stop.was_held() && !stop.is_reported());
        drop(stop.hold().unwrap());
        assert!(stop.was_held() && !stop.is_held());
        let other = stop.clone();
        other.note_report();
        assert!(stop.is_reported());
    }
}
