//! The tables: whose they are, how they are made and brought up to date; and the extension that they stand on.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::fault::Fault;

/// Each step brings the format from its index to the next; the format is the number of steps taken. `$S` is the schema.
const MIGRATIONS: [&str; 1] = [include_str!("format_1.sql")];

/// What the session that makes or changes tables holds: `srvi` in ASCII.
const ADVISORY: i64 = 0x7372_7669;

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

/// The extension, as this database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extension {
    /// Its schema, in the quotes that SQL wants: it need not be where names are looked for.
    pub(super) schema: String,
    /// Its version, such as 0.8.0.
    pub(super) version: String,
}

/// In the quotes that SQL wants.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Looks at the tables.
pub(super) async fn look(client: &Client, schema: &str) -> Result<Format, Fault> {
    if !tables(client, schema).await?.iter().any(|name| name == "index_format") {
        return Ok(Format::Absent);
    }
    let row = client.query_typed(&format!("SELECT version FROM {}.index_format", quoted(schema)), &[]).await?;
    let found: i64 = row.first().map_or(0, |row| row.get(0));
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match usize::try_from(found) {
        Ok(0) | Err(_) => Err(Fault::Damaged(format!("its tables have format {found}"))),
        Ok(found) if found == MIGRATIONS.len() => Ok(Format::Current),
        Ok(found) if found < MIGRATIONS.len() => Ok(Format::Behind(found)),
        Ok(_) => Err(Fault::Newer(found, known)),
    }
}

/// The names of what is in the schema, ours first. They are read from the catalog's own tables: what `to_regclass` and its like
/// answer from may be older than what another session has just committed.
async fn tables(client: &Client, schema: &str) -> Result<Vec<String>, Fault> {
    let select = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                      ORDER BY c.relname NOT IN ('index_format', 'format', 'libraries'), c.relname LIMIT 100";
    let rows = client.query_typed(select, &[(&schema, Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Holds, until the transaction ends, what every session needs that makes tables.
pub(super) async fn alone(client: &Client) -> Result<(), Fault> {
    client.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&ADVISORY, Type::INT8)]).await?;
    Ok(())
}

/// Makes the tables or brings them up to date, within the transaction that is open; one session at a time does.
pub(super) async fn prepare(client: &Client, schema: &str) -> Result<(), Fault> {
    alone(client).await?;
    let taken = match look(client, schema).await? {
        Format::Current => return Ok(()),
        Format::Behind(taken) => taken,
        Format::Absent => 0,
    };
    if taken == 0 {
        make_room(client, schema).await?;
    }
    for step in MIGRATIONS.iter().skip(taken) {
        client.batch_execute(&step.replace("$S", &quoted(schema))).await?;
    }
    let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let update = format!("UPDATE {}.index_format SET version = $1", quoted(schema));
    client.execute_typed(&update, &[(&version, Type::INT8)]).await?;
    Ok(())
}

/// Makes the schema, unless it was made for us. One in which others keep their tables is left alone; the state's are ours.
async fn make_room(client: &Client, schema: &str) -> Result<(), Fault> {
    let found = client.query_typed("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[(&schema, Type::TEXT)]).await?;
    if found.is_empty() {
        client.batch_execute(&format!("CREATE SCHEMA {}", quoted(schema))).await?;
        return Ok(());
    }
    let found = tables(client, schema).await?;
    let is_states = ["format", "libraries"].iter().all(|ours| found.iter().any(|name| name == ours));
    match found.first() {
        Some(other) if !is_states => Err(Fault::refused(format!(
            "its schema {schema:?} holds tables of somebody else, such as {other:?}. Give `name` the name of a schema that \
             is there for the index alone, or of one that is not there yet"
        ))),
        _ => Ok(()),
    }
}

/// The extension, if the database has it; too old a one is an error.
pub(super) async fn extension(client: &Client) -> Result<Option<Extension>, Fault> {
    let select =
        "SELECT n.nspname::text, e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                      WHERE e.extname = 'vector'";
    let rows = client.query_typed(select, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let version: String = row.get(1);
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (0, 7) {
        return Err(Fault::refused(format!(
            "the database has pgvector {version}, and 0.7 or newer is needed, which knows half precision. Run \
             `ALTER EXTENSION vector UPDATE`; if it stays the same, the server needs a newer pgvector first"
        )));
    }
    Ok(Some(Extension { schema: quoted(row.get(0)), version }))
}

/// The extension, installed if need be and allowed.
pub(super) async fn installed(client: &Client) -> Result<Extension, Fault> {
    if let Some(extension) = extension(client).await? {
        return Ok(extension);
    }
    // Two sessions that install it at once are in each other's way.
    alone(client).await?;
    if let Some(extension) = extension(client).await? {
        return Ok(extension);
    }
    let offered = client.query_typed("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'", &[]).await?;
    if offered.is_empty() {
        return Err(Fault::refused(
            "the server does not have pgvector. Install it there (Debian: the package postgresql-NN-pgvector, NN being the \
             version of PostgreSQL), or take a database that has it",
        ));
    }
    // Supabase keeps extensions in a schema of that name.
    let home = client.query_typed("SELECT 1 FROM pg_namespace WHERE nspname = 'extensions'", &[]).await?;
    let home = if home.is_empty() { "public" } else { "extensions" };
    let created = client.batch_execute(&format!("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA {home}")).await;
    created.map_err(|error| {
        let said = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        Fault::refused(format!(
            "the database has no pgvector yet, and this user may not install it ({said}). Ask whoever administers the \
             database to run `CREATE EXTENSION vector;` in it, once"
        ))
    })?;
    extension(client).await?.ok_or_else(|| Fault::refused("pgvector was installed, and is not there"))
}
