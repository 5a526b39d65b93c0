//! A state that outlives the machine: a SQLite file in this clone, carried on a ref of its origin.
//!
//! What must be known before an effect (the lock, an intent) is on origin before the call returns; what follows from it
//! goes there with the next of these. A run that dies in between leaves an intent, which the next one has to resolve.

mod bearing;
mod copy;
mod stores;
mod trouble;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::bearing::Bearing;
use self::trouble::{Trouble, is_lasting};
use super::{SqliteState, StateError, StateStore as _};
use crate::adapters::carrier::{Carrier, CarrierError};
use crate::adapters::sqlite;
use crate::adapters::turn::Turn;
use crate::adapters::whole_file;
use crate::ids::{CommitId, LockToken};
use crate::state::Serial;

/// The files that are carried: the state, and the vector index that it speaks of.
pub const NAMES: &[&str] = &[STATE, VECTORS];

const STATE: &str = "state.sqlite";
const VECTORS: &str = "vectors.sqlite";
/// What is on its way between the files and origin.
const LAID: &str = "carried/laid";
/// How often somebody who waits for the lock asks origin whether it is free.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often a lock is tried for that another run was faster to take.
const ATTEMPTS: u32 = 5;

/// Takes a sentence for people.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What a run may do with the state on origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It looks: origin is read where no other run is at work in this clone, and is never written.
    Reads,
    /// It changes the state.
    Writes {
        /// Whether it has this clone's turn, so that a lock that was taken from this clone is nobody's any more.
        has_turn: bool,
    },
}

/// A state on origin, with a copy in this clone. Clones share everything.
///
/// Where origin does not let us write, that is said once, and the copy is the state.
#[derive(Clone)]
pub struct CarriedState {
    shared: Arc<Shared>,
}

struct Shared {
    local: SqliteState,
    carrier: Carrier,
    folder: PathBuf,
    role: Role,
    say: Say,
    look_every: Duration,
    session: Mutex<Session>,
}

#[derive(Debug, Default)]
struct Session {
    /// Whether the copy has been brought to what origin has.
    is_brought: bool,
    /// Whether nothing is carried: origin may not be written.
    is_off: bool,
    /// Whether something has been pushed.
    has_pushed: bool,
    /// How often the copy was replaced.
    generation: u64,
    looked: Option<Instant>,
}

impl CarriedState {
    /// The state of which `local` is the copy, in `folder`.
    pub fn new(local: SqliteState, carrier: Carrier, folder: impl Into<PathBuf>, role: Role, say: Say) -> Self {
        let (folder, session) = (folder.into(), Mutex::default());
        Self { shared: Arc::new(Shared { local, carrier, folder, role, say, look_every: LOOK_EVERY, session }) }
    }

    /// Notes that the copy in a folder is of no use, before it is set aside: if it came from origin as it is, origin's is of
    /// no use either, and is replaced. Says whether origin's takes its place.
    pub fn doubt(folder: &Path) -> std::io::Result<bool> {
        bearing::doubt(folder)
    }

    /// Does what waits for git where it may wait, one after the other.
    async fn apart<T, F>(&self, work: F) -> Result<T, StateError>
    where
        T: Send + 'static,
        F: FnOnce(&Shared, &mut Session) -> Result<T, StateError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let mut session = shared.session.lock().unwrap_or_else(PoisonError::into_inner);
            work(&shared, &mut session)
        });
        done.await.unwrap_or_else(|stopped| Err(self.shared.unusable(stopped)))
    }

    /// Brings the copy to what origin has, once. Gives which copy it is.
    async fn ready(&self) -> Result<u64, StateError> {
        self.apart(|shared, session| {
            if !session.is_brought && !session.is_off {
                shared.bring_first(session)?;
                session.is_brought = true;
            }
            Ok(session.generation)
        })
        .await
    }
}

impl Shared {
    fn bring_first(&self, session: &mut Session) -> Result<(), StateError> {
        let turn = match self.role {
            Role::Writes { .. } => None,
            Role::Reads => match Turn::take(&self.folder) {
                // The run that is at work here has brought it.
                None => return Ok(()),
                turn => turn,
            },
        };
        let brought = self.bring(session);
        drop(turn);
        match brought {
            Err(Trouble::Carrier(error)) if self.role == Role::Reads || is_lasting(&error) => {
                self.give_up(session, &error);
                Ok(())
            }
            other => other.map_err(|trouble| self.state_error(trouble)),
        }
    }

    /// Goes on with the copy alone.
    fn give_up(&self, session: &mut Session, why: &CarrierError) {
        session.is_off = true;
        (self.say)(&match self.role {
            Role::Reads => format!("{why}. What follows is what this clone remembers"),
            Role::Writes { .. } => format!("{why}. What this run does is remembered in this clone alone"),
        });
    }

    /// Brings the copy to what origin has, unless it is that or goes on from it.
    fn bring(&self, session: &mut Session) -> Result<(), Trouble> {
        session.looked = Some(Instant::now());
        let mut bearing = Bearing::read(&self.folder);
        let head = self.carrier.head()?;
        let is_here = self.folder.join(STATE).is_file();
        match head {
            None => {
                let was_there = bearing.commit.is_some();
                bearing.follow(None);
                self.note(&mut bearing)?;
                return self.bring_back(session, was_there.then_some("origin holds no state any more"));
            }
            Some(head) if bearing.has_pushed(&head) && is_here => bearing.follow(Some(head)),
            Some(head) if bearing.commit.as_ref() == Some(&head) && is_here => return Ok(()),
            Some(head) if bearing.commit.as_ref() == Some(&head) && bearing.is_doubted => {
                self.begin_anew(&head, "it was found to be of no use");
                bearing.follow(Some(head));
            }
            Some(head) => return self.take_over(session, bearing, &head),
        }
        self.note(&mut bearing)
    }

    /// Replaces the copy by what origin has, if that is of use.
    fn take_over(&self, session: &mut Session, mut bearing: Bearing, head: &CommitId) -> Result<(), Trouble> {
        let laid = self.laid()?;
        let carried = match self.carrier.fetch(&laid) {
            Ok(Some(carried)) => carried,
            Ok(None) => {
                bearing.follow(None);
                return self.note(&mut bearing);
            }
            Err(error @ CarrierError::Unfit { .. }) => {
                self.begin_anew(head, &error.to_string());
                bearing.follow(Some(head.clone()));
                return self.note(&mut bearing);
            }
            Err(error) => return Err(error.into()),
        };
        let file = |name: &str| carried.files.iter().find(|(own, _)| *own == name).map(|(_, file)| file.path());
        let theirs = match file(STATE).map(|path| self.found(path)) {
            Some(Err(error)) if !error.is_unfit() => return Err(error.into()),
            Some(Ok(state)) => state,
            unfit => {
                let why = unfit.and_then(Result::err).map_or("it holds none".to_owned(), |error| error.to_string());
                self.begin_anew(&carried.commit, &why);
                bearing.follow(Some(carried.commit));
                return self.note(&mut bearing);
            }
        };
        let own = self.folder.join(STATE);
        let ours = if own.is_file() { self.found(&own).ok() } else { None };
        if let Some(ours) = &ours
            && ours.0 == theirs.0
            && bearing.lineage == theirs.0
            && theirs.1 < bearing.serial
        {
            bearing.follow(Some(carried.commit));
            self.note(&mut bearing)?;
            return self.bring_back(session, Some("an earlier state was brought back on origin"));
        }
        if let Some(ours) = ours {
            self.part_with(&ours, &bearing, &own)?;
        }
        for name in NAMES {
            let target = self.folder.join(name);
            match file(name) {
                Some(source) => self.lay(source, &target)?,
                None => sqlite::remove(&target).map_err(|error| self.unusable(error))?,
            }
        }
        session.generation += 1;
        bearing.meet(carried.commit, theirs, true);
        self.note(&mut bearing)
    }

    /// Lets origin have the copy, where that holds anything and origin none or an earlier one, and says why if there is a reason.
    ///
    /// A run with nothing to do is the only one that comes by for long: it must not wait for the next change.
    fn bring_back(&self, session: &mut Session, why: Option<&str>) -> Result<(), Trouble> {
        let own = self.folder.join(STATE);
        let holds_anything = own.is_file() && self.found(&own).is_ok_and(|(_, serial)| serial > Serial(0));
        let becomes = match self.role {
            _ if !holds_anything => "a new one is begun",
            Role::Reads => "the one in this clone is used; the next sync carries it there again",
            Role::Writes { .. } => match self.push(session) {
                // Whatever has come there meanwhile is met by the next push.
                Ok(()) | Err(Trouble::Carrier(CarrierError::Moved { .. })) => {
                    "the one in this clone is used, and carried there again"
                }
                Err(trouble) => return Err(trouble),
            },
        };
        if let Some(why) = why {
            (self.say)(&format!("{why}: {becomes}"));
        }
        Ok(())
    }

    /// The lineage and the serial of a state in a file, also of one that was moved away: it is to be told from here.
    fn found(&self, file: &Path) -> Result<(String, Serial), StateError> {
        let store = self.local.elsewhere(file);
        match store.loaded() {
            Ok(state) => Ok((state.lineage, state.serial)),
            Err(away) if away.is_away() => store.named()?.ok_or(away),
            Err(error) => Err(error),
        }
    }

    /// Says what becomes of a copy that gives way to origin's.
    fn part_with(&self, ours: &(String, Serial), bearing: &Bearing, own: &Path) -> Result<(), Trouble> {
        let (lineage, serial) = ours;
        if bearing.commit.is_none() && *serial > Serial(0) {
            let aside = own.with_extension("aside");
            sqlite::remove(&aside).and_then(|()| copy::copy(own, &aside)).map_err(|error| self.unusable(error))?;
            let aside = aside.display();
            (self.say)(&format!(
                "origin has a state: it takes the place of this clone's own, which is kept as {aside}"
            ));
        } else if *serial > Serial(0) && (*lineage != bearing.lineage || *serial > bearing.serial) {
            (self.say)("another run has moved the state on: what this clone had recorded since then gives way to it");
        }
        Ok(())
    }

    fn begin_anew(&self, commit: &CommitId, why: &str) {
        (self.say)(&format!(
            "the state on origin is not used ({why}); this clone's takes its place. It was the commit {commit}"
        ));
    }

    /// Gives a file of ours the content of one that was brought.
    fn lay(&self, source: &Path, target: &Path) -> Result<(), StateError> {
        let laid = copy::copy(source, target).or_else(|_| {
            // What is there is no database.
            sqlite::set_aside(target, "damaged").and_then(|_| copy::copy(source, target))
        });
        laid.map_err(|error| self.unusable(error))
    }

    /// Lets origin have what the copy has now.
    fn push(&self, session: &mut Session) -> Result<(), Trouble> {
        if session.is_off || self.role == Role::Reads {
            return Ok(());
        }
        let Some(named) = self.local.named()? else { return Ok(()) };
        let laid = self.laid()?;
        // What a killed run has left is nobody's hindrance.
        let _ = whole_file::clear_partial(&self.folder);
        // Whatever is written to the index meanwhile, the state has said so before and says no more until both are copied.
        let files = self.local.still(|| self.copies(&laid)).map_err(|error| self.unusable(error))?;
        let files: Vec<(&str, &Path)> = files.iter().map(|(name, path)| (*name, path.as_path())).collect();
        let prepared = self.carrier.prepare(&files)?;
        let mut bearing = Bearing::read(&self.folder);
        if bearing.commit.as_ref() == Some(&prepared.commit) {
            return Ok(());
        }
        let earlier = bearing.clone();
        bearing.expect(&prepared.commit);
        self.note(&mut bearing)?;
        let pushed = match self.carrier.push(bearing.commit.as_ref(), &prepared) {
            // Nobody knew what had become of a push of ours: it had arrived.
            Err(CarrierError::Moved { found: Some(found) }) if earlier.has_pushed(&found) => {
                self.carrier.push(Some(&found), &prepared)
            }
            pushed => pushed,
        };
        pushed?;
        session.has_pushed = true;
        bearing.meet(prepared.commit, named, false);
        self.note(&mut bearing)
    }

    /// The files as they are, in a folder of their own.
    fn copies(&self, laid: &Path) -> std::io::Result<Vec<(&'static str, PathBuf)>> {
        let mut files = Vec::new();
        for name in NAMES {
            let (from, to) = (self.folder.join(name), laid.join(name));
            if from.is_file() {
                copy::copy(&from, &to)?;
                files.push((*name, to));
            }
        }
        Ok(files)
    }

    /// Lets origin have it; where another run was faster, the copy is brought to what that has left.
    fn push_or_bring(&self, session: &mut Session) -> Result<Pushed, Trouble> {
        match self.push(session) {
            Ok(()) => Ok(Pushed::Done),
            Err(Trouble::Carrier(CarrierError::Moved { .. })) => {
                self.bring(session)?;
                Ok(Pushed::Late)
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn hold(&self, token: Option<&LockToken>) -> Result<(), StateError> {
        let mut bearing = Bearing::read(&self.folder);
        bearing.hold(token);
        bearing.write(&self.folder).map_err(|error| self.unusable(error))
    }

    /// An empty folder for what is on its way; what a run that was killed has left there goes.
    fn laid(&self) -> Result<PathBuf, StateError> {
        let laid = self.folder.join(LAID);
        let made = match std::fs::remove_dir_all(&laid) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => std::fs::create_dir_all(&laid),
        };
        made.map(|()| laid).map_err(|error| self.unusable(error))
    }

    fn note(&self, bearing: &mut Bearing) -> Result<(), Trouble> {
        Ok(bearing.write(&self.folder).map_err(|error| self.unusable(error))?)
    }

    /// Where the state is: on origin, unless it is not known ever to have come there.
    fn place_now(&self) -> String {
        let is_off = self.session.try_lock().is_ok_and(|session| session.is_off);
        let (local, origin) = (self.local.place(), self.place());
        match Bearing::read(&self.folder).commit {
            _ if is_off => format!("{local} in this clone alone ({origin} cannot be used)"),
            None => format!("{local} in this clone alone (there is no {origin})"),
            Some(_) => origin,
        }
    }

    fn place(&self) -> String {
        format!("{} on origin", self.carrier.place().reference)
    }

    fn unusable(&self, why: impl std::fmt::Display) -> StateError {
        StateError::Unusable { place: self.place(), why: why.to_string() }
    }

    fn state_error(&self, trouble: Trouble) -> StateError {
        match trouble {
            Trouble::State(StateError::Newer { found, known, .. }) => {
                StateError::Newer { place: self.place(), found, known }
            }
            Trouble::State(error) => error,
            Trouble::Carrier(CarrierError::Newer { found, known }) => {
                let number = |version: u64| i64::try_from(version).unwrap_or(i64::MAX);
                StateError::Newer { place: self.place(), found: number(found), known: number(known) }
            }
            Trouble::Carrier(error) => self.unusable(error),
        }
    }
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pushed {
    Done,
    /// Another run was faster; the copy is its state now.
    Late,
}
