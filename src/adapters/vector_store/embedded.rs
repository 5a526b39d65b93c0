//! The embedded store: one SQLite file, exact search, nothing to install.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::{Point, VectorStore, VectorStoreError};
use crate::adapters::sqlite;
use crate::embedding::packed::{EmptyVector, levels, packed};
use crate::embedding::plan::Actual;
use crate::embedding::search::{Candidate, rank};
use crate::embedding::{Held, Hit, Namespace, Query};
use crate::ids::{AssetId, AssetKey, ChunkId, CollectionName, RepoPath, Sha256Hex};
use crate::state::row::IndexMark;

/// The newest format that this version reads and the one that it writes.
const FORMAT: i64 = 2;
/// How long another run may hold the file before this one gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Marks the file as ours: `SRVI`.
const APPLICATION: i64 = 0x5352_5649;
const SCHEMA: &str = "
    CREATE TABLE chunks (
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        collection TEXT NOT NULL,
        asset TEXT NOT NULL,
        path TEXT NOT NULL,
        position INTEGER NOT NULL,
        hash TEXT NOT NULL,
        vector BLOB NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (namespace, id)
    ) STRICT;
    CREATE INDEX chunks_by_hash ON chunks (hash);
";
/// Format 2: the mark by which a state knows its index.
const MARK: &str = "
    CREATE TABLE mark (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        text TEXT NOT NULL
    ) STRICT;
";

/// A SQLite file, opened when it is first needed and made when it is first written.
#[derive(Debug, Clone)]
pub struct Embedded {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// What can go wrong inside a transaction.
enum Fault {
    Sqlite(rusqlite::Error),
    /// A row that this program did not write.
    Row(String),
}

impl From<EmptyVector> for Fault {
    fn from(error: EmptyVector) -> Self {
        Self::Row(error.to_string())
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Embedded {
    /// The store in this file. Nothing is read or made yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Arc::new(path.into()), connection: Arc::default() }
    }

    /// Moves a damaged index out of the way, so that the next sync builds it again; the sentence says what was done.
    ///
    /// An index holds nothing that the library does not. A file of another program or of a newer version stays.
    pub fn set_damaged_aside(path: &Path) -> std::io::Result<Option<String>> {
        let Some(why) = damage(path) else { return Ok(None) };
        let aside = sqlite::set_aside(path, "damaged")?;
        Ok(Some(format!("the vector index was damaged ({why}); it is kept as {} and built again", aside.display())))
    }

    /// Runs a step in a transaction, away from the threads that must not wait. Without a file, reading gives the default.
    async fn run<T, F>(&self, writes: bool, step: F) -> Result<T, VectorStoreError>
    where
        T: Default + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let this = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut slot = this.connection.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                if !writes && !this.path.exists() {
                    return Ok(T::default());
                }
                *slot = Some(open(&this.path)?);
            }
            let Some(connection) = slot.as_mut() else { return Ok(T::default()) };
            let behavior = if writes { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
            let result = connection.transaction_with_behavior(behavior).map_err(Fault::from).and_then(|transaction| {
                let value = step(&transaction)?;
                transaction.commit()?;
                Ok(value)
            });
            result.map_err(|fault| error(&this.path, fault))
        });
        let stopped =
            |e: tokio::task::JoinError| VectorStoreError::Unusable { place: place(&self.path), why: e.to_string() };
        task.await.map_err(stopped)?
    }
}

/// What is wrong with the file as a database, if it is there and something is.
fn damage(path: &Path) -> Option<String> {
    let look = |connection: Connection| match misshapen(&connection)? {
        Some(why) => Ok(Some(why)),
        None => sqlite::damage(&connection),
    };
    let found = sqlite::open(path, false, PATIENCE).and_then(look);
    match found.map_err(|fault| error(path, Fault::Sqlite(fault))) {
        Ok(damage) => damage,
        Err(VectorStoreError::Corrupt { why, .. }) => Some(why),
        Err(_) => None,
    }
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

fn error(path: &Path, fault: Fault) -> VectorStoreError {
    let place = place(path);
    match fault {
        Fault::Row(why) => VectorStoreError::Corrupt { place, why },
        Fault::Sqlite(e) => match e.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                VectorStoreError::Corrupt { place, why: e.to_string() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                let why =
                    "another run has been writing to it for half a minute; run again when that is done".to_owned();
                VectorStoreError::Unusable { place, why }
            }
            _ => VectorStoreError::Unusable { place, why: e.to_string() },
        },
    }
}

fn open(path: &Path) -> Result<Connection, VectorStoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let failed = |e: std::io::Error| VectorStoreError::Unusable { place: place(path), why: e.to_string() };
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let of = |e: rusqlite::Error| error(path, Fault::Sqlite(e));
    let mut connection = sqlite::open(path, true, PATIENCE).map_err(of)?;
    check_format(path, &mut connection)?;
    sqlite::write_ahead(&connection).map_err(of)?;
    Ok(connection)
}

/// What is wrong with what the file is made of, if it says that it is ours and of a format that we know.
fn misshapen(connection: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let expected = match marks(connection)? {
        (_, APPLICATION, FORMAT) => [SCHEMA, MARK].concat(),
        (_, APPLICATION, 1) => SCHEMA.to_owned(),
        _ => return Ok(None),
    };
    let pattern = Connection::open_in_memory()?;
    pattern.execute_batch(&expected)?;
    let is_ours = sqlite::shape(connection)? == sqlite::shape(&pattern)?;
    Ok((!is_ours).then(|| "its tables are not those of an index".to_owned()))
}

/// Looks whose file it is and of which format; an empty one becomes ours.
fn check_format(path: &Path, connection: &mut Connection) -> Result<(), VectorStoreError> {
    let of = |e: rusqlite::Error| error(path, Fault::Sqlite(e));
    if let Some(why) = misshapen(connection).map_err(of)? {
        return Err(VectorStoreError::Corrupt { place: place(path), why });
    }
    let mut marks = marks(connection).map_err(of)?;
    if marks == (0, 0, 0) || matches!(marks, (_, APPLICATION, 1)) {
        // Only now is a lock needed; another run may have been faster.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(of)?;
        let found = self::marks(&transaction).map_err(of)?;
        if found.2 < FORMAT {
            if found == (0, 0, 0) {
                transaction.execute_batch(SCHEMA).map_err(of)?;
            }
            transaction.execute_batch(MARK).map_err(of)?;
            transaction.pragma_update(None, "application_id", APPLICATION).map_err(of)?;
            transaction.pragma_update(None, "user_version", FORMAT).map_err(of)?;
        }
        marks = self::marks(&transaction).map_err(of)?;
        transaction.commit().map_err(of)?;
    }
    let (_, application, found) = marks;
    if application != APPLICATION {
        let why = "it is a SQLite file of another program; choose another place, or move that file away".to_owned();
        return Err(VectorStoreError::Unusable { place: place(path), why });
    }
    if found > FORMAT {
        return Err(VectorStoreError::Newer { place: place(path), found, known: FORMAT });
    }
    Ok(())
}

/// How many tables the file has, whose it says it is, and of which format.
fn marks(connection: &Connection) -> Result<(i64, i64, i64), rusqlite::Error> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok((tables, number("PRAGMA application_id")?, number("PRAGMA user_version")?))
}

fn asset_of(row: &Row<'_>, at: usize) -> Result<AssetKey, rusqlite::Error> {
    let (collection, id): (String, String) = (row.get(at)?, row.get(at + 1)?);
    Ok(AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) })
}

fn held_of(row: &Row<'_>) -> Result<(ChunkId, Held), Fault> {
    let hash: String = row.get(6)?;
    let held = Held {
        asset: asset_of(row, 2)?,
        path: RepoPath::new(row.get::<_, String>(4)?),
        index: row.get(5)?,
        hash: Sha256Hex::parse(&hash).map_err(|e| Fault::Row(e.to_string()))?,
        certain: true,
    };
    Ok((ChunkId::from_store(row.get::<_, String>(1)?), held))
}

fn candidate_of(row: &Row<'_>, query: &[f32]) -> Result<Candidate, Fault> {
    let (step, levels) = levels(row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?)?;
    Ok(Candidate {
        id: ChunkId::from_store(row.get::<_, String>(0)?),
        asset: asset_of(row, 1)?,
        path: RepoPath::new(row.get::<_, String>(3)?),
        text: row.get(5)?,
        cosine: step * levels.zip(query).map(|(level, x)| level * x).sum::<f32>(),
    })
}

#[async_trait]
impl VectorStore for Embedded {
    fn place(&self) -> String {
        place(&self.path)
    }

    async fn count(&self) -> Result<Option<u64>, VectorStoreError> {
        let step = |transaction: &Transaction<'_>| {
            let chunks = transaction.query_row("SELECT count(*) FROM chunks", [], |row| row.get::<_, i64>(0))?;
            Ok(u64::try_from(chunks).ok())
        };
        self.run(false, step).await
    }

    async fn mark(&self) -> Result<Option<IndexMark>, VectorStoreError> {
        let step = |transaction: &Transaction<'_>| {
            let text = transaction.query_row("SELECT text FROM mark", [], |row| row.get::<_, String>(0)).optional()?;
            Ok(text.as_deref().and_then(IndexMark::parse))
        };
        self.run(false, step).await
    }

    async fn set_mark(&self, mark: &IndexMark) -> Result<(), VectorStoreError> {
        let text = mark.to_text();
        let step = move |transaction: &Transaction<'_>| {
            transaction.execute("INSERT OR REPLACE INTO mark (one, text) VALUES (1, ?1)", [text])?;
            Ok(())
        };
        self.run(true, step).await
    }

    async fn held(&self) -> Result<Actual, VectorStoreError> {
        let step = |transaction: &Transaction<'_>| {
            let sql = "SELECT namespace, id, collection, asset, path, position, hash FROM chunks";
            let mut statement = transaction.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut all: BTreeMap<String, BTreeMap<ChunkId, Held>> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let name = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                let (id, held) = held_of(row)?;
                if let Some(chunks) = all.get_mut(name) {
                    chunks.insert(id, held);
                } else {
                    all.insert(name.to_owned(), BTreeMap::from([(id, held)]));
                }
            }
            Ok(all.into_iter().map(|(name, chunks)| (Namespace::from_store(name), chunks)).collect())
        };
        self.run(false, step).await
    }

    async fn vectors(
        &self,
        namespace: &Namespace,
        ids: &[ChunkId],
    ) -> Result<BTreeMap<ChunkId, Vec<f32>>, VectorStoreError> {
        let (namespace, ids) = (namespace.clone(), ids.to_vec());
        let step = move |transaction: &Transaction<'_>| {
            let mut statement = transaction.prepare("SELECT vector FROM chunks WHERE namespace = ?1 AND id = ?2")?;
            let mut found = BTreeMap::new();
            for id in ids {
                let mut rows = statement.query([namespace.as_str(), id.as_str()])?;
                if let Some(row) = rows.next()? {
                    let (step, levels) = levels(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
                    found.insert(id, levels.map(|level| level * step).collect());
                }
            }
            Ok(found)
        };
        self.run(false, step).await
    }

    async fn upsert(&self, namespace: &Namespace, points: &[Point]) -> Result<(), VectorStoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let (namespace, points) = (namespace.clone(), points.to_vec());
        let step = move |transaction: &Transaction<'_>| {
            let sql =
                "INSERT OR REPLACE INTO chunks (namespace, id, collection, asset, path, position, hash, vector, text)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            let mut statement = transaction.prepare(sql)?;
            for Point { chunk: c, vector } in points {
                let (collection, asset) = (c.asset.collection.as_str(), c.asset.id.as_str());
                let (name, vector) = (namespace.as_str(), packed(&vector));
                let (id, path, hash) = (c.id.as_str(), c.path.as_str(), c.hash.as_str());
                statement.execute(params![name, id, collection, asset, path, c.index, hash, vector, c.text])?;
            }
            Ok(())
        };
        self.run(true, step).await
    }

    async fn delete(&self, namespace: &Namespace, ids: &[ChunkId]) -> Result<(), VectorStoreError> {
        if ids.is_empty() || !self.path.exists() {
            return Ok(());
        }
        let (namespace, ids) = (namespace.clone(), ids.to_vec());
        let step = move |transaction: &Transaction<'_>| {
            let mut statement = transaction.prepare("DELETE FROM chunks WHERE namespace = ?1 AND id = ?2")?;
            for id in ids {
                statement.execute([namespace.as_str(), id.as_str()])?;
            }
            Ok(())
        };
        self.run(true, step).await
    }

    async fn drop_namespace(&self, namespace: &Namespace) -> Result<(), VectorStoreError> {
        if !self.path.exists() {
            return Ok(());
        }
        let namespace = namespace.clone();
        let step = move |transaction: &Transaction<'_>| {
            transaction.execute("DELETE FROM chunks WHERE namespace = ?1", [namespace.as_str()])?;
            Ok(())
        };
        self.run(true, step).await
    }

    async fn search(&self, namespace: &Namespace, query: &Query, k: usize) -> Result<Vec<Hit>, VectorStoreError> {
        let (namespace, query) = (namespace.clone(), query.clone());
        let step = move |transaction: &Transaction<'_>| {
            let sql = "SELECT id, collection, asset, path, vector, text FROM chunks WHERE namespace = ?1 ORDER BY id";
            let mut statement = transaction.prepare(sql)?;
            let mut rows = statement.query([namespace.as_str()])?;
            let mut candidates = Vec::new();
            while let Some(row) = rows.next()? {
                candidates.push(candidate_of(row, &query.vector)?);
            }
            Ok(rank(&query.text, candidates, k))
        };
        self.run(false, step).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{holds, namespace, point};
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[tokio::test]
    async fn it_is_a_vector_store() {
        let folder = folder();
        let mut count = 0;
        holds(|| {
            count += 1;
            Embedded::at(folder.path().join(format!("new/{count}.db")))
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_written_is_there_for_the_next_run() {
        let folder = folder();
        let path = folder.path().join("vectors.db");
        Embedded::at(&path).upsert(&namespace("m", 1), &[point("a", "text", [1.0, 0.0, 0.0])]).await.unwrap();
        assert_eq!(Embedded::at(&path).held().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn reading_makes_no_file() {
        let folder = folder();
        let store = Embedded::at(folder.path().join("vectors.db"));
        assert!(store.held().await.unwrap().is_empty());
        store.delete(&namespace("m", 1), &[ChunkId::from_store("x")]).await.unwrap();
        store.drop_namespace(&namespace("m", 1)).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn two_runs_at_once_wait_for_each_other() {
        let folder = folder();
        let path = folder.path().join("vectors.db");
        let write = |n: usize| {
            let store = Embedded::at(&path);
            async move { store.upsert(&namespace("m", 1), &[point("a", &format!("text {n}"), [1.0, 0.0, 0.0])]).await }
        };
        let (a, b, c) = tokio::join!(write(1), write(2), write(3));
        a.and(b).and(c).unwrap();
        assert_eq!(Embedded::at(&path).held().await.unwrap()[&namespace("m", 1)].len(), 3);
    }

    #[tokio::test]
    async fn a_newer_format_is_refused() {
        let folder = folder();
        let path = folder.path().join("vectors.db");
        Embedded::at(&path).upsert(&namespace("m", 1), &[point("a", "text", [1.0, 0.0, 0.0])]).await.unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
        let error = Embedded::at(&path).held().await.unwrap_err();
        assert!(matches!(error, VectorStoreError::Newer { found: 3, known: 2, .. }), "{error}");
    }

    #[tokio::test]
    async fn a_file_of_another_program_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("vectors.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
        let before = std::fs::read(&path).unwrap();
        let error =
            Embedded::at(&path).upsert(&namespace("m", 1), &[point("a", "t", [1.0, 0.0, 0.0])]).await.unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn a_damaged_file_is_named_and_may_be_deleted() {
        let folder = folder();
        let path = folder.path().join("vectors.db");
        std::fs::write(&path, "this is no database, whatever its name says".repeat(100)).unwrap();
        let error = Embedded::at(&path).held().await.unwrap_err().to_string();
        assert!(error.contains("vectors.db") && error.contains("delete it"), "{error}");
    }

    #[tokio::test]
    async fn an_index_that_looks_like_ours_and_is_not_is_refused_before_it_is_asked() {
        let endless = "CREATE VIEW mark AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS text FROM n WHERE x < 0";
        let trigger = "CREATE TRIGGER more AFTER INSERT ON chunks BEGIN DELETE FROM chunks; END";
        for sql in [format!("DROP TABLE mark; {endless}"), trigger.to_owned()] {
            let folder = folder();
            let path = folder.path().join("vectors.db");
            Embedded::at(&path).upsert(&namespace("m", 1), &[point("a", "text", [1.0, 0.0, 0.0])]).await.unwrap();
            Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
            let error = Embedded::at(&path).mark().await.unwrap_err();
            assert!(matches!(error, VectorStoreError::Corrupt { .. }), "{error}");
            assert!(Embedded::set_damaged_aside(&path).unwrap().unwrap().contains("are not those of an index"));
        }
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_is_damage_too() {
        let folder = folder();
        let path = folder.path().join("vectors.db");
        let store = Embedded::at(&path);
        store.upsert(&namespace("m", 1), &[point("a", "text", [1.0, 0.0, 0.0])]).await.unwrap();
        Connection::open(&path).unwrap().execute("UPDATE chunks SET hash = 'no', vector = x''", []).unwrap();
        assert!(matches!(store.held().await.unwrap_err(), VectorStoreError::Corrupt { .. }));
        let query = Query { text: "t".to_owned(), vector: vec![1.0, 0.0, 0.0] };
        let error = store.search(&namespace("m", 1), &query, 1).await.unwrap_err();
        assert!(matches!(error, VectorStoreError::Corrupt { .. }), "{error}");
    }
}
