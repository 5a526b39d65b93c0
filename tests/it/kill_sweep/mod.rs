//! Runs that are killed anywhere: whatever the library does next, one quiet run later everything is as if nobody had been
//! killed, and the run after that has nothing to do.
//!
//! What is tested is the built binary with everything that it reaches: a folder for the manifest, a branch of origin, a GitHub on loopback, the
//! vector index and the state. A few hundred kills by default; `scripts/kill-sweep.sh` tries some thousand and counts.

mod branch;
mod end_state;
mod forgetful;
mod history;
mod kill;
mod receiver;
mod sweep;
#[cfg(debug_assertions)]
mod teeth;

use branch::sweep_branch;
use forgetful::sweep_forgetful;
use history::Continuation::{On, Reset, Revert, Same};

use kill::Class::{Name, Send, Sync, Time, Truncate, Write};
pub use kill::is_possible;
use sweep::{reproduce, sweep, sweep_twice};

macro_rules! sweeps {
    ($($name:ident: $class:ident, $continuations:expr, $kills:literal;)*) => {
        $(#[test] fn $name() { sweep($class, $continuations, $kills); })*
    };
}

// How many kills in each of two situations, for each of these continuations.
sweeps! {
    killed_at_a_write_and_the_same_again: Write, &[Same], 8;
    killed_at_a_write_and_the_library_moves_on: Write, &[On], 8;
    killed_at_a_write_and_the_commit_is_taken_back: Write, &[Revert, Reset], 6;
    killed_at_a_sync_and_the_same_again: Sync, &[Same], 6;
    killed_at_a_sync_and_the_library_moves_on: Sync, &[On], 6;
    killed_at_a_sync_and_the_commit_is_taken_back: Sync, &[Revert, Reset], 4;
    killed_at_a_new_name_and_the_same_again: Name, &[Same], 6;
    killed_at_a_new_name_and_the_library_moves_on: Name, &[On], 6;
    killed_at_a_new_name_and_the_commit_is_taken_back: Name, &[Revert, Reset], 4;
    killed_at_a_send_and_the_same_again: Send, &[Same], 5;
    killed_at_a_send_and_the_library_moves_on: Send, &[On], 5;
    killed_at_a_send_and_the_commit_is_taken_back: Send, &[Revert, Reset], 3;
    killed_at_a_cut_and_the_same_again: Truncate, &[Same], 4;
    killed_at_a_cut_and_the_library_moves_on: Truncate, &[On], 4;
    killed_at_a_cut_and_the_commit_is_taken_back: Truncate, &[Revert, Reset], 3;
    killed_at_any_time_and_the_same_again: Time, &[Same], 8;
    killed_at_any_time_and_the_library_moves_on: Time, &[On], 8;
    killed_at_any_time_and_the_commit_is_taken_back: Time, &[Revert, Reset], 6;
}

#[test]
fn killed_again_while_the_next_run_recovers() {
    sweep_twice(6);
}

#[test]
fn killed_on_a_machine_that_forgets_and_the_same_again() {
    sweep_forgetful(Same, 5);
}

#[test]
fn killed_on_a_machine_that_forgets_and_the_library_moves_on() {
    sweep_forgetful(On, 5);
}

#[test]
fn killed_on_a_machine_that_forgets_and_the_commit_is_taken_back() {
    sweep_forgetful(Revert, 5);
}

#[test]
fn killed_at_a_branch_and_the_same_again() {
    sweep_branch(false, 6);
}

#[test]
fn killed_at_a_branch_and_the_library_moves_on() {
    sweep_branch(true, 6);
}

/// Tries alone what a failed sweep names.
#[test]
fn as_stockroom_sweep_says() {
    reproduce();
}
