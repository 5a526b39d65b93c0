//! Many processes that change one state at the same moment: one of them wins each time, and nothing is lost.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conformance::{LIBRARY, intend};
use super::{SqliteState, StateError, Store};
use crate::state::Serial;

const PLACE: &str = "STOCKROOM_TEST_RACE";
const PROCESSES: usize = 8;

fn open(place: &str) -> Arc<dyn Store> {
    #[cfg(feature = "postgres")]
    if place.starts_with("postgresql:") {
        let address = crate::adapters::postgres::Address::parse(&crate::secret::Secret::new(place)).unwrap();
        return Arc::new(super::PostgresState::new(address, super::SCHEMA, LIBRARY));
    }
    Arc::new(SqliteState::new(place, LIBRARY).patience(Duration::from_secs(60)))
}

/// One of the processes: for each serial that it reads it tries to record a change on it, and says whether it has won.
#[test]
#[ignore = "started by the races"]
fn a_racer() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = open(&place);
    println!("\nready");
    for line in std::io::stdin().lines() {
        let serial: u64 = line.unwrap().parse().unwrap();
        let change = intend(&format!("target {}", std::process::id()), &format!("{serial} {}", std::process::id()));
        match runtime.block_on(store.record(Serial(serial), &change)) {
            Ok(won) => println!("\nwon {}", won.0),
            Err(StateError::Moved { found, .. }) => println!("\nlost {}", found.0),
            Err(other) => println!("\nfailed {other}"),
        }
    }
}

struct Racer {
    child: Child,
    asked: ChildStdin,
    told: Box<dyn Iterator<Item = String>>,
}

impl Racer {
    fn start(place: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "adapters::state_store::race::a_racer", "--ignored", "--nocapture"])
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asked = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let is_word = |line: &String| ["ready", "won ", "lost ", "failed "].iter().any(|word| line.starts_with(word));
        let mut told: Box<dyn Iterator<Item = String>> = Box::new(lines.filter(is_word));
        assert_eq!(told.next().as_deref(), Some("ready"));
        Self { child, asked, told }
    }
}

fn race(place: &str, rounds: u64) {
    let mut racers: Vec<Racer> = (0..PROCESSES).map(|_| Racer::start(place)).collect();
    let begun = Instant::now();
    for round in 0..rounds {
        for racer in &mut racers {
            writeln!(racer.asked, "{round}").unwrap();
        }
        let mut told: Vec<String> = racers.iter_mut().map(|racer| racer.told.next().unwrap()).collect();
        told.sort_unstable();
        let mut expected = vec![format!("lost {}", round + 1); PROCESSES - 1];
        expected.push(format!("won {}", round + 1));
        assert_eq!(told, expected, "in round {round}");
    }
    println!("{PROCESSES} processes, {rounds} rounds: {:?}", begun.elapsed());
    for Racer { mut child, asked, .. } in racers {
        drop(asked);
        child.wait().unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(place);
        assert_eq!(store.load().await.unwrap().serial, Serial(rounds));
        let history = store.history(usize::MAX).await.unwrap();
        let serials: Vec<u64> = history.iter().map(|entry| entry.serial.0).collect();
        assert_eq!(serials, (1..=rounds).collect::<Vec<_>>());
    });
}

/// `STOCKROOM_RACE_ROUNDS=500` is the long run.
fn rounds() -> u64 {
    std::env::var("STOCKROOM_RACE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(12)
}

#[test]
fn of_eight_processes_at_one_file_one_wins_each_round() {
    let folder = tempfile::tempdir().unwrap();
    race(folder.path().join("state.db").to_str().unwrap(), rounds());
}

#[cfg(feature = "postgres")]
#[test]
fn of_eight_processes_at_one_database_one_wins_each_round() {
    let Some(server) = crate::adapters::postgres::test_server::server() else { return };
    race(&server.database().tcp(), rounds());
}
