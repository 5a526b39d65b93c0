//! Which files of a source are read.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::Listing;
use crate::ids::RepoPath;

/// A larger file is left out: nobody writes such a text.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// How many files of one source may be wanted.
pub const MAX_FILES: usize = 100_000;

/// What is no text, whatever the globs say: not worth a request to find out.
const NO_TEXT: [&str; 52] = [
    "7z", "avi", "blend", "blend1", "bmp", "br", "bz2", "dds", "dll", "dylib", "eot", "exe", "exr", "fbx", "flac",
    "gif", "glb", "gz", "hdr", "heic", "ico", "jar", "jpeg", "jpg", "jxl", "ktx2", "mkv", "mov", "mp3", "mp4", "ogg",
    "otf", "pdf", "png", "psd", "rar", "so", "sqlite", "stl", "tar", "tga", "tgz", "tif", "tiff", "ttf", "wasm", "wav",
    "webm", "webp", "woff2", "xz", "zip",
];

/// Globs of what is wanted, and of what is left out all the same.
#[derive(Debug, Clone)]
pub struct FileRules {
    wanted: GlobSet,
    excluded: GlobSet,
}

/// The files of a listing, parted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selected {
    /// Those that are wanted.
    pub wanted: Listing,
    /// Those that would be, were they not larger than [`MAX_FILE_BYTES`].
    pub too_large: Vec<RepoPath>,
}

impl FileRules {
    /// Reads the globs; a sentence says what is wrong with a bad one. `*` stays within a folder, `**` does not.
    pub fn parse(wanted: &[String], excluded: &[String]) -> Result<Self, String> {
        Ok(Self { wanted: set(wanted)?, excluded: set(excluded)? })
    }

    /// Whether a file of this name is wanted.
    pub fn wants(&self, path: &RepoPath) -> bool {
        let extension = path.extension().to_ascii_lowercase();
        let name = path.as_str();
        is_plain(name)
            && self.wanted.is_match(name)
            && !self.excluded.is_match(name)
            && NO_TEXT.binary_search(&extension.as_str()).is_err()
    }

    /// The files of a listing that are wanted. The error is a sentence: there are more than anybody means.
    pub fn select(&self, listing: Listing) -> Result<Selected, String> {
        let mut selected = Selected::default();
        for (path, listed) in listing {
            if !self.wants(&path) {
                continue;
            }
            if listed.bytes > MAX_FILE_BYTES {
                selected.too_large.push(path);
            } else {
                selected.wanted.insert(path, listed);
            }
        }
        let count = selected.wanted.len();
        if count > MAX_FILES {
            return Err(format!("{count} of its files are wanted, and at most {MAX_FILES} may be; narrow its `files`"));
        }
        Ok(selected)
    }
}

fn set(globs: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let parsed = GlobBuilder::new(glob).literal_separator(true).build();
        set.add(parsed.map_err(|why| format!("`{glob}` is not a file pattern: {}", why.kind()))?);
    }
    set.build().map_err(|why| why.kind().to_string())
}

/// Whether it is a path as git knows them, and nothing that a reader of it would trip over.
fn is_plain(path: &str) -> bool {
    path.len() <= 1_000
        && !path.chars().any(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::super::Listed;
    use super::*;
    use crate::ids::BlobId;

    fn rules(wanted: &[&str], excluded: &[&str]) -> Result<FileRules, String> {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        FileRules::parse(&owned(wanted), &owned(excluded))
    }

    fn wanted<'p>(rules: &FileRules, paths: &[&'p str]) -> Vec<&'p str> {
        paths.iter().copied().filter(|path| rules.wants(&RepoPath::new(*path))).collect()
    }

    #[test]
    fn globs_say_what_is_wanted_and_what_is_not() {
        let some = rules(&["**/*.md", "docs/*"], &["**/node_modules/**", "CHANGELOG.md"]).unwrap();
        let paths = ["README.md", "a/b/c.md", "docs/x", "docs/y/z", "a/node_modules/b/c.md", "CHANGELOG.md", "x.txt"];
        assert_eq!(wanted(&some, &paths), ["README.md", "a/b/c.md", "docs/x"]);
        assert_eq!(
            rules(&["a["], &[]).unwrap_err(),
            "`a[` is not a file pattern: unclosed character class; missing ']'"
        );
    }

    #[test]
    fn pictures_and_archives_are_never_texts() {
        assert!(NO_TEXT.is_sorted());
        let all = rules(&["**"], &[]).unwrap();
        assert_eq!(wanted(&all, &["a.png", "b/C.BLEND", "LICENSE", "d.rs", "e.tar.gz"]), ["LICENSE", "d.rs"]);
    }

    #[test]
    fn a_name_that_is_no_path_is_passed_over() {
        let all = rules(&["**"], &[]).unwrap();
        let long = "a".repeat(1_001);
        assert!(wanted(&all, &["../a", "a//b", "/etc/passwd", "a\nb", "a/./b", "", &long]).is_empty());
    }

    #[test]
    fn what_is_too_large_is_named_and_what_is_too_much_refused() {
        let all = rules(&["**"], &[]).unwrap();
        let listed = |bytes| Listed { blob: BlobId::of_nothing(), bytes };
        let listing = Listing::from([
            (RepoPath::new("a"), listed(MAX_FILE_BYTES)),
            (RepoPath::new("b"), listed(MAX_FILE_BYTES + 1)),
        ]);
        let selected = all.select(listing).unwrap();
        assert_eq!((selected.wanted.len(), selected.too_large), (1, vec![RepoPath::new("b")]));
        let many = (0..=MAX_FILES).map(|n| (RepoPath::new(n.to_string()), listed(1))).collect();
        assert!(all.select(many).unwrap_err().ends_with("at most 100000 may be; narrow its `files`"));
    }
}
