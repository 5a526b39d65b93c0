//! What the tests of the built binary may ask of it; a release is deaf to it.

use std::sync::Arc;

use super::environment::Environment;
use crate::adapters::http::{Pace, RealPace};

/// The clock for waits between requests: the machine's, or with `STOCKROOM_TEST_PACE=none` one by which no time passes.
pub fn pace(environment: &Environment) -> Arc<dyn Pace> {
    #[cfg(debug_assertions)]
    if environment.get("STOCKROOM_TEST_PACE") == Some("none") {
        return Arc::new(crate::adapters::http::SteppedPace::default());
    }
    let _ = environment;
    Arc::new(RealPace::default())
}
