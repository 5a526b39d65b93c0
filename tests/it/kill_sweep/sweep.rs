//! Tries kills, one after the other, and holds the end of each against that of quiet runs.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::end_state::EndState;
use super::history::{APP, Continuation, Course, History, Situation, WEBSITE, github, go_to, program};
use super::kill::{Class, Kill, duration, every, is_possible};
use super::receiver::{after, duplicates};
use crate::fake_github::FakeGitHub;
use crate::program::{Library, Run};

/// The collections that each downstream hears of.
pub(super) const RECEIVERS: [(&str, &[&str]); 2] = [(WEBSITE, &["products"]), (APP, &["guides", "products"])];

/// How many kills of a class a long sweep tries for one situation and one continuation.
const MOST: usize = 80;

/// A kill, or two, in one situation, and what comes after.
#[derive(Debug, Clone)]
struct Case {
    situation: Situation,
    continuation: Continuation,
    kills: Vec<Kill>,
    /// The wrong order in which the program writes its state; none in a sound one.
    order: &'static str,
}

/// What a case came to.
struct Found {
    /// How many of the kills came before the run had ended.
    killed: usize,
    /// How many events came twice under one id.
    duplicates: usize,
}

/// Kills a run at so many calls of the class, in each situation.
pub fn sweep(class: Class, continuations: &[Continuation], kills: usize) {
    if !is_possible() {
        return;
    }
    let history = History::new();
    let mut cases = Vec::new();
    for situation in [Situation::First, Situation::Update] {
        let course = history.course(situation, Continuation::Same);
        let all = Choice::of(class, &history.library(situation, &course));
        for continuation in continuations.iter().copied() {
            for kill in all.some(kills, seed(class, continuation, situation)) {
                cases.push(Case { situation, continuation, kills: vec![kill], order: "" });
            }
        }
    }
    try_all(&history, &cases);
}

/// Kills a run, and then the run that recovers from it.
pub fn sweep_twice(kills: usize) {
    if !is_possible() {
        return;
    }
    let history = History::new();
    let mut cases = Vec::new();
    let situation = Situation::Update;
    let course = history.course(situation, Continuation::Same);
    for class in [Class::Write, Class::Send] {
        let choice = Choice::of(class, &history.library(situation, &course));
        for continuation in [Continuation::Same, Continuation::On, Continuation::Revert] {
            let all = choice.some(2 * kills, seed(class, continuation, situation));
            let (first, second) = all.split_at(all.len() / 2);
            for (n, kill) in first.iter().enumerate() {
                // From both ends, so that an early kill meets a late one too.
                let second = second[(n * 5) % second.len()];
                cases.push(Case { situation, continuation, kills: vec![second, *kill], order: "" });
            }
        }
    }
    try_all(&history, &cases);
}

/// The first end that is wrong when the program writes its state in this order, of kills of the class that are of interest.
pub fn first_wrong(
    order: &'static str,
    class: Class,
    continuation: Continuation,
    wanted: fn(&Kill) -> bool,
) -> Option<String> {
    let (history, situation) = (History::new(), Situation::Update);
    let course = history.course(situation, continuation);
    let killed = history.course(situation, Continuation::Same);
    let kills = every(class, &history.library(situation, &killed), &github());
    kills.into_iter().filter(wanted).find_map(|kill| {
        let case = Case { situation, continuation, kills: vec![kill], order };
        catch_unwind(AssertUnwindSafe(|| case.run(&history, &course))).err().map(|panic| text(&*panic))
    })
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Tries the case that `STOCKROOM_SWEEP` names as `SITUATION/CONTINUATION/KILL[/KILL]`.
pub fn reproduce() {
    let named = std::env::var("STOCKROOM_SWEEP").unwrap_or_default();
    let parts: Vec<&str> = named.split('/').collect();
    let [situation, continuation, kills @ ..] = parts.as_slice() else { return };
    let known = |name: &str, all: &[&str]| all.iter().position(|one| *one == name).unwrap_or_else(|| panic!("{name}?"));
    let situations = [Situation::First, Situation::Update];
    let continuations = [Continuation::Same, Continuation::On, Continuation::Revert, Continuation::Reset];
    let case = Case {
        situation: situations[known(situation, &situations.map(situation_name))],
        continuation: continuations[known(continuation, &continuations.map(continuation_name))],
        kills: kills.iter().map(|kill| Kill::parse(kill).unwrap_or_else(|| panic!("{kill}?"))).collect(),
        order: "",
    };
    try_all(&History::new(), &[case]);
}

pub(super) fn is_long() -> bool {
    std::env::var("STOCKROOM_SWEEP").is_ok_and(|asked| asked == "long")
}

/// The kills that there are to choose from.
enum Choice {
    Calls(Vec<Kill>),
    /// Any moment of so many microseconds.
    Moments(u64),
}

impl Choice {
    /// Those of a run on this library, which is used up by that.
    fn of(class: Class, library: &Library) -> Self {
        let github = github();
        match class {
            Class::Time => Self::Moments(u64::try_from(duration(library, &github).as_micros()).unwrap()),
            _ => Self::Calls(every(class, library, &github)),
        }
    }

    /// So many of them, spread evenly; all of them in a long sweep.
    fn some(&self, kills: usize, mut seed: u64) -> Vec<Kill> {
        match self {
            Self::Moments(length) => {
                let kills = if is_long() { 10 * kills } else { kills };
                (0..kills).map(|_| Kill::After(Duration::from_micros(random(&mut seed) % length))).collect()
            }
            Self::Calls(all) => {
                let kills = if is_long() { MOST } else { kills };
                if all.len() <= kills {
                    return all.clone();
                }

                let offset = usize::try_from(random(&mut seed) % 1_000).unwrap();
                (0..kills).map(|n| all[(n * 1_000 + offset) * all.len() / (kills * 1_000)]).collect()
            }
        }
    }
}

fn seed(class: Class, continuation: Continuation, situation: Situation) -> u64 {
    let own = ((class as u64) << 8) | ((continuation as u64) << 4) | situation as u64;
    std::env::var("STOCKROOM_SWEEP_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()).unwrap_or_default() ^ own
}

/// SplitMix64.
pub(super) fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn try_all(history: &History, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let course = history.course(case.situation, case.continuation);
        let found = catch_unwind(AssertUnwindSafe(|| case.run(history, &course)));
        let outcome = match &found {
            Ok(found) if found.killed < case.kills.len() => "ended-before",
            Ok(_) => "same-end",
            Err(_) => "WRONG",
        };
        case.write_down(outcome, found.as_ref().map_or(0, |found| found.duplicates));
        if let Err(panic) = found {
            wrong.push(format!("{}\n  again: {}", text(&*panic), case.again()));
        }
    }
    assert!(!cases.is_empty());
    let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} of {} kills end wrong:\n{shown}", wrong.len(), cases.len());
}

fn situation_name(situation: Situation) -> &'static str {
    match situation {
        Situation::First => "first",
        Situation::Update => "update",
    }
}

fn continuation_name(continuation: Continuation) -> &'static str {
    match continuation {
        Continuation::Same => "same",
        Continuation::On => "on",
        Continuation::Revert => "revert",
        Continuation::Reset => "reset",
    }
}

impl Case {
    fn kills(&self) -> String {
        self.kills.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
    }

    fn again(&self) -> String {
        let (situation, continuation) = (situation_name(self.situation), continuation_name(self.continuation));
        let named = format!("{situation}/{continuation}/{}", self.kills());
        format!("STOCKROOM_SWEEP={named} cargo nextest run as_stockroom_sweep_says")
    }

    /// A line for the table, where one is wanted.
    fn write_down(&self, outcome: &str, duplicates: usize) {
        let Some(table) = std::env::var_os("STOCKROOM_SWEEP_TABLE") else { return };
        let class = match self.kills[..] {
            [kill] => kill.class().name(),
            _ => "twice",
        };
        let (situation, continuation) = (situation_name(self.situation), continuation_name(self.continuation));
        let line = format!("{class}\t{continuation}\t{situation}\t{outcome}\t{duplicates}\t{}\n", self.kills());
        OpenOptions::new().create(true).append(true).open(table).unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn run(&self, history: &History, course: &Course) -> Found {
        let library = history.library(self.situation, course);
        let github = github();
        let mut killed = 0;
        for kill in &self.kills {
            killed += usize::from(kill.befall(&library, &github, self.order));
            go_to(&library, &course.last);
        }
        let served = self.recovers(&library, &github);
        let duplicates = self.ends_well(history, course, &library, &github, &served);
        Found { killed, duplicates }
    }

    /// One quiet run, and the names of the targets that it did something to; another has nothing to do.
    fn recovers(&self, library: &Library, github: &FakeGitHub) -> Vec<String> {
        let served = |run: &Run| -> Vec<String> {
            let results = run.json()["results"].clone();
            let busy = results.as_array().unwrap().iter().filter(|result| result["outcome"] != "unchanged");
            busy.map(|result| result["name"].as_str().unwrap().to_owned()).collect()
        };
        let first = program(library, github).env("STOCKROOM_TEST_ORDER", self.order).run().ends(0);
        github.drain();
        let ours = [".git/stockroom", ".stockroom"];
        let (requests, before) = (github.seen(), library.digests(&ours));
        let second = program(library, github).env("STOCKROOM_TEST_ORDER", self.order).run().ends(0);
        github.drain();
        assert!(served(&second).is_empty(), "the second run found something to do: {}", second.out);
        assert_eq!(github.seen(), requests, "the second run made requests");
        assert_eq!(library.digests(&ours), before, "the second run wrote");
        served(&first)
    }

    fn ends_well(
        &self,
        history: &History,
        course: &Course,
        library: &Library,
        github: &FakeGitHub,
        served: &[String],
    ) -> usize {
        let references = history.references(course);
        let quiet = &references[&course.last];
        let names = |state: &Rc<EndState>| state.shards.keys().cloned().collect::<Vec<_>>();
        let remains: BTreeSet<String> = references.values().flat_map(names).collect();
        let same = |commit: &&String| references[*commit].root["digest"] == quiet.root["digest"];
        let commits: Vec<&str> = [&course.before, &course.last].into_iter().filter(same).map(String::as_str).collect();
        let mut twice = 0;
        for (repo, collections) in RECEIVERS {
            let events = github.dispatches(repo);
            let had = match self.situation {
                Situation::First => Default::default(),
                Situation::Update => references[&course.before].assets(collections),
            };
            let stock = after(&events, had, collections, &references);
            assert_eq!(stock, quiet.assets(collections), "what {repo} has after {events:#?}");
            let duplicates = duplicates(&events);
            assert!(duplicates == 0 || repo == APP, "{repo} shows its runs, and got {duplicates} events again");
            twice += duplicates;
        }
        let mut end = EndState::of(library);
        if !served.contains(&"manifest".to_owned()) {
            // What a killed writer had not made whole goes with the next publication, and none was needed.
            end.others.retain(|name| !name.starts_with(".stockroom-"));
        }
        end.is_that_of(quiet, &commits, &remains, self.kills.len());
        assert!(
            end.chunks.is_some() || !served.contains(&"embedding".to_owned()),
            "the state knows nothing of the vector index"
        );
        assert!(end.lock.is_none() || served.is_empty(), "the lock is taken: {:?}", end.lock);
        twice
    }
}
