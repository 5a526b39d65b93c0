use proptest::prelude::*;
use serde_json::json;

use super::*;

const BOT: &str = "github-actions[bot]";

fn past(author: &str, subject: &str, touches: &[(&str, &[&str])]) -> Past {
    let touch = |(path, pointers): &(&str, &[&str])| {
        let pointers = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
        (RepoPath::new(*path), Touch::Values { collection: CollectionName::new("products"), pointers })
    };
    Past {
        author: Author { name: author.to_owned(), email: format!("{}@example.org", author.to_lowercase()) },
        subject: subject.to_owned(),
        touches: touches.iter().map(touch).collect(),
        has_more: false,
    }
}

fn sync(author: &str) -> Past {
    past(author, "Sync", &[("a/$5 Knob.json", &["/polar/at", "/polar/state"])])
}

fn found(history: &[Past]) -> Vec<String> {
    let told = |(path, it): (RepoPath, Loop)| {
        let pointers: Vec<_> = it.pointers.into_iter().collect();
        format!(
            "{path} {} x{} by {}",
            pointers.join(" "),
            it.commits,
            it.authors.into_iter().collect::<Vec<_>>().join(" ")
        )
    };
    loops(history).into_iter().map(told).collect()
}

#[test]
fn four_commits_of_a_bot_that_change_the_same_values_alone_are_a_loop() {
    let history = vec![sync(BOT); 4];
    assert_eq!(found(&history), ["a/$5 Knob.json /polar/at /polar/state x4 by github-actions[bot]"]);
    assert_eq!(found(&history[1..]), [""; 0]);
}

#[test]
fn commits_of_people_in_between_change_nothing_about_it() {
    let title = past("Ada", "Title", &[("a/$5 Knob.json", &["/title"])]);
    let history = [sync(BOT), sync(BOT), title.clone(), sync(BOT), title, sync(BOT)];
    assert_eq!(found(&history).len(), 1);
}

#[test]
fn a_bot_that_changes_something_else_each_time_is_at_work() {
    let work = |n: u32| past(BOT, "Sync", &[("a.json", &["/at", &format!("/log/{n}")])]);
    assert_eq!(found(&(0..9).map(work).collect::<Vec<_>>()), [""; 0]);
    let elsewhere = |n: u32| past(BOT, "Sync", &[(&format!("{n}.json"), &["/at"])]);
    assert_eq!(found(&(0..9).map(elsewhere).collect::<Vec<_>>()), [""; 0]);
}

#[test]
fn of_a_bot_that_works_and_loops_the_loop_is_found() {
    let work = past(BOT, "Sync", &[("a/$5 Knob.json", &["/polar/at", "/polar/state", "/title"])]);
    let mut history = vec![work; 3];
    history.extend(vec![sync(BOT); 4]);
    assert_eq!(found(&history), ["a/$5 Knob.json /polar/at /polar/state x4 by github-actions[bot]"]);
}

#[test]
fn what_nobody_looked_at_proves_nothing() {
    let mut unknown = sync(BOT);
    unknown.touches.values_mut().for_each(|touch| *touch = Touch::Unknown);
    assert_eq!(found(&vec![unknown; 9]), [""; 0]);
}

#[test]
fn a_bot_is_known_by_its_name_or_its_address() {
    let author = |name: &str, email: &str| Author { name: name.to_owned(), email: email.to_owned() }.is_program();
    assert!(author("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com"));
    assert!(author("Polar", "12+polar[bot]@users.noreply.github.com"));
    assert!(author("GitHub Action", "action@github.com"));
    assert!(author("CI", "actions@github.com"));
    assert!(author("github-actions", "x@example.org"));
    assert!(!author("Ada", "ada@example.org"));
    assert!(!author("Abbot", "abbot@example.org"));
}

#[test]
fn who_does_nothing_else_eight_times_under_one_message_is_a_program() {
    let numbered = |n: u32| Past { subject: format!("Sync 2026-11-{n:02}"), ..sync("Sync job") };
    let history: Vec<Past> = (0..8).map(numbered).collect();
    assert_eq!(found(&history).len(), 1);
    assert_eq!(found(&history[1..]), [""; 0], "seven may be a person's");
}

#[test]
fn a_person_who_tries_one_value_again_and_again_is_none() {
    let words = ["Larger", "Smaller", "Back", "Larger again", "Hm", "No", "Yes", "Done", "Really done"];
    let tries = words.map(|word| past("Ada", word, &[("a.json", &["/size"])]));
    assert_eq!(found(&tries), [""; 0]);
    let mut history = vec![sync("Ada"); 9];
    history.push(past("Ada", "Sync", &[("b.json", &["/title"])]));
    assert_eq!(found(&history), [""; 0], "who also does something else is a person");
}

#[test]
fn a_difference_is_told_by_pointers_with_stars_for_indexes() {
    let told =
        |before: Value, after: Value| differing(&before, &after).map(|found| found.into_iter().collect::<Vec<_>>());
    let before = json!({"a": 1, "list": [{"at": 1}, {"at": 2}], "gone": 0, "s/t": {"x": 1}, "tags": ["a"]});
    let after = json!({"a": 1, "list": [{"at": 3}, {"at": 4}], "s/t": {"x": 2}, "tags": ["a", "b"]});
    let pointers = ["/gone", "/list/*/at", "/s~1t/x", "/tags"].map(str::to_owned);
    assert_eq!(told(before.clone(), after), Some(pointers.to_vec()));
    assert_eq!(told(before.clone(), before.clone()), Some(vec![]));
    assert_eq!(told(before, json!([])), None);
    let many: Value = (0..65).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(told(json!({}), many), None);
}

proptest! {
    #[test]
    fn people_alone_never_make_a_loop_under_messages_of_their_own(
        touches in proptest::collection::vec(("[ab]", "[xyz]"), 0..50),
    ) {
        let commit = |(n, (path, pointer)): (usize, &(String, String))| {
            let word: String = std::iter::repeat_n('o', n).collect();
            past("Ada", &word, &[(path.as_str(), &[&format!("/{pointer}")])])
        };
        let history: Vec<Past> = touches.iter().enumerate().map(commit).collect();
        prop_assert!(history.len() < 2 || loops(&history).is_empty());
    }

    #[test]
    fn what_loops_was_changed_often_enough_by_a_bot(
        commits in proptest::collection::vec((any::<bool>(), proptest::collection::btree_set("[xyz]", 1..3)), 0..20),
    ) {
        let commit = |(n, (is_bot, pointers)): (usize, &(bool, BTreeSet<String>))| {
            let pointers: Vec<String> = pointers.iter().map(|pointer| format!("/{pointer}")).collect();
            let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
            let word: String = std::iter::repeat_n('o', n).collect();
            past(if *is_bot { BOT } else { "Ada" }, &word, &[("a", &pointers)])
        };
        let history: Vec<Past> = commits.iter().enumerate().map(commit).collect();
        for pointer in loops(&history).values().flat_map(|it| &it.pointers) {
            let is_so = |(is_bot, pointers): &&(bool, BTreeSet<String>)| *is_bot && pointers.contains(&pointer[1..]);
            prop_assert!(commits.iter().filter(is_so).count() >= ENOUGH);
        }
    }
}
