//! What is exported is read by the tools of those that it is for.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::page::tool;
use crate::program::Library;

/// The configuration of the example library, and all exports asked for.
pub fn with_exports(config: &str) -> String {
    let base = "  base_url: \"https://assets.example.com/library/\"\n";
    let (before, after) = config.split_once(base).unwrap();
    let fields =
        before.replace("/title, /product_type", "/title, /vendor, /license, /blender/min_version, /product_type");
    format!("{fields}{base}{EXPORTS}{after}")
}

const EXPORTS: &str = "  listing: { url: \"https://www.example.com/{collection}/{id}\" }
  exports:
    blender:
      name: Northbench
      collections: [products]
      data_block: /title
      id_type: COLLECTION
      blender_version: /blender/min_version
      catalog: /product_type
    data_package: { title: The assets of Northbench }
    feed: { title: New at Northbench }
    sitemap: {}
";

/// The example library with all exports.
fn example() -> Library {
    let library = Library::example();
    library.write("stockroom.yml", with_exports(&library.read("stockroom.yml")));
    library
}

/// Its manifest in a folder of its own.
fn exported(library: &Library) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    library.run(&["manifest", "-o", folder.path().to_str().unwrap()]).ends(0);
    folder
}

fn json(folder: &TempDir, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap()
}

fn run(program: PathBuf, arguments: &[&str], folder: &TempDir) -> (bool, String) {
    let output =
        Command::new(program).args(arguments).current_dir(folder.path()).env("NO_COLOR", "1").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

#[test]
fn frictionless_says_that_the_package_is_valid_and_sees_a_changed_table() {
    let Some(frictionless) = tool(&["frictionless"]) else { return };
    let library = example();
    let odd = library.read("Hex Bolt Gen v2/Hex Bolt Gen v2.json");
    let odd = odd.replace("\"Hex Bolt Gen v2\"", r#""=HYPERLINK(\"http://x\"), \"two\"\n'lines'""#);
    library.write("Hex Bolt Gen v2/Hex Bolt Gen v2.json", odd);
    let folder = exported(&library);
    let (is_valid, said) = run(frictionless.clone(), &["validate", "datapackage.json"], &folder);
    assert!(is_valid, "{said}");
    let package = json(&folder, "datapackage.json");
    let files = folder.path().join(package["resources"][1]["path"].as_str().unwrap());
    let table = fs::read_to_string(&files).unwrap();
    assert!(table.contains(",hex-bolt-gen-v2,"));
    fs::write(&files, table.replace(",hex-bolt-gen-v2,", ",hex-bolt-gen-v3,")).unwrap();
    let (is_valid, said) = run(frictionless, &["validate", "datapackage.json"], &folder);
    assert!(!is_valid && said.contains("INVALID"), "{said}");
}

#[test]
fn a_parser_of_sitemaps_finds_every_page() {
    let Some(usp) = tool(&["usp"]) else { return };
    let library = example();
    let folder = exported(&library);
    let read = "import sys\nfrom usp.tree import sitemap_from_str\n\
                for page in sitemap_from_str(open(sys.argv[1]).read()).all_pages(): print(page.url, page.last_modified is not None)\n";
    // The program of the package stands beside its Python.
    let python = fs::read_link(usp).unwrap().with_file_name("python");
    let (is_read, said) = run(python, &["-c", read, "sitemap.xml"], &folder);
    assert!(is_read, "{said}");
    let found: Vec<&str> = said.lines().collect();
    assert_eq!(found.len(), 15, "{said}");
    assert!(found.contains(&"https://www.example.com/products/hex-bolt-gen-v2 True"), "{said}");
}

#[test]
fn the_example_is_whole_in_every_format() {
    let library = example();
    let folder = exported(&library);
    let meta = json(&folder, "_asset-library-meta.json");
    let index = json(&folder, meta["api_versions"]["v1"]["url"].as_str().unwrap());
    assert_eq!((&index["asset_count"], &index["file_count"]), (&13.into(), &13.into()));
    assert_eq!(json(&folder, "feed.json")["items"].as_array().unwrap().len(), 15);
    let root = json(&folder, "manifest.json");
    let list = json(&folder, root["exports"]["path"].as_str().unwrap());
    for name in ["blender", "data_package", "feed", "sitemap"] {
        assert!(!list["exports"][name].as_array().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn what_an_asset_lacks_for_blender_is_a_finding_on_its_line() {
    let library = example();
    let record = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
    let config = library
        .read("stockroom.yml")
        .replace("blender_version: /blender/min_version", "blender_version: /blender/saved_with");
    library.write("stockroom.yml", config);
    let check = library.run(&["check", "--format", "json"]).ends(0).json();
    let findings = check["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 13);
    let finding = findings.iter().find(|finding| finding["path"] == record).unwrap();
    assert_eq!((&finding["code"], &finding["severity"]), (&"blender-version".into(), &"warning".into()));
    assert!(finding["line"].as_u64().unwrap() > 1, "{finding}");
}
