//! Where things go in a folder that follows a manifest: names that lead nowhere else, on any system.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::catalog::names::{folded, is_device, is_like_git, why_unfit};
use crate::ids::Sha256Hex;
use crate::manifest::files::ROOT;

/// The folder of the assets' entries.
pub const RECORDS: &str = "records";
/// The folder of the assets' files.
pub const FILES: &str = "files";
/// The folder of what is remembered.
pub const OWN: &str = ".stockroom";

/// The longest name of a file that every system takes, with `.json` and a digest behind it.
const MAX_NAME: usize = 180;
/// The longest path.
const MAX_PATH: usize = 4_000;

/// A path that must not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} {why}")]
pub struct UnsafeName {
    /// The path.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

/// A text as the name of one file or folder: letters, digits, `-`, `_` and `.` stay, all else is percent-encoded. Two texts
/// never get one name.
pub fn encoded(text: &str) -> String {
    const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    let name = utf8_percent_encode(text, NAME).to_string();
    let stem = name.split('.').next().unwrap_or_default();
    let is_special = name.is_empty() || name.starts_with(['.', '-']) || is_device(stem);
    let name = match (is_special, name.bytes().next()) {
        (true, Some(first)) => format!("%{first:02X}{}", name.get(1..).unwrap_or_default()),
        (true, None) => "%".to_owned(),
        (false, _) => name,
    };
    // A name that ends with a dot loses it on Windows.
    let name = name.strip_suffix('.').map_or(name.clone(), |head| format!("{head}%2E"));
    if name.len() <= MAX_NAME {
        return name;
    }
    let head: String = name.chars().take(MAX_NAME - 20).collect();
    format!("{head}~{}", Sha256Hex::of(text.as_bytes()).short())
}

/// The two names that a text can have in a folder: alone, and beside one that only case tells apart from it.
pub fn both(text: &str) -> [String; 2] {
    let name = encoded(text);
    let beside = format!("{name}~{}", Sha256Hex::of(text.as_bytes()).short());
    [name, beside]
}

/// The names of these texts in one folder. Those that only case tells apart get a part of their digest as well, all of them.
pub fn apart<'t>(texts: impl Iterator<Item = &'t str>) -> BTreeMap<&'t str, String> {
    let names: BTreeMap<&str, [String; 2]> = texts.map(|text| (text, both(text))).collect();
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for [name, _] in names.values() {
        *groups.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    let one = |(text, [alone, beside]): (&'t str, [String; 2])| {
        let is_alone = groups.get(&alone.to_ascii_lowercase()) == Some(&1);
        (text, if is_alone { alone } else { beside })
    };
    names.into_iter().map(one).collect()
}

/// Where an asset's file goes, whose path in the repository is this one.
pub fn file_path(path: &str) -> Result<String, UnsafeName> {
    let refused = |why: &str| Err(UnsafeName { path: path.to_owned(), why: why.to_owned() });
    if path.len() > MAX_PATH {
        return refused("is longer than any path may be");
    }
    if path.is_empty() || path.starts_with('/') || path.ends_with('/') {
        return refused("is not a path below a folder");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return refused("holds a character that no path may have here");
    }
    if path.as_bytes().get(1) == Some(&b':') && path.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return refused("begins with the name of a drive");
    }
    for part in path.split('/') {
        if matches!(part, "" | "." | "..") {
            return refused("leads out of the folder, or round about");
        }
        if part.len() > 255 {
            return refused("has a part that is longer than any name may be");
        }
        if is_like_git(part) {
            return refused("would be taken for `.git`, Git's own folder");
        }
        if let Some(why) = why_unfit(part) {
            return refused(&format!("has a part, {part:?}, that {why}"));
        }
    }
    Ok(format!("{FILES}/{path}"))
}

/// Refuses a path where no file of a manifest is placed. What the folder remembers is believed no more than a manifest is:
/// whoever can put a file there would lead the next pull elsewhere.
pub fn refuse_elsewhere(path: &str) -> Result<(), UnsafeName> {
    let elsewhere = |why: String| UnsafeName { path: path.to_owned(), why };
    if path == ROOT {
        return Ok(());
    }
    let below = [FILES, RECORDS].iter().find_map(|folder| path.strip_prefix(folder)?.strip_prefix('/'));
    let below = below.ok_or_else(|| elsewhere("is no place where files of a manifest go".to_owned()))?;
    file_path(below).map(drop).map_err(|refused| elsewhere(refused.why))
}

/// Refuses paths of which a system that takes no notice of case and of Unicode's forms would make one, and a file where a
/// folder has to be.
pub fn refuse_collisions<'p>(paths: impl Iterator<Item = &'p str>) -> Result<(), UnsafeName> {
    let (mut files, mut folders): (BTreeMap<String, &str>, BTreeMap<String, &str>) = Default::default();
    let collides = |path: &str, other: &str| UnsafeName {
        path: path.to_owned(),
        why: format!("and {other:?} would be one file or folder on Windows and macOS"),
    };
    let folded = |path: &str| {
        let parts: Vec<&str> = path.split('/').map(|part| part.trim_end_matches(['.', ' '])).collect();
        folded(&parts.join("/"))
    };
    for path in paths {
        if let Some(other) = files.insert(folded(path), path).filter(|other| *other != path) {
            return Err(collides(path, other));
        }
        let mut end = path.len();
        while let Some(slash) = path.get(..end).and_then(|head| head.rfind('/')) {
            end = slash;
            let folder = path.get(..end).unwrap_or_default();
            match folders.insert(folded(folder), folder) {
                Some(known) if known == folder => break,
                Some(other) => return Err(collides(folder, other)),
                None => {}
            }
        }
    }
    match folders.iter().find_map(|(key, folder)| files.get(key).map(|file| (file, folder))) {
        Some((file, folder)) => Err(collides(file, folder)),
        None => Ok(()),
    }
}

/// The folders on the way to these paths, each once, the outer before the inner.
pub fn folders<'p>(paths: impl Iterator<Item = &'p str>) -> BTreeSet<&'p str> {
    let mut folders = BTreeSet::new();
    for path in paths {
        let mut end = path.len();
        while let Some(slash) = path.get(..end).and_then(|head| head.rfind('/')) {
            end = slash;
            if !folders.insert(path.get(..end).unwrap_or_default()) {
                break;
            }
        }
    }
    folders
}

/// Whether a path that is remembered leads nowhere but below the folder: what is remembered may have come with a clone.
pub fn is_below(path: &str) -> bool {
    !path.contains(['\\', '\0']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether this can be the name of a file beside a root: one part, nothing hidden, nothing that a system reads in its own way.
pub fn is_beside_root(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_become_names_of_one_file_each() {
        let table = [
            ("hex-bolt-gen-v2", "hex-bolt-gen-v2"),
            ("Hex Bolt v05", "Hex%20Bolt%20v05"),
            ("a/b/c", "a%2Fb%2Fc"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            (".git", "%2Egit"),
            ("con", "%63on"),
            ("COM1.x", "%43OM1.x"),
            ("-rf", "%2Drf"),
            ("end.", "end%2E"),
            ("%2E", "%252E"),
            ("a\\b:c", "a%5Cb%3Ac"),
            ("caf\u{e9}", "caf%C3%A9"),
            ("", "%"),
        ];
        for (text, wanted) in table {
            assert_eq!(encoded(text), wanted, "{text:?}");
        }
        assert!(encoded(&"ä".repeat(500)).len() <= MAX_NAME);
    }

    #[test]
    fn ids_that_only_case_tells_apart_get_their_digest_all_of_them() {
        let names = apart(["Bolt", "bolt", "nut"].into_iter());
        assert_eq!(names["nut"], "nut");
        assert_eq!(names["bolt"], format!("bolt~{}", Sha256Hex::of(b"bolt").short()));
        assert_eq!(names["Bolt"], format!("Bolt~{}", Sha256Hex::of(b"Bolt").short()));
    }

    #[test]
    fn files_go_below_their_folder_or_nowhere() {
        assert_eq!(file_path("$5 Bolt/x y.png").unwrap(), "files/$5 Bolt/x y.png");
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/./b",
            "a//b",
            "a/",
            "C:/x",
            "c:x",
            "a\\..\\b",
            "a/.git/config",
            ".GIT/x",
            "git~1",
            ".g\u{200c}it/x",
            "a\nb",
            "a\0b",
        ] {
            assert!(file_path(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "con",
            "a/nul",
            "aux.txt",
            "LPT1.png",
            "CONIN$",
            "xx:y",
            "a/b.txt::$DATA",
            "a?b",
            "a*b",
            "a\"b",
            "a<b",
            "a>b",
            "a|b",
            "a.",
            "a ",
            "a./b",
            "\u{202e}gpj.exe",
            "\u{200b}",
            "a\u{feff}",
            "a\u{2028}b",
        ] {
            assert!(file_path(bad).unwrap_err().why.starts_with("has a part"), "{bad:?}");
        }
        for good in ["-x/-rf.png", "console.txt", "com10", ".env", "\u{1f469}\u{200d}\u{1f52c}.png", "a.b c"] {
            assert!(file_path(good).is_ok(), "{good:?}");
        }
        assert!(file_path(&"a/".repeat(3_000)).is_err() && file_path(&"a".repeat(256)).is_err());
    }

    #[test]
    fn only_places_of_a_manifest_s_files_are_taken_from_what_is_remembered() {
        for good in ["manifest.json", "files/a/b", "records/products/%2E%2E.json", "records/git~0a1b/a.json"] {
            assert_eq!(refuse_elsewhere(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "files",
            "files/",
            "/etc/passwd",
            "../x",
            "files/../../x",
            "records/../x",
            "files//x",
            ".stockroom/pull.json",
            "files/.git/config",
            "x",
            "filesx/a",
            "./manifest.json",
        ] {
            assert!(refuse_elsewhere(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_would_be_one_elsewhere_is_refused() {
        let refused = |paths: &[&str]| refuse_collisions(paths.iter().copied()).map_err(|error| error.to_string());
        assert_eq!(refused(&["files/a/x", "files/b/x", "files/a b/x", "files/a.x"]), Ok(()));
        for bad in [
            &["files/Icon.png", "files/icon.png"][..],
            &["files/caf\u{e9}", "files/cafe\u{301}"],
            &["files/A/x", "files/a/y"],
            &["files/a", "files/a/b"],
            &["files/A", "files/a/b"],
            &["files/x/A/1", "files/X/b"],
            &["files/a", "files/a."],
            &["files/a /x", "files/a/y"],
        ] {
            assert!(refused(bad).unwrap_err().contains("on Windows and macOS"), "{bad:?}");
        }
    }

    #[test]
    fn files_beside_a_root_have_plain_names() {
        assert!(is_beside_root("shard-0a.json"));
        for bad in ["", "../x", "a/b", ".hidden", "-x", "a b", "a\\b", "a%2Fb", "http://x"] {
            assert!(!is_beside_root(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_remembered_leads_nowhere_else() {
        assert!(is_below("files/a b/..c") && is_below(".stockroom/pull.json"));
        for bad in ["", "/etc/passwd", "../x", "files/../../x", "a//b", "./a", "a\\..\\b", "a\0"] {
            assert!(!is_below(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn two_texts_never_share_a_name_not_even_where_case_does_not_count(
            texts in proptest::collection::btree_set("[aAbB.%~/\u{e9} -]{0,5}", 0..12),
        ) {
            let names = apart(texts.iter().map(String::as_str));
            let distinct: BTreeSet<String> = names.values().map(|name| name.to_ascii_lowercase()).collect();
            prop_assert_eq!(distinct.len(), texts.len());
            for name in names.values() {
                prop_assert!(!name.contains('/') && !name.starts_with('.') && !is_like_git(name));
            }
        }

        #[test]
        fn a_path_that_is_taken_stays_below(path in "[a./\\\\:G~itg1 \u{200c}]{0,12}") {
            if let Ok(path) = file_path(&path) {
                prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")) && path.starts_with("files/"));
            }
        }
    }
}
