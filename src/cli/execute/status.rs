//! Carries out `status`.

use anyhow::Context as _;

use super::feedback::TOKENS;
use super::{Ending, Execution};
use crate::adapters::carrier::{Carrier, Place as CarrierPlace};
use crate::adapters::clock;
use crate::adapters::state_store::CARRIED;
use crate::adapters::turn::Turn;
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::Format;
use crate::commands::open::{Opened, open};
use crate::commands::remote_status::remote_status;
use crate::commands::status as standing;
use crate::report::json;
use crate::report::status::{Status, human};
use crate::secret::Secret;
use crate::state::Kind;

/// The forge whose token we may have been given.
const GITHUB: &str = "https://github.com";

impl Execution<'_> {
    /// Shows how every target stands; with `is_strict`, one that is not in step makes the run partly done.
    ///
    /// A `remote` is an address; an empty one is that of this clone's origin.
    pub(super) async fn status(
        &self,
        remote: Option<&str>,
        is_strict: bool,
        format: Format,
    ) -> anyhow::Result<Ending> {
        let status = match remote {
            None => self.status_here().await?,
            Some("") => self.status_of_origin().await?,
            Some(url) => {
                let scratch = tempfile::tempdir().context("a folder for what is brought cannot be made")?;
                let reference = CarrierPlace::reference_of("");
                let place = CarrierPlace::outside(scratch.path(), url, reference, CARRIED)?;
                let shown = without_secrets(url);
                remote_status(self.carrier(place), scratch.path(), shown, None, clock::now()).await?
            }
        };
        match format {
            Format::Human => self.console.text(&human(&status, self.style())),
            Format::Json => self.console.json(&json::status::render(&status)),
        }
        Ok(if is_strict && !status.is_in_step() { Ending::Partial } else { Ending::Done })
    }

    async fn status_here(&self) -> anyhow::Result<Status> {
        let opened = open(&self.place(None))?;
        let reach = Reach::Network;
        let outside = outside(&opened.worktree, &opened.config, self.environment, reach, self.console, &self.stop)?;
        let at_work = at_work(&opened);
        standing::status(opened, &outside, at_work).await
    }

    async fn status_of_origin(&self) -> anyhow::Result<Status> {
        let opened = open(&self.place(None))?;
        let worktree = &opened.worktree;
        let reach = Reach::Local;
        let outside = outside(worktree, &opened.config, self.environment, reach, self.console, &self.stop)?;
        let here = (outside.state.load().await?, standing::held(&outside, at_work(&opened)).await?);
        let scratch = tempfile::tempdir().context("a folder for what is brought cannot be made")?;
        let place = CarrierPlace {
            repository: worktree.git_folder(),
            folder: worktree.root().to_owned(),
            objects: scratch.path().join("objects"),
            reference: CarrierPlace::reference_of(worktree.prefix()),
            names: CARRIED,
        };
        remote_status(self.carrier(place), scratch.path(), "origin".to_owned(), Some(here), clock::now()).await
    }

    fn carrier(&self, place: CarrierPlace) -> Carrier {
        let carrier = Carrier::new(place);
        match TOKENS.iter().find_map(|name| self.environment.get(name)).map(Secret::new) {
            Some(token) => {
                self.console.mask(token.reveal());
                carrier.with_token(self.environment.get("GITHUB_SERVER_URL").unwrap_or(GITHUB), token)
            }
            None => carrier,
        }
    }
}

/// Whether a process of this clone is at work, where that says whether the holder of the lock is.
pub(super) fn at_work(opened: &Opened) -> Option<bool> {
    (opened.config.settings.state.kind == Kind::Sqlite).then(|| Turn::is_taken(&opened.worktree.private_folder()))
}

/// An address without the user and the password that it may hold.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (given, shown) in [
            ("https://me:canary@example.org/a/b.git", "https://example.org/a/b.git"),
            ("https://example.org/a@b", "https://example.org/a@b"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ] {
            assert_eq!(without_secrets(given), shown);
        }
    }
}
