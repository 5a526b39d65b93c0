//! Runs that are killed anywhere: whatever the library does next, one quiet run later everything is as if nobody had been
//! killed, and the run after that has nothing to do.
//!
//! What is tested is the built binary with everything that it reaches: a folder for the manifest, a GitHub on loopback, the
//! vector index and the state. A few hundred kills by default; `STOCKROOM_SWEEP=long` tries every call.
//! `scripts/kill-sweep.sh` does that and counts.

mod end_state;
mod history;
mod kill;
mod receiver;
mod sweep;

use history::Continuation::{On, Reset, Revert, Same};
use kill::Class::{Name, Send, Sync, Time, Truncate, Write};
use sweep::{reproduce, sweep, sweep_twice};

macro_rules! sweeps {
    ($($name:ident: $class:ident, $continuation:ident, $kills:literal;)*) => {
        $(#[test] fn $name() { sweep($class, $continuation, $kills); })*
    };
}

// How many kills in each of two situations.
sweeps! {
    killed_at_a_write_and_the_same_again: Write, Same, 8;
    killed_at_a_write_and_the_library_moves_on: Write, On, 8;
    killed_at_a_write_and_the_commit_is_reverted: Write, Revert, 8;
    killed_at_a_write_and_the_branch_is_reset: Write, Reset, 4;
    killed_at_a_sync_and_the_same_again: Sync, Same, 6;
    killed_at_a_sync_and_the_library_moves_on: Sync, On, 6;
    killed_at_a_sync_and_the_commit_is_reverted: Sync, Revert, 6;
    killed_at_a_sync_and_the_branch_is_reset: Sync, Reset, 3;
    killed_at_a_new_name_and_the_same_again: Name, Same, 6;
    killed_at_a_new_name_and_the_library_moves_on: Name, On, 6;
    killed_at_a_new_name_and_the_commit_is_reverted: Name, Revert, 6;
    killed_at_a_new_name_and_the_branch_is_reset: Name, Reset, 3;
    killed_at_a_send_and_the_same_again: Send, Same, 8;
    killed_at_a_send_and_the_library_moves_on: Send, On, 8;
    killed_at_a_send_and_the_commit_is_reverted: Send, Revert, 8;
    killed_at_a_send_and_the_branch_is_reset: Send, Reset, 4;
    killed_at_a_cut_and_the_same_again: Truncate, Same, 3;
    killed_at_a_cut_and_the_library_moves_on: Truncate, On, 3;
    killed_at_a_cut_and_the_commit_is_reverted: Truncate, Revert, 3;
    killed_at_a_cut_and_the_branch_is_reset: Truncate, Reset, 2;
    killed_at_any_time_and_the_same_again: Time, Same, 8;
    killed_at_any_time_and_the_library_moves_on: Time, On, 8;
    killed_at_any_time_and_the_commit_is_reverted: Time, Revert, 8;
    killed_at_any_time_and_the_branch_is_reset: Time, Reset, 4;
}

#[test]
fn killed_again_while_the_next_run_recovers() {
    sweep_twice(6);
}

/// Tries alone what a failed sweep names.
#[test]
fn as_stockroom_sweep_says() {
    reproduce();
}
