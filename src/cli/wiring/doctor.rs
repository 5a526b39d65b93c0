//! What `doctor` looks through: one way for each token, and what each downstream takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::githubs::GitHubs;
use crate::adapters::clock;
use crate::adapters::dispatcher::WebhookDispatcher;
use crate::adapters::github::inspection::GitHubInspection;
use crate::adapters::http::{self, Policy};
use crate::adapters::notifier::SlackNotifier;
use crate::adapters::stop::Stop;
use crate::adapters::worktree::Worktree;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::cli::rehearsal;
use crate::commands::doctor::{Means, Site, Token, Way};
use crate::config::Config;
use crate::diagnosis::Conclusion;
use crate::diagnosis::reception::Wanted;
use crate::diagnosis::token::TokenKind;
use crate::downstream::{Credentials, Receiver, Settings};
use crate::ids::DownstreamName;
use crate::secret::{Endpoint, Secret, SecretRef};

type Inspection = Result<Arc<GitHubInspection>, String>;

/// Makes the ways.
pub struct Ways<'a> {
    /// The library's stockroom.yml.
    pub config: &'a Config,
    /// What the environment says.
    pub environment: &'a Environment,
    /// Where secrets are made known, so that they are not shown.
    pub console: &'a Console,
    outbox: String,
    means: Means,
    githubs: GitHubs<'a>,
    tokens: BTreeMap<(String, String), Token>,
}

impl<'a> Ways<'a> {
    /// None is made yet.
    pub fn new(
        worktree: &Worktree,
        config: &'a Config,
        environment: &'a Environment,
        console: &'a Console,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let means = Means { client: http::client()?, pace: rehearsal::pace(environment, stop) };
        let githubs = GitHubs::new(worktree, config, environment, &means.pace, console).without_trace();
        let outbox = worktree.private_folder().join("outbox").display().to_string();
        Ok(Self { config, environment, console, outbox, means, githubs, tokens: BTreeMap::new() })
    }

    fn secret(&self, reference: &SecretRef) -> Option<Secret> {
        let secret = self.environment.secret(reference)?;
        self.console.mask(secret.reveal());
        Some(secret)
    }

    /// Every downstream, in the order of their names.
    pub fn sites(&mut self) -> Vec<Site> {
        let config = self.config;
        config.settings.downstreams.iter().map(|(name, settings)| self.site(name, settings)).collect()
    }

    /// The tokens and apps that the downstreams asked for, in the order of their names.
    pub fn tokens(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.tokens).into_values().collect()
    }

    fn site(&mut self, name: &DownstreamName, settings: &Settings) -> Site {
        let way = match &settings.receiver {
            Receiver::Event { event, .. } => self.github(name, settings, Wanted::Event(event.clone())),
            Receiver::Workflow { workflow, .. } => {
                let own = ["correlation_id", "envelope"].map(str::to_owned);
                let inputs = settings.payload.keys().cloned().chain(own).collect();
                self.github(name, settings, Wanted::Manual { file: workflow.clone(), inputs })
            }
            Receiver::Webhook { url, secret } => self.webhook(name, settings, url, secret),
            Receiver::Pipeline(project) => match self.secret(&project.trigger) {
                None => self.outbox(name, &project.trigger),
                Some(_) => Way::GitLab {
                    server: project.server.clone(),
                    project: project.project.clone(),
                    reference: project.reference.clone(),
                    token: settings.token.as_ref().and_then(|token| self.secret(token)),
                },
            },
        };
        Site {
            name: name.clone(),
            way,
            is_awaited: settings.wait.is_some(),
            gate: settings.health.clone(),
            means: self.means.clone(),
        }
    }

    fn webhook(&self, name: &DownstreamName, settings: &Settings, url: &Endpoint, secret: &SecretRef) -> Way {
        let Some(key) = self.secret(secret) else { return self.outbox(name, secret) };
        let url = match url {
            Endpoint::Open(url) => Secret::new(url.clone()),
            Endpoint::Secret(reference) => match self.secret(reference) {
                None => return self.outbox(name, reference),
                Some(url) => url,
            },
        };
        let (Means { client, pace }, clock) = (self.means.clone(), Arc::new(clock::now));
        match WebhookDispatcher::new(client, settings.receiver.clone(), &url, &key, Policy::once(), pace, clock) {
            Ok(_) => Way::Webhook { url },
            Err(error) => Way::Unasked(Conclusion::unhealthy(error.to_string())),
        }
    }

    fn outbox(&self, name: &DownstreamName, variable: &SecretRef) -> Way {
        Way::Outbox { variable: variable.variable().to_owned(), folder: format!("{}/{name}", self.outbox) }
    }

    fn github(&mut self, name: &DownstreamName, settings: &Settings, wanted: Wanted) -> Way {
        let Some(repo) = settings.receiver.repo().cloned() else {
            return Way::Unasked(Conclusion::unhealthy("it names no repository"));
        };
        let (variable, label, kind) = match settings.credentials(&self.config.settings.dispatch) {
            Credentials::Token(reference) => {
                let label = format!("token/{}", reference.variable());
                let kind = self.secret(&reference).map(|token| TokenKind::of(token.reveal()));
                (reference, label, kind)
            }
            Credentials::App(app) => {
                let kind = self.secret(&app.key).map(|_| TokenKind::Installation);
                (app.key, format!("app/{}", app.id), kind)
            }
        };
        let Some(kind) = kind else { return self.outbox(name, &variable) };
        let github = self.githubs.reach(settings, &repo);
        let inspection: Inspection = match github {
            Ok(Some(github)) => Ok(Arc::new(GitHubInspection::new(github, kind))),
            Ok(None) => return self.outbox(name, &variable),
            Err(error) => Err(format!("{}: {error:#}", variable.variable())),
        };
        let base = settings.api.as_deref().unwrap_or(self.environment.api()).to_owned();
        let known = self.tokens.entry((label.clone(), base));
        known.or_insert_with(|| Token {
            label,
            variable: variable.variable().to_owned(),
            inspection: inspection.clone(),
        });
        Way::GitHub { repo, wanted, inspection }
    }

    /// The channel of Slack, where stockroom.yml names one; else the variable that is not set.
    pub fn slack(&self) -> Option<Result<SlackNotifier, String>> {
        let slack = self.config.settings.notify.slack.as_ref()?;
        let webhook = self.secret(&slack.webhook).ok_or_else(|| slack.webhook.variable().to_owned());
        Some(
            webhook.map(|webhook| SlackNotifier::new(self.means.client.clone(), webhook, Arc::clone(&self.means.pace))),
        )
    }
}
