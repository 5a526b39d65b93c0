//! What a folder that follows a published manifest has, what it lacks, and what it may take: all of `pull` and `verify` that
//! decides and does nothing.
//!
//! A [`request::Request`] says where the manifest is, and which edition of it is wanted. [`route::Route`] asks for the documents that lead from the [`record`] of
//! what the folder has to the catalogue that the root names, and believes none of them that does not. [`plan::plan`] turns the
//! two into what is fetched, placed and taken away, and refuses what must not be written before anything is.

pub mod admission;
pub mod choice;
pub mod cost;
pub mod documents;
pub mod draft;
#[cfg(test)]
pub(crate) mod fixture;
pub mod journal;
pub mod names;
pub mod outcome;
pub mod plan;
pub mod proof;
pub mod record;
pub mod request;
pub mod route;
pub mod source;

#[cfg(test)]
mod tests;
