//! What GitLab answers, read with care: older servers leave fields out, and an error's message has many forms.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Progress;
use crate::secret::Secret;

/// A pipeline.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Pipeline {
    pub(super) id: Option<u64>,
    pub(super) status: Option<String>,
    pub(super) web_url: Option<String>,
}

/// A variable of a pipeline.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Variable {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

/// The one pipeline that an answer describes.
pub(super) fn begun(body: &[u8]) -> Option<Pipeline> {
    serde_json::from_slice::<Pipeline>(body).ok().filter(|pipeline| pipeline.id.is_some())
}

/// The members of a list; one that does not look like one is as good as empty.
pub(super) fn listed<T: DeserializeOwned + Default>(body: &[u8]) -> Option<Vec<T>> {
    let members: Vec<Value> = serde_json::from_slice(body).ok()?;
    Some(members.into_iter().map(|member| serde_json::from_value(member).unwrap_or_default()).collect())
}

/// How far a pipeline is, in the words that runs have elsewhere.
pub(super) fn progress(status: &str) -> Progress {
    let ended = |conclusion: &str| Progress::Ended { conclusion: conclusion.to_owned() };
    match status {
        "success" | "skipped" => ended(status),
        "failed" => ended("failure"),
        "canceled" => ended("cancelled"),
        "running" | "canceling" => Progress::Running,
        // Of what is new to us we know that it is no end.
        _ => Progress::Queued,
    }
}

/// What GitLab says in an error, led by a colon, in one line of bounded length; without the secrets.
///
/// They go before the line is cut: what is left of one at the cut nobody would know for a secret.
pub(super) fn said<'a>(body: &[u8], secrets: impl IntoIterator<Item = Option<&'a Secret>>) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let Some(message) = ["message", "error"].iter().find_map(|key| body.get(key)) else { return String::new() };
    let mut told = match message {
        Value::String(text) => text.clone(),
        // Such as {"base": ["Reference not found"]}.
        Value::Object(fields) => fields.values().flat_map(texts).collect::<Vec<_>>().join("; "),
        other => texts(other).join("; "),
    };
    for secret in secrets.into_iter().flatten().filter(|secret| !secret.is_empty()) {
        told = told.replace(secret.reveal(), &secret.to_string());
    }
    let line: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(members) => members.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}
