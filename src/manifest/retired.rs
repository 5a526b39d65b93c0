//! Files of earlier editions, which wait until nobody can be reading them any more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::format::VERSION;

/// How long a file stays after the last root that named it, in seconds: whoever has that root in hand can still fetch it.
pub const GRACE_SECONDS: i64 = 24 * 60 * 60;

/// The publisher's own list at a place, `retired.json`. When it is lost, the time begins anew for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retired {
    /// The format's version: 1.
    pub version: u32,
    /// Since when no root has named a file, in seconds since 1970-01-01 UTC.
    pub files: BTreeMap<String, i64>,
}

impl Retired {
    /// What stays on the list of those that are idle now, and which of them go.
    pub fn sort<'n>(
        known: &BTreeMap<String, i64>,
        idle: impl Iterator<Item = &'n str>,
        now: i64,
    ) -> (Self, Vec<String>) {
        let (mut left, mut gone) = (BTreeMap::new(), Vec::new());
        for name in idle {
            // A clock that went back must not keep a file for ever.
            let since = known.get(name).copied().unwrap_or(now).min(now);
            if now.saturating_sub(since) >= GRACE_SECONDS {
                gone.push(name.to_owned());
            } else {
                left.insert(name.to_owned(), since);
            }
        }
        (Self { version: VERSION, files: left }, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_somebody_else_has_written_is_no_trouble() {
        let known = BTreeMap::from([("old".to_owned(), i64::MIN), ("later".to_owned(), i64::MAX)]);
        let (left, gone) = Retired::sort(&known, ["old", "later"].into_iter(), GRACE_SECONDS);
        assert_eq!((gone, left.files), (vec!["old".to_owned()], BTreeMap::from([("later".to_owned(), GRACE_SECONDS)])));
    }

    #[test]
    fn a_file_goes_a_day_after_the_last_root_that_named_it() {
        let known = BTreeMap::from([("old".to_owned(), 0), ("young".to_owned(), 1_000), ("used again".to_owned(), 0)]);
        let (left, gone) = Retired::sort(&known, ["old", "young", "fresh"].into_iter(), GRACE_SECONDS);
        assert_eq!(gone, ["old"]);
        let expected = BTreeMap::from([("young".to_owned(), 1_000), ("fresh".to_owned(), GRACE_SECONDS)]);
        assert_eq!(left.files, expected);
    }
}
