//! The state as rows.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use super::fault::Fault;
use crate::ids::{
    AssetId, AssetKey, BlobId, CollectionName, CommitId, CorrelationId, InvalidId, Sha256Hex, TargetName,
};
use crate::state::{Change, Delivered, HistoryEntry, Intent, Serial, TargetState, Timestamp};

type Assets = BTreeMap<AssetKey, Sha256Hex>;

/// Every target that was ever tried.
pub(super) fn targets(connection: &Connection) -> Result<BTreeMap<TargetName, TargetState>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT name, failure, intent_correlation, intent_digest, intent_at,
                delivered_commit, delivered_digest, delivered_at FROM targets",
    )?;
    let mut rows = statement.query([])?;
    let mut targets = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let delivered = delivered(row, assets_of(connection, &name)?)?;
        let state = TargetState { delivered, intent: intent(row)?, failure: row.get(1)? };
        targets.insert(TargetName::new(name), state);
    }
    Ok(targets)
}

fn intent(row: &Row<'_>) -> Result<Option<Intent>, Fault> {
    let Some(correlation) = row.get::<_, Option<String>>(2)? else { return Ok(None) };
    let digest = parsed(Sha256Hex::parse, &row.get::<_, String>(3)?)?;
    Ok(Some(Intent { correlation: CorrelationId::new(correlation), digest, at: Timestamp(row.get(4)?) }))
}

fn delivered(row: &Row<'_>, assets: Assets) -> Result<Option<Delivered>, Fault> {
    let Some(digest) = row.get::<_, Option<String>>(6)? else { return Ok(None) };
    let commit = row.get::<_, Option<String>>(5)?.map(|commit| parsed(CommitId::parse, &commit)).transpose()?;
    Ok(Some(Delivered { commit, digest: parsed(Sha256Hex::parse, &digest)?, assets, at: Timestamp(row.get(7)?) }))
}

fn parsed<T>(parse: fn(&str) -> Result<T, InvalidId>, text: &str) -> Result<T, Fault> {
    parse(text).map_err(|invalid| Fault::damaged(&invalid))
}

fn assets_of(connection: &Connection, target: &str) -> Result<Assets, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT collection, asset, digest FROM delivered_assets WHERE target = ?1")?;
    let mut rows = statement.query([target])?;
    let mut assets = Assets::new();
    while let Some(row) = rows.next()? {
        let (collection, id): (String, String) = (row.get(0)?, row.get(1)?);
        let key = AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) };
        assets.insert(key, parsed(Sha256Hex::parse, &row.get::<_, String>(2)?)?);
    }
    Ok(assets)
}

/// Takes one step, as [`crate::state::State::apply`] does.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<(), Fault> {
    let name = change.target().as_str();
    execute(connection, "INSERT OR IGNORE INTO targets (name) VALUES (?1)", [name])?;
    match change {
        Change::Intend { intent, .. } => execute(
            connection,
            "UPDATE targets SET intent_correlation = ?2, intent_digest = ?3, intent_at = ?4 WHERE name = ?1",
            (name, intent.correlation.as_str(), intent.digest.as_str(), intent.at.0),
        ),
        Change::Deliver { delivered, .. } => {
            execute(
                connection,
                "UPDATE targets SET failure = NULL, intent_correlation = NULL, intent_digest = NULL, intent_at = NULL,
                    delivered_commit = ?2, delivered_digest = ?3, delivered_at = ?4 WHERE name = ?1",
                (name, delivered.commit.as_ref().map(CommitId::as_str), delivered.digest.as_str(), delivered.at.0),
            )?;
            replace_assets(connection, name, &delivered.assets)
        }
        Change::Fail { why, certain, .. } => {
            execute(connection, "UPDATE targets SET failure = ?2 WHERE name = ?1", (name, why))?;
            if *certain {
                let forget = "UPDATE targets SET intent_correlation = NULL, intent_digest = NULL, intent_at = NULL
                    WHERE name = ?1";
                execute(connection, forget, [name])?;
            }
            Ok(())
        }
    }
}

fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Writes only what differs: a library of ten thousand assets mostly stays as it is.
fn replace_assets(connection: &Connection, target: &str, wanted: &Assets) -> Result<(), Fault> {
    let there = assets_of(connection, target)?;
    for gone in there.keys().filter(|key| !wanted.contains_key(*key)) {
        let delete = "DELETE FROM delivered_assets WHERE target = ?1 AND collection = ?2 AND asset = ?3";
        execute(connection, delete, (target, gone.collection.as_str(), gone.id.as_str()))?;
    }
    for (key, digest) in wanted.iter().filter(|(key, digest)| there.get(*key) != Some(*digest)) {
        let upsert =
            "INSERT OR REPLACE INTO delivered_assets (target, collection, asset, digest) VALUES (?1, ?2, ?3, ?4)";
        execute(connection, upsert, (target, key.collection.as_str(), key.id.as_str(), digest.as_str()))?;
    }
    Ok(())
}

/// Adds the line of a change to the history.
pub(super) fn remember_change(connection: &Connection, change: &Change, serial: i64) -> Result<(), Fault> {
    let entry = HistoryEntry::of(change, Serial(serial_from(serial)?));
    execute(
        connection,
        "INSERT INTO history (serial, at, target, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
        (serial, entry.at.0, entry.target.as_str(), entry.kind, entry.detail),
    )
}

/// The last lines of the history, oldest first.
pub(super) fn history(connection: &Connection, most: usize) -> Result<Vec<HistoryEntry>, Fault> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement =
        connection.prepare("SELECT serial, at, target, kind, detail FROM history ORDER BY serial DESC LIMIT ?1")?;
    let mut rows = statement.query([most])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(HistoryEntry {
            serial: Serial(serial_from(row.get(0)?)?),
            at: Timestamp(row.get(1)?),
            target: TargetName::new(row.get::<_, String>(2)?),
            kind: row.get(3)?,
            detail: row.get(4)?,
        });
    }
    entries.reverse();
    Ok(entries)
}

/// The serial as the rest of the program counts it.
pub(super) fn serial_from(serial: i64) -> Result<u64, Fault> {
    u64::try_from(serial).map_err(|_| Fault::Damaged(format!("serial {serial}")))
}

/// What is known of these blobs.
pub(super) fn known_files(
    connection: &Connection,
    blobs: &[BlobId],
) -> Result<BTreeMap<BlobId, (Sha256Hex, u64)>, Fault> {
    let mut statement = connection.prepare_cached("SELECT sha256, bytes FROM files WHERE blob = ?1")?;
    let mut known = BTreeMap::new();
    for blob in blobs {
        let mut rows = statement.query([blob.as_str()])?;
        if let Some(row) = rows.next()? {
            let bytes: i64 = row.get(1)?;
            let bytes = u64::try_from(bytes).map_err(|_| Fault::Damaged(format!("a file of {bytes} bytes")))?;
            known.insert(blob.clone(), (parsed(Sha256Hex::parse, &row.get::<_, String>(0)?)?, bytes));
        }
    }
    Ok(known)
}

/// Keeps the digest and the size of each of these blobs.
pub(super) fn remember_files(connection: &Connection, files: &[(BlobId, Sha256Hex, u64)]) -> Result<(), Fault> {
    for (blob, sha256, bytes) in files {
        let bytes = i64::try_from(*bytes).map_err(|_| Fault::Other(format!("a file cannot have {bytes} bytes")))?;
        let upsert = "INSERT OR REPLACE INTO files (blob, sha256, bytes) VALUES (?1, ?2, ?3)";
        execute(connection, upsert, (blob.as_str(), sha256.as_str(), bytes))?;
    }
    Ok(())
}
