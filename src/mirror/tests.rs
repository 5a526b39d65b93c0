use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::choice::{Choice, Files};
use super::documents::{self, Document, Flaw};
use super::draft::refuse_changed;
use super::fixture::{Edition, Library, content, entry};
use super::plan::{Ground, Known, Losses, Origin, Plan, Refusal, Seen, losses, plan};
use super::record::Record;
use super::route::{Arrival, Route, Way};
use crate::ids::Sha256Hex;

mod refusals;

/// A folder in memory, and what it remembers.
#[derive(Debug, Clone, Default, PartialEq)]
struct Folder {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeSet<String>,
    ignores_case: bool,
    record: Option<Record>,
}

impl Folder {
    /// The name that a path has here, which may differ in case.
    fn spelled(&self, path: &str) -> String {
        let is_it = |other: &&String| self.ignores_case && other.eq_ignore_ascii_case(path);
        self.files.keys().find(is_it).map_or(path, |other| other.as_str()).to_owned()
    }
}

impl Ground for Folder {
    fn look(&mut self, path: &str) -> Seen {
        if self.links.contains(path) {
            return Seen::Other("a symbolic link");
        }
        if let Some(bytes) = self.files.get(&self.spelled(path)) {
            return Seen::File(bytes.len() as u64);
        }
        let below = format!("{path}/");
        if self.files.keys().any(|other| other.starts_with(&below)) { Seen::Folder } else { Seen::Nothing }
    }

    fn digest(&mut self, path: &str) -> Option<Sha256Hex> {
        self.files.get(&self.spelled(path)).map(|bytes| Sha256Hex::of(bytes))
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        self.files.get(&self.spelled(path)).cloned()
    }

    fn is_one(&mut self, path: &str, other: &str) -> bool {
        let (path, other) = (self.spelled(path), self.spelled(other));
        path == other && self.files.contains_key(&path)
    }

    fn holds_others(&mut self, path: &str, but: &BTreeSet<&str>) -> bool {
        let below = format!("{path}/");
        self.files.keys().any(|other| other.starts_with(&below) && !but.contains(other.as_str()))
    }
}

/// What came of a pull.
#[derive(Debug)]
enum Trouble {
    Flaw(Flaw),
    Refusal(Refusal),
}

fn arrive(
    edition: &Edition,
    choice: &Choice,
    record: Option<&Record>,
    is_whole: bool,
    withheld: &dyn Fn(&str) -> bool,
) -> Result<(Arrival, Vec<String>), Flaw> {
    let root = documents::root(&edition.root_bytes())?;
    let (mut route, mut asked) = (Route::new(&root, choice, record, is_whole), Vec::new());
    loop {
        let wants = route.wants();
        if wants.is_empty() {
            return Ok((route.arrival().unwrap(), asked));
        }
        for document in wants {
            asked.push(document.path.clone());
            let bytes = edition.files.get(&document.path).filter(|_| !withheld(&document.path));
            route.take(&document, bytes.map(Vec::as_slice))?;
        }
    }
}

impl Folder {
    fn planned(
        &mut self,
        edition: &Edition,
        choice: &Choice,
        withheld: &dyn Fn(&str) -> bool,
    ) -> Result<(Plan, Way), Trouble> {
        let before = self.record.clone().unwrap_or_else(|| Record::empty("x", choice.clone()));
        let mut record = before.clone();
        let Losses { lost, entries } = losses(&record, choice, self);
        record.forget(&lost);
        let held = self.record.is_some().then_some(&record);
        let (arrival, _) = arrive(edition, choice, held, lost.is_empty(), withheld).map_err(Trouble::Flaw)?;
        let (way, root, root_bytes) = (arrival.way, edition.root(), edition.root_bytes());
        let known = Known {
            root: &root,
            root_bytes: &root_bytes,
            source: "x",
            etag: None,
            choice,
            before: &before,
            record: &record,
            entries,
            arrival,
        };
        plan(known, self).map(|plan| (plan, way)).map_err(Trouble::Refusal)
    }

    fn pull_by(
        &mut self,
        edition: &Edition,
        choice: &Choice,
        withheld: &dyn Fn(&str) -> bool,
    ) -> Result<(Plan, Way), Trouble> {
        let (plan, way) = self.planned(edition, choice, withheld)?;
        let before = self.files.clone();
        for (path, _) in &plan.clear {
            self.files.remove(&self.spelled(path));
        }
        for placement in &plan.place {
            let bytes = match &placement.origin {
                Origin::Bytes(bytes) => bytes.clone(),
                Origin::Copy(path) => before[path].clone(),
                Origin::Address(url) => edition.fetch(url, &placement.sha256),
            };
            assert_eq!((Sha256Hex::of(&bytes), bytes.len() as u64), (placement.sha256.clone(), placement.bytes));
            self.files.insert(self.spelled(&placement.path), bytes);
        }
        for (path, _) in &plan.remove {
            self.files.remove(&self.spelled(path));
        }
        self.record = Some(plan.record.clone());
        Ok((plan, way))
    }

    fn pull(&mut self, edition: &Edition) -> (Plan, Way) {
        self.pull_by(edition, &Choice::default(), &|_| false).unwrap()
    }

    fn refused(&mut self, edition: &Edition) -> String {
        match self.planned(edition, &Choice::default(), &|_| false) {
            Err(Trouble::Refusal(refusal)) => refusal.to_string(),
            Err(Trouble::Flaw(flaw)) => flaw.to_string(),
            Ok((plan, _)) => panic!("it was taken: {plan:?}"),
        }
    }
}

impl Edition {
    /// What is at an address, found by its digest: the tests' contents are few.
    fn fetch(&self, url: &str, sha256: &Sha256Hex) -> Vec<u8> {
        assert!(url.starts_with("https://files.example.com/"), "{url}");
        let found = (0..200).map(|version| version.to_string()).map(|of| content(&of));
        let named = ["a", "b", "c", "d", "e", "f", "A", "B", "x"].into_iter();
        let named = named.flat_map(|id| (0..10).map(move |version| content(&format!("{id} {version}"))));
        found.chain(named).find(|bytes| Sha256Hex::of(bytes) == *sha256).expect("a content that the tests know")
    }
}

fn library(versions: &[(&str, u64)]) -> Library {
    Library::of(&versions.iter().map(|(id, version)| ("products", *id, *version)).collect::<Vec<_>>())
}

const ALL: [(&str, u64); 6] = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", 1)];

#[test]
fn the_first_pull_takes_everything_and_the_second_nothing() {
    let (edition, mut folder) = (library(&ALL).publish(1, None), Folder::default());
    let (plan, way) = folder.pull(&edition);
    assert_eq!((plan.assets.all, plan.assets.added, plan.place.len()), (6, 6, 13));
    assert_eq!(plan.place.last().unwrap().path, "manifest.json", "the root says that all else is there");
    assert!(matches!(way, Way::Shards { fetched, all } if fetched == all && all > 2), "{way:?}");
    assert_eq!(folder.files["files/a/file"], content("a 1"));
    assert!(folder.files["records/products/a.json"].ends_with(b"}\n"));
    let before = folder.clone();
    let (plan, way) = folder.pull(&edition);
    assert!(plan.is_empty() && way == Way::Nowhere && folder == before);
}

#[test]
fn one_change_comes_by_one_delta() {
    let one = library(&ALL).publish(1, None);
    let mut changed = ALL;
    changed[2].1 = 2;
    let two = library(&changed).publish(2, Some(&one));
    let mut folder = Folder::default();
    folder.pull(&one);
    let (plan, way) = folder.pull(&two);
    assert_eq!((way, plan.assets.changed, plan.kept), (Way::Deltas(1), 1, 10));
    assert_eq!(folder.files["files/c/file"], content("c 2"));
}

#[test]
fn a_chain_of_deltas_is_followed_back_to_what_the_folder_has() {
    let mut edition = library(&ALL).publish(1, None);
    let mut folder = Folder::default();
    folder.pull(&edition);
    for seq in 2..5 {
        let mut next = ALL;
        next[0].1 = seq;
        edition = library(&next).publish(seq, Some(&edition));
    }
    let (_, way) = folder.pull(&edition);
    assert_eq!(way, Way::Deltas(3));
}

#[test]
fn where_a_delta_is_not_to_be_had_only_the_shards_that_differ_are_fetched() {
    let one = library(&ALL).publish(1, None);
    let mut changed = ALL;
    changed[2].1 = 2;
    let two = library(&changed).publish(2, Some(&one));
    let mut folder = Folder::default();
    folder.pull(&one);
    let mut by_shards = folder.clone();
    let (_, way) = by_shards.pull_by(&two, &Choice::default(), &|name| name.starts_with("delta-")).unwrap();
    assert!(matches!(way, Way::Shards { fetched: 1, all } if all > 2), "{way:?}");
    folder.pull(&two);
    assert_eq!(folder.files, by_shards.files);
}

#[test]
fn a_delta_that_was_tampered_with_is_believed_in_nothing() {
    let one = library(&ALL).publish(1, None);
    let mut two = library(&[("a", 1), ("b", 2)]).publish(2, Some(&one));
    let mut folder = Folder::default();
    folder.pull(&one);
    let record = folder.record.clone();
    let name = two.root["delta"]["path"].as_str().unwrap().to_owned();
    let bytes = two.files.get_mut(&name).unwrap();
    let at = bytes.windows(9).position(|part| part == b"\"title\":\"").unwrap();
    bytes[at + 9] ^= 1;
    let (arrival, asked) = arrive(&two, &Choice::default(), record.as_ref(), true, &|_| false).unwrap();
    assert!(arrival.detours[0].contains("is not what the root promised"), "{:?}", arrival.detours);
    assert!(asked.len() > 2 && matches!(arrival.way, Way::Shards { .. }));
}

#[test]
fn an_entry_is_found_under_the_name_that_it_had_beside_another() {
    let of = |assets: &[(&str, &str)]| {
        let mut library = Library::default();
        assets.iter().for_each(|(collection, id)| library.put(collection, id, entry(id, 1, &[])));
        library
    };
    let one = of(&[("products", "a"), ("products", "A")]).publish(1, None);
    let two = of(&[("products", "a"), ("Products", "b")]).publish(2, Some(&one));
    let mut folder = Folder::default();
    folder.pull(&one);
    let beside = folder.files.keys().find(|path| path.starts_with("records/products/A~")).unwrap().clone();
    folder.files.remove(&beside);
    folder.pull(&two);
    let ids: Vec<&str> = folder.files.keys().filter_map(|path| path.strip_prefix("records/")).collect();
    assert!(ids.len() == 2 && ids.iter().all(|path| path.to_ascii_lowercase().starts_with("products~")), "{ids:?}");
}

#[test]
fn what_was_deleted_comes_back_and_nothing_else_is_fetched() {
    let edition = library(&ALL).publish(1, None);
    let mut folder = Folder::default();
    folder.pull(&edition);
    let whole = folder.files.clone();
    folder.files.remove("files/b/file");
    let (plan, way) = folder.pull(&edition);
    assert_eq!((plan.place.len(), way), (1, Way::Nowhere));
    folder.files.remove("records/products/b.json");
    let (plan, way) = folder.pull(&edition);
    assert!(plan.place.len() == 1 && matches!(way, Way::Shards { fetched: 1, .. }), "{way:?}");
    assert_eq!((plan.assets.added, plan.assets.changed), (0, 0), "it is only restored");
    assert_eq!(folder.files, whole);
}

#[test]
fn a_renamed_asset_s_files_are_copied_and_not_fetched() {
    let mut before = Library::default();
    before.put("products", "old", entry("old", 1, &[("old/file", "7")]));
    let mut after = Library::default();
    after.put("products", "new", entry("new", 1, &[("new/file", "7")]));
    let one = before.publish(1, None);
    let mut folder = Folder::default();
    folder.pull(&one);
    let (plan, _) = folder.pull(&after.publish(2, Some(&one)));
    let file = plan.place.iter().find(|placement| placement.path == "files/new/file").unwrap();
    assert_eq!(file.origin, Origin::Copy("files/old/file".into()));
    assert_eq!(
        folder.files.keys().collect::<Vec<_>>(),
        ["files/new/file", "manifest.json", "records/products/new.json"]
    );
}

#[test]
fn a_file_whose_name_changes_its_case_is_there_in_the_end_on_any_system() {
    let of = |path: &str, text: &str, seq, before: Option<&Edition>| {
        let mut library = Library::default();
        library.put("products", "a", entry("a", seq, &[(path, text)]));
        library.publish(seq, before)
    };
    let one = of("Icon.png", "1", 1, None);
    for text in ["1", "2"] {
        let two = of("icon.png", text, 2, Some(&one));
        for ignores_case in [true, false] {
            let mut folder = Folder { ignores_case, ..Folder::default() };
            folder.pull(&one);
            folder.pull(&two);
            assert_eq!((folder.read("files/icon.png"), folder.files.len()), (Some(content(text)), 3), "{ignores_case}");
            assert!(folder.pull(&two).0.is_empty());
            folder.pull(&of("other.png", "3", 3, Some(&two)));
            assert!(folder.read("files/icon.png").is_none() && folder.files.len() == 3, "{ignores_case}");
        }
    }
}

#[test]
fn a_choice_of_collections_and_roles_is_all_that_comes_and_can_be_changed() {
    let mut library = library(&ALL);
    library.put("guides", "x", entry("x", 1, &[("guide", "1")]));
    let edition = library.publish(1, None);
    let some = Choice { collections: Some(BTreeSet::from(["guides".to_owned()])), files: Files::None };
    let mut folder = Folder::default();
    folder.pull_by(&edition, &some, &|_| false).unwrap();
    assert_eq!(folder.files.keys().collect::<Vec<_>>(), ["manifest.json", "records/guides/x.json"]);
    let roles = Choice { files: "file".parse().unwrap(), ..some.clone() };
    let (_, way) = folder.pull_by(&edition, &roles, &|_| false).unwrap();
    assert_eq!((way, folder.files.len()), (Way::Nowhere, 3));
    folder.pull(&edition);
    let mut anew = Folder::default();
    anew.pull(&edition);
    assert_eq!(folder.files, anew.files);
    folder.pull_by(&edition, &some, &|_| false).unwrap();
    assert_eq!(folder.files.len(), 2);
}

#[test]
fn a_role_that_no_file_has_is_refused_with_those_that_there_are_the_nearest_first() {
    let mut library = Library::default();
    for (id, role) in [("a", "model"), ("b", "thumbnail"), ("c", "image")] {
        let mut entry = entry(id, 1, &[(id, "1")]);
        entry["files"][0]["role"] = json!(role);
        library.put("products", id, entry);
    }
    let (one, mut folder) = (library.publish(1, None), Folder::default());
    let of = |roles: &str| Choice { files: roles.parse().unwrap(), ..Choice::default() };
    let refused = |folder: &mut Folder, roles: &str| match folder.planned(&one, &of(roles), &|_| false) {
        Err(Trouble::Refusal(refusal)) => refusal.to_string(),
        other => panic!("it was taken: {other:?}"),
    };
    let told = "no file of the manifest has the role \"thumbnial\"; its files have these: thumbnail, model, image";
    assert_eq!(refused(&mut folder, "model,thumbnial"), told);
    folder.pull_by(&one, &of("model,thumbnail"), &|_| false).unwrap();
    assert_eq!(refused(&mut folder, "thumbnial"), told, "in a folder that has its entries already, too");
    // Whose last file goes later was no mistake, and neither is a role before there are any files.
    library.0.get_mut("products").unwrap().remove("b");
    folder.pull_by(&library.publish(2, Some(&one)), &of("model,thumbnail"), &|_| false).unwrap();
    Folder::default().pull_by(&Library::default().publish(1, None), &of("model"), &|_| false).unwrap();
}

#[test]
fn files_without_an_address_are_counted() {
    let mut private = entry("a", 1, &[("secret", "1")]);
    let file = private.pointer_mut("/files/0").unwrap().as_object_mut().unwrap();
    file.remove("url");
    file.insert("key".into(), json!("secret"));
    let mut library = Library::default();
    library.put("products", "a", private);
    let edition = library.publish(1, None);
    let mut folder = Folder::default();
    assert_eq!(folder.pull(&edition).0.unaddressed, 1);
    assert_eq!((folder.pull(&edition).0.unaddressed, folder.files.len()), (1, 2));
}

#[test]
fn a_record_survives_its_file_and_another_version_is_refused() {
    let mut folder = Folder::default();
    folder.pull(&library(&ALL).publish(1, None));
    let record = folder.record.unwrap();
    assert_eq!(Record::parse(&record.to_bytes()), Ok(record.clone()));
    assert!(Record::parse(&Record { version: 2, ..record.clone() }.to_bytes()).unwrap_err().contains("version 2"));
    assert!(Record::parse(b"{").is_err());
    for bad in ["../victim", "/etc/passwd", "files/../../x", ".stockroom/turn.lock"] {
        let mut planted = record.clone();
        planted.placed.insert(bad.to_owned(), (Sha256Hex::of(b"x"), 1));
        assert!(Record::parse(&planted.to_bytes()).is_err(), "{bad}");
        let mut planted = record.clone();
        let held = planted.assets.values_mut().flat_map(BTreeMap::values_mut).next().unwrap();
        held.files.push((bad.to_owned(), Sha256Hex::of(b"x"), 1));
        assert!(Record::parse(&planted.to_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_repository_of_the_library_is_remembered_through_roots_that_do_not_name_it() {
    let (mut edition, mut folder) = (library(&ALL).publish(1, None), Folder::default());
    for (named, held) in
        [(json!({"repository": "a/a"}), "a/a"), (json!({}), "a/a"), (json!({"repository": "b/b"}), "b/b")]
    {
        edition.root["source"] = named;
        folder.pull(&edition);
        assert_eq!(folder.record.as_ref().unwrap().repository.as_deref(), Some(held));
    }
}

#[test]
fn what_no_root_would_name_is_not_asked_for() {
    let document = |path: &str| Document { path: path.into(), bytes: 1, sha256: "0".repeat(64) };
    assert_eq!(document("shard-1.json").refuse_unusable(), Ok(()));
    for bad in ["../x", "http://127.0.0.1/", "a/b", "", ".x", "a?b"] {
        assert!(document(bad).refuse_unusable().is_err(), "{bad}");
    }
}

/// Some assets of two collections, each with a version and perhaps a file in common with others.
fn libraries() -> impl Strategy<Value = Library> {
    let asset = ("[abcdAB]", 0..3_u64, 0..4_u64);
    proptest::collection::vec((proptest::bool::ANY, asset), 0..9).prop_map(|assets| {
        let mut library = Library::default();
        for (is_guide, (id, version, shared)) in assets {
            let collection = if is_guide { "guides" } else { "products" };
            let (path, common, of) = (
                format!("{collection}-{:x}-{version}/file", id.as_bytes()[0]),
                format!("common/{shared}"),
                shared.to_string(),
            );
            let files: &[(&str, &str)] = match shared {
                0 => &[],
                _ => &[(path.as_str(), of.as_str()), (common.as_str(), of.as_str())],
            };
            library.put(collection, &id, entry(&id, version, files));
        }
        library
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// By deltas, by shards, with gaps, or from nothing: the folder is the same.
    #[test]
    fn every_way_leads_to_the_same_folder(
        catalogues in proptest::collection::vec(libraries(), 1..6), skipped in proptest::collection::vec(proptest::bool::ANY, 6),
    ) {
        let (mut by_deltas, mut by_shards, mut at_times) = (Folder::default(), Folder::default(), Folder::default());
        let mut last: Option<Edition> = None;
        for (index, catalogue) in catalogues.iter().enumerate() {
            let edition = catalogue.publish(index as u64 + 1, last.as_ref());
            by_deltas.pull(&edition);
            by_shards.pull_by(&edition, &Choice::default(), &|name| name.starts_with("delta-")).unwrap();
            if !skipped[index] {
                at_times.pull(&edition);
            }
            last = Some(edition);
        }
        let edition = last.unwrap();
        at_times.pull(&edition);
        let mut anew = Folder::default();
        anew.pull(&edition);
        prop_assert_eq!(&by_deltas.files, &anew.files);
        prop_assert_eq!(&by_shards.files, &anew.files);
        prop_assert_eq!(&at_times.files, &anew.files);
        for folder in [&mut by_deltas, &mut by_shards, &mut at_times, &mut anew] {
            prop_assert!(folder.pull(&edition).0.is_empty());
        }
    }

    /// One bit of one document is another, and nothing is believed that depends on it.
    #[test]
    fn no_changed_bit_gets_through(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let edition = library(&ALL).publish(1, None);
        let mut tampered = edition.clone();
        let names: Vec<String> = edition.files.keys().filter(|name| name.starts_with("shard")).cloned().collect();
        let bytes = tampered.files.get_mut(&names[which.index(names.len())]).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(arrive(&tampered, &Choice::default(), None, true, &|_| false).is_err());
    }
}

#[test]
fn shards_that_no_publisher_writes_are_refused_before_they_are_fetched() {
    let told = |shards: serde_json::Value| {
        let bytes = serde_json::to_vec(&json!({"version": 1, "collections": shards})).unwrap();
        let sha256 = Sha256Hex::of(&bytes).to_string();
        let document = Document { path: format!("shards-{sha256}.json"), bytes: bytes.len() as u64, sha256 };
        documents::shard_list(&document, &bytes).map_err(|flaw| flaw.to_string())
    };
    let shard = |name: &str, prefix: &str, bytes: u64, assets: u64| json!({"path": name, "prefix": prefix, "bytes": bytes, "sha256": "0".repeat(64), "assets": assets});
    let kept = json!({"a": [shard("s0", "0", 64 << 10, 9), shard("s1", "1", 8 << 20, 1)], "b": [shard("s2", "", 64 << 20, 9)]});
    assert!(told(kept).is_ok());
    assert!(
        told(json!({"a": [shard("s", "0", (64 << 10) + 1, 2)]})).unwrap_err().contains("more than a shard of 2 assets")
    );
    assert!(
        told(json!({"a": [shard("s", "", (8 << 20) + 1, 1)]}))
            .unwrap_err()
            .contains("more than a shard of 1 asset may")
    );
    assert!(told(json!({"a": [shard("s", "", (64 << 20) + 1, 2)]})).unwrap_err().contains("more than is taken"));
    assert!(told(json!({"a": [shard("s", "0", 9, 0), shard("s", "1", 9, 0)]})).unwrap_err().contains("twice"));
    let many: serde_json::Map<_, _> =
        (0..17).map(|index| (index.to_string(), json!([shard("s", "", 64 << 20, 2)]))).collect();
    assert!(told(many.into()).unwrap_err().contains("more than is taken into memory"));
}
