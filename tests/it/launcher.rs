//! dist/stockroom.sh runs the binary that was released, and no other.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A copy of dist/ in a folder whose name is as bad as names get, with a script for a binary.
struct Dist {
    _temp: TempDir,
    root: PathBuf,
}

/// Says who it is and what it was given, one argument per line.
const BINARY: &str = "#!/bin/sh\necho \"pid $$\"\nprintf '<%s>\\n' \"$@\"\n";

impl Dist {
    fn new() -> Self {
        let temp = TempDir::new().unwrap();
        let root = temp.path().join("a $HOME 'folder'; of \"actions\"");
        fs::create_dir_all(root.join("dist/bin")).unwrap();
        fs::create_dir_all(root.join("path")).unwrap();
        let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/stockroom.sh");
        fs::copy(launcher, root.join("dist/stockroom.sh")).unwrap();
        let dist = Self { _temp: temp, root };
        dist.program("path/uname", "#!/bin/sh\necho Linux x86_64\n");
        dist
    }

    fn with_binary() -> Self {
        let dist = Self::new();
        dist.program("dist/bin/stockroom-x86_64-unknown-linux-gnu", BINARY);
        dist.sums(&format!("{:x}  bin/stockroom-x86_64-unknown-linux-gnu\n", Sha256::digest(BINARY)));
        dist
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn sums(&self, text: &str) {
        fs::write(self.root.join("dist/SHA256SUMS"), text).unwrap();
    }

    fn launch(&self) -> Command {
        // The interpreter is named, not left to the script's first line: a script that was just written can be "busy".
        let mut command = Command::new("/bin/sh");
        let path = std::env::join_paths(
            [self.root.join("path")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        command.arg(self.root.join("dist/stockroom.sh")).env_remove("STOCKROOM_BIN").env("PATH", path.unwrap());
        command
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn assert_refused(run: &Output, because: &str) {
    let said = text(&run.stderr);
    assert_eq!((run.status.code(), text(&run.stdout)), (Some(2), String::new()), "{said}");
    assert!(said.contains(because), "should say {because:?}: {said}");
}

#[test]
fn the_released_binary_gets_every_argument_as_it_was() {
    let arguments = ["run", "", "two words", "$HOME", "line\nbreak", "--x='\"`id`"];
    let run = Dist::with_binary().launch().args(arguments).output().unwrap();
    let expected: String = arguments.iter().map(|a| format!("<{a}>\n")).collect();
    assert_eq!(text(&run.stdout).split_once('\n').unwrap().1, expected, "{}", text(&run.stderr));
}

#[test]
fn the_launcher_becomes_the_binary_so_that_signals_reach_it() {
    let dist = Dist::with_binary();
    let child = dist.launch().stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let run = child.wait_with_output().unwrap();
    assert_eq!(text(&run.stdout).lines().next(), Some(format!("pid {pid}").as_str()));
}

#[test]
fn a_binary_with_other_bytes_is_not_run() {
    let dist = Dist::with_binary();
    dist.program("dist/bin/stockroom-x86_64-unknown-linux-gnu", &format!("{BINARY}# one more line\n"));
    assert_refused(&dist.launch().output().unwrap(), "is not the binary that was released");
}

#[test]
fn a_binary_without_a_known_digest_is_not_run() {
    let dist = Dist::with_binary();
    let digest = format!("{:x}", Sha256::digest(BINARY));
    for sums in [
        String::new(),
        format!("{digest}  bin/stockroom-other\n"),
        "  bin/stockroom-x86_64-unknown-linux-gnu\n".to_owned(),
        format!("{}  bin/stockroom-x86_64-unknown-linux-gnu\n", &digest[..63]),
    ] {
        dist.sums(&sums);
        assert_refused(&dist.launch().output().unwrap(), "names no SHA-256");
    }
    fs::remove_file(dist.root.join("dist/SHA256SUMS")).unwrap();
    assert_refused(&dist.launch().output().unwrap(), "names no SHA-256");
}

#[test]
fn a_machine_that_cannot_verify_does_not_run() {
    let dist = Dist::with_binary();
    let path = std::env::var_os("PATH").unwrap();
    let dirname = std::env::split_paths(&path).map(|p| p.join("dirname")).find(|p| p.exists()).unwrap();
    symlink(dirname, dist.root.join("path/dirname")).unwrap();
    let run = dist.launch().env("PATH", dist.root.join("path")).output().unwrap();
    assert_refused(&run, "neither sha256sum nor shasum");
}

#[test]
fn shasum_will_do_where_there_is_no_sha256sum() {
    let dist = Dist::with_binary();
    let path = std::env::var_os("PATH").unwrap();
    let real = |name: &str| std::env::split_paths(&path).map(|p| p.join(name)).find(|p| p.exists()).unwrap();
    symlink(real("dirname"), dist.root.join("path/dirname")).unwrap();
    let sha256sum = real("sha256sum");
    dist.program("path/shasum", &format!("#!/bin/sh\n[ \"$1 $2\" = '-a 256' ] && exec '{}'\n", sha256sum.display()));
    let run = dist.launch().env("PATH", dist.root.join("path")).output().unwrap();
    assert!(run.status.success(), "{}", text(&run.stderr));
}

#[test]
fn a_machine_without_a_binary_is_named_and_a_source_checkout_told_how_to_build() {
    let dist = Dist::with_binary();
    dist.program("path/uname", "#!/bin/sh\necho Plan9 mips\n");
    assert_refused(&dist.launch().output().unwrap(), "no prebuilt binary for this machine (Plan9 mips)");

    let checkout = Dist::new();
    fs::write(checkout.root.join("Cargo.toml"), "").unwrap();
    let run = checkout.launch().output().unwrap();
    assert_refused(&run, "no prebuilt binary for this machine (Linux x86_64)");
    assert_refused(&run, "cargo build --release --locked");
}

#[test]
fn a_binary_of_ones_own_goes_first() {
    let dist = Dist::new();
    dist.program("mine", BINARY);
    let mine = dist.root.join("mine");
    let run = dist.launch().env("STOCKROOM_BIN", &mine).arg("x y").output().unwrap();
    assert!(text(&run.stdout).ends_with("<x y>\n"), "{}", text(&run.stderr));

    fs::set_permissions(&mine, fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(&dist.launch().env("STOCKROOM_BIN", &mine).output().unwrap(), "which is not a program");
    assert_refused(&dist.launch().env("STOCKROOM_BIN", &dist.root).output().unwrap(), "which is not a program");
}
