//! Kills a run at a chosen call or moment, and tells which calls there are to choose from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::fake_github::FakeGitHub;
use crate::program::Library;

use super::history::prepared;

/// The calls that a kill is injected at. A kill comes before the call takes effect, so the next call's is the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Write,
    Sync,
    Name,
    Send,
    Truncate,
    /// No call: any moment.
    Time,
}

/// Which calls count. Each thread counts for itself, and the first to make its n-th call brings the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    All,
    /// Those of the first thread: its few calls come after many of the others.
    Main,
    /// Those on this file: what is written at the end of a run, when a database is closed.
    File(&'static str),
}

/// The files that have a scope of their own.
const FILES: [&str; 4] = ["state.sqlite", "state.sqlite-wal", "vectors.sqlite", "vectors.sqlite-wal"];

/// The moment of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kill {
    At { call: &'static str, scope: Scope, n: usize },
    After(Duration),
}

impl Class {
    const ALL: [Self; 6] = [Self::Write, Self::Sync, Self::Name, Self::Send, Self::Truncate, Self::Time];

    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Name => "name",
            Self::Send => "send",
            Self::Truncate => "truncate",
            Self::Time => "time",
        }
    }

    fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Write => &["write", "pwrite64", "pwritev"],
            Self::Sync => &["fsync", "fdatasync", "sync_file_range"],
            Self::Name => {
                &["rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"]
            }
            // Files are not written with the last one here.
            Self::Send => &["connect", "sendto", "sendmsg", "shutdown", "writev"],
            Self::Truncate => &["ftruncate"],
            Self::Time => &[],
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { call, scope: Scope::All, n } => write!(f, "{call}:{n}"),
            Self::At { call, scope: Scope::Main, n } => write!(f, "{call}:main:{n}"),
            Self::At { call, scope: Scope::File(file), n } => write!(f, "{call}:{file}:{n}"),
            Self::After(moment) => write!(f, "time:{}", moment.as_micros()),
        }
    }
}

impl Kill {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let number: usize = parts.last()?.parse().ok()?;
        if parts[0] == "time" {
            return Some(Self::After(Duration::from_micros(u64::try_from(number).ok()?)));
        }
        let call = Class::ALL.iter().flat_map(|class| class.calls()).find(|call| **call == parts[0])?;
        let scope = match parts[1] {
            _ if parts.len() == 2 => Scope::All,
            "main" => Scope::Main,
            file => Scope::File(FILES.iter().find(|known| **known == file)?),
        };
        Some(Self::At { call, scope, n: number })
    }

    pub fn class(self) -> Class {
        match self {
            Self::After(_) => Class::Time,
            Self::At { call, .. } => Class::ALL.into_iter().find(|class| class.calls().contains(&call)).unwrap(),
        }
    }

    /// Runs a sync until it is killed; false when it ended before that.
    ///
    /// When this returns, the process is gone and what it sent has been served or given up.
    pub fn befall(self, library: &Library, github: &FakeGitHub, order: &str) -> bool {
        let mut command = match self {
            Self::After(_) => sync(library, &[], github),
            Self::At { call, scope, n } => {
                let inject = format!("inject={call}:signal=KILL:when={n}");
                let trace = format!("trace={call}");
                let mut tracer = vec!["strace", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
                tracer.extend((scope != Scope::Main).then_some("-f"));
                let path = match scope {
                    Scope::File(file) => library.path(&format!(".git/stockroom/{file}")),
                    Scope::All | Scope::Main => PathBuf::new(),
                };
                if matches!(scope, Scope::File(_)) {
                    tracer.extend(["-P", path.to_str().unwrap()]);
                }
                sync(library, &tracer, github)
            }
        };
        let mut child = command.env("STOCKROOM_TEST_ORDER", order).spawn().unwrap();
        if let Self::After(moment) = self {
            std::thread::sleep(moment);
            // It may have ended by itself.
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        github.drain();
        let was_killed = status.signal() == Some(9);
        assert!(was_killed || status.code() == Some(0), "a run that is not killed ended with {status}");
        was_killed
    }
}

fn sync(library: &Library, tracer: &[&str], github: &FakeGitHub) -> Command {
    let words = ["sync", "--format", "json"];
    let program = if tracer.is_empty() { library.program(&words) } else { library.program_under(tracer, &words) };
    let mut program = prepared(program, github);
    if !tracer.is_empty() {
        // Calls are counted: they come from few threads, and in the same order each time.
        program = program.env("STOCKROOM_TEST_THREADS", "few");
    }
    let mut command = program.into_command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Every kill of a class that a run like this one can meet.
pub fn every(class: Class, library: &Library, github: &FakeGitHub) -> Vec<Kill> {
    let log = library.beside("calls");
    // Calls that this machine's architecture lacks are passed over.
    let trace = format!("trace=execve,?{}", class.calls().join(",?"));
    let tracer = ["strace", "-f", "-y", "-qqq", "-o", log.to_str().unwrap(), "-e", &trace];
    assert!(sync(library, &tracer, github).status().unwrap().success());
    github.drain();
    let text = fs::read_to_string(log).unwrap();
    let each = class.calls().iter().flat_map(|call| {
        let kills = |scope, most| (1..=most).map(move |n| Kill::At { call, scope, n });
        let (main, most) = counted(&text, call, "");
        // Where the first thread is the busiest, these are the same.
        let mut all: Vec<Kill> = kills(Scope::Main, if main < most { main } else { 0 }).collect();
        for file in FILES {
            all.extend(kills(Scope::File(file), counted(&text, call, &format!("/{file}")).1));
        }
        all.extend(kills(Scope::All, most));
        all
    });
    each.collect()
}

/// How many such calls on what ends so the first thread made, and how many the busiest.
fn counted(log: &str, call: &str, end: &str) -> (usize, usize) {
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    let mut main = "";
    for line in log.lines() {
        let (thread, what) = line.split_once(char::is_whitespace).unwrap();
        let what = what.trim_start();
        if what.starts_with("execve(") {
            main = thread;
        } else if what.split_once('(').is_some_and(|(name, _)| name == call) {
            let is_on = |delimiter| what.contains(&format!("{end}{delimiter}"));
            *calls.entry(thread).or_default() += usize::from(end.is_empty() || is_on('>') || is_on('"'));
        }
    }
    (calls.get(main).copied().unwrap_or_default(), calls.values().copied().max().unwrap_or_default())
}

/// How long a run like this one takes.
pub fn duration(library: &Library, github: &FakeGitHub) -> Duration {
    let begun = Instant::now();
    assert!(sync(library, &[], github).status().unwrap().success());
    let duration = begun.elapsed();
    github.drain();
    duration
}

/// Whether processes can be killed at a call here; if not, that is said aloud.
pub fn is_possible() -> bool {
    static POSSIBLE: OnceLock<bool> = OnceLock::new();
    *POSSIBLE.get_or_init(|| {
        let inject =
            ["-f", "-qqq", "-o", "/dev/null", "-e", "trace=?exit_group", "-e", "inject=?exit_group:signal=KILL"];
        let tried = Command::new("strace").args(inject).arg("true").stderr(Stdio::null()).status();
        let why = match tried {
            Ok(status) if status.signal() == Some(9) => return true,
            Ok(_) => "processes may not be traced here",
            Err(_) => "strace is not installed; scripts/install-tools.sh installs it",
        };
        eprintln!("SKIPPED: the kill sweep: {why}");
        false
    })
}
