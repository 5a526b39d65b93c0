//! A state in a PostgreSQL database, which many libraries and machines may share.

mod fault;
mod format;
mod moving;
mod rows;
mod shape;
mod turn;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use self::fault::Fault;
use self::format::Head;
use self::turn::{For, Turn, within};
use super::moving::away;
use super::{ChunkRows, FileDigests, SqliteState, StateError, StateHistory, StateLock, StateRows, StateStore, files};
use crate::adapters::postgres::{Address, escaped, unescaped};
use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, CorrelationId, LockToken, RunId};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark, Row, Table};
use crate::state::{Change, Claim, HistoryEntry, Kind, Lock, Run, RunEnd, Serial, State, Survey, Timestamp};

/// The schema whose tables are ours, where no other is named.
pub const SCHEMA: &str = "stockroom";

/// The state of one library in a PostgreSQL database. Clones share one connection, which is made by the first call.
///
/// The tables are made, in a schema of their own, by the first change. A lock is judged by the server's clock.
#[derive(Clone)]
pub struct PostgresState {
    address: Address,
    /// In the quotes that SQL wants.
    schema: String,
    library: String,
    place: String,
    /// Where the state was kept before: one that is still there is not passed over.
    before: Option<SqliteState>,
    session: Arc<Mutex<Session>>,
}

struct Session {
    client: Option<Client>,
    /// The lineage that this process has read, or the one that it will give to a new state.
    lineage: String,
    /// Whether a caller has seen that lineage, so that another one means another state.
    is_seen: bool,
    /// Whether the tables are known to be those that this version works with.
    is_prepared: bool,
}

impl PostgresState {
    /// The state of `library` in the database at `address`, in a schema of this name.
    pub fn new(address: Address, schema: &str, library: impl Into<String>) -> Self {
        let lineage = Uuid::new_v4().to_string();
        let session = Session { client: None, lineage, is_seen: false, is_prepared: false };
        let place = match schema {
            SCHEMA => address.shown(),
            other => format!("{} (schema {other:?})", address.shown()),
        };
        let schema = format!("\"{}\"", schema.replace('"', "\"\""));
        let session = Arc::new(Mutex::new(session));
        Self { address, schema, library: library.into(), place, before: None, session }
    }

    /// The same, refusing to begin a new state while there is one in a file that was not moved.
    #[must_use]
    pub fn after(self, before: SqliteState) -> Self {
        Self { before: Some(before), ..self }
    }

    /// Moves a state that is of no use out of the way, under another name; the sentence says where it is now.
    pub async fn set_aside(&self) -> Result<String, StateError> {
        let renamed = async {
            let turn = Turn::begin(self, For::Writing).await?;
            let rename = format!(
                "UPDATE {}.libraries SET name = name || ' (set aside ' || id || ')' WHERE name = $1",
                self.schema
            );
            let name: (&(dyn ToSql + Sync), Type) = (&escaped(&self.library), Type::TEXT);
            let renamed = turn.client.execute_typed(&rename, &[name]).await.map(drop).map_err(Fault::from);
            turn.end(renamed).await
        };
        within(renamed).await.map_err(|fault| fault.at(&self.place))?;
        Ok(format!("it is kept in {} under another name", self.place))
    }

    /// What is to be moved first, if there is such a state.
    async fn left_behind(&self) -> Option<StateError> {
        let before = self.before.as_ref()?;
        let standing = before.standing().await.ok()??;
        if standing.is_empty() || standing.moved_to.is_some() || standing.copying.is_some() {
            return None;
        }
        Some(StateError::Behind { place: self.place.clone(), before: before.place(), to: "postgres" })
    }

    /// Runs `read` on one moment of the state; none where there is no state yet.
    async fn begin_reading(&self) -> Result<(Turn, Option<Head>), Fault> {
        let mut turn = Turn::begin(self, For::Reading).await?;
        let head = turn.found(self, false).await?;
        Ok((turn, head))
    }

    async fn begin_writing(&self) -> Result<(Turn, Head), Fault> {
        let mut turn = Turn::begin(self, For::Writing).await?;
        let head = turn.prepared(self).await?;
        Ok((turn, head))
    }

    /// The head, if the state may be used: it was not moved away, and all of it is here.
    fn in_use(&self, head: Head) -> Result<Head, Fault> {
        let away = away(&self.place, Kind::Postgres, head.moved_to.as_deref(), head.copying.as_deref());
        away.map_or(Ok(head), |error| Err(Fault::State(error)))
    }

    async fn load_once(&self) -> Result<State, Fault> {
        let (mut turn, head) = self.begin_reading().await?;
        let read = match head {
            None => match self.left_behind().await {
                Some(error) => Err(Fault::State(error)),
                None => Ok(State::new(&*self.library, &*turn.session.lineage)),
            },
            Some(head) => match self.in_use(head) {
                // What is known of files may have been kept before the state was asked for.
                Ok(head) if head.serial == 0 => match self.left_behind().await {
                    Some(error) => Err(Fault::State(error)),
                    None => state(&turn, head).await,
                },
                Ok(head) => state(&turn, head).await,
                Err(fault) => Err(fault),
            },
        };
        if let Ok(state) = &read {
            turn.session.lineage.clone_from(&state.lineage);
            turn.session.is_seen = true;
        }
        turn.end(read).await
    }

    async fn record_once(&self, expected: Serial, change: &Change) -> Result<Serial, Fault> {
        let (turn, head) = self.begin_writing().await?;
        let seen = turn.session.is_seen.then(|| turn.session.lineage.clone());
        let run = head.run.clone().map(RunId::new);
        let recorded = match self.in_use(head) {
            Ok(head) => record(&turn, head, seen.as_deref(), expected, change).await,
            Err(fault) => Err(fault),
        };
        match turn.end(recorded).await {
            Err(Fault::Unknown(how)) => self.look_whether_recorded(expected, change, run.as_ref(), how).await,
            known => known,
        }
    }

    /// Finds out whether a change took effect whose commit was never answered.
    async fn look_whether_recorded(
        &self,
        expected: Serial,
        change: &Change,
        run: Option<&RunId>,
        how: crate::adapters::postgres::Fault,
    ) -> Result<Serial, Fault> {
        let serial = Serial(expected.0 + 1);
        let mut turn = Turn::begin(self, For::Writing).await?;
        // The server may still be at that commit: the library's row is locked until it has ended, one way or the other.
        let head = turn.found(self, true).await?;
        let found = match &head {
            None => Ok(None),
            Some(head) => turn.rows(head).line(serial.0).await,
        };
        match turn.end(found).await? {
            Some(line) if line == HistoryEntry::of(change, serial, run) => Ok(serial),
            Some(_) => Err(Fault::State(StateError::Moved { expected, found: serial })),
            None => Err(Fault::Database(how)),
        }
    }

    async fn lock_once(&self, claim: &Claim) -> Result<Lock, Fault> {
        let (turn, head) = self.begin_writing().await?;
        let locked = take_lock(&turn, &head, claim).await;
        turn.end(locked).await
    }

    async fn unlock_once(&self, token: &LockToken) -> Result<(), Fault> {
        let mut turn = Turn::begin(self, For::Writing).await?;
        let Some(head) = turn.found(self, true).await? else { return turn.end(Ok(())).await };
        let delete = format!("DELETE FROM {}.locks WHERE library = $1 AND token = $2", self.schema);
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&head.number, Type::INT4), (&escaped(token.as_str()), Type::TEXT)];
        let unlocked = turn.client.execute_typed(&delete, &values).await.map(drop).map_err(Fault::from);
        turn.end(unlocked).await
    }

    async fn change_chunks_once(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), Fault> {
        let (turn, head) = self.begin_writing().await?;
        let changed = match self.in_use(head) {
            Ok(head) => change_chunks(&turn, head, intent, change).await,
            Err(fault) => Err(fault),
        };
        turn.end(changed).await
    }

    async fn chunks_once(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, Fault> {
        let (turn, head) = self.begin_reading().await?;
        let found = match head {
            Some(head) if head.mark.as_deref() == Some(&*mark.to_text()) => chunks(&turn, &head).await.map(Some),
            _ => Ok(None),
        };
        turn.end(found).await
    }
}

async fn state(turn: &Turn, head: Head) -> Result<State, Fault> {
    let targets = turn.rows(&head).targets(head.targets).await?;
    let mut state = State::new(head.library, head.lineage);
    state.serial = Serial(shape::unsigned(head.serial)?);
    state.run = head.run.map(RunId::new);
    state.targets = targets;
    Ok(state)
}

async fn record(
    turn: &Turn,
    head: Head,
    seen: Option<&str>,
    expected: Serial,
    change: &Change,
) -> Result<Serial, Fault> {
    let found = Serial(shape::unsigned(head.serial)?);
    // The library's rows were replaced by another history in between: its serial counts other changes.
    let is_replaced = seen.is_some_and(|lineage| lineage != head.lineage);
    if found != expected || is_replaced {
        return Err(Fault::State(StateError::Moved { expected, found }));
    }
    let number = head.serial.checked_add(1).ok_or_else(|| Fault::Damaged("its serial is at its end".to_owned()))?;
    let serial = Serial(shape::unsigned(number)?);
    let entry = HistoryEntry::of(change, serial, head.run.clone().map(RunId::new).as_ref());
    let rows = turn.rows(&head);
    let targets = head.targets.wrapping_add(rows.apply(change).await?);
    rows.put(Table::History, &[Row::History(entry)]).await?;
    let run = match change {
        Change::Begin { run } => Some(run.id.to_string()),
        Change::End { end } => head.run.filter(|open| open != end.run.as_str()),
        _ => head.run,
    };
    Head { serial: number, run, targets, ..head }.write(&turn.client, &turn.schema).await?;
    Ok(serial)
}

async fn lock_of(turn: &Turn, head: &Head) -> Result<Option<Lock>, Fault> {
    let select = format!("SELECT token, holder, at, expires FROM {}.locks WHERE library = $1", turn.schema);
    let found = turn.client.query_typed(&select, &[(&head.number, Type::INT4)]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    Ok(Some(Lock {
        token: LockToken::new(unescaped(row.get(0))?),
        holder: unescaped(row.get(1))?,
        at: Timestamp(row.get(2)),
        expires: Timestamp(row.get(3)),
    }))
}

async fn take_lock(turn: &Turn, head: &Head, claim: &Claim) -> Result<Lock, Fault> {
    let clock = turn.client.query_typed("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint", &[]).await?;
    let now = Timestamp(clock.first().map_or(0, |row| row.get(0)));
    if let Some(lock) = lock_of(turn, head).await?.filter(|lock| !claim.may_take(lock, now)) {
        return Err(Fault::State(StateError::Locked(Box::new(lock))));
    }
    let lock = claim.granted(now);
    let upsert = format!(
        "INSERT INTO {}.locks (library, token, holder, at, expires) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (library) DO UPDATE SET token = $2, holder = $3, at = $4, expires = $5",
        turn.schema
    );
    let values: [(&(dyn ToSql + Sync), Type); 5] = [
        (&head.number, Type::INT4),
        (&escaped(lock.token.as_str()), Type::TEXT),
        (&escaped(&lock.holder), Type::TEXT),
        (&lock.at.0, Type::INT8),
        (&lock.expires.0, Type::INT8),
    ];
    turn.client.execute_typed(&upsert, &values).await?;
    Ok(lock)
}

async fn chunks(turn: &Turn, head: &Head) -> Result<Vec<ChunkRow>, Fault> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (rows, last) = turn.rows(head).page(Table::Chunks, after.as_ref(), rows::AT_ONCE).await?;
        all.extend(rows.into_iter().filter_map(|row| match row {
            Row::Chunk(row) => Some(row),
            _ => None,
        }));
        match last {
            Some(last) => after = Some(last),
            None => return Ok(all),
        }
    }
}

async fn change_chunks(turn: &Turn, head: Head, intent: &CorrelationId, change: &ChunkChange) -> Result<(), Fault> {
    let rows = turn.rows(&head);
    if !rows.is_under_way(intent).await? {
        return Err(Fault::State(StateError::Fenced));
    }
    rows.change_chunks(change).await?;
    let mark = match change {
        ChunkChange::Mark(mark) => Some(mark.to_text()),
        ChunkChange::Forget => None,
        _ => return Ok(()),
    };
    Head { mark, ..head }.write(&turn.client, &turn.schema).await
}

#[async_trait]
impl StateStore for PostgresState {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn load(&self) -> Result<State, StateError> {
        within(self.load_once()).await.map_err(|fault| fault.at(&self.place))
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        within(self.record_once(expected, change)).await.map_err(|fault| fault.at(&self.place))
    }
}

#[async_trait]
impl StateLock for PostgresState {
    async fn lock(&self, claim: &Claim, _: Timestamp) -> Result<Lock, StateError> {
        within(self.lock_once(claim)).await.map_err(|fault| fault.at(&self.place))
    }

    async fn unlock(&self, token: &LockToken) -> Result<(), StateError> {
        within(self.unlock_once(token)).await.map_err(|fault| fault.at(&self.place))
    }

    async fn locked(&self) -> Result<Option<Lock>, StateError> {
        let locked = async {
            let (turn, head) = self.begin_reading().await?;
            let found = match &head {
                Some(head) => lock_of(&turn, head).await,
                None => Ok(None),
            };
            turn.end(found).await
        };
        within(locked).await.map_err(|fault| fault.at(&self.place))
    }
}

#[async_trait]
impl ChunkRows for PostgresState {
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError> {
        within(self.chunks_once(mark)).await.map_err(|fault| fault.at(&self.place))
    }

    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError> {
        within(self.change_chunks_once(intent, change)).await.map_err(|fault| fault.at(&self.place))
    }
}

#[async_trait]
impl StateHistory for PostgresState {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let history = async {
            let (turn, head) = self.begin_reading().await?;
            let found = match &head {
                Some(head) => turn.rows(head).history(most).await,
                None => Ok(Vec::new()),
            };
            turn.end(found).await
        };
        within(history).await.map_err(|fault| fault.at(&self.place))
    }

    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError> {
        let runs = async {
            let (turn, head) = self.begin_reading().await?;
            let found = match &head {
                Some(head) => turn.rows(head).runs(most).await,
                None => Ok(Vec::new()),
            };
            turn.end(found).await
        };
        within(runs).await.map_err(|fault| fault.at(&self.place))
    }

    async fn survey(&self) -> Result<Survey, StateError> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            rows.push((table, self.count(table).await?));
        }
        // The tables are those of all libraries in the database.
        Ok(Survey { rows, bytes: None })
    }
}

#[async_trait]
impl FileDigests for PostgresState {
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError> {
        let known = async {
            let (turn, head) = self.begin_reading().await?;
            let found = match &head {
                Some(head) => turn.rows(head).known_files(blobs).await,
                None => Ok(FileFacts::new()),
            };
            turn.end(found).await
        };
        within(known).await.map_err(|fault| fault.at(&self.place))
    }

    async fn remember(&self, files: &FileFacts) -> Result<(), StateError> {
        if files.is_empty() {
            return Ok(());
        }
        let files: Vec<Row> = files::rows_of(files).into_iter().map(Row::File).collect();
        let remembered = async {
            let (turn, head) = self.begin_writing().await?;
            let put = match self.in_use(head) {
                Ok(head) => turn.rows(&head).put(Table::Files, &files).await,
                Err(fault) => Err(fault),
            };
            turn.end(put).await
        };
        within(remembered).await.map_err(|fault| fault.at(&self.place))
    }
}

#[cfg(test)]
mod tests;
