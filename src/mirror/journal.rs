//! What is written down before files are put into their places, so that it can be finished by whoever comes next.

use serde::{Deserialize, Serialize};

use super::names::is_below;
use crate::ids::Sha256Hex;

/// The place of the journal in the folder.
pub const JOURNAL: &str = ".stockroom/journal.json";
/// The folder of what was fetched and has not got its place yet.
pub const STAGED: &str = ".stockroom/staged";
/// The version of the journal that is written here.
const VERSION: u32 = 1;

/// Moves that were decided, and of which some may have been made. Making one twice is making it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The version of this format: 1.
    pub version: u32,
    /// Files that go first.
    pub clear: Vec<String>,
    /// Files that get their places.
    pub place: Vec<Move>,
    /// Files that go at the end, if they are still what was placed.
    pub remove: Vec<(String, Sha256Hex)>,
}

/// A file that was staged and gets its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Its name among what is staged.
    pub staged: String,
    /// Its place in the folder.
    pub path: String,
    /// Its SHA-256.
    pub sha256: Sha256Hex,
}

impl Journal {
    /// A journal of these moves.
    pub fn new(clear: Vec<String>, place: Vec<Move>, remove: Vec<(String, Sha256Hex)>) -> Self {
        Self { version: VERSION, clear, place, remove }
    }

    /// Reads a journal; what is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let journal: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if journal.version != VERSION {
            return Err(format!("it is of version {}, and this Stockroom knows version {VERSION}", journal.version));
        }
        let moved = journal.place.iter().flat_map(|one| [&one.staged, &one.path]);
        let mut paths = moved.chain(&journal.clear).chain(journal.remove.iter().map(|(path, _)| path));
        let strange = paths.find(|path| !is_below(path)).cloned();
        drop(paths);
        match strange {
            Some(path) => Err(format!("it names {path:?}, which is not below the folder")),
            None => Ok(journal),
        }
    }

    /// The journal as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_leads_out_of_the_folder_is_not_followed() {
        let sha256 = Sha256Hex::of(b"x");
        let one = |staged: &str, path: &str| Move { staged: staged.into(), path: path.into(), sha256: sha256.clone() };
        let parsed = |journal: &Journal| Journal::parse(&journal.to_bytes());
        let good =
            Journal::new(vec!["files/a".into()], vec![one("x", "files/a/b")], vec![("c".into(), sha256.clone())]);
        assert_eq!(parsed(&good), Ok(good));
        let out = "../.profile";
        for bad in [
            Journal::new(vec![out.into()], Vec::new(), Vec::new()),
            Journal::new(Vec::new(), vec![one("x", out)], Vec::new()),
            Journal::new(Vec::new(), vec![one(out, "x")], Vec::new()),
            Journal::new(Vec::new(), Vec::new(), vec![(out.into(), sha256.clone())]),
        ] {
            assert!(parsed(&bad).unwrap_err().contains("not below the folder"), "{bad:?}");
        }
    }
}
