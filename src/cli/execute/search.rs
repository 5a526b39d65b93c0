//! Carries out `search`.

use super::{Ending, Execution};
use crate::cli::wiring::{Reach, carries, outside};
use crate::cli::words::Format;
use crate::commands::open::open;
use crate::commands::search as searching;
use crate::report::search;

impl Execution<'_> {
    /// Shows the assets whose texts come closest to a query.
    pub(super) async fn search(&self, query: &str, most: usize, format: Format) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        let is_carried = carries(&opened.worktree, &opened.config, self.environment);
        let is_elsewhere = opened.config.settings.embed.as_ref().is_some_and(|embed| embed.is_elsewhere());
        let reach = if is_carried || is_elsewhere { Reach::Look } else { Reach::Local };
        let outside = outside(&opened.worktree, &opened.config, self.environment, reach, self.console, &self.stop)?;
        if is_carried {
            // The index comes with it.
            outside.state.load().await?;
        }
        let hits = searching::search(&opened, &outside, query, most).await?;
        match format {
            Format::Human => self.console.text(&search::human(query, &hits, self.style())),
            Format::Json => self.console.json(&search::json(query, &hits)),
        }
        Ok(Ending::Done)
    }
}
