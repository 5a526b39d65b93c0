//! What every SQLite file of ours has in common: how it is opened, and how it is moved away.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Result};

/// Opens a file, which may come out of a cache: it gets no function to call and no page to overflow.
///
/// `create` makes one where there is none. Another process is waited for as long as `patience` lasts.
pub(super) fn open(place: &Path, create: bool, patience: Duration) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(place, flags)?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // What was recorded or paid for survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Lets readers not wait for a writer, and a kill leave whole transactions. The mode stays with the file; when another
/// process is setting it at this moment, it need not be set twice.
pub(super) fn write_ahead(connection: &Connection) -> Result<()> {
    match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        other => other,
    }
}

/// What is wrong with the file's structure, if something is.
pub(super) fn damage(connection: &Connection) -> Result<Option<String>> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((verdict != "ok").then(|| verdict.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Moves a file out of the way, with what stands beside it; says where it is now.
pub(super) fn set_aside(place: &Path, extension: &str) -> io::Result<PathBuf> {
    let aside = place.with_extension(extension);
    std::fs::rename(place, &aside)?;
    remove_all(place, &["-wal", "-shm"])?;
    Ok(aside)
}

/// Removes a file, if it is there, and what SQLite keeps beside it.
pub(super) fn remove(place: &Path) -> io::Result<()> {
    remove_all(place, &["", "-wal", "-shm"])
}

fn remove_all(place: &Path, ends: &[&str]) -> io::Result<()> {
    for end in ends {
        let mut file = place.as_os_str().to_owned();
        file.push(end);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
