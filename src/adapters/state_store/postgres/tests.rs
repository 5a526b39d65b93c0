//! The store against a real server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::conformance::{self, LIBRARY};
use super::super::{MemoryState, Redacted, Store};
use super::*;
use crate::adapters::postgres::test_server::{Database, server};
use crate::catalog::fact::FileFact;
use crate::secret::Secret;

fn address(url: &str) -> Address {
    Address::parse(&Secret::new(url)).unwrap()
}

fn database() -> Option<Database> {
    Some(server()?.database())
}

/// A new place for a state; where there is no PostgreSQL, in memory, so that the laws have something to run on.
fn place() -> impl Fn() -> Redacted {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let schema = format!("Place {}", MADE.fetch_add(1, Ordering::Relaxed));
    static DATABASE: std::sync::OnceLock<Option<Database>> = std::sync::OnceLock::new();
    let database = DATABASE.get_or_init(database).clone();
    let memory = MemoryState::new(LIBRARY);
    move || {
        let store: Arc<dyn Store> = match &database {
            Some(database) => Arc::new(PostgresState::new(address(&database.socket()), &schema, LIBRARY)),
            None => Arc::new(memory.clone()),
        };
        Redacted::new(store, Arc::new(str::to_owned))
    }
}

conformance::suite!(place);

/// What becomes of a `COMMIT` on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It never arrives.
    Before,
    /// It takes effect, and the answer never arrives.
    After,
}

/// A way to the server that is cut at the first `COMMIT`, and is open again afterwards. Gives its port.
fn cut_at_commit(target: u16, cut: Cut) -> u16 {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::Mutex;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_armed = Arc::new(Mutex::new(true));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
            let is_cut = Arc::new(Mutex::new(false));
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let cut_here = Arc::clone(&is_cut);
            let answers = std::thread::spawn(move || {
                let mut bytes = [0; 65_536];
                while let Ok(read @ 1..) = from_server.read(&mut bytes) {
                    // The answer is waited for, so that it has taken effect, and is thrown away.
                    if *cut_here.lock().unwrap() || to_client.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to_client.shutdown(Shutdown::Both);
            });
            let (mut client, mut server) = (client, server);
            let is_armed = Arc::clone(&is_armed);
            std::thread::spawn(move || {
                let mut bytes = [0; 65_536];
                while let Ok(read @ 1..) = client.read(&mut bytes) {
                    let is_commit = bytes[..read].windows(7).any(|window| window == b"COMMIT\0");
                    if is_commit && std::mem::take(&mut *is_armed.lock().unwrap()) {
                        *is_cut.lock().unwrap() = true;
                        if cut == Cut::After {
                            server.write_all(&bytes[..read]).unwrap();
                            answers.join().unwrap();
                        }
                        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
                        return;
                    }
                    server.write_all(&bytes[..read]).unwrap();
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

#[tokio::test]
async fn a_commit_that_was_never_answered_is_looked_for() {
    use conformance::intend;

    let Some(database) = database() else { return };
    let own = PostgresState::new(address(&database.tcp()), SCHEMA, LIBRARY);
    own.record(Serial(0), &intend("a", "first")).await.unwrap();
    let port: u16 = database.tcp().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.parse().unwrap();
    for (cut, serial) in [(Cut::After, Serial(1)), (Cut::Before, Serial(2))] {
        let through = cut_at_commit(port, cut);
        let cut_off = database.tcp().replace(&format!(":{port}/"), &format!(":{through}/"));
        let store = PostgresState::new(address(&cut_off), SCHEMA, LIBRARY);
        let recorded = store.record(serial, &intend("a", "second")).await;
        let there = own.load().await.unwrap().serial;
        match cut {
            Cut::After => assert_eq!((recorded.unwrap(), there), (Serial(2), Serial(2))),
            Cut::Before => {
                let why = recorded.unwrap_err().to_string();
                assert!(why.contains("the connection was lost") && !why.contains("canary"), "{why}");
                assert_eq!(there, Serial(2), "nothing has happened");
                assert_eq!(store.record(serial, &intend("a", "third")).await.unwrap(), Serial(3));
            }
        }
    }
    assert_eq!(own.history(10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_connection_that_was_closed_in_between_is_made_again() {
    let Some(database) = database() else { return };
    let store = PostgresState::new(address(&database.socket()), SCHEMA, LIBRARY);
    let serial = store.record(Serial(0), &conformance::intend("a", "x")).await.unwrap();
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stockroom/%'");
    assert_eq!(store.record(serial, &conformance::intend("a", "y")).await.unwrap(), Serial(2));
}

#[tokio::test]
async fn what_is_missing_on_the_server_is_said_in_a_sentence() {
    let Some(database) = database() else { return };
    database.sql("CREATE ROLE guest LOGIN PASSWORD 'canary'");
    let guest = PostgresState::new(address(&database.tcp_as("guest", "canary")), SCHEMA, LIBRARY);
    guest.load().await.unwrap();
    let why = guest.record(Serial(0), &conformance::intend("a", "x")).await.unwrap_err().to_string();
    assert!(why.contains("permission denied for database") && why.contains("Grant CREATE on the database"), "{why}");
    database.sql("CREATE SCHEMA stockroom; GRANT ALL ON SCHEMA stockroom TO guest");
    guest.record(Serial(0), &conformance::intend("a", "x")).await.unwrap();
    database.sql("UPDATE stockroom.format SET version = 7");
    let newer = PostgresState::new(address(&database.socket()), SCHEMA, LIBRARY).load().await.unwrap_err();
    assert!(matches!(newer, StateError::Newer { found: 7, known: 3, .. }), "{newer}");
    database.sql("UPDATE stockroom.format SET version = 3");
    let store = PostgresState::new(address(&database.socket()), SCHEMA, LIBRARY);
    store.record(Serial(1), &conformance::intend("a", "y")).await.unwrap();
}

#[tokio::test]
async fn tables_of_the_first_format_are_brought_up_to_date_by_whoever_comes_first() {
    let Some(database) = database() else { return };
    let open = || PostgresState::new(address(&database.socket()), SCHEMA, LIBRARY);
    let files = FileFacts::from([(BlobId::parse(&"a".repeat(40)).unwrap(), FileFact::of(b"1"))]);
    open().record(Serial(0), &conformance::deliver("a", &[("bolt", "1")])).await.unwrap();
    let expected = open().load().await.unwrap();
    for step in 0..2 {
        open().remember(&files).await.unwrap();
        database.sql(
            "ALTER TABLE stockroom.files DROP COLUMN width; ALTER TABLE stockroom.files DROP COLUMN height;
             ALTER TABLE stockroom.targets DROP COLUMN intent_arrived; ALTER TABLE stockroom.targets DROP COLUMN withheld_digest;
             ALTER TABLE stockroom.targets DROP COLUMN withheld_why; ALTER TABLE stockroom.targets DROP COLUMN withheld_at;
             UPDATE stockroom.format SET version = 1",
        );
        let store = open();
        if step == 0 {
            assert_eq!(store.load().await.unwrap(), expected);
        } else {
            store.record(expected.serial, &conformance::deliver("a", &[])).await.unwrap();
        }
        let blobs: Vec<BlobId> = files.keys().cloned().collect();
        assert_eq!(store.known(&blobs).await.unwrap(), FileFacts::new(), "they are looked at again");
        store.remember(&files).await.unwrap();
        assert_eq!(open().known(&blobs).await.unwrap(), files);
    }
}

#[tokio::test]
async fn a_damaged_state_is_kept_under_another_name() {
    let Some(database) = database() else { return };
    let store = PostgresState::new(address(&database.socket()), SCHEMA, LIBRARY);
    store.record(Serial(0), &conformance::deliver("a", &[("bolt", "1"), ("nut", "2")])).await.unwrap();
    for damage in [
        "UPDATE stockroom.assets SET digest = repeat('0', 64) WHERE asset = 'bolt'",
        "DELETE FROM stockroom.targets",
        "UPDATE stockroom.libraries SET serial = 0",
        "UPDATE stockroom.libraries SET run = 'x\\y'",
    ] {
        database.sql(damage);
        let damaged = store.load().await.unwrap_err();
        assert!(damaged.is_unfit(), "{damage}: {damaged}");
    }
    store.set_aside().await.unwrap();
    let new = store.load().await.unwrap();
    assert_eq!((new.serial, new.targets.len()), (Serial(0), 0));
    assert_eq!(database.sql("SELECT count(*) FROM stockroom.assets"), "2", "it can still be looked at");
    let refused = psql_refuses(&database, "DELETE FROM stockroom.history");
    assert!(refused, "the history is only added to");
}

fn psql_refuses(database: &Database, statement: &str) -> bool {
    let guarded = format!(
        "DO $$ BEGIN {statement}; RAISE NOTICE 'done'; EXCEPTION WHEN raise_exception THEN CREATE TABLE refused (); END $$"
    );
    database.sql(&guarded);
    database.sql("SELECT count(*) FROM pg_class WHERE relname = 'refused'") == "1"
}
