//! What can go wrong with the database, before it is known where the state is kept.

use super::super::StateError;
use crate::adapters::postgres;
use crate::ids::InvalidId;

/// A fault before it knows where the state is kept.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database says no, or nothing.
    Database(postgres::Fault),
    /// The answer to a commit was lost: it has taken effect, or it has not.
    Unknown(postgres::Fault),
    /// What is in the tables cannot be what was written.
    Damaged(String),
    /// A fault that has its own name.
    State(StateError),
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

impl From<InvalidId> for Fault {
    fn from(invalid: InvalidId) -> Self {
        Self::Damaged(invalid.to_string())
    }
}

impl From<postgres::NotEscaped> for Fault {
    fn from(text: postgres::NotEscaped) -> Self {
        Self::Damaged(text.to_string())
    }
}

impl Fault {
    /// The fault in words.
    pub(super) fn at(self, place: &str) -> StateError {
        let place = place.to_owned();
        match self {
            Self::State(error) => error,
            Self::Damaged(why) => StateError::Damaged { place, why },
            Self::Database(fault) | Self::Unknown(fault) => StateError::Unusable { place, why: fault.why() },
        }
    }
}
