//! A small library that moves on, and the end state that each of its commits leads to when nobody interrupts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::end_state::EndState;
use crate::fake_github::{FakeGitHub, Grant};
use crate::program::{Library, Program};

pub const TOKEN: &str = "ghp_canary0123456789";

/// A downstream whose runs can be listed, so that an event is found again.
pub const WEBSITE: &str = "org/website";
/// One that is told after it, and whose runs the token may not list: an event in doubt is sent again under its id.
pub const APP: &str = "org/app";

const SETTINGS: &str = "version: 1
collections:
  guides: {metadata: 'guides/*.md'}
  products: {metadata: 'products/*/*.json'}
downstreams:
  website: {repo: org/website, when: {collections: [products]}}
  app: {repo: org/app, needs: [website]}
embed:
  text: [/title, '*_desc.md']
  chunk: {max: 60, overlap: 0}
";

/// Where a run is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    /// In the first run ever.
    First,
    /// In a run that adds, changes and removes.
    Update,
}

/// What happens to the library before the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Continuation {
    /// Nothing.
    Same,
    /// Another commit comes.
    On,
    /// A commit takes the killed one back.
    Revert,
    /// The branch is set back to the commit before, and the killed one belongs to nothing any more.
    Reset,
}

/// A repository with all its commits, in the two situations before the run that is killed.
pub struct History {
    first: Library,
    update: Library,
    commits: Vec<String>,
    /// The commits that take back the second and the third.
    reverts: Vec<String>,
    /// What is known of where quiet runs lead.
    quiet: RefCell<BTreeMap<String, Rc<EndState>>>,
}

/// The commits that a case is about.
#[derive(Debug, Clone)]
pub struct Course {
    pub before: String,
    pub killed: String,
    pub last: String,
}

impl History {
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same, of a library that has further settings.
    pub fn with(settings: &str) -> Self {
        let library = Library::of(&[("stockroom.yml", &format!("{SETTINGS}{settings}"))]);
        let mut commits = Vec::new();
        for step in 0..4 {
            write(&library, step);
            commits.push(library.commit());
        }
        let revert = |step: usize| {
            library.git(&["reset", "--quiet", "--hard", &commits[step]]);
            library.git(&["revert", "--no-edit", "HEAD"]);
            library.git(&["rev-parse", "HEAD"])
        };
        let reverts = vec![revert(1), revert(2)];
        let update = library.duplicate();
        let github = github();
        for commit in &commits[..2] {
            go_to(&update, commit);
            program(&update, &github).run().ends(0);
        }
        Self { first: library, update, commits, reverts, quiet: RefCell::default() }
    }

    pub fn course(&self, situation: Situation, continuation: Continuation) -> Course {
        let at = match situation {
            Situation::First => 1,
            Situation::Update => 2,
        };
        let (before, killed) = (self.commits[at - 1].clone(), self.commits[at].clone());
        let last = match continuation {
            Continuation::Same => killed.clone(),
            Continuation::On => self.commits[at + 1].clone(),
            Continuation::Revert => self.reverts[at - 1].clone(),
            Continuation::Reset => before.clone(),
        };
        Course { before, killed, last }
    }

    /// The library as it is before the run that is killed, at the commit that this run serves.
    pub fn library(&self, situation: Situation, course: &Course) -> Library {
        let library = match situation {
            Situation::First => self.first.duplicate(),
            Situation::Update => self.update.duplicate(),
        };
        go_to(&library, &course.killed);
        library
    }

    /// What a quiet run at this commit, the first ever, leads to.
    fn quiet(&self, commit: &str) -> Rc<EndState> {
        if let Some(known) = self.quiet.borrow().get(commit) {
            return Rc::clone(known);
        }
        let library = self.first.duplicate();
        go_to(&library, commit);
        program(&library, &github()).run().ends(0);
        let end = Rc::new(EndState::of(&library));
        self.quiet.borrow_mut().insert(commit.to_owned(), Rc::clone(&end));
        end
    }

    /// The same for each commit of a course, and for the first of all.
    pub fn references(&self, course: &Course) -> BTreeMap<String, Rc<EndState>> {
        let commits = [&self.commits[0], &course.before, &course.killed, &course.last];
        commits.map(|commit| (commit.clone(), self.quiet(commit))).into()
    }
}

/// Sets the branch, the index and the files to a commit.
pub fn go_to(library: &Library, commit: &str) {
    library.git(&["reset", "--quiet", "--hard", commit]);
}

/// The GitHub on which both downstreams are.
pub fn github() -> FakeGitHub {
    let github = FakeGitHub::start();
    github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
    github.add_repo(APP, true).allow(TOKEN, APP, Grant::Send);
    github
}

/// A sync that reaches that GitHub and does not pause between two events.
pub fn program(library: &Library, github: &FakeGitHub) -> Program {
    prepared(library.program(&["sync", "--format", "json"]), github)
}

pub fn prepared(program: Program, github: &FakeGitHub) -> Program {
    let program = program.env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN);
    program.env("GITHUB_REPOSITORY", "org/library").env("STOCKROOM_TEST_PACE", "none")
}

/// The library at one of its commits: each adds, changes and removes.
fn write(library: &Library, step: usize) {
    library.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "products", "guides"]);
    // Product and the edition of its text, by commit.
    let products: [&[(&str, usize)]; 4] = [
        &[("bolt", 0), ("gear", 0), ("lamp", 0), ("knob", 0), ("plank", 0)],
        &[("bolt", 1), ("gear", 0), ("lamp", 0), ("knob", 0), ("plank", 0), ("crate", 0)],
        &[("bolt", 1), ("gear", 2), ("knob", 0), ("plank", 0), ("crate", 2), ("wheel", 0)],
        &[("bolt", 3), ("gear", 2), ("knob", 3), ("crate", 2), ("wheel", 0), ("tower", 0)],
    ];
    for (name, edition) in products[step] {
        let record = format!("{{\"title\": \"The {name}, edition {edition}\"}}\n");
        library.write(&format!("products/{name}/{name}.json"), record);
        library.write(&format!("products/{name}/{name}_desc.md"), text(name, *edition));
    }
    library.write("guides/start.md", format!("---\ntitle: How to start, part {step}\n---\nSee `bolt`.\n"));
}

/// Sixty sentences, of which an edition changes five.
fn text(name: &str, edition: usize) -> String {
    let sentence = |number: usize| {
        let edition = if number % 12 == 5 { edition } else { 0 };
        format!("The {name} number {number} is {} tall in edition {edition}.\n\n", number * 7 + name.len())
    };
    (0..60).map(sentence).collect()
}
