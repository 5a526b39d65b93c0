//! The waves of downstreams as a graph that GitHub draws: who waits for whom, and what became of each.
//!
//! What stands in it are words of ours, and names of the configuration as labels. Links and messages are foreign; they stay
//! in the tables above the graph.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::mermaid::label;
use super::targets::Outcome;
use crate::downstream::{Action, Delivery};
use crate::ids::{DownstreamName, TargetName};
use crate::plan::Plan;

/// Beyond so many downstreams nobody sees anything in a graph.
const MOST_NODES: usize = 100;
/// Beyond so many arrows neither.
const MOST_ARROWS: usize = 300;

/// How a node looks, and the word beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Good,
    Quiet,
    Waiting,
    Bad,
}

impl Look {
    const ALL: [Self; 4] = [Self::Good, Self::Quiet, Self::Waiting, Self::Bad];

    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Quiet => "quiet",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
        }
    }

    /// Readable on GitHub's light and dark pages alike.
    fn style(self) -> &'static str {
        match self {
            Self::Good => "stroke:#1a7f37,stroke-width:2px",
            Self::Quiet => "stroke:#818b98,stroke-dasharray:4 3",
            Self::Waiting => "stroke:#9a6700,stroke-width:2px",
            Self::Bad => "stroke:#d1242f,stroke-width:3px",
        }
    }
}

/// The waves of a plan, with what is to be done for each downstream.
pub fn plan(plan: &Plan) -> Option<String> {
    graph(plan, &|delivery| match delivery.action {
        Action::None => (Look::Quiet, "in step"),
        Action::Deliver => (Look::Waiting, "to deliver"),
        Action::Resolve => (Look::Waiting, "to find out"),
        Action::Restore => (Look::Waiting, "to bring back"),
        Action::Withheld => (Look::Bad, "withheld"),
    })
}

/// The waves of a plan, with what became of each downstream.
pub fn outcomes(plan: &Plan, outcomes: &BTreeMap<&TargetName, Outcome>) -> Option<String> {
    graph(plan, &|delivery| match outcomes.get(&delivery.target) {
        Some(Outcome::Done) => (Look::Good, "✅ done"),
        Some(Outcome::Unchanged) => (Look::Quiet, "in step"),
        Some(Outcome::Superseded) => (Look::Quiet, "superseded"),
        Some(Outcome::Skipped) | None => (Look::Waiting, "⚠️ left out"),
        Some(Outcome::Restored) => (Look::Waiting, "↩️ brought back"),
        Some(Outcome::Failed) => (Look::Bad, "❌ failed"),
    })
}

/// The graph as a block of Markdown. None for fewer than two downstreams, where there is nothing to see, and for very many.
fn graph(plan: &Plan, look: &dyn Fn(&Delivery) -> (Look, &'static str)) -> Option<String> {
    let deliveries = &plan.deliveries;
    if !(2..=MOST_NODES).contains(&deliveries.len()) {
        return None;
    }
    let number: BTreeMap<&DownstreamName, usize> = deliveries.iter().zip(0..).map(|(it, n)| (&it.name, n)).collect();
    let arrows: Vec<(usize, usize)> = deliveries
        .iter()
        .zip(0..)
        .flat_map(|(delivery, to)| {
            delivery.needs.iter().filter_map(|need| number.get(need)).map(move |from| (*from, to))
        })
        .collect();
    if arrows.len() > MOST_ARROWS {
        return None;
    }
    let mut waves: BTreeMap<usize, Vec<(usize, &Delivery)>> = BTreeMap::new();
    for (n, delivery) in deliveries.iter().enumerate() {
        waves.entry(delivery.wave).or_default().push((n, delivery));
    }
    let mut out = String::from("```mermaid\nflowchart LR\n");
    let mut classes: BTreeMap<Look, Vec<String>> = BTreeMap::new();
    for (wave, (at, members)) in waves.into_values().enumerate().map(|(at, members)| (at + 1, (at, members))) {
        let _ = writeln!(out, "  subgraph w{at}[\"wave {wave}\"]");
        for (n, delivery) in members {
            let (look, word) = look(delivery);
            let _ = writeln!(out, "    d{n}[\"{}<br/>{word}\"]", label(delivery.name.as_str()));
            classes.entry(look).or_default().push(format!("d{n}"));
        }
        out.push_str("  end\n");
    }
    for (from, to) in arrows {
        let _ = writeln!(out, "  d{from} --> d{to}");
    }
    for look in Look::ALL {
        if let Some(nodes) = classes.get(&look) {
            let _ = writeln!(out, "  classDef {} {}", look.class(), look.style());
            let _ = writeln!(out, "  class {} {}", nodes.join(","), look.class());
        }
    }
    out.push_str("```\n");
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::targets::tests::{busy, waves};

    #[test]
    fn waves_stand_side_by_side_with_what_became_of_each() {
        let made = waves(&[("cdn", 0, &[]), ("docs", 0, &[]), ("website", 1, &["cdn", "docs"])]);
        let names: Vec<TargetName> = made.deliveries.iter().map(|delivery| delivery.target.clone()).collect();
        let ends = [Outcome::Done, Outcome::Failed, Outcome::Skipped];
        let graph = outcomes(&made, &names.iter().zip(ends).collect()).unwrap();
        insta::assert_snapshot!(graph, @r#"
        ```mermaid
        flowchart LR
          subgraph w0["wave 1"]
            d0["cdn<br/>✅ done"]
            d1["docs<br/>❌ failed"]
          end
          subgraph w1["wave 2"]
            d2["website<br/>⚠️ left out"]
          end
          d0 --> d2
          d1 --> d2
          classDef good stroke:#1a7f37,stroke-width:2px
          class d0 good
          classDef waiting stroke:#9a6700,stroke-width:2px
          class d2 waiting
          classDef bad stroke:#d1242f,stroke-width:3px
          class d1 bad
        ```
        "#);
    }

    #[test]
    fn who_was_brought_back_does_not_look_as_if_it_had_failed_itself() {
        let made = waves(&[("website", 0, &[]), ("addon", 1, &["website"])]);
        let names: Vec<TargetName> = made.deliveries.iter().map(|delivery| delivery.target.clone()).collect();
        let graph = outcomes(&made, &names.iter().zip([Outcome::Restored, Outcome::Failed]).collect()).unwrap();
        assert!(graph.contains("website<br/>↩️ brought back") && graph.contains("class d0 waiting"), "{graph}");
        assert!(graph.contains("addon<br/>❌ failed") && graph.contains("class d1 bad"), "{graph}");
    }

    #[test]
    fn a_plan_has_the_same_graph_with_what_is_to_be_done() {
        let graph = plan(&busy()).unwrap();
        assert!(
            graph.contains("d0[\"addon<br/>in step\"]") && graph.contains("d1[\"site<br/>to deliver\"]"),
            "{graph}"
        );
    }

    #[test]
    fn one_downstream_and_a_crowd_have_no_graph() {
        assert_eq!(plan(&waves(&[("alone", 0, &[])])), None);
        let names: Vec<String> = (0..=MOST_NODES).map(|n| format!("d{n}")).collect();
        let many: Vec<(&str, usize, &[&str])> = names.iter().map(|name| (name.as_str(), 0, &[][..])).collect();
        assert_eq!(plan(&waves(&many)), None);
        assert!(plan(&waves(&many[1..])).is_some());
    }

    proptest! {
        #[test]
        fn no_name_ends_its_label_or_the_block(names in proptest::collection::btree_set("(?s).{0,80}", 2..5)) {
            let all: Vec<(&str, usize, &[&str])> = names.iter().map(|name| (name.as_str(), 0, &[][..])).collect();
            let graph = plan(&waves(&all)).unwrap();
            prop_assert_eq!(graph.lines().count(), 2 + 1 + names.len() + 1 + 2 + 1, "{}", graph);
            prop_assert_eq!(graph.matches('"').count(), 2 * (names.len() + 1));
            prop_assert_eq!(graph.matches("```").count(), 2);
            prop_assert_eq!(graph.matches('<').count(), names.len(), "our own line breaks alone");
        }
    }
}
