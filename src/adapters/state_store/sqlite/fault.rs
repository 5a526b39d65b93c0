//! What can go wrong with the file, in words for the one who has to mend it.

use std::path::Path;

use rusqlite::ErrorCode;

use super::super::StateError;

/// A fault before it knows where the state is kept.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database says no.
    Sqlite(rusqlite::Error),
    /// The file can be opened, but what is in it cannot be what was written.
    Damaged(String),
    /// Something around the file: its folder, its size.
    Other(String),
    /// A fault that has its own name.
    State(StateError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// A value in the file that is not what its kind of value looks like.
    pub(super) fn damaged(what: &dyn std::fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }

    /// The fault in words.
    pub(super) fn at(self, place: &Path) -> StateError {
        let place = place.display().to_string();
        match self {
            Self::State(error) => error,
            Self::Damaged(why) => StateError::Damaged { place, why },
            Self::Other(why) => StateError::Unusable { place, why },
            Self::Sqlite(error) => of_database(place, &error),
        }
    }
}

fn of_database(place: String, error: &rusqlite::Error) -> StateError {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has been writing to it for too long. Run again when that has ended".to_owned()
        }
        Some(ErrorCode::ReadOnly) => {
            format!(
                "it cannot be written ({error}). Allow writing to it and to its folder; if that is allowed, it is \
                damaged: move the file away, and the next run rebuilds it"
            )
        }
        // Our own statements are right, so a statement that does not fit means that the tables are not ours any more.
        Some(
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown | ErrorCode::ConstraintViolation,
        )
        | None => return StateError::Damaged { place, why: error.to_string() },
        Some(_) => error.to_string(),
    };
    StateError::Unusable { place, why }
}
