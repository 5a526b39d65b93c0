//! HTTP for every adapter: one client, bodies with a cap, and retries that belong to the request.
//!
//! [`client`] sets the limits that no library sets by itself. [`send`] makes one request with its own [`Policy`]: whether a
//! repetition does harm, how often, and until when.

mod budget;
mod cache;
mod client;
mod gate;
mod nearness;
mod pace;
mod policy;
mod reply;

use std::fmt;
use std::time::Duration;

pub use budget::{Budget, Budgets, Kind, Numbers, Permit, Warn, fingerprint};
pub use cache::{Kept, ReplyCache, ReplyKey};
pub use client::{client, client_for};
pub use gate::Gate;
pub use nearness::is_near;
pub use pace::{Pace, RealPace, SteppedPace};
pub use policy::{Decision, Event, Policy, decide};
pub use reply::{Quota, Reply, Trouble, head, link, read};

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct HttpError {
    /// Whether it is certain that the server has not acted on it.
    pub certain: bool,
    /// What happened, without any URL: it could hold a secret.
    pub why: String,
    /// How many requests were made.
    pub attempts: u32,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts <= 1 { String::new() } else { format!(" (tried {} times)", self.attempts) };
        write!(f, "{}{times}", self.why)
    }
}

/// Makes the request that `attempt` makes, as often as `policy` allows, and gives the first reply that is final.
///
/// A final reply is any that another try would not change, a 404 as well as a 200. A 5xx or a refusal for going too fast is
/// never final: it is tried again or becomes an [`HttpError`].
///
/// In a process that is asked to end no request is begun, and the answer to one that is under way is waited for a few seconds.
pub async fn send<A, F>(policy: &Policy, pace: &dyn Pace, attempt: A) -> Result<Reply, HttpError>
where
    A: FnMut() -> F,
    F: Future<Output = Result<Reply, Trouble>>,
{
    send_paced(policy, pace, None, attempt).await
}

/// The same, each request when the budget lets it go. To wait for those who came before does not count against the deadline.
pub async fn send_within<A, F>(policy: &Policy, budget: &Budget, kind: Kind, attempt: A) -> Result<Reply, HttpError>
where
    A: FnMut() -> F,
    F: Future<Output = Result<Reply, Trouble>>,
{
    send_through(policy, &**budget.pace(), &gate::Counted::new(budget, kind), attempt).await
}

/// The same, each request when the gate lets it go.
pub async fn send_through<A, F>(
    policy: &Policy,
    pace: &dyn Pace,
    gate: &dyn Gate,
    attempt: A,
) -> Result<Reply, HttpError>
where
    A: FnMut() -> F,
    F: Future<Output = Result<Reply, Trouble>>,
{
    send_paced(policy, pace, Some(gate), attempt).await
}

async fn send_paced<A, F>(
    policy: &Policy,
    pace: &dyn Pace,
    gate: Option<&dyn Gate>,
    mut attempt: A,
) -> Result<Reply, HttpError>
where
    A: FnMut() -> F,
    F: Future<Output = Result<Reply, Trouble>>,
{
    let mut start = pace.now();
    let mut last: Option<Event> = None;
    if let Some(signal) = pace.stop().asked() {
        let why = format!("stopped by {signal} before the request was made");
        return Err(HttpError { certain: true, why, attempts: 0 });
    }
    for attempts in 1.. {
        let spent = pace.now().saturating_sub(start);
        let left = policy.deadline.saturating_sub(spent);
        if let Some(gate) = gate {
            match gate.enter(left).await {
                Ok(queued) => start += queued,
                Err(why) => {
                    let certain = last.as_ref().is_none_or(policy::is_certain);
                    return Err(HttpError { certain, why, attempts: attempts - 1 });
                }
            }
        }
        let left = policy.deadline.saturating_sub(pace.now().saturating_sub(start));
        let event = tokio::select! {
            outcome = tokio::time::timeout(left, attempt()) => match outcome {
                Ok(outcome) => Event::from(outcome),
                Err(_) => Event::NoAnswer { why: format!("no answer within {}", told(policy.deadline)) },
            },
            () = pace.stop().until_unanswered() => {
                Event::NoAnswer { why: "stopped by a signal while the answer was awaited".to_owned() }
            }
        };
        if let Some(gate) = gate {
            gate.leave(&event);
        }
        let spent = pace.now().saturating_sub(start);
        let mut decision = decide(policy, attempts, spent, &event, pace.jitter());
        if let Decision::Retry { after } = decision {
            pace.sleep(after).await;
            if pace.stop().is_asked() {
                // There is no further try, so what is known now is what is said.
                decision = decide(&Policy { attempts, ..*policy }, attempts, spent, &event, 0);
            }
        }
        match decision {
            Decision::Retry { .. } => {
                if let Some(gate) = gate {
                    gate.note_retry();
                }
                last = Some(event);
            }
            Decision::GiveUp { certain, why } => return Err(HttpError { certain, why, attempts }),
            Decision::Final => {
                let Event::Answer(reply) = event else { break };
                return Ok(reply);
            }
        }
    }
    Err(HttpError { certain: true, why: "no request was made".to_owned(), attempts: 0 })
}

/// A duration for people.
fn told(duration: Duration) -> String {
    if duration.as_secs() == 0 { format!("{} ms", duration.as_millis()) } else { format!("{} s", duration.as_secs()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::adapters::stop::Signal;

    /// Sends what is scripted, one after the other; gives the outcome, the number of sends and the waits.
    async fn run(
        policy: &Policy,
        script: Vec<Result<Reply, Trouble>>,
    ) -> (Result<Reply, HttpError>, usize, Vec<Duration>) {
        let pace = SteppedPace::default();
        let script = Mutex::new(script.into_iter());
        let mut sent = 0;
        let outcome = send(policy, &pace, || {
            sent += 1;
            std::future::ready(script.lock().unwrap().next().expect("more requests than scripted"))
        })
        .await;
        (outcome, sent, pace.slept())
    }

    fn status(status: u16) -> Result<Reply, Trouble> {
        Ok(Reply::with_status(status))
    }

    #[tokio::test]
    async fn an_idempotent_request_survives_transient_faults() {
        let script = vec![status(502), Err(Trouble::NoAnswer("reset".into())), status(200)];
        let (outcome, sent, slept) = run(&Policy::idempotent(), script).await;
        assert_eq!((outcome.map(|reply| reply.status), sent, slept.len()), (Ok(200), 3, 2));
        assert!(slept[1] > slept[0], "the waits grow: {slept:?}");
    }

    #[tokio::test]
    async fn a_request_that_must_not_be_repeated_is_sent_once_when_its_fate_is_unknown() {
        for fault in [status(500), Err(Trouble::NoAnswer("reset".into()))] {
            let (outcome, sent, _) = run(&Policy::once(), vec![fault]).await;
            assert_eq!((outcome.map_err(|error| error.certain).unwrap_err(), sent), (false, 1));
        }
    }

    #[tokio::test]
    async fn a_request_that_never_left_is_sent_again() {
        let script = vec![Err(Trouble::NotSent("refused".into())), status(204)];
        assert_eq!(run(&Policy::once(), script).await.0.map(|reply| reply.status), Ok(204));
    }

    #[tokio::test]
    async fn the_number_of_requests_is_bounded() {
        let policy = Policy::idempotent();
        let script = (0..policy.attempts).map(|_| status(503)).collect();
        let (outcome, sent, _) = run(&policy, script).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.attempts, sent), (policy.attempts, usize::try_from(policy.attempts).unwrap()));
        assert!(error.to_string().ends_with(&format!("(tried {sent} times)")), "{error}");
    }

    #[tokio::test]
    async fn who_is_asked_to_end_makes_no_request() {
        let pace = SteppedPace::default();
        pace.stop().ask(Signal::Terminate);
        let outcome = send(&Policy::once(), &pace, || async { panic!("a request was made") }).await;
        let why = "stopped by SIGTERM before the request was made".to_owned();
        assert_eq!(outcome, Err(HttpError { certain: true, why, attempts: 0 }));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_to_end_waits_a_little_for_the_answer_and_then_does_not_know() {
        let pace = RealPace::default();
        let policy = Policy::idempotent();
        let send = send(&policy, &pace, std::future::pending);
        let ask = async { pace.stop().ask(Signal::Interrupt) };
        let (outcome, ()) = tokio::join!(send, ask);
        let error = outcome.unwrap_err();
        assert_eq!((error.certain, error.attempts), (false, 1), "{error}");
        assert!(pace.now() >= Duration::from_secs(3) && pace.now() < Duration::from_secs(5), "{:?}", pace.now());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_to_end_tries_no_second_time() {
        let pace = RealPace::default();
        let refused = || std::future::ready(Err(Trouble::NotSent("refused".into())));
        let policy = Policy::once();
        let send = send(&policy, &pace, refused);
        let ask = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            pace.stop().ask(Signal::Interrupt);
        };
        let (outcome, ()) = tokio::join!(send, ask);
        assert_eq!(outcome, Err(HttpError { certain: true, why: "refused".into(), attempts: 1 }));
        assert!(pace.now() < Duration::from_millis(100), "the wait is cut short: {:?}", pace.now());
    }

    #[tokio::test]
    async fn a_request_that_hangs_is_cut_at_the_deadline() {
        let policy = Policy { deadline: Duration::from_millis(20), ..Policy::once() };
        let outcome = send(&policy, &SteppedPace::default(), std::future::pending).await;
        let wanted = HttpError { certain: false, why: "no answer within 20 ms".into(), attempts: 1 };
        assert_eq!(outcome, Err(wanted));
    }
}
