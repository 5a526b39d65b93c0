//! REPOSITORY_CONNECTIONS.md: with whom a library is connected, as its stockroom.yml says.

use std::fmt::Write as _;

use super::mermaid::Graph;
use super::phrase::Phrase;

/// The name of the file.
pub const NAME: &str = "REPOSITORY_CONNECTIONS.md";

/// Everything that stockroom.yml connects a library with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Where the configuration is.
    pub config: String,
    /// The downstreams, in the order of their names.
    pub downstreams: Vec<Connection>,
    /// Where the manifest is published, and at which address it is read.
    pub places: Vec<(Phrase, Phrase)>,
    /// What else the library is connected with: what it is, and where.
    pub sources: Vec<(&'static str, Phrase)>,
    /// The secrets, in the order of their variables.
    pub secrets: Vec<SecretUse>,
}

/// One downstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Where it is, for people.
    pub place: String,
    /// What takes its deliveries, in our words.
    pub receiver: Phrase,
    /// The downstreams that come first.
    pub needs: Vec<String>,
    /// What else is set of it: what it is, and the value.
    pub facts: Vec<(&'static str, Phrase)>,
}

/// A secret by the name of its variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse {
    /// The variable.
    pub variable: String,
    /// Whose it is, such as `downstreams.website`.
    pub of: String,
    /// What it is, and what it must be allowed to do.
    pub needs: &'static str,
}

/// The line that every page begins with, below its title.
pub(super) fn generated(config: &str) -> String {
    let from = Phrase::words("Generated from ").with(config);
    format!(
        "{} by `stockroom docs`. What is changed here is lost; change the sources and run it again.\n",
        from.markdown()
    )
}

/// The page.
pub fn render(connections: &Connections) -> String {
    let mut out = format!("# Connections of this repository\n\n{}", generated(&connections.config));
    downstreams(&mut out, &connections.downstreams);
    out.push_str("\n## The manifest\n\n");
    if connections.places.is_empty() {
        out.push_str("It is published nowhere.\n");
    } else {
        out.push_str("| published to | read at |\n| --- | --- |\n");
        for (place, address) in &connections.places {
            let _ = writeln!(out, "| {} | {} |", place.cell(), address.cell());
        }
    }
    out.push_str("\n## Sources and stores\n\n| what | where |\n| --- | --- |\n");
    for (what, place) in &connections.sources {
        let _ = writeln!(out, "| {what} | {} |", place.cell());
    }
    out.push_str("\n## Secrets\n\n");
    if connections.secrets.is_empty() {
        out.push_str("None is asked for.\n");
        return out;
    }
    out.push_str("Each is an environment variable of the job; no value stands in any file.\n\n");
    out.push_str("| variable | for | what it is, and what it needs |\n| --- | --- | --- |\n");
    for SecretUse { variable, of, needs } in &connections.secrets {
        let (variable, of) = (Phrase::foreign(variable).cell(), Phrase::foreign(of).cell());
        let _ = writeln!(out, "| {variable} | {of} | {needs} |");
    }
    out
}

fn downstreams(out: &mut String, all: &[Connection]) {
    out.push_str("\n## Downstreams\n\n");
    if all.is_empty() {
        out.push_str("Nobody is told of changes.\n");
        return;
    }
    let mut graph = Graph::default();
    graph.node("", &["this library"]);
    for one in all {
        graph.node(&one.name, &[&one.name, &one.place]);
    }
    for one in all {
        if one.needs.is_empty() {
            graph.arrow("", &one.name, "");
        }
        for needed in &one.needs {
            graph.arrow(needed, &one.name, "");
        }
    }
    out.push_str(&graph.into_text());
    for one in all {
        let _ = write!(out, "\n### {}\n\n", Phrase::foreign(&one.name).markdown());
        let mut row = |what: &str, value: &Phrase| {
            let _ = writeln!(out, "- {what}: {}", value.markdown());
        };
        row("Where", &Phrase::foreign(&one.place));
        row("Receiver", &one.receiver);
        if !one.needs.is_empty() {
            row("Told after", &Phrase::list(&one.needs));
        }
        for (what, value) in &one.facts {
            row(what, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(name: &str, needs: &[&str]) -> Connection {
        Connection {
            name: name.to_owned(),
            place: format!("org/{name}"),
            receiver: Phrase::words("a `repository_dispatch` event of the type ").with("asset-updated"),
            needs: needs.iter().map(ToString::to_string).collect(),
            facts: vec![("Concerned by", Phrase::words("every asset"))],
        }
    }

    #[test]
    fn the_page_of_a_library_that_is_connected() {
        let connections = Connections {
            config: "stockroom.yml".into(),
            downstreams: vec![connection("addon", &["website"]), connection("website", &[])],
            places: vec![(
                Phrase::words("the folder ").with("public"),
                Phrase::foreign("https://a.example/manifest.json"),
            )],
            sources: vec![("schemas", Phrase::words("the folder ").with("schemas"))],
            secrets: vec![SecretUse {
                variable: "STOCKROOM_TOKEN".into(),
                of: "downstreams.website".into(),
                needs: "a token with *Contents: write* there",
            }],
        };
        insta::assert_snapshot!(render(&connections), @r#"
        # Connections of this repository

        Generated from `stockroom.yml` by `stockroom docs`. What is changed here is lost; change the sources and run it again.

        ## Downstreams

        ```mermaid
        graph LR
          n0["this library"]
          n1["addon<br/>org/addon"]
          n2["website<br/>org/website"]
          n2 --> n1
          n0 --> n2
        ```

        ### `addon`

        - Where: `org/addon`
        - Receiver: a `repository_dispatch` event of the type `asset-updated`
        - Told after: `website`
        - Concerned by: every asset

        ### `website`

        - Where: `org/website`
        - Receiver: a `repository_dispatch` event of the type `asset-updated`
        - Concerned by: every asset

        ## The manifest

        | published to | read at |
        | --- | --- |
        | the folder `public` | `https://a.example/manifest.json` |

        ## Sources and stores

        | what | where |
        | --- | --- |
        | schemas | the folder `schemas` |

        ## Secrets

        Each is an environment variable of the job; no value stands in any file.

        | variable | for | what it is, and what it needs |
        | --- | --- | --- |
        | `STOCKROOM_TOKEN` | `downstreams.website` | a token with *Contents: write* there |
        "#);
    }

    #[test]
    fn a_library_that_is_connected_with_nobody_says_so() {
        let nobody = Connections {
            config: "stockroom.yml".into(),
            downstreams: vec![],
            places: vec![],
            sources: vec![],
            secrets: vec![],
        };
        let page = render(&nobody);
        for said in ["Nobody is told of changes.", "It is published nowhere.", "None is asked for."] {
            assert!(page.contains(said), "{page}");
        }
    }
}
