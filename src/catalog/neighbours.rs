//! The file that was probably meant, where a name finds none.

use std::sync::{Arc, OnceLock};

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization as _;

use super::names::Folded;
use super::tree::{Entry, Tree};
use crate::ids::RepoPath;

/// How many entries before and after the place of a name are compared with it, letter by letter.
const WINDOW: usize = 64;
/// How long the name of a file can be, in bytes.
const LONGEST: usize = 128;

/// A tree that can say which file was probably meant.
pub struct Neighbours {
    /// The files.
    pub tree: Arc<Tree>,
    folded: OnceLock<Folded>,
}

impl Neighbours {
    /// Of these files.
    pub fn new(tree: Arc<Tree>) -> Self {
        Self { tree, folded: OnceLock::new() }
    }

    /// The names as systems see them that take no notice of case; made when they are first asked for.
    pub fn folded(&self) -> &Folded {
        self.folded.get_or_init(|| Folded::of(&self.tree))
    }

    /// What to do about a file that is not there: use the one whose name is nearest, or add it.
    pub fn advice(&self, wanted: &RepoPath, asks: &RepoPath, verb: Verb) -> String {
        let name = below(asks.folder(), wanted.as_str());
        if let Some(twin) = self.folded().twin(&self.tree, wanted.as_str()) {
            let there = below(asks.folder(), twin.path.as_str());
            let change = verb.change(there, name);
            return match there.nfc().eq(name.nfc()) {
                true => format!(
                    "there is {there:?}, which looks the same and is spelt with other Unicode characters; on Linux and \
                     on the web that is another file: {change}"
                ),
                false => format!("there is {there:?}; on Linux and on the web that is another file: {change}"),
            };
        }
        let plain = name.replace('\\', "/");
        let plain = percent_decode_str(&plain).decode_utf8_lossy();
        if plain != name && self.tree.get(RepoPath::join(asks.folder(), &plain).as_str()).is_some() {
            return format!("there is {plain:?}: {}", verb.change(&plain, name));
        }
        match self.nearest(wanted, asks) {
            Some(near) => {
                let there = below(asks.folder(), near.path.as_str());
                format!("there is {there:?}: {}", verb.change(there, name))
            }
            None if wanted.folder().is_empty() => "add it at the library's root".to_owned(),
            None => format!("add it to the folder {:?}", wanted.folder()),
        }
    }

    /// The file that the advice speaks of, where one was probably meant.
    pub fn meant(&self, wanted: &RepoPath, asks: &RepoPath) -> Option<&Entry> {
        let decoded = || {
            let plain = below(asks.folder(), wanted.as_str()).replace('\\', "/");
            let plain = percent_decode_str(&plain).decode_utf8_lossy();
            self.tree.get(RepoPath::join(asks.folder(), &plain).as_str())
        };
        let twin = self.folded().twin(&self.tree, wanted.as_str());
        twin.or_else(decoded).or_else(|| self.nearest(wanted, asks))
    }

    /// The file of the same folder and kind whose name takes the fewest changes; of a large folder only a part is compared.
    fn nearest(&self, wanted: &RepoPath, asks: &RepoPath) -> Option<&Entry> {
        let name = wanted.file_name();
        // A long name is no slip, and to compare takes the product of the lengths.
        if name.len() > LONGEST {
            return None;
        }
        let most = name.chars().count() / 3;
        let at = self.tree.entries.partition_point(|entry| entry.path < *wanted);
        let around = self.tree.entries.iter().skip(at.saturating_sub(WINDOW)).take(2 * WINDOW);
        let fits = around.filter(|entry| {
            let path = &entry.path;
            path.folder() == wanted.folder()
                && path != asks
                && path.extension().eq_ignore_ascii_case(wanted.extension())
                && path.file_name().len().abs_diff(name.len()) <= most * 4
                && path.file_name().len() <= LONGEST
        });
        let by_distance = fits.map(|entry| (strsim::damerau_levenshtein(entry.path.file_name(), name), entry));
        let near = by_distance.filter(|(distance, _)| *distance <= most);
        near.min_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.path.cmp(&y.path))).map(|(_, entry)| entry)
    }
}

/// What is to be changed where a name and a file do not fit.
#[derive(Debug, Clone, Copy)]
pub enum Verb {
    /// The file, since the name is a rule.
    Rename,
    /// The name, since it is a value.
    Write,
}

impl Verb {
    fn change(self, there: &str, wanted: &str) -> String {
        match self {
            Self::Rename => format!("rename it to {wanted:?}"),
            Self::Write => format!("write {there:?}"),
        }
    }
}

/// A path as seen from a folder around it.
pub fn below<'p>(folder: &str, path: &'p str) -> &'p str {
    match folder {
        "" => path,
        folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path),
    }
}
