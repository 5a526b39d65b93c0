//! Pipelines of a project on GitLab, begun with the project's trigger token.

mod answers;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::Value;

use super::{Dispatch, DispatchError, Dispatcher, Outcome, RunRef, Search, Sighting};
use crate::adapters::http::{HttpError, Pace, Policy, Reply, Trouble, link, read, send};
use crate::downstream::{GitLab, Receiver};
use crate::ids::CorrelationId;
use crate::secret::Secret;
use crate::state::Timestamp;
use answers::{Pipeline, Variable, begun, listed, progress, said};

/// No answer that we read is larger: twenty pipelines take about 20 KB, the variables of one what we have sent.
const BODY_CAP: usize = 4 << 20;

/// The newest pipelines that are looked through; the variables of each are a request of their own.
const NEWEST: usize = 20;

/// The search for a pipeline begins this much earlier, as our clock and GitLab's may differ.
const CLOCK_SLACK: i64 = 3_600;

/// The variable by which a pipeline is found.
const CORRELATION: &str = "STOCKROOM_CORRELATION_ID";

/// Triggers the pipelines of one project.
pub struct GitLabDispatcher {
    client: reqwest::Client,
    receiver: Receiver,
    project: GitLab,
    /// The project's address in the API.
    base: String,
    trigger: Secret,
    /// Reads pipelines; none where the project shows them to everybody, or to nobody here.
    token: Option<Secret>,
    policy: Policy,
    pace: Arc<dyn Pace>,
}

impl GitLabDispatcher {
    /// Triggers with `trigger`, and reads pipelines with `token`. `client` must follow no redirects. `policy` holds for the
    /// sends; it is made non-idempotent here.
    pub fn new(
        client: reqwest::Client,
        project: GitLab,
        trigger: Secret,
        token: Option<Secret>,
        policy: Policy,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, DispatchError> {
        let receiver = Receiver::Pipeline(project.clone());
        let server = Url::parse(&project.server).map_err(|error| DispatchError::Refused {
            why: format!("{}: its server is no address: {error}", receiver.place()),
        })?;
        let path = utf8_percent_encode(&project.project, NON_ALPHANUMERIC);
        let base = format!("{}/api/v4/projects/{path}", server.as_str().trim_end_matches('/'));
        let policy = Policy { idempotent: false, ..policy };
        Ok(Self { client, receiver, project, base, trigger, token, policy, pace })
    }

    fn place(&self) -> String {
        self.receiver.place()
    }

    async fn call(
        &self,
        policy: &Policy,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, HttpError> {
        let attempt = || async {
            let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
            match (body, &self.token) {
                // What triggers says so in the body, and needs nobody's token.
                (Some(body), _) => {
                    request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string());
                }
                (None, Some(token)) => request = request.header("private-token", token.reveal()),
                (None, None) => {}
            }
            read(request.send().await.map_err(|error| Trouble::of(&error))?, BODY_CAP).await
        };
        send(policy, &*self.pace, attempt).await
    }

    /// Asks for something that can be asked for again.
    async fn get(&self, path: &str, what: &str) -> Result<Reply, DispatchError> {
        // A search asks many times: what is slow is left for the next run.
        let policy = Policy { idempotent: true, deadline: Duration::from_secs(30), attempts: 3 };
        let reply = self.call(&policy, Method::GET, path, None).await.map_err(|error| DispatchError::Unavailable {
            why: format!("{what} of {} cannot be read: {error}", self.place()),
        })?;
        let status = reply.status;
        match status {
            200 => Ok(reply),
            401 | 403 | 404 => Err(DispatchError::NotAllowed {
                why: format!(
                    "{what} of {} cannot be read ({status}{}): needs a `token` that may, with the scope `read_api` and the \
                     role Maintainer",
                    self.place(),
                    self.said(&reply)
                ),
            }),
            _ => Err(DispatchError::Unavailable {
                why: format!(
                    "{what} of {} cannot be read: GitLab answered {status}{}",
                    self.place(),
                    self.said(&reply)
                ),
            }),
        }
    }

    fn unreadable(&self, what: &str) -> DispatchError {
        let why = format!("{what} of {} cannot be read: what came back is not what GitLab answers", self.place());
        DispatchError::Unavailable { why }
    }

    fn said(&self, reply: &Reply) -> String {
        said(&reply.body, [Some(&self.trigger), self.token.as_ref()])
    }

    fn sighting(&self, pipeline: &Pipeline) -> Sighting {
        let place =
            pipeline.web_url.as_deref().and_then(link).map(str::to_owned).unwrap_or_else(|| match pipeline.id {
                Some(id) => format!("pipeline {id} of {}", self.place()),
                None => format!("a pipeline of {}", self.place()),
            });
        let run = pipeline.id.map(|id| RunRef::new(id.to_string()));
        Sighting { place, run, progress: progress(pipeline.status.as_deref().unwrap_or_default()) }
    }

    /// What a final answer to a trigger means.
    fn settled(&self, reply: &Reply) -> Result<Outcome, DispatchError> {
        let (place, status, said) = (self.place(), reply.status, self.said(reply));
        match status {
            201 => match begun(&reply.body) {
                Some(pipeline) => {
                    let Sighting { place, run, .. } = self.sighting(&pipeline);
                    Ok(Outcome::Delivered { place, run })
                }
                None => Ok(Outcome::Unknown { why: format!("the answer for {place} was not what GitLab answers") }),
            },
            // A proxy or a login page that answers in GitLab's place.
            200..=299 => {
                Ok(Outcome::Unknown { why: format!("the answer for {place} was {status}, where GitLab says 201") })
            }
            401 | 403 => Err(DispatchError::NotAllowed {
                why: format!(
                    "{place} must not be told ({status}{said}); needs a pipeline trigger token of that project"
                ),
            }),
            404 => Err(DispatchError::NotAllowed {
                why: format!(
                    "{place} is out of reach (404{said}): there is no such project, or the pipeline trigger token is not one \
                     of it"
                ),
            }),
            300..=399 => Err(DispatchError::Refused {
                why: format!("{place} is elsewhere now ({status}); correct `gitlab` in stockroom.yml"),
            }),
            _ => Err(DispatchError::Refused {
                why: format!("GitLab begins no pipeline of {place} on {:?} ({status}{said})", self.project.reference),
            }),
        }
    }
}

#[async_trait]
impl Dispatcher for GitLabDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let mut body = self.receiver.body(&dispatch.envelope);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("token".to_owned(), Value::from(self.trigger.reveal()));
        }
        match self.call(&self.policy, Method::POST, "/trigger/pipeline", Some(&body)).await {
            Ok(reply) => self.settled(&reply),
            Err(error) if error.certain => {
                Err(DispatchError::Unavailable { why: format!("{} was not told: {error}", self.place()) })
            }
            Err(error) => Ok(Outcome::Unknown { why: format!("{} may have been told: {error}", self.place()) }),
        }
    }

    async fn find(&self, dispatch: &Dispatch, since: Timestamp) -> Result<Search, DispatchError> {
        if self.token.is_none() {
            let why = format!("the pipelines of {} cannot be searched without a `token` that reads them", self.place());
            return Err(DispatchError::NotAllowed { why });
        }
        let reply = self.get(&newest(since, &self.project.reference), "the pipelines").await?;
        let pipelines = listed::<Pipeline>(&reply.body).ok_or_else(|| self.unreadable("the pipelines"))?;
        let mut others = 0;
        for pipeline in pipelines.iter().take(NEWEST) {
            let Some(id) = pipeline.id else { continue };
            let reply = self.get(&format!("/pipelines/{id}/variables"), "the variables of the pipelines").await?;
            let variables = listed::<Variable>(&reply.body).ok_or_else(|| self.unreadable("the variables"))?;
            match variables.iter().find(|variable| variable.key.as_deref() == Some(CORRELATION)) {
                Some(variable) if shows(variable, &dispatch.correlation) => {
                    return Ok(Search::Found(self.sighting(pipeline)));
                }
                Some(_) => {}
                None => others += 1,
            }
        }
        Ok(Search::Absent { others })
    }

    async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError> {
        let id: u64 = run.as_str().parse().map_err(|_| DispatchError::Refused {
            why: format!("{:?} names no pipeline of {}", run.as_str(), self.place()),
        })?;
        let reply = self.get(&format!("/pipelines/{id}"), "the pipelines").await?;
        let pipeline = begun(&reply.body).ok_or_else(|| self.unreadable("the pipelines"))?;
        Ok(self.sighting(&Pipeline { id: Some(id), ..pipeline }))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

fn shows(variable: &Variable, correlation: &CorrelationId) -> bool {
    variable.value.as_deref() == Some(correlation.as_str())
}

fn newest(since: Timestamp, reference: &str) -> String {
    let since = DateTime::from_timestamp(since.0.saturating_sub(CLOCK_SLACK), 0).unwrap_or_default();
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!(
        "/pipelines?source=trigger&ref={}&updated_after={}&order_by=id&sort=desc&per_page={NEWEST}",
        encoded(reference),
        encoded(&since)
    )
}
