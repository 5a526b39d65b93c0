//! Carries out `manifest`: writes it to a folder, and nothing else.

use std::path::PathBuf;

use anyhow::anyhow;

use super::check::Asked;
use super::{Awaited, Ending, Execution};
use crate::adapters::publication::{FolderTarget, PublishTarget};
use crate::cli::wiring::{Reach, outside};
use crate::cli::words::Common;
use crate::commands::gather::Library;
use crate::commands::plan as planning;
use crate::commands::plan::Scope;

impl Execution<'_> {
    /// Writes the manifest of a library that is valid.
    pub(super) async fn manifest(&self, common: &Common, output: Option<PathBuf>) -> anyhow::Result<Ending> {
        let Some(library) = self.checked(common, Awaited::Other, &Asked::default()).await? else {
            return Ok(Ending::Findings);
        };
        let outside =
            outside(&library.worktree, &library.config, self.environment, Reach::Local, self.console, &self.stop)?;
        let desired = planning::plan(&library, &outside, Scope::default(), false).await?;
        let own = self.manifest_folder(&library).zip(library.config.settings.manifest.publish.first());
        let (folder, target) = match (output, own) {
            (Some(folder), _) => (folder.clone(), FolderTarget::new(&folder, folder.display().to_string())),
            (None, Some((folder, own))) => (folder, FolderTarget::within(library.worktree.root(), &own.folder)),
            (None, None) => return Err(anyhow!("name a folder with -o DIR")),
        };
        let _under_way = self.stop.hold()?;
        target.publish(&desired.manifest).await?;
        let root = &desired.manifest.root;
        let assets: usize = root.collections.values().map(|reference| reference.assets).sum();
        self.console.text(&format!("{assets} assets in {}, digest {}\n", folder.display(), root.digest));
        self.settled(self.outputs("manifest", &library.check, common.fail_on));
        let values = [("manifest-digest", root.digest.clone()), ("manifest-path", folder.display().to_string())];
        self.settled(self.set_outputs(&values));
        Ok(Ending::Done)
    }

    /// The first folder that the manifest is published to, as the one who started us would name it.
    pub(super) fn manifest_folder(&self, library: &Library) -> Option<PathBuf> {
        let first = library.config.settings.manifest.publish.first()?;
        Some(if self.folder.as_os_str() == "." {
            PathBuf::from(&first.folder)
        } else {
            self.folder.join(&first.folder)
        })
    }
}
