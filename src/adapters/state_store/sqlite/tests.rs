//! What is particular to a state in a file.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Barrier;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::conformance::{self, LIBRARY, deliver, intend};
use super::*;
use crate::catalog::fact::FileFact;

conformance::suite!(|| {
    let folder = tempfile::tempdir().unwrap();
    move || SqliteState::new(folder.path().join("not/yet/state.db"), LIBRARY)
});

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// A file that has seen a few changes, closed.
fn written(folder: &TempDir) -> PathBuf {
    let place = folder.path().join("state.db");
    let store = SqliteState::new(&place, LIBRARY);
    let assets: Vec<String> = (0..300).map(|n| format!("asset {n}")).collect();
    let assets: Vec<(&str, &str)> = assets.iter().map(|id| (id.as_str(), "text")).collect();
    runtime().block_on(async {
        for (serial, change) in (0..).zip([intend("a", "sr-1"), deliver("a", &assets), intend("b", "sr-2")]) {
            store.record(Serial(serial), &change).await.unwrap();
        }
    });
    place
}

fn load(place: &Path) -> Result<State, StateError> {
    runtime().block_on(SqliteState::new(place, LIBRARY).load())
}

fn said(place: &Path) -> String {
    load(place).unwrap_err().to_string()
}

#[test]
fn reading_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/state.db");
    let store = SqliteState::new(&place, LIBRARY);
    runtime().block_on(async {
        store.load().await.unwrap();
        store.known(&[BlobId::parse(&"a".repeat(40)).unwrap()]).await.unwrap();
        store.remember(&FileFacts::new()).await.unwrap();
    });
    assert!(!folder.path().join("deep").exists());
}

#[test]
fn a_closed_state_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    written(&folder);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["state.db"]);
}

#[test]
fn the_file_is_kept_as_it_was_promised() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(written(&folder)).unwrap();
    let pragma =
        |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!((pragma("application_id"), pragma("user_version")), (0x7372_7374.into(), 4.into()));
    for statement in ["UPDATE history SET detail = 'x'", "DELETE FROM history"] {
        let refused = connection.execute(statement, []).unwrap_err().to_string();
        assert!(refused.contains("the history is only added to"), "{refused}");
    }
}

#[test]
fn an_open_connection_syncs_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let connection = format::open(&folder.path().join("state.db"), true, PATIENCE).unwrap().unwrap();
    let level: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(level, 2);
}

#[test]
fn a_state_of_another_library_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let before = fs::read(&place).unwrap();
    let other = SqliteState::new(&place, "org/other");
    let refusals = runtime()
        .block_on(async { [other.load().await.map(drop), other.record(Serial(3), &intend("a", "x")).await.map(drop)] });
    for refused in refusals {
        let Err(StateError::Foreign { expected, found, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((expected.as_str(), found.as_str()), ("org/other", LIBRARY));
    }
    drop(other);
    assert!(fs::read(&place).unwrap() == before);
}

#[test]
fn a_state_of_before_the_name_was_known_is_adopted_by_the_first_change_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let before = (fs::read(&place).unwrap(), load(&place).unwrap());
    let named = || SqliteState::new(&place, "org/named:").adopting(LIBRARY);
    let read = runtime().block_on(async { named().load().await.unwrap() });
    assert_eq!(read, State { library: "org/named:".to_owned(), ..before.1.clone() });
    assert!(fs::read(&place).unwrap() == before.0, "who only reads leaves it as it is");

    let refused = runtime().block_on(async { named().record(Serial(0), &intend("a", "x")).await });
    assert!(matches!(refused, Err(StateError::Moved { .. })), "{refused:?}");
    assert_eq!(load(&place).unwrap(), before.1, "a step that is refused names nothing");

    runtime().block_on(async { named().record(Serial(3), &intend("a", "x")).await.unwrap() });
    let own = runtime().block_on(async { SqliteState::new(&place, "org/named:").load().await.unwrap() });
    assert_eq!((own.serial, own.lineage), (Serial(4), before.1.lineage));
    assert!(matches!(load(&place), Err(StateError::Foreign { .. })), "the name is not given back");
    let other = SqliteState::new(&place, "org/other:").adopting(LIBRARY);
    assert!(matches!(runtime().block_on(other.load()), Err(StateError::Foreign { .. })), "it is adopted once");
}

#[test]
fn remembering_files_adopts_a_state_too() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let named = SqliteState::new(&place, "org/named:").adopting(LIBRARY);
    let file = (BlobId::parse(&"a".repeat(40)).unwrap(), FileFact::of(b"1"));
    runtime().block_on(named.remember(&[file].into())).unwrap();
    drop(named);
    assert!(matches!(load(&place), Err(StateError::Foreign { .. })));
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    Connection::open(&place).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert!(matches!(load(&place), Err(StateError::Newer { found: 7, known: 4, .. })));
}

#[test]
fn a_file_that_is_no_database_can_be_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state.db");
    fs::write(&place, "<html>not found</html>".repeat(500)).unwrap();
    let said = said(&place);
    assert!(said.contains("state.db is damaged"), "{said}");
    assert!(said.ends_with("sets it aside and builds it again"), "{said}");
    let before = fs::read(&place).unwrap();
    assert!(SqliteState::set_aside(&place).unwrap().contains("state.aside"));
    assert!(load(&place).is_ok());
    assert!(fs::read(place.with_extension("aside")).unwrap() == before);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state.db");
    Connection::open(&place).unwrap().execute_batch("CREATE TABLE meta (a); INSERT INTO meta VALUES (1)").unwrap();
    let before = fs::read(&place).unwrap();
    assert!(said(&place).contains("a file of another program"));
    let refused = runtime().block_on(SqliteState::new(&place, LIBRARY).record(Serial(0), &intend("a", "x")));
    assert!(refused.as_ref().is_err_and(StateError::is_unfit), "{refused:?}");
    assert!(fs::read(&place).unwrap() == before);
}

#[test]
fn a_file_that_looks_like_a_state_and_is_none_is_refused_before_it_is_asked() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0";
    for sql in [
        format!(
            "ALTER TABLE targets RENAME TO mine; CREATE VIEW targets AS SELECT * FROM mine WHERE name IN ({endless})"
        ),
        format!("CREATE TRIGGER more AFTER INSERT ON lock BEGIN INSERT INTO files {endless}; END"),
        format!("ALTER TABLE files ADD COLUMN more INTEGER AS (({}))", "bytes + ".repeat(20) + "1"),
        "DROP TRIGGER history_keeps_all".to_owned(),
        "CREATE TABLE more (x)".to_owned(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let place = written(&folder);
        Connection::open(&place).unwrap().execute_batch(&sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let why = load(&place).unwrap_err();
        assert!(why.is_unfit() && why.to_string().contains("are not those of a state"), "{sql}: {why}");
    }
}

#[test]
fn a_state_of_the_first_format_is_brought_up_to_date_with_all_that_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (written(&folder), folder.path().join("old.db"));
    let expected = load(&new).unwrap();
    let history = runtime().block_on(SqliteState::new(&new, LIBRARY).history(10)).unwrap();
    let mut connection = Connection::open(&old).unwrap();
    let transaction = connection.transaction().unwrap();
    upgrade::first_tables(&transaction).unwrap();
    transaction.pragma_update(None, "application_id", 0x7372_7374).unwrap();
    transaction.pragma_update(None, "user_version", 1).unwrap();
    transaction.commit().unwrap();
    connection.execute("ATTACH ?1 AS new", [new.to_str().unwrap()]).unwrap();
    for (table, columns) in [
        ("meta", "one, library, lineage, serial"),
        (
            "targets",
            "name, failure, intent_correlation, intent_digest, intent_at, delivered_commit, delivered_digest, delivered_at",
        ),
        ("delivered_assets", "target, collection, asset, digest"),
        ("history", "serial, at, target, kind, detail"),
    ] {
        connection.execute(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}"), []).unwrap();
    }
    let file = "INSERT INTO files (blob, sha256, bytes) VALUES (?1, ?1, 7)";
    connection.execute(file, ["a".repeat(64)]).unwrap();
    drop(connection);
    let store = SqliteState::new(&old, LIBRARY);
    assert_eq!(runtime().block_on(store.load()).unwrap(), expected);
    assert_eq!(runtime().block_on(store.history(10)).unwrap(), history);
    let blob = BlobId::parse(&"a".repeat(64)).unwrap();
    assert_eq!(runtime().block_on(store.known(&[blob])).unwrap(), FileFacts::new(), "it is looked at again");
    runtime().block_on(store.record(expected.serial, &intend("a", "x"))).unwrap();
}

#[test]
fn a_state_of_the_format_before_is_brought_up_to_date_without_writing_a_row_anew() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let expected = load(&place).unwrap();
    let connection = Connection::open(&place).unwrap();
    for column in ["intent_arrived", "withheld_digest", "withheld_why", "withheld_at"] {
        connection.execute_batch(&format!("ALTER TABLE targets DROP COLUMN {column}")).unwrap();
    }
    connection.pragma_update(None, "user_version", 3).unwrap();
    drop(connection);
    assert_eq!(load(&place).unwrap(), expected);
    let arrive = Change::Arrive { target: conformance::target("b"), run: "77".to_owned(), at: Timestamp(1) };
    runtime().block_on(SqliteState::new(&place, LIBRARY).record(expected.serial, &arrive)).unwrap();
    let intent = load(&place).unwrap().target(&conformance::target("b")).intent.unwrap();
    assert_eq!(intent.arrived.as_deref(), Some("77"));
}

#[test]
fn an_empty_file_is_a_new_state() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state.db");
    fs::write(&place, "").unwrap();
    let store = SqliteState::new(&place, LIBRARY);
    runtime().block_on(async {
        let state = store.load().await.unwrap();
        assert_eq!(store.record(state.serial, &intend("a", "x")).await.unwrap(), Serial(1));
        assert_eq!(store.load().await.unwrap().lineage, state.lineage);
    });
}

#[test]
fn a_place_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let store = SqliteState::new(folder.path().join("file/state.db"), LIBRARY);
    let error = runtime().block_on(store.record(Serial(0), &intend("a", "x"))).unwrap_err().to_string();
    assert!(error.contains("file/state.db cannot be used: its folder cannot be made"), "{error}");
}

#[test]
fn a_process_that_holds_the_file_is_not_waited_for_endlessly() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let holder = Connection::open(&place).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = SqliteState::new(&place, LIBRARY).patience(Duration::from_millis(20));
    let (loaded, refused) =
        runtime().block_on(async { (store.load().await, store.record(Serial(3), &intend("a", "x")).await) });
    assert_eq!(loaded.unwrap().serial, Serial(3), "readers do not wait");
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("another process has been writing"), "{error}");
}

#[test]
fn a_file_replaced_by_another_history_is_noticed() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (place, replacement) = (written(&folder), written(&other));
    let serial = load(&place).unwrap().serial;
    let store = SqliteState::new(&place, LIBRARY);
    runtime().block_on(store.load()).unwrap();
    store.session.lock().unwrap().connection = None;
    fs::copy(replacement, &place).unwrap();
    let refused = runtime().block_on(store.record(serial, &intend("a", "x")));
    assert!(matches!(refused, Err(StateError::Moved { .. })), "{refused:?}");
    runtime().block_on(store.load()).unwrap();
    assert!(runtime().block_on(store.record(serial, &intend("a", "x"))).is_ok());
}

#[test]
fn four_writers_for_fifty_rounds_win_one_each_and_lose_nothing() {
    const WRITERS: usize = 4;
    const ROUNDS: u64 = 50;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state.db");
    let (loaded, recorded) = (Barrier::new(WRITERS), Barrier::new(WRITERS));
    let race = |writer: usize| {
        let store = SqliteState::new(&place, LIBRARY).patience(Duration::from_secs(60));
        let (runtime, mut wins) = (runtime(), Vec::new());
        for round in 0..ROUNDS {
            // Nothing panics between the barriers: the other writers would wait for ever.
            let loaded_at = runtime.block_on(store.load()).map(|state| state.serial);
            loaded.wait();
            let correlation = format!("{writer}-{round}");
            let change = intend(&format!("target {writer}"), &correlation);
            let recorded_at = runtime.block_on(store.record(Serial(round), &change));
            recorded.wait();
            wins.push((round, loaded_at, recorded_at, correlation));
        }
        wins
    };
    let rounds: Vec<_> = std::thread::scope(|scope| {
        let race = &race;
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || race(writer))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let mut wins = Vec::new();
    for (round, loaded_at, recorded_at, correlation) in rounds {
        assert_eq!(loaded_at.unwrap(), Serial(round), "each round has had one winner");
        match recorded_at {
            Ok(serial) => wins.push((serial, correlation)),
            Err(StateError::Moved { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    wins.sort();
    let history = runtime().block_on(SqliteState::new(&place, LIBRARY).history(1000)).unwrap();
    let told: Vec<(Serial, String)> =
        history.into_iter().map(|entry| (entry.serial, entry.detail.split(' ').next().unwrap().to_owned())).collect();
    assert_eq!(wins, told);
    assert_eq!(wins.len(), usize::try_from(ROUNDS).unwrap());
}

#[test]
fn the_file_can_be_made_by_four_at_the_same_moment() {
    for _ in 0..25 {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state.db");
        let together = Barrier::new(4);
        let make = || {
            let (runtime, store) = (runtime(), SqliteState::new(&place, LIBRARY).patience(Duration::from_secs(60)));
            together.wait();
            runtime.block_on(store.load()).unwrap();
            match runtime.block_on(store.record(Serial(0), &intend("a", "x"))) {
                Ok(_) => 1,
                Err(StateError::Moved { .. }) => 0,
                Err(other) => panic!("{other}"),
            }
        };
        let winners: usize = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
    }
}

/// Reads and writes a file with these bytes. What can still be read is what was written, or it is said that it is not.
fn use_damaged(place: &Path, bytes: &[u8], written: &State) {
    fs::write(place, bytes).unwrap();
    let store = SqliteState::new(place, LIBRARY);
    let (loaded, recorded) =
        runtime().block_on(async { (store.load().await, store.record(Serial(3), &deliver("a", &[])).await) });
    drop(store);
    for suffix in ["-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(place.with_file_name(format!("state.db{suffix}")));
    }
    match loaded {
        Ok(state) if state.serial == Serial(0) => assert!(bytes.is_empty(), "nothing is no state of ours"),
        Ok(state) => assert!(&state == written, "another state was read"),
        Err(why) => assert!(is_said(&why), "{why}"),
    }
    if let Err(why) = recorded {
        assert!(is_said(&why), "{why}");
    }
}

fn is_said(why: &StateError) -> bool {
    let advice = ["sets it aside", "Move it away", "move the file away", "Update Stockroom"];
    why.is_unfit() || advice.iter().any(|advice| why.to_string().contains(advice))
}

#[test]
fn damage_to_any_byte_of_the_header_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let (good, written) = (fs::read(&place).unwrap(), load(&place).unwrap());
    for at in 0..100 {
        for mask in [1, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= mask;
            use_damaged(&place, &bytes, &written);
        }
    }
}

/// `STOCKROOM_EVERY_BYTE=1` flips each byte, which takes a minute.
#[test]
fn a_flipped_bit_is_found_or_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let (good, written) = (fs::read(&place).unwrap(), load(&place).unwrap());
    let step = if std::env::var_os("STOCKROOM_EVERY_BYTE").is_some() { 1 } else { 97 };
    for at in (0..good.len()).step_by(step) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        use_damaged(&place, &bytes, &written);
    }
}

#[test]
fn damage_anywhere_is_said_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let place = written(&folder);
    let (good, written) = (fs::read(&place).unwrap(), load(&place).unwrap());
    let mut config = ProptestConfig::with_cases(200);
    config.failure_persistence = None;
    config.rng_seed = proptest::test_runner::RngSeed::Fixed(1);
    let flips = prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..20);
    proptest!(config, |(flips in flips, cut in prop::option::weighted(0.2, any::<prop::sample::Index>()))| {
        let mut bytes = good.clone();
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        use_damaged(&place, &bytes, &written);
    });
}

const KILLED_AT: &str = "STOCKROOM_TEST_STATE_TO_BE_KILLED_AT";

/// The process that the next test kills: it records without end, and says each serial when `record` has returned.
#[test]
#[ignore = "started by a_killed_process_loses_nothing_that_it_was_told"]
fn a_process_to_be_killed() {
    let Some(place) = std::env::var_os(KILLED_AT) else { return };
    let store = SqliteState::new(place, LIBRARY);
    for serial in 0.. {
        let Serial(now) =
            runtime().block_on(store.record(Serial(serial), &deliver("a", &[(&serial.to_string(), "x")]))).unwrap();
        println!("\nrecorded {now}");
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_was_told() {
    for kill_after in [1, 2, 7, 20] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state.db");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "adapters::state_store::sqlite::tests::a_process_to_be_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(KILLED_AT, &place)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines
            .filter_map(|line| line.unwrap().strip_prefix("recorded ").map(|serial| serial.parse::<u64>().unwrap()))
            .nth(kill_after - 1)
            .expect("it records until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();

        let state = load(&place).unwrap();
        assert!(state.serial.0 >= told, "{told} was said, {:?} is there", state.serial);
        let delivered = state.target(&conformance::target("a")).delivered.unwrap();
        let asset = delivered.assets.keys().map(|key| key.id.to_string()).collect::<Vec<_>>();
        assert_eq!(asset, [(state.serial.0 - 1).to_string()], "the last change is there as a whole");
        let history = runtime().block_on(SqliteState::new(&place, LIBRARY).history(usize::MAX)).unwrap();
        assert_eq!(history.len(), usize::try_from(state.serial.0).unwrap());
    }
}
