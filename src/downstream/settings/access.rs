//! What lets us in at a downstream, and what holds for all of them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretRef;

/// What lets us in at a downstream's server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credentials {
    /// A token.
    Token(SecretRef),
    /// A GitHub App, which gets a token for the repositories concerned.
    App(App),
}

/// A GitHub App that is installed where the downstreams are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GitHubApp")]
pub struct App {
    /// Its id or client id, as the app's page on GitHub names it.
    pub id: AppId,
    /// Its private key, as GitHub gave it (PEM).
    pub key: SecretRef,
}

/// The id of a GitHub App: a number, or a client id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AppId {
    /// `123456`.
    Number(u64),
    /// `Iv23…`.
    Text(String),
}

impl std::fmt::Display for AppId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What holds for the deliveries to all downstreams.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dispatch")]
pub struct DispatchSettings {
    /// A GitHub App for every downstream that names neither a token nor an app of its own.
    pub app: Option<App>,
    /// What to do when bots keep changing the same values of the same records: `stop` delivers nothing of that, `warn` says
    /// so, `off` does not look.
    #[serde(default)]
    pub on_loop: OnLoop,
}

/// What to do about a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnLoop {
    /// Nothing of it is delivered.
    #[default]
    Stop,
    /// It is told, and delivered.
    Warn,
    /// Nobody looks.
    Off,
}
