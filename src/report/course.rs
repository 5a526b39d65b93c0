//! What deliveries led to at their receivers, for people and programs: the run, how long it was waited for, health, rollbacks.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::log_text::for_people;
use super::markdown::{Cell, Table};
use super::moments;
use super::targets::{Kind, Outcome, Sync, rows};
use super::workflow_command::Command;
use crate::finding::words::count;
use crate::ids::{CorrelationId, TargetName};

/// GitHub shows so many annotations of a kind for one step.
const MOST_ANNOTATIONS: usize = 10;
/// How long the address of a run may be that becomes a link.
const LONGEST_LINK: usize = 300;

/// What a delivery led to, as far as it was followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Course {
    /// The id that went with the delivery.
    pub correlation: Option<CorrelationId>,
    /// Where the run that it began can be looked at, or what else names that run.
    pub run: Option<String>,
    /// How the run ended, in its receiver's word.
    pub conclusion: Option<String>,
    /// How long the run was waited for; none where it was not.
    pub waited: Option<Duration>,
    /// What the health gate said; none where there is none, or where it was not come to.
    pub health: Option<Healthy>,
    /// Whose failure it was that brought the downstream back to what it had before; none where it was not brought back.
    pub rolled_back: Option<String>,
}

/// What the health gate said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthy {
    /// Whether all was well in the end.
    pub is_well: bool,
    /// What was seen last, in a sentence.
    pub said: String,
    /// How long that was waited for.
    pub waited: Duration,
}

/// What the servers of the downstreams were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Requests {
    /// Requests made, repetitions included.
    pub requests: u64,
    /// Those of them that write.
    pub writes: u64,
    /// Answers `304 Not Modified`, which cost nothing.
    pub unchanged: u64,
    /// Requests that repeat another one.
    pub retries: u64,
    /// Answers that said that there were too many.
    pub limited: u64,
    /// How many seconds a request waited at most until it might leave.
    pub waited_seconds: u64,
    /// How many requests the server lets pass in an hour; null where it does not say.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: Option<u64>,
}

impl Requests {
    /// In a sentence; none where nobody was asked.
    pub fn sentence(&self) -> Option<String> {
        let number = |n: u64, noun: &str| count(usize::try_from(n).unwrap_or(usize::MAX), noun);
        if self.requests == 0 {
            return None;
        }
        let more =
            [(self.writes, "writing"), (self.unchanged, "answered from what was known"), (self.retries, "repeated")];
        let more: Vec<String> = more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let of_them = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
        let left = match (self.remaining, self.limit) {
            (Some(remaining), Some(limit)) => format!("; {remaining} of {limit} are left for this hour"),
            _ => String::new(),
        };
        let limited = if self.limited > 0 {
            format!("; told to slow down {}", number(self.limited, "time"))
        } else {
            String::new()
        };
        Some(format!("{}{of_them}{left}{limited}", number(self.requests, "request")))
    }
}

impl Course {
    /// In a line for people; none where there is nothing to say.
    pub fn line(&self) -> Option<String> {
        let mut parts = Vec::new();
        let waited = self.waited.map(moments::length);
        match (&self.run, &self.conclusion, waited) {
            (run, Some(conclusion), waited) => {
                let after = waited.map(|waited| format!(" after {waited}")).unwrap_or_default();
                let run = run.as_deref().map_or_else(|| "its run".to_owned(), |run| format!("run {}", for_people(run)));
                parts.push(format!("{run} ended with {}{after}", for_people(conclusion)));
            }
            (Some(run), None, Some(waited)) => parts.push(format!("run {}, waited for {waited}", for_people(run))),
            (Some(run), None, None) => parts.push(format!("run {}", for_people(run))),
            (None, None, Some(waited)) => parts.push(format!("waited {waited} for its run")),
            (None, None, None) => {}
        }
        if let Some(health) = &self.health {
            let is = if health.is_well { "healthy" } else { "not healthy" };
            parts.push(format!("{is} after {}: {}", moments::length(health.waited), for_people(&health.said)));
        }
        if let Some(whose) = &self.rolled_back {
            parts.push(format!("brought back to what it had before, as {} failed", for_people(whose)));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// A table of the deliveries that were followed; none where none was.
pub fn table(sync: &Sync, most: usize, bytes: usize) -> Option<(Table, usize)> {
    if sync.courses.values().all(|course| course.line().is_none()) {
        return None;
    }
    let mut table = Table::new(&["Downstream", "Run", "Ended with", "Waited", "Health", "Brought back"]);
    let left_out = table.rows(&sync.courses, most, bytes, |(name, course): (&TargetName, &Course)| {
        let code = |text: Option<&str>| text.map_or(Cell::words(""), Cell::code);
        let health = course.health.as_ref().map(|health| {
            let is = if health.is_well { "well" } else { "not well" };
            format!("{is}: {}", health.said)
        });
        vec![
            Cell::code(name.as_str()),
            course.run.as_deref().map_or(Cell::words(""), run),
            code(course.conclusion.as_deref()),
            code(course.waited.map(moments::length).as_deref()),
            code(health.as_deref()),
            code(course.rolled_back.as_deref().map(|whose| format!("as {whose} failed")).as_deref()),
        ]
    });
    Some((table, left_out))
}

/// A run as a link, if it is an address that can hold nothing but itself; else as code.
fn run(run: &str) -> Cell {
    if is_plain_address(run) { Cell::link("run", run) } else { Cell::code(run) }
}

fn is_plain_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    text.len() <= LONGEST_LINK && rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.chars().all(is_plain)
}

/// An annotation for each downstream that failed; the last one counts those for which there is no room.
pub fn annotations(sync: &Sync) -> Vec<Command> {
    let plan = rows(&sync.plan);
    let is_downstream = |name: &TargetName| plan.iter().any(|row| row.name == *name && row.kind == Kind::Downstream);
    let failed: Vec<_> =
        sync.results.iter().filter(|it| it.outcome == Outcome::Failed && is_downstream(&it.name)).collect();
    let shown = if failed.len() > MOST_ANNOTATIONS { MOST_ANNOTATIONS - 1 } else { failed.len() };
    let mut commands: Vec<Command> = failed
        .iter()
        .take(shown)
        .map(|result| {
            let course = sync.courses.get(&result.name).and_then(Course::line);
            let more = course.map(|line| format!(" ({line})")).unwrap_or_default();
            Command::error(&format!("{}{more}", for_people(&result.message))).title(&format!("{} failed", result.name))
        })
        .collect();
    if failed.len() > shown {
        let further = count(failed.len() - shown, "more downstream");
        commands.push(Command::error(&format!("{further} failed; the job summary names them")));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::runner_parser::hostile_text;
    use crate::report::targets::tests::{run as made, waves};
    use proptest::prelude::*;

    const LINK: &str = "https://github.com/org/site/actions/runs/7";

    fn followed() -> Course {
        Course {
            correlation: Some(CorrelationId::new("sr-1")),
            run: Some(LINK.to_owned()),
            conclusion: Some("success".to_owned()),
            waited: Some(Duration::from_secs(480)),
            health: Some(Healthy {
                is_well: true,
                said: "200, and the digest is the right one".to_owned(),
                waited: Duration::from_secs(12),
            }),
            rolled_back: None,
        }
    }

    #[test]
    fn a_course_is_told_in_a_line() {
        let wanted = "run https://github.com/org/site/actions/runs/7 ended with success after 8 minutes; healthy after 12 \
                      seconds: 200, and the digest is the right one";
        assert_eq!(followed().line().as_deref(), Some(wanted));
        assert_eq!(Course::default().line(), None);
        let line = |course: Course| course.line().unwrap();
        let waited = Some(Duration::from_secs(900));
        assert_eq!(line(Course { waited, ..Course::default() }), "waited 15 minutes for its run");
        assert_eq!(
            line(Course { run: Some("77".into()), waited, ..Course::default() }),
            "run 77, waited for 15 minutes"
        );
        let back = Course { rolled_back: Some("website".into()), ..Course::default() };
        assert_eq!(line(back), "brought back to what it had before, as website failed");
    }

    #[test]
    fn requests_are_told_with_what_is_left_of_the_limit() {
        assert_eq!(Requests::default().sentence(), None);
        let some = Requests {
            requests: 12,
            writes: 3,
            unchanged: 4,
            limit: Some(5_000),
            remaining: Some(4_990),
            ..Requests::default()
        };
        let said = "12 requests (3 writing, 4 answered from what was known); 4990 of 5000 are left for this hour";
        assert_eq!(some.sentence().as_deref(), Some(said));
    }

    #[test]
    fn only_an_address_that_can_hold_nothing_else_becomes_a_link() {
        assert!(is_plain_address(LINK));
        for text in [
            "http://a/",
            "https://",
            "https://a/(b)",
            "https://a/?q=1",
            "https://a/ b",
            "https://a/|",
            "javascript:1",
            "77",
        ] {
            assert!(!is_plain_address(text), "{text}");
        }
    }

    #[test]
    fn a_failed_downstream_is_an_annotation_and_a_crowd_is_counted() {
        let names: Vec<String> = (0..12).map(|n| format!("d{n}")).collect();
        let all: Vec<(&str, usize, &[&str])> = names.iter().map(|name| (name.as_str(), 0, &[][..])).collect();
        let mut outcomes = vec![(Outcome::Failed, "a place is no downstream")];
        outcomes.extend(vec![(Outcome::Failed, "its run failed\n::stop"); 12]);
        let mut sync = made(waves(&all), &outcomes);
        sync.courses.insert(TargetName::new("downstream/d0"), followed());
        let told: Vec<String> = annotations(&sync).iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 10);
        assert!(
            told[0].starts_with("::error title=downstream/d0 failed::its run failed\\n::stop (run https"),
            "{}",
            told[0]
        );
        assert_eq!(told[9], "::error::3 more downstreams failed; the job summary names them");
    }

    proptest! {
        #[test]
        fn foreign_words_of_a_course_stay_in_their_line(text in hostile_text()) {
            let mut course = followed();
            (course.run, course.conclusion) = (Some(text.clone()), Some(text.clone()));
            course.rolled_back = Some(text);
            prop_assert_eq!(course.line().unwrap().lines().count(), 1);
            let mut sync = made(waves(&[("a", 0, &[])]), &[]);
            sync.courses.insert(TargetName::new("downstream/a"), course);
            let (table, left_out) = table(&sync, 10, 100_000).unwrap();
            prop_assert_eq!((table.into_text().lines().count(), left_out), (3, 0));
        }
    }
}
