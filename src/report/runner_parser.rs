//! The runner's parser, restated for tests: which commands it would execute in a text.

use proptest::prelude::*;

/// A command as the runner reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Executed {
    pub(crate) name: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) data: String,
}

const NAMES: [&str; 15] = [
    "stop-commands",
    "set-env",
    "set-output",
    "save-state",
    "add-mask",
    "add-path",
    "add-matcher",
    "remove-matcher",
    "debug",
    "warning",
    "error",
    "notice",
    "group",
    "endgroup",
    "echo",
];
const DATA: [(&str, &str); 3] = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
const PROPERTY: [(&str, &str); 5] = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];

/// Every command in the text. The comparison of the runner passes over invisible characters, so they go first.
pub(crate) fn commands(text: &str) -> Vec<Executed> {
    let seen: String = text.chars().filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}')).collect();
    seen.replace("\r\n", "\n").split(['\r', '\n']).filter_map(|line| current(line).or_else(|| legacy(line))).collect()
}

fn current(line: &str) -> Option<Executed> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
    executed(name, rest.trim(), ',', &PROPERTY, unescape(data, &DATA))
}

fn legacy(line: &str) -> Option<Executed> {
    let (head, data) = line.split_once("##[")?.1.split_once(']')?;
    let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
    executed(name, rest, ';', &[], data.to_owned())
}

fn executed(name: &str, rest: &str, by: char, table: &[(&str, &str)], data: String) -> Option<Executed> {
    let name = name.to_lowercase();
    let properties = rest
        .split(by)
        .filter_map(|part| part.split_once('='))
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .map(|(key, value)| (key.to_owned(), unescape(value, table)))
        .collect();
    NAMES.contains(&name.as_str()).then_some(Executed { name, properties, data })
}

fn unescape(text: &str, table: &[(&str, &str)]) -> String {
    table.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// Text made of the pieces that commands, terminal sequences and Markdown are made of, mixed with anything else.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "::",
        ":",
        "##[",
        "#",
        "##",
        "[",
        "]",
        "error",
        "set-env name=PATH",
        "add-mask",
        "stop-commands",
        "x",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{200b}",
        "\u{feff}",
        "\u{ad}",
        "\u{3000}",
        "\u{1b}",
        "\u{1b}[0m",
        "\u{1b}]0;",
        "\u{7}",
        "\u{9b}",
        "\u{9d}",
        "\u{9c}",
        "\u{202e}",
        "\0",
        "%0A",
        "%25",
        "%",
        ",",
        ";",
        "=",
        "`",
        "``",
        "|",
        "\\",
        "\\|",
        "@octocat",
        "<img src=x>",
        "[a](http://x)",
        "![a](http://x)",
        "http://x.y/",
        "&lt;",
        "é",
        "😀",
        "\"",
        "::error::",
        "##[error]",
        "\u{e0041}",
    ]);
    prop_oneof![
        4 => prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => (any::<String>(), 0usize..6000).prop_map(|(text, n)| format!("{}{text}", "ab".repeat(n))),
    ]
}
