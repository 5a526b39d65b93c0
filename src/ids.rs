//! Names of things as types, so that a commit is never taken for an asset and a digest never for a name.
//!
//! Every type here is a checked string: the constructor says what is wrong with a bad one, `Display` gives the text back.

use std::{fmt, io};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that is not what an id of its kind looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {kind}: {why}")]
pub struct InvalidId {
    /// The kind of id that was wanted, with its article.
    pub kind: &'static str,
    /// What was given instead.
    pub text: String,
    /// What an id of this kind looks like.
    pub why: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! free_text_id {
    ($(#[$doc:meta])* $name:ident) => {
        text_id! { $(#[$doc])* $name }

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// A git object id of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
    CommitId
}
text_id! {
    /// A git object id of a blob, which is a function of the blob's bytes alone.
    BlobId
}
text_id! {
    /// A SHA-256 in lower-case hex, 64 digits.
    Sha256Hex
}
text_id! {
    /// A repository on GitHub as `owner/name`.
    RepoSlug
}
free_text_id! {
    /// A path below the library's root, UTF-8, parts divided by `/`, never absolute, without `.` and `..`.
    RepoPath
}
free_text_id! {
    /// A collection's name, a key of `collections` in stockroom.yml.
    CollectionName
}
free_text_id! {
    /// An asset's id, unique within its collection: the record's `id` pointer, else the path of its folder.
    AssetId
}
free_text_id! {
    /// A schema's name in the registry, without its version.
    SchemaName
}
free_text_id! {
    /// A target of a plan, such as `manifest`, `downstream/website` or `embedding`.
    TargetName
}
free_text_id! {
    /// A downstream's name, a key of `downstreams` in stockroom.yml.
    DownstreamName
}
text_id! {
    /// A chunk's id: a hash of its asset's key and its own text, so that it survives a rename or a reorder.
    ChunkId
}
free_text_id! {
    /// The id that a delivery carries with it, by which its effect can be found again.
    CorrelationId
}
free_text_id! {
    /// The id of a run that applies a plan, drawn at random.
    RunId
}
free_text_id! {
    /// What proves that a lock is one's own, drawn at random.
    LockToken
}

impl CommitId {
    /// Takes a full object id; an abbreviated one is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        object_id("a commit id", text).map(Self)
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl BlobId {
    /// The id of no blob at all, for a file of which only the name counts.
    pub fn of_nothing() -> Self {
        Self("0".repeat(40))
    }

    /// Takes a full object id; an abbreviated one is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        object_id("a blob id", text).map(Self)
    }
}

fn object_id(kind: &'static str, text: &str) -> Result<String, InvalidId> {
    let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex && matches!(text.len(), 40 | 64) {
        return Ok(text.to_owned());
    }
    Err(InvalidId { kind, text: text.to_owned(), why: "it has 40 or 64 lower-case hex digits" })
}

impl Sha256Hex {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The digest of what was fed to a hash.
    pub fn from_digest(hash: Sha256) -> Self {
        Self(hex::encode(hash.finalize()))
    }

    /// The digest of all that a stream gives, and how many bytes that is.
    pub fn of_stream(stream: &mut dyn io::Read) -> io::Result<(Self, u64)> {
        let mut hash = Sha256::new();
        let bytes = io::copy(stream, &mut hash)?;
        Ok((Self(hex::encode(hash.finalize())), bytes))
    }

    /// Takes 64 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        match object_id("a SHA-256", text) {
            Ok(hex) if hex.len() == 64 => Ok(Self(hex)),
            _ => Err(InvalidId { kind: "a SHA-256", text: text.to_owned(), why: "it has 64 lower-case hex digits" }),
        }
    }

    /// The first sixteen digits: enough to name a file, short enough to read.
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}

impl RepoSlug {
    /// Takes `owner/name` with the characters that GitHub allows in either.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let part = |p: &str| {
            !p.is_empty()
                && p.len() <= 100
                && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
                && p != "."
                && p != ".."
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId { kind: "a repository", text: text.to_owned(), why: "it reads `owner/name`" }),
        }
    }

    /// The account or organisation.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The repository's name without its owner.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl ChunkId {
    /// The id of the chunk with this text in this asset: 32 hex digits of a SHA-256.
    pub fn of(asset: &AssetKey, text: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [asset.collection.as_str(), "\0", asset.id.as_str(), "\0", text] {
            hash.update(part.as_bytes());
        }
        let mut hex = hex::encode(hash.finalize());
        hex.truncate(32);
        Self(hex)
    }

    /// Takes back an id that `of` gave earlier, as a store returns it.
    pub fn from_store(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl CorrelationId {
    /// The id of a delivery of this slice to this target on top of that state: the same again when it is asked again.
    pub fn of(target: &TargetName, slice: &Sha256Hex, salt: &str) -> Self {
        let digest = Sha256Hex::of(format!("{target}\0{slice}\0{salt}").as_bytes());
        Self(format!("sr-{}", digest.short()))
    }
}

impl RepoPath {
    /// The part after the last `/`.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folder, empty for a file at the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The file name without its last extension: `Hex Bolt.json` gives `Hex Bolt`.
    pub fn stem(&self) -> &str {
        let name = self.file_name();
        match name.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => name,
        }
    }

    /// The extension in the letters it has, empty when there is none.
    pub fn extension(&self) -> &str {
        match self.file_name().rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => extension,
            _ => "",
        }
    }

    /// The path as a part of a URL: all but RFC 3986's unreserved characters and `/` percent-encoded.
    pub fn percent_encoded(&self) -> String {
        percent_encode(&self.0)
    }

    /// The path of `name` in `folder`, where an empty folder is the root.
    pub fn join(folder: &str, name: &str) -> Self {
        if folder.is_empty() { Self(name.to_owned()) } else { Self(format!("{folder}/{name}")) }
    }
}

/// A text as a part of a URL's path: all but RFC 3986's unreserved characters and `/` percent-encoded.
pub fn percent_encode(text: &str) -> String {
    const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, PATH).to_string()
}

/// What names an asset across the whole library: its collection and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AssetKey {
    /// The collection it belongs to.
    pub collection: CollectionName,
    /// Its id within that collection.
    pub id: AssetId,
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_id_is_whole_and_lower_case() {
        assert!(CommitId::parse(&"a".repeat(40)).is_ok());
        assert!(CommitId::parse(&"a".repeat(64)).is_ok());
        for bad in ["", "abc1234", &"A".repeat(40), &"g".repeat(40)] {
            assert!(CommitId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        let slug = RepoSlug::parse("org/web.site").map(|s| (s.owner().to_owned(), s.name().to_owned()));
        assert_eq!(slug, Ok(("org".to_owned(), "web.site".to_owned())));
        for bad in ["org", "org/", "/name", "a/b/c", "org/na me", "../..", "org/.."] {
            assert!(RepoSlug::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_knows_its_parts() {
        let path = RepoPath::new("Hex Bolt Gen v2/Hex Bolt.v2.json");
        assert_eq!(
            (path.folder(), path.file_name(), path.stem(), path.extension()),
            ("Hex Bolt Gen v2", "Hex Bolt.v2.json", "Hex Bolt.v2", "json")
        );
        assert_eq!(RepoPath::new("$5 é/a~b.png").percent_encoded(), "%245%20%C3%A9/a~b.png");
        assert_eq!((RepoPath::new(".env").stem(), RepoPath::new(".env").extension()), (".env", ""));
    }

    #[test]
    fn a_chunk_id_depends_on_asset_and_text_alone() {
        let key = |id: &str| AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
        assert_eq!(ChunkId::of(&key("bolt"), "text"), ChunkId::of(&key("bolt"), "text"));
        assert_ne!(ChunkId::of(&key("bolt"), "text"), ChunkId::of(&key("nut"), "text"));
        assert_ne!(ChunkId::of(&key("bolt"), "text"), ChunkId::of(&key("bolt"), "texts"));
    }
}
