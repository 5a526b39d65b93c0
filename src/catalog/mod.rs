//! The records of a library: which files they are, what they say, and which files belong to them.
//!
//! A [`tree::Tree`] and the [`collection::Collection`]s give [`record::Candidate`]s; each is loaded into a
//! [`record::Record`] whose every key and value knows its place, and what is valid becomes an [`asset::Asset`].

pub mod asset;
pub mod beside;
pub mod collection;
pub mod declared;
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
    let mut codes = read::CODES.to_vec();
    codes.extend([
        &layout::FILE_MISSING,
        &layout::SYMLINK,
        &layout::NOT_A_FILE,
        &beside::FILE_FORBIDDEN,
        &beside::FILE_UNEXPECTED,
        &references::REFERENCE_MISSING,
        &references::REFERENCE_UNFIT,
        &declared::SIZE_DIFFERS,
        &declared::DIGEST_DIFFERS,
        &links::LINK_DANGLING,
        &names::NAME_COLLISION,
        &names::NAME_GIT,
        &names::NAME_UNPORTABLE,
        &lfs::LFS_POINTER,
        &image::IMAGE_BROKEN,
        &image::IMAGE_FORMAT,
        &image::IMAGE_SIZE,
        &leaks::SECRET,
        &leaks::LEAK,
        &record::ID_MISSING,
        &record::ID_UNFIT,
        &unique::DUPLICATE_ID,
        &unique::DUPLICATE_VALUE,
        &record::TWO_COLLECTIONS,
        &record::UNKNOWN_FORMAT,
        &record::UNREADABLE,
        &record::EMPTY_COLLECTION,
    ]);
    codes
}
