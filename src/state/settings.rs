//! Where the state is kept: `state` in stockroom.yml.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretRef;

/// Where Stockroom remembers what it has done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "StateSettings")]
pub struct Settings {
    /// The kind of store; `sqlite` when this is left out.
    pub kind: Kind,
    /// Whether a SQLite state is carried from run to run by a ref of the repository itself; `auto` when this is left out.
    pub carry: Carry,
    /// The address of the PostgreSQL database, `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; also where `state migrate` goes to.
    pub url: SecretRef,
    /// The schema in that database whose tables are Stockroom's; it is made where there is none.
    pub schema: String,
}

impl Default for Settings {
    fn default() -> Self {
        let (url, schema) = (SecretRef::to_variable("STOCKROOM_STATE_URL"), "stockroom".to_owned());
        Self { kind: Kind::default(), carry: Carry::default(), url, schema }
    }
}

impl Settings {
    /// What is wrong with the settings, by the pointer below `state`.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let is_name = !self.schema.is_empty() && self.schema.len() <= 63 && !self.schema.contains('\0');
        if !is_name {
            problems.push(("/schema".to_owned(), "a schema's name has 1 to 63 bytes".to_owned()));
        }
        if self.kind == Kind::Postgres && self.carry == Carry::Ref {
            let why =
                "a ref carries a SQLite state alone; every runner reaches the one in PostgreSQL: leave `carry` out";
            problems.push(("/carry".to_owned(), why.to_owned()));
        }
        problems
    }
}

/// The kind of store that keeps the state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "StateKind")]
pub enum Kind {
    /// A SQLite file below `.git/stockroom/`.
    #[default]
    Sqlite,
    /// A PostgreSQL database.
    Postgres,
}

impl Kind {
    /// Its name in stockroom.yml and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
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
