//! What every store has to keep: the laws, and the macro that makes a test of each for one store.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{FileDigests, StateError, StateHistory, StateStore};
use crate::ids::{AssetId, AssetKey, BlobId, CollectionName, CommitId, CorrelationId, Sha256Hex, TargetName};
use crate::state::{Change, Delivered, HistoryEntry, Intent, Serial, State, Timestamp};

pub(super) const LIBRARY: &str = "org/library";

/// A store with everything that a run asks of it.
pub(super) trait Store: StateStore + StateHistory + FileDigests {}
impl<S: StateStore + StateHistory + FileDigests> Store for S {}

/// Makes the tests. `$places` gives a new place; the place opens a store on it, again and again the same state.
macro_rules! suite {
    ($places:expr) => {
        $crate::adapters::state_store::conformance::suite!($places;
            a_new_state_is_empty_and_keeps_its_lineage,
            a_change_is_there_when_the_store_is_opened_again,
            of_two_writers_at_one_serial_one_wins,
            a_refused_change_leaves_no_trace,
            the_history_is_cut_to_its_end,
            a_delivery_replaces_the_assets_of_its_target_alone,
            digests_of_files_are_remembered,
        );

        #[test]
        fn a_loaded_state_is_the_pure_state() {
            $crate::adapters::state_store::conformance::a_loaded_state_is_the_pure_state($places);
        }
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
    let intent =
        Intent { correlation: CorrelationId::new(correlation), digest: Sha256Hex::of(b"new"), at: Timestamp(1) };
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
        (1..).zip(&changes).map(|(serial, change)| HistoryEntry::of(change, Serial(serial))).collect();
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

pub(super) async fn digests_of_files_are_remembered<S: Store>(open: impl Fn() -> S) {
    let store = open();
    let asked = [blob('a'), blob('b'), blob('c')];
    assert_eq!(store.known(&asked).await.unwrap(), BTreeMap::new());
    let (first, second) = (Sha256Hex::of(b"1"), Sha256Hex::of(b"2"));
    store.remember(&[]).await.unwrap();
    store.remember(&[(blob('a'), first.clone(), 7), (blob('b'), first.clone(), 0)]).await.unwrap();
    store.remember(&[(blob('b'), second.clone(), 1 << 40), (blob('d'), second.clone(), 1)]).await.unwrap();
    let known = BTreeMap::from([(blob('a'), (first, 7)), (blob('b'), (second, 1 << 40))]);
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
    });
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
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut config = ProptestConfig::with_cases(48);
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
            history.push(HistoryEntry::of(change, state.serial));
            prop_assert_eq!(&runtime.block_on(store.load()).unwrap(), &state);
        }
        drop(store);
        prop_assert_eq!(&runtime.block_on(open().load()).unwrap().targets, &state.targets);
        prop_assert_eq!(runtime.block_on(open().history(100)).unwrap(), history);
    });
}
