//! The rows of a file in order, and a file that is filled row by row.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::StateError;
use super::super::moving::{PAGE, Page, StateRows};
use super::SqliteState;
use super::chunks;
use super::fault::Fault;
use super::format::Head;
use super::rows::{self, unsigned};
use super::shape::{Shape, read, shape};
use crate::adapters::sqlite;
use crate::state::Serial;
use crate::state::moving::{Copying, Standing};
use crate::state::row::{Row, Table};

/// A place in a table's order as text: a JSON list of the values of its order, bytes in hex.
fn to_text(values: &[Value]) -> String {
    let json = |value: &Value| match value {
        Value::Integer(number) => serde_json::Value::from(*number),
        Value::Text(text) => serde_json::Value::from(text.as_str()),
        Value::Blob(bytes) => serde_json::Value::from(vec![hex::encode(bytes)]),
        Value::Null | Value::Real(_) => serde_json::Value::Null,
    };
    serde_json::Value::from(values.iter().map(json).collect::<Vec<_>>()).to_string()
}

fn from_text(text: &str) -> Result<Vec<Value>, Fault> {
    let unknown = || Fault::Other(format!("{text:?} is no place in a table"));
    let values: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|_| unknown())?;
    let value = |value: &serde_json::Value| match value {
        serde_json::Value::Number(number) => number.as_i64().map(Value::Integer),
        serde_json::Value::String(text) => Some(Value::Text(text.clone())),
        serde_json::Value::Array(bytes) => {
            bytes.first().and_then(|hex| hex::decode(hex.as_str()?).ok()).map(Value::Blob)
        }
        _ => None,
    };
    values.iter().map(|one| value(one).ok_or_else(unknown)).collect()
}

fn page(connection: &Connection, table: Table, after: Option<&str>) -> Result<Page, Fault> {
    let Shape { order, columns, from } = shape(table);
    let order = order.join(", ");
    let values = after.map(from_text).transpose()?.unwrap_or_default();
    let later = match values.len() {
        0 => String::new(),
        count => format!("WHERE ({order}) > ({})", vec!["?"; count].join(", ")),
    };
    let select = format!("SELECT {columns}, {order} FROM {from} {later} ORDER BY {order} LIMIT {PAGE}");
    let mut statement = connection.prepare_cached(&select)?;
    let (count, keys) = (statement.column_count(), shape(table).order.len());
    let mut found = statement.query(params_from_iter(values))?;
    let (mut rows, mut last) = (Vec::new(), None);
    while let Some(row) = found.next()? {
        rows.push(read(table, row, count - keys - 1)?);
        last = Some((count - keys..count).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()?);
    }
    Ok(Page { rows, last: last.map(|values| to_text(&values)) })
}

fn put(connection: &Connection, rows: Vec<Row>) -> Result<(), Fault> {
    let mut chunks = Vec::new();
    for row in rows {
        match row {
            Row::Target(row) => rows::put_target(connection, &row)?,
            Row::Asset(row) => rows::put_asset(connection, &row)?,
            Row::Run(row) => rows::put_run(connection, &row)?,
            Row::RunEnd(row) => rows::put_run_end(connection, &row)?,
            Row::History(row) => rows::put_history(connection, &row)?,
            Row::File(row) => rows::put_file(connection, &row)?,
            Row::Chunk(row) => chunks.push(row),
        }
    }
    chunks::put(connection, &chunks)
}

fn table_name(table: Table) -> &'static str {
    match table {
        Table::Assets => "delivered_assets",
        other => other.as_str(),
    }
}

/// Takes every row away, those of the history too: it is another state's from now on.
fn clear(connection: &Connection) -> Result<(), Fault> {
    let kept = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let mut statement = connection.prepare(kept)?;
    let triggers: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    for table in Table::ALL.map(table_name).into_iter().chain(["texts", "namespaces"]) {
        connection.execute_batch(&format!("DELETE FROM {table}"))?;
    }
    for (_, sql) in &triggers {
        connection.execute_batch(sql)?;
    }
    Ok(())
}

#[async_trait]
impl StateRows for SqliteState {
    async fn standing(&self) -> Result<Option<Standing>, StateError> {
        self.blocking(|store, session| {
            store.reading(session, |_, head| {
                let copying = head.copying.as_deref().map(|text| {
                    Copying::parse(text).ok_or_else(|| Fault::Damaged("how far its copy is cannot be read".to_owned()))
                });
                Ok(Standing {
                    library: head.library,
                    lineage: head.lineage,
                    serial: Serial(unsigned(head.serial)?),
                    run: head.run,
                    mark: head.mark,
                    targets: head.targets,
                    moved_to: head.moved_to,
                    copying: copying.transpose()?,
                })
            })
        })
        .await
    }

    async fn page(&self, table: Table, after: Option<&str>) -> Result<Page, StateError> {
        let after = after.map(str::to_owned);
        self.blocking(move |store, session| {
            let found = store.reading(session, |transaction, _| page(transaction, table, after.as_deref()))?;
            Ok(found.unwrap_or(Page { rows: Vec::new(), last: None }))
        })
        .await
    }

    async fn count(&self, table: Table) -> Result<u64, StateError> {
        self.blocking(move |store, session| {
            let count = format!("SELECT count(*) FROM {}", table_name(table));
            let count = store
                .reading(session, |transaction, _| unsigned(transaction.query_row(&count, [], |row| row.get(0))?))?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    async fn begin_copy(&self, of: &Standing, copying: &Copying) -> Result<(), StateError> {
        let (of, copying) = (of.clone(), copying.to_text());
        self.blocking(move |store, session| {
            session.seen = false;
            store.writing(session, |transaction, _| {
                clear(transaction)?;
                let head = Head {
                    library: store.library.clone(),
                    lineage: of.lineage,
                    serial: i64::try_from(of.serial.0).map_err(|error| Fault::Other(error.to_string()))?,
                    run: of.run,
                    mark: of.mark,
                    targets: of.targets,
                    moved_to: None,
                    copying: Some(copying),
                };
                head.write(transaction)
            })
        })
        .await
    }

    async fn copy_rows(&self, table: Table, rows: Vec<Row>, copying: &Copying) -> Result<(), StateError> {
        let copying = copying.to_text();
        debug_assert!(rows.iter().all(|row| row.table() == table));
        self.blocking(move |store, session| {
            store.writing(session, |transaction, head| {
                put(transaction, rows)?;
                Head { copying: Some(copying), ..head }.write(transaction)
            })
        })
        .await
    }

    async fn end_copy(&self) -> Result<(), StateError> {
        self.blocking(|store, session| {
            store.writing(session, |transaction, head| Head { copying: None, ..head }.write(transaction))
        })
        .await
    }

    async fn mark_moved(&self, to: &str) -> Result<(), StateError> {
        let to = to.to_owned();
        self.blocking(move |store, session| {
            store.writing(session, |transaction, head| Head { moved_to: Some(to), ..head }.write(transaction))
        })
        .await
    }

    async fn rehearse(&self) -> Result<(), StateError> {
        let place = self.place.clone();
        self.blocking(move |store, session| {
            if let Some(connection) = store.connection(session, false)? {
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
                return Ok(());
            }
            let refused = |error: std::io::Error| Fault::Other(format!("its folder cannot be written: {error}"));
            let mut folders = place.ancestors().skip(1);
            match folders.find(|folder| folder.is_dir()) {
                Some(folder) => tempfile::tempfile_in(folder).map(drop).map_err(refused),
                None => Ok(()),
            }
        })
        .await
    }

    async fn delete(&self) -> Result<(), StateError> {
        self.blocking(|store, session| {
            session.connection = None;
            session.seen = false;
            sqlite::remove(&store.place).map_err(|error| Fault::Other(format!("it cannot be deleted: {error}")))
        })
        .await
    }
}
