//! What takes a downstream's deliveries.

use serde_json::{Map, Value, json};

use super::envelope::Room;
use super::settings::GitLab;
use crate::ids::RepoSlug;
use crate::secret::{Endpoint, SecretRef};

/// The room in the inputs of a workflow, in characters: GitHub takes 65,535, and the names and the id of ours take some.
const WORKFLOW_INPUTS: usize = 65_000;

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

    /// How much an envelope with this `extra` may take.
    pub fn room(&self, extra: Option<&Map<String, Value>>) -> Room {
        match self {
            Self::Event { .. } | Self::Webhook { .. } | Self::Pipeline(_) => Room::default(),
            Self::Workflow { .. } => {
                // The same values are inputs too.
                let beside = Value::Object(extra.into_iter().flatten().map(as_text).collect()).to_string();
                Room { bytes: WORKFLOW_INPUTS.saturating_sub(super::envelope::weight(&beside)), is_quoted: true }
            }
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
                // GitLab replaces `$NAME` in values by another variable, and `$$` by `$`.
                let mut variables = texts(envelope);
                for value in variables.values_mut() {
                    *value = Value::String(value.as_str().unwrap_or_default().replace('$', "$$"));
                }
                let id = text(envelope.get("correlation_id").unwrap_or(&Value::Null));
                variables.insert("STOCKROOM_CORRELATION_ID".to_owned(), id);
                // In JSON, a `$` stands in texts alone, where it can be written so that it is none to GitLab.
                let json = envelope.to_string().replace('$', "\\u0024");
                variables.insert("STOCKROOM_ENVELOPE".to_owned(), Value::String(json));
                json!({ "ref": reference, "variables": variables })
            }
        }
    }
}

/// The values of `extra` as texts.
fn texts(envelope: &Value) -> Map<String, Value> {
    let extra = envelope.get("extra").and_then(Value::as_object);
    extra.into_iter().flatten().map(as_text).collect()
}

fn as_text((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), text(value))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Value {
        json!({"correlation_id": "sr-1", "delta": {"added": [{"id": "$5 \"bolt\" $$ ${X}"}]},
            "extra": {"note": "$5", "n": 3, "none": null, "list": ["$a"]}})
    }

    #[test]
    fn a_pipelines_variables_are_expanded_to_what_they_were() {
        let project = json!({"project": "g/n", "ref": "v1", "trigger": "${{ env.T }}"});
        let body = Receiver::Pipeline(serde_json::from_value(project).unwrap()).body(&envelope());
        let mut variables = body["variables"].clone();
        let json = variables["STOCKROOM_ENVELOPE"].take();
        let json = json.as_str().unwrap();
        assert!(!json.contains('$'), "{json}");
        assert_eq!(serde_json::from_str::<Value>(json).unwrap(), envelope());
        insta::assert_json_snapshot!(json!({"ref": body["ref"], "variables": variables}), @r#"
        {
          "ref": "v1",
          "variables": {
            "STOCKROOM_CORRELATION_ID": "sr-1",
            "STOCKROOM_ENVELOPE": null,
            "list": "[\"$$a\"]",
            "n": "3",
            "none": "",
            "note": "$$5"
          }
        }
        "#);
    }

    #[test]
    fn an_envelope_for_a_workflow_fits_its_inputs_whatever_it_holds() {
        use crate::downstream::{Announcement, Delta, Envelope};
        use crate::ids::{AssetId, AssetKey, CollectionName, CorrelationId};

        let repo = RepoSlug::parse("org/website").unwrap();
        let receiver = Receiver::Workflow { repo, workflow: "a.yml".into(), reference: None };
        let key = |i: usize| AssetKey { collection: CollectionName::new("p"), id: AssetId::new(format!("\"{i}\\é")) };
        let delta = Delta { added: (0..5_000).map(key).collect(), ..Delta::default() };
        for note in ["", "note", &"x".repeat(15_000), &"\"".repeat(7_000)] {
            let extra = json!({"note": note, "list": ["\"", note.len()]}).as_object().cloned();
            let room = receiver.room(extra.as_ref());
            let id = CorrelationId::new("sr-5feceb66ffc86f38");
            let envelope = Envelope::within(room, &Announcement::default(), &delta, true, &id, extra).payload();
            let inputs = receiver.body(&envelope)["inputs"].to_string().chars().count();
            assert!((50_000..65_535).contains(&inputs), "{inputs}");
        }
    }

    #[test]
    fn a_workflow_gets_texts() {
        let repo = RepoSlug::parse("org/website").unwrap();
        let receiver = Receiver::Workflow { repo, workflow: "a.yml".into(), reference: Some("v1".into()) };
        let mut body = receiver.body(&envelope());
        let json = body["inputs"]["envelope"].take();
        assert_eq!(serde_json::from_str::<Value>(json.as_str().unwrap()).unwrap(), envelope());
        insta::assert_json_snapshot!(body, @r#"
        {
          "inputs": {
            "correlation_id": "sr-1",
            "envelope": null,
            "list": "[\"$a\"]",
            "n": "3",
            "none": "",
            "note": "$5"
          },
          "ref": "v1",
          "return_run_details": true
        }
        "#);
    }
}
