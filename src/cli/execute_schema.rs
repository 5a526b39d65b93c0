//! Carries out the words below `stockroom schema`.

use anyhow::anyhow;

use super::execute::{Ending, Execution};
use super::words_schema::SchemaCommand;

impl Execution<'_> {
    /// Carries out what is to be done with schemas.
    #[allow(clippy::unused_async, reason = "the registry's other sources answer over the network")]
    pub(super) async fn schema(&self, command: SchemaCommand) -> anyhow::Result<Ending> {
        match command {
            SchemaCommand::Diff { old, new, .. } => Err(anyhow!("{old} and {new} cannot be compared yet")),
        }
    }
}
