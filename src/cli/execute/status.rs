//! Carries out `status`.

use anyhow::Context as _;

use super::{Ending, Execution};
use crate::adapters::carrier::Place as CarrierPlace;
use crate::adapters::clock;
use crate::adapters::state_store::{CARRIED, present};
use crate::adapters::turn::Turn;
use crate::cli::wiring::carried::{carrier, carries};
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::Format;
use crate::commands::open::{Opened, open};
use crate::commands::outside::Outside;
use crate::commands::remote_status::remote_status;
use crate::commands::status as standing;
use crate::report::json;
use crate::report::status::{Status, human};
use crate::state::{Carry, Kind, Serial};

impl Execution<'_> {
    /// Shows how every target stands; with `is_strict`, one that is not in step makes the run partly done.
    ///
    /// A `remote` is an address; an empty one is that of this clone's origin.
    pub(super) async fn status(&self, remote: Option<&str>, is_strict: bool, format: Format) -> anyhow::Result<Ending> {
        let status = match remote {
            None => self.status_here().await?,
            Some("") => self.status_of_origin().await?,
            Some(url) => {
                let scratch = tempfile::tempdir().context("a folder for what is brought cannot be made")?;
                let reference = CarrierPlace::reference_of("");
                let place = CarrierPlace::outside(scratch.path(), url, reference, CARRIED)?;
                let shown = without_secrets(url);
                let carrier = carrier(place, self.environment, self.console);
                remote_status(carrier, scratch.path(), shown, None, clock::now()).await?
            }
        };
        match format {
            Format::Human => self.console.text(&human(&status, self.style())),
            Format::Json => self.console.json(&json::status::render(&status)),
        }
        Ok(if is_strict && !status.is_in_step() { Ending::Partial } else { Ending::Done })
    }

    async fn status_here(&self) -> anyhow::Result<Status> {
        let mut opened = open(&self.place(None))?;
        let at_work = self.at_work(&opened);
        if carries(&opened.worktree, &opened.config, self.environment) {
            // Nobody is asked unless somebody says so.
            opened.config.settings.state.carry = Carry::None;
            let outside = self.outside(&opened, Reach::Look)?;
            if present(&*outside.state).await?.is_ok_and(|state| state.serial == Serial(0)) {
                let why = "origin carries the state, and nothing is known of it in this clone: `stockroom status --remote` asks \
                           origin";
                let (head, dirty) = (opened.tree.commit.clone(), opened.tree.is_dirty());
                let status = standing::status_beside(&Err(why.to_owned()), String::new(), head, None);
                return Ok(Status { dirty, remote: None, ..status });
            }
            self.console.talk(
                "the state is carried by origin, and the copy in this clone may be old: `stockroom status --remote` asks origin\n",
            );
        }
        let outside = self.outside(&opened, Reach::Look)?;
        standing::status(opened, &outside, at_work).await
    }

    async fn status_of_origin(&self) -> anyhow::Result<Status> {
        let opened = open(&self.place(None))?;
        // Of a remote that carries no state, this clone may know one: its own, or the one in the database.
        let reach = if opened.config.settings.state.kind == Kind::Postgres { Reach::Look } else { Reach::Local };
        let (worktree, outside) = (&opened.worktree, self.outside(&opened, reach)?);
        let state = present(&*outside.state).await?;
        // A file with nothing in it knows nothing of what others have served; a database does.
        let is_nothing = reach == Reach::Local && state.as_ref().is_ok_and(|state| state.serial == Serial(0));
        let lock = standing::held(&outside, self.at_work(&opened)).await?;
        let here = (!is_nothing).then_some((state, lock));
        let scratch = tempfile::tempdir().context("a folder for what is brought cannot be made")?;
        let place = CarrierPlace {
            repository: worktree.git_folder().to_owned(),
            folder: worktree.top().to_owned(),
            objects: scratch.path().join("objects"),
            reference: CarrierPlace::reference_of(worktree.prefix()),
            names: CARRIED,
        };
        let carrier = carrier(place, self.environment, self.console);
        remote_status(carrier, scratch.path(), "origin".to_owned(), here, clock::now()).await
    }

    pub(super) fn outside(&self, opened: &Opened, reach: Reach) -> anyhow::Result<Outside> {
        outside(&opened.worktree, &opened.config, self.environment, reach, self.console, &self.stop)
    }

    /// Whether a process of this clone is at work, where that says whether the holder of the lock is.
    pub(super) fn at_work(&self, opened: &Opened) -> Option<bool> {
        let Opened { worktree, config, .. } = opened;
        let is_here = config.settings.state.kind == Kind::Sqlite && !carries(worktree, config, self.environment);
        is_here.then(|| Turn::is_taken(&worktree.private_folder()))
    }
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
