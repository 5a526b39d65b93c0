//! What stockroom.yml names and the library does not have: records of a collection, a schema, a version of it.

use crate::catalog::collection::Collection;
use crate::catalog::record::{Candidate, EMPTY_COLLECTION};
use crate::catalog::settings;
use crate::config::Config;
use crate::finding::{Finding, Severity};
use crate::ids::{CollectionName, SchemaName};
use crate::schema::SCHEMA_MISSING;
use crate::schema::registry::Registry;
use crate::schema::version;

/// Collections without a record.
pub(super) fn empty_collections(config: &Config, found: &[Candidate<'_>]) -> Vec<Finding> {
    let is_empty = |collection: &&Collection| !found.iter().any(|c| collection.holds(&c.entry.path));
    let finding = |collection: &Collection| {
        let name = &collection.name;
        let message = format!("the collection {name} has no record: its globs match no file");
        let finding = config.finding(&EMPTY_COLLECTION, &format!("/collections/{name}/metadata"), message);
        Finding { severity: Severity::Warning, ..finding }.help("look at its `metadata` and `exclude`")
    };
    config.collections.iter().filter(is_empty).map(finding).collect()
}

/// Collections whose schema, or whose default version of it, the registry does not have.
pub(super) fn missing_schemas(config: &Config, registry: &Registry) -> Vec<Finding> {
    let missing = |(name, collection): (&CollectionName, &settings::Settings)| {
        let schema = collection.schema.as_deref()?;
        let Some(versions) = registry.get(&SchemaName::new(schema)) else {
            let folder = if registry.folder().is_empty() { "the library's root" } else { registry.folder() };
            let message = format!("the registry has no schema {schema:?}, so the records of {name} are not checked");
            let finding = config.finding(&SCHEMA_MISSING, &format!("/collections/{name}/schema"), message);
            return Some(finding.help(format!("add {schema}/v1.0.0.json or {schema}.schema.json to {folder}")));
        };
        let default = collection.default_version.as_deref()?;
        if version::Wanted::parse(default).is_some_and(|wanted| versions.find(&wanted).is_some()) {
            return None;
        }
        let message = format!("the registry has no version of {schema} that {default:?} means");
        let finding = config.finding(&SCHEMA_MISSING, &format!("/collections/{name}/default_version"), message);
        Some(finding.help(format!("the registry has {}", versions.available())))
    };
    config.settings.collections.iter().filter_map(missing).collect()
}
