//! What has been done, one line per change.

use super::{Change, Serial, Timestamp};
use crate::ids::TargetName;

/// A change as a list of changes shows it: enough to see what happened, not enough to do it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The serial that the state had after it.
    pub serial: Serial,
    /// When it was made.
    pub at: Timestamp,
    /// Which target it was about.
    pub target: TargetName,
    /// `intend`, `deliver` or `fail`.
    pub kind: String,
    /// What else there is to say.
    pub detail: String,
}

impl HistoryEntry {
    /// The line for a change that brought the state to `serial`.
    pub fn of(change: &Change, serial: Serial) -> Self {
        let (kind, detail) = match change {
            Change::Intend { intent, .. } => ("intend", format!("{} for {}", intent.correlation, intent.digest)),
            Change::Deliver { delivered, .. } => match &delivered.commit {
                Some(commit) => ("deliver", format!("{} from commit {commit}", delivered.digest)),
                None => ("deliver", delivered.digest.to_string()),
            },
            Change::Fail { why, certain: true, .. } => ("fail", format!("nothing happened: {why}")),
            Change::Fail { why, certain: false, .. } => ("fail", format!("outcome unknown: {why}")),
        };
        Self { serial, at: change.at(), target: change.target().clone(), kind: kind.to_owned(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_whether_the_outcome_is_known() {
        let detail = |certain| {
            let (target, why) = (TargetName::new("manifest"), "no space".to_owned());
            HistoryEntry::of(&Change::Fail { target, why, certain, at: Timestamp(7) }, Serial(3)).detail
        };
        assert_eq!([detail(true), detail(false)], ["nothing happened: no space", "outcome unknown: no space"]);
    }
}
