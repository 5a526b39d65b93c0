//! What can be wrong with what concerns a downstream, and with the versions that it accepts.

use std::collections::BTreeSet;

use super::{Accepts, Problem, When};
use crate::catalog::collection::{glob, pointer};
use crate::catalog::place::child_pointer;
use crate::downstream::acceptance::Range;
use crate::ids::SchemaName;
use crate::schema::explain::nearest;

/// What is wrong with the globs and pointers of `when`, at `at`.
pub(super) fn of_when(at: &str, when: &When) -> Vec<Problem> {
    let paths = when.paths.iter().flatten().enumerate();
    let paths = paths.filter_map(|(i, text)| Some((format!("{at}/when/paths/{i}"), bad_glob(text)?)));
    let pointers = when.pointers.iter().flatten().enumerate();
    let pointers = pointers.filter_map(|(i, text)| pointer(text, &format!("{at}/when/pointers/{i}")).err());
    paths.chain(pointers).collect()
}

fn bad_glob(text: &str) -> Option<String> {
    // Paths of a library have neither, so nothing would ever match.
    if text.starts_with('/') || text.starts_with("./") {
        let bare = text.trim_start_matches(['.', '/']);
        return Some(format!("{text:?} matches no file: paths begin at the library's root; write {bare:?}"));
    }
    glob(text).err()
}

/// What is wrong with `accepts`, at `at`; `known` are the schemas of the collections.
pub(super) fn of_accepts(at: &str, accepts: &Accepts, known: &BTreeSet<SchemaName>) -> Vec<Problem> {
    let at = format!("{at}/accepts");
    let ranges = match accepts {
        Accepts::All(range) => return Range::parse(range).err().map(|why| (at, why)).into_iter().collect(),
        Accepts::Each(ranges) => ranges,
    };
    let mut found = Vec::new();
    for (name, range) in ranges {
        let at = child_pointer(&at, name);
        if !known.contains(&SchemaName::new(name)) {
            found.push((at.clone(), unknown(name, known)));
        }
        found.extend(Range::parse(range).err().map(|why| (at, why)));
    }
    found
}

fn unknown(name: &str, known: &BTreeSet<SchemaName>) -> String {
    let names = || known.iter().map(SchemaName::as_str);
    let listed = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(name, names()) {
        Some(near) => format!("no collection has the schema {name:?}; did you mean `{near}`?"),
        None if known.is_empty() => format!("no collection has the schema {name:?}, nor any other"),
        None => format!("no collection has the schema {name:?}; known schemas: {listed}"),
    }
}
