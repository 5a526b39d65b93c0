//! Deliveries to an address, as signed POSTs (Standard Webhooks).

mod signature;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use reqwest::Url;

use super::{Dispatch, DispatchError, Dispatcher, Outcome, RunRef, Search, Sighting};
use crate::adapters::http::{Pace, Policy, Reply, Trouble, head, send};
use crate::downstream::Receiver;
use crate::secret::Secret;
use crate::state::Timestamp;
use signature::{ID, SIGNATURE, Signer, TIMESTAMP};

/// The wall clock: receivers refuse messages that are signed for another time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Posts to one address.
pub struct WebhookDispatcher {
    client: reqwest::Client,
    receiver: Receiver,
    url: Url,
    signer: Signer,
    policy: Policy,
    pace: Arc<dyn Pace>,
    clock: Clock,
}

impl WebhookDispatcher {
    /// Posts to `url`, which may itself be a secret, and signs with `secret`. `client` must follow no redirects.
    ///
    /// A delivery may be repeated at once: receivers know it by its id.
    pub fn new(
        client: reqwest::Client,
        receiver: Receiver,
        url: &Secret,
        secret: &Secret,
        policy: Policy,
        pace: Arc<dyn Pace>,
        clock: Clock,
    ) -> Result<Self, DispatchError> {
        let refused = |why: String| DispatchError::Refused { why: format!("{}: {why}", receiver.place()) };
        let url = address(url.reveal()).map_err(refused)?;
        let signer = Signer::new(secret).map_err(refused)?;
        let policy = Policy { idempotent: true, ..policy };
        Ok(Self { client, receiver, url, signer, policy, pace, clock })
    }

    async fn attempt(&self, id: &str, body: &[u8]) -> Result<Reply, Trouble> {
        let at = (self.clock)();
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ID, id)
            .header(TIMESTAMP, at.0.to_string())
            .header(SIGNATURE, self.signer.sign(id, at, body));
        // Only the status counts: whatever else the receiver says, it has taken the delivery or not.
        request.body(body.to_vec()).send().await.map(head).map_err(|error| Trouble::of(&error))
    }

    /// What a final answer means.
    fn settled(&self, status: u16) -> Result<Outcome, DispatchError> {
        let place = self.receiver.place();
        match status {
            200..=299 => Ok(Outcome::Delivered { place, run: None }),
            401 | 403 => Err(DispatchError::NotAllowed {
                why: format!("the {place} does not accept what we sign ({status}); is its secret the same as here?"),
            }),
            410 => Err(DispatchError::Refused {
                why: format!("the {place} is gone for good (410); take the downstream out of stockroom.yml"),
            }),
            300..=399 => Err(DispatchError::Refused {
                why: format!("the {place} sends us elsewhere ({status}), where nothing is sent; correct its address"),
            }),
            _ => Err(DispatchError::Refused { why: format!("the {place} answered {status}") }),
        }
    }
}

#[async_trait]
impl Dispatcher for WebhookDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let body = self.receiver.body(&dispatch.envelope).to_string();
        // What an earlier attempt may have done, no later one undoes.
        let doubt = AtomicBool::new(false);
        let attempt = || async {
            let outcome = self.attempt(dispatch.correlation.as_str(), body.as_bytes()).await;
            let is_unclear = match &outcome {
                Err(Trouble::NoAnswer(_)) => true,
                Err(Trouble::NotSent(_)) => false,
                Ok(reply) => matches!(reply.status, 408 | 500..=599),
            };
            doubt.fetch_or(is_unclear, Ordering::Relaxed);
            outcome
        };
        let place = self.receiver.place();
        let settled = match send(&self.policy, &*self.pace, attempt).await {
            Ok(reply) => self.settled(reply.status),
            Err(error) if error.certain => {
                Err(DispatchError::Unavailable { why: format!("the {place} was not told: {error}") })
            }
            Err(error) => Ok(Outcome::Unknown { why: format!("the {place} may have been told: {error}") }),
        };
        match settled {
            Err(error) if doubt.into_inner() => {
                Ok(Outcome::Unknown { why: format!("the {place} may have been told before this: {error}") })
            }
            settled => settled,
        }
    }

    /// An address cannot be asked what it has got; so it gets it again, under the same id, by which it knows it.
    async fn find(&self, _: &Dispatch, _: Timestamp) -> Result<Search, DispatchError> {
        Ok(Search::Absent { others: 0 })
    }

    async fn look(&self, _: &RunRef) -> Result<Sighting, DispatchError> {
        let why = format!("the {} begins no run that could be looked at", self.receiver.place());
        Err(DispatchError::Refused { why })
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// An address to which something may be sent: nobody on the way may change or read it. The error does not repeat it.
fn address(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("its address is none: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its address names a user or a password, which has no place there".to_owned());
    }
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        "http" => return Err("its address is not https, so anybody on the way could read and change it".to_owned()),
        _ => return Err("its address must begin with https://".to_owned()),
    }
    url.set_fragment(None);
    Ok(url)
}
