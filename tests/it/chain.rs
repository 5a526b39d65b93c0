//! The whole chain with a real runner: a push to the asset repository, our action, GitHub's API, the downstreams' own workflows
//! run in their own repositories, and what becomes of them seen by our action again.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::act::{Act, Job, Ran, commit, git, repository};
use crate::fake_github::{Begun, FakeGitHub, Grant};
use crate::file_server::{FileServer, Page};

const TOKEN: &str = "github_pat_chain";
const WEBSITE: &str = "org/website";
const ADDON: &str = "org/addon";

const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
manifest: {publish: [{branch: gh-pages, url: 'https://library.example/'}]}
downstreams:
  website: {repo: org/website, event: asset-updated, wait: 2m}
  addon: {repo: org/addon, workflow: package.yml, needs: [website], wait: 2m, on_failure: rollback}
";

const SYNC: &str = "name: Stockroom sync
on: push
jobs:
  sync:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
        with: {fetch-depth: 0}
      - uses: stockroom/stockroom@v1
        with:
          token: ${{ secrets.STOCKROOM_TOKEN }}
";

/// It brings itself to the manifest that the event names, and says so where the test sees it.
const REBUILD: &str = r#"name: Rebuild
run-name: Rebuild (${{ github.event.client_payload.correlation_id }})
on:
  repository_dispatch:
    types: [asset-updated]
jobs:
  rebuild:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
      - id: news
        env:
          ENVELOPE: ${{ toJSON(github.event.client_payload) }}
        run: |
          digest=$(printf '%s\n' "$ENVELOPE" | jq --raw-output .manifest.digest)
          [[ $digest =~ ^[0-9a-f]{64}$ ]]
          rollback=$(printf '%s\n' "$ENVELOPE" | jq '.delta.rollback == true')
          printf 'digest=%s\nrollback=%s\nsource=%s\n' "$digest" "$rollback" "$EDITIONS/$digest/" >>"$GITHUB_OUTPUT"
      - id: assets
        uses: stockroom/stockroom@v1
        with:
          command: pull
          source: ${{ steps.news.outputs.source }}
          output: assets
      - env:
          ANNOUNCED: ${{ steps.news.outputs.digest }}
          PULLED: ${{ steps.assets.outputs.manifest-digest }}
          ROLLBACK: ${{ steps.news.outputs.rollback }}
        run: |
          [[ $PULLED == "$ANNOUNCED" ]]
          title=$(jq --raw-output .record.title assets/records/products/bolt.json)
          printf '%s rollback=%s\n' "$title" "$ROLLBACK" >>"$SITE"
"#;

/// It fails for as long as a file says so.
const PACKAGE: &str = r#"name: Package
run-name: Package (${{ inputs.correlation_id }})
on:
  workflow_dispatch:
    inputs:
      correlation_id: {required: true, type: string}
      envelope: {required: true, type: string}
jobs:
  package:
    runs-on: ubuntu-latest
    steps:
      - env:
          ENVELOPE: ${{ inputs.envelope }}
        run: |
          printf '%s\n' "$ENVELOPE" | jq --raw-output '"package rollback=\(.delta.rollback == true)"' >>"$PACKAGES"
          [[ ! -e $BROKEN ]]
"#;

/// The repositories, and the GitHub that they live on.
struct World {
    act: Arc<Act>,
    temp: TempDir,
    github: FakeGitHub,
}

impl World {
    fn new() -> Option<Self> {
        let act = Arc::new(Act::found()?);
        let world = Self { act, temp: TempDir::new().unwrap(), github: FakeGitHub::start() };
        let record = r#"{"title": "first"}"#;
        repository(&world.path("assets"), &[("stockroom.yml", SETTINGS), ("bolt.json", record)]);
        let origin = world.path("origin.git");
        git(&world.path("assets"), &["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()]);
        let forge = "https://github.com/org/assets";
        git(&world.path("assets"), &["remote", "add", "origin", forge]);
        git(&world.path("assets"), &["config", &format!("url.file://{}.insteadOf", origin.display()), forge]);
        fs::write(world.path("sync.yml"), SYNC).unwrap();
        let editions = Arc::new(FileServer::start());
        for (slug, grant, path, text) in [
            (WEBSITE, Grant::SendAndList, ".github/workflows/rebuild.yml", REBUILD),
            (ADDON, Grant::Start, ".github/workflows/package.yml", PACKAGE),
        ] {
            repository(&world.path(slug), &[(path, text)]);
            world.github.add_repo(slug, true).allow(TOKEN, slug, grant);
            world.github.publish(slug, "main", &[(path, text)]);
            let (act, root, editions) = (Arc::clone(&world.act), world.temp.path().to_owned(), Arc::clone(&editions));
            world.github.run_by(slug, Arc::new(move |begun| run_downstream(&act, &root, &editions, begun)));
        }
        Some(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// What a push of a record with this title brings about.
    fn push(&self, title: &str) -> Ran {
        let assets = self.path("assets");
        fs::write(assets.join("bolt.json"), json!({ "title": title }).to_string()).unwrap();
        let before = git(&assets, &["rev-parse", "HEAD"]);
        let after = commit(&assets, title);
        git(&assets, &["push", "--quiet", "origin", "main"]);
        self.sync(&before, &after)
    }

    /// What a run of the asset repository's workflow brings about.
    fn sync(&self, before: &str, after: &str) -> Ran {
        let payload = json!({
            "ref": "refs/heads/main", "before": before, "after": after,
            "repository": {"full_name": "org/assets", "name": "assets", "default_branch": "main", "owner": {"login": "org"}},
        });
        self.act.run(&Job {
            scratch: &self.path("scratch/assets"),
            repository: &self.path("assets"),
            workflow: &self.path("sync.yml"),
            event: "push",
            payload: &payload,
            env: &[("GITHUB_API_URL", self.github.url().to_owned())],
            secrets: &[("STOCKROOM_TOKEN", TOKEN)],
        })
    }

    /// What a downstream has done so far, line by line.
    fn done(&self, file: &str) -> Vec<String> {
        fs::read_to_string(self.path(file)).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn envelopes(&self, slug: &str) -> Vec<Value> {
        let envelope = |event: Value| match &event["inputs"]["envelope"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            _ => event["client_payload"].clone(),
        };
        self.github.dispatches(slug).into_iter().map(envelope).collect()
    }
}

/// Runs a downstream's own workflow in its own repository, as GitHub would.
fn run_downstream(act: &Act, root: &Path, editions: &FileServer, begun: &Begun) -> &'static str {
    serve_edition(&root.join("origin.git"), editions);
    let scratch = root.join("scratch").join(&begun.slug).join(begun.id.to_string());
    fs::create_dir_all(&scratch).unwrap();
    let place = |name: &str| root.join(name).display().to_string();
    let ran = act.run(&Job {
        scratch: &scratch,
        repository: &root.join(&begun.slug),
        workflow: &root.join(&begun.slug).join(&begun.workflow),
        event: begun.event,
        payload: &begun.payload,
        env: &[
            ("EDITIONS", editions.url("")),
            ("SITE", place("site")),
            ("PACKAGES", place("packages")),
            ("BROKEN", place("broken")),
        ],
        secrets: &[],
    });
    fs::write(scratch.join("log"), &ran.log).unwrap();
    if ran.succeeded { "success" } else { "failure" }
}

/// Serves what the branch holds now below the digest of its manifest, for good.
fn serve_edition(origin: &Path, editions: &FileServer) {
    let show = |path: &str| {
        let object = format!("gh-pages:{path}");
        let shown = std::process::Command::new("git").args(["show", &object]).current_dir(origin).output().unwrap();
        assert!(shown.status.success(), "git show {object}");
        shown.stdout
    };
    let root: Value = serde_json::from_slice(&show("manifest.json")).unwrap();
    for path in git(origin, &["ls-tree", "-r", "--name-only", "gh-pages"]).lines() {
        editions.put(&format!("/{}/{path}", root["digest"].as_str().unwrap()), Page::File(show(path)));
    }
}

#[test]
fn from_a_push_to_the_downstreams_and_back_and_a_failure_takes_back_what_had_worked() {
    let Some(world) = World::new() else { return };
    let logs = |of: &Ran| {
        let mut text = of.log.clone();
        for slug in [WEBSITE, ADDON] {
            for run in world.github.runs(slug) {
                let log = fs::read_to_string(world.path(&format!("scratch/{slug}/{}/log", run.id)));
                text += &format!("\n== {slug} {}\n{}", run.display_title, log.unwrap_or_default());
            }
        }
        text
    };

    let run = world.push("one");
    assert!(run.succeeded, "{}", logs(&run));
    assert_eq!(world.done("site"), ["one rollback=false"], "{}", logs(&run));
    assert_eq!(world.done("packages"), ["package rollback=false"], "{}", logs(&run));

    fs::write(world.path("broken"), "").unwrap();
    let run = world.push("two");
    assert!(!run.succeeded, "the add-on cannot use it:\n{}", logs(&run));
    assert_eq!(world.done("site"), ["one rollback=false", "two rollback=false", "one rollback=true"], "{}", logs(&run));
    assert_eq!(world.done("packages").len(), 2, "{}", logs(&run));
    let envelopes = world.envelopes(WEBSITE);
    assert_eq!(envelopes[2]["commit"], envelopes[0]["commit"]);
    assert!(run.log.contains("Summary - "), "there is no job summary:\n{}", run.log);
    assert!(
        run.log.contains("addon failed, so website has what it had before again"),
        "the summary does not say so:\n{}",
        logs(&run)
    );

    let again = world.sync(&"0".repeat(40), &git(&world.path("assets"), &["rev-parse", "HEAD"]));
    assert_eq!(world.done("site").len(), 3, "what was taken back is not delivered again by itself:\n{}", logs(&again));

    fs::remove_file(world.path("broken")).unwrap();
    let run = world.push("three");
    assert!(run.succeeded, "{}", logs(&run));
    assert_eq!(world.done("site")[3..], ["three rollback=false"], "{}", logs(&run));
    assert_eq!(world.done("packages").len(), 3, "{}", logs(&run));
    for (slug, runs) in [(WEBSITE, 4), (ADDON, 3)] {
        let ids: std::collections::BTreeSet<_> =
            world.envelopes(slug).iter().map(|envelope| envelope["correlation_id"].to_string()).collect();
        assert_eq!(ids.len(), runs, "{slug} was told each thing once");
    }
}
