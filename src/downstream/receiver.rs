//! What takes a downstream's deliveries.

use serde_json::{Map, Value, json};

use super::settings::{Endpoint, GitLab};
use crate::ids::RepoSlug;
use crate::secret::SecretRef;

/// What takes a downstream's deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// The workflows of a repository that listen to an event (`repository_dispatch`).
    Event {
        /// The repository.
        repo: RepoSlug,
        /// The type of the event.
        event: String,
    },
    /// One workflow of a repository (`workflow_dispatch`).
    Workflow {
        /// The repository.
        repo: RepoSlug,
        /// The workflow's file.
        workflow: String,
        /// The branch or tag that it is started on; none for the default branch.
        reference: Option<String>,
    },
    /// An address that takes a signed POST (Standard Webhooks).
    Webhook {
        /// The address.
        url: Endpoint,
        /// What signs.
        secret: SecretRef,
    },
    /// A pipeline of a project on GitLab.
    Pipeline(GitLab),
}

impl Receiver {
    /// What tells this receiver from any other: whoever is told there has nothing of what another was told.
    pub fn identity(&self) -> String {
        match self {
            Self::Event { repo, .. } => repo.to_string(),
            Self::Workflow { repo, workflow, .. } => format!("{repo} workflow {workflow}"),
            Self::Webhook { url, .. } => format!("webhook {url}"),
            Self::Pipeline(GitLab { server, project, .. }) => format!("gitlab {server} {project}"),
        }
    }

    /// What people call it; no secret in it.
    pub fn place(&self) -> String {
        match self {
            Self::Event { repo, .. } => repo.to_string(),
            Self::Workflow { repo, workflow, .. } => format!("{workflow} of {repo}"),
            // What is behind the host may be a secret.
            Self::Webhook { url: Endpoint::Open(url), .. } => format!("webhook at {}", host(url)),
            Self::Webhook { url: Endpoint::Secret(reference), .. } => format!("webhook in {}", reference.variable()),
            Self::Pipeline(GitLab { server, project, .. }) => format!("{project} on {}", host(server)),
        }
    }

    /// Its repository on GitHub, if it has one.
    pub fn repo(&self) -> Option<&RepoSlug> {
        match self {
            Self::Event { repo, .. } | Self::Workflow { repo, .. } => Some(repo),
            Self::Webhook { .. } | Self::Pipeline(_) => None,
        }
    }

    /// The body of the request that carries an envelope to it; no secret in it.
    pub fn body(&self, envelope: &Value) -> Value {
        match self {
            Self::Event { event, .. } => json!({ "event_type": event, "client_payload": envelope }),
            Self::Workflow { reference, .. } => {
                let mut inputs = texts(envelope);
                inputs
                    .insert("correlation_id".to_owned(), text(envelope.get("correlation_id").unwrap_or(&Value::Null)));
                inputs.insert("envelope".to_owned(), Value::String(envelope.to_string()));
                // Without a branch the dispatcher has to ask for the default one.
                let mut body = json!({ "inputs": inputs, "return_run_details": true });
                if let (Some(reference), Some(body)) = (reference, body.as_object_mut()) {
                    body.insert("ref".to_owned(), Value::String(reference.clone()));
                }
                body
            }
            Self::Webhook { .. } => envelope.clone(),
            Self::Pipeline(GitLab { reference, .. }) => {
                let mut variables = texts(envelope);
                let id = text(envelope.get("correlation_id").unwrap_or(&Value::Null));
                variables.insert("STOCKROOM_CORRELATION_ID".to_owned(), id);
                variables.insert("STOCKROOM_ENVELOPE".to_owned(), Value::String(envelope.to_string()));
                json!({ "ref": reference, "variables": variables })
            }
        }
    }
}

/// The values of `extra` as texts.
fn texts(envelope: &Value) -> Map<String, Value> {
    let extra = envelope.get("extra").and_then(Value::as_object);
    extra.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn text(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.clone()),
        Value::Null => Value::String(String::new()),
        other => Value::String(other.to_string()),
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}
