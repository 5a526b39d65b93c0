//! Graphs in the language of Mermaid, which GitHub draws in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::log_text::{for_people, shortened};
use crate::secret::tokens::masked;

/// A label is cut after so many bytes: a graph of long names is no help to anybody.
const LABEL_LIMIT: usize = 80;

/// The text as a label between quotes: nothing in it is markup, a link, a line break or the end of the fence.
pub fn label(text: &str) -> String {
    let mut out = String::new();
    for c in shortened(&for_people(&masked(text)), LABEL_LIMIT).chars() {
        match c {
            c if c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '/' | '-' | ',' | '(' | ')') => out.push(c),
            c => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}

/// A graph from left to right, built node by node; nodes are known by names that nobody sees.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: BTreeMap<String, usize>,
    lines: Vec<String>,
}

impl Graph {
    /// Adds a node with these lines of foreign text in its box; one that is there already stays as it is.
    pub fn node(&mut self, name: &str, lines: &[&str]) {
        if self.nodes.contains_key(name) {
            return;
        }
        let number = self.nodes.len();
        self.nodes.insert(name.to_owned(), number);
        let shown: Vec<String> = lines.iter().map(|line| label(line)).collect();
        self.lines.push(format!("n{number}[\"{}\"]", shown.join("<br/>")));
    }

    /// Adds an arrow between two nodes that are there; the words on it are ours.
    pub fn arrow(&mut self, from: &str, to: &str, words: &'static str) {
        let (Some(from), Some(to)) = (self.nodes.get(from), self.nodes.get(to)) else { return };
        let arrow = if words.is_empty() { "-->".to_owned() } else { format!("-->|{words}|") };
        self.lines.push(format!("n{from} {arrow} n{to}"));
    }

    /// The graph as a fenced block of Markdown, ending in a line break.
    pub fn into_text(self) -> String {
        let mut out = "```mermaid\ngraph LR\n".to_owned();
        for line in self.lines {
            let _ = writeln!(out, "  {line}");
        }
        out.push_str("```\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::runner_parser::hostile_text;

    #[test]
    fn a_graph_shows_who_needs_whom() {
        let mut graph = Graph::default();
        graph.node("", &["this library"]);
        graph.node("website", &["website", "org/website"]);
        graph.node("website", &["again"]);
        graph.arrow("", "website", "");
        graph.arrow("website", "nobody", "");
        insta::assert_snapshot!(graph.into_text(), @r#"
        ```mermaid
        graph LR
          n0["this library"]
          n1["website<br/>org/website"]
          n0 --> n1
        ```
        "#);
    }

    #[test]
    fn a_label_holds_no_markup() {
        assert_eq!(label("a\"]\n```"), "a#34;#93;#92;n#96;#96;#96;");
        assert_eq!(label("<b onclick=x>&amp;"), "#60;b onclick#61;x#62;#38;amp#59;");
    }

    proptest! {
        #[test]
        fn foreign_text_stays_in_its_box(text in hostile_text()) {
            let mut graph = Graph::default();
            graph.node("a", &[&text]);
            let drawn = graph.into_text();
            prop_assert_eq!(drawn.lines().count(), 4, "{}", drawn);
            let node = drawn.lines().nth(2).unwrap_or_default();
            let inside = node.strip_prefix("  n0[\"").and_then(|rest| rest.strip_suffix("\"]"));
            prop_assert!(inside.is_some_and(|inside| !inside.contains(['"', '<', '`', '[', ']', '{', '&'])), "{}", node);
        }
    }
}
