//! What every store has to keep: the laws, and the macro that makes a test of each for one store.

use proptest::prelude::*;

use super::{StateError, Store};
use crate::catalog::fact::{FileFact, FileFacts};
use crate::catalog::image::Dimensions;
use crate::ids::{
    AssetId, AssetKey, BlobId, ChunkId, CollectionName, CommitId, CorrelationId, LockToken, RepoPath, RunId, Sha256Hex,
    TargetName,
};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark, Table};
use crate::state::{
    Change, Claim, Delivered, HistoryEntry, Intent, Lock, Run, RunEnd, RunResult, Serial, State, Timestamp, Withheld,
};

pub(super) const LIBRARY: &str = "org/library";

/// Makes the tests. `$places` gives a new place; the place opens a store on it, again and again the same state.
macro_rules! suite {
    ($places:expr) => {
        $crate::adapters::state_store::conformance::suite!(laws of $places);

        #[test]
        fn a_loaded_state_is_the_pure_state() {
            $crate::adapters::state_store::conformance::a_loaded_state_is_the_pure_state($places);
        }
    };
    (laws of $places:expr) => {
        $crate::adapters::state_store::conformance::suite!($places;
            a_new_state_is_empty_and_keeps_its_lineage,
            a_change_is_there_when_the_store_is_opened_again,
            of_two_writers_at_one_serial_one_wins,
            a_refused_change_leaves_no_trace,
            the_history_is_cut_to_its_end,
            a_delivery_replaces_the_assets_of_its_target_alone,
            what_has_arrived_and_what_is_withheld_are_kept_until_a_delivery,
            facts_of_files_are_remembered,
            runs_stand_in_the_history_with_their_changes,
            a_lock_is_one_holder_s_until_it_is_given_back_or_expires,
            chunk_rows_change_only_while_their_intent_is_under_way,
            chunk_rows_are_those_of_the_index_with_their_mark,
            a_survey_counts_what_is_there_or_says_nothing,
        );
    };
    ($places:expr; $($law:ident,)*) => {
        $(
            #[tokio::test]
            async fn $law() {
                let open = ($places)();
                $crate::adapters::state_store::conformance::$law(open).await;
            }
        )*
    };
}
pub(super) use suite;

pub(super) fn target(name: &str) -> TargetName {
    TargetName::new(name)
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

fn blob(digit: char) -> BlobId {
    BlobId::parse(&digit.to_string().repeat(40)).unwrap()
}

pub(super) fn intend(name: &str, correlation: &str) -> Change {
    let (correlation, digest) = (CorrelationId::new(correlation), Sha256Hex::of(b"new"));
    let intent = Intent { correlation, digest, at: Timestamp(1), arrived: None };
    Change::Intend { target: target(name), intent }
}

pub(super) fn deliver(name: &str, assets: &[(&str, &str)]) -> Change {
    let asset = |(id, text): &(&str, &str)| {
        let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new(*id) };
        (key, Sha256Hex::of(text.as_bytes()))
    };
    let assets = assets.iter().map(asset).collect();
    let delivered = Delivered { commit: Some(commit('c')), digest: Sha256Hex::of(b"new"), assets, at: Timestamp(2) };
    Change::Deliver { target: target(name), delivered }
}

pub(super) async fn a_new_state_is_empty_and_keeps_its_lineage<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let state = store.load().await.unwrap();
    assert_eq!((state.library.as_str(), state.serial, state.targets.len()), (LIBRARY, Serial(0), 0));
    assert!(!state.lineage.is_empty());
    assert_eq!(store.load().await.unwrap(), state);
    store.record(Serial(0), &intend("manifest", "sr-1")).await.unwrap();
    assert_eq!(open().load().await.unwrap().lineage, state.lineage);
}

pub(super) async fn a_change_is_there_when_the_store_is_opened_again<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let mut state = store.load().await.unwrap();
    for change in [intend("a", "sr-1"), deliver("a", &[("bolt", "1"), ("nut", "2")]), intend("b", "sr-2")] {
        let serial = store.record(state.serial, &change).await.unwrap();
        state.apply(&change);
        assert_eq!(serial, state.serial);
        assert_eq!(open().load().await.unwrap(), state, "while the first store is still open");
    }
    drop(store);
    let store = open();
    assert_eq!(store.load().await.unwrap(), state);
    assert_eq!(store.history(10).await.unwrap().len(), 3);
}

pub(super) async fn of_two_writers_at_one_serial_one_wins<S: Store>(open: impl Fn() -> S) {
    let (one, two) = (open(), open());
    for round in 0..5 {
        let serial = one.load().await.unwrap().serial;
        assert_eq!(two.load().await.unwrap().serial, serial);
        let changes = [intend("a", &format!("one-{round}")), intend("a", &format!("two-{round}"))];
        let outcomes = tokio::join!(one.record(serial, &changes[0]), two.record(serial, &changes[1]));
        let (winner, loser) = match outcomes {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            other => panic!("one of them has to win: {other:?}"),
        };
        assert_eq!(winner, Serial(serial.0 + 1));
        let StateError::Moved { expected, found } = loser else { panic!("{loser:?}") };
        assert_eq!((expected, found), (serial, winner));
    }
    assert_eq!(open().history(100).await.unwrap().len(), 5);
}

pub(super) async fn a_refused_change_leaves_no_trace<S: Store>(open: impl Fn() -> S) {
    let store = open();
    store.record(Serial(0), &deliver("a", &[("bolt", "1")])).await.unwrap();
    let before = store.load().await.unwrap();
    for expected in [Serial(0), Serial(2), Serial(u64::MAX)] {
        let refused = store.record(expected, &deliver("b", &[("nut", "2")])).await;
        assert!(matches!(refused, Err(StateError::Moved { found: Serial(1), .. })), "{refused:?}");
    }
    assert_eq!(store.load().await.unwrap(), before);
    assert_eq!(store.history(10).await.unwrap().len(), 1);
}

pub(super) async fn the_history_is_cut_to_its_end<S: Store>(open: impl Fn() -> S) {
    let store = open();
    assert_eq!(store.history(10).await.unwrap(), []);
    let changes = [intend("a", "sr-1"), deliver("a", &[]), intend("b", "sr-2")];
    for (serial, change) in (0..).zip(&changes) {
        store.record(Serial(serial), change).await.unwrap();
    }
    let expected: Vec<HistoryEntry> =
        (1..).zip(&changes).map(|(serial, change)| HistoryEntry::of(change, Serial(serial), None)).collect();
    assert_eq!(open().history(10).await.unwrap(), expected);
    assert_eq!(open().history(2).await.unwrap(), expected[1..]);
}

pub(super) async fn a_delivery_replaces_the_assets_of_its_target_alone<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let changes = [
        deliver("a", &[("bolt", "1"), ("nut", "1"), ("pin", "1")]),
        deliver("b", &[("bolt", "1")]),
        deliver("a", &[("bolt", "2"), ("pin", "1"), ("rod", "1")]),
    ];
    let mut state = store.load().await.unwrap();
    for change in &changes {
        store.record(state.serial, change).await.unwrap();
        state.apply(change);
    }
    assert_eq!(store.load().await.unwrap(), state);
    assert_eq!(state.target(&target("b")).delivered.unwrap().assets.len(), 1);
}

pub(super) async fn what_has_arrived_and_what_is_withheld_are_kept_until_a_delivery<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let arrive = |name: &str, run: &str| {
        let run = run.to_owned();
        Change::Arrive { target: target(name), run, at: Timestamp(3) }
    };
    let withheld = Withheld { digest: Sha256Hex::of(b"bad"), why: "its run failed".to_owned(), at: Timestamp(4) };
    let withhold = |name: &str| Change::Withhold { target: target(name), withheld: withheld.clone() };
    let changes = [
        arrive("a", "before its intent"),
        intend("a", "sr-1"),
        arrive("a", "77"),
        intend("b", "sr-2"),
        arrive("b", ""),
        withhold("a"),
        withhold("c"),
    ];
    let mut state = store.load().await.unwrap();
    for change in &changes {
        store.record(state.serial, change).await.unwrap();
        state.apply(change);
        assert_eq!(open().load().await.unwrap(), state, "after {change:?}");
    }
    let arrived = |name: &str| state.target(&target(name)).intent.and_then(|intent| intent.arrived);
    assert_eq!((arrived("a").as_deref(), arrived("b").as_deref()), (Some("77"), Some("")));
    assert_eq!(state.target(&target("c")).withheld, Some(withheld.clone()));
    for name in ["a", "c"] {
        store.record(state.serial, &deliver(name, &[])).await.unwrap();
        state.apply(&deliver(name, &[]));
    }
    let state = open().load().await.unwrap();
    for name in ["a", "c"] {
        assert_eq!((state.target(&target(name)).intent, state.target(&target(name)).withheld), (None, None));
    }
}

pub(super) async fn facts_of_files_are_remembered<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let asked = [blob('a'), blob('b'), blob('c')];
    assert_eq!(store.known(&asked).await.unwrap(), FileFacts::new());
    let (first, second) = (Sha256Hex::of(b"1"), Sha256Hex::of(b"2"));
    let fact = |sha256: &Sha256Hex, bytes, image| FileFact { sha256: sha256.clone(), bytes, image };
    let (small, large) =
        (fact(&first, 7, Some(Dimensions { width: 1, height: u32::MAX })), fact(&second, 1 << 40, None));
    store.remember(&FileFacts::new()).await.unwrap();
    let image = Some(Dimensions { width: 3, height: 4 });
    store.remember(&[(blob('a'), small.clone()), (blob('b'), fact(&first, 0, image))].into()).await.unwrap();
    store.remember(&[(blob('b'), large.clone()), (blob('d'), fact(&second, 1, None))].into()).await.unwrap();
    let known = FileFacts::from([(blob('a'), small), (blob('b'), large)]);
    assert_eq!(open().known(&asked).await.unwrap(), known);
    assert_eq!(store.load().await.unwrap().serial, Serial(0), "a memory of files is no change of the state");
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = prop::sample::select(vec!["manifest", "downstream/a'b", "embedding\0"]).prop_map(target);
    let digest = any::<u8>().prop_map(|n| Sha256Hex::of(&[n % 4]));
    let key = (0..3u8, 0..4u8).prop_map(|(collection, id)| AssetKey {
        collection: CollectionName::new(["x", "y", "X"][usize::from(collection)]),
        id: AssetId::new(["", "bolt", "bolt ", "ü\0$"][usize::from(id)]),
    });
    let at = any::<i64>().prop_map(Timestamp);
    let intent = (any::<String>(), digest.clone(), at.clone()).prop_map(|(correlation, digest, at)| Intent {
        correlation: CorrelationId::new(correlation),
        digest,
        at,
        arrived: None,
    });
    let withheld =
        (digest.clone(), any::<String>(), at.clone()).prop_map(|(digest, why, at)| Withheld { digest, why, at });
    let assets = prop::collection::btree_map(key, digest.clone(), 0..6);
    let delivered = (any::<bool>(), digest, assets, at.clone()).prop_map(|(committed, digest, assets, at)| Delivered {
        commit: committed.then(|| commit('d')),
        digest,
        assets,
        at,
    });
    let change = prop_oneof![
        (name.clone(), intent).prop_map(|(target, intent)| Change::Intend { target, intent }),
        (name.clone(), delivered).prop_map(|(target, delivered)| Change::Deliver { target, delivered }),
        (name.clone(), any::<String>(), at.clone()).prop_map(|(target, run, at)| Change::Arrive { target, run, at }),
        (name.clone(), withheld).prop_map(|(target, withheld)| Change::Withhold { target, withheld }),
        (name, any::<String>(), any::<bool>(), at).prop_map(|(target, why, certain, at)| Change::Fail {
            target,
            why,
            certain,
            at
        }),
    ];
    prop::collection::vec(change, 0..10)
}

pub(super) fn a_loaded_state_is_the_pure_state<S: Store, O: Fn() -> S>(places: impl Fn() -> O) {
    some_loaded_states_are_pure_states(48, places);
}

pub(super) fn some_loaded_states_are_pure_states<S: Store, O: Fn() -> S>(cases: u32, places: impl Fn() -> O) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = ProptestConfig::with_cases(cases);
    config.failure_persistence = None;
    proptest!(config, |(changes in changes())| {
        let open = places();
        let (store, mut state) = runtime.block_on(async {
            let store = open();
            let state: State = store.load().await.unwrap();
            (store, state)
        });
        let mut history = Vec::new();
        for change in &changes {
            runtime.block_on(store.record(state.serial, change)).unwrap();
            state.apply(change);
            history.push(HistoryEntry::of(change, state.serial, state.run.as_ref()));
            prop_assert_eq!(&runtime.block_on(store.load()).unwrap(), &state);
        }
        drop(store);
        prop_assert_eq!(&runtime.block_on(open().load()).unwrap().targets, &state.targets);
        prop_assert_eq!(runtime.block_on(open().history(100)).unwrap(), history);
    });
}

fn begin(id: &str) -> Change {
    let run = Run {
        id: RunId::new(id),
        who: "alice".to_owned(),
        event: Some("push".to_owned()),
        command: "sync --only embed".to_owned(),
        commit: Some(commit('c')),
        link: None,
        at: Timestamp(3),
    };
    Change::Begin { run }
}

fn end(id: &str, result: RunResult) -> Change {
    let end = RunEnd { run: RunId::new(id), result, detail: "manifest done".to_owned(), at: Timestamp(4) };
    Change::End { end }
}

pub(super) async fn runs_stand_in_the_history_with_their_changes<S: Store>(open: impl Fn() -> S) {
    let store = open();
    assert_eq!(store.runs(10).await.unwrap(), []);
    let changes = [begin("one"), intend("a", "sr-1"), begin("two"), deliver("a", &[]), end("two", RunResult::Partial)];
    let mut state = store.load().await.unwrap();
    for change in changes.iter().chain(&[intend("b", "sr-2")]) {
        store.record(state.serial, change).await.unwrap();
        state.apply(change);
    }
    assert_eq!(open().load().await.unwrap(), state);
    let runs = open().runs(10).await.unwrap();
    let shown: Vec<_> = runs.iter().map(|(run, end)| (run.id.as_str(), end.as_ref().map(|end| end.result))).collect();
    assert_eq!(shown, [("one", None), ("two", Some(RunResult::Partial))], "the first was killed");
    assert_eq!(Change::Begin { run: runs[0].0.clone() }, begin("one"));
    assert_eq!(open().runs(1).await.unwrap(), runs[1..]);
    let of_whom: Vec<_> = store.history(10).await.unwrap().into_iter().map(|entry| entry.run).collect();
    let [one, two] = ["one", "two"].map(|id| Some(RunId::new(id)));
    assert_eq!(of_whom, [one.clone(), one, two.clone(), two.clone(), two, None]);
}

pub(super) async fn a_survey_counts_what_is_there_or_says_nothing<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let changes = [begin("one"), intend("a", "sr-1"), deliver("a", &[("x", "x")]), end("one", RunResult::Done)];
    for change in &changes {
        let serial = store.load().await.unwrap().serial;
        store.record(serial, change).await.unwrap();
    }
    let survey = open().survey().await.unwrap();
    if survey.rows.is_empty() {
        return;
    }
    let rows: Vec<u64> = survey.rows.iter().map(|(_, rows)| *rows).collect();
    assert_eq!(survey.rows.iter().map(|(table, _)| *table).collect::<Vec<_>>(), Table::ALL);
    assert_eq!(rows, [1, 1, 1, 1, 4, 0, 0]);
}

fn claim(token: &str, alone: bool) -> Claim {
    let holder = format!("{token} on laptop");
    Claim { token: LockToken::new(token), holder, seconds: 300, alone, abandoned: None }
}

pub(super) async fn a_lock_is_one_holder_s_until_it_is_given_back_or_expires<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let token = |name: &str| LockToken::new(name);
    let refused = |locked: Result<Lock, StateError>| match locked.unwrap_err() {
        StateError::Locked(lock) => lock.token,
        other => panic!("{other}"),
    };
    assert_eq!(store.locked().await.unwrap(), None);
    store.unlock(&token("nobody")).await.unwrap();
    // A store with a clock of its own judges by that; so the times here are those of the machine.
    let now = crate::adapters::clock::now();
    let lock = store.lock(&claim("one", false), now).await.unwrap();
    assert_eq!((lock.holder.as_str(), lock.expires.0 - lock.at.0), ("one on laptop", 300));
    assert_eq!(open().locked().await.unwrap(), Some(lock));
    assert_eq!(refused(open().lock(&claim("two", false), now).await), token("one"));
    store.unlock(&token("two")).await.unwrap();
    assert_eq!(refused(open().lock(&claim("two", false), now).await), token("one"), "it was not theirs to give back");
    store.lock(&claim("one", false), now).await.unwrap();
    open().lock(&claim("two", true), now).await.unwrap();
    assert_eq!(refused(store.lock(&claim("one", false), now).await), token("two"), "it was taken over");
    open().unlock(&token("two")).await.unwrap();
    assert_eq!(store.locked().await.unwrap(), None);
    let brief = Claim { seconds: 0, ..claim("three", false) };
    store.lock(&brief, now).await.unwrap();
    store.lock(&claim("four", false), now).await.unwrap();
    assert_eq!(store.load().await.unwrap().serial, Serial(0), "a lock is no change");
}

fn chunk(namespace: &str, text: &str, index: u32) -> ChunkRow {
    let asset = AssetKey { collection: CollectionName::new("products"), id: AssetId::new(format!("asset {text}")) };
    ChunkRow {
        namespace: namespace.to_owned(),
        id: ChunkId::of(&asset, text),
        path: RepoPath::new("Bolt $ 5/desc.md"),
        asset,
        index,
        hash: Sha256Hex::of(text.as_bytes()),
        stored: index.is_multiple_of(2),
    }
}

fn mark(serial: u64) -> IndexMark {
    IndexMark { lineage: "line".to_owned(), serial: Serial(serial) }
}

pub(super) async fn chunk_rows_change_only_while_their_intent_is_under_way<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let (ours, other) = (CorrelationId::new("sr-1"), CorrelationId::new("sr-2"));
    let put = ChunkChange::Put(vec![chunk("m/1", "text", 0)]);
    assert!(matches!(store.change_chunks(&ours, &put).await, Err(StateError::Fenced)));
    store.record(Serial(0), &intend("embedding", "sr-1")).await.unwrap();
    assert!(matches!(open().change_chunks(&other, &put).await, Err(StateError::Fenced)));
    open().change_chunks(&ours, &put).await.unwrap();
    store.change_chunks(&ours, &ChunkChange::Mark(mark(1))).await.unwrap();
    store.record(Serial(1), &intend("embedding", "sr-2")).await.unwrap();
    for late in [put, ChunkChange::Forget, ChunkChange::Mark(mark(9))] {
        assert!(matches!(store.change_chunks(&ours, &late).await, Err(StateError::Fenced)), "{late:?}");
    }
    assert_eq!(store.chunks(&mark(1)).await.unwrap().map(|rows| rows.len()), Some(1));
}

pub(super) async fn chunk_rows_are_those_of_the_index_with_their_mark<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let intent = CorrelationId::new("sr-1");
    store.record(Serial(0), &intend("embedding", "sr-1")).await.unwrap();
    let change = async |change: ChunkChange| open().change_chunks(&intent, &change).await.unwrap();
    let rows = async || {
        let mut rows = open().chunks(&mark(1)).await.unwrap().unwrap();
        rows.sort_by_key(|row| (row.namespace.clone(), row.index));
        rows
    };
    assert_eq!(store.chunks(&mark(1)).await.unwrap(), None);
    let (one, two, three) = (chunk("m/1", "one", 0), chunk("m/1", "two", 1), chunk("m/2", "three", 2));
    change(ChunkChange::Put(vec![one.clone(), two.clone(), three.clone()])).await;
    assert_eq!(open().chunks(&mark(1)).await.unwrap(), None, "no index is known yet");
    change(ChunkChange::Mark(mark(1))).await;
    assert_eq!(open().chunks(&mark(2)).await.unwrap(), None, "of another index nothing is known");
    assert_eq!(rows().await, [one.clone(), two.clone(), three.clone()]);
    let moved = ChunkRow { path: RepoPath::new("elsewhere.md"), index: 7, stored: true, ..two };
    change(ChunkChange::Put(vec![moved.clone()])).await;
    assert_eq!(rows().await, [one.clone(), moved.clone(), three.clone()]);
    change(ChunkChange::Gone { namespace: "m/1".to_owned(), ids: vec![one.id, three.id.clone()] }).await;
    assert_eq!(rows().await, [moved.clone(), three], "the same id in another namespace stays");
    change(ChunkChange::Dropped { namespace: "m/2".to_owned() }).await;
    change(ChunkChange::Mark(mark(1))).await;
    assert_eq!(rows().await, [moved], "a mark takes nothing away that is in use");
    change(ChunkChange::Forget).await;
    assert_eq!(open().chunks(&mark(1)).await.unwrap(), None);
    change(ChunkChange::Mark(mark(1))).await;
    assert_eq!(rows().await, []);
}
