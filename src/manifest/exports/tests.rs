//! Exports of the same small and of hostile libraries, held against the schemas of those who read them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::manifest::format::FileEntry;
use crate::manifest::listing;

const BLENDER: &str = include_str!("../../../tests/fixtures/blender/remote-asset-library-v1.schema.json");
const FEED: &str = include_str!("../../../tests/fixtures/jsonfeed/schema-v1.1.json");

type Asset = (CollectionName, AssetEntry);

fn file(path: &str, media_type: &str, role: &str) -> FileEntry {
    FileEntry {
        path: path.to_owned(),
        url: Some(format!("https://files.example.com/{}", crate::ids::percent_encode(path))),
        key: None,
        bytes: 1_000,
        sha256: Sha256Hex::of(path.as_bytes()).to_string(),
        git_oid: "a".repeat(40),
        media_type: media_type.to_owned(),
        role: role.to_owned(),
        width: None,
        height: None,
    }
}

fn asset(id: &str, record: Value) -> Asset {
    let folder = format!("{id} kit");
    let entry = AssetEntry {
        id: id.to_owned(),
        path: format!("{folder}/{id}.json"),
        digest: Sha256Hex::of(id.as_bytes()).to_string(),
        status: "valid".to_owned(),
        schema: Some("product@1.0.0".to_owned()),
        record,
        files: vec![
            file(&format!("{folder}/icon_{id}.png"), "image/png", "thumbnail"),
            file(&format!("{folder}/{id}.blend"), "application/x-blender", "model"),
        ],
    };
    (CollectionName::new("products"), entry)
}

fn bolt(id: &str) -> Asset {
    let record = json!({
        "title": format!("Bolt {id}"), "description": "A bolt.", "tags": ["metal", "hex"], "vendor": "Northbench",
        "license": "CC0-1.0", "blender": {"min_version": "4.2.0"}, "type": "Models/Fasteners"
    });
    asset(id, record)
}

fn settings() -> Settings {
    serde_json::from_value(json!({
        "blender": {
            "name": "Northbench", "contact": {"name": "Northbench", "url": "https://example.com/"}, "data_block": "/title",
            "id_type": "object", "blender_version": "/blender/min_version", "catalog": "/type", "copyright": "2026 Northbench"
        },
        "data_package": {"title": "Northbench", "licenses": [{"name": "CC0-1.0"}]},
        "feed": {"title": "New at Northbench", "home_page_url": "https://example.com/"},
        "sitemap": {}
    }))
    .unwrap()
}

fn listing() -> Listing {
    let settings: listing::Settings =
        serde_json::from_value(json!({"url": "https://example.com/{collection}/{id}"})).unwrap();
    Listing::new(&settings)
}

fn moment(day: u32) -> Moment {
    Moment { commit: Some("c".repeat(40)), date: Some(format!("2026-11-{day:02}T10:00:00Z")) }
}

fn rendered_by(settings: &Settings, assets: &[Asset]) -> Rendered {
    let mut assets = assets.to_vec();
    assets.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
    let source = Source {
        repository: Some("northbench/Assets".to_owned()),
        commit: Some("d".repeat(40)),
        date: Some("2026-11-20T15:58:19Z".to_owned()),
        ..Source::default()
    };
    let (old, new) = (moment(1), moment(9));
    let updated = |_: &str, id: &str| Some(if id.starts_with("new") { &new } else { &old });
    let context =
        Context { assets: &assets, source: &source, updated: &updated, base: Some("https://cdn.example.com/m/") };
    render(settings, &listing(), &context).unwrap()
}

fn rendered(assets: &[Asset]) -> Rendered {
    rendered_by(&settings(), assets)
}

fn parsed(rendered: &Rendered, name: &str) -> Value {
    serde_json::from_slice(&rendered.files[name]).unwrap()
}

/// Objections of the schema, or of the part of it below `$defs`.
fn objections(schema: &str, part: Option<&str>, document: &Value) -> Vec<String> {
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    if let Some(part) = part {
        schema["$ref"] = format!("#/$defs/{part}").into();
    }
    let validator = jsonschema::options().should_validate_formats(true).offline().build(&schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Follows the links of the library for Blender as Blender does, and gives its assets.
fn read_as_blender(rendered: &Rendered) -> Result<Vec<Value>, String> {
    let fetch = |link: &Value| {
        let bytes = rendered.files.get(link["url"].as_str()?)?;
        (link["hash"] == format!("SHA256:{}", Sha256Hex::of(bytes)))
            .then(|| serde_json::from_slice::<Value>(bytes).ok())?
    };
    let check = |part: &str, document: &Value| match objections(BLENDER, Some(part), document) {
        wrong if wrong.is_empty() => Ok(()),
        wrong => Err(format!("{part}: {}", wrong.join("; "))),
    };
    let meta = parsed(rendered, "_asset-library-meta.json");
    check("meta", &meta)?;
    let index = fetch(&meta["api_versions"]["v1"]).ok_or("the index is not there")?;
    check("index", &index)?;
    let (mut assets, mut files) = (Vec::new(), Vec::new());
    for link in index["pages"].as_array().unwrap() {
        let page = fetch(link).ok_or("a page is not there")?;
        check("page", &page)?;
        let (of_page, files_of_page) = (page["assets"].as_array().unwrap(), page["files"].as_array().unwrap());
        let counts = (page["asset_count"] == of_page.len(), page["file_count"] == files_of_page.len());
        if counts != (true, true) {
            return Err("the counts are wrong".to_owned());
        }
        if of_page.iter().any(|asset| !files_of_page.iter().any(|file| file["path"] == asset["files"][0])) {
            return Err("an asset's file is not on its page".to_owned());
        }
        assets.extend(of_page.clone());
        files.extend(files_of_page.clone());
    }
    let catalogs: BTreeSet<&str> =
        index["catalogs"].as_array().unwrap().iter().flat_map(|catalog| catalog["uuids"][0].as_str()).collect();
    let is_known = |asset: &Value| asset["meta"]["catalog_id"].as_str().is_none_or(|id| catalogs.contains(id));
    let bytes: u64 = files.iter().filter_map(|file| file["size_in_bytes"].as_u64()).sum();
    let is_right = index["asset_count"] == assets.len()
        && index["file_count"] == files.len()
        && index["asset_size_bytes"] == bytes;
    if !is_right || !assets.iter().all(is_known) {
        return Err("the index does not fit its pages".to_owned());
    }
    Ok(assets)
}

#[test]
fn blender_gets_what_it_has_to_know_of_an_asset() {
    let rendered = rendered(&[bolt("m6")]);
    let assets = read_as_blender(&rendered).unwrap();
    insta::assert_json_snapshot!(assets, @r#"
    [
      {
        "bl_versions": {
          "min": "4.2"
        },
        "files": [
          "m6 kit/m6.blend"
        ],
        "id_type": "OBJECT",
        "meta": {
          "author": "Northbench",
          "catalog_id": "7c31d930-f8b6-88dd-a50c-307170450ebe",
          "copyright": "2026 Northbench",
          "description": "A bolt.",
          "license": "CC0-1.0",
          "tags": [
            "metal",
            "hex"
          ]
        },
        "name": "Bolt m6",
        "thumbnail": {
          "hash": "SHA256:9766ec4a32057eb79b1fd0bb363b785c6ca8b9cb158b7d03ff7afc697735ddb9",
          "url": "https://files.example.com/m6%20kit/icon_m6.png"
        }
      }
    ]
    "#);
    assert_eq!(rendered.by_export["blender"][0], "_asset-library-meta.json");
}

#[test]
fn of_a_page_only_the_assets_that_change_move() {
    let many: Vec<Asset> = (0..3_000).map(|index| bolt(&format!("part {index}"))).collect();
    let pages = |assets: &[Asset]| -> BTreeSet<String> {
        let all = rendered(assets);
        all.by_export["blender"].iter().filter(|name| name.starts_with("blender-page-")).cloned().collect()
    };
    let before = pages(&many);
    assert!(before.len() > 4, "{}", before.len());
    let mut changed = many.clone();
    changed[1_234].1.record["title"] = json!("Another");
    assert_eq!(before.difference(&pages(&changed)).count(), 1);
    let fewer = pages(&many[1..]);
    assert!(before.difference(&fewer).count() <= 2 && fewer.difference(&before).count() <= 2);
}

#[test]
fn a_file_with_several_assets_stands_once() {
    let mut settings = settings();
    settings.blender.as_mut().unwrap().data_blocks = Some("/blocks".to_owned());
    let mut kit = bolt("kit");
    kit.1.record["blocks"] = json!([
        {"name": "Bolt", "id_type": "OBJECT"},
        {"name": "Steel", "id_type": "Material", "description": "Brushed.", "tags": ["steel"]},
        {"name": "Bolt", "id_type": "object"}
    ]);
    let rendered = rendered_by(&settings, &[kit, bolt("m6")]);
    let assets = read_as_blender(&rendered).unwrap();
    let mut names: Vec<_> = assets.iter().map(|asset| format!("{} {}", asset["id_type"], asset["name"])).collect();
    names.sort();
    assert_eq!(names, ["\"MATERIAL\" \"Steel\"", "\"OBJECT\" \"Bolt m6\"", "\"OBJECT\" \"Bolt\""]);
    let steel = assets.iter().find(|asset| asset["name"] == "Steel").unwrap();
    assert_eq!((&steel["meta"]["tags"], &steel["meta"]["description"]), (&json!(["steel"]), &json!("Brushed.")));
}

#[test]
fn an_asset_that_blender_could_not_use_is_left_out_and_the_others_stay() {
    let mut odd =
        vec![bolt("without version"), bolt("without a title"), bolt("private"), bolt("without file"), bolt("_v1")];
    odd[0].1.record["blender"] = json!({"min_version": "soon"});
    odd[1].1.record["title"] = json!(7);
    odd[2].1.files[1].url = None;
    odd[3].1.files.truncate(1);
    odd[4].1.files[1].path = "_v1/x.blend".to_owned();
    odd.push(bolt("m6"));
    let assets = read_as_blender(&rendered(&odd)).unwrap();
    assert_eq!(assets.iter().map(|asset| asset["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Bolt m6"]);
}

#[test]
fn a_library_without_assets_is_one_all_the_same() {
    let rendered = rendered(&[]);
    assert_eq!(read_as_blender(&rendered), Ok(Vec::new()));
    assert_eq!(parsed(&rendered, "feed.json")["items"], json!([]));
    assert!(rendered.files.keys().any(|name| name.starts_with("assets-")));
}

#[test]
fn the_feed_is_one_and_has_what_changed_last_first() {
    let mut many: Vec<Asset> = (0..150).map(|index| bolt(&format!("old {index:03}"))).collect();
    many.push(bolt("new one"));
    let feed = parsed(&rendered(&many), "feed.json");
    assert_eq!(objections(FEED, None, &feed), Vec::<String>::new());
    let items = feed["items"].as_array().unwrap();
    assert_eq!(items.len(), 100);
    insta::assert_json_snapshot!(items[0], @r#"
    {
      "_stockroom": {
        "collection": "products",
        "digest": "20a96de1d7f9c25045cc7e54a249e23a8129c6ad5bb98888895e28be303334e6",
        "id": "new one"
      },
      "authors": [
        {
          "name": "Northbench"
        }
      ],
      "content_text": "A bolt.",
      "date_modified": "2026-11-09T10:00:00Z",
      "id": "products/new one",
      "image": "https://files.example.com/new%20one%20kit/icon_new%20one.png",
      "tags": [
        "metal",
        "hex"
      ],
      "title": "Bolt new one",
      "url": "https://example.com/products/new%20one"
    }
    "#);
    assert_eq!(items[1]["id"], "products/old 000");
    let without = json!({"items": null, "title": null, "home_page_url": null, "feed_url": null, "version": null});
    let head = feed.as_object().unwrap().iter().filter(|(key, _)| *key != "items");
    assert!(head.clone().all(|(key, _)| without.get(key).is_some()));
    assert_eq!(feed["feed_url"], "https://cdn.example.com/m/feed.json");
}

#[test]
fn an_asset_of_which_nothing_is_known_is_in_the_feed_by_its_id() {
    let feed = parsed(&rendered(&[asset("m6", json!(null))]), "feed.json");
    assert_eq!((&feed["items"][0]["title"], &feed["items"][0]["content_text"]), (&json!("m6"), &json!("m6")));
    assert_eq!(objections(FEED, None, &feed), Vec::<String>::new());
}

#[test]
fn the_package_names_its_tables_with_their_digests() {
    let rendered =
        rendered(&[bolt("=m6"), asset("m8", json!({"title": "=HYPERLINK(\"x\")", "tags": ["a,b", "\"c\""]}))]);
    let package = parsed(&rendered, "datapackage.json");
    for (index, name) in ["assets", "files"].into_iter().enumerate() {
        let resource = &package["resources"][index];
        let bytes = &rendered.files[resource["path"].as_str().unwrap()];
        assert_eq!((&resource["name"], &resource["bytes"]), (&json!(name), &json!(bytes.len())));
        assert_eq!(resource["hash"], format!("sha256:{}", Sha256Hex::of(bytes)));
        let header = String::from_utf8_lossy(bytes).lines().next().unwrap().to_owned();
        let fields: Vec<_> =
            resource["schema"]["fields"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(header, fields.join(","));
    }
    let table = &rendered.files[package["resources"][0]["path"].as_str().unwrap()];
    let digest = Sha256Hex::of(b"m8");
    let m8 = String::from_utf8_lossy(table).lines().nth(2).unwrap().replace(digest.as_str(), "DIGEST");
    assert_eq!(
        m8,
        "products,m8,\"'=HYPERLINK(\"\"x\"\")\",,\"[\"\"a,b\"\",\"\"\\\"\"c\\\"\"\"\"]\",,,https://example.com/products/m8,\
         https://files.example.com/m8%20kit/icon_m8.png,valid,product@1.0.0,\"m8 kit/m8.json\",DIGEST,2026-11-01T10:00:00Z,2,2000"
    );
    assert_eq!(
        (&package["version"], &package["created"], &package["name"]),
        (&json!("2026.11.20+dddddddddddd"), &json!("2026-11-20T15:58:19Z"), &json!("assets"))
    );
}

#[test]
fn an_export_takes_the_collections_that_it_names_and_no_others() {
    let mut settings = settings();
    let none = Some(vec!["guides".to_owned()]);
    settings.blender.as_mut().unwrap().collections.clone_from(&none);
    settings.feed.as_mut().unwrap().collections.clone_from(&none);
    settings.sitemap.as_mut().unwrap().collections = none;
    let rendered = rendered_by(&settings, &[bolt("m6")]);
    assert_eq!(read_as_blender(&rendered), Ok(Vec::new()));
    assert_eq!(parsed(&rendered, "feed.json")["items"], json!([]));
    assert!(!String::from_utf8_lossy(&rendered.files["sitemap.xml"]).contains("<loc>"));
}

#[test]
fn what_nobody_asks_for_is_not_made() {
    assert_eq!(rendered_by(&Settings::default(), &[bolt("m6")]), Rendered::default());
}

#[test]
fn what_cannot_work_is_told_at_its_place() {
    let settings: Settings = serde_json::from_value(json!({
        "blender": {"name": " ", "contact": {"name": "N", "url": "example.com"}, "id_type": "materiel", "blender_version": "new", "catalog": "/a/*"},
        "data_package": {"name": "My Package", "homepage": "x", "licenses": [{"name": "CC BY"}], "contributors": [{"title": "", "path": "y"}]},
        "feed": {"title": "", "icon": "/icon.png", "language": "en US"},
        "sitemap": {"base": "nowhere"}
    }))
    .unwrap();
    let told: Vec<_> =
        settings.problems(false, false).into_iter().map(|(at, message)| format!("{at}: {message}")).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    /blender/name: a text of 1 to 1,000 characters on one line is wanted here
    /blender: Blender has to fetch the files, and they have no addresses: set manifest.base_url
    /blender/contact/url: "example.com" is no address: it begins with https:// and has no spaces
    /blender/catalog: "/a/*" names many values; a pointer of one value is wanted, without `*`
    /blender/blender_version: "new" is no version of Blender: write one such as "4.2", or a pointer such as /blender/version
    /blender/id_type: "materiel" is no kind of data-block that Blender knows, such as OBJECT, COLLECTION, MATERIAL or NODETREE; the nearest is MATERIAL
    /blender: say which data-block of each file is the asset, by data_block and id_type (such as `data_block: /title` and `id_type: OBJECT`), or by data_blocks
    /data_package/name: "My Package" is no name for a package: use lower-case letters, digits, `-`, `_` and `.`
    /data_package/homepage: "x" is no address: it begins with https:// and has no spaces
    /data_package/licenses/0/name: "CC BY" is no name of a license: write one such as "CC-BY-4.0"
    /data_package/contributors/0/title: a text of 1 to 1,000 characters on one line is wanted here
    /data_package/contributors/0/path: "y" is no address: it begins with https:// and has no spaces
    /feed/title: a text of 1 to 1,000 characters on one line is wanted here
    /feed/icon: "/icon.png" is no address: it begins with https:// and has no spaces
    /feed/language: "en US" is no language: write one such as "en"
    /sitemap/base: "nowhere" is no address: it begins with https:// and has no spaces
    /sitemap: a sitemap lists the assets' pages, and they have none: set manifest.listing.url
    "#);
}

#[test]
fn a_key_that_does_not_exist_is_refused() {
    for odd in [json!({"blendr": {}}), json!({"feed": {"titel": ""}}), json!({"blender": {"name": "x"}})] {
        assert!(serde_json::from_value::<Settings>(odd).is_err());
    }
}

fn hostile() -> impl Strategy<Value = Asset> {
    let text = "(?s:.{0,30})|[<>&\"'=+,\\\\/:\r\n\u{0}\u{202e}-]{0,12}|\\.\\./x";
    (text, "[a-z]{1,6}|(?s:.{1,12})", text, text, proptest::bool::ANY).prop_map(|(title, id, tag, path, is_private)| {
        let record = json!({
            "title": title, "description": title, "tags": [tag, tag], "vendor": tag, "type": tag, "license": {"name": title},
            "blender": {"min_version": if is_private { tag } else { "4.2".to_owned() }}
        });
        let mut made = asset(&id, record);
        made.1.files[1].path = format!("{path}/{id}.blend");
        if is_private {
            made.1.files[0].url = None;
        }
        made
    })
}

proptest! {
    #[test]
    fn whatever_records_say_every_export_is_one(assets in proptest::collection::vec(hostile(), 0..8)) {
        let mut seen = BTreeSet::new();
        let assets: Vec<Asset> = assets.into_iter().filter(|(_, entry)| seen.insert(entry.id.clone())).collect();
        let all = rendered(&assets);
        read_as_blender(&all).map_err(TestCaseError::fail)?;
        prop_assert_eq!(objections(FEED, None, &parsed(&all, "feed.json")), Vec::<String>::new());
        let sitemap = String::from_utf8(all.files["sitemap.xml"].clone()).unwrap();
        prop_assert!(roxmltree::Document::parse(&sitemap).is_ok(), "{}", sitemap);
        for (name, bytes) in all.files.iter().filter(|(name, _)| name.ends_with(".csv")) {
            prop_assert!(std::str::from_utf8(bytes).is_ok(), "{}", name);
        }
        let mut reversed = assets;
        reversed.reverse();
        prop_assert_eq!(rendered(&reversed), all);
    }
}
