//! The command line: its words, the environment, the one writer, and the wiring of every adapter.

pub mod captured;
pub mod console;
pub mod environment;
pub mod execute;
pub mod rehearsal;
pub mod signals;
pub mod step_files;
pub mod wiring;
pub mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser as _;

use console::Console;
use environment::Environment;
use execute::{Ending, Execution};
use signals::End;
use words::Words;

use crate::adapters::origin;
use crate::adapters::stop::{Signal, Stop, Stopped};
use crate::commands::excerpts::in_config;
use crate::config::ConfigError;
use crate::report::log_text::{LINE_LIMIT, shortened};
use crate::report::{human, workflow_command};

/// Runs the program on the words and the environment of this process.
pub fn main() -> ExitCode {
    let environment = Environment::of_process();
    let console = Console::of_process(environment.surroundings(), environment.step_files());
    console.install_panic_hook();
    let ending = match Words::try_parse() {
        Ok(words) => carry_out(words, &environment, &console),
        Err(said) => say_usage(&said, &console),
    };
    match console.finish() {
        Ok(()) => ExitCode::from(ending.code()),
        Err(error) => {
            console.talk(&format!("error: the output cannot be written: {error}\n"));
            ExitCode::from(Ending::Failed.code())
        }
    }
}

/// Help and version are what was asked for; anything else is a mistake in the words.
fn say_usage(said: &clap::Error, console: &Console) -> Ending {
    if said.use_stderr() {
        console.talk(&said.render().to_string());
        return Ending::Failed;
    }
    console.text(&said.render().to_string());
    Ending::Done
}

fn carry_out(words: Words, environment: &Environment, console: &Console) -> Ending {
    let failed = |error: &anyhow::Error| {
        say_error(error, environment, console);
        Ending::Failed
    };
    let runtime = match rehearsal::runtime(environment) {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("the runtime cannot be started")),
    };
    let stop = Stop::default();
    signals::listen(&runtime, &stop);
    let (handle, stopping) = (runtime.handle().clone(), stop.clone());
    let (own_environment, own_console) = (environment.clone(), console.clone());
    let work = move || handle.block_on(carried_out(words, &own_environment, &own_console, stopping));
    let worked = signals::work(&runtime, &stop, work);
    // Nobody is left who would hear what becomes of what git is doing.
    origin::end_all();
    let ending = match worked {
        Ok(End::Done(Ok(ending))) => {
            if let Some(said) = stop.asked().and_then(|signal| at_the_end(signal, &stop)) {
                say_stopped(&said, console);
            }
            ending
        }
        Ok(End::Done(Err(error))) => match error.downcast_ref::<Stopped>() {
            Some(stopped) => say_stopped(&stopped.to_string(), console),
            None => failed(&error),
        },
        Ok(End::Broken) => Ending::Failed,
        Ok(End::Left) => {
            // What was left behind still needs its runtime: it is neither waited for nor taken away.
            std::mem::forget(runtime);
            say_left(&stop, console)
        }
        Err(error) => failed(&anyhow::Error::new(error).context("a thread cannot be started")),
    };
    stop.asked().map_or(ending, Ending::Stopped)
}

async fn carried_out(words: Words, environment: &Environment, console: &Console, stop: Stop) -> anyhow::Result<Ending> {
    // An input of the action that is not set arrives as an empty variable.
    let given = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
    let folder = given(&words.directory).unwrap_or_else(|| PathBuf::from("."));
    let config = words.config.as_ref().and_then(given);
    let execution = Execution { console, environment, folder, config, schemas: OnceLock::new(), stop };
    execution.command(words).await
}

fn say_stopped(why: &str, console: &Console) -> Ending {
    console.end_progress();
    console.talk(&format!("{why}\n"));
    Ending::Failed
}

/// What is said of a signal that came when the run had done what it was to do; nothing where its report has told of it.
fn at_the_end(signal: Signal, stop: &Stop) -> Option<String> {
    let said = || format!("{signal} came when everything was done; what is said above is complete");
    (!stop.is_reported()).then(said)
}

fn say_left(stop: &Stop, console: &Console) -> Ending {
    if let Some(said) = stop.asked().and_then(|signal| left(signal, stop)) {
        say_stopped(&said, console);
    }
    Ending::Failed
}

/// What is said of a run that was left behind at what it was doing; nothing where its report has told of the signal.
fn left(signal: Signal, stop: &Stop) -> Option<String> {
    if stop.is_held() {
        return Some(format!(
            "stopped by {signal} in the middle of what was being done; what was done is recorded, and the next run finds out \
             about the rest and goes on from there"
        ));
    }
    match (stop.is_reported(), stop.was_held()) {
        (true, _) => None,
        // It has come to its end, or has waited for another run: it closes its files.
        (false, true) => Some(format!("stopped by {signal}; what was done is recorded")),
        (false, false) => Some(Stopped(signal).to_string()),
    }
}

fn say_error(error: &anyhow::Error, environment: &Environment, console: &Console) {
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        let mut text = String::new();
        let excerpts = in_config(&config.text, &config.problems);
        for finding in &config.problems {
            human::finding(&mut text, finding, &excerpts, environment.style());
        }
        console.talk(&format!("{text}\nerror: {config}; nothing was done\n"));
    } else {
        console.talk(&format!("error: {error:#}\n"));
    }
    let message = shortened(&format!("{error:#}"), LINE_LIMIT);
    console.command(&workflow_command::Command::error(&message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_a_run_that_was_left_behind_but_what_is_true() {
        let said = |stop: &Stop| left(Signal::Interrupt, stop);
        let stop = Stop::default();
        assert_eq!(said(&stop), Some(Stopped(Signal::Interrupt).to_string()));
        let hold = stop.hold().unwrap();
        assert!(said(&stop).unwrap().contains("in the middle of what was being done"));
        drop(hold);
        assert_eq!(said(&stop).as_deref(), Some("stopped by SIGINT; what was done is recorded"));
        stop.note_report();
        assert_eq!(said(&stop), None);
    }

    #[test]
    fn a_signal_that_came_late_is_told_of_once() {
        let stop = Stop::default();
        assert!(at_the_end(Signal::Terminate, &stop).unwrap().starts_with("SIGTERM came when everything was done"));
        stop.note_report();
        assert_eq!(at_the_end(Signal::Terminate, &stop), None);
    }
}
