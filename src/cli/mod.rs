//! The command line: its words, the environment, the one writer, and the wiring of every adapter.

pub mod captured;
pub mod console;
pub mod environment;
pub mod execute;
pub mod rehearsal;
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
use words::Words;

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
    // An input of the action that is not set arrives as an empty variable.
    let given = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
    let folder = given(&words.directory).unwrap_or_else(|| PathBuf::from("."));
    let config = words.config.as_ref().and_then(given);
    let execution = Execution { console, environment, folder, config, schemas: OnceLock::new() };
    let outcome = match rehearsal::runtime(environment) {
        Ok(runtime) => runtime.block_on(execution.command(words)),
        Err(error) => Err(anyhow::Error::new(error).context("the runtime cannot be started")),
    };
    outcome.unwrap_or_else(|error| {
        say_error(&error, environment, console);
        Ending::Failed
    })
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
