//! A real runner of workflows: act, in host mode, with nothing of the world outside but what a test names.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The runner.
pub struct Act {
    path: PathBuf,
}

/// What is run, and where.
pub struct Job<'a> {
    /// A folder of its own: caches, HOME and the event go there.
    pub scratch: &'a Path,
    /// The repository.
    pub repository: &'a Path,
    /// The workflow's file.
    pub workflow: &'a Path,
    /// The event's name.
    pub event: &'a str,
    /// What the workflow gets as `github.event`.
    pub payload: &'a Value,
    /// The environment of every step.
    pub env: &'a [(&'a str, String)],
    /// Its secrets.
    pub secrets: &'a [(&'a str, &'a str)],
}

/// What came of it.
pub struct Ran {
    pub succeeded: bool,
    pub log: String,
}

impl Act {
    /// None, said aloud, where there is no runner.
    pub fn found() -> Option<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = [own].into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join("act"));
        let found = found.into_iter().find(|act| act.is_file());
        if found.is_none() {
            eprintln!("SKIPPED: act is not installed; scripts/install-tools.sh installs it");
        }
        found.map(|path| Self { path })
    }

    /// Runs a workflow, with this project's action as it stands and the program as it was built for the tests.
    pub fn run(&self, job: &Job<'_>) -> Ran {
        let below = |name: &str| job.scratch.join(name);
        for folder in ["home", "action/dist"] {
            std::fs::create_dir_all(below(folder)).unwrap();
        }
        for file in ["action.yml", "dist/stockroom.sh"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            std::fs::copy(from, below("action").join(file)).unwrap();
        }
        std::fs::write(below("event.json"), job.payload.to_string()).unwrap();
        let mut command = Command::new(&self.path);
        command.current_dir(job.repository).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", below("home"));
        command.arg(job.event);
        command.args(["--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--action-offline-mode"]);
        command.arg(format!("--workflows={}", job.workflow.display()));
        command.arg(format!("--eventpath={}", below("event.json").display()));
        command.arg(format!("--action-cache-path={}", below("cache").display()));
        command.arg(format!("--local-repository=stockroom/stockroom@v1={}", below("action").display()));
        command.arg(format!("--env=STOCKROOM_BIN={}", env!("CARGO_BIN_EXE_stockroom")));
        command.args(job.env.iter().map(|(name, value)| format!("--env={name}={value}")));
        command.args(job.secrets.iter().map(|(name, value)| format!("--secret={name}={value}")));
        let output = command.output().unwrap();
        let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { succeeded: output.status.success(), log }
    }
}

/// A git repository with these files, committed.
pub fn repository(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    commit(folder, "Begin");
}

/// Commits everything; the commit.
pub fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", message]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Runs git without the configuration of whoever runs the tests.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let run = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(run.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}
