//! What a run asks of the state, answered by the copy; what others must know at once goes to origin.

use std::time::Instant;

use async_trait::async_trait;

use super::super::{ChunkRows, FileDigests, StateError, StateHistory, StateLock, StateStore};
use super::bearing::Bearing;
use super::{ATTEMPTS, CarriedState, Pushed, Role, Shared, Trouble, is_lasting};
use crate::catalog::fact::FileFacts;
use crate::ids::{BlobId, CorrelationId, LockToken};
use crate::state::row::{ChunkChange, ChunkRow, IndexMark};
use crate::state::{Change, Claim, HistoryEntry, Lock, Run, RunEnd, Serial, State, Survey, Timestamp};

impl CarriedState {
    /// Carries a change that was recorded in the copy `generation`; after it, the change is on origin.
    async fn carry(&self, generation: u64, expected: Serial) -> Result<(), StateError> {
        self.apart(move |shared, session| {
            if session.generation == generation {
                match shared.push_or_bring(session).map_err(|trouble| shared.state_error(trouble))? {
                    Pushed::Done => return Ok(()),
                    Pushed::Late => {}
                }
            }
            let found = shared.local.named()?;
            Err(StateError::Moved { expected, found: found.map_or(Serial(0), |(_, serial)| serial) })
        })
        .await
    }

    /// Takes the lock in the copy, and on origin. None where another run was faster.
    async fn lock_once(&self, claim: &Claim, now: Timestamp) -> Result<Option<Lock>, StateError> {
        let is_renewal = self.shared.local.locked().await?.is_some_and(|lock| lock.token == claim.token);
        let lock = self.shared.local.lock(claim, now).await?;
        let token = claim.token.clone();
        let outcome = self
            .apart(move |shared, session| {
                shared.hold(Some(&token))?;
                match shared.push_or_bring(session) {
                    Ok(pushed) => Ok(Ok(pushed == Pushed::Done)),
                    // Nothing is on origin yet that another run could misread.
                    Err(Trouble::Carrier(error)) if is_lasting(&error) && !session.has_pushed => {
                        shared.give_up(session, &error);
                        Ok(Ok(true))
                    }
                    Err(trouble) => Ok(Err(shared.state_error(trouble))),
                }
            })
            .await?;
        match outcome {
            Ok(is_ours) => Ok(is_ours.then_some(lock)),
            // What the run pushes next must not say that nobody is at work.
            Err(error) if is_renewal => Err(error),
            Err(error) => {
                self.shared.local.unlock(&claim.token).await?;
                Err(error)
            }
        }
    }

    /// Looks whether origin has moved, unless that was done a moment ago.
    async fn refresh(&self) -> Result<(), StateError> {
        self.apart(|shared, session| {
            let is_fresh = session.looked.is_some_and(|at| at.elapsed() < shared.look_every);
            if is_fresh || session.is_off || shared.role == Role::Reads {
                return Ok(());
            }
            shared.bring(session).map_err(|trouble| shared.state_error(trouble))?;
            session.looked = Some(Instant::now());
            Ok(())
        })
        .await
    }
}

impl Shared {
    /// Whether the lock was taken from this clone, by a run that has ended.
    fn is_left_behind(&self, lock: &Lock) -> bool {
        self.role == Role::Writes { has_turn: true } && Bearing::read(&self.folder).holds(&lock.token)
    }
}

#[async_trait]
impl StateStore for CarriedState {
    fn place(&self) -> String {
        self.shared.place_now()
    }

    async fn load(&self) -> Result<State, StateError> {
        self.ready().await?;
        self.shared.local.load().await
    }

    async fn record(&self, expected: Serial, change: &Change) -> Result<Serial, StateError> {
        let generation = self.ready().await?;
        let serial = self.shared.local.record(expected, change).await?;
        if matches!(change, Change::Intend { .. }) {
            self.carry(generation, expected).await?;
        }
        Ok(serial)
    }
}

#[async_trait]
impl StateLock for CarriedState {
    async fn lock(&self, claim: &Claim, now: Timestamp) -> Result<Lock, StateError> {
        self.ready().await?;
        let mut claim = claim.clone();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.lock_once(&claim, now).await {
                Ok(Some(lock)) => return Ok(lock),
                Ok(None) => {}
                Err(StateError::Locked(lock)) if last.as_ref() == Some(&lock) => return Err(StateError::Locked(lock)),
                Err(StateError::Locked(lock)) => {
                    if self.shared.is_left_behind(&lock) {
                        claim.abandoned = Some(lock.token.clone());
                    } else {
                        self.refresh().await?;
                    }
                    last = Some(lock);
                }
                Err(error) => return Err(error),
            }
        }
        match last {
            Some(lock) => Err(StateError::Locked(lock)),
            None => Err(self.shared.unusable("other runs change it all the time")),
        }
    }

    async fn unlock(&self, token: &LockToken) -> Result<(), StateError> {
        self.ready().await?;
        self.shared.local.unlock(token).await?;
        self.apart(|shared, session| {
            // Whoever was faster has broken our lock, and has theirs.
            shared.push_or_bring(session).map_err(|trouble| shared.state_error(trouble))?;
            shared.hold(None)
        })
        .await
    }

    async fn locked(&self) -> Result<Option<Lock>, StateError> {
        self.ready().await?;
        self.shared.local.locked().await
    }
}

#[async_trait]
impl ChunkRows for CarriedState {
    async fn chunks(&self, mark: &IndexMark) -> Result<Option<Vec<ChunkRow>>, StateError> {
        self.ready().await?;
        self.shared.local.chunks(mark).await
    }

    async fn change_chunks(&self, intent: &CorrelationId, change: &ChunkChange) -> Result<(), StateError> {
        self.ready().await?;
        self.shared.local.change_chunks(intent, change).await
    }
}

#[async_trait]
impl StateHistory for CarriedState {
    async fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.ready().await?;
        self.shared.local.history(most).await
    }

    async fn runs(&self, most: usize) -> Result<Vec<(Run, Option<RunEnd>)>, StateError> {
        self.ready().await?;
        self.shared.local.runs(most).await
    }

    async fn survey(&self) -> Result<Survey, StateError> {
        self.ready().await?;
        self.shared.local.survey().await
    }
}

#[async_trait]
impl FileDigests for CarriedState {
    async fn known(&self, blobs: &[BlobId]) -> Result<FileFacts, StateError> {
        self.ready().await?;
        self.shared.local.known(blobs).await
    }

    async fn remember(&self, files: &FileFacts) -> Result<(), StateError> {
        self.ready().await?;
        self.shared.local.remember(files).await
    }
}
