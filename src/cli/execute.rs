//! Carries out a command: gather, plan, apply, and say what came of it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::console::Console;
use super::environment::Environment;
use super::words::{Command, FailOn, Format, PlanFormat, Words};
use crate::adapters::schema_source::Cache;
use crate::adapters::stop::{Signal, Stop};
use crate::commands::open::{Moment, Place};
use crate::finding::{Finding, Severity};
use crate::report::human::Style;
use crate::report::{Check, workflow_command};

mod check;
mod dispatch;
mod docs;
mod doctor;
mod embed;
mod federate;
mod feedback;
mod identity;
mod init;
mod loops;
mod manifest;
mod migrate;
mod plan;
mod pull;
mod registry;
mod release;
mod run;
mod schema;
mod search;
mod state;
mod status;
mod sync;
mod tell;

use check::{Asked, Since};

/// How many findings a person gets to see at once.
const MOST_FINDINGS: usize = 200;
/// How many where they are not what the command is for.
const FEW_FINDINGS: usize = 20;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is as it should be.
    Done,
    /// There are findings in the user's data; nothing was sent.
    Findings,
    /// The job could not be done.
    Failed,
    /// Some targets did not get theirs; the next run tries again.
    Partial,
    /// It was asked to end.
    Stopped(Signal),
}

impl Ending {
    /// The exit code, the same for every command.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Failed => 2,
            Self::Partial => 3,
            // What a shell says of a program that the signal ended.
            Self::Stopped(Signal::Interrupt) => 130,
            Self::Stopped(Signal::Terminate) => 143,
        }
    }
}

/// A process that is about to do something.
pub struct Execution<'a> {
    /// The one writer.
    pub console: &'a Console,
    /// What the environment says.
    pub environment: &'a Environment,
    /// Where the library is.
    pub folder: PathBuf,
    /// The configuration file, where one is named.
    pub config: Option<PathBuf>,
    /// What was fetched of registries elsewhere, once it is known where that is kept.
    pub schemas: OnceLock<Arc<Cache>>,
    /// Whether the process was asked to end.
    pub stop: Stop,
}

impl Execution<'_> {
    /// Carries out the words.
    pub async fn command(&self, words: Words) -> anyhow::Result<Ending> {
        match words.command {
            Command::Init { dry_run } => self.init(dry_run),
            Command::Check { paths, changed_since, format, reports, common } => {
                let since = changed_since.as_deref().map_or(Since::Nothing, Since::Revision);
                let asked = Asked { paths: &paths, since, reports: &reports };
                let library = self.check(&common, format, &asked).await?;
                Ok(verdict(&library.check.findings, common.fail_on))
            }
            Command::Plan { common, limits, shards: Some(shards), .. } => self.shards(&common, &limits, shards).await,
            Command::Plan { format, common, limits, .. } => self.plan(&common, &limits, format).await,
            Command::Sync { format, common, limits, metrics } => self.sync(&common, &limits, format, &metrics).await,
            Command::Dispatch(words) => self.dispatch(&words).await,
            Command::Embed(words) => self.embed(&words).await,
            Command::Manifest { output, common } => self.manifest(&common, output).await,
            Command::Search { query, most, format } => self.search(&query, usize::from(most), format).await,
            Command::Status { remote, check, format } => self.status(remote.as_deref(), check, format).await,
            Command::Schema { command } => self.schema(command).await,
            Command::State { command } => self.state(command).await,
            Command::Pull(words) => self.pull(&words).await,
            Command::Verify(words) => self.verify(&words).await,
            Command::Federate(words) => self.federate(&words).await,
            Command::Doctor { format } => self.doctor(format).await,
            Command::Docs(words) => self.docs(&words).await,
            Command::Run => self.run().await,
        }
    }

    fn place(&self, rev: Option<&str>) -> Place {
        Place {
            folder: self.folder.clone(),
            config: self.config.as_ref().map(|file| self.folder.join(file)),
            moment: rev.map_or(Moment::Now, |rev| Moment::At(rev.to_owned())),
        }
    }

    fn style(&self) -> Style {
        self.environment.style()
    }

    fn outputs(&self, command: &str, check: &Check, fail_on: FailOn) -> anyhow::Result<()> {
        let valid = verdict(&check.findings, fail_on) == Ending::Done;
        let values = [
            ("command", command.to_owned()),
            ("valid", valid.to_string()),
            ("findings", check.findings.len().to_string()),
            ("errors", check.summary.errors.to_string()),
            ("warnings", check.summary.warnings.to_string()),
        ];
        self.set_outputs(&values)
    }

    fn set_outputs(&self, values: &[(&str, String)]) -> anyhow::Result<()> {
        for (name, value) in values {
            self.console.set_output(name, value)?;
        }
        Ok(())
    }

    /// What the runner could not be told of a job that is done: the job is done all the same.
    fn settled(&self, told: anyhow::Result<()>) {
        if let Err(error) = told {
            self.console.talk(&format!("warning: {error:#}\n"));
            self.console.command(&workflow_command::Command::warning(&format!("{error:#}")));
        }
    }
}

/// What the one who gave the command waits for on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// A text, of which the check is the first part.
    Text,
    /// A document. Where the records are not fit for it, the check's is the one that says why.
    Json,
    /// Something that the check must not stand in front of.
    Other,
}

impl From<Format> for Awaited {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

impl From<PlanFormat> for Awaited {
    fn from(format: PlanFormat) -> Self {
        match format {
            PlanFormat::Human => Self::Text,
            PlanFormat::Json => Self::Json,
            PlanFormat::Markdown => Self::Other,
        }
    }
}

/// How a run ends that found this.
fn verdict(findings: &[Finding], fail_on: FailOn) -> Ending {
    let fails = findings.iter().any(|finding| finding.severity >= least(fail_on));
    if fails { Ending::Findings } else { Ending::Done }
}

/// The least severity that fails a run.
fn least(fail_on: FailOn) -> Severity {
    match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
    }
}
