//! What is checked across files: what lies beside a record, what its values say of that, and what other records say.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stockroom::report;

use crate::program::Library;
use crate::published;

const CONFIG: &str = r#"version: 1
collections:
  makers: { metadata: "makers/*.yaml", id: "{stem}", unique: [{ pointer: /sku, across: skus }] }
  products:
    metadata: "products/*/*.json"
    id: id
    files:
      required: ["{stem}.blend"]
      optional: ["*.png", "*.md", "{/id}.zip"]
      forbidden: ["*.blend1"]
      others: warn
    references: ["/shots/*"]
    declared: [{ file: /download/path, bytes: /download/size, sha256: /download/sha256 }]
    images: [{ files: "icon*.png", square: true, max_bytes: 1000 }]
    unique: [{ pointer: /sku, across: skus }]
    links: [{ pointer: /by, to: makers }, { pointer: "/related/*", to: products }]
"#;

/// The first bytes of a PNG of this size, which are all that is looked at.
fn png(width: u32, height: u32) -> Vec<u8> {
    let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &sizes, b"\x08\x06\0\0\0"].concat()
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A library in which everything fits.
fn good() -> Library {
    let library = Library::empty();
    library.write("stockroom.yml", CONFIG);
    library.write("makers/anna.yaml", "sku: MAKER\n");
    library.write("products/Bolt/Bolt.blend", "scene");
    library.write("products/Bolt/icon.png", png(8, 8));
    library.write("products/Bolt/shot.jpg", b"\xff\xd8\xff\xc0\0\x11\x08\0\x08\0\x08\x03\x03\x03\x03");
    library.write("products/Bolt/bolt.zip", "archive");
    library.write("products/Bolt/about.md", "A bolt.\n");
    let record = json!({
        "id": "bolt", "sku": "B1", "by": "anna", "related": ["bolt"], "shots": ["shot.jpg"],
        "download": {"path": "bolt.zip", "size": 7, "sha256": sha256(b"archive")},
    });
    library.write("products/Bolt/Bolt.json", format!("{record:#}\n"));
    library
}

/// Every finding as `severity code path pointer`.
fn told(library: &Library, code: i32) -> Vec<String> {
    let run = library.run(&["check", "--format", "json"]).ends(code);
    let document = run.document(&report::json::check::schema());
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let row = |finding: &Value| {
        let [severity, code, path, pointer] = ["severity", "code", "path", "pointer"].map(|key| text(finding, key));
        format!("{severity} {code} {path} {pointer}").trim_end().to_owned()
    };
    document["findings"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_library_whose_files_fit_together_has_no_finding() {
    assert_eq!(told(&good(), 0), [""; 0]);
}

#[test]
fn what_does_not_fit_together_is_told_where_it_stands() {
    let library = good();
    library.commit();
    let record = "products/Bolt/Bolt.json";
    library.edit(record, "\"B1\"", "\"MAKER\"");
    library.edit(record, "\"anna\"", "\"ana\"");
    library.edit(record, "\"shot.jpg\"", "\"Shot.jpg\", \"../../stockroom.yml\"");
    library.edit(record, "\"size\": 7", "\"size\": 8");
    library.edit(record, &sha256(b"archive"), &sha256(b"other"));
    library.write("products/Bolt/Bolt.blend1", "");
    library.write("products/Bolt/icon.png", png(8, 9));
    library.write("products/Bolt/icon_large.png", [png(8, 8), vec![0; 1000]].concat());
    library.write("products/Bolt/photo.png", b"\xff\xd8\xff\xe0 no PNG");
    library.write("products/Bolt/ICON.png", png(8, 8));
    library.write("products/Bolt/con.md", "Saved in /home/anna/shop/bolt.blend\n");
    assert_eq!(
        told(&library, 1),
        [
            "error file-forbidden products/Bolt/Bolt.blend1",
            "error link-dangling products/Bolt/Bolt.json /by",
            "error digest-differs products/Bolt/Bolt.json /download/sha256",
            "error size-differs products/Bolt/Bolt.json /download/size",
            "error reference-missing products/Bolt/Bolt.json /shots/0",
            "error reference-unfit products/Bolt/Bolt.json /shots/1",
            "error duplicate-value products/Bolt/Bolt.json /sku",
            "error image-size products/Bolt/icon.png",
            "error name-collision products/Bolt/icon.png",
            "error image-size products/Bolt/icon_large.png",
            "warning name-unportable products/Bolt/con.md",
            "warning leak products/Bolt/con.md",
            "warning image-format products/Bolt/photo.png",
        ]
    );
}

#[test]
fn a_record_that_is_named_is_checked_with_the_files_beside_it() {
    let library = good();
    library.write("products/Bolt/icon.png", png(8, 9));
    library.write("products/Nut/Nut.json", "{\"id\": \"nut\", \"by\": \"nobody\"}");
    let named = |path: &str| {
        let place = library.path(path);
        let run = library.run(&["check", place.to_str().unwrap(), "--format", "json"]).ends(1);
        let codes = run.json()["findings"].as_array().unwrap().clone();
        codes.into_iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named("products/Bolt/Bolt.json"), ["image-size"]);
    assert_eq!(named("products/Bolt/shot.jpg"), ["image-size"], "a referenced file stands for its record");
    assert_eq!(named("products/Nut"), ["file-missing", "link-dangling"]);
}

#[test]
fn what_is_no_file_is_never_opened_and_told_where_files_would_be() {
    let library = good();
    symlink("Bolt", library.path("products/Linked")).unwrap();
    symlink("/etc/passwd", library.path("products/Bolt/passwd.md")).unwrap();
    assert!(Command::new("mkfifo").arg(library.path("products/Bolt/pipe.png")).status().unwrap().success());
    assert!(Command::new("mkfifo").arg(library.path("products/Bolt/Pipe.json")).status().unwrap().success());
    let nested = library.path("products/Nested");
    fs::create_dir_all(&nested).unwrap();
    fs::write(nested.join("Nested.json"), "{}").unwrap();
    for words in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "c"]] {
        assert!(library.git_command().current_dir(&nested).args(words).status().unwrap().success());
    }
    assert_eq!(
        told(&library, 1),
        [
            "error not-a-file products/Bolt/Bolt.json",
            "error symlink products/Bolt/Bolt.json",
            "error not-a-file products/Bolt/Pipe.json",
            "warning symlink products/Linked",
            "warning not-a-file products/Nested",
        ]
    );
}

#[test]
fn a_secret_in_a_record_is_an_error_and_stands_in_no_report() {
    let library = good();
    let secret = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    library.edit("products/Bolt/Bolt.json", "\"anna\"", &format!("\"{secret}\""));
    library.commit();
    assert!(told(&library, 1).contains(&"error secret products/Bolt/Bolt.json /by".to_owned()));
    for words in [&["check"][..], &["check", "--format", "json"], &["plan"]] {
        let run = library.program(words).env("GITHUB_ACTIONS", "true").run().ends(1);
        // The link that leads nowhere is told as well, and would quote the value.
        assert!(!run.both().contains(&secret[6..]), "{}", run.both());
    }
}

#[test]
fn an_lfs_file_is_published_as_what_it_stands_for_and_an_lfs_record_is_an_error() {
    let library = good();
    let scene = vec![b'x'; 5000];
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5000\n", sha256(&scene));
    library.write("products/Bolt/Bolt.blend", &pointer);
    library.commit();
    let facts = || {
        let folder = library.beside("built");
        fs::remove_dir_all(&folder).ok();
        library.run(&["manifest", "-o", folder.to_str().unwrap()]).ends(0);
        let (_, asset) = published::assets(&folder).into_iter().find(|((of, _), _)| of == "products").unwrap();
        let files = asset["files"].as_array().unwrap().clone();
        let names: Vec<String> = files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
        assert!(names.contains(&"products/Bolt/shot.jpg".to_owned()), "a referenced file is published: {names:?}");
        let scene = files.into_iter().find(|file| file["path"] == "products/Bolt/Bolt.blend").unwrap();
        (scene["sha256"].clone(), scene["bytes"].clone())
    };
    let expected = (json!(sha256(&scene)), json!(5000));
    assert_eq!(facts(), expected);
    // As `git lfs pull` leaves it.
    library.write("products/Bolt/Bolt.blend", &scene);
    assert_eq!(facts(), expected);

    library.write("products/Bolt/Bolt.json", &pointer);
    assert_eq!(told(&library, 1)[0], "error lfs-pointer products/Bolt/Bolt.json");
}

#[test]
fn a_file_that_belongs_to_nothing_is_told_where_it_or_a_folder_around_it_is_named() {
    let library = good();
    library.edit("stockroom.yml", "others: warn", "others: forbid");
    library.write("products/Bolt/notes.txt", "to do");
    let check = |path: &str, code: i32| {
        let place = library.path(path);
        let run = library.run(&["check", place.to_str().unwrap(), "--format", "json"]).ends(code);
        let findings = run.json()["findings"].as_array().unwrap().clone();
        let row = |finding: Value| format!("{} {}", finding["code"], finding["path"]).replace('"', "");
        findings.into_iter().map(row).collect::<Vec<_>>()
    };
    let expected = ["file-unexpected products/Bolt/notes.txt"];
    for named in ["products/Bolt/notes.txt", "products/Bolt", "products"] {
        assert_eq!(check(named, 1), expected, "{named}");
    }
    for named in ["products/Bolt/about.md", "products/Bolt/shot.jpg", "products/Bolt/Bolt.json", "makers"] {
        assert_eq!(check(named, 0), [""; 0], "{named}");
    }
}

#[test]
fn a_link_to_what_a_change_removed_is_touched_by_it() {
    let library = good();
    library.write("makers/berta.yaml", "sku: OTHER\n");
    library.commit();
    fs::remove_file(library.path("makers/anna.yaml")).unwrap();
    let run = library.run(&["check", "--changed-since", "HEAD", "--format", "json"]).ends(1);
    let document = run.json();
    let touched = &document["summary"]["touched"];
    assert_eq!((&touched["findings"], &touched["elsewhere"]), (&json!(1), &json!(0)), "{document:#}");
    let help = document["findings"][0]["help"].as_str().unwrap();
    assert!(help.starts_with("makers/anna.yaml had it before this change"), "{help}");
}

#[test]
fn a_copy_bears_the_finding_and_not_its_original() {
    let library = good();
    library.commit();
    for file in ["Bolt.json", "Bolt.blend", "icon.png", "shot.jpg", "bolt.zip"] {
        library.write(
            &format!("products/Bolt copy/{file}"),
            fs::read(library.path(&format!("products/Bolt/{file}"))).unwrap(),
        );
    }
    fs::rename(library.path("products/Bolt copy"), library.path("products/A copy")).unwrap();
    let blamed = |words: &[&str]| {
        let run = library.run(&[&["check", "--format", "json"], words].concat()).ends(1);
        let findings = run.json()["findings"].as_array().unwrap().clone();
        let repeats = findings.into_iter().filter(|f| f["code"].as_str().unwrap().starts_with("duplicate"));
        repeats.map(|finding| finding["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(blamed(&[]), ["products/Bolt/Bolt.json"; 2], "by path");
    assert_eq!(blamed(&["--changed-since", "HEAD"]), ["products/A copy/Bolt.json"; 2]);
    assert_eq!(blamed(&[library.path("products/A copy").to_str().unwrap()]), ["products/A copy/Bolt.json"; 2]);
}

#[test]
fn one_file_with_a_wrong_name_is_one_finding() {
    let library = good();
    library.edit("stockroom.yml", "others: warn", "others: forbid");
    library.edit("stockroom.yml", "required: [", "required: [\"{stem}.jpg\", ");
    library.write("products/Bolt/Bolt.jpg", b"\xff\xd8\xff\xc0\0\x11\x08\0\x08\0\x08\x03\x03\x03\x03");
    let record = "products/Bolt/Bolt.json";
    library.edit(record, "\"shot.jpg\"", "\"shot.jpg\", \"Bolt.jpg\"");
    assert_eq!(told(&library, 0), [""; 0]);
    fs::rename(library.path("products/Bolt/Bolt.jpg"), library.path("products/Bolt/bolt.jpg")).unwrap();
    assert_eq!(told(&library, 1), ["error file-missing products/Bolt/Bolt.json"]);
    fs::rename(library.path("products/Bolt/bolt.jpg"), library.path("products/Bolt/Bolt.jpg")).unwrap();
    library.edit(record, "\"shot.jpg\", ", "\"C:\\\\Users\\\\anna\\\\shot.png\", ");
    assert_eq!(
        told(&library, 1),
        ["error reference-unfit products/Bolt/Bolt.json /shots/0", "error file-unexpected products/Bolt/shot.jpg"]
    );
}
