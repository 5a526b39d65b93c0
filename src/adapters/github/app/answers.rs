//! What GitHub answers to an app.

use std::collections::BTreeMap;

use chrono::DateTime;
use http::header::DATE;
use serde::Deserialize;

use crate::adapters::http::{Reply, link};

#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
    html_url: Option<String>,
    pub(super) suspended_at: Option<String>,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) expires_at: Option<String>,
}

impl Installation {
    /// Its page, as it may be repeated.
    pub(super) fn page(&self) -> Option<&str> {
        self.html_url.as_deref().and_then(link)
    }
}

/// What time it is where the answer comes from.
pub(super) fn date(reply: &Reply) -> Option<i64> {
    let text = reply.headers.get(DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.timestamp())
}
