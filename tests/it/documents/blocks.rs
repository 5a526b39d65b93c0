//! The generated parts of a page: what stands between markers, and what a terminal shows after a command.

use std::collections::{BTreeMap, BTreeSet};

/// The page with each `<!-- begin NAME --> … <!-- end NAME -->` filled in. Every block has to be known, and its markers whole.
pub fn filled(page: &str, text: &str, blocks: &BTreeMap<&'static str, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut seen = BTreeSet::new();
    while let Some((before, after)) = rest.split_once("<!-- begin ") {
        let (name, after) = after.split_once(" -->").unwrap_or_else(|| panic!("{page}: a marker is not closed"));
        let block = blocks.get(name).unwrap_or_else(|| panic!("{page}: nothing is known of the block {name:?}"));
        let end = format!("<!-- end {name} -->");
        let (_, after) = after.split_once(&end).unwrap_or_else(|| panic!("{page}: {end} is missing"));
        assert!(seen.insert(name.to_owned()), "{page}: the block {name:?} stands twice");
        out.push_str(&format!("{before}<!-- begin {name} -->\n\n{block}\n{end}"));
        rest = after;
    }
    assert!(!seen.is_empty(), "{page} has lost its markers");
    out + rest
}

/// The page with what `run` gives below each `$ command` of its `console` blocks, in their order.
pub fn sessions(text: &str, run: &mut dyn FnMut(&str) -> String) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        if !inside {
            inside = line == "```console";
        } else if line == "```" {
            inside = false;
        } else if let Some(command) = line.strip_prefix("$ ") {
            out.push_str(&format!("$ {command}\n{}", run(command)));
            continue;
        } else {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A table of Markdown.
pub fn table<const N: usize>(head: &[&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.trim().replace('\n', " ").replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = row(&head.map(str::to_owned));
    out.push_str(&format!("|{}\n", "---|".repeat(N)));
    rows.into_iter().for_each(|cells| out.push_str(&row(&cells)));
    out
}

#[test]
fn a_block_is_replaced_and_the_rest_is_left_alone() {
    let blocks = BTreeMap::from([("a", "new\n".to_owned())]);
    let page = "x <!-- begin a -->old<!-- end a --> y";
    assert_eq!(filled("p", page, &blocks), "x <!-- begin a -->\n\nnew\n\n<!-- end a --> y");
}

#[test]
fn the_output_below_a_command_is_replaced() {
    let page = "```console\n$ a\nold\n$ b\n```\n$ c\n";
    let text = sessions(page, &mut |command| format!("<{command}>\n"));
    assert_eq!(text, "```console\n$ a\n<a>\n$ b\n<b>\n```\n$ c\n");
}
