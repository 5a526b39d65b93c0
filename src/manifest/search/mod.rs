//! Search on a static site: chunks, words and a model in files beside the manifest, for a program in a browser.
//!
//! The files are a pure function of the chunks that are handed in; what may be handed in is decided by whoever knows the
//! library. Names hold the files' SHA-256, as those of all other files do.

pub mod format;
pub mod model;
mod words;

use std::fmt;
use std::sync::Arc;

use self::format::{Scoring, SearchHead, SearchModel, WordsRef};
use self::words::{Words, count, write};
use super::build::{BuildError, document};
use super::files::{Files, size};
use super::format::{FileRef, VERSION};
use crate::ids::{AssetKey, Sha256Hex};

/// How many chunks a search on a static site may have: the vectors of more are no file for a browser.
pub const MOST_CHUNKS: usize = 100_000;

/// What the file of vectors begins with.
const VECTORS: &[u8; 8] = b"SRVECTOR";

/// A search that is offered along with a manifest.
#[derive(Clone)]
pub struct Search {
    /// A digest of all that it is made from beside what the manifest publishes: model, cut, format.
    pub made_from: Sha256Hex,
    /// Makes it; none where the library has no text, or too many. A sentence says why it cannot be made.
    pub make: Make,
}

/// Makes the files of a search.
pub type Make = Arc<dyn Fn() -> Result<Option<Arc<Bundle>>, String> + Send + Sync>;

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("made_from", &self.made_from).finish_non_exhaustive()
    }
}

/// The files of a search, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The head, which names the others.
    pub head: FileRef,
    /// All files by name.
    pub files: Files,
}

/// A model as a program in a browser reads it.
pub struct Model {
    /// Its fingerprint.
    pub name: String,
    /// How many numbers a vector has.
    pub dimensions: usize,
    /// Its file.
    pub bytes: Vec<u8>,
}

/// Takes chunks, asset by asset in the order of their keys, and makes a search of them.
#[derive(Debug, Default)]
pub struct Writer {
    /// The ids of the assets of each collection.
    assets: Vec<(String, Vec<String>)>,
    /// How many chunks each asset has.
    per_asset: Vec<u64>,
    last: Option<AssetKey>,
    lengths: Vec<u64>,
    powers: Vec<u8>,
    levels: Vec<u8>,
    words: Words,
}

impl Writer {
    /// Adds a chunk of an asset: its packed vector, and its words in lower case.
    pub fn add(&mut self, asset: &AssetKey, vector: &[u8], words: impl Iterator<Item = String>) {
        if self.last.as_ref() != Some(asset) {
            let collection = asset.collection.as_str();
            if self.assets.last().is_none_or(|(name, _)| name != collection) {
                self.assets.push((collection.to_owned(), Vec::new()));
            }
            if let Some((_, ids)) = self.assets.last_mut() {
                ids.push(asset.id.to_string());
            }
            self.per_asset.push(0);
            self.last = Some(asset.clone());
        }
        if let Some(chunks) = self.per_asset.last_mut() {
            *chunks += 1;
        }
        if let Some((power, levels)) = vector.split_first() {
            self.powers.push(*power);
            self.levels.extend_from_slice(levels);
        }
        let length = self.words.add(count(self.lengths.len()), words);
        self.lengths.push(length);
    }

    /// Makes the files; none where there is no chunk.
    pub fn finish(self, model: Model, scoring: Scoring) -> Result<Option<Bundle>, BuildError> {
        let (assets, chunks) = (self.per_asset.len(), self.lengths.len());
        if chunks == 0 {
            return Ok(None);
        }
        if self.levels.len() != chunks * model.dimensions {
            let why = format!("{} numbers for {chunks} vectors of {}", self.levels.len(), model.dimensions);
            return Err(BuildError::Json(why));
        }
        let mut files = Files::new();
        let mut words = Vec::new();
        for (from, bytes) in self.words.files() {
            words.push(WordsRef { from: from.to_owned(), file: add(&mut files, "words", "bin", bytes) });
        }
        let Model { name, dimensions, bytes } = model;
        let head = SearchHead {
            version: VERSION,
            assets,
            chunks,
            scoring,
            model: SearchModel { name, dimensions, file: add(&mut files, "model", "bin", bytes) },
            vectors: add(&mut files, "vectors", "bin", self.vectors(dimensions)?),
            words,
        };
        let head = add(&mut files, "search", "json", document(&head)?);
        Ok(Some(Bundle { head, files }))
    }

    fn vectors(&self, dimensions: usize) -> Result<Vec<u8>, BuildError> {
        let keys = document(&self.assets)?;
        let mut bytes = VECTORS.to_vec();
        for number in [1, self.per_asset.len(), self.lengths.len(), dimensions, keys.len()] {
            let number = u32::try_from(number).map_err(|error| BuildError::Json(error.to_string()))?;
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.powers);
        bytes.extend_from_slice(&self.levels);
        bytes.extend_from_slice(&keys);
        for number in self.per_asset.iter().chain(&self.lengths) {
            write(&mut bytes, *number);
        }
        Ok(bytes)
    }
}

impl Bundle {
    /// The names of its files, the head first.
    pub fn names(&self) -> Vec<String> {
        let others = self.files.keys().filter(|name| **name != self.head.path);
        std::iter::once(&self.head.path).chain(others).cloned().collect()
    }
}

fn add(files: &mut Files, kind: &str, extension: &str, bytes: Vec<u8>) -> FileRef {
    let sha256 = Sha256Hex::of(&bytes);
    let path = format!("{kind}-{sha256}.{extension}");
    let reference = FileRef { path: path.clone(), bytes: size(&bytes), sha256: sha256.to_string() };
    files.insert(path, bytes);
    reference
}

#[cfg(test)]
pub(crate) mod tests;
