//! The one writer: everything that the process prints goes through here.
//!
//! Data goes to stdout, talk and commands to the runner to stderr, each call as whole lines: no command can come together
//! from two pieces. The runner reads both streams alike.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::captured::Captured;
use super::step_files::{StepFileError, StepFiles};
use crate::report::log_text::{defuse, holds_controls, json_text, prefix, without_controls, xml_text};
use crate::report::redaction::Secrets;
use crate::report::workflow_command::Command;

/// What the one who starts the process knows about where its output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// GitHub's runner reads the output and executes the commands in it.
    pub actions: bool,
    /// stderr is a terminal that a person watches.
    pub terminal: bool,
}

/// The writer of all output of the process. Clones write to the same streams.
#[derive(Clone)]
pub struct Console {
    surroundings: Surroundings,
    step_files: StepFiles,
    channel: Arc<Mutex<Channel>>,
}

struct Channel {
    out: Stream,
    err: Stream,
    secrets: Secrets,
    progress_shown: bool,
}

struct Stream {
    writer: Box<dyn Write + Send>,
    closed: bool,
    fault: Option<io::Error>,
}

/// The widest line of progress: a line that wraps cannot be taken back.
const PROGRESS_WIDTH: usize = 76;
const TAKE_BACK: &str = "\r\u{1b}[2K";
/// How much of a panic's message is shown: it may quote a record.
const PANIC_WIDTH: usize = 400;

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("surroundings", &self.surroundings).finish_non_exhaustive()
    }
}

impl Console {
    /// Writes to the streams of the process.
    pub fn of_process(surroundings: Surroundings, step_files: StepFiles) -> Self {
        Self::new(surroundings, step_files, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Writes data to `out` and talk to `err`.
    pub fn new(
        surroundings: Surroundings,
        step_files: StepFiles,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
    ) -> Self {
        let stream = |writer| Stream { writer, closed: false, fault: None };
        let channel =
            Channel { out: stream(out), err: stream(err), secrets: Secrets::default(), progress_shown: false };
        Self { surroundings, step_files, channel: Arc::new(Mutex::new(channel)) }
    }

    /// Writes into memory, for tests.
    pub fn in_memory(surroundings: Surroundings) -> (Self, Captured) {
        let captured = Captured::default();
        let (out, err) = captured.writers();
        (Self::new(surroundings, StepFiles::default(), Box::new(out), Box::new(err)), captured)
    }

    /// Whether a person watches: progress is shown to them as it goes on.
    pub fn has_terminal(&self) -> bool {
        self.surroundings.terminal && !self.surroundings.actions
    }

    /// Writes a JSON document to stdout: the same values, in a spelling that acts on no log and no terminal.
    pub fn json(&self, document: &str) {
        let mut channel = self.channel();
        let text = json_text(&channel.secrets.redact(document));
        channel.data(&text);
    }

    /// Writes an XML document to stdout: the same texts, in a spelling that acts on no log and no terminal.
    pub fn xml(&self, document: &str) {
        let mut channel = self.channel();
        let text = xml_text(&channel.secrets.redact(document));
        channel.data(&text);
    }

    /// Writes a text for people to stdout, defused under Actions. Elsewhere it goes out as it is, colours and all: the
    /// renderers have quoted what is foreign in it.
    pub fn text(&self, text: &str) {
        let mut channel = self.channel();
        let safe = match self.surroundings.actions {
            true => defuse(&channel.secrets.redact(&without_controls(text))),
            false => channel.secrets.redact(text).into_owned(),
        };
        channel.data(&safe);
    }

    /// Writes commands to stdout as the data that somebody asked for (`--format github`), wherever the process runs.
    pub fn commands_as_data(&self, commands: &[Command]) {
        let mut channel = self.channel();
        let lines: String = commands.iter().map(|command| channel.redacted(command)).collect();
        channel.data(&lines);
    }

    /// Says something to people on stderr. No control character passes, and under Actions no command.
    pub fn talk(&self, text: &str) {
        let mut channel = self.channel();
        // What nobody sees goes first, or a secret with something invisible in it would be whole again after it.
        let calm = if holds_controls(text) { Cow::Owned(without_controls(text)) } else { Cow::Borrowed(text) };
        let redacted = channel.secrets.redact(&calm);
        let safe = if self.surroundings.actions { defuse(&redacted) } else { redacted.into_owned() };
        channel.talk(&safe);
    }

    /// Has the runner execute a command; does nothing elsewhere.
    pub fn command(&self, command: &Command) {
        if self.surroundings.actions {
            let mut channel = self.channel();
            let line = channel.redacted(command);
            channel.talk(&line);
        }
    }

    /// Shows what is being done in a line that the next one replaces; on terminals alone.
    pub fn progress(&self, text: &str) {
        if self.surroundings.terminal && !self.surroundings.actions {
            let mut channel = self.channel();
            let safe = channel.secrets.redact(&without_controls(text)).into_owned();
            let line: String = safe.lines().next().unwrap_or("").chars().take(PROGRESS_WIDTH).collect();
            channel.err.write(&format!("{TAKE_BACK}{line}"));
            channel.progress_shown = true;
        }
    }

    /// Takes the line of progress back.
    pub fn end_progress(&self) {
        self.channel().end_progress();
    }

    /// Shows `***` in place of this secret, in each of its forms, in all that is written from now on; under Actions the
    /// runner is told to do the same for the steps that follow.
    pub fn mask(&self, secret: &str) {
        let is_new = self.channel().secrets.add(secret);
        if is_new && self.surroundings.actions {
            self.channel().talk(&format!("{}\n", Command::add_mask(secret.trim())));
        }
    }

    /// The text with `***` in place of every secret, for what is written elsewhere than here.
    pub fn redacted(&self, text: &str) -> String {
        self.channel().secrets.redact(&without_controls(text)).into_owned()
    }

    /// Sets an output of the step, without secrets.
    pub fn set_output(&self, name: &str, value: &str) -> Result<(), StepFileError> {
        self.step_files.set_output(name, &self.redacted(value))
    }

    /// Adds Markdown to the summary of the step, without secrets.
    pub fn add_summary(&self, markdown: &str) -> Result<(), StepFileError> {
        self.step_files.add_summary(&self.redacted(markdown))
    }

    /// Whether the reader of stdout has gone (`| head`): more data would be in vain.
    pub fn reader_is_gone(&self) -> bool {
        self.channel().out.closed
    }

    /// Ends the output. An error says that data was lost; a reader that has gone is none.
    pub fn finish(&self) -> io::Result<()> {
        let mut channel = self.channel();
        channel.end_progress();
        channel.out.fault.take().map_or(Ok(()), Err)
    }

    /// Has a panic say one line, that this is a bug in the program, where the default would print to stderr past this
    /// writer.
    pub fn install_panic_hook(&self) {
        let console = self.clone();
        std::panic::set_hook(Box::new(move |panic| console.say_panic(panic)));
    }

    fn say_panic(&self, panic: &PanicHookInfo<'_>) {
        let place = panic.location().map_or(String::new(), |place| format!(" at {}:{}", place.file(), place.line()));
        let said = panic.payload_as_str().unwrap_or("no message").lines().next().unwrap_or("");
        self.say_bug(&place, said);
    }

    fn say_bug(&self, place: &str, said: &str) {
        // The thread that panics may be the one that is writing; waiting for it would never end.
        let Some(mut channel) = self.channel_soon() else { return };
        let said = channel.secrets.redact(said);
        let line = format!(
            "this is a bug in stockroom {}: {}{place}. Please report it with the command that you ran.",
            env!("CARGO_PKG_VERSION"),
            prefix(&said, PANIC_WIDTH),
        );
        let safe = defuse(&line).replace('\n', " ");
        channel.talk(&safe);
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        // A panic while writing leaves whole lines at worst cut short; the channel can go on.
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel_soon(&self) -> Option<MutexGuard<'_, Channel>> {
        for _ in 0..1000 {
            match self.channel.try_lock() {
                Ok(channel) => return Some(channel),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }
}

impl Channel {
    fn data(&mut self, text: &str) {
        self.end_progress();
        self.out.write_lines(text);
    }

    fn talk(&mut self, text: &str) {
        self.end_progress();
        self.err.write_lines(text);
    }

    fn redacted(&self, command: &Command) -> String {
        // A mask has to name its secret. All else is redacted before it is escaped, or an escaped form would slip through.
        match command.name() {
            "add-mask" => format!("{command}\n"),
            _ => format!("{}\n", command.map(|text| self.secrets.redact(&without_controls(text)).into_owned())),
        }
    }

    fn end_progress(&mut self) {
        if std::mem::take(&mut self.progress_shown) {
            self.err.write(TAKE_BACK);
        }
    }
}

impl Stream {
    fn write_lines(&mut self, text: &str) {
        if text.is_empty() || text.ends_with('\n') {
            self.write(text);
        } else {
            self.write(&format!("{text}\n"));
        }
    }

    fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        if let Err(fault) = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()) {
            self.closed = true;
            // Whoever closes a pipe has read enough.
            self.fault = Some(fault).filter(|fault| fault.kind() != io::ErrorKind::BrokenPipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::runner_parser::{commands, hostile_text};

    const ACTIONS: Surroundings = Surroundings { actions: true, terminal: false };
    const TERMINAL: Surroundings = Surroundings { actions: false, terminal: true };
    const PIPE: Surroundings = Surroundings { actions: false, terminal: false };

    #[test]
    fn data_and_talk_go_to_different_streams() {
        let (console, captured) = Console::in_memory(PIPE);
        console.json("{\"a\":\"##[error]\"}");
        console.talk("in step");
        assert_eq!((captured.out().as_str(), captured.err().as_str()), ("{\"a\":\"#\\u0023[error]\"}\n", "in step\n"));
    }

    #[test]
    fn a_secret_with_something_invisible_in_it_is_not_whole_after_it() {
        for hidden in ["\u{202e}", "\u{200b}", "\u{ad}", "\0", "\u{1b}[31m"] {
            for surroundings in [PIPE, ACTIONS] {
                let (console, captured) = Console::in_memory(surroundings);
                console.mask("hunter2hunter2");
                let text = format!("a hunter2{hidden}hunter2 b");
                console.talk(&text);
                console.command(&Command::warning(&text));
                if surroundings.actions {
                    console.text(&text);
                }
                let said = captured.out()
                    + &captured.err().replace("::add-mask::hunter2hunter2", "")
                    + &console.redacted(&text);
                assert!(!said.contains("hunter2hunter2"), "{hidden:?}: {said}");
            }
        }
    }

    #[test]
    fn commands_are_executed_under_actions_alone() {
        let (console, captured) = Console::in_memory(PIPE);
        console.command(&Command::notice("x"));
        assert_eq!(captured.err(), "");
        console.commands_as_data(&[Command::notice("x"), Command::endgroup()]);
        assert_eq!(captured.out(), "::notice::x\n::endgroup::\n");
    }

    #[test]
    fn a_person_sees_colours_in_data_and_no_controls_in_talk() {
        let (console, captured) = Console::in_memory(TERMINAL);
        console.text("\u{1b}[31mred\u{1b}[0m\n");
        console.talk("::a \u{1b}[31mred\u{7}");
        assert_eq!((captured.out().as_str(), captured.err().as_str()), ("\u{1b}[31mred\u{1b}[0m\n", "::a red\n"));
    }

    #[test]
    fn two_pieces_never_make_a_command() {
        let (console, captured) = Console::in_memory(ACTIONS);
        for piece in ["##", "[error]x", ":", ":error::x"] {
            console.text(piece);
            console.talk(piece);
        }
        assert_eq!(commands(&captured.out()), []);
        assert_eq!(commands(&captured.err()), []);
    }

    #[test]
    fn a_line_of_progress_is_taken_back_before_anything_else() {
        let (console, captured) = Console::in_memory(TERMINAL);
        console.progress("1 of 2\nx");
        console.progress(&"y".repeat(200));
        console.talk("done");
        let err = captured.err();
        assert_eq!(err, format!("\r\u{1b}[2K1 of 2\r\u{1b}[2K{}\r\u{1b}[2Kdone\n", "y".repeat(PROGRESS_WIDTH)));
        let (console, captured) = Console::in_memory(ACTIONS);
        console.progress("1 of 2");
        console.end_progress();
        assert_eq!(captured.err(), "");
    }

    #[test]
    fn a_secret_is_in_nothing_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let captured = Captured::default();
        let files = StepFiles { output: Some(folder.path().join("o")), summary: Some(folder.path().join("s")) };
        let (out, err) = captured.writers();
        let console = Console::new(ACTIONS, files, Box::new(out), Box::new(err));
        let secret = "hunter2:\"hunter2%";
        console.mask(secret);
        console.mask(secret);
        let masks = commands(&captured.err());
        assert_eq!(
            masks.iter().map(|c| (c.name.as_str(), c.data.as_str())).collect::<Vec<_>>(),
            [("add-mask", secret)]
        );
        let before = captured.err().len();

        let text = format!("a {secret} b aHVudGVyMjoiaHVudGVyMiU= c hunter2%3A%22hunter2%25");
        console.talk(&text);
        console.text(&text);
        console.json(&serde_json::json!({ "a": text }).to_string());
        console.command(&Command::error(&text).file(secret));
        console.set_output("a", &text).unwrap();
        console.add_summary(&text).unwrap();
        let files = ["o", "s"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
        let all = [captured.out(), captured.err()[before..].to_owned(), files.concat()].concat();
        assert!(!all.contains("hunter2") && !all.contains("aHVudGVy"), "{all}");
        assert_eq!(commands(&captured.err()).len(), 2);
    }

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_but_a_full_disk_is() {
        let ended = |kind| {
            let console = Console::new(PIPE, StepFiles::default(), Box::new(Failing(kind)), Box::new(Failing(kind)));
            console.text("x");
            console.talk("x");
            assert!(console.reader_is_gone());
            console.finish().map_err(|e| e.kind())
        };
        assert_eq!(ended(io::ErrorKind::BrokenPipe), Ok(()));
        assert_eq!(ended(io::ErrorKind::StorageFull), Err(io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_bug_is_one_harmless_line() {
        let (console, captured) = Console::in_memory(ACTIONS);
        console.mask("hunter22");
        console.say_bug(" at src/x.rs:7", "##[error]\r::error::hunter22");
        let err = captured.err();
        let line = err.lines().last().unwrap();
        assert!(line.starts_with("this is a bug in stockroom ") && line.contains("at src/x.rs:7."), "{line}");
        assert!(line.ends_with("report it with the command that you ran.") && !line.contains("hunter22"));
        assert_eq!(commands(line), []);
        let held = console.channel();
        console.say_bug("", "while another one writes: it gives up and does not hang");
        drop(held);
    }

    proptest! {
        #[test]
        fn under_actions_only_what_is_meant_is_executed(texts in prop::collection::vec(hostile_text(), 4)) {
            let (console, captured) = Console::in_memory(ACTIONS);
            let meant = Command::error(&texts[0]).file(&texts[1]).title(&texts[2]);
            console.talk(&texts[0]);
            console.command(&meant);
            console.talk(&texts[3]);
            console.text(&texts[1]);
            console.json(&serde_json::json!(texts).to_string());
            prop_assert_eq!(commands(&captured.out()), vec![]);
            let executed = commands(&captured.err());
            prop_assert_eq!(executed.len(), 1);
            prop_assert_eq!(&executed[0].data, meant.data());
        }
    }
}
