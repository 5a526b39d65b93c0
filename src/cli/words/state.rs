//! The words below `stockroom state`.

use clap::Subcommand;

use super::migrate::MigrateCommand;

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Move the state from SQLite to PostgreSQL, or back: check, run, validate, and only then cleanup.
    Migrate {
        /// Which step.
        #[command(subcommand)]
        command: MigrateCommand,
    },
}
