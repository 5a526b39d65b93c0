//! A plan and its outcome on the page of the run.

use std::collections::BTreeMap;

use super::course;
use super::markdown::{Cell, SUMMARY_LIMIT, Table, code_span};
use super::summary::section;
use super::targets::{Outcome, Row, Sync, TargetResult, library, rows};
use super::waves;
use crate::finding::words::count;
use crate::plan::Plan;

const MOST_TARGETS: usize = 200;
const TABLE_BYTES: usize = SUMMARY_LIMIT / 8;

/// The section on a plan: what merging or syncing would do.
pub fn plan(plan: &Plan) -> String {
    let mut out = format!("## Plan\n\nFor {}: ", code_span(&library(plan.commit.as_ref(), plan.dirty)));
    if let Some(newer) = &plan.superseded {
        out.push_str(&format!("superseded, commit {} is newer and was served already.\n", code_span(newer.short())));
        return out;
    }
    if plan.is_empty() {
        out.push_str("nothing to do, every target is in step.\n");
        return out;
    }
    let busy = rows(plan).into_iter().filter(|row| row.action != "none").count();
    out.push_str(&format!("{} to serve.\n", count(busy, "target")));
    if let Some(refusal) = &plan.refusal {
        out.push_str(&format!("\n❌ It would be refused: {}\n", code_span(&refusal.to_string())));
    }
    let mut table = Table::new(&["Target", "Action", "Where", "What", "Why"]);
    let left_out = table.rows(rows(plan), MOST_TARGETS, TABLE_BYTES, |row: Row| {
        let texts = [row.name.as_str(), row.action, &row.place, &row.what, &row.why];
        texts.map(Cell::code).to_vec()
    });
    section(&mut out, "Targets", table, left_out, "target");
    graph_of_waves(&mut out, waves::plan(plan));
    out
}

fn graph_of_waves(out: &mut String, graph: Option<String>) {
    if let Some(graph) = graph {
        out.push_str("\n### Downstreams\n\n");
        out.push_str(&graph);
    }
}

/// The section on a run: what became of each target.
pub fn sync(sync: &Sync) -> String {
    let mut out = String::from("## Sync\n\n");
    out.push_str(match (sync.is_partial(), sync.has_changed()) {
        (true, _) if sync.stopped.is_some() => "⚠️ Stopped by a signal; the next run goes on from here.\n",
        (true, _) => "❌ Partly done; the next run goes on from here.\n",
        (false, true) => "✅ Done, every target is in step.\n",
        (false, false) => "✅ Nothing had to be done.\n",
    });
    let mut table = Table::new(&["", "Target", "What was done"]);
    let left_out = table.rows(&sync.results, MOST_TARGETS, TABLE_BYTES, |result: &TargetResult| {
        let mark = match result.outcome {
            Outcome::Done | Outcome::Unchanged => "✅",
            Outcome::Superseded | Outcome::Skipped => "⚠️",
            Outcome::Restored => "↩️",
            Outcome::Failed => "❌",
        };
        vec![Cell::words(mark), Cell::code(result.name.as_str()), Cell::code(&result.message)]
    });
    section(&mut out, "Targets", table, left_out, "target");
    if let Some((table, left_out)) = course::table(sync, MOST_TARGETS, TABLE_BYTES) {
        section(&mut out, "Deliveries", table, left_out, "downstream");
    }
    if let Some(said) = sync.requests.sentence() {
        out.push_str(&format!("\nTo the servers of the downstreams: {said}.\n"));
    }
    let outcomes: BTreeMap<_, _> = sync.results.iter().map(|result| (&result.name, result.outcome)).collect();
    graph_of_waves(&mut out, waves::outcomes(&sync.plan, &outcomes));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::targets::tests::{busy, idle, run};

    #[test]
    fn a_plan_is_a_table_of_its_targets() {
        insta::assert_snapshot!(plan(&busy()), @r#"
        ## Plan

        For `commit a1a1a1a`: 3 targets to serve.

        ### Targets

        | Target | Action | Where | What | Why |
        | --- | --- | --- | --- | --- |
        | `manifest` | `publish` | `public/\u{1b}[2J\|list` | `13 assets: 12 added, 1 removed` | `nothing is published there yet` |
        | `downstream/addon` | `none` | `org/site` | *(empty)* | `in step` |
        | `outbox/site` | `deliver` | `org/site (no token, so a file in the outbox)` | `2 changed` | `a run died half-way` |
        | `embedding` | `embed` | `vector index` | `1 chunk to embed (about 7 tokens), 0 known, 0 to delete` | `4 unchanged` |

        ### Downstreams

        ```mermaid
        flowchart LR
          subgraph w0["wave 1"]
            d0["addon<br/>in step"]
            d1["site<br/>to deliver"]
          end
          classDef quiet stroke:#818b98,stroke-dasharray:4 3
          class d0 quiet
          classDef waiting stroke:#9a6700,stroke-width:2px
          class d1 waiting
        ```
        "#);
    }

    #[test]
    fn a_plan_without_work_is_a_sentence() {
        insta::assert_snapshot!(plan(&idle()), @r"
        ## Plan

        For `commit a1a1a1a`: nothing to do, every target is in step.
        ");
    }

    #[test]
    fn a_run_says_what_became_of_each_target() {
        let outcomes = [
            (Outcome::Done, "13 assets published"),
            (Outcome::Unchanged, "in step"),
            (Outcome::Failed, "403 for @org/site <b>|"),
            (Outcome::Skipped, "left out"),
        ];
        insta::assert_snapshot!(sync(&run(busy(), &outcomes)), @r#"
        ## Sync

        ❌ Partly done; the next run goes on from here.

        ### Targets

        |  | Target | What was done |
        | --- | --- | --- |
        | ✅ | `manifest` | `13 assets published` |
        | ✅ | `downstream/addon` | `in step` |
        | ❌ | `outbox/site` | `403 for @org/site <b>\|` |
        | ⚠️ | `embedding` | `left out` |

        ### Downstreams

        ```mermaid
        flowchart LR
          subgraph w0["wave 1"]
            d0["addon<br/>in step"]
            d1["site<br/>❌ failed"]
          end
          classDef quiet stroke:#818b98,stroke-dasharray:4 3
          class d0 quiet
          classDef bad stroke:#d1242f,stroke-width:3px
          class d1 bad
        ```
        "#);
    }

    #[test]
    fn the_verdict_tells_work_from_quiet() {
        let verdict = |outcome| sync(&run(busy(), &[(outcome, "")])).lines().nth(2).unwrap().to_owned();
        assert_eq!(verdict(Outcome::Done), "✅ Done, every target is in step.");
        assert_eq!(verdict(Outcome::Unchanged), "✅ Nothing had to be done.");
        assert_eq!(verdict(Outcome::Failed), "❌ Partly done; the next run goes on from here.");
        let stopped = Sync { stopped: Some("SIGINT".to_owned()), ..run(busy(), &[(Outcome::Skipped, "")]) };
        assert!(sync(&stopped).contains("⚠️ Stopped by a signal; the next run goes on from here."));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let one = run(busy(), &[(Outcome::Done, "done")]);
        let many = Sync { results: vec![one.results[0].clone(); MOST_TARGETS + 3], ..one };
        let text = sync(&many);
        assert!(text.contains("3 more targets"), "{}", text.lines().last().unwrap());
    }
}
