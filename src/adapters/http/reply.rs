//! What came back: a status, headers, and a body that is not larger than it may be.

use std::error::Error as _;
use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

/// No limit is longer: what a server says beyond that it does not mean.
const DAY: u64 = 86_400;
/// A longer address leads nobody anywhere.
const LONGEST_LINK: usize = 500;

/// What a server says of its own count of our requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Which requests it counts.
    pub resource: Option<String>,
    /// How many there may be.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// When it begins anew, in seconds since 1970.
    pub reset: Option<u64>,
    /// In how many seconds that is, by the server's own clock.
    pub resets_in: Option<u64>,
}

/// Why there is no whole answer. The texts hold no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The request never left: no connection, or nothing that can be sent.
    NotSent(String),
    /// The request left, or may have; nobody knows what the server made of it.
    NoAnswer(String),
}

impl Trouble {
    /// Tells a request that never left from one that may have.
    pub fn of(error: &reqwest::Error) -> Self {
        let told = chain(error);
        if error.is_connect() || error.is_builder() { Self::NotSent(told) } else { Self::NoAnswer(told) }
    }
}

/// The causes of the error. Its own words are left out: they say little (`error sending request`) and end with the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut told =
        if error.is_timeout() { "the server was silent for too long" } else { "the connection failed" }.to_owned();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        source = cause.source();
    }
    told
}

/// Reads the body up to `cap` bytes, counted after decompression.
///
/// The head of a refusal says enough: when the body of a 4xx or 5xx breaks off, what there is of it is taken.
pub async fn read(mut response: reqwest::Response, cap: usize) -> Result<Reply, Trouble> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(None) => break None,
            Ok(Some(chunk)) if body.len() + chunk.len() > cap => {
                break Some(Trouble::NoAnswer(format!("the answer is larger than {cap} bytes")));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => break Some(Trouble::of(&error)),
        }
    };
    match broken {
        Some(trouble) if status < 400 => Err(trouble),
        _ => Ok(Reply { status, headers, body }),
    }
}

/// What an answer says before its body, for whom that is all that counts: a body of any size does no harm.
pub fn head(mut response: reqwest::Response) -> Reply {
    Reply { headers: std::mem::take(response.headers_mut()), ..Reply::with_status(response.status().as_u16()) }
}

/// A server's text, if it is an address of some length and nothing else: only so is it repeated and kept.
pub fn link(text: &str) -> Option<&str> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    (is_web && text.len() <= LONGEST_LINK && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

impl Reply {
    /// A reply without headers and body.
    pub fn with_status(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// The body as text, what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server refused to look at the request because there were too many: it has not acted on it.
    pub(super) fn is_rate_limited(&self) -> bool {
        let header = |name: &str| self.headers.get(name).map(HeaderValue::as_bytes);
        match self.status {
            429 => true,
            // GitHub says 403 for both of its limits.
            403 => {
                header("x-ratelimit-remaining") == Some(b"0")
                    || header("retry-after").is_some()
                    || self.text().to_ascii_lowercase().contains("secondary rate limit")
            }
            _ => false,
        }
    }

    /// What the server says of its count of requests, if it says anything.
    pub(super) fn quota(&self) -> Option<Quota> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let reset = number("x-ratelimit-reset");
        let now = text(DATE.as_str()).and_then(|now| DateTime::parse_from_rfc2822(now).ok());
        let now = now.and_then(|now| u64::try_from(now.timestamp()).ok());
        Some(Quota {
            resource: text("x-ratelimit-resource").map(str::to_owned),
            limit: number("x-ratelimit-limit")?,
            remaining: number("x-ratelimit-remaining")?,
            reset,
            resets_in: reset.zip(now).map(|(reset, now)| reset.saturating_sub(now).min(DAY)),
        })
    }

    /// For how long the server asks us to stay away, told by its own clock, never by ours.
    pub(super) fn wait(&self) -> Option<Duration> {
        // Models' servers say it to the millisecond.
        let exact = self.headers.get("retry-after-ms").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        if let Some(milliseconds) = exact {
            return Some(Duration::from_millis(milliseconds).min(Duration::from_secs(DAY)));
        }
        let text = |value: Option<&HeaderValue>| value.and_then(|v| v.to_str().ok()).map(str::trim).map(str::to_owned);
        let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| date.timestamp());
        let now = text(self.headers.get(DATE)).and_then(|now| date(&now));
        let until = |then: i64| u64::try_from(then.saturating_sub(now?)).ok();
        let wait = match text(self.headers.get(RETRY_AFTER)) {
            Some(after) => after.parse().ok().or_else(|| until(date(&after)?)),
            None if text(self.headers.get("x-ratelimit-remaining")).as_deref() == Some("0") => {
                until(text(self.headers.get("x-ratelimit-reset"))?.parse().ok()?)
            }
            None => None,
        };
        wait.map(|seconds| Duration::from_secs(seconds.min(DAY)))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Reply { headers: headers.iter().map(pair).collect(), ..Reply::with_status(status) }
    }

    const NOW: (&str, &str) = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");

    #[test]
    fn the_server_says_how_long_to_stay_away() {
        type Headers = &'static [(&'static str, &'static str)];
        let table: [(Headers, Option<u64>); 12] = [
            (&[("retry-after", "7")], Some(7)),
            (&[("retry-after", "7"), ("retry-after-ms", "3000")], Some(3)),
            (&[("retry-after", "7"), ("retry-after-ms", "soon")], Some(7)),
            (&[("retry-after-ms", "18446744073709551615")], Some(DAY)),
            (&[NOW, ("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], Some(30)),
            (&[NOW, ("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT")], None),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "18446744073709551615")], Some(DAY)),
            (&[NOW, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1445412540")], Some(60)),
            (&[NOW, ("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1445412540")], None),
            (&[], None),
        ];
        for (headers, wanted) in table {
            assert_eq!(reply(429, headers).wait(), wanted.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn a_403_is_a_matter_of_pace_only_when_it_says_so() {
        assert!(reply(429, &[]).is_rate_limited());
        assert!(reply(403, &[("x-ratelimit-remaining", "0")]).is_rate_limited());
        assert!(reply(403, &[("retry-after", "1")]).is_rate_limited());
        assert!(!reply(403, &[("x-ratelimit-remaining", "10")]).is_rate_limited());
        assert!(!reply(503, &[("retry-after", "1")]).is_rate_limited());
        let body = br#"{"message": "You have exceeded a secondary rate limit."}"#.to_vec();
        assert!(Reply { body, ..Reply::with_status(403) }.is_rate_limited());
    }

    #[test]
    fn a_link_is_an_address_and_nothing_else() {
        for text in ["https://github.com/o/r/actions/runs/1", "http://127.0.0.1:1/x"] {
            assert_eq!(link(text), Some(text));
        }
        let long = format!("https://x/{}", "a".repeat(500));
        for text in ["", "javascript:x", "https://x/ y", "https://x/\n::add-mask::y", "https://x/\u{202e}", &long] {
            assert_eq!(link(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_cap_is_no_answer_but_a_refusal_is_one_all_the_same() {
        let response =
            |status: u16| reqwest::Response::from(http::Response::builder().status(status).body("12345").unwrap());
        assert_eq!(read(response(200), 5).await.unwrap().text(), "12345");
        let over = Trouble::NoAnswer("the answer is larger than 4 bytes".into());
        assert_eq!(read(response(200), 4).await, Err(over));
        assert_eq!(read(response(404), 4).await.unwrap().status, 404);
    }
}
