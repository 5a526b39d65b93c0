//! Whole runs of the built binary.
