//! A state's rows, so that it can move from one store to another.

use async_trait::async_trait;

use super::StateError;
use crate::state::Kind;
use crate::state::moving::{Copying, Standing};
use crate::state::row::{Row, SetDigest, Table};

/// How many rows are read and written at once.
pub const PAGE: usize = 4_000;

/// Some rows of a table, in its order.
#[derive(Debug)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the last one stands, for the next page; none where no row came.
    pub last: Option<String>,
}

/// The rows of one library's state. Nobody else may change it meanwhile: the caller has the lock.
#[async_trait]
pub trait StateRows: Send + Sync {
    /// What is known of the state, whatever has become of it; none where there is no state.
    async fn standing(&self) -> Result<Option<Standing>, StateError>;

    /// The rows after a place that an earlier page named, at most [`PAGE`].
    async fn page(&self, table: Table, after: Option<&str>) -> Result<Page, StateError>;

    /// How many rows a table has.
    async fn count(&self, table: Table) -> Result<u64, StateError>;

    /// Takes away what is there, and begins a copy of this state.
    async fn begin_copy(&self, of: &Standing, copying: &Copying) -> Result<(), StateError>;

    /// Writes rows of one table and how far the copy is, both or neither.
    async fn copy_rows(&self, table: Table, rows: Vec<Row>, copying: &Copying) -> Result<(), StateError>;

    /// Ends the copy: from now on it is the state.
    async fn end_copy(&self) -> Result<(), StateError>;

    /// Says that the state is elsewhere from now on.
    async fn mark_moved(&self, to: &str) -> Result<(), StateError>;

    /// Tries whether a state may be written here, and leaves nothing behind.
    async fn rehearse(&self) -> Result<(), StateError>;

    /// Deletes the state.
    async fn delete(&self) -> Result<(), StateError>;
}

/// Why a state is not to be used: it was moved away, or not all of it is here. None where it may be.
pub(super) fn away(place: &str, kind: Kind, moved_to: Option<&str>, copying: Option<&str>) -> Option<StateError> {
    let (place, kind) = (place.to_owned(), kind.as_str());
    if let Some(to) = moved_to {
        return Some(StateError::Elsewhere { place, to: to.to_owned(), kind });
    }
    let from = Copying::parse(copying?).map(|copying| copying.from).unwrap_or_default();
    Some(StateError::Unfinished { place, from, kind })
}

/// The digest of a table, or of its first `most` rows, read page by page.
pub async fn digest(store: &dyn StateRows, table: Table, most: Option<u64>) -> Result<SetDigest, StateError> {
    let (mut digest, mut after) = (SetDigest::default(), None);
    loop {
        let page = store.page(table, after.as_deref()).await?;
        for row in &page.rows {
            if most.is_some_and(|most| digest.rows() >= most) {
                return Ok(digest);
            }
            digest.add(row.digest());
        }
        match page.last {
            Some(last) => after = Some(last),
            None => return Ok(digest),
        }
    }
}
