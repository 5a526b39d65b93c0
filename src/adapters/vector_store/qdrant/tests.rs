//! The store against a real server, and against ones that are not well.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::conformance::{holds, namespace, point};
use super::collections::format_id;
use super::test_server::{KEY, Server, of_its_own, server};
use super::*;
use crate::adapters::http::{self, SteppedPace};
use crate::adapters::loopback::{Answer as Said, Loopback};
use crate::ids::RepoPath;
use crate::state::Serial;

fn at(url: &str, name: &str, scope: &str) -> Qdrant {
    let settings = QdrantSettings {
        url: Ok(Secret::new(url)),
        shown: "the test's server".to_owned(),
        key: Ok(Some(Secret::new(KEY))),
        name: name.to_owned(),
        scope: scope.to_owned(),
    };
    Qdrant::new(http::client().unwrap(), Arc::new(SteppedPace::default()), settings)
}

/// A name that no other test has.
fn name() -> String {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    format!("test{}", GIVEN.fetch_add(1, Ordering::Relaxed))
}

fn query(text: &str) -> Query {
    Query { text: text.to_owned(), vector: vec![1.0, 0.0, 0.0] }
}

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let client = http::client().unwrap();
    let request = client.request(method.parse().unwrap(), format!("{}{path}", server.url()));
    let answer = request.header("api-key", KEY).header("content-type", "application/json").body(body.to_string());
    serde_json::from_slice(&answer.send().await.unwrap().bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn it_is_a_vector_store() {
    let Some(server) = server() else { return };
    holds(|| at(&server.url(), &name(), "acme/a\"'}; \0\\")).await;
}

#[tokio::test]
async fn libraries_in_one_collection_do_not_touch_each_other() {
    let Some(server) = server() else { return };
    let name = name();
    let (a, b) = (at(&server.url(), &name, "a"), at(&server.url(), &name, "b"));
    let (generation, other) = (namespace("m", 1), namespace("m", 2));
    let points = [point("bolt", "hex bolt", [1.0, 0.0, 0.0]), point("nut", "hex nut", [0.9, 0.1, 0.0])];
    for store in [&a, &b] {
        store.upsert(&generation, &points).await.unwrap();
        store.upsert(&other, &points[..1]).await.unwrap();
    }
    let mark = IndexMark { lineage: "a's".to_owned(), serial: Serial(3) };
    a.set_mark(&mark).await.unwrap();
    assert_eq!((a.mark().await.unwrap(), b.mark().await.unwrap()), (Some(mark), None));
    a.delete(&generation, &[points[0].chunk.id.clone()]).await.unwrap();
    a.drop_namespace(&other).await.unwrap();
    assert_eq!(a.held().await.unwrap()[&generation].len(), 1);
    let held = b.held().await.unwrap();
    assert_eq!((held.len(), held[&generation].len(), held[&other].len()), (2, 2, 1));
    let found = a.search(&generation, &query("hex bolt"), 5).await.unwrap();
    assert_eq!(found.iter().map(|hit| hit.asset.id.as_str()).collect::<Vec<_>>(), ["nut"]);
    let described = b.describe().await.unwrap();
    assert_eq!(described.chunks, 3);
    assert!(described.server.contains("version 1.16") && described.server.contains("with 2 chunks"), "{described:?}");
    let collections = ask(server, "GET", "/collections", json!({})).await.to_string();
    assert!(collections.contains(&format!("{name}-3")) && !collections.contains(&format!("{name}-a")), "{collections}");
}

#[tokio::test]
async fn reading_makes_no_collection() {
    let Some(server) = server() else { return };
    let name = name();
    let store = at(&server.url(), &name, "a");
    assert!(store.held().await.unwrap().is_empty() && store.mark().await.unwrap().is_none());
    store.delete(&namespace("m", 1), &[ChunkId::from_store("x")]).await.unwrap();
    store.drop_namespace(&namespace("m", 1)).await.unwrap();
    assert_eq!(store.describe().await.unwrap().chunks, 0);
    let collections = ask(server, "GET", "/collections", json!({})).await.to_string();
    assert!(!collections.contains(&name), "{collections}");
}

#[tokio::test]
async fn collections_of_somebody_else_are_left_alone() {
    let Some(server) = server() else { return };
    let points = [point("bolt", "hex bolt", [1.0, 0.0, 0.0])];
    for (path, vectors, told) in [
        ("3", json!({"size": 3, "distance": "Cosine"}), "it is somebody else's"),
        ("marks", json!({"size": 3, "distance": "Dot"}), "is there, and is not ours"),
    ] {
        let name = name();
        let path = format!("/collections/{name}-{path}");
        ask(server, "PUT", &path, json!({"vectors": vectors})).await;
        let body = json!({"points": [{"id": 1, "vector": [1, 0, 0]}]});
        ask(server, "PUT", &format!("{path}/points?wait=true"), body).await;
        let why = at(&server.url(), &name, "a").upsert(&namespace("m", 1), &points).await.unwrap_err().to_string();
        assert!(why.contains(told), "{why}");
        let count = ask(server, "POST", &format!("{path}/points/count"), json!({"exact": true})).await;
        assert_eq!(count["result"]["count"], 1);
    }
    let name = name();
    let store = at(&server.url(), &name, "a");
    store.set_mark(&IndexMark { lineage: "x".to_owned(), serial: Serial(1) }).await.unwrap();
    let dot = json!({"vectors": {"size": 3, "distance": "Dot"}});
    ask(server, "PUT", &format!("/collections/{name}-3"), dot).await;
    let why = store.upsert(&namespace("m", 1), &points).await.unwrap_err().to_string();
    assert!(why.contains("by cosine, so it is not ours"), "{why}");
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let Some(server) = server() else { return };
    let name = name();
    let store = at(&server.url(), &name, "a");
    store.begin().await.unwrap();
    let path = format!("/collections/{name}-marks/points/payload?wait=true");
    ask(server, "POST", &path, json!({"points": [format_id()], "payload": {"format": 2}})).await;
    let error = at(&server.url(), &name, "a").held().await.unwrap_err();
    assert!(matches!(error, VectorStoreError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[tokio::test]
async fn what_a_strict_server_refuses_is_the_batchs_fault_and_it_gives_fewer_at_a_time() {
    let Some(server) = server() else { return };
    let name = name();
    let store = at(&server.url(), &name, "a");
    let generation = namespace("m", 1);
    let points: Vec<Point> = (0..40).map(|i| point(&format!("a{i}"), &format!("text {i}"), [1.0, 0.0, 0.0])).collect();
    store.upsert(&generation, &points[..1]).await.unwrap();
    let strict = json!({"strict_mode_config": {"enabled": true, "upsert_max_batchsize": 20, "max_query_limit": 15,
        "unindexed_filtering_retrieve": false, "unindexed_filtering_update": false}});
    ask(server, "PATCH", &format!("/collections/{name}-3"), strict).await;
    let refused = store.upsert(&generation, &points).await.unwrap_err();
    assert!(matches!(&refused, VectorStoreError::Refused { why, .. } if why.contains("upsert limit")), "{refused}");
    for half in points.chunks(20) {
        store.upsert(&generation, half).await.unwrap();
    }
    assert_eq!(store.held().await.unwrap()[&generation].len(), 40);
    assert!(!store.search(&generation, &query("text"), 5).await.unwrap().is_empty());
    store.drop_namespace(&generation).await.unwrap();
    assert!(store.held().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_was_killed_has_what_it_confirmed_and_takes_the_rest_later() {
    if server().is_none() {
        return;
    }
    let server = of_its_own().unwrap();
    let store = at(&server.url(), "killed", "a");
    let generation = namespace("m", 1);
    let points: Vec<Point> = (0..600).map(|i| point(&format!("a{i}"), &format!("text {i}"), [1.0, 0.0, 0.0])).collect();
    store.upsert(&generation, &points[..300]).await.unwrap();
    let (whole, ()) = tokio::join!(store.upsert(&generation, &points), async { server.kill() });
    if let Err(error) = whole {
        assert!(error.to_string().contains("does not answer") && !error.to_string().contains("canary"), "{error}");
    }
    let gone = store.held().await.unwrap_err().to_string();
    assert!(gone.contains("does not answer"), "{gone}");
    server.restart();
    let held = store.held().await.unwrap()[&generation].len();
    assert!(held >= 300, "{held}");
    store.upsert(&generation, &points).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&generation].len(), 600);
}

#[tokio::test]
async fn a_word_of_the_query_finds_what_is_far_away() {
    let Some(server) = server() else { return };
    let store = at(&server.url(), &name(), "a");
    let generation = namespace("m", 1);
    let mut points: Vec<Point> =
        (0..300).map(|i| point(&format!("a{i}"), &format!("thing {i}"), [1.0, 0.001, 0.0])).collect();
    points.push(point("far", "Hexagonal-ÖLMÜHLE", [0.0, 1.0, 0.0]));
    store.upsert(&generation, &points).await.unwrap();
    let found = store.search(&generation, &query("ölmühle of a kind"), 400).await.unwrap();
    assert!(found.iter().any(|hit| hit.asset.id.as_str() == "far"));
    let first = &store.search(&generation, &query("hexagonal"), 1).await.unwrap()[0];
    assert!(first.score > 0.9, "{first:?}");
}

#[tokio::test]
async fn answers_that_cannot_be_are_told_without_the_key() {
    let html = |asked: &crate::adapters::loopback::Asked| {
        assert_eq!(asked.header("api-key"), KEY);
        Said::With { status: 200, headers: Vec::new(), body: b"<html>hello</html>".to_vec() }
    };
    type Answers = Box<dyn Fn(&crate::adapters::loopback::Asked) -> Said + Send + Sync>;
    let table: [(Answers, &str); 7] = [
        (Box::new(html), "its answer is no JSON"),
        (Box::new(|_| Said::json(200, &json!({"result": 7}))), "is not what such a server says"),
        (
            Box::new(|_| Said::json(401, &json!({"status": {"error": format!("no {KEY}")}}))),
            "refuses the key (401: no ***)",
        ),
        (Box::new(|_| Said::status(302)), "sends us elsewhere"),
        (Box::new(|_| Said::status(503)), "the server answered 503 (tried"),
        (Box::new(|_| Said::Cut), "does not answer"),
        (Box::new(|_| Said::json(404, &json!({"message": "no such page"}))), "the server answers 404: no such page"),
    ];
    for (answer, told) in table {
        let server = Loopback::start(answer).await;
        let why = at(server.url(), "x", "a").held().await.unwrap_err().to_string();
        assert!(why.contains(told) && !why.contains(KEY) && why.contains("the test's server"), "{told}: {why}");
    }
    let other = |asked: &crate::adapters::loopback::Asked| match asked.path() {
        "/" => Said::json(200, &json!({"title": "qdrant - vector search engine", "version": "1.8.2"})),
        _ => Said::status(404),
    };
    let server = Loopback::start(other).await;
    let why = at(server.url(), "x", "a").held().await.unwrap_err().to_string();
    assert!(why.contains("it is Qdrant 1.8.2, and 1.12 or newer is needed"), "{why}");
}

#[tokio::test]
async fn a_store_that_is_not_reachable_or_not_known_says_so() {
    let gone = at("http://127.0.0.1:9", "x", "a").held().await.unwrap_err().to_string();
    assert!(gone.contains("does not answer"), "{gone}");
    let settings = QdrantSettings {
        url: Err("the variable QDRANT_URL is not set".to_owned()),
        shown: "${{ env.QDRANT_URL }}".to_owned(),
        key: Ok(None),
        name: "x".to_owned(),
        scope: "a".to_owned(),
    };
    let store = Qdrant::new(http::client().unwrap(), Arc::new(SteppedPace::default()), settings);
    let why = store.mark().await.unwrap_err().to_string();
    assert!(why.contains("QDRANT_URL is not set"), "{why}");
}

#[tokio::test]
async fn a_point_that_is_written_again_is_one_point() {
    let Some(server) = server() else { return };
    let store = at(&server.url(), &name(), "a");
    let generation = namespace("m", 1);
    let mut moved = point("bolt", "hex bolt", [1.0, 0.0, 0.0]);
    store.upsert(&generation, std::slice::from_ref(&moved)).await.unwrap();
    moved.chunk.path = RepoPath::new("elsewhere.md");
    store.upsert(&generation, std::slice::from_ref(&moved)).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&generation][&moved.chunk.id].path.as_str(), "elsewhere.md");
    assert_eq!(store.describe().await.unwrap().chunks, 1);
}

#[tokio::test]
async fn many_batches_at_once_make_one_collection() {
    let Some(server) = server() else { return };
    let (name, generation) = (name(), namespace("m", 1));
    let mut batches = tokio::task::JoinSet::new();
    for of_ten in 0..10 {
        let (store, generation) = (at(&server.url(), &name, "a"), generation.clone());
        batches.spawn(async move {
            let points = [point(&format!("a{of_ten}"), &format!("text {of_ten}"), [1.0, 0.0, 0.0])];
            store.upsert(&generation, &points).await
        });
    }
    while let Some(done) = batches.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(at(&server.url(), &name, "a").held().await.unwrap()[&generation].len(), 10);
}
