//! The way to a PostgreSQL database: no kind of its own; the address and the connection that others use.

mod address;
mod connect;
#[cfg(test)]
#[path = "../../../tests/it/postgres_server.rs"]
pub mod test_server;
#[cfg(test)]
mod tests;
mod text;

pub use address::{Address, NotAnAddress};
pub use connect::{Fault, connect};
pub use text::{NotEscaped, escaped, unescaped};
