//! A state in one SQLite file: the embedded default.

mod chunks;
mod fault;
mod format;
mod moving;
mod rows;
mod shape;
mod survey;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use self::fault::Fault;
use self::format::Head;
use super::moving::away;
use super::{ChunkRows, FileDigests, StateError, StateHistory, StateLock, StateStore, files};
use crate::adapters::sqlite;
use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, CorrelationId, LockToken, RunId};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};
use crate::state::{Change, Claim, HistoryEntry, Kind, Lock, Run, RunEnd, Serial, State, Survey, Timestamp};

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

    /// The state of the same library in another file.
    #[must_use]
    pub fn elsewhere(&self, place: impl Into<PathBuf>) -> Self {
        Self { former: self.former.clone(), patience: self.patience, ..Self::new(place, &*self.library) }
    }

    /// The lineage and the serial of the state, without reading more of it; none where there is none yet. It waits for the disk.
    pub fn named(&self) -> Result<Option<(String, Serial)>, StateError> {
        self.directly(|store, session| {
            store.reading(session, |_, head| Ok((head.lineage, Serial(rows::unsigned(head.serial)?))))
        })
    }

    /// The state as it is now, for a caller who may wait for the disk.
    pub fn loaded(&self) -> Result<State, StateError> {
        self.directly(Self::read)
    }

    fn read(&self, session: &mut Session) -> Result<State, Fault> {
        let read = self.reading(session, |transaction, head| {
            let head = self.in_use(head)?;
            let mut state = State::new(head.library, head.lineage);
            state.serial = Serial(rows::unsigned(head.serial)?);
            state.run = head.run.map(RunId::new);
            state.targets = rows::targets(transaction, head.targets)?;
            Ok(state)
        })?;
        let state = read.unwrap_or_else(|| State::new(&*self.library, &*session.lineage));
        session.lineage.clone_from(&state.lineage);
        session.seen = true;
        Ok(state)
    }

    /// Moves a state that is of no use out of the way, with what stands beside it; the sentence says where it is now.
    pub fn set_aside(place: &Path) -> std::io::Result<String> {
        let aside = sqlite::set_aside(place, "aside")?;
        Ok(format!("it is kept as {}", aside.display()))
    }

    /// Does something while the state stands still: clones of this one wait, and other processes have not the turn.
    pub fn still<T>(&self, work: impl FnOnce() -> T) -> T {
        let _still = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Runs what waits for the disk where it may wait.
    async fn blocking<T, F>(&self, work: F) -> Result<T, StateError>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &mut Session) -> Result<T, Fault> + Send + 'static,
    {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || store.directly(work));
        done.await.unwrap_or_else(|stopped| Err(Fault::Other(stopped.to_string()).at(&self.place)))
    }

    fn directly<T>(&self, work: impl FnOnce(&Self, &mut Session) -> Result<T, Fault>) -> Result<T, StateError> {
        // A panic in between rolls its transaction back; the connection stays good.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        work(self, &mut session).map_err(|fault| fault.at(&self.place))
    }

    fn connection<'s>(&self, session: &'s mut Session, create: bool) -> Result<Option<&'s mut Connection>, Fault> {
        if session.connection.is_none() {
            session.connection = format::open(&self.place, create, self.patience)?;
            if let Some(connection) = session.connection.as_mut() {
                self.bring_up_to_date(connection)?;
            }
        }
        Ok(session.connection.as_mut())
    }

    /// Brings a file of an older format up to date, which keeps all that it says.
    fn bring_up_to_date(&self, connection: &mut Connection) -> Result<(), Fault> {
        // At one moment: another process may be making the file.
        let moment = connection.transaction()?;
        let is_behind = format::is_behind(&moment, &self.place)?;
        drop(moment);
        if !is_behind {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        format::prepare(&transaction, &self.place, &Head::default())?;
        Ok(transaction.commit()?)
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
        let (library, lineage) = (self.library.clone(), session.lineage.clone());
        let new = Head { library, lineage, ..Head::default() };
        let connection = self.connection(session, true)?;
        let connection = connection.ok_or_else(|| Fault::Other("it was not made".to_owned()))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = format::prepare(&transaction, &self.place, &new)?;
        let is_renamed = found.library != self.library;
        let head = self.ours(found)?;
        if is_renamed {
            head.write(&transaction)?;
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

    /// The head, if the state may be used: it was not moved away, and all of it is here.
    fn in_use(&self, head: Head) -> Result<Head, Fault> {
        let place = self.place.display().to_string();
        let away = away(&place, Kind::Sqlite, head.moved_to.as_deref(), head.copying.as_deref());
        away.map_or(Ok(head), |error| Err(Fault::State(error)))
    }
}

#[async_trait]
impl StateStore for SqliteState {
    fn place(&self) -> String {
        self.place.display().to_string()
    }

    async fn load(&self) -> Result<State, StateError> {
        self.blocking(Self::read).await
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let change = change.clone();
        self.blocking(move |store, session| {
            let seen = session.seen.then(|| session.lineage.clone());
            store.writing(session, |transaction, head| {
                let head = store.in_use(head)?;
                let found = Serial(rows::unsigned(head.serial)?);
                // The file was replaced by another history in between: its serial counts other changes.
                let replaced = seen.is_some_and(|lineage| lineage != head.lineage);
                if found != expected || replaced {
                    return Err(Fault::State(StateError::Moved { expected, found }));
                }
                let number = head.serial.checked_add(1).ok_or_else(|| Fault::damaged(&"its serial is at its end"))?;
                let serial = Serial(rows::unsigned(number)?);
                let entry = HistoryEntry::of(&change, serial, head.run.clone().map(RunId::new).as_ref());
                let targets = head.targets.wrapping_add(rows::apply(transaction, &change)?);
                rows::put_history(transaction, &entry)?;
                let run = match &change {
                    Change::Begin { run } => Some(run.id.to_string()),
                    Change::End { end } => head.run.filter(|open| open != end.run.as_str()),
                    _ => head.run,
                };
                Head { serial: number, run, targets, ..head }.write(transaction)?;
                Ok(serial)
            })
        })
        .await
    }
}

#[async_trait]
impl StateLock for SqliteState {
    async fn lock(&self, claim: &Claim, now: Timestamp) -> Result<Lock, StateError> {
        let claim = claim.clone();
        self.blocking(move |store, session| {
            store.writing(session, |transaction, _| match rows::lock(transaction)? {
                Some(lock) if !claim.may_take(&lock, now) => Err(Fault::State(StateError::Locked(Box::new(lock)))),
                _ => {
                    let lock = claim.granted(now);
                    rows::put_lock(transaction, &lock)?;
                    Ok(lock)
                }
            })
        })
        .await
    }

    async fn unlock(&self, token: &LockToken) -> Result<(), StateError> {
        let token = token.clone();
        self.blocking(move |store, session| {
            if store.connection(session, false)?.is_none() {
                return Ok(());
            }
            store.writing(session, |transaction, _| rows::remove_lock(transaction, &token))
        })
        .await
    }

    async fn locked(&self) -> Result<Option<Lock>, StateError> {
        self.blocking(|store, session| Ok(store.reading(session, |transaction, _| rows::lock(transaction))?.flatten()))
            .await
    }
}

#[async_trait]
impl ChunkRows for SqliteState {
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError> {
        let mark = mark.to_text();
        self.blocking(move |store, session| {
            let read = store.reading(session, |transaction, head| match head.mark {
                Some(known) if known == mark => chunks::all(transaction).map(Some),
                _ => Ok(None),
            })?;
            Ok(read.flatten())
        })
        .await
    }

    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError> {
        let (intent, change) = (intent.clone(), change.clone());
        self.blocking(move |store, session| {
            store.writing(session, |transaction, head| {
                let head = store.in_use(head)?;
                if !rows::is_under_way(transaction, &intent)? {
                    return Err(Fault::State(StateError::Fenced));
                }
                chunks::change(transaction, &change)?;
                match change {
                    ChunkChange::Mark(mark) => Head { mark: Some(mark.to_text()), ..head }.write(transaction),
                    ChunkChange::Forget => Head { mark: None, ..head }.write(transaction),
                    _ => Ok(()),
                }
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

    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError> {
        self.blocking(move |store, session| {
            let read = store.reading(session, |transaction, _| rows::runs(transaction, most))?;
            Ok(read.unwrap_or_default())
        })
        .await
    }

    async fn survey(&self) -> Result<Survey, StateError> {
        self.blocking(move |store, session| {
            let read = store.reading(session, |transaction, _| survey::survey(transaction, &store.place))?;
            Ok(read.unwrap_or_default())
        })
        .await
    }
}

#[async_trait]
impl FileDigests for SqliteState {
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError> {
        let blobs = blobs.to_vec();
        self.blocking(move |store, session| {
            let read = store.reading(session, |transaction, _| rows::known_files(transaction, &blobs))?;
            Ok(read.unwrap_or_default())
        })
        .await
    }

    async fn remember(&self, files: &FileFacts) -> Result<(), StateError> {
        if files.is_empty() {
            return Ok(());
        }
        let files = files::rows_of(files);
        self.blocking(move |store, session| {
            store.writing(session, |transaction, head| {
                store.in_use(head)?;
                files.iter().try_for_each(|file| rows::put_file(transaction, file))
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests;
