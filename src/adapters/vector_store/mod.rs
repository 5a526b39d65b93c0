//! Where chunks and their vectors are kept between runs, and asked.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::embedding::plan::Actual;
use crate::embedding::{Chunk, Hit, Namespace, Query};
use crate::ids::ChunkId;
use crate::state::row::IndexMark;

pub mod chroma;
pub mod embedded;
mod json_server;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod pgvector;
pub mod pinecone;
pub mod qdrant;

pub use chroma::{Chroma, ChromaSettings};
pub use embedded::Embedded;
pub use memory::Memory;
#[cfg(feature = "postgres")]
pub use pgvector::PgVector;
pub use pinecone::{Pinecone, PineconeSettings};
pub use qdrant::{Qdrant, QdrantSettings};

/// Why a store could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum VectorStoreError {
    /// The file was written by a newer version of this program.
    #[error("the vector index at {place} has format {found}; this version reads up to {known}. Update Stockroom")]
    Newer {
        /// Where the index is kept.
        place: String,
        /// The format found.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },
    /// The file is damaged, or not an index at all.
    #[error(
        "{place} is not a sound vector index: {why}. It holds nothing that the library does not: \
         delete it, and the next run builds it again"
    )]
    Corrupt {
        /// Where the index is kept.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store does not take these points; fewer of them, or others, it may.
    #[error("the vector index at {place} does not take it: {why}")]
    Refused {
        /// Where the index is kept.
        place: String,
        /// What the store says, without any secret.
        why: String,
    },
    /// The store cannot be read or written.
    #[error("the vector index at {place} cannot be used: {why}")]
    Unusable {
        /// Where the index is kept.
        place: String,
        /// What the store says.
        why: String,
    },
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What answers there, and where, for people: `Qdrant 1.16.0 at localhost:6333, collection stockroom-256`.
    pub server: String,
    /// How many chunks it holds for this library.
    pub chunks: u64,
}

/// A chunk with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The chunk.
    pub chunk: Chunk,
    /// Its vector, of length 1.
    pub vector: Vec<f32>,
}

/// A place that keeps chunks with their vectors, in namespaces that know nothing of each other.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Where the chunks are kept, for people; never a secret.
    fn place(&self) -> String;

    /// Whether it answers, what it is, and how much it holds for this library.
    async fn describe(&self) -> Result<Description, VectorStoreError> {
        let chunks: usize = self.held().await?.values().map(BTreeMap::len).sum();
        Ok(Description { server: self.place(), chunks: u64::try_from(chunks).unwrap_or(u64::MAX) })
    }

    /// How many chunks it holds, where that is known at once and for certain.
    async fn count(&self) -> Result<Option<u64>, VectorStoreError> {
        Ok(None)
    }

    /// The last mark that it was given; none when it is empty and new, or was never marked.
    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError>;

    /// Marks it, durably before it returns: from now on it is what that state says of it.
    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError>;

    /// Every chunk of every namespace, without texts and vectors. A namespace without chunks is not there.
    async fn held(&self) -> Result<Actual, VectorStoreError>;

    /// The vectors of these chunks; one that is not there is absent.
    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError>;

    /// Writes all points, durably before it returns; a point whose id is there takes its place. After an error, any of them
    /// may have been written.
    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError>;

    /// Takes points away; an id that is not there is no error.
    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError>;

    /// Takes a whole namespace away; one that is not there is no error.
    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError>;

    /// Told when a run has written all that it had to: what makes asking fast, and writing slow, may be built now.
    async fn settle(&self, _namespace: &Namespace) -> Result<(), VectorStoreError> {
        Ok(())
    }

    /// The `k` assets that answer the query best, the best first.
    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError>;
}

/// How many chunks a server is asked for, by meaning and again by words, to choose the `k` best assets from.
///
/// An asset may have many chunks; and words count by how rare they are among all that are asked for.
fn candidates(k: usize) -> usize {
    k.saturating_mul(10).clamp(200, 1_000)
}

/// The cosine of two vectors of length 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
pub(crate) mod conformance {
    //! What every store promises.

    use super::*;
    use crate::embedding::chunk::chunks;
    use crate::embedding::{ChunkSettings, Held, Text};
    use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};
    use crate::state::Serial;

    /// Runs all of it against stores that are empty at first.
    pub(crate) async fn holds<S: VectorStore>(mut fresh: impl FnMut() -> S) {
        an_empty_store_answers(&fresh()).await;
        what_is_written_is_there(&fresh()).await;
        writing_again_replaces(&fresh()).await;
        deleting_takes_away_what_is_named(&fresh()).await;
        namespaces_are_apart(&fresh()).await;
        the_best_asset_comes_first(&fresh()).await;
        it_says_how_much_it_holds(&fresh()).await;
        odd_names_and_texts_come_back(&fresh()).await;
        large_batches_are_taken(&fresh()).await;
        the_last_mark_is_kept(&fresh()).await;
    }

    async fn the_last_mark_is_kept(store: &impl VectorStore) {
        assert_eq!(store.mark().await.unwrap(), None);
        for serial in [1, 7] {
            let mark = IndexMark { lineage: "a line".to_owned(), serial: Serial(serial) };
            store.set_mark(&mark).await.unwrap();
            assert_eq!(store.mark().await.unwrap(), Some(mark));
        }
        assert!(store.held().await.unwrap().is_empty(), "a mark is no chunk");
    }

    pub(crate) fn namespace(model: &str, max: u32) -> Namespace {
        Namespace::of(model, 3, &ChunkSettings { max, overlap: 0, ..ChunkSettings::default() })
    }

    pub(crate) fn point(asset: &str, text: &str, vector: [f32; 3]) -> Point {
        let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new(asset) };
        let path = RepoPath::new(format!("{asset}/a b $.md"));
        let chunk = chunks(
            &key,
            &[Text { path, text: text.to_owned() }],
            &ChunkSettings { max: 9_000, overlap: 0, ..ChunkSettings::default() },
        );
        let length = cosine(&vector, &vector).sqrt();
        Point { chunk: chunk[0].clone(), vector: vector.iter().map(|x| x / length).collect() }
    }

    fn near(found: &[f32], expected: &[f32]) -> bool {
        // A store may keep a byte per coordinate.
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.01)
    }

    async fn an_empty_store_answers(store: &impl VectorStore) {
        let name = namespace("m", 1);
        assert!(store.held().await.unwrap().is_empty());
        assert!(store.vectors(&name, &[ChunkId::from_store("none")]).await.unwrap().is_empty());
        assert!(!store.place().is_empty());
        assert!(store.search(&name, &query("x"), 5).await.unwrap().is_empty());
        store.upsert(&name, &[]).await.unwrap();
        store.delete(&name, &[]).await.unwrap();
        store.delete(&name, &[ChunkId::from_store("none")]).await.unwrap();
        store.drop_namespace(&name).await.unwrap();
        assert!(store.held().await.unwrap().is_empty());
    }

    fn query(text: &str) -> Query {
        Query { text: text.to_owned(), vector: vec![1.0, 0.0, 0.0] }
    }

    async fn what_is_written_is_there(store: &impl VectorStore) {
        let (name, point) = (namespace("m", 1), point("bolt", "hex bolt", [1.0, 2.0, -3.0]));
        store.upsert(&name, std::slice::from_ref(&point)).await.unwrap();
        let Chunk { id, asset, path, index, hash, .. } = point.chunk.clone();
        let held = BTreeMap::from([(id.clone(), Held { asset, path, index, hash, certain: true })]);
        assert_eq!(store.held().await.unwrap(), Actual::from([(name.clone(), held)]));
        let vectors = store.vectors(&name, &[id.clone(), ChunkId::from_store("none")]).await.unwrap();
        assert_eq!(vectors.len(), 1);
        assert!(near(&vectors[&id], &point.vector), "{vectors:?}");
        assert!(store.vectors(&namespace("m", 2), &[id]).await.unwrap().is_empty());
    }

    async fn writing_again_replaces(store: &impl VectorStore) {
        let (name, mut point) = (namespace("m", 1), point("bolt", "hex bolt", [1.0, 0.0, 0.0]));
        store.upsert(&name, std::slice::from_ref(&point)).await.unwrap();
        point.chunk.path = RepoPath::new("moved.md");
        point.vector = vec![0.0, 1.0, 0.0];
        store.upsert(&name, &[point.clone(), point.clone()]).await.unwrap();
        let held = store.held().await.unwrap();
        assert_eq!(held[&name].len(), 1);
        assert_eq!(held[&name][&point.chunk.id].path, point.chunk.path);
        let id = [point.chunk.id.clone()];
        // A vector that was read and is written again does not drift.
        let once = store.vectors(&name, &id).await.unwrap();
        assert!(near(&once[&id[0]], &point.vector));
        point.vector = once[&id[0]].clone();
        store.upsert(&name, &[point]).await.unwrap();
        assert_eq!(store.vectors(&name, &id).await.unwrap(), once);
    }

    async fn deleting_takes_away_what_is_named(store: &impl VectorStore) {
        let name = namespace("m", 1);
        let points = ["a", "b", "c"].map(|text| point("bolt", text, [1.0, 0.0, 0.0]));
        store.upsert(&name, &points).await.unwrap();
        let id = |i: usize| points[i].chunk.id.clone();
        store.delete(&name, &[id(0), id(2), ChunkId::from_store("none")]).await.unwrap();
        assert_eq!(store.held().await.unwrap()[&name].keys().collect::<Vec<_>>(), [&id(1)]);
        store.delete(&name, &[id(1)]).await.unwrap();
        assert!(store.held().await.unwrap().is_empty());
    }

    async fn namespaces_are_apart(store: &impl VectorStore) {
        let (old, new) = (namespace("m", 1), namespace("m", 2));
        let point = point("bolt", "hex bolt", [1.0, 0.0, 0.0]);
        store.upsert(&old, std::slice::from_ref(&point)).await.unwrap();
        store.upsert(&new, std::slice::from_ref(&point)).await.unwrap();
        store.delete(&new, std::slice::from_ref(&point.chunk.id)).await.unwrap();
        assert_eq!(store.held().await.unwrap().keys().collect::<Vec<_>>(), [&old]);
        assert!(store.search(&new, &query("hex"), 5).await.unwrap().is_empty());
        store.upsert(&new, &[point]).await.unwrap();
        store.drop_namespace(&old).await.unwrap();
        assert_eq!(store.held().await.unwrap().keys().collect::<Vec<_>>(), [&new]);
    }

    async fn the_best_asset_comes_first(store: &impl VectorStore) {
        let name = namespace("m", 1);
        let points = [
            point("near", "six sided", [1.0, 0.1, 0.0]),
            point("word", "a hex thing", [0.5, 1.0, 0.0]),
            point("word", "another thing", [0.0, 1.0, 0.0]),
            point("far", "soup", [-1.0, 0.0, 0.0]),
        ];
        store.upsert(&name, &points).await.unwrap();
        let hits = store.search(&name, &query("hex"), 2).await.unwrap();
        let found: Vec<_> = hits.iter().map(|h| (h.asset.id.as_str(), h.text.as_str(), h.path.as_str())).collect();
        assert_eq!(found, [("near", "six sided", "near/a b $.md"), ("word", "a hex thing", "word/a b $.md")]);
        assert!((hits[0].score - 0.995).abs() < 0.01 && (hits[1].score - 0.947).abs() < 0.01, "{hits:?}");
        assert!(store.search(&name, &query("hex"), 0).await.unwrap().is_empty());
        assert_eq!(store.search(&name, &query("hex"), usize::MAX).await.unwrap().len(), 3);
    }

    async fn it_says_how_much_it_holds(store: &impl VectorStore) {
        assert_eq!(store.describe().await.unwrap().chunks, 0);
        store.upsert(&namespace("m", 1), &[point("bolt", "hex bolt", [1.0, 2.0, -3.0])]).await.unwrap();
        assert_eq!(store.describe().await.unwrap().chunks, 1);
    }

    async fn odd_names_and_texts_come_back(store: &impl VectorStore) {
        let name = Namespace::from_store("a'b\"; DROP TABLE chunks; --/1/c");
        let odd = point("it's \"50 %\"\n日本 $", "text with '\0' and \u{1f469}\u{200d}", [1.0, 0.0, 0.0]);
        store.upsert(&name, std::slice::from_ref(&odd)).await.unwrap();
        let hits = store.search(&name, &query("text"), 5).await.unwrap();
        assert_eq!(
            (&hits[0].asset, &hits[0].text, &hits[0].path),
            (&odd.chunk.asset, &odd.chunk.text, &odd.chunk.path)
        );
        store.drop_namespace(&name).await.unwrap();
        assert!(store.held().await.unwrap().is_empty());
    }

    async fn large_batches_are_taken(store: &impl VectorStore) {
        let name = namespace("m", 1);
        let points: Vec<Point> = (0..3_000).map(|i| point("bolt", &format!("text {i}"), [1.0, 0.0, 0.0])).collect();
        store.upsert(&name, &points).await.unwrap();
        let ids: Vec<_> = points.iter().map(|p| p.chunk.id.clone()).collect();
        assert_eq!(store.vectors(&name, &ids).await.unwrap().len(), 3_000);
        store.delete(&name, &ids).await.unwrap();
        assert!(store.held().await.unwrap().is_empty());
    }
}
