//! What is written about the program is compared with the program: schemas, tables, help, and whole terminal sessions.
//!
//! With `STOCKROOM_REGENERATE=1` the same tests write what they would else complain about.

#![cfg(unix)]

mod blocks;
mod configuration;
mod interface;
mod sample;
mod types;
mod valid;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stockroom::finding::Code;
use stockroom::manifest::format;
use stockroom::report::json::{check, doctor, schema_diff, state, status, targets};

use blocks::{filled, sessions};
use sample::Sample;

const MEND: &str = "STOCKROOM_REGENERATE=1 cargo nextest run documents";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares files with what they should hold, or makes them so when that is asked for.
fn settle(wanted: &BTreeMap<String, String>) {
    let is_wrong =
        |(path, text): &(&String, &String)| fs::read_to_string(root().join(path)).ok().as_ref() != Some(text);
    let wrong: Vec<_> = wanted.iter().filter(is_wrong).collect();
    if std::env::var_os("STOCKROOM_REGENERATE").is_some_and(|asked| asked == "1") {
        for (path, text) in wrong {
            let path = root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        return;
    }
    let told: Vec<String> =
        wrong.iter().map(|(path, text)| format!("{path}: {}", first_difference(path, text))).collect();
    assert!(
        told.is_empty(),
        "\n\nThese no longer say what the code does. Mend them with\n\n    {MEND}\n\n{}\n",
        told.join("\n")
    );
}

fn first_difference(path: &str, wanted: &str) -> String {
    let Ok(found) = fs::read_to_string(root().join(path)) else { return "is missing".to_owned() };
    let (mut found, mut wanted) = (found.lines(), wanted.lines());
    for line in 1.. {
        match (found.next(), wanted.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => return format!("line {line} is {:?} and should be {:?}", a.unwrap_or(""), b.unwrap_or("")),
        }
    }
    "ends in another way".to_owned()
}

fn schemas() -> BTreeMap<String, Value> {
    let all = [
        ("stockroom", stockroom::config::json_schema()),
        ("check", check::schema()),
        ("schema-diff", schema_diff::schema()),
        ("plan", targets::plan_schema()),
        ("sync", targets::sync_schema()),
        ("status", status::schema()),
        ("doctor", doctor::schema()),
        ("state", state::show_schema()),
        ("state-history", state::history_schema()),
        ("state-migrate", stockroom::report::moving::schema()),
        ("lock", stockroom::schema::lock::json_schema()),
        ("search", stockroom::report::search::schema()),
        ("pull", stockroom::report::pull::schema()),
        ("verify", stockroom::report::verify::schema()),
        ("manifest-root", schemars::schema_for!(format::Root).to_value()),
        ("manifest-shards", schemars::schema_for!(format::ShardList).to_value()),
        ("manifest-shard", schemars::schema_for!(format::Shard).to_value()),
        ("manifest-index", schemars::schema_for!(format::Index).to_value()),
        ("manifest-delta", schemars::schema_for!(format::Delta).to_value()),
        ("manifest-updated", schemars::schema_for!(format::Updated).to_value()),
        ("manifest-findings", schemars::schema_for!(format::Findings).to_value()),
        ("manifest-exports", schemars::schema_for!(format::ExportList).to_value()),
        ("manifest-search", schemars::schema_for!(stockroom::manifest::search::format::SearchHead).to_value()),
        ("envelope", stockroom::downstream::envelope_schema()),
    ];
    all.into_iter().map(|(name, schema)| (format!("dist/schemas/{name}.schema.json"), schema)).collect()
}

#[test]
fn the_json_schemas_are_those_of_the_code() {
    settle(&schemas().into_iter().map(|(path, schema)| (path, format!("{schema:#}\n"))).collect());
    let there: BTreeSet<String> = fs::read_dir(root().join("dist/schemas"))
        .unwrap()
        .map(|entry| format!("dist/schemas/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    assert_eq!(there, schemas().into_keys().collect(), "dist/schemas holds what is generated and nothing else");
}

#[test]
fn the_typescript_types_of_the_manifest_are_those_of_the_code() {
    let schemas = schemas();
    let of_manifest = schemas.iter().filter(|(path, _)| path.starts_with("dist/schemas/manifest-"));
    let text = types::declarations(of_manifest.map(|(_, schema)| schema));
    settle(&BTreeMap::from([("dist/types/manifest.d.ts".to_owned(), text)]));
}

fn codes() -> Vec<&'static Code> {
    let mut codes = stockroom::catalog::codes();
    codes.extend(stockroom::schema::codes());
    codes.extend(stockroom::downstream::codes());
    codes.extend(stockroom::manifest::codes());
    codes.extend(stockroom::config::CODES);
    codes.extend(stockroom::adapters::worktree::CODES);
    codes.extend(stockroom::commands::gather::CODES);
    codes.sort_by_key(|code| code.id);
    codes
}

#[test]
fn every_finding_code_is_listed_once() {
    let codes = codes();
    let ids: BTreeSet<&str> = codes.iter().map(|code| code.id).collect();
    assert_eq!(ids.len(), codes.len(), "a code's id stands twice");
    let rows = codes.iter().map(|code| [format!("<a id=\"{0}\"></a>`{0}`", code.id), code.meaning.to_owned()]);
    let table = blocks::table(&["code", "what it means, and what to do"], rows);
    let text = format!(
        "# Finding codes\n\n\
         <!-- Generated; mend it with: {MEND} -->\n\n\
         Every finding of `stockroom check` has one of these codes. They are stable: tools may match them. A code stands in\n\
         brackets at the end of a line for people, as `code` in the JSON, and as the title of an annotation on GitHub.\n\n\
         {table}"
    );
    settle(&BTreeMap::from([("docs/finding-codes.md".to_owned(), text)]));
}

#[test]
fn every_finding_code_in_the_sources_is_listed() {
    let listed: BTreeSet<&str> = codes().iter().map(|code| code.id).collect();
    let mut found = 0;
    for_each_source(&root().join("src"), &mut |path, text| {
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!product.contains(": Code = Code {"), "{}: a code is declared without codes!", path.display());
        let tables = text.split("\ncodes! {\n").skip(1).filter_map(|rest| rest.split("\n}").next());
        // A name and an id on one line, the meaning on those below.
        for line in tables.flat_map(str::lines).filter(|line| !line.starts_with("     ")) {
            let id = line.split('"').nth(1).unwrap_or_default();
            assert!(listed.contains(id), "{}: the code {id:?} is in no room's codes()", path.display());
            found += 1;
        }
    });
    assert_eq!(found, listed.len(), "the sources declare as many codes as are listed");
}

fn for_each_source(folder: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_source(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_readme_says_what_the_program_says() {
    let sample = Sample::new();
    let text = sessions(&read("README.md"), &mut |command| sample.run(command));
    let mut blocks = interface::blocks();
    blocks.extend(sample.blocks());
    blocks.insert("config", read("examples/library/stockroom.yml").code("yaml"));
    settle(&BTreeMap::from([("README.md".to_owned(), filled("README.md", &text, &blocks))]));
}

#[test]
fn the_pages_on_formats_show_what_is_published() {
    let sample = Sample::new();
    let pages = ["docs/manifest.md", "docs/downstream.md"].map(|page| {
        let text = sessions(&read(page), &mut |command| sample.run(command));
        (page.to_owned(), filled(page, &text, &sample.blocks()))
    });
    settle(&BTreeMap::from(pages));
}

#[test]
fn the_page_on_exports_shows_what_is_exported() {
    let page = "docs/exports.md";
    settle(&BTreeMap::from([(page.to_owned(), filled(page, &read(page), &Sample::exports()))]));
}

#[test]
fn the_page_on_schemas_shows_what_the_program_says() {
    let sample = Sample::new();
    let page = "docs/schemas.md";
    settle(&BTreeMap::from([(page.to_owned(), sessions(&read(page), &mut |command| sample.run(command)))]));
}

#[test]
fn the_configuration_page_lists_every_key() {
    let blocks = BTreeMap::from([("keys", configuration::reference(&stockroom::config::json_schema()))]);
    let page = "docs/configuration.md";
    settle(&BTreeMap::from([(page.to_owned(), filled(page, &read(page), &blocks))]));
}

#[test]
fn the_map_has_the_rooms_of_the_architecture_test() {
    let blocks = BTreeMap::from([("rooms", interface::rooms(&read("tests/architecture.rs")))]);
    let page = "ARCHITECTURE.md";
    settle(&BTreeMap::from([(page.to_owned(), filled(page, &read(page), &blocks))]));
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(PathBuf::from);
    let below = |folder: &'static str| {
        let files = fs::read_dir(root().join(folder)).unwrap();
        files.map(move |entry| Path::new(folder).join(entry.unwrap().file_name()))
    };
    let docs = below("docs").chain(below("docs/clients")).filter(|page| page.extension().is_some_and(|it| it == "md"));
    for page in pages.into_iter().chain(docs) {
        let text = read(page.to_str().unwrap());
        let folder = root().join(page.parent().unwrap());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder.join(file).exists(), "{}: {link} leads nowhere", page.display());
            }
        }
    }
}

/// A text as a block of Markdown.
trait AsCode {
    fn code(&self, language: &str) -> String;
}

impl<T: AsRef<str>> AsCode for T {
    fn code(&self, language: &str) -> String {
        format!("```{language}\n{}\n```\n", self.as_ref().trim_end())
    }
}
