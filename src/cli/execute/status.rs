//! Carries out `status`.

use super::{Ending, Execution};
use crate::adapters::turn::Turn;
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::Format;
use crate::commands::open::{Opened, open};
use crate::commands::status as standing;
use crate::report::json;
use crate::report::status::{Status, human};
use crate::state::Kind;

impl Execution<'_> {
    /// Shows how every target stands; with `is_strict`, one that is not in step makes the run partly done.
    pub(super) async fn status(&self, is_strict: bool, format: Format) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        let reach = Reach::Network;
        let outside = outside(&opened.worktree, &opened.config, self.environment, reach, self.console, &self.stop)?;
        let at_work = at_work(&opened);
        let status = standing::status(opened, &outside, at_work).await?;
        self.say_status(&status, format);
        Ok(if is_strict && !status.is_in_step() { Ending::Partial } else { Ending::Done })
    }

    fn say_status(&self, status: &Status, format: Format) {
        match format {
            Format::Human => self.console.text(&human(status, self.style())),
            Format::Json => self.console.json(&json::status::render(status)),
        }
    }
}

/// Whether a process of this clone is at work, where that says whether the holder of the lock is.
pub(super) fn at_work(opened: &Opened) -> Option<bool> {
    (opened.config.settings.state.kind == Kind::Sqlite).then(|| Turn::is_taken(&opened.worktree.private_folder()))
}
