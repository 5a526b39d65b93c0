//! Assets into the manifest's files.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::format::{AssetEntry, Catalog, CatalogRef, FileEntry, Root, Source};
use super::settings::Settings;
use crate::catalog::asset::{Asset, UsedSchema};
pub use crate::catalog::fact::{FileFact, FileFacts};
use crate::catalog::place::segments;
use crate::catalog::pointer::PointerPattern;
use crate::ids::{AssetKey, RepoPath, Sha256Hex, percent_encode};

/// The name of the root.
pub const ROOT: &str = "manifest.json";

/// A manifest that is ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The root as data.
    pub root: Root,
    /// The root's bytes, to be written last.
    pub root_bytes: Vec<u8>,
    /// The immutable files beside the root, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What each asset means, as a digest.
    pub assets: BTreeMap<AssetKey, Sha256Hex>,
    /// SHA-256 over everything but the source: equal digest, nothing to publish.
    pub digest: Sha256Hex,
}

/// A file of an asset has no known size and digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The caller did not hash this file.
    #[error("the file {0} of an asset was not hashed before the manifest was built")]
    NotHashed(RepoPath),
    /// A value has no canonical JSON.
    #[error("the manifest cannot be written as JSON: {0}")]
    Json(String),
}

/// Builds the manifest of these assets, in whatever order they come.
pub fn build(assets: &[Asset], facts: &FileFacts, settings: &Settings, source: Source) -> Result<Manifest, BuildError> {
    let fields: Option<Vec<PointerPattern>> =
        settings.fields.as_ref().map(|fields| fields.iter().map(|field| PointerPattern::new(field)).collect());
    let made = assets.par_iter().map(|asset| make(asset, facts, settings.base_url.as_deref(), fields.as_deref()));
    let made: Vec<(Sha256Hex, Vec<u8>)> = made.collect::<Result<_, BuildError>>()?;
    let mut digests = BTreeMap::new();
    let mut schemas: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut entries: BTreeMap<String, BTreeMap<&AssetKey, Vec<u8>>> = BTreeMap::new();
    for (asset, (digest, entry)) in assets.iter().zip(made) {
        digests.insert(asset.key.clone(), digest);
        if let Some(schema) = &asset.schema {
            let version = schema.version.clone().unwrap_or_else(|| "-".to_owned());
            schemas.entry(schema.name.to_string()).or_default().insert(version, schema.sha256.to_string());
        }
        entries.entry(asset.key.collection.to_string()).or_default().insert(&asset.key, entry);
    }
    let (mut files, mut collections) = (BTreeMap::new(), BTreeMap::new());
    for (collection, assets) in entries {
        let count = assets.len();
        let bytes = catalog_bytes(&collection, assets.into_values())?;
        let sha256 = Sha256Hex::of(&bytes);
        let path = format!("{}.{}.json", percent_encode(&collection), sha256.short());
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        collections.insert(
            collection,
            CatalogRef { assets: count, path: path.clone(), bytes: size, sha256: sha256.to_string() },
        );
        files.insert(path, bytes);
    }
    let digest = Sha256Hex::of(&canonical(&json!({"version": 1, "schemas": schemas, "collections": collections}))?);
    let root = Root { version: 1, source, digest: digest.to_string(), schemas, collections };
    Ok(Manifest { root_bytes: bytes(&root)?, root, files, assets: digests, digest })
}

fn file_entries(asset: &Asset, facts: &FileFacts, base: Option<&str>) -> Result<Vec<FileEntry>, BuildError> {
    let entry = |file: &crate::catalog::asset::CompanionFile| {
        let FileFact { sha256, bytes, .. } =
            facts.get(&file.blob).ok_or_else(|| BuildError::NotHashed(file.path.clone()))?;
        let url = base.map(|base| format!("{}/{}", base.trim_end_matches('/'), file.path.percent_encoded()));
        Ok(FileEntry {
            path: file.path.to_string(),
            url,
            bytes: *bytes,
            sha256: sha256.to_string(),
            git_oid: file.blob.to_string(),
            media_type: media_type(&file.path).to_owned(),
        })
    };
    asset.files.iter().map(entry).collect()
}

/// What an asset means, whatever part of it is published and wherever its files can be fetched.
/// An asset's digest, and its entry in the catalog in canonical form.
fn make(
    asset: &Asset,
    facts: &FileFacts,
    base: Option<&str>,
    fields: Option<&[PointerPattern]>,
) -> Result<(Sha256Hex, Vec<u8>), BuildError> {
    let files = file_entries(asset, facts, base)?;
    let record = canonical(&asset.meaning)?;
    let digest = asset_digest(asset, &files, &record)?;
    let published = fields.map(|fields| canonical(&published(&asset.meaning, fields))).transpose()?;
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
    Ok((digest, object(&frame, "record", published.as_deref().unwrap_or(&record))?))
}

fn asset_digest(asset: &Asset, files: &[FileEntry], record: &[u8]) -> Result<Sha256Hex, BuildError> {
    let files: Vec<_> = files.iter().map(|file| json!([file.path, file.sha256])).collect();
    let schema = asset.schema.as_ref().map(|schema| json!([schema.name, schema.version]));
    let frame = json!({"record": null, "path": asset.record, "schema": schema, "files": files});
    Ok(Sha256Hex::of(&object(&frame, "record", record)?))
}

/// A catalog of entries that are in canonical form already, as `bytes(&Catalog)` would write it.
fn catalog_bytes(collection: &str, entries: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, BuildError> {
    let catalog = Catalog { version: 1, collection: collection.to_owned(), assets: Vec::new() };
    let frame = serde_json::to_value(catalog).map_err(|error| BuildError::Json(error.to_string()))?;
    let mut assets = vec![b'['];
    for (index, entry) in entries.enumerate() {
        if index > 0 {
            assets.push(b',');
        }
        assets.extend(entry);
    }
    assets.push(b']');
    let mut bytes = object(&frame, "assets", &assets)?;
    bytes.push(b'\n');
    Ok(bytes)
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

fn published(meaning: &Value, fields: &[PointerPattern]) -> Value {
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

fn canonical(value: &impl Serialize) -> Result<Vec<u8>, BuildError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| BuildError::Json(error.to_string()))
}

/// Bytes to publish: canonical, so that they are a function of the data alone, with a final line break.
fn bytes(value: &impl Serialize) -> Result<Vec<u8>, BuildError> {
    let mut bytes = canonical(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn media_type(path: &RepoPath) -> &'static str {
    match path.extension().to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "avif" => "image/avif",
        "md" | "markdown" => "text/markdown",
        "txt" => "text/plain",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "blend" => "application/x-blender",
        "glb" => "model/gltf-binary",
        "gltf" => "model/gltf+json",
        "obj" => "model/obj",
        "stl" => "model/stl",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
