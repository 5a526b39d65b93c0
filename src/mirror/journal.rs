//! What is written down before files are put into their places, so that it can be finished by whoever comes next.

use serde::{Deserialize, Serialize};

use super::names::refuse_elsewhere;
use super::record::RECORD;
use crate::ids::Sha256Hex;

/// The place of the journal in the folder.
pub const JOURNAL: &str = ".stockroom/journal.json";
/// The folder of what was fetched and has not got its place yet.
pub const STAGED: &str = ".stockroom/staged";
/// The name of the record among what is staged.
pub const STAGED_RECORD: &str = "record";
/// The version of the journal that is written here.
const VERSION: u32 = 1;

/// Moves that were decided, and of which some may have been made. Making one twice is making it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The version of this format: 1.
    pub version: u32,
    /// Files that go first, if they are still what was placed.
    pub clear: Vec<(String, Sha256Hex)>,
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
    /// What it takes the place of, by SHA-256 and size; none where nothing stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<(Sha256Hex, u64)>,
}

impl Move {
    /// Whether it places the record, which alone has its place among what is remembered.
    pub fn is_record(&self) -> bool {
        self.staged == STAGED_RECORD && self.path == RECORD
    }

    /// Whether it is staged by its SHA-256, perhaps as a further copy of the same content.
    fn is_staged_by_digest(&self) -> bool {
        if Sha256Hex::parse(self.sha256.as_str()).is_err() {
            return false;
        }
        let rest = self.staged.strip_prefix(self.sha256.as_str());
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_number))
    }
}

impl Journal {
    /// A journal of these moves.
    pub fn new(clear: Vec<(String, Sha256Hex)>, place: Vec<Move>, remove: Vec<(String, Sha256Hex)>) -> Self {
        Self { version: VERSION, clear, place, remove }
    }

    /// Reads a journal; what is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let journal: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match journal.version {
            VERSION => journal.refuse_elsewhere().map(|()| journal),
            other => Err(format!("it is of version {other}, and this Stockroom knows version {VERSION}")),
        }
    }

    /// Refuses a journal that leads out of the folder, or to what was never staged.
    fn refuse_elsewhere(&self) -> Result<(), String> {
        let records = self.place.iter().filter(|one| one.is_record()).count();
        let moves = self.place.iter().filter(|one| !one.is_record());
        if let Some(stray) = moves.clone().find(|one| !one.is_staged_by_digest()) {
            return Err(format!("{:?} is no name of a file that was staged", stray.staged));
        }
        if records > 1 {
            return Err("it places the record twice".to_owned());
        }
        let paths = moves.map(|one| &one.path).chain(self.clear.iter().chain(&self.remove).map(|(path, _)| path));
        paths.map(String::as_str).try_for_each(refuse_elsewhere).map_err(|refused| refused.to_string())
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
    fn a_journal_that_leads_elsewhere_or_to_what_was_not_staged_is_refused() {
        let sha256 = Sha256Hex::of(b"x");
        let to = |staged: &str, path: &str| Move {
            staged: staged.into(),
            path: path.into(),
            sha256: sha256.clone(),
            before: None,
        };
        let (name, copy) = (sha256.to_string(), format!("{sha256}.1"));
        let parsed = |journal: Journal| Journal::parse(&journal.to_bytes());
        let moves = vec![to(&name, "files/a"), to(&copy, "manifest.json"), to("record", RECORD)];
        let good = Journal::new(
            vec![("files/b".into(), sha256.clone())],
            moves,
            vec![("records/c/d.json".into(), sha256.clone())],
        );
        assert_eq!(parsed(good.clone()), Ok(good));
        for (staged, path) in [
            (name.as_str(), "../x"),
            (&name, "/etc/passwd"),
            (&name, RECORD),
            ("../../x", "files/a"),
            ("record", "files/a"),
            ("evil", "files/a"),
            (&format!("{name}./x"), "files/a"),
            (&Sha256Hex::of(b"y").to_string(), "files/a"),
        ] {
            assert!(parsed(Journal::new(Vec::new(), vec![to(staged, path)], Vec::new())).is_err(), "{staged} {path}");
        }
        assert!(parsed(Journal::new(vec![("../x".into(), sha256.clone())], Vec::new(), Vec::new())).is_err());
        assert!(parsed(Journal::new(Vec::new(), Vec::new(), vec![("files/../../x".into(), sha256)])).is_err());
    }
}
