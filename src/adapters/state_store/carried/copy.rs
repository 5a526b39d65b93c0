//! Copies of SQLite files at one moment, while others may be reading and writing them.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

/// How long another process may hold a file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives `to` the content of `from` in one transaction; whoever has `to` open sees it from then on.
///
/// Page by page, so that what is the same stays where it is.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let copied = || -> rusqlite::Result<()> {
        let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut target = Connection::open(to)?;
        source.busy_timeout(PATIENCE)?;
        target.busy_timeout(PATIENCE)?;
        Backup::new(&source, &mut target)?.run_to_completion(i32::MAX, Duration::from_millis(50), None)
    };
    copied().map_err(io::Error::other)
}
