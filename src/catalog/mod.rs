//! The records of a library: which files they are, what they say, and which files belong to them.
//!
//! A [`tree::Tree`] and the [`collection::Collection`]s give [`record::Candidate`]s; each is loaded into a
//! [`record::Record`] whose every key and value knows its place, and what is valid becomes an [`asset::Asset`].

pub mod asset;
pub mod collection;
pub mod layout;
pub mod place;
pub mod pointer;
pub mod propose;
pub mod read;
pub mod record;
pub mod settings;
pub mod template;
pub mod tree;

use crate::finding::Code;

/// The finding codes of this room.
pub fn codes() -> Vec<&'static Code> {
    let mut codes = read::CODES.to_vec();
    codes.extend([
        &layout::FILE_MISSING,
        &layout::SYMLINK,
        &record::ID_MISSING,
        &record::ID_UNFIT,
        &record::DUPLICATE_ID,
        &record::DUPLICATE_VALUE,
        &record::TWO_COLLECTIONS,
        &record::UNKNOWN_FORMAT,
        &record::UNREADABLE,
        &record::EMPTY_COLLECTION,
    ]);
    codes
}
