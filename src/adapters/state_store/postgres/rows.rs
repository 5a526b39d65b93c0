//! Rows of one library, written and read.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::files;
use super::fault::Fault;
use super::shape::{self, Columns};
use crate::catalog::fact::FileFacts;
use crate::ids::{AssetKey, BlobId, CorrelationId, Sha256Hex, TargetName};
use crate::state::row::{AssetRow, ChunkChange, Row, Table, TargetRow, assets_sum, check_sum};
use crate::state::{Change, HistoryEntry, Run, RunEnd, TargetState};

type Assets = BTreeMap<AssetKey, Sha256Hex>;

/// How many rows go into one statement, and come with one answer.
pub(super) const AT_ONCE: usize = 2_000;

/// The rows of one library, in a transaction that is open.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) client: &'a Client,
    pub(super) schema: &'a str,
    pub(super) library: i32,
}

/// Where in a table's order a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Key(Vec<u8>),
    Number(i64),
}

impl Rows<'_> {
    fn table(&self, table: Table) -> String {
        format!("{}.{}", self.schema, table.as_str())
    }

    fn selection(&self, table: Table, first: &str, rest: &str) -> String {
        let columns: Vec<&str> = shape::columns(table).iter().map(|(name, _)| *name).collect();
        format!("SELECT {first}{}, sum FROM {} WHERE library = $1 {rest}", columns.join(", "), self.table(table))
    }

    async fn select(
        &self,
        table: Table,
        rest: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Fault> {
        let library: (&(dyn ToSql + Sync), Type) = (&self.library, Type::INT4);
        let values: Vec<_> = [library].into_iter().chain(values.iter().cloned()).collect();
        let found = self.client.query_typed(&self.selection(table, "", rest), &values).await?;
        found.iter().map(|row| shape::row(table, row, 0)).collect()
    }

    async fn execute(&self, statement: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64, Fault> {
        let library: (&(dyn ToSql + Sync), Type) = (&self.library, Type::INT4);
        let values: Vec<_> = [library].into_iter().chain(values.iter().cloned()).collect();
        Ok(self.client.execute_typed(statement, &values).await?)
    }

    /// Writes rows of one table, in place of those with the same keys.
    pub(super) async fn put(&self, table: Table, rows: &[Row]) -> Result<(), Fault> {
        let names: Vec<&str> = shape::columns(table).iter().map(|(name, _)| *name).chain(["sum"]).collect();
        let list = names.join(", ");
        // Of two with one key the last counts; what may not be replaced keeps the order in which it came.
        let (select, order, conflict) = if shape::is_replaceable(table) {
            let set: Vec<String> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
            ("SELECT DISTINCT ON (key)", "key, n DESC", format!("UPDATE SET {}", set.join(", ")))
        } else {
            ("SELECT", "n", "NOTHING".to_owned())
        };
        let numbers: Vec<String> = (2..names.len() + 3).map(|number| format!("${number}")).collect();
        let insert = format!(
            "INSERT INTO {} (library, key, {list})
                 {select} $1, key, {list} FROM unnest({}) WITH ORDINALITY AS given (key, {list}, n) ORDER BY {order}
                 ON CONFLICT (library, key) DO {conflict}",
            self.table(table),
            numbers.join(", "),
        );
        for rows in rows.chunks(AT_ONCE) {
            let columns = Columns::of(table, rows)?;
            let values: Vec<_> = columns.values().collect();
            self.execute(&insert, &values).await?;
        }
        Ok(())
    }

    async fn delete(&self, table: Table, keys: &[Vec<u8>]) -> Result<(), Fault> {
        let delete = format!("DELETE FROM {} WHERE library = $1 AND key = ANY($2)", self.table(table));
        for keys in keys.chunks(AT_ONCE) {
            self.execute(&delete, &[(&keys, Type::BYTEA_ARRAY)]).await?;
        }
        Ok(())
    }

    /// The rows after a position, in the table's order, and the position of the last one.
    pub(super) async fn page(
        &self,
        table: Table,
        after: Option<&Position>,
        most: usize,
    ) -> Result<(Vec<Row>, Option<Position>), Fault> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let is_ordered = table == Table::Runs;
        let order = if is_ordered { "position" } else { "key" };
        let key = match after {
            Some(Position::Key(key)) => key.clone(),
            _ => Vec::new(),
        };
        let number = match after {
            Some(Position::Number(number)) => *number,
            _ => i64::MIN,
        };
        let rest = format!("AND {order} > $2 ORDER BY {order} LIMIT $3");
        let given: (&(dyn ToSql + Sync), Type) = if is_ordered { (&number, Type::INT8) } else { (&key, Type::BYTEA) };
        let select = self.selection(table, &format!("{order}, "), &rest);
        let values = [(&self.library as &(dyn ToSql + Sync), Type::INT4), given, (&most, Type::INT8)];
        let found = self.client.query_typed(&select, &values).await?;
        let position = |row: &tokio_postgres::Row| {
            if is_ordered { Position::Number(row.get(0)) } else { Position::Key(row.get(0)) }
        };
        let last = found.last().map(position);
        let rows = found.iter().map(|row| shape::row(table, row, 1)).collect::<Result<_, _>>()?;
        Ok((rows, last))
    }

    /// How many rows there are.
    pub(super) async fn count(&self, table: Table) -> Result<u64, Fault> {
        let count = format!("SELECT count(*) FROM {} WHERE library = $1", self.table(table));
        let found = self.client.query_typed(&count, &[(&self.library, Type::INT4)]).await?;
        shape::unsigned(found.first().map_or(0, |row| row.get(0)))
    }

    /// Takes every row away.
    pub(super) async fn clear(&self) -> Result<(), Fault> {
        self.client.batch_execute("SET LOCAL stockroom.removing = 'on'").await?;
        for table in Table::ALL {
            self.execute(&format!("DELETE FROM {} WHERE library = $1", self.table(table)), &[]).await?;
        }
        Ok(())
    }

    /// Every target that was ever tried; `sum` is what the check sums of their rows must add up to.
    pub(super) async fn targets(&self, sum: i64) -> Result<BTreeMap<TargetName, TargetState>, Fault> {
        let mut assets: BTreeMap<TargetName, Assets> = BTreeMap::new();
        let mut after = None;
        loop {
            let (rows, last) = self.page(Table::Assets, after.as_ref(), AT_ONCE).await?;
            for row in rows {
                if let Row::Asset(row) = row {
                    assets.entry(row.target).or_default().insert(row.key, row.digest);
                }
            }
            after = Some(match last {
                Some(last) => last,
                None => break,
            });
        }
        let rows = self.select(Table::Targets, "", &[]).await?;
        if rows.iter().map(Row::check_sum).fold(0, i64::wrapping_add) != sum {
            return Err(Fault::Damaged("a target has got lost".to_owned()));
        }
        let mut targets = BTreeMap::new();
        for row in rows.into_iter().filter_map(as_target) {
            let assets = assets.remove(&row.name).unwrap_or_default();
            if assets_sum(&row.name, &assets) != row.assets {
                return Err(Fault::Damaged(format!("an asset of {} has got lost", row.name)));
            }
            let (name, state) = row.with_assets(assets);
            targets.insert(name, state);
        }
        Ok(targets)
    }

    async fn target(&self, name: &TargetName) -> Result<Option<TargetRow>, Fault> {
        let key = shape::target_key(name);
        let rows = self.select(Table::Targets, "AND key = $2", &[(&key, Type::BYTEA)]).await?;
        Ok(rows.into_iter().find_map(as_target))
    }

    /// Whether an intent with this id is under way.
    pub(super) async fn is_under_way(&self, intent: &CorrelationId) -> Result<bool, Fault> {
        let rows = self.select(Table::Targets, "", &[]).await?;
        Ok(rows.iter().any(|row| match row {
            Row::Target(TargetRow { intent: Some(known), .. }) => known.correlation == *intent,
            _ => false,
        }))
    }

    /// Takes one step, as [`crate::state::State::apply`] does; gives by how much the sum over the targets changes.
    pub(super) async fn apply(&self, change: &Change) -> Result<i64, Fault> {
        match change {
            Change::Begin { run } => self.put(Table::Runs, &[Row::Run(run.clone())]).await?,
            Change::End { end } => self.put(Table::RunEnds, &[Row::RunEnd(end.clone())]).await?,
            _ => {}
        }
        let Some(name) = change.target() else { return Ok(0) };
        let before = self.target(name).await?;
        let (sum, mut assets) = before.as_ref().map_or((0, 0), |row| (check_sum(row.digest()), row.assets));
        let mut state = before.map(|row| row.with_assets(Assets::new()).1).unwrap_or_default();
        state.apply(change);
        if let Change::Deliver { delivered, .. } = change {
            self.replace_assets(name, &delivered.assets).await?;
            assets = assets_sum(name, &delivered.assets);
        }
        let row = TargetRow::new(name.clone(), state, assets);
        let new = check_sum(row.digest());
        self.put(Table::Targets, &[Row::Target(row)]).await?;
        Ok(new.wrapping_sub(sum))
    }

    /// Writes only what differs: a library of ten thousand assets mostly stays as it is.
    async fn replace_assets(&self, target: &TargetName, wanted: &Assets) -> Result<(), Fault> {
        let first = shape::target_key(target);
        let last = shape::last_with(&first);
        let between = [(&first as &(dyn ToSql + Sync), Type::BYTEA), (&last, Type::BYTEA)];
        let rows = self.select(Table::Assets, "AND key BETWEEN $2 AND $3", &between).await?;
        let there: Assets = rows
            .into_iter()
            .filter_map(|row| match row {
                Row::Asset(row) => Some((row.key, row.digest)),
                _ => None,
            })
            .collect();
        let gone = there.keys().filter(|key| !wanted.contains_key(*key));
        let gone: Vec<Vec<u8>> = gone.map(|key| shape::asset_key(target, key)).collect();
        self.delete(Table::Assets, &gone).await?;
        let differs = wanted.iter().filter(|(key, digest)| there.get(*key) != Some(*digest));
        let rows: Vec<Row> = differs
            .map(|(key, digest)| {
                Row::Asset(AssetRow { target: target.clone(), key: key.clone(), digest: digest.clone() })
            })
            .collect();
        self.put(Table::Assets, &rows).await
    }

    /// Takes a step of what the vector index may hold.
    pub(super) async fn change_chunks(&self, change: &ChunkChange) -> Result<(), Fault> {
        match change {
            ChunkChange::Put(rows) => {
                let rows: Vec<Row> = rows.iter().cloned().map(Row::Chunk).collect();
                self.put(Table::Chunks, &rows).await
            }
            ChunkChange::Gone { namespace, ids } => {
                let keys = ids.iter().map(|id| shape::chunk_key(namespace, id)).collect::<Result<Vec<_>, _>>()?;
                self.delete(Table::Chunks, &keys).await
            }
            ChunkChange::Dropped { namespace } => {
                let first = shape::namespace_key(namespace);
                let last = shape::last_with(&first);
                let delete =
                    format!("DELETE FROM {} WHERE library = $1 AND key BETWEEN $2 AND $3", self.table(Table::Chunks));
                self.execute(&delete, &[(&first, Type::BYTEA), (&last, Type::BYTEA)]).await?;
                Ok(())
            }
            ChunkChange::Forget => {
                let delete = format!("DELETE FROM {} WHERE library = $1", self.table(Table::Chunks));
                self.execute(&delete, &[]).await?;
                Ok(())
            }
            // It stands in the head.
            ChunkChange::Mark(_) => Ok(()),
        }
    }

    /// The last lines of the history, oldest first.
    pub(super) async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, Fault> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.select(Table::History, "ORDER BY key DESC LIMIT $2", &[(&most, Type::INT8)]).await?;
        let entries = rows.into_iter().rev().filter_map(|row| match row {
            Row::History(entry) => Some(entry),
            _ => None,
        });
        Ok(entries.collect())
    }

    /// The line of the history with this serial.
    pub(super) async fn line(&self, serial: u64) -> Result<Option<HistoryEntry>, Fault> {
        let key = serial.to_be_bytes().to_vec();
        let rows = self.select(Table::History, "AND key = $2", &[(&key, Type::BYTEA)]).await?;
        Ok(rows.into_iter().find_map(|row| match row {
            Row::History(entry) => Some(entry),
            _ => None,
        }))
    }

    /// The last runs with their ends, oldest first.
    pub(super) async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, Fault> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let last = "ORDER BY position DESC LIMIT $2";
        let runs = self.select(Table::Runs, last, &[(&most, Type::INT8)]).await?;
        let of_those = format!("AND key IN (SELECT key FROM {} WHERE library = $1 {last})", self.table(Table::Runs));
        let ends = self.select(Table::RunEnds, &of_those, &[(&most, Type::INT8)]).await?;
        let mut ends: BTreeMap<_, _> = ends
            .into_iter()
            .filter_map(|row| match row {
                Row::RunEnd(end) => Some((end.run.clone(), end)),
                _ => None,
            })
            .collect();
        let runs = runs.into_iter().rev().filter_map(|row| match row {
            Row::Run(run) => {
                let end = ends.remove(&run.id);
                Some((run, end))
            }
            _ => None,
        });
        Ok(runs.collect())
    }

    /// What is known of these blobs.
    pub(super) async fn known_files(&self, blobs: &[BlobId]) -> Result<FileFacts, Fault> {
        let mut known = FileFacts::new();
        for blobs in blobs.chunks(AT_ONCE) {
            let keys: Vec<Vec<u8>> = blobs.iter().map(shape::file_key).collect();
            for row in self.select(Table::Files, "AND key = ANY($2)", &[(&keys, Type::BYTEA_ARRAY)]).await? {
                if let Row::File(row) = row {
                    known.extend([files::fact_of(row)]);
                }
            }
        }
        Ok(known)
    }
}

fn as_target(row: Row) -> Option<TargetRow> {
    match row {
        Row::Target(row) => Some(row),
        _ => None,
    }
}
