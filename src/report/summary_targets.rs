//! A plan and its outcome on the page of the run.

use super::counting::count;
use super::markdown::{Cell, SUMMARY_LIMIT, Table, code_span};
use super::summary::section;
use super::targets::{Outcome, Row, Sync, TargetResult, library, rows};
use crate::plan::Plan;

const MOST_TARGETS: usize = 200;
const TABLE_BYTES: usize = SUMMARY_LIMIT / 8;

/// The section on a plan: what merging or syncing would do.
pub fn plan(plan: &Plan) -> String {
    let mut out = format!("## Plan\n\nFor {}: ", code_span(&library(plan.commit.as_ref(), plan.dirty)));
    if plan.is_empty() {
        out.push_str("nothing to do, every target is in step.\n");
        return out;
    }
    let busy = rows(plan).into_iter().filter(|row| row.action != "none").count();
    out.push_str(&format!("{} to serve.\n", count(busy, "target")));
    let mut table = Table::new(&["Target", "Action", "Where", "What", "Why"]);
    let left_out = table.rows(rows(plan), MOST_TARGETS, TABLE_BYTES, |row: Row| {
        let texts = [row.name.as_str(), row.action, &row.place, &row.what, &row.why];
        texts.map(Cell::code).to_vec()
    });
    section(&mut out, "Targets", table, left_out, "target");
    out
}

/// The section on a run: what became of each target.
pub fn sync(sync: &Sync) -> String {
    let mut out = String::from("## Sync\n\n");
    out.push_str(match (sync.is_partial(), sync.has_changed()) {
        (true, _) => "❌ Partly done; the next run goes on from here.\n",
        (false, true) => "✅ Done, every target is in step.\n",
        (false, false) => "✅ Nothing had to be done.\n",
    });
    let mut table = Table::new(&["", "Target", "What was done"]);
    let left_out = table.rows(&sync.results, MOST_TARGETS, TABLE_BYTES, |result: &TargetResult| {
        let mark = match result.outcome {
            Outcome::Done | Outcome::Unchanged => "✅",
            Outcome::Superseded | Outcome::Skipped => "⚠️",
            Outcome::Failed => "❌",
        };
        vec![Cell::words(mark), Cell::code(result.name.as_str()), Cell::code(&result.message)]
    });
    section(&mut out, "Targets", table, left_out, "target");
    out
}
