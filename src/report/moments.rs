//! Moments of the past, as people and programs read them: in UTC, whatever the machine is set to; and lengths of time.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

use crate::finding::words::count;
use crate::state::Timestamp;

/// Such as `2026-11-20T12:44:23Z`, which is RFC 3339.
pub fn exact(at: Timestamp) -> String {
    DateTime::from_timestamp(at.0, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Such as `2026-11-20 12:44 UTC`.
pub fn for_people(at: Timestamp) -> String {
    DateTime::from_timestamp(at.0, 0).unwrap_or_default().format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Such as `45 seconds`, `10 minutes` or `2 hours 5 minutes`; what is less than the last is left out.
pub fn length(of: Duration) -> String {
    let seconds = usize::try_from(of.as_secs()).unwrap_or(usize::MAX);
    match seconds {
        0..120 if !seconds.is_multiple_of(60) || seconds == 0 => count(seconds, "second"),
        0..7_200 => count(seconds / 60, "minute"),
        _ if seconds / 60 % 60 == 0 => count(seconds / 3_600, "hour"),
        _ => format!("{} {}", count(seconds / 3_600, "hour"), count(seconds / 60 % 60, "minute")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_everywhere() {
        let at = Timestamp(1_795_178_663);
        assert_eq!((exact(at).as_str(), for_people(at).as_str()), ("2026-11-20T12:44:23Z", "2026-11-20 12:44 UTC"));
    }

    #[test]
    fn a_length_is_told_as_people_tell_it() {
        let told = [0, 1, 60, 119, 600, 7_199, 7_200, 7_500].map(|seconds| length(Duration::from_secs(seconds)));
        let wanted = [
            "0 seconds",
            "1 second",
            "1 minute",
            "119 seconds",
            "10 minutes",
            "119 minutes",
            "2 hours",
            "2 hours 5 minutes",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_the_beginning_of_all() {
        assert_eq!(exact(Timestamp(i64::MAX)), "1970-01-01T00:00:00Z");
    }
}
