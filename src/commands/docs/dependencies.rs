//! Which schemas records follow, and who builds on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::gather::Library;
use crate::downstream;
use crate::ids::CollectionName;
use crate::report::dependencies::{CollectionUse, Dependencies};
use crate::schema::version;

/// The versions of each schema that a collection's records follow; without versions where a schema has none.
type InUse = BTreeMap<CollectionName, BTreeMap<String, BTreeSet<String>>>;

/// What the records and the downstreams of a library depend on.
pub(super) fn of(library: &Library) -> Dependencies {
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
        accepted: Vec::new(),
        waves,
    }
}

fn in_use(library: &Library) -> InUse {
    let mut in_use = InUse::new();
    for asset in &library.assets {
        let Some(schema) = &asset.schema else { continue };
        let schemas = in_use.entry(asset.key.collection.clone()).or_default();
        schemas.entry(schema.name.to_string()).or_default().extend(schema.version.clone());
    }
    in_use
}

/// The schemas of a collection: those that its records follow, and the one that it asks for.
fn schemas(found: Option<&BTreeMap<String, BTreeSet<String>>>, asked: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let mut schemas: BTreeMap<String, Vec<String>> =
        asked.map(|name| (name.to_owned(), Vec::new())).into_iter().collect();
    for (name, versions) in found.into_iter().flatten() {
        let mut versions: Vec<String> = versions.iter().cloned().collect();
        versions.sort_by_cached_key(|text| (version::parse(text), text.clone()));
        schemas.insert(name.clone(), versions);
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
}
