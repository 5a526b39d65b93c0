//! Delivers what is planned.
