//! How large a state is.

use super::row::Table;

/// How much a store keeps; empty where it cannot tell without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// The rows of each table.
    pub rows: Vec<(Table, u64)>,
    /// What it takes on the disk, with the files beside it.
    pub bytes: Option<u64>,
}
