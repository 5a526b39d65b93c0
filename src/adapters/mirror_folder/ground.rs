//! What is in the folder, for whoever decides what is done to it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{MirrorFolder, is_absence};
use crate::ids::Sha256Hex;
use crate::mirror::plan::{Ground, Seen};

fn holds_others(root: &Path, folder: &Path, but: &BTreeSet<&str>) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, place) = (entry.file_type()?, entry.path());
        let is_known = place.strip_prefix(root).ok().and_then(Path::to_str).is_some_and(|path| but.contains(path));
        if !(if kind.is_dir() { !holds_others(root, &place, but)? } else { kind.is_file() && is_known }) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Ground for MirrorFolder {
    fn look(&mut self, path: &str) -> Seen {
        match fs::symlink_metadata(self.place(path)) {
            Ok(facts) if facts.is_file() => Seen::File(facts.len()),
            Ok(facts) if facts.is_dir() => Seen::Folder,
            Ok(facts) if facts.is_symlink() => Seen::Other("a symbolic link"),
            Ok(_) => Seen::Other("neither a file nor a folder"),
            Err(error) if is_absence(&error) => Seen::Nothing,
            Err(_) => Seen::Other("something that cannot be looked at"),
        }
    }

    fn digest(&mut self, path: &str) -> Option<Sha256Hex> {
        if !matches!(self.look(path), Seen::File(_)) {
            return None;
        }
        let mut file = File::open(self.place(path)).ok()?;
        Sha256Hex::of_stream(&mut file).ok().map(|(sha256, _)| sha256)
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        self.file(path).ok().flatten()
    }

    fn is_one(&mut self, path: &str, other: &str) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let file = |path| fs::symlink_metadata(self.place(path)).map(|facts| (facts.dev(), facts.ino())).ok();
            file(path).is_some_and(|found| file(other) == Some(found))
        }
        #[cfg(not(unix))]
        {
            let file = |path| fs::canonicalize(self.place(path)).ok();
            file(path).is_some_and(|found| file(other) == Some(found))
        }
    }

    fn holds_others(&mut self, path: &str, but: &BTreeSet<&str>) -> bool {
        holds_others(&self.folder, &self.place(path), but).unwrap_or(true)
    }
}
