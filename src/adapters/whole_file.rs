//! Writes a file whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// What the names of files begin with that are not whole yet.
pub const PARTIAL: &str = ".stockroom-";

/// Writes beside the target and renames: a reader or a power cut sees the old file or the new one. Missing folders are made.
///
/// Whoever may enter the folder may read the file. A symlink in its place is replaced and not followed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder)?;
    // The lock says that somebody is at it. Where files cannot be locked, nothing is ever taken away as left behind.
    let _ = file.as_file().try_lock();
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is for its owner alone.
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename itself is durable when its folder is.
    File::open(folder)?.sync_all()
}

/// Options with which a link is not followed to a file, and nobody waits for a pipe.
pub fn without_links() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

/// A new and empty file; what stood in its place goes, and a link is not followed.
pub fn anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Takes away what writers that were killed have left in a folder: files that were never whole, and that nobody is at.
pub fn clear_partial(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().and_then(|name| name.strip_prefix(PARTIAL)).is_some_and(is_random);
        if is_ours && entry.file_type()?.is_file() && File::open(entry.path())?.try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether this is what `tempfile` puts behind the beginning.
fn is_random(rest: &str) -> bool {
    rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_the_place_of_another_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/file");
        for text in ["first", "second"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        fs::write(folder.path().join("taken/file"), "x").unwrap();
        assert!(write(&folder.path().join("taken"), b"y").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_writer_has_left_is_taken_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".stockroom-a1B2c3", ".stockroom-notes", "stockroom-a1B2c3", ".stockroom-a1B2cZ"] {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        let at_work = File::open(folder.path().join(".stockroom-a1B2cZ")).unwrap();
        at_work.lock().unwrap();
        clear_partial(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".stockroom-a1B2cZ", ".stockroom-notes", "stockroom-a1B2c3"]);
        drop(at_work);
        clear_partial(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn everybody_may_read_it_and_a_symlink_is_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (elsewhere, path) = (folder.path().join("elsewhere"), folder.path().join("file"));
        fs::write(&elsewhere, "theirs").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        write(&path, b"ours").unwrap();
        let facts = fs::symlink_metadata(&path).unwrap();
        assert_eq!((facts.is_file(), facts.permissions().mode() & 0o777), (true, 0o644));
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        assert!(without_links().read(true).open(&link).is_err());
        anew(&link).unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(&link).unwrap(), "ours");
    }
}
