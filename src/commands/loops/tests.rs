use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::adapters::worktree::Worktree;
use crate::config::Config;

fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git").current_dir(folder).args(words).output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A repository out of a stream of commits; none where the shared data is not there.
fn corpus(name: &str) -> Option<TempDir> {
    let shared = std::env::var_os("STOCKROOM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let stream = shared.join(format!("corpora/{name}.stream.xz"));
    if !stream.is_file() {
        eprintln!("SKIPPED: {} is not there", stream.display());
        return None;
    }
    let folder = TempDir::new().unwrap();
    git(folder.path(), &["init", "-q", "-b", "main"]);
    let mut unpacked = Command::new("xz").arg("-dc").arg(stream).stdout(Stdio::piped()).spawn().unwrap();
    let mut import = Command::new("git");
    import.current_dir(folder.path()).args(["fast-import", "--quiet"]).stdin(unpacked.stdout.take().unwrap());
    assert!(import.status().unwrap().success() && unpacked.wait().unwrap().success());
    git(folder.path(), &["read-tree", "main"]);
    Some(folder)
}

fn collections(yaml: &str) -> Vec<Collection> {
    Config::read(&RepoPath::new("stockroom.yml"), yaml.as_bytes().to_vec()).unwrap().collections
}

/// The loops at each commit of a history, for commits by whoever made them and as if all were a bot's.
fn alarms(folder: &Path, collections: &[Collection]) -> (usize, Vec<String>) {
    let worktree = Worktree::open(folder).unwrap();
    let commits = git(folder, &["rev-list", "--first-parent", "-n", "500", "main"]);
    let mut found = Vec::new();
    for commit in commits.lines() {
        let mut history = worktree.history(&CommitId::parse(commit).unwrap(), &REACH).unwrap();
        for is_bot in [false, true] {
            if is_bot {
                history.commits.iter_mut().for_each(|past| past.name = "corpus[bot]".to_owned());
            }
            let pasts = Records::of(collections, worktree.objects()).pasts(&history);
            found.extend(loops(&pasts).into_iter().map(|(path, found)| format!("{commit} {path} {found:?}")));
        }
    }
    (commits.lines().count(), found)
}

#[test]
fn there_is_no_false_alarm_over_the_history_of_a_library_of_icons() {
    let Some(folder) = corpus("lucide") else { return };
    let yaml = "version: 1
collections: {icons: {metadata: 'icons/*.json', id: '{stem}'}, categories: {metadata: 'categories/*.json', id: '{stem}'}}";
    let (commits, found) = alarms(folder.path(), &collections(yaml));
    assert_eq!((commits, found), (120, vec![]));
}

#[test]
fn there_is_no_false_alarm_over_the_history_of_a_library_of_advisories() {
    let Some(folder) = corpus("osv") else { return };
    let yaml = "version: 1\ncollections: {advisories: {metadata: 'data/osv/*.json', id: '{stem}'}}";
    let (commits, found) = alarms(folder.path(), &collections(yaml));
    assert_eq!((commits, found), (60, vec![]));
}

#[test]
fn a_list_of_many_is_cut() {
    let told = |texts: &[&str]| listed(texts.iter().copied());
    assert_eq!(told(&["/a"]), "/a");
    assert_eq!(told(&["/a", "/b"]), "/a and /b");
    assert_eq!(told(&["/a", "/b", "/c", "/d", "/e"]), "/a, /b, /c and 2 more");
}

/// A repository in which a bot has written these files once for each of the numbers.
fn written(files: usize, times: usize, content: impl Fn(usize) -> String) -> TempDir {
    let folder = TempDir::new().unwrap();
    git(folder.path(), &["init", "-q", "-b", "main"]);
    let who = ["-c", "user.name=x[bot]", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"];
    for time in 0..times {
        for file in 0..files {
            std::fs::write(folder.path().join(format!("{file:04}.json")), content(time)).unwrap();
        }
        git(folder.path(), &["add", "-A"]);
        git(folder.path(), &[&who[..], &["commit", "-q", "-m", "Sync"]].concat());
    }
    folder
}

fn pasts(folder: &TempDir, collections: &[Collection]) -> (Vec<Past>, bool, u64) {
    let worktree = Worktree::open(folder.path()).unwrap();
    let history = worktree.history(&worktree.head().unwrap().commit.unwrap(), &REACH).unwrap();
    let mut records = Records::of(collections, worktree.objects());
    let pasts = records.pasts(&history);
    (pasts, records.is_sampled, MOST_BYTES - records.left)
}

const ALL: &str = "version: 1\ncollections: {all: {metadata: '*.json', id: '{stem}'}}";

#[test]
fn of_a_commit_about_many_records_some_are_read_and_stand_for_the_others() {
    let folder = written(300, 5, |time| format!("{{\"at\": {time}, \"title\": \"Knob\"}}"));
    let (pasts, is_sampled, _) = pasts(&folder, &collections(ALL));
    let found = loops(&pasts);
    assert_eq!((found.len(), is_sampled), (MOST_RECORDS, true));
    assert!(found.values().all(|it| it.pointers.iter().eq(["/at"]) && it.commits == 4));
}

#[test]
fn a_record_that_is_too_large_is_not_read_and_proves_nothing() {
    let filling = "x".repeat(usize::try_from(MOST_OF_ONE).unwrap());
    let folder = written(1, 6, |time| format!("{{\"at\": {time}, \"filling\": \"{filling}\"}}"));
    let (pasts, is_sampled, bytes) = pasts(&folder, &collections(ALL));
    assert_eq!((loops(&pasts), is_sampled, bytes), (Loops::new(), true, 0));
}

#[test]
fn what_has_been_read_for_one_commit_is_not_read_again_for_the_next() {
    let folder = written(1, 6, |time| format!("{{\"at\": {time}}}"));
    let (_, _, bytes) = pasts(&folder, &collections(ALL));
    assert_eq!(bytes, 6 * 9);
}

#[test]
fn records_that_no_parser_takes_prove_nothing() {
    let folder = written(1, 6, |time| format!("{{\"at\": {time}"));
    let (pasts, ..) = pasts(&folder, &collections(ALL));
    assert_eq!((pasts.len(), loops(&pasts)), (5, Loops::new()));
}
