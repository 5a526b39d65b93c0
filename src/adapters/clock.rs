//! The wall clock: for the state's memory of when, never for what is published.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::state::Timestamp;

/// The time now; 1970 on a machine that believes to be older.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
