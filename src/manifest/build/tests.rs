use proptest::prelude::*;

use super::*;
use crate::catalog::asset::CompanionFile;
use crate::ids::BlobId;
use crate::ids::{AssetId, CollectionName, SchemaName};

fn blob(text: &str) -> BlobId {
    BlobId::parse(Sha256Hex::of(text.as_bytes()).as_str()).unwrap()
}

fn asset(collection: &str, id: &str, record: Value) -> Asset {
    let path = format!("{id} $/preview 1.png");
    Asset {
        key: AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) },
        record: RepoPath::new(format!("{id} $/{id}.json")),
        meaning: record,
        schema: Some(UsedSchema {
            name: SchemaName::new("product"),
            version: Some("1.1.0".into()),
            sha256: Sha256Hex::of(b"schema"),
        }),
        files: vec![CompanionFile { blob: blob(&path), path: RepoPath::new(path) }],
        warned: false,
    }
}

fn fact(path: &RepoPath) -> FileFact {
    FileFact { sha256: Sha256Hex::of(path.as_str().as_bytes()), bytes: 7, image: None }
}

fn facts(assets: &[Asset]) -> FileFacts {
    let files = assets.iter().flat_map(|asset| &asset.files);
    files.map(|file| (file.blob.clone(), fact(&file.path))).collect()
}

fn source() -> Source {
    Source { repository: Some("org/assets".into()), commit: Some("c".repeat(40)), ..Source::default() }
}

fn entries(manifest: &Manifest) -> Vec<AssetEntry> {
    let all = manifest.collections.values().flat_map(|collection| &collection.entries);
    all.map(|entry| serde_json::from_slice(&entry.bytes).unwrap()).collect()
}

fn built(assets: &[Asset], settings: &Settings) -> Manifest {
    build(assets, &facts(assets), settings, source()).unwrap()
}

#[test]
fn a_manifest_lists_assets_with_files_that_can_be_fetched() {
    let settings = Settings { base_url: Some("https://cdn.example.org/lib/".into()), ..Settings::default() };
    let manifest = built(&[asset("products", "bolt", json!({"title": "Bolt"}))], &settings);
    let file = json!({
        "path": "bolt $/preview 1.png",
        "url": "https://cdn.example.org/lib/bolt%20%24/preview%201.png",
        "bytes": 7,
        "sha256": Sha256Hex::of(b"bolt $/preview 1.png"),
        "git_oid": blob("bolt $/preview 1.png"),
        "media_type": "image/png",
        "role": "image",
    });
    let entry = json!({
        "id": "bolt",
        "path": "bolt $/bolt.json",
        "digest": manifest.assets.values().next(),
        "status": "valid",
        "schema": "product@1.1.0",
        "record": {"title": "Bolt"},
        "files": [file],
    });
    assert_eq!(serde_json::to_value(&entries(&manifest)[0]).unwrap(), entry);
}

#[test]
fn a_private_file_has_a_key_and_no_url() {
    let settings = Settings { base_url: Some("https://cdn.example.org".into()), ..Settings::default() };
    for (private, is_private) in [("image", true), ("*", true), ("model", false)] {
        let settings = Settings { private: vec![private.to_owned()], ..settings.clone() };
        let manifest = built(&[asset("products", "bolt", json!({}))], &settings);
        let file = entries(&manifest).remove(0).files.remove(0);
        assert_eq!((file.url.is_none(), file.key.is_some()), (is_private, is_private));
        assert!(file.key.is_none_or(|key| key == "bolt%20%24/preview%201.png"));
    }
}

#[test]
fn a_collection_is_told_in_short() {
    let assets = [asset("products", "bolt", json!({})), asset("guides", "start", json!({}))];
    let manifest = built(&assets, &Settings::default());
    let products = &manifest.collections["products"];
    let line = format!("{} bolt\n", Sha256Hex::of(&products.entries[0].bytes));
    let digest = Sha256Hex::of(line.as_bytes()).to_string();
    assert_eq!(products.summary, CollectionSummary { assets: 1, files: 1, bytes: 7, digest });
    assert_eq!(manifest.schemas["product"]["1.1.0"], Sha256Hex::of(b"schema").to_string());
}

#[test]
fn another_commit_of_the_same_library_has_the_same_digest() {
    let assets = [asset("products", "bolt", json!({"title": "Bolt"}))];
    let other = Source { commit: Some("d".repeat(40)), ..source() };
    let other = build(&assets, &facts(&assets), &Settings::default(), other).unwrap();
    let manifest = built(&assets, &Settings::default());
    assert_eq!((&other.digest, &other.collections), (&manifest.digest, &manifest.collections));
}

#[test]
fn only_the_chosen_fields_are_published_and_items_keep_their_places() {
    let record = json!({"title": "Bolt", "secret": 1, "variants": [{"price": 1}, {"sku": "b", "price": 2, "x": 0}]});
    let fields = Some(vec!["/title".to_owned(), "/variants/*/sku".to_owned(), "/variants/*/price".to_owned()]);
    let settings = Settings { fields, ..Settings::default() };
    let manifest = built(&[asset("products", "bolt", record)], &settings);
    let expected = json!({"title": "Bolt", "variants": [{"price": 1}, {"sku": "b", "price": 2}]});
    assert_eq!(entries(&manifest)[0].record, expected);
}

#[test]
fn what_an_asset_means_does_not_depend_on_what_is_published_of_it() {
    let assets = [asset("products", "bolt", json!({"title": "Bolt", "note": "x"}))];
    let narrow = Settings { fields: Some(vec!["/title".into()]), ..Settings::default() };
    assert_eq!(built(&assets, &narrow).assets, built(&assets, &Settings::default()).assets);
    let changed = [asset("products", "bolt", json!({"title": "Bolt", "note": "y"}))];
    assert_ne!(built(&changed, &narrow).assets, built(&assets, &narrow).assets);
}

#[test]
fn a_file_that_was_not_hashed_is_an_error_and_no_guess() {
    let assets = [asset("products", "bolt", json!({}))];
    let error = build(&assets, &FileFacts::new(), &Settings::default(), source());
    assert_eq!(error, Err(BuildError::NotHashed(RepoPath::new("bolt $/preview 1.png"))));
}

proptest! {
    #[test]
    fn the_bytes_do_not_depend_on_the_order_of_assets(
        ids in prop::collection::btree_set("[a-z]{1,6}", 1..12),
        seed in any::<u64>(),
    ) {
        let mut assets: Vec<_> = ids.iter().map(|id| asset("products", id, json!({"title": id}))).collect();
        let manifest = built(&assets, &Settings::default());
        let mut state = seed;
        assets.sort_by_cached_key(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state
        });
        prop_assert_eq!(built(&assets, &Settings::default()), manifest);
    }
}

#[test]
fn an_entry_and_its_digests_are_the_canonical_form_of_what_they_say() {
    let record =
        json!({"title": "Bolt ☃\u{7f}\"", "é": 1e21, "\u{fb33}": 1, "\u{1f600}": [1.0, -0.0, {"b": 1, "a": null}]});
    let plain = Asset { schema: None, files: Vec::new(), warned: true, ..asset("products", "nut", record.clone()) };
    let assets = [asset("products", "bolt", record), plain];
    let only = |field: &str| Settings { fields: Some(vec![field.to_owned()]), ..Settings::default() };
    for settings in [Settings::default(), only("/title"), only("/none")] {
        let manifest = built(&assets, &settings);
        for ((asset, written), entry) in
            assets.iter().zip(&manifest.collections["products"].entries).zip(entries(&manifest))
        {
            assert_eq!(String::from_utf8_lossy(&written.bytes), String::from_utf8(canonical(&entry).unwrap()).unwrap());
            let schema = asset.schema.as_ref().map(|schema| json!([schema.name, schema.version]));
            let files: Vec<_> = entry.files.iter().map(|file| json!([file.path, file.sha256])).collect();
            let whole = json!({"record": asset.meaning, "path": asset.record, "schema": schema, "files": files});
            assert_eq!(entry.digest, Sha256Hex::of(&canonical(&whole).unwrap()).as_str());
        }
    }
}
