//! Models elsewhere: OpenAI, Azure OpenAI, and whatever speaks as they do (Ollama, vLLM, LM Studio).
//!
//! One batch is one request. [`throttle`] lets it leave when the server will take it, `adapters::http` sends it again where that
//! helps, [`said`] knows the servers' words, and [`answer`] believes none of them.

mod address;
mod answer;
#[cfg(test)]
mod fake;
mod ledger;
mod said;
mod throttle;
mod tokens;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use reqwest::Url;
use serde_json::json;

use self::address::{Address, OPENAI, Pass};
use self::answer::Fault;
use self::ledger::Ledger;
use self::said::{About, Verdict};
use self::throttle::Throttle;
use self::tokens::{Bounds, Digits, bounds};
use super::{Embedded, EmbeddingModel, Limits, ModelError, refuse_empty};
use crate::adapters::http::{Pace, Policy, Reply, Trouble, client_for, read, send_through};
use crate::embedding::{KnownModel, ModelSettings, Provider, known_model};
use crate::secret::{Endpoint, Secret, SecretRef};

/// What a provider takes at most in one request, and of one text: OpenAI's and Azure's published limits.
const TOKENS: u64 = 300_000;
const TOKENS_EACH: u64 = 8_192;
const TEXTS: usize = 2_048;
/// How many coordinates an answer has at most when nothing else is said: with sixteen answers at once some 60 MB.
const COORDINATES: usize = 400_000;

/// What the environment holds of what the settings name.
#[derive(Default)]
pub struct Keys {
    /// The address, where the settings refer to a variable for it.
    pub url: Option<Secret>,
    /// The key.
    pub key: Option<Secret>,
    /// The Entra token.
    pub token: Option<Secret>,
}

/// A model behind the interface of OpenAI.
pub struct OpenAi {
    settings: ModelSettings,
    known: Option<&'static KnownModel>,
    /// Whether the server is one for thousands of clients, and not one of our own.
    is_hosted: bool,
    address: Result<Address, String>,
    about: About,
    /// What no error may repeat, whoever says it.
    secrets: Vec<Secret>,
    client: OnceLock<Result<reqwest::Client, String>>,
    pace: Arc<dyn Pace>,
    throttle: Throttle,
    /// Whether the server is asked for vectors in base64: until it refuses.
    asks_base64: AtomicBool,
    /// Whether the server is asked for shorter vectors than the model has.
    asks_dimensions: AtomicBool,
}

impl OpenAi {
    /// The model that the settings describe. Nothing is asked yet, and what is missing is told when it is needed.
    pub fn new(settings: &ModelSettings, keys: Keys, pace: Arc<dyn Pace>) -> Self {
        let known = [&settings.name, &settings.deployment].into_iter().flatten().find_map(|name| known_model(name));
        let is_at_openai = match &settings.url {
            None => true,
            Some(Endpoint::Open(url)) => url.starts_with("https://api.openai.com"),
            Some(Endpoint::Secret(_)) => false,
        };
        let is_hosted = known.is_some() || is_at_openai || settings.provider == Provider::Azure;
        let limits = &settings.limits;
        let at_once = limits.at_once.map_or(if is_hosted { 16 } else { 4 }, number);
        let ledger =
            Ledger::new(at_once, limits.tokens_per_minute.map(f64::from), limits.requests_per_minute.map(f64::from));
        let shortens = known.is_some_and(|known| settings.dimensions.is_some_and(|n| n != known.dimensions));
        let secrets = [&keys.url, &keys.key, &keys.token].into_iter().flatten().cloned().collect();
        Self {
            known,
            is_hosted,
            secrets,
            address: address(settings, keys),
            about: about(settings),
            client: OnceLock::new(),
            throttle: Throttle::new(Arc::clone(&pace), ledger),
            pace,
            asks_base64: AtomicBool::new(true),
            asks_dimensions: AtomicBool::new(shortens),
            settings: settings.clone(),
        }
    }

    fn unavailable(&self, why: impl Into<String>) -> ModelError {
        ModelError::Unavailable { model: self.fingerprint(), why: self.hushed(why.into()) }
    }

    fn refused(&self, why: impl Into<String>) -> ModelError {
        ModelError::Refused { model: self.fingerprint(), why: self.hushed(why.into()) }
    }

    /// Without the secrets that a server may have repeated.
    fn hushed(&self, why: String) -> String {
        let secrets = self.secrets.iter().filter(|secret| !secret.is_empty());
        secrets.fold(why, |why, secret| hidden(&why, secret.reveal()))
    }

    /// The same for everybody who comes after.
    fn closed(&self, why: String) -> ModelError {
        self.throttle.close(&why);
        self.unavailable(why)
    }

    fn client(&self) -> Result<&reqwest::Client, ModelError> {
        let made = || client_for(self.silence()).map_err(|error| error.without_url().to_string());
        self.client.get_or_init(made).as_ref().map_err(|why| self.unavailable(why.clone()))
    }

    /// How long a server may work before it answers. One of our own may have no more than a processor.
    fn silence(&self) -> Duration {
        Duration::from_secs(if self.is_hosted { 60 } else { 300 })
    }

    fn policy(&self) -> Policy {
        // A server of one's own that is not there will not come up by itself.
        let attempts = if self.is_hosted { 10 } else { 6 };
        Policy { deadline: self.silence() * 5, attempts, ..Policy::idempotent() }
    }

    fn bounds(&self, text: &str) -> Bounds {
        if self.known.is_some() {
            return bounds(text, Digits::ByThree);
        }
        let Bounds { most, least } = bounds(text, Digits::Each);
        // Other models put a mark before and behind each text.
        Bounds { most: if most == 0 { 0 } else { most + 2 }, least }
    }

    /// Refuses what cannot be taken, before it is sent. What may be too long is sent: the server knows.
    fn refuse_long(&self, texts: &[&str]) -> Result<(), ModelError> {
        let each = self.limits().tokens_each;
        for (index, text) in texts.iter().enumerate() {
            let Bounds { most, least } = self.bounds(text);
            if most > each && least > each {
                return Err(self.refused(format!(
                    "text {index} of the batch has at least {least} tokens, and the model takes {each}; set \
                     `embed.chunk.max` lower"
                )));
            }
        }
        Ok(())
    }

    fn way(&self) -> Way {
        Way {
            base64: self.asks_base64.load(Ordering::Relaxed),
            dimensions: self.asks_dimensions.load(Ordering::Relaxed),
        }
    }

    fn body(&self, texts: &[&str], way: Way) -> Vec<u8> {
        let mut body = json!({ "input": texts });
        if let Some(fields) = body.as_object_mut() {
            // The address of a deployment names its model.
            if let Some(name) = self.settings.name.as_ref().filter(|_| self.settings.deployment.is_none()) {
                fields.insert("model".to_owned(), json!(name));
            }
            let encoding = if way.base64 { "base64" } else { "float" };
            fields.insert("encoding_format".to_owned(), json!(encoding));
            if way.dimensions {
                fields.insert("dimensions".to_owned(), json!(self.dimension()));
            }
        }
        body.to_string().into_bytes()
    }

    /// Asks once, as often as it takes to get an answer that counts.
    async fn ask(&self, texts: &[&str]) -> Result<Asked, ModelError> {
        let estimate = texts.iter().map(|text| self.tokens(text)).sum();
        let address = self.address.as_ref().map_err(|why| self.unavailable(why.clone()))?;
        let way = self.way();
        let (client, body, tries) = (self.client()?, self.body(texts, way), AtomicU32::new(0));
        // A number takes no more than 24 characters and what stands around it, in the longest notation.
        let cap = (64 << 10) + texts.len() * (self.dimension().max(TEXTS) * 32 + 512);
        let attempt = || async {
            let request = client.post(address.url.clone()).header(CONTENT_TYPE, "application/json").body(body.clone());
            let request = address.header.iter().fold(request, |request, (name, value)| request.header(name, value));
            let reply = read(request.send().await.map_err(|error| Trouble::of(&error))?, cap).await?;
            Ok(said::plain(reply, tries.fetch_add(1, Ordering::Relaxed)))
        };
        let passage = self.throttle.passage(estimate, texts.len() > 1);
        let reply = match send_through(&self.policy(), &*self.pace, &passage, attempt).await {
            Ok(reply) => reply,
            Err(_) if passage.is_too_wide() => return Ok(Asked::InParts),
            Err(_) if self.throttle.closed().is_some() => {
                return Err(self.unavailable(self.throttle.closed().unwrap_or_default()));
            }
            Err(error) => return Err(self.unavailable(format!("{error}; {}", self.hint()))),
        };
        if reply.status != 200 {
            return self.judged(&reply, texts.len(), way);
        }
        match answer::read(&reply.body, texts.len(), self.dimension(), estimate) {
            Ok(embedded) => {
                passage.count(embedded.tokens);
                Ok(Asked::Answered(embedded))
            }
            Err(Fault::Malformed(why)) => Err(ModelError::Malformed { model: self.fingerprint(), why }),
            Err(Fault::Dimension(length)) => self.shortened(length, way),
        }
    }

    fn judged(&self, reply: &Reply, texts: usize, way: Way) -> Result<Asked, ModelError> {
        match said::verdict(reply, &self.about) {
            Verdict::Base64(_) if way.base64 => {
                self.asks_base64.store(false, Ordering::Relaxed);
                Ok(Asked::Again)
            }
            Verdict::Dimensions(why) if way.dimensions => Err(self.closed(why)),
            Verdict::Texts(why) | Verdict::Base64(why) | Verdict::Dimensions(why) if texts == 1 => {
                Err(self.refused(format!("{why}; if the text is too long, set `embed.chunk.max` lower")))
            }
            Verdict::Texts(why) | Verdict::Base64(why) | Verdict::Dimensions(why) => Err(self.refused(why)),
            Verdict::Everything(why) => Err(self.closed(why)),
        }
    }

    /// The vectors have another length. Of a model that is not known it is not known either whether it gives fewer coordinates
    /// when asked to: some servers refuse to be asked for what they would give anyway.
    fn shortened(&self, length: usize, way: Way) -> Result<Asked, ModelError> {
        let wanted = self.dimension();
        if self.known.is_none() && length > wanted && !way.dimensions {
            self.asks_dimensions.store(true, Ordering::Relaxed);
            return Ok(Asked::Again);
        }
        let why = format!(
            "its vectors have {length} dimensions, not {wanted}; write `dimensions: {length}` in `embed.model`"
        );
        Err(self.closed(why))
    }

    /// What to look at when nobody answers.
    fn hint(&self) -> &'static str {
        if self.is_hosted {
            "run again later"
        } else {
            "is the server running, and is `url` in `embed.model` its address?"
        }
    }
}

/// In which way a question is put.
#[derive(Clone, Copy)]
struct Way {
    base64: bool,
    dimensions: bool,
}

/// What one question led to.
enum Asked {
    Answered(Embedded),
    /// The server is asked once more, in another way.
    Again,
    /// No minute would take all of them.
    InParts,
}

fn number(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX)
}

/// The address, or what is missing for it.
fn address(settings: &ModelSettings, keys: Keys) -> Result<Address, String> {
    let missing =
        |reference: &SecretRef| format!("the variable {} is not set; give it the value", reference.variable());
    let base = match (&settings.url, keys.url) {
        (None, _) => OPENAI.to_owned(),
        (Some(Endpoint::Open(url)), _) => url.clone(),
        (Some(Endpoint::Secret(_)), Some(url)) => url.reveal().to_owned(),
        (Some(Endpoint::Secret(reference)), None) => return Err(missing(reference)),
    };
    let held = |reference: &Option<SecretRef>, secret: Option<Secret>| match reference {
        None => Ok(None),
        Some(reference) => secret.filter(|secret| !secret.is_empty()).map(Some).ok_or_else(|| missing(reference)),
    };
    let pass = match (held(&settings.key, keys.key)?, held(&settings.token, keys.token)?) {
        (Some(key), _) if settings.provider == Provider::Azure => Pass::ApiKey(key),
        (Some(secret), _) | (None, Some(secret)) => Pass::Bearer(secret),
        (None, None) => Pass::None,
    };
    Address::new(settings, &base, &pass)
}

/// Whom refusals are about.
fn about(settings: &ModelSettings) -> About {
    let (model, keys) = match (&settings.deployment, settings.provider) {
        (Some(deployment), _) => (format!("the deployment `{deployment}`"), "`deployment`, `url` and `api_version`"),
        (None, _) => (format!("the model `{}`", settings.name.as_deref().unwrap_or_default()), "`name` and `url`"),
    };
    let variable = settings.key.as_ref().or(settings.token.as_ref());
    About { model, keys, variable: variable.map(|reference| reference.variable().to_owned()) }
}

/// A name as it may stand in a fingerprint.
fn plain_name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    text.chars().map(fits).collect()
}

#[async_trait]
impl EmbeddingModel for OpenAi {
    /// OpenAI's own models have their names alone: they give the same vectors at OpenAI, at Azure and behind a gateway, so that a
    /// change of provider pays for nothing again. Others may be quantised as their server likes, so its host is part of the name:
    /// of an address in a variable the variable's name, as whoever plans without secrets must know it too.
    fn fingerprint(&self) -> String {
        let dimension = self.dimension();
        if let Some(known) = self.known {
            return format!("{}-{dimension}", known.name);
        }
        let name = self.settings.deployment.as_ref().or(self.settings.name.as_ref()).map_or("model", String::as_str);
        let host = match &self.settings.url {
            None => "api.openai.com".to_owned(),
            Some(Endpoint::Secret(reference)) => reference.variable().to_owned(),
            Some(Endpoint::Open(url)) => {
                Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
            }
        };
        format!("{}-{}-{dimension}", plain_name(name), plain_name(&host))
    }

    fn dimension(&self) -> usize {
        self.settings.dimensions.or(self.known.map(|known| known.dimensions)).map_or(0, number)
    }

    fn limits(&self) -> Limits {
        let set = &self.settings.limits;
        let texts = if self.is_hosted { (COORDINATES / self.dimension().max(1)).clamp(16, TEXTS) } else { 64 };
        let tokens = set.tokens.map_or(TOKENS, u64::from);
        Limits {
            texts: set.texts.map_or(texts, number),
            tokens: set.tokens_per_minute.map_or(tokens, |minute| tokens.min(minute.into())),
            tokens_each: set.tokens_each.map_or(TOKENS_EACH, u64::from),
            at_once: set.at_once.map_or(if self.is_hosted { 16 } else { 4 }, number),
        }
    }

    fn tokens(&self, text: &str) -> u64 {
        self.bounds(text).most
    }

    fn price(&self) -> Option<f64> {
        self.settings.price.or(self.known.map(|known| known.price))
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embedded, ModelError> {
        refuse_empty(texts)?;
        if texts.is_empty() {
            return Ok(Embedded { vectors: Vec::new(), tokens: 0 });
        }
        if let Some(why) = self.throttle.closed() {
            return Err(self.unavailable(why));
        }
        self.refuse_long(texts)?;
        let mut whole = Embedded { vectors: Vec::with_capacity(texts.len()), tokens: 0 };
        // Without base64 and with `dimensions`, there are no more ways to ask.
        let (mut left, mut ways) = (vec![texts], 3);
        while let Some(part) = left.pop() {
            match self.ask(part).await? {
                Asked::Answered(Embedded { vectors, tokens }) => {
                    whole.vectors.extend(vectors);
                    whole.tokens += tokens;
                }
                Asked::Again if ways > 0 => {
                    left.push(part);
                    ways -= 1;
                }
                Asked::Again => return Err(self.unavailable("the server wants to be asked in ever other ways")),
                Asked::InParts => {
                    let (first, second) = part.split_at(part.len() / 2);
                    left.extend([second, first]);
                }
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod stand_in;
/// A text without a secret, also where the end of the secret has been cut off.
fn hidden(text: &str, secret: &str) -> String {
    let text = text.replace(secret, "***");
    let mut parts: Vec<String> = text.split('…').map(str::to_owned).collect();
    let cut = parts.len().saturating_sub(1);
    for part in parts.iter_mut().take(cut) {
        let tails = secret.char_indices().map(|(at, _)| at).rev().filter(|at| *at >= 3);
        let found = tails.filter_map(|at| secret.get(..at)).find_map(|head| part.strip_suffix(head).map(str::len));
        if let Some(at) = found {
            part.truncate(at);
            part.push_str("***");
        }
    }
    parts.join("…")
}

#[cfg(test)]
mod hiding {
    use super::hidden;

    #[test]
    fn a_secret_is_hidden_also_where_its_end_was_cut_off() {
        let hide = |text: &str| hidden(text, "Zq7fWb3kPx9L");
        assert_eq!(hide("no Zq7fWb3kPx9L here"), "no *** here");
        assert_eq!(hide("xxx Zq7fWb… (tried 1 time)"), "xxx ***… (tried 1 time)");
        assert_eq!(hide("ends in Zq… and Zq7f"), "ends in Zq… and Zq7f");
    }
}

#[cfg(test)]
mod tests;
