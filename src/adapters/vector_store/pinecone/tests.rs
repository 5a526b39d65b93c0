use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use self::fake_pinecone::{FakePinecone, Fault, KEY};
use super::*;
use crate::adapters::http::{SteppedPace, client};
use crate::adapters::vector_store::conformance::{holds, namespace, point};

#[allow(dead_code, reason = "what whole runs ask of it")]
#[path = "../../../../tests/it/fake_pinecone/mod.rs"]
mod fake_pinecone;

fn store_of(url: &str, key: &str, scope: &str) -> Pinecone {
    let settings = PineconeSettings {
        url: Ok(Some(Secret::new(url))),
        key: Ok(Secret::new(key)),
        index: "assets".to_owned(),
        scope: scope.to_owned(),
    };
    Pinecone::new(client().unwrap(), Arc::new(SteppedPace::default()), settings)
}

fn store(fake: &FakePinecone) -> Pinecone {
    store_of(fake.url(), KEY, "acme/assets")
}

/// A store whose writes are seen late: whoever waits long enough sees them.
struct Patient {
    store: Pinecone,
    fake: FakePinecone,
}

#[async_trait]
impl VectorStore for Patient {
    fn place(&self) -> String {
        self.store.place()
    }
    async fn describe(&self) -> Result<Description, VectorStoreError> {
        self.fake.settle();
        self.store.describe().await
    }
    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        self.fake.settle();
        self.store.mark().await
    }
    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        self.store.set_mark(mark).await
    }
    async fn held(&self) -> Result<Actual, VectorStoreError> {
        self.fake.settle();
        self.store.held().await
    }
    async fn vectors(
        &self,
        name: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        self.fake.settle();
        self.store.vectors(name, ids).await
    }
    async fn upsert(&self, name: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        self.store.upsert(name, points).await
    }
    async fn delete(&self, name: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        self.store.delete(name, ids).await
    }
    async fn drop_namespace(&self, name: &Namespace) -> Result<(), VectorStoreError> {
        self.store.drop_namespace(name).await
    }
    async fn search(&self, name: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        self.fake.settle();
        self.store.search(name, query, k).await
    }
}

#[tokio::test]
async fn it_is_a_vector_store_even_where_what_was_written_is_seen_late() {
    for is_behind in [false, true] {
        holds(|| {
            let fake = FakePinecone::start(3);
            if is_behind {
                fake.lag();
            }
            Patient { store: store(&fake), fake }
        })
        .await;
    }
}

#[tokio::test]
async fn libraries_in_one_index_do_not_see_each_other() {
    let fake = FakePinecone::start(3);
    let (ours, theirs) = (store_of(fake.url(), KEY, "acme/assets"), store_of(fake.url(), KEY, "acme/assets2"));
    fake.put("notes", &json!({"id": "n1", "values": [1, 0, 0], "metadata": {"text": "somebody else's"}}));
    let name = namespace("m", 1);
    ours.upsert(&name, &[point("bolt", "hex bolt", [1.0, 0.0, 0.0])]).await.unwrap();
    ours.set_mark(&IndexMark { lineage: "line".into(), serial: crate::state::Serial(1) }).await.unwrap();
    assert!(theirs.held().await.unwrap().is_empty() && theirs.mark().await.unwrap().is_none());
    let query = Query { text: "hex".into(), vector: vec![1.0, 0.0, 0.0] };
    assert!(theirs.search(&name, &query, 5).await.unwrap().is_empty());
    theirs.upsert(&name, &[point("nut", "hex nut", [1.0, 0.0, 0.0])]).await.unwrap();
    theirs.drop_namespace(&name).await.unwrap();
    assert_eq!(ours.held().await.unwrap()[&name].len(), 1);
    ours.drop_namespace(&name).await.unwrap();
    assert_eq!(
        fake.namespaces().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["notes", "stockroom:acme~2fassets:=mark"]
    );
}

#[tokio::test]
async fn requests_are_cut_by_bytes_and_long_texts_in_the_metadata() {
    let fake = FakePinecone::start(1_536);
    let store = store(&fake);
    let long = |i: usize| {
        let mut point = point("bolt", &format!("text {i}"), [1.0, 0.0, 0.0]);
        point.chunk.text = format!("text {i} {}", "ä\"\n".repeat(15_000));
        point.vector =
            (0..1_536_u16).map(|n| (f32::from(n) * 0.37 + f32::from(u16::try_from(i).unwrap())).sin()).collect();
        point
    };
    let points: Vec<Point> = (0..200).map(long).collect();
    store.upsert(&namespace("m", 1), &points).await.unwrap();
    let sent: Vec<_> = fake.take_requests().into_iter().filter(|seen| seen.called.ends_with("upsert")).collect();
    assert!(sent.len() > 3 && sent.iter().all(|seen| seen.bytes <= 2_000_000), "{sent:?}");
    let id = &points[7].chunk.id;
    assert_eq!(store.vectors(&namespace("m", 1), std::slice::from_ref(id)).await.unwrap()[id], points[7].vector);
    // An answer with all of them would be larger than Pinecone gives.
    let query = Query { text: "text 7".into(), vector: points[7].vector.clone() };
    assert_eq!(store.search(&namespace("m", 1), &query, 5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_written_may_be_read_before_it_is_seen_and_is_then_absent() {
    let fake = FakePinecone::start(3);
    fake.lag();
    let store = store(&fake);
    let point = point("bolt", "hex bolt", [1.0, 0.0, 0.0]);
    store.upsert(&namespace("m", 1), std::slice::from_ref(&point)).await.unwrap();
    assert!(store.held().await.unwrap().is_empty());
    assert!(store.vectors(&namespace("m", 1), &[point.chunk.id]).await.unwrap().is_empty());
    fake.settle();
    assert_eq!(store.held().await.unwrap().len(), 1);
}

fn why<T: std::fmt::Debug>(outcome: Result<T, VectorStoreError>) -> String {
    let why = outcome.unwrap_err().to_string();
    assert!(!why.contains(KEY), "{why}");
    why
}

#[tokio::test]
async fn an_index_that_cannot_be_used_says_what_to_do() {
    let fake = FakePinecone::start(3);
    let points = [point("bolt", "hex bolt", [1.0, 0.0, 0.0])];
    let wrong = why(store_of(fake.url(), "pcsk_wrong", "s").held().await);
    assert!(wrong.contains("refuses the key (401: Invalid API Key)") && wrong.contains("embed.store.key"), "{wrong}");
    let narrow = FakePinecone::start(256);
    let wrong = why(store(&narrow).upsert(&namespace("m", 1), &points).await);
    assert!(wrong.contains("takes vectors of 256 numbers, and the model gives 3"), "{wrong}");
    let far = FakePinecone::measuring(3, "euclidean");
    assert!(why(store(&far).mark().await).contains("measures by `euclidean`"));
    fake.is_ready(false);
    assert!(why(store(&fake).mark().await).contains("not ready yet (Initializing)"));
    fake.is_ready(true);
    fake.is_missing(true);
    let wrong = why(store(&fake).mark().await);
    assert!(wrong.contains("there is no index assets. Make one at https://app.pinecone.io (it costs money"), "{wrong}");
    let gone = store_of("http://127.0.0.1:1", KEY, "s");
    assert!(why(gone.mark().await).contains("the server does not answer"));
    let missing = Pinecone::new(
        client().unwrap(),
        Arc::new(SteppedPace::default()),
        PineconeSettings {
            url: Ok(None),
            key: Err("the variable PINECONE_API_KEY is not set".into()),
            index: "assets".into(),
            scope: "s".into(),
        },
    );
    assert!(why(missing.held().await).contains("PINECONE_API_KEY is not set"));
}

#[tokio::test]
async fn passing_faults_are_outlived_and_lasting_ones_are_told() {
    let name = namespace("m", 1);
    let points: Vec<Point> = (0..5).map(|i| point("bolt", &format!("text {i}"), [1.0, 0.0, 0.0])).collect();
    for fault in [
        Fault::Refusal(429, "Too many requests", None),
        Fault::Refusal(429, "Too many requests", Some(2)),
        Fault::Refusal(503, "Service unavailable", None),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Half,
    ] {
        let fake = FakePinecone::start(3);
        fake.befall("/vectors/upsert", 2, fault);
        let store = store(&fake);
        store.upsert(&name, &points).await.unwrap();
        assert_eq!(store.held().await.unwrap()[&name].len(), 5);
    }
    let monthly = "Request failed. You've reached your write unit limit for the current month (2000000).";
    for (fault, expected, requests) in [
        (Fault::Refusal(429, monthly, None), "used up: Request failed", 1),
        (Fault::Refusal(500, "broken", None), "it says: broken", 6),
        (Fault::Text(200, "<html>Welcome</html>".into()), "its answer is no JSON", 1),
        (Fault::Text(200, r#"{"upsertedCount": "many"}"#.into()), "not what such a server says", 1),
        (Fault::Text(302, String::new()), "sends us elsewhere", 1),
    ] {
        let fake = FakePinecone::start(3);
        fake.befall("/vectors/upsert", usize::MAX, fault);
        let why = why(store(&fake).upsert(&name, &points).await);
        assert!(why.contains(expected), "{why}");
        assert_eq!(fake.take_writes(), requests, "{expected}");
    }
}

#[tokio::test]
async fn points_that_are_refused_are_told_apart_from_a_store_that_is_away() {
    let fake = FakePinecone::start(3);
    fake.refuse("poison");
    let points = ["fine", "poison"].map(|text| point("bolt", text, [1.0, 0.0, 0.0]));
    let error = store(&fake).upsert(&namespace("m", 1), &points).await.unwrap_err();
    assert!(matches!(&error, VectorStoreError::Refused { why, .. } if why.contains("poison")), "{error}");
    store(&fake).upsert(&namespace("m", 1), &points[..1]).await.unwrap();
    let mut named = points[0].clone();
    named.chunk.path = crate::ids::RepoPath::new("p".repeat(50_000));
    let error = store(&fake).upsert(&namespace("m", 1), &[named]).await.unwrap_err();
    assert!(matches!(error, VectorStoreError::Refused { .. }), "{error}");
}
