//! Holds the rooms to the table in ARCHITECTURE.md.
