use serde_json::Value;

use super::*;
use crate::catalog::collection::Collection;
use crate::catalog::record::load;
use crate::catalog::settings::{FileRules, OneOrMany, Settings};
use crate::catalog::tree::tests::MemoryTree;
use crate::ids::CollectionName;

fn of(files: &[(&str, &str)]) -> Vec<Proposal> {
    let memory = MemoryTree::new(files);
    let glance = |entry: &&Entry| {
        let (record, findings) = load(entry, &memory);
        Glance::of(&entry.path, record.as_ref().map(|record| &record.document), &findings)
    };
    let glances: Vec<Glance> = candidates(&memory.tree).iter().filter_map(glance).collect();
    let proposals = propose(&glances, &memory.tree);
    for proposal in &proposals {
        matches_what_it_says(proposal, &memory.tree);
    }
    proposals
}

/// The globs match the records and the unreadable files and nothing else, not even what is yet to be written.
fn matches_what_it_says(proposal: &Proposal, tree: &Tree) {
    let required = proposal.files.iter().map(|file| file.template.clone()).collect();
    let settings = Settings {
        exclude: proposal.exclude.clone(),
        id: Some(proposal.id.clone()),
        files: FileRules { required, ..FileRules::default() },
        unique: proposal.unique.clone(),
        ..Settings::new(OneOrMany::Many(proposal.metadata.clone()))
    };
    let collection = Collection::new(CollectionName::new(proposal.name.as_str()), &settings).unwrap();
    let mut held: Vec<&RepoPath> =
        tree.entries.iter().map(|entry| &entry.path).filter(|path| collection.holds(path)).collect();
    held.sort();
    let mut said: Vec<&RepoPath> = proposal.records.iter().chain(&proposal.unreadable).collect();
    said.sort();
    assert_eq!(held, said, "{proposal:#?}");
    assert!(OUR_PLACES.iter().all(|path| !collection.holds(&RepoPath::new(*path))), "{proposal:#?}");
}

fn only(files: &[(&str, &str)]) -> Proposal {
    let mut proposals = of(files);
    assert_eq!(proposals.len(), 1, "{proposals:#?}");
    proposals.remove(0)
}

fn templates(proposal: &Proposal) -> (Vec<&str>, Vec<&str>) {
    let of = |wanted: bool| {
        proposal.files.iter().filter(move |file| file.is_required == wanted).map(|file| file.template.as_str())
    };
    (of(true).collect(), of(false).collect())
}

fn product(handle: &str) -> String {
    serde_json::json!({"handle": handle, "title": "T", "price": 1, "variants": [{"sku": format!("S-{handle}")}]})
        .to_string()
}

#[test]
fn a_record_in_each_products_folder_and_what_lies_beside_it() {
    let mut files = Vec::new();
    for (name, handle) in [("Dojo Bolt Gen v05", "dojo"), ("Studio Lights $0", "lights"), ("Rope [& Knot]", "rope")] {
        files.push((format!("{name}/{name}.json"), product(handle)));
        files.extend(
            ["{}.blend", "icon_{}.png"].map(|file| (format!("{name}/{}", file.replace("{}", name)), String::new())),
        );
        files.push((format!("{name}/preview_{handle}.png"), String::new()));
        files.push((format!("{name}/textures/wood.png"), String::new()));
    }
    files.push(("_template/_template.json".into(), "{}".into()));
    files.push(("package.json".into(), "{\"name\": \"x\"}".into()));
    files.push((".vscode/settings.json".into(), "{}".into()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let found = only(&files);
    assert_eq!(
        (found.name.as_str(), found.metadata[0].as_str(), found.id.as_str()),
        ("products", "*/*.json", "handle")
    );
    assert_eq!(found.exclude, [".vscode/**", "_template/**"]);
    assert_eq!(found.unique, ["/variants/*/sku"]);
    assert_eq!(templates(&found).0, ["icon_{stem}.png", "preview_*.png", "textures/**", "{stem}.blend"]);
}

#[test]
fn many_records_in_a_folder_are_named_by_their_files() {
    let icon = r#"{"$schema": "../icon.schema.json", "tags": ["a"], "categories": []}"#;
    let category = r#"{"$schema": "../category.schema.json", "title": "T", "icon": "a"}"#;
    let found = of(&[
        ("icons/a.json", icon),
        ("icons/a.svg", ""),
        ("icons/a-b.json", icon),
        ("icons/a-b.svg", ""),
        ("icons/a-b-dark.svg", ""),
        ("icons/package.json", icon),
        ("icons/package.svg", ""),
        ("icons/files.json", icon),
        ("icons/files.svg", ""),
        ("categories/files.json", category),
        ("categories/b.json", category),
        ("categories/c.json", category),
        ("categories/settings.json", category),
        ("icon.schema.json", "{}"),
    ]);
    assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["categories", "icons"]);
    assert_eq!(
        (found[1].metadata[0].as_str(), found[1].id.as_str(), found[1].records.len()),
        ("icons/*.json", "{stem}", 4)
    );
    assert_eq!(templates(&found[1]), (vec!["{stem}.svg"], vec![]));
    assert_eq!(found[1].schemas, BTreeSet::from(["icon.schema.json".to_owned()]));
    assert!(found.iter().all(|found| found.exclude.is_empty()), "{found:#?}");
}

#[test]
fn deeper_folders_and_files_of_one_name() {
    let found = only(&[
        ("products/001/hex/metadata.json", &product("hex")),
        ("products/001/hex/package.json", "{\"name\": \"hex\"}"),
        ("products/001/nut/metadata.json", &product("nut")),
        ("products/002/pin/metadata.json", &product("pin")),
        ("products/002/rod/metadata.json", &product("rod")),
        ("products/002/rod/package.json", "{\"name\": \"rod\"}"),
    ]);
    assert_eq!((found.name.as_str(), found.metadata[0].as_str()), ("products", "products/*/*/metadata.json"));
    assert_eq!(found.records.len(), 4);
}

#[test]
fn front_matter_is_a_record_and_other_markdown_is_excluded() {
    let guide = |slug: &str| format!("---\nslug: {slug}\ntitle: T\n---\nText\n");
    let found = only(&[
        ("guides/a.md", &guide("a")),
        ("guides/b.md", &guide("b")),
        ("guides/README.md", "# Guides"),
        ("README.md", "#"),
    ]);
    assert_eq!((found.id.as_str(), found.exclude.as_slice()), ("slug", &["guides/README.md".to_owned()][..]));
}

#[test]
fn a_broken_record_counts_by_its_place() {
    let found = only(&[
        ("a/a.json", &product("a")),
        ("b/b.json", &product("b")),
        ("c/c.json", "{\"handle\": "),
        ("lists/x.json", "[1]"),
    ]);
    assert_eq!((found.records.len(), found.unreadable.len()), (2, 1));
    assert_eq!(found.exclude, ["lists/**"]);
}

#[test]
fn files_of_programs_are_no_collection() {
    let nothing = [
        ("package.json", "{\"name\": \"a\"}"),
        ("tsconfig.json", "{\"name\": \"a\"}"),
        ("renovate.json", "{\"name\": \"a\"}"),
        ("composer.json", "{\"name\": \"a\"}"),
        ("node_modules/a/package.json", "{\"name\": \"a\"}"),
        ("node_modules/b/package.json", "{\"name\": \"a\"}"),
        (".github/workflows/a.yml", "name: a"),
        (".github/workflows/b.yml", "name: b"),
        ("locales/de.json", "{\"a\": \"b\"}"),
        ("locales/en.json", "{\"a\": \"b\"}"),
        ("packages/a/package.json", "{\"name\": \"a\"}"),
        ("packages/b/package.json", "{\"name\": \"b\"}"),
        ("conf/db.json", "{\"host\": 1}"),
        ("conf/app.json", "{\"port\": 1, \"log\": 2}"),
        ("schemas/a/v1.0.0.json", "{\"type\": 1}"),
        ("schemas/b/v1.0.0.json", "{\"type\": 1}"),
    ];
    assert_eq!(of(&nothing), []);
    assert_eq!(of(&[]), []);
}

#[test]
fn the_first_product_of_a_library_is_enough_where_a_file_is_called_like_it() {
    let found = only(&[("Hex Bolt/Hex Bolt.json", &product("hex")), ("Hex Bolt/Hex Bolt.blend", "")]);
    assert_eq!((found.metadata[0].as_str(), found.records.len()), ("*/*.json", 1));
    assert_eq!(of(&[("conf/app.json", "{\"a\": 1}")]), []);
}

#[test]
fn an_id_is_a_text_that_no_two_share_and_else_comes_from_the_path() {
    let two = |a: &str, b: &str| only(&[("x/one/m.json", a), ("x/two/m.json", b)]).id;
    assert_eq!(two(r#"{"handle": "a", "id": "1"}"#, r#"{"handle": "a", "id": "2"}"#), "id");
    assert_eq!(two(r#"{"name": "a"}"#, r#"{"name": "b"}"#), "name");
    assert_eq!(two(r#"{"name": "A b"}"#, r#"{"name": "B c"}"#), "{dir}");
    assert_eq!(two(r#"{"id": "../a"}"#, r#"{"id": "b"}"#), "{dir}");
}

#[test]
fn the_member_that_names_the_version_is_told_whether_all_have_it_or_some() {
    let version = |a: Value, b: Value| {
        let record = |version: Value| serde_json::json!({"title": "T", "schema_version": version}).to_string();
        let found = only(&[("x/a.json", &record(a)), ("x/b.json", &record(b))]);
        (found.version.map(|(_, versions)| versions.len()), found.half_version)
    };
    assert_eq!(version("1.0.0".into(), "1.1.0".into()), (Some(2), None));
    assert_eq!(version("1.0.0".into(), 1.1.into()), (None, Some("schema_version".into())));
}

#[test]
fn a_file_name_made_of_borders_takes_no_time() {
    let borders = format!("x/{}.png", "-_.".repeat(2000));
    only(&[("x/a.json", "{\"t\": 1}"), ("x/b.json", "{\"t\": 1}"), (&borders, "")]);
}
