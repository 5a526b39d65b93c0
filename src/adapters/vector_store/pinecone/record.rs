//! A chunk as a record of Pinecone: its id, and metadata that is not larger than it may be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::Record;
use crate::adapters::vector_store::Point;
use crate::adapters::vector_store::json_server::LONGEST_WORD;
use crate::embedding::Held;
use crate::embedding::search::terms;
use crate::ids::{AssetId, AssetKey, ChunkId, CollectionName, RepoPath, Sha256Hex};

/// What the ids of our records begin with, so that they can be listed apart from others' in the same namespace.
pub(super) const PREFIX: &str = "chunk:";
/// The most bytes of metadata: 40 KB, with room for another way of counting them.
const METADATA: usize = 38_000;
/// The most bytes that the words for the filter take of them.
const WORDS: usize = 8_000;

/// What is kept of a chunk beside its vector.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    collection: String,
    asset: String,
    path: String,
    index: u32,
    hash: String,
    /// Cut where the whole would be too large.
    text: String,
    /// The words of the text, by which a query finds it that its vector does not.
    words: Vec<String>,
}

/// Names so long that there is no room for them.
#[derive(Debug, thiserror::Error)]
#[error("its asset's id and path leave no room for its text: Pinecone keeps at most 40 KB beside a vector")]
pub(super) struct TooLong;

/// The id of a chunk's record.
pub(super) fn id(chunk: &ChunkId) -> String {
    format!("{PREFIX}{chunk}")
}

/// The chunk whose record has this id.
pub(super) fn chunk(id: &str) -> Option<ChunkId> {
    id.strip_prefix(PREFIX).map(ChunkId::from_store)
}

/// A record as JSON.
pub(super) fn written(Point { chunk, vector }: &Point) -> Result<String, TooLong> {
    let mut metadata = Metadata {
        collection: chunk.asset.collection.as_str().to_owned(),
        asset: chunk.asset.id.as_str().to_owned(),
        path: chunk.path.as_str().to_owned(),
        index: chunk.index,
        hash: chunk.hash.as_str().to_owned(),
        text: String::new(),
        words: Vec::new(),
    };
    let names = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
    let room = METADATA.checked_sub(names).filter(|room| *room > WORDS).ok_or(TooLong)?;
    metadata.words = words(&chunk.text);
    let taken: usize = metadata.words.iter().map(|word| word.len() + 3).sum();
    metadata.text = cut(&chunk.text, room - taken).to_owned();
    let metadata = serde_json::to_value(metadata).unwrap_or_default();
    let record = Record { id: &id(&chunk.id), values: vector, metadata };
    // Texts and finite numbers have a form in JSON.
    Ok(serde_json::to_string(&record).unwrap_or_default())
}

/// What a record's metadata says of a chunk, and its text; nothing where somebody else has written it.
pub(super) fn read(metadata: Value) -> Option<(Held, String)> {
    let Metadata { collection, asset, path, index, hash, text, .. } = serde_json::from_value(metadata).ok()?;
    let asset = AssetKey { collection: CollectionName::new(collection), id: AssetId::new(asset) };
    let hash = Sha256Hex::parse(&hash).ok()?;
    Some((Held { asset, path: RepoPath::new(path), index, hash, certain: true }, text))
}

/// The words by which texts are found, as far as there is room.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut room = WORDS;
    let all: BTreeSet<String> = terms(text).into_iter().filter(|word| word.len() <= LONGEST_WORD).collect();
    let fits = |word: &String| match room.checked_sub(word.len() + 3) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    all.into_iter().take_while(fits).collect()
}

/// The beginning of a text that takes at most so many bytes in JSON, cut between two characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut room = bytes;
    for (at, c) in text.char_indices() {
        let size = match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        };
        match room.checked_sub(size) {
            Some(left) => room = left,
            None => return text.get(..at).unwrap_or_default(),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::adapters::vector_store::conformance::point;

    fn metadata(point: &Point) -> Value {
        serde_json::from_str::<Value>(&written(point).unwrap()).unwrap()["metadata"].take()
    }

    #[test]
    fn a_record_comes_back_as_the_chunk_that_it_was() {
        let point = point("bolt", "Hex bolt, hex!", [1.0, 0.0, 0.0]);
        let metadata = metadata(&point);
        assert_eq!(metadata["words"], serde_json::json!(["bolt", "hex"]));
        let (held, text) = read(metadata).unwrap();
        assert_eq!((held.asset, held.hash, text), (point.chunk.asset, point.chunk.hash, point.chunk.text));
        assert_eq!(chunk(&id(&point.chunk.id)), Some(point.chunk.id));
        assert!(read(serde_json::json!({"text": "somebody else's"})).is_none() && chunk("doc1#3").is_none());
    }

    #[test]
    fn names_that_fill_the_metadata_are_refused() {
        let mut point = point("bolt", "text", [1.0, 0.0, 0.0]);
        point.chunk.path = RepoPath::new("p".repeat(35_000));
        assert!(written(&point).is_err());
    }

    proptest! {
        #[test]
        fn metadata_is_never_too_large_and_a_text_that_fits_is_whole(part in "\\PC{1,40}|[\u{0}-\u{1f}\"\\\\]{1,20}|[a-z ]{1,9}", times in 1_usize..3_000) {
            let mut point = point("bolt", "text", [1.0, 0.0, 0.0]);
            point.chunk.text = part.repeat(times);
            let metadata = metadata(&point);
            let text = metadata["text"].as_str().unwrap();
            prop_assert!(metadata.to_string().len() <= METADATA);
            prop_assert!(point.chunk.text.starts_with(text));
            prop_assert!(point.chunk.text.len() > 4_000 || text == point.chunk.text);
        }
    }
}
