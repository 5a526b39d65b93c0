//! A receiver in memory, whose runs end as they are told to.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Dispatch, DispatchError, Dispatcher, Outcome, Progress, RunRef, Search, Sighting};
use crate::state::Timestamp;

/// What becomes of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Its run ends so, after it was looked at this often.
    Ends(&'static str, usize),
    /// Its run never ends.
    Hangs,
    /// No run of it is ever seen.
    Unseen,
    /// It is refused.
    Refused,
    /// It arrives, and nobody learns of it.
    Unanswered,
}

/// Keeps every delivery.
#[derive(Debug, Default)]
pub struct MemoryDispatcher {
    world: Mutex<World>,
}

#[derive(Debug, Default)]
struct World {
    received: Vec<(Dispatch, Script, usize)>,
    scripts: VecDeque<Script>,
    asked: usize,
}

impl MemoryDispatcher {
    /// One whose next deliveries come to this, one after the other; the ones after them succeed at once.
    pub fn scripted(scripts: impl IntoIterator<Item = Script>) -> Self {
        let world = World { scripts: scripts.into_iter().collect(), ..World::default() };
        Self { world: Mutex::new(world) }
    }

    /// The deliveries so far.
    pub fn received(&self) -> Vec<Dispatch> {
        self.lock().received.iter().map(|(dispatch, ..)| dispatch.clone()).collect()
    }

    /// How often a run was looked for or at.
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    /// Somebody begins the last run anew, which ends so.
    pub fn rerun(&self, conclusion: &'static str) {
        if let Some((_, script, looks)) = self.lock().received.last_mut() {
            (*script, *looks) = (Script::Ends(conclusion, 0), 0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn sighting(&mut self, index: usize) -> Option<Sighting> {
        self.asked += 1;
        let (dispatch, script, looks) = self.received.get_mut(index)?;
        *looks += 1;
        let progress = match script {
            Script::Ends(conclusion, after) if *looks > *after => {
                Progress::Ended { conclusion: (*conclusion).to_owned() }
            }
            Script::Ends(..) | Script::Hangs if *looks == 1 => Progress::Queued,
            Script::Ends(..) | Script::Hangs | Script::Unanswered => Progress::Running,
            Script::Unseen | Script::Refused => return None,
        };
        let place = format!("memory of {}", dispatch.downstream);
        Some(Sighting { place, run: Some(RunRef::new(index.to_string())), progress })
    }
}

#[async_trait]
impl Dispatcher for MemoryDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let mut world = self.lock();
        let script = world.scripts.pop_front().unwrap_or(Script::Ends("success", 0));
        if script == Script::Refused {
            return Err(DispatchError::Refused { why: format!("{} refuses it", dispatch.downstream) });
        }
        world.received.push((dispatch.clone(), script.clone(), 0));
        Ok(match script {
            Script::Unanswered => Outcome::Unknown { why: "the answer was lost".to_owned() },
            _ => Outcome::Delivered { place: format!("memory of {}", dispatch.downstream), run: None },
        })
    }

    async fn find(&self, dispatch: &Dispatch, _: Timestamp) -> Result<Search, DispatchError> {
        let mut world = self.lock();
        let at = world.received.iter().position(|(held, ..)| held.correlation == dispatch.correlation);
        let found = at.and_then(|at| world.sighting(at));
        let others = usize::from(at.is_some() && found.is_none());
        Ok(found.map_or(Search::Absent { others }, Search::Found))
    }

    async fn look(&self, run: &RunRef) -> Result<Sighting, DispatchError> {
        let index = run.as_str().parse().ok();
        let seen = index.and_then(|index| self.lock().sighting(index));
        seen.ok_or_else(|| DispatchError::Refused { why: format!("there is no run {run}") })
    }

    fn is_remote(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[tokio::test]
    async fn memory_is_a_dispatcher() {
        let memory = MemoryDispatcher::default();
        conformance::run(&memory, || memory.received().len()).await;
    }
}
