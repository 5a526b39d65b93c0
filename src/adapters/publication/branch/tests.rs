use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::super::conformance::{name, run, update};
use super::*;
use crate::adapters::origin::Patience;

fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]);
    let run = command.args(words).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(run.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// A remote with a library on `main`.
struct Remote {
    folder: TempDir,
}

impl Remote {
    fn new() -> Self {
        let remote = Self { folder: tempfile::tempdir().unwrap() };
        git(remote.folder.path(), &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        git(&remote.origin(), &["config", "uploadpack.allowFilter", "true"]);
        git(remote.folder.path(), &["init", "-q", "-b", "main", "first"]);
        let first = remote.folder.path().join("first");
        for text in ["one", "two", "three"] {
            fs::write(first.join("file"), text).unwrap();
            git(&first, &["add", "."]);
            git(&first, &["commit", "-qm", text]);
        }
        git(&first, &["push", "-q", remote.origin().to_str().unwrap(), "main"]);
        remote
    }

    fn origin(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    fn clone(&self, name: &str, options: &[&str]) -> PathBuf {
        let from = format!("file://{}", self.origin().display());
        git(self.folder.path(), &[&["clone", "-q"], options, &["--", &from, name]].concat());
        self.folder.path().join(name)
    }

    /// A way to the branch from a clone of its own.
    fn target(&self, clone: &str, branch: &str, folder: &str, history: History) -> BranchTarget {
        let clone = self.clone(clone, &["--depth=1"]);
        target(&clone, branch, folder, history)
    }

    /// Somebody else pushes these files to the branch.
    fn others(&self, branch: &str, files: &[(&str, &str)]) {
        let work = tempfile::tempdir_in(self.folder.path()).unwrap();
        let work = work.path();
        git(work, &["init", "-q", "-b", branch]);
        let origin = self.origin();
        let is_there = !git(&origin, &["branch", "--list", branch]).is_empty();
        if is_there {
            git(work, &["pull", "-q", origin.to_str().unwrap(), branch]);
        }
        for (name, text) in files {
            fs::create_dir_all(work.join(name).parent().unwrap()).unwrap();
            fs::write(work.join(name), text).unwrap();
        }
        git(work, &["add", "."]);
        git(work, &["commit", "-qm", "by others"]);
        git(work, &["push", "-q", origin.to_str().unwrap(), branch]);
    }

    fn names(&self, branch: &str) -> Vec<String> {
        let listed = git(&self.origin(), &["ls-tree", "-r", "--name-only", branch]);
        listed.lines().map(str::to_owned).collect()
    }

    fn commits(&self, branch: &str) -> usize {
        git(&self.origin(), &["rev-list", "--count", branch]).parse().unwrap()
    }

    fn show(&self, what: &str) -> String {
        git(&self.origin(), &["show", what])
    }

    fn hook(&self, name: &str, script: &str) {
        let file = self.origin().join("hooks").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn place(clone: &Path, branch: &str, folder: &str, history: History) -> BranchPlace {
    BranchPlace {
        clone: clone.join(".git"),
        scratch: clone.join(".git/stockroom/published"),
        branch: branch.to_owned(),
        folder: folder.to_owned(),
        history,
        sources: vec!["main".to_owned()],
    }
}

fn patient(clone: &Path, patience: Patience) -> Origin {
    Origin::of(clone.join(".git"), clone).with_patience(patience)
}

fn target(clone: &Path, branch: &str, folder: &str, history: History) -> BranchTarget {
    let patience = Patience { pauses: vec![Duration::ZERO; 2], ..Patience::default() };
    BranchTarget::new(place(clone, branch, folder, history), patient(clone, patience), Arc::new(|| 1_600_000_000))
}

async fn root_of(target: &BranchTarget) -> Option<(String, Version)> {
    let stored = target.root().await.unwrap()?;
    Some((String::from_utf8(stored.bytes).unwrap(), stored.version))
}

#[tokio::test]
async fn a_branch_is_a_target() {
    let remote = Remote::new();
    run(&remote.target("one", "gh-pages", "", History::Append)).await;
    assert_eq!(remote.commits("gh-pages"), 3, "one commit for each edition");
    assert_eq!(remote.commits("main"), 3);
}

#[tokio::test]
async fn a_folder_of_a_branch_without_a_past_is_a_target() {
    let remote = Remote::new();
    remote.others("gh-pages", &[("index.html", "theirs"), ("deep/x.txt", "theirs")]);
    run(&remote.target("one", "gh-pages", "deep/er", History::Orphan)).await;
    assert_eq!(remote.commits("gh-pages"), 1);
    assert_eq!(remote.show("gh-pages:index.html") + &remote.show("gh-pages:deep/x.txt"), "theirstheirs");
}

#[tokio::test]
async fn a_new_site_is_served_as_it_is_and_an_old_one_keeps_its_ways() {
    let remote = Remote::new();
    let target = remote.target("one", "gh-pages", "", History::Append);
    let mut edition = update(None, "one", &["a"]);
    edition.files.insert("_v1/asset-index.json".to_owned(), b"{}".to_vec());
    target.publish(&edition).await.unwrap();
    assert_eq!(remote.names("gh-pages"), [".nojekyll", "_v1/asset-index.json", "manifest.json", &name("a")]);
    assert_eq!(target.list().await.unwrap().get("_v1/asset-index.json"), Some(&2));
    for (branch, folder) in [("site", ""), ("other", "x")] {
        remote.others("site", &[(&format!("{branch}.txt"), "theirs")]);
        remote.target(branch, branch, folder, History::Append).publish(&update(None, "one", &[])).await.unwrap();
        assert!(!remote.names(branch).contains(&".nojekyll".to_owned()), "{branch}");
    }
}

#[tokio::test]
async fn the_commit_says_what_it_is_and_is_the_same_on_every_machine() {
    let remote = Remote::new();
    for clone in ["one", "two"] {
        let target = remote.target(clone, clone, "", History::Append);
        target.publish(&update(None, "edition", &["a"])).await.unwrap();
    }
    let format = "--format=%H|%an|%ae|%cn|%at|%ct|%B";
    let one = git(&remote.origin(), &["log", "-1", format, "one"]);
    assert_eq!(one, git(&remote.origin(), &["log", "-1", format, "two"]));
    let said = one.split_once('|').unwrap().1;
    // Who git is told about at this machine is whoever runs the tests.
    assert!(said.ends_with("|1700000000|1700000000|Publish edition"), "{said}");
    git(&remote.folder.path().join("one"), &["config", "user.name", "Ada"]);
    git(&remote.folder.path().join("one"), &["config", "user.email", "ada@example.org"]);
    let target = target(&remote.folder.path().join("one"), "three", "", History::Append);
    let mut edition = update(None, "edition", &[]);
    edition.summary.seconds = None;
    target.publish(&edition).await.unwrap();
    let said = git(&remote.origin(), &["log", "-1", "--format=%an|%ce|%at", "three"]);
    assert_eq!(said, "Ada|ada@example.org|1600000000");
}

#[tokio::test]
async fn what_others_push_in_between_is_kept() {
    for history in [History::Append, History::Orphan] {
        let remote = Remote::new();
        let target = remote.target("one", "pages", "", history);
        target.publish(&update(None, "one", &["a"])).await.unwrap();
        let (_, seen) = root_of(&target).await.unwrap();
        remote.others("pages", &[("theirs/index.html", "theirs")]);
        target.publish(&update(Some(&seen), "two", &["b"])).await.unwrap();
        assert_eq!(remote.show("pages:theirs/index.html"), "theirs");
        assert_eq!(remote.show("pages:manifest.json"), "two");
        let expected = if history == History::Append { 3 } else { 1 };
        assert_eq!(remote.commits("pages"), expected, "{history:?}");
    }
}

#[tokio::test]
async fn of_two_publishers_at_once_one_wins_and_the_other_is_told() {
    for history in [History::Append, History::Orphan] {
        let remote = Remote::new();
        let targets = ["one", "two"].map(|clone| remote.target(clone, "pages", "", history));
        let mut before = None;
        for round in 0..3 {
            let roots = [format!("{round} of one"), format!("{round} of two")];
            let updates = [0, 1].map(|who| update(before.as_ref(), &roots[who], &[&roots[who]]));
            let both = tokio::join!(targets[0].publish(&updates[0]), targets[1].publish(&updates[1]));
            let won = match both {
                (Ok(()), Err(PublicationError::Moved { .. })) => 0,
                (Err(PublicationError::Moved { .. }), Ok(())) => 1,
                other => panic!("{history:?} {round}: {other:?}"),
            };
            let (root, version) = root_of(&targets[1 - won]).await.unwrap();
            assert_eq!(root, roots[won]);
            assert!(remote.names("pages").contains(&name(&root)), "an edition is there as a whole");
            before = Some(version);
        }
    }
}

#[tokio::test]
async fn what_is_there_already_is_not_pushed() {
    let remote = Remote::new();
    let target = remote.target("one", "pages", "", History::Append);
    target.publish(&update(None, "one", &["a"])).await.unwrap();
    let (_, seen) = root_of(&target).await.unwrap();
    let before = git(&remote.origin(), &["rev-parse", "pages"]);
    target.publish(&update(Some(&seen), "one", &["a"])).await.unwrap();
    assert_eq!(git(&remote.origin(), &["rev-parse", "pages"]), before);
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_looked_up() {
    let remote = Remote::new();
    let clone = remote.clone("one", &[]);
    // The branch has moved when the hook runs, and nobody hears of it.
    remote.hook("post-receive", "sleep 60");
    let patience =
        Patience { silence: Duration::from_secs(2), total: Duration::from_secs(600), pauses: vec![Duration::ZERO] };
    let own = place(&clone, "pages", "", History::Append);
    let target = BranchTarget::new(own, patient(&clone, patience), Arc::new(|| 0));
    target.publish(&update(None, "one", &["a"])).await.unwrap();
    assert_eq!(remote.show("pages:manifest.json"), "one");
}

#[tokio::test]
async fn a_server_that_refuses_is_told_of_with_what_to_do() {
    let remote = Remote::new();
    let target = remote.target("one", "pages", "", History::Append);
    remote.hook("pre-receive", "echo protected >&2; exit 1");
    let error = target.publish(&update(None, "one", &[])).await.unwrap_err();
    assert!(error.is_certain() && error.to_string().contains("`permissions: contents: write`"), "{error}");
    git(&remote.folder.path().join("one"), &["remote", "set-url", "origin", "/nowhere"]);
    let gone = super::tests::target(&remote.folder.path().join("one"), "pages", "", History::Append);
    let error = gone.root().await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    git(&remote.folder.path().join("one"), &["remote", "remove", "origin"]);
    let gone = super::tests::target(&remote.folder.path().join("one"), "pages", "", History::Append);
    assert!(gone.root().await.unwrap_err().to_string().contains("no remote `origin`"));
}

#[tokio::test]
async fn the_library_s_own_branch_and_what_is_in_the_way_are_left_alone() {
    let remote = Remote::new();
    let before = git(&remote.origin(), &["rev-parse", "main"]);
    for history in [History::Append, History::Orphan] {
        let clone = remote.clone(&format!("own-{history:?}"), &[]);
        let error = target(&clone, "main", "", history).publish(&update(None, "one", &[])).await.unwrap_err();
        assert!(error.to_string().contains("the branch of the library itself"), "{error}");
    }
    assert_eq!(git(&remote.origin(), &["rev-parse", "main"]), before);
    remote.others("pages", &[("catalog", "a file"), ("top/manifest.json/x", "a folder")]);
    let below_a_file = remote.target("two", "pages", "catalog/v1", History::Append);
    assert!(below_a_file.publish(&update(None, "one", &[])).await.is_err());
    let over_a_folder = remote.target("three", "pages", "top", History::Append);
    let error = over_a_folder.publish(&update(None, "one", &[])).await.unwrap_err();
    assert!(error.to_string().contains("top/manifest.json is there already"), "{error}");
    assert_eq!(remote.commits("pages"), 1);
}

fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match () {
            () if path.ends_with(".git/stockroom") => {}
            () if path.is_dir() => files(&path, found),
            () => found.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
}

#[tokio::test]
async fn nothing_of_it_shows_in_any_kind_of_clone() {
    let remote = Remote::new();
    remote.others("gh-pages", &[("index.html", "theirs"), ("old.txt", "old")]);
    remote.others("gh-pages", &[("index.html", "newer")]);
    for (clone, options) in [("deep", &[][..]), ("shallow", &["--depth=1"]), ("partial", &["--filter=blob:none"])] {
        let clone = remote.clone(clone, options);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        files(&clone, &mut before);
        let target = target(&clone, "gh-pages", "catalogue", History::Append);
        let seen = root_of(&target).await.map(|(_, version)| version);
        target.publish(&update(seen.as_ref(), &format!("of {}", clone.display()), &["a"])).await.unwrap();
        root_of(&target).await.unwrap();
        drop(target);
        files(&clone, &mut after);
        before.sort();
        after.sort();
        assert_eq!(before, after);
        assert_eq!(fs::read_dir(clone.join(".git/stockroom/published")).unwrap().count(), 0, "nothing is left");
    }
    assert_eq!(remote.show("gh-pages:index.html") + &remote.show("gh-pages:old.txt"), "newerold");
    assert_eq!(remote.commits("gh-pages"), 5);
}

#[tokio::test]
async fn a_remote_that_cannot_leave_files_out_is_read_as_well() {
    let remote = Remote::new();
    git(&remote.origin(), &["config", "uploadpack.allowFilter", "false"]);
    remote.others("pages", &[("index.html", "theirs")]);
    run(&remote.target("one", "pages", "x", History::Append)).await;
    assert_eq!(remote.show("pages:index.html"), "theirs");
}

#[test]
fn pages_are_where_github_serves_them() {
    let address = |slug: &str, branch: &str, folder: &str| {
        pages_address(&RepoSlug::parse(slug).unwrap(), branch, folder).unwrap_or_default()
    };
    assert_eq!(address("Org/Shop", "gh-pages", ""), "https://org.github.io/Shop/manifest.json");
    assert_eq!(address("org/shop", "gh-pages", "a b/c"), "https://org.github.io/shop/a%20b/c/manifest.json");
    assert_eq!(address("Org/org.github.io", "gh-pages", ""), "https://org.github.io/manifest.json");
    assert_eq!(address("org/shop", "main", ""), "");
}
