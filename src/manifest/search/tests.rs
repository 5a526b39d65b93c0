use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::ids::{AssetId, CollectionName};
use crate::manifest::files::is_immutable;

/// A bundle read back as docs/search.md describes it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub assets: Vec<(String, String)>,
    /// Each chunk's asset, number of words, power and levels.
    pub chunks: Vec<(usize, u64, i8, Vec<i8>)>,
    /// For each word, the chunks that have it and how often.
    pub words: BTreeMap<String, BTreeMap<u64, u64>>,
}

/// Bytes, read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn four(&mut self) -> usize {
        usize::try_from(u32::from_le_bytes(self.take(4).try_into().unwrap())).unwrap()
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= u64::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return number;
            }
        }
    }

    fn size(&mut self) -> usize {
        usize::try_from(self.number()).unwrap()
    }
}

pub(crate) fn head(bundle: &Bundle) -> SearchHead {
    serde_json::from_slice(&bundle.files[&bundle.head.path]).unwrap()
}

pub(crate) fn read(bundle: &Bundle) -> Read {
    let head = head(bundle);
    let file = |file: &FileRef| {
        let bytes = &bundle.files[&file.path];
        assert_eq!((file.bytes, file.sha256.as_str()), (size(bytes), Sha256Hex::of(bytes).as_str()));
        assert!(file.path.contains(&file.sha256) && is_immutable(&file.path), "{}", file.path);
        bytes.as_slice()
    };
    let mut read = Read::default();
    let mut bytes = Reader(file(&head.vectors));
    assert_eq!(bytes.take(8), VECTORS);
    let [version, assets, chunks, dimensions, keys] = [(); 5].map(|()| bytes.four());
    assert_eq!((version, assets, chunks, dimensions), (1, head.assets, head.chunks, head.model.dimensions));
    let (powers, levels) = (bytes.take(chunks), bytes.take(chunks * dimensions));
    let keys: Vec<(String, Vec<String>)> = serde_json::from_slice(bytes.take(keys)).unwrap();
    read.assets = keys.into_iter().flat_map(|(name, ids)| ids.into_iter().map(move |id| (name.clone(), id))).collect();
    let of: Vec<usize> = (0..assets).flat_map(|asset| vec![asset; bytes.size()]).collect();
    for (chunk, asset) in of.into_iter().enumerate() {
        let signed = |bytes: &[u8]| bytes.iter().map(|byte| i8::from_le_bytes([*byte])).collect::<Vec<_>>();
        let levels = signed(&levels[chunk * dimensions..(chunk + 1) * dimensions]);
        read.chunks.push((asset, bytes.number(), signed(powers)[chunk], levels));
    }
    assert_eq!((bytes.0.len(), read.chunks.len()), (0, chunks));
    for words in &head.words {
        let (mut bytes, mut last) = (Reader(file(&words.file)), Vec::new());
        let mut first = true;
        while !bytes.0.is_empty() {
            last.truncate(bytes.size());
            let more = bytes.size();
            last.extend_from_slice(bytes.take(more));
            let word = String::from_utf8(last.clone()).unwrap();
            assert!(!std::mem::take(&mut first) || word == words.from);
            let (mut chunks, mut next) = (BTreeMap::new(), 0);
            for _ in 0..bytes.number() {
                let step = bytes.number();
                let count = if step & 1 == 1 { bytes.number() + 2 } else { 1 };
                chunks.insert(next + (step >> 1), count);
                next += (step >> 1) + 1;
            }
            assert!(read.words.insert(word, chunks).is_none());
        }
    }
    read
}

fn key(collection: &str, id: &str) -> AssetKey {
    AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) }
}

fn model(dimensions: usize) -> Model {
    Model { name: "m".to_owned(), dimensions, bytes: b"model".to_vec() }
}

const SCORING: Scoring = Scoring { k1: 1.2, b: 0.75, words: 0.5 };

fn made(chunks: &[(&str, &str, &str)]) -> Bundle {
    let mut writer = Writer::default();
    for (collection, id, text) in chunks {
        writer.add(&key(collection, id), &[3, 255, 127], text.split_whitespace().map(str::to_owned));
    }
    writer.finish(model(2), SCORING).unwrap().unwrap()
}

#[test]
fn what_was_written_is_read_back() {
    let bundle = made(&[("a", "2", "hex bolt hex"), ("a", "2", "bolt"), ("b", "1", ""), ("b", "10", "hexagon hex")]);
    let read = read(&bundle);
    assert_eq!(read.assets, [("a", "2"), ("b", "1"), ("b", "10")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let chunks: Vec<_> = read.chunks.iter().map(|(asset, length, _, _)| (*asset, *length)).collect();
    assert_eq!(chunks, [(0, 3), (0, 1), (1, 0), (2, 2)]);
    assert!(read.chunks.iter().all(|(_, _, power, levels)| *power == 3 && *levels == [-1, 127]));
    let hex = BTreeMap::from([(0, 2), (3, 1)]);
    assert_eq!(read.words["hex"], hex);
    assert_eq!(read.words.keys().collect::<Vec<_>>(), ["bolt", "hex", "hexagon"]);
    let head = head(&bundle);
    assert_eq!((head.assets, head.chunks, head.words[0].from.as_str()), (3, 4, "bolt"));
    let schema = schemars::schema_for!(SearchHead).to_value();
    assert!(jsonschema::is_valid(&schema, &serde_json::to_value(&head).unwrap()));
}

#[test]
fn the_head_comes_first_and_the_same_chunks_give_the_same_files() {
    let chunks = [("a", "1", "one"), ("a", "2", "two")];
    assert_eq!(made(&chunks), made(&chunks));
    let names = made(&chunks).names();
    let kinds: Vec<_> = names.iter().map(|name| name.split_once('-').unwrap().0).collect();
    assert_eq!(kinds, ["search", "model", "vectors", "words"]);
    assert_ne!(made(&chunks).head, made(&chunks[..1]).head);
}

#[test]
fn where_there_is_no_text_there_is_no_search() {
    assert_eq!(Writer::default().finish(model(2), SCORING), Ok(None));
}

#[test]
fn a_word_that_nobody_types_counts_and_is_not_listed() {
    let text = format!("short {}", "long".repeat(300));
    let read = read(&made(&[("a", "1", &text)]));
    assert_eq!((read.chunks[0].1, read.words.keys().map(String::as_str).collect::<Vec<_>>()), (2, vec!["short"]));
}

#[test]
fn vectors_of_another_length_than_the_models_are_refused() {
    let mut writer = Writer::default();
    writer.add(&key("a", "1"), &[0, 1, 2, 3], std::iter::empty());
    assert!(writer.finish(model(2), SCORING).is_err());
}

#[test]
fn many_words_take_several_files_and_a_query_needs_few_of_them() {
    let mut writer = Writer::default();
    for chunk in 0..2_000 {
        let words = (0..40).map(|word| format!("word{}", (chunk * 7 + word * 131) % 9_000));
        writer.add(&key("a", &format!("{chunk:05}")), &[0, 1, 2], words);
    }
    let bundle = writer.finish(model(2), SCORING).unwrap().unwrap();
    let head = head(&bundle);
    assert!(head.words.len() > 1 && head.words.iter().all(|words| words.file.bytes < 128 * 1024));
    assert!(head.words.windows(2).all(|pair| pair[0].from < pair[1].from));
    assert_eq!(read(&bundle).words.values().map(BTreeMap::len).sum::<usize>(), 80_000);
}

proptest! {
    #[test]
    fn any_words_in_any_chunks_come_back(texts in prop::collection::vec(prop::collection::vec("[a-cé😀]{1,3}|x{200}", 0..8), 1..12)) {
        let mut writer = Writer::default();
        let mut expected: BTreeMap<String, BTreeMap<u64, u64>> = BTreeMap::new();
        for (chunk, words) in texts.iter().enumerate() {
            writer.add(&key("a", &format!("{:03}", chunk / 3)), &[0, 1, 2], words.iter().cloned());
            for word in words {
                *expected.entry(word.clone()).or_default().entry(count(chunk)).or_default() += 1;
            }
        }
        let read = read(&writer.finish(model(2), SCORING).unwrap().unwrap());
        prop_assert_eq!(read.words, expected);
        let lengths: Vec<usize> = read.chunks.iter().map(|(_, length, _, _)| usize::try_from(*length).unwrap()).collect();
        prop_assert_eq!(lengths, texts.iter().map(Vec::len).collect::<Vec<_>>());
        prop_assert_eq!(read.assets.iter().collect::<BTreeSet<_>>().len(), texts.len().div_ceil(3));
    }

    #[test]
    fn numbers_of_any_size_come_back(numbers in prop::collection::vec(any::<u64>(), 0..20)) {
        let mut bytes = Vec::new();
        numbers.iter().for_each(|number| write(&mut bytes, *number));
        let mut reader = Reader(&bytes);
        let found: Vec<u64> = numbers.iter().map(|_| reader.number()).collect();
        prop_assert_eq!((found, reader.0.len()), (numbers, 0));
    }
}

mod editions {
    use std::sync::Arc;

    use super::*;
    use crate::manifest::edition::tests::Library;
    use crate::manifest::edition::{Edition, Offer};
    use crate::manifest::format::ExportList;
    use crate::manifest::layout::{Habits, Layout};

    fn search(make: impl Fn() -> Result<Option<Bundle>, String> + Send + Sync + 'static) -> Search {
        Search { made_from: Sha256Hex::of(b"settings"), make: Arc::new(move || make().map(|made| made.map(Arc::new))) }
    }

    fn edition(search: &Search, habits: Habits) -> Result<Edition, BuildError> {
        let library = Library::of(&[("a", 1)]);
        let offer = Offer { search: Some(search), ..library.offer() };
        Edition::after(None, &offer, &Layout::of(&library.manifest, habits).unwrap())
    }

    #[test]
    fn the_root_names_the_head_and_the_exports_name_all_files() {
        let bundle = made(&[("products", "a", "hex bolt")]);
        let there = bundle.clone();
        let edition = edition(&search(move || Ok(Some(there.clone()))), Habits::Followed).unwrap();
        assert_eq!(edition.root.search.as_ref(), Some(&bundle.head));
        let list: ExportList =
            serde_json::from_slice(&edition.files[&edition.root.exports.as_ref().unwrap().path]).unwrap();
        let listed: Vec<_> = list.exports["search"].iter().map(|file| file.path.clone()).collect();
        assert_eq!(listed, bundle.names());
        assert!(bundle.files.iter().all(|(name, bytes)| edition.files.get(name) == Some(bytes)));
    }

    #[test]
    fn a_release_makes_none() {
        let never = search(|| Err("a release has no search".to_owned()));
        assert_eq!(edition(&never, Habits::Snapshot).unwrap().root.search, None);
    }

    #[test]
    fn a_library_without_texts_is_published_without_one() {
        let edition = edition(&search(|| Ok(None)), Habits::Followed).unwrap();
        assert_eq!((edition.root.search, edition.root.exports), (None, None));
    }

    #[test]
    fn what_hinders_it_hinders_the_edition() {
        let error = edition(&search(|| Err("the text a.md has gone".to_owned())), Habits::Followed).unwrap_err();
        assert_eq!(error.to_string(), "the search for the page cannot be made: the text a.md has gone");
    }

    #[test]
    fn what_it_is_made_from_is_part_of_the_presentation_and_where_there_is_none_nothing_is() {
        let library = Library::of(&[("a", 1)]);
        let of = |search: Option<&Search>| Offer { search, ..library.offer() }.presentation().unwrap();
        let (one, other) = (search(|| Ok(None)), Search { made_from: Sha256Hex::of(b"x"), ..search(|| Ok(None)) });
        assert!(of(None) != of(Some(&one)) && of(Some(&one)) != of(Some(&other)));
    }
}
