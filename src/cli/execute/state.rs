//! Carries out the words below `stockroom state`.

use super::{Ending, Execution};
use crate::cli::words::state::StateCommand;

impl Execution<'_> {
    /// Does what is to be done with the state.
    pub(super) async fn state(&self, command: StateCommand) -> anyhow::Result<Ending> {
        match command {
            StateCommand::Migrate { command } => self.migrate(command).await,
        }
    }
}
