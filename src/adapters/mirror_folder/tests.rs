use std::collections::BTreeMap;

use super::*;
use crate::mirror::choice::Choice;
use crate::mirror::plan::{Counts, Origin, Placement};

/// A plan that places these files, whose bytes are staged.
fn planned(folder: &MirrorFolder, files: &[(&str, &str)]) -> Plan {
    folder.turn().unwrap();
    folder.prepare().unwrap();
    let place = files.iter().map(|(path, text)| {
        let sha256 = Sha256Hex::of(text.as_bytes());
        folder.stage(sha256.as_str(), text.as_bytes()).unwrap();
        let origin = Origin::Bytes(text.as_bytes().to_vec());
        Placement { path: (*path).to_owned(), sha256, bytes: text.len() as u64, origin }
    });
    Plan {
        place: place.collect(),
        clear: Vec::new(),
        remove: Vec::new(),
        left: Vec::new(),
        kept: 0,
        unaddressed: 0,
        assets: Counts::default(),
        record: Record { placed: BTreeMap::new(), ..Record::empty("https://example.com/", Choice::default()) },
    }
}

#[test]
fn a_file_takes_the_place_of_folders_in_which_there_is_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = MirrorFolder::at(place.path());
    fs::create_dir_all(place.path().join("files/a/b/c")).unwrap();
    folder.apply(&planned(&folder, &[("files/a", "one")])).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("files/a")).unwrap(), "one");
    assert!(!folder.finish().unwrap() && folder.record().unwrap().is_some());
}

#[test]
fn a_journal_that_came_with_a_clone_leads_nowhere_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = MirrorFolder::at(place.path().join("site"));
    planned(&folder, &[("files/a", "one")]);
    let sha256 = Sha256Hex::of(b"one");
    let stray = Move { staged: sha256.to_string(), path: "../stray".to_owned(), sha256 };
    let journal = Journal::new(Vec::new(), vec![stray], Vec::new());
    fs::write(place.path().join("site").join(JOURNAL), journal.to_bytes()).unwrap();
    let refusal = folder.finish().unwrap_err().to_string();
    assert!(refusal.contains("not below the folder") && refusal.contains("journal.json"), "{refusal}");
    assert!(!place.path().join("stray").exists());
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
