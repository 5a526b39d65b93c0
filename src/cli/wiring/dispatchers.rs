//! The ways to the downstreams: a dispatcher for each receiver, or the outbox where its secret is not there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use crate::adapters::clock;
use crate::adapters::dispatcher::{
    Dispatcher, EventDispatcher, GitLabDispatcher, OutboxDispatcher, WebhookDispatcher, WorkflowDispatcher,
};
use crate::adapters::github::GitHub;
use crate::adapters::http::{self, Budget, Pace, Policy};
use crate::adapters::worktree::Worktree;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::config::Config;
use crate::downstream::{Credentials, Endpoint, Receiver, Settings};
use crate::ids::DownstreamName;
use crate::secret::{Secret, SecretRef};

/// The way to each downstream.
pub fn dispatchers(
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    pace: &Arc<dyn Pace>,
    console: &Console,
) -> anyhow::Result<BTreeMap<DownstreamName, Arc<dyn Dispatcher>>> {
    let outbox = worktree.private_folder().join("outbox");
    let mut ways = Ways { config, environment, pace, console, outbox, client: None, reached: BTreeMap::new() };
    let mut all = BTreeMap::new();
    for (name, settings) in &config.settings.downstreams {
        if let Some(dispatcher) = ways.to(settings)? {
            all.insert(name.clone(), dispatcher);
        }
    }
    Ok(all)
}

/// What the ways to all downstreams have in common.
struct Ways<'a> {
    config: &'a Config,
    environment: &'a Environment,
    pace: &'a Arc<dyn Pace>,
    console: &'a Console,
    outbox: PathBuf,
    /// Made when the first is reached: a run without secrets needs no TLS.
    client: Option<reqwest::Client>,
    /// One for each server and token, since these are what is counted.
    reached: BTreeMap<(String, String), GitHub>,
}

impl Ways<'_> {
    /// The way to one downstream; none where there is no way yet.
    fn to(&mut self, settings: &Settings) -> anyhow::Result<Option<Arc<dyn Dispatcher>>> {
        let reached: Option<Arc<dyn Dispatcher>> = match &settings.receiver {
            Receiver::Event { repo, event } => {
                let Some(github) = self.github(settings)? else { return Ok(None) };
                github.map(|github| {
                    Arc::new(EventDispatcher::new(github, repo.clone(), event.clone(), Policy::once())) as _
                })
            }
            Receiver::Workflow { repo, workflow, reference } => {
                let Some(github) = self.github(settings)? else { return Ok(None) };
                let (repo, workflow, reference) = (repo.clone(), workflow.clone(), reference.clone());
                github.map(|github| {
                    Arc::new(WorkflowDispatcher::new(github, repo, workflow, reference, Policy::once())) as _
                })
            }
            Receiver::Webhook { url, secret } => {
                let address = match url {
                    Endpoint::Open(url) => Some(Secret::new(url.clone())),
                    Endpoint::Secret(reference) => self.secret(reference),
                };
                match (address, self.secret(secret)) {
                    (Some(address), Some(secret)) => Some(self.webhook(settings, &address, &secret)?),
                    _ => None,
                }
            }
            Receiver::Pipeline(project) => match self.secret(&project.trigger) {
                Some(trigger) => {
                    let token = settings.token.as_ref().and_then(|token| self.secret(token));
                    let (client, pace) = (self.client()?, Arc::clone(self.pace));
                    let project = project.clone();
                    Some(Arc::new(GitLabDispatcher::new(client, project, trigger, token, Policy::once(), pace)?))
                }
                None => None,
            },
        };
        Ok(Some(reached.unwrap_or_else(|| Arc::new(OutboxDispatcher::new(&self.outbox, settings.receiver.clone())))))
    }

    /// The GitHub of a downstream: an inner none where there is no token, an outer one where there is no way.
    fn github(&mut self, settings: &Settings) -> anyhow::Result<Option<Option<GitHub>>> {
        let Credentials::Token(token) = settings.credentials(&self.config.settings.dispatch) else { return Ok(None) };
        let Some(token) = self.secret(&token) else { return Ok(Some(None)) };
        let base = settings.api.as_deref().unwrap_or(self.environment.api()).to_owned();
        let client = self.client()?;
        let github = match self.reached.entry((base.clone(), token.reveal().to_owned())) {
            Entry::Occupied(held) => held.get().clone(),
            Entry::Vacant(free) => {
                let budget = Arc::new(Budget::new(Arc::clone(self.pace)));
                let made = GitHub::new(client, &base, &token, budget).map_err(|why| anyhow::anyhow!(why))?;
                free.insert(made).clone()
            }
        };
        Ok(Some(Some(github)))
    }

    fn webhook(
        &mut self,
        settings: &Settings,
        address: &Secret,
        secret: &Secret,
    ) -> anyhow::Result<Arc<dyn Dispatcher>> {
        let (client, pace) = (self.client()?, Arc::clone(self.pace));
        let receiver = settings.receiver.clone();
        let policy = Policy::idempotent();
        let made = WebhookDispatcher::new(client, receiver, address, secret, policy, pace, Arc::new(clock::now))?;
        Ok(Arc::new(made))
    }

    /// A secret that is set, which from now on is said nowhere.
    fn secret(&self, reference: &SecretRef) -> Option<Secret> {
        let secret = self.environment.secret(reference)?;
        self.console.mask(secret.reveal());
        Some(secret)
    }

    fn client(&mut self) -> anyhow::Result<reqwest::Client> {
        Ok(match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(http::client()?).clone(),
        })
    }
}
