//! The tables: how they are made and brought up to date, and what names a state in them.

use std::borrow::Cow;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::StateError;
use super::fault::Fault;
use crate::adapters::postgres::{escaped, unescaped};
use crate::state::row::{Canonical, check_sum};

/// Each step brings the format from its index to the next; the format is the number of steps taken. `$S` is the schema.
const MIGRATIONS: [&str; 3] =
    [include_str!("format_1.sql"), include_str!("format_2.sql"), include_str!("format_3.sql")];

/// What the session that makes or changes the tables holds: `srst` in ASCII.
const ADVISORY: i64 = 0x7372_7374;

/// Whether the tables are there, and of which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// There are none.
    Absent,
    /// Those of an older version of this program.
    Behind(usize),
    /// Those that this version works with.
    Current,
}

/// Looks at the tables.
pub(super) async fn look(client: &Client, schema: &str, place: &str) -> Result<Format, Fault> {
    if !exists(client, schema, "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relname = 'format'")
        .await?
    {
        return Ok(Format::Absent);
    }
    let row = client.query_typed(&format!("SELECT version FROM {schema}.format"), &[]).await?;
    let found: i64 = row.first().map_or(0, |row| row.get(0));
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match usize::try_from(found) {
        Ok(0) | Err(_) => Err(Fault::Damaged(format!("its tables have format {found}"))),
        Ok(found) if found == MIGRATIONS.len() => Ok(Format::Current),
        Ok(found) if found < MIGRATIONS.len() => Ok(Format::Behind(found)),
        Ok(_) => Err(Fault::State(StateError::Newer { place: place.to_owned(), found, known })),
    }
}

/// Whether there is such a thing in the schema. It is read from the tables themselves: what `to_regclass` and its like
/// answer from may be older than what another session has just committed.
async fn exists(client: &Client, schema: &str, from: &str) -> Result<bool, Fault> {
    let select = format!("SELECT 1 {from} WHERE '\"' || replace(n.nspname, '\"', '\"\"') || '\"' = $1");
    Ok(!client.query_typed(&select, &[(&schema, Type::TEXT)]).await?.is_empty())
}

/// Makes the tables or brings them up to date, within the transaction that is open; one session at a time does.
pub(super) async fn prepare(client: &Client, schema: &str, place: &str) -> Result<(), Fault> {
    client.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&ADVISORY, Type::INT8)]).await?;
    let taken = match look(client, schema, place).await? {
        Format::Current => return Ok(()),
        Format::Behind(taken) => taken,
        Format::Absent => 0,
    };
    if taken == 0 {
        // Who may not make schemas can be given one.
        if !exists(client, schema, "FROM pg_namespace n").await? {
            client.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
        }
    }
    for step in MIGRATIONS.iter().skip(taken) {
        client.batch_execute(&step.replace("$S", schema)).await?;
    }
    let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    client.execute_typed(&format!("UPDATE {schema}.format SET version = $1"), &[(&version, Type::INT8)]).await?;
    Ok(())
}

/// What names a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// What the other tables call the library.
    pub(super) number: i32,
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
        let form = form.maybe(self.run.as_deref()).maybe(self.mark.as_deref()).number(self.targets);
        check_sum(form.maybe(self.moved_to.as_deref()).maybe(self.copying.as_deref()).digest())
    }

    /// Writes it in place of the one with its number.
    pub(super) async fn write(&self, client: &Client, schema: &str) -> Result<(), Fault> {
        let update = format!(
            "UPDATE {schema}.libraries SET name = $2, lineage = $3, serial = $4, run = $5, mark = $6, targets = $7,
                    moved_to = $8, copying = $9, sum = $10
                 WHERE id = $1"
        );
        let values: [(&(dyn ToSql + Sync), Type); 10] = [
            (&self.number, Type::INT4),
            (&escaped(&self.library), Type::TEXT),
            (&escaped(&self.lineage), Type::TEXT),
            (&self.serial, Type::INT8),
            (&maybe(&self.run), Type::TEXT),
            (&maybe(&self.mark), Type::TEXT),
            (&self.targets, Type::INT8),
            (&maybe(&self.moved_to), Type::TEXT),
            (&maybe(&self.copying), Type::TEXT),
            (&self.check_sum(), Type::INT8),
        ];
        client.execute_typed(&update, &values).await?;
        Ok(())
    }
}

fn maybe(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(escaped)
}

/// The head of a library's state, if there is one. `lock` keeps every other writer of it out until the transaction ends.
pub(super) async fn head(client: &Client, schema: &str, library: &str, lock: bool) -> Result<Option<Head>, Fault> {
    let end = if lock { "FOR UPDATE" } else { "" };
    let select = format!(
        "SELECT id, lineage, serial, run, mark, targets, moved_to, copying, sum FROM {schema}.libraries WHERE name = $1 {end}"
    );
    let rows = client.query_typed(&select, &[(&escaped(library), Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text = |at: usize| row.get::<_, Option<&str>>(at).map(unescaped).transpose();
    let head = Head {
        number: row.get(0),
        library: library.to_owned(),
        lineage: unescaped(row.get(1))?,
        serial: row.get(2),
        run: text(3)?,
        mark: text(4)?,
        targets: row.get(5),
        moved_to: text(6)?,
        copying: text(7)?,
    };
    if row.get::<_, i64>(8) == head.check_sum() {
        Ok(Some(head))
    } else {
        Err(Fault::Damaged("its head does not fit its check sum".to_owned()))
    }
}

/// Names a new state, unless another session has just done so.
pub(super) async fn make(client: &Client, schema: &str, library: &str, lineage: &str) -> Result<(), Fault> {
    let insert = format!(
        "INSERT INTO {schema}.libraries (name, lineage, serial, sum) VALUES ($1, $2, 0, $3) ON CONFLICT (name) DO NOTHING"
    );
    let new = Head {
        number: 0,
        library: library.to_owned(),
        lineage: lineage.to_owned(),
        serial: 0,
        run: None,
        mark: None,
        targets: 0,
        moved_to: None,
        copying: None,
    };
    let (name, lineage) = (escaped(library), escaped(lineage));
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&name, Type::TEXT), (&lineage, Type::TEXT), (&new.check_sum(), Type::INT8)];
    client.execute_typed(&insert, &values).await?;
    Ok(())
}
