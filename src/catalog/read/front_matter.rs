//! The front matter of a Markdown file: YAML between `---` lines or TOML between `+++` lines.

use serde_json::Value;

use super::super::place::Places;
use super::{NO_FRONT_MATTER, Problem, toml, yaml};
use crate::finding::Span;

/// Reads the front matter.
pub(super) fn value(text: &str, most: usize) -> Result<Value, Vec<Problem>> {
    match matter(text)? {
        Matter::Yaml(yaml) => yaml::value(yaml, most),
        Matter::Toml(toml) => toml::read(&toml, most).map(|(value, _)| value).map_err(|problem| vec![problem]),
    }
}

/// Reads the front matter with the places that it has in the whole file.
pub(super) fn read(text: &str, most: usize) -> Result<(Value, Places), Vec<Problem>> {
    match matter(text)? {
        Matter::Yaml(yaml) => yaml::read(yaml, most),
        Matter::Toml(toml) => toml::read(&toml, most).map_err(|problem| vec![problem]),
    }
}

enum Matter<'t> {
    Yaml(&'t str),
    Toml(String),
}

fn matter(text: &str) -> Result<Matter<'_>, Vec<Problem>> {
    let Some(matter) = split(text).map(|(matter, _)| matter) else {
        let problem = Problem::new(&NO_FRONT_MATTER, Span::start(), "the Markdown file has no front matter");
        return Err(vec![problem.help("begin it with a line `---`, the fields, and a line `---`")]);
    };
    Ok(match matter.strip_prefix("+++") {
        // A comment of the same length keeps every place where it is in the file.
        Some(rest) => Matter::Toml(format!("###{rest}")),
        None => Matter::Yaml(matter),
    })
}

/// The front matter with its opening line, and the text after its closing line.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let first = text.lines().next()?.trim_end();
    let fence = ["---", "+++"].into_iter().find(|fence| first == *fence)?;
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let next = at + line.len();
        if number > 0 && line.trim_end() == fence {
            return Some((text.get(..at)?, text.get(next..)?));
        }
        at = next;
    }
    None
}
