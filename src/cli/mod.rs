//! (being built)

pub mod captured;
pub mod console;
pub mod step_files;
