//! The state as rows of tables, each written with its check sum and held against it when it is read.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use super::super::files;
use super::fault::Fault;
use super::shape::select;
use crate::catalog::fact::FileFacts;
use crate::ids::{
    AssetId, AssetKey, BlobId, CollectionName, CommitId, CorrelationId, InvalidId, LockToken, RunId, Sha256Hex,
    TargetName,
};
use crate::state::row::{AssetRow, FileRow, Row as StateRow, Table, TargetRow, assets_sum, check_sum};
use crate::state::{Change, HistoryEntry, Intent, Lock, Run, RunEnd, TargetState, Timestamp, Withheld};

type Assets = BTreeMap<AssetKey, Sha256Hex>;

/// The columns of a target, as [`whole_target_of`] reads them.
pub(super) const TARGET: &str = "name, failure, intent_correlation, intent_digest, intent_at, delivered_commit, \
     delivered_digest, delivered_at, assets, intent_arrived, withheld_digest, withheld_why, withheld_at, sum";

/// Every target that was ever tried; their check sums have to add up to `sum`.
pub(super) fn targets(connection: &Connection, sum: i64) -> Result<BTreeMap<TargetName, TargetState>, Fault> {
    let mut statement = connection.prepare_cached(&format!("SELECT {TARGET} FROM targets"))?;
    let mut rows = statement.query([])?;
    let (mut targets, mut left) = (BTreeMap::new(), sum);
    while let Some(row) = rows.next()? {
        let target = whole_target_of(row)?;
        left = left.wrapping_sub(check_sum(target.digest()));
        let assets = assets_of(connection, &target.name)?;
        if assets_sum(&target.name, &assets) != target.assets {
            return Err(Fault::Damaged(format!("an asset of {} is missing", target.name)));
        }
        let (name, state) = target.with_assets(assets);
        targets.insert(name, state);
    }
    if left == 0 { Ok(targets) } else { Err(Fault::Damaged("a target is missing".to_owned())) }
}

/// A target out of the columns of [`TARGET`], held against its check sum.
pub(super) fn whole_target_of(row: &Row<'_>) -> Result<TargetRow, Fault> {
    let mut target = target_of(row, row.get(8)?)?;
    let arrived = row.get(9)?;
    target.withheld = match row.get::<_, Option<String>>(10)? {
        None => None,
        Some(digest) => Some(Withheld {
            digest: parsed(Sha256Hex::parse, &digest)?,
            why: row.get(11)?,
            at: Timestamp(row.get(12)?),
        }),
    };
    match &mut target.intent {
        Some(intent) => intent.arrived = arrived,
        None if arrived.is_none() => {}
        None => return Err(Fault::Damaged("an arrival without an intent".to_owned())),
    }
    checked(row.get(13)?, target.digest(), "a target")?;
    Ok(target)
}

/// A target out of the first eight columns, with the sum of its assets: what the first formats know of one.
pub(super) fn target_of(row: &Row<'_>, assets: i64) -> Result<TargetRow, Fault> {
    let intent = match row.get::<_, Option<String>>(2)? {
        None => None,
        Some(correlation) => Some(Intent {
            correlation: CorrelationId::new(correlation),
            digest: parsed(Sha256Hex::parse, &row.get::<_, String>(3)?)?,
            at: Timestamp(row.get(4)?),
            arrived: None,
        }),
    };
    let commit = row.get::<_, Option<String>>(5)?.map(|commit| parsed(CommitId::parse, &commit)).transpose()?;
    let delivered = match row.get::<_, Option<String>>(6)? {
        None => None,
        Some(digest) => Some((parsed(Sha256Hex::parse, &digest)?, commit, Timestamp(row.get(7)?))),
    };
    let name = TargetName::new(row.get::<_, String>(0)?);
    Ok(TargetRow { name, failure: row.get(1)?, intent, delivered, withheld: None, assets })
}

/// What `parse` makes of a text; one that it refuses is damage.
pub(super) fn parsed<T>(parse: fn(&str) -> Result<T, InvalidId>, text: &str) -> Result<T, Fault> {
    parse(text).map_err(|invalid| Fault::damaged(&invalid))
}

/// Holds a row against the check sum that was written beside it.
pub(super) fn checked(sum: i64, digest: [u8; 32], what: &str) -> Result<(), Fault> {
    if sum == check_sum(digest) { Ok(()) } else { Err(Fault::Damaged(format!("{what} does not fit its check sum"))) }
}

/// A number that counts something.
pub(super) fn unsigned(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Damaged(format!("{number} where something is counted")))
}

fn signed(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Other(format!("{number} is too large to be stored")))
}

/// What a target has.
pub(super) fn assets_of(connection: &Connection, target: &TargetName) -> Result<Assets, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT collection, asset, digest, sum FROM delivered_assets WHERE target = ?1")?;
    let mut rows = statement.query([target.as_str()])?;
    let mut assets = Assets::new();
    while let Some(row) = rows.next()? {
        let (collection, id): (String, String) = (row.get(0)?, row.get(1)?);
        let asset = AssetRow {
            target: target.clone(),
            key: AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) },
            digest: parsed(Sha256Hex::parse, &row.get::<_, String>(2)?)?,
        };
        checked(row.get(3)?, asset.digest(), "an asset of a target")?;
        assets.insert(asset.key, asset.digest);
    }
    Ok(assets)
}

/// Takes one step, as [`crate::state::State::apply`] does; gives what the sum of the targets' check sums grows by.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<i64, Fault> {
    match change {
        Change::Begin { run } => put_run(connection, run)?,
        Change::End { end } => put_run_end(connection, end)?,
        _ => {}
    }
    let Some(name) = change.target() else { return Ok(0) };
    let before = target(connection, name)?;
    let (sum, mut assets) = before.as_ref().map_or((0, 0), |row| (check_sum(row.digest()), row.assets));
    let mut state = before.map(|row| row.with_assets(Assets::new()).1).unwrap_or_default();
    state.apply(change);
    if let Change::Deliver { delivered, .. } = change {
        replace_assets(connection, name, &delivered.assets)?;
        assets = assets_sum(name, &delivered.assets);
    }
    let row = TargetRow::new(name.clone(), state, assets);
    put_target(connection, &row)?;
    Ok(check_sum(row.digest()).wrapping_sub(sum))
}

/// What is known of one target.
fn target(connection: &Connection, name: &TargetName) -> Result<Option<TargetRow>, Fault> {
    let mut statement = connection.prepare_cached(&format!("SELECT {TARGET} FROM targets WHERE name = ?1"))?;
    let mut rows = statement.query([name.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    whole_target_of(row).map(Some)
}

/// The intent that is under way with this id, if there is one.
pub(super) fn is_under_way(connection: &Connection, intent: &CorrelationId) -> Result<bool, Fault> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM targets WHERE intent_correlation = ?1")?;
    Ok(statement.exists([intent.as_str()])?)
}

fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Writes a target in place of the one that is there.
pub(super) fn put_target(connection: &Connection, row: &TargetRow) -> Result<(), Fault> {
    let intent = row.intent.as_ref();
    let delivered = row.delivered.as_ref();
    let withheld = row.withheld.as_ref();
    let upsert = format!(
        "INSERT OR REPLACE INTO targets ({TARGET})
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    );
    let values = (
        row.name.as_str(),
        row.failure.as_deref(),
        intent.map(|intent| intent.correlation.as_str()),
        intent.map(|intent| intent.digest.as_str()),
        intent.map(|intent| intent.at.0),
        delivered.and_then(|(_, commit, _)| commit.as_ref()).map(CommitId::as_str),
        delivered.map(|(digest, _, _)| digest.as_str()),
        delivered.map(|(_, _, at)| at.0),
        row.assets,
        intent.and_then(|intent| intent.arrived.as_deref()),
        withheld.map(|withheld| withheld.digest.as_str()),
        withheld.map(|withheld| withheld.why.as_str()),
        withheld.map(|withheld| withheld.at.0),
        check_sum(row.digest()),
    );
    execute(connection, &upsert, values)
}

/// Writes an asset of a target in place of the one that is there.
pub(super) fn put_asset(connection: &Connection, row: &AssetRow) -> Result<(), Fault> {
    let upsert =
        "INSERT OR REPLACE INTO delivered_assets (target, collection, asset, digest, sum) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (collection, asset) = (row.key.collection.as_str(), row.key.id.as_str());
    execute(connection, upsert, (row.target.as_str(), collection, asset, row.digest.as_str(), check_sum(row.digest())))
}

/// Writes only what differs: a library of ten thousand assets mostly stays as it is.
fn replace_assets(connection: &Connection, target: &TargetName, wanted: &Assets) -> Result<(), Fault> {
    let there = assets_of(connection, target)?;
    for gone in there.keys().filter(|key| !wanted.contains_key(*key)) {
        let delete = "DELETE FROM delivered_assets WHERE target = ?1 AND collection = ?2 AND asset = ?3";
        execute(connection, delete, (target.as_str(), gone.collection.as_str(), gone.id.as_str()))?;
    }
    for (key, digest) in wanted.iter().filter(|(key, digest)| there.get(*key) != Some(*digest)) {
        put_asset(connection, &AssetRow { target: target.clone(), key: key.clone(), digest: digest.clone() })?;
    }
    Ok(())
}

/// Adds a run.
pub(super) fn put_run(connection: &Connection, run: &Run) -> Result<(), Fault> {
    let insert =
        "INSERT INTO runs (id, who, event, command, at_commit, link, at, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let commit = run.commit.as_ref().map(CommitId::as_str);
    let sum = StateRow::Run(run.clone()).check_sum();
    execute(connection, insert, (run.id.as_str(), &run.who, &run.event, &run.command, commit, &run.link, run.at.0, sum))
}

/// Adds the end of a run.
pub(super) fn put_run_end(connection: &Connection, end: &RunEnd) -> Result<(), Fault> {
    let insert = "INSERT INTO run_ends (run, result, detail, at, sum) VALUES (?1, ?2, ?3, ?4, ?5)";
    let sum = StateRow::RunEnd(end.clone()).check_sum();
    execute(connection, insert, (end.run.as_str(), end.result.as_str(), &end.detail, end.at.0, sum))
}

/// Adds the line of a change to the history.
pub(super) fn put_history(connection: &Connection, entry: &HistoryEntry) -> Result<(), Fault> {
    let insert = "INSERT INTO history (serial, at, run, target, kind, detail, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (run, target) = (entry.run.as_ref().map(RunId::as_str), entry.target.as_ref().map(TargetName::as_str));
    let sum = StateRow::History(entry.clone()).check_sum();
    execute(connection, insert, (signed(entry.serial.0)?, entry.at.0, run, target, &entry.kind, &entry.detail, sum))
}

/// The last lines of the history, oldest first.
pub(super) fn history(connection: &Connection, most: usize) -> Result<Vec<HistoryEntry>, Fault> {
    let rows = select(connection, Table::History, "ORDER BY serial DESC LIMIT ?1", [limit(most)])?;
    let entry = |row| if let StateRow::History(entry) = row { Some(entry) } else { None };
    Ok(rows.into_iter().rev().filter_map(entry).collect())
}

/// The last runs with their ends, oldest first.
pub(super) fn runs(connection: &Connection, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, Fault> {
    let rows = select(connection, Table::Runs, "ORDER BY position DESC LIMIT ?1", [limit(most)])?;
    let run = |row| if let StateRow::Run(run) = row { Some(run) } else { None };
    let with_end = |run: Run| {
        let ends = select(connection, Table::RunEnds, "WHERE run = ?1", [run.id.as_str()])?;
        let end = ends.into_iter().find_map(|row| if let StateRow::RunEnd(end) = row { Some(end) } else { None });
        Ok((run, end))
    };
    rows.into_iter().rev().filter_map(run).map(with_end).collect()
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// What is known of these blobs.
pub(super) fn known_files(connection: &Connection, blobs: &[BlobId]) -> Result<FileFacts, Fault> {
    let mut known = FileFacts::new();
    for blob in blobs {
        for row in select(connection, Table::Files, "WHERE blob = ?1", [blob.as_str()])? {
            if let StateRow::File(row) = row {
                known.extend([files::fact_of(row)]);
            }
        }
    }
    Ok(known)
}

/// Keeps what is known of the bytes of a blob.
pub(super) fn put_file(connection: &Connection, row: &FileRow) -> Result<(), Fault> {
    let upsert =
        "INSERT OR REPLACE INTO files (blob, sha256, bytes, width, height, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (width, height) = row.image.unzip();
    let values = (row.blob.as_str(), row.sha256.as_str(), signed(row.bytes)?, width, height, check_sum(row.digest()));
    execute(connection, upsert, values)
}

/// The lock, if it was taken and not given back.
pub(super) fn lock(connection: &Connection) -> Result<Option<Lock>, Fault> {
    let mut statement = connection.prepare_cached("SELECT token, holder, at, expires FROM lock")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let token = LockToken::new(row.get::<_, String>(0)?);
    Ok(Some(Lock { token, holder: row.get(1)?, at: Timestamp(row.get(2)?), expires: Timestamp(row.get(3)?) }))
}

/// Writes the lock in place of the one that is there.
pub(super) fn put_lock(connection: &Connection, lock: &Lock) -> Result<(), Fault> {
    let upsert = "INSERT OR REPLACE INTO lock (one, token, holder, at, expires) VALUES (1, ?1, ?2, ?3, ?4)";
    execute(connection, upsert, (lock.token.as_str(), &lock.holder, lock.at.0, lock.expires.0))
}

/// Takes the lock away if it is this one.
pub(super) fn remove_lock(connection: &Connection, token: &LockToken) -> Result<(), Fault> {
    execute(connection, "DELETE FROM lock WHERE token = ?1", [token.as_str()])
}
