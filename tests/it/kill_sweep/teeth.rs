//! The sweep would notice: it does when the program writes its state in a wrong order.

use super::history::Continuation::{self, Revert, Same};
use super::kill::{Class, Kill, Scope, is_possible};
use super::sweep::first_wrong;

fn is_on(kill: &Kill, wanted: &str) -> bool {
    matches!(kill, Kill::At { scope: Scope::File(file), .. } if *file == wanted)
}

/// As a step of the state ends. What was written is there, as the machine goes on.
fn end_of_step(kill: &Kill) -> bool {
    is_on(kill, "state.sqlite-wal")
}

/// As a step of the index ends.
fn end_of_upsert(kill: &Kill) -> bool {
    is_on(kill, "vectors.sqlite-wal")
}

/// In the midst of some steps of the state: none takes fewer than five writes.
fn within_step(kill: &Kill) -> bool {
    is_on(kill, "state.sqlite-wal") && matches!(kill, Kill::At { n, .. } if n % 5 == 3)
}

fn any(_: &Kill) -> bool {
    true
}

/// Asserts that a wrong order is noticed, by this.
fn is_noticed(order: &'static str, class: Class, then: Continuation, kills: fn(&Kill) -> bool, by: &str) {
    if is_possible() {
        let wrong = first_wrong(order, class, then, kills).expect("a wrong order is noticed");
        assert!(wrong.contains(by), "{wrong}");
    }
}

#[test]
fn a_downstream_that_counts_as_told_before_it_is_told_is_noticed() {
    is_noticed("state-first", Class::Send, Same, any, "what org/website has after");
}

#[test]
fn a_downstream_that_is_told_without_an_intent_is_noticed() {
    is_noticed("no-intent", Class::Write, Revert, within_step, "what org/website has after");
}

#[test]
fn a_chunk_that_counts_as_stored_before_it_is_stored_is_missed_by_a_store_that_counts() {
    // Then the store is looked through, and what it lacks is written: this order does no harm any more.
    if is_possible() {
        assert_eq!(first_wrong("chunk-first", Class::Sync, Same, end_of_step), None);
    }
}

#[test]
fn a_chunk_that_is_stored_before_the_state_knows_of_it_is_noticed() {
    is_noticed("chunk-last", Class::Sync, Revert, end_of_upsert, "rows of the vector index");
}
