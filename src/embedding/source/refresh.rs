//! What has to be fetched of a source, given what it holds now and what is known of it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::super::plan::Namespace;
use super::Listing;
use crate::ids::{BlobId, ChunkId, RepoPath, Sha256Hex};

/// The files of a source, parted by what has to be done about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refresh {
    /// Those whose content has to be fetched.
    pub fetch: Listing,
    /// Those whose chunks are as they should be.
    pub unchanged: BTreeSet<RepoPath>,
    /// Those that are known and not there any more.
    pub gone: BTreeSet<RepoPath>,
}

/// What is remembered of a file whose chunks are in the index: which content it had, in which generation of the index it is,
/// and which chunks it has there. So a file is not taken for unchanged whose chunks have got lost.
pub fn seal<'a>(
    blob: &BlobId,
    namespace: &Namespace,
    chunks: impl IntoIterator<Item = (u32, &'a ChunkId)>,
) -> Sha256Hex {
    let mut chunks: Vec<(u32, &ChunkId)> = chunks.into_iter().collect();
    chunks.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(format!("{blob}\0{namespace}\n"));
    for (index, id) in chunks {
        hash.update(format!("{index} {id}\n"));
    }
    Sha256Hex::from_digest(hash)
}

/// Parts the wanted files of a source. `known` holds their [`seal`]s as they were remembered, and `seal_now` gives the one that
/// a file would have if it still had this content: by the chunks that the index is certain to hold.
pub fn refresh(
    wanted: &Listing,
    known: &BTreeMap<RepoPath, Sha256Hex>,
    seal_now: impl Fn(&RepoPath, &BlobId) -> Sha256Hex,
) -> Refresh {
    let mut found = Refresh::default();
    for (path, listed) in wanted {
        if known.get(path).is_some_and(|known| *known == seal_now(path, &listed.blob)) {
            found.unchanged.insert(path.clone());
        } else {
            found.fetch.insert(path.clone(), listed.clone());
        }
    }
    found.gone = known.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
    found
}

#[cfg(test)]
mod tests {
    use super::super::Listed;
    use super::*;
    use crate::embedding::ChunkSettings;
    use proptest::prelude::*;

    type Chunks = BTreeMap<RepoPath, Vec<ChunkId>>;

    fn namespace(model: &str) -> Namespace {
        Namespace::of(model, 8, &ChunkSettings::default())
    }

    fn blob(content: u8) -> BlobId {
        BlobId::parse(&format!("{content:040x}")).unwrap()
    }

    fn listing(files: &BTreeMap<u8, u8>) -> Listing {
        let one =
            |(path, content): (&u8, &u8)| (RepoPath::new(path.to_string()), Listed { blob: blob(*content), bytes: 1 });
        files.iter().map(one).collect()
    }

    /// As many chunks as the content's number says.
    fn cut(path: &RepoPath, blob: &BlobId) -> Vec<ChunkId> {
        let count = u8::from_str_radix(&blob.as_str()[38..], 16).unwrap();
        (0..count).map(|n| ChunkId::from_store(format!("{path} {n} {blob}"))).collect()
    }

    fn sealed(blob: &BlobId, chunks: &[ChunkId], model: &str) -> Sha256Hex {
        seal(blob, &namespace(model), (0..).zip(chunks))
    }

    /// What is known, and what the index holds, once all has been done that was to be done.
    fn applied(wanted: &Listing, found: &Refresh, held: &mut Chunks, model: &str) -> BTreeMap<RepoPath, Sha256Hex> {
        held.retain(|path, _| !found.gone.contains(path));
        for (path, listed) in &found.fetch {
            held.insert(path.clone(), cut(path, &listed.blob));
        }
        wanted.iter().map(|(path, listed)| (path.clone(), sealed(&listed.blob, &held[path], model))).collect()
    }

    fn look(wanted: &Listing, known: &BTreeMap<RepoPath, Sha256Hex>, held: &Chunks, model: &str) -> Refresh {
        let none = Vec::new();
        refresh(wanted, known, |path, blob| sealed(blob, held.get(path).unwrap_or(&none), model))
    }

    fn files() -> impl Strategy<Value = BTreeMap<u8, u8>> {
        prop::collection::btree_map(0..12_u8, 0..4_u8, 0..10)
    }

    #[test]
    fn a_file_whose_chunks_are_not_all_there_is_fetched_again() {
        let wanted = listing(&BTreeMap::from([(1, 3), (2, 2)]));
        let mut held = Chunks::new();
        let known = applied(&wanted, &look(&wanted, &BTreeMap::new(), &held, "m"), &mut held, "m");
        assert!(look(&wanted, &known, &held, "m").fetch.is_empty());
        held.get_mut(&RepoPath::new("1")).unwrap().pop();
        assert_eq!(look(&wanted, &known, &held, "m").fetch.keys().collect::<Vec<_>>(), [&RepoPath::new("1")]);
        assert_eq!(look(&wanted, &known, &held, "another model").fetch.len(), 2);
    }

    #[test]
    fn the_order_in_which_chunks_are_told_does_not_count_but_their_places_do() {
        let ids = ["a", "b"].map(ChunkId::from_store);
        let of = |chunks: &[(u32, &ChunkId)]| seal(&blob(1), &namespace("m"), chunks.iter().copied());
        assert_eq!(of(&[(0, &ids[0]), (1, &ids[1])]), of(&[(1, &ids[1]), (0, &ids[0])]));
        assert_ne!(of(&[(0, &ids[0]), (1, &ids[1])]), of(&[(1, &ids[0]), (0, &ids[1])]));
        assert_ne!(of(&[]), seal(&blob(2), &namespace("m"), []));
    }

    proptest! {
        #[test]
        fn applied_twice_it_fetches_nothing(before in files(), after in files()) {
            let (before, after) = (listing(&before), listing(&after));
            let mut held = Chunks::new();
            let known = applied(&before, &look(&before, &BTreeMap::new(), &held, "m"), &mut held, "m");
            let found = look(&after, &known, &held, "m");
            let changed = after.iter().filter(|(path, listed)| before.get(path) != Some(listed)).count();
            prop_assert_eq!(found.fetch.len(), changed, "what has not changed is not fetched");
            let known = applied(&after, &found, &mut held, "m");
            let again = look(&after, &known, &held, "m");
            prop_assert!(again.fetch.is_empty() && again.gone.is_empty(), "{again:?}");
            prop_assert_eq!(again.unchanged.len(), after.len());
        }
    }
}
