use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex as StdMutex;

use git2::{Oid, Repository};
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::conformance::{self, LIBRARY, deliver, intend, target};
use super::super::{StateLock as _, StateRows as _, StateStore as _};
use super::*;
use crate::adapters::carrier::Place;
use crate::adapters::origin::Patience;
use crate::state::{Claim, Timestamp};

const REFERENCE: &str = "refs/stockroom/state";
const WRITES: Role = Role::Writes { has_turn: true };

/// A remote, and machines that have a clone of it.
struct Bench {
    folder: TempDir,
    said: Arc<StdMutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), said: Arc::default() };
        Repository::init_bare(bench.folder.path().join("origin.git")).unwrap();
        bench
    }

    fn origin(&self) -> Repository {
        Repository::open(self.folder.path().join("origin.git")).unwrap()
    }

    fn head(&self) -> Option<Oid> {
        self.origin().refname_to_id(REFERENCE).ok()
    }

    fn folder(&self, machine: &str) -> PathBuf {
        self.folder.path().join(machine).join(".git/stockroom")
    }

    fn state(&self, machine: &str) -> CarriedState {
        self.store(machine, LIBRARY, WRITES)
    }

    fn store(&self, machine: &str, library: &str, role: Role) -> CarriedState {
        let top = self.folder.path().join(machine);
        if !top.exists() {
            let clone = Repository::init(&top).unwrap();
            clone.remote("origin", self.origin().path().to_str().unwrap()).unwrap();
        }
        let folder = self.folder(machine);
        let place = Place {
            repository: top.join(".git"),
            folder: top,
            objects: folder.join("carried/git"),
            reference: REFERENCE.to_owned(),
            names: NAMES,
        };
        let patience = Patience { pauses: vec![Duration::ZERO], ..Patience::default() };
        let (said, carrier) = (Arc::clone(&self.said), Carrier::new(place).with_patience(patience));
        let say = Arc::new(move |text: &str| said.lock().unwrap().push(text.to_owned()));
        let local = SqliteState::new(folder.join(STATE), library);
        let state = CarriedState::new(local, carrier, folder, role, say);
        // Nobody is kept waiting.
        let mut shared = Arc::into_inner(state.shared).unwrap();
        shared.look_every = Duration::ZERO;
        CarriedState { shared: Arc::new(shared) }
    }

    /// What was said since this was asked last.
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    fn refuse_pushes(&self) {
        let hook = self.folder.path().join("origin.git/hooks/update");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn claim(token: &str) -> Claim {
    let holder = format!("{token} on laptop");
    Claim { token: LockToken::new(token), holder, seconds: 300, alone: false, abandoned: None }
}

fn is_moved<T>(result: &Result<T, StateError>) -> bool {
    matches!(result, Err(StateError::Moved { .. }))
}

const NOW: Timestamp = Timestamp(1_000);

fn places() -> impl Fn() -> CarriedState {
    let bench = Bench::new();
    move || bench.store("one", LIBRARY, Role::Writes { has_turn: false })
}

conformance::suite!(laws of places);

#[test]
fn a_loaded_state_is_the_pure_state() {
    conformance::some_loaded_states_are_pure_states(6, places);
}

#[tokio::test]
async fn what_one_machine_has_done_the_next_one_knows() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    one.record(Serial(1), &deliver("website", &[("bolt", "1")])).await.unwrap();
    one.unlock(&LockToken::new("a")).await.unwrap();
    let two = bench.state("two");
    assert_eq!(two.load().await.unwrap(), one.load().await.unwrap());
    assert_eq!(two.load().await.unwrap().serial, Serial(2));
    assert_eq!(two.locked().await.unwrap(), None);
    assert_eq!(bench.said(), [""; 0]);
}

#[tokio::test]
async fn a_run_that_only_looks_leaves_origin_as_it_is() {
    let bench = Bench::new();
    assert_eq!(bench.state("one").load().await.unwrap().serial, Serial(0));
    assert_eq!(bench.head(), None, "there was nothing to do");
    bench.state("one").record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let head = bench.head();
    let reader = bench.store("two", LIBRARY, Role::Reads);
    assert_eq!(reader.load().await.unwrap().serial, Serial(1));
    assert_eq!(bench.head(), head);
    // While another run is at work in the clone, its copy is what there is.
    bench.state("one").record(Serial(1), &intend("website", "sr-2")).await.unwrap();
    let turn = Turn::take(&bench.folder("two")).unwrap();
    assert_eq!(bench.store("two", LIBRARY, Role::Reads).load().await.unwrap().serial, Serial(1));
    drop(turn);
    assert_eq!(bench.store("two", LIBRARY, Role::Reads).load().await.unwrap().serial, Serial(2));
}

#[tokio::test]
async fn of_two_machines_one_gets_the_lock_and_the_other_then_sees_what_it_did() {
    let bench = Bench::new();
    let (one, two) = (bench.state("one"), bench.state("two"));
    for store in [&one, &two] {
        store.load().await.unwrap();
    }
    let (a, b) = (claim("a"), claim("b"));
    let outcomes = tokio::join!(one.lock(&a, NOW), two.lock(&b, NOW));
    let (winner, loser, won, lost) = match &outcomes {
        (Ok(_), Err(StateError::Locked(lock))) => (&one, &two, "a", ("b", lock)),
        (Err(StateError::Locked(lock)), Ok(_)) => (&two, &one, "b", ("a", lock)),
        other => panic!("{other:?}"),
    };
    assert_eq!(lost.1.token, LockToken::new(won));
    winner.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    winner.record(Serial(1), &deliver("website", &[])).await.unwrap();
    assert!(matches!(loser.lock(&claim(lost.0), NOW).await, Err(StateError::Locked(_))));
    winner.unlock(&LockToken::new(won)).await.unwrap();
    loser.lock(&claim(lost.0), NOW).await.unwrap();
    assert_eq!(loser.load().await.unwrap(), winner.load().await.unwrap());
}

#[tokio::test]
async fn whoever_lost_the_lock_cannot_record_an_intent_any_more() {
    let bench = Bench::new();
    let (one, two) = (bench.state("one"), bench.state("two"));
    one.lock(&claim("a"), NOW).await.unwrap();
    // Its time is over, and somebody else has begun.
    two.lock(&claim("b"), Timestamp(NOW.0 + 300)).await.unwrap();
    two.record(Serial(0), &intend("website", "theirs")).await.unwrap();
    assert!(is_moved(&one.record(Serial(0), &intend("website", "ours")).await));
    assert_eq!(one.load().await.unwrap(), two.load().await.unwrap(), "the copy is what origin has");
    assert!(is_moved(&one.record(Serial(0), &deliver("website", &[])).await));
    one.unlock(&LockToken::new("a")).await.unwrap();
    assert_eq!(two.locked().await.unwrap().unwrap().token, LockToken::new("b"));
    assert_eq!(bench.state("three").locked().await.unwrap().unwrap().token, LockToken::new("b"));
}

#[tokio::test]
async fn after_a_kill_the_same_machine_goes_on_and_another_one_finds_the_intent() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    one.record(Serial(1), &deliver("website", &[])).await.unwrap();
    drop(one);
    let again = bench.state("one");
    assert!(again.load().await.unwrap().target(&target("website")).delivered.is_some());
    // The lock is one's own, of a run that is no more: whoever has the turn knows.
    again.lock(&claim("b"), NOW).await.unwrap();
    again.unlock(&LockToken::new("b")).await.unwrap();
    drop(again);

    let bench = Bench::new();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    one.record(Serial(1), &deliver("website", &[])).await.unwrap();
    let two = bench.state("two");
    let seen = two.load().await.unwrap().target(&target("website"));
    assert!(seen.delivered.is_none() && seen.intent.is_some());
    assert!(matches!(two.lock(&claim("b"), NOW).await, Err(StateError::Locked(_))), "it may be at work");
    two.lock(&claim("b"), Timestamp(NOW.0 + 300)).await.unwrap();
    two.record(Serial(1), &deliver("website", &[("bolt", "1")])).await.unwrap();
    two.unlock(&LockToken::new("b")).await.unwrap();
    drop(one);
    // The first machine comes back with what it had not carried.
    assert_eq!(bench.state("one").load().await.unwrap(), two.load().await.unwrap());
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("gives way"), "{said:?}");
    bench.state("one").load().await.unwrap();
    assert_eq!(bench.said(), [""; 0], "it is said once");
}

#[tokio::test]
async fn where_origin_may_not_be_written_the_copy_is_the_state() {
    let bench = Bench::new();
    bench.refuse_pushes();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    one.unlock(&LockToken::new("a")).await.unwrap();
    let said = bench.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("permissions: contents: write") && said[0].contains("this clone alone"), "{said:?}");
    assert_eq!(bench.state("one").load().await.unwrap().serial, Serial(1));
    assert_eq!(bench.head(), None);
}

#[tokio::test]
async fn an_origin_that_may_not_be_read_is_an_error_for_whoever_changes_the_state_and_a_remark_for_whoever_looks() {
    let bench = Bench::new();
    bench.state("one").record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    bench.state("two");
    for machine in ["one", "two"] {
        let clone = Repository::open(bench.folder.path().join(machine)).unwrap();
        clone.remote_set_url("origin", "ssh://nobody@localhost/library").unwrap();
        clone.config().unwrap().set_str("core.sshCommand", "sh -c 'echo Permission denied >&2; exit 255' --").unwrap();
        let state = bench.state(machine);
        for refused in [state.load().await.map(drop), state.lock(&claim("a"), NOW).await.map(drop)] {
            let Err(StateError::Unusable { why, .. }) = &refused else { panic!("{machine}: {refused:?}") };
            assert!(why.contains("origin cannot be read") && why.contains("denied"), "{why}");
        }
        assert_eq!(bench.said(), [""; 0]);
    }
    assert_eq!(bench.store("one", LIBRARY, Role::Reads).load().await.unwrap().serial, Serial(1));
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("what this clone remembers"), "{said:?}");
}

#[tokio::test]
async fn an_origin_that_stops_taking_pushes_half_way_is_an_error() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    bench.refuse_pushes();
    let refused = one.record(Serial(0), &intend("website", "sr-1")).await.unwrap_err();
    assert!(matches!(&refused, StateError::Unusable { why, .. } if why.contains("contents: write")), "{refused:?}");
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_lock_its_holder_s() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    bench.refuse_pushes();
    one.lock(&claim("a"), Timestamp(NOW.0 + 100)).await.unwrap_err();
    assert_eq!(one.locked().await.unwrap().unwrap().token, LockToken::new("a"));
}

#[tokio::test]
async fn a_lock_that_was_left_behind_here_and_taken_over_elsewhere_is_theirs() {
    let bench = Bench::new();
    bench.state("one").lock(&claim("a"), NOW).await.unwrap();
    let again = bench.state("one");
    again.load().await.unwrap();
    let two = bench.state("two");
    two.lock(&claim("b"), Timestamp(NOW.0 + 300)).await.unwrap();
    let refused = again.lock(&claim("c"), Timestamp(NOW.0 + 10)).await.unwrap_err();
    assert!(matches!(&refused, StateError::Locked(lock) if lock.token == LockToken::new("b")), "{refused:?}");
}

#[tokio::test]
async fn a_state_that_was_moved_away_says_so_wherever_it_is_brought() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.lock(&claim("a"), NOW).await.unwrap();
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    one.shared.local.mark_moved("the database").await.unwrap();
    one.unlock(&LockToken::new("a")).await.unwrap();
    let two = bench.state("two");
    assert!(matches!(two.load().await, Err(StateError::Elsewhere { to, .. }) if to == "the database"));
    assert_eq!(two.locked().await.unwrap(), None);
    let standing = two.shared.local.standing().await.unwrap().unwrap();
    assert_eq!(standing.serial, Serial(1), "its rows are here, to be compared and deleted");
}

#[tokio::test]
async fn a_state_that_origin_has_lost_or_that_was_brought_back_there_is_replaced() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let earlier = bench.head().unwrap();
    one.record(Serial(1), &intend("website", "sr-2")).await.unwrap();
    drop(one);
    bench.origin().reference(REFERENCE, earlier, true, "back").unwrap();
    let one = bench.state("one");
    assert_eq!(one.load().await.unwrap().serial, Serial(2));
    one.record(Serial(2), &intend("website", "sr-3")).await.unwrap();
    assert!(bench.said()[0].contains("brought back"));
    assert_eq!(bench.state("two").load().await.unwrap().serial, Serial(3));
    drop(one);
    bench.origin().find_reference(REFERENCE).unwrap().delete().unwrap();
    let one = bench.state("one");
    one.record(Serial(3), &intend("website", "sr-4")).await.unwrap();
    assert!(bench.said()[0].contains("no state any more"));
    assert_eq!(bench.state("three").load().await.unwrap().serial, Serial(4));
}

#[tokio::test]
async fn a_run_with_nothing_to_do_brings_back_what_origin_has_lost_and_a_reader_says_who_will() {
    let bench = Bench::new();
    bench.state("one").record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let lose = || bench.origin().find_reference(REFERENCE).unwrap().delete().unwrap();
    lose();
    bench.store("one", LIBRARY, Role::Reads).load().await.unwrap();
    assert!(bench.said()[0].ends_with("the next sync carries it there again"));
    assert_eq!(bench.head(), None);
    assert!(bench.store("one", LIBRARY, Role::Reads).place().contains("in this clone alone"));
    assert_eq!(bench.state("one").load().await.unwrap().serial, Serial(1));
    assert!(bench.head().is_some(), "also when its loss was told of before");
    assert_eq!(bench.said(), [""; 0]);
    lose();
    let one = bench.state("one");
    one.load().await.unwrap();
    assert!(bench.said()[0].ends_with("and carried there again") && bench.head().is_some());
    assert_eq!(one.place(), format!("{REFERENCE} on origin"));
    assert_eq!(bench.state("two").load().await.unwrap(), one.load().await.unwrap());
}

#[tokio::test]
async fn where_the_copy_cannot_be_brought_back_that_is_said_and_it_is_the_state() {
    let bench = Bench::new();
    bench.state("one").record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    bench.origin().find_reference(REFERENCE).unwrap().delete().unwrap();
    bench.refuse_pushes();
    let one = bench.state("one");
    assert_eq!(one.load().await.unwrap().serial, Serial(1));
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("this clone alone"), "{said:?}");
    assert!(one.place().contains("in this clone alone"), "{}", one.place());
}

#[tokio::test]
async fn a_clone_that_has_recorded_nothing_gives_nothing_up() {
    let bench = Bench::new();
    let two = bench.state("two");
    two.lock(&claim("b"), NOW).await.unwrap();
    two.unlock(&LockToken::new("b")).await.unwrap();
    drop(two);
    fs::remove_file(bench.folder("two").join("carried.json")).unwrap();
    bench.state("one").record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    assert_eq!(bench.state("two").load().await.unwrap().serial, Serial(1));
    assert_eq!(bench.said(), [""; 0]);
}

#[tokio::test]
async fn a_state_of_another_library_or_of_no_use_is_said_and_replaced() {
    let bench = Bench::new();
    bench.store("one", "org/other", WRITES).record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let two = bench.state("two");
    assert_eq!(two.load().await.unwrap().serial, Serial(0));
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("org/other") && said[0].contains("It was the commit"), "{said:?}");
    two.record(Serial(0), &intend("website", "sr-2")).await.unwrap();
    assert_eq!(bench.state("three").load().await.unwrap().library, LIBRARY);
    let origin = bench.origin();
    let tree = origin.find_tree(origin.treebuilder(None).unwrap().write().unwrap()).unwrap();
    let by = git2::Signature::now("A", "a@example.org").unwrap();
    let commit = origin.commit(None, &by, &by, "not ours", &tree, &[]).unwrap();
    origin.reference(REFERENCE, commit, true, "planted").unwrap();
    let four = bench.state("four");
    four.record(Serial(0), &intend("website", "sr-3")).await.unwrap();
    assert!(bench.said()[0].contains("not written by Stockroom"));
    assert_eq!(bench.state("five").load().await.unwrap(), four.load().await.unwrap());
}

#[tokio::test]
async fn a_copy_that_was_damaged_is_brought_again_and_only_one_that_came_damaged_is_not() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let state = one.load().await.unwrap();
    drop(one);
    let file = bench.folder("one").join(STATE);
    let mend = |is_origins_good: bool| {
        assert_eq!(CarriedState::doubt(&bench.folder("one")).unwrap(), is_origins_good);
        SqliteState::set_aside(&file).unwrap();
    };
    fs::write(&file, "rubbish").unwrap();
    assert!(bench.state("one").load().await.unwrap_err().is_unfit());
    mend(true);
    assert_eq!(bench.state("one").load().await.unwrap(), state);
    assert_eq!(bench.said(), [""; 0]);
    // Now it is as it came, and was found to be of no use all the same.
    mend(false);
    assert_eq!(bench.state("one").load().await.unwrap().serial, Serial(0));
    assert!(bench.said()[0].contains("of no use"));
    bench.state("one").record(Serial(0), &intend("website", "sr-9")).await.unwrap();
    assert_eq!(bench.state("two").load().await.unwrap().serial, Serial(1));
}

#[tokio::test]
async fn the_vector_index_travels_with_the_state_also_while_it_is_open() {
    let bench = Bench::new();
    let open = |machine: &str| {
        let index = Connection::open(bench.folder(machine).join(VECTORS)).unwrap();
        index.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        index
    };
    let texts = |index: &Connection| {
        let mut rows = index.prepare("SELECT text FROM t ORDER BY text").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect::<Vec<String>>()
    };
    let one = bench.state("one");
    one.load().await.unwrap();
    let index = open("one");
    index.execute_batch("CREATE TABLE t (text TEXT); INSERT INTO t VALUES ('a')").unwrap();
    one.lock(&claim("a"), NOW).await.unwrap();
    one.unlock(&LockToken::new("a")).await.unwrap();
    let two = bench.state("two");
    two.load().await.unwrap();
    let theirs = open("two");
    assert_eq!(texts(&theirs), ["a"]);
    index.execute_batch("INSERT INTO t VALUES ('b')").unwrap();
    one.record(Serial(0), &intend("embedding", "sr-1")).await.unwrap();
    // The second one has its index open while its copy is brought to what origin has.
    assert!(is_moved(&two.record(Serial(0), &intend("embedding", "sr-2")).await));
    assert_eq!(texts(&theirs), ["a", "b"]);
    theirs.execute_batch("INSERT INTO t VALUES ('c')").unwrap();
    two.record(Serial(1), &intend("embedding", "sr-3")).await.unwrap();
    let three = bench.state("three");
    three.load().await.unwrap();
    assert_eq!(texts(&open("three")), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_state_that_was_here_before_it_was_carried_goes_to_an_empty_origin_and_gives_way_to_another() {
    let bench = Bench::new();
    for machine in ["one", "two"] {
        bench.store(machine, LIBRARY, WRITES);
        let local = SqliteState::new(bench.folder(machine).join(STATE), LIBRARY);
        local.record(Serial(0), &intend("website", machine)).await.unwrap();
    }
    let one = bench.state("one");
    one.record(Serial(1), &deliver("website", &[])).await.unwrap();
    one.lock(&claim("a"), NOW).await.unwrap();
    let two = bench.state("two");
    assert_eq!(two.load().await.unwrap(), one.load().await.unwrap());
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("state.aside"), "{said:?}");
    let aside = SqliteState::new(bench.folder("two").join("state.aside"), LIBRARY);
    assert_eq!(aside.load().await.unwrap().serial, Serial(1));
}

#[tokio::test]
async fn an_index_on_origin_that_claims_too_much_is_said_and_replaced() {
    let bench = Bench::new();
    let origin = bench.origin();
    let index = format!(r#"{{"version":1,"files":[{{"name":"{STATE}","bytes":2199023255552,"sha256":"{:064}"}}]}}"#, 0);
    let mut tree = origin.treebuilder(None).unwrap();
    tree.insert("stockroom.json", origin.blob(index.as_bytes()).unwrap(), 0o100_644).unwrap();
    let tree = origin.find_tree(tree.write().unwrap()).unwrap();
    let by = git2::Signature::now("A", "a@example.org").unwrap();
    let commit = origin.commit(None, &by, &by, "much", &tree, &[]).unwrap();
    origin.reference(REFERENCE, commit, true, "planted").unwrap();
    let one = bench.state("one");
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains("at most") && said[0].contains("takes its place"), "{said:?}");
    assert_eq!(bench.state("two").load().await.unwrap(), one.load().await.unwrap());
    assert_eq!(bench.said(), [""; 0]);
}

#[tokio::test]
async fn what_a_killed_run_was_writing_goes_with_the_next_push() {
    let bench = Bench::new();
    let one = bench.state("one");
    one.record(Serial(0), &intend("website", "sr-1")).await.unwrap();
    let left = [".stockroom-a1B2c3", "carried/laid/.stockroom-a1B2c3", "carried/laid/.stockroom-a1B2c3-wal"];
    for name in left {
        fs::write(bench.folder("one").join(name), "half").unwrap();
    }
    one.record(Serial(1), &intend("website", "sr-2")).await.unwrap();
    assert!(left.iter().all(|name| !bench.folder("one").join(name).exists()));
}
