//! A plan and its outcome, for a person in a terminal or a log.

use std::fmt::Write as _;

use super::course::Course;
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
    if plan.is_empty() && plan.unread.is_empty() {
        let _ = writeln!(out, "  {}: nothing to do", style.good("in step"));
        return out;
    }
    if let Some(refusal) = &plan.refusal {
        let _ = writeln!(out, "  {}: {}", style.error("refused"), for_people(&refusal.to_string()));
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
            Outcome::Restored => style.warning(result.outcome.word()),
            Outcome::Skipped => style.warning("skipped"),
            Outcome::Superseded | Outcome::Unchanged => style.quiet("superseded"),
        };
        let _ = writeln!(out, "  {word} {}: {}", result.name, for_people(&result.message));
        if let Some(line) = sync.courses.get(&result.name).and_then(Course::line) {
            let _ = writeln!(out, "    {}", style.quiet(&line));
        }
    }
    if let Some(said) = sync.requests.sentence() {
        let _ = writeln!(out, "  {}", style.quiet(&said));
    }
    let place = library(sync.plan.commit.as_ref(), sync.plan.dirty);
    let count = |outcome| sync.results.iter().filter(|result| result.outcome == outcome).count();
    let (failed, back, skipped) = (count(Outcome::Failed), count(Outcome::Restored), count(Outcome::Skipped));
    let all = sync.results.len();
    let last = if let Some(signal) = &sync.stopped {
        let left = failed + back + skipped;
        let rest = match left {
            0 => "everything was done before".to_owned(),
            _ => format!("{left} of {all} targets are left, and the next run goes on from there"),
        };
        format!("{} by {signal}: {rest}", style.warning("stopped"))
    } else if back > 0 {
        let rest =
            format!("{failed} of {all} targets failed, {back} brought back; they are told when the library changes");
        format!("{}: {rest}", style.error("partly done"))
    } else if failed > 0 {
        format!("{}: {failed} of {all} targets failed; the next run tries again", style.error("partly done"))
    } else if skipped > 0 {
        format!("{}: {skipped} of {all} targets left out", style.warning("partly done"))
    } else if count(Outcome::Superseded) > 0 {
        format!("{}: a newer run has served the targets", style.quiet("superseded"))
    } else {
        format!("{} with {place}", style.good("in step"))
    };
    let _ = writeln!(out, "{last}");
    out
}

/// The same for one share of the work on the index, after which nothing is said to be in step: others have theirs.
pub fn shard(of: &Sync, shard: &str, style: Style) -> String {
    let said = sync(of, style);
    if of.is_partial() {
        return said;
    }
    let lines: Vec<&str> = said.lines().collect();
    let mut out: String = lines.iter().rev().skip(1).rev().map(|line| format!("{line}\n")).collect();
    let _ = writeln!(out, "{}: share {shard}. The run without --shard that comes last finishes", style.good("done"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CommitId;
    use crate::report::targets::tests::{busy, idle, run};

    #[test]
    fn a_plan_has_a_line_for_each_target() {
        insta::assert_snapshot!(plan(&busy(), Style::Plain), @r"
        Plan for commit a1a1a1a:
          publish  manifest: public/\u{1b}[2J|list, 13 assets: 12 added, 1 removed  (nothing is published there yet)
          in step  downstream/addon: org/site
          deliver  outbox/site: org/site (no token, so a file in the outbox), 2 changed  (a run died half-way)
          embed    embedding: vector index, 1 chunk to embed (about 7 tokens), 0 known, 0 to delete  (4 unchanged)
        ");
    }

    #[test]
    fn a_share_is_not_said_to_bring_anything_into_step() {
        let said = shard(&run(busy(), &[(Outcome::Done, "1 chunk embedded")]), "2/4", Style::Plain);
        assert!(said.ends_with("done: share 2/4. The run without --shard that comes last finishes\n"), "{said}");
        assert!(!said.contains("in step"), "{said}");
        let failed = run(busy(), &[(Outcome::Failed, "no space")]);
        assert!(shard(&failed, "2/4", Style::Plain).contains("partly done"));
    }

    #[test]
    fn a_plan_without_work_is_one_line() {
        insta::assert_snapshot!(plan(&idle(), Style::Plain), @r"
        Plan for commit a1a1a1a:
          in step: nothing to do
        ");
    }

    #[test]
    fn a_plan_for_an_older_commit_names_the_newer_one() {
        let newer = CommitId::parse(&"b2".repeat(20)).unwrap();
        let text = plan(&busy().superseded_by(newer), Style::Plain);
        assert_eq!(
            text,
            "Plan for commit a1a1a1a:\n  superseded: commit b2b2b2b, which is newer, was served already\n"
        );
    }

    #[test]
    fn a_run_tells_what_it_touched_and_passes_over_the_rest() {
        let outcomes = [
            (Outcome::Done, "13 assets published to \u{1b}[2J"),
            (Outcome::Unchanged, "in step"),
            (Outcome::Superseded, "another run was faster"),
            (Outcome::Done, "1 chunk embedded"),
        ];
        insta::assert_snapshot!(sync(&run(busy(), &outcomes), Style::Plain), @r"
          done manifest: 13 assets published to \u{1b}[2J
          superseded outbox/site: another run was faster
          done embedding: 1 chunk embedded
        superseded: a newer run has served the targets
        ");
    }

    #[test]
    fn the_last_line_is_that_of_the_worst_outcome() {
        let last = |outcome| {
            let of = run(busy(), &[(Outcome::Done, ""), (outcome, ""), (Outcome::Superseded, "")]);
            sync(&of, Style::Plain).lines().last().unwrap().to_owned()
        };
        assert_eq!(last(Outcome::Failed), "partly done: 1 of 3 targets failed; the next run tries again");
        assert_eq!(
            last(Outcome::Restored),
            "partly done: 0 of 3 targets failed, 1 brought back; they are told when the library changes"
        );
        assert_eq!(last(Outcome::Skipped), "partly done: 1 of 3 targets left out");
        assert_eq!(last(Outcome::Done), "superseded: a newer run has served the targets");
    }

    #[test]
    fn a_run_that_was_asked_to_stop_says_how_much_is_left() {
        let stopped = |outcome| {
            let of = run(busy(), &[(Outcome::Done, ""), (outcome, ""), (outcome, "")]);
            let text = sync(&Sync { stopped: Some("SIGTERM".to_owned()), ..of }, Style::Plain);
            text.lines().last().unwrap().to_owned()
        };
        let left = "stopped by SIGTERM: 2 of 3 targets are left, and the next run goes on from there";
        assert_eq!(stopped(Outcome::Skipped), left);
        assert_eq!(stopped(Outcome::Done), "stopped by SIGTERM: everything was done before");
    }

    #[test]
    fn a_run_that_found_nothing_to_do_says_in_step() {
        let quiet = run(idle(), &[(Outcome::Unchanged, "in step")]);
        assert_eq!(sync(&quiet, Style::Plain), "in step with commit a1a1a1a\n");
    }

    #[test]
    fn colours_are_closed_on_their_line() {
        let text = plan(&busy(), Style::Ansi);
        assert!(text.contains("\u{1b}[1;33mpublish\u{1b}[0m"), "{text:?}");
        assert!(text.lines().all(|line| line.matches("\u{1b}[").count() % 2 == 0), "{text:?}");
        assert!(!text.contains("\u{1b}[2J"), "an escape in a folder's name is shown, not obeyed");
    }
}
