//! The one HTTP client.

use std::time::Duration;

use reqwest::redirect;

const USER_AGENT: &str = concat!("stockroom/", env!("CARGO_PKG_VERSION"));

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// The client for every adapter: HTTP/1.1, rustls over ring, gzip, a limit on each silence, and no redirects, as those would
/// turn a POST into a GET or carry a request to another server.
///
/// Proxies are taken from `HTTPS_PROXY` and its like. Where the system has no certificates, Mozilla's are used.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    client_for(SILENCE)
}

/// The same for servers that work for a while before they answer: each silence may be as long as that.
pub fn client_for(silence: Duration) -> Result<reqwest::Client, reqwest::Error> {
    install_provider();
    match builder(silence).build() {
        Ok(client) => Ok(client),
        Err(_) => {
            builder(silence).tls_backend_preconfigured(mozilla_roots()).build().map_err(reqwest::Error::without_url)
        }
    }
}

fn builder(silence: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(silence)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .gzip(true)
}

fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster with the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

fn mozilla_roots() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_can_be_built_with_and_without_the_systems_certificates() {
        client().unwrap();
        builder(SILENCE).tls_backend_preconfigured(mozilla_roots()).build().unwrap();
    }
}
