use super::*;
use crate::mirror::choice::Choice;
use crate::mirror::plan::{Counts, Origin, Placement};

/// A folder that was followed, with something beside it that is nobody's business.
struct Site {
    beside: tempfile::TempDir,
    folder: MirrorFolder,
}

impl Site {
    fn new() -> Self {
        let beside = tempfile::tempdir().unwrap();
        let folder = MirrorFolder::at(beside.path().join("site"));
        fs::create_dir_all(folder.place(STAGED)).unwrap();
        Self { beside, folder }
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.folder.place(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.folder.place(path)).unwrap_or_default()
    }

    /// Stages a text and gives its move.
    fn staged(&self, text: &str, path: &str) -> Move {
        let sha256 = Sha256Hex::of(text.as_bytes());
        self.write(&format!("{STAGED}/{sha256}"), text);
        Move { staged: sha256.to_string(), path: path.to_owned(), sha256, before: None }
    }

    fn journal(&self, journal: &Journal) {
        fs::write(self.folder.place(JOURNAL), journal.to_bytes()).unwrap();
    }
}

#[test]
fn a_planted_journal_changes_nothing_and_it_is_told_what_to_do() {
    let site = Site::new();
    fs::write(site.beside.path().join("victim"), "precious").unwrap();
    let good = site.staged("good", "files/good");
    let stranger = Move { path: "../planted".into(), ..good.clone() };
    let thief = Move {
        staged: "../../../victim".into(),
        path: "files/stolen".into(),
        sha256: Sha256Hex::of(b"precious"),
        before: None,
    };
    let mut swapped = site.staged("swapped", "files/swapped");
    site.write(&format!("{STAGED}/{}", swapped.staged), "something else");
    swapped.path = "files/swapped".into();
    for journal in [
        Journal::new(vec![("../victim".into(), Sha256Hex::of(b"precious"))], vec![good.clone()], Vec::new()),
        Journal::new(Vec::new(), vec![good.clone(), stranger], Vec::new()),
        Journal::new(Vec::new(), vec![good.clone(), thief], Vec::new()),
        Journal::new(Vec::new(), vec![good.clone(), swapped], Vec::new()),
        Journal::new(Vec::new(), vec![good.clone()], vec![("../victim".into(), Sha256Hex::of(b"precious"))]),
    ] {
        site.journal(&journal);
        let error = site.folder.finish().unwrap_err().to_string();
        assert!(error.contains("Delete ") && error.contains("journal.json"), "{error}");
        assert_eq!(fs::read_to_string(site.beside.path().join("victim")).unwrap(), "precious");
        assert!(!site.beside.path().join("planted").exists() && !site.folder.place("files").exists(), "{journal:?}");
    }
    site.journal(&Journal::new(Vec::new(), vec![good], Vec::new()));
    assert_eq!(site.folder.finish(), Ok(Some(Vec::new())));
    assert_eq!(site.text("files/good"), "good");
}

#[test]
fn a_planted_record_is_refused() {
    let site = Site::new();
    let mut record = Record::empty("x", Choice::default());
    record.placed.insert("../victim".into(), (Sha256Hex::of(b"precious"), 8));
    fs::write(site.folder.place(RECORD), record.to_bytes()).unwrap();
    assert!(site.folder.record().unwrap_err().to_string().contains("Delete it"));
}

#[cfg(unix)]
#[test]
fn a_link_among_what_is_remembered_or_staged_is_refused_and_not_written_through() {
    use std::os::unix::fs::symlink;
    for planted in [
        ".stockroom/.gitignore",
        ".stockroom/turn.lock",
        ".stockroom/pull.json",
        ".stockroom/journal.json",
        ".stockroom/staged/record",
        ".stockroom/staged/0a.part",
        ".stockroom/staged/0a.etag",
    ] {
        let site = Site::new();
        let victim = site.beside.path().join("victim");
        for precious in [None, Some("precious")] {
            precious.inspect(|text| fs::write(&victim, text).unwrap());
            let link = site.folder.place(planted);
            symlink(&victim, &link).unwrap();
            let error = site.folder.turn().unwrap_err().to_string();
            assert!(error.contains("take it away"), "{planted}: {error}");
            assert_eq!(fs::read_to_string(&victim).ok().as_deref(), precious, "{planted}");
            fs::remove_file(&link).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_comes_while_a_pull_is_under_way_is_replaced() {
    use std::os::unix::fs::symlink;
    let site = Site::new();
    let victim = site.beside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for name in ["record", "copy"] {
        symlink(&victim, site.folder.staged(name)).unwrap();
    }
    symlink(site.beside.path().join("absent"), site.folder.place(".stockroom/.gitignore")).unwrap();
    site.folder.stage("record", b"ours").unwrap();
    site.write("files/a", "a");
    copy(&site.folder.place("files/a"), &site.folder.staged("copy")).unwrap();
    site.folder.prepare().unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!site.beside.path().join("absent").exists());
    assert_eq!(
        (site.text(".stockroom/staged/record").as_str(), site.text(".stockroom/staged/copy").as_str()),
        ("ours", "a")
    );
}

#[test]
fn what_somebody_makes_or_changes_before_a_pull_is_at_its_end_is_left_and_named() {
    let site = Site::new();
    let of = |text: &str| Some((Sha256Hex::of(text.as_bytes()), text.len() as u64));
    let mut moves = Vec::new();
    for (path, before) in [("new", None), ("mine", None), ("old", of("old")), ("edited", of("old")), ("a/deep", None)] {
        moves.push(Move { before, ..site.staged(&format!("{path} 2"), &format!("files/{path}")) });
    }
    for (path, text) in [("mine", "my thesis"), ("old", "old"), ("edited", "my edit"), ("a", "a file"), ("c", "my c")] {
        site.write(&format!("files/{path}"), text);
    }
    site.journal(&Journal::new(vec![("files/c".into(), Sha256Hex::of(b"c"))], moves, Vec::new()));
    let left = ["files/mine", "files/edited", "files/a/deep"].map(str::to_owned).to_vec();
    assert_eq!(site.folder.finish(), Ok(Some(left)));
    for (path, text) in [
        ("new", "new 2"),
        ("mine", "my thesis"),
        ("old", "old 2"),
        ("edited", "my edit"),
        ("a", "a file"),
        ("c", "my c"),
    ] {
        assert_eq!(site.text(&format!("files/{path}")), text);
    }
    assert!(!site.folder.place(JOURNAL).exists() && !site.folder.place(STAGED).exists());
}

/// A plan that places these files, which are staged.
fn planned(site: &Site, paths: &[&str]) -> Plan {
    let record = Record::empty("x", Choice::default());
    let place = paths.iter().map(|path| {
        let one = site.staged(path, path);
        let bytes = path.len() as u64;
        Placement { path: one.path, sha256: one.sha256, bytes, before: None, origin: Origin::Bytes(Vec::new()) }
    });
    let (clear, remove, left) = (Vec::new(), Vec::new(), Vec::new());
    let assets = Counts::default();
    Plan { place: place.collect(), clear, remove, left, kept: 0, unaddressed: 0, assets, record }
}

#[test]
fn folders_that_hold_nothing_give_way_to_a_file_and_others_do_not() {
    let site = Site::new();
    for empty in ["files/a/b/c", "files/a/d", "files/e/f"] {
        fs::create_dir_all(site.folder.place(empty)).unwrap();
    }
    site.write("files/e/f/mine", "mine");
    let left = site.folder.apply(&planned(&site, &["files/a", "files/e"])).unwrap();
    assert_eq!((left, site.text("files/a").as_str()), (vec!["files/e".to_owned()], "files/a"));
    assert_eq!(site.text("files/e/f/mine"), "mine");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_found_out_before_anything_changes() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let closed = site.folder.place("files/closed");
    fs::create_dir_all(&closed).unwrap();
    let allow = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    if File::create(closed.join("probe")).is_ok() {
        eprintln!("SKIPPED: permissions do not bind whoever runs this");
        return;
    }
    let refused = site.folder.apply(&planned(&site, &["files/a", "files/closed/deep/b"]));
    let seen = (site.folder.place("files/a").exists(), site.folder.place(JOURNAL).exists());
    allow(0o755);
    assert!(refused.unwrap_err().to_string().contains("closed cannot be written"));
    assert_eq!(seen, (false, false));
}

#[cfg(target_os = "linux")]
#[test]
fn another_disk_is_found_out_by_trying_and_trying_changes_nothing() {
    let site = Site::new();
    site.write("files/a", "a");
    site.folder.stage(STAGED_RECORD, b"record").unwrap();
    let staged = site.folder.staged(STAGED_RECORD);
    for folder in ["", "files"] {
        assert!(try_renames(&staged, &site.folder.place(folder)).is_ok());
    }
    assert_eq!((site.text("files/a").as_str(), fs::read(&staged).unwrap().as_slice()), ("a", &b"record"[..]));
    let elsewhere = Path::new("/dev/shm");
    let disk = |place: &Path| fs::metadata(place).map(|facts| disk_of(&facts)).ok();
    if disk(elsewhere).is_none() || disk(elsewhere) == disk(&staged) {
        eprintln!("SKIPPED: there is no second disk here");
        return;
    }
    assert_eq!(try_renames(&staged, elsewhere).unwrap_err().kind(), ErrorKind::CrossesDevices);
}

#[cfg(unix)]
mod room {
    use super::super::*;

    #[test]
    fn what_the_disk_has_no_room_for_is_refused_before_it_is_fetched() {
        let place = tempfile::tempdir().unwrap();
        let folder = MirrorFolder::at(place.path());
        folder.prepare().unwrap();
        let (one, other) = (Sha256Hex::of(b"one"), Sha256Hex::of(b"other"));
        assert_eq!(folder.refuse_overflow([(&one, 10), (&other, 1)].into_iter()), Ok(()));
        let told = folder.refuse_overflow([(&one, u64::MAX), (&other, u64::MAX)].into_iter()).unwrap_err().to_string();
        assert!(told.contains("bytes would have to be fetched") && told.contains("make room"), "{told}");
        let part = File::create(folder.staged(&format!("{one}.part"))).unwrap();
        // A hole takes no room, but counts as what has come already.
        part.set_len(1 << 40).unwrap();
        assert_eq!(folder.refuse_overflow([(&one, (1 << 40) + 1)].into_iter()), Ok(()));
    }
}
