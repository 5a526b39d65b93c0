//! Who is told of a run, and when: `notify` in stockroom.yml.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretRef;

/// Who is told of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Notify")]
pub struct Settings {
    /// A channel of Slack.
    pub slack: Option<Slack>,
}

/// A channel of Slack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The address of its incoming webhook, which is a secret.
    pub webhook: SecretRef,
    /// What is worth a message; `failure` and `change` when this is left out.
    #[serde(default = "both")]
    #[schemars(length(min = 1))]
    pub on: Vec<Occasion>,
}

/// What is worth a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// Something did not work.
    Failure,
    /// Something was published, told or embedded.
    Change,
}

fn both() -> Vec<Occasion> {
    vec![Occasion::Failure, Occasion::Change]
}
