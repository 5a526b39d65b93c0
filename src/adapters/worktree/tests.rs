use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::catalog::fact::FileFact;
use crate::catalog::tree::{ContentError, Contents, EntryKind};

pub(super) struct Repo(TempDir);

impl Repo {
    pub(super) fn new() -> Self {
        let repo = Self(TempDir::new().unwrap());
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    pub(super) fn git(&self, words: &[&str]) -> String {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").current_dir(self.0.path()).args(identity).args(words).output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let place = self.0.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    pub(super) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.write(path, text);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "c"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(super) fn open(&self) -> Worktree {
        Worktree::open(self.0.path()).unwrap()
    }
}

fn names(tree: &crate::catalog::tree::Tree) -> Vec<&str> {
    tree.entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[test]
fn a_clean_work_tree_lists_what_its_commit_lists() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a/$ x.json", "{}"), ("b.txt", "b"), ("a.txt", "")]);
    let worktree = repo.open();
    let (now, then) = (worktree.tree_now().unwrap(), worktree.tree_at("HEAD").unwrap());
    assert_eq!(now, then);
    assert_eq!((names(&now), now.is_dirty()), (vec!["a.txt", "a/$ x.json", "b.txt"], false));
    assert_eq!(now.commit.as_ref().unwrap().as_str(), commit);
}

#[test]
fn the_work_tree_shows_what_is_new_changed_deleted_and_not_what_is_ignored() {
    let repo = Repo::new();
    repo.commit(&[("kept", "1"), ("changed", "1"), ("deleted", "1"), (".gitignore", "*.tmp\n")]);
    repo.write("changed", "2");
    repo.write("new folder/new", "3");
    repo.write("x.tmp", "");
    fs::remove_file(repo.0.path().join("deleted")).unwrap();
    let worktree = repo.open();
    let now = worktree.tree_now().unwrap();
    assert!(now.is_dirty());
    assert_eq!(names(&now), [".gitignore", "changed", "kept", "new folder/new"]);
    let changed = now.get("changed").unwrap();
    assert_eq!(changed.blob.as_str(), repo.git(&["hash-object", "changed"]));
    assert_eq!(worktree.disk().read(changed, 10).unwrap(), b"2");
    let then = worktree.tree_at("HEAD").unwrap();
    assert_eq!(worktree.objects().read(then.get("changed").unwrap(), 10).unwrap(), b"1");
}

#[test]
fn what_is_staged_differs_from_the_commit_and_leaves_no_trace_in_git() {
    let repo = Repo::new();
    repo.commit(&[("lib/a", "1"), ("lib2/b", "1")]);
    let dirty = |folder: &str| Worktree::open(&repo.0.path().join(folder)).unwrap().tree_now().unwrap().is_dirty();
    assert_eq!((dirty(""), dirty("lib"), dirty("lib2")), (false, false, false));
    repo.write("lib/a", "2");
    repo.git(&["add", "-A"]);
    let objects = repo.git(&["count-objects"]);
    assert_eq!((dirty(""), dirty("lib"), dirty("lib2")), (true, true, false));
    assert_eq!(repo.git(&["count-objects"]), objects);
    repo.git(&["rm", "-r", "-q", "--cached", "."]);
    assert!(dirty(""));
}

// Only here is it certain that git keeps times in nanoseconds.
#[cfg(target_os = "linux")]
#[test]
fn a_clean_work_tree_is_known_without_git_and_everything_else_is_not() {
    let files = [("a/b/c", "1"), ("a/b.txt", "1"), ("d", "1"), (".gitignore", "out/\n*.tmp\n")];
    let after = |change: &dyn Fn(&Repo)| {
        let repo = Repo::new();
        repo.commit(&files);
        change(&repo);
        let worktree = repo.open();
        (worktree.clean().is_some(), worktree.tree_now().unwrap().is_dirty())
    };
    assert_eq!(after(&|_| {}), (true, false));
    assert_eq!(after(&|repo| repo.write("out/deep/x", "")), (true, false));
    assert_eq!(after(&|repo| repo.write("a/b/x.tmp", "")), (true, false));
    assert_eq!(after(&|repo| fs::create_dir(repo.0.path().join("empty")).unwrap()), (false, false));
    assert_eq!(after(&|repo| repo.write("a/b/new", "")), (false, true));
    assert_eq!(after(&|repo| repo.write("a/new/new", "")), (false, true));
    assert_eq!(after(&|repo| repo.write("d", "2")), (false, true));
    assert_eq!(after(&|repo| repo.write("d", "longer")), (false, true));
    assert_eq!(after(&|repo| fs::remove_file(repo.0.path().join("a/b/c")).unwrap()), (false, true));
    assert_eq!(after(&|repo| fs::remove_dir_all(repo.0.path().join("a")).unwrap()), (false, true));
    let replace_by_link = |repo: &Repo| {
        fs::remove_file(repo.0.path().join("d")).unwrap();
        std::os::unix::fs::symlink("a/b.txt", repo.0.path().join("d")).unwrap();
    };
    assert_eq!(after(&replace_by_link), (false, true));
    let make_executable = |repo: &Repo| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(repo.0.path().join("d"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    assert_eq!(after(&make_executable), (false, true));
}

#[cfg(unix)]
#[test]
fn an_edit_in_the_moment_in_which_the_index_was_written_is_seen() {
    let repo = Repo::new();
    repo.commit(&[("a", "1")]);
    let place = repo.0.path().join("a");
    let index = repo.0.path().join(".git/index");
    let moment = fs::metadata(&place).unwrap().modified().unwrap();
    fs::write(&place, "2").unwrap();
    fs::File::options().write(true).open(&place).unwrap().set_modified(moment).unwrap();
    fs::File::options().write(true).open(&index).unwrap().set_modified(moment).unwrap();
    let worktree = repo.open();
    assert!(worktree.clean().is_none());
    assert!(worktree.tree_now().unwrap().is_dirty());
}

#[test]
fn a_conflict_differs_from_the_commit() {
    let repo = Repo::new();
    repo.commit(&[("lib/a", "1"), ("b", "1")]);
    repo.git(&["checkout", "-q", "-b", "other"]);
    repo.commit(&[("lib/a", "2")]);
    repo.git(&["checkout", "-q", "main"]);
    repo.commit(&[("lib/a", "3")]);
    let merge = Command::new("git").current_dir(repo.0.path()).args(["merge", "-q", "other"]).output().unwrap();
    assert!(!merge.status.success());
    assert!(repo.open().tree_now().unwrap().is_dirty());
}

#[test]
fn a_library_in_a_folder_of_the_repository_sees_only_itself() {
    let repo = Repo::new();
    repo.commit(&[("lib/a.json", "1"), ("lib2/b.json", "2"), ("c.json", "3")]);
    let worktree = Worktree::open(&repo.0.path().join("lib")).unwrap();
    assert_eq!(worktree.prefix(), "lib/");
    assert_eq!(names(&worktree.tree_now().unwrap()), ["a.json"]);
    assert_eq!(names(&worktree.tree_at("HEAD").unwrap()), ["a.json"]);
    repo.write("lib2/b.json", "changed elsewhere");
    assert!(!worktree.tree_now().unwrap().is_dirty());
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_read_from_git() {
    let repo = Repo::new();
    repo.commit(&[("kept/a", "1"), ("left/b", "2")]);
    repo.git(&["sparse-checkout", "set", "kept"]);
    let worktree = repo.open();
    let tree = worktree.tree_now().unwrap();
    assert_eq!((names(&tree), tree.is_dirty()), (vec!["kept/a", "left/b"], false));
    let left = tree.get("left/b").unwrap();
    assert_eq!(worktree.disk().read(left, 10).unwrap(), b"2");
    assert_eq!(worktree.disk().fact(left).unwrap(), FileFact::of(b"2"));
}

#[test]
fn a_file_that_git_is_told_to_overlook_is_what_the_disk_says() {
    for told in ["--assume-unchanged", "--skip-worktree"] {
        let repo = Repo::new();
        repo.commit(&[("a", "1"), ("b", "2")]);
        repo.git(&["update-index", told, "a", "b"]);
        assert!(!repo.open().tree_now().unwrap().is_dirty(), "{told}");
        repo.write("a", "edited");
        let tree = repo.open().tree_now().unwrap();
        assert_eq!((names(&tree), tree.is_dirty()), (vec!["a", "b"], true), "{told}");
    }
}

#[test]
fn a_digest_is_that_of_the_bytes_that_git_stored() {
    let repo = Repo::new();
    repo.commit(&[(".gitattributes", "*.txt eol=crlf\n"), ("a.txt", "one\ntwo\n")]);
    fs::remove_file(repo.0.path().join("a.txt")).unwrap();
    repo.git(&["checkout", "-q", "a.txt"]);
    assert_eq!(fs::read(repo.0.path().join("a.txt")).unwrap(), b"one\r\ntwo\r\n");
    let worktree = repo.open();
    let (now, then) = (worktree.tree_now().unwrap(), worktree.tree_at("HEAD").unwrap());
    let stored = FileFact::of(b"one\ntwo\n");
    assert_eq!(worktree.disk().fact(now.get("a.txt").unwrap()).unwrap(), stored);
    assert_eq!(worktree.objects().fact(then.get("a.txt").unwrap()).unwrap(), stored);
}

#[test]
fn before_the_first_commit_files_are_there_and_revisions_are_not() {
    let repo = Repo::new();
    repo.write("a.json", "{}");
    let worktree = repo.open();
    assert_eq!(worktree.head().unwrap(), Head { commit: None, branch: None });
    assert_eq!(names(&worktree.tree_now().unwrap()), ["a.json"]);
    assert!(matches!(worktree.tree_at("HEAD"), Err(WorktreeError::NoCommit { .. })));
}

#[test]
fn a_detached_head_has_a_commit_and_no_branch() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")]);
    assert_eq!(repo.open().head().unwrap().branch.as_deref(), Some("refs/heads/main"));
    repo.git(&["checkout", "-q", "--detach"]);
    let head = repo.open().head().unwrap();
    assert_eq!((head.commit.unwrap().as_str(), head.branch), (&*commit, None));
}

#[test]
fn a_commit_descends_from_those_before_it_and_not_from_itself() {
    let repo = Repo::new();
    let commits = [repo.commit(&[("a", "1")]), repo.commit(&[("a", "2")])];
    let [old, new] = commits.map(|commit| CommitId::parse(&commit).unwrap());
    let absent = CommitId::parse(&"e".repeat(40)).unwrap();
    let worktree = repo.open();
    assert!(worktree.descends(&new, &old));
    assert!(worktree.is_kept(&new) && worktree.is_kept(&old) && !worktree.is_kept(&absent));
    repo.git(&["reset", "-q", "--hard", old.as_str()]);
    assert!(worktree.is_kept(&old) && !worktree.is_kept(&new), "no branch holds it any more");
    assert!(!worktree.descends(&old, &new) && !worktree.descends(&new, &new) && !worktree.descends(&absent, &old));
}

#[test]
fn a_shallow_clone_says_what_it_cannot_do() {
    let repo = Repo::new();
    let first = repo.commit(&[("a", "1")]);
    repo.commit(&[("a", "2")]);
    let clone = TempDir::new().unwrap();
    let url = format!("file://{}", repo.0.path().display());
    repo.git(&["clone", "-q", "--depth=1", &url, clone.path().to_str().unwrap()]);
    let worktree = Worktree::open(clone.path()).unwrap();
    assert!(worktree.is_shallow());
    assert_eq!(names(&worktree.tree_at("HEAD").unwrap()), ["a"]);
    let error = worktree.tree_at(&first).unwrap_err().to_string();
    assert!(error.contains("shallow") && error.contains("git fetch --depth=1"), "{error}");
}

#[test]
fn without_a_repository_it_says_so() {
    let folder = TempDir::new().unwrap();
    let error = Worktree::open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("not in a Git repository") && error.contains("git init"), "{error}");
    let error = Worktree::open(&folder.path().join("missing")).err().unwrap().to_string();
    assert!(error.contains("cannot be opened"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_pipes_and_strange_names_are_seen_and_never_followed() {
    use std::os::unix::ffi::OsStrExt;
    let repo = Repo::new();
    repo.commit(&[("a", "1"), ("line\nbreak", "1")]);
    std::os::unix::fs::symlink("/etc/passwd", repo.0.path().join("link")).unwrap();
    assert!(Command::new("mkfifo").arg(repo.0.path().join("pipe")).status().unwrap().success());
    fs::write(repo.0.path().join(std::ffi::OsStr::from_bytes(b"bad\xff")), "1").unwrap();
    let worktree = repo.open();
    let tree = worktree.tree_now().unwrap();
    assert_eq!(tree.get("link").unwrap().kind, EntryKind::Symlink);
    let pipe = tree.get("pipe").unwrap();
    assert_eq!(pipe.kind, EntryKind::Special);
    assert_eq!(worktree.disk().read(pipe, 100), Err(ContentError::NotAFile));
    assert_eq!(worktree.disk().head(pipe, 100), Err(ContentError::NotAFile));
    assert_eq!(worktree.disk().fact(pipe), Err(ContentError::NotAFile));
    assert_eq!(worktree.disk().read(tree.get("link").unwrap(), 100), Err(ContentError::NotAFile));
    let mut said: Vec<_> = tree.findings.iter().map(|f| (f.code.id, f.path.as_str())).collect();
    said.sort_unstable();
    assert_eq!(said, [("name-control-characters", "line\nbreak"), ("name-not-utf8", "bad\\xff")]);
}

#[test]
fn another_repository_in_the_library_is_seen_and_not_entered() {
    let repo = Repo::new();
    repo.commit(&[("a/x", "1")]);
    repo.write("a/nested/y", "1");
    repo.git(&["-C", "a/nested", "init", "-q"]);
    repo.git(&["-C", "a/nested", "add", "y"]);
    repo.git(&["-C", "a/nested", "commit", "-q", "-m", "c"]);
    let tree = repo.open().tree_now().unwrap();
    assert_eq!(names(&tree), ["a/nested", "a/x"]);
    assert_eq!(tree.entries[0].kind, EntryKind::Submodule);
}

#[test]
fn the_first_bytes_come_from_the_disk_and_from_git() {
    let repo = Repo::new();
    repo.commit(&[("a", "12345")]);
    let worktree = repo.open();
    let tree = worktree.tree_now().unwrap();
    let entry = &tree.entries[0];
    for most in [0, 3, 5, 9] {
        let expected = Ok(("12345".as_bytes()[..most.min(5)].to_vec(), 5));
        assert_eq!(worktree.disk().head(entry, most), expected);
        assert_eq!(worktree.objects().head(entry, most), expected);
    }
}

#[test]
fn an_lfs_file_has_one_digest_whether_its_content_is_here_or_not() {
    let content = "a scene ".repeat(1000);
    let facts = FileFact::of(content.as_bytes());
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 8000\n", facts.sha256);
    let repo = Repo::new();
    repo.commit(&[("a.blend", &pointer)]);
    let worktree = repo.open();
    let tree = worktree.tree_now().unwrap();
    assert_eq!(worktree.disk().fact(&tree.entries[0]), Ok(facts.clone()));
    assert_eq!(worktree.objects().fact(&tree.entries[0]), Ok(facts.clone()));
    // As `git lfs pull` leaves it.
    repo.write("a.blend", &content);
    assert_eq!(worktree.disk().fact(&tree.entries[0]), Ok(facts));
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let repo = Repo::new();
    repo.commit(&[("a", "12345")]);
    let worktree = repo.open();
    let tree = worktree.tree_now().unwrap();
    let too_large = Err(ContentError::TooLarge { bytes: 5, limit: 4 });
    assert_eq!(worktree.disk().read(&tree.entries[0], 4), too_large);
    assert_eq!(worktree.objects().read(&tree.entries[0], 4), too_large);
}

#[test]
fn an_origin_that_is_a_folder_names_no_repository() {
    let repo = Repo::new();
    for url in ["file:///srv/org/lib", "/srv/org/lib", "../org/lib.git", "./a:b/org/lib"] {
        let _ = Command::new("git").current_dir(repo.0.path()).args(["remote", "remove", "origin"]).output();
        repo.git(&["remote", "add", "origin", url]);
        assert_eq!(repo.open().origin(), None, "{url}");
    }
}

#[test]
fn origin_is_read_from_every_usual_form() {
    let repo = Repo::new();
    for url in ["https://github.com/org/lib.git", "git@github.com:org/lib.git", "ssh://git@host/org/lib/"] {
        let _ = Command::new("git").current_dir(repo.0.path()).args(["remote", "remove", "origin"]).output();
        repo.git(&["remote", "add", "origin", url]);
        assert_eq!(repo.open().origin().unwrap().as_str(), "org/lib", "{url}");
    }
}
