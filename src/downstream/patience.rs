//! How long a run may take that waits for its downstreams, so that who waits for that run knows how long that may be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::settings::Settings;
use crate::ids::DownstreamName;

/// The longest that anything is waited for: a job on GitHub lasts no longer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

/// How long a run waits for its downstreams at most, along the longest way of `needs`; never more than [`LONGEST_WAIT`].
///
/// Where one may bring others back, that is waited for as well, and counts once more.
pub fn longest_wait(all: &BTreeMap<DownstreamName, Settings>) -> Duration {
    let own = |_: &Settings| Duration::ZERO;
    let mut until: BTreeMap<&DownstreamName, Duration> = BTreeMap::new();
    // So many rounds are enough where nobody waits for themselves, which the configuration refuses.
    for _ in 0..all.len() {
        let mut is_settled = true;
        for (name, settings) in all {
            let needed = settings.needs.iter().filter_map(|need| until.get(need)).max().copied().unwrap_or_default();
            let total = (needed + own(settings)).min(LONGEST_WAIT);
            is_settled &= until.insert(name, total) == Some(total);
        }
        if is_settled {
            break;
        }
    }
    let longest = until.into_values().max().unwrap_or_default();
    let is_brought_back = false;
    longest.saturating_mul(if is_brought_back { 2 } else { 1 }).min(LONGEST_WAIT)
}

