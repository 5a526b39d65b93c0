//! The ways to the downstreams: a dispatcher for each receiver, or the outbox where its secret is not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::console::Console;
use super::super::environment::Environment;
use super::githubs::GitHubs;
use crate::adapters::clock;
use crate::adapters::dispatcher::{
    Dispatcher, EventDispatcher, GitLabDispatcher, OutboxDispatcher, UnfitDispatcher, WebhookDispatcher,
    WorkflowDispatcher,
};
use crate::adapters::http::{self, Pace, Policy};
use crate::adapters::worktree::Worktree;
use crate::config::Config;
use crate::downstream::{GitLab, Receiver, Settings};
use crate::ids::DownstreamName;
use crate::secret::{Endpoint, Secret, SecretRef};

/// The way to each downstream.
pub fn dispatchers(
    worktree: &Worktree,
    config: &Config,
    environment: &Environment,
    pace: &Arc<dyn Pace>,
    console: &Console,
    githubs: &mut GitHubs<'_>,
) -> BTreeMap<DownstreamName, Arc<dyn Dispatcher>> {
    let outbox = worktree.private_folder().join("outbox");
    let mut ways = Ways { environment, pace, console, githubs, client: None };
    let mut all: BTreeMap<DownstreamName, Arc<dyn Dispatcher>> = BTreeMap::new();
    for (name, settings) in &config.settings.downstreams {
        let dispatcher = match ways.to(settings) {
            Ok(Some(dispatcher)) => dispatcher,
            Ok(None) => Arc::new(OutboxDispatcher::new(&outbox, settings.receiver.clone())),
            // A secret that is of no use for one of them is no reason to leave the others out.
            Err(error) => Arc::new(UnfitDispatcher::new(format!("{error:#}"))),
        };
        all.insert(name.clone(), dispatcher);
    }
    all
}

/// What the ways to all downstreams have in common.
struct Ways<'a, 'g> {
    environment: &'a Environment,
    pace: &'a Arc<dyn Pace>,
    console: &'a Console,
    githubs: &'a mut GitHubs<'g>,
    /// Made when the first is reached that is not on GitHub: a run without secrets needs no TLS.
    client: Option<reqwest::Client>,
}

impl Ways<'_, '_> {
    /// The way to one downstream; none where the environment holds nothing that lets us in.
    fn to(&mut self, settings: &Settings) -> anyhow::Result<Option<Arc<dyn Dispatcher>>> {
        match &settings.receiver {
            Receiver::Event { repo, event } => {
                let Some(github) = self.githubs.reach(settings, repo)? else { return Ok(None) };
                Ok(Some(Arc::new(EventDispatcher::new(github, repo.clone(), event.clone(), Policy::once()))))
            }
            Receiver::Workflow { repo, workflow, reference } => {
                let Some(github) = self.githubs.reach(settings, repo)? else { return Ok(None) };
                let (repo, workflow, reference) = (repo.clone(), workflow.clone(), reference.clone());
                Ok(Some(Arc::new(WorkflowDispatcher::new(github, repo, workflow, reference, Policy::once()))))
            }
            Receiver::Webhook { url, secret } => self.webhook(settings, url, secret),
            Receiver::Pipeline(project) => self.pipeline(settings, project),
        }
    }

    fn webhook(
        &mut self,
        settings: &Settings,
        url: &Endpoint,
        secret: &SecretRef,
    ) -> anyhow::Result<Option<Arc<dyn Dispatcher>>> {
        let address = match url {
            Endpoint::Open(url) => Some(Secret::new(url.clone())),
            Endpoint::Secret(reference) => self.secret(reference),
        };
        let (Some(address), Some(secret)) = (address, self.secret(secret)) else { return Ok(None) };
        let (client, pace, receiver) = (self.client()?, Arc::clone(self.pace), settings.receiver.clone());
        let (policy, clock) = (Policy::idempotent(), Arc::new(clock::now));
        Ok(Some(Arc::new(WebhookDispatcher::new(client, receiver, &address, &secret, policy, pace, clock)?)))
    }

    fn pipeline(&mut self, settings: &Settings, project: &GitLab) -> anyhow::Result<Option<Arc<dyn Dispatcher>>> {
        let Some(trigger) = self.secret(&project.trigger) else { return Ok(None) };
        let token = settings.token.as_ref().and_then(|token| self.secret(token));
        let (client, pace, project) = (self.client()?, Arc::clone(self.pace), project.clone());
        Ok(Some(Arc::new(GitLabDispatcher::new(client, project, trigger, token, Policy::once(), pace)?)))
    }

    /// A secret that is set, which from now on is said nowhere.
    fn secret(&self, reference: &SecretRef) -> Option<Secret> {
        let secret = self.environment.secret(reference)?;
        self.console.mask(secret.reveal());
        Some(secret)
    }

    fn client(&mut self) -> anyhow::Result<reqwest::Client> {
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(http::client()?),
        };
        Ok(client.clone())
    }
}
