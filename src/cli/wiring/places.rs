//! The places of the manifest that stockroom.yml names.

use std::sync::Arc;

use super::{Reach, carried};
use crate::adapters::clock;
use crate::adapters::http::{self, Pace};
use crate::adapters::origin::Origin;
use crate::adapters::publication::{
    Access, BranchPlace, BranchTarget, FolderTarget, PublishTarget, ReleaseTarget, UnreachedTarget, pages_address,
};
use crate::adapters::stop::Stop;
use crate::adapters::worktree::Worktree;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::config::Config;
use crate::ids::{RepoSlug, TargetName};
use crate::manifest::layout::Habits;
use crate::manifest::settings::{Bucket, Place, Publish};

/// A place with the name that the state has for it.
pub type Named = (TargetName, Arc<dyn PublishTarget>);

/// What it takes to make the ways to the places.
pub struct Places<'a> {
    /// The library's files.
    pub worktree: &'a Worktree,
    /// Its stockroom.yml.
    pub config: &'a Config,
    /// What the environment says.
    pub environment: &'a Environment,
    /// Where secrets are made known, so that they are not shown.
    pub console: &'a Console,
    /// The wish that the process end.
    pub stop: &'a Stop,
    /// The clock for waits between requests.
    pub pace: &'a Arc<dyn Pace>,
    /// The repository's name on the forge, where it is known.
    pub repository: Option<&'a RepoSlug>,
}

impl Places<'_> {
    fn all(&self) -> impl Iterator<Item = (&Publish, Place<'_>)> {
        self.config.settings.manifest.publish.iter().filter_map(|publish| Some((publish, publish.place()?)))
    }

    /// The places that are kept in step with the library: all but releases, each of which stands for its tag.
    pub fn targets(&self, reach: Reach) -> Vec<Named> {
        let places: Vec<_> = self.all().filter(|(_, place)| *place != Place::Release).collect();
        let name = |place: &Place<'_>| match places.len() {
            1 => TargetName::new("manifest"),
            _ => TargetName::new(format!("manifest/{}", place.name())),
        };
        let target = |(publish, place): &(&Publish, Place<'_>)| {
            let target: Arc<dyn PublishTarget> = match place {
                Place::Folder(folder) => {
                    Arc::new(FolderTarget::within(self.worktree.root(), folder).at(publish.root_address()))
                }
                Place::Branch { .. } => {
                    let target = self.branch(publish, *place, reach);
                    if reach == Reach::Local { Arc::new(UnreachedTarget::unasked(&target)) } else { Arc::new(target) }
                }
                Place::ObjectStore(bucket) => self.bucket(publish, bucket, reach),
                Place::Release => return None,
            };
            Some((name(place), target))
        };
        places.iter().filter_map(target).collect()
    }

    fn bucket(&self, publish: &Publish, bucket: &Bucket<'_>, reach: Reach) -> Arc<dyn PublishTarget> {
        let credentials = match reach {
            Reach::Local => super::buckets::Credentials::default(),
            Reach::Look | Reach::Network => super::buckets::credentials(self.environment, self.console),
        };
        let target = super::buckets::target(bucket, &credentials, publish.root_address(), self.stop);
        if reach == Reach::Local { Arc::new(UnreachedTarget::unasked(target.as_ref())) } else { target }
    }

    fn branch(&self, publish: &Publish, place: Place<'_>, reach: Reach) -> BranchTarget {
        let (branch, folder, history) = match place {
            Place::Branch { branch, folder, history } => (branch, folder, history),
            _ => Default::default(),
        };
        let worktree = self.worktree;
        let head = worktree.head().ok().and_then(|head| head.branch);
        let head = head.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        let sources = head.into_iter().chain(worktree.default_branch()).collect();
        let own = BranchPlace {
            clone: worktree.git_folder().to_owned(),
            scratch: worktree.private_folder().join("published"),
            branch: branch.to_owned(),
            folder: folder.to_owned(),
            history,
            sources,
        };
        let mut origin = Origin::of(worktree.git_folder(), worktree.top());
        if reach != Reach::Local {
            if let Some(token) = carried::token(self.environment, self.console) {
                origin = origin.with_token(carried::server(self.environment), token);
            }
            carried::end_with(origin.stop(), self.stop);
        }
        let is_on_github = carried::server(self.environment).trim_end_matches('/') == carried::GITHUB;
        let pages = self.repository.filter(|_| is_on_github).and_then(|slug| pages_address(slug, branch, folder));
        BranchTarget::new(own, origin, Arc::new(|| clock::now().0)).at(publish.root_address().or(pages))
    }

    /// The release of this tag, where stockroom.yml names releases.
    pub fn of_release(&self, tag: &str) -> anyhow::Result<Option<Arc<dyn PublishTarget>>> {
        if !self.all().any(|(_, place)| place == Place::Release) {
            return Ok(None);
        }
        let refused = |why: &str| -> Arc<dyn PublishTarget> {
            Arc::new(UnreachedTarget::refused(format!("the release {tag}"), Habits::Snapshot, why))
        };
        let token = carried::token(self.environment, self.console);
        Ok(Some(match (token, self.repository) {
            (Some(token), Some(repository)) => {
                let access = Access {
                    client: http::client()?,
                    api: self.environment.api(),
                    server: carried::server(self.environment),
                    token: &token,
                    pace: Arc::clone(self.pace),
                };
                match ReleaseTarget::new(access, repository.clone(), tag) {
                    Ok(target) => Arc::new(target),
                    Err(why) => refused(&why),
                }
            }
            (None, _) => refused(
                "there is no token: give the action the input `github-token`, and the job `permissions: contents: write`",
            ),
            (_, None) => refused("the repository's name is not known; set GITHUB_REPOSITORY to OWNER/NAME"),
        }))
    }
}
