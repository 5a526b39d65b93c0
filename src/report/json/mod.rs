//! What a program reads: frozen, versioned documents, one file each.
//!
//! Nothing here derives from an inner type. Fields may be added within a version, never renamed or removed.

pub mod check;
pub mod targets;
