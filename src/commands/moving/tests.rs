//! Moves between a real file and a real server.

use std::collections::BTreeMap;

use super::*;
use crate::adapters::state_store::{ChunkRows as _, FileDigests as _, SqliteState, StateHistory as _, StateStore};
use crate::adapters::stop::Signal;
use crate::catalog::fact::FileFact;
use crate::catalog::image::Dimensions;
use crate::ids::{
    AssetId, AssetKey, BlobId, ChunkId, CollectionName, CommitId, CorrelationId, RepoPath, RunId, Sha256Hex, TargetName,
};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};
use crate::state::{Change, Delivered, Intent, Run, RunEnd, RunResult, State, Withheld};

const LIBRARY: &str = "org/library:";

/// A library's state with something in every table.
pub(super) async fn fill(store: &SqliteState, chunks: u32) -> State {
    let target = |name: &str| TargetName::new(name);
    let intent = |id: &str| Intent {
        correlation: CorrelationId::new(id),
        digest: Sha256Hex::of(id.as_bytes()),
        at: Timestamp(5),
        arrived: None,
    };
    let asset = |n: u32| {
        let id = if n == 0 { "a\0\\\"'ü".to_owned() } else { format!("asset {n}") };
        (
            AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) },
            Sha256Hex::of(&n.to_le_bytes()),
        )
    };
    let run = Run {
        id: RunId::new("run 1"),
        who: "ada".to_owned(),
        event: Some("push".to_owned()),
        command: "sync".to_owned(),
        commit: Some(CommitId::parse(&"c".repeat(40)).unwrap()),
        link: None,
        at: Timestamp(1),
    };
    let end = RunEnd { run: run.id.clone(), result: RunResult::Partial, detail: "so-so".to_owned(), at: Timestamp(9) };
    let delivered = Delivered {
        commit: run.commit.clone(),
        digest: Sha256Hex::of(b"all"),
        assets: (0..50).map(asset).collect::<BTreeMap<_, _>>(),
        at: Timestamp(7),
    };
    let withheld = Withheld { digest: Sha256Hex::of(b"bad"), why: "its run failed\0".to_owned(), at: Timestamp(11) };
    let mut second = run.clone();
    (second.id, second.event) = (RunId::new("a run that was killed"), None);
    let changes = [
        Change::Begin { run },
        Change::Intend { target: target("downstream/website"), intent: intent("one") },
        Change::Deliver { target: target("downstream/website"), delivered },
        Change::Fail { target: target("manifest"), why: "no room\0".to_owned(), certain: true, at: Timestamp(8) },
        Change::End { end },
        Change::Begin { run: second },
        Change::Intend { target: target("embedding"), intent: intent("two") },
        Change::Intend { target: target("downstream/shop"), intent: intent("three") },
        Change::Arrive { target: target("downstream/shop"), run: "77".to_owned(), at: Timestamp(10) },
        Change::Withhold { target: target("downstream/website"), withheld },
    ];
    let mut state = store.load().await.unwrap();
    for change in &changes {
        state.serial = store.record(state.serial, change).await.unwrap();
    }
    let (two, namespace) = (CorrelationId::new("two"), "generation".to_owned());
    let mark = IndexMark { lineage: state.lineage.clone(), serial: state.serial };
    store.change_chunks(&two, &ChunkChange::Mark(mark)).await.unwrap();
    let chunk = |n: u32| ChunkRow {
        namespace: namespace.clone(),
        id: ChunkId::from_store(Sha256Hex::of(&n.to_be_bytes()).to_string()),
        asset: asset(n / 3).0,
        path: RepoPath::new(format!("asset {}/asset.json", n / 3)),
        index: n % 3,
        hash: Sha256Hex::of(&n.to_le_bytes()),
        stored: n.is_multiple_of(2),
    };
    let all: Vec<u32> = (0..chunks).collect();
    for some in all.chunks(10_000) {
        let put = ChunkChange::Put(some.iter().copied().map(chunk).collect());
        store.change_chunks(&two, &put).await.unwrap();
    }
    let file = |n: u32| {
        let image = n.is_multiple_of(2).then_some(Dimensions { width: n + 1, height: n + 2 });
        let fact = FileFact { sha256: Sha256Hex::of(&n.to_le_bytes()), bytes: u64::from(n) << 20, image };
        (BlobId::parse(&format!("{n:040x}")).unwrap(), fact)
    };
    store.remember(&(0..30).map(file).collect()).await.unwrap();
    store.load().await.unwrap()
}

fn side<S>(kind: Kind, store: &S) -> Side
where
    S: StateStore + StateLock + StateRows + Clone + 'static,
{
    Side { kind, place: store.place(), lock: Arc::new(store.clone()), alone: false, rows: Arc::new(store.clone()) }
}

fn route(from: Side, to: Side, token: &str) -> Move {
    let (holder, token) = ("a test".to_owned(), LockToken::new(token));
    Move { from, to, holder, token, clock: Arc::new(|| Timestamp(1_000)), stop: Stop::default() }
}

async fn move_all(moving: &Move) -> anyhow::Result<Moved> {
    run(moving, &mut |_, _| {}).await
}

#[cfg(feature = "postgres")]
async fn everything(store: &SqliteState) -> Vec<(Table, SetDigestText)> {
    let mut all = Vec::new();
    for table in Table::ALL {
        let digest = crate::adapters::state_store::digest(store, table, None).await.unwrap();
        all.push((table, (digest.rows(), digest.to_hex())));
    }
    all
}

#[cfg(feature = "postgres")]
type SetDigestText = (u64, String);

fn file(folder: &tempfile::TempDir, name: &str) -> SqliteState {
    SqliteState::new(folder.path().join(name), LIBRARY)
}

fn why<T: std::fmt::Debug>(refused: anyhow::Result<T>) -> String {
    refused.unwrap_err().to_string()
}

#[tokio::test]
async fn what_was_moved_is_refused_where_it_was_and_used_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (file(&folder, "old"), file(&folder, "new"));
    let state = fill(&old, 10).await;
    let moving = route(side(Kind::Sqlite, &old), side(Kind::Sqlite, &new), "one");
    let outlook = check(&moving).await.unwrap();
    assert_eq!((outlook.ground, outlook.locked_by), (Ground::Empty, None));
    assert!(!folder.path().join("new").exists(), "a look makes nothing");
    move_all(&moving).await.unwrap();

    assert_eq!(new.load().await.unwrap(), state);
    assert_eq!(new.history(100).await.unwrap(), old.history(100).await.unwrap());
    assert_eq!(new.runs(100).await.unwrap(), old.runs(100).await.unwrap());
    assert!(new.locked().await.unwrap().is_none() && old.locked().await.unwrap().is_none());
    let refused = old.load().await.unwrap_err().to_string();
    assert!(refused.contains("is at") && refused.contains("/new") && refused.contains("migrate run"), "{refused}");
    let end = RunEnd {
        run: RunId::new("a run that was killed"),
        result: RunResult::Done,
        detail: String::new(),
        at: Timestamp(1),
    };
    let change = Change::End { end };
    assert!(matches!(old.record(state.serial, &change).await, Err(StateError::Elsewhere { .. })));
    let nothing = move_all(&moving).await.unwrap();
    assert_eq!(nothing.resumed, 0, "it is there");

    new.record(state.serial, &change).await.unwrap();
    let compared = validate(&moving, &mut |_| {}).await.unwrap();
    assert_eq!((compared.changes_since, compared.is_equal()), (1, true), "the history that both share is equal");
}

#[tokio::test]
async fn nothing_is_deleted_before_it_has_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (file(&folder, "old"), file(&folder, "new"));
    let moving = route(side(Kind::Sqlite, &old), side(Kind::Sqlite, &new), "one");
    assert!(why(move_all(&moving).await).contains("there is no state at"));
    fill(&old, 10).await;
    assert!(why(cleanup(&moving, true).await).contains("was not moved"));
    assert!(why(validate(&moving, &mut |_| {}).await).contains("was not moved to"));
    move_all(&moving).await.unwrap();

    let damage = rusqlite::Connection::open(folder.path().join("new")).unwrap();
    damage.execute("DELETE FROM files WHERE blob = (SELECT max(blob) FROM files)", []).unwrap();
    let compared = validate(&moving, &mut |_| {}).await.unwrap();
    let different: Vec<Table> =
        compared.tables.iter().filter(|table| !table.is_equal()).map(|table| table.table).collect();
    assert_eq!(different, [Table::Files]);
    assert!(why(cleanup(&moving, true).await).contains("nothing is deleted"));
    assert!(folder.path().join("old").exists());
}

#[tokio::test]
async fn a_move_that_is_asked_to_stop_gives_both_locks_back_and_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (file(&folder, "old"), file(&folder, "new"));
    fill(&old, 10).await;
    let moving = route(side(Kind::Sqlite, &old), side(Kind::Sqlite, &new), "one");
    let mut ask = |_, _| moving.stop.ask(Signal::Interrupt);
    assert!(why(run(&moving, &mut ask).await).contains("stopped by SIGINT"));
    assert_eq!((old.locked().await.unwrap(), new.locked().await.unwrap()), (None, None));
    let next = route(side(Kind::Sqlite, &old), side(Kind::Sqlite, &new), "two");
    assert!(move_all(&next).await.unwrap().resumed > 0);
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_respected() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (file(&folder, "old"), file(&folder, "new"));
    fill(&old, 10).await;
    let moving = route(side(Kind::Sqlite, &old), side(Kind::Sqlite, &new), "one");
    let (token, holder) = (LockToken::new("x"), "a sync".to_owned());
    let claim = Claim { token, holder, seconds: 60, alone: false, abandoned: None };
    old.lock(&claim, Timestamp(990)).await.unwrap();
    assert_eq!(check(&moving).await.unwrap().locked_by.as_deref(), Some("a sync"));
    assert!(why(move_all(&moving).await).contains("is locked by a sync"));
    assert!(!folder.path().join("new").exists());
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::adapters::postgres::Address;
    use crate::adapters::postgres::test_server::{Database, server};
    use crate::adapters::state_store::{PostgresState, SCHEMA};
    use crate::secret::Secret;
    use crate::state::Serial;

    fn database() -> Option<Database> {
        Some(server()?.database())
    }

    fn store(database: &Database, library: &str) -> PostgresState {
        PostgresState::new(Address::parse(&Secret::new(database.socket())).unwrap(), SCHEMA, library)
    }

    #[tokio::test]
    async fn there_and_back_again_everything_is_as_it_was() {
        let Some(database) = database() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (file, server) = (file(&folder, "state"), store(&database, LIBRARY));
        let state = fill(&file, 9_000).await;
        let before = everything(&file).await;
        let there = route(side(Kind::Sqlite, &file), side(Kind::Postgres, &server), "one");
        let moved = move_all(&there).await.unwrap();
        assert_eq!(
            moved.rows.iter().map(|(_, rows)| rows).sum::<u64>(),
            before.iter().map(|(_, (rows, _))| rows).sum::<u64>()
        );
        assert_eq!(server.load().await.unwrap(), state);
        assert_eq!(server.history(100).await.unwrap(), file.history(100).await.unwrap());
        assert_eq!(server.runs(100).await.unwrap(), file.runs(100).await.unwrap());
        assert!(validate(&there, &mut |_| {}).await.unwrap().is_equal());

        let back = route(side(Kind::Postgres, &server), side(Kind::Sqlite, &file), "two");
        assert_eq!(check(&back).await.unwrap().ground, Ground::Outdated);
        move_all(&back).await.unwrap();
        assert_eq!(everything(&file).await, before);
        assert_eq!(file.load().await.unwrap(), state);
        assert!(matches!(server.load().await, Err(StateError::Elsewhere { .. })));
        let (compared, _) = cleanup(&back, false).await.unwrap();
        assert!(compared.is_equal() && server.standing().await.unwrap().is_some());
        cleanup(&back, true).await.unwrap();
        assert_eq!(server.standing().await.unwrap(), None);
        assert_eq!(database.sql("SELECT count(*) FROM stockroom.chunks"), "0");
    }

    #[tokio::test]
    async fn a_changed_row_is_found() {
        let Some(database) = database() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (file, server) = (file(&folder, "state"), store(&database, LIBRARY));
        fill(&file, 10).await;
        let moving = route(side(Kind::Sqlite, &file), side(Kind::Postgres, &server), "one");
        move_all(&moving).await.unwrap();
        database.sql("DELETE FROM stockroom.chunks WHERE position = 1 AND collection = 'products'");
        let compared = validate(&moving, &mut |_| {}).await.unwrap();
        let different: Vec<Table> =
            compared.tables.iter().filter(|table| !table.is_equal()).map(|table| table.table).collect();
        assert_eq!(different, [Table::Chunks]);
        database.sql("UPDATE stockroom.assets SET digest = repeat('0', 64) WHERE asset = 'asset 7'");
        let damaged = validate(&moving, &mut |_| {}).await.unwrap_err().to_string();
        assert!(damaged.contains("a row of assets does not fit its check sum"), "{damaged}");
        database.sql("DELETE FROM stockroom.assets WHERE asset = 'asset 7'");
        let damaged = server.load().await.unwrap_err().to_string();
        assert!(damaged.contains("an asset of downstream/website has got lost"), "{damaged}");
    }

    #[tokio::test]
    async fn a_state_that_was_made_apart_is_not_written_over_and_others_are_left_alone() {
        let Some(database) = database() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (file(&folder, "one"), file(&folder, "two"));
        fill(&one, 10).await;
        fill(&two, 10).await;
        let server = store(&database, LIBRARY);
        move_all(&route(side(Kind::Sqlite, &one), side(Kind::Postgres, &server), "one")).await.unwrap();
        let refused = route(side(Kind::Sqlite, &two), side(Kind::Postgres, &server), "two");
        for error in [why(check(&refused).await), why(move_all(&refused).await)] {
            assert!(error.contains("another state of this library"), "{error}");
        }
        let neighbour = store(&database, "org/neighbour:");
        assert_eq!(neighbour.load().await.unwrap().serial, Serial(0));
        assert!(!matches!(two.load().await, Err(StateError::Elsewhere { .. })));
        let foreign = SqliteState::new(folder.path().join("one"), "org/neighbour:");
        let refused = route(side(Kind::Postgres, &server), side(Kind::Sqlite, &foreign), "three");
        assert!(why(check(&refused).await).contains("belongs to"));
    }

    #[tokio::test]
    async fn a_new_state_does_not_begin_while_the_old_one_was_not_moved() {
        let Some(database) = database() else { return };
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder, "state");
        let server = store(&database, LIBRARY).after(file.clone());
        assert_eq!(server.load().await.unwrap().serial, Serial(0), "there is none");
        fill(&file, 1).await;
        let refused = server.load().await.unwrap_err().to_string();
        assert!(refused.contains("stockroom state migrate run --to postgres"), "{refused}");
        move_all(&route(side(Kind::Sqlite, &file), side(Kind::Postgres, &server), "one")).await.unwrap();
        server.load().await.unwrap();
    }

    const KILLED: &str = "STOCKROOM_TEST_MOVE_TO_BE_KILLED";

    /// The process that the next test kills: it moves the state, and says how far it is.
    #[test]
    #[ignore = "started by a_move_that_is_killed_is_gone_on_with"]
    fn a_move_to_be_killed() {
        let Ok(given) = std::env::var(KILLED) else { return };
        let (url, place) = given.split_once('\n').unwrap();
        let server = PostgresState::new(Address::parse(&Secret::new(url)).unwrap(), SCHEMA, LIBRARY);
        let file = SqliteState::new(place, LIBRARY);
        let moving = route(side(Kind::Sqlite, &file), side(Kind::Postgres, &server), "killed");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&moving, &mut |done, _| println!("\ncopied {done}"))).unwrap();
    }

    #[test]
    fn a_move_that_is_killed_is_gone_on_with() {
        use std::io::{BufRead as _, BufReader};

        let Some(database) = database() else { return };
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (file, server) = (file(&folder, "state"), store(&database, LIBRARY));
        let state = runtime.block_on(fill(&file, 30_000));
        let before = runtime.block_on(everything(&file));
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "commands::moving::tests::postgres::a_move_to_be_killed", "--ignored", "--nocapture"])
            .env(KILLED, format!("{}\n{}", database.socket(), folder.path().join("state").display()))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = lines.filter_map(|line| line.unwrap().strip_prefix("copied ").map(str::to_owned));
        // In the middle of the chunks.
        let told: u64 = told.find_map(|line| line.parse().ok().filter(|rows| *rows > 9_000)).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        runtime.block_on(async {
            assert_eq!(file.load().await.unwrap(), state, "it may be used where it is");
            assert!(matches!(server.load().await, Err(StateError::Unfinished { .. })));
            let unlocked = Move {
                clock: Arc::new(|| Timestamp(2_000)),
                ..route(side(Kind::Sqlite, &file), side(Kind::Postgres, &server), "next")
            };
            // The server's clock says that its lock is still taken.
            assert!(why(move_all(&unlocked).await).contains("is locked by a test"));
            server.unlock(&LockToken::new("killed")).await.unwrap();
            let moved = move_all(&unlocked).await.unwrap();
            assert!(moved.resumed >= told, "{told} were said, {} are there", moved.resumed);
            assert!(validate(&unlocked, &mut |_| {}).await.unwrap().is_equal());
            assert_eq!(server.load().await.unwrap(), state);
            assert_eq!(everything(&file).await, before);
        });
    }

    /// What a move of a million chunks takes: `STOCKROOM_ROWS=1000000 cargo nextest run --run-ignored only moving::tests::postgres::what_a_move_takes --no-capture`.
    #[tokio::test]
    #[ignore = "a measurement"]
    async fn what_a_move_takes() {
        let Some(database) = database() else { return };
        let rows = std::env::var("STOCKROOM_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(100_000);
        let folder = tempfile::tempdir().unwrap();
        let (file, server) = (file(&folder, "state"), store(&database, LIBRARY));
        fill(&file, rows).await;
        let peak = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            status
                .lines()
                .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        println!("made: {}", peak());
        let there = route(side(Kind::Sqlite, &file), side(Kind::Postgres, &server), "one");
        println!("expected bytes: {}", check(&there).await.unwrap().bytes);
        let begun = Instant::now();
        move_all(&there).await.unwrap();
        println!("to PostgreSQL: {:?}, {}", begun.elapsed(), peak());
        println!("there: {}", database.sql("SELECT pg_database_size(current_database())"));
        let begun = Instant::now();
        assert!(validate(&there, &mut |_| {}).await.unwrap().is_equal());
        println!("compared: {:?}, {}", begun.elapsed(), peak());
        let back = route(side(Kind::Postgres, &server), side(Kind::Sqlite, &file), "two");
        println!("expected bytes: {}", check(&back).await.unwrap().bytes);
        let begun = Instant::now();
        move_all(&back).await.unwrap();
        println!("back to SQLite: {:?}, {}", begun.elapsed(), peak());
        drop((file, back, there));
        println!("file: {}", std::fs::metadata(folder.path().join("state")).unwrap().len());
    }
}
