//! Carries out `run` for a release: its manifest goes to the folder as ever, and to the release itself.

use std::sync::Arc;

use super::check::Asked;
use super::{Awaited, Ending, Execution};
use crate::adapters::publication::{FolderTarget, PublishTarget, UnreachedTarget};
use crate::cli::rehearsal;
use crate::cli::wiring::places::Places;
use crate::cli::wiring::source::sign;
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::Common;
use crate::commands::gather::Library;
use crate::commands::plan as planning;
use crate::commands::plan::{Desired, Scope};
use crate::ids::TargetName;
use crate::report::workflow_command::Command;

impl Execution<'_> {
    /// Publishes the manifest of a tag. A release stands for its tag, so nothing is written to the state, and no other place
    /// hears of it. A place that fails holds up no other one.
    pub(super) async fn release(&self, common: &Common, tag: &str) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, Awaited::Other, &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        let targets = self.places_of_release(&library, tag)?;
        if targets.is_empty() {
            self.console.talk("stockroom.yml names no `folder` and no `release` to publish to: nothing to do\n");
            return Ok(Ending::Done);
        }
        let desired = self.desired_for(&library, &targets).await?;
        let _under_way = self.stop.hold()?;
        let mut failed = false;
        let manifest = &desired.publishable.manifest;
        for target in &targets {
            let place = target.place();
            match desired.publishable.bring_into_step(target.as_ref()).await {
                Ok(()) => {
                    let assets = manifest.assets.len();
                    self.console.text(&format!("{assets} assets in {place}, digest {}\n", manifest.digest));
                }
                Err(error) => {
                    failed = true;
                    self.console.talk(&format!("error: {error:#}\n"));
                    self.console.command(&Command::error(&format!("{error:#}")));
                }
            }
        }
        self.settled(self.outputs("manifest", &library.check, common.fail_on));
        let folder = self.manifest_folder(&library).map(|folder| folder.display().to_string()).unwrap_or_default();
        let values = [("manifest-digest", manifest.digest.to_string()), ("manifest-path", folder)];
        self.settled(self.set_outputs(&values));
        Ok(if failed { Ending::Partial } else { Ending::Done })
    }

    fn places_of_release(&self, library: &Library, tag: &str) -> anyhow::Result<Vec<Arc<dyn PublishTarget>>> {
        let (worktree, config) = (&library.worktree, &library.config);
        let pace = rehearsal::pace(self.environment, &self.stop);
        let repository = self.environment.repository().or_else(|| worktree.origin());
        let places = Places {
            worktree,
            config,
            environment: self.environment,
            console: self.console,
            stop: &self.stop,
            pace: &pace,
            repository: repository.as_ref(),
        };
        let folder = config.settings.manifest.first_folder();
        let folder =
            folder.map(|folder| Arc::new(FolderTarget::within(worktree.root(), folder)) as Arc<dyn PublishTarget>);
        Ok(folder.into_iter().chain(places.of_release(tag)?).collect())
    }

    /// What should be, laid out for these places. None of them is asked what it has.
    async fn desired_for(&self, library: &Library, targets: &[Arc<dyn PublishTarget>]) -> anyhow::Result<Desired> {
        let mut outside =
            outside(&library.worktree, &library.config, self.environment, Reach::Local, self.console, &self.stop)?;
        let unasked = |target: &Arc<dyn PublishTarget>| {
            let unasked: Arc<dyn PublishTarget> = Arc::new(UnreachedTarget::unasked(target.as_ref()));
            (TargetName::new(target.place()), unasked)
        };
        outside.sign = sign(&library.config, self.environment, self.console)?;
        outside.targets = targets.iter().map(unasked).collect();
        planning::plan(library, &outside, Scope::default(), false).await
    }
}
