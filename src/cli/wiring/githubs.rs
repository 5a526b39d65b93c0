//! The GitHubs that downstreams are on, each with what lets us in there: a token or a GitHub App.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::console::Console;
use super::super::environment::Environment;
use crate::adapters::clock;
use crate::adapters::github::{Access, App, AppKey, Credentials, GitHub, Server, Transport, Use};
use crate::adapters::http::{self, Budgets, Pace, ReplyCache};
use crate::adapters::worktree::Worktree;
use crate::config::Config;
use crate::downstream::{App as AppSettings, Credentials as Named, Receiver, Settings};
use crate::ids::RepoSlug;
use crate::secret::Secret;

/// Ways to GitHub: who shares a token or an app at one server shares its budget.
pub struct GitHubs<'a> {
    config: &'a Config,
    environment: &'a Environment,
    console: &'a Console,
    budgets: Budgets,
    cache: Option<Arc<ReplyCache>>,
    transport: Option<Transport>,
    apps: BTreeMap<(String, AppSettings), Arc<App>>,
}

impl<'a> GitHubs<'a> {
    /// None is reached yet. What is asked for again and again is kept below the clone's own folder.
    pub fn new(
        worktree: &Worktree,
        config: &'a Config,
        environment: &'a Environment,
        pace: &Arc<dyn Pace>,
        console: &'a Console,
    ) -> Self {
        let talk = console.clone();
        let warn: http::Warn = Arc::new(move |sentence: &str| talk.talk(&format!("warning: {sentence}\n")));
        let cache = Some(Arc::new(ReplyCache::at(worktree.private_folder().join("http"))));
        let budgets = Budgets::new(Arc::clone(pace), Some(warn));
        Self { config, environment, console, budgets, cache, transport: None, apps: BTreeMap::new() }
    }

    /// The same for who must leave no trace: nothing is kept.
    #[must_use]
    pub fn without_trace(self) -> Self {
        Self { cache: None, ..self }
    }

    /// The budgets of all that are reached.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The way to the repository of a downstream; none where the environment holds nothing that lets us in.
    pub fn reach(&mut self, settings: &Settings, repo: &RepoSlug) -> anyhow::Result<Option<GitHub>> {
        let base = settings.api.as_deref().unwrap_or(self.environment.api()).to_owned();
        let (credentials, budget) = match settings.credentials(&self.config.settings.dispatch) {
            Named::Token(token) => {
                let Some(token) = self.environment.secret(&token) else { return Ok(None) };
                self.console.mask(token.reveal());
                let budget = self.budgets.of(&base, Some(&token));
                (Credentials::Token(token), budget)
            }
            Named::App(named) => {
                let Some(app) = self.app(&base, &named)? else { return Ok(None) };
                (Credentials::App { app, repo: repo.clone() }, self.budgets.of_app(&base, &named.id.to_string()))
            }
        };
        let mut access = Access::new(self.transport()?, &base, credentials, budget);
        if let Some(cache) = &self.cache {
            access = access.keeping(Arc::clone(cache));
        }
        GitHub::with(access).map(Some).map_err(anyhow::Error::msg)
    }

    /// The way to what can be read at this API with a token, or by everybody; second a sentence about a token that is none.
    pub fn read(&mut self, api: Option<&str>, token: Option<Secret>) -> anyhow::Result<Result<GitHub, String>> {
        let base = api.unwrap_or(self.environment.api()).to_owned();
        let budget = self.budgets.of(&base, token.as_ref());
        if let Some(token) = &token {
            self.console.mask(token.reveal());
        }
        let credentials = token.map_or(Credentials::Nobody, Credentials::Token);
        let mut access = Access::new(self.transport()?, &base, credentials, budget);
        if let Some(cache) = &self.cache {
            access = access.keeping(Arc::clone(cache));
        }
        Ok(GitHub::with(access))
    }

    /// The app, made for all repositories that are told in its name.
    fn app(&mut self, base: &str, named: &AppSettings) -> anyhow::Result<Option<Arc<App>>> {
        let place = (base.to_owned(), named.clone());
        if let Some(app) = self.apps.get(&place) {
            return Ok(Some(Arc::clone(app)));
        }
        let Some(key) = self.environment.secret(&named.key) else { return Ok(None) };
        self.console.mask(key.reveal());
        let id = named.id.to_string();
        let key = AppKey::new(&id, &key).map_err(anyhow::Error::msg)?;
        let dispatch = &self.config.settings.dispatch;
        let told = self.config.settings.downstreams.values().filter(|other| {
            let its_base = other.api.as_deref().unwrap_or(self.environment.api());
            its_base == base && other.credentials(dispatch) == Named::App(named.clone())
        });
        let targets: Vec<(RepoSlug, Use)> = told
            .filter_map(|other| match &other.receiver {
                Receiver::Event { repo, .. } => Some((repo.clone(), Use::Event)),
                Receiver::Workflow { repo, .. } => Some((repo.clone(), Use::Workflow)),
                Receiver::Webhook { .. } | Receiver::Pipeline(_) => None,
            })
            .collect();
        let server = Server::new(self.transport()?, base, self.budgets.of_app(base, &id));
        let console = self.console.clone();
        let mask = Arc::new(move |secret: &str| console.mask(secret));
        let app = App::new(key, server, targets, mask, Arc::new(clock::now));
        self.apps.insert(place, Arc::clone(&app));
        Ok(Some(app))
    }

    fn transport(&mut self) -> anyhow::Result<Transport> {
        let transport = match &self.transport {
            Some(transport) => transport,
            None => self.transport.insert(http::client()?.into()),
        };
        Ok(transport.clone())
    }
}
