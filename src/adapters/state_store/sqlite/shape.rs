//! What a row of each table looks like in the file, for whoever reads one.

use rusqlite::{Connection, Params, Row as Found};

use super::chunks;
use super::fault::Fault;
use super::rows::{self, checked, parsed, unsigned};
use crate::ids::{AssetId, AssetKey, BlobId, CollectionName, CommitId, RunId, Sha256Hex, TargetName};
use crate::state::row::{AssetRow, FileRow, Row, Table};
use crate::state::{HistoryEntry, Run, RunEnd, RunResult, Serial, Timestamp};

/// The order of a table, what is selected of it, and from where. The selection ends with the check sum.
pub(super) struct Shape {
    pub(super) order: &'static [&'static str],
    pub(super) columns: &'static str,
    pub(super) from: &'static str,
}

/// The shape of a table.
pub(super) fn shape(table: Table) -> Shape {
    let (order, columns, from): (&[&str], _, _) = match table {
        Table::Targets => (&["name"], rows::TARGET, "targets"),
        Table::Assets => {
            (&["target", "collection", "asset"], "target, collection, asset, digest, sum", "delivered_assets")
        }
        Table::Runs => (&["position"], "id, who, event, command, at_commit, link, at, sum", "runs"),
        Table::RunEnds => (&["run"], "run, result, detail, at, sum", "run_ends"),
        Table::History => (&["serial"], "serial, at, run, target, kind, detail, sum", "history"),
        Table::Files => (&["blob"], "blob, sha256, bytes, width, height, sum", "files"),
        Table::Chunks => (
            &["chunks.namespace", "chunks.id"],
            "namespaces.name, chunks.id, texts.collection, texts.asset, texts.path, chunks.position, chunks.hash, \
             chunks.stored, chunks.sum",
            "chunks LEFT JOIN namespaces ON namespaces.id = chunks.namespace LEFT JOIN texts ON texts.id = chunks.text",
        ),
    };
    Shape { order, columns, from }
}

/// The row in a table's columns; the check sum is in column `sum`.
pub(super) fn read(table: Table, row: &Found<'_>, sum: usize) -> Result<Row, Fault> {
    let text = |at: usize| row.get::<_, String>(at);
    let found = match table {
        // They are held against their check sums there.
        Table::Targets => return Ok(Row::Target(rows::whole_target_of(row)?)),
        Table::Chunks => return Ok(Row::Chunk(chunks::chunk_of(row)?)),
        Table::Assets => Row::Asset(AssetRow {
            target: TargetName::new(text(0)?),
            key: AssetKey { collection: CollectionName::new(text(1)?), id: AssetId::new(text(2)?) },
            digest: parsed(Sha256Hex::parse, &text(3)?)?,
        }),
        Table::Runs => Row::Run(Run {
            id: RunId::new(text(0)?),
            who: row.get(1)?,
            event: row.get(2)?,
            command: row.get(3)?,
            commit: row.get::<_, Option<String>>(4)?.map(|id| parsed(CommitId::parse, &id)).transpose()?,
            link: row.get(5)?,
            at: Timestamp(row.get(6)?),
        }),
        Table::RunEnds => {
            let result = text(1)?;
            let result = RunResult::parse(&result);
            let result = result.ok_or_else(|| Fault::Damaged("a run that ended as none does".to_owned()))?;
            Row::RunEnd(RunEnd { run: RunId::new(text(0)?), result, detail: row.get(2)?, at: Timestamp(row.get(3)?) })
        }
        Table::History => Row::History(HistoryEntry {
            serial: Serial(unsigned(row.get(0)?)?),
            at: Timestamp(row.get(1)?),
            run: row.get::<_, Option<String>>(2)?.map(RunId::new),
            target: row.get::<_, Option<String>>(3)?.map(TargetName::new),
            kind: row.get(4)?,
            detail: row.get(5)?,
        }),
        Table::Files => Row::File(FileRow {
            blob: parsed(BlobId::parse, &text(0)?)?,
            sha256: parsed(Sha256Hex::parse, &text(1)?)?,
            bytes: unsigned(row.get(2)?)?,
            image: row.get::<_, Option<u32>>(3)?.zip(row.get(4)?),
        }),
    };
    checked(row.get(sum)?, found.digest(), &format!("a row of {}", table.as_str()))?;
    Ok(found)
}

/// The rows of a table that `rest` of the statement names, in its order, each held against its check sum.
pub(super) fn select(
    connection: &Connection,
    table: Table,
    rest: &str,
    values: impl Params,
) -> Result<Vec<Row>, Fault> {
    let Shape { columns, from, .. } = shape(table);
    let mut statement = connection.prepare_cached(&format!("SELECT {columns} FROM {from} {rest}"))?;
    let sum = statement.column_count() - 1;
    let (mut found, mut rows) = (statement.query(values)?, Vec::new());
    while let Some(row) = found.next()? {
        rows.push(read(table, row, sum)?);
    }
    Ok(rows)
}
