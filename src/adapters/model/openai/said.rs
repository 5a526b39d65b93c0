//! What a server's answers mean: how long to wait, whose fault it is, and what to do about it.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::Value;

use super::ledger::{Fate, Told};
use crate::adapters::http::Reply;
use crate::secret::tokens::masked;

/// No run waits longer because a server asks it to: the next one goes on where this one has stopped.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// More of what a server says is not repeated.
const LONGEST_WORDS: usize = 300;
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Stands for a 429 that no other try would change soon.
const NO_MORE: u16 = 402;

/// Codes by which a 429 says that there is nothing left to spend.
const SPENT: [&str; 5] =
    ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated", "quota_exceeded"];
/// Words by which a server in trouble (500) says that a text troubles it: llama.cpp, Ollama.
const TROUBLED_BY_TEXT: [&str; 4] =
    ["too large to process", "context length", "unsupported value: nan", "larger than the context"];
/// Words by which a refusal (400) is about the settings, and no other text would be taken either.
const ABOUT_SETTINGS: [&str; 6] = [
    "does not exist",
    "does not work with the specified model",
    "not supported with this model",
    "no models loaded",
    "api version",
    "api-version",
];

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not take these texts.
    Texts(String),
    /// It does not take `encoding_format: base64`.
    Base64(String),
    /// It does not take `dimensions`.
    Dimensions(String),
    /// It gives nothing to anybody: what, and what to do.
    Everything(String),
}

/// Whom a refusal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// The model's or the deployment's name, with the key of stockroom.yml that names it.
    pub(super) model: String,
    /// The variable that holds the key or the token.
    pub(super) variable: Option<String>,
    /// Which keys of `embed.model` say where it is.
    pub(super) keys: &'static str,
}

/// The answer as everybody else would give it: OpenAI, Azure and others have words of their own for many things.
///
/// `tries` have been made before this one.
pub(super) fn plain(mut reply: Reply, tries: u32) -> Reply {
    match reply.status {
        429 => {
            let error = error(&reply.body);
            if error.codes().any(|code| SPENT.contains(&code)) {
                reply.status = NO_MORE;
            } else if error.message.starts_with("Request too large") {
                reply.status = 413;
            } else {
                let wait = wait(&reply.headers, &error.message).unwrap_or(Duration::from_secs(1 << tries.min(6)));
                set_wait(&mut reply, wait);
                if wait > LONGEST_WAIT {
                    reply.status = NO_MORE;
                }
            }
        }
        500 if TROUBLED_BY_TEXT.iter().any(|words| error(&reply.body).message.to_lowercase().contains(words)) => {
            reply.status = 400;
        }
        _ => {}
    }
    reply
}

fn set_wait(reply: &mut Reply, wait: Duration) {
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    reply.headers.insert(RETRY_AFTER_MS, HeaderValue::from(milliseconds));
}

/// How long a 429 asks to wait.
fn wait(headers: &HeaderMap, message: &str) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let exact = text(&RETRY_AFTER_MS).and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let after = || text(&RETRY_AFTER).and_then(duration);
    // A limit that is used up says when it begins anew.
    let reset = || {
        let [tokens, requests] = told(headers);
        let spent = [tokens, requests].into_iter().filter(|told| told.remaining == Some(0.0));
        spent.filter_map(|told| told.reset).max()
    };
    let said = || {
        let lower = message.to_ascii_lowercase();
        let rest = ["try again in ", "retry after "].iter().find_map(|words| lower.split_once(words))?.1;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        duration(rest.get(..end)?.trim_end_matches('.'))
    };
    exact.or_else(after).or_else(reset).or_else(said)
}

/// What the headers say of the limits of tokens and of requests.
fn told(headers: &HeaderMap) -> [Told; 2] {
    ["tokens", "requests"].map(|what| {
        let text = |part: &str| headers.get(format!("x-ratelimit-{part}-{what}"))?.to_str().ok().map(str::trim);
        let number = |part: &str| text(part)?.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        Told { limit: number("limit"), remaining: number("remaining"), reset: text("reset").and_then(duration) }
    })
}

/// `6m0s`, `8.64s`, `120ms`, or a bare number of seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(letters);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// What an answer that was made [`plain`] means for those that wait.
pub(super) fn fate(reply: &Reply) -> Fate {
    let [tokens, requests] = told(&reply.headers);
    match reply.status {
        429 => Fate::Limited { wait: wait(&reply.headers, "").unwrap_or_default(), tokens, requests },
        408 | 500..=599 => Fate::Troubled,
        _ => Fate::Answered { tokens, requests },
    }
}

/// What an answer other than 200 means, that was made [`plain`].
pub(super) fn verdict(reply: &Reply, about: &About) -> Verdict {
    let error = error(&reply.body);
    let (status, said) = (reply.status, error.said());
    let About { model, variable, keys } = about;
    let key = variable.as_ref().map_or_else(|| "no key".to_owned(), |name| format!("the key in {name}"));
    Verdict::Everything(match status {
        400 | 413 | 422 => return refusal(&error, status, about),
        401 if variable.is_none() => {
            format!("the server wants a key (401{said}); set a variable to one and name it in `embed.model.key`")
        }
        401 => format!("the server does not accept {key} (401{said}); set the variable to one that is valid"),
        403 => format!("the server does not let {key} use {model} (403{said}); see to its rights there"),
        NO_MORE => match wait(&reply.headers, "").filter(|wait| *wait > LONGEST_WAIT) {
            Some(wait) => format!(
                "the server asks to wait {} s{said}, longer than any run does; the next run goes on from here",
                wait.as_secs()
            ),
            None => format!("what may be spent there is spent{said}; see to the account's billing, then run again"),
        },
        404 => format!("the server does not know {model} (404{said}); check {keys} in `embed.model`"),
        300..=399 => {
            format!("the server sends us elsewhere ({status}), where no key is sent; check {keys} in `embed.model`")
        }
        _ => format!("the server answered {status}{said}; check {keys} in `embed.model`"),
    })
}

fn refusal(error: &Refusal, status: u16, About { model, keys, .. }: &About) -> Verdict {
    let (lower, said) = (error.message.to_lowercase(), error.said());
    let about = |param: &str| error.param.as_deref() == Some(param);
    if about("encoding_format") || lower.contains("encoding_format") || lower.contains("base64") {
        return Verdict::Base64(format!("the server answered {status}{said}"));
    }
    if about("dimensions") || lower.contains("dimensions") || lower.contains("matryoshka") {
        return Verdict::Dimensions(format!("the server answered {status}{said}"));
    }
    if about("model") || ABOUT_SETTINGS.iter().any(|words| lower.contains(words)) {
        return Verdict::Everything(format!(
            "the server does not serve {model} ({status}{said}); check {keys} in `embed.model`"
        ));
    }
    Verdict::Texts(format!("it answered {status}{said}"))
}

/// What a server says in a refusal.
#[derive(Debug, Default)]
struct Refusal {
    message: String,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
}

impl Refusal {
    fn codes(&self) -> impl Iterator<Item = &str> {
        [&self.code, &self.kind].into_iter().filter_map(Option::as_deref)
    }

    /// Its words, as they may be repeated behind a number.
    fn said(&self) -> String {
        let line: String = masked(&self.message).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = line.trim();
        let cut: String = line.chars().take(LONGEST_WORDS).collect();
        match cut.len() {
            0 => String::new(),
            length if length < line.len() => format!(": {cut}…"),
            _ => format!(": {cut}"),
        }
    }
}

fn error(body: &[u8]) -> Refusal {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Refusal::default() };
    // OpenAI and Azure have an object, Ollama a text, vLLM the fields themselves, others a `detail`.
    let fields = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let message = text(fields.get("message")).or_else(|| text(body.get("error"))).or_else(|| text(body.get("detail")));
    Refusal {
        message: message.unwrap_or_default(),
        code: text(fields.get("code")),
        kind: text(fields.get("type")),
        param: text(fields.get("param")),
    }
}

#[cfg(test)]
#[path = "said_tests.rs"]
mod tests;
