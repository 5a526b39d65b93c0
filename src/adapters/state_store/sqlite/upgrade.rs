//! The steps that bring the file's format from one version to the next, in the order in which they were released.

use rusqlite::Transaction;

use super::fault::Fault;
use super::format::Head;
use super::rows;
use crate::ids::{AssetId, AssetKey, CollectionName, Sha256Hex, TargetName};
use crate::state::row::{AssetRow, TargetRow, assets_sum, check_sum};
use crate::state::{HistoryEntry, Serial, Timestamp};

/// Format 1: the tables of targets, history and files.
pub(super) fn first_tables(transaction: &Transaction<'_>) -> Result<(), Fault> {
    Ok(transaction.execute_batch(
        "CREATE TABLE meta (
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
         ) STRICT, WITHOUT ROWID;",
    )?)
}

/// Format 2: a check sum beside each row, runs, the lock, and what the vector index may hold.
pub(super) fn check_sums_runs_and_chunks(transaction: &Transaction<'_>) -> Result<(), Fault> {
    transaction.execute_batch(
        "DROP TRIGGER history_keeps_what_was;
         DROP TRIGGER history_keeps_all;
         ALTER TABLE meta RENAME TO old_meta;
         ALTER TABLE targets RENAME TO old_targets;
         ALTER TABLE delivered_assets RENAME TO old_assets;
         ALTER TABLE history RENAME TO old_history;
         ALTER TABLE files RENAME TO old_files;
         CREATE TABLE meta (
             one INTEGER PRIMARY KEY CHECK (one = 1),
             library TEXT NOT NULL,
             lineage TEXT NOT NULL,
             serial INTEGER NOT NULL CHECK (serial >= 0),
             run TEXT,
             mark TEXT,
             targets INTEGER NOT NULL,
             moved_to TEXT,
             copying TEXT,
             sum INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE targets (
             name TEXT PRIMARY KEY,
             failure TEXT,
             intent_correlation TEXT,
             intent_digest TEXT,
             intent_at INTEGER,
             delivered_commit TEXT,
             delivered_digest TEXT,
             delivered_at INTEGER,
             assets INTEGER NOT NULL,
             sum INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE delivered_assets (
             target TEXT NOT NULL,
             collection TEXT NOT NULL,
             asset TEXT NOT NULL,
             digest TEXT NOT NULL,
             sum INTEGER NOT NULL,
             PRIMARY KEY (target, collection, asset)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE runs (
             position INTEGER PRIMARY KEY,
             id TEXT NOT NULL UNIQUE,
             who TEXT NOT NULL,
             event TEXT,
             command TEXT NOT NULL,
             at_commit TEXT,
             link TEXT,
             at INTEGER NOT NULL,
             sum INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE run_ends (
             run TEXT PRIMARY KEY,
             result TEXT NOT NULL,
             detail TEXT NOT NULL,
             at INTEGER NOT NULL,
             sum INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE history (
             serial INTEGER PRIMARY KEY,
             at INTEGER NOT NULL,
             run TEXT,
             target TEXT,
             kind TEXT NOT NULL,
             detail TEXT NOT NULL,
             sum INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE files (
             blob TEXT PRIMARY KEY,
             sha256 TEXT NOT NULL,
             bytes INTEGER NOT NULL CHECK (bytes >= 0),
             sum INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE lock (
             one INTEGER PRIMARY KEY CHECK (one = 1),
             token TEXT NOT NULL,
             holder TEXT NOT NULL,
             at INTEGER NOT NULL,
             expires INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE namespaces (
             id INTEGER PRIMARY KEY,
             name TEXT NOT NULL UNIQUE
         ) STRICT;
         CREATE TABLE texts (
             id INTEGER PRIMARY KEY,
             collection TEXT NOT NULL,
             asset TEXT NOT NULL,
             path TEXT NOT NULL
         ) STRICT;
         CREATE TABLE chunks (
             namespace INTEGER NOT NULL,
             id BLOB NOT NULL,
             text INTEGER NOT NULL,
             position INTEGER NOT NULL,
             hash BLOB NOT NULL,
             stored INTEGER NOT NULL,
             sum INTEGER NOT NULL,
             PRIMARY KEY (namespace, id)
         ) STRICT, WITHOUT ROWID;",
    )?;
    bring_over(transaction)?;
    transaction.execute_batch(
        "DROP TABLE old_meta;
         DROP TABLE old_targets;
         DROP TABLE old_assets;
         DROP TABLE old_history;
         DROP TABLE old_files;",
    )?;
    for table in ["history", "runs", "run_ends"] {
        transaction.execute_batch(&format!(
            "CREATE TRIGGER {table}_keeps_what_was BEFORE UPDATE ON {table}
                 BEGIN SELECT RAISE(ABORT, 'the history is only added to'); END;
             CREATE TRIGGER {table}_keeps_all BEFORE DELETE ON {table}
                 BEGIN SELECT RAISE(ABORT, 'the history is only added to'); END;"
        ))?;
    }
    Ok(())
}

/// Writes each row of format 1 anew, with its check sum; what is known of files goes with the next step.
fn bring_over(transaction: &Transaction<'_>) -> Result<(), Fault> {
    let mut targets = 0_i64;
    let mut statement = transaction.prepare("SELECT target, collection, asset, digest FROM old_assets")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (collection, id): (String, String) = (row.get(1)?, row.get(2)?);
        let asset = AssetRow {
            target: TargetName::new(row.get::<_, String>(0)?),
            key: AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) },
            digest: rows::parsed(Sha256Hex::parse, &row.get::<_, String>(3)?)?,
        };
        rows::put_asset(transaction, &asset)?;
    }
    let mut statement = transaction.prepare(
        "SELECT name, failure, intent_correlation, intent_digest, intent_at, delivered_commit, delivered_digest, delivered_at
             FROM old_targets",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let target = rows::target_of(row, 0)?;
        let assets = assets_sum(&target.name, &rows::assets_of(transaction, &target.name)?);
        let target = TargetRow { assets, ..target };
        targets = targets.wrapping_add(check_sum(target.digest()));
        let row = "INSERT INTO targets (name, failure, intent_correlation, intent_digest, intent_at, delivered_commit,
                delivered_digest, delivered_at, assets, sum)
            SELECT name, failure, intent_correlation, intent_digest, intent_at, delivered_commit, delivered_digest,
                delivered_at, ?2, ?3 FROM old_targets WHERE name = ?1";
        transaction.prepare_cached(row)?.execute((target.name.as_str(), assets, check_sum(target.digest())))?;
    }
    let mut statement = transaction.prepare("SELECT library, lineage, serial FROM old_meta")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (library, lineage, serial) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Head { library, lineage, serial, targets, ..Head::default() }.write(transaction)?;
    }
    let mut statement = transaction.prepare("SELECT serial, at, target, kind, detail FROM old_history")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let entry = HistoryEntry {
            serial: Serial(rows::unsigned(row.get(0)?)?),
            at: Timestamp(row.get(1)?),
            run: None,
            target: Some(TargetName::new(row.get::<_, String>(2)?)),
            kind: row.get(3)?,
            detail: row.get(4)?,
        };
        rows::put_history(transaction, &entry)?;
    }
    Ok(())
}

/// Format 3: how wide and high images are. What was known of files is found out again with the next sync.
pub(super) fn dimensions_of_images(transaction: &Transaction<'_>) -> Result<(), Fault> {
    Ok(transaction.execute_batch(
        "DROP TABLE files;
         CREATE TABLE files (
             blob TEXT PRIMARY KEY,
             sha256 TEXT NOT NULL,
             bytes INTEGER NOT NULL CHECK (bytes >= 0),
             width INTEGER CHECK (width > 0),
             height INTEGER CHECK (height > 0),
             sum INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;",
    )?)
}

/// Format 4: whether what is under way has arrived, and what is withheld. A target of which neither is known keeps its check sum.
pub(super) fn arrivals_and_what_is_withheld(transaction: &Transaction<'_>) -> Result<(), Fault> {
    Ok(transaction.execute_batch(
        "ALTER TABLE targets ADD COLUMN intent_arrived TEXT;
         ALTER TABLE targets ADD COLUMN withheld_digest TEXT;
         ALTER TABLE targets ADD COLUMN withheld_why TEXT;
         ALTER TABLE targets ADD COLUMN withheld_at INTEGER;",
    )?)
}
