//! From one schema to the next: what changed, and whether records that followed the old one follow the new one.
//!
//! [`changes`] explains the difference rule by rule, [`proof`] decides it as a question of sets where it can, [`trial`] looks
//! for a record that shows it; [`verdict`] puts them together with what the existing records say.

mod bounds;
pub mod bump;
pub mod changes;
mod objects;
mod patterns;
pub mod proof;
pub mod release;
mod rules;
pub mod trial;

use std::sync::Arc;

use bump::Bump;
use changes::{Changes, Effect};
use proof::{Proof, Side};
use trial::Witness;

use serde_json::Value;

use super::compile::base_of;
use super::registry::SchemaFiles;
use super::shelf::Shelf;
use crate::catalog::place::{child_pointer, segments};
use crate::ids::RepoPath;

/// What a new schema does to records that follow the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every one of them follows the new schema.
    Compatible,
    /// There is one, or there can be one, that does not.
    Breaking,
    /// Neither is known.
    Unknown,
}

/// What was tried to come to a verdict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// How many records were asked.
    pub records: usize,
    /// How many followed the old schema and break the new one.
    pub broken: usize,
    /// What came of the proof; nothing where none was tried.
    pub proof: Option<Proof>,
    /// A record that was made to show it.
    pub witness: Option<Witness>,
}

/// The verdict, by the strongest evidence that there is.
pub fn verdict(changes: &Changes, evidence: &Evidence) -> Verdict {
    if evidence.broken > 0 || evidence.witness.is_some() || evidence.proof == Some(Proof::Breaks) {
        Verdict::Breaking
    } else if changes.are_harmless() || evidence.proof == Some(Proof::Covers) {
        Verdict::Compatible
    } else {
        Verdict::Unknown
    }
}

/// The part of the version that a change must move; nothing where the verdict is not known.
pub fn bump(verdict: Verdict, changes: &Changes) -> Option<Bump> {
    match verdict {
        Verdict::Unknown => None,
        Verdict::Breaking => Some(Bump::Major),
        Verdict::Compatible if changes.list.iter().any(|change| change.effect != Effect::Neutral) => Some(Bump::Minor),
        Verdict::Compatible if changes.list.is_empty() => Some(Bump::None),
        Verdict::Compatible => Some(Bump::Patch),
    }
}

/// Takes the rule for the value that names the version out of both schemas, where it differs: that it changes is what
/// versions are for.
pub fn without_version_rule(old: &mut Value, new: &mut Value, version_field: &str) {
    let at = segments(version_field).fold(String::new(), |at, name| child_pointer(&format!("{at}/properties"), &name));
    if at.is_empty() {
        return;
    }
    if let (Some(old), Some(new)) = (old.pointer_mut(&at), new.pointer_mut(&at))
        && old != new
    {
        (*old, *new) = (Value::Bool(true), Value::Bool(true));
    }
}

/// A schema as one side of a proof.
///
/// `schema` is the schema itself, or what a caller has made of it for the comparison.
pub fn side(schema: Value, path: &RepoPath, files: &Arc<dyn SchemaFiles>) -> Side {
    let shelf = Arc::new(Shelf::new(files, path, &schema));
    Side { schema: Arc::new(schema), base: base_of(path), shelf }
}

#[cfg(test)]
mod tests;
