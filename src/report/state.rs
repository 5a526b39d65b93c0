//! What a state is and how large, and whose its lock is.

use std::fmt::Write as _;
use std::time::Duration;

use super::human::Style;
use super::log_text::for_people;
use super::moments;
use crate::finding::words::count;
use crate::ids::TargetName;
use crate::state::{Lock, State, Survey, Timestamp};

/// How many targets that a run waits for are named.
const AWAITED: usize = 3;

/// What `state show` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What people call the place.
    pub place: String,
    /// The state; in the place of one that is not in use here, what is said of it.
    pub state: Result<State, String>,
    /// How large it is.
    pub survey: Survey,
    /// Its lock, if somebody has taken it and not given it back.
    pub lock: Option<Held>,
}

/// A lock, and what is known of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The lock.
    pub lock: Lock,
    /// Whether its holder is at work, as far as can be told.
    pub grip: Grip,
}

/// What is known of the holder of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grip {
    /// A process of this clone is at work.
    Here,
    /// It may be at work elsewhere: the lock has not expired.
    Elsewhere,
    /// It is not at work: the lock has expired, or its process in this clone is no more.
    Gone,
}

impl Grip {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
            Self::Gone => "gone",
        }
    }
}

impl Held {
    /// What is known of a lock now: `at_work` tells of a state in this clone whether a process of it is; none elsewhere.
    pub fn new(lock: Lock, at_work: Option<bool>, now: Timestamp) -> Self {
        let grip = match at_work {
            Some(true) => Grip::Here,
            Some(false) => Grip::Gone,
            None if lock.expires > now => Grip::Elsewhere,
            None => Grip::Gone,
        };
        Self { lock, grip }
    }

    /// Whose the lock is and since when, for a person.
    pub fn sentence(&self) -> String {
        let Lock { holder, at, expires, .. } = &self.lock;
        let (holder, since) = (for_people(holder), moments::for_people(*at));
        let until = moments::for_people(*expires);
        match self.grip {
            Grip::Here => format!("locked by {holder} since {since}; it is at work in this clone"),
            Grip::Elsewhere => format!("locked by {holder} since {since}, until {until} unless it is renewed"),
            Grip::Gone => {
                format!("locked by {holder} since {since}, who is at work no more; the next run takes the lock over")
            }
        }
    }
}

/// What keeps a run waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The lock.
    pub lock: Lock,
    /// What its holder waits for, as far as is known: targets that have taken their delivery, with the runs that they began.
    pub awaited: Vec<(TargetName, String)>,
    /// How long it is waited for at most.
    pub most: Duration,
}

/// What a run says that waits for a lock: whose it is, what that one waits for, for how long at most, and who tells more.
pub fn waiting(waiting: &Waiting) -> String {
    let Waiting { lock, awaited, most } = waiting;
    let (holder, until) = (for_people(&lock.holder), moments::for_people(lock.expires));
    let named = |(target, run): &(TargetName, String)| match run.as_str() {
        "" => target.to_string(),
        run => format!("{target} ({})", for_people(run)),
    };
    let shown = awaited.iter().take(AWAITED).map(named).collect::<Vec<_>>().join(", ");
    let further = match awaited.len().saturating_sub(AWAITED) {
        0 => String::new(),
        further => format!(" and {further} more"),
    };
    let at = if awaited.is_empty() { String::new() } else { format!(", which waits for {shown}{further}") };
    format!(
        "the state is locked by {holder}{at}: waiting until it is given back or expires, {until} unless it is renewed; {} \
         at most. `stockroom state unlock` shows the lock\n",
        moments::length(*most)
    )
}

/// The facts for a person.
pub fn human(facts: &Facts, style: Style) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{} {}", style.quiet(&format!("{name:9}")), for_people(value));
    };
    line("state", &facts.place);
    match &facts.state {
        Ok(State { library, lineage, serial, targets, .. }) => {
            line("library", &name(library));
            line("lineage", if serial.0 == 0 { "none yet" } else { lineage });
            line("changes", &format!("{} so far", serial.0));
            let names = targets.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            line("targets", if names.is_empty() { "none was ever tried" } else { &names });
        }
        Err(away) => line("not here", away),
    }
    if !facts.survey.rows.is_empty() {
        let rows = facts.survey.rows.iter().map(|(table, rows)| format!("{} {rows}", table.as_str().replace('_', " ")));
        line("rows", &rows.collect::<Vec<_>>().join(", "));
    }
    if let Some(bytes) = facts.survey.bytes {
        line("size", &size(bytes));
    }
    let lock = facts.lock.as_ref().map_or_else(|| "free".to_owned(), Held::sentence);
    line("lock", &lock);
    out
}

/// The library's name as people say it: the state has `REPOSITORY:FOLDER`, and `local` for a repository without a forge.
fn name(library: &str) -> String {
    let (repository, folder) = library.split_once(':').unwrap_or((library, ""));
    let repository = if repository == "local" { "this repository" } else { repository };
    if folder.is_empty() { repository.to_owned() } else { format!("{repository}, folder {folder}") }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => count(usize::try_from(bytes).unwrap_or_default(), "byte"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{}.{} MiB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::status::tests::lock;
    use crate::state::row::Table;

    pub(crate) fn facts() -> Facts {
        let survey = Survey { rows: vec![(Table::Targets, 3), (Table::RunEnds, 12)], bytes: Some(2_200_000) };
        let lock = Some(Held { lock: lock(), grip: Grip::Elsewhere });
        Facts {
            place: ".git/stockroom/state\u{1b}.sqlite".to_owned(),
            state: Ok(State::new("org/library:", "9c1e")),
            survey,
            lock,
        }
    }

    #[test]
    fn a_person_sees_what_the_state_is_and_whose_its_lock_is() {
        insta::assert_snapshot!(human(&facts(), Style::Plain), @r"
        state     .git/stockroom/state\u{1b}.sqlite
        library   org/library
        lineage   none yet
        changes   0 so far
        targets   none was ever tried
        rows      targets 3, run ends 12
        size      2.0 MiB
        lock      locked by alice on laptop, process 77 since 2026-11-20 12:00 UTC, until 2026-11-20 12:05 UTC unless it is renewed
        ");
    }

    #[test]
    fn of_a_state_that_was_moved_away_its_place_is_told_and_its_lock() {
        let away = Facts { state: Err("the state is at there now".to_owned()), ..facts() };
        let told = human(&away, Style::Plain);
        assert!(told.contains("not here  the state is at there now\nrows"), "{told}");
        assert!(told.contains("lock      locked by alice"), "{told}");
    }

    #[test]
    fn a_lock_is_worth_what_is_known_of_its_holder() {
        let grip = |at_work, seconds| Held::new(lock(), at_work, Timestamp(lock().at.0 + seconds)).grip;
        assert_eq!(grip(Some(true), 10_000), Grip::Here, "a process that lives has its lock");
        assert_eq!(grip(Some(false), 1), Grip::Gone, "and one that does not has none");
        assert_eq!((grip(None, 299), grip(None, 300)), (Grip::Elsewhere, Grip::Gone));
    }

    #[test]
    fn who_waits_says_until_when() {
        let most = Duration::from_secs(600);
        let said = waiting(&Waiting { lock: lock(), awaited: Vec::new(), most });
        assert!(said.contains("process 77: waiting until") && said.contains("2026-11-20 12:05 UTC"), "{said}");
        assert!(said.contains("; 10 minutes at most."), "{said}");
        let link = "https://github.com/org/site/actions/runs/7\u{1b}[2J";
        let names =
            (0..5).map(|n| (TargetName::new(format!("downstream/{n}")), if n == 0 { link } else { "" }.to_owned()));
        let said = waiting(&Waiting { lock: lock(), awaited: names.collect(), most });
        let wanted = ", which waits for downstream/0 (https://github.com/org/site/actions/runs/7\\u{1b}[2J), downstream/1, \
                      downstream/2 and 2 more: waiting until";
        assert!(said.contains(wanted), "{said}");
    }

    #[test]
    fn a_library_is_named_as_people_say_it() {
        let names = ["org/library:", "local:", "org/library:shop/3d"].map(name);
        assert_eq!(names, ["org/library", "this repository", "org/library, folder shop/3d"]);
    }

    #[test]
    fn sizes_are_told_roundly() {
        assert_eq!([size(1), size(4_096), size(1_572_864)], ["1 byte", "4 KiB", "1.5 MiB"]);
    }
}
