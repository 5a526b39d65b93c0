//! The commit that stands for an edition on a branch.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, Signature, Time};

use super::super::{Summary, Update};
use super::bench::{Bench, failed, in_the_way, is_file};
use crate::adapters::origin::OriginError;
use crate::manifest::files::ROOT;

/// By whom it is where git knows nobody.
const NOBODY: (&str, &str) = ("stockroom", "stockroom@localhost");
/// The file that tells GitHub Pages to serve files as they are, also those whose names begin with `_`.
pub(super) const AS_THEY_ARE: &str = ".nojekyll";
/// The branch of which GitHub Pages makes a site by itself.
const PAGES: &str = "gh-pages";

/// The tree that a branch is to have: as at `tip`, but for what the update changes in the folder.
pub(super) fn tree(
    bench: &Bench,
    tip: Option<Oid>,
    branch: &str,
    folder: &str,
    update: &Update,
) -> Result<Oid, OriginError> {
    let repository = bench.repository();
    let base = match tip {
        Some(tip) => repository.find_commit(tip).and_then(|commit| commit.tree()),
        None => repository.treebuilder(None).and_then(|empty| repository.find_tree(empty.write()?)),
    };
    let base = base.map_err(failed)?;
    let held = match tip {
        Some(tip) => bench.folder(tip, folder)?,
        None => None,
    };
    let mut wanted = TreeUpdateBuilder::new();
    let place = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let files = update.files.iter().map(|(name, bytes)| (name.as_str(), bytes));
    for (name, bytes) in files.chain([(ROOT, &update.root)]) {
        // What stands under the name and is no file is not ours.
        let before = held.as_ref().and_then(|tree| tree.get_path(Path::new(name)).ok());
        if before.is_some_and(|entry| !is_file(&entry)) {
            return Err(in_the_way(&place(name)));
        }
        let blob = repository.blob(bytes).map_err(failed)?;
        wanted.upsert(place(name), blob, FileMode::Blob);
    }
    let is_there = |name: &&String| held.as_ref().is_some_and(|tree| Bench::file(tree, name).is_some());
    for name in update.removed.iter().filter(is_there) {
        wanted.remove(place(name));
    }
    if tip.is_none() && branch == PAGES {
        wanted.upsert(AS_THEY_ARE, repository.blob(b"").map_err(failed)?, FileMode::Blob);
    }
    wanted.create_updated(repository, &base).map_err(failed)
}

/// Makes the commit; without parents where it does not follow another.
pub(super) fn commit(
    repository: &Repository,
    clone: &Path,
    summary: &Summary,
    now: i64,
    tree: Oid,
    parent: Option<Oid>,
) -> Result<Oid, OriginError> {
    let known = Repository::open(clone).and_then(|clone| clone.signature().map(|who| who.to_owned())).ok();
    let who = known.as_ref().and_then(|who| Some((who.name().ok()?, who.email().ok()?))).unwrap_or(NOBODY);
    let made = Signature::new(who.0, who.1, &Time::new(summary.seconds.unwrap_or(now), 0)).and_then(|by| {
        let tree = repository.find_tree(tree)?;
        let parent = parent.map(|id| repository.find_commit(id)).transpose()?;
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(None, &by, &by, &format!("{}\n", summary.title), &tree, &parents)
    });
    made.map_err(failed)
}
