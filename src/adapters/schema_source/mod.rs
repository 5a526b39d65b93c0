//! Where schemas come from; in this version, a folder of the library.

mod folder;

pub use folder::FolderSource;
