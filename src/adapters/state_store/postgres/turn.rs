//! One transaction on the one connection of a store.

use std::future::Future;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio_postgres::Client;

use super::fault::Fault;
use super::format::{self, Format, Head};
use super::rows::Rows;
use super::{PostgresState, Session};
use crate::adapters::postgres::{self, connect};

/// How long anything may take that is asked of a store.
const DEADLINE: Duration = Duration::from_secs(150);

/// Deadlines that the server keeps: for one statement, for what another session holds, and for a client that has gone
/// silent while it holds something. What was committed has to be on the disk, whatever the server's own setting is.
const LIMITS: &str = "SET LOCAL statement_timeout = '90s'; SET LOCAL lock_timeout = '30s'; \
                      SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL synchronous_commit = 'on'; \
                      SET LOCAL client_min_messages = 'error'";

/// What a turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// To see one moment of the state.
    Reading,
    /// To change it, with all other writers kept out.
    Writing,
}

impl For {
    fn begin(self) -> String {
        let level = match self {
            Self::Reading => "REPEATABLE READ READ ONLY",
            Self::Writing => "READ COMMITTED READ WRITE",
        };
        format!("BEGIN ISOLATION LEVEL {level}; {LIMITS}")
    }
}

/// A transaction. One that is dropped takes its connection with it, so that the server undoes it.
pub(super) struct Turn {
    pub(super) session: OwnedMutexGuard<Session>,
    pub(super) client: Client,
    pub(super) schema: String,
}

impl Turn {
    /// Begins one, on the connection that is there if it still stands.
    pub(super) async fn begin(store: &PostgresState, purpose: For) -> Result<Self, Fault> {
        let mut session = std::sync::Arc::clone(&store.session).lock_owned().await;
        let begin = purpose.begin();
        if let Some(client) = session.client.take() {
            match client.batch_execute(&begin).await.map_err(postgres::Fault::from) {
                Ok(()) => return Ok(Self { session, client, schema: store.schema.clone() }),
                // It was closed while nothing was asked of it, and nothing has begun.
                Err(postgres::Fault::Lost(_)) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let client = connect(&store.address).await?;
        client.batch_execute(&begin).await?;
        Ok(Self { session, client, schema: store.schema.clone() })
    }

    /// The head, in tables that are made or brought up to date first.
    pub(super) async fn prepared(&mut self, store: &PostgresState) -> Result<Head, Fault> {
        if !self.session.is_prepared {
            if format::look(&self.client, &self.schema, &store.place).await? != Format::Current {
                format::prepare(&self.client, &self.schema, &store.place).await?;
            }
            self.session.is_prepared = true;
        }
        if let Some(head) = format::head(&self.client, &self.schema, &store.library, true).await? {
            return Ok(head);
        }
        format::make(&self.client, &self.schema, &store.library, &self.session.lineage).await?;
        let made = format::head(&self.client, &self.schema, &store.library, true).await?;
        made.ok_or_else(|| Fault::Damaged("it names no library".to_owned()))
    }

    /// The head as it is, if there is one. Tables of an older format are brought up to date first, in a transaction of its own:
    /// who took them for absent would plan as if nothing had ever been done.
    pub(super) async fn found(&mut self, store: &PostgresState, lock: bool) -> Result<Option<Head>, Fault> {
        if !self.session.is_prepared {
            match format::look(&self.client, &self.schema, &store.place).await? {
                Format::Absent => return Ok(None),
                Format::Behind(_) => {
                    self.client.batch_execute(&format!("ROLLBACK; {}", For::Writing.begin())).await?;
                    format::prepare(&self.client, &self.schema, &store.place).await?;
                    let purpose = if lock { For::Writing } else { For::Reading };
                    self.client.batch_execute(&format!("COMMIT; {}", purpose.begin())).await?;
                }
                Format::Current => {}
            }
            self.session.is_prepared = true;
        }
        format::head(&self.client, &self.schema, &store.library, lock).await
    }

    pub(super) fn rows(&self, head: &Head) -> Rows<'_> {
        Rows { client: &self.client, schema: &self.schema, library: head.number }
    }

    /// Commits what succeeded and undoes what did not; the connection is kept where it is in order.
    pub(super) async fn end<T>(mut self, done: Result<T, Fault>) -> Result<T, Fault> {
        let (end, done) = match done {
            Ok(done) => ("COMMIT", Ok(done)),
            Err(fault @ Fault::State(_)) => ("ROLLBACK", Err(fault)),
            // Tables that were made in it are gone again.
            Err(fault) => {
                self.session.is_prepared = false;
                return Err(fault);
            }
        };
        let ended = self.client.batch_execute(end).await.map_err(postgres::Fault::from);
        if done.is_err() {
            self.session.is_prepared = false;
        }
        match (ended, done) {
            (Ok(()), done) => {
                self.session.client = Some(self.client);
                done
            }
            (Err(postgres::Fault::Lost(how)), Ok(_)) => Err(Fault::Unknown(postgres::Fault::Lost(how))),
            (Err(fault), Ok(_)) => Err(fault.into()),
            (Err(_), Err(fault)) => Err(fault),
        }
    }
}

/// What comes of `work`, if it comes in time.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        let why = format!("it did not answer within {seconds} seconds. Look whether the server is well, and run again");
        Err(postgres::Fault::Refused(why).into())
    })
}
