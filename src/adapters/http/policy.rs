//! Whether a request is made again, and when: a pure decision.

use std::time::Duration;

use super::reply::{Reply, Trouble};
use super::told;

/// How one request may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether a repetition does no harm.
    pub idempotent: bool,
    /// From the first request to the last answer, waits included.
    pub deadline: Duration,
    /// The most requests that are made.
    pub attempts: u32,
}

impl Policy {
    /// For what may be repeated: a GET, or a PUT of the same content.
    pub fn idempotent() -> Self {
        Self { idempotent: true, deadline: Duration::from_secs(120), attempts: 5 }
    }

    /// For what must not happen twice: repeated only when it is certain that it has not happened.
    pub fn once() -> Self {
        Self { idempotent: false, ..Self::idempotent() }
    }
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It never left.
    NotSent {
        /// Why.
        why: String,
    },
    /// It left, or may have, and there is no whole answer.
    NoAnswer {
        /// Why.
        why: String,
    },
    /// There is an answer.
    Answer(Reply),
}

impl From<Result<Reply, Trouble>> for Event {
    fn from(outcome: Result<Reply, Trouble>) -> Self {
        match outcome {
            Ok(reply) => Self::Answer(reply),
            Err(Trouble::NotSent(why)) => Self::NotSent { why },
            Err(Trouble::NoAnswer(why)) => Self::NoAnswer { why },
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Another try would not change the answer.
    Final,
    /// Wait, then make the same request again.
    Retry {
        /// How long to wait.
        after: Duration,
    },
    /// It came to nothing.
    GiveUp {
        /// Whether it is certain that the server has not acted on it.
        certain: bool,
        /// Why, in a sentence.
        why: String,
    },
}

/// GitHub asks for at least this when it names no time.
pub(super) const UNTOLD_WAIT: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LAST_BACKOFF: Duration = Duration::from_secs(30);

/// Whether the server has certainly not acted on the request.
pub(super) fn is_certain(event: &Event) -> bool {
    match event {
        Event::NotSent { .. } => true,
        Event::NoAnswer { .. } => false,
        Event::Answer(reply) => reply.is_rate_limited(),
    }
}

/// Decides after the `attempts`-th request, `spent` after the first one began; `jitter` is by chance, from 0 to 999.
pub fn decide(policy: &Policy, attempts: u32, spent: Duration, event: &Event, jitter: u32) -> Decision {
    // `certain`: the server has not acted on the request, so that a repetition cannot be a second time.
    let (certain, why, asked) = match event {
        Event::NotSent { why } => (true, why.clone(), None),
        Event::NoAnswer { why } => (false, why.clone(), None),
        Event::Answer(reply) if reply.is_rate_limited() => {
            let wait = reply.wait().unwrap_or(UNTOLD_WAIT);
            (true, format!("the server asks to wait {}", told(wait)), Some(wait))
        }
        Event::Answer(reply) if matches!(reply.status, 408 | 500..=599) => {
            (false, format!("the server answered {}", reply.status), reply.wait())
        }
        Event::Answer(_) => return Decision::Final,
    };
    let give_up = |why| Decision::GiveUp { certain, why };
    if !certain && !policy.idempotent {
        return give_up(why);
    }
    if attempts >= policy.attempts {
        return give_up(why);
    }
    // Chance is added to what the server asks for, never taken from it.
    let after = match asked {
        Some(wait) => wait.max(FIRST_BACKOFF / 2) + FIRST_BACKOFF * jitter / 1_000,
        None => backoff(attempts, jitter),
    };
    if spent.saturating_add(after) >= policy.deadline {
        return give_up(format!("{why}, which is past the deadline of {}", told(policy.deadline)));
    }
    Decision::Retry { after }
}

/// Half of an exponentially growing time, and up to the other half by chance.
fn backoff(attempts: u32, jitter: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings)).min(LAST_BACKOFF);
    full / 2 + full * jitter / 2_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderValue, RETRY_AFTER};

    use super::*;

    fn answer(status: u16) -> Event {
        Event::Answer(Reply::with_status(status))
    }

    fn after(status: u16, seconds: &'static str) -> Event {
        let mut reply = Reply::with_status(status);
        reply.headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        Event::Answer(reply)
    }

    fn not_sent() -> Event {
        Event::NotSent { why: "connection refused".into() }
    }

    fn no_answer() -> Event {
        Event::NoAnswer { why: "connection reset".into() }
    }

    fn word(decision: &Decision) -> String {
        match decision {
            Decision::Final => "final".into(),
            Decision::Retry { after } => format!("again after {} ms", after.as_millis()),
            Decision::GiveUp { certain: true, .. } => "not done".into(),
            Decision::GiveUp { certain: false, .. } => "unknown".into(),
        }
    }

    #[test]
    fn the_table_of_decisions() {
        // What happened, the decision when a repetition does no harm, and when it must not happen twice.
        let table: Vec<(&str, Event, &str, &str)> = vec![
            ("200", answer(200), "final", "final"),
            ("204", answer(204), "final", "final"),
            ("307", answer(307), "final", "final"),
            ("404", answer(404), "final", "final"),
            ("403 for want of permission", answer(403), "final", "final"),
            ("422", answer(422), "final", "final"),
            ("never left", not_sent(), "again after 375 ms", "again after 375 ms"),
            ("left, no answer", no_answer(), "again after 375 ms", "unknown"),
            ("408", answer(408), "again after 375 ms", "unknown"),
            ("500", answer(500), "again after 375 ms", "unknown"),
            ("503 with a time", after(503, "3"), "again after 3250 ms", "unknown"),
            ("429", answer(429), "again after 60250 ms", "again after 60250 ms"),
            ("429 with a time", after(429, "2"), "again after 2250 ms", "again after 2250 ms"),
            ("403 with a time", after(403, "5"), "again after 5250 ms", "again after 5250 ms"),
            ("429 with a day", after(429, "86400"), "not done", "not done"),
        ];
        for (what, event, idempotent, once) in table {
            let decided = |policy| word(&decide(&policy, 1, Duration::ZERO, &event, 500));
            assert_eq!(
                (decided(Policy::idempotent()).as_str(), decided(Policy::once()).as_str()),
                (idempotent, once),
                "{what}"
            );
        }
    }

    #[test]
    fn the_last_attempt_is_not_repeated() {
        let policy = Policy::once();
        assert_eq!(word(&decide(&policy, policy.attempts, Duration::ZERO, &after(429, "1"), 0)), "not done");
    }

    #[test]
    fn a_wait_that_does_not_fit_is_not_begun_and_the_sentence_says_so() {
        let decision = decide(&Policy::once(), 1, Duration::from_secs(100), &after(429, "30"), 0);
        let why = "the server asks to wait 30 s, which is past the deadline of 120 s".to_owned();
        assert_eq!(decision, Decision::GiveUp { certain: true, why });
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![Just(not_sent()), Just(no_answer()), (200..600_u16).prop_map(answer), Just(after(429, "9"))]
    }

    proptest! {
        #[test]
        fn waits_stay_within_the_deadline(
            event in any_event(), attempts in 1..100_u32, spent in 0..200_u64, jitter in 0..1000_u32, idempotent: bool,
        ) {
            let policy = Policy { idempotent, deadline: Duration::from_secs(120), attempts: 50 };
            let spent = Duration::from_secs(spent);
            if let Decision::Retry { after } = decide(&policy, attempts, spent, &event, jitter) {
                prop_assert!(spent + after < policy.deadline && attempts < policy.attempts);
                prop_assert!(after >= FIRST_BACKOFF / 2);
            }
        }

        #[test]
        fn what_may_have_happened_is_never_repeated_blindly(event in any_event(), jitter in 0..1000_u32) {
            let unknown = match &event {
                Event::NoAnswer { .. } => true,
                Event::Answer(reply) => reply.status >= 500,
                Event::NotSent { .. } => false,
            };
            let decision = decide(&Policy::once(), 1, Duration::ZERO, &event, jitter);
            let gave_up = matches!(decision, Decision::GiveUp { certain: false, .. });
            prop_assert!(!unknown || gave_up);
        }
    }
}
