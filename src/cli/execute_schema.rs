//! Carries out the words below `stockroom schema`.

use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::execute::{Ending, Execution};
use super::words::{FailOn, Format};
use super::words_schema::SchemaCommand;
use crate::adapters::whole_file;
use crate::commands::gather::{Moment, Opened};
use crate::commands::schema_diff;
use crate::finding::{Finding, Severity};
use crate::report::json;
use crate::report::schema_diff::{SchemaDiff, human, with_entry};

/// How many findings a person gets to see at once.
const MOST_FINDINGS: usize = 20;
/// How large a changelog may be, in bytes.
const MAX_CHANGELOG_BYTES: u64 = 16 * 1024 * 1024;

impl Execution<'_> {
    /// Carries out what is to be done with schemas.
    #[allow(clippy::unused_async, reason = "the registry's other sources answer over the network")]
    pub(super) async fn schema(&self, command: SchemaCommand) -> anyhow::Result<Ending> {
        match command {
            SchemaCommand::Diff { old, new, format, changelog, common } => {
                let records = common.rev.map_or(Moment::Now, Moment::At);
                let diff = schema_diff::diff(&self.place(None), &old, &new, &records)?;
                match format {
                    Format::Human => self.console.text(&human(&diff, self.style(), MOST_FINDINGS)),
                    Format::Json => self.console.json(&json::schema_diff::render(&diff)),
                }
                if let Some(file) = changelog {
                    self.note(&self.folder.join(file), &diff)?;
                }
                Ok(ending(&diff.findings, common.fail_on))
            }
        }
    }

    /// The library with the commit that a pull request is compared with: released schemas must not break on the way.
    pub(super) fn with_base(&self, mut opened: Opened) -> Opened {
        // An event that cannot be read is told where it decides what is done.
        let event = self.environment.event().ok().flatten();
        let ends = event.as_ref().and_then(|event| event.base().zip(event.head()));
        opened.base = ends.map(|(base, head)| opened.worktree.base(base, head));
        opened
    }

    /// Writes the entry on the difference, unless it stands there already.
    fn note(&self, file: &Path, diff: &SchemaDiff) -> anyhow::Result<()> {
        let shown = file.display();
        let text = match std::fs::symlink_metadata(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("the changelog {shown} cannot be read")),
            Ok(facts) if !facts.is_file() => {
                return Err(anyhow!("the changelog {shown} is no regular file; a symlink is not followed"));
            }
            Ok(facts) if facts.len() > MAX_CHANGELOG_BYTES => {
                return Err(anyhow!("the changelog {shown} has {} bytes, more than one may have", facts.len()));
            }
            Ok(_) => {
                Some(std::fs::read_to_string(file).with_context(|| format!("the changelog {shown} cannot be read"))?)
            }
        };
        match with_entry(text.as_deref(), diff) {
            None => self.console.talk(&format!("{shown} has this entry already\n")),
            Some(longer) => {
                whole_file::write(file, longer.as_bytes())
                    .with_context(|| format!("the changelog {shown} cannot be written"))?;
                self.console.talk(&format!("{shown} has a new entry\n"));
            }
        }
        Ok(())
    }
}

fn ending(findings: &[Finding], fail_on: FailOn) -> Ending {
    let least = match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
    };
    if findings.iter().any(|finding| finding.severity >= least) { Ending::Findings } else { Ending::Done }
}
