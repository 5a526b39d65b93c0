//! What can go wrong with the database, before it is known where the index is kept.

use super::super::VectorStoreError;
use crate::adapters::postgres;
use crate::ids::InvalidId;

/// A fault before it knows where the index is kept.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database says no, or nothing.
    Database(postgres::Fault),
    /// The tables are those of a newer version of this program; the format found, and the newest that is known.
    Newer(i64, i64),
    /// What is in the tables cannot be what was written.
    Damaged(String),
}

impl From<postgres::Fault> for Fault {
    fn from(fault: postgres::Fault) -> Self {
        Self::Database(fault)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<postgres::NotEscaped> for Fault {
    fn from(text: postgres::NotEscaped) -> Self {
        Self::Damaged(text.to_string())
    }
}

impl From<InvalidId> for Fault {
    fn from(invalid: InvalidId) -> Self {
        Self::Damaged(invalid.to_string())
    }
}

impl Fault {
    /// Something that cannot be done, in a sentence that says what to do.
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Database(postgres::Fault::Refused(why.into()))
    }

    /// Whether the connection was lost, so that another one may do better.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Database(postgres::Fault::Lost(_)))
    }

    /// The fault in words.
    pub(super) fn at(self, place: &str) -> VectorStoreError {
        let place = place.to_owned();
        match self {
            Self::Newer(found, known) => VectorStoreError::Newer { place, found, known },
            Self::Damaged(why) => VectorStoreError::Corrupt { place, why },
            Self::Database(postgres::Fault::Values(why)) => VectorStoreError::Refused { place, why },
            Self::Database(fault) => VectorStoreError::Unusable { place, why: fault.why() },
        }
    }
}
