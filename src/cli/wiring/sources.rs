//! The ways to the repositories that `embed.sources` names.

use std::sync::Arc;

use super::githubs::GitHubs;
use crate::adapters::http;
use crate::adapters::repositories::{GitHubRepositories, Repositories, UnreachedRepositories};
use crate::cli::environment::Environment;
use crate::commands::sources::Source;
use crate::config::Config;
use crate::embedding::SourceSettings;
use crate::secret::SecretRef;

/// What reads a repository where its source names no token: everybody's it sees without, and this one is not slowed down.
const USUAL_TOKEN: &str = "GITHUB_TOKEN";

/// The sources, in the order of stockroom.yml.
pub fn sources(config: &Config, environment: &Environment, githubs: &mut GitHubs<'_>) -> anyhow::Result<Vec<Source>> {
    let all = config.settings.embed.iter().flat_map(|embed| &embed.sources);
    all.map(|settings| {
        let repositories = repositories(settings, environment, githubs)?;
        Ok(Source { settings: settings.clone(), repositories })
    })
    .collect()
}

fn repositories(
    settings: &SourceSettings,
    environment: &Environment,
    githubs: &mut GitHubs<'_>,
) -> anyhow::Result<Arc<dyn Repositories>> {
    // A server that the configuration names gets no token that was not meant for it.
    let is_own = settings.api.as_deref().is_none_or(|api| api.trim_end_matches('/') == environment.api());
    let usual = is_own.then(|| SecretRef::to_variable(USUAL_TOKEN));
    let token = settings.token.as_ref().or(usual.as_ref()).and_then(|reference| environment.secret(reference));
    if let (Some(named), None) = (&settings.token, &token) {
        let (what, name) = (settings.repo.as_ref().map_or("the source", |repo| repo.as_str()), named.variable());
        let why = format!("{what} cannot be asked for: its `token` names {name}, which is not set");
        return Ok(Arc::new(UnreachedRepositories(why)));
    }
    match githubs.read(settings.api.as_deref(), token)? {
        Ok(github) => Ok(Arc::new(GitHubRepositories::new(github, http::client()?))),
        Err(why) => Ok(Arc::new(UnreachedRepositories(why))),
    }
}
