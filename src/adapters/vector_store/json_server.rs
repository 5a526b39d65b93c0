//! A store that is a server and speaks JSON: how it is asked, and what its refusals mean.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::VectorStoreError;
use crate::adapters::http::{Pace, Policy, Reply, Trouble, read, send};
use crate::embedding::search::terms;
use crate::ids::ChunkId;
use crate::secret::Secret;

/// What a server is asked for at most at once; the engine has several batches under way, each of several requests.
const AT_ONCE: usize = 8;
/// More of a server's own words is not repeated.
const LONGEST_WORDS: usize = 300;
/// A longer word is nothing that people look for.
pub(super) const LONGEST_WORD: usize = 64;
const MOST_WORDS: usize = 64;
/// No answer that we read is larger: a hundred vectors of 3,072 numbers take 5 MB, with the longest texts beside them 9.
const BODY_CAP: usize = 64 << 20;

/// Where a server is, and who asks.
pub(super) struct Access {
    /// The client, which follows no redirect.
    pub(super) client: reqwest::Client,
    /// The clock for waits.
    pub(super) pace: Arc<dyn Pace>,
    /// What is kept where, for people; it holds no secret.
    pub(super) place: String,
    /// The key; the error says why there is none, once the server is asked.
    pub(super) key: Result<Option<Secret>, String>,
    /// The headers that carry it, with what stands before it.
    pub(super) carriers: &'static [(&'static str, &'static str)],
    /// Other headers.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The least time between the beginnings of two requests.
    pub(super) spacing: Duration,
}

/// A server that is asked in JSON and answers in JSON.
pub(super) struct JsonServer {
    access: Access,
    headers: HeaderMap,
    in_flight: Semaphore,
    /// When the next request may begin.
    next: Mutex<Duration>,
}

/// A final answer, whatever its status.
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// Whether it did what was asked.
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether its body has something at this JSON Pointer.
    pub(super) fn has(&self, pointer: &str) -> bool {
        serde_json::from_slice::<Value>(&self.body).is_ok_and(|body| body.pointer(pointer).is_some())
    }

    /// Whether what was asked is at fault, so that less of it might pass.
    pub(super) fn is_about_content(&self) -> bool {
        matches!(self.status, 400 | 413 | 422)
    }
}

impl JsonServer {
    /// The server, which is not asked yet.
    pub(super) fn new(mut access: Access) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in access.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Ok(Some(key)) = &access.key {
            match carried(key, access.carriers) {
                Some(carried) => headers.extend(carried),
                None => access.key = Err("its key holds characters that no key has; copy it again".to_owned()),
            }
        }
        Self { access, headers, in_flight: Semaphore::new(AT_ONCE), next: Mutex::default() }
    }

    /// What is kept where, for people.
    pub(super) fn place(&self) -> &str {
        &self.access.place
    }

    /// That it cannot be used, and why.
    pub(super) fn unusable(&self, why: impl Into<String>) -> VectorStoreError {
        VectorStoreError::Unusable { place: self.access.place.clone(), why: why.into() }
    }

    /// Asks, as often as it takes, and gives the first answer that is final; a key that is refused is an error.
    ///
    /// Every request is one that may be repeated: these servers write what has an id, and take away by id.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &Secret,
        body: Option<String>,
    ) -> Result<Answer, VectorStoreError> {
        if let Err(why) = &self.access.key {
            return Err(self.unusable(why));
        }
        let policy = Policy { attempts: 6, ..Policy::idempotent() };
        let said = Mutex::new(String::new());
        let permit = self.in_flight.acquire().await;
        let attempt = || async {
            self.turn().await;
            let request = self.access.client.request(method.clone(), url.reveal()).headers(self.headers.clone());
            let request = match &body {
                Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
                None => request,
            };
            let reply = read(request.send().await.map_err(|error| Trouble::of(&error))?, BODY_CAP).await?;
            *said.lock().unwrap_or_else(PoisonError::into_inner) = self.words(&reply);
            Ok(timed(reply))
        };
        let outcome = send(&policy, &*self.access.pace, attempt).await;
        drop(permit);
        let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reply = outcome.map_err(|error| match said.as_str() {
            "" => self.unusable(format!("the server does not answer: {error}")),
            said => self.unusable(format!("{error}; it says: {said}")),
        })?;
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        match reply.status {
            401 | 403 => Err(self.unusable(format!(
                "the server refuses the key ({}{said}). Look whether `embed.store.key` names the variable with a key that is \
                 valid there and may read and write",
                reply.status
            ))),
            QUOTA => Err(self.unusable(format!("what the account may use is used up{said}. Raise its limit, or wait"))),
            300..=399 => Err(self.unusable(format!(
                "the server answers {} and sends us elsewhere; give the address that it sends to as `embed.store.url`",
                reply.status
            ))),
            status => Ok(Answer { status, body: reply.body }),
        }
    }

    /// The same for many, several at a time; the first error is that of all, and no request is begun after it.
    pub(super) async fn ask_all(
        self: &Arc<Self>,
        method: &Method,
        requests: Vec<(Secret, Option<String>)>,
    ) -> Result<Vec<Answer>, VectorStoreError> {
        let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
        let mut under_way = JoinSet::new();
        let mut waiting = requests.into_iter().enumerate();
        loop {
            while under_way.len() < AT_ONCE
                && let Some((place, (url, body))) = waiting.next()
            {
                let (server, method) = (Arc::clone(self), method.clone());
                under_way.spawn(async move { (place, server.ask(method, &url, body).await) });
            }
            let Some(done) = under_way.join_next().await else { break };
            let (place, answer) = done.map_err(|error| self.unusable(error.to_string()))?;
            answers.insert(place, answer?);
        }
        Ok(answers.into_values().collect())
    }

    /// Takes a good answer apart.
    pub(super) fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, VectorStoreError> {
        if !answer.is_ok() {
            return Err(self.refused(answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            let what = match serde_json::from_slice::<IgnoredAny>(&answer.body) {
                Ok(_) => format!("its answer is not what such a server says ({error})"),
                Err(_) => "its answer is no JSON".to_owned(),
            };
            self.unusable(format!("{what}. Look whether `embed.store.url` is the address of such a server"))
        })
    }

    /// That it does not do what was asked.
    pub(super) fn refused(&self, answer: &Answer) -> VectorStoreError {
        self.unusable(self.told(answer))
    }

    /// A refusal in a sentence.
    pub(super) fn told(&self, answer: &Answer) -> String {
        match self.words_of(&answer.body).as_str() {
            "" => format!("the server answers {}", answer.status),
            said => format!("the server answers {}: {said}", answer.status),
        }
    }

    /// Waits until the next request may begin.
    async fn turn(&self) {
        if self.access.spacing.is_zero() {
            return;
        }
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.access.pace.now();
            let at = now.max(*next);
            *next = at + self.access.spacing;
            at.saturating_sub(now)
        };
        if !wait.is_zero() {
            self.access.pace.sleep(wait).await;
        }
    }

    fn words(&self, reply: &Reply) -> String {
        if reply.status < 400 { String::new() } else { self.words_of(&reply.body) }
    }

    fn words_of(&self, body: &[u8]) -> String {
        words(body, self.access.key.as_ref().ok().and_then(Option::as_ref))
    }
}

/// The key in its headers; none where no header can hold it.
fn carried(key: &Secret, carriers: &[(&'static str, &'static str)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, before) in carriers {
        let mut value = HeaderValue::from_str(&format!("{before}{}", key.reveal())).ok()?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Some(headers)
}

/// The words of a query by which a server looks for texts; more or longer ones say nothing.
pub(super) fn asked_words(query: &str) -> Vec<String> {
    terms(query).into_iter().filter(|word| word.len() <= LONGEST_WORD).take(MOST_WORDS).collect()
}

/// A status that says that the account has nothing left; no wait within a run helps.
const QUOTA: u16 = 402;

/// The same answer, with what its server means by going too fast: these limits are counted per second where no time is told,
/// and the same status says that the month's quota is used up.
fn timed(mut reply: Reply) -> Reply {
    if reply.status == 429 {
        let said = words(&reply.body, None).to_lowercase();
        if ["current month", "per month", "monthly", "quota exceeded"].iter().any(|sign| said.contains(sign)) {
            reply.status = QUOTA;
        } else if !reply.headers.contains_key(RETRY_AFTER) {
            reply.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
    }
    reply
}

/// A server's own words for a refusal, short and on one line; nothing where there are none.
fn words(body: &[u8], key: Option<&Secret>) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let places = ["/message", "/error/message", "/error", "/detail", "/status/error"];
    let text = places.iter().find_map(|place| said.pointer(place)?.as_str()).unwrap_or_default();
    // What is cut afterwards can be no part of the key.
    let text = match key {
        Some(key) if !key.is_empty() => text.replace(key.reveal(), "***"),
        _ => text.to_owned(),
    };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_WORDS).collect();
    line.trim().to_owned()
}

/// The last item of each id, in the order of the ids: nobody says which of two in one request wins.
pub(super) fn last_of_each<'a, T>(items: &'a [T], id: impl Fn(&'a T) -> &'a ChunkId) -> Vec<&'a T> {
    items.iter().map(|item| (id(item), item)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Cuts texts into runs of which none has more than so many or is longer than so many bytes; one too long alone is alone.
pub(super) fn runs(texts: Vec<String>, most: usize, bytes: usize) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut length = 0;
    for text in texts {
        // A comma stands between two.
        length += text.len() + 1;
        match all.last_mut() {
            Some(run) if run.len() < most && length <= bytes => run.push(text),
            _ => {
                length = text.len() + 1;
                all.push(vec![text]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_servers_words_are_one_short_line() {
        let said = |body: Value| words(body.to_string().as_bytes(), None);
        assert_eq!(said(json!({"code": 3, "message": "no\n::error::x"})), "no ::error::x");
        assert_eq!(said(json!({"error": {"code": "NOT_FOUND", "message": "gone"}})), "gone");
        assert_eq!(said(json!({"error": "NotFoundError"})), "NotFoundError");
        assert_eq!(said(json!({"message": "x".repeat(9_000)})).len(), LONGEST_WORDS);
        assert_eq!((said(json!([])), words(b"<html>", None)), (String::new(), String::new()));
        let (key, long) = (Secret::new("Zq7fWb3kPx9L"), "x".repeat(LONGEST_WORDS - 5));
        let cut = words(json!({"error": format!("{long}Zq7fWb3kPx9L")}).to_string().as_bytes(), Some(&key));
        assert!(!cut.contains("Zq7"), "{cut}");
    }

    #[test]
    fn a_limit_without_a_time_is_one_of_a_second_and_that_of_a_month_is_final() {
        let reply =
            |text: &str| Reply { body: json!({"message": text}).to_string().into_bytes(), ..Reply::with_status(429) };
        let timed = |text| {
            let reply = timed(reply(text));
            (reply.status, reply.headers.get(RETRY_AFTER).map(|value| value.as_bytes().to_vec()))
        };
        assert_eq!(timed("Too many requests"), (429, Some(b"1".to_vec())));
        let monthly = "Request failed. You've reached your write unit limit for the current month (2000000).";
        assert_eq!(timed(monthly), (QUOTA, None));
    }

    proptest! {
        #[test]
        fn runs_keep_the_order_and_the_limits(lengths in prop::collection::vec(0_usize..40, 0..60), most in 1_usize..9, bytes in 1_usize..90) {
            let texts: Vec<String> = lengths.iter().map(|n| "x".repeat(*n)).collect();
            let cut = runs(texts.clone(), most, bytes);
            prop_assert_eq!(cut.concat(), texts);
            for run in cut {
                let length: usize = run.iter().map(|text| text.len() + 1).sum();
                prop_assert!(run.len() <= most && (length <= bytes || run.len() == 1));
            }
        }
    }
}
