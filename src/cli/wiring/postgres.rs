//! The state in the PostgreSQL database that stockroom.yml names.

use anyhow::anyhow;

use crate::adapters::postgres::Address;
use crate::adapters::state_store::{PostgresState, SqliteState};
use crate::adapters::worktree::Worktree;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::config::Config;

/// The state of this library there. `before` is where it was kept before, which is not lost sight of.
pub fn state(
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    before: SqliteState,
    console: &Console,
) -> anyhow::Result<PostgresState> {
    let settings = &config.settings.state;
    let variable = settings.url.variable();
    let url = environment.secret(&settings.url).ok_or_else(|| {
        anyhow!(
            "the variable {variable}, which holds the address of the PostgreSQL database of the state, is not set. Set it to \
             postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in a workflow, from a secret"
        )
    })?;
    console.mask(url.reveal());
    let address = Address::parse(&url).map_err(|error| anyhow!("{variable}: {error}"))?;
    if let Some(password) = address.password() {
        console.mask(password.reveal());
    }
    let repository = environment.repository().or_else(|| worktree.origin()).ok_or_else(|| {
        anyhow!(
            "the name of this repository is not known, by which its state is found in the database: set GITHUB_REPOSITORY to \
             OWNER/NAME, or give the clone its `origin`"
        )
    })?;
    let library = format!("{repository}:{}", worktree.prefix());
    Ok(PostgresState::new(address, &settings.schema, library).after(before))
}
