//! How large a state is.

use std::path::Path;

use rusqlite::Connection;

use super::fault::Fault;
use crate::state::Survey;
use crate::state::row::Table;

pub(super) fn survey(connection: &Connection, place: &Path) -> Result<Survey, Fault> {
    let count = |table: Table| {
        let sql = match table {
            Table::Assets => "SELECT count(*) FROM delivered_assets",
            Table::Chunks => "SELECT count(*) FROM chunks",
            Table::Files => "SELECT count(*) FROM files",
            Table::History => "SELECT count(*) FROM history",
            Table::RunEnds => "SELECT count(*) FROM run_ends",
            Table::Runs => "SELECT count(*) FROM runs",
            Table::Targets => "SELECT count(*) FROM targets",
        };
        let rows: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok((table, u64::try_from(rows).unwrap_or_default()))
    };
    let rows = Table::ALL.into_iter().map(count).collect::<Result<Vec<_>, Fault>>()?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |facts| facts.len());
    let beside = place.with_extension("sqlite-wal");
    Ok(Survey { rows, bytes: Some(size(place) + size(&beside)) })
}
