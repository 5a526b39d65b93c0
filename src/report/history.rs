//! The runs that have changed a state, and what each has done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::human::Style;
use super::log_text::for_people;
use super::moments;
use crate::ids::{RunId, TargetName};
use crate::state::{HistoryEntry, Run, RunEnd};

/// What `state history` tells: runs with their changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The runs.
    pub runs: Vec<PastRun>,
    /// The target that was asked for, if one was.
    pub target: Option<TargetName>,
    /// The targets that the state knows.
    pub known: Vec<TargetName>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// Who, when and what for.
    pub run: Run,
    /// How it ended; none where it did not say.
    pub end: Option<RunEnd>,
    /// Whether it is at work now.
    pub is_at_work: bool,
    /// What it changed, but for its beginning and its end.
    pub changes: Vec<HistoryEntry>,
}

impl PastRun {
    /// How it ended, in a word: that of its end, else `running` or `killed`.
    pub fn result(&self) -> &'static str {
        match &self.end {
            Some(end) => end.result.as_str(),
            None if self.is_at_work => "running",
            None => "killed",
        }
    }
}

impl History {
    /// Puts changes to their runs; with a `target`, its changes alone, and the runs that made any.
    ///
    /// `at_work` is the run that is at work now.
    pub fn of(
        runs: Vec<(Run, Option<RunEnd>)>,
        changes: Vec<HistoryEntry>,
        at_work: Option<&RunId>,
        target: Option<&TargetName>,
    ) -> Self {
        let mut by_run: BTreeMap<RunId, Vec<HistoryEntry>> = BTreeMap::new();
        for change in changes {
            let Some(run) = change.run.clone().filter(|_| change.target.is_some()) else { continue };
            if target.is_none() || change.target.as_ref() == target {
                by_run.entry(run).or_default().push(change);
            }
        }
        let past = |(run, end): (Run, Option<RunEnd>)| {
            let changes = by_run.remove(&run.id).unwrap_or_default();
            PastRun { is_at_work: at_work == Some(&run.id), run, end, changes }
        };
        let runs = runs.into_iter().map(past).filter(|past| target.is_none() || !past.changes.is_empty());
        Self { runs: runs.collect(), target: target.cloned(), known: Vec::new() }
    }
}

/// The history for a person, newest last.
pub fn human(history: &History, style: Style) -> String {
    if history.runs.is_empty() {
        return nothing(history);
    }
    let mut out = String::new();
    for past in &history.runs {
        let Run { who, event, command, commit, link, at, .. } = &past.run;
        let result = match past.result() {
            word @ "done" => style.good(word),
            word @ ("partial" | "killed") => style.error(word),
            word => style.warning(word),
        };
        let commit =
            commit.as_ref().map_or_else(|| "no commit".to_owned(), |commit| format!("commit {}", commit.short()));
        let event = event.as_ref().map(|event| format!(" on {}", for_people(event))).unwrap_or_default();
        let (at, what, who) = (moments::for_people(*at), for_people(command), for_people(who));
        let _ = writeln!(out, "{at}  {result}  {what}{event}, {commit}, by {who}");
        if let Some(link) = link {
            let _ = writeln!(out, "    {}", style.quiet(&for_people(link)));
        }
        for change in &past.changes {
            let target = change.target.as_ref().map(TargetName::as_str).unwrap_or_default();
            let detail = style.quiet(&for_people(&shortened(&change.detail)));
            let _ = writeln!(out, "    {:>5} {:8} {target}  {detail}", change.serial.0, change.kind);
        }
    }
    out
}

/// What is said where there is no run to tell of.
fn nothing(history: &History) -> String {
    let Some(target) = &history.target else { return "no run has changed anything yet\n".to_owned() };
    let names = history.known.iter().map(TargetName::as_str).collect::<Vec<_>>().join(", ");
    let known = if names.is_empty() { "no target yet".to_owned() } else { for_people(&names) };
    format!("no run has changed {}; the state knows {known}\n", for_people(target.as_str()))
}

/// With digests and commits cut to what a person compares.
fn shortened(detail: &str) -> String {
    let is_digest = |word: &&str| word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = |word| Some(word).filter(is_digest).and_then(|word: &str| word.get(..12)).unwrap_or(word);
    detail.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::status::tests::run;
    use crate::state::{RunResult, Serial, Timestamp};

    fn change(serial: u64, run: &str, target: Option<&str>, kind: &str) -> HistoryEntry {
        HistoryEntry {
            serial: Serial(serial),
            at: Timestamp(1_795_176_000),
            run: Some(RunId::new(run)),
            target: target.map(TargetName::new),
            kind: kind.to_owned(),
            detail: "from\u{1b}[2J".to_owned(),
        }
    }

    pub(crate) fn history(target: Option<&str>) -> History {
        let first = run();
        let second =
            Run { id: RunId::new("7a2d"), event: None, link: Some("https://example.org/1".to_owned()), ..run() };
        let (result, at) = (RunResult::Done, Timestamp(1_795_176_060));
        let end = RunEnd { run: first.id.clone(), result, detail: "manifest done".to_owned(), at };
        let changes = vec![
            change(1, "6f1c", None, "begin"),
            change(2, "6f1c", Some("manifest"), "intend"),
            change(3, "6f1c", Some("manifest"), "deliver"),
            change(4, "6f1c", None, "end"),
            change(5, "7a2d", None, "begin"),
            change(6, "7a2d", Some("embedding"), "intend"),
        ];
        History::of(vec![(first, Some(end)), (second, None)], changes, None, target.map(TargetName::new).as_ref())
    }

    #[test]
    fn every_run_has_its_changes_below_it() {
        insta::assert_snapshot!(human(&history(None), Style::Plain), @r"
        2026-11-20 12:00 UTC  done  sync on push, commit a1a1a1a, by alice on laptop\u{1b}[2J
                2 intend   manifest  from\u{1b}[2J
                3 deliver  manifest  from\u{1b}[2J
        2026-11-20 12:00 UTC  killed  sync, commit a1a1a1a, by alice on laptop\u{1b}[2J
            https://example.org/1
                6 intend   embedding  from\u{1b}[2J
        ");
    }

    #[test]
    fn digests_are_cut_for_people() {
        let digest = "ab".repeat(32);
        assert_eq!(shortened(&format!("sr-1 for {digest}")), "sr-1 for abababababab");
        assert_eq!(shortened("nothing happened: é is no digest"), "nothing happened: é is no digest");
    }

    #[test]
    fn of_a_target_only_its_changes_are_told() {
        let of = |target| {
            let runs = history(Some(target)).runs;
            runs.iter().map(|past| (past.run.id.to_string(), past.changes.len())).collect::<Vec<_>>()
        };
        assert_eq!(of("embedding"), [("7a2d".to_owned(), 1)]);
        assert_eq!(of("elsewhere"), []);
        let mut none = history(Some("elsewhere"));
        assert_eq!(human(&none, Style::Plain), "no run has changed elsewhere; the state knows no target yet\n");
        none.known = ["embedding", "manifest"].map(TargetName::new).to_vec();
        assert_eq!(human(&none, Style::Plain), "no run has changed elsewhere; the state knows embedding, manifest\n");
        assert_eq!(human(&History::default(), Style::Plain), "no run has changed anything yet\n");
    }

    #[test]
    fn a_run_without_an_end_is_at_work_or_was_killed() {
        let mut history = history(None);
        assert_eq!(history.runs[1].result(), "killed");
        history.runs[1].is_at_work = true;
        assert_eq!((history.runs[0].result(), history.runs[1].result()), ("done", "running"));
    }
}
