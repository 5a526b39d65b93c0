//! What can be given to the program and what it gives back, as tables.

use std::collections::BTreeMap;
use std::process::Command;

use clap::CommandFactory as _;
use serde_json::Value;
use stockroom::adapters::stop::Signal;
use stockroom::cli::execute::Ending;
use stockroom::cli::words::Words;

use super::blocks::table;
use super::{AsCode as _, read};

/// The blocks on commands, exit codes, inputs and outputs.
pub fn blocks() -> BTreeMap<&'static str, String> {
    let action: Value = serde_yaml::from_str(&read("action.yml")).unwrap();
    BTreeMap::from([
        ("help", help().code("text")),
        ("commands", commands()),
        ("exit-codes", exit_codes()),
        ("inputs", of_action(&action, "inputs", &["input", "meaning", "default"])),
        ("outputs", outputs(&action)),
    ])
}

fn help() -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_stockroom")).arg("--help").env_clear().output().unwrap();
    assert!(run.status.success());
    String::from_utf8(run.stdout).unwrap()
}

fn commands() -> String {
    let words = Words::command();
    let shared: Vec<String> = words.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let row = |(group, command): (String, &clap::Command)| {
        let own = command.get_arguments().filter(|arg| !shared.contains(&arg.get_id().to_string()));
        let said: Vec<String> = own.map(argument).collect();
        let shown = format!("{group}{} {}", command.get_name(), said.join(" "));
        [format!("`{}`", shown.trim_end()), command.get_about().unwrap().to_string()]
    };
    // A command that only groups others is shown by them.
    let each = words.get_subcommands().flat_map(|command| {
        let below: Vec<_> = command.get_subcommands().map(|one| (format!("{} ", command.get_name()), one)).collect();
        if below.is_empty() { vec![(String::new(), command)] } else { below }
    });
    table(&["command", "does"], each.map(row))
}

/// An argument as the synopsis has it.
fn argument(arg: &clap::Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let value = match (takes_value, values.is_empty()) {
        (false, _) => String::new(),
        (true, false) if arg.get_value_delimiter().is_some() => format!("{},…", values.join(",")),
        (true, false) => values.join("|"),
        (true, true) => arg.get_value_names().map(|names| names[0].to_string()).unwrap_or("N".to_owned()),
    };
    match (arg.get_long(), arg.get_short()) {
        (_, Some(short)) => format!("[-{short} {value}]"),
        (Some(long), None) => format!("[--{long} {value}]").replace(" ]", "]"),
        (None, None) if arg.is_required_set() => value,
        (None, None) => format!("[{value}]…"),
    }
}

/// The exit codes, in the words of `--help`.
fn exit_codes() -> String {
    let words = Words::command();
    let after = words.get_after_help().unwrap().to_string();
    let said = after.strip_prefix("Exit codes: ").unwrap().trim_end_matches('.');
    let rows: Vec<[String; 2]> =
        said.split("; ").map(|one| one.split_once(' ').unwrap()).map(|(n, what)| [n.into(), what.into()]).collect();
    let codes: Vec<String> = rows.iter().map(|[code, _]| code.clone()).collect();
    let stopped = [Signal::Interrupt, Signal::Terminate].map(Ending::Stopped);
    let endings = [Ending::Done, Ending::Findings, Ending::Failed, Ending::Partial].into_iter().chain(stopped);
    let endings: Vec<String> = endings.map(|ending| ending.code().to_string()).collect();
    assert_eq!(codes, endings, "--help names the exit codes that there are");
    table(&["exit code", "means"], rows)
}

fn of_action(action: &Value, key: &str, head: &[&str; 3]) -> String {
    let row = |(name, input): (&String, &Value)| {
        let default = match input["default"].as_str() {
            None | Some("") => String::new(),
            Some(default) => format!("`{default}`"),
        };
        [format!("`{name}`"), input["description"].as_str().unwrap().to_owned(), default]
    };
    table(head, action[key].as_object().unwrap().iter().map(row))
}

fn outputs(action: &Value) -> String {
    let row =
        |(name, output): (&String, &Value)| [format!("`{name}`"), output["description"].as_str().unwrap().to_owned()];
    table(&["output", "meaning"], action["outputs"].as_object().unwrap().iter().map(row))
}

/// The table of rooms, from the source of the test that holds them to it.
pub fn rooms(source: &str) -> String {
    let (_, list) = source.split_once("const ROOMS: &[Room] = &[").unwrap();
    let (list, _) = list.split_once("\n];").unwrap();
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut pure = false;
    let mut texts: Vec<&str> = Vec::new();
    let mut flush = |pure: bool, texts: &mut Vec<&str>| {
        if let [name, imports @ .., holds] = texts.as_slice() {
            let imports = if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") };
            let purity = if pure { "yes" } else { "no" };
            rows.push([format!("`{name}`"), (*holds).to_owned(), imports, purity.to_owned()]);
        }
        texts.clear();
    };
    // Split at quotes, every second piece is a text; the pieces between tell where a room begins.
    for (at, piece) in list.split('"').enumerate() {
        if at % 2 == 1 {
            texts.push(piece);
        } else if piece.contains("pure(") || piece.contains("effects(") {
            flush(pure, &mut texts);
            pure = piece.contains("pure(");
        }
    }
    flush(pure, &mut texts);
    assert!(rows.len() > 10, "the table of rooms was not understood");
    table(&["room", "holds", "may import", "pure"], rows)
}
