//! Carries out `dispatch`: what `sync` does for the downstreams, for some of them or once more.

use super::{Ending, Execution};
use crate::cli::words::dispatch::DispatchWords;
use crate::commands::plan::{BadChoice, Choice, Scope};
use crate::config::Config;

impl Execution<'_> {
    /// Delivers to the downstreams, and to nothing else.
    pub(super) async fn dispatch(&self, words: &DispatchWords) -> anyhow::Result<Ending> {
        let scope = |config: &Config| scope(words, config).map_err(Into::into);
        self.bring_into_step(&words.common, words.format, &words.metrics, scope, command(words)).await
    }
}

/// What is served.
fn scope(words: &DispatchWords, config: &Config) -> Result<Scope, BadChoice> {
    let choice = Choice::of(&words.to, words.force, &config.settings.downstreams)?;
    let allow_mass_delete = words.allow_mass_delete;
    Ok(Scope { manifest: false, dispatch: true, embed: false, allow_mass_delete, choice })
}

/// The words of the command, for the history.
fn command(words: &DispatchWords) -> String {
    let mut said = vec!["dispatch".to_owned()];
    if !words.to.is_empty() {
        said.push(format!("--to {}", words.to.join(",")));
    }
    for (is_said, flag) in [(words.force, "--force"), (words.allow_mass_delete, "--allow-mass-delete")] {
        if is_said {
            said.push(flag.to_owned());
        }
    }
    said.join(" ")
}
