//! Whom a proposal may make us ask: its stockroom.yml can be a stranger's and name any address.

use anyhow::{Context as _, anyhow};

use super::open::{Opened, Place, open_committed};
use super::registry::{Ask, Ways, settle};
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::schema::lock::SCHEMA_SOURCE_PROPOSED;
use crate::schema::settings::{BranchPolicy, Settings};
use crate::schema::source::is_ref_name;

/// Branches that many repositories have: their names say nothing about belonging together.
const EVERYBODYS: [&str; 2] = ["main", "master"];

/// What is known of the branch at hand.
#[derive(Debug, Clone, Copy)]
pub struct Branches<'a> {
    /// The branch that a pull request is from.
    pub proposed: Option<&'a str>,
    /// The branch that it is to be merged into.
    pub merged_into: Option<&'a str>,
    /// Whether the work tree's branch counts where there is no pull request.
    pub is_own_machine: bool,
}

/// The branch that may have a counterpart in the registry's repository.
pub fn branch(opened: &Opened, known: &Branches<'_>) -> Option<String> {
    let name = match known.proposed {
        Some(name) => name.to_owned(),
        None if !known.is_own_machine => return None,
        None => opened.worktree.head().ok()?.branch?.strip_prefix("refs/heads/")?.to_owned(),
    };
    let is_own = Some(name.as_str()) != known.merged_into
        && Some(&name) != opened.worktree.default_branch().as_ref()
        && !EVERYBODYS.contains(&name.as_str());
    (is_own && is_ref_name(&name)).then_some(name)
}

/// The library that a proposal would be merged into: what has been merged tells whom we ask. None where whoever may write to
/// the repository put the files there.
///
/// Where nobody can tell whose files they are, or the clone does not hold the base, nobody is asked, which is an error.
pub fn base_of(opened: &Opened, event: &Event, place: &Place) -> anyhow::Result<Option<Opened>> {
    let (Some(base), Some(head)) = (event.base(), event.head()) else {
        if event.is_of_a_writer() {
            return Ok(None);
        }
        let why = "this event does not tell whose files are checked out, so the registry that their stockroom.yml names is \
                   not asked for";
        return Err(anyhow!("{why}; run Stockroom on push, pull_request, release, schedule or workflow_dispatch"));
    };
    let base = opened.worktree.base(base, head);
    open_committed(place, &base).map(Some).context(
        "a proposal's registry is asked for only where the branch that it would be merged into names it, and that one cannot \
         be read; with actions/checkout set `fetch-depth: 2`",
    )
}

/// Gives a library its registry, and says what a person should know of that.
///
/// With a `base`, requests go only where that one's stockroom.yml names a registry. Another ref or digest there is no other
/// place; for another place the base's registry stands in, with a finding.
pub async fn bring(
    opened: Opened,
    base: Option<&Opened>,
    branch: Option<String>,
    locked: bool,
    ways: &Ways<'_>,
) -> anyhow::Result<(Opened, Vec<String>)> {
    let (names, own) = (opened.config.schema_names(), &opened.config.settings.schemas);
    let is_trusted = base.is_none_or(|base| own.ask_where(&base.config.settings.schemas));
    let trusted = base.filter(|_| !is_trusted).unwrap_or(&opened);
    // Which variable holds a token is never a stranger's choice.
    let token = base.map_or(own, |base| &base.config.settings.schemas).token.clone();
    let settings = Settings { token, ..trusted.config.settings.schemas.clone() };
    let branch = branch.filter(|_| settings.branch == Some(BranchPolicy::Match));
    let ask = Ask { opened: trusted, settings: &settings, names: &names, locked, branch, ways };
    let settled = settle(&ask).await?;
    let mut findings = settled.findings;
    findings.extend((!is_trusted).then(|| untried(&opened, &settings)));
    Ok((opened.with_registry(settled.files, findings), settled.said))
}

/// Says that a proposal's own registry was not asked for.
fn untried(opened: &Opened, used: &Settings) -> Finding {
    let message = format!(
        "this change names the registry {:?}, which is not asked for before it is merged",
        opened.config.settings.schemas.source
    );
    let finding = opened.config.finding(&SCHEMA_SOURCE_PROPOSED, "/schemas/source", message);
    let help = format!(
        "the records were checked with {:?}; to see what the new registry says, run `stockroom check` locally",
        used.source
    );
    Finding { severity: Severity::Warning, ..finding }.help(help)
}
