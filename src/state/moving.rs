//! What a move of a state from one store to another has to remember, so that it can be taken up again.

use serde::{Deserialize, Serialize};

use super::Serial;
use super::row::Table;

/// A state, as far as it can be told without reading its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which library it belongs to.
    pub library: String,
    /// Which history it is.
    pub lineage: String,
    /// How many changes it has seen.
    pub serial: Serial,
    /// The run that has begun and not ended.
    pub run: Option<String>,
    /// The index that the chunk rows are of.
    pub mark: Option<String>,
    /// The check sums of the targets' rows, added up.
    pub targets: i64,
    /// Where the state was moved to; then nothing is done with it here any more.
    pub moved_to: Option<String>,
    /// How far the copy is that is being made here; then nothing can be done with it yet.
    pub copying: Option<Copying>,
}

impl Standing {
    /// Whether there is nothing in it that anybody could miss.
    pub fn is_empty(&self) -> bool {
        self.serial == Serial(0) && self.copying.is_none() && self.moved_to.is_none()
    }
}

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copying {
    /// Where the rows come from, in words for people.
    pub from: String,
    /// The serial that the source had.
    pub serial: Serial,
    /// The table that is being copied.
    pub table: Table,
    /// Where in that table's order the last copied row stands, in the source's own terms.
    pub after: Option<String>,
    /// How many rows of all tables have been copied.
    pub rows: u64,
}

impl Copying {
    /// The text that a store keeps.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Takes back what [`Self::to_text`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_comes_back_from_its_text() {
        for after in [None, Some("[\"a\\\"\",\"\"]".to_owned())] {
            let (from, serial) = ("the file x".to_owned(), Serial(7));
            let copying = Copying { from, serial, table: Table::RunEnds, after, rows: 3 };
            assert_eq!(Copying::parse(&copying.to_text()), Some(copying));
        }
        assert_eq!(Copying::parse("{}"), None);
    }
}
