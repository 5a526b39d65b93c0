//! What a downstream is told beside the change: values of its own, whose texts are templates. They become the envelope's `extra`.

mod expressions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::envelope::{Announcement, Envelope, weight};
use super::receiver::Receiver;
use super::settings::Problem;
use super::slice::Delta;
use crate::ids::CorrelationId;
use expressions::Expressions;

/// The most keys: an event on GitHub takes few properties, a workflow 25 inputs, two of which are ours.
pub const MAX_PAYLOAD_KEYS: usize = 20;

/// The most bytes of JSON that the payload may become. It is never cut, so it must leave room for what changed.
pub const MAX_EXTRA_BYTES: usize = 16_000;

/// The most characters of one template.
const MAX_TEMPLATE: usize = 2_000;

/// The most ids of each list that a template sees; the counts tell the whole.
const MAX_LISTED: usize = 1_000;

/// What a template can name, besides the schemas, each of whose names is known only to the library.
#[derive(Debug, Clone)]
pub struct Facts(Value);

/// Why the values of a payload cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`payload{at}` {why}")]
pub struct PayloadError {
    /// A JSON Pointer into the payload; empty for all of it.
    pub at: String,
    /// What is wrong there.
    pub why: String,
}

impl Facts {
    /// What is known of a delivery.
    pub fn new(news: &Announcement, delta: &Delta, complete: bool, correlation: &CorrelationId) -> Self {
        let some = |keys: &[crate::ids::AssetKey]| keys.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>();
        let lists = [&delta.added, &delta.changed, &delta.removed];
        let is_cut = lists.iter().any(|list| list.len() > MAX_LISTED);
        Self(json!({
            // What is not known is the empty text: it can be cut and joined like any other.
            "repository": news.repository.as_ref().map_or("", |slug| slug.as_str()),
            "commit": news.commit.as_ref().map_or("", |commit| commit.as_str()),
            "ref": news.reference.as_deref().unwrap_or_default(),
            "manifest": {
                "url": news.manifest_url.as_deref().unwrap_or_default(),
                "digest": news.manifest_digest.as_ref().map_or("", |digest| digest.as_str()),
            },
            "delta": {
                "added": some(&delta.added),
                "changed": some(&delta.changed),
                "removed": some(&delta.removed),
                "truncated": !complete || is_cut,
                "rollback": news.rollback,
                "counts": {
                    "added": delta.added.len(),
                    "changed": delta.changed.len(),
                    "removed": delta.removed.len(),
                },
            },
            "schemas": news.schemas,
            "correlation_id": correlation,
        }))
    }

    /// A delivery of which everything is known, and one of which next to nothing is.
    fn samples() -> [Self; 2] {
        let asset = json!([{ "collection": "products", "id": "bolt" }]);
        let full = json!({
            "repository": "org/library",
            "commit": "4e3eed62849f1bd4dbd0811f491232dc7b3e439f",
            "ref": "refs/heads/main",
            "manifest": { "url": "https://example.com/manifest.json", "digest": "00" },
            "delta": {
                "added": asset, "changed": asset, "removed": asset,
                "truncated": true, "rollback": true, "counts": { "added": 1, "changed": 1, "removed": 1 },
            },
            "schemas": { "product-metadata": ["1.0.0"] },
            "correlation_id": "sr-5feceb66ffc86f38",
        });
        let bare = json!({
            "repository": "",
            "commit": "",
            "ref": "",
            "manifest": { "url": "", "digest": "" },
            "delta": {
                "added": [], "changed": [], "removed": [],
                "truncated": false, "rollback": false, "counts": { "added": 0, "changed": 0, "removed": 0 },
            },
            "schemas": {},
            "correlation_id": "sr-5feceb66ffc86f38",
        });
        [Self(full), Self(bare)]
    }
}

/// What a receiver is told of a delivery, its payload filled in.
pub fn envelope(
    receiver: &Receiver,
    payload: &BTreeMap<String, Value>,
    news: &Announcement,
    delta: &Delta,
    complete: bool,
    correlation: &CorrelationId,
) -> Result<Envelope, PayloadError> {
    let extra = match payload.is_empty() {
        true => None,
        false => Some(render(payload, &Facts::new(news, delta, complete, correlation))?),
    };
    let room = receiver.room(extra.as_ref());
    Ok(Envelope::within(room, news, delta, complete, correlation, extra))
}

/// The values with every template in them filled in.
pub fn render(payload: &BTreeMap<String, Value>, facts: &Facts) -> Result<Map<String, Value>, PayloadError> {
    let expressions = Expressions::new(&facts.0);
    let mut told = Map::new();
    for (key, value) in payload {
        let value = filled(value, &format!("/{}", token(key)), &mut |text| expressions.fill(text))?;
        told.insert(key.clone(), value);
    }
    let size = serde_json::to_string(&told).map_or(usize::MAX, |json| weight(&json));
    if size > MAX_EXTRA_BYTES {
        let why = format!("becomes {size} bytes of JSON, and has room for {MAX_EXTRA_BYTES}; say less in it");
        return Err(PayloadError { at: String::new(), why });
    }
    Ok(told)
}

/// The value with every text in it replaced; keys stay.
fn filled(
    value: &Value,
    at: &str,
    fill: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Value, PayloadError> {
    match value {
        Value::String(text) => fill(text).map(Value::String).map_err(|why| PayloadError { at: at.to_owned(), why }),
        Value::Array(items) => {
            let items = items.iter().enumerate().map(|(i, item)| filled(item, &format!("{at}/{i}"), fill));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value), fill: &mut dyn FnMut(&str) -> Result<String, String>| {
                Ok((key.clone(), filled(value, &format!("{at}/{}", token(key)), fill)?))
            };
            fields.iter().map(|entry| field(entry, fill)).collect::<Result<_, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// A key as a part of a JSON Pointer.
fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Everything that is wrong with a payload for this receiver; pointers are relative to it.
///
/// Its templates are tried, which is bounded in time and memory whatever they hold.
pub fn problems(payload: &BTreeMap<String, Value>, receiver: &Receiver) -> Vec<Problem> {
    let mut found = Vec::new();
    if payload.is_empty() {
        return found;
    }
    if payload.len() > MAX_PAYLOAD_KEYS {
        let sentence = format!("a payload has at most {MAX_PAYLOAD_KEYS} keys, this one has {}", payload.len());
        found.push((String::new(), sentence));
    }
    let samples = Facts::samples();
    let [full, bare] = &samples;
    let (full, bare) = (Expressions::new(&full.0), Expressions::new(&bare.0));
    for (key, value) in payload.iter().take(MAX_PAYLOAD_KEYS) {
        let at = format!("/{}", token(key));
        if let Some(sentence) = bad_key(key).or_else(|| taken(key, receiver)) {
            found.push((at.clone(), sentence));
        }
        let mut try_it = |text: &str| {
            full.try_out(text)?;
            let when = |why| {
                format!(
                    "{why}, where nothing of the kind has changed or is known; say what it is then, by `… if … else …`"
                )
            };
            bare.try_out(text).map_err(when)?;
            Ok(String::new())
        };
        // The first of each key is enough: who mends it looks at the others.
        found.extend(filled(value, &at, &mut try_it).err().map(|PayloadError { at, why }| (at, why)));
    }
    if found.is_empty() {
        found.extend(render(payload, &samples[0]).err().map(|PayloadError { at, why }| (at, why)));
    }
    found
}

/// A key becomes an input of a workflow or a variable of a pipeline.
fn bad_key(key: &str) -> Option<String> {
    let first = key.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && key.len() <= 100 && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return None;
    }
    Some(format!("{key:?} cannot be a key of a payload; use at most 100 letters, digits, `_` and `-`, a letter first"))
}

/// A key that this receiver cannot take.
fn taken(key: &str, receiver: &Receiver) -> Option<String> {
    match receiver {
        Receiver::Workflow { .. } if matches!(key, "correlation_id" | "envelope") => {
            Some(format!("{key:?} is an input that every delivery has; call this one otherwise"))
        }
        Receiver::Pipeline(_) if matches!(key, "STOCKROOM_CORRELATION_ID" | "STOCKROOM_ENVELOPE") => {
            Some(format!("{key:?} is a variable that every delivery has; call this one otherwise"))
        }
        Receiver::Pipeline(_) if key.contains('-') => {
            Some(format!("{key:?} cannot be a variable on GitLab, whose names have no `-`; write `_`"))
        }
        _ => None,
    }
}
