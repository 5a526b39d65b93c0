//! Repositories beyond the library whose texts are embedded too: which of their files are wanted, and which of those have to
//! be fetched.
//!
//! A source is looked at as a whole: the list of its files with their blobs costs one request, and says by itself what has
//! changed, moved or gone since any earlier commit, also after a history was rewritten. (GitHub's comparison of two commits
//! names 300 files at most and needs the earlier commit to be there still.)

mod file_rules;
mod refresh;

pub use file_rules::{FileRules, MAX_FILE_BYTES, MAX_FILES, Selected};
pub use refresh::{Refresh, refresh, seal};

use std::collections::BTreeMap;

use super::markup;
use super::text::Text;
use crate::ids::{AssetId, AssetKey, BlobId, CollectionName, RepoPath, RepoSlug};

/// A file of another repository at some commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it holds.
    pub blob: BlobId,
    /// Its size.
    pub bytes: u64,
}

/// The regular files of a repository at some commit.
pub type Listing = BTreeMap<RepoPath, Listed>;

/// What names a file of a source among all assets: each is an asset of its own, in the collection of its repository.
pub fn key(repo: &RepoSlug, path: &RepoPath) -> AssetKey {
    AssetKey { collection: CollectionName::new(repo.as_str()), id: AssetId::new(path.as_str()) }
}

/// The text of a file; none where it has none that anybody could read.
pub fn text(path: &RepoPath, bytes: &[u8]) -> Option<Text> {
    Text::new(path, &markup::companion(path, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_an_asset_of_its_repository() {
        let repo = RepoSlug::parse("acme/tools").unwrap();
        assert_eq!(key(&repo, &RepoPath::new("docs/a.md")).to_string(), "acme/tools/docs/a.md");
    }

    #[test]
    fn markup_goes_and_what_is_no_text_has_none() {
        let of = |path: &str, bytes: &[u8]| text(&RepoPath::new(path), bytes).map(|text| text.text);
        assert_eq!(of("a.md", b"---\nx: 1\n---\n# Hex **bolt**"), Some("Hex bolt".to_owned()));
        assert_eq!((of("a.txt", b"a\0b"), of("a.txt", b" \n")), (None, None));
    }
}
