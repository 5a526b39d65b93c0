//! A plan and its outcome, for a person in a terminal or a log.

use std::fmt::Write as _;

use super::human::Style;
use super::log_text::for_people;
use super::targets::{Outcome, Sync, library, rows};
use crate::plan::Plan;

/// What would be done, a line for each target.
pub fn plan(plan: &Plan, style: Style) -> String {
    let mut out = format!("Plan for {}:\n", library(plan.commit.as_ref(), plan.dirty));
    if let Some(newer) = &plan.superseded {
        let _ = writeln!(
            out,
            "  {}: commit {}, which is newer, was served already",
            style.quiet("superseded"),
            newer.short()
        );
        return out;
    }
    if plan.is_empty() {
        let _ = writeln!(out, "  {}: nothing to do", style.good("in step"));
        return out;
    }
    for row in rows(plan) {
        let action = if row.action == "none" { style.quiet("in step") } else { style.warning(row.action) };
        let padding = " ".repeat(8_usize.saturating_sub(if row.action == "none" { 7 } else { row.action.len() }));
        let _ = write!(out, "  {action}{padding} {}: {}", row.name, for_people(&row.place));
        if !row.what.is_empty() {
            let _ = write!(out, ", {}", row.what);
        }
        if row.action != "none" {
            let _ = write!(out, "  {}", style.quiet(&format!("({})", for_people(&row.why))));
        }
        out.push('\n');
    }
    out
}

/// What was done, a line for each target that was touched, and a last line that adds up.
pub fn sync(sync: &Sync, style: Style) -> String {
    let mut out = String::new();
    for result in sync.results.iter().filter(|result| result.outcome != Outcome::Unchanged) {
        let word = match result.outcome {
            Outcome::Done => style.good("done"),
            Outcome::Failed => style.error("failed"),
            Outcome::Skipped => style.warning("skipped"),
            Outcome::Superseded | Outcome::Unchanged => style.quiet("superseded"),
        };
        let _ = writeln!(out, "  {word} {}: {}", result.name, for_people(&result.message));
    }
    let place = library(sync.plan.commit.as_ref(), sync.plan.dirty);
    let count = |outcome| sync.results.iter().filter(|result| result.outcome == outcome).count();
    let (failed, skipped) = (count(Outcome::Failed), count(Outcome::Skipped));
    let last = if failed > 0 {
        format!("{}: {failed} of {} targets failed; run again to retry", style.error("partly done"), sync.results.len())
    } else if skipped > 0 {
        format!("{}: {skipped} of {} targets left out", style.warning("partly done"), sync.results.len())
    } else if count(Outcome::Superseded) > 0 {
        format!("{}: a newer run has served the targets", style.quiet("superseded"))
    } else {
        format!("{} with {place}", style.good("in step"))
    };
    let _ = writeln!(out, "{last}");
    out
}
