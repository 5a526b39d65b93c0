//! Which schema a record must follow, and whether it does.
//!
//! A [`registry::Registry`] holds the schemas by name and version, compiled when the first record asks;
//! [`choose::choose`] finds the one for a record and [`validate::validate`] turns its objections into findings.

pub mod choose;
pub mod compile;
pub mod diff;
pub mod explain;
pub mod infer;
pub mod keyword;
pub mod load;
pub mod lock;
pub mod lowered;
pub mod registry;
pub mod settings;
pub mod shelf;
pub mod source;
pub mod spelling;
pub mod suspicions;
pub mod validate;
pub mod version;
pub mod weight;

use crate::finding::{Code, codes};

codes! {
    SCHEMA_MISSING "schema-missing"
        "A collection names a schema that the registry does not have, so its records are not checked."
}

/// The finding codes of this room.
pub fn codes() -> Vec<&'static Code> {
    [
        CODES,
        compile::CODES,
        validate::CODES,
        choose::CODES,
        lowered::CODES,
        lock::CODES,
        diff::release::CODES,
        explain::CODES,
        suspicions::CODES,
    ]
    .concat()
}
