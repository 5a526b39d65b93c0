//! Values of a record that name other records.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::collection::{Collection, Problem, pointer};
use super::pointer::PointerPattern;
use super::record::Record;
use super::settings::Link;
use super::unique::{Uniqueness, Unlocated};
use crate::finding::{Finding, codes};
use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};

codes! {
    LINK_DANGLING "link-dangling"
        "A value that the collection's `links` takes for the id of a record is the id of none. A record that is there \
         but invalid counts as there."
}

/// How many ids are compared with one that is not there, letter by letter, and how often that is done at all.
const MOST_COMPARED: usize = 20_000;
const MOST_SUGGESTED: usize = 50;
/// Of how many bytes an id is that is looked up among others.
const MOST_LETTERS: usize = 64;
/// How many steps all these comparisons may take in a run.
const MOST_STEPS: usize = 100_000_000;

/// A kind of value that names records.
#[derive(Debug, Clone)]
pub struct LinkRule {
    /// Where it stands.
    pub pattern: PointerPattern,
    /// The collections of which one must have the record.
    pub to: Vec<CollectionName>,
}

impl LinkRule {
    /// Makes a rule ready; the error is a place in it and a sentence.
    pub fn new(settings: &Link) -> Result<Self, Problem> {
        let to: Vec<CollectionName> = settings.to.iter().map(CollectionName::new).collect();
        if to.is_empty() {
            return Err(("/to".to_owned(), "no collection is named whose records are meant".to_owned()));
        }
        Ok(Self { pattern: pointer(&settings.pointer, "/pointer")?, to })
    }
}

/// What is wrong with the links of a collection where these are all collections: where in it, and a sentence.
pub fn problems(links: &[Link], known: &BTreeSet<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, link) in links.iter().enumerate() {
        for to in link.to.iter().filter(|to| !known.contains(to)) {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            let why = format!("there is no collection {to:?}; known collections: {}", names.join(", "));
            problems.push((format!("/links/{index}/to"), why));
        }
    }
    problems
}

/// The values of a record that name others, as (index of the rule, pointer, id).
pub fn links(record: &Record, collection: &Collection) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    for (index, rule) in collection.links.iter().enumerate() {
        for (pointer, value) in rule.pattern.select(&record.document.value) {
            match value {
                Value::Null => {}
                Value::String(id) => found.push((index, pointer, id.clone())),
                other => found.push((index, pointer, other.to_string())),
            }
        }
    }
    found
}

/// Finds the links that lead nowhere, once all ids are known.
pub struct Dangling<'a> {
    /// The ids.
    pub ids: &'a Uniqueness,
    /// The collections with a record whose id cannot be read: it may be the one that a link means.
    pub unsure: BTreeSet<&'a CollectionName>,
    /// Where assets lay that a change touched, before it.
    former: Option<&'a BTreeMap<AssetKey, RepoPath>>,
    suggested: usize,
    steps: usize,
    found: Vec<Unlocated>,
}

impl<'a> Dangling<'a> {
    /// With these ids, and where assets lay before a change that touched them, if one is looked at.
    pub fn new(
        ids: &'a Uniqueness,
        unsure: BTreeSet<&'a CollectionName>,
        former: Option<&'a BTreeMap<AssetKey, RepoPath>>,
    ) -> Self {
        Self { ids, unsure, former, suggested: 0, steps: 0, found: Vec::new() }
    }

    /// Looks at the links of a record.
    pub fn see(&mut self, index: usize, path: &RepoPath, collection: &Collection, links: &[(usize, String, String)]) {
        let mut told = 0;
        for (rule, pointer, id) in links {
            let Some(rule) = collection.links.get(*rule) else { continue };
            let is_there = |to: &CollectionName| {
                self.unsure.contains(to) || self.ids.has(&AssetKey { collection: to.clone(), id: AssetId::new(id) })
            };
            if told == collection.limits.most_sought() || rule.to.iter().any(is_there) {
                continue;
            }
            told += 1;
            let finding = self.finding(path, pointer, id, &rule.to);
            self.found.push(Unlocated { record: index, finding });
        }
    }

    fn finding(&mut self, path: &RepoPath, pointer: &str, id: &str, to: &[CollectionName]) -> Finding {
        let names: Vec<&str> = to.iter().map(CollectionName::as_str).collect();
        let shown: String = id.chars().take(200).collect();
        let message = format!("no record of {} has the id {shown:?}", names.join(" or "));
        let near = if self.suggested < MOST_SUGGESTED { self.nearest(id, to) } else { None };
        self.suggested += 1;
        let help = match near {
            Some(near) => format!("there is {near:?}: write that, or add the record that is meant"),
            None => "write the id of a record that is there, or add the record that is meant".to_owned(),
        };
        let key = |to: &CollectionName| AssetKey { collection: to.clone(), id: AssetId::new(id) };
        let former = self.former.and_then(|former| to.iter().find_map(|to| former.get(&key(to))));
        let finding = Finding::error(&LINK_DANGLING, path.clone(), message).about(pointer);
        match former {
            Some(gone) => finding.help(format!("{gone} had it before this change; {help}")).related(gone.clone()),
            None => finding.help(help),
        }
    }

    fn nearest(&mut self, id: &str, to: &[CollectionName]) -> Option<&'a str> {
        // To compare takes the product of the lengths, and a text this long is no misspelt id.
        if id.len() > MOST_LETTERS {
            return None;
        }
        let most = id.chars().count() / 3;
        let ids = to.iter().flat_map(|to| self.ids.ids(to)).take(MOST_COMPARED);
        let close = ids.filter(|other| other.len().abs_diff(id.len()) <= most * 4);
        let length = id.chars().count();
        let close = close.filter(|other| other.chars().count().abs_diff(length) <= most);
        let steps = &mut self.steps;
        let close = close.take_while(|other| {
            *steps = steps.saturating_add(length * other.len());
            *steps <= MOST_STEPS
        });
        let near = close.map(|other| (strsim::damerau_levenshtein(other, id), other));
        near.filter(|(distance, _)| *distance <= most).min().map(|(_, other)| other)
    }

    /// What was found, without places.
    pub fn found(self) -> Vec<Unlocated> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::candidates;
    use super::super::tree::tests::MemoryTree;
    use super::super::unique::{located, unique_values};
    use super::*;

    fn collection(name: &str, yaml: &str) -> Collection {
        Collection::new(CollectionName::new(name), &serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    fn said(collections: &[Collection], files: &[(&str, &str)]) -> Vec<String> {
        let memory = MemoryTree::new(files);
        let (found, _) = candidates(&memory.tree, collections);
        let records: Vec<Option<Record>> = found.iter().map(|candidate| candidate.load(&memory).0).collect();
        let (mut uniqueness, mut unsure) = (Uniqueness::default(), BTreeSet::new());
        for (index, (candidate, record)) in found.iter().zip(&records).enumerate() {
            let collection = candidate.collection;
            match record.as_ref().and_then(|record| Some((record, record.key(collection).ok()?))) {
                Some((record, key)) => {
                    uniqueness.see(index, &record.path, &key, collection, &unique_values(record, collection));
                }
                None => {
                    unsure.insert(&collection.name);
                }
            }
        }
        let gone = AssetKey { collection: CollectionName::new("makers"), id: AssetId::new("gone") };
        let former = BTreeMap::from([(gone, RepoPath::new("m/gone.json"))]);
        let mut dangling = Dangling::new(&uniqueness, unsure, Some(&former));
        for (index, (candidate, record)) in found.iter().zip(&records).enumerate() {
            if let Some(record) = record {
                dangling.see(index, &record.path, candidate.collection, &links(record, candidate.collection));
            }
        }
        let mut all = dangling.found();
        all.extend(uniqueness.repeats());
        let places = |index: usize, pointer: &str| records[index].as_ref().unwrap().document.places().nearest(pointer);
        let row = |f: Finding| {
            let (line, help) = (f.span.line, f.help.unwrap_or_default());
            format!("{} {}:{line} {}: {} ({help})", f.code.id, f.path, f.pointer, f.message)
        };
        located(all, places).into_iter().map(row).collect()
    }

    fn products() -> Collection {
        collection(
            "products",
            "metadata: 'p/*.json'\nid: id\nlinks: [{pointer: '/related/*', to: products}, {pointer: /by, to: [makers, shops]}]",
        )
    }

    fn makers() -> Collection {
        collection("makers", "metadata: 'm/*.json'\nid: '{stem}'")
    }

    #[test]
    fn a_link_leads_to_a_record_or_is_told_with_the_nearest_id() {
        let files = [
            ("m/anna.json", "{}"),
            ("p/a.json", "{\"id\": \"bolt\", \"related\": [\"nut\", null, \"bolt\"], \"by\": \"anna\"}"),
            ("p/b.json", "{\"id\": \"nut\",\n \"related\": [\"bolt\", \"bold\",\n 7], \"by\": \"unknown-one\"}"),
        ];
        assert_eq!(
            said(&[makers(), products()], &files),
            [
                "link-dangling p/b.json:2 /related/1: no record of products has the id \"bold\" (there is \"bolt\": write that, or add the record that is meant)",
                "link-dangling p/b.json:3 /related/2: no record of products has the id \"7\" (write the id of a record that is there, or add the record that is meant)",
                "link-dangling p/b.json:3 /by: no record of makers or shops has the id \"unknown-one\" (write the id of a record that is there, or add the record that is meant)",
            ]
        );
    }

    #[test]
    fn a_link_to_what_the_change_has_removed_says_where_it_was() {
        let files = [("m/anna.json", "{}"), ("p/a.json", "{\"id\": \"bolt\", \"by\": \"gone\"}")];
        assert_eq!(
            said(&[makers(), products()], &files),
            [
                "link-dangling p/a.json:1 /by: no record of makers or shops has the id \"gone\" (m/gone.json had it before \
                 this change; write the id of a record that is there, or add the record that is meant)"
            ]
        );
    }

    #[test]
    fn a_record_whose_id_cannot_be_read_may_be_the_one_that_is_meant() {
        let files = [("p/a.json", "{\"id\": \"bolt\", \"related\": [\"nut\"]}"), ("p/b.json", "{\"id\": \"nut\"")];
        assert!(said(&[products()], &files).is_empty());
        // An id that comes from the file's name is known of a record that cannot be read as well; here there is none.
        let by = [("m/anna.json", "{"), ("p/a.json", "{\"id\": \"bolt\", \"by\": \"berta\"}")];
        assert!(said(&[makers(), products()], &by).is_empty());
    }

    #[test]
    fn a_thousand_links_that_lead_nowhere_are_cut() {
        let text = format!("{{\"id\": \"a\", \"related\": [{}]}}", vec!["\"x\""; 1000].join(","));
        assert_eq!(said(&[products()], &[("p/a.json", &text)]).len(), 101, "one more than are told");
    }

    #[test]
    fn values_may_stand_only_once_across_collections() {
        let yaml = |folder: &str| {
            format!("metadata: '{folder}/*.json'\nid: '{{stem}}'\nunique: [/own, {{pointer: /sku, across: skus}}]")
        };
        let both = [collection("a", &yaml("a")), collection("b", &yaml("b"))];
        let files = [("a/x.json", r#"{"own": 1, "sku": "S"}"#), ("b/y.json", r#"{"own": 1, "sku": "S"}"#)];
        assert_eq!(
            said(&both, &files),
            [
                "duplicate-value b/y.json:1 /sku: the value \"S\" may stand only once, and a/x.json has it at /sku (give one of the two another value)"
            ]
        );
        assert_eq!(said(&both, &[files[0], ("a/z.json", r#"{"own": 1}"#)]).len(), 1, "within one, plain entries hold");
    }

    #[test]
    fn a_link_to_no_collection_is_a_problem() {
        let known = BTreeSet::from(["products", "makers"]);
        let problems = problems(&products().settings.links, &known);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].0, "/links/1/to");
        assert!(problems[0].1.contains("\"shops\""));
    }
}
