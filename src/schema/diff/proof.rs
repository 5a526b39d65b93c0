//! Whether a schema accepts all that another accepts, as a question of sets: the validator's canonical form decides it for
//! most schemas, and says so where it cannot.

use std::sync::Arc;

use jsonschema::PatternOptions;
use jsonschema::canonical::{
    self, CanonicalKind, CanonicalSchema, CanonicalizationError, Containment, OperandMismatch,
};
use serde_json::{Map, Value};

use super::changes::Introduced;
use crate::schema::compile::{BACKTRACK_LIMIT, PATTERN_SIZE_LIMIT};
use crate::schema::settings::{FormatPolicy, Policy};
use crate::schema::shelf::{Shelf, Shelved};
use crate::schema::weight::weigh;

/// Up to which weight of both schemas together a proof is tried.
///
/// Beyond it the canonical form may take minutes; what people write by hand weighs some hundreds.
pub const HEAVIEST: usize = 5_000;

/// A schema with all that is needed to read it.
#[derive(Clone)]
pub struct Side {
    /// The schema.
    pub schema: Arc<Value>,
    /// What its relative references are relative to.
    pub base: String,
    /// What it may refer to.
    pub(in crate::schema) shelf: Arc<Shelf>,
}

/// What came of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Every value that follows the old schema follows the new one.
    Covers,
    /// Some value follows the old schema and not the new one.
    Breaks,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Tries to prove that the new schema accepts all that the old one accepts, of values that have nothing which is introduced.
///
/// It takes a deep stack and, for strange schemas, seconds: who calls it gives it a thread and a deadline.
pub fn prove(old: &Side, new: &Side, introduced: &[Introduced], policy: Policy) -> Proof {
    if weigh(&old.schema).saturating_add(weigh(&new.schema)) > HEAVIEST {
        return Proof::Unknown("the schemas are too large for a proof".to_owned());
    }
    if policy.draft_of(&old.schema) != policy.draft_of(&new.schema) {
        return Proof::Unknown("the schemas follow different drafts".to_owned());
    }
    let mut narrowed = old.schema.as_ref().clone();
    if !introduced.iter().all(|one| forbid(&mut narrowed, one)) {
        return Proof::Unknown("the schemas are built too differently".to_owned());
    }
    let both = canonical(old, &narrowed, policy).and_then(|old| Ok((old, canonical(new, &new.schema, policy)?)));
    let (old, new) = match both {
        Ok(both) => both,
        Err(why) => return Proof::Unknown(reason(&why)),
    };
    if [&old, &new].iter().any(|side| side.kind() == CanonicalKind::Raw) {
        return Proof::Unknown("a schema uses keywords that the prover does not reason about".to_owned());
    }
    match new.covers(&old) {
        Ok(Containment::Yes) => Proof::Covers,
        Ok(Containment::No) => Proof::Breaks,
        Ok(Containment::Unknown) => Proof::Unknown("the prover reached no decision".to_owned()),
        Err(why) => Proof::Unknown(reason(&why)),
    }
}

fn canonical(side: &Side, schema: &Value, policy: Policy) -> Result<CanonicalSchema, CanonicalizationError> {
    let patterns = PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(PATTERN_SIZE_LIMIT);
    canonical::options()
        .offline()
        .with_retriever(Shelved(Arc::clone(&side.shelf)))
        .with_base_uri(side.base.clone())
        .with_draft(policy.draft_of(schema).draft())
        .should_validate_formats(policy.format == FormatPolicy::Assert)
        .with_pattern_options(patterns)
        .canonicalize(schema)
}

fn reason(why: &CanonicalizationError) -> String {
    match why {
        CanonicalizationError::IncompatibleOperands(OperandMismatch::DocumentRoots) => {
            "both schemas refer to themselves as a whole".to_owned()
        }
        CanonicalizationError::IncompatibleOperands(_) => "the schemas refer to others that differ".to_owned(),
        _ => "the prover could not read the schemas".to_owned(),
    }
}

/// Lets no value through that has the member at this place.
fn forbid(schema: &mut Value, introduced: &Introduced) -> bool {
    let Some(Value::Object(members)) = schema.pointer_mut(&introduced.schema) else { return false };
    let properties = members.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(properties) = properties else { return false };
    properties.insert(introduced.name.clone(), Value::Bool(false));
    true
}
