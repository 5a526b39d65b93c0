//! Carries out `search`.

use super::{Ending, Execution};
use crate::cli::wiring::{Reach, carries, index_to_ask, outside};
use crate::cli::words::Format;
use crate::commands::open::open;
use crate::commands::search as searching;
use crate::report::search;
use crate::state::Kind;

impl Execution<'_> {
    /// Shows the assets whose texts come closest to a query.
    pub(super) async fn search(&self, query: &str, most: usize, format: Format) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        let is_carried = carries(&opened.worktree, &opened.config, self.environment);
        // Which sources the index holds stands in the state.
        let settings = &opened.config.settings;
        let asks_state = settings.embed.as_ref().is_some_and(|embed| !embed.sources.is_empty());
        let asks_state = asks_state && settings.state.kind == Kind::Postgres;
        let reach = if is_carried || asks_state { Reach::Look } else { Reach::Local };
        let mut outside = outside(&opened.worktree, &opened.config, self.environment, reach, self.console, &self.stop)?;
        if let (Reach::Local, Some(settings)) = (reach, &opened.config.settings.embed) {
            (outside.model, outside.vectors) =
                index_to_ask(&opened.worktree, settings, self.environment, self.console, &outside.pace)?;
        }
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
