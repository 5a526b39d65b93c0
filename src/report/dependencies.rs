//! DEPENDENCIES.md: which schemas the records follow, and who builds on which of them.
//!
//! There is no number of records in it: the page changes when something changes on which somebody depends.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::connections::generated;
use super::phrase::Phrase;

/// The name of the file.
pub const NAME: &str = "DEPENDENCIES.md";

/// What a library's records and its downstreams depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependencies {
    /// Where the configuration is.
    pub config: String,
    /// The collections, in the order of their names.
    pub collections: Vec<CollectionUse>,
    /// What downstreams accept, in the order of their names.
    pub accepted: Vec<AcceptedRange>,
    /// The downstreams by wave: a wave begins when those before it are done.
    pub waves: Vec<Vec<(String, Vec<String>)>>,
}

/// What the records of a collection follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionUse {
    /// The collection.
    pub name: String,
    /// The schemas and the versions of each that today's valid records follow, the lowest first.
    pub schemas: BTreeMap<String, Vec<String>>,
    /// The version for records that name none.
    pub default_version: Option<String>,
}

/// What a downstream accepts of one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRange {
    /// The downstream.
    pub downstream: String,
    /// The schema.
    pub schema: String,
    /// The range of versions.
    pub range: String,
    /// The versions in use that concern it, and whether each is in the range.
    pub in_use: Vec<(String, bool)>,
}

/// The page.
pub fn render(of: &Dependencies) -> String {
    let mut out = format!("# Dependencies\n\n{}\n## Schemas in use\n\n", generated(&of.config));
    out.push_str("| collection | schema | versions of today's records | of a record that names none |\n");
    out.push_str("| --- | --- | --- | --- |\n");
    for collection in &of.collections {
        let name = Phrase::foreign(&collection.name).cell();
        let default =
            collection.default_version.as_ref().map(|range| Phrase::foreign(range).cell()).unwrap_or_default();
        if collection.schemas.is_empty() {
            let _ = writeln!(out, "| {name} | *(none)* |  | {default} |");
        }
        for (schema, versions) in &collection.schemas {
            let (schema, versions) = (Phrase::foreign(schema).cell(), Phrase::list(versions).cell());
            let _ = writeln!(out, "| {name} | {schema} | {versions} | {default} |");
        }
    }
    out.push_str("\n## What downstreams accept\n\n");
    if of.accepted.is_empty() {
        out.push_str("No downstream says which versions it accepts (`accepts`).\n");
    } else {
        out.push_str("| downstream | schema | accepts | in use, accepted | in use, not accepted |\n");
        out.push_str("| --- | --- | --- | --- | --- |\n");
        for one in &of.accepted {
            let (name, schema, range) = (&one.downstream, &one.schema, &one.range);
            let [name, schema, range] = [name, schema, range].map(|text| Phrase::foreign(text).cell());
            let versions = |wanted: bool| {
                let versions = one.in_use.iter().filter(|(_, is_in)| *is_in == wanted).map(|(version, _)| version);
                Phrase::list(versions).cell()
            };
            let _ = writeln!(out, "| {name} | {schema} | {range} | {} | {} |", versions(true), versions(false));
        }
    }
    out.push_str("\n## Who waits for whom\n\n");
    if of.waves.is_empty() {
        out.push_str("There are no downstreams.\n");
    }
    for (at, wave) in of.waves.iter().enumerate() {
        for (name, needs) in wave {
            let mut line = Phrase::foreign(name);
            if !needs.is_empty() {
                line = line.and(" after ").then(Phrase::list(needs));
            }

            let _ = writeln!(out, "- Wave {}: {}", at + 1, line.markdown());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_who_depends_on_what() {
        let versions = |versions: &[&str]| versions.iter().map(ToString::to_string).collect::<Vec<_>>();
        let page = render(&Dependencies {
            config: "stockroom.yml".into(),
            collections: vec![
                CollectionUse { name: "notes".into(), schemas: BTreeMap::new(), default_version: None },
                CollectionUse {
                    name: "products".into(),
                    schemas: BTreeMap::from([("product".to_owned(), versions(&["1.9.0", "1.10.0"]))]),
                    default_version: Some("^1.0".into()),
                },
            ],
            accepted: vec![AcceptedRange {
                downstream: "website".into(),
                schema: "product".into(),
                range: "<1.10".into(),
                in_use: vec![("1.9.0".into(), true), ("1.10.0".into(), false)],
            }],
            waves: vec![vec![("website".into(), vec![])], vec![("addon".into(), versions(&["website"]))]],
        });
        insta::assert_snapshot!(page, @r"
        # Dependencies

        Generated from `stockroom.yml` by `stockroom docs`. What is changed here is lost; change the sources and run it again.

        ## Schemas in use

        | collection | schema | versions of today's records | of a record that names none |
        | --- | --- | --- | --- |
        | `notes` | *(none)* |  |  |
        | `products` | `product` | `1.9.0`, `1.10.0` | `^1.0` |

        ## What downstreams accept

        | downstream | schema | accepts | in use, accepted | in use, not accepted |
        | --- | --- | --- | --- | --- |
        | `website` | `product` | `<1.10` | `1.9.0` | `1.10.0` |

        ## Who waits for whom

        - Wave 1: `website`
        - Wave 2: `addon` after `website`
        ");
    }
}
