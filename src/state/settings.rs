//! Where the state is kept: `state` in stockroom.yml.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where Stockroom remembers what it has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The kind of store; `sqlite` when this is left out.
    pub kind: Kind,
}

/// The kind of store that keeps the state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A SQLite file below `.git/stockroom/`.
    #[default]
    Sqlite,
}
