//! How GitHub is reached: over which connection, at which server, as whom, and within which budget.

use std::fmt;
use std::sync::Arc;

use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};

use super::app::App;
use crate::adapters::http::{Budget, ReplyCache, fingerprint};
use crate::ids::RepoSlug;
use crate::secret::Secret;

/// What carries requests: octocrab over our own client. To be made within a tokio runtime.
///
/// octocrab gets no retry layer and follows no redirect: a POST is sent exactly as often as its policy says.
#[derive(Clone)]
pub struct Transport(pub(super) Octocrab);

impl From<reqwest::Client> for Transport {
    fn from(client: reqwest::Client) -> Self {
        // The empty builder: no default layers, so no second user agent and nothing that would repeat a request.
        let service = OctocrabBuilder::new_empty().with_service(ReqwestConnector::new(client));
        match service.with_auth(AuthState::None).build() {
            Ok(octocrab) => Self(octocrab),
            Err(never) => match never {},
        }
    }
}

impl From<Octocrab> for Transport {
    fn from(octocrab: Octocrab) -> Self {
        Self(octocrab)
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nobody in particular, who sees what everybody may see.
    Nobody,
    /// Whoever has this token.
    Token(Secret),
    /// A GitHub App, by tokens for a repository and those that it was made for.
    App {
        /// The app.
        app: Arc<App>,
        /// The repository that is asked about.
        repo: RepoSlug,
    },
}

impl From<&Secret> for Credentials {
    fn from(token: &Secret) -> Self {
        Self::Token(token.clone())
    }
}

impl Credentials {
    /// The token to ask with. The error is a sentence that says what to do.
    pub(super) async fn token(&self) -> Result<Secret, String> {
        match self {
            Self::Nobody => Ok(Secret::new("")),
            Self::Token(token) => Ok(token.clone()),
            Self::App { app, repo } => app.token(repo).await,
        }
    }

    /// The text without the secrets that are known here.
    pub(super) fn redacted(&self, text: &str) -> String {
        match self {
            Self::Nobody => text.to_owned(),
            Self::Token(token) if token.is_empty() => text.to_owned(),
            Self::Token(token) => text.replace(token.reveal(), &token.to_string()),
            Self::App { app, .. } => app.redacted(text),
        }
    }

    /// What tells who asks from others, without giving anything away.
    pub(super) fn whose(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::Token(token) => fingerprint(token),
            Self::App { app, repo } => format!("app {} at {}", app.id(), repo.owner().to_ascii_lowercase()),
        }
    }
}

/// How GitHub is reached.
#[derive(Clone)]
pub struct Access {
    /// What carries requests.
    pub transport: Transport,
    /// The API's address: [`super::GITHUB_API`], or `https://HOST/api/v3` of an Enterprise Server.
    pub base: String,
    /// Who asks.
    pub credentials: Credentials,
    /// What may be asked, together with all others who use the same credentials there.
    pub budget: Arc<Budget>,
    /// What was answered before, for those who ask again and again.
    pub cache: Option<Arc<ReplyCache>>,
}

impl Access {
    /// Access by a token, with nothing kept.
    pub fn new(
        transport: impl Into<Transport>,
        base: &str,
        credentials: impl Into<Credentials>,
        budget: Arc<Budget>,
    ) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { transport: transport.into(), base, credentials: credentials.into(), budget, cache: None }
    }

    /// The same, with answers kept here: who asks again for what is unchanged pays nothing.
    pub fn keeping(self, cache: Arc<ReplyCache>) -> Self {
        Self { cache: Some(cache), ..self }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The address under which people find what the API at `base` is about.
pub fn web(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if let Some(server) = base.strip_suffix("/api/v3") {
        return server.to_owned();
    }
    match base.split_once("://api.") {
        Some((scheme, host)) if !host.contains('/') => format!("{scheme}://{host}"),
        _ => base.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_find_each_server_under_its_own_address() {
        for (base, wanted) in [
            ("https://api.github.com", "https://github.com"),
            ("https://api.github.com/", "https://github.com"),
            ("https://ghe.example/api/v3", "https://ghe.example"),
            ("https://ghe.example:8443/api/v3/", "https://ghe.example:8443"),
            ("https://api.acme.ghe.com", "https://acme.ghe.com"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ] {
            assert_eq!(web(base), wanted);
        }
    }
}
