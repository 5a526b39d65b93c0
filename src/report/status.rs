//! Which targets are in step with the library, and what is known of the others.

use std::fmt::Write as _;

use super::human::Style;
use super::log_text::for_people;
use super::moments;
use super::state::{Grip, Held};
use super::targets::{Kind, Row, library, rows};
use crate::finding::words::count;
use crate::ids::{CommitId, TargetName};
use crate::plan::{Plan, is_source_target};
use crate::state::{Arrival, Run, State, TargetState, Timestamp};

/// How a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It has what it should have.
    Synced,
    /// It does not, and the next run brings it there.
    Outdated,
    /// A run is bringing it there now.
    Syncing,
    /// It does not, and the last run that tried could not bring it there.
    Failed,
}

impl Level {
    /// Its name, in JSON and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "SYNCED",
            Self::Outdated => "OUTDATED",
            Self::Syncing => "SYNCING",
            Self::Failed => "FAILED",
        }
    }
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStatus {
    /// The target.
    pub name: TargetName,
    /// Its kind.
    pub kind: Kind,
    /// How it stands.
    pub level: Level,
    /// The commit that it has, as far as is known.
    pub commit: Option<CommitId>,
    /// When it got that.
    pub synced_at: Option<Timestamp>,
    /// Why it stands so, in a sentence; empty where there is nothing to say.
    pub why: String,
    /// What it lacks, by the names of a plan's numbers; none where that is not known.
    pub behind: Option<Vec<(&'static str, u64)>>,
    /// Since when something has been under way there whose outcome is not known.
    pub pending: Option<Timestamp>,
}

/// What is known of all targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The commit that they should have.
    pub commit: Option<CommitId>,
    /// Whether files differ from that commit.
    pub dirty: bool,
    /// The remote whose commit that is; none where it is that of this clone.
    pub remote: Option<String>,
    /// The newer commit that was served already, with which the targets are compared then.
    pub superseded: Option<CommitId>,
    /// Why the targets could be compared by their commits alone, or nothing is known of them.
    pub problem: Option<String>,
    /// Whether the library has errors, so that no sync would do anything.
    pub is_refused: bool,
    /// The lock, if somebody has taken it and not given it back.
    pub lock: Option<Held>,
    /// The run that has begun and not ended.
    pub run: Option<Run>,
    /// Every target.
    pub targets: Vec<TargetStatus>,
}

impl Status {
    /// Whether every target has what it should have.
    pub fn is_in_step(&self) -> bool {
        !self.targets.is_empty() && self.targets.iter().all(|target| target.level == Level::Synced)
    }

    /// The lock of a run that is at work, as far as can be told.
    fn at_work(&self) -> Option<&Held> {
        self.lock.as_ref().filter(|held| held.grip != Grip::Gone)
    }
}

/// The targets of a plan, by what it would do for each.
pub fn by_plan(plan: &Plan, state: &State, is_at_work: bool) -> Vec<TargetStatus> {
    let of = |row: Row| {
        let mut known = state.target(&row.name);
        let is_in_step = row.action == "none";
        if row.action == "deliver" {
            // What is withheld is something else than what the library is now.
            known.withheld = None;
        }
        // One of those that are linked by `needs` remembers for all of them what is withheld.
        let level = match level(&known, is_in_step, is_at_work) {
            Level::Outdated if row.action == "withhold" => Level::Failed,
            level => level,
        };
        let lacks = if row.what.is_empty() { row.why.clone() } else { format!("{} ({})", row.what, row.why) };
        let why = if is_in_step { String::new() } else { lacks };
        let behind = row.counts.iter().filter(|(name, _)| is_lack(name)).copied().collect();
        status(row.name, row.kind, level, &known, why, Some(behind))
    };
    rows(plan).into_iter().map(of).collect()
}

/// The targets that a state knows, by the commits that they have. Files that differ from their commit no target has.
pub fn by_commit(state: &State, commit: Option<&CommitId>, dirty: bool, is_at_work: bool) -> Vec<TargetStatus> {
    let of = |(name, known): (&TargetName, &TargetState)| {
        let has = known.delivered.as_ref().and_then(|delivered| delivered.commit.as_ref());
        // What a source of the index has is of its own repository's commits.
        let is_source = is_source_target(name) && known.delivered.is_some();
        let is_same = is_source || (has.is_some() && has == commit);
        let is_in_step = is_same && (is_source || !dirty);
        let level = level(known, is_in_step, is_at_work);
        let why = match (is_in_step, is_same) {
            (true, _) => "",
            (_, true) => "it has this commit, without the changes that are not committed",
            _ if known.delivered.is_none() => "nothing is known of what it has",
            _ if has.is_none() => "what it has is the content of no commit",
            _ => "it has another commit, which is as good if nothing changed for it in between",
        };
        status(name.clone(), kind(name), level, known, why.to_owned(), None)
    };
    let mut targets: Vec<TargetStatus> = state.targets.iter().map(of).collect();
    targets.sort_by_key(|target| place_in_run(target.kind));
    targets
}

/// The targets beside a newer commit that was served already: those that the state knows, and those of the plan for this one.
pub fn by_newer_commit(plan: &Plan, state: &State, newer: &CommitId, is_at_work: bool) -> Vec<TargetStatus> {
    let mut targets = by_commit(state, Some(newer), false, is_at_work);
    for Row { name, kind, .. } in rows(plan).into_iter().filter(|row| !state.targets.contains_key(&row.name)) {
        let known = TargetState::default();
        targets.push(status(
            name,
            kind,
            Level::Outdated,
            &known,
            "it was not served with that commit".to_owned(),
            None,
        ));
    }
    targets.sort_by_key(|target| place_in_run(target.kind));
    targets
}

/// Targets of which kind are served before which others.
fn place_in_run(kind: Kind) -> u8 {
    match kind {
        Kind::Manifest => 0,
        Kind::Downstream => 1,
        Kind::Embedding => 2,
    }
}

fn level(known: &TargetState, is_in_step: bool, is_at_work: bool) -> Level {
    match known {
        TargetState { intent: Some(_), .. } if is_at_work => Level::Syncing,
        _ if is_in_step => Level::Synced,
        TargetState { failure: Some(_), .. } | TargetState { withheld: Some(_), .. } => Level::Failed,
        TargetState { .. } => Level::Outdated,
    }
}

fn status(
    name: TargetName,
    kind: Kind,
    level: Level,
    known: &TargetState,
    lacks: String,
    behind: Option<Vec<(&'static str, u64)>>,
) -> TargetStatus {
    let why = why(level, known, lacks);
    let (commit, synced_at) = match &known.delivered {
        Some(delivered) => (delivered.commit.clone(), Some(delivered.at)),
        None => (None, None),
    };
    TargetStatus {
        name,
        kind,
        level,
        commit,
        synced_at,
        why,
        behind,
        pending: known.intent.as_ref().map(|intent| intent.at),
    }
}

/// Why a target stands so that lacks this.
fn why(level: Level, known: &TargetState, lacks: String) -> String {
    let arrived = known.intent.as_ref().and_then(|intent| intent.arrived.as_deref()).map(Arrival::parse);
    let arrived = arrived.as_ref().map(Arrival::for_people);
    match (level, known) {
        (Level::Syncing, _) => match arrived {
            Some("") => "it has taken its delivery, and is being waited for".to_owned(),
            Some(run) => format!("its run is being waited for: {run}"),
            None => lacks,
        },
        (Level::Failed, TargetState { withheld: Some(withheld), .. }) => {
            format!("not delivered again by itself: {}", withheld.why)
        }
        (Level::Failed, TargetState { failure: Some(failure), .. }) => failure.clone(),
        (Level::Outdated, TargetState { intent: Some(_), .. }) => {
            let doubt = match arrived {
                Some(run) if !run.is_empty() => format!("nobody has waited for the end of its run {run}"),
                _ => "a run ended before it was known what became of it".to_owned(),
            };
            format!("{doubt}, which the next one finds out; {lacks}")
        }
        _ => lacks,
    }
}

/// Whether a number of a plan says what a target lacks, and not how much it has.
fn is_lack(name: &str) -> bool {
    !matches!(name, "assets" | "unchanged" | "tokens" | "reuse" | "upsert")
}

/// The kind of a target, by its name.
fn kind(name: &TargetName) -> Kind {
    match name.as_str().split('/').next() {
        Some("manifest") => Kind::Manifest,
        Some("embedding") => Kind::Embedding,
        _ => Kind::Downstream,
    }
}

/// The status for a person: a line for each target, then who is at work, then what to do.
pub fn human(status: &Status, style: Style) -> String {
    let place = library(status.commit.as_ref(), status.dirty);
    let mut out = match (&status.remote, &status.superseded) {
        (Some(remote), _) => format!("{} is at {place}:\n", for_people(remote)),
        (None, Some(newer)) => {
            let newer = newer.short();
            format!(
                "A newer commit, {newer}, was served already, and this checkout is behind it, at {place}. SYNCED is what has \
                 commit {newer}:\n"
            )
        }
        (None, None) => format!("The library is at {place}:\n"),
    };
    if let Some(problem) = &status.problem {
        let _ = writeln!(out, "  {}", style.warning(&for_people(problem)));
    }
    let width = status.targets.iter().map(|target| target.name.as_str().len()).max().unwrap_or_default();
    for target in &status.targets {
        let word = target.level.as_str();
        let painted = match target.level {
            Level::Synced => style.good(word),
            Level::Outdated | Level::Syncing => style.warning(word),
            Level::Failed => style.error(word),
        };
        let padding = " ".repeat(8_usize.saturating_sub(word.len()));
        let _ = write!(out, "  {painted}{padding}  {:width$}  {}", target.name.as_str(), has(target));
        if !target.why.is_empty() {
            let _ = write!(out, "; {}", style.quiet(&for_people(&target.why)));
        }
        out.push('\n');
    }
    if let Some(said) = at_work(status) {
        let _ = writeln!(out, "{said}");
    }
    let _ = writeln!(out, "{}", advice(status, style));
    out
}

fn has(target: &TargetStatus) -> String {
    let since = target.synced_at.map(moments::for_people);
    match (&target.commit, since) {
        (Some(commit), Some(since)) => format!("has commit {} since {since}", commit.short()),
        (None, Some(since)) => format!("has files without a commit since {since}"),
        (_, None) => "has nothing yet".to_owned(),
    }
}

fn at_work(status: &Status) -> Option<String> {
    let Some(Held { lock, .. }) = status.at_work() else {
        let run = status.run.as_ref()?;
        let (who, at) = (for_people(&run.who), moments::for_people(run.at));
        return Some(format!(
            "The run of {who} that began {at} did not come to its end; the next one goes on from there."
        ));
    };
    let (holder, since) = (for_people(&lock.holder), moments::for_people(lock.at));
    let what = status.run.as_ref().map(|run| format!(" ({})", for_people(&run.command))).unwrap_or_default();
    Some(format!("At work: {holder}{what}, last heard of {since}."))
}

fn advice(status: &Status, style: Style) -> String {
    let behind = status.targets.iter().filter(|target| target.level != Level::Synced).count();
    let of = format!("{behind} of {}", count(status.targets.len(), "target"));
    let (good, bad) = (style.good("in step"), style.warning("not in step"));
    match (status.targets.len(), behind, &status.superseded) {
        (0, ..) if status.problem.is_some() => "no target is known".to_owned(),
        (0, ..) => "nothing was ever served: `stockroom sync` serves every target".to_owned(),
        (_, 0, Some(newer)) => {
            format!("{good} with commit {}, not with this checkout, of which nothing is served any more", newer.short())
        }
        (_, 0, None) => format!("{good}: every target has what it should have"),
        _ if status.at_work().is_some() => format!("not in step yet: {of}"),
        (.., Some(newer)) => {
            let newer = newer.short();
            format!(
                "{bad} with commit {newer}: {of}; `stockroom sync` at that commit or a newer one does what is missing"
            )
        }
        _ if status.is_refused => {
            format!("{bad}: {of}; mend what `stockroom check` finds first, then `stockroom sync` does what is missing")
        }
        _ => format!("{bad}: {of}; `stockroom sync` does what is missing"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::downstream::Action;
    use crate::ids::{CorrelationId, LockToken, RunId, Sha256Hex};
    use crate::report::targets::tests::{busy, idle};
    use crate::state::{Change, Delivered, Intent, Lock, Withheld};

    const NOON: Timestamp = Timestamp(1_795_176_000);

    fn commit(of: &str) -> CommitId {
        CommitId::parse(&of.repeat(20)).unwrap()
    }

    fn deliver(name: &str, of: &str) -> Change {
        let digest = Sha256Hex::of(of.as_bytes());
        let delivered = Delivered { commit: Some(commit(of)), digest, assets: BTreeMap::new(), at: NOON };
        Change::Deliver { target: TargetName::new(name), delivered }
    }

    fn intend(name: &str) -> Change {
        let (correlation, digest) = (CorrelationId::new("sr-1"), Sha256Hex::of(b"new"));
        Change::Intend {
            target: TargetName::new(name),
            intent: Intent { correlation, digest, at: NOON, arrived: None },
        }
    }

    fn fail(name: &str, why: &str) -> Change {
        Change::Fail { target: TargetName::new(name), why: why.to_owned(), certain: true, at: NOON }
    }

    fn state(changes: &[Change]) -> State {
        let mut state = State::new("org/library:", "line");
        changes.iter().for_each(|change| state.apply(change));
        state
    }

    pub(crate) fn run() -> Run {
        Run {
            id: RunId::new("6f1c"),
            who: "alice on laptop\u{1b}[2J".to_owned(),
            event: Some("push".to_owned()),
            command: "sync".to_owned(),
            commit: Some(commit("a1")),
            link: None,
            at: NOON,
        }
    }

    pub(crate) fn lock() -> Lock {
        let (token, holder) = (LockToken::new("t"), "alice on laptop, process 77".to_owned());
        Lock { token, holder, at: NOON, expires: Timestamp(NOON.0 + 300) }
    }

    pub(crate) fn mixed() -> Status {
        let changes = [
            deliver("manifest", "9f"),
            intend("manifest"),
            deliver("downstream/addon", "a1"),
            fail("embedding", "no space"),
        ];
        Status {
            commit: Some(commit("a1")),
            dirty: false,
            remote: None,
            superseded: None,
            problem: None,
            is_refused: false,
            lock: Some(Held { lock: lock(), grip: Grip::Here }),
            run: Some(run()),
            targets: by_plan(&busy(), &state(&changes), true),
        }
    }

    fn levels(targets: &[TargetStatus]) -> Vec<&str> {
        targets.iter().map(|target| target.level.as_str()).collect()
    }

    #[test]
    fn a_target_stands_as_the_plan_and_the_state_say_together() {
        assert_eq!(levels(&mixed().targets), ["SYNCING", "SYNCED", "OUTDATED", "FAILED"]);
        let idle = by_plan(&idle(), &state(&[fail("embedding", "no space")]), false);
        assert_eq!(levels(&idle), ["SYNCED", "SYNCED", "SYNCED"], "what is in step has no failure any more");
    }

    #[test]
    fn an_intent_that_nobody_is_at_is_a_doubt() {
        let [manifest, ..] = &by_plan(&busy(), &state(&[intend("manifest")]), false)[..] else { panic!("no target") };
        assert_eq!((manifest.level, manifest.pending), (Level::Outdated, Some(NOON)));
        assert!(manifest.why.starts_with("a run ended before it was known"), "{}", manifest.why);
    }

    fn arrive(name: &str, run: &str) -> Change {
        Change::Arrive { target: TargetName::new(name), run: run.to_owned(), at: NOON }
    }

    fn withhold(name: &str) -> Change {
        let withheld = Withheld { digest: Sha256Hex::of(b"new"), why: "its run failed".to_owned(), at: NOON };
        Change::Withhold { target: TargetName::new(name), withheld }
    }

    #[test]
    fn a_run_that_is_awaited_is_shown_and_one_that_nobody_awaits_is_a_doubt() {
        let link = "https://github.com/org/site/actions/runs/7";
        let state = state(&[intend("outbox/site"), arrive("outbox/site", &format!("7 {link}"))]);
        let shown = |is_at_work| {
            let target = by_plan(&busy(), &state, is_at_work).remove(2);
            (target.level, target.why)
        };
        assert_eq!(shown(true), (Level::Syncing, format!("its run is being waited for: {link}")));
        let (level, why) = shown(false);
        assert_eq!(level, Level::Outdated);
        assert!(
            why.starts_with(&format!("nobody has waited for the end of its run {link}, which the next one")),
            "{why}"
        );
    }

    #[test]
    fn what_is_withheld_has_failed_until_the_library_has_what_the_target_has() {
        let state = state(&[deliver("outbox/site", "9f"), withhold("outbox/site"), withhold("downstream/addon")]);
        let mut plan = busy();
        assert_eq!(by_plan(&plan, &state, false)[2].level, Level::Outdated, "the library is something else by now");
        plan.deliveries[1].action = Action::Withheld;
        let targets = by_plan(&plan, &state, false);
        assert_eq!(targets[2].level, Level::Failed);
        assert_eq!(targets[2].why, "not delivered again by itself: its run failed");
        assert_eq!(targets[1].level, Level::Synced, "it has what the plan wants");
    }

    #[test]
    fn without_a_plan_the_commits_decide() {
        let state = state(&[deliver("manifest", "a1"), deliver("embedding", "9f"), fail("outbox/x", "full")]);
        let head = commit("a1");
        let targets = by_commit(&state, Some(&head), false, false);
        let named: Vec<_> = targets.iter().map(|it| (it.name.as_str(), it.level.as_str())).collect();
        assert_eq!(named, [("manifest", "SYNCED"), ("outbox/x", "FAILED"), ("embedding", "OUTDATED")]);
        let mut uncommitted = state.clone();
        let manifest = uncommitted.targets.get_mut(&TargetName::new("manifest")).unwrap();
        manifest.delivered.as_mut().unwrap().commit = None;
        let told = by_commit(&uncommitted, Some(&head), false, false);
        assert_eq!((told[0].level, told[0].why.as_str()), (Level::Outdated, "what it has is the content of no commit"));
        assert_eq!(targets[2].why, "it has another commit, which is as good if nothing changed for it in between");
        let dirty = by_commit(&state, Some(&head), true, false);
        assert_eq!(levels(&dirty), ["OUTDATED", "FAILED", "OUTDATED"]);
        assert_eq!(dirty[0].why, "it has this commit, without the changes that are not committed");
        assert_eq!(levels(&by_commit(&state, None, false, false)), ["OUTDATED", "FAILED", "OUTDATED"]);
    }

    #[test]
    fn a_person_sees_who_has_what_and_who_is_at_work() {
        insta::assert_snapshot!(human(&mixed(), Style::Plain), @r"
        The library is at commit a1a1a1a:
          SYNCING   manifest          has commit 9f9f9f9 since 2026-11-20 12:00 UTC; 13 assets: 12 added, 1 removed (nothing is published there yet)
          SYNCED    downstream/addon  has commit a1a1a1a since 2026-11-20 12:00 UTC
          OUTDATED  outbox/site       has nothing yet; 2 changed (a run died half-way)
          FAILED    embedding         has nothing yet; no space
        At work: alice on laptop, process 77 (sync), last heard of 2026-11-20 12:00 UTC.
        not in step yet: 3 of 4 targets
        ");
    }

    #[test]
    fn a_checkout_that_is_behind_is_said_to_be_so_and_every_target_stands_beside_the_newer_commit() {
        let newer = commit("b2");
        let plan = busy().superseded_by(newer.clone());
        let state = state(&[deliver("manifest", "b2"), deliver("downstream/addon", "9f"), deliver("embedding", "b2")]);
        let targets = by_newer_commit(&plan, &state, &newer, false);
        let status = Status { superseded: Some(newer), lock: None, run: None, targets, ..mixed() };
        insta::assert_snapshot!(human(&status, Style::Plain), @r"
        A newer commit, b2b2b2b, was served already, and this checkout is behind it, at commit a1a1a1a. SYNCED is what has commit b2b2b2b:
          SYNCED    manifest          has commit b2b2b2b since 2026-11-20 12:00 UTC
          OUTDATED  downstream/addon  has commit 9f9f9f9 since 2026-11-20 12:00 UTC; it has another commit, which is as good if nothing changed for it in between
          OUTDATED  outbox/site       has nothing yet; it was not served with that commit
          SYNCED    embedding         has commit b2b2b2b since 2026-11-20 12:00 UTC
        not in step with commit b2b2b2b: 2 of 4 targets; `stockroom sync` at that commit or a newer one does what is missing
        ");
        let in_step = Status { targets: vec![status.targets[0].clone()], ..status };
        let told = human(&in_step, Style::Plain);
        assert!(told.contains("\nin step with commit b2b2b2b, not with this checkout"), "{told}");
    }

    #[test]
    fn a_sync_is_not_advised_where_it_would_do_nothing() {
        let targets = by_commit(&state(&[deliver("manifest", "a1")]), Some(&commit("a1")), true, false);
        let status = Status { is_refused: true, dirty: true, lock: None, run: None, targets, ..mixed() };
        let told = human(&status, Style::Plain);
        assert!(told.contains("it has this commit, without the changes that are not committed\n"), "{told}");
        assert!(told.contains("1 of 1 target; mend what `stockroom check` finds first"), "{told}");
    }

    #[test]
    fn a_run_that_was_killed_is_told_of() {
        let status = Status { lock: None, targets: by_plan(&idle(), &state(&[]), false), ..mixed() };
        insta::assert_snapshot!(human(&status, Style::Plain), @r"
        The library is at commit a1a1a1a:
          SYNCED    manifest         has nothing yet
          SYNCED    downstream/site  has nothing yet
          SYNCED    embedding        has nothing yet
        The run of alice on laptop\u{1b}[2J that began 2026-11-20 12:00 UTC did not come to its end; the next one goes on from there.
        in step: every target has what it should have
        ");
    }

    #[test]
    fn of_a_remote_only_the_commits_are_known() {
        let targets = by_commit(&state(&[deliver("manifest", "9f")]), Some(&commit("a1")), false, false);
        let remote = Some("https://example.org/lib.git".to_owned());
        let status = Status { remote, lock: None, run: None, targets, ..mixed() };
        insta::assert_snapshot!(human(&status, Style::Plain), @r"
        https://example.org/lib.git is at commit a1a1a1a:
          OUTDATED  manifest  has commit 9f9f9f9 since 2026-11-20 12:00 UTC; it has another commit, which is as good if nothing changed for it in between
        not in step: 1 of 1 target; `stockroom sync` does what is missing
        ");
    }
}
