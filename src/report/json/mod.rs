//! What a program reads: frozen, versioned documents, one file each.
//!
//! Nothing here derives from an inner type. Fields may be added within a version, never renamed or removed.

pub mod check;
pub mod doctor;
pub mod schema_diff;
pub mod state;
pub mod status;
pub mod targets;

/// A document, indented, in the order of its fields, ending in a line break.
pub(super) fn pretty(document: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    format!("{text}\n")
}
