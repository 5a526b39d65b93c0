//! Names of files: which are one and the same on other systems, and which cannot be there at all.

use unicode_normalization::UnicodeNormalization as _;

use super::lint::Level;
use super::tree::{Entry, Tree};
use crate::finding::{Finding, codes};
use crate::ids::RepoPath;

codes! {
    NAME_COLLISION "name-collision"
        "Two files or folders have names that differ only by case, or by how Unicode writes an accent. On Windows and \
         macOS they are one: a checkout there loses one of them. Rename one."
    NAME_GIT "name-like-git"
        "A file or folder has a name that some systems take for `.git`, Git's own folder. Git refuses to check it out \
         there, and other programs may be tricked by it. Rename it."
    NAME_UNPORTABLE "name-unportable"
        "A record, a file beside it or a folder around it has a name that Windows cannot hold, that begins with `-`, \
         or that has characters which nobody sees. Rename it, or set `lint.names` to `off`."
}

/// How many names of a kind are told of.
const MOST: usize = 1_000;

/// The names of a tree's files and folders as systems see them that take no notice of case and of Unicode's normal forms.
pub struct Folded {
    /// The hash of the folded path, the entry, and how much of its path is meant; sorted.
    keys: Vec<(u64, u32, u32)>,
    /// What is taken for `.git`: the entry, and how much of its path is meant.
    like_git: Vec<(u32, u32)>,
}

const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: names are short, and what is equal by it is compared in full.
fn hash(start: u64, segment: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    if segment.is_ascii() {
        return segment.bytes().map(|byte| byte.to_ascii_lowercase()).fold(step(start, b'/'), step);
    }
    folded(segment).bytes().fold(step(start, b'/'), step)
}

/// A text without regard to case and normal form.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let letters = text.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    letters.nfd().collect()
}

/// Gives each part of sorted paths once: the path up to it, and the part alone.
fn each_part<'p>(
    paths: impl Iterator<Item = &'p RepoPath>,
    mut visit: impl FnMut(usize, &'p RepoPath, usize, &'p str),
) {
    let mut before = "";
    for (index, path) in paths.enumerate() {
        let text = path.as_str();
        let same = before.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        // The part in which the two differ is new, and so is all behind it.
        let from = text.as_bytes().get(..same).unwrap_or_default().iter().rposition(|byte| *byte == b'/');
        let mut start = from.map_or(0, |slash| slash + 1);
        for part in text.get(start..).unwrap_or_default().split('/') {
            visit(index, path, start + part.len(), part);
            start += part.len() + 1;
        }
        before = text;
    }
}

impl Folded {
    /// Folds every name of the tree.
    pub fn of(tree: &Tree) -> Self {
        let mut keys = Vec::with_capacity(tree.entries.len() + tree.entries.len() / 4);
        // The hashes of the parts of the last path, each with where it ends.
        let (mut stack, mut like_git): (Vec<(usize, u64)>, Vec<_>) = (Vec::new(), Vec::new());
        each_part(tree.entries.iter().map(|entry| &entry.path), |index, _, end, part| {
            let start = end - part.len();
            while stack.last().is_some_and(|(end, _)| *end >= start) {
                stack.pop();
            }
            let key = hash(stack.last().map_or(HASH_START, |(_, hash)| *hash), part);
            stack.push((end, key));
            // A path has at most a few thousand bytes, an index of git fewer than four thousand million entries.
            if let (Ok(index), Ok(end)) = (u32::try_from(index), u32::try_from(end)) {
                keys.push((key, index, end));
                if is_like_git(part) && like_git.len() < MOST {
                    like_git.push((index, end));
                }
            }
        });
        keys.sort_unstable();
        Self { keys, like_git }
    }

    /// A file whose path is the same but for case or normal form.
    pub fn twin<'t>(&self, tree: &'t Tree, path: &str) -> Option<&'t Entry> {
        let key = path.split('/').fold(HASH_START, hash);
        let from = self.keys.partition_point(|(other, ..)| *other < key);
        let same = self.keys.get(from..).unwrap_or_default().iter().take_while(|(other, ..)| *other == key);
        let paths = same
            .map(|(_, index, end)| start_of(tree, *index, *end))
            .filter(|other| *other != path && folded(other) == folded(path));
        paths.filter_map(|other| tree.get(other)).next()
    }

    /// Files and folders of one folder that are one on some systems, and names that are taken for `.git`.
    ///
    /// `matters` says whether a path belongs to an asset: there a collision is an error, elsewhere a warning.
    pub fn findings(&self, tree: &Tree, matters: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut pairs = Vec::new();
        for group in self.keys.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let mut paths: Vec<(&str, &RepoPath)> = Vec::new();
            for key in group {
                let entry = usize::try_from(key.1).ok().and_then(|index| tree.entries.get(index));
                paths.extend(entry.map(|entry| (start_of(tree, key.1, key.2), &entry.path)));
            }
            paths.sort_unstable();
            paths.dedup_by(|a, b| a.0 == b.0);
            // Files in two folders that collide do so too, but it is enough to name the folders.
            let folder = |path: &str| path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
            pairs.extend(paths.windows(2).filter_map(|pair| match pair {
                [(a, other), (b, at)] if a.get(..folder(a)) == b.get(..folder(b)) && folded(a) == folded(b) => {
                    Some((*a, *b, *at, *other))
                }
                _ => None,
            }));
        }
        pairs.sort_unstable();
        let collision = |(a, b, at, other): &(&str, &str, &RepoPath, &RepoPath)| {
            let why = match a.nfc().eq(b.nfc()) {
                true => "only by how Unicode writes an accent",
                false => "only by case",
            };
            let message = format!("{a:?} and {b:?} differ {why}: on Windows and macOS they are one");
            let finding = match matters(a) || matters(b) {
                true => Finding::error(&NAME_COLLISION, (*at).clone(), message),
                false => Finding::warning(&NAME_COLLISION, (*at).clone(), message),
            };
            finding.related((*other).clone()).help("rename one of the two, or take it away")
        };
        let mut findings: Vec<Finding> = pairs.iter().take(MOST).map(collision).collect();
        findings.extend(self.like_git(tree));
        findings
    }

    fn like_git(&self, tree: &Tree) -> Vec<Finding> {
        let finding = |(index, end): &(u32, u32)| {
            let entry = tree.entries.get(usize::try_from(*index).ok()?)?;
            let message = format!("some systems take {:?} for `.git`, Git's own folder", start_of(tree, *index, *end));
            Some(Finding::error(&NAME_GIT, entry.path.clone(), message).help("rename it"))
        };
        self.like_git.iter().filter_map(finding).collect()
    }
}

/// So much of the path of this entry.
fn start_of(tree: &Tree, index: u32, end: u32) -> &str {
    let entry = usize::try_from(index).ok().and_then(|index| tree.entries.get(index));
    entry.and_then(|entry| entry.path.as_str().get(..usize::try_from(end).ok()?)).unwrap_or_default()
}

/// Whether HFS+ or NTFS would open `.git` by this name.
pub fn is_like_git(part: &str) -> bool {
    let first = part.as_bytes().first().copied().unwrap_or_default();
    if part.len() < 4 || !(matches!(first, b'.' | b'g' | b'G') || first >= 0x80) {
        return false;
    }
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let plain: String = part.chars().filter(|c| !ignored(c)).collect();
    let plain = plain.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']).to_lowercase();
    matches!(plain.as_str(), ".git" | "git~1")
}

/// What is wrong with the names of these files and of the folders around them; the paths are sorted.
pub fn unportable<'p>(paths: impl Iterator<Item = &'p RepoPath>, level: Level) -> Vec<Finding> {
    let mut findings = Vec::new();
    if level == Level::Off {
        return findings;
    }
    each_part(paths, |_, path, end, part| {
        let Some((why, help)) = why_unportable(part) else { return };
        if findings.len() < MOST {
            let kind = if end == path.as_str().len() { "file" } else { "folder" };
            findings.extend(
                level.finding(&NAME_UNPORTABLE, path, format!("the {kind} {part:?} {why}")).map(|f| f.help(help)),
            );
        }
    });
    findings
}

/// Why a name cannot be on Windows, or is not what it looks like; none where it is a name anywhere.
pub fn why_unfit(part: &str) -> Option<String> {
    why_unportable(part.trim_start_matches('-')).map(|(why, _)| why)
}

fn why_unportable(part: &str) -> Option<(String, &'static str)> {
    const RENAME: &str = "rename it, as nobody with Windows can check the library out";
    if let Some(sign) = part.chars().find(|c| matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\\')) {
        return Some((format!("has a {sign:?}, which Windows allows in no name"), RENAME));
    }
    if part.ends_with(['.', ' ']) {
        return Some(("ends with a dot or a space, which Windows takes away".to_owned(), RENAME));
    }
    let device = part.split('.').next().unwrap_or_default().trim_end();
    if is_device(device) {
        return Some((format!("has the name of a device on Windows, {device}"), RENAME));
    }
    if part.starts_with('-') {
        let help = "rename it so that no program takes it for one of its options";
        return Some(("begins with `-`, as options on a command line do".to_owned(), help));
    }
    let hidden = |c: &char| matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if !part.is_ascii()
        && let Some(sign) = part.chars().find(hidden)
    {
        let why = format!("has a character that nobody sees (U+{:04X})", u32::from(sign));
        return Some((why, "type the name anew without it"));
    }
    None
}

/// Whether Windows takes this name for a device.
pub fn is_device(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if name.len() == 3 {
        return is("con") || is("prn") || is("aux") || is("nul");
    }
    if is("conin$") || is("conout$") {
        return true;
    }
    let last = name.chars().nth(3).filter(|_| name.chars().count() == 4);
    let numbered = last.is_some_and(|digit| matches!(digit, '1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'));
    numbered && name.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("com") || head.eq_ignore_ascii_case("lpt"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::MemoryTree;
    use super::*;

    fn said(paths: &[&str]) -> Vec<(&'static str, String)> {
        let files: Vec<_> = paths.iter().map(|path| (*path, "")).collect();
        let memory = MemoryTree::new(&files);
        Folded::of(&memory.tree)
            .findings(&memory.tree, |_| true)
            .into_iter()
            .map(|f| (f.code.id, f.path.to_string()))
            .collect()
    }

    #[test]
    fn names_that_are_one_elsewhere_are_found_among_files_and_folders() {
        assert_eq!(said(&["a/Icon.png", "a/icon.png"]), [("name-collision", "a/icon.png".to_owned())]);
        assert_eq!(said(&["caf\u{e9}.md", "cafe\u{301}.md"]).len(), 1);
        assert_eq!(said(&["stra\u{df}e", "STRASSE"]).len(), 1);
        assert_eq!(said(&["\u{3a3}\u{3b1}\u{3c2}", "\u{3c3}\u{3b1}\u{3c3}"]).len(), 1, "both sigmas are one letter");
        assert_eq!(said(&["Bolt", "bolt/x"]).len(), 1, "a file and a folder");
    }

    #[test]
    fn of_two_folders_that_are_one_the_files_are_not_told_again() {
        let found = said(&["Bolt/a/x.png", "Bolt/a/y.png", "bolt/A/x.png", "bolt/a/y.png", "c"]);
        assert_eq!(
            found,
            [("name-collision", "bolt/A/x.png".to_owned()), ("name-collision", "bolt/a/y.png".to_owned())]
        );
        let memory = MemoryTree::new(&[("Bolt/x", ""), ("bolt/y", "")]);
        let findings = Folded::of(&memory.tree).findings(&memory.tree, |_| false);
        assert_eq!(findings[0].message, "\"Bolt\" and \"bolt\" differ only by case: on Windows and macOS they are one");
        assert!(!findings[0].is_error(), "where no asset is, it is a warning");
    }

    #[test]
    fn equal_names_in_different_folders_are_no_collision() {
        assert!(said(&["a/x", "a b/x", "a.x", "a/b/x", "b/x", "b/a", "x"]).is_empty());
    }

    #[test]
    fn a_twin_is_found_by_its_path() {
        let memory = MemoryTree::new(&[("Bolt/Icon.png", ""), ("Bolt/other.png", "")]);
        let folded = Folded::of(&memory.tree);
        assert_eq!(folded.twin(&memory.tree, "bolt/icon.png").unwrap().path.as_str(), "Bolt/Icon.png");
        assert!(
            folded.twin(&memory.tree, "Bolt/Icon.png").is_none()
                && folded.twin(&memory.tree, "Bolt/none.png").is_none()
        );
    }

    #[test]
    fn what_some_systems_take_for_git_is_an_error() {
        for name in [
            ".GIT",
            ".Git/config",
            "a/.git./x",
            ".git ",
            "git~1",
            "GIT~1/hooks/x",
            ".g\u{200c}it/x",
            "\u{feff}.git",
            ".git::$INDEX",
        ] {
            assert_eq!(said(&[name]).iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["name-like-git"], "{name}");
        }
        for name in [".gitignore", ".github/x", "git", "git~2", "a.git", ".gitmodules", "digit"] {
            assert!(said(&[name]).is_empty(), "{name}");
        }
    }

    #[test]
    fn names_that_not_every_system_takes_are_told_once_for_each_folder() {
        let why =
            |path: &str| unportable([RepoPath::new(path)].iter(), Level::Warning).into_iter().map(|f| f.message).next();
        for bad in [
            "CON",
            "aux.json",
            "CONIN$",
            "lpt\u{b9}.txt",
            "x\u{61c}y",
            "a/nul/x.json",
            "Com1.txt",
            "a:b",
            "what?.md",
            "trailing.",
            "space /x",
            "-rf",
            "a\\b",
            "x\u{202e}gnp.exe",
        ] {
            assert!(why(bad).is_some(), "{bad}");
        }
        for good in [
            "console",
            "com0",
            "com10.txt",
            "a-b",
            "$5 Bolt & Nut (v2)/x y.json",
            "\u{1f469}\u{200d}\u{1f52c}.png",
            "lpt",
        ] {
            assert_eq!(why(good), None, "{good}");
        }
        assert_eq!(
            why("x\u{200b}.md").unwrap(),
            "the file \"x\\u{200b}.md\" has a character that nobody sees (U+200B)"
        );
        let many: Vec<_> = ["aux/a.json", "aux/b.json", "aux/c/d.json"].map(RepoPath::new).into();
        assert_eq!(unportable(many.iter(), Level::Error).len(), 1);
        assert!(unportable(many.iter(), Level::Off).is_empty());
    }

    proptest::proptest! {
        /// A tree finds as colliding what folds to the same, whatever the folders are, and as a twin too.
        #[test]
        fn two_names_collide_when_they_fold_to_the_same(
            a in "[aAbB\u{e9}\u{c9}e\u{301}\u{df}sS.]{1,4}", b in "[aAbB\u{e9}\u{c9}e\u{301}\u{df}sS.]{1,4}", depth in 0usize..3,
        ) {
            let folder = "d/".repeat(depth);
            let (a, b) = (format!("{folder}{a}"), format!("{folder}{b}"));
            let memory = MemoryTree::new(&[(a.as_str(), ""), (b.as_str(), "")]);
            let names = Folded::of(&memory.tree);
            let is_one = a != b && folded(&a) == folded(&b);
            proptest::prop_assert_eq!(names.findings(&memory.tree, |_| true).len(), usize::from(is_one));
            proptest::prop_assert_eq!(names.twin(&memory.tree, &a).is_some(), is_one);
        }
    }
}
