//! The file's format: how it is recognised, made and brought up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::super::StateError;
use super::fault::Fault;
use super::upgrade;
use crate::adapters::sqlite;
use crate::state::row::{Canonical, check_sum};

/// `srst` in ASCII: marks the file as a Stockroom state.
const APPLICATION_ID: i64 = 0x7372_7374;

/// Brings the format one step further.
type Step = fn(&Transaction<'_>) -> Result<(), Fault>;

/// Each step brings the format from its index to the next; the format is the number of steps taken.
const MIGRATIONS: [Step; 4] = [
    upgrade::first_tables,
    upgrade::check_sums_runs_and_chunks,
    upgrade::dimensions_of_images,
    upgrade::arrivals_and_what_is_withheld,
];

/// What names a state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) library: String,
    pub(super) lineage: String,
    pub(super) serial: i64,
    /// The run that has begun and not ended.
    pub(super) run: Option<String>,
    /// The index that the chunk rows are of.
    pub(super) mark: Option<String>,
    /// The check sums of the targets' rows, added up: a target that has got lost is missed.
    pub(super) targets: i64,
    /// Where the state was moved to.
    pub(super) moved_to: Option<String>,
    /// How far the copy is that is being made here.
    pub(super) copying: Option<String>,
}

impl Head {
    fn check_sum(&self) -> i64 {
        let form = Canonical::named("head").text(&self.library).text(&self.lineage).number(self.serial);
        let form = form.maybe(self.run.as_deref()).maybe(self.mark.as_deref());
        let form = form.number(self.targets).maybe(self.moved_to.as_deref());
        check_sum(form.maybe(self.copying.as_deref()).digest())
    }

    /// Writes it in place of the one that is there.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), Fault> {
        let sql =
            "INSERT OR REPLACE INTO meta (one, library, lineage, serial, run, mark, targets, moved_to, copying, sum)
            VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let Self { library, lineage, serial, run, mark, targets, moved_to, copying } = self;
        let values = (library, lineage, serial, run, mark, targets, moved_to, copying, self.check_sum());
        connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

/// Opens the file. Where there is none, one is made if that is wanted.
pub(super) fn open(place: &Path, create: bool, patience: Duration) -> Result<Option<Connection>, Fault> {
    if create {
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Fault::Other(format!("its folder cannot be made: {e}")))?;
        }
    } else if !place.try_exists().map_err(|e| Fault::Other(e.to_string()))? {
        return Ok(None);
    }
    let mut connection = sqlite::open(place, create, patience)?;
    inspect(&connection.transaction()?, place)?;
    sqlite::write_ahead(&connection)?;
    Ok(Some(connection))
}

/// Refuses a file that is not ours or that is damaged. It takes a transaction, because another process may be making the
/// file just now.
fn inspect(transaction: &Transaction<'_>, place: &Path) -> Result<(), Fault> {
    let format = format(transaction, place)?;
    if sqlite::shape(transaction)? != shape_of(format)? {
        return Err(Fault::Damaged("its tables are not those of a state".to_owned()));
    }
    match sqlite::damage(transaction)? {
        None => Ok(()),
        Some(what) => Err(Fault::Damaged(what)),
    }
}

/// What a file of this format is made of.
fn shape_of(format: usize) -> Result<sqlite::Shape, Fault> {
    let mut pattern = Connection::open_in_memory()?;
    let transaction = pattern.transaction()?;
    for step in MIGRATIONS.iter().take(format) {
        step(&transaction)?;
    }
    Ok(sqlite::shape(&transaction)?)
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
        return Err(Fault::Damaged("it is a file of another program, or its head is gone".to_owned()));
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match usize::try_from(found) {
        Ok(format) if (1..=MIGRATIONS.len()).contains(&format) => Ok(format),
        // A number far from ours is no format of the future but a flipped bit.
        _ if (known..known.saturating_add(1_000)).contains(&found) => {
            Err(Fault::State(StateError::Newer { place: place.display().to_string(), found, known }))
        }
        _ => Err(Fault::Damaged(format!("format {found}"))),
    }
}

/// What names the state in the file; none in an empty one, or in one of an older format: to be brought up to date first.
pub(super) fn head(connection: &Connection, place: &Path) -> Result<Option<Head>, Fault> {
    if format(connection, place)? < MIGRATIONS.len() {
        return Ok(None);
    }
    read_head(connection).map(Some)
}

/// Whether the file holds a state of an older format.
pub(super) fn is_behind(connection: &Connection, place: &Path) -> Result<bool, Fault> {
    Ok((1..MIGRATIONS.len()).contains(&format(connection, place)?))
}

fn read_head(connection: &Connection) -> Result<Head, Fault> {
    let read = |row: &rusqlite::Row<'_>| {
        let head = Head {
            library: row.get(0)?,
            lineage: row.get(1)?,
            serial: row.get(2)?,
            run: row.get(3)?,
            mark: row.get(4)?,
            targets: row.get(5)?,
            moved_to: row.get(6)?,
            copying: row.get(7)?,
        };
        Ok((head, row.get::<_, i64>(8)?))
    };
    let sql = "SELECT library, lineage, serial, run, mark, targets, moved_to, copying, sum FROM meta";
    let head = connection.query_row(sql, [], read).optional()?;
    let (head, sum) = head.ok_or_else(|| Fault::damaged(&"it names no library"))?;
    if sum == head.check_sum() { Ok(head) } else { Err(Fault::damaged(&"its head does not fit its check sum")) }
}

/// Brings the format up to date within the transaction, and names the state where it is new.
pub(super) fn prepare(transaction: &Transaction<'_>, place: &Path, new: &Head) -> Result<Head, Fault> {
    let format = format(transaction, place)?;
    for step in MIGRATIONS.iter().skip(format) {
        step(transaction)?;
    }
    if format < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    }
    if format == 0 {
        new.write(transaction)?;
    }
    read_head(transaction)
}
