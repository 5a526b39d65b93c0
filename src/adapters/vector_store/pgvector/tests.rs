//! The store against a real server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::conformance::{holds, namespace, point};
use super::*;
use crate::adapters::postgres::test_server::{Database, vectors, vectors_of_its_own};
use crate::secret::Secret;

fn address(url: &str) -> Result<Address, String> {
    Ok(Address::parse(&Secret::new(url)).unwrap())
}

fn database() -> Option<Database> {
    Some(vectors()?.database())
}

fn store(database: &Database) -> PgVector {
    PgVector::new(address(&database.socket()), "stockroom", "acme/assets")
}

fn query(text: &str, vector: [f32; 3]) -> Query {
    Query { text: text.to_owned(), vector: vector.to_vec() }
}

#[tokio::test]
async fn it_is_a_vector_store() {
    let Some(database) = database() else { return };
    let made = AtomicUsize::new(0);
    holds(|| {
        let schema = format!("Index {}", made.fetch_add(1, Ordering::Relaxed));
        PgVector::new(address(&database.tcp()), schema, "acme/a\"'; DROP SCHEMA x; --\0\\")
    })
    .await;
}
