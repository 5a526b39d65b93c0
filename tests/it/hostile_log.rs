//! A library whose names, keys and values are commands to GitHub's runner: it executes only what we mean.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::program::{Library, Run, executed, outputs_read};

const CONFIG: &str = r#"version: 1
collections:
  things: { metadata: "things/**/*.json", schema: thing, id: id, files: { required: ["{stem}.txt"] } }
schemas: { source: ./schemas }
manifest: { fields: [/title, /id] }
downstreams:
  website: { repo: example-org/website }
embed: { text: [/title] }
"#;

/// What the runner, a terminal or a reader would take for something else than text.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "::error::x",
        "::error file=a,line=1::x",
        " ::set-output name=valid::true",
        "::stop-commands::pause",
        "::add-mask::a",
        "::add-path::/tmp",
        "##[set-env name=X]y",
        "##[error]x",
        "#\u{200b}#[add-path]/tmp",
        "##\u{1b}[0m[error]x",
        "\u{1b}[2J\u{1b}]0;title\u{7}##[endgroup]",
        "\u{202e}##[error]\u{202d}x",
        "x\r::add-mask::e",
        "x\n::set-env name=PATH::/tmp",
        "x\r\n##[add-path]/tmp",
        "x\u{85}::error::nel",
        "x\u{2028}::error::ls",
        "%0A::warning::x",
        "%0D%0A::warning::x",
        "\u{1}\u{7f}::error::x",
        "\u{feff}::debug::x",
        ":\u{ad}:error::x",
        "a\", \"::error::x",
        "a<<EOF\nvalid=true\nEOF",
        "`](http://evil.example)<img src=x>|@everyone",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(format!("{}::error::x", "long ".repeat(2000)));
    texts
}

/// The text as part of a file's name.
fn file_name(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    short.replace('/', "\u{2215}")
}

/// Its first half is at fault in every way, its second half is not.
fn library(is_valid: bool) -> Library {
    let library = Library::empty();
    // Such names are odd, which is a warning that the half without faults must not have.
    let lint = if is_valid { "lint: { names: off }\n" } else { "" };
    library.write("stockroom.yml", format!("{CONFIG}{lint}"));
    let schema = json!({"properties": {"id": true, "title": {"type": "string"}, "kind": {"enum": ["a"]}}, "additionalProperties": false});
    library.write("schemas/thing.json", schema.to_string());
    for (index, text) in texts().iter().enumerate() {
        let name = file_name(text);
        // A control character in a name is a fault of its own.
        let folder = if is_valid && name.chars().any(char::is_control) { format!("{index}") } else { name };
        let stem = format!("things/{folder}/{index}");
        // An id with control characters is a finding; the rest of what is hostile may stand in one.
        let id: String = text.chars().filter(|c| !is_valid || !c.is_control()).take(150).collect();
        let mut record = json!({"id": format!("{index} {id}"), "title": text});
        if !is_valid {
            record["kind"] = json!(text);
            record[text] = json!(text);
        }
        library.write(&format!("{stem}.json"), format!("{record:#}"));
        if is_valid {
            library.write(&format!("{stem}.txt"), text);
        }
    }
    library
}

/// Steps of a job, one after the other; what the runner makes of all that they said is asked once, at the end.
struct Job<'l> {
    library: &'l Library,
    said: String,
    meant: Vec<(Vec<String>, Counts)>,
    keys: Vec<String>,
}

/// How often each command is executed.
type Counts = BTreeMap<String, usize>;

impl<'l> Job<'l> {
    fn new(library: &'l Library) -> Self {
        fs::write(library.beside("output"), "").unwrap();
        Self { library, said: String::new(), meant: Vec::new(), keys: Vec::new() }
    }

    /// Runs under a runner's environment; these commands and these keys of outputs are what is meant.
    fn step(&mut self, words: &[&str], code: i32, commands: &[(&str, usize)], keys: &[&str]) -> Run {
        let program = self.library.program(words).env("GITHUB_ACTIONS", "true").env("CI", "true");
        let program = program.env("GITHUB_OUTPUT", self.library.beside("output"));
        let run = program.env("GITHUB_STEP_SUMMARY", self.library.beside("summary")).run().ends(code);
        is_calm(words, &run);
        self.said += &format!("::debug::between steps\n{}", run.both());
        let commands = commands.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        self.meant.push((words.iter().map(|word| (*word).to_owned()).collect(), commands));
        self.keys.extend(keys.iter().map(|key| (*key).to_owned()));
        run
    }

    /// What the runner has executed is what was meant, step by step.
    fn ends(self) -> Option<Vec<Value>> {
        let all = executed(&self.said)?;
        let between = |command: &Value| command["command"] == "debug" && command["data"] == "between steps";
        let mut steps = all.split(between);
        assert_eq!(steps.next().map(<[Value]>::len), Some(0));
        for (words, meant) in &self.meant {
            let mut found = Counts::new();
            for command in steps.next().unwrap() {
                assert_eq!(command["form"], "::", "{words:?}: {command}");
                *found.entry(command["command"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            assert_eq!(&found, meant, "{words:?}");
        }
        let read = outputs_read(&self.library.beside("output"))?;
        assert_eq!(read.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), self.keys);
        Some(all)
    }
}

/// Nothing in it tells a reader one thing and a machine another.
fn is_calm(words: &[&str], run: &Run) {
    let said = run.both();
    let odd = |c: char| matches!(c, '\u{1b}' | '\r' | '\u{85}' | '\u{202e}' | '\u{202d}' | '\u{200b}' | '\0' | '\u{7}');
    assert!(!said.contains(odd), "{words:?}: {said:?}");
    // JSON holds every text whole; an annotation has a limit for its message, before it is escaped.
    let is_long = |line: &str| line.len() > 4096 && !line.starts_with("::");
    assert!(words.contains(&"json") || !said.lines().any(is_long), "{words:?} says a line that is too long");
}

const CHECKED: [&str; 5] = ["command", "valid", "findings", "errors", "warnings"];

#[test]
fn what_is_wrong_with_hostile_records_executes_its_annotations_alone() {
    let library = library(false);
    let check = library.run(&["check", "--format", "json"]).ends(1).json();
    let findings = check["findings"].as_array().unwrap();
    assert!(findings.len() > 3 * texts().len(), "{}", findings.len());
    // GitHub shows ten of a kind; the rest is counted.
    let annotations = [("error", 10), ("warning", 10), ("notice", 1)];
    let mut job = Job::new(&library);
    for format in ["human", "json", "github"] {
        job.step(&["check", "--format", format], 1, &annotations, &CHECKED);
    }
    for words in
        [&["plan"][..], &["plan", "--format", "json"], &["plan", "--format", "markdown"], &["sync"], &["manifest"]]
    {
        job.step(words, 1, &annotations, &CHECKED);
    }
    let Some(executed) = job.ends() else { return };
    for (command, finding) in executed[1..].iter().zip(&findings[..10]) {
        let line = finding["line"].to_string();
        assert_eq!((&command["properties"]["title"], &command["properties"]["line"]), (&finding["code"], &json!(line)));
    }
}

#[test]
fn a_whole_life_of_a_hostile_library_executes_nothing() {
    let library = library(true);
    let all = [&CHECKED[..], &["manifest-digest", "manifest-path", "changed", "dispatched", "embedded"]].concat();
    let lives: [(&[&str], &[&str]); 9] = [
        (&["check"], &CHECKED),
        (&["plan"], &CHECKED),
        (&["plan", "--format", "json"], &CHECKED),
        (&["plan", "--format", "markdown"], &CHECKED),
        (&["sync"], &all),
        (&["sync", "--format", "json"], &all),
        (&["search", "error"], &[]),
        (&["search", "error", "--format", "json", "-k", "100"], &[]),
        (&["search", "x\n::error::x ##[error]y\r::error::z"], &[]),
    ];
    let mut job = Job::new(&library);
    for (words, keys) in lives {
        job.step(words, 0, &[], keys);
    }
    job.ends();
    let hits = library.run(&["search", "error", "--format", "json", "-k", "100"]).ends(0).json()["hits"].take();
    assert_eq!(hits.as_array().unwrap().len(), texts().len(), "JSON holds every text");
}

#[test]
fn a_hostile_configuration_is_refused_in_one_annotation() {
    let library = Library::empty();
    let mut job = Job::new(&library);
    for text in texts() {
        let things = json!({"metadata": text, "schema": text, (&text): text});
        library.write("stockroom.yml", json!({"version": 1, "collections": {"a": things}, (&text): 1}).to_string());
        job.step(&["check"], 2, &[("error", 1)], &[]);
    }
    job.ends();
}

#[test]
fn words_that_nobody_knows_are_repeated_harmlessly() {
    let library = Library::example();
    let mut job = Job::new(&library);
    for (index, text) in texts().iter().enumerate() {
        job.step(&["check", "--rev", text], 2, &[("error", 1)], &[]);
        let words = [&[text.as_str()][..], &["check", "--format", text], &["sync", "--only", text]];
        job.step(words[index % words.len()], 2, &[], &[]);
    }
    job.ends();
}
