//! What the environment says, read once; nothing else in the program looks at it.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use serde_json::Value;

use super::console::Surroundings;
use super::step_files::StepFiles;
use crate::event::{Announced, Event, EventError};
use crate::ids::RepoSlug;
use crate::report::human::Style;
use crate::secret::{Secret, SecretRef};

/// The variables of the process, without empty ones: an input that is not set arrives as an empty text.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Takes the variables of this process whose names and values are text.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let variables = std::env::vars_os().filter_map(text).filter(|(_, value)| !value.is_empty()).collect();
        Self { variables }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Whether GitHub's runner started us.
    pub fn is_actions(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }

    /// Where the output goes.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings { actions: self.is_actions(), terminal: std::io::stderr().is_terminal() }
    }

    /// Colours for a person at a terminal who has not asked for none (no-color.org).
    pub fn style(&self) -> Style {
        let wanted =
            std::io::stdout().is_terminal() && self.get("NO_COLOR").is_none() && self.get("TERM") != Some("dumb");
        if wanted && !self.is_actions() { Style::Ansi } else { Style::Plain }
    }

    /// The files through which a step speaks to the runner.
    pub fn step_files(&self) -> StepFiles {
        let file = |name| self.get(name).filter(|_| self.is_actions()).map(PathBuf::from);
        StepFiles { output: file("GITHUB_OUTPUT"), summary: file("GITHUB_STEP_SUMMARY") }
    }

    /// The value that a reference names.
    pub fn secret(&self, reference: &SecretRef) -> Option<Secret> {
        self.get(reference.variable()).map(Secret::new).filter(|secret| !secret.is_empty())
    }

    /// The repository that the workflow runs in.
    pub fn repository(&self) -> Option<RepoSlug> {
        self.get("GITHUB_REPOSITORY").and_then(|slug| RepoSlug::parse(slug).ok())
    }

    /// The API of the forge: github.com's or an Enterprise Server's.
    pub fn api(&self) -> &str {
        self.get("GITHUB_API_URL").unwrap_or(crate::adapters::github::GITHUB_API)
    }

    /// Whether the workflow was started by a pull request, whose stockroom.yml is what somebody proposes.
    pub fn is_pull_request(&self) -> bool {
        self.get("GITHUB_EVENT_NAME").is_some_and(|name| name.starts_with("pull_request") || name == "merge_group")
    }

    /// The event that started the workflow; none outside of one.
    pub fn event(&self) -> Result<Option<Event>, EventTrouble> {
        let Some((name, payload)) = self.payload()? else { return Ok(None) };
        Ok(Some(Event::parse(name, &payload)?))
    }

    /// What a library tells this repository, where that is what the workflow was started by.
    pub fn announced(&self) -> Result<Option<Announced>, EventTrouble> {
        Ok(self.payload()?.and_then(|(name, payload)| Announced::of(name, &payload)))
    }

    /// The event's name and its payload.
    fn payload(&self) -> Result<Option<(&str, Value)>, EventTrouble> {
        let Some(name) = self.get("GITHUB_EVENT_NAME") else { return Ok(None) };
        let payload = match self.get("GITHUB_EVENT_PATH") {
            None => Value::Null,
            Some(path) => {
                let bytes = std::fs::read(path).map_err(|error| EventTrouble::unreadable(path, &error))?;
                serde_json::from_slice(&bytes).map_err(|error| EventTrouble::unreadable(path, &error))?
            }
        };
        Ok(Some((name, payload)))
    }
}

/// Why the event cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum EventTrouble {
    /// The payload's file cannot be read.
    #[error("the event's payload {path}, which GITHUB_EVENT_PATH names, cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system or the parser says.
        why: String,
    },
    /// The payload is of another kind.
    #[error(transparent)]
    Malformed(#[from] EventError),
}

impl EventTrouble {
    fn unreadable(path: &str, why: &dyn std::fmt::Display) -> Self {
        Self::Unreadable { path: path.to_owned(), why: why.to_string() }
    }
}
