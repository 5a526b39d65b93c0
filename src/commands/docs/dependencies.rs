//! Which schemas records follow, and who builds on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::gather::Library;
use semver::VersionReq;

use crate::downstream::{self, Accepts, When};
use crate::ids::{CollectionName, DownstreamName};
use crate::report::dependencies::{AcceptedRange, CollectionUse, Dependencies};
use crate::schema::version;

/// The versions of each schema that a collection's records follow; without versions where a schema has none.
type InUse = BTreeMap<CollectionName, BTreeMap<String, BTreeSet<String>>>;

/// What the records and the downstreams of a library depend on.
pub(in crate::commands) fn of(library: &Library) -> Dependencies {
    let settings = &library.config.settings;
    let in_use = in_use(library);
    let collections = settings.collections.iter().map(|(name, collection)| CollectionUse {
        name: name.to_string(),
        schemas: schemas(in_use.get(name), collection.schema.as_deref()),
        default_version: collection.default_version.clone(),
    });
    let mut waves: Vec<Vec<(String, Vec<String>)>> = Vec::new();
    for (name, wave) in downstream::waves(&settings.downstreams) {
        let needs = settings.downstreams.get(name).map(|of| of.needs.iter().map(ToString::to_string).collect());
        waves.resize_with(waves.len().max(wave + 1), Vec::new);
        if let Some(wave) = waves.get_mut(wave) {
            wave.push((name.to_string(), needs.unwrap_or_default()));
        }
    }
    Dependencies {
        config: library.config.path.to_string(),
        collections: collections.collect(),
        accepted: accepted(&settings.downstreams, &in_use),
        waves,
    }
}

fn in_use(library: &Library) -> InUse {
    let mut in_use = InUse::new();
    for asset in library.assets.iter() {
        let Some(schema) = &asset.schema else { continue };
        let schemas = in_use.entry(asset.key.collection.clone()).or_default();
        schemas.entry(schema.name.to_string()).or_default().extend(schema.version.clone());
    }
    in_use
}

/// What each downstream accepts of the schemas that concern it, and of those that it names.
fn accepted(all: &BTreeMap<DownstreamName, downstream::Settings>, in_use: &InUse) -> Vec<AcceptedRange> {
    let mut accepted = Vec::new();
    for (name, settings) in all {
        let found = concerning(&settings.when, in_use);
        let ranges: Vec<(&str, &str)> = match &settings.accepts {
            None => continue,
            Some(Accepts::All(range)) => found.keys().map(|schema| (*schema, range.as_str())).collect(),
            Some(Accepts::Each(ranges)) => {
                ranges.iter().map(|(schema, range)| (schema.as_str(), range.as_str())).collect()
            }
        };
        for (schema, range) in ranges {
            let wanted = VersionReq::parse(range).ok();
            let is_in = |text: &String| {
                wanted.as_ref().zip(version::parse(text)).is_some_and(|(wanted, it)| wanted.matches(&it))
            };
            let versions = in_order(found.get(schema).into_iter().flatten().copied());
            accepted.push(AcceptedRange {
                downstream: name.to_string(),
                schema: schema.to_owned(),
                range: range.to_owned(),
                in_use: versions.into_iter().map(|text| (text.clone(), is_in(&text))).collect(),
            });
        }
    }
    accepted
}

/// The versions of each schema that the records of a downstream's collections follow.
fn concerning<'u>(when: &When, in_use: &'u InUse) -> BTreeMap<&'u str, BTreeSet<&'u String>> {
    let mut found: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for (collection, schemas) in in_use {
        if when.collections.as_ref().is_none_or(|wanted| wanted.contains(collection)) {
            for (schema, versions) in schemas {
                found.entry(schema).or_default().extend(versions);
            }
        }
    }
    found
}

/// Versions, the lowest first.
fn in_order<'u>(versions: impl Iterator<Item = &'u String>) -> Vec<String> {
    let mut versions: Vec<String> = versions.cloned().collect();
    versions.sort_by_cached_key(|text| (version::parse(text), text.clone()));
    versions
}

/// The schemas of a collection: those that its records follow, and the one that it asks for.
fn schemas(found: Option<&BTreeMap<String, BTreeSet<String>>>, asked: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let mut schemas: BTreeMap<String, Vec<String>> =
        asked.map(|name| (name.to_owned(), Vec::new())).into_iter().collect();
    for (name, versions) in found.into_iter().flatten() {
        schemas.insert(name.clone(), in_order(versions.iter()));
    }
    schemas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_versions() {
        let versions = ["1.10.0", "1.9.0", "latest"].map(str::to_owned).into();
        let found = BTreeMap::from([("product".to_owned(), versions)]);
        assert_eq!(schemas(Some(&found), Some("product"))["product"], ["latest", "1.9.0", "1.10.0"]);
        assert_eq!(schemas(None, Some("product"))["product"], [""; 0]);
    }

    #[test]
    fn what_is_in_use_stands_beside_what_is_accepted() {
        let versions = |versions: &[&str]| versions.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let in_use = InUse::from([
            (CollectionName::new("guides"), BTreeMap::from([("guide".to_owned(), versions(&["1.0.0"]))])),
            (CollectionName::new("products"), BTreeMap::from([("product".to_owned(), versions(&["1.9.0", "2.1.0"]))])),
        ]);
        let settings = |yaml: &str| serde_yaml::from_str(yaml).unwrap();
        let all = BTreeMap::from([
            (DownstreamName::new("all"), settings("{repo: o/a, accepts: '>=1.0, <2.0'}")),
            (DownstreamName::new("each"), settings("{repo: o/e, accepts: {product: '^2', other: '*'}}")),
            (DownstreamName::new("some"), settings("{repo: o/s, when: {collections: [guides]}, accepts: '1'}")),
            (DownstreamName::new("whatever"), settings("{repo: o/w}")),
        ]);
        let told: Vec<String> = accepted(&all, &in_use)
            .iter()
            .map(|it| format!("{} {} {:?}", it.downstream, it.schema, it.in_use))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        all guide [("1.0.0", true)]
        all product [("1.9.0", true), ("2.1.0", false)]
        each other []
        each product [("1.9.0", false), ("2.1.0", true)]
        some guide [("1.0.0", true)]
        "#);
    }
}
