//! Opens a library with its registry, wherever that lies: what the environment says of it, and the ways there.

use std::sync::Arc;

use super::{Ending, Execution};
use crate::adapters::http::{self, RealPace};
use crate::adapters::schema_source::{Cache, GitHubSource, Reader, RemoteSource, WebSource};
use crate::commands::open::{Opened, open};
use crate::commands::proposed_registry::{Branches, base_of, branch, bring};
use crate::commands::registry::{Ways, write_lock};

impl Execution<'_> {
    /// Opens the library with its registry; `locked` refuses what stockroom.lock does not say.
    pub(super) async fn open(&self, rev: Option<&str>, locked: bool) -> anyhow::Result<Opened> {
        let opened = open(&self.place(rev))?;
        // Whoever looks at another commit does not ask what the branch at hand would need.
        let branch = if matches!(rev, None | Some("HEAD")) { branch(&opened, &self.branches()) } else { None };
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
        let base = self.base_of(&opened)?;
        let cache = self.cache(&opened, base.is_some());
        let ways = self.ways(&cache);
        bring(opened, base.as_ref(), branch, locked, &ways).await
    }

    /// Resolves the registry anew and writes down what it is now.
    pub(super) async fn schema_lock(&self) -> anyhow::Result<Ending> {
        let opened = open(&self.place(None))?;
        if self.base_of(&opened)?.is_some() {
            let advice = "run this on your own machine";
            return Err(anyhow::anyhow!("a proposal's registry is locked by those who propose it: {advice}"));
        }
        let cache = self.cache(&opened, false);
        let written = write_lock(&opened, &self.ways(&cache)).await?;
        self.console.talk(&written.complaint.map_or(String::new(), |why| format!("warning: {why}\n")));
        self.console.text(&written.text);
        Ok(Ending::Done)
    }

    /// The library that a proposal would be merged into, where that decides whom we ask.
    fn base_of(&self, opened: &Opened) -> anyhow::Result<Option<Opened>> {
        if !opened.config.settings.schemas.is_elsewhere() {
            return Ok(None);
        }
        let event = self.environment.event()?;
        event.map_or(Ok(None), |event| base_of(opened, &event, &self.place(None)))
    }

    fn branches(&self) -> Branches<'_> {
        Branches {
            proposed: self.environment.get("GITHUB_HEAD_REF"),
            merged_into: self.environment.get("GITHUB_BASE_REF"),
            is_own_machine: !self.environment.is_actions(),
        }
    }

    /// One cache for the whole run. A proposal leaves no trace, so what it fetches is remembered until it ends.
    fn cache(&self, opened: &Opened, is_proposal: bool) -> Arc<Cache> {
        let make = || {
            let folder = opened.worktree.private_folder().join("schemas");
            Arc::new(if is_proposal { Cache::without_trace(folder) } else { Cache::at(folder) })
        };
        Arc::clone(self.schemas.get_or_init(make))
    }

    fn ways<'a>(&'a self, cache: &'a Arc<Cache>) -> Ways<'a> {
        Ways {
            github: Box::new(move |at, token| {
                let token = token.and_then(|reference| self.environment.secret(reference));
                if let Some(token) = &token {
                    self.console.mask(token.reveal());
                }
                let pace = Arc::new(RealPace::until(self.stop.clone()));
                let reader = Reader::new(http::client()?, self.environment.api(), token.as_ref(), pace)?;
                let source = GitHubSource { reader, cache: Arc::clone(cache), at: at.clone() };
                Ok(Box::new(source) as Box<dyn RemoteSource>)
            }),
            web: Box::new(move |at, digest| {
                let source = WebSource {
                    client: http::client()?,
                    pace: Arc::new(RealPace::until(self.stop.clone())),
                    cache: Arc::clone(cache),
                    at: at.clone(),
                    digest,
                    allows_loopback: self.environment.get("STOCKROOM_HTTP_LOOPBACK") == Some("true"),
                };
                Ok(Box::new(source) as Box<dyn RemoteSource>)
            }),
        }
    }
}
