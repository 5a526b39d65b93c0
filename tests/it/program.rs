//! Whole runs of the built binary on libraries made on the fly, with nothing of this machine's environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A repository in a temporary folder, with a library in it.
pub struct Library {
    temp: TempDir,
    /// The library's folder within the repository; empty for the repository's own root.
    below: String,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A run that is about to begin.
pub struct Program {
    command: Command,
}

impl Library {
    /// A repository without a file.
    pub fn empty() -> Self {
        let library = Self { temp: TempDir::new().unwrap(), below: String::new() };
        fs::create_dir_all(library.home()).unwrap();
        fs::create_dir_all(library.repository()).unwrap();
        library.git(&["init", "--quiet", "--initial-branch=main"]);
        library
    }

    /// A repository with these files, committed.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let library = Self::empty();
        for (path, text) in files {
            library.write(path, text);
        }
        library.commit();
        library
    }

    /// The library that ships with the project, committed.
    pub fn example() -> Self {
        Self::example_below("")
    }

    /// The same in a folder of a larger repository.
    pub fn example_below(folder: &str) -> Self {
        let library = Self { below: folder.to_owned(), ..Self::empty() };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/library"), &library.root());
        library.commit();
        library
    }

    /// A clone with so many commits of history; actions/checkout makes it with one unless told otherwise.
    pub fn clone_of_depth(&self, depth: u32) -> Self {
        let clone = Self { temp: TempDir::new().unwrap(), below: self.below.clone() };
        fs::create_dir_all(clone.repository()).unwrap();
        let origin = format!("file://{}", self.repository().display());
        clone.git(&["clone", "--quiet", "--depth", &depth.to_string(), &origin, "."]);
        clone
    }

    /// The repository's folder.
    pub fn repository(&self) -> PathBuf {
        self.temp.path().join("repository")
    }

    /// The library's folder.
    pub fn root(&self) -> PathBuf {
        if self.below.is_empty() { self.repository() } else { self.repository().join(&self.below) }
    }

    /// A place outside of the repository.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn home(&self) -> PathBuf {
        self.beside("home")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Changes a text that stands in a file.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} does not hold {from:?}");
        self.write(path, text.replace(from, to));
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let run = self.git_command().args(arguments).output().unwrap();
        assert!(run.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    }

    /// Git in the repository, with an identity and without the configuration of whoever runs the tests.
    pub fn git_command(&self) -> Command {
        let mut command = bare("git", &self.home());
        command.current_dir(self.repository());
        command
    }

    /// Commits everything, also what nobody has added.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "Change the library"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The program with `-C` and these words.
    pub fn program<S: AsRef<OsStr>>(&self, words: &[S]) -> Program {
        let mut program = self.program_without_folder(words);
        program.command.arg("-C").arg(self.root());
        program
    }

    /// The same with at most so much memory of its own, in KiB; without it the program dies.
    pub fn program_within(&self, memory: u64, words: &[&str]) -> Program {
        let mut command = bare("bash", &self.home());
        let script = format!("ulimit -d {memory} && exec \"$@\"");
        command.current_dir(self.temp.path()).args(["-c", &script, "bash", env!("CARGO_BIN_EXE_stockroom")]);
        command.args(words).arg("-C").arg(self.root());
        Program { command }
    }

    /// The program with `-C` and these words, started by another program.
    pub fn program_under<S: AsRef<OsStr>>(&self, starter: &[S], words: &[&str]) -> Program {
        let (first, rest) = starter.split_first().unwrap();
        let mut command = bare(first, &self.home());
        command.current_dir(self.temp.path()).args(rest).arg(env!("CARGO_BIN_EXE_stockroom")).args(words);
        command.arg("-C").arg(self.root());
        Program { command }
    }

    /// The same repository, with all that runs have left in it, in another place.
    pub fn duplicate(&self) -> Self {
        let duplicate = Self { temp: TempDir::new().unwrap(), below: self.below.clone() };
        let copied = Command::new("cp").arg("-a").arg(self.temp.path().join(".")).arg(duplicate.temp.path()).status();
        assert!(copied.unwrap().success());
        duplicate
    }

    /// The program with these words alone.
    pub fn program_without_folder<S: AsRef<OsStr>>(&self, words: &[S]) -> Program {
        let mut command = bare(env!("CARGO_BIN_EXE_stockroom"), &self.home());
        command.current_dir(self.temp.path()).args(words);
        Program { command }
    }

    /// Runs the program with `-C` and these words.
    pub fn run(&self, words: &[&str]) -> Run {
        self.program(words).run()
    }

    /// The digest of every file below these folders of the library; `.git/stockroom` means the clone's own.
    pub fn digests(&self, folders: &[&str]) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        for folder in folders {
            let root = if folder.starts_with(".git") { self.repository() } else { self.root() };
            digest_below(&root.join(folder), &mut found);
        }
        found
    }

    /// The digest of every file of the repository, git's own and the untracked ones too.
    pub fn everything(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        digest_below(&self.repository(), &mut found);
        found
    }

    /// Every byte that a run may have left anywhere: in the repository, in HOME, beside both.
    pub fn every_file(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut paths = Vec::new();
        files_below(self.temp.path(), &mut paths);
        paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

impl Program {
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn into_command(self) -> Command {
        self.command
    }

    /// Begins the run; its output is for whoever waits for its end.
    pub fn begin(mut self) -> Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn run(mut self) -> Run {
        let output = self.command.stdin(Stdio::null()).output().unwrap();
        Run {
            code: output.status.code().unwrap_or_else(|| panic!("the program was killed: {}", output.status)),
            out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

impl Run {
    /// Asserts the exit code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.out, self.err))
    }

    pub fn both(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The document on stdout, which is as its schema says.
    pub fn document(&self, schema: &Value) -> Value {
        let document = self.json();
        let validator = jsonschema::options().offline().build(schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{document:#}");
        document
    }
}

/// The element of a list whose `key` is `value`.
pub fn named<'v>(list: &'v Value, key: &str, value: &str) -> &'v Value {
    let found = list.as_array().unwrap().iter().find(|element| element[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value:?} in {list:#}"))
}

/// What lies beside the project and does not belong to it: corpora and tools. None, said aloud, where it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("STOCKROOM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let found = shared.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED: {} is not there", found.display());
    None
}

/// Copies a folder, without the state and the manifest of whoever has tried the library in place.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == ".stockroom" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A command with nothing of this environment but PATH. The dates of commits are fixed, so their ids are too.
fn bare(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@example.com");
        command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    // A sanitizer or a coverage tool that watches the tests watches the program too.
    for (name, value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LLVM_PROFILE") {
            command.env(name, value);
        }
    }
    command
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_below(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn digest_below(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let mut paths = Vec::new();
    files_below(folder, &mut paths);
    found.extend(paths.into_iter().map(|path| {
        let digest = format!("{:x}", Sha256::digest(fs::read(&path).unwrap()));
        (path, digest)
    }));
}

/// The commands that GitHub's runner would execute in this output, by a restatement of its parser.
pub fn executed(output: &str) -> Option<Vec<Value>> {
    restated(&[], output.as_bytes())
}

/// The keys and values that GitHub's runner would read from this file of outputs.
pub fn outputs_read(file: &Path) -> Option<Vec<(String, String)>> {
    let pairs = restated(&["--env-file", file.to_str().unwrap()], b"")?;
    let text = |pair: &Value, key: &str| pair[key].as_str().unwrap().to_owned();
    Some(pairs.iter().map(|pair| (text(pair, "key"), text(pair, "value"))).collect())
}

fn restated(words: &[&str], input: &[u8]) -> Option<Vec<Value>> {
    let tool = shared("tools/runner_commands.py")?;
    let mut command = Command::new("python3");
    command.arg(tool).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 starts");
    // The tool reads all of its input before it writes.
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    Some(String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}
