//! A few connections, and one transaction on one of them.
//!
//! Nothing outlives its transaction, no setting and no prepared statement: so a pooler that gives every transaction another
//! connection, as Supabase's does, makes no difference.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Client;

use super::fault::Fault;
use crate::adapters::postgres::{self, Address, connect};

/// How many connections there are at most; a small server has room for sixty.
const CONNECTIONS: usize = 4;

/// How long anything may take that is asked of a store.
const DEADLINE: Duration = Duration::from_secs(150);

/// Deadlines that the server keeps: for what another session holds, and for a client that has gone silent while it holds
/// something. What was committed has to be on the disk, whatever the server's own setting is.
const LIMITS: &str = "SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; \
                      SET LOCAL synchronous_commit = 'on'; SET LOCAL client_min_messages = 'error'";

/// What a turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// To see one moment of the index.
    Reading,
    /// To change it.
    Writing,
    /// To build what makes searching fast, which may take long.
    Building,
}

impl For {
    fn begin(self) -> String {
        let (level, statement) = match self {
            Self::Reading => ("REPEATABLE READ READ ONLY", "90s"),
            Self::Writing => ("READ COMMITTED READ WRITE", "90s"),
            Self::Building => ("READ COMMITTED READ WRITE", "1h"),
        };
        format!("BEGIN ISOLATION LEVEL {level}; SET LOCAL statement_timeout = '{statement}'; {LIMITS}")
    }
}

/// The connections of one store, made when they are needed.
pub(super) struct Pool {
    /// Where the database is; the error says why that is not known, once it is asked.
    address: Result<Address, String>,
    idle: Mutex<Vec<Client>>,
    permits: Semaphore,
}

/// A transaction. One that is dropped takes its connection with it, so that the server undoes it.
pub(super) struct Turn<'p> {
    pub(super) client: Client,
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
}

impl Pool {
    pub(super) fn new(address: Result<Address, String>) -> Self {
        Self { address, idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS) }
    }

    /// Begins a transaction, on a connection that is there if one still stands.
    pub(super) async fn begin(&self, purpose: For) -> Result<Turn<'_>, Fault> {
        let address = self.address.as_ref().map_err(Fault::refused)?;
        let closed = |_| Fault::refused("the connections are closed");
        let permit = self.permits.acquire().await.map_err(closed)?;
        let begin = purpose.begin();
        while let Some(client) = self.resting() {
            match client.batch_execute(&begin).await.map_err(postgres::Fault::from) {
                Ok(()) => return Ok(Turn { client, pool: self, _permit: permit }),
                // It was closed while nothing was asked of it, and nothing has begun.
                Err(postgres::Fault::Lost(_)) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let client = connect(address).await?;
        client.batch_execute(&begin).await?;
        Ok(Turn { client, pool: self, _permit: permit })
    }

    fn resting(&self) -> Option<Client> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Turn<'_> {
    /// Commits what succeeded; what did not is undone with the connection.
    pub(super) async fn end<T>(self, done: Result<T, Fault>) -> Result<T, Fault> {
        let done = done?;
        self.client.batch_execute("COMMIT").await?;
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.client);
        Ok(done)
    }
}

/// What comes of `work`, if it comes in time.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        Err(Fault::refused(format!(
            "it did not answer within {seconds} seconds. Look whether the server is well, and run again"
        )))
    })
}
