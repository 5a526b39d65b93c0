//! A manifest in a bucket: Amazon S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage.
//!
//! Files come first, several at once; then the root, on the condition that it is still the one that the edition was made from;
//! then what nobody reads any more goes. What the crate repeats is bounded in time, and a process that is asked to end waits
//! for none of it longer than for any other answer.

mod connect;
mod credentials;
mod said;
mod transport;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, UpdateVersion,
};

pub use self::credentials::Credentials;
use self::credentials::wanted;
use self::said::{Refusal, refusal, sentence};
use super::{MOST_ROOT_BYTES, ManifestSource, PublicationError, PublishTarget, Stored, Update, Version};
use crate::adapters::stop::Stop;
use crate::manifest::files::{ROOT, cache_control, is_immutable, media_type};
use crate::manifest::settings::bucket::BucketAddress;

/// How many files are written at once.
const AT_ONCE: usize = 8;
/// How long one request may take with all its repetitions.
const DEADLINE: Duration = Duration::from_secs(120);
/// How many names of a place are listed at most.
const MOST_NAMES: usize = 500_000;

/// Where a bucket's server is, where it is not the cloud's own or is not said by the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// The address of the server.
    pub endpoint: Option<String>,
    /// The region, for S3.
    pub region: Option<String>,
}

/// A part of a bucket that holds one manifest and perhaps other things, which are left alone.
#[derive(Debug, Clone)]
pub struct ObjectStorePlace {
    store: Arc<dyn ObjectStore>,
    address: BucketAddress,
    prefix: Path,
    /// Whether there is anything to sign with, or what to set.
    locked: Option<&'static str>,
    url: Option<String>,
    stop: Stop,
    last_writer_wins: bool,
    /// Whether the store keeps media types and cache times.
    has_attributes: bool,
}

/// Why something was not done, before it is known what that means.
enum Fault {
    Store(Error),
    Other(String),
}

impl ObjectStorePlace {
    /// The place at `url` (`s3://bucket/prefix`, `gs://…`, `az://…`); nothing is asked of it yet. The error is a sentence.
    pub fn new(url: &str, server: &Server, credentials: &Credentials) -> Result<Self, String> {
        let address = BucketAddress::parse(url)?;
        let store = connect::connect(&address, server, credentials)?;
        let locked = (!credentials.opens(address.cloud)).then(|| wanted(address.cloud));
        Ok(Self { locked, ..Self::over(store, address) })
    }

    fn over(store: Arc<dyn ObjectStore>, address: BucketAddress) -> Self {
        let prefix = Path::from(address.prefix.as_str());
        Self {
            store,
            address,
            prefix,
            locked: None,
            url: None,
            stop: Stop::default(),
            last_writer_wins: false,
            has_attributes: true,
        }
    }

    /// The same, which can be fetched at this address.
    #[must_use]
    pub fn at(self, url: Option<String>) -> Self {
        Self { url, ..self }
    }

    /// The same, in a process that `stop` asks to end.
    #[must_use]
    pub fn until(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// The same; where `wins`, the root is replaced without the store's watching over it.
    #[must_use]
    pub fn with_last_writer_wins(self, wins: bool) -> Self {
        Self { last_writer_wins: wins, ..self }
    }

    fn location(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Waits for the store, for a while.
    async fn wait<T>(&self, work: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Fault> {
        if let Some(signal) = self.stop.asked() {
            return Err(Fault::Other(format!("stopped by {signal} before the request was made")));
        }
        tokio::select! {
            done = tokio::time::timeout(DEADLINE, work) => match done {
                Ok(done) => done.map_err(Fault::Store),
                Err(_) => Err(Fault::Other(format!("no answer within {} s", DEADLINE.as_secs()))),
            },
            () = self.stop.until_unanswered() => {
                Err(Fault::Other("stopped by a signal while the answer was awaited".to_owned()))
            }
        }
    }

    fn why(&self, fault: &Fault) -> String {
        let why = match fault {
            Fault::Other(why) => return why.clone(),
            Fault::Store(error) => sentence(error, &self.address),
        };
        match self.locked {
            Some(variables) => {
                format!("{why}. No credentials are set, so it was asked as anybody can ask: set {variables}")
            }
            None => why,
        }
    }

    fn unusable(&self, what: &'static str) -> impl Fn(Fault) -> PublicationError + '_ {
        move |fault| PublicationError::Unusable { place: self.place(), what, why: self.why(&fault) }
    }

    fn refused(&self, fault: &Fault) -> PublicationError {
        PublicationError::Refused { place: self.place(), why: self.why(fault) }
    }

    /// What is known of a file without its bytes.
    async fn facts(&self, name: &str) -> Result<Option<ObjectMeta>, Fault> {
        let location = self.location(name);
        found(self.wait(self.store.head(&location)).await)
    }

    /// A file of at most so many bytes.
    async fn get(&self, name: &str, limit: u64) -> Result<Option<(Vec<u8>, ObjectMeta)>, Fault> {
        let location = self.location(name);
        let get = async {
            let result = self.store.get_opts(&location, GetOptions::default()).await?;
            let meta = result.meta.clone();
            let mut bytes = Vec::new();
            let mut chunks = result.into_stream();
            while let Some(chunk) = chunks.try_next().await? {
                bytes.extend_from_slice(&chunk);
                if u64::try_from(bytes.len()).is_ok_and(|read| read > limit) {
                    return Ok(None);
                }
            }
            Ok(Some((bytes, meta)))
        };
        Ok(found(self.wait(get).await)?.flatten())
    }

    async fn put(&self, name: &str, bytes: &[u8], mode: PutMode) -> Result<(), Fault> {
        let mut attributes = Attributes::new();
        if self.has_attributes {
            attributes.insert(Attribute::ContentType, media_type(name).into());
            attributes.insert(Attribute::CacheControl, cache_control(name).into());
        }
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        let (location, payload) = (self.location(name), PutPayload::from(bytes.to_vec()));
        self.wait(self.store.put_opts(&location, payload, options)).await.map(drop)
    }

    /// Writes files, whatever is there under their names: one that is named by its digest would be the same.
    async fn put_all(&self, files: Vec<(&str, &[u8])>) -> Result<(), PublicationError> {
        let put = |(name, bytes)| self.put(name, bytes, PutMode::Overwrite);
        let writes: Vec<_> = files.into_iter().map(put).collect();
        let written =
            stream::iter(writes).buffer_unordered(AT_ONCE).try_for_each(|()| std::future::ready(Ok(()))).await;
        written.map_err(|fault| self.refused(&fault))
    }

    /// Makes sure that the store keeps a condition, by writing a file anew that must not be there. Some servers take no notice
    /// of conditions, and nobody would ever know that an edition was lost.
    async fn probe(&self, name: &str, bytes: &[u8]) -> Result<(), PublicationError> {
        match self.put(name, bytes, PutMode::Create).await {
            Err(Fault::Store(Error::AlreadyExists { .. } | Error::Precondition { .. })) => Ok(()),
            Err(fault) => Err(self.refused(&fault)),
            Ok(()) => {
                let operation = "the server overwrites what must not be there".to_owned();
                let implementer = self.address.to_string();
                Err(self.refused(&Fault::Store(Error::NotImplemented { operation, implementer })))
            }
        }
    }

    /// Fails where the root is not the one that is expected.
    async fn expect(&self, expected: Option<&Version>) -> Result<(), PublicationError> {
        let facts = self.facts(ROOT).await.map_err(|fault| self.refused(&fault))?;
        if facts.as_ref().map(version).as_ref() == expected { Ok(()) } else { Err(self.moved()) }
    }

    fn moved(&self) -> PublicationError {
        PublicationError::Moved { place: self.place() }
    }

    /// Puts the root in the place of the one that is expected.
    async fn replace_root(&self, update: &Update) -> Result<(), PublicationError> {
        let mode = match &update.expected {
            _ if self.last_writer_wins => {
                self.expect(update.expected.as_ref()).await?;
                PutMode::Overwrite
            }
            None => PutMode::Create,
            Some(version) => PutMode::Update(update_of(version)),
        };
        let Err(fault) = self.put(ROOT, &update.root, mode).await else { return Ok(()) };
        let is_condition = matches!(
            &fault,
            Fault::Store(Error::Precondition { .. } | Error::AlreadyExists { .. } | Error::NotModified { .. })
        );
        if !is_condition && matches!(&fault, Fault::Store(error) if refusal(error) != Refusal::Other) {
            return Err(self.refused(&fault));
        }
        // The answer may have got lost, and a repetition meets the root that the first try has written.
        match self.get(ROOT, MOST_ROOT_BYTES).await {
            Ok(Some((bytes, _))) if bytes == update.root => Ok(()),
            _ if is_condition => Err(self.moved()),
            _ => Err(self.unusable("written")(fault)),
        }
    }

    async fn remove(&self, names: &[String]) -> Result<(), PublicationError> {
        let locations: Vec<_> = names.iter().map(|name| Ok(self.location(name))).collect();
        let removed = async {
            let mut removed = self.store.delete_stream(stream::iter(locations).boxed());
            while let Some(one) = removed.next().await {
                match one {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        if names.is_empty() {
            return Ok(());
        }
        self.wait(removed).await.map_err(|fault| {
            let why = format!("the new edition is published, but files that nobody needs stay: {}", self.why(&fault));
            PublicationError::Unusable { place: self.place(), what: "written", why }
        })
    }
}

/// None in the place of a file that is not there. A bucket that is not there is another thing.
fn found<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Fault::Store(error @ Error::NotFound { .. })) if refusal(&error) == Refusal::Other => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What a store calls a file as it is now: some go by the tag of its content, some by a number.
fn version(facts: &ObjectMeta) -> Version {
    let (tag, number) = (facts.e_tag.as_deref(), facts.version.as_deref());
    Version(format!("{}\n{}", tag.unwrap_or_default(), number.unwrap_or_default()))
}

fn update_of(version: &Version) -> UpdateVersion {
    let (tag, number) = version.0.split_once('\n').unwrap_or((&version.0, ""));
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    UpdateVersion { e_tag: given(tag), version: given(number) }
}

#[async_trait]
impl ManifestSource for ObjectStorePlace {
    fn place(&self) -> String {
        self.address.to_string()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        if let Some((bytes, facts)) = self.get(ROOT, MOST_ROOT_BYTES).await.map_err(self.unusable("read"))? {
            return Ok(Some(Stored { bytes, version: version(&facts) }));
        }
        // What is too large is no root of ours, and is there.
        let there = self.facts(ROOT).await.map_err(self.unusable("read"))?;
        Ok(there.map(|facts| Stored { bytes: Vec::new(), version: version(&facts) }))
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        Ok(self.get(name, limit).await.map_err(self.unusable("read"))?.map(|(bytes, _)| bytes))
    }
}

#[async_trait]
impl PublishTarget for ObjectStorePlace {
    fn address(&self) -> Option<String> {
        self.url.clone()
    }

    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        let prefix = (!self.address.prefix.is_empty()).then_some(&self.prefix);
        let listed = async {
            let mut names = BTreeMap::new();
            let mut pages = self.store.list(prefix);
            while let Some(facts) = pages.try_next().await? {
                let Some(parts) = facts.location.prefix_match(&self.prefix) else { continue };
                let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
                names.insert(name, facts.size);
                if names.len() > MOST_NAMES {
                    return Ok(None);
                }
            }
            Ok(Some(names))
        };
        let many =
            || Fault::Other(format!("more than {MOST_NAMES} files are there: publish below a prefix of its own"));
        let names = self.wait(listed).await.and_then(|names| names.ok_or_else(many));
        let mut names = names.map_err(self.unusable("read"))?;
        names.remove(ROOT);
        Ok(names)
    }

    async fn publish(&self, update: &Update) -> Result<(), PublicationError> {
        if let Some(variables) = self.locked {
            let why = format!("no credentials are set; set {variables}");
            return Err(PublicationError::Refused { place: self.place(), why });
        }
        self.expect(update.expected.as_ref()).await?;
        let files = update.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let (fixed, changing): (Vec<_>, Vec<_>) = files.partition(|(name, _)| is_immutable(name));
        let probed = fixed.first().filter(|_| !self.last_writer_wins).copied();
        self.put_all(fixed).await?;
        if let Some((name, bytes)) = probed {
            self.probe(name, bytes).await?;
        }
        if !changing.is_empty() {
            // Of two publishers the one that has lost already leaves these alone.
            self.expect(update.expected.as_ref()).await?;
            self.put_all(changing).await?;
        }
        self.replace_root(update).await?;
        self.remove(&update.removed).await
    }
}

#[cfg(test)]
mod tests;
