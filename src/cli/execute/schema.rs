//! Carries out the words below `stockroom schema`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::{Ending, Execution, FEW_FINDINGS, verdict};
use crate::adapters::whole_file;
use crate::cli::words::Format;
use crate::cli::words::schema::SchemaCommand;
use crate::commands::infer::{self, Which, write_new};
use crate::commands::open::Moment;
use crate::commands::schema_diff;
use crate::finding::Finding;
use crate::finding::words::count;
use crate::report::changelog::with_entry;
use crate::report::excerpt::Excerpts;
use crate::report::schema_diff::SchemaDiff;
use crate::report::{human, json, schema_diff as report};

/// How large a changelog may be, in bytes.
const MAX_CHANGELOG_BYTES: u64 = 16 * 1024 * 1024;

impl Execution<'_> {
    /// Carries out what is to be done with schemas.
    pub(super) async fn schema(&self, command: SchemaCommand) -> anyhow::Result<Ending> {
        match command {
            SchemaCommand::Infer { records, collection, output, title, strict } => {
                let which = match collection {
                    Some(name) => Which::Collection(name),
                    None if records.is_empty() => Which::OnlyCollection,
                    None => Which::Files(records),
                };
                self.infer(&which, output, &infer::Style { title, strict })
            }
            SchemaCommand::Lock => self.schema_lock().await,
            SchemaCommand::Diff { old, new, format, changelog, common } => {
                let records = common.rev.map_or(Moment::Now, Moment::At);
                let library = self.open(None, common.locked).await;
                let diff = schema_diff::diff(&self.place(None), library, &old, &new, &records)?;
                match format {
                    Format::Human => self.console.text(&report::human(&diff, self.style(), FEW_FINDINGS)),
                    Format::Json => self.console.json(&json::schema_diff::render(&diff)),
                }
                if let Some(file) = changelog {
                    self.note(&self.folder.join(file), &diff)?;
                }
                Ok(verdict(&diff.findings, common.fail_on))
            }
        }
    }

    fn infer(&self, which: &Which, output: Option<PathBuf>, style: &infer::Style) -> anyhow::Result<Ending> {
        let inferred = infer::infer(&self.place(None), which, style)?;
        self.name_findings(&inferred.findings);
        let from = count(inferred.records, "record");
        match output {
            None => self.console.text(&inferred.schema),
            Some(file) => {
                write_new(&file, &self.console.redacted(&inferred.schema))?;
                self.console.talk(&format!("{} is inferred from {from}\n", file.display()));
            }
        }
        Ok(if inferred.findings.is_empty() { Ending::Done } else { Ending::Findings })
    }

    /// Says on the side what is wrong with records that were left out.
    pub(super) fn name_findings(&self, findings: &[Finding]) {
        let mut text = String::new();
        for finding in findings.iter().take(FEW_FINDINGS) {
            human::finding(&mut text, finding, &Excerpts::default(), self.style());
        }
        if findings.len() > FEW_FINDINGS {
            text.push_str(&format!("… and {} more\n", findings.len() - FEW_FINDINGS));
        }
        self.console.talk(&text);
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
