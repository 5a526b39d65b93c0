//! A clone with the example library, in which the sessions of the documents are played.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use stockroom::ids::Sha256Hex;
use tempfile::TempDir;

use super::{AsCode as _, root};

use crate::exports::with_exports;
use crate::published;

/// Where a reader's clone is, in the documents.
const SHOWN: &str = "~/stockroom";
/// An id of a delivery is `sr-` and so many hex digits.
const ID_DIGITS: usize = 16;

/// A repository with the launcher and the example library.
pub struct Sample {
    folder: TempDir,
    root: PathBuf,
    ids: RefCell<Vec<String>>,
}

impl Sample {
    /// One commit, the same whenever it is made.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample =
            Self { root: folder.path().canonicalize().unwrap().join("stockroom"), folder, ids: RefCell::default() };
        copy(&root().join("examples/library"), &sample.root.join("examples/library"));
        fs::create_dir_all(sample.root.join("dist")).unwrap();
        fs::copy(root().join("dist/stockroom.sh"), sample.root.join("dist/stockroom.sh")).unwrap();
        let commit = "git init --quiet --initial-branch=main && git add --all && git commit --quiet --message library";
        let made = sample.shell(commit);
        assert!(made.status.success(), "{made:?}");
        sample
    }

    fn shell(&self, command: &str) -> Output {
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("exec 2>&1\n{command}")).current_dir(&self.root).env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let settings = [
            ("STOCKROOM_BIN", env!("CARGO_BIN_EXE_stockroom")),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_DEFAULT_HASH", "sha1"),
            ("LC_ALL", "C.UTF-8"),
        ];
        let who = ["GIT_AUTHOR", "GIT_COMMITTER"].map(|who| {
            [
                (format!("{who}_NAME"), "You"),
                (format!("{who}_EMAIL"), "you@example.com"),
                (format!("{who}_DATE"), "2026-01-01T00:00:00Z"),
            ]
        });
        shell.envs(settings).envs(who.into_iter().flatten()).env("PATH", path).env("HOME", self.folder.path());
        shell.output().unwrap()
    }

    /// What a terminal shows after this command, with what differs from clone to clone made equal.
    pub fn run(&self, command: &str) -> String {
        // One session: where a command leaves the shell, the next one begins.
        let output = self.shell(&format!("cd \"$(cat ~/cwd 2>/dev/null || pwd)\"\n{command}\npwd > ~/cwd"));
        let text = String::from_utf8(output.stdout).unwrap();
        steady(&text.replace(self.root.to_str().unwrap(), SHOWN), &mut self.ids.borrow_mut())
    }

    /// What a command writes to stdout as JSON.
    pub fn json(&self, words: &str) -> Value {
        let output = self.shell(&format!("dist/stockroom.sh -C examples/library {words} 2>/dev/null"));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words}: {error}: {output:?}"))
    }

    /// A JSON file below the root.
    pub fn file(&self, path: impl AsRef<Path>) -> Value {
        serde_json::from_slice(&fs::read(self.root.join(path)).unwrap()).unwrap()
    }

    /// The folder that the example library is published to.
    pub fn published(&self) -> PathBuf {
        self.root.join("examples/library/.stockroom/manifest")
    }

    /// The body of the only event in the outbox.
    pub fn event(&self) -> Value {
        let outbox = Path::new(".git/stockroom/examples/library/outbox/website");
        let mut events = fs::read_dir(self.root.join(outbox)).unwrap();
        let event = events.next().unwrap().unwrap().file_name();
        assert!(events.next().is_none(), "there is one event");
        self.file(outbox.join(event))
    }

    /// The blocks of JSON that a fresh clone gives after its first sync.
    pub fn blocks(&self) -> BTreeMap<&'static str, String> {
        let fresh = Self::new();
        fresh.run("dist/stockroom.sh -C examples/library sync");
        let root = published::root(&fresh.published());
        let bolt =
            published::assets(&fresh.published())[&("products".to_owned(), "hex-bolt-gen-v2".to_owned())].clone();
        let mut short = bolt.clone();
        let files = short["files"].as_array_mut().unwrap();
        assert_eq!(files.len(), 5, "README.md speaks of five");
        files.truncate(1);
        let mut event = fresh.event();
        let delta = event["client_payload"]["delta"]["added"].as_array_mut().unwrap();
        delta.truncate(2);
        BTreeMap::from([
            ("manifest-root", pretty(&root).code("json")),
            ("manifest-asset", pretty(&bolt).code("json")),
            ("manifest-asset-short", pretty(&short).code("json")),
            ("envelope", steady(&pretty(&event), &mut Vec::new()).code("json")),
        ])
    }

    /// The generated parts of the page on exports.
    pub fn exports() -> BTreeMap<&'static str, String> {
        let fresh = Self::new();
        let config = fresh.root.join("examples/library/stockroom.yml");
        fs::write(&config, with_exports(&fs::read_to_string(&config).unwrap())).unwrap();
        fresh
            .run("git add --all && git commit --quiet --message exports && dist/stockroom.sh -C examples/library sync");
        BTreeMap::from([
            ("export-blender", pretty(&fresh.shown("_asset-library-meta.json", "")).code("json")),
            ("export-feed", pretty(&fresh.shown("feed.json", "/items/0")).code("json")),
        ])
    }

    /// An exported file, or the value in it at this pointer.
    fn shown(&self, name: &str, pointer: &str) -> Value {
        let bytes = fs::read(self.published().join(name)).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap().pointer(pointer).unwrap().clone()
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// Ids of deliveries depend on a number drawn at random; here the first one seen is always the same, and the second.
fn steady(text: &str, seen: &mut Vec<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("sr-") {
        out.push_str(before);
        out.push_str("sr-");
        rest = after;
        let is_id = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if let Some(id) = after.get(..ID_DIGITS).filter(is_id) {
            let at = seen.iter().position(|one| one == id).unwrap_or(seen.len());
            if at == seen.len() {
                seen.push(id.to_owned());
            }
            out.push_str(Sha256Hex::of(at.to_string().as_bytes()).short());
            rest = &after[ID_DIGITS..];
        }
    }
    out + rest
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == ".stockroom" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
