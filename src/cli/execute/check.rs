//! Carries out a check, and writes what was found in every form that is asked for.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::{Awaited, Ending, Execution, MOST_FINDINGS, least, verdict};
use crate::adapters::whole_file;
use crate::cli::words::{CheckFormat, Common, FailOn, FurtherReport};
use crate::commands::excerpts::excerpts;
use crate::commands::focus::Focus;
use crate::commands::gather::{Library, Wanted, gather};
use crate::event::Event;
use crate::report::excerpt::Excerpts;
use crate::report::human::Style;
use crate::report::log_text::{defuse, json_text, xml_text};
use crate::report::{github, human, json, junit, sarif, summary};

/// What a check is to look at, and which reports it is to write beside its own.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    /// The files that it is about; none stands for all.
    pub(super) paths: &'a [PathBuf],
    /// What it is compared with.
    pub(super) since: Since<'a>,
    /// Further reports.
    pub(super) reports: &'a [FurtherReport],
}

/// What a check is compared with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Since<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// A revision that somebody named.
    Revision(&'a str),
    /// The base of a proposal.
    Event(&'a Event),
}

impl<'a> Since<'a> {
    /// What an event is compared with: a proposal with its base.
    pub(super) fn of(event: Option<&'a Event>) -> Self {
        event.map_or(Self::Nothing, Self::Event)
    }

    fn event(self) -> Option<&'a Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Nothing | Self::Revision(_) => None,
        }
    }
}

impl Execution<'_> {
    /// Reads and checks the library, and reports what was found.
    pub(super) async fn check(
        &self,
        common: &Common,
        format: CheckFormat,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Library> {
        let lists_records = format == CheckFormat::Junit;
        let (library, reports) = self.look(common, Wanted::Verdict, asked, lists_records).await?;
        let text = match format {
            CheckFormat::Human => self.rendered_for_people(&library),
            _ => rendered(&library, format, common.fail_on),
        };
        match format {
            CheckFormat::Human => self.console.text(&text),
            CheckFormat::Json | CheckFormat::Sarif => self.console.json(&text),
            CheckFormat::Junit => self.console.xml(&text),
            CheckFormat::Github => {
                self.console.commands_as_data(&github::check(&library.check, library.worktree.prefix()));
            }
        }
        let is_told = self.tell_check_run(&library, asked.since.event(), common.fail_on).await;
        if format != CheckFormat::Github && !is_told {
            self.annotate(&library);
        }
        self.write_reports(&library, &reports, common.fail_on)?;
        self.console.add_summary(&summary::check(&library.check))?;
        self.outputs("check", &library.check, common.fail_on)?;
        Ok(library)
    }

    /// Checks for a command whose result is something else: none when the records do not let it go on.
    pub(super) async fn checked(
        &self,
        common: &Common,
        awaited: Awaited,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Option<Library>> {
        let (library, reports) = self.look(common, Wanted::Assets, asked, false).await?;
        if !self.tell_check_run(&library, asked.since.event(), common.fail_on).await {
            self.annotate(&library);
        }
        self.write_reports(&library, &reports, common.fail_on)?;
        self.console.add_summary(&summary::check(&library.check))?;
        let is_fit = verdict(&library.check.findings, common.fail_on) == Ending::Done;
        let text = self.rendered_for_people(&library);
        match awaited {
            Awaited::Text => self.console.text(&text),
            Awaited::Json | Awaited::Other => self.console.talk(&text),
        }
        if is_fit {
            return Ok(Some(library));
        }
        if awaited == Awaited::Json {
            self.console.json(&json::check::render(&library.check));
        }
        self.console.talk("nothing was sent: mend the findings above first\n");
        self.outputs("check", &library.check, common.fail_on)?;
        self.tell_comment(&library, asked.since.event(), None).await;
        Ok(None)
    }

    async fn look(
        &self,
        common: &Common,
        wanted: Wanted,
        asked: &Asked<'_>,
        lists_records: bool,
    ) -> anyhow::Result<(Library, Vec<FurtherReport>)> {
        let reports = self.reports(asked.reports)?;
        let lists_records = lists_records || reports.iter().any(|report| report.format == CheckFormat::Junit);
        let opened = self.open(common.rev.as_deref(), common.locked).await?;
        let mut focus = Focus::default();
        focus.lists_records = lists_records;
        if !asked.paths.is_empty() {
            focus = focus.on_paths(&opened, &current_folder()?, asked.paths)?;
        }
        focus = match asked.since {
            Since::Nothing => focus,
            Since::Revision(revision) => focus.on_change(&opened, revision),
            Since::Event(event) => match event.base().zip(event.head()) {
                Some((base, head)) => focus.on_change(&opened, &opened.worktree.base(base, head)),
                None => focus,
            },
        };
        Ok((gather(opened.about(focus), wanted)?, reports))
    }

    fn rendered_for_people(&self, library: &Library) -> String {
        human::check(&library.check, &excerpts(library, MOST_FINDINGS), self.style(), MOST_FINDINGS)
    }

    fn annotate(&self, library: &Library) {
        for command in github::check(&library.check, library.worktree.prefix()) {
            self.console.command(&command);
        }
    }

    /// The reports that words and environment ask for.
    fn reports(&self, words: &[FurtherReport]) -> anyhow::Result<Vec<FurtherReport>> {
        let lines = self.environment.get("STOCKROOM_REPORTS").unwrap_or_default().lines();
        let lines = lines.map(str::trim).filter(|line| !line.is_empty());
        let named: Result<Vec<_>, _> = lines.map(str::parse::<FurtherReport>).collect();
        let named = named.map_err(|why| anyhow!("reports: {why}"))?;
        Ok(words.iter().cloned().chain(named).collect())
    }

    fn write_reports(&self, library: &Library, reports: &[FurtherReport], fail_on: FailOn) -> anyhow::Result<()> {
        for FurtherReport { format, file } in reports {
            let text = self.console.redacted(&rendered(library, *format, fail_on));
            let text = match format {
                CheckFormat::Json | CheckFormat::Sarif => json_text(&text),
                CheckFormat::Junit => xml_text(&text),
                CheckFormat::Human => defuse(&text),
                CheckFormat::Github => text,
            };
            let place = place_of(file)?;
            whole_file::write(&place, text.as_bytes())
                .with_context(|| format!("the report {} cannot be written", file.display()))?;
        }
        Ok(())
    }
}

/// The whole report as a text, without colours.
fn rendered(library: &Library, format: CheckFormat, fail_on: FailOn) -> String {
    let (check, prefix) = (&library.check, library.worktree.prefix());
    match format {
        CheckFormat::Human => human::check(check, &Excerpts::default(), Style::Plain, usize::MAX),
        CheckFormat::Json => json::check::render(check),
        CheckFormat::Github => github::check(check, prefix).iter().map(|command| format!("{command}\n")).collect(),
        CheckFormat::Sarif => sarif::check(check, prefix),
        CheckFormat::Junit => junit::check(check, least(fail_on)),
    }
}

fn current_folder() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("the current folder cannot be told")
}

/// Where a report goes. What is named relative to the current folder stays in it: whoever proposes a change to the files in it
/// must not lead the report elsewhere by a symbolic link.
fn place_of(file: &Path) -> anyhow::Result<PathBuf> {
    if file.is_absolute() {
        return Ok(file.to_owned());
    }
    let shown = file.display();
    if file.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(anyhow!("the report {shown} would leave the current folder; name a file in it, or a whole path"));
    }
    let folder = current_folder()?;
    let place = folder.join(file);
    match place.ancestors().take_while(|step| **step != *folder).find(|step| step.is_symlink()) {
        None => Ok(place),
        Some(link) => Err(anyhow!("the report {shown} cannot be written: {} is a symbolic link", link.display())),
    }
}
