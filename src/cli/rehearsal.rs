//! What the tests of the built binary may ask of it; a release is deaf to it.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::environment::Environment;
use crate::adapters::http::{Pace, RealPace};
use crate::adapters::state_store::Store;
#[cfg(debug_assertions)]
use crate::adapters::state_store::{Disorder, Disordered};
use crate::adapters::stop::Stop;

/// The clock for waits between requests: the machine's, or with `STOCKROOM_TEST_PACE=none` one by which no time passes.
pub fn pace(environment: &Environment, stop: &Stop) -> Arc<dyn Pace> {
    #[cfg(debug_assertions)]
    if environment.get("STOCKROOM_TEST_PACE") == Some("none") {
        return Arc::new(crate::adapters::http::SteppedPace::default());
    }
    let _ = environment;
    Arc::new(RealPace::until(stop.clone()))
}

/// What carries the run: two threads and those that wait for the disk, or with `STOCKROOM_TEST_THREADS=few` one of each, so
/// that calls come in the same order each time.
pub fn runtime(environment: &Environment) -> std::io::Result<Runtime> {
    #[cfg(debug_assertions)]
    if environment.get("STOCKROOM_TEST_THREADS") == Some("few") {
        return Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    }
    let _ = environment;
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// The state as it is, or with `STOCKROOM_TEST_ORDER` written in a wrong order: the kill sweep shows that it would notice.
pub fn state(environment: &Environment, state: Arc<dyn Store>) -> Arc<dyn Store> {
    #[cfg(debug_assertions)]
    if let Some(disorder) = environment.get("STOCKROOM_TEST_ORDER").and_then(Disorder::parse) {
        return Arc::new(Disordered::new(state, disorder));
    }
    let _ = environment;
    state
}
