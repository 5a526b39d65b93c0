//! Runs that publish to a folder and to a branch of origin, killed at any moment: at their own work, or while git is at its.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::history::{github, go_to, program};
use super::kill::{Kill, duration};
use super::sweep::{is_long, random};
use crate::fake_github::FakeGitHub;
use crate::program::{Library, Run};
use crate::published;

const SETTINGS: &str = "version: 1
collections:
  products: {metadata: 'products/*.json', id: '{stem}'}
manifest:
  publish:
    - folder: public
    - branch: gh-pages
  exports:
    data_package: {}
";

/// How long the texts of the products are: more than one shard holds.
const LONG: usize = 3_000;

/// A library whose origin is bare, the first of its commits published, and the second and the third not.
struct Scene {
    library: Library,
    commits: Vec<String>,
    github: FakeGitHub,
}

impl Scene {
    fn new() -> Self {
        let library = Library::of(&[("stockroom.yml", SETTINGS), (".gitignore", "public\n")]);
        let mut commits = Vec::new();
        for edition in 0..3 {
            library.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "products"]);
            for product in edition..40 {
                let title = if product % 9 == 0 { edition } else { 0 };
                let record = format!("{{\"title\": \"{product} {title}\", \"text\": \"{}\"}}\n", "x".repeat(LONG));
                library.write(&format!("products/{product:02}.json"), record);
            }
            commits.push(library.commit());
        }
        let scene = Self { library, commits, github: github() };
        let origin = scene.origin().display().to_string();
        scene.library.git(&["clone", "--quiet", "--bare", ".", &origin]);
        scene.library.git(&["remote", "add", "origin", &format!("file://{origin}")]);
        go_to(&scene.library, &scene.commits[0]);
        scene.quietly();
        go_to(&scene.library, &scene.commits[1]);
        scene
    }

    fn origin(&self) -> PathBuf {
        self.library.beside("origin.git")
    }

    fn quietly(&self) -> Run {
        program(&self.library, &self.github).run().ends(0)
    }

    /// Where the branch is.
    fn tip(&self) -> String {
        self.of_origin(&["rev-parse", "gh-pages"])
    }

    fn of_origin(&self, words: &[&str]) -> String {
        let origin = self.origin().display().to_string();
        self.library.git(&[&["--git-dir", &origin], words].concat())
    }

    /// What the branch holds, in a folder.
    fn checked_out(&self) -> PathBuf {
        let folder = self.library.beside("checked-out");
        let (from, to) = (self.origin().display().to_string(), folder.display().to_string());
        self.library.git(&["clone", "--quiet", "--branch", "gh-pages", &from, &to]);
        folder
    }
}

/// What of the root does not depend on the editions before.
fn lasting(folder: &Path) -> Value {
    let mut root = published::root(folder);
    for of_the_past in ["source", "seq", "prev", "delta", "updated"] {
        root.as_object_mut().unwrap().remove(of_the_past);
    }
    root
}

/// Kills so many runs, one in each part of a run's time, before the library is served at the same commit or at the next.
pub fn sweep_branch(moves_on: bool, kills: u32) {
    let last = if moves_on { 2 } else { 1 };
    let quiet = Scene::new();
    let length = duration(&quiet.library, &quiet.github);
    go_to(&quiet.library, &quiet.commits[last]);
    quiet.quietly();
    let wanted = [quiet.checked_out(), quiet.library.path("public")];
    let mut seed = 11 ^ u64::from(moves_on);
    let kills = if is_long() { 10 * kills } else { kills };
    for n in 0..kills {
        let part = u32::try_from(random(&mut seed) % 1_000).unwrap();
        let moment = length * (n * 1_000 + part) / (kills * 1_000);
        let scene = Scene::new();
        Kill::After(moment).befall(&scene.library, &scene.github, "");
        go_to(&scene.library, &scene.commits[last]);
        scene.quietly();
        is_that_of(&scene, &wanted, last, moment);
    }
}

fn is_that_of(scene: &Scene, wanted: &[PathBuf; 2], last: usize, moment: Duration) {
    let tip = scene.tip();
    for result in scene.quietly().json()["results"].as_array().unwrap() {
        assert_eq!(result["outcome"], "unchanged", "killed after {moment:?}: {result}");
    }
    assert_eq!(scene.tip(), tip, "killed after {moment:?}: the second run pushed");
    let branch = scene.checked_out();
    // Exports say where they are, so that the two differ.
    for (folder, wanted) in [&branch, &scene.library.path("public")].into_iter().zip(wanted) {
        assert_eq!(published::assets(folder), published::assets(wanted), "killed after {moment:?}");
        assert_eq!(lasting(folder), lasting(wanted), "killed after {moment:?}");
    }
    // One commit for an edition: what the killed run has pushed is not pushed again.
    let commits: u64 = scene.of_origin(&["rev-list", "--count", "gh-pages"]).parse().unwrap();
    assert_eq!(published::root(&branch)["seq"], published::FIRST + commits - 1, "killed after {moment:?}");
    assert!((2..=u64::try_from(last).unwrap() + 1).contains(&commits), "killed after {moment:?}: {commits} editions");
    assert_eq!(scene.library.git(&["status", "--porcelain"]), "", "killed after {moment:?}");
}
