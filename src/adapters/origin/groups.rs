//! The git programs that are at work, each with the programs that it has started: none of them outlives this process.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

static OURS: Groups = Groups::new();

/// Ends every git program that works for this process, at once, and lets none begin any more. It is for whoever leaves the
/// process: a push that was left behind could move the ref when nobody is there who knows of it.
pub fn end_all() {
    OURS.end_all();
}

/// Process groups of which this process is answerable.
struct Groups {
    known: Mutex<Known>,
}

struct Known {
    groups: BTreeSet<u32>,
    is_over: bool,
}

/// A program that leads a group; the group is known as long as this lives.
pub(super) struct Member {
    pub(super) child: Child,
    groups: &'static Groups,
}

/// Starts a program as the leader of a group of its own.
pub(super) fn start(command: &mut Command) -> io::Result<Member> {
    OURS.start(command)
}

impl Groups {
    const fn new() -> Self {
        Self { known: Mutex::new(Known { groups: BTreeSet::new(), is_over: false }) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&'static self, command: &mut Command) -> io::Result<Member> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        // Whoever ends them all waits for this one, or comes before it.
        let mut known = self.known();
        if known.is_over {
            return Err(io::Error::other("the run is over"));
        }
        let child = command.spawn()?;
        known.groups.insert(child.id());
        Ok(Member { child, groups: self })
    }

    fn end_all(&self) {
        let mut known = self.known();
        known.is_over = true;
        known.groups.iter().copied().for_each(kill);
    }
}

impl Member {
    /// Ends the program and those that it has started, which would go on otherwise.
    pub(super) fn end(&mut self) {
        kill(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.end();
        }
        self.groups.known().groups.remove(&self.child.id());
    }
}

#[cfg(unix)]
fn kill(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(_: u32) {}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_is_at_work_ends_with_all_that_it_has_started_and_nothing_begins_after_it() {
        static GROUPS: Groups = Groups::new();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo begun; sleep 60"]).stdout(Stdio::piped());
        drop(GROUPS.start(Command::new("true").stdin(Stdio::null())).unwrap());
        let mut member = GROUPS.start(&mut command).unwrap();
        assert_eq!(
            GROUPS.known().groups.iter().collect::<Vec<_>>(),
            [&member.child.id()],
            "what has ended is forgotten"
        );
        let (mut said, mut line) = (BufReader::new(member.child.stdout.take().unwrap()), String::new());
        said.read_line(&mut line).unwrap();
        let begun = Instant::now();
        GROUPS.end_all();
        // Both of them hold it open.
        said.read_to_string(&mut line).unwrap();
        assert_eq!((line.as_str(), begun.elapsed() < Duration::from_secs(30)), ("begun\n", true));
        assert!(GROUPS.start(&mut command).is_err());
    }
}
