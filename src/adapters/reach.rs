//! Whether a server answers, asked in a way that changes nothing there.

use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};

use super::http::{Pace, Policy, Reply, Trouble, read, send};
use crate::secret::Secret;

/// More of an answer is not read.
const BODY_CAP: usize = 1 << 20;

/// Asks servers with one client.
pub struct Reach<'a> {
    /// The client, which follows no redirect.
    pub client: &'a reqwest::Client,
    /// The clock for waits.
    pub pace: &'a dyn Pace,
}

impl Reach<'_> {
    /// The answer to a HEAD: whoever gives any is there.
    pub async fn knock(&self, url: &str) -> Result<u16, String> {
        self.ask(Method::HEAD, url, None).await.map(|reply| reply.status)
    }

    /// The answer to a GET with a token of GitLab's.
    pub async fn gitlab(&self, url: &str, token: Option<&Secret>) -> Result<Reply, String> {
        let header = |token: &Secret| {
            let mut value =
                HeaderValue::from_str(token.reveal()).map_err(|_| "the token holds characters that no token has")?;
            value.set_sensitive(true);
            Ok::<_, &str>((HeaderName::from_static("private-token"), value))
        };
        self.ask(Method::GET, url, token.map(header).transpose()?).await
    }

    async fn ask(&self, method: Method, url: &str, header: Option<(HeaderName, HeaderValue)>) -> Result<Reply, String> {
        let policy = Policy { deadline: Duration::from_secs(15), attempts: 2, ..Policy::idempotent() };
        let attempt = || async {
            let request = self.client.request(method.clone(), url);
            let request = header.iter().fold(request, |request, (name, value)| request.header(name, value));
            read(request.send().await.map_err(|error| Trouble::of(&error))?, BODY_CAP).await
        };
        send(&policy, self.pace, attempt).await.map_err(|error| error.to_string())
    }
}
