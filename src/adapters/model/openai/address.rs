//! Where a model is asked, and with which key.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::Url;

use crate::adapters::http::is_near;
use crate::embedding::{ModelSettings, Provider};
use crate::secret::Secret;

/// Where OpenAI is.
pub(super) const OPENAI: &str = "https://api.openai.com/v1";
/// The version of Azure's interface to deployments that is asked for when none is named.
const API_VERSION: &str = "2024-10-21";

/// How one server is asked.
pub(super) struct Address {
    pub(super) url: Url,
    /// The header that lets us in.
    pub(super) header: Option<(HeaderName, HeaderValue)>,
}

/// What lets us in.
pub(super) enum Pass {
    /// Nothing: a server of one's own.
    None,
    /// OpenAI's key, or an Entra token.
    Bearer(Secret),
    /// Azure's key.
    ApiKey(Secret),
}

impl Address {
    /// The address that the settings mean, where `base` is their `url`. The error repeats nothing of it.
    pub(super) fn new(settings: &ModelSettings, base: &str, pass: &Pass) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("`url` in `embed.model` is no address to ask: {why}"));
        let mut url = Url::parse(base).map_err(|error| format!("`url` in `embed.model` is no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return bad("it must begin with https:// (or http://)");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad("it names a user or a password, which belongs into `key`");
        }
        if url.scheme() == "http" && !matches!(pass, Pass::None) && !is_near(&url) {
            return bad("it is not https, so anybody on the way could read the key");
        }
        url.set_fragment(None);
        match settings.provider {
            Provider::Azure => azure(&mut url, settings),
            _ => openai(&mut url),
        }
        let header = match pass {
            Pass::None => None,
            Pass::Bearer(secret) => Some((AUTHORIZATION, format!("Bearer {}", secret.reveal()))),
            Pass::ApiKey(secret) => Some((HeaderName::from_static("api-key"), secret.reveal().to_owned())),
        };
        let header = header.map(|(name, value)| {
            let mut value = HeaderValue::from_str(&value).map_err(|_| "the key holds characters that no key has")?;
            value.set_sensitive(true);
            Ok::<_, &str>((name, value))
        });
        Ok(Self { url, header: header.transpose()? })
    }
}

/// Goes on from what stands before `/embeddings`; a server alone has its interface below `/v1`.
fn openai(url: &mut Url) {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&match path.as_str() {
        "" => "/v1/embeddings".to_owned(),
        whole if whole.ends_with("/embeddings") => whole.to_owned(),
        path => format!("{path}/embeddings"),
    });
}

/// Goes on from the resource, however much of the path is given.
fn azure(url: &mut Url, settings: &ModelSettings) {
    let path = url.path().trim_end_matches('/').to_owned();
    let path = ["/openai/v1", "/openai"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(&path);
    url.set_path(path);
    url.set_query(None);
    let Some(deployment) = &settings.deployment else {
        url.set_path(&format!("{}/openai/v1/embeddings", path.trim_end_matches('/')));
        return;
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["openai", "deployments", deployment, "embeddings"]);
    }
    url.query_pairs_mut().append_pair("api-version", settings.api_version.as_deref().unwrap_or(API_VERSION));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(yaml: &str) -> ModelSettings {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn key() -> Pass {
        Pass::ApiKey(Secret::new("canary"))
    }

    #[test]
    fn every_way_of_writing_a_base_leads_to_the_embeddings() {
        for (base, whole) in [
            (OPENAI, "https://api.openai.com/v1/embeddings"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/embeddings"),
            ("https://api.openai.com", "https://api.openai.com/v1/embeddings"),
            ("http://localhost:11434/v1", "http://localhost:11434/v1/embeddings"),
            ("http://localhost:11434/", "http://localhost:11434/v1/embeddings"),
            ("https://gateway.example/api/models/v3", "https://gateway.example/api/models/v3/embeddings"),
            ("http://[::1]:8000/v1/embeddings", "http://[::1]:8000/v1/embeddings"),
        ] {
            let address = Address::new(&settings("provider: openai"), base, &Pass::None).unwrap();
            assert_eq!(address.url.as_str(), whole);
        }
    }

    #[test]
    fn azure_has_an_address_for_deployments_and_a_newer_one() {
        let old = "{provider: azure, deployment: 'my small/one'}";
        let dated = "{provider: azure, deployment: small, api_version: 2023-05-15}";
        let new = "{provider: azure, name: text-embedding-3-small}";
        for (yaml, base, rest) in [
            (
                old,
                "https://x.openai.azure.com",
                "openai/deployments/my%20small%2Fone/embeddings?api-version=2024-10-21",
            ),
            (dated, "https://x.openai.azure.com/", "openai/deployments/small/embeddings?api-version=2023-05-15"),
            (dated, "https://x.openai.azure.com/openai/", "openai/deployments/small/embeddings?api-version=2023-05-15"),
            (new, "https://x.openai.azure.com", "openai/v1/embeddings"),
            (new, "https://x.openai.azure.com/openai/v1/", "openai/v1/embeddings"),
        ] {
            let address = Address::new(&settings(yaml), base, &key()).unwrap();
            assert_eq!(address.url.as_str(), format!("https://x.openai.azure.com/{rest}"));
        }
    }

    #[test]
    fn a_key_goes_over_no_network_that_others_can_read() {
        let refused = |base: &str, pass: &Pass| Address::new(&settings("provider: openai"), base, pass).err();
        let open = ["http://api.openai.com/v1", "http://8.8.8.8/v1"];
        for base in open {
            let why = refused(base, &key()).unwrap();
            assert!(why.contains("not https") && !why.contains(base), "{why}");
            assert_eq!(refused(base, &Pass::None), None);
        }
        for base in
            ["http://localhost:1", "http://127.0.0.1:1", "http://10.1.2.3", "http://vllm:8000", "http://gpu.lan"]
        {
            assert_eq!(refused(base, &key()), None, "{base}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        let odd = ["canary", "ftp://canary/", "https://user:canary@example.com/", "data:canary"];
        for base in odd {
            let why = Address::new(&settings("provider: openai"), base, &Pass::None).err().unwrap();
            assert!(!why.contains("canary"), "{why}");
        }
        let pass = Pass::Bearer(Secret::new("cana\nry"));
        let why = Address::new(&settings("provider: openai"), OPENAI, &pass).err().unwrap();
        assert_eq!(why, "the key holds characters that no key has");
    }

    #[test]
    fn a_key_is_a_bearer_or_has_a_header_of_its_own_and_is_not_shown() {
        for (pass, name, value) in
            [(Pass::Bearer(Secret::new("canary")), "authorization", "Bearer canary"), (key(), "api-key", "canary")]
        {
            let (header, held) = Address::new(&settings("provider: openai"), OPENAI, &pass).unwrap().header.unwrap();
            assert_eq!((header.as_str(), held.to_str().unwrap()), (name, value));
            assert_eq!(format!("{held:?}"), "Sensitive");
        }
    }
}
