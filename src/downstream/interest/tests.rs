use proptest::prelude::*;

use super::*;
use crate::catalog::asset::{CompanionFile, meaning};
use crate::catalog::collection::Collection;
use crate::ids::{AssetId, BlobId, CollectionName};

fn when(yaml: &str) -> When {
    serde_yaml::from_str(yaml).unwrap()
}

fn blob(text: &str) -> BlobId {
    BlobId::parse(Sha256Hex::of(text.as_bytes()).as_str()).unwrap()
}

/// An asset at `a/NAME.json`; each file with its content.
fn asset(id: &str, meaning: Value, files: &[(&str, &str)]) -> Asset {
    let file = |(path, text): &(&str, &str)| CompanionFile { path: RepoPath::new(*path), blob: blob(text) };
    Asset {
        key: AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) },
        record: RepoPath::new(format!("a/{id}.json")),
        meaning,
        schema: None,
        files: files.iter().map(file).collect(),
        warned: false,
    }
}

fn digest(yaml: &str, asset: &Asset) -> Option<Sha256Hex> {
    Interest::of(&when(yaml)).digest(asset, &FileFacts::new())
}

fn bolt(title: &str, price: u32, model: &str) -> Asset {
    let files = [("a/bolt.glb", model), ("a/bolt.png", "image")];
    asset("bolt", json!({"title": title, "price": price, "sizes": [{"mm": 3}, {"mm": 4}]}), &files)
}

#[test]
fn only_the_values_at_the_pointers_count() {
    let of = |asset: &Asset| digest("{pointers: [/title, '/sizes/*/mm']}", asset);
    let before = bolt("Bolt", 1, "m");
    assert_eq!(of(&before), of(&bolt("Bolt", 2, "n")));
    assert_ne!(of(&before), of(&bolt("Screw", 1, "m")));
    let mut longer = before.clone();
    longer.meaning["sizes"][1]["mm"] = json!(5);
    assert_ne!(of(&before), of(&longer));
}

#[test]
fn only_the_files_that_a_glob_matches_count() {
    let of = |asset: &Asset| digest("{paths: ['**/*.glb']}", asset);
    assert_eq!(of(&bolt("Bolt", 1, "m")), of(&bolt("Screw", 2, "m")));
    assert_ne!(of(&bolt("Bolt", 1, "m")), of(&bolt("Bolt", 1, "n")));
    assert_eq!(of(&asset("nut", json!({}), &[("a/nut.png", "")])), None, "nothing of it is of concern");
}

#[test]
fn a_record_that_a_glob_matches_counts_as_a_whole() {
    let of = |asset: &Asset| digest("{paths: ['a/bolt.json']}", asset);
    assert_ne!(of(&bolt("Bolt", 1, "m")), of(&bolt("Bolt", 2, "m")));
    assert_eq!(of(&bolt("Bolt", 1, "m")), of(&bolt("Bolt", 1, "n")));
}

#[test]
fn of_pointers_and_globs_either_counts() {
    let of = |asset: &Asset| digest("{paths: ['**/*.glb'], pointers: [/title]}", asset);
    let before = of(&bolt("Bolt", 1, "m"));
    assert_eq!(before, of(&bolt("Bolt", 2, "m")));
    assert_ne!(before, of(&bolt("Screw", 1, "m")));
    assert_ne!(before, of(&bolt("Bolt", 1, "n")));
}

#[test]
fn with_pointers_every_asset_is_of_concern_whether_it_has_the_values_or_not() {
    let bare = asset("nut", json!({}), &[]);
    let (with, without) = (digest("{pointers: [/title]}", &bolt("B", 1, "m")), digest("{pointers: [/title]}", &bare));
    assert!(without.is_some() && with != without);
}

#[test]
fn a_star_in_a_glob_stays_within_one_name_as_in_collections() {
    let interest = Interest::of(&when("{paths: ['*.glb']}"));
    assert!(interest.matches(&RepoPath::new("bolt.glb")) && !interest.matches(&RepoPath::new("a/bolt.glb")));
    let dollar = Interest::of(&when("{paths: ['Knobs $5/*.glb']}"));
    assert!(dollar.matches(&RepoPath::new("Knobs $5/Big Knob.glb")));
}

#[test]
fn a_volatile_value_counts_for_nobody_even_where_a_pointer_names_it() {
    let settings = serde_yaml::from_str("{metadata: '*.json', volatile: [/synced]}").unwrap();
    let collection = Collection::new(CollectionName::new("products"), &settings).unwrap();
    let at = |synced: u32| asset("bolt", meaning(&collection, json!({"title": "B", "synced": synced})), &[]);
    assert_eq!(digest("{pointers: [/synced, /title]}", &at(1)), digest("{pointers: [/synced, /title]}", &at(2)));
}

#[test]
fn downstreams_that_read_everything_get_the_digests_of_the_manifest() {
    let whole: BTreeMap<_, _> = [(bolt("", 1, "").key, Sha256Hex::of(b"whole"))].into();
    let read = |name: &str, yaml: &str| (DownstreamName::new(name), serde_yaml::from_str(yaml).unwrap());
    let all = [
        read("all", "repo: o/a"),
        read("some", "{repo: o/b, when: {collections: [products]}}"),
        read("titles", "{repo: o/c, when: {pointers: [/title]}}"),
        read("again", "{repo: o/d, when: {pointers: [/title]}}"),
        read("icons", "{repo: o/e, when: {collections: [icons], pointers: [/title]}}"),
    ];
    let all: BTreeMap<DownstreamName, Settings> = all.into();
    let concerns = Concerns::new(&all, whole.clone(), &[bolt("Bolt", 1, "m")], &FileFacts::new());
    let of = |name: &str| concerns.of(&all[&DownstreamName::new(name)].when);
    assert_eq!((of("all"), of("some")), (&whole, &whole));
    assert!(of("titles").len() == 1 && of("titles") != &whole);
    assert!(std::ptr::eq(of("titles"), of("again")), "it is worked out once");
    assert!(of("icons").is_empty());
}

/// The pointers of the leaves of the records below.
const LEAVES: [&str; 8] =
    ["/a", "/b", "/c~1d", "/nested/x", "/nested/y", "/list/0/name", "/list/1/name", "/list/1/size"];
const PATTERNS: [&str; 8] = ["/a", "/b", "/c~1d", "/nested", "/nested/*", "/list/*/name", "/list/1", "/list/0/missing"];

fn is_inside(leaf: &str, pattern: &str) -> bool {
    let (leaf, pattern): (Vec<_>, Vec<_>) = (leaf.split('/').collect(), pattern.split('/').collect());
    pattern.len() <= leaf.len() && pattern.iter().zip(&leaf).all(|(wanted, part)| *wanted == "*" || wanted == part)
}

fn record(values: &[u8]) -> Value {
    let mut record = json!({"nested": {}, "list": [{}, {}]});
    for (leaf, value) in LEAVES.iter().zip(values) {
        let (parent, key) = leaf.rsplit_once('/').unwrap();
        record.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = json!(value);
    }
    record
}

proptest! {
    #[test]
    fn a_change_outside_never_counts_and_one_inside_always_does(
        values in proptest::collection::vec(0_u8..3, LEAVES.len()),
        picked in proptest::collection::btree_set(0..PATTERNS.len(), 0..4),
        at in 0..LEAVES.len(),
        to in 3_u8..6,
    ) {
        let patterns: Vec<&str> = picked.into_iter().map(|index| PATTERNS[index]).collect();
        let of = |values: &[u8]| {
            let yaml = format!("{{pointers: {}}}", serde_json::to_string(&patterns).unwrap());
            digest(&yaml, &asset("bolt", record(values), &[]))
        };
        let mut changed = values.clone();
        changed[at] = to;
        let counts = patterns.iter().any(|pattern| is_inside(LEAVES[at], pattern));
        prop_assert_eq!(of(&values) != of(&changed), counts, "{} in {:?}", LEAVES[at], patterns);
    }

    #[test]
    fn a_file_counts_when_a_glob_matches_it_and_never_else(
        texts in proptest::collection::vec("[ab]", 3), at in 0..3_usize, glob in "(\\*\\*/)?\\*\\.(glb|png|json)",
    ) {
        let paths = ["a/bolt.glb", "a/bolt.png", "bolt.glb"];
        let of = |texts: &[String]| {
            let files: Vec<_> = paths.iter().copied().zip(texts.iter().map(String::as_str)).collect();
            digest(&format!("{{paths: ['{glob}'], pointers: [/none]}}"), &asset("bolt", json!({}), &files))
        };
        let mut changed = texts.clone();
        changed[at] = "c".to_owned();
        let is_deep = glob.starts_with("**/") || !paths[at].contains('/');
        let counts = is_deep && paths[at].ends_with(glob.rsplit('.').next().unwrap());
        prop_assert_eq!(of(&texts) != of(&changed), counts, "{} by {}", paths[at], glob);
    }
}
