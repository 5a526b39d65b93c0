//! The head of the static search: what its parts are, and how to score with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::format::FileRef;

/// The head of a search that needs no server: what a program reads first. Its parts are files of bytes, described in
/// docs/search.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchHead {
    /// The format's version: 1.
    pub version: u32,
    /// How many assets have a text.
    pub assets: usize,
    /// How many chunks these texts were cut into.
    pub chunks: usize,
    /// How words and meaning add up.
    pub scoring: Scoring,
    /// The model that turns a query into a vector: the same file for every library.
    pub model: SearchModel,
    /// Whose each chunk is, its number of words and its vector.
    pub vectors: FileRef,
    /// Which chunks each word is in, in files of neighbouring words.
    pub words: Vec<WordsRef>,
}

/// How a chunk is scored: cosine + `words` · BM25 / the best BM25 of the query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scoring {
    /// How soon more of the same word counts no more: BM25's k1.
    pub k1: f32,
    /// How much longer texts count less: BM25's b.
    pub b: f32,
    /// How much words count beside meaning.
    pub words: f32,
}

/// A model whose vectors the chunks have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchModel {
    /// Its fingerprint: vectors of another one cannot be compared with these.
    pub name: String,
    /// How many numbers a vector has.
    pub dimensions: usize,
    /// Its file.
    pub file: FileRef,
}

/// A file of words, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WordsRef {
    /// The first word in it; words are sorted by their bytes in UTF-8.
    pub from: String,
    /// The file.
    pub file: FileRef,
}
