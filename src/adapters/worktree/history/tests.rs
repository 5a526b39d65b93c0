use super::*;
use crate::adapters::worktree::tests::Repo;

const REACH: Reach = Reach { commits: 50, seconds: 86_400, files: 100, entries: 100_000 };

fn history(repo: &Repo, reach: &Reach) -> History {
    let tip = repo.open().head().unwrap().commit.unwrap();
    repo.open().history(&tip, reach).unwrap()
}

/// What each commit did: `+` came, `-` went, `~` changed.
fn told(history: &History) -> Vec<String> {
    let change = |change: &FileChange| {
        let sign = match (&change.before, &change.after) {
            (None, Some(_)) => '+',
            (Some(_), None) => '-',
            (Some(_), Some(_)) => '~',
            (None, None) => '?',
        };
        format!("{sign}{}", change.path)
    };
    let commit = |past: &PastCommit| past.changes.iter().map(change).collect::<Vec<_>>().join(" ");
    history.commits.iter().map(commit).collect()
}

#[test]
fn each_commit_tells_what_it_did_the_newest_first() {
    let repo = Repo::new();
    repo.commit(&[("a/$ x.json", "1"), ("b.txt", "b"), ("c/d/e", "e")]);
    repo.commit(&[("a/$ x.json", "2")]);
    repo.git(&["rm", "-q", "b.txt"]);
    repo.git(&["mv", "c/d/e", "c/f"]);
    repo.commit(&[("a.txt", "a")]);
    repo.git(&["commit", "-q", "--allow-empty", "-m", "nothing"]);
    assert_eq!(told(&history(&repo, &REACH)), ["+a.txt -b.txt -c/d/e +c/f", "~a/$ x.json"]);
    assert!(!history(&repo, &REACH).is_cut_off, "the first commit came from nothing");
}

#[test]
fn a_file_that_becomes_a_folder_has_gone_and_others_have_come() {
    let repo = Repo::new();
    repo.commit(&[("a", "1"), ("link", "x")]);
    std::fs::remove_file(repo.open().root().join("a")).unwrap();
    std::fs::remove_file(repo.open().root().join("link")).unwrap();
    std::os::unix::fs::symlink("a", repo.open().root().join("link")).unwrap();
    repo.commit(&[("a/b", "1")]);
    assert_eq!(told(&history(&repo, &REACH)), ["-a +a/b -link"]);
}

#[test]
fn a_library_below_the_top_sees_its_own_folder_alone() {
    let repo = Repo::new();
    repo.commit(&[("lib/a", "1"), ("other", "1")]);
    repo.commit(&[("lib/a", "2"), ("other", "2")]);
    repo.commit(&[("other", "3")]);
    let library = Worktree::open(&repo.open().root().join("lib")).unwrap();
    let tip = library.head().unwrap().commit.unwrap();
    assert_eq!(told(&library.history(&tip, &REACH).unwrap()), ["~a"]);
}

#[test]
fn of_a_merge_the_first_parent_is_followed_and_all_that_it_brought_is_its_own() {
    let repo = Repo::new();
    repo.commit(&[("a", "1"), ("b", "1")]);
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.commit(&[("b", "2")]);
    repo.commit(&[("b", "3")]);
    repo.git(&["checkout", "-q", "main"]);
    repo.commit(&[("a", "2")]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "Merge", "side"]);
    assert_eq!(told(&history(&repo, &REACH)), ["~b", "~a"]);
}

#[test]
fn what_is_too_much_is_left_out_and_said() {
    let repo = Repo::new();
    repo.commit(&[("a", "1"), ("b", "1"), ("c", "1")]);
    repo.commit(&[("a", "2"), ("b", "2"), ("c", "2")]);
    repo.commit(&[("a", "3")]);
    let cut = history(&repo, &Reach { files: 2, ..REACH });
    assert_eq!(told(&cut), ["~a", "~a ~b"]);
    assert_eq!(cut.commits.iter().map(|past| past.is_whole).collect::<Vec<_>>(), [true, false]);
    assert_eq!(told(&history(&repo, &Reach { commits: 1, ..REACH })), ["~a"]);
    let poor = history(&repo, &Reach { entries: 7, ..REACH });
    assert_eq!(poor.commits.iter().map(|past| past.is_whole).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn commits_of_days_ago_are_history() {
    let repo = Repo::new();
    repo.commit(&[("a", "1")]);
    repo.commit(&[("a", "2")]);
    let dated = |date: &str, text: &str| {
        repo.write("a", text);
        let status = std::process::Command::new("git")
            .current_dir(repo.open().root())
            .args(["-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-q", "-am", "dated"])
            .env("GIT_COMMITTER_DATE", date)
            .status();
        assert!(status.unwrap().success());
    };
    dated("2090-01-01T00:00:00Z", "3");
    dated("2090-01-01T23:00:00Z", "4");
    dated("2090-01-02T12:00:00Z", "5");
    assert_eq!(told(&history(&repo, &REACH)), ["~a", "~a"]);
}

#[test]
fn a_shallow_clone_says_that_it_lacks_commits() {
    let repo = Repo::new();
    for text in ["1", "2", "3"] {
        repo.commit(&[("a", text)]);
    }
    let clone = Repo::new();
    let from = format!("file://{}", repo.open().root().display());
    clone.git(&["pull", "-q", "--depth=2", &from, "main"]);
    let seen = history(&clone, &REACH);
    assert_eq!((told(&seen), seen.is_cut_off), (vec!["~a".to_owned()], true));
}

#[test]
fn two_commits_are_compared_wherever_they_stand() {
    let repo = Repo::new();
    let old = repo.commit(&[("a", "1"), ("b", "1")]);
    repo.commit(&[("a", "2")]);
    let new = repo.commit(&[("a", "3"), ("c", "1")]);
    let id = |text: &str| CommitId::parse(text).unwrap();
    let (changes, is_whole) = repo.open().differences(&id(&old), &id(&new), &REACH).unwrap();
    assert_eq!(
        (changes.iter().map(|it| it.path.to_string()).collect::<Vec<_>>(), is_whole),
        (vec!["a".into(), "c".into()], true)
    );
    assert!(repo.open().differences(&id(&"0".repeat(40)), &id(&new), &REACH).is_none());
}
