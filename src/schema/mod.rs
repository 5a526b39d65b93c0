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
pub mod lint;
pub mod lock;
pub mod lowered;
pub mod notation;
pub mod registry;
pub mod settings;
pub mod shelf;
pub mod source;
pub mod validate;
pub mod version;
pub mod weight;

use crate::finding::Code;

/// A collection names a schema that the registry does not have.
pub static SCHEMA_MISSING: Code = Code {
    id: "schema-missing",
    meaning: "A collection names a schema that the registry does not have, so its records are not checked.",
};

/// The finding codes of this room.
pub fn codes() -> Vec<&'static Code> {
    let mut codes = vec![
        &compile::SCHEMA_BROKEN,
        &compile::SCHEMA_TOO_LARGE,
        &validate::TOO_LARGE_TO_EXPLAIN,
        &SCHEMA_MISSING,
        &choose::VERSION_MISSING,
        &choose::VERSION_UNKNOWN,
        &choose::VERSION_NOT_TEXT,
        &choose::SCHEMA_UNKNOWN,
        &lowered::VERSION_LOWERED,
        &lock::SCHEMA_EDITED,
        &lock::SCHEMA_SOURCE_PROPOSED,
        &diff::release::SCHEMA_BUMP,
    ];
    codes.extend(explain::CODES);
    codes.extend(lint::CODES);
    codes
}
