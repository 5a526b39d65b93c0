//! Opens a library with its registry, wherever that lies, and decides whom a stranger's pull request may make us ask.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::execute::{Ending, Execution};
use crate::adapters::http::{self, RealPace};
use crate::adapters::schema_source::{Cache, GitHubSource, Reader, RemoteSource, WebSource};
use crate::adapters::whole_file;
use crate::commands::gather::{Opened, open, open_committed};
use crate::commands::registry::{Ask, read_lock, resolve, settle};
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::report::counting::count;
use crate::schema::lock::{LOCK, SCHEMA_SOURCE_PROPOSED, moves};
use crate::schema::settings::{BranchPolicy, Settings};
use crate::schema::source::{self, Source, is_ref_name};

/// Branches that many repositories have: their names say nothing about belonging together.
const EVERYBODYS: [&str; 2] = ["main", "master"];

impl Execution<'_> {
    /// Opens the library with its registry; `locked` refuses what stockroom.lock does not say.
    pub(super) async fn open(&self, rev: Option<&str>, locked: bool) -> anyhow::Result<Opened> {
        let opened = open(&self.place(rev))?;
        // Whoever looks at another commit does not ask what the branch at hand would need.
        let branch = if matches!(rev, None | Some("HEAD")) { self.branch(&opened) } else { None };
        let (opened, said) = self.with_registry(opened, branch, locked).await?;
        for sentence in said {
            self.console.talk(&format!("schemas: {sentence}\n"));
        }
        Ok(opened)
    }

    /// Opens the library that a proposal would be merged into. What is to be said of the registry is said of the proposal.
    pub(super) async fn open_base(&self, base: &str) -> anyhow::Result<Opened> {
        Ok(self.with_registry(open(&self.place(Some(base)))?, None, false).await?.0)
    }

    /// The same with its registry, and what a person should know of that.
    async fn with_registry(
        &self,
        opened: Opened,
        branch: Option<String>,
        locked: bool,
    ) -> anyhow::Result<(Opened, Vec<String>)> {
        let (names, own) = (opened.config.schema_names(), &opened.config.settings.schemas);
        let base = self.judge(&opened)?;
        let is_trusted = base.as_ref().is_none_or(|base| own.ask_where(&base.config.settings.schemas));
        let trusted = base.as_ref().filter(|_| !is_trusted).unwrap_or(&opened);
        // Which variable holds a token is never a stranger's choice.
        let who = base.as_ref().map_or(own, |base| &base.config.settings.schemas);
        let cache = self.cache(&opened, base.is_some());
        let settings = Settings { token: who.token.clone(), ..trusted.config.settings.schemas.clone() };
        let way = |source: &Source| self.way(source, &settings, &cache);
        let branch = branch.filter(|_| settings.branch == Some(BranchPolicy::Match));
        let settled = settle(&Ask { opened: trusted, names: &names, locked, branch, way: &way }).await?;
        let mut findings = settled.findings;
        findings.extend((!is_trusted).then(|| untried(&opened, trusted)));
        Ok((opened.with_registry(settled.files, findings), settled.said))
    }

    /// The library that a proposal would be merged into, where its registry has to be asked for: whom we ask is told by what
    /// has been merged, as a stranger's stockroom.yml could name any address.
    fn judge(&self, opened: &Opened) -> anyhow::Result<Option<Opened>> {
        if !opened.config.settings.schemas.is_elsewhere() {
            return Ok(None);
        }
        let Some(event @ Event::Proposal { .. }) = self.environment.event()? else { return Ok(None) };
        let (Some(base), Some(head)) = (event.base(), event.head()) else { return Ok(None) };
        let base = opened.worktree.base(base, head);
        open_committed(&self.place(None), &base).map(Some).with_context(|| {
            "a proposal's registry is asked for only where the branch that it would be merged into names it, and that one \
             cannot be read; with actions/checkout set `fetch-depth: 2`"
                .to_owned()
        })
    }

    /// The branch that may have a counterpart in the registry's repository.
    fn branch(&self, opened: &Opened) -> Option<String> {
        let name = match self.environment.get("GITHUB_HEAD_REF") {
            Some(name) => name.to_owned(),
            None if self.environment.is_actions() => return None,
            None => opened.worktree.head().ok()?.branch?.strip_prefix("refs/heads/")?.to_owned(),
        };
        let is_own = Some(name.as_str()) != self.environment.get("GITHUB_BASE_REF")
            && Some(&name) != opened.worktree.default_branch().as_ref()
            && !EVERYBODYS.contains(&name.as_str());
        (is_own && is_ref_name(&name)).then_some(name)
    }

    /// One cache for the whole run. A proposal leaves no trace, so what it fetches is remembered until it ends.
    fn cache(&self, opened: &Opened, is_proposal: bool) -> Arc<Cache> {
        let make = || {
            let folder = opened.worktree.private_folder().join("schemas");
            Arc::new(if is_proposal { Cache::without_trace(folder) } else { Cache::at(folder) })
        };
        Arc::clone(self.schemas.get_or_init(make))
    }

    fn way(&self, source: &Source, settings: &Settings, cache: &Arc<Cache>) -> anyhow::Result<Box<dyn RemoteSource>> {
        let (client, pace, cache) = (http::client()?, Arc::new(RealPace::default()), Arc::clone(cache));
        match source {
            Source::Folder(_) => Err(anyhow!("a folder is not asked for")),
            Source::GitHub(at) => {
                let token = settings.token.as_ref().and_then(|reference| self.environment.secret(reference));
                if let Some(token) = &token {
                    self.console.mask(token.reveal());
                }
                let reader = Reader::new(client, self.environment.api(), token.as_ref(), pace)?;
                Ok(Box::new(GitHubSource { reader, cache, at: at.clone() }))
            }
            Source::Web(at) => {
                let digest = settings.digest.as_deref().map(source::digest).transpose().map_err(|why| anyhow!(why))?;
                let allows_loopback = self.environment.get("STOCKROOM_HTTP_LOOPBACK") == Some("true");
                Ok(Box::new(WebSource { client, pace, cache, at: at.clone(), digest, allows_loopback }))
            }
        }
    }

    /// Resolves the registry anew and writes down what it is now.
    pub(super) async fn schema_lock(&self) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        if self.judge(&opened)?.is_some() {
            return Err(anyhow!(
                "a proposal's registry is locked by those who propose it: run this on your own machine"
            ));
        }
        let (settings, cache) = (opened.config.settings.schemas.clone(), self.cache(&opened, false));
        let way = |source: &Source| self.way(source, &settings, &cache);
        let lock = resolve(&opened, &opened.config.schema_names(), &way).await?;
        let (old, complaint) = match read_lock(&opened) {
            Ok(old) => (old, None),
            Err(error) => (None, Some(format!("warning: {error:#}\n"))),
        };
        let text = lock.render();
        let path: PathBuf = opened.worktree.root().join(LOCK);
        let is_new = opened.read(LOCK, u64::MAX).ok().flatten() != Some(text.clone().into_bytes());
        if is_new {
            whole_file::write(&path, text.as_bytes())
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        self.console.talk(&complaint.unwrap_or_default());
        let commit = lock.commit.as_ref().map_or(String::new(), |commit| format!(" at commit {}", commit.short()));
        let what = format!("{}{commit}, {}", lock.source, count(lock.schemas.len(), "schema file"));
        let verb = if is_new { "written" } else { "is as it should be" };
        let moved: String = moves(old.as_ref(), &lock).iter().map(|line| format!("  {line}\n")).collect();
        self.console.text(&format!("{LOCK} {verb}: {what}\n{moved}"));
        Ok(Ending::Done)
    }
}

/// Says that a proposal's own registry was not asked for.
fn untried(opened: &Opened, trusted: &Opened) -> Finding {
    let (named, used) = (&opened.config.settings.schemas.source, &trusted.config.settings.schemas.source);
    let message = format!("this change names the registry {named:?}, which is not asked for before it is merged");
    let finding = opened.config.finding(&SCHEMA_SOURCE_PROPOSED, "/schemas/source", message);
    let help = format!(
        "the records were checked with {used:?}; to see what the new registry says, run `stockroom check` locally"
    );
    Finding { severity: Severity::Warning, ..finding }.help(help)
}
