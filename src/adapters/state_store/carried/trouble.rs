//! What keeps the copy and origin apart.

use super::StateError;
use crate::adapters::carrier::CarrierError;

/// Why the copy and origin were not brought together.
pub(super) enum Trouble {
    Carrier(CarrierError),
    State(StateError),
}

impl From<CarrierError> for Trouble {
    fn from(error: CarrierError) -> Self {
        Self::Carrier(error)
    }
}

impl From<StateError> for Trouble {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Whether a run goes on with the copy alone: origin was read, and takes nothing. Where it cannot be read that would be to
/// forget what everybody was told.
pub(super) fn is_lasting(error: &CarrierError) -> bool {
    use CarrierError::{NoRemote, NotAllowed, TooLarge};
    matches!(error, NoRemote | NotAllowed { .. } | TooLarge { .. })
}
