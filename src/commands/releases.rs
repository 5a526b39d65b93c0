//! What a change does to the released versions of the schemas that the library uses.

use crate::catalog::pointer::PointerPattern;
use crate::commands::open::{Moment, Opened};
use crate::commands::proving::Prover;
use crate::finding::Finding;
use crate::ids::SchemaName;
use crate::schema::diff::release;

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
    release::findings(&old, &new, &used.collect(), policy, &prove)
}
