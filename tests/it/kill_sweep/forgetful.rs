//! Runners that forget everything and are killed: each run works in a fresh clone, and what one has done the next learns from
//! the ref that carries the state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::end_state::EndState;
use super::history::{Continuation, History, Situation, github, go_to, program};
use super::kill::{Kill, duration};
use super::receiver::{after, duplicates};
use super::sweep::{RECEIVERS, is_long, random};
use crate::fake_github::FakeGitHub;
use crate::program::{Library, Run};

/// What the library says beside the rest.
const CARRIED: &str = "state: {carry: ref}\n";

/// Kills so many runs at any moment, git at its work or not, each on a machine of its own.
pub fn sweep_forgetful(continuation: Continuation, kills: u64) {
    let history = History::with(CARRIED);
    let course = history.course(Situation::Update, continuation);
    let references = history.references(&course);
    let quiet = &references[&course.last];
    let names = |state: &EndState| state.shards.keys().cloned().collect::<Vec<_>>();
    let remains: BTreeSet<String> = references.values().flat_map(|state| names(state)).collect();
    let start = || {
        let (origin, github) = (history.library(Situation::First, &course), github());
        go_to(&origin, &course.before);
        quietly(&origin, &github);
        go_to(&origin, &course.killed);
        (origin, github)
    };
    let length = {
        let (origin, github) = start();
        u64::try_from(duration(&runner(&origin), &github).as_micros()).unwrap()
    };
    let mut seed = 7 ^ continuation as u64;
    for _ in 0..if is_long() { 10 * kills } else { kills } {
        let moment = Duration::from_micros(random(&mut seed) % length);
        let (origin, github) = start();
        Kill::After(moment).befall(&runner(&origin), &github, "");
        go_to(&origin, &course.last);
        quietly(&origin, &github);
        let told = requests(&github);
        let (clone, again) = quietly(&origin, &github);
        let results = again.json()["results"].clone();
        for result in results.as_array().unwrap() {
            // The folder of a fresh clone is empty.
            let is_folder = result["name"] == "manifest";
            assert!(is_folder || result["outcome"] == "unchanged", "killed after {moment:?}: {result}");
        }
        assert_eq!(requests(&github), told, "killed after {moment:?}: the second run made requests");
        for (repo, collections) in RECEIVERS {
            let events = github.dispatches(repo);
            let stock = after(&events, BTreeMap::default(), collections, &references);
            assert_eq!(stock, quiet.assets(collections), "killed after {moment:?}: what {repo} has after {events:#?}");
            assert!(duplicates(&events) <= 1, "killed after {moment:?}: {repo} got {events:#?}");
        }
        let same = |commit: &&String| references[*commit].root["digest"] == quiet.root["digest"];
        let commits: Vec<&str> = [&course.before, &course.last].into_iter().filter(same).map(String::as_str).collect();
        // A run that was killed right after it took the lock leaves it to expire, and later runs with nothing to do take none.
        let end = EndState { lock: None, ..EndState::of(&clone) };
        end.is_that_of(quiet, &commits, &remains, 1);
    }
}

/// How many requests have been made, when all are served.
fn requests(github: &FakeGitHub) -> usize {
    github.drain();
    github.seen().len()
}

/// A fresh machine.
fn runner(origin: &Library) -> Library {
    origin.clone_of_depth(50)
}

/// A run that nobody kills, on a fresh machine.
fn quietly(origin: &Library, github: &FakeGitHub) -> (Library, Run) {
    let runner = runner(origin);
    let run = program(&runner, github).run().ends(0);
    github.drain();
    (runner, run)
}
