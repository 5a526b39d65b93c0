//! What has been done, one line per change.

use super::{Change, Serial, Timestamp};
use crate::ids::{RunId, TargetName};

/// A change as a list of changes shows it: enough to see what happened, not enough to do it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The serial that the state had after it.
    pub serial: Serial,
    /// When it was made.
    pub at: Timestamp,
    /// The run that made it; none where no run had begun.
    pub run: Option<RunId>,
    /// Which target it was about; none where it was the beginning or the end of a run.
    pub target: Option<TargetName>,
    /// `begin`, `intend`, `arrive`, `deliver`, `fail`, `withhold` or `end`.
    pub kind: String,
    /// What else there is to say.
    pub detail: String,
}

impl HistoryEntry {
    /// The line for a change that brought the state to `serial` while `run` was at work.
    pub fn of(change: &Change, serial: Serial, run: Option<&RunId>) -> Self {
        let (kind, detail) = match change {
            Change::Begin { run } => ("begin", run.command.clone()),
            Change::Intend { intent, .. } => ("intend", format!("{} for {}", intent.correlation, intent.digest)),
            Change::Arrive { run, .. } if run.is_empty() => ("arrive", "the target has taken it".to_owned()),
            Change::Arrive { run, .. } => ("arrive", format!("the target has taken it: run {}", run.trim_start())),
            Change::Deliver { delivered, .. } => match &delivered.commit {
                Some(commit) => ("deliver", format!("{} from commit {commit}", delivered.digest)),
                None => ("deliver", delivered.digest.to_string()),
            },
            Change::Fail { why, certain: true, .. } => ("fail", format!("nothing happened: {why}")),
            Change::Fail { why, certain: false, .. } => ("fail", format!("outcome unknown: {why}")),
            Change::Withhold { withheld, .. } => ("withhold", format!("{}: {}", withheld.digest, withheld.why)),
            Change::End { end } => ("end", end.result.as_str().to_owned()),
        };
        let run = match change {
            Change::Begin { run } => Some(run.id.clone()),
            Change::End { end } => Some(end.run.clone()),
            _ => run.cloned(),
        };
        Self { serial, at: change.at(), run, target: change.target().cloned(), kind: kind.to_owned(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_whether_the_outcome_is_known() {
        let detail = |certain| {
            let (target, why) = (TargetName::new("manifest"), "no space".to_owned());
            HistoryEntry::of(&Change::Fail { target, why, certain, at: Timestamp(7) }, Serial(3), None).detail
        };
        assert_eq!([detail(true), detail(false)], ["nothing happened: no space", "outcome unknown: no space"]);
    }
}
