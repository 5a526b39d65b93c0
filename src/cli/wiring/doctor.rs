//! What `doctor` looks through: one way for each token, and what each downstream takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::adapters::github::GitHub;
use crate::adapters::github::inspection::GitHubInspection;
use crate::adapters::http;
use crate::adapters::notifier::SlackNotifier;
use crate::adapters::stop::Stop;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::cli::rehearsal;
use crate::commands::doctor::{Gate, Means, Site, Token, Way};
use crate::config::Config;
use crate::diagnosis::Conclusion;
use crate::diagnosis::reception::Wanted;
use crate::diagnosis::token::TokenKind;
use crate::downstream::{Credentials, Endpoint, Receiver, Settings};
use crate::ids::DownstreamName;
use crate::secret::{Secret, SecretRef};

type Inspection = Result<Arc<GitHubInspection>, String>;

/// Makes the ways.
pub struct Ways<'a> {
    /// The library's stockroom.yml.
    pub config: &'a Config,
    /// What the environment says.
    pub environment: &'a Environment,
    /// Where secrets are made known, so that they are not shown.
    pub console: &'a Console,
    /// Where the outbox is, for people.
    pub outbox: String,
    means: Means,
    tokens: BTreeMap<(String, String), Inspection>,
}

impl<'a> Ways<'a> {
    /// None is made yet.
    pub fn new(
        config: &'a Config,
        environment: &'a Environment,
        console: &'a Console,
        outbox: String,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let means = Means { client: http::client()?, pace: rehearsal::pace(environment, stop) };
        Ok(Self { config, environment, console, outbox, means, tokens: BTreeMap::new() })
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

    /// The tokens that the downstreams asked for, in the order of their variables.
    pub fn tokens(&self) -> Vec<Token> {
        let token = |((variable, _), inspection): (&(String, String), &Inspection)| Token {
            variable: variable.clone(),
            inspection: inspection.clone(),
        };
        self.tokens.iter().map(token).collect()
    }

    fn site(&mut self, name: &DownstreamName, settings: &Settings) -> Site {
        let way = match &settings.receiver {
            Receiver::Event { event, .. } => self.github(name, settings, Wanted::Event(event.clone())),
            Receiver::Workflow { workflow, .. } => {
                let own = ["correlation_id", "envelope"].map(str::to_owned);
                let inputs = settings.payload.keys().cloned().chain(own).collect();
                self.github(name, settings, Wanted::Manual { file: workflow.clone(), inputs })
            }
            Receiver::Webhook { url, secret } => match self.secret(secret) {
                None => self.outbox(name, secret),
                Some(_) => {
                    let url = match url {
                        Endpoint::Open(url) => Some(Secret::new(url.clone())),
                        Endpoint::Secret(reference) => self.secret(reference),
                    };
                    Way::Webhook { url }
                }
            },
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
        let health = settings.health.as_ref().map(|health| Gate {
            url: health.url.clone(),
            status: health.status,
            pointer: health.pointer.clone(),
        });
        Site { name: name.clone(), way, is_awaited: settings.wait.is_some(), health, means: self.means.clone() }
    }

    fn outbox(&self, name: &DownstreamName, variable: &SecretRef) -> Way {
        Way::Outbox { variable: variable.variable().to_owned(), folder: format!("{}/{name}", self.outbox) }
    }

    fn github(&mut self, name: &DownstreamName, settings: &Settings, wanted: Wanted) -> Way {
        let Some(repo) = settings.receiver.repo().cloned() else {
            return Way::Unasked(Conclusion::unhealthy("it names no repository"));
        };
        let reference = match settings.credentials(&self.config.settings.dispatch) {
            Credentials::Token(reference) => reference,
            Credentials::App(app) => return self.app(name, &app.key),
        };
        let base = settings.api.clone().unwrap_or_else(|| self.environment.api().to_owned());
        let Some(token) = self.secret(&reference) else { return self.outbox(name, &reference) };
        let key = (reference.variable().to_owned(), base.clone());
        let inspection = self.tokens.entry(key).or_insert_with(|| {
            let budget = Arc::new(http::Budget::new(Arc::clone(&self.means.pace)));
            let github = GitHub::new(self.means.client.clone(), &base, &token, budget);
            let inspection = github.map(|github| GitHubInspection::new(github, TokenKind::of(token.reveal())));
            inspection.map(Arc::new).map_err(|why| format!("{}: {why}", reference.variable()))
        });
        Way::GitHub { repo, wanted, inspection: inspection.clone() }
    }

    fn app(&self, name: &DownstreamName, key: &SecretRef) -> Way {
        match self.secret(key) {
            None => self.outbox(name, key),
            Some(_) => Way::Unasked(Conclusion::degraded(
                "it is told by a GitHub App, which this command cannot look through yet",
            )),
        }
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
