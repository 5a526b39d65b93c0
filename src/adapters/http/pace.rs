//! Time as an adapter sees it: it passes, one can wait, and a little chance keeps many clients from waiting in step.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::stop::Stop;

/// A clock to wait by.
#[async_trait]
pub trait Pace: Send + Sync {
    /// The time since some fixed moment; it never goes back.
    fn now(&self) -> Duration;

    /// Waits; not longer than until the process is asked to end.
    async fn sleep(&self, duration: Duration);

    /// Whether the process was asked to end.
    fn stop(&self) -> &Stop;

    /// A number from 0 to 999, by chance.
    fn jitter(&self) -> u32;
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct RealPace {
    start: tokio::time::Instant,
    stop: Stop,
}

impl Default for RealPace {
    fn default() -> Self {
        Self::until(Stop::default())
    }
}

impl RealPace {
    /// The clock of a process that `stop` asks to end.
    pub fn until(stop: Stop) -> Self {
        Self { start: tokio::time::Instant::now(), stop }
    }
}

#[async_trait]
impl Pace for RealPace {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.stop.sleep(duration).await;
    }

    fn stop(&self) -> &Stop {
        &self.stop
    }

    fn jitter(&self) -> u32 {
        // The id's last bytes come from the system's source of randomness.
        u32::try_from(uuid::Uuid::new_v4().as_u128() % 1_000).unwrap_or_default()
    }
}

/// A clock that stands still except while somebody waits, which takes no time at all. It keeps the waits.
#[derive(Debug, Default)]
pub struct SteppedPace {
    slept: Mutex<Vec<Duration>>,
    stop: Stop,
}

impl SteppedPace {
    /// Every wait so far.
    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Pace for SteppedPace {
    fn now(&self) -> Duration {
        self.slept().iter().sum()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap_or_else(PoisonError::into_inner).push(duration);
    }

    fn stop(&self) -> &Stop {
        &self.stop
    }

    fn jitter(&self) -> u32 {
        500
    }
}
