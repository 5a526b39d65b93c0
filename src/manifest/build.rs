//! Assets into entries: what a manifest says of a library, wherever it is published.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::files::media_type;
use super::format::{AssetEntry, CollectionSummary, FileEntry, Member, Source, VERSION};
use super::role::Roles;
use super::settings::Settings;
use crate::catalog::asset::{Asset, CompanionFile, UsedSchema};
pub use crate::catalog::fact::{FileFact, FileFacts};
use crate::catalog::place::segments;
use crate::catalog::pointer::PointerPattern;
use crate::ids::{AssetKey, CollectionName, RepoPath, Sha256Hex};

/// What a library amounts to, before it is known where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it was read from.
    pub source: Source,
    /// The schemas that the records follow.
    pub schemas: BTreeMap<String, BTreeMap<String, String>>,
    /// The collections by name.
    pub collections: BTreeMap<String, Collection>,
    /// What each asset means, as a digest.
    pub assets: BTreeMap<AssetKey, Sha256Hex>,
    /// SHA-256 over everything but the source: equal digest, the same entries.
    pub digest: Sha256Hex,
    /// The libraries that it was made of; none where it is that of one.
    pub members: Vec<Member>,
}

/// The entries of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// How many there are, and the digest of them all.
    pub summary: CollectionSummary,
    /// The entries, sorted by id.
    pub entries: Vec<Entry>,
}

/// An asset's entry, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The asset's id.
    pub id: String,
    /// The entry in canonical JSON, on one line.
    pub bytes: Vec<u8>,
    /// SHA-256 of these bytes.
    pub sha256: Sha256Hex,
    /// What the asset means, as a digest.
    pub digest: Sha256Hex,
}

/// A file of an asset has no known size and digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The caller did not hash this file.
    #[error("the file {0} of an asset was not hashed before the manifest was built")]
    NotHashed(RepoPath),
    /// The search in a browser could not be made.
    #[error("the search for the page cannot be made: {0}")]
    NoSearch(String),
    /// A value has no canonical JSON.
    #[error("the manifest cannot be written as JSON: {0}")]
    Json(String),
    /// The place holds the edition with the last number that there is.
    #[error(
        "the place holds edition {0}, and no number comes after it: take the manifest.json that is there away, and publish again"
    )]
    NoNumber(u64),
}

/// Builds the manifest of these assets, in whatever order they come.
pub fn build(assets: &[Asset], facts: &FileFacts, settings: &Settings, source: Source) -> Result<Manifest, BuildError> {
    let fields: Option<Vec<PointerPattern>> =
        settings.fields.as_ref().map(|fields| fields.iter().map(|field| PointerPattern::new(field)).collect());
    let roles = Roles::new(settings);
    let make = |asset| make(asset, facts, settings, &roles, fields.as_deref());
    let made: Vec<Made> = assets.par_iter().map(make).collect::<Result<_, BuildError>>()?;
    let mut digests = BTreeMap::new();
    let mut schemas: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut entries: BTreeMap<&CollectionName, BTreeMap<&AssetKey, Made>> = BTreeMap::new();
    for (asset, made) in assets.iter().zip(made) {
        digests.insert(asset.key.clone(), made.entry.digest.clone());
        if let Some(schema) = &asset.schema {
            let version = schema.version.clone().unwrap_or_else(|| "-".to_owned());
            schemas.entry(schema.name.to_string()).or_default().insert(version, schema.sha256.to_string());
        }
        entries.entry(&asset.key.collection).or_default().insert(&asset.key, made);
    }
    let collections = entries.into_iter().map(|(name, made)| (name.to_string(), collect(made.into_values()))).collect();
    Manifest::of(source, schemas, collections, digests)
}

impl Manifest {
    /// The manifest of these collections.
    pub fn of(
        source: Source,
        schemas: BTreeMap<String, BTreeMap<String, String>>,
        collections: BTreeMap<String, Collection>,
        assets: BTreeMap<AssetKey, Sha256Hex>,
    ) -> Result<Self, BuildError> {
        let digest = digest_of(&schemas, collections.iter().map(|(name, collection)| (name, &collection.summary)))?;
        Ok(Self { source, schemas, collections, assets, digest, members: Vec::new() })
    }

    /// All entries as data, sorted by collection and id.
    pub fn entries(&self) -> Result<Vec<(CollectionName, AssetEntry)>, BuildError> {
        let all = self.collections.iter().flat_map(|(name, of)| of.entries.iter().map(move |entry| (name, entry)));
        let all: Vec<_> = all.collect();
        let read = |(name, entry): &(&String, &Entry)| {
            let entry = serde_json::from_slice(&entry.bytes).map_err(|error| BuildError::Json(error.to_string()))?;
            Ok((CollectionName::new(name.as_str()), entry))
        };
        all.par_iter().map(read).collect()
    }
}

/// The digest of a library with these schemas and collections, as its root has it.
pub fn digest_of<'a>(
    schemas: &BTreeMap<String, BTreeMap<String, String>>,
    collections: impl Iterator<Item = (&'a String, &'a CollectionSummary)>,
) -> Result<Sha256Hex, BuildError> {
    let summary = |of: &CollectionSummary| json!({"assets": of.assets, "digest": of.digest});
    let collections: BTreeMap<&String, Value> = collections.map(|(name, of)| (name, summary(of))).collect();
    Ok(Sha256Hex::of(&canonical(&json!({"version": VERSION, "schemas": schemas, "collections": collections}))?))
}

/// The digest of a collection: a line for each entry, in the order of the ids.
pub fn collection_digest<'a>(entries: impl Iterator<Item = (&'a Sha256Hex, &'a str)>) -> Sha256Hex {
    let mut hash = Sha256::new();
    for (sha256, id) in entries {
        for part in [sha256.as_str(), " ", id, "\n"] {
            hash.update(part.as_bytes());
        }
    }
    Sha256Hex::from_digest(hash)
}

/// An entry, and what its files amount to.
struct Made {
    entry: Entry,
    files: usize,
    bytes: u64,
}

fn collect(made: impl Iterator<Item = Made>) -> Collection {
    let mut entries = Vec::new();
    let (mut files, mut bytes) = (0, 0_u64);
    for made in made {
        files += made.files;
        bytes = bytes.saturating_add(made.bytes);
        entries.push(made.entry);
    }
    let digest = collection_digest(entries.iter().map(|entry| (&entry.sha256, entry.id.as_str())));
    let summary = CollectionSummary { assets: entries.len(), files, bytes, digest: digest.to_string() };
    Collection { summary, entries }
}

fn file_entries(
    asset: &Asset,
    facts: &FileFacts,
    settings: &Settings,
    roles: &Roles,
) -> Result<Vec<FileEntry>, BuildError> {
    let entry = |file: &CompanionFile| {
        let FileFact { sha256, bytes, image } =
            facts.get(&file.blob).ok_or_else(|| BuildError::NotHashed(file.path.clone()))?;
        let media_type = media_type(file.path.as_str());
        let role = roles.of(&file.path, media_type);
        let place = file.path.percent_encoded();
        let is_private = settings.is_private(&role);
        let url = settings.base_url.as_ref().map(|base| format!("{}/{place}", base.trim_end_matches('/')));
        // A file that is named as something else may hold an image; whoever reads the entry goes by the name.
        let image = image.filter(|_| media_type.starts_with("image/"));
        Ok(FileEntry {
            path: file.path.to_string(),
            url: url.filter(|_| !is_private),
            key: is_private.then_some(place),
            bytes: *bytes,
            sha256: sha256.to_string(),
            git_oid: file.blob.to_string(),
            media_type: media_type.to_owned(),
            role,
            width: image.map(|image| image.width),
            height: image.map(|image| image.height),
        })
    };
    asset.files.iter().map(entry).collect()
}

/// An asset's entry in canonical form, and what it means, whatever part of it is published and wherever its files can be
/// fetched.
fn make(
    asset: &Asset,
    facts: &FileFacts,
    settings: &Settings,
    roles: &Roles,
    fields: Option<&[PointerPattern]>,
) -> Result<Made, BuildError> {
    let files = file_entries(asset, facts, settings, roles)?;
    let record = canonical(&asset.meaning)?;
    let digest = asset_digest(asset, &files, &record)?;
    let published = fields.map(|fields| canonical(&published(&asset.meaning, fields))).transpose()?;
    let (count, size) = (files.len(), files.iter().map(|file| file.bytes).fold(0, u64::saturating_add));
    let entry = AssetEntry {
        id: asset.key.id.to_string(),
        path: asset.record.to_string(),
        digest: digest.to_string(),
        status: if asset.warned { "warning" } else { "valid" }.to_owned(),
        schema: asset.schema.as_ref().map(UsedSchema::label),
        record: Value::Null,
        files,
    };
    let frame = serde_json::to_value(entry).map_err(|error| BuildError::Json(error.to_string()))?;
    let bytes = object(&frame, "record", published.as_deref().unwrap_or(&record))?;
    let entry = Entry { id: asset.key.id.to_string(), sha256: Sha256Hex::of(&bytes), bytes, digest };
    Ok(Made { entry, files: count, bytes: size })
}

fn asset_digest(asset: &Asset, files: &[FileEntry], record: &[u8]) -> Result<Sha256Hex, BuildError> {
    let files: Vec<_> = files.iter().map(|file| json!([file.path, file.sha256])).collect();
    let schema = asset.schema.as_ref().map(|schema| json!([schema.name, schema.version]));
    let frame = json!({"record": null, "path": asset.record, "schema": schema, "files": files});
    Ok(Sha256Hex::of(&object(&frame, "record", record)?))
}

/// The canonical form of an object in which one member's value is in canonical form already.
fn object(frame: &Value, ready: &str, value: &[u8]) -> Result<Vec<u8>, BuildError> {
    // Keys of the format are ASCII, whose order is the canonical one.
    let members: BTreeMap<&String, &Value> = frame.as_object().into_iter().flatten().collect();
    let mut bytes = vec![b'{'];
    for (index, (key, member)) in members.into_iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        bytes.extend(canonical(key)?);
        bytes.push(b':');
        if key == ready {
            bytes.extend_from_slice(value);
        } else {
            bytes.extend(canonical(member)?);
        }
    }
    bytes.push(b'}');
    Ok(bytes)
}

/// What is published of records.
pub struct Published(Option<Vec<PointerPattern>>);

impl Published {
    /// As the settings say.
    pub fn new(settings: &Settings) -> Self {
        let fields = settings.fields.as_ref();
        Self(fields.map(|fields| fields.iter().map(|field| PointerPattern::new(field)).collect()))
    }

    /// What is published of a record that means this.
    pub fn of<'r>(&self, meaning: &'r Value) -> Cow<'r, Value> {
        self.0.as_ref().map_or(Cow::Borrowed(meaning), |fields| Cow::Owned(published(meaning, fields)))
    }
}

/// What is published of a record.
pub(super) fn published(meaning: &Value, fields: &[PointerPattern]) -> Value {
    let mut record = Value::Object(Map::new());
    for (pointer, value) in fields.iter().flat_map(|field| field.select(meaning)) {
        insert(&mut record, meaning, &pointer, value);
    }
    record
}

/// Puts a value at its pointer; on the way, what is an array in the record becomes one here.
fn insert(target: &mut Value, like: &Value, pointer: &str, value: &Value) {
    let (mut at, mut like) = (target, Some(like));
    for segment in segments(pointer) {
        if matches!(like, Some(Value::Array(_))) {
            if !at.is_array() {
                *at = Value::Array(Vec::new());
            }
            let index = segment.parse::<usize>().unwrap_or_default();
            let Value::Array(items) = at else { return };
            // Items keep their places, so that two fields of one item meet again; what no field names is null.
            while items.len() <= index {
                items.push(Value::Null);
            }
            let Some(next) = items.get_mut(index) else { return };
            at = next;
            like = like.and_then(|value| value.get(segment.parse::<usize>().ok()?));
        } else {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            like = like.and_then(|value| value.get(&segment));
            let Value::Object(members) = at else { return };
            at = members.entry(segment).or_insert(Value::Null);
        }
    }
    *at = value.clone();
}

/// Canonical JSON (RFC 8785): bytes that are a function of the data alone.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, BuildError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| BuildError::Json(error.to_string()))
}

/// A file of canonical JSON, with a final line break.
pub fn document(value: &impl Serialize) -> Result<Vec<u8>, BuildError> {
    let mut bytes = canonical(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests;
