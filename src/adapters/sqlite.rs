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

/// What a file is made of: every table, index, trigger and view, with the statement that made it, spaces aside.
pub(super) type Shape = Vec<(String, String, Option<String>)>;

/// The shape of a file. Whoever may write a file may write one that looks like ours and works on for ever as soon as it is
/// read; so this is compared before anything else is asked.
pub(super) fn shape(connection: &Connection) -> Result<Shape> {
    let mut statement = connection.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")?;
    let row = |row: &rusqlite::Row<'_>| {
        let sql: Option<String> = row.get(2)?;
        let sql = sql.map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "));
        Ok((row.get(0)?, row.get(1)?, sql))
    };
    statement.query_map([], row)?.collect()
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
