//! Carries out `manifest`: writes it to a folder, and nothing else.

use std::path::PathBuf;

use anyhow::anyhow;

use super::check::Asked;
use super::{Awaited, Ending, Execution};
use crate::adapters::publication::FolderTarget;
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::Common;
use crate::commands::gather::Library;
use crate::commands::plan as planning;
use crate::commands::plan::Scope;

impl Execution<'_> {
    /// Writes the manifest of a library that is valid.
    pub(super) async fn manifest(&self, common: &Common, output: Option<PathBuf>) -> anyhow::Result<Ending> {
        let Some(mut library) = self.checked(common, Awaited::Other, &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        if library.config.settings.manifest.sign.take().is_some() {
            self.console.talk("the manifest is not signed: this command reads no secret, and `sync` signs\n");
        }
        let outside =
            outside(&library.worktree, &library.config, self.environment, Reach::Local, self.console, &self.stop)?;
        let desired = planning::plan(&library, &outside, Scope::default(), false).await?;
        let own = self.manifest_folder(&library).zip(library.config.settings.manifest.first_folder());
        let (folder, target) = match (output, own) {
            (Some(folder), _) => (folder.clone(), FolderTarget::new(&folder, folder.display().to_string())),
            (None, Some((folder, own))) => (folder, FolderTarget::within(library.worktree.root(), own)),
            (None, None) => return Err(anyhow!("name a folder with -o DIR")),
        };
        let _under_way = self.stop.hold()?;
        let manifest = &desired.publishable.manifest;
        desired.publishable.bring_into_step(&target).await?;
        let (assets, digest) = (manifest.assets.len(), &manifest.digest);
        self.console.text(&format!("{assets} assets in {}, digest {}\n", folder.display(), digest));
        self.settled(self.outputs("manifest", &library.check, common.fail_on));
        let values = [("manifest-digest", digest.to_string()), ("manifest-path", folder.display().to_string())];
        self.settled(self.set_outputs(&values));
        Ok(Ending::Done)
    }

    /// The first folder that the manifest is published to, as the one who started us would name it.
    pub(super) fn manifest_folder(&self, library: &Library) -> Option<PathBuf> {
        let first = library.config.settings.manifest.first_folder()?;
        Some(if self.folder.as_os_str() == "." { PathBuf::from(first) } else { self.folder.join(first) })
    }
}
