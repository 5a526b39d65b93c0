//! The words below `stockroom state`.

use clap::Subcommand;

use super::Format;
use super::migrate::MigrateCommand;

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show where the state is, whose it is, how large, and who has its lock; changes nothing.
    #[command(after_help = "Example: stockroom state show --format json")]
    Show {
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Show the runs that changed something: who, when, what for, what came of it; changes nothing.
    #[command(after_help = "Example: stockroom state history -n 3 --target downstream/website")]
    History {
        /// How many runs, the last ones.
        #[arg(short = 'n', long = "runs", value_name = "N", default_value_t = 10)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
        most: u16,
        /// What happened to this target alone.
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
        /// How the result is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Say whose the lock is; take it away from a holder that is no more.
    #[command(
        after_help = "A lock is given back at the end of every run, and one that was killed loses it by itself: its clone's \
                      next run takes it over at once, any other when it has expired. A run whose lock is taken away goes on, \
                      and records nothing that another one has begun since.\n\nExample: stockroom state unlock --force"
    )]
    Unlock {
        /// Take the lock away if this is its token, as `state show --format json` prints it.
        #[arg(value_name = "TOKEN")]
        token: Option<String>,
        /// Take it away whosever it is, but for a run that is at work in this clone.
        #[arg(long, conflicts_with = "token")]
        force: bool,
    },
    /// Move the state from SQLite to PostgreSQL, or back: check, run, validate, and only then cleanup.
    Migrate {
        /// Which step.
        #[command(subcommand)]
        command: MigrateCommand,
    },
}
