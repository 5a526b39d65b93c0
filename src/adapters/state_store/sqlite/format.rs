//! The file's format: how it is recognised, made and brought up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction};

use super::super::StateError;
use super::fault::Fault;

/// `srst` in ASCII: marks the file as a Stockroom state.
const APPLICATION_ID: i64 = 0x7372_7374;

/// Each step brings the format from its index to the next; the format is the number of steps taken.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        library TEXT NOT NULL,
        lineage TEXT NOT NULL,
        serial INTEGER NOT NULL CHECK (serial >= 0)
    ) STRICT;
    CREATE TABLE targets (
        name TEXT PRIMARY KEY,
        failure TEXT,
        intent_correlation TEXT,
        intent_digest TEXT,
        intent_at INTEGER,
        delivered_commit TEXT,
        delivered_digest TEXT,
        delivered_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE delivered_assets (
        target TEXT NOT NULL,
        collection TEXT NOT NULL,
        asset TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (target, collection, asset)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE history (
        serial INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER history_keeps_what_was BEFORE UPDATE ON history
        BEGIN SELECT RAISE(ABORT, 'the history is only added to'); END;
    CREATE TRIGGER history_keeps_all BEFORE DELETE ON history
        BEGIN SELECT RAISE(ABORT, 'the history is only added to'); END;
    CREATE TABLE files (
        blob TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL CHECK (bytes >= 0)
    ) STRICT, WITHOUT ROWID;
"];

/// What names a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) library: String,
    pub(super) lineage: String,
    pub(super) serial: i64,
}

/// Opens the file. Where there is none, one is made if that is wanted.
pub(super) fn open(place: &Path, create: bool, patience: Duration) -> Result<Option<Connection>, Fault> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Fault::Other(format!("its folder cannot be made: {e}")))?;
        }
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    } else if !place.try_exists().map_err(|e| Fault::Other(e.to_string()))? {
        return Ok(None);
    }
    let mut connection = Connection::open_with_flags(place, flags)?;
    connection.busy_timeout(patience)?;
    // The file may come out of a cache: it gets no function to call and no page to overflow.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    inspect(&connection.transaction()?, place)?;
    write_ahead(&connection)?;
    Ok(Some(connection))
}

/// Refuses a file that is not ours or that is damaged. It takes a transaction, because another process may be making the
/// file just now.
fn inspect(transaction: &Transaction<'_>, place: &Path) -> Result<(), Fault> {
    format(transaction, place)?;
    let check: String = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check == "ok" { Ok(()) } else { Err(Fault::Damaged(check)) }
}

/// Readers do not wait for writers, and a kill leaves whole transactions. The mode stays with the file; when another
/// process is setting it at this moment, it need not be set twice.
fn write_ahead(connection: &Connection) -> Result<(), Fault> {
    let set = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
    match set {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        other => Ok(other?),
    }
}

/// The format of the file, 0 for an empty one; an error when it is not ours to read.
fn format(connection: &Connection, place: &Path) -> Result<usize, Fault> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    if (application, found, tables) == (0, 0, 0) {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Fault::Other("it is a file of another program, or damaged. Move it away".to_owned()));
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match usize::try_from(found) {
        Ok(format) if (1..=MIGRATIONS.len()).contains(&format) => Ok(format),
        _ if found > known => Err(Fault::State(StateError::Newer { place: place.display().to_string(), found, known })),
        _ => Err(Fault::Damaged(format!("format {found}"))),
    }
}

/// What names the state in the file; none in an empty one.
pub(super) fn head(connection: &Connection, place: &Path) -> Result<Option<Head>, Fault> {
    if format(connection, place)? == 0 {
        return Ok(None);
    }
    let read = |row: &rusqlite::Row<'_>| Ok(Head { library: row.get(0)?, lineage: row.get(1)?, serial: row.get(2)? });
    let head = connection.query_row("SELECT library, lineage, serial FROM meta", [], read).optional()?;
    head.ok_or_else(|| Fault::damaged(&"it names no library")).map(Some)
}

/// Brings the format up to date within the transaction, and names the state where it is new.
pub(super) fn prepare(transaction: &Transaction<'_>, place: &Path, new: &Head) -> Result<Head, Fault> {
    let format = format(transaction, place)?;
    for step in MIGRATIONS.iter().skip(format) {
        transaction.execute_batch(step)?;
    }
    if format < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    }
    if format == 0 {
        let values = (&new.library, &new.lineage, new.serial);
        transaction.execute("INSERT INTO meta (one, library, lineage, serial) VALUES (1, ?1, ?2, ?3)", values)?;
    }
    head(transaction, place)?.ok_or_else(|| Fault::damaged(&"it names no library"))
}
