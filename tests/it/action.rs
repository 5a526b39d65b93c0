//! The action in the hands of a real runner (act, in host mode), and the rules that action.yml keeps.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::copy;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn action() -> Value {
    serde_yaml::from_str(&fs::read_to_string(project().join("action.yml")).unwrap()).unwrap()
}

/// The names below a key of action.yml, in alphabetical order.
fn names(of: &str) -> Vec<String> {
    let mut names: Vec<String> = action()[of].as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

/// What the workflow does after the action: it hands everything out for the test to look at.
const LOOK: &str = r#"
      - name: Look
        if: always()
        env:
          OUTPUTS: ${{ toJSON(steps.stockroom.outputs) }}
        run: |
          printf '%s' "$OUTPUTS" >"$LOOK/outputs.json"
          git status --porcelain --ignored >"$LOOK/status"
          cp -a . "$LOOK/workspace"
"#;

/// A clone of the example library with an event that has happened in it, beside the action as a release has it.
struct Library {
    temp: TempDir,
    act: PathBuf,
}

/// What came of a run.
struct Run {
    log: String,
    succeeded: bool,
    outputs: BTreeMap<String, String>,
    /// What `git status --ignored` said in the workspace afterwards.
    status: String,
    workspace: PathBuf,
}

impl Library {
    /// None, said aloud, where there is no runner.
    fn new() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = [project().join(".tools/bin")].into_iter().chain(std::env::split_paths(&path));
        let Some(act) = found.map(|folder| folder.join("act")).find(|act| act.is_file()) else {
            eprintln!("SKIPPED: act is not installed; scripts/install-tools.sh installs it");
            return None;
        };
        let library = Self { temp: TempDir::new().unwrap(), act };
        for folder in ["look", "home", "action/dist"] {
            fs::create_dir_all(library.path(folder)).unwrap();
        }
        for file in ["action.yml", "dist/stockroom.sh"] {
            fs::copy(project().join(file), library.path("action").join(file)).unwrap();
        }
        copy(&project().join("examples/library"), &library.path("library"));
        library.git(&["init", "--quiet", "--initial-branch=main"]);
        let forge = "https://github.com/example-org/library";
        library.git(&["remote", "add", "origin", forge]);
        // What the forge holds is in a folder beside.
        let origin = library.path("origin.git");
        library.git(&["init", "--quiet", "--bare", origin.to_str().unwrap()]);
        library.git(&["config", &format!("url.file://{}.insteadOf", origin.display()), forge]);
        library.commit("Add the library");
        Some(library)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.temp.path().join(below)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let run = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(self.path("library"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(run.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Changes a record of the library and commits that.
    fn edit(&self, record: &str, from: &str, to: &str) {
        let path = self.path("library").join(record);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{record} does not hold {from}");
        fs::write(path, text.replace(from, to)).unwrap();
        self.commit("Edit a record");
    }

    /// Runs one of the example workflows, followed by a look at what it left behind.
    fn run_example(&self, example: &str, event: &str, payload: Value, binary: &Path) -> Run {
        let workflow = fs::read_to_string(project().join("workflows-examples").join(example)).unwrap();
        let named = "- id: stockroom\n        uses: stockroom/";
        let workflow = if workflow.contains(named) { workflow } else { workflow.replace("- uses: stockroom/", named) };
        self.run(&format!("{}{LOOK}", workflow.trim_end()), event, payload, binary)
    }

    fn run(&self, workflow: &str, event: &str, mut payload: Value, binary: &Path) -> Run {
        let repository = json!({
            "full_name": "example-org/library", "name": "library", "default_branch": "main",
            "owner": { "login": "example-org" },
        });
        payload["repository"] = repository;
        fs::write(self.path("event.json"), payload.to_string()).unwrap();
        fs::write(self.path("workflow.yml"), workflow).unwrap();
        fs::remove_dir_all(self.path("look")).unwrap();
        fs::create_dir(self.path("look")).unwrap();
        // Nothing of the world outside: no environment, no network (port 1 answers nobody), no docker, no token.
        let act = Command::new(&self.act)
            .current_dir(self.path("library"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .arg(event)
            .args(["--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--action-offline-mode"])
            .args([arg("--workflows=", &self.path("workflow.yml")), arg("--eventpath=", &self.path("event.json"))])
            .arg(arg("--action-cache-path=", &self.path("cache")))
            .arg(arg("--local-repository=stockroom/stockroom@v1=", &self.path("action")))
            .args(["--env=GITHUB_API_URL=http://127.0.0.1:1".to_owned(), arg("--env=STOCKROOM_BIN=", binary)])
            .arg(arg("--env=LOOK=", &self.path("look")))
            .output()
            .unwrap();
        let log = format!("{}{}", String::from_utf8_lossy(&act.stdout), String::from_utf8_lossy(&act.stderr));
        let read = |file: &str| match fs::read_to_string(self.path("look").join(file)) {
            Ok(text) => text,
            Err(error) => panic!("the workflow left no {file} ({error}):\n{log}"),
        };
        Run {
            succeeded: act.status.success(),
            outputs: serde_json::from_str(&read("outputs.json")).unwrap(),
            status: read("status"),
            workspace: self.path("look/workspace"),
            log,
        }
    }
}

impl Run {
    fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}

fn arg(before: &str, path: &Path) -> String {
    format!("{before}{}", path.display())
}

fn stockroom() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_stockroom"))
}

/// Every place below `folder` that Stockroom could have left something in.
fn traces(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().trim_start_matches('.') == "stockroom" {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(traces(&entry.path()));
        }
    }
    found
}

#[test]
fn every_input_is_an_environment_variable_and_none_is_part_of_a_script() {
    let action = action();
    let steps = action["runs"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    let script = steps[0]["run"].as_str().unwrap();
    assert_eq!(script, "exec \"$GITHUB_ACTION_PATH/dist/stockroom.sh\" run");
    for input in names("inputs") {
        let variable = format!("STOCKROOM_{}", input.to_uppercase().replace('-', "_"));
        assert_eq!(steps[0]["env"][&variable], format!("${{{{ inputs.{input} }}}}"), "{variable}");
    }
    for output in names("outputs") {
        let value = &action["outputs"][&output]["value"];
        assert_eq!(value, &format!("${{{{ steps.stockroom.outputs.{output} }}}}"));
    }
}

#[test]
fn every_input_reaches_the_binary_and_every_output_comes_back() {
    let Some(library) = Library::new() else { return };
    let stand_in = library.path("stand-in");
    let mut script =
        "#!/bin/sh\nprintf 'arguments <%s>\\n' \"$@\" >\"$LOOK/seen\"\nset | grep '^STOCKROOM_' >>\"$LOOK/seen\"\n"
            .to_owned();
    for output in names("outputs") {
        script += &format!("echo '{output}=this is {output}' >>\"$GITHUB_OUTPUT\"\n");
    }
    fs::write(&stand_in, script).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();

    let mut workflow = "on: push\npermissions: {}\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n      \
        - uses: actions/checkout@v7\n      - id: stockroom\n        uses: stockroom/stockroom@v1\n        with:\n"
        .to_owned();
    for input in names("inputs") {
        workflow += &format!("          {input}: $(id) `id` ;{input}\n");
    }
    let run = library.run(&format!("{workflow}{LOOK}"), "push", json!({ "ref": "refs/heads/main" }), &stand_in);

    assert!(run.succeeded, "{}", run.log);
    let seen = fs::read_to_string(library.path("look/seen")).unwrap();
    assert!(seen.starts_with("arguments <run>\nSTOCKROOM_"), "{seen}");
    for input in names("inputs") {
        let variable = format!("STOCKROOM_{}='$(id) `id` ;{input}'", input.to_uppercase().replace('-', "_"));
        assert!(seen.contains(&variable), "{variable} is missing in:\n{seen}");
    }
    for output in names("outputs") {
        assert_eq!(run.output(&output), format!("this is {output}"));
    }
}

#[test]
fn a_pull_request_is_checked_and_planned_and_nothing_else() {
    let Some(library) = Library::new() else { return };
    let base = library.git(&["rev-parse", "HEAD"]);
    library.git(&["checkout", "--quiet", "-b", "topic"]);
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "Parametric hex bolts", "Parametric hexagon bolts");
    let head = library.git(&["rev-parse", "HEAD"]);
    let payload = json!({
        "action": "synchronize", "number": 7,
        "pull_request": { "number": 7, "head": { "ref": "topic", "sha": head }, "base": { "ref": "main", "sha": base } },
    });
    let run = library.run_example("asset-repo-pull-request.yml", "pull_request", payload, stockroom());

    assert!(run.succeeded, "{}", run.log);
    assert_eq!((run.output("valid"), run.output("errors")), ("true", "0"), "{}", run.log);
    assert!(run.output("command").contains("plan"), "{:?}", run.outputs);
    assert!(matches!(run.output("dispatched"), "" | "0"), "{:?}", run.outputs);
    assert!(run.log.contains("Summary - "), "there is no job summary:\n{}", run.log);
    assert_eq!(run.status, "", "the workspace was written to");
    assert_eq!(traces(&run.workspace), Vec::<PathBuf>::new());
    assert_eq!(traces(&library.path("home")), Vec::<PathBuf>::new());
}

#[test]
fn a_push_brings_everything_into_step() {
    let Some(library) = Library::new() else { return };
    let payload =
        json!({ "ref": "refs/heads/main", "before": "0".repeat(40), "after": library.git(&["rev-parse", "HEAD"]) });
    let run = library.run_example("asset-repo-push.yml", "push", payload.clone(), stockroom());

    assert!(run.succeeded, "{}", run.log);
    assert_eq!((run.output("valid"), run.output("changed")), ("true", "true"), "{}", run.log);
    assert!(run.output("command").contains("sync"), "{:?}", run.outputs);
    assert_eq!(run.output("manifest-digest").len(), 64, "{:?}", run.outputs);
    assert!(run.output("embedded").parse::<u32>().unwrap() > 13, "{:?}", run.outputs);
    assert_eq!(run.output("dispatched"), "0", "there was no token to dispatch with");
    let manifest = run.workspace.join(".stockroom/manifest");
    assert!(fs::read_dir(&manifest).is_ok_and(|mut files| files.next().is_some()), "no manifest:\n{}", run.log);
    assert!(run.output("manifest-path").ends_with(".stockroom/manifest"), "{:?}", run.outputs);
    assert!(run.log.contains("Summary - "), "there is no job summary:\n{}", run.log);
    // A later step of the workflow saw the outputs too.
    assert!(run.log.contains("changed=true dispatched=0"), "{}", run.log);

    let again = library.run_example("asset-repo-push.yml", "push", payload, stockroom());
    assert!(again.succeeded, "{}", again.log);
    assert_eq!((again.output("changed"), again.output("embedded")), ("false", "0"), "{}", again.log);
    let carried =
        Command::new("git").args(["for-each-ref", "refs/stockroom"]).current_dir(library.path("origin.git")).output();
    assert!(String::from_utf8(carried.unwrap().stdout).unwrap().contains("refs/stockroom/state"), "{}", again.log);
}

#[test]
fn a_record_at_fault_fails_the_step_with_an_annotation_and_nothing_is_sent() {
    let Some(library) = Library::new() else { return };
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "\"12.00\"", "12.00");
    let payload =
        json!({ "ref": "refs/heads/main", "before": "0".repeat(40), "after": library.git(&["rev-parse", "HEAD"]) });
    let run = library.run_example("asset-repo-push.yml", "push", payload, stockroom());

    assert!(!run.succeeded, "{}", run.log);
    assert_eq!((run.output("valid"), run.output("errors")), ("false", "1"), "{}", run.log);
    assert!(run.log.contains("::error file=Hex Bolt Gen v2/Hex Bolt Gen v2.json,line="), "{}", run.log);
    assert!(run.log.contains("Summary - "), "there is no job summary:\n{}", run.log);
    assert!(!run.workspace.join(".stockroom/manifest").exists(), "a manifest was written:\n{}", run.log);
}

#[test]
fn a_release_gets_its_manifest() {
    let Some(library) = Library::new() else { return };
    library.git(&["tag", "v1.0.0"]);
    let payload = json!({ "action": "published", "release": { "tag_name": "v1.0.0", "target_commitish": "main" } });
    let run = library.run_example("asset-repo-release.yml", "release", payload, stockroom());

    assert!(run.succeeded, "{}", run.log);
    assert!(run.output("command").contains("manifest"), "{:?}", run.outputs);
    assert_eq!(run.output("manifest-digest").len(), 64, "{:?}", run.outputs);
    assert!(!run.output("manifest-path").is_empty(), "{:?}", run.outputs);
}
