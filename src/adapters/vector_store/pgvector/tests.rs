//! The store against a real server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::conformance::{holds, namespace, point};
use super::*;
use crate::adapters::postgres::test_server::{Database, vectors, vectors_of_its_own};
use crate::secret::Secret;

fn address(url: &str) -> Result<Address, String> {
    Ok(Address::parse(&Secret::new(url)).unwrap())
}

fn database() -> Option<Database> {
    Some(vectors()?.database())
}

fn store(database: &Database) -> PgVector {
    PgVector::new(address(&database.socket()), "stockroom", "acme/assets")
}

fn query(text: &str, vector: [f32; 3]) -> Query {
    Query { text: text.to_owned(), vector: vector.to_vec() }
}

#[tokio::test]
async fn it_is_a_vector_store() {
    let Some(database) = database() else { return };
    let made = AtomicUsize::new(0);
    holds(|| {
        let schema = format!("Index {}", made.fetch_add(1, Ordering::Relaxed));
        PgVector::new(address(&database.tcp()), schema, "acme/a\"'; DROP SCHEMA x; --\0\\")
    })
    .await;
}

fn points(most: usize) -> Vec<Point> {
    (0..most).map(|i| point(&format!("a{i}"), &format!("text {i}"), [1.0, 0.001, 0.0])).collect()
}

#[tokio::test]
async fn libraries_in_one_schema_do_not_touch_each_other() {
    let Some(database) = database() else { return };
    let (a, b) = (store(&database), PgVector::new(address(&database.socket()), "stockroom", "b"));
    let (generation, other) = (namespace("m", 1), namespace("m", 2));
    let points = [point("bolt", "hex bolt", [1.0, 0.0, 0.0]), point("nut", "hex nut", [0.9, 0.1, 0.0])];
    for store in [&a, &b] {
        store.upsert(&generation, &points).await.unwrap();
        store.upsert(&other, &points[..1]).await.unwrap();
    }
    let mark = IndexMark { lineage: "a's".to_owned(), serial: crate::state::Serial(3) };
    a.set_mark(&mark).await.unwrap();
    assert_eq!((a.mark().await.unwrap(), b.mark().await.unwrap()), (Some(mark), None));
    a.delete(&generation, &[points[0].chunk.id.clone()]).await.unwrap();
    a.drop_namespace(&other).await.unwrap();
    assert_eq!(a.held().await.unwrap()[&generation].len(), 1);
    let held = b.held().await.unwrap();
    assert_eq!((held.len(), held[&generation].len(), held[&other].len()), (2, 2, 1));
    let described = b.describe().await.unwrap();
    assert_eq!(described.chunks, 3);
    assert!(
        described.server.contains("PostgreSQL 18") && described.server.contains("with 2 chunks, exact"),
        "{described:?}"
    );
    let tables = database.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'index_chunks_%' AND relkind = 'r'");
    assert_eq!(tables, "3", "the table of a generation goes with it");
}

#[tokio::test]
async fn reading_makes_no_table() {
    let Some(database) = database() else { return };
    let store = store(&database);
    assert!(store.held().await.unwrap().is_empty() && store.mark().await.unwrap().is_none());
    store.delete(&namespace("m", 1), &[ChunkId::from_store("x")]).await.unwrap();
    store.drop_namespace(&namespace("m", 1)).await.unwrap();
    store.settle(&namespace("m", 1)).await.unwrap();
    assert!(store.describe().await.unwrap().server.contains("no index yet"));
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'stockroom'"), "0");
    assert_eq!(database.sql("SELECT count(*) FROM pg_extension WHERE extname = 'vector'"), "0");
}

#[tokio::test]
async fn a_batch_is_whole_or_not_at_all_and_its_fault_is_its_own() {
    let Some(database) = database() else { return };
    let store = store(&database);
    let generation = namespace("m", 1);
    let mut batch = points(1_500);
    batch[1_400].vector = vec![1e9, 0.0, 0.0];
    let refused = store.upsert(&generation, &batch).await.unwrap_err();
    assert!(matches!(&refused, VectorStoreError::Refused { why, .. } if why.contains("out of range")), "{refused}");
    assert!(store.held().await.unwrap().is_empty());
    store.upsert(&generation, &batch[..1_400]).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&generation].len(), 1_400);
}

#[tokio::test]
async fn many_batches_at_once_make_one_table() {
    let Some(database) = database() else { return };
    let (store, points, generation) = (std::sync::Arc::new(store(&database)), points(400), namespace("m", 1));
    let mut batches = tokio::task::JoinSet::new();
    for batch in points.chunks(25) {
        let (store, generation, batch) = (std::sync::Arc::clone(&store), generation.clone(), batch.to_vec());
        batches.spawn(async move { store.upsert(&generation, &batch).await });
    }
    while let Some(done) = batches.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(store.held().await.unwrap()[&generation].len(), 400);
    let connections = database.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stockroom/%'");
    assert!(connections.parse::<u32>().unwrap() <= 4, "{connections}");
}

#[tokio::test]
async fn a_large_generation_gets_its_indexes_when_it_is_loaded_and_finds_the_same() {
    let Some(database) = database() else { return };
    let (store, generation) = (store(&database), namespace("m", 1));
    let angle = |i: u16| f32::from(i) / 10_000.0;
    let points: Vec<Point> = (0..10_000_u16)
        .map(|i| point(&format!("a{i:05}"), &format!("thing w{i}"), [angle(i).cos(), angle(i).sin(), 0.0]))
        .collect();
    store.upsert(&generation, &points[1..]).await.unwrap();
    store.settle(&generation).await.unwrap();
    let indexes =
        || database.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'index_chunks_1_%' AND relkind = 'i'");
    assert_eq!(indexes(), "1", "its key alone: it is too small");
    store.upsert(&generation, &points).await.unwrap();
    let before = store.search(&generation, &query("w9000 thing", [1.0, 0.0, 0.0]), 5).await.unwrap();
    store.settle(&generation).await.unwrap();
    store.settle(&generation).await.unwrap();
    assert_eq!(indexes(), "3");
    let after = store.search(&generation, &query("w9000 thing", [1.0, 0.0, 0.0]), 5).await.unwrap();
    let texts = |hits: &[Hit]| hits.iter().map(|hit| hit.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&before), texts(&after));
    assert_eq!(after[0].text, "thing w9000", "{after:?}");
    assert!(store.describe().await.unwrap().server.contains("with 10000 chunks, HNSW"));
    store.delete(&generation, &[points[0].chunk.id.clone()]).await.unwrap();
    store.drop_namespace(&generation).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_left_alone() {
    let Some(database) = database() else { return };
    database.sql("CREATE TABLE mine (x INT)");
    let inside = PgVector::new(address(&database.socket()), "public", "a");
    let why = inside.upsert(&namespace("m", 1), &points(1)).await.unwrap_err().to_string();
    assert!(why.contains("holds tables of somebody else, such as \"mine\""), "{why}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'index_%'"), "0");
    database.sql("CREATE SCHEMA empty");
    PgVector::new(address(&database.socket()), "empty", "a").upsert(&namespace("m", 1), &points(1)).await.unwrap();
}

#[tokio::test]
async fn the_state_and_the_index_share_a_schema() {
    use crate::adapters::state_store::{FileDigests as _, PostgresState};
    use crate::catalog::fact::{FileFact, FileFacts};
    let blob = crate::ids::BlobId::parse(&"a".repeat(40)).unwrap();
    let files = FileFacts::from([(blob.clone(), FileFact::of(b"1"))]);
    for index_first in [true, false] {
        let Some(database) = database() else { return };
        let state = PostgresState::new(address(&database.socket()).unwrap(), "stockroom", "org/library");
        let index = store(&database);
        if index_first {
            index.upsert(&namespace("m", 1), &points(2)).await.unwrap();
        }
        state.remember(&files).await.unwrap();
        index.upsert(&namespace("m", 1), &points(3)).await.unwrap();
        assert_eq!(index.held().await.unwrap()[&namespace("m", 1)].len(), 3);
        assert_eq!(state.known(std::slice::from_ref(&blob)).await.unwrap(), files);
    }
}

#[tokio::test]
async fn what_is_missing_on_the_server_is_said_in_a_sentence() {
    let Some(database) = database() else { return };
    database.sql("CREATE ROLE guest LOGIN PASSWORD 'canary'");
    let guest = || PgVector::new(address(&database.tcp_as("guest", "canary")), "stockroom", "a");
    let generation = namespace("m", 1);
    let refused = async |store: PgVector| store.upsert(&generation, &points(1)).await.unwrap_err().to_string();
    assert!(guest().held().await.unwrap().is_empty());
    let why = refused(guest()).await;
    assert!(why.contains("may not install it") && why.contains("CREATE EXTENSION vector"), "{why}");
    database.sql(
        "CREATE SCHEMA elsewhere; CREATE EXTENSION vector SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO guest",
    );
    let why = refused(guest()).await;
    assert!(why.contains("permission denied for database") && !why.contains("canary"), "{why}");
    database.sql("CREATE SCHEMA stockroom; GRANT USAGE, CREATE ON SCHEMA stockroom TO guest");
    let store = guest();
    store.upsert(&generation, &points(5)).await.unwrap();
    let found = store.search(&generation, &query("text 3", [1.0, 0.0, 0.0]), 2).await.unwrap();
    assert_eq!(found[0].text, "text 3");
    store.drop_namespace(&generation).await.unwrap();
    database.sql("UPDATE stockroom.index_format SET version = 7");
    let newer = guest().held().await.unwrap_err();
    assert!(matches!(newer, VectorStoreError::Newer { found: 7, known: 1, .. }), "{newer}");
    database.sql("UPDATE stockroom.index_format SET version = 0");
    assert!(matches!(guest().held().await.unwrap_err(), VectorStoreError::Corrupt { .. }));
    let unknown = PgVector::new(Err("the variable DATABASE_URL is not set".to_owned()), "stockroom", "a");
    assert!(unknown.held().await.unwrap_err().to_string().contains("DATABASE_URL is not set"));
}

#[tokio::test]
async fn a_server_without_the_extension_is_named() {
    let Some(server) = crate::adapters::postgres::test_server::server() else { return };
    let database = server.database();
    if database.sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") != "0" {
        return;
    }
    let why = store(&database).upsert(&namespace("m", 1), &points(1)).await.unwrap_err().to_string();
    assert!(why.contains("the server does not have pgvector. Install it there"), "{why}");
}

#[tokio::test]
async fn a_generation_of_another_length_is_not_mixed_up() {
    let Some(database) = database() else { return };
    let (store, generation) = (store(&database), namespace("m", 1));
    store.upsert(&generation, &points(2)).await.unwrap();
    let mut longer = points(1);
    longer[0].vector.push(0.0);
    let why = store.upsert(&generation, &longer).await.unwrap_err().to_string();
    assert!(why.contains("keeps vectors of 3 numbers") && why.contains("gives 4"), "{why}");
    let found = store.search(&generation, &Query { text: "x".to_owned(), vector: vec![1.0; 4] }, 3).await.unwrap();
    assert!(found.is_empty());
}

#[tokio::test]
async fn tables_that_somebody_has_dropped_are_made_again() {
    let Some(database) = database() else { return };
    let (store, generation) = (store(&database), namespace("m", 1));
    store.upsert(&generation, &points(2)).await.unwrap();
    database.sql("DROP SCHEMA stockroom CASCADE");
    assert!(store.upsert(&generation, &points(2)).await.is_err());
    store.upsert(&generation, &points(2)).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&generation].len(), 2);
}

#[tokio::test]
async fn a_connection_that_was_cut_in_between_is_made_again() {
    let Some(database) = database() else { return };
    let (store, generation) = (store(&database), namespace("m", 1));
    store.upsert(&generation, &points(2)).await.unwrap();
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stockroom/%'");
    store.upsert(&generation, &points(3)).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&generation].len(), 3);
}

/// Whoever writes to the table of chunks waits for this lock, which the trigger asks for in the middle of a batch.
const HOLD: &str = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
    CREATE TRIGGER held BEFORE INSERT ON stockroom.index_chunks_1 FOR EACH ROW WHEN (NEW.asset = 'a7') EXECUTE FUNCTION hold()";

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_a_batch_has_nothing_of_it_and_takes_it_later() {
    let Some(server) = vectors_of_its_own() else { return };
    let database = server.database();
    let (store, generation) = (store(&database), namespace("m", 1));
    store.upsert(&generation, &points(5)).await.unwrap();
    database.sql(HOLD);
    let other = crate::adapters::postgres::connect(&address(&database.socket()).unwrap()).await.unwrap();
    other.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let killed = async {
        // The batch waits in its middle, and is then cut off with the server.
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        while other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        server.kill();
    };
    let points = points(9);
    let (cut, ()) = tokio::join!(store.upsert(&generation, &points), killed);
    let why = cut.unwrap_err().to_string();
    assert!(["cannot be reached", "was lost", "starting or stopping"].iter().any(|told| why.contains(told)), "{why}");
    server.restart();
    assert_eq!(store.held().await.unwrap()[&generation].len(), 5);
    store.upsert(&generation, &points).await.unwrap();
    assert_eq!(store.held().await.unwrap()[&generation].len(), 9);
}

#[tokio::test]
async fn the_rights_that_the_documentation_grants_are_enough() {
    let Some(database) = database() else { return };
    let page = include_str!("../../../../docs/embedding.md");
    let grants = page.split_once("<!-- tested: grants -->\n```sql\n").unwrap().1.split_once("```").unwrap().0;
    database.sql(grants);
    database.sql("ALTER ROLE stockroom_index PASSWORD 'canary'; ALTER ROLE stockroom_reader PASSWORD 'canary'");
    let by = |user: &str| PgVector::new(address(&database.tcp_as(user, "canary")), "stockroom", "a");
    let (writer, generation) = (by("stockroom_index"), namespace("m", 1));
    writer.upsert(&generation, &points(20)).await.unwrap();
    writer.upsert(&namespace("m", 2), &points(1)).await.unwrap();
    writer.drop_namespace(&namespace("m", 2)).await.unwrap();
    let reader = by("stockroom_reader");
    assert_eq!(reader.held().await.unwrap()[&generation].len(), 20);
    assert_eq!(reader.search(&generation, &query("text 3", [1.0, 0.0, 0.0]), 1).await.unwrap()[0].text, "text 3");
    let why = reader.delete(&generation, &[points(1)[0].chunk.id.clone()]).await.unwrap_err().to_string();
    assert!(why.contains("permission denied for table"), "{why}");
}
