//! What takes the deliveries, as it stands in stockroom.yml.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Form;
use crate::downstream::Receiver;
use crate::secret::{Endpoint, SecretRef};

/// An address that gets the envelope as a signed POST.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The address, or `${{ env.NAME }}` where it is a secret itself.
    #[schemars(with = "String", length(min = 1, max = 2000))]
    pub url: Endpoint,
    /// The secret that signs: as it is, or `whsec_` and base64.
    pub secret: SecretRef,
}

/// A project on GitLab.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitLab {
    /// The project's path, such as `group/name`, or its number as a text.
    #[schemars(length(min = 1, max = 500))]
    pub project: String,
    /// The server; `https://gitlab.com` when this is left out.
    #[serde(default = "gitlab")]
    #[schemars(length(min = 1, max = 2000))]
    pub server: String,
    /// The branch or tag whose pipeline is triggered; `main` when this is left out.
    #[serde(default = "main", rename = "ref")]
    #[schemars(length(min = 1, max = 255))]
    pub reference: String,
    /// The project's trigger token.
    pub trigger: SecretRef,
}

fn gitlab() -> String {
    "https://gitlab.com".to_owned()
}

fn main() -> String {
    "main".to_owned()
}

/// The receiver that the keys name together.
pub(super) fn receiver(form: &Form) -> Result<Receiver, String> {
    let Form { repo, event, workflow, reference, webhook, gitlab, .. } = form;
    let refused = |key: &str, beside: &str| Err(format!("`{key}` has no meaning beside `{beside}`; take one away"));
    match (repo, webhook, gitlab) {
        (Some(_), Some(_), _) => refused("webhook", "repo"),
        (Some(_), _, Some(_)) => refused("gitlab", "repo"),
        (None, Some(_), Some(_)) => refused("gitlab", "webhook"),
        (None, None, None) => {
            Err("it is not said what is to be told: name a `repo` (or a `webhook`, or a project on `gitlab`)"
                .to_owned())
        }
        (Some(repo), None, None) => match (event, workflow) {
            (Some(_), Some(_)) => refused("event", "workflow"),
            (_, None) if reference.is_some() => {
                Err("`ref` has no meaning for an event, which always meets the default branch; take it away".to_owned())
            }
            (event, None) => {
                let event = event.clone().unwrap_or_else(|| "asset-updated".to_owned());
                Ok(Receiver::Event { repo: repo.clone(), event })
            }
            (None, Some(workflow)) => {
                let (repo, workflow, reference) = (repo.clone(), workflow.clone(), reference.clone());
                Ok(Receiver::Workflow { repo, workflow, reference })
            }
        },
        (None, webhook, project) => {
            let strange = [("event", event.is_some()), ("workflow", workflow.is_some()), ("ref", reference.is_some())];
            let kind = if webhook.is_some() { "webhook" } else { "gitlab" };
            if let Some((key, _)) = strange.iter().find(|(_, is_there)| *is_there) {
                return refused(key, kind);
            }
            match (webhook, project) {
                (Some(webhook), _) => {
                    Ok(Receiver::Webhook { url: webhook.url.clone(), secret: webhook.secret.clone() })
                }
                (None, Some(project)) => Ok(Receiver::Pipeline(project.clone())),
                (None, None) => Err("it is not said what is to be told".to_owned()),
            }
        }
    }
}
