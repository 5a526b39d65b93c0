//! A library with downstreams that are waited for, and how everything is to end.

use serde_json::Value;

use crate::fake_github::{FakeGitHub, Grant, Life};
use crate::program::{Library, Program, Run};

const TOKEN: &str = "github_pat_sweep";
const WEBSITE: &str = "org/website";
const ADDON: &str = "org/addon";

const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams:
  website: {repo: org/website, event: asset-updated, wait: 10m}
  addon: {repo: org/addon, workflow: package.yml, needs: [website], wait: 10m, on_failure: FAILURE}
";

/// What happens in it, if nothing goes wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Both downstreams are told, and both runs succeed.
    Forward,
    /// Both were told of an older commit. Of the new one the add-on's run fails, and the website is told of the old one again.
    Rollback,
}

/// A story at its beginning, from which it can be told as often as one likes.
pub struct Scene {
    story: Story,
    library: Library,
}

impl Scene {
    pub fn new(story: Story) -> Self {
        let settings = SETTINGS.replace("FAILURE", if story == Story::Rollback { "rollback" } else { "stop" });
        let library = Library::of(&[("stockroom.yml", &settings), ("bolt.json", r#"{"title": "one"}"#)]);
        let scene = Self { story, library };
        if story == Story::Rollback {
            scene.sync(&scene.library, &github_of(Story::Forward)).ends(0);
            scene.library.edit("bolt.json", "one", "two");
            scene.library.commit();
        }
        scene
    }

    /// A GitHub with the downstreams, where nothing has happened yet.
    pub fn github(&self) -> FakeGitHub {
        github_of(self.story)
    }

    /// The library, as the story finds it.
    pub fn library(&self) -> Library {
        self.library.duplicate()
    }

    pub fn program(&self, library: &Library, github: &FakeGitHub) -> Program {
        let program = library.program(&["sync", "--format", "json"]).env("GITHUB_API_URL", github.url());
        let program = program.env("STOCKROOM_TOKEN", TOKEN).env("GITHUB_REPOSITORY", "org/library");
        program.env("STOCKROOM_TEST_PACE", "none")
    }

    pub fn sync(&self, library: &Library, github: &FakeGitHub) -> Run {
        self.program(library, github).run()
    }

    /// How many requests it takes, if nothing goes wrong.
    pub fn requests(&self) -> usize {
        let (library, github) = (self.library(), self.github());
        let run = self.sync(&library, &github);
        assert_eq!(run.code, if self.story == Story::Rollback { 3 } else { 0 }, "{}", run.both());
        self.is_told(&github, "nothing went wrong");
        github.seen().len()
    }

    /// One more run brings everything to its end, and the one after that has nothing to do.
    pub fn ends_well(&self, library: &Library, github: &FakeGitHub, what: &str) {
        let run = self.sync(library, github);
        assert!(self.story == Story::Rollback || run.code == 0, "{what}\nthe next run: {}", run.both());
        self.is_told(github, &format!("{what}\nthe next run: {}", run.both()));
        let seen = github.seen().len();
        let quiet = self.sync(library, github);
        assert_eq!(github.seen().len(), seen, "{what}\nthe quiet run asked: {}", quiet.both());
        let results = quiet.json()["results"].clone();
        // What was taken back is kept back until something changes.
        let at_rest = |result: &Value| match result["outcome"].as_str() {
            Some("skipped") => self.story == Story::Rollback,
            outcome => outcome == Some("unchanged"),
        };
        assert!(results.as_array().unwrap().iter().all(at_rest), "{what}\nthe quiet run: {results:#}");
    }

    /// Each downstream has heard of each content once.
    fn is_told(&self, github: &FakeGitHub, what: &str) {
        let (website, addon) = (told(github, WEBSITE), told(github, ADDON));
        match self.story {
            Story::Forward => assert_eq!((&website[..], &addon[..]), (&[false][..], &[false][..]), "{what}"),
            Story::Rollback => assert_eq!((&website[..], &addon[..]), (&[false, true][..], &[false][..]), "{what}"),
        }
    }
}

fn github_of(story: Story) -> FakeGitHub {
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
    github.add_repo(ADDON, true).allow(TOKEN, ADDON, Grant::Start);
    let works = Life::ends("success").queued(1).running(1);
    let of_addon = if story == Story::Rollback { Life::ends("failure").running(1) } else { works };
    github.live(WEBSITE, &[works; 3]).live(ADDON, &[of_addon; 3]);
    github
}

/// What a downstream was told, in order: whether it was a rollback.
fn told(github: &FakeGitHub, slug: &str) -> Vec<bool> {
    let is_rollback = |event: Value| {
        let envelope = match &event["inputs"]["envelope"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            _ => event["client_payload"].clone(),
        };
        envelope["delta"]["rollback"] == true
    };
    github.dispatches(slug).into_iter().map(is_rollback).collect()
}
