//! A manifest on a web server, to be read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION};
use reqwest::Url;

use super::{ManifestSource, PublicationError, Stored, Version};
use crate::adapters::http::{HttpError, Pace, Policy, Reply, Trouble, send};
use crate::ids::Sha256Hex;
use crate::manifest::files::ROOT;
use crate::mirror::documents::MOST_ROOT;

/// The least speed that is waited for, in bytes each second.
pub const LEAST_SPEED: u64 = 50_000;

/// How often a server may say that a file is elsewhere.
const MAX_REDIRECTS: usize = 5;

/// What went over the network; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<(AtomicU64, AtomicU64)>);

impl Traffic {
    /// Notes a request.
    pub fn request(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes bytes of a body.
    pub fn bytes(&self, bytes: usize) {
        self.0.1.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many requests there were, and how many bytes of bodies, as they arrived after decompression.
    pub fn so_far(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

/// A way to web servers on which nobody is sent to where they must not go.
#[derive(Clone)]
pub struct Web {
    /// The one client.
    pub client: reqwest::Client,
    /// The clock for waits.
    pub pace: Arc<dyn Pace>,
    /// Whether plain http will do, to any machine.
    pub allows_http: bool,
    /// Whether plain http to this very machine will do.
    pub allows_loopback: bool,
    /// Whether it leads to machines that this one alone can reach: where the manifest is on one of them.
    pub allows_private: bool,
    /// What goes over the network.
    pub traffic: Traffic,
}

/// Whether an address is that of this very machine, or of one that is not on the internet: servers there trust whoever asks.
fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let v4 = |ip: Ipv4Addr| {
        let [a, b, ..] = ip.octets();
        let is_shared = a == 100 && (64..128).contains(&b);
        a == 0 || is_shared || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_broadcast()
    };
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) => v4(ip),
        Ok(IpAddr::V6(ip)) => {
            let inner = ip.to_ipv4();
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || inner.is_some_and(v4)
        }
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Whether an address as text is one of those.
pub fn is_here(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| is_private(&url))
}

impl Web {
    /// Takes an address; an explanation where it must not be asked for anything.
    pub fn address(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("it is no address: {error}"))?;
        self.refuse_unsafe(&url).map(|()| url)
    }

    fn refuse_unsafe(&self, url: &Url) -> Result<(), String> {
        let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => {
                Err("it names a user or a password".to_owned())
            }
            _ if !self.allows_private && is_private(url) => {
                Err("it is on a machine that is not on the internet, and the \
                 manifest is; a manifest from elsewhere must not have us ask servers that trust this machine"
                    .to_owned())
            }
            "https" => Ok(()),
            "http" if self.allows_http || (self.allows_loopback && is_loopback) => Ok(()),
            "http" => Err("it is not to be had over https alone, so anybody on the way could change it".to_owned()),
            other => Err(format!("{other} is no way to fetch it")),
        }
    }

    /// Where a redirect leads; none for any other answer. Nobody is led from https to http.
    pub fn next(&self, from: &Url, status: u16, headers: &HeaderMap) -> Result<Option<Url>, String> {
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|next| from.join(next).ok()).ok_or("it is said to be nowhere")?;
        if from.scheme() == "https" && next.scheme() != "https" {
            return Err("the server sends us from https to an address that anybody on the way could change".to_owned());
        }
        self.refuse_unsafe(&next)?;
        Ok(Some(next))
    }

    /// Makes requests until one is not sent elsewhere.
    pub async fn follow<F>(&self, url: Url, mut get: impl FnMut(Url) -> F) -> Result<Reply, String>
    where
        F: Future<Output = Result<Reply, HttpError>>,
    {
        let mut url = url;
        for _ in 0..=MAX_REDIRECTS {
            let reply = get(url.clone()).await.map_err(|error| error.to_string())?;
            match self.next(&url, reply.status, &reply.headers)? {
                None => return Ok(reply),
                Some(next) => url = next,
            }
        }
        Err("the servers send us round in circles".to_owned())
    }

    /// A whole small file; at most one byte more than `limit`, so that a larger one is known without being read.
    async fn get(&self, url: Url, limit: u64, known: Option<&HeaderValue>) -> Result<Reply, String> {
        let policy =
            Policy { deadline: Duration::from_secs(120 + limit / LEAST_SPEED), attempts: 4, ..Policy::idempotent() };
        self.follow(url, |url| {
            let policy = &policy;
            async move {
                let attempt = || async {
                    self.traffic.request();
                    let mut request = self.client.get(url.clone());
                    if let Some(known) = known {
                        request = request.header(IF_NONE_MATCH, known.clone());
                    }
                    let response = request.send().await.map_err(|error| Trouble::of(&error))?;
                    self.read(response, limit).await
                };
                send(policy, &*self.pace, attempt).await
            }
        })
        .await
    }

    async fn read(&self, mut response: reqwest::Response, limit: u64) -> Result<Reply, Trouble> {
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let mut body = Vec::new();
        while body.len() < limit && status < 400 {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) => {
                    self.traffic.bytes(chunk.len());
                    body.extend_from_slice(chunk.get(..chunk.len().min(limit - body.len())).unwrap_or_default());
                }
                Err(error) => return Err(Trouble::of(&error)),
            }
        }
        Ok(Reply { status, headers, body })
    }
}

/// What a server calls the root that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRoot {
    /// The server's name for it.
    pub etag: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A folder on a web server.
pub struct WebSource {
    web: Web,
    base: String,
    known: Option<KnownRoot>,
}

impl WebSource {
    /// The folder at an address that ends in `/`. The root that is `known` is not sent again while it is the same.
    pub fn new(web: Web, base: impl Into<String>, known: Option<KnownRoot>) -> Self {
        Self { web, base: base.into(), known }
    }

    fn unusable(&self, why: String) -> PublicationError {
        PublicationError::Unusable { place: self.base.clone(), what: "read", why }
    }

    async fn reply(
        &self,
        name: &str,
        limit: u64,
        known: Option<&HeaderValue>,
    ) -> Result<Option<Reply>, PublicationError> {
        let why = |why: String| self.unusable(format!("{name}: {why}"));
        let base = self.web.address(&self.base).map_err(|error| self.unusable(error))?;
        let url = base.join(&crate::ids::percent_encode(name)).map_err(|error| why(error.to_string()))?;
        // A name that leads elsewhere is nothing that is beside the root.
        if !url.as_str().starts_with(base.as_str()) {
            return Err(why("it is not beside the root".to_owned()));
        }
        let reply = self.web.get(url, limit, known).await.map_err(why)?;
        match reply.status {
            200 | 304 => Ok(Some(reply)),
            404 | 410 => Ok(None),
            401 | 403 => {
                Err(why(format!("it is not for everybody ({}); a manifest is read without a key here", reply.status)))
            }
            status => Err(why(format!("the server answered {status}"))),
        }
    }
}

/// A server's name for a file, fit to be sent back.
fn header(etag: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(etag).ok().filter(|_| etag.len() < 500)
}

#[async_trait]
impl ManifestSource for WebSource {
    fn place(&self) -> String {
        self.base.clone()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        let known = self.known.as_ref().and_then(|known| header(&known.etag).map(|etag| (etag, known)));
        let Some(reply) = self.reply(ROOT, MOST_ROOT, known.as_ref().map(|(etag, _)| etag)).await? else {
            return Ok(None);
        };
        if let (304, Some((_, known))) = (reply.status, known) {
            return Ok(Some(Stored { bytes: known.bytes.clone(), version: Version(known.etag.clone()) }));
        }
        if reply.status != 200 {
            return Err(
                self.unusable("the server says that nothing has changed, though it was not asked that".to_owned())
            );
        }
        let is_page = reply.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if is_page {
            let why =
                "the server sends a web page in place of manifest.json; is the address that of the manifest's folder?";
            return Err(self.unusable(why.to_owned()));
        }
        if reply.body.len() as u64 > MOST_ROOT {
            return Err(self.unusable(format!("{ROOT} is larger than any root may be ({MOST_ROOT} bytes)")));
        }
        let etag = reply.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let version = Version(etag.unwrap_or_else(|| Sha256Hex::of(&reply.body).to_string()));
        Ok(Some(Stored { bytes: reply.body, version }))
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        let reply = self.reply(name, limit, None).await?.filter(|reply| reply.status == 200);
        Ok(reply.map(|reply| reply.body).filter(|body| body.len() as u64 <= limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::{RealPace, client};

    #[test]
    fn a_manifest_from_elsewhere_has_nobody_of_this_network_asked() {
        let web = |allows_http, allows_loopback, allows_private| Web {
            client: client().unwrap(),
            pace: Arc::new(RealPace::default()),
            allows_http,
            allows_loopback,
            allows_private,
            traffic: Traffic::default(),
        };
        let near = [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "2130706433",
            "0x7f.1",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "[fe80::1]",
            "[fd00::1]",
        ];
        for host in near {
            for scheme in ["http", "https"] {
                let told = web(true, false, false).address(&format!("{scheme}://{host}:8443/x")).unwrap_err();
                assert!(told.contains("not on the internet"), "{host}: {told}");
            }
            assert!(web(false, false, true).address(&format!("https://{host}/x")).is_ok(), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "172.32.0.1", "localhost.example.com", "[2001:db8::1]"] {
            assert!(web(false, false, false).address(&format!("https://{host}/x")).is_ok(), "{host}");
        }
        let here = web(false, true, true);
        assert!(here.address("http://127.0.0.1:80/").is_ok() && here.address("http://10.0.0.1/").is_err());
        let from = Url::parse("https://example.com/").unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static("https://169.254.169.254/"))]);
        assert!(web(true, false, false).next(&from, 302, &headers).is_err());
    }
}
