use super::*;
use crate::ids::{AssetId, CollectionName};
use proptest::prelude::*;

fn key(id: &str) -> AssetKey {
    AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) }
}

fn text(text: &str) -> Text {
    Text { path: RepoPath::new("a.md"), text: text.to_owned() }
}

/// A paragraph of about 300 characters that no other number has.
fn paragraph(n: u32) -> String {
    (0..8).map(|i| format!("Sentence {i} of part {n} says {}.", n.wrapping_mul(7919) + i)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_context_stands_before_each_chunk_that_does_not_begin_with_it() {
    let key = AssetKey { collection: CollectionName::new("p"), id: AssetId::new("bolt") };
    let text = Text { path: RepoPath::new("a.md"), text: "Hex bolt\n\nmade of steel".to_owned() };
    let cut = chunks(&key, &[text], &ChunkSettings { max: 10, overlap: 0, ..ChunkSettings::default() });
    let found = in_context(cut.clone(), " Hex bolt ");
    let texts: Vec<_> = found.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, ["Hex bolt", "Hex bolt\n\nmade of", "Hex bolt\n\nsteel"]);
    assert!(found[0] == cut[0] && found[1].id != cut[1].id && found[1].hash != cut[1].hash);
    assert_eq!(in_context(cut.clone(), " "), cut);
}

#[test]
fn a_short_text_is_one_chunk() {
    assert_eq!(cut("Hex bolt.\n\nSteel.", 100, 20), ["Hex bolt.\n\nSteel."]);
    assert!(cut("", 100, 20).is_empty());
    assert!(cut(" \n ", 1, 0).is_empty());
}

#[test]
fn paragraphs_come_first_then_sentences_then_words_then_characters() {
    assert_eq!(cut("One one one.\n\nTwo two two.", 20, 0), ["One one one.", "Two two two."]);
    assert_eq!(cut("One is here. Two is there.", 20, 0), ["One is here.", "Two is there."]);
    assert_eq!(cut("one two three four", 10, 0), ["one two", "three four"]);
    assert_eq!(cut("abcdefghij", 4, 0), ["abcd", "efgh", "ij"]);
    assert_eq!(cut("He said \"no.\" And left it so.", 20, 0), ["He said \"no.\"", "And left it so."]);
    assert_eq!(cut("一二三。四五六七。八九", 6, 0), ["一二三。", "四五六七。", "八九"]);
}

#[test]
fn the_next_chunk_repeats_whole_sentences_or_words() {
    assert_eq!(cut("Aa bb. Cc dd. Ee ff. Gg hh.", 14, 7), ["Aa bb. Cc dd.", "Cc dd. Ee ff.", "Ee ff. Gg hh."]);
    assert_eq!(cut("one two three four five", 14, 6), ["one two three", "three four", "four five"]);
}

#[test]
fn a_character_as_a_reader_sees_it_stays_whole() {
    assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 3, 0), ["e\u{301}", "e\u{301}", "e\u{301}"]);
    assert_eq!(cut("👩‍👩‍👧👍🏽🇩🇪🇫🇷", 5, 0), ["👩‍👩‍👧", "👍🏽🇩🇪", "🇫🇷"]);
}

#[test]
fn chunks_are_numbered_and_a_repeated_text_is_one() {
    let texts = [text("same"), text("other"), text("same")];
    let chunks = chunks(&key("bolt"), &texts, &ChunkSettings::default());
    assert_eq!(chunks.iter().map(|c| (c.index, c.text.as_str())).collect::<Vec<_>>(), [(0, "same"), (1, "other")]);
    assert_eq!(chunks[0].id, ChunkId::of(&key("bolt"), "same"));
    assert_eq!(chunks[0].hash, Sha256Hex::of(b"same"));
}

#[test]
fn in_characters_texts_are_cut_as_they_always_were() {
    let words =
        ["hex", "Bolt,", "steel.", "\n\n", "中文字", "e\u{301}x", "👩‍👩‍👧", "a-very-long-word-of-many-parts", "Ends!"];
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    let text: String = (0..2000).flat_map(|_| [words[next() % words.len()], " "]).collect();
    let all = [(1000, 200), (100, 99), (37, 11), (5, 0), (1, 0)];
    let pieces: Vec<String> = all.iter().map(|(max, overlap)| cut(&text, *max, *overlap).join("\0")).collect();
    let digest = Sha256Hex::of(pieces.join("\n").as_bytes());
    assert_eq!(
        digest.as_str(),
        "ac1d11ef7f7820d0f91f48d42b232bc3b660e492b0626fd48f9d2ef4107d7aa4",
        "another cut is another generation: raise plan::CHUNKER"
    );
}

#[test]
fn in_tokens_no_more_of_them_than_wanted_are_in_a_chunk() {
    let text = "One two three. Four five six seven. Eight internationalisation nine.";
    let pieces = cut_by(text, 9, 0, &Estimate);
    assert_eq!(pieces, ["One two three. Four five six seven.", "Eight internationalisation nine."]);
    assert_eq!(cut_by(text, 5, 2, &Estimate)[..3], ["One two three.", "Four five six seven.", "Eight"]);
    assert_eq!(cut_by(text, 1000, 0, &Estimate), [text]);
    let settings = ChunkSettings { max: 20, overlap: 0, unit: Unit::Tokens };
    let text = |n: usize| [Text { path: RepoPath::new("a.md"), text: "bolt ".repeat(n).trim_end().to_owned() }];
    let count = |n| chunks_by(&key("bolt"), &text(n), &settings, &Estimate).len();
    assert_eq!((count(20), count(21)), (1, 2));
}

#[test]
fn what_a_model_passes_over_makes_no_endless_chunk() {
    /// A model that knows one token, whatever it is asked.
    struct One;
    impl Tokens for One {
        fn starts(&self, text: &str) -> Vec<usize> {
            if text.is_empty() { Vec::new() } else { vec![0] }
        }
    }
    let text = "x".repeat(10_000);
    assert!(cut_by(&text, 20, 5, &One).iter().all(|piece| piece.len() <= 20 * LONGEST_TOKEN));
}

#[test]
fn an_edit_moves_few_borders() {
    let old: Vec<String> = (0..60).map(paragraph).collect();
    let mut new = old.clone();
    new[3] = "A new and much longer paragraph takes the place of the fourth. ".repeat(9);
    new.insert(5, "And one comes in.".to_owned());
    let (old, new) = (old.join("\n\n"), new.join("\n\n"));
    let (old, new) = (cut(&old, 1000, 200), cut(&new, 1000, 200));
    let changed = new.iter().filter(|piece| !old.contains(piece)).count();
    assert!(old.len() > 20 && changed <= 5, "{changed} of {} changed", new.len());
}

fn prose() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-c .!?\\n]{0,300}",
        "([a-z]{1,8}[ .\\n]{1,3}){0,60}",
        "[é\u{301}👍🏽\u{200d}🇩a \\n。字]{0,120}"
    ]
}

/// A tokenizer whose tokens of a part of a word are others than those of the word, as is usual; now more, now fewer.
struct Fickle;

impl Tokens for Fickle {
    fn starts(&self, text: &str) -> Vec<usize> {
        let mut starts = Vec::new();
        for word in text.split_inclusive(char::is_whitespace) {
            let at = word.as_ptr() as usize - text.as_ptr() as usize;
            let bare = word.trim();
            let step = 1 + bare.bytes().map(usize::from).sum::<usize>() % 5;
            starts.extend(bare.char_indices().step_by(step).map(|(within, _)| at + within));
        }
        starts
    }
}

proptest! {
    #[test]
    fn no_chunk_has_too_many_tokens_and_each_brings_something_new(
        text in prose(), max in 1_usize..40, overlap in 0_usize..40, fickle in any::<bool>()
    ) {
        let tokens: &dyn Tokens = if fickle { &Fickle } else { &Estimate };
        let pieces = cut_by(&text, max, overlap, tokens);
        for piece in &pieces {
            prop_assert!(!piece.is_empty() && tokens.starts(piece).len() <= max, "{piece:?}");
        }
        prop_assert!(pieces.len() <= text.chars().count());
    }

    #[test]
    fn in_tokens_nothing_is_lost(text in prose(), max in 1_usize..40, overlap in 0_usize..40, fickle in any::<bool>()) {
        let tokens: &dyn Tokens = if fickle { &Fickle } else { &Estimate };
        let from = text.as_ptr() as usize;
        let mut covered = vec![false; text.len()];
        for piece in cut_by(&text, max, overlap, tokens) {
            let at = piece.as_ptr() as usize - from;
            covered[at..at + piece.len()].fill(true);
        }
        for (at, c) in text.char_indices() {
            prop_assert!(covered[at] || c.is_whitespace(), "{c:?} at {at} is in no chunk");
        }
    }

    #[test]
    fn in_tokens_no_more_than_the_overlap_is_said_twice(
        text in "([a-z]{1,5}[.]?[ \n]{1,2}){0,80}", max in 12_usize..40, overlap in 0_usize..6
    ) {
        let mut said = 0;
        for piece in cut_by(&text, max, overlap, &Fickle) {
            let at = piece.as_ptr() as usize - text.as_ptr() as usize;
            let repeated = text.get(at..said).unwrap_or_default();
            prop_assert!(Fickle.starts(repeated).len() <= overlap, "{repeated:?}");
            said = at + piece.len();
        }
    }

    #[test]
    fn in_tokens_without_overlap_nothing_is_said_twice(text in prose(), max in 1_usize..40) {
        let bare = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(cut_by(&text, max, 0, &Fickle).into_iter().map(bare).collect::<String>(), bare(&text));
    }

    #[test]
    fn no_chunk_is_too_long_and_each_brings_something_new(text in prose(), max in 1_usize..60, overlap in 0_usize..60) {
        let pieces = cut(&text, max, overlap);
        prop_assert!(pieces.iter().all(|p| !p.is_empty() && p.chars().count() <= max));
        prop_assert!(pieces.len() <= text.chars().count());
    }

    #[test]
    fn nothing_is_lost(text in prose(), max in 1_usize..60, overlap in 0_usize..60) {
        let from = text.as_ptr() as usize;
        let mut covered = vec![false; text.len()];
        for piece in cut(&text, max, overlap) {
            let at = piece.as_ptr() as usize - from;
            covered[at..at + piece.len()].fill(true);
        }
        for (at, c) in text.char_indices() {
            prop_assert!(covered[at] || c.is_whitespace(), "{c:?} at {at} is in no chunk");
        }
    }

    #[test]
    fn without_overlap_nothing_is_said_twice(text in prose(), max in 1_usize..60) {
        let bare = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(cut(&text, max, 0).into_iter().map(bare).collect::<String>(), bare(&text));
    }
}
