//! What a change does to the released versions of the schemas that the library uses.

use std::collections::BTreeMap;

use semver::Version;

use crate::catalog::pointer::PointerPattern;
use crate::commands::open::{Moment, Opened};
use crate::commands::proving::Prover;
use crate::downstream::{Acceptance, unaccepted};
use crate::finding::Finding;
use crate::ids::{RepoPath, SchemaName};
use crate::schema::diff::release;
use crate::schema::registry::{SchemaFiles, named};

/// Compares the registry with the one of the base of a change; nothing where that is not in this clone, or the registry is
/// not in the library.
pub fn findings(opened: &Opened, base: &str) -> Vec<Finding> {
    if opened.config.settings.schemas.is_elsewhere() {
        return Vec::new();
    }
    let Ok(former) = opened.at(&Moment::At(base.to_owned())) else { return Vec::new() };
    let (old, new) = (former.registry_files(), opened.registry_files());
    let policy = opened.config.settings.schemas.policy();
    let prover = Prover::default();
    let prove = |old: &_, new: &_, introduced: &[_]| prover.prove(old, new, introduced, policy);
    let used = opened.config.collections.iter().filter_map(|collection| {
        let field = collection.version_field.as_ref().map(PointerPattern::exact);
        Some((SchemaName::new(collection.settings.schema.as_deref()?), field))
    });
    let mut found = release::findings(&old, &new, &used.collect(), policy, &prove);
    found.extend(unread(opened, old.as_ref(), new.as_ref()));
    found
}

/// The warnings on versions that the change adds and that no downstream can read.
fn unread(opened: &Opened, old: &dyn SchemaFiles, new: &dyn SchemaFiles) -> Vec<Finding> {
    let config = &opened.config;
    let acceptance = Acceptance::of(&config.settings.downstreams);
    if acceptance.is_empty() {
        return Vec::new();
    }
    let versions = |files: &dyn SchemaFiles| -> BTreeMap<_, RepoPath> {
        let named = files.paths().iter().filter_map(|path| {
            let (name, version) = named(files.folder(), path)?;
            Some(((name, version?), path.clone()))
        });
        named.collect()
    };
    let former = versions(old);
    let added = versions(new).into_iter().filter(|(version, _)| !former.contains_key(version));
    let warning = |((name, version), path): ((SchemaName, Version), RepoPath)| {
        let told = acceptance.of_version(&name, &version, &config.users(&name));
        unaccepted(path, &name, &version, &told)
    };
    added.filter_map(warning).collect()
}
