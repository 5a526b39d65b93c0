//! A check of a change, or of the files that somebody names.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use stockroom::report;

use crate::program::{Library, Run};
use crate::proposal::{Job, proposed, pull_request};

const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2.json";
const CHAIR: &str = "Tavern Chair & Table/Tavern Chair & Table.json";
const LANTERN: &str = "Dojo Lantern Kit/Dojo Lantern Kit.json";
const PLANKS: &str = "Sci-Fi Cable Scatter v1/Sci-Fi Cable Scatter v1.json";
const COPY: &str = "A copy/A copy.json";

/// The example library with one old fault, committed.
fn faulty() -> Library {
    let library = Library::example();
    library.edit(CHAIR, "\"active\"", "\"actve\"");
    library.commit();
    library
}

fn check(library: &Library, words: &[&str]) -> Value {
    let words = [&["check", "--format", "json"], words].concat();
    let run = library.run(&words);
    assert!(run.code < 2, "{}", run.both());
    run.document(&report::json::check::schema())
}

/// The path, the code and whether it was touched, of each finding.
fn told(document: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|f| (text(&f["path"]), text(&f["code"]), f["touched"].clone())).collect()
}

fn entry(path: &str, code: &str, touched: Value) -> (String, String, Value) {
    (path.to_owned(), code.to_owned(), touched)
}

#[test]
fn what_was_touched_comes_first_and_the_rest_is_counted() {
    let library = faulty();
    library.edit(HEX, "\"12.00\"", "12.00");
    library.git(&["add", "--all"]);
    fs::remove_file(library.path("Dojo Lantern Kit/Dojo Lantern Kit.blend")).unwrap();
    let document = check(&library, &["--changed-since", "HEAD"]);
    assert_eq!(
        told(&document),
        [
            entry(LANTERN, "file-missing", json!(true)),
            entry(HEX, "type", json!(true)),
            entry(CHAIR, "enum", json!(false)),
        ],
        "the staged, the removed beside its record, and the old"
    );
    let touched = &document["summary"]["touched"];
    assert_eq!((&touched["findings"], &touched["elsewhere"]), (&json!(2), &json!(1)));
    assert_eq!((&touched["everything"], &touched["why"]), (&json!(false), &Value::Null));
    let run = library.run(&["check", "--changed-since", "HEAD"]).ends(1);
    assert!(run.out.contains("2 findings in what was touched since "), "{}", run.out);
    assert!(run.out.contains(", 1 elsewhere\n"), "{}", run.out);
}

#[test]
fn a_change_is_counted_from_where_its_history_left_the_other() {
    let library = Library::example();
    library.git(&["checkout", "--quiet", "-b", "topic"]);
    library.edit(HEX, "\"12.00\"", "12.00");
    library.commit();
    library.git(&["checkout", "--quiet", "main"]);
    library.edit(LANTERN, "\"schema_version\": \"1.1.0\"", "\"schema_version\":  \"1.1.0\"");
    library.commit();
    library.git(&["checkout", "--quiet", "topic"]);
    library.edit(LANTERN, "\"schema_version\": \"1.1.0\"", "\"schema_version\": 1");
    library.git(&["stash", "--quiet"]);
    let document = check(&library, &["--changed-since", "main"]);
    assert_eq!(told(&document), [entry(HEX, "type", json!(true))]);
}

#[test]
fn what_the_verdicts_hang_on_touches_everything() {
    for (path, text) in [
        ("stockroom.yml", "# a remark\n"),
        ("schemas/product-metadata/v1.1.0.json", "\n"),
        ("schemas/new/v1.0.0.json", "{}"),
    ] {
        let library = faulty();
        let before = fs::read_to_string(library.path(path)).unwrap_or_default();
        library.write(path, format!("{before}{text}"));
        let touched = check(&library, &["--changed-since", "HEAD"])["summary"]["touched"].clone();
        assert_eq!((&touched["everything"], &touched["findings"]), (&json!(true), &json!(1)), "{path}");
        assert_eq!(touched["why"], json!(format!("{path} was changed")));
    }
}

#[test]
fn a_base_that_is_not_there_is_said_and_everything_counts() {
    let library = faulty();
    let run = library.run(&["check", "--changed-since", &"0".repeat(40)]).ends(1);
    assert!(
        run.out.contains("everything counts as touched, because what it is compared with cannot be read"),
        "{}",
        run.out
    );
    let clone = library.clone_of_depth(1);
    let run = clone.run(&["check", "--changed-since", "HEAD^"]).ends(1);
    assert!(run.out.contains("the clone is shallow") && run.out.contains("`fetch-depth: 2`"), "{}", run.out);
}

#[test]
fn a_value_that_a_change_takes_from_a_record_elsewhere_is_in_the_change() {
    let library = Library::example();
    for file in ["blend", "json"] {
        let from = library.path(&format!("Hex Bolt Gen v2/Hex Bolt Gen v2.{file}"));
        library.write(&format!("A copy/A copy.{file}"), fs::read(from).unwrap());
    }
    library.write("A copy/icon_A copy.png", "x");
    let document = check(&library, &["--changed-since", "HEAD"]);
    // The copy bears it, and not the record that was there before.
    assert!(told(&document).contains(&entry(COPY, "duplicate-id", json!(true))), "{document:#}");
    let named = check(&library, &[library.path(COPY).to_str().unwrap()]);
    assert!(told(&named).contains(&entry(COPY, "duplicate-id", Value::Null)), "{named:#}");
    assert_eq!(named["summary"]["records"], 1);
}

#[test]
fn a_version_must_not_be_lowered_by_a_change_unless_it_is_allowed() {
    let library = Library::example();
    library.git(&["mv", "Dojo Lantern Kit", "Kit"]);
    for file in ["Dojo Lantern Kit.json", "Dojo Lantern Kit.blend", "icon_Dojo Lantern Kit.png"] {
        library.git(&["mv", &format!("Kit/{file}"), &format!("Kit/{}", file.replace("Dojo Lantern Kit", "Kit"))]);
    }
    library.edit("Kit/Kit.json", "\"1.1.0\"", "\"1.0.0\"");
    library.edit(PLANKS, "\"1.1.0\"", "\"1.0.0\"");
    assert_eq!(told(&check(&library, &[])), []);
    let document = check(&library, &["--changed-since", "HEAD"]);
    let lowered = |path: &str| entry(path, "version-lowered", json!(true));
    assert_eq!(told(&document), [lowered("Kit/Kit.json"), lowered(PLANKS)], "a rename is no way around it");
    assert_eq!(document["findings"][0]["pointer"], "/schema_version");
    library.edit("stockroom.yml", "    id: handle\n", "    id: handle\n    allow_downgrade: true\n");
    assert_eq!(told(&check(&library, &["--changed-since", "HEAD"])), []);
}

fn in_folder(library: &Library, folder: &str, words: &[&str]) -> Run {
    let words = [&["check"], words].concat();
    library.program(&words).in_folder(&library.path(folder)).run()
}

#[test]
fn a_path_stands_for_the_records_that_it_has_a_part_in() {
    let library = faulty();
    library.edit(HEX, "\"12.00\"", "12.00");
    let icon = "icon_Hex Bolt Gen v2.png";
    for (folder, paths) in [
        ("Hex Bolt Gen v2", vec!["Hex Bolt Gen v2.json"]),
        ("Hex Bolt Gen v2", vec![icon]),
        ("guides", vec!["../Hex Bolt Gen v2", "choosing-a-thread.md"]),
    ] {
        let run = in_folder(&library, folder, &paths).ends(1);
        assert!(run.out.contains("(1 error)") && !run.out.contains("actve"), "{paths:?}: {}", run.out);
    }
    let absolute = library.path(HEX);
    assert_eq!(check(&library, &[absolute.to_str().unwrap()])["summary"]["records"], 1);
    in_folder(&library, "guides", &["."]).ends(0);
    // The whole library, by its folder, its configuration, or what all records hang on.
    for path in [".", "stockroom.yml", "schemas"] {
        assert_eq!(in_folder(&library, "", &[path, "--format", "json"]).json()["summary"]["errors"], 2, "{path}");
    }
    let schema = "schemas/guide/v1.0.0.json";
    assert_eq!(in_folder(&library, "", &[schema, "--format", "json"]).json()["summary"]["records"], 2);
}

#[test]
fn what_belongs_to_no_collection_is_fine_and_what_is_not_there_is_not() {
    let library = faulty();
    library.write("notes.txt", "x");
    fs::write(library.beside("elsewhere.json"), "{").unwrap();
    let elsewhere = library.beside("elsewhere.json");
    let run = in_folder(&library, "", &["notes.txt", elsewhere.to_str().unwrap(), "/etc/hostname"]).ends(0);
    assert_eq!(run.out, "0 records in 0 collections: 0 valid\n");
    for path in ["absent.json", "../absent.json"] {
        let run = in_folder(&library, "", &[path]).ends(2);
        assert!(run.err.contains(&format!("there is no {path}: look at its spelling")), "{}", run.err);
        assert!(!run.err.contains("os error"), "{}", run.err);
    }
}

#[test]
fn a_record_whose_schema_is_broken_does_not_pass_for_being_the_only_one_asked_for() {
    let library = Library::example();
    library.write("schemas/product-metadata/v1.1.0.json", "{\"type\": 7}");
    let document = check(&library, &[library.path(HEX).to_str().unwrap()]);
    assert_eq!(told(&document), [entry("schemas/product-metadata/v1.1.0.json", "schema-broken", Value::Null)]);
    assert_eq!(told(&check(&library, &[library.path("guides").to_str().unwrap()])), []);
}

#[test]
fn one_run_writes_many_reports() {
    let library = faulty();
    let words = ["check", "--format", "github", "--report", "sarif=out/check.sarif", "--report", "junit=check.xml"];
    let folder = library.beside("work");
    fs::create_dir(&folder).unwrap();
    let run = library.program(&words).in_folder(&folder).run().ends(1);
    assert!(run.out.starts_with("::error file=Tavern Chair & Table/"), "{}", run.out);
    let sarif: Value = serde_json::from_slice(&fs::read(folder.join("out/check.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "enum");
    let junit = fs::read_to_string(folder.join("check.xml")).unwrap();
    let junit = roxmltree::Document::parse(&junit).unwrap();
    assert_eq!(junit.root_element().attribute("tests"), Some("15"));
    for words in [["--report", "sarif"], ["--report", "xml=x"], ["--report", "sarif=../x"]] {
        in_folder(&library, "", &words).ends(2);
    }
    std::os::unix::fs::symlink(library.beside("home"), library.path("linked")).unwrap();
    let run = in_folder(&library, "", &["--report", "json=linked/x.json"]).ends(2);
    assert!(run.err.contains("is a symbolic link") && !library.beside("home/x.json").exists(), "{}", run.err);
}

#[test]
fn the_pre_commit_hook_checks_the_names_that_it_is_given() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let hooks: Value = serde_yaml::from_str(&fs::read_to_string(root.join(".pre-commit-hooks.yaml")).unwrap()).unwrap();
    let [hook] = &hooks.as_array().unwrap()[..] else { panic!("{hooks}") };
    assert_eq!((&hook["id"], &hook["language"]), (&json!("stockroom-check"), &json!("script")));
    assert_eq!((&hook["pass_filenames"], &hook["require_serial"]), (&json!(true), &json!(true)));
    let library = faulty();
    // A script's entry is found below the hook's own repository, and started in the root of the user's.
    let run = |names: &[&str]| {
        let mut words = hook["entry"].as_str().unwrap().split(' ');
        let mut command = Command::new(root.join(words.next().unwrap()));
        command
            .args(words)
            .args(names)
            .current_dir(library.root())
            .env("STOCKROOM_BIN", env!("CARGO_BIN_EXE_stockroom"));
        command.env_remove("GITHUB_ACTIONS").output().unwrap()
    };
    assert_eq!(
        run(&[HEX, ".gitignore", "stockroom.yml"]).status.code(),
        Some(1),
        "stockroom.yml stands for everything"
    );
    assert_eq!(run(&[HEX, "guides/choosing-a-thread.md"]).status.code(), Some(0));
    let failed = run(&["Tavern Chair & Table/Tavern Chair & Table.blend"]);
    assert!(failed.status.code() == Some(1) && String::from_utf8_lossy(&failed.stdout).contains("actve"), "{failed:?}");
}

#[test]
fn a_pull_request_is_divided_by_itself() {
    let (job, base, head) = proposed();
    job.library.edit(CHAIR, "\"active\"", "\"actve\"");
    job.library.commit();
    let reports = ("STOCKROOM_REPORTS", "sarif=../check.sarif\n\n json=check.json \n");
    let step = job.step("pull_request", &pull_request(&base, &head), &[reports]);
    assert_eq!(step.run.code, 2, "a report cannot leave the workspace: {}", step.run.both());
    let reports = ("STOCKROOM_REPORTS", "sarif=.stockroom/check.sarif\n\n json=.stockroom/check.json \n");
    let step = job.step("pull_request", &pull_request(&base, &head), &[reports]);
    assert_eq!(step.run.code, 1, "{}", step.run.both());
    assert!(step.summary.contains(" in what was touched since `"), "{}", step.summary);
    assert!(job.library.path(".stockroom/check.sarif").exists());
    let document: Value = serde_json::from_str(&job.library.read(".stockroom/check.json")).unwrap();
    assert_eq!(document["summary"]["touched"]["since"], base[..7]);

    let shallow = Job::new(job.library.clone_of_depth(1));
    let step = shallow.step("pull_request", &pull_request(&base, &head), &[("STOCKROOM_COMMAND", "check")]);
    assert!(
        step.run.out.contains("everything counts as touched") && step.run.out.contains("fetch-depth"),
        "{}",
        step.run.out
    );
}
