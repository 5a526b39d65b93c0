//! How long a run may take that waits for its downstreams, so that who waits for that run knows how long that may be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::settings::{OnFailure, Settings};
use crate::ids::DownstreamName;

/// The longest that anything is waited for: a job on GitHub lasts no longer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

/// How long a run waits for its downstreams at most, along the longest way of `needs`; never more than [`LONGEST_WAIT`].
///
/// Where one may bring others back, that is waited for as well, and counts once more.
pub fn longest_wait(all: &BTreeMap<DownstreamName, Settings>) -> Duration {
    let own = |settings: &Settings| {
        let run = settings.wait.as_ref().map_or(Duration::ZERO, |wait| wait.timeout.duration());
        run + settings.health.as_ref().map_or(Duration::ZERO, |health| health.timeout.duration())
    };
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
    let is_brought_back = all.values().any(|settings| settings.on_failure == OnFailure::Rollback);
    longest.saturating_mul(if is_brought_back { 2 } else { 1 }).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(entries: &[(&str, &str)]) -> u64 {
        let all = entries.iter().map(|(key, yaml)| (DownstreamName::new(*key), serde_yaml::from_str(yaml).unwrap()));
        longest_wait(&all.collect()).as_secs() / 60
    }

    #[test]
    fn what_is_not_awaited_takes_no_time() {
        assert_eq!(minutes(&[]), 0);
        assert_eq!(minutes(&[("a", "{repo: o/a}"), ("b", "{repo: o/b, needs: [a]}")]), 0);
    }

    #[test]
    fn those_that_need_each_other_are_added_up_and_others_are_not() {
        let all = [
            ("z", "{repo: o/z, wait: 10m}"),
            ("y", "{repo: o/y, wait: 15m, health: {url: 'https://y.example/', timeout: 5m}, needs: [z]}"),
            ("x", "{repo: o/x, needs: [y, gone]}"),
            ("alone", "{repo: o/alone, wait: 25m}"),
        ];
        assert_eq!(minutes(&all), 30);
    }

    #[test]
    fn bringing_back_counts_once_more_and_nothing_lasts_longer_than_a_job() {
        assert_eq!(minutes(&[("a", "{repo: o/a, wait: 10m, on_failure: rollback}")]), 20);
        assert_eq!(minutes(&[("a", "{repo: o/a, wait: 6h}"), ("b", "{repo: o/b, wait: 6h, needs: [a]}")]), 360);
    }

    #[test]
    fn a_circle_is_no_endless_wait() {
        assert!(
            minutes(&[("a", "{repo: o/a, wait: 1m, needs: [b]}"), ("b", "{repo: o/b, wait: 1m, needs: [a]}")]) < 360
        );
    }
}
