//! How severe findings are that no rule of the library asks for: what is merely wise.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::{Code, Finding};
use crate::ids::RepoPath;

/// How severe each kind of advice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Object addresses and paths of somebody's own machine in the text of a record or of a Markdown file beside it.
    /// `warning` when this is left out.
    pub leaks: Level,
    /// Tokens and private keys in these texts. `error` when this is left out.
    pub secrets: Level,
    /// Images that are empty, damaged, or of another format than their name says. `warning` when this is left out.
    pub images: Level,
    /// Names of records and of files beside them that Windows or a command line cannot take. `warning` when this is left out.
    pub names: Level,
}

impl Default for Settings {
    fn default() -> Self {
        Self { leaks: Level::Warning, secrets: Level::Error, images: Level::Warning, names: Level::Warning }
    }
}

/// How severe advice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is said.
    Off,
    /// It is a warning.
    Warning,
    /// It is an error.
    Error,
}

impl Level {
    /// A finding of this severity on the file as a whole; none when nothing is to be said.
    pub fn finding(self, code: &'static Code, path: &RepoPath, message: impl Into<String>) -> Option<Finding> {
        match self {
            Self::Off => None,
            Self::Warning => Some(Finding::warning(code, path.clone(), message)),
            Self::Error => Some(Finding::error(code, path.clone(), message)),
        }
    }
}
