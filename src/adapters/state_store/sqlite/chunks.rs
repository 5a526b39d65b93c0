//! What the vector index may hold, packed: ids and digests as bytes, the names of a text once for all of its chunks.

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::rows::{checked, parsed};
use crate::ids::{AssetId, AssetKey, ChunkId, CollectionName, RepoPath, Sha256Hex};
use crate::state::row::{Canonical, ChunkChange, ChunkRow, check_sum};

/// Every row, in the order of its namespace and id.
pub(super) fn all(connection: &Connection) -> Result<Vec<ChunkRow>, Fault> {
    let mut statement = connection.prepare(
        "SELECT namespaces.name, chunks.id, texts.collection, texts.asset, texts.path, chunks.position, chunks.hash,
                chunks.stored, chunks.sum
             FROM chunks LEFT JOIN namespaces ON namespaces.id = chunks.namespace LEFT JOIN texts ON texts.id = chunks.text
             ORDER BY chunks.namespace, chunks.id",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(chunk_of(row)?);
    }
    Ok(found)
}

/// A chunk out of nine columns.
pub(super) fn chunk_of(row: &Row<'_>) -> Result<ChunkRow, Fault> {
    let bytes = |at: usize| row.get_ref(at).and_then(|value| Ok(hex::encode(value.as_blob()?)));
    let (collection, asset): (String, String) = (row.get(2)?, row.get(3)?);
    let chunk = ChunkRow {
        namespace: row.get(0)?,
        id: ChunkId::from_store(bytes(1)?),
        asset: AssetKey { collection: CollectionName::new(collection), id: AssetId::new(asset) },
        path: RepoPath::new(row.get::<_, String>(4)?),
        index: row.get(5)?,
        hash: parsed(Sha256Hex::parse, &bytes(6)?)?,
        stored: row.get(7)?,
    };
    checked(row.get(8)?, chunk.digest(), "a chunk")?;
    Ok(chunk)
}

/// Takes one step.
pub(super) fn change(connection: &Connection, change: &ChunkChange) -> Result<(), Fault> {
    match change {
        ChunkChange::Put(rows) => put(connection, rows),
        ChunkChange::Gone { namespace, ids } => {
            let Some(namespace) = number_of(connection, namespace)? else { return Ok(()) };
            let mut statement = connection.prepare_cached("DELETE FROM chunks WHERE namespace = ?1 AND id = ?2")?;
            for id in ids {
                statement.execute(params![namespace, packed(id.as_str())?])?;
            }
            Ok(())
        }
        ChunkChange::Dropped { namespace } => {
            let Some(namespace) = number_of(connection, namespace)? else { return Ok(()) };
            connection.execute("DELETE FROM chunks WHERE namespace = ?1", [namespace])?;
            connection.execute("DELETE FROM namespaces WHERE id = ?1", [namespace])?;
            Ok(())
        }
        ChunkChange::Forget => {
            Ok(connection.execute_batch("DELETE FROM chunks; DELETE FROM texts; DELETE FROM namespaces;")?)
        }
        // The mark itself stands in the head. It comes once in a run, which is often enough to look through all texts.
        ChunkChange::Mark(_) => forget_texts(connection),
    }
}

/// Writes rows in place of those with the same namespace and id.
pub(super) fn put(connection: &Connection, rows: &[ChunkRow]) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO chunks (namespace, id, text, position, hash, stored, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in rows {
        let namespace = number_for(connection, &row.namespace)?;
        let text = text_for(connection, row)?;
        let (id, hash, sum) = (packed(row.id.as_str())?, packed(row.hash.as_str())?, check_sum(row.digest()));
        statement.execute(params![namespace, id, text, row.index, hash, row.stored, sum])?;
    }
    Ok(())
}

fn packed(hex: &str) -> Result<Vec<u8>, Fault> {
    hex::decode(hex).map_err(|_| Fault::Other(format!("{hex:?} is no id of a chunk")))
}

fn number_of(connection: &Connection, namespace: &str) -> Result<Option<i64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT id FROM namespaces WHERE name = ?1")?;
    let mut rows = statement.query([namespace])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

fn number_for(connection: &Connection, namespace: &str) -> Result<i64, Fault> {
    if let Some(number) = number_of(connection, namespace)? {
        return Ok(number);
    }
    connection.prepare_cached("INSERT INTO namespaces (name) VALUES (?1)")?.execute([namespace])?;
    Ok(connection.last_insert_rowid())
}

/// The number of a text is drawn from its names, so that no index over them is needed to find it again.
fn text_for(connection: &Connection, row: &ChunkRow) -> Result<i64, Fault> {
    let (collection, asset, path) = (row.asset.collection.as_str(), row.asset.id.as_str(), row.path.as_str());
    let number = check_sum(Canonical::named("text").text(collection).text(asset).text(path).digest());
    let insert = "INSERT OR IGNORE INTO texts (id, collection, asset, path) VALUES (?1, ?2, ?3, ?4)";
    let is_new = connection.prepare_cached(insert)?.execute(params![number, collection, asset, path])? > 0;
    let same = "SELECT 1 FROM texts WHERE id = ?1 AND collection = ?2 AND asset = ?3 AND path = ?4";
    if is_new || connection.prepare_cached(same)?.exists(params![number, collection, asset, path])? {
        return Ok(number);
    }
    Err(Fault::Damaged(format!("the names of the text {path} are other ones")))
}

/// Forgets the texts that no chunk is of any more.
fn forget_texts(connection: &Connection) -> Result<(), Fault> {
    connection.execute("DELETE FROM texts WHERE id NOT IN (SELECT text FROM chunks)", [])?;
    Ok(())
}
