//! The store against a real server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::conformance::{self, LIBRARY};
use super::super::{MemoryState, Redacted, Store};
use super::*;
use crate::adapters::postgres::test_server::{Database, server};
use crate::secret::Secret;

fn address(url: &str) -> Address {
    Address::parse(&Secret::new(url)).unwrap()
}

fn database() -> Option<Database> {
    Some(server()?.database())
}

/// A new place for a state; where there is no PostgreSQL, in memory, so that the laws have something to run on.
fn place() -> impl Fn() -> Redacted {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let schema = format!("Place {}", MADE.fetch_add(1, Ordering::Relaxed));
    static DATABASE: std::sync::OnceLock<Option<Database>> = std::sync::OnceLock::new();
    let database = DATABASE.get_or_init(database).clone();
    let memory = MemoryState::new(LIBRARY);
    move || {
        let store: Arc<dyn Store> = match &database {
            Some(database) => Arc::new(PostgresState::new(address(&database.socket()), &schema, LIBRARY)),
            None => Arc::new(memory.clone()),
        };
        Redacted::new(store, Arc::new(str::to_owned))
    }
}

conformance::suite!(place);
