//! The records of a library: which files they are, what they say, and which files belong to them.
//!
//! A [`tree::Tree`] and the [`collection::Collection`]s give [`record::Candidate`]s; each is loaded into a
//! [`record::Record`] whose every key and value knows its place, and what is valid becomes an [`asset::Asset`].

pub mod asset;
pub mod beside;
pub mod collection;
pub mod declared;
pub mod fact;
pub mod image;
pub mod layout;
pub mod leaks;
pub mod lfs;
pub mod limits;
pub mod links;
pub mod lint;
pub mod names;
pub mod neighbours;
pub mod place;
pub mod pointer;
pub mod propose;
pub mod read;
pub mod record;
pub mod references;
pub mod settings;
pub mod template;
pub mod tree;
pub mod unique;

use crate::finding::Code;

/// The finding codes of this room.
pub fn codes() -> Vec<&'static Code> {
    [
        read::CODES,
        layout::CODES,
        beside::CODES,
        references::CODES,
        declared::CODES,
        links::CODES,
        limits::CODES,
        names::CODES,
        lfs::CODES,
        image::CODES,
        leaks::CODES,
        record::CODES,
        unique::CODES,
    ]
    .concat()
}
