//! Looks at the library itself: its repository, its records, its schemas.

use crate::adapters::worktree::Worktree;
use crate::catalog::tree::Tree;
use crate::commands::gather::Library;
use crate::commands::open::Opened;
use crate::diagnosis::Conclusion;
use crate::downstream::VERSION_NOT_ACCEPTED;
use crate::finding::words::count;

/// How the repository is that the library lies in. `needs_origin` says for what, where something is kept there.
pub fn git(worktree: &Worktree, tree: &Tree, needs_origin: Option<&str>) -> Conclusion {
    let Some(commit) = &tree.commit else {
        return Conclusion::unhealthy(
            "there is no commit yet, so nobody could fetch what they are told of: commit the library",
        );
    };
    let origin = match (worktree.origin(), worktree.has_origin()) {
        (Some(slug), _) => format!("origin is {slug}"),
        (None, true) => "origin is no repository on a forge".to_owned(),
        (None, false) => "there is no remote `origin`".to_owned(),
    };
    let mut said = format!("commit {}, {origin}", commit.short());
    if worktree.is_shallow() {
        said.push_str("; the history is cut off, which is enough for a sync; `check --changed-since` wants more of it (`fetch-depth: 0`)");
    }
    if tree.is_dirty() {
        said.push_str("; there are uncommitted changes, which nobody else is told of before they are committed");
    }
    match needs_origin.filter(|_| !worktree.has_origin()) {
        Some(what) => Conclusion::unhealthy(format!("{said}; {what} needs one: `git remote add origin ADDRESS`")),
        None => Conclusion::healthy(said),
    }
}

/// How the registry is; `brought` is the library with it, or why it cannot be brought.
pub fn registry(source: &str, brought: &anyhow::Result<Opened>) -> Conclusion {
    match brought {
        Ok(_) => Conclusion::healthy(format!("the registry {source} can be read")),
        Err(error) => Conclusion::unhealthy(format!("the registry {source} cannot be brought: {error:#}")),
    }
}

/// How the records are.
pub fn records(library: &anyhow::Result<Library>) -> Conclusion {
    let summary = match library {
        Ok(library) => &library.check.summary,
        Err(error) => return Conclusion::unhealthy(format!("the records cannot be read: {error:#}")),
    };
    let records = count(summary.records, "record");
    match (summary.errors, summary.warnings) {
        (0, 0) => Conclusion::healthy(format!("{records}, all valid")),
        (0, warnings) => Conclusion::healthy(format!("{records}, all valid, with {}", count(warnings, "warning"))),
        (errors, _) => Conclusion::unhealthy(format!(
            "{records} with {}: nothing is sent before they are mended, and `stockroom check` names them",
            count(errors, "error")
        )),
    }
}

/// Whether every downstream can read the versions that the records follow.
pub fn alignment(library: &Library) -> Conclusion {
    let beyond = library.check.findings.iter().filter(|finding| finding.code.id == VERSION_NOT_ACCEPTED.id);
    let beyond: Vec<_> = beyond.collect();
    match beyond.first() {
        None => Conclusion::healthy("every downstream that says what it accepts can read today's records"),
        Some(first) => {
            let more = if beyond.len() == 1 { String::new() } else { format!(" (and {} more)", beyond.len() - 1) };
            let (path, message) = (&first.path, &first.message);
            Conclusion::unhealthy(format!("{path}: {message}{more}: teach it the version, and then widen `accepts`"))
        }
    }
}
