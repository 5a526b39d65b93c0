//! The `git` program: started without a shell, without hooks, without questions, and not for ever.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::{CarrierError, Place};

/// How much of what git says is kept.
const KEPT: usize = 64 * 1024;
/// How often it is looked whether git has ended, or nobody waits for it any more.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What must not reach git from the process that started us: another repository, a program to run, traces with secrets.
const UNSET: [&str; 22] = [
    "GIT_ASKPASS",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CURL_VERBOSE",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_PROXY_COMMAND",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_WORK_TREE",
    "SSH_ASKPASS",
];

/// How long git may take.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Without a sign of progress.
    pub silence: Duration,
    /// In all.
    pub total: Duration,
    /// Between tries of a push that met with trouble; their number is that of the further tries.
    pub pauses: Vec<Duration>,
}

impl Default for Patience {
    fn default() -> Self {
        let pauses = vec![Duration::from_secs(1), Duration::from_secs(4)];
        Self { silence: Duration::from_secs(60), total: Duration::from_secs(600), pauses }
    }
}

/// What a git that has ended has said.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) success: bool,
    pub(super) out: String,
    pub(super) err: String,
}

/// A git program that is set up for one place.
pub(super) struct Git {
    folder: PathBuf,
    variables: BTreeMap<String, OsString>,
    configured: Vec<(String, String)>,
    patience: Patience,
    stop: Arc<AtomicBool>,
}

impl Git {
    pub(super) fn new(place: &Place, patience: Patience, stop: Arc<AtomicBool>) -> Self {
        let mut git =
            Self { folder: place.folder.clone(), variables: BTreeMap::new(), configured: Vec::new(), patience, stop };
        git.set("GIT_DIR", &place.repository);
        git.set("GIT_OBJECT_DIRECTORY", place.objects.join("objects"));
        git.set("GIT_ALTERNATE_OBJECT_DIRECTORIES", listed(&place.clones_objects()));
        git.set("GIT_TERMINAL_PROMPT", "0");
        git.set("GCM_INTERACTIVE", "never");
        git.set("SSH_ASKPASS_REQUIRE", "never");
        git.set("GIT_OPTIONAL_LOCKS", "0");
        git.set("GIT_NO_LAZY_FETCH", "1");
        // What git says is read by us, in one language.
        git.set("LC_ALL", "C");
        git.set("LANGUAGE", "C");
        git
    }

    /// Takes away what a configuration could add to a push or a fetch.
    pub(super) fn settle(&mut self) {
        let fixed = [
            ("core.hooksPath", "/dev/null"),
            ("core.askPass", ""),
            ("core.fsmonitor", "false"),
            ("credential.interactive", "false"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("push.negotiate", "false"),
            ("fetch.recurseSubmodules", "false"),
            ("fetch.writeCommitGraph", "false"),
            // Loose objects are the ones that can be thrown away one by one.
            ("fetch.unpackLimit", "100000000"),
            ("http.lowSpeedLimit", "100"),
            ("http.lowSpeedTime", "30"),
        ];
        for (key, value) in fixed {
            self.configure(key, value);
        }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Whether it was set.
    pub(super) fn unset(&mut self, name: &str) -> bool {
        self.variables.remove(name).is_some()
    }

    /// Sets a value of git's configuration for this program alone, past the list of arguments that everybody can read.
    pub(super) fn configure(&mut self, key: &str, value: &str) {
        self.configured.push((key.to_owned(), value.to_owned()));
    }

    /// Runs git to its end, or until our patience is at its end.
    pub(super) fn run(&self, words: &[&str]) -> Result<Heard, CarrierError> {
        let mut command = Command::new("git");
        command.args(words).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        UNSET.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(&self.variables).env("GIT_CONFIG_COUNT", self.configured.len().to_string());
        for (number, (key, value)) in self.configured.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => CarrierError::local("it takes the program `git`", error),
            _ => CarrierError::local("git cannot be started", error),
        })?;
        let what = words.first().copied().unwrap_or_default();
        Running { child, what, patience: &self.patience, stop: &self.stop }.until_the_end()
    }
}

/// A git that has been started; it and what it started end with this.
struct Running<'a> {
    child: Child,
    what: &'a str,
    patience: &'a Patience,
    stop: &'a AtomicBool,
}

impl Running<'_> {
    fn until_the_end(mut self) -> Result<Heard, CarrierError> {
        let (sender, receiver) = mpsc::channel();
        listen(self.child.stdout.take(), false, sender.clone());
        listen(self.child.stderr.take(), true, sender);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = self.follow(&receiver, &mut out, &mut err)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Heard { success: status.success(), out: text(&out), err: text(&err) })
    }

    fn follow(
        &mut self,
        said: &Receiver<(bool, Vec<u8>)>,
        out: &mut Vec<u8>,
        err: &mut Vec<u8>,
    ) -> Result<ExitStatus, CarrierError> {
        let begun = Instant::now();
        let (mut sign, mut is_silent) = (begun, false);
        // A program that has closed its pipes is about to end.
        let mut pause = Duration::from_micros(200);
        loop {
            let heard = if is_silent {
                thread::sleep(pause);
                pause = LOOK_EVERY.min(pause * 2);
                Err(RecvTimeoutError::Timeout)
            } else {
                said.recv_timeout(LOOK_EVERY)
            };
            match heard {
                Ok((is_err, bytes)) => {
                    sign = Instant::now();
                    keep(if is_err { err } else { out }, &bytes);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => is_silent = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Something that git has left running may keep its ends of the pipes open.
            if let Some(status) = self.child.try_wait().map_err(|e| CarrierError::local("git was lost", e))? {
                while let Ok((is_err, bytes)) = said.try_recv() {
                    keep(if is_err { err } else { out }, &bytes);
                }
                return Ok(status);
            }
            let why = if self.stop.load(Ordering::Relaxed) {
                "the run was asked to stop".to_owned()
            } else if sign.elapsed() >= self.patience.silence {
                format!("no sign of progress for {} seconds", self.patience.silence.as_secs())
            } else if begun.elapsed() >= self.patience.total {
                format!("it is not done after {} seconds", self.patience.total.as_secs())
            } else {
                continue;
            };
            self.end();
            return Err(CarrierError::Unreachable { why: format!("`git {}` was ended: {why}", self.what) });
        }
    }

    /// Ends git and the programs that it has started, which would go on otherwise.
    fn end(&mut self) {
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.end();
        }
    }
}

fn listen(pipe: Option<impl Read + Send + 'static>, is_err: bool, to: Sender<(bool, Vec<u8>)>) {
    let Some(mut pipe) = pipe else { return };
    thread::spawn(move || {
        let mut buffer = [0_u8; 8 * 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if to.send((is_err, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// Adds to what is kept; of too much the end is.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    if kept.len() > 2 * KEPT {
        kept.drain(..kept.len() - KEPT);
    }
}

/// A path as one entry of git's list of paths.
fn listed(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) if text.contains([':', ';', '"', '\n']) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")).into()
        }
        _ => path.as_os_str().to_owned(),
    }
}
