//! The words below `stockroom state migrate`.

use clap::{Args, Subcommand, ValueEnum};

use super::Format;
use crate::state::Kind;

/// A step of a move. `--to` names the same store in all of them.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Say whether the state can be moved, and how large it is; changes nothing.
    #[command(after_help = "Example: stockroom state migrate check --to postgres")]
    Check {
        /// Where to.
        #[command(flatten)]
        towards: Towards,
    },
    /// Copy the state, and mark it as moved where it was; nothing is deleted. A run that was killed is gone on with.
    #[command(after_help = "Example: stockroom state migrate run --to postgres")]
    Run {
        /// Where to.
        #[command(flatten)]
        towards: Towards,
    },
    /// Compare counts and digests of every table on both sides; changes nothing (exit code 2 where they differ).
    #[command(after_help = "Example: stockroom state migrate validate --to postgres")]
    Validate {
        /// Where to.
        #[command(flatten)]
        towards: Towards,
    },
    /// Delete the state where it was, if it was moved and both sides are equal.
    #[command(after_help = "Example: stockroom state migrate cleanup --to postgres --yes")]
    Cleanup {
        /// Where to.
        #[command(flatten)]
        towards: Towards,
        /// Delete it [default: say what would be deleted].
        #[arg(long)]
        yes: bool,
    },
}

/// Where a state moves to.
#[derive(Debug, Clone, Copy, Args)]
pub struct Towards {
    /// The store that the state moves, or was moved, to; it comes from the other one.
    #[arg(long, value_enum, value_name = "STORE")]
    pub to: StoreKind,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// The PostgreSQL database at `state.url` of stockroom.yml, else at STOCKROOM_STATE_URL.
    Postgres,
    /// The SQLite file below `.git/stockroom/`.
    Sqlite,
}

impl From<StoreKind> for Kind {
    fn from(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Postgres => Self::Postgres,
            StoreKind::Sqlite => Self::Sqlite,
        }
    }
}
