//! Carries out `docs`.

use super::{Ending, Execution};
use crate::cli::words::docs::DocsWords;
use crate::commands::docs::{out_of_date, pages, write};
use crate::commands::gather::{Wanted, gather};
use crate::finding::words::count;

impl Execution<'_> {
    /// Writes the pages about the library, or says which of them are out of date.
    pub(super) async fn docs(&self, words: &DocsWords) -> anyhow::Result<Ending> {
        let library = gather(self.open(None, false).await?, Wanted::Assets)?;
        let errors = library.check.summary.errors;
        if errors > 0 {
            let errors = count(errors, "error");
            self.console
                .talk(&format!("the records have {errors} (`stockroom check`), and only valid ones count here\n"));
        }
        let pages = pages(&library);
        let folder = words.output.clone().unwrap_or_else(|| self.folder.clone());
        if !words.check {
            let written = write(&folder, &pages)?;
            for page in &pages {
                let said = if written.contains(&page.name) { "wrote" } else { "is up to date:" };
                self.console.text(&format!("{said} {}\n", folder.join(page.name).display()));
            }
            return Ok(Ending::Done);
        }
        let told = out_of_date(&folder, &pages)?;
        if told.is_empty() {
            self.console.text("the pages say what stockroom.yml and the records say\n");
            return Ok(Ending::Done);
        }
        let output = words.output.as_ref().map(|folder| format!(" -o {}", folder.display())).unwrap_or_default();
        self.console.text(&format!("{}\n`stockroom docs{output}` mends that\n", told.join("\n")));
        Ok(Ending::Findings)
    }
}
