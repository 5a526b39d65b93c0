use std::sync::Arc;

use self::chroma_server::server;
use super::*;
use crate::adapters::http::{SteppedPace, client};
use crate::adapters::loopback::{Answer, Asked, Loopback};
use crate::adapters::vector_store::conformance::{holds, namespace, point};
use crate::state::Serial;

#[allow(dead_code, reason = "what whole runs ask of it")]
#[path = "../../../../tests/it/chroma_server.rs"]
mod chroma_server;

const KEY: &str = "ck-canary/Key+1";

fn store_of(url: &str, scope: &str) -> Chroma {
    let settings = ChromaSettings {
        url: Ok(Secret::new(url)),
        shown: url.to_owned(),
        key: Ok(Some(Secret::new(KEY))),
        name: "stockroom".to_owned(),
        scope: scope.to_owned(),
    };
    Chroma::new(client().unwrap(), Arc::new(SteppedPace::default()), settings)
}

#[tokio::test]
async fn it_is_a_vector_store() {
    let Some(server) = server() else { return };
    holds(|| store_of(&server.database(), "acme/assets")).await;
}

#[tokio::test]
async fn the_address_of_the_server_alone_is_enough() {
    let Some(server) = server() else { return };
    let store = store_of(&format!("{}/", server.url()), "alone");
    store.upsert(&namespace("m", 1), &[point("bolt", "hex bolt", [1.0, 0.0, 0.0])]).await.unwrap();
    let description = store.describe().await.unwrap();
    assert_eq!(description.chunks, 1);
    assert!(description.server.starts_with("Chroma (interface 1."), "{}", description.server);
}

#[tokio::test]
async fn libraries_in_one_database_do_not_see_each_other() {
    let Some(server) = server() else { return };
    let url = server.database();
    let (ours, theirs) = (store_of(&url, "acme/assets"), store_of(&url, "acme/assets2"));
    let name = namespace("m", 1);
    ours.upsert(&name, &[point("bolt", "hex bolt", [1.0, 0.0, 0.0])]).await.unwrap();
    ours.set_mark(&IndexMark { lineage: "line".into(), serial: Serial(1) }).await.unwrap();
    assert!(theirs.held().await.unwrap().is_empty() && theirs.mark().await.unwrap().is_none());
    let query = Query { text: "hex".into(), vector: vec![1.0, 0.0, 0.0] };
    assert!(theirs.search(&name, &query, 5).await.unwrap().is_empty());
    theirs.upsert(&name, &[point("nut", "hex nut", [1.0, 0.0, 0.0])]).await.unwrap();
    theirs.drop_namespace(&name).await.unwrap();
    assert_eq!(ours.held().await.unwrap()[&name].len(), 1);
}

#[tokio::test]
async fn a_word_finds_what_its_vector_does_not_whatever_its_case() {
    let Some(server) = server() else { return };
    let store = store_of(&server.database(), "acme/assets");
    let mut points: Vec<Point> = (0..1_200_u16)
        .map(|i| point(&format!("a{i}"), &format!("text {i}"), [1.0, f32::from(i) / 9_000.0, 0.0]))
        .collect();
    points.push(point("far", "The ÖLMÜHLE, of (M8)", [-1.0, 0.2, 0.0]));
    points.push(point("part", "xm8x", [-1.0, 0.1, 0.0]));
    store.upsert(&namespace("m", 1), &points).await.unwrap();
    for words in ["ölmühle", "m8"] {
        let query = Query { text: words.into(), vector: vec![1.0, 0.0, 0.0] };
        let hits = store.search(&namespace("m", 1), &query, 2_000).await.unwrap();
        assert!(hits.iter().any(|hit| hit.asset.id.as_str() == "far"), "{words}");
        assert!(hits.iter().all(|hit| hit.asset.id.as_str() != "part"), "{words}");
    }
}

#[tokio::test]
async fn a_collection_that_is_taken_away_under_a_run_is_made_again() {
    let Some(server) = server() else { return };
    let url = server.database();
    let (store, other) = (store_of(&url, "acme/assets"), store_of(&url, "acme/assets"));
    let name = namespace("m", 1);
    store.upsert(&name, &[point("bolt", "hex bolt", [1.0, 0.0, 0.0])]).await.unwrap();
    other.drop_namespace(&name).await.unwrap();
    store.upsert(&name, &[point("nut", "hex nut", [1.0, 0.0, 0.0])]).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&name].len(), 1);
}

fn why<T: std::fmt::Debug>(outcome: Result<T, VectorStoreError>) -> String {
    let why = outcome.unwrap_err().to_string();
    assert!(!why.contains(KEY), "{why}");
    why
}

#[tokio::test]
async fn a_collection_of_another_dimension_or_of_somebody_else_is_left_alone() {
    let Some(server) = server() else { return };
    let url = server.database();
    let store = store_of(&url, "acme/assets");
    let name = namespace("m", 1);
    store.upsert(&name, &[point("bolt", "hex bolt", [1.0, 0.0, 0.0])]).await.unwrap();
    let mut wide = point("nut", "hex nut", [1.0, 0.0, 0.0]);
    wide.vector = vec![0.5; 4];
    let error = why(store_of(&url, "acme/assets").upsert(&name, &[wide.clone()]).await);
    assert!(error.contains("holds vectors of 3 numbers, and the model gives 4"), "{error}");
    // One that has it open is told by the server.
    assert!(matches!(store.upsert(&name, &[wide]).await, Err(VectorStoreError::Refused { .. })));
    let taken = store_of(&url, "x").collection_name("chunks", name.as_str());
    server.ask("POST", &format!("{url}/collections"), &format!(r#"{{"name":"{taken}"}}"#));
    assert!(
        why(store_of(&url, "x")
            .upsert(&name, &[])
            .await
            .and(store_of(&url, "x").delete(&name, &[ChunkId::from_store("c")]).await))
        .contains("somebody else's")
    );
}

/// A server that answers as Chroma does before anything is written, and to the rest as the test says.
async fn answering(rest: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Loopback {
    Loopback::start(move |asked| {
        rest(asked).unwrap_or_else(|| match asked.path() {
            "/api/v2/auth/identity" => Answer::json(200, &json!({"user_id": "", "tenant": "t", "databases": ["d"]})),
            "/api/v2/pre-flight-checks" => Answer::json(200, &json!({"max_batch_size": 2})),
            path if path.ends_with("/upsert") => Answer::json(200, &json!({})),
            _ => Answer::json(200, &json!({"id": "c1", "name": "n", "metadata": {"scope": "s"}, "dimension": 3})),
        })
    })
    .await
}

#[tokio::test]
async fn requests_hold_what_the_server_takes_and_carry_the_key() {
    let server = answering(|_| None).await;
    let points: Vec<Point> = (0..5).map(|i| point("bolt", &format!("text {i}"), [1.0, 0.0, 0.0])).collect();
    store_of(server.url(), "s").upsert(&namespace("m", 1), &points).await.unwrap();
    let seen = server.seen();
    let sizes: Vec<_> =
        seen.iter().filter(|a| a.uri.ends_with("/upsert")).map(|a| a.json()["ids"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert!(
        seen.iter().all(|a| a.header("x-chroma-token") == KEY && a.header("authorization") == format!("Bearer {KEY}"))
    );
    assert!(seen.iter().any(|a| a.path().starts_with("/api/v2/tenants/t/databases/d/collections/")));
}

#[tokio::test]
async fn what_a_server_says_wrong_is_told_without_the_key() {
    let points = [point("bolt", "hex bolt", [1.0, 0.0, 0.0])];
    let long = "x".repeat(BODY);
    for (status, body, expected) in [
        (401, json!({"error": "AuthError", "message": format!("bad key {KEY}")}).to_string(), "bad key ***"),
        (403, String::new(), "refuses the key (403)"),
        (429, json!({"message": "Quota exceeded: documents"}).to_string(), "used up: Quota exceeded"),
        (500, json!({"message": "disk full"}).to_string(), "it says: disk full"),
        (200, "<html>".to_owned(), "its answer is no JSON"),
        (200, long, "larger than"),
    ] {
        let answer = move |asked: &Asked| {
            let said = Answer::With { status, headers: Vec::new(), body: body.clone().into_bytes() };
            asked
                .uri
                .ends_with("/collections")
                .then(|| said.clone())
                .or_else(|| asked.path().contains("/collections/").then_some(said))
        };
        let server = answering(answer).await;
        let error = why(store_of(server.url(), "s").upsert(&namespace("m", 1), &points).await);
        assert!(error.contains(expected), "{status}: {error}");
    }
    let two = answering(|asked| {
        let identity = json!({"user_id": "", "tenant": "t", "databases": ["a", "b"]});
        asked.path().ends_with("identity").then(|| Answer::json(200, &identity))
    })
    .await;
    assert!(why(store_of(two.url(), "s").mark().await).contains("opens 2 databases"));
    assert!(why(store_of("http://127.0.0.1:1", "s").mark().await).contains("does not answer"));
}

/// More than is read of any answer.
const BODY: usize = (64 << 20) + 1;
