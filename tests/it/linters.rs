//! The linters of scripts/lint.sh find nothing in the action, the workflows and the scripts.

use std::path::Path;
use std::process::Command;

/// What scripts/lint.sh ends with when the linter is not installed.
const NOT_INSTALLED: i32 = 3;

fn is_clean(linter: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = Command::new("bash").arg("scripts/lint.sh").arg(linter).current_dir(root).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    if run.status.code() == Some(NOT_INSTALLED) {
        eprintln!("{}", said.trim());
        return;
    }
    assert!(run.status.success(), "{linter} (see for yourself: scripts/lint.sh {linter}):\n{said}");
}

#[test]
fn the_scripts_pass_shellcheck() {
    is_clean("shellcheck");
}

#[test]
fn the_action_and_the_workflows_pass_zizmor() {
    is_clean("zizmor");
}

#[test]
fn the_workflows_pass_actionlint() {
    is_clean("actionlint");
}

#[test]
fn the_action_and_the_workflows_follow_their_json_schemas() {
    is_clean("check-jsonschema");
}
