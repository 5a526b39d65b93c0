//! A tool that writes its own state back into the records, and what comes of it downstream.

use serde_json::json;

use crate::program::{Library, Run};

const BOT: &str = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>";
const CONFIG: &str = "version: 1
collections: {products: {metadata: '*/*.json', id: handle, volatile: [/seen]}}
downstreams:
  website: {repo: org/website}
  titles: {repo: org/titles, when: {pointers: [/title]}}
";

fn folder(n: usize) -> String {
    format!("Knob ${n} Big v{n:02}")
}

fn record(n: usize, title: &str, synced: u32) -> String {
    let value = json!({
        "handle": format!("knob-{n}"), "title": title, "seen": synced,
        "polar": {"id": n, "last_synced": format!("2026-11-20T{synced:02}:00:00Z"), "etag": format!("e{synced}"),
            "state": if synced.is_multiple_of(2) { "idle" } else { "syncing" }},
    });
    serde_json::to_string_pretty(&value).unwrap()
}

/// A library of sixteen records, written by a person, and how often the tool has been at it.
struct Scene {
    library: Library,
    synced: u32,
}

impl Scene {
    fn new(config: &str) -> Self {
        let library = Library::of(&[("stockroom.yml", config)]);
        let mut scene = Self { library, synced: 0 };
        scene.write(&[]);
        scene.library.commit();
        scene
    }

    /// Writes every record as it is now; these have another title.
    fn write(&mut self, titles: &[(usize, &str)]) {
        for n in 1..=16 {
            let title = titles.iter().find(|(of, _)| *of == n).map_or("Knob", |(_, title)| *title);
            let folder = folder(n);
            self.library.write(&format!("{folder}/{folder}.json"), record(n, title, self.synced));
        }
    }

    /// What the tool does: so many commits about nothing but its own fields.
    fn bot(&mut self, commits: u32, titles: &[(usize, &str)]) {
        for _ in 0..commits {
            self.synced += 1;
            self.write(titles);
            self.library.git(&["commit", "-q", "-am", "Sync", "--author", BOT]);
        }
    }

    fn sync(&self) -> Run {
        self.library.run(&["sync", "--only", "manifest,dispatch"])
    }

    fn told(&self, name: &str) -> usize {
        let folder = self.library.repository().join(".git/stockroom/outbox").join(name);
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

#[test]
fn a_loop_is_stopped_and_what_a_person_changes_in_between_is_delivered() {
    let mut scene = Scene::new(CONFIG);
    scene.sync().ends(0);
    scene.bot(3, &[]);
    scene.sync().ends(0);
    assert_eq!((scene.told("website"), scene.told("titles")), (2, 1), "three commits are no loop yet");

    scene.bot(3, &[]);
    let run = scene.sync().ends(3);
    assert_eq!((scene.told("website"), scene.told("titles")), (2, 1));
    let said = run.both();
    assert!(said.contains("sync-loop"), "{said}");
    assert!(
        said.contains(
            "a loop: github-actions[bot] changed nothing but /polar/etag, /polar/last_synced and /polar/state of 16 \
             records again and again, in 6 commits within a day"
        ),
        "{said}"
    );
    let lines = r#"volatile: ["/seen", "/polar/etag", "/polar/last_synced", "/polar/state"]"#;
    assert!(said.contains(lines), "{said}");
    assert!(said.contains("Knob $1 Big v01/Knob $1 Big v01.json"), "{said}");
    scene.sync().ends(3);
    assert_eq!(scene.told("website"), 2);

    // A person mends a title while the tool goes on: that is delivered, and all that is new with it.
    let titles = [(7, "Large knob")];
    scene.write(&titles);
    scene.library.commit();
    scene.bot(1, &titles);
    let run = scene.sync().ends(0);
    assert!(run.both().contains("sync-loop"), "the loop is told all the same: {}", run.both());
    assert_eq!((scene.told("website"), scene.told("titles")), (3, 2));

    scene.bot(1, &titles);
    scene.sync().ends(3);
    // What was proposed ends it: one delivery without those values, and from then on nothing is new.
    scene.library.edit("stockroom.yml", "volatile: [/seen]", lines);
    scene.library.commit();
    scene.sync().ends(0);
    assert_eq!(scene.told("website"), 4);
    scene.bot(5, &titles);
    scene.sync().ends(0);
    assert_eq!((scene.told("website"), scene.told("titles")), (4, 2));
}

#[test]
fn a_record_that_a_person_changed_is_not_held_back_even_where_it_is_the_values_of_the_loop() {
    let mut scene = Scene::new(CONFIG);
    scene.sync().ends(0);
    scene.bot(4, &[]);
    scene.sync().ends(3);
    scene.synced += 1;
    let folder = folder(3);
    scene.library.write(&format!("{folder}/{folder}.json"), record(3, "Knob", scene.synced));
    scene.library.commit();
    scene.sync().ends(0);
    assert_eq!(scene.told("website"), 2);
}

#[test]
fn a_file_beside_a_record_of_a_loop_is_delivered() {
    let config = CONFIG.replace("id: handle", "id: handle, files: {optional: ['*.png']}");
    let mut scene = Scene::new(&config);
    scene.sync().ends(0);
    scene.bot(4, &[]);
    scene.library.write(&format!("{}/icon.png", folder(3)), "not looked at");
    scene.library.git(&["add", "-A"]);
    scene.bot(1, &[]);
    scene.sync().ends(0);
    assert_eq!(scene.told("website"), 2);
}

#[test]
fn a_loop_is_only_told_where_that_is_wanted_and_not_looked_for_where_it_is_not() {
    for (on_loop, is_told) in [("warn", true), ("off", false)] {
        let mut scene = Scene::new(&format!("{CONFIG}dispatch: {{on_loop: {on_loop}}}\n"));
        scene.sync().ends(0);
        scene.bot(6, &[]);
        let run = scene.sync().ends(0);
        assert_eq!(
            (run.both().contains("sync-loop"), scene.told("website")),
            (is_told, 2),
            "{on_loop}: {}",
            run.both()
        );
    }
}

#[test]
fn a_plan_tells_of_a_loop_and_a_shallow_clone_of_what_it_lacks() {
    let mut scene = Scene::new(CONFIG);
    scene.sync().ends(0);
    scene.bot(6, &[]);
    let plan = scene.library.run(&["plan"]).ends(0);
    assert!(
        plan.both().contains("sync-loop") && plan.out.contains("nothing is new for it but a loop"),
        "{}",
        plan.both()
    );
    // The state is in the clone's own folder: the history is cut off as a checkout of depth 2 would have it.
    let tip = scene.library.git(&["rev-parse", "HEAD~1"]);
    std::fs::write(scene.library.repository().join(".git/shallow"), format!("{tip}\n")).unwrap();
    let run = scene.sync().ends(0);
    assert!(run.err.contains("loops were looked for in 1 commit alone: the clone is shallow"), "{}", run.err);
    assert_eq!(scene.told("website"), 2, "what cannot be seen is not held back");
}

#[test]
fn what_was_withheld_goes_out_when_somebody_asks_for_it() {
    let mut scene = Scene::new(CONFIG);
    scene.sync().ends(0);
    scene.bot(4, &[]);
    scene.sync().ends(3);
    scene.library.run(&["dispatch", "--force", "--to", "website"]).ends(0);
    assert_eq!(scene.told("website"), 2);
    scene.sync().ends(0);
}
