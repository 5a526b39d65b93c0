//! Vectors that were paid for, by the digests of their texts: a file that may be lost at any time without loss but money.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::sqlite;
use crate::ids::Sha256Hex;

/// How much the vectors may take, in bytes; the oldest give way.
const LARGEST: i64 = 512 << 20;
/// How long another run may hold the file before this one goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);
const SCHEMA: &str = "
    CREATE TABLE vectors (
        age INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        hash TEXT NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (model, hash)
    ) STRICT;
";
/// The name of the format, which is also what tells our file from another: another format is made anew.
const FORMAT: i64 = 0x5352_5643;

/// A SQLite file with a vector of half-precision numbers for each text and model.
///
/// It answers nothing and keeps nothing where it cannot be read or written: what it is asked for is then embedded again.
#[derive(Debug, Clone)]
pub struct VectorCache {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Option<Connection>>>,
    largest: i64,
}

impl VectorCache {
    /// The cache in this file, which is made when the first vector is kept.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Arc::new(path.into()), connection: Arc::default(), largest: LARGEST }
    }

    /// Which of these texts have a vector here.
    pub async fn known(&self, model: &str, hashes: BTreeSet<Sha256Hex>) -> BTreeSet<Sha256Hex> {
        let model = model.to_owned();
        let step = move |connection: &mut Connection| {
            let mut statement = connection.prepare("SELECT 1 FROM vectors WHERE model = ?1 AND hash = ?2")?;
            let mut found = BTreeSet::new();
            for hash in hashes {
                if statement.exists(params![model, hash.as_str()])? {
                    found.insert(hash);
                }
            }
            Ok(found)
        };
        self.run(false, step).await
    }

    /// The vectors of these texts; one that is not here is absent.
    pub async fn get(&self, model: &str, hashes: Vec<Sha256Hex>) -> BTreeMap<Sha256Hex, Vec<f32>> {
        let model = model.to_owned();
        let step = move |connection: &mut Connection| {
            let mut statement = connection.prepare("SELECT vector FROM vectors WHERE model = ?1 AND hash = ?2")?;
            let mut found = BTreeMap::new();
            for hash in hashes {
                let bytes =
                    statement.query_row(params![model, hash.as_str()], |row| row.get::<_, Vec<u8>>(0)).optional()?;
                found.extend(bytes.and_then(|bytes| Some((hash, unpacked(&bytes)?))));
            }
            Ok(found)
        };
        self.run(false, step).await
    }

    /// Keeps vectors, durably before it returns.
    pub async fn put(&self, model: &str, vectors: Vec<(Sha256Hex, Vec<f32>)>) {
        let (model, largest) = (model.to_owned(), self.largest);
        let step = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for (hash, vector) in &vectors {
                let sql = "INSERT OR REPLACE INTO vectors (model, hash, vector) VALUES (?1, ?2, ?3)";
                transaction.prepare_cached(sql)?.execute(params![model, hash.as_str(), packed(vector)])?;
            }
            let pages = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            if (pages("page_count")? - pages("freelist_count")?) * pages("page_size")? > largest {
                let oldest =
                    "DELETE FROM vectors WHERE age <= (SELECT min(age) + (max(age) - min(age)) / 4 FROM vectors)";
                transaction.execute(oldest, [])?;
            }
            transaction.commit()
        };
        self.run(true, step).await;
    }

    async fn run<T, F>(&self, writes: bool, step: F) -> T
    where
        T: Default + Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let this = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut slot = this.connection.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() && (writes || this.path.exists()) {
                *slot = open(&this.path).ok();
            }
            slot.as_mut().and_then(|connection| step(connection).ok()).unwrap_or_default()
        });
        task.await.unwrap_or_default()
    }
}

/// Opens the file; one that is damaged, or of another format, is made anew.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    if let Some(folder) = path.parent() {
        // Where it cannot be made, the file cannot either, and says so.
        let _ = std::fs::create_dir_all(folder);
    }
    let sound = || {
        let connection = sqlite::open(path, true, PATIENCE)?;
        let marked: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let pattern = Connection::open_in_memory()?;
        pattern.execute_batch(SCHEMA)?;
        let is_ours = marked == FORMAT && sqlite::shape(&connection)? == sqlite::shape(&pattern)?;
        Ok(is_ours.then_some(connection))
    };
    let found: rusqlite::Result<Option<Connection>> = sound();
    if let Ok(Some(connection)) = found {
        return Ok(connection);
    }
    let _ = sqlite::remove(path);
    let connection = sqlite::open(path, true, PATIENCE)?;
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    sqlite::write_ahead(&connection)?;
    Ok(connection)
}

fn packed(vector: &[f32]) -> Vec<u8> {
    let mut halves = vec![f16::ZERO; vector.len()];
    halves.convert_from_f32_slice(vector);
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

/// The vector, of length 1 again; none where the bytes are no vector.
fn unpacked(bytes: &[u8]) -> Option<Vec<f32>> {
    let halves: Vec<f16> =
        bytes.chunks_exact(2).filter_map(|two| Some(f16::from_le_bytes(two.try_into().ok()?))).collect();
    let mut vector = vec![0.0; halves.len()];
    halves.convert_to_f32_slice(&mut vector);
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let is_sound = length.is_finite() && (0.5..2.0).contains(&length);
    is_sound.then(|| vector.into_iter().map(|x| x / length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> Sha256Hex {
        Sha256Hex::of(&n.to_le_bytes())
    }

    fn vector(n: usize) -> Vec<f32> {
        let raw: Vec<f32> =
            (0..64_u16).map(|i| f32::from(i) - 30.0 + f32::from(u16::try_from(n % 97).unwrap())).collect();
        let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
        raw.into_iter().map(|x| x / length).collect()
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_for_its_model_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = VectorCache::at(folder.path().join("deep/cache.sqlite"));
        assert!(cache.get("m/64", vec![hash(1)]).await.is_empty());
        assert!(!folder.path().join("deep").exists(), "to ask makes no file");
        cache.put("m/64", vec![(hash(1), vector(1)), (hash(2), vector(2))]).await;
        let again = VectorCache::at(folder.path().join("deep/cache.sqlite"));
        let found = again.get("m/64", vec![hash(1), hash(3)]).await;
        assert_eq!(found.len(), 1);
        assert!(found[&hash(1)].iter().zip(vector(1)).all(|(a, b)| (a - b).abs() < 1e-3));
        assert_eq!(again.known("m/64", [hash(1), hash(2), hash(3)].into()).await, [hash(1), hash(2)].into());
        assert!(again.known("other/64", [hash(1)].into()).await.is_empty());
        // What is read and kept again does not drift.
        again.put("m/64", vec![(hash(1), found[&hash(1)].clone())]).await;
        let twice = again.get("m/64", vec![hash(1)]).await;
        assert!(found[&hash(1)].iter().zip(&twice[&hash(1)]).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[tokio::test]
    async fn the_oldest_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cache.sqlite");
        let cache = VectorCache { largest: 200_000, ..VectorCache::at(&place) };
        for page in 0..40 {
            cache.put("m", (page * 50..page * 50 + 50).map(|n| (hash(n), vector(n))).collect()).await;
        }
        let known = cache.known("m", (0..2_000).map(hash).collect()).await;
        assert!(known.contains(&hash(1_999)) && !known.contains(&hash(0)), "{}", known.len());
        assert!(std::fs::metadata(place).unwrap().len() < 400_000);
    }

    #[tokio::test]
    async fn a_file_that_is_none_of_ours_or_damaged_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cache.sqlite");
        std::fs::write(&place, "no database at all").unwrap();
        let cache = VectorCache::at(&place);
        assert!(cache.known("m", [hash(1)].into()).await.is_empty());
        cache.put("m", vec![(hash(1), vector(1))]).await;
        assert_eq!(cache.known("m", [hash(1)].into()).await.len(), 1);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_no_cache_and_no_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let cache = VectorCache::at(folder.path().join("file/cache.sqlite"));
        cache.put("m", vec![(hash(1), vector(1))]).await;
        assert!(cache.get("m", vec![hash(1)]).await.is_empty());
    }

    #[test]
    fn bytes_that_are_no_vector_are_none() {
        for bad in [&[][..], &[0, 0, 0, 0], &[0, 0x7c, 0, 0], &[1]] {
            assert_eq!(unpacked(bad), None);
        }
    }
}
