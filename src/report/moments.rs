//! Moments of the past, as people and programs read them: in UTC, whatever the machine is set to.

use chrono::{DateTime, SecondsFormat};

use crate::state::Timestamp;

/// Such as `2026-11-20T12:44:23Z`, which is RFC 3339.
pub fn exact(at: Timestamp) -> String {
    DateTime::from_timestamp(at.0, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Such as `2026-11-20 12:44 UTC`.
pub fn for_people(at: Timestamp) -> String {
    DateTime::from_timestamp(at.0, 0).unwrap_or_default().format("%Y-%m-%d %H:%M UTC").to_string()
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
    fn a_moment_that_no_calendar_has_is_the_beginning_of_all() {
        assert_eq!(exact(Timestamp(i64::MAX)), "1970-01-01T00:00:00Z");
    }
}
