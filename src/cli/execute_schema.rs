//! Carries out the words below `stockroom schema`.

use std::path::PathBuf;

use anyhow::anyhow;

use super::execute::{Ending, Execution};
use super::words_schema::SchemaCommand;
use crate::commands::infer::{self, Which, write_new};
use crate::finding::Finding;
use crate::report::counting::count;
use crate::report::excerpt::Excerpts;
use crate::report::human;

/// How many records that were left out are named.
const MOST_LEFT_OUT: usize = 20;

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
            SchemaCommand::Diff { old, new, .. } => Err(anyhow!("{old} and {new} cannot be compared yet")),
        }
    }

    fn infer(&self, which: &Which, output: Option<PathBuf>, style: &infer::Style) -> anyhow::Result<Ending> {
        let inferred = infer::infer(&self.place(None), which, style)?;
        self.name_findings(&inferred.findings);
        let from = count(inferred.records, "record");
        match output {
            None => self.console.text(&inferred.schema),
            Some(file) => {
                write_new(&file, &inferred.schema)?;
                self.console.talk(&format!("{} is inferred from {from}\n", file.display()));
            }
        }
        Ok(if inferred.findings.is_empty() { Ending::Done } else { Ending::Findings })
    }

    /// Says on the side what is wrong with records that were left out.
    pub(super) fn name_findings(&self, findings: &[Finding]) {
        let mut text = String::new();
        for finding in findings.iter().take(MOST_LEFT_OUT) {
            human::finding(&mut text, finding, &Excerpts::default(), self.style());
        }
        if findings.len() > MOST_LEFT_OUT {
            text.push_str(&format!("… and {} more\n", findings.len() - MOST_LEFT_OUT));
        }
        self.console.talk(&text);
    }
}
