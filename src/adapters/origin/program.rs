//! The `git` program: started without a shell, without hooks, without questions, and not for ever.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::OriginError;
use super::bound::Bound;
use super::groups::{self, Member};

/// How much of what git says is kept.
const KEPT: usize = 64 * 1024;
/// How often it is looked whether git has ended, or nobody waits for it any more.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long what git says beside its answer is waited for once it has ended.
const GRACE: Duration = Duration::from_secs(1);

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
pub(in crate::adapters) struct Heard {
    pub(in crate::adapters) success: bool,
    pub(in crate::adapters) out: String,
    pub(in crate::adapters) err: String,
}

/// A git program that is set up for one place.
pub(in crate::adapters) struct Git {
    folder: PathBuf,
    variables: BTreeMap<String, OsString>,
    configured: Vec<(String, String)>,
    patience: Patience,
    stop: Arc<AtomicBool>,
}

impl Git {
    pub(super) fn new(repository: &Path, folder: &Path, patience: Patience, stop: Arc<AtomicBool>) -> Self {
        let mut git =
            Self { folder: folder.to_owned(), variables: BTreeMap::new(), configured: Vec::new(), patience, stop };
        git.set("GIT_DIR", repository);
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

    /// Keeps what it brings in `own`, and sees what is in `theirs`.
    pub(super) fn keep_objects(&mut self, own: &Path, theirs: &Path) {
        self.set("GIT_OBJECT_DIRECTORY", own.join("objects"));
        self.set("GIT_ALTERNATE_OBJECT_DIRECTORIES", listed(theirs));
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
            // What is larger than any object of ours goes to the disk without being held in memory.
            ("core.bigFileThreshold", "1m"),
            ("http.lowSpeedLimit", "100"),
            ("http.lowSpeedTime", "30"),
        ];
        for (key, value) in fixed {
            self.configure(key, value);
        }
    }

    pub(in crate::adapters) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Whether it was set.
    pub(in crate::adapters) fn unset(&mut self, name: &str) -> bool {
        self.variables.remove(name).is_some()
    }

    /// Sets a value of git's configuration for this program alone, past the list of arguments that everybody can read.
    pub(in crate::adapters) fn configure(&mut self, key: &str, value: &str) {
        self.configured.push((key.to_owned(), value.to_owned()));
    }

    /// Runs git to its end, or until our patience is at its end, or something has grown too far.
    pub(super) fn run_within(&self, words: &[&str], bound: Option<Bound>) -> Result<Heard, OriginError> {
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
        let member = groups::start(&mut command).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => OriginError::local("it takes the program `git`", error),
            _ => OriginError::local("git cannot be started", error),
        })?;
        let what = words.first().copied().unwrap_or_default();
        Running { member, what, patience: &self.patience, stop: &self.stop, bound }.until_the_end()
    }
}

/// A git that has been started; it and what it started end with this.
struct Running<'a> {
    member: Member,
    what: &'a str,
    patience: &'a Patience,
    stop: &'a AtomicBool,
    bound: Option<Bound>,
}

impl Running<'_> {
    fn until_the_end(mut self) -> Result<Heard, OriginError> {
        let (sender, receiver) = mpsc::channel();
        listen(self.member.child.stdout.take(), false, sender.clone());
        listen(self.member.child.stderr.take(), true, sender);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = self.follow(&receiver, &mut out, &mut err)?;
        if self.bound.as_ref().is_some_and(Bound::is_passed) {
            return Err(OriginError::TooMuch);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Heard { success: status.success(), out: text(&out), err: text(&err) })
    }

    fn follow(
        &mut self,
        said: &Receiver<(bool, Vec<u8>)>,
        out: &mut Vec<u8>,
        err: &mut Vec<u8>,
    ) -> Result<ExitStatus, OriginError> {
        let begun = Instant::now();
        let (mut sign, mut ended) = (begun, None);
        let (mut out_is_open, mut err_is_open) = (true, true);
        // A program that has closed its pipes is about to end.
        let mut pause = Duration::from_micros(200);
        loop {
            let heard = if out_is_open || err_is_open {
                said.recv_timeout(LOOK_EVERY)
            } else {
                thread::sleep(pause);
                pause = LOOK_EVERY.min(pause * 2);
                Err(RecvTimeoutError::Timeout)
            };
            if let Ok((is_err, bytes)) = heard {
                sign = Instant::now();
                let (kept, is_open) =
                    if is_err { (&mut *err, &mut err_is_open) } else { (&mut *out, &mut out_is_open) };
                *is_open &= !bytes.is_empty();
                keep(kept, &bytes);
            }
            if ended.is_none() {
                let status = self.member.child.try_wait().map_err(|e| OriginError::local("git was lost", e))?;
                ended = status.map(|status| (status, Instant::now()));
            }
            // The answer has to be whole. What git has left running may keep its talk open.
            match ended {
                Some((status, at)) if !out_is_open && (!err_is_open || at.elapsed() >= GRACE) => return Ok(status),
                _ => {}
            }
            if self.bound.as_mut().is_some_and(Bound::is_found_passed) {
                self.member.end();
                return Err(OriginError::TooMuch);
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
            self.member.end();
            return Err(OriginError::Unreachable { why: format!("`git {}` was ended: {why}", self.what) });
        }
    }
}

fn listen(pipe: Option<impl Read + Send + 'static>, is_err: bool, to: Sender<(bool, Vec<u8>)>) {
    let Some(mut pipe) = pipe else { return };
    thread::spawn(move || {
        let mut buffer = [0_u8; 8 * 1024];
        // Nothing at all is the end.
        loop {
            let count = match pipe.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.unwrap_or(0),
            };
            if to.send((is_err, buffer[..count].to_vec())).is_err() || count == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &str, patience: &Patience) -> Result<Heard, OriginError> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let stop = AtomicBool::new(false);
        Running { member: groups::start(&mut command).unwrap(), what: "sh", patience, stop: &stop, bound: None }
            .until_the_end()
    }

    #[test]
    fn an_answer_is_whole_also_when_it_comes_after_the_end_of_the_program() {
        let heard = told("(sleep 0.3; echo late) & echo early", &Patience::default()).unwrap();
        assert_eq!((heard.success, heard.out.as_str()), (true, "early\nlate\n"));
    }

    #[test]
    fn what_is_left_running_with_its_talk_open_keeps_nobody_waiting() {
        let heard = told("sleep 60 >&- & echo done; echo talk >&2", &Patience::default()).unwrap();
        assert_eq!((heard.out.as_str(), heard.err.as_str()), ("done\n", "talk\n"));
    }

    #[test]
    fn an_answer_without_an_end_is_no_answer() {
        let patience = Patience { total: Duration::from_millis(300), ..Patience::default() };
        assert!(matches!(told("while :; do echo more; done", &patience), Err(OriginError::Unreachable { .. })));
        let patience = Patience { silence: Duration::from_millis(300), ..Patience::default() };
        assert!(matches!(told("sleep 60 & echo half", &patience), Err(OriginError::Unreachable { .. })));
    }
}
