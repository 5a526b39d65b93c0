//! A state in one SQLite file: the embedded default.

mod fault;
mod format;
mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use self::fault::Fault;
use self::format::Head;
use super::{FileDigests, StateError, StateHistory, StateStore};
use crate::ids::{BlobId, Sha256Hex};
use crate::state::{Change, HistoryEntry, Serial, State};

/// How long another process may hold the file before this one gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A state in a SQLite file, which is made, with its folder, by the first change. Clones share one connection.
///
/// Nothing is opened before the first call. While a connection is open, the last changes may stand in a `-wal` file
/// beside it; dropping the last clone folds them in.
#[derive(Debug, Clone)]
pub struct SqliteState {
    place: PathBuf,
    library: String,
    /// A name that this library went by before its own was known.
    former: Option<String>,
    patience: Duration,
    session: Arc<Mutex<Session>>,
}

#[derive(Debug)]
struct Session {
    connection: Option<Connection>,
    /// The lineage that this process has read, or the one that it will give to a new state.
    lineage: String,
    /// Whether a caller has seen that lineage, so that another one in the file means another state.
    seen: bool,
}

impl SqliteState {
    /// The state of `library` in the file at `place`.
    pub fn new(place: impl Into<PathBuf>, library: impl Into<String>) -> Self {
        let session = Session { connection: None, lineage: Uuid::new_v4().to_string(), seen: false };
        let session = Arc::new(Mutex::new(session));
        Self { place: place.into(), library: library.into(), former: None, patience: PATIENCE, session }
    }

    /// The same, taking over a state under the name that this library went by `former`ly. The first change gives the state
    /// the new name, for good.
    #[must_use]
    pub fn adopting(self, former: impl Into<String>) -> Self {
        Self { former: Some(former.into()), ..self }
    }

    /// The same, giving up after `patience` when another process holds the file.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Runs what waits for the disk where it may wait.
    async fn blocking<T, F>(&self, work: F) -> Result<T, StateError>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &mut Session) -> Result<T, Fault> + Send + 'static,
    {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // A panic in between rolls its transaction back; the connection stays good.
            let mut session = store.session.lock().unwrap_or_else(PoisonError::into_inner);
            work(&store, &mut session).map_err(|fault| fault.at(&store.place))
        });
        done.await.unwrap_or_else(|stopped| Err(Fault::Other(stopped.to_string()).at(&self.place)))
    }

    fn connection<'s>(&self, session: &'s mut Session, create: bool) -> Result<Option<&'s mut Connection>, Fault> {
        if session.connection.is_none() {
            session.connection = format::open(&self.place, create, self.patience)?;
        }
        Ok(session.connection.as_mut())
    }

    /// Runs `read` on one moment of the state, or gives nothing where there is none yet.
    fn reading<T>(
        &self,
        session: &mut Session,
        read: impl FnOnce(&Transaction<'_>, Head) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some(connection) = self.connection(session, false)? else { return Ok(None) };
        let transaction = connection.transaction()?;
        match format::head(&transaction, &self.place)? {
            Some(head) => read(&transaction, self.ours(head)?).map(Some),
            None => Ok(None),
        }
    }

    /// Runs `write` in one transaction that no other process can come between.
    fn writing<T>(
        &self,
        session: &mut Session,
        write: impl FnOnce(&Transaction<'_>, Head) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let new = Head { library: self.library.clone(), lineage: session.lineage.clone(), serial: 0 };
        let connection = self.connection(session, true)?;
        let connection = connection.ok_or_else(|| Fault::Other("it was not made".to_owned()))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = format::prepare(&transaction, &self.place, &new)?;
        let is_renamed = found.library != self.library;
        let head = self.ours(found)?;
        if is_renamed {
            transaction.execute("UPDATE meta SET library = ?1", [&self.library])?;
        }
        let written = write(&transaction, head)?;
        transaction.commit()?;
        Ok(written)
    }

    /// The head under this library's name, if it is of this library.
    fn ours(&self, head: Head) -> Result<Head, Fault> {
        if head.library == self.library || self.former.as_ref() == Some(&head.library) {
            return Ok(Head { library: self.library.clone(), ..head });
        }
        let place = self.place.display().to_string();
        Err(Fault::State(StateError::Foreign { place, expected: self.library.clone(), found: head.library }))
    }
}

#[async_trait]
impl StateStore for SqliteState {
    async fn load(&self) -> Result<State, StateError> {
        self.blocking(|store, session| {
            let read = store.reading(session, |transaction, head| {
                let mut state = State::new(head.library, head.lineage);
                state.serial = Serial(rows::serial_from(head.serial)?);
                state.targets = rows::targets(transaction)?;
                Ok(state)
            })?;
            let state = read.unwrap_or_else(|| State::new(&*store.library, &*session.lineage));
            session.lineage.clone_from(&state.lineage);
            session.seen = true;
            Ok(state)
        })
        .await
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let change = change.clone();
        self.blocking(move |store, session| {
            let seen = session.seen.then(|| session.lineage.clone());
            store.writing(session, |transaction, head| {
                let found = Serial(rows::serial_from(head.serial)?);
                // The file was replaced by another history in between: its serial counts other changes.
                let replaced = seen.is_some_and(|lineage| lineage != head.lineage);
                if found != expected || replaced {
                    return Err(Fault::State(StateError::Moved { expected, found }));
                }
                let serial = head.serial.checked_add(1).ok_or_else(|| Fault::damaged(&"its serial is at its end"))?;
                rows::apply(transaction, &change)?;
                rows::remember_change(transaction, &change, serial)?;
                transaction.execute("UPDATE meta SET serial = ?1", [serial])?;
                Ok(Serial(rows::serial_from(serial)?))
            })
        })
        .await
    }
}

#[async_trait]
impl StateHistory for SqliteState {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.blocking(move |store, session| {
            let read = store.reading(session, |transaction, _| rows::history(transaction, most))?;
            Ok(read.unwrap_or_default())
        })
        .await
    }
}

#[async_trait]
impl FileDigests for SqliteState {
    async fn known(&self, blobs: &[BlobId]) -> Result<BTreeMap<BlobId, (Sha256Hex, u64)>, StateError> {
        let blobs = blobs.to_vec();
        self.blocking(move |store, session| {
            let read = store.reading(session, |transaction, _| rows::known_files(transaction, &blobs))?;
            Ok(read.unwrap_or_default())
        })
        .await
    }

    async fn remember(&self, files: &[(BlobId, Sha256Hex, u64)]) -> Result<(), StateError> {
        if files.is_empty() {
            return Ok(());
        }
        let files = files.to_vec();
        self.blocking(move |store, session| {
            store.writing(session, |transaction, _| rows::remember_files(transaction, &files))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
