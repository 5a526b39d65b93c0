use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalog::asset::Asset;
use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};
use crate::manifest::build::{FileFacts, build};
use crate::manifest::format::{Key, Renamed, Source};
use crate::manifest::layout::by_key;

/// The number of the first edition: the time of the libraries' commits.
const FIRST: u64 = 1_767_225_600;

/// A library of assets that have a price.
pub(crate) struct Library {
    pub(crate) manifest: Manifest,
    pub(crate) settings: Settings,
    pub(crate) now: i64,
    pub(crate) is_signed: bool,
}

impl Library {
    pub(crate) fn of(assets: &[(&str, u32)]) -> Self {
        Self::at("a", assets)
    }

    /// At a commit whose id has this digit.
    pub(crate) fn at(digit: &str, assets: &[(&str, u32)]) -> Self {
        let asset = |(id, price): &(&str, u32)| Asset {
            key: AssetKey { collection: CollectionName::new("products"), id: AssetId::new(*id) },
            record: RepoPath::new(format!("{id}.json")),
            meaning: json!({"price": price, "title": id, "text": "x".repeat(3_000)}),
            schema: None,
            files: Vec::new(),
            warned: false,
        };
        let assets: Vec<_> = assets.iter().map(asset).collect();
        let source = Source {
            commit: Some(digit.repeat(40)),
            date: Some(format!("2026-01-0{}T00:00:00Z", digit.len())),
            ..Source::default()
        };
        let manifest = build(&assets, &FileFacts::new(), &Settings::default(), source).unwrap();
        Self { manifest, settings: Settings::default(), now: 0, is_signed: false }
    }

    pub(crate) fn offer(&self) -> Offer<'_> {
        let Self { manifest, settings, now, is_signed } = self;
        Offer { manifest, settings, findings: &[], now: *now, is_signed: *is_signed, base: None, search: None }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::of(&self.manifest, Habits::Followed).unwrap()
    }

    /// What a place holds that has nothing but this library, as it is read before `next` is published.
    pub(crate) fn held_before(&self, next: &Self) -> Held {
        held(&after(None, self), &BTreeMap::new(), self, next)
    }
}

pub(crate) fn after(held: Option<&Held>, library: &Library) -> Edition {
    Edition::after(held, &library.offer(), &library.layout()).unwrap()
}

/// What a place holds after an edition was published that already had `names`, as it is read before `next` is published.
fn held(edition: &Edition, names: &BTreeMap<String, u64>, library: &Library, next: &Library) -> Held {
    let mut names = names.clone();
    names.extend(edition.files.iter().map(|(name, bytes)| (name.clone(), size(bytes))));
    let layout = library.layout();
    Held {
        sha256: Sha256Hex::of(&edition.root_bytes),
        is_signed: false,
        names,
        lines: Some(layout.lines_beside(&next.layout().list)),
        list: Some(layout.list),
        updated: serde_json::from_slice(&edition.files[&edition.root.updated.path]).ok(),
        exports: ExportList::default(),
        retired: Retired::default(),
        root: edition.root.clone(),
    }
}

fn delta(edition: &Edition) -> Delta {
    serde_json::from_slice(&edition.files[&edition.root.delta.as_ref().unwrap().path]).unwrap()
}

fn many(count: u32, price: impl Fn(u32) -> u32) -> Vec<(String, u32)> {
    (0..count).map(|index| (format!("asset {index:03}"), price(index))).collect()
}

fn library(digit: &str, assets: &[(String, u32)]) -> Library {
    Library::at(digit, &assets.iter().map(|(id, price)| (id.as_str(), *price)).collect::<Vec<_>>())
}

#[test]
fn the_first_edition_has_no_history_and_the_next_one_leads_from_it() {
    let (old, new) = (library("a", &many(60, |_| 1)), library("b", &many(60, |index| index / 59)));
    let first = after(None, &old);
    assert_eq!((first.root.seq, &first.root.prev, &first.root.delta), (FIRST, &None, &None));
    let held = old.held_before(&new);
    let second = after(Some(&held), &new);
    let prev = second.root.prev.clone().unwrap();
    assert_eq!((second.root.seq, prev.seq, prev.digest), (FIRST + 1, FIRST, first.root.digest.clone()));
    assert_eq!(prev.sha256, Sha256Hex::of(&first.root_bytes).as_str());
    let delta = delta(&second);
    assert_eq!((&delta.from, &delta.to, delta.put.len()), (&first.root.digest, &second.root.digest, 59));
}

#[test]
fn a_delta_says_what_is_new_changed_gone_and_renamed() {
    // Of those that are alike nobody can say which of them has another name now.
    let before = many(60, |index| if index == 21 { 9 } else { 1 });
    let mut now = before.clone();
    now[3].1 = 2;
    now.remove(7);
    now[20].0 = "another name".to_owned();
    let (old, new) = (library("a", &before), library("b", &now));
    let delta = delta(&after(Some(&old.held_before(&new)), &new));
    let ids: Vec<_> = delta.put.iter().map(|put| put.asset.id.as_str()).collect();
    assert_eq!(ids, ["another name", "asset 003"]);
    let key = |id: &str| Key { collection: "products".into(), id: id.into() };
    assert_eq!(delta.removed, [key("asset 007"), key("asset 021")]);
    let renamed = Renamed { collection: "products".into(), from: "asset 021".into(), to: "another name".into() };
    assert_eq!(delta.renamed, [renamed]);
}

#[test]
fn a_delta_holds_the_very_lines_of_the_shards() {
    let (old, new) = (library("a", &many(60, |_| 1)), library("b", &many(60, |index| index / 50)));
    let edition = after(Some(&old.held_before(&new)), &new);
    let bytes = &edition.files[&edition.root.delta.as_ref().unwrap().path];
    let text = String::from_utf8_lossy(bytes);
    for entry in new.manifest.collections["products"].entries.iter().take(50) {
        assert!(text.contains(std::str::from_utf8(&entry.bytes).unwrap()));
    }
    let one_line = text.replace(",\n", ",").replace("[\n", "[").replace("\n]", "]");
    assert_eq!(one_line.trim_end().as_bytes(), canonical(&delta(&edition)).unwrap());
}

#[test]
fn there_is_no_delta_where_everything_has_changed_or_something_cannot_be_read() {
    let (old, new) = (library("a", &many(60, |_| 1)), library("b", &many(60, |_| 2)));
    let held = old.held_before(&new);
    let few = library("b", &many(60, |index| 1 + index / 59));
    assert!(after(Some(&old.held_before(&few)), &few).root.delta.is_some());
    for torn in
        [Held { lines: None, ..held.clone() }, Held { list: None, ..held.clone() }, Held { updated: None, ..held }]
    {
        let edition = after(Some(&torn), &few);
        assert_eq!((edition.root.delta, edition.root.seq), (None, FIRST + 1));
    }
}

#[test]
fn the_chain_of_deltas_is_kept_up_to_its_length_and_each_leads_to_the_one_before() {
    let libraries: Vec<_> =
        (0..40_u32).map(|round| library("a", &many(30, |index| u32::from(index == 0) * round))).collect();
    let mut edition = after(None, &libraries[0]);
    let mut names = BTreeMap::new();
    for pair in libraries.windows(2) {
        let before = held(&edition, &names, &pair[0], &pair[1]);
        names.clone_from(&before.names);
        let next = after(Some(&before), &pair[1]);
        let steps = next.steps(Some(&before), &before.names, 0).unwrap();
        assert_eq!(steps.put.keys().filter(|name| name.starts_with("delta-")).count(), 1);
        assert_eq!(delta(&next).prev, edition.root.delta);
        edition = next;
    }
    let updated: Updated = serde_json::from_slice(&edition.files[&edition.root.updated.path]).unwrap();
    assert_eq!((updated.deltas.len(), updated.deltas.first()), (MOST_DELTAS, edition.root.delta.as_ref()));
    // What is older waits to be taken away.
    let last = &libraries[39];
    let steps = after(Some(&held(&edition, &names, last, last)), last).steps(None, &names, 0).unwrap();
    let retired: Retired = serde_json::from_slice(&steps.put[RETIRED]).unwrap();
    assert!(retired.files.keys().any(|name| name.starts_with("delta-")), "{retired:?}");
}

#[test]
fn an_asset_keeps_the_commit_that_last_changed_what_it_means() {
    let first = library("a", &many(10, |_| 1));
    let second = library("b", &many(10, |index| 1 + u32::from(index == 2)));
    let third = library("c", &many(11, |index| 1 + u32::from(index == 2)));
    let mut edition = after(None, &first);
    for (before, next) in [(&first, &second), (&second, &third)] {
        edition = after(Some(&held(&edition, &BTreeMap::new(), before, next)), next);
    }
    let updated: Updated = serde_json::from_slice(&edition.files[&edition.root.updated.path]).unwrap();
    let commit = |id: &str| updated.moment("products", id).unwrap().commit.clone().unwrap();
    let found = ["asset 000", "asset 002", "asset 010"].map(commit);
    assert_eq!(found, ["a".repeat(40), "b".repeat(40), "c".repeat(40)]);
    assert_eq!((updated.commits.len(), updated.collections["products"].len()), (3, 2));
    // The library of before is there again: what it changes back is changed by this commit.
    let fourth = library("d", &many(10, |_| 1));
    let back = after(Some(&held(&edition, &BTreeMap::new(), &third, &fourth)), &fourth);
    let updated: Updated = serde_json::from_slice(&back.files[&back.root.updated.path]).unwrap();
    let commits: Vec<_> = updated.commits.iter().map(|moment| moment.commit.clone().unwrap()).collect();
    assert_eq!(commits, ["a".repeat(40), "d".repeat(40)]);
}

#[test]
fn the_same_library_published_again_keeps_its_chain() {
    let (old, new) = (library("a", &many(60, |_| 1)), library("b", &many(60, |index| 1 + index / 59)));
    let second = after(Some(&old.held_before(&new)), &new);
    let third = after(Some(&held(&second, &BTreeMap::new(), &new, &new)), &new);
    assert_eq!(
        (third.root.delta, third.root.updated, third.root.seq),
        (second.root.delta, second.root.updated, FIRST + 2)
    );
}

#[test]
fn a_delta_whose_file_is_gone_is_named_no_more() {
    let (a, b) = (library("a", &many(60, |_| 1)), library("b", &many(60, |index| index / 59)));
    let first = a.held_before(&b);
    let second = after(Some(&first), &b);
    let lost = second.root.delta.clone().unwrap().path;
    let mut there = held(&second, &first.names, &b, &b);
    there.names.remove(&lost);
    assert_eq!(there.is(&b.offer(), &b.layout()), Ok(false));
    let third = after(Some(&there), &b);
    assert_eq!(third.root.delta, None, "it cannot be made again");
    let then = held(&third, &there.names, &b, &b);
    assert_eq!(then.is(&b.offer(), &b.layout()), Ok(true), "so that the place comes to rest");
    let next = library("c", &many(60, |index| index / 58));
    let mut there = held(&second, &first.names, &b, &next);
    there.names.remove(&lost);
    let fourth = after(Some(&there), &next);
    assert_eq!(delta(&fourth).prev, None);
    let updated: Updated = serde_json::from_slice(&fourth.files[&fourth.root.updated.path]).unwrap();
    assert_eq!(updated.deltas.len(), 1);
}

#[test]
fn a_place_with_another_address_gets_exports_that_say_so_and_without_exports_nothing() {
    let mut library = Library::of(&[("a", 1)]);
    let at = |library: &Library, base: &str| Offer { base: Some(base.to_owned()), ..library.offer() }.presentation();
    assert_eq!(at(&library, "https://a.example/"), library.offer().presentation());
    library.settings.exports.sitemap = Some(Default::default());
    assert_ne!(at(&library, "https://a.example/"), at(&library, "https://b.example/"));
}

#[test]
fn a_commit_that_is_not_in_the_list_of_before_is_taken_for_this_one() {
    let (old, new) = (Library::at("a", &[("a", 1)]), Library::at("b", &[("a", 1)]));
    let mut wrong = old.held_before(&new);
    wrong.updated.as_mut().unwrap().base = 7;
    let edition = after(Some(&wrong), &new);
    let updated: Updated = serde_json::from_slice(&edition.files[&edition.root.updated.path]).unwrap();
    assert_eq!(updated.moment("products", "a").unwrap().commit, Some("b".repeat(40)));
}

#[test]
fn a_snapshot_has_one_shard_for_a_collection_and_no_delta() {
    let (old, new) = (library("a", &many(60, |_| 1)), library("b", &many(60, |index| 1 + index / 59)));
    let layout = Layout::of(&new.manifest, Habits::Snapshot).unwrap();
    assert_eq!(layout.list.collections["products"].len(), 1);
    let edition = Edition::after(Some(&old.held_before(&new)), &new.offer(), &layout).unwrap();
    assert_eq!((edition.root.delta, edition.root.digest.as_str()), (None, new.manifest.digest.as_str()));
}

#[test]
fn files_that_no_root_names_any_more_go_after_a_day_and_others_are_left_alone() {
    let (old, new) = (library("a", &many(3, |_| 1)), library("b", &many(3, |_| 2)));
    let mut held = old.held_before(&new);
    held.names.insert("index.html".into(), 5);
    let edition = after(Some(&held), &new);
    let steps = edition.steps(Some(&held), &held.names, 1_000).unwrap();
    assert!(steps.removed.is_empty());
    held.retired = serde_json::from_slice(&steps.put[RETIRED]).unwrap();
    assert!(held.retired.files.values().all(|since| *since == 1_000) && held.retired.files.len() >= 3);
    let later = edition.steps(Some(&held), &held.names, 1_000 + crate::manifest::retired::GRACE_SECONDS).unwrap();
    assert_eq!(later.removed, held.retired.files.keys().cloned().collect::<Vec<_>>());
    assert!(!later.removed.contains(&"index.html".to_owned()));
    assert_eq!(serde_json::from_slice::<Retired>(&later.put[RETIRED]).unwrap().files, BTreeMap::new());
}

fn applied(mut have: BTreeMap<(String, String), Vec<u8>>, delta: &Delta) -> BTreeMap<(String, String), Vec<u8>> {
    for key in &delta.removed {
        have.remove(&(key.collection.clone(), key.id.clone()));
    }
    for put in &delta.put {
        have.insert((put.collection.clone(), put.asset.id.clone()), canonical(&put.asset).unwrap());
    }
    have
}

fn content(library: &Library) -> BTreeMap<(String, String), Vec<u8>> {
    let lines = library.layout().lines_beside(&ShardList::default());
    by_key(lines).into_iter().map(|(key, line)| (key, line.bytes)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_delta_leads_from_any_library_to_any_other(
        old in proptest::collection::btree_map("[a-d]{1,3}", 0..3_u32, 0..60),
        new in proptest::collection::btree_map("[a-d]{1,3}", 0..3_u32, 0..60),
    ) {
        let of = |assets: &std::collections::BTreeMap<String, u32>| {
            Library::of(&assets.iter().map(|(id, price)| (id.as_str(), *price)).collect::<Vec<_>>())
        };
        let (old, new) = (of(&old), of(&new));
        let held = old.held_before(&new);
        let edition = after(Some(&held), &new);
        if let Some(reference) = &edition.root.delta {
            let delta: Delta = serde_json::from_slice(&edition.files[&reference.path]).unwrap();
            prop_assert_eq!(applied(content(&old), &delta), content(&new));
        }
        let same = Held { lines: Some(Vec::new()), ..held };
        prop_assert_eq!(same.is(&old.offer(), &old.layout()), Ok(true));
    }
}

#[test]
fn a_number_that_canonical_json_cannot_carry_is_neither_read_nor_written() {
    let (old, new) = (Library::of(&[("a", 1)]), Library::of(&[("a", 2)]));
    let mut held = old.held_before(&new);
    held.root.seq = MOST_NUMBER - 1;
    assert_eq!(after(Some(&held), &new).root.seq, MOST_NUMBER);
    held.root.seq = MOST_NUMBER;
    let refused = Edition::after(Some(&held), &new.offer(), &new.layout());
    assert_eq!(refused, Err(BuildError::NoNumber(MOST_NUMBER)));
    let mut root = serde_json::to_value(&held.root).unwrap();
    assert!(serde_json::from_value::<Root>(root.clone()).is_ok());
    for (pointer, field) in
        [("", "seq"), ("/shards", "bytes"), ("/collections/products", "bytes"), ("/collections/products", "files")]
    {
        let was = root.pointer(pointer).unwrap()[field].clone();
        root.pointer_mut(pointer).unwrap()[field] = json!(MOST_NUMBER + 1);
        assert!(serde_json::from_value::<Root>(root.clone()).is_err(), "{pointer} {field}");
        root.pointer_mut(pointer).unwrap()[field] = was;
    }
}

#[test]
fn the_number_grows_with_the_commits_time_where_nothing_is_known_of_earlier_ones() {
    let seq = |digit: &str| after(None, &library(digit, &many(2, |_| 1))).root.seq;
    assert_eq!((seq("a"), seq("aa")), (FIRST, FIRST + 86_400));
    let old = library("aaa", &many(2, |_| 1));
    let new = library("b", &many(2, |_| 2));
    assert_eq!(
        after(Some(&old.held_before(&new)), &new).root.seq,
        FIRST + 2 * 86_400 + 1,
        "a commit of an earlier day"
    );
}

#[test]
fn the_root_of_an_edition_stays_readable_for_as_long_as_its_other_files() {
    let (one, two, three) =
        (Library::at("a", &[("a", 1)]), Library::at("b", &[("a", 2)]), Library::at("c", &[("a", 3)]));
    let first = after(None, &one);
    let copy = crate::manifest::files::copy_of(&Sha256Hex::of(&first.root_bytes));
    assert_eq!(first.files[&copy], first.root_bytes);
    let before = held(&first, &BTreeMap::new(), &one, &two);
    let second = after(Some(&before), &two);
    let steps = second.steps(Some(&before), &before.names, 0).unwrap();
    let retired: Retired = serde_json::from_slice(&steps.put[RETIRED]).unwrap();
    assert!(
        steps.removed.is_empty() && retired.files[&copy] == 0 && retired.files.contains_key(&first.root.shards.path)
    );
    let before = Held { retired, ..held(&second, &before.names, &two, &three) };
    let third = after(Some(&before), &three);
    let steps = third.steps(Some(&before), &before.names, crate::manifest::retired::GRACE_SECONDS).unwrap();
    let own = crate::manifest::files::copy_of(&Sha256Hex::of(&second.root_bytes));
    assert!(steps.removed.contains(&copy) && !steps.removed.contains(&own));
    // A release is read once, and has its root alone.
    let layout = Layout::of(&one.manifest, Habits::Snapshot).unwrap();
    let release = Edition::after(None, &one.offer(), &layout).unwrap();
    assert!(!release.files.keys().any(|name| name.starts_with("edition-")));
}
