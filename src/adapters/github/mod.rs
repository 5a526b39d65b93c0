//! GitHub's API, telling a pull request what was found, and looking at tokens and repositories.

pub mod access;
mod advice;
pub(in crate::adapters) mod api;
pub mod app;
pub mod app_key;
pub mod feedback;
pub mod inspection;
mod outcomes;

use std::sync::Arc;

use api::Api;

use crate::adapters::http::Budget;
use crate::secret::Secret;

pub use access::{Access, Credentials, Transport};
pub use api::Server;
pub use app::{App, Use};
pub use app_key::AppKey;

/// GitHub's own API; an Enterprise Server's is at `https://HOST/api/v3`.
pub const GITHUB_API: &str = "https://api.github.com";

/// A GitHub with what lets us in, as those share it who reach for the same.
#[derive(Clone)]
pub struct GitHub {
    pub(in crate::adapters) api: Arc<Api>,
}

impl GitHub {
    /// The API at `base` ([`GITHUB_API`] or an Enterprise Server's), with this token. To be called within a tokio runtime.
    ///
    /// The error is a sentence about the token.
    pub fn new(client: reqwest::Client, base: &str, token: &Secret, budget: Arc<Budget>) -> Result<Self, String> {
        Self::with(Access::new(client, base, token, budget))
    }

    /// The API, reached so. The error is a sentence about the token.
    pub fn with(access: Access) -> Result<Self, String> {
        Api::with(access).map(|api| Self { api: Arc::new(api) })
    }
}

#[cfg(test)]
#[path = "../../../tests/it/fake_github/mod.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "part of the integration tests, which use all of it"
)]
pub(crate) mod fake_github;
