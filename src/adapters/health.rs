//! Whether a downstream is well after a delivery: an address that must answer as it should, asked again until a deadline.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, LOCATION, PRAGMA};
use reqwest::Url;
use serde_json::Value;

use super::http::{Pace, Reply, Trouble, head, read};
use crate::downstream::Health;
use crate::secret::tokens::masked;

/// A health document is small; what is larger is something else.
const BODY_CAP: usize = 1 << 20;

/// The longest that one answer is waited for.
const ONE_ANSWER: Duration = Duration::from_secs(20);

/// The least time that a look gets, also the last one.
const LEAST_ANSWER: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// How often a server may say that the document is elsewhere on it.
const MAX_REDIRECTS: usize = 3;

/// A way to ask how downstreams are.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Asks until the downstream is well, or its time is over. `wanted` is the value that it must show where a pointer says so;
    /// none where that is not known.
    ///
    /// Tells what was seen; in an error, why that is not well.
    async fn probe(&self, health: &Health, wanted: Option<&str>) -> Result<String, String>;
}

/// Asks over HTTP.
pub struct HttpProbe {
    client: reqwest::Client,
    pace: Arc<dyn Pace>,
}

impl HttpProbe {
    /// Asks with this client, which must follow no redirects; `pace` is the clock for waits.
    pub fn new(client: reqwest::Client, pace: Arc<dyn Pace>) -> Self {
        Self { client, pace }
    }

    /// The answer to one look, wherever on its server that is.
    pub async fn look(&self, health: &Health) -> Result<Reply, String> {
        self.look_within(health, ONE_ANSWER).await
    }

    async fn look_within(&self, health: &Health, most: Duration) -> Result<Reply, String> {
        let followed = tokio::time::timeout(most, self.follow(health)).await;
        followed.unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
    }

    async fn follow(&self, health: &Health) -> Result<Reply, String> {
        let mut at = Url::parse(&health.url).map_err(|error| format!("`health.url` is no address: {error}"))?;
        for _ in 0..=MAX_REDIRECTS {
            let reply = self.ask(&at, health.pointer.is_some()).await.map_err(|trouble| match trouble {
                Trouble::NotSent(why) | Trouble::NoAnswer(why) => why,
            })?;
            match next(&at, &reply, health)? {
                Some(elsewhere) => at = elsewhere,
                None => return Ok(reply),
            }
        }
        Err("the server sends us round in circles".to_owned())
    }

    /// The body is read where something in it is wanted: a whole page of a website may be larger than any that is.
    async fn ask(&self, url: &Url, with_body: bool) -> Result<Reply, Trouble> {
        // What a cache in between remembers is what was, and not what is.
        let request = self.client.get(url.clone()).header(CACHE_CONTROL, "no-cache").header(PRAGMA, "no-cache");
        let request = request.header(ACCEPT, "application/json, */*;q=0.5");
        let response = request.send().await.map_err(|error| Trouble::of(&error))?;
        if with_body { read(response, BODY_CAP).await } else { Ok(head(response)) }
    }
}

#[async_trait]
impl Probe for HttpProbe {
    async fn probe(&self, health: &Health, wanted: Option<&str>) -> Result<String, String> {
        let (start, most) = (self.pace.now(), health.timeout.duration());
        let mut pause = FIRST_PAUSE;
        loop {
            let left = most.saturating_sub(self.pace.now().saturating_sub(start));
            let answer = left.clamp(LEAST_ANSWER, ONE_ANSWER);
            let looked = tokio::select! {
                looked = self.look_within(health, answer) => looked.and_then(|reply| judged(&reply, health, wanted)),
                () = self.pace.stop().until_unanswered() => Err("stopped by a signal while it was asked".to_owned()),
            };
            let why = match looked {
                Ok(seen) => return Ok(seen),
                Err(why) => why,
            };
            if self.pace.stop().is_asked() {
                return Err(format!("stopped by a signal; last seen: {why}"));
            }
            let left = most.saturating_sub(self.pace.now().saturating_sub(start));
            if left.is_zero() {
                return Err(format!("not well within {} s; last seen: {why}", most.as_secs()));
            }
            // Chance keeps many that wait from asking in step. The last look is at the deadline.
            let chance = pause * self.pace.jitter() / 4_000;
            self.pace.sleep((pause + chance).min(left)).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// Where the answer sends us, on the same server; none where it is the answer.
fn next(from: &Url, reply: &Reply, health: &Health) -> Result<Option<Url>, String> {
    if reply.status == health.status || !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let next = location(&reply.headers).and_then(|next| from.join(next).ok());
    let next = next.ok_or_else(|| format!("it answered {} without saying where", reply.status))?;
    if next.origin() == from.origin() {
        return Ok(Some(next));
    }
    let host = next.host_str().unwrap_or("another place");
    Err(format!("it answered {} and sends us to {}; write the final address in `health.url`", reply.status, said(host)))
}

fn location(headers: &HeaderMap) -> Option<&str> {
    headers.get(LOCATION).and_then(|value| value.to_str().ok())
}

/// Whether a whole answer is what it should be.
fn judged(reply: &Reply, health: &Health, wanted: Option<&str>) -> Result<String, String> {
    if reply.status != health.status {
        return Err(format!("it answered {}, and should answer {}", reply.status, health.status));
    }
    let Some(pointer) = &health.pointer else { return Ok(format!("it answered {}", reply.status)) };
    let Some(wanted) = wanted else {
        return Err(format!("what `{pointer}` should be is not known here: there is no such thing to compare with"));
    };
    let body: Value = serde_json::from_slice(&reply.body)
        .map_err(|_| format!("it answered {}, but not with JSON, so there is no `{pointer}`", reply.status))?;
    match body.pointer(pointer) {
        Some(Value::String(text)) if text == wanted => {
            Ok(format!("it answered {}, and `{pointer}` is {wanted}", reply.status))
        }
        Some(Value::String(text)) => Err(format!("`{pointer}` is {}, and should be {wanted}", said(text))),
        Some(_) => Err(format!("`{pointer}` is no text, and should be {wanted}")),
        None => Err(format!("there is no `{pointer}` in what it answered; it should be {wanted}")),
    }
}

/// A text of a stranger's, as it may be repeated.
fn said(text: &str) -> String {
    let line: String = masked(text).chars().filter(|c| !c.is_control()).take(100).collect();
    format!("{line:?}")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::adapters::http::{RealPace, SteppedPace, client};
    use crate::adapters::loopback::{Answer, Loopback};
    use crate::adapters::stop::Signal;

    fn health(url: &str, more: &str) -> Health {
        serde_yaml::from_str(&format!("{{url: '{url}', timeout: 60s{more}}}")).unwrap()
    }

    /// Asks a server that gives these answers, the last of them again and again; also how long was waited.
    async fn asked(
        answers: Vec<Answer>,
        more: &str,
        wanted: Option<&str>,
    ) -> (Result<String, String>, Duration, usize) {
        let turn = AtomicUsize::new(0);
        let last = answers.len() - 1;
        let server = Loopback::start(move |_| answers[turn.fetch_add(1, Ordering::SeqCst).min(last)].clone()).await;
        let pace = Arc::new(SteppedPace::default());
        let probe = HttpProbe::new(client().unwrap(), Arc::clone(&pace) as Arc<dyn Pace>);
        let outcome = probe.probe(&health(&format!("{}/version.json", server.url()), more), wanted).await;
        (outcome, pace.now(), server.seen().len())
    }

    const DIGEST: &str = ", pointer: /manifest/digest";

    fn shows(digest: &str) -> Answer {
        Answer::json(200, &json!({"manifest": {"digest": digest}}))
    }

    #[tokio::test]
    async fn a_status_is_enough_where_nothing_else_is_asked_for() {
        let (outcome, waited, _) = asked(vec![Answer::status(200)], "", None).await;
        assert_eq!((outcome, waited), (Ok("it answered 200".to_owned()), Duration::ZERO));
    }

    #[tokio::test]
    async fn it_is_asked_again_until_it_shows_what_is_wanted() {
        let answers = vec![Answer::Cut, Answer::status(502), shows("old"), shows("new")];
        let (outcome, waited, requests) = asked(answers, DIGEST, Some("new")).await;
        assert_eq!(outcome, Ok("it answered 200, and `/manifest/digest` is new".to_owned()));
        assert!(requests == 4 && waited > Duration::from_secs(6), "{requests} {waited:?}");
    }

    #[tokio::test]
    async fn what_was_seen_last_is_told_at_the_deadline() {
        let token = format!("ghp_{}", "a1B2c3D4e5".repeat(4));
        let table = [
            (shows("old\u{1b}[2J"), DIGEST, "`/manifest/digest` is \"old[2J\", and should be new"),
            (shows(&token), DIGEST, "`/manifest/digest` is \"***\", and should be new"),
            (
                Answer::json(200, &json!({"manifest": {"digest": 3}})),
                DIGEST,
                "`/manifest/digest` is no text, and should be new",
            ),
            (
                Answer::json(200, &json!([])),
                DIGEST,
                "there is no `/manifest/digest` in what it answered; it should be new",
            ),
            (Answer::status(200), DIGEST, "it answered 200, but not with JSON, so there is no `/manifest/digest`"),
            (Answer::status(404), "", "it answered 404, and should answer 200"),
            (Answer::status(302), "", "it answered 302 without saying where"),
            (
                Answer::status(302).header("location", "https://example.com/login?next=x"),
                "",
                "it answered 302 and sends us to \"example.com\"; write the final address in `health.url`",
            ),
            (Answer::status(301).header("location", "/version.json"), "", "the server sends us round in circles"),
        ];
        for (answer, more, seen) in table {
            let (outcome, waited, _) = asked(vec![answer], more, Some("new")).await;
            assert_eq!(outcome, Err(format!("not well within 60 s; last seen: {seen}")));
            assert_eq!(waited, Duration::from_secs(60), "the last look is at the deadline");
        }
    }

    #[tokio::test]
    async fn a_server_may_send_us_elsewhere_on_itself() {
        let server = Loopback::start(|asked| match asked.path() {
            "/version.json" => Answer::status(308).header("location", "/site/version.json"),
            _ => shows("new"),
        })
        .await;
        let probe = HttpProbe::new(client().unwrap(), Arc::new(SteppedPace::default()));
        let health = health(&format!("{}/version.json", server.url()), DIGEST);
        assert!(probe.probe(&health, Some("new")).await.is_ok());
        let caches: Vec<_> = server.seen().iter().map(|asked| asked.header("cache-control").to_owned()).collect();
        assert_eq!(caches, ["no-cache", "no-cache"]);
    }

    #[tokio::test]
    async fn another_status_than_200_can_be_what_is_wanted() {
        let (outcome, ..) = asked(vec![Answer::status(503)], ", status: 503", None).await;
        assert_eq!(outcome, Ok("it answered 503".to_owned()));
    }

    #[tokio::test]
    async fn a_value_that_is_not_known_cannot_be_shown() {
        let (outcome, ..) = asked(vec![shows("x")], DIGEST, None).await;
        assert!(outcome.unwrap_err().contains("not known here"));
    }

    #[tokio::test]
    async fn an_endless_answer_is_not_read_to_its_end() {
        let large = Answer::With { status: 200, headers: vec![], body: vec![b' '; BODY_CAP + 1] };
        let (outcome, ..) = asked(vec![large.clone()], DIGEST, Some("x")).await;
        assert!(outcome.unwrap_err().contains("larger than"));
        let (outcome, ..) = asked(vec![large], "", None).await;
        assert_eq!(outcome, Ok("it answered 200".to_owned()), "nothing in it was asked for");
    }

    #[tokio::test]
    async fn who_is_asked_to_end_waits_no_longer() {
        let server = Loopback::start(|_| Answer::status(500)).await;
        let pace = Arc::new(RealPace::default());
        pace.stop().ask(Signal::Terminate);
        let probe = HttpProbe::new(client().unwrap(), Arc::clone(&pace) as Arc<dyn Pace>);
        let why = probe.probe(&health(server.url(), ""), None).await.unwrap_err();
        assert_eq!(why, "stopped by a signal; last seen: it answered 500, and should answer 200");
    }
}
