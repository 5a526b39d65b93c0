use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

pub(super) const NAMES: &[&str] = &["state.sqlite", "vectors.sqlite"];
const REFERENCE: &str = "refs/stockroom/state";

/// A remote with three commits, and clones of it.
pub(super) struct Bench {
    pub(super) folder: TempDir,
}

pub(super) fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]);
    let run = command.args(words).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(run.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

impl Bench {
    pub(super) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        git(bench.folder.path(), &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        git(&bench.origin(), &["config", "uploadpack.allowFilter", "true"]);
        // It keeps what is sent as it is sent, so that its weight tells how much that was.
        git(&bench.origin(), &["config", "receive.unpackLimit", "1"]);
        git(bench.folder.path(), &["init", "-q", "-b", "main", "first"]);
        let first = bench.folder.path().join("first");
        for text in ["one", "two", "three"] {
            fs::write(first.join("file"), text).unwrap();
            git(&first, &["add", "."]);
            git(&first, &["commit", "-qm", text]);
        }
        git(&first, &["push", "-q", bench.origin().to_str().unwrap(), "main"]);
        bench
    }

    pub(super) fn origin(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    fn clone(&self, name: &str, options: &[&str]) -> Runner {
        let from = format!("file://{}", self.origin().display());
        let words = [&["clone", "-q"], options, &["--", &from, name]].concat();
        git(self.folder.path(), &words);
        Runner::at(self.folder.path().join(name))
    }

    /// How many bytes the remote's objects take.
    fn weight(&self) -> u64 {
        weight(&self.origin().join("objects"))
    }

    fn hook(&self, name: &str, script: &str) {
        let file = self.origin().join("hooks").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn weight(folder: &Path) -> u64 {
    let of = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        facts if facts.is_dir() => weight(&entry.path()),
        facts => facts.len(),
    };
    fs::read_dir(folder).unwrap().map(|entry| of(entry.unwrap())).sum()
}

/// A clone with files to be carried, and its carrier.
pub(super) struct Runner {
    pub(super) folder: PathBuf,
    pub(super) carrier: Carrier,
}

impl Runner {
    pub(super) fn at(folder: PathBuf) -> Self {
        let place = Place {
            repository: folder.join(".git"),
            objects: folder.join(".git/stockroom/carried"),
            folder: folder.clone(),
            reference: REFERENCE.to_owned(),
            names: NAMES,
        };
        fs::create_dir_all(folder.join(".git/stockroom")).unwrap();
        let patience = Patience { pauses: vec![Duration::ZERO; 2], ..Patience::default() };
        Self { folder, carrier: Carrier::new(place).with_patience(patience) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(".git/stockroom").join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    pub(super) fn push(&self, expected: Option<&CommitId>) -> Result<CommitId, CarrierError> {
        let files = NAMES.map_paths(|name| self.file(name));
        let files: Vec<(&str, &Path)> = files.iter().map(|(name, path)| (*name, path.as_path())).collect();
        let prepared = self.carrier.prepare(&files)?;
        self.carrier.push(expected, &prepared)?;
        Ok(prepared.commit)
    }

    pub(super) fn fetch(&self) -> Result<Option<Carried>, CarrierError> {
        self.carrier.fetch(&self.folder.join(".git/stockroom"))
    }

    fn fetched(&self) -> (CommitId, Vec<(&'static str, Vec<u8>)>) {
        let carried = self.fetch().unwrap().unwrap();
        (carried.commit, carried.files.iter().map(|(name, file)| (*name, fs::read(file.path()).unwrap())).collect())
    }
}

trait MapPaths {
    fn map_paths(&self, path: impl Fn(&str) -> PathBuf) -> Vec<(&'static str, PathBuf)>;
}

impl MapPaths for &'static [&'static str] {
    fn map_paths(&self, path: impl Fn(&str) -> PathBuf) -> Vec<(&'static str, PathBuf)> {
        self.iter().map(|name| (*name, path(name))).collect()
    }
}

/// Bytes that do not compress, always the same.
pub(super) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn what_one_runner_leaves_another_finds() {
    let bench = Bench::new();
    let (one, two) = (bench.clone("one", &[]), bench.clone("two", &["--depth=1"]));
    assert!(one.fetch().unwrap().is_none());
    for bytes in [&noise(300_000)[..], &noise(65_536)[..], &[]] {
        let head = one.carrier.head().unwrap();
        one.write("state.sqlite", bytes);
        one.write("vectors.sqlite", b"v");
        let commit = one.push(head.as_ref()).unwrap();
        let expected = vec![("state.sqlite", bytes.to_vec()), ("vectors.sqlite", b"v".to_vec())];
        assert_eq!(two.fetched(), (commit.clone(), expected));
        assert_eq!(two.carrier.head().unwrap(), Some(commit.clone()));
        assert_eq!(git(&bench.origin(), &["rev-list", "--count", REFERENCE]), "1", "there is no history");
        assert_eq!(two.fetched().0, commit);
    }
    // A file that is not there any more is not carried any more.
    fs::remove_file(one.file("vectors.sqlite")).unwrap();
    one.push(one.carrier.head().unwrap().as_ref()).unwrap();
    assert_eq!(two.fetched().1.len(), 1);
}

#[test]
fn the_same_files_are_the_same_commit_on_every_machine() {
    let bench = Bench::new();
    let (one, two) = (bench.clone("one", &[]), bench.clone("two", &[]));
    for runner in [&one, &two] {
        runner.write("state.sqlite", b"same");
    }
    let commit = one.push(None).unwrap();
    assert_eq!(two.push(Some(&commit)).unwrap(), commit, "there was nothing to push");
}

#[test]
fn of_two_pushers_one_wins_and_the_other_hears_what_is_there() {
    let bench = Bench::new();
    let runners = [bench.clone("one", &[]), bench.clone("two", &["--depth=1"])];
    let mut expected = None;
    for round in 0..6 {
        for (number, runner) in runners.iter().enumerate() {
            runner.write("state.sqlite", format!("{round} {number}").as_bytes());
        }
        let before = expected.clone();
        let outcomes = std::thread::scope(|scope| {
            let threads: Vec<_> = runners.iter().map(|runner| scope.spawn(|| runner.push(before.as_ref()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        let won: Vec<CommitId> = won.into_iter().map(Result::unwrap).collect();
        assert_eq!(won.len(), 1, "round {round}: {won:?} {lost:?}");
        let [Err(CarrierError::Moved { found })] = &lost[..] else { panic!("{lost:?}") };
        assert_eq!(found.as_ref(), Some(&won[0]));
        assert_eq!(runners[0].carrier.head().unwrap(), Some(won[0].clone()));
        expected = Some(won[0].clone());
    }
}

#[test]
fn a_small_change_sends_little_from_every_kind_of_clone() {
    let kinds: [&[&str]; 4] = [&[], &["--depth=1"], &["--filter=blob:none"], &["--depth=1", "--filter=tree:0"]];
    let mut bytes = noise(1_500_000);
    for options in kinds {
        let bench = Bench::new();
        let (first, runner) = (bench.clone("first-one", &[]), bench.clone("second", options));
        first.write("state.sqlite", &bytes);
        first.push(None).unwrap();
        // As on a new machine: what is known of the files is what was fetched.
        let (commit, files) = runner.fetched();
        assert_eq!(files[0].1.len(), bytes.len());
        bytes[1_000_000] ^= 1;
        runner.write("state.sqlite", &bytes);
        let before = bench.weight();
        let commit = runner.push(Some(&commit)).unwrap();
        let sent = bench.weight() - before;
        assert!(sent < 100_000, "{options:?}: {sent} bytes");
        assert_eq!(first.fetched(), (commit, vec![("state.sqlite", bytes.clone())]), "{options:?}");
    }
}

#[test]
fn nothing_of_it_shows_in_the_clone() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    let seen = || {
        let listed = |folder: &str| {
            let entries = fs::read_dir(runner.folder.join(folder)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let refs = git(&runner.folder, &["for-each-ref"]);
        (refs, fs::read(runner.folder.join(".git/config")).unwrap(), listed(".git"), listed(".git/objects"))
    };
    let before = seen();
    runner.write("state.sqlite", &noise(100_000));
    let commit = runner.push(None).unwrap();
    runner.write("state.sqlite", b"2");
    runner.push(Some(&commit)).unwrap();
    let fresh = bench.clone("two", &[]);
    fresh.write("state.sqlite", b"3");
    fresh.push(fresh.carrier.head().unwrap().as_ref()).unwrap();
    runner.fetched();
    assert_eq!(seen(), before);
    assert_eq!(git(&runner.folder, &["rev-parse", "--is-shallow-repository"]), "false");
    git(&runner.folder, &["fsck", "--strict"]);
    git(&bench.origin(), &["fsck", "--strict"]);
}

#[test]
fn a_clone_that_was_given_the_ref_by_hand_reads_what_is_there() {
    let bench = Bench::new();
    let (one, two) = (bench.clone("one", &[]), bench.clone("two", &[]));
    one.write("state.sqlite", b"1");
    let commit = one.push(None).unwrap();
    git(&two.folder, &["fetch", "-q", "origin", "+refs/*:refs/*", "--update-head-ok"]);
    assert_eq!(two.fetched(), (commit.clone(), vec![("state.sqlite", b"1".to_vec())]));
    two.write("state.sqlite", b"1");
    two.write("vectors.sqlite", b"2");
    let commit = two.push(Some(&commit)).unwrap();
    assert_eq!(one.fetched().0, commit);
}

#[test]
fn old_objects_do_not_pile_up() {
    let bench = Bench::new();
    let (one, two) = (bench.clone("one", &[]), bench.clone("two", &["--filter=blob:none"]));
    let mut bytes = noise(1_000_000);
    let mut expected = None;
    for round in 0..8 {
        bytes[round * 100_000] ^= 1;
        one.write("state.sqlite", &bytes);
        expected = Some(one.push(expected.as_ref()).unwrap());
        assert_eq!(two.fetched().1[0].1, bytes);
        if round % 2 == 1 {
            bytes[round] ^= 1;
            two.write("state.sqlite", &bytes);
            expected = Some(two.push(expected.as_ref()).unwrap());
            one.fetched();
        }
    }
    for runner in [one, two] {
        let kept = weight(&runner.folder.join(".git/stockroom/carried"));
        assert!(kept < 1_400_000, "{kept}");
        let packs = fs::read_dir(runner.folder.join(".git/stockroom/carried/objects/pack")).unwrap().count();
        assert_eq!(packs, 0);
    }
}

#[test]
fn a_server_that_refuses_is_told_of_with_what_to_do() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    runner.write("state.sqlite", b"1");
    for (hook, script) in [("pre-receive", "echo 'no state here, please' >&2; exit 1"), ("update", "exit 1")] {
        bench.hook(hook, script);
        let refused = runner.push(None).unwrap_err();
        assert!(matches!(refused, CarrierError::NotAllowed { .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains("hook declined") && said.contains("permissions: contents: write"), "{said}");
        assert_eq!(said.contains("no state here"), hook == "pre-receive", "{said}");
        fs::remove_file(bench.origin().join("hooks").join(hook)).unwrap();
    }
    runner.push(None).unwrap();
}

#[test]
fn no_hook_of_the_clone_is_run() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    let hooks = runner.folder.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for name in ["pre-push", "reference-transaction", "post-checkout"] {
        fs::write(hooks.join(name), "#!/bin/sh\ntouch ../ran\nexit 1\n").unwrap();
        fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    runner.write("state.sqlite", b"1");
    runner.push(None).unwrap();
    runner.fetched();
    assert!(!runner.folder.join("ran").exists() && !bench.folder.path().join("ran").exists());
}

#[test]
fn a_clone_without_an_origin_says_so() {
    let bench = Bench::new();
    let runner = Runner::at(bench.folder.path().join("first"));
    runner.write("state.sqlite", b"1");
    assert!(matches!(runner.fetch(), Err(CarrierError::NoRemote)));
    assert!(matches!(runner.push(None), Err(CarrierError::NoRemote)));
}

#[test]
fn a_remote_that_is_gone_is_unreachable() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    fs::rename(bench.origin(), bench.folder.path().join("elsewhere")).unwrap();
    runner.write("state.sqlite", b"1");
    let gone = runner.fetch().unwrap_err();
    assert!(matches!(gone, CarrierError::Unreachable { .. }), "{gone:?}");
    assert!(matches!(runner.push(None), Err(CarrierError::Unreachable { .. })));
}

#[test]
fn a_server_that_says_nothing_is_given_up_and_so_is_one_for_which_nobody_waits() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}/x.git", listener.local_addr().unwrap());
    git(&runner.folder, &["remote", "set-url", "origin", &url]);
    let patience = Patience { silence: Duration::from_millis(200), ..Patience::default() };
    let carrier = runner.carrier.clone().with_patience(patience);
    let said = carrier.head().unwrap_err().to_string();
    assert!(said.contains("`git ls-remote` was ended: no sign of progress"), "{said}");
    runner.carrier.stop().store(true, Ordering::Relaxed);
    let said = runner.carrier.head().unwrap_err().to_string();
    assert!(said.contains("asked to stop"), "{said}");
}

#[test]
fn a_download_that_was_cut_off_is_done_again() {
    let bench = Bench::new();
    let (one, two) = (bench.clone("one", &[]), bench.clone("two", &[]));
    one.write("state.sqlite", &noise(200_000));
    let commit = one.push(None).unwrap();
    two.fetched();
    let objects = two.folder.join(".git/stockroom/carried/objects");
    let tree = git(&bench.origin(), &["rev-parse", &format!("{commit}:state.sqlite/00000/01")]);
    fs::remove_file(objects.join(&tree[..2]).join(&tree[2..])).unwrap();
    assert_eq!(two.fetched().1[0].1, noise(200_000));
}

/// Makes the ref stand for a tree that `git mktree` reads out of `listing`.
fn plant(bench: &Bench, listing: &str, more: &[&str]) {
    let origin = bench.origin();
    let tree = piped(&origin, &["mktree"], listing.as_bytes());
    let commit = git(&origin, &[&["commit-tree", &tree, "-m", "x"], more].concat());
    git(&origin, &["update-ref", REFERENCE, &commit]);
}

fn piped(folder: &Path, words: &[&str], input: &[u8]) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut command = Command::new("git");
    command.args(words).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn what_others_have_put_there_is_refused_and_leaves_no_file() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    runner.write("state.sqlite", b"right");
    runner.push(None).unwrap();
    let origin = bench.origin();
    let file = git(&origin, &["rev-parse", &format!("{REFERENCE}:state.sqlite")]);
    let blob = |bytes: &[u8]| piped(&origin, &["hash-object", "-w", "--stdin"], bytes);
    let index = |text: &str| format!("100644 blob {}\tstockroom.json\n", blob(text.as_bytes()));
    let right = Sha256Hex::of(b"right").to_string();
    let listed = |name: &str, bytes: u64, sha256: &str| {
        index(&format!(r#"{{"version":1,"files":[{{"name":"{name}","bytes":{bytes},"sha256":"{sha256}"}}]}}"#))
    };
    let with = |index: String| format!("{index}040000 tree {file}\tstate.sqlite\n");
    let wrong = Sha256Hex::of(b"wrong").to_string();
    let big = blob(&noise(2_000_000));
    let segments = git(&origin, &["rev-parse", &format!("{file}:00000")]);
    let planted = |listing: String| piped(&origin, &["mktree"], listing.as_bytes());
    let more = planted(format!("040000 tree {segments}\t00000\n040000 tree {segments}\t00001\n"));
    let longer = planted(git(&origin, &["ls-tree", &segments]) + &format!("\n100644 blob {big}\t01\n"));
    let longer = planted(format!("040000 tree {longer}\t00000\n"));
    let of = |file: &str| listed("state.sqlite", 5, &right) + &format!("040000 tree {file}\tstate.sqlite\n");
    let beside = |entry: &str| with(listed("state.sqlite", 5, &right)) + entry;
    let cases = [
        (String::new(), "no stockroom.json"),
        (index("{}"), "stockroom.json is not"),
        (format!("100644 blob {big}\tstockroom.json\n"), "stockroom.json has another kind or size"),
        (format!("040000 tree {file}\tstockroom.json\n"), "stockroom.json has another kind or size"),
        (with(listed("../../config", 5, &right)), "\"../../config\""),
        (with(listed("config", 5, &right)), "\"config\""),
        (with(listed("state.sqlite", 5, &wrong)), "digest"),
        (with(listed("state.sqlite", 4, &right)), "another kind or size"),
        (with(listed("state.sqlite", 6, &right)), "another size"),
        (with(listed("state.sqlite", 70_000, &right)), "another size"),
        (with(listed("state.sqlite", 1 << 62, &right)), "at most"),
        (listed("state.sqlite", 5, &right), "missing"),
        (with(index(r#"{"version":1,"files":[{"name":"state.sqlite","bytes":5,"sha256":"RIGHT"},{"name":"state.sqlite","bytes":5,"sha256":"RIGHT"}]}"#.replace("RIGHT", &right).as_str())), "twice"),
        (with(index(r#"{"version":2,"other":[]}"#)), "format 2"),
        (beside(&format!("100644 blob {big}\tREADME\n")), "holds more than"),
        (beside(&format!("120000 blob {big}\tvectors.sqlite\n")), "holds more than"),
        (beside(&format!("160000 commit {}\tzz\n", "1".repeat(40))), "holds more than"),
        (of(&more), "more parts"),
        (of(&longer), "more parts"),
        (of(&file).replace("100644", "120000"), "stockroom.json has another kind"),
        (of(&big).replace("040000 tree", "120000 blob"), "state.sqlite has another kind"),
    ];
    let before = fs::read_dir(runner.folder.join(".git/stockroom")).unwrap().count();
    for (listing, said) in cases {
        plant(&bench, &listing, &[]);
        let refused = runner.fetch().unwrap_err().to_string();
        assert!(refused.contains(said), "{listing}: {refused}");
        assert_eq!(fs::read_dir(runner.folder.join(".git/stockroom")).unwrap().count(), before, "{listing}");
    }
    plant(&bench, &with(listed("state.sqlite", 5, &right)), &["-p", "main"]);
    assert!(runner.fetch().unwrap_err().to_string().contains("parent"));
    plant(&bench, &with(listed("state.sqlite", 5, &right)), &[]);
    assert_eq!(runner.fetched().1[0].1, b"right");
    // Whatever stands there, it can be replaced by one who has seen it.
    plant(&bench, "", &[]);
    runner.push(runner.carrier.head().unwrap().as_ref()).unwrap();
}

#[test]
fn more_than_the_limit_is_not_carried() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    runner.write("state.sqlite", &noise(1_000));
    let carrier = runner.carrier.clone().with_limits(Limits { file: 999 });
    let refused = carrier.prepare(&[("state.sqlite", &runner.file("state.sqlite"))]).unwrap_err();
    assert!(matches!(refused, CarrierError::TooLarge { bytes: 1_000, .. }), "{refused:?}");
    runner.push(None).unwrap();
    // What others have put there says nothing of what this program would do again.
    assert!(matches!(carrier.fetch(runner.folder.as_path()), Err(CarrierError::Unfit { .. })));
}

#[test]
fn every_library_of_a_repository_has_a_ref_of_its_own() {
    assert_eq!(Place::reference_of(""), "refs/stockroom/state");
    let (one, two) = (Place::reference_of("a b/"), Place::reference_of("$/"));
    assert!(one != two && one.starts_with("refs/stockroom/state-"), "{one} {two}");
    git(Path::new("."), &["check-ref-format", &one]);
}

#[test]
fn a_download_that_never_ends_is_ended_and_leaves_nothing() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    let big = piped(&bench.origin(), &["hash-object", "-w", "--stdin"], &noise(3_000_000));
    plant(&bench, &format!("100644 blob {big}\tREADME\n"), &[]);
    let carrier = runner.carrier.clone().with_limits(Limits { file: 1_000 });
    let refused = carrier.fetch(&runner.folder).unwrap_err();
    assert!(matches!(&refused, CarrierError::Unfit { why } if why.contains("far more")), "{refused:?}");
    assert!(!carrier.place().objects.exists());
    // Nor does it keep anybody from putting the right thing there.
    runner.write("state.sqlite", b"right");
    runner.push(carrier.head().unwrap().as_ref()).unwrap();
    assert_eq!(runner.fetched().1[0].1, b"right");
}

#[test]
fn what_a_killed_run_was_writing_goes_with_the_next_push() {
    let bench = Bench::new();
    let runner = bench.clone("one", &[]);
    runner.write("state.sqlite", b"1");
    let commit = runner.push(None).unwrap();
    let objects = runner.carrier.place().objects.join("objects");
    let left = ["tmp_object_git2_a1b2c3", "ab/tmp_obj_x", "pack/tmp_pack_x", "tmp_objdir-incoming-x/ab/tmp_obj_y"];
    for name in left {
        fs::create_dir_all(objects.join(name).parent().unwrap()).unwrap();
        fs::write(objects.join(name), "half").unwrap();
    }
    runner.write("state.sqlite", b"2");
    runner.push(Some(&commit)).unwrap();
    assert!(left.iter().all(|name| !objects.join(name).exists()));
    assert!(!objects.join("tmp_objdir-incoming-x").exists());
}
