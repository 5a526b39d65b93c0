//! One run at a time: a plan that is to be applied is made, or proved to be up to date, under the state's lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::gather::Library;
use super::outside::Outside;
use super::plan::{Desired, Scope, plan};
use crate::adapters::state_store::{StateError, Store};
use crate::adapters::stop::Hold;
use crate::downstream::{LONGEST_WAIT, Settings, longest_wait};
use crate::ids::{DownstreamName, LockToken, TargetName};
use crate::report::state::Waiting;
use crate::state::{Arrival, Claim, Lock, State, TargetState};

/// For how long a lock is taken, in seconds: so long a run that was killed keeps others waiting at most.
const SECONDS: i64 = 300;
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(100);
/// How long one run waits for another that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often it looks whether the other has ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The lock, renewed until it is given back.
pub struct Held {
    store: Arc<dyn Store>,
    token: LockToken,
    /// Gone when the lock is not to be renewed any more.
    enough: Option<oneshot::Sender<()>>,
    renewal: JoinHandle<()>,
    /// A signal does not end the process before the lock is given back.
    _under_way: Hold,
}

impl Held {
    async fn take(outside: &Outside, claim: Claim, under_way: Hold) -> Result<Self, StateError> {
        let store = Arc::clone(&outside.state);
        match store.lock(&claim, (outside.clock)()).await {
            Ok(_) => {}
            Err(locked @ StateError::Locked(_)) => return Err(locked),
            Err(error) => {
                // The answer may have been a yes that got lost.
                let _ = store.unlock(&claim.token).await;
                return Err(error);
            }
        }
        let claim = Claim { alone: false, abandoned: None, ..claim };
        let (renewed, clock, token) = (Arc::clone(&store), Arc::clone(&outside.clock), claim.token.clone());
        let (enough, mut is_enough) = oneshot::channel::<()>();
        let renewal = tokio::spawn(async move {
            while tokio::time::timeout(RENEW_EVERY, &mut is_enough).await.is_err() {
                // Who has lost the lock goes on: what it records is held against what others have recorded.
                let _ = renewed.lock(&claim, clock()).await;
            }
        });
        Ok(Self { store, token, enough: Some(enough), renewal, _under_way: under_way })
    }

    /// Gives the lock back. A renewal that is under way ends first: it would take the lock anew.
    pub async fn give_back(mut self) -> Result<(), StateError> {
        drop(self.enough.take());
        // It breaks down only with what it stands on.
        let _ = (&mut self.renewal).await;
        self.store.unlock(&self.token).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Who wants the lock.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// What proves that the lock is theirs; another one for each run.
    pub token: LockToken,
    /// Who they are, in words for people.
    pub holder: String,
    /// Whether they know that nobody else who could hold the lock is alive.
    pub alone: bool,
}

/// How long one run waits for another, which may wait for its downstreams: as long as that can take, and ten minutes.
pub fn patience(downstreams: &BTreeMap<DownstreamName, Settings>) -> Duration {
    (PATIENCE + longest_wait(downstreams)).min(LONGEST_WAIT)
}

/// A plan that may be applied at once, and the lock, where there is anything to apply.
///
/// `told` hears whose lock is waited for, and what that one waits for. The lock has to be given back.
pub async fn plan_locked(
    library: &Library,
    outside: &Outside,
    scope: Scope,
    claimant: &Claimant,
    told: &mut (dyn FnMut(&Waiting) + Send),
) -> anyhow::Result<(Desired, Option<Held>)> {
    let desired = plan(library, outside, scope.clone(), true).await?;
    if desired.is_settled() || desired.plan.refusal.is_some() {
        clear_left_behind(outside, claimant).await?;
        return Ok((desired, None));
    }
    let most = patience(&library.config.settings.downstreams);
    let held = take(outside, claimant, most, told).await?;
    let desired = match outside.state.load().await {
        // Nobody has been at it since: the plan is still the one to be made.
        Ok(now) if now == desired.planned => Ok(desired),
        Ok(_) => plan(library, outside, scope, true).await,
        Err(error) => Err(error.into()),
    };
    match desired {
        Ok(desired) => Ok((desired, Some(held))),
        Err(error) => {
            let _ = held.give_back().await;
            Err(error)
        }
    }
}

/// Takes away a lock that a run has left behind which was killed before it had begun.
async fn clear_left_behind(outside: &Outside, claimant: &Claimant) -> Result<(), StateError> {
    match outside.state.locked().await? {
        Some(lock) if claimant.alone => outside.state.unlock(&lock.token).await,
        _ => Ok(()),
    }
}

/// Takes the lock, when whoever has it has given it back.
pub async fn take(
    outside: &Outside,
    claimant: &Claimant,
    most: Duration,
    told: &mut (dyn FnMut(&Waiting) + Send),
) -> anyhow::Result<Held> {
    let Claimant { token, holder, alone } = claimant.clone();
    let mut claim = Claim { token, holder, seconds: SECONDS, alone, abandoned: None };
    let begun = outside.pace.now();
    let mut seen: Option<(Lock, Duration)> = None;
    loop {
        let lock = match Held::take(outside, claim.clone(), outside.stop().hold()?).await {
            Ok(held) => return Ok(held),
            Err(StateError::Locked(lock)) => *lock,
            Err(error) => return Err(error.into()),
        };
        if outside.pace.now().saturating_sub(begun) >= most {
            let Lock { holder, .. } = lock;
            return Err(anyhow!(
                "the state is locked by {holder}, for {} minutes by now. Wait for it or end it; if it is no more, \
                 `stockroom state unlock` takes the lock away",
                most.as_secs() / 60
            ));
        }
        let since = match seen {
            Some((ref last, since)) if *last == lock => since,
            _ => {
                let awaited = outside.state.load().await.map(awaited).unwrap_or_default();
                told(&Waiting { lock: lock.clone(), awaited, most });
                outside.pace.now()
            }
        };
        // Clocks may differ by years. A lock that was not renewed for as long as it was taken for, by our own, is nobody's.
        // Nobody takes it for longer than we do, whatever a lock says.
        let lasts = u64::try_from(lock.expires.0.saturating_sub(lock.at.0).min(SECONDS)).unwrap_or_default();
        let is_abandoned = outside.pace.now().saturating_sub(since) >= Duration::from_secs(lasts);
        claim.abandoned = is_abandoned.then(|| lock.token.clone());
        seen = Some((lock, since));
        outside.pace.sleep(LOOK_EVERY).await;
    }
}

/// The targets that have taken what is under way, with the runs that it began there.
fn awaited(state: State) -> Vec<(TargetName, String)> {
    let arrived = |(name, target): (TargetName, TargetState)| {
        let arrival = Arrival::parse(&target.intent?.arrived?);
        Some((name, arrival.for_people().to_owned()))
    };
    state.targets.into_iter().filter_map(arrived).collect()
}
