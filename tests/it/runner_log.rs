//! What GitHub's runner would execute in our output: a restatement of its parser reads everything that was written.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};

use serde_json::{Value, json};
use stockroom::cli::console::{Console, Surroundings};
use stockroom::cli::step_files::StepFiles;
use stockroom::finding::{Code, Finding, Span};
use stockroom::ids::{CollectionName, RepoPath};
use stockroom::report::workflow_command::Command;
use stockroom::report::{Check, Counts, excerpt, github, human, json as documents, summary};

const ACTIONS: Surroundings = Surroundings { actions: true, terminal: false };
static CODE: Code = Code { id: "wrong-type", meaning: "A value has another type than its schema says." };

/// The program that restates the parser, where it is at hand.
fn parser() -> Option<PathBuf> {
    let shared = std::env::var_os("STOCKROOM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let program = shared.join("tools/runner_commands.py");
    if program.is_file() {
        return Some(program);
    }
    eprintln!("SKIPPED: {} is not there", program.display());
    None
}

fn run(program: &PathBuf, arguments: &[&str], input: &[u8]) -> Vec<Value> {
    let mut child = Process::new("python3")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    // The program reads all of its input before it writes.
    child.stdin.take().expect("stdin is piped").write_all(input).expect("the program reads its input");
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Several hundred texts, most of which a runner would execute if they were printed as they are.
fn hostile_texts() -> Vec<String> {
    let leads = [
        "",
        " ",
        "\t",
        "\u{3000}",
        "\u{a0}",
        "\u{b}",
        "\u{85}",
        "\u{feff}",
        "\u{200b}",
        "\0",
        "a\n",
        "a\r",
        "a\r\n",
        "a\u{2028}",
        "\u{1b}[0m",
        "\u{1b}]0;x\u{7}",
        "\u{9b}1m",
        "\u{202e}",
        "x ",
        "%0A",
        "{\"a\":\"",
    ];
    let commands = [
        "::error::x",
        "::set-env name=PATH::/tmp",
        "::add-path::/tmp",
        "::stop-commands::pause",
        "::ERROR file=a::x",
        "::add-mask::a",
        "##[error]x",
        "##[set-env name=PATH;]/tmp",
        "###[add-path]/tmp",
        "#\u{200b}#[error]x",
        "##\u{1b}[0m[add-mask]e",
        ":\u{ad}:error::x",
        "::debug::##[error]x",
        "::\r::error::x",
        "##[endgroup]",
    ];
    let tails = ["", "\n::warning::again", "\r##[warning]again"];
    let mut texts = Vec::new();
    for lead in leads {
        for command in commands {
            texts.extend(tails.map(|tail| format!("{lead}{command}{tail}")));
        }
    }
    texts
}

fn check_of(texts: &[String]) -> Check {
    let finding = |text: &String| {
        let finding = Finding::error(&CODE, RepoPath::new(text), text).at(Span::at(3, 1));
        finding.about(text).help(text)
    };
    let counts = Counts { records: 1, valid: 0, invalid: 1 };
    let collections = texts.iter().map(|text| (CollectionName::new(text), counts)).collect();
    Check::new(None, false, collections, texts.iter().map(finding).collect())
}

#[test]
fn the_corpus_is_hostile() {
    let Some(program) = parser() else { return };
    let texts = hostile_texts();
    assert!(texts.len() > 900);
    let executed = run(&program, &[], texts.join("\n").as_bytes());
    assert!(executed.len() > 1000, "only {} commands in it", executed.len());
}

#[test]
fn free_text_reaches_the_runner_without_a_command() {
    let Some(program) = parser() else { return };
    let (console, captured) = Console::in_memory(ACTIONS);
    let texts = hostile_texts();
    for text in &texts {
        console.talk(text);
        console.text(text);
        console.progress(text);
        console.json(&json!({ text: [text] }).to_string());
    }
    for check in texts.chunks(100).map(check_of) {
        console.text(&human::check(&check, &excerpt::Excerpts::default(), human::Style::Plain, 1000));
        console.text(&human::check(&check, &excerpt::Excerpts::default(), human::Style::Ansi, 1000));
        console.text(&summary::check(&check));
        console.json(&documents::check::render(&check));
    }
    for stream in [captured.out(), captured.err()] {
        assert!(stream.len() > 10_000);
        assert_eq!(run(&program, &[], stream.as_bytes()), [Value::Null; 0]);
    }
}

#[test]
fn the_commands_that_are_meant_arrive_exactly() {
    let Some(program) = parser() else { return };
    let (console, captured) = Console::in_memory(ACTIONS);
    let mut meant = Vec::new();
    for text in hostile_texts() {
        let annotation = Command::error(&text).file(&text).at(1, 1, 2).title(&text);
        for command in [Command::group(&text), annotation, Command::notice(&text), Command::endgroup()] {
            console.command(&command);
            console.talk(&text);
            meant.push(command);
        }
    }
    for check in hostile_texts().chunks(15).map(check_of) {
        let annotations = github::check(&check, "");
        assert_eq!(annotations.len(), 11);
        annotations.iter().for_each(|command| console.command(command));
        meant.extend(annotations);
    }
    let executed = run(&program, &[], captured.err().as_bytes());
    assert_eq!(executed.len(), meant.len());
    for (executed, meant) in executed.iter().zip(&meant) {
        let last = meant.properties().len().saturating_sub(1);
        // The runner trims the whole list, and with it the end of the last value.
        let value = |(at, (key, value)): (usize, &(&str, String))| {
            ((*key).to_owned(), json!(if at == last { value.trim_end() } else { value }))
        };
        let properties: serde_json::Map<String, Value> = meant.properties().iter().enumerate().map(value).collect();
        let expected = json!({ "form": "::", "command": meant.name(), "properties": properties, "data": meant.data() });
        assert_eq!(executed, &expected);
    }
}

#[test]
fn outputs_are_read_back_as_they_were_set() {
    let Some(program) = parser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let files = StepFiles { output: Some(path.clone()), summary: None };
    let values = [hostile_texts(), ["", "a=b", "a<<EOF\nx\nEOF", "\n\n", "last\n"].map(String::from).to_vec()].concat();
    for value in &values {
        files.set_output("plan", value).unwrap();
    }
    let read = run(&program, &["--env-file", path.to_str().unwrap()], b"");
    let expected: Vec<Value> = values.iter().map(|value| json!({ "key": "plan", "value": value })).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_panic_is_one_line_that_says_whose_fault_it_is() {
    let (console, captured) = Console::in_memory(ACTIONS);
    console.install_panic_hook();
    let caught = std::panic::catch_unwind(|| panic!("bad record\n::error::x ##[error]y"));
    let _ = std::panic::take_hook();
    assert!(caught.is_err());
    let said = captured.err();
    let start =
        format!("this is a bug in stockroom {}: bad record at tests/it/runner_log.rs:", env!("CARGO_PKG_VERSION"));
    assert!(said.starts_with(&start) && said.lines().count() == 1, "{said}");
}
