//! A channel of Slack, by its incoming webhook.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::{Notifier, NotifyError};
use crate::adapters::http::{Pace, Policy, Reply, Trouble, read, send};
use crate::secret::Secret;

/// Slack answers in a word.
const BODY_CAP: usize = 64 * 1024;
/// A run does not wait longer for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// Tells a channel of Slack.
pub struct SlackNotifier {
    client: reqwest::Client,
    webhook: Secret,
    pace: Arc<dyn Pace>,
}

impl SlackNotifier {
    /// Tells the channel that this address belongs to. The address is a secret: who knows it may write there.
    pub fn new(client: reqwest::Client, webhook: Secret, pace: Arc<dyn Pace>) -> Self {
        Self { client, webhook, pace }
    }

    async fn post(&self, body: String) -> Result<Reply, NotifyError> {
        let policy = Policy { deadline: DEADLINE, attempts: 3, ..Policy::once() };
        let attempt = || async {
            let request = self.client.post(self.webhook.reveal()).header(CONTENT_TYPE, "application/json");
            read(request.body(body.clone()).send().await.map_err(|error| Trouble::of(&error))?, BODY_CAP).await
        };
        let reply = send(&policy, &*self.pace, attempt).await;
        reply.map_err(|error| NotifyError { why: format!("Slack does not answer: {error}") })
    }
}

#[async_trait]
impl Notifier for SlackNotifier {
    async fn notify(&self, message: &Value) -> Result<(), NotifyError> {
        let reply = self.post(message.to_string()).await?;
        if reply.status == 200 { Ok(()) } else { Err(refused(&reply)) }
    }

    /// Sends a body without a message, which Slack refuses in one word where the webhook is alive, and in another where not.
    async fn probe(&self) -> Result<(), NotifyError> {
        let reply = self.post("{}".to_owned()).await?;
        let said = word(&reply);
        match reply.status {
            400 if matches!(
                said.as_str(),
                "no_text" | "invalid_payload" | "missing_text_or_fallback_or_attachments"
            ) =>
            {
                Ok(())
            }
            200..=299 => Err(NotifyError {
                why: "the address takes a message without a text, which Slack does not: correct the webhook".to_owned(),
            }),
            _ => Err(refused(&reply)),
        }
    }
}

/// The word that Slack gives for what is wrong; nothing where it is none of its words.
fn word(reply: &Reply) -> String {
    let text = reply.text();
    let text = text.trim();
    let is_word = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_word { text.to_owned() } else { String::new() }
}

fn refused(reply: &Reply) -> NotifyError {
    let (status, said) = (reply.status, word(reply));
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let next = match status {
        403 | 404 | 410 => {
            "the webhook or its channel is no more: make a new incoming webhook in Slack, and set the variable to it"
        }
        400 => "Slack does not understand the message: please report this",
        429 => "Slack wants to be told less often",
        300..=399 => "the address leads elsewhere: correct the webhook",
        _ => "try again later",
    };
    NotifyError { why: format!("Slack refuses the message ({status}{said}): {next}") }
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
