//! Where the state is kept: `state` in stockroom.yml.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where Stockroom remembers what it has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The kind of store; `sqlite` when this is left out.
    pub kind: Kind,
    /// Whether a SQLite state is carried from run to run by a ref of the repository itself; `auto` when this is left out.
    pub carry: Carry,
}

/// The kind of store that keeps the state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A SQLite file below `.git/stockroom/`.
    #[default]
    Sqlite,
}

/// Whether a ref of the repository (`refs/stockroom/state`) carries the state to the next run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Carry {
    /// Where GitHub Actions runs it, and nowhere else.
    #[default]
    Auto,
    /// Always. It takes the right to write to `origin`.
    Ref,
    /// Never: the state stays in the clone.
    None,
}
