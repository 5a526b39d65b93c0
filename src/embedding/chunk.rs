//! Cuts texts into chunks: at paragraphs where possible, else at sentences, else at words, never inside a character.

use std::collections::BTreeSet;

use serde::Serialize;
use unicode_normalization::char::is_combining_mark;

use super::settings::ChunkSettings;
use super::text::Text;
use crate::ids::{AssetKey, ChunkId, RepoPath, Sha256Hex};

/// A piece of an asset's text, small enough for one vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chunk {
    /// Follows from the asset and the text alone.
    pub id: ChunkId,
    /// Whose text it is.
    pub asset: AssetKey,
    /// The file it stands in.
    pub path: RepoPath,
    /// Its place among the asset's chunks, from 0.
    pub index: u32,
    /// The text itself.
    pub text: String,
    /// The digest of the text: equal digests have equal vectors, whosever they are.
    pub hash: Sha256Hex,
}

/// The chunks of one asset's texts, in order; a text that comes twice is one chunk.
pub fn chunks(asset: &AssetKey, texts: &[Text], settings: &ChunkSettings) -> Vec<Chunk> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (max, overlap) = (size(settings.max), size(settings.overlap));
    let mut seen = BTreeSet::new();
    let pieces =
        texts.iter().flat_map(|text| cut(&text.text, max, overlap).into_iter().map(|piece| (&text.path, piece)));
    let distinct = pieces.filter_map(|(path, piece)| {
        let id = ChunkId::of(asset, piece);
        seen.insert(id.clone()).then_some((id, path, piece))
    });
    let chunk = |((id, path, piece), index): ((ChunkId, &RepoPath, &str), u32)| Chunk {
        id,
        asset: asset.clone(),
        path: path.clone(),
        index,
        text: piece.to_owned(),
        hash: Sha256Hex::of(piece.as_bytes()),
    };
    distinct.zip(0..).map(chunk).collect()
}

/// The same chunks, each of which says what it is about: the context stands before those that do not begin with it.
pub fn in_context(chunks: Vec<Chunk>, context: &str) -> Vec<Chunk> {
    let context = context.trim();
    if context.is_empty() {
        return chunks;
    }
    let within = |chunk: Chunk| {
        if chunk.text.starts_with(context) {
            return chunk;
        }
        let text = format!("{context}\n\n{}", chunk.text);
        Chunk { id: ChunkId::of(&chunk.asset, &text), hash: Sha256Hex::of(text.as_bytes()), text, ..chunk }
    };
    chunks.into_iter().map(within).collect()
}

/// How good a place is to cut before a character; greater is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Border {
    /// Inside a character as a reader sees it: accents, joined emoji, flags.
    Inside,
    Character,
    Word,
    Sentence,
    Paragraph,
}

/// A text with what stands before each of its characters.
struct Ruler<'a> {
    text: &'a str,
    /// Where each character begins, and where the last one ends.
    offsets: Vec<usize>,
    borders: Vec<Border>,
    blanks: Vec<bool>,
}

/// Cuts a text into pieces of at most `max` characters, where each may repeat up to `overlap` characters of the one before.
///
/// Of the paragraphs that may begin a piece it takes one by its content, not by its place: after an edit the borders fall
/// into step with the old ones again.
pub fn cut(text: &str, max: usize, overlap: usize) -> Vec<&str> {
    let max = max.max(1);
    let ruler = Ruler::new(text.trim_end());
    let count = ruler.borders.len();
    let (mut start, mut done) = (ruler.skip_blanks(0), 0);
    let mut pieces = Vec::new();
    while count.saturating_sub(start) > max {
        let end = ruler.end(start, (done + 1).max(start + 1), start + max);
        pieces.push(ruler.slice(start, end));
        done = ruler.skip_blanks(end);
        start = ruler.skip_blanks(ruler.restart(start, end, overlap.min(max - 1)));
        if start + max <= done {
            start = ruler.skip_blanks(done);
        }
    }
    if start < count {
        pieces.push(ruler.slice(start, count));
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

impl<'a> Ruler<'a> {
    fn new(text: &'a str) -> Self {
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut borders = Vec::with_capacity(text.len());
        let mut blanks = Vec::with_capacity(text.len());
        let mut scan = Scan::default();
        for (offset, c) in text.char_indices() {
            offsets.push(offset);
            borders.push(scan.next(c));
            blanks.push(c.is_whitespace());
        }
        offsets.push(text.len());
        let mut ruler = Self { text, offsets, borders, blanks };
        ruler.level_blanks();
        ruler
    }

    /// Blanks are cut off either way: to cut before them is as good as to cut after them.
    fn level_blanks(&mut self) {
        let mut after = None;
        for (border, blank) in self.borders.iter_mut().zip(&self.blanks).rev() {
            match after {
                _ if !blank => after = Some(*border),
                Some(after) if *border != Border::Inside => *border = after,
                _ => {}
            }
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        let offset = |i: usize| self.offsets.get(i).copied().unwrap_or(self.text.len());
        self.text.get(offset(from)..offset(to)).unwrap_or_default().trim()
    }

    fn skip_blanks(&self, from: usize) -> usize {
        let rest = self.blanks.get(from..).unwrap_or_default();
        rest.iter().position(|blank| !blank).map_or(self.blanks.len(), |blanks| from + blanks)
    }

    fn border(&self, at: usize) -> Border {
        self.borders.get(at).copied().unwrap_or(Border::Paragraph)
    }

    /// Where a piece from `start` ends: after `least`, at most at `most`, at the best border there is.
    fn end(&self, start: usize, least: usize, most: usize) -> usize {
        let half = (start + (most - start) / 2).max(least);
        let quarter = (start + (most - start) / 4).max(least);
        let is = |border: Border| move |at: &usize| self.border(*at) >= border;
        let paragraphs = (half..=most).filter(is(Border::Paragraph));
        let last = |from: usize, border: Border| (from..=most).rev().find(is(border));
        paragraphs
            .min_by_key(|at| self.weight(*at))
            .or_else(|| last(quarter, Border::Paragraph))
            .or_else(|| last(half, Border::Sentence))
            .or_else(|| last(quarter, Border::Word))
            .or_else(|| last(least, Border::Character))
            .unwrap_or(most)
    }

    /// Where the next piece begins: at most `overlap` characters before the end of the last one, at a whole sentence or word.
    fn restart(&self, start: usize, end: usize, overlap: usize) -> usize {
        let from = end.saturating_sub(overlap).max(start + 1);
        let first = |border: Border| (from..end).find(|at| self.border(*at) >= border);
        first(Border::Sentence).or_else(|| first(Border::Word)).unwrap_or(end)
    }

    /// A number that follows from the first characters of the paragraph at `at` alone.
    fn weight(&self, at: usize) -> u64 {
        let paragraph = self.offsets.get(at).and_then(|offset| self.text.get(*offset..)).unwrap_or_default();
        let head = paragraph.trim_start().chars().take(64).take_while(|c| *c != '\n');
        let hash =
            head.fold(0xcbf2_9ce4_8422_2325_u64, |h, c| (h ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3));
        // The last step of the hash does not reach its low bits' neighbours; mix once more.
        (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

/// What has been read so far, as far as the next border depends on it.
#[derive(Default)]
struct Scan {
    last: Option<char>,
    blanks: bool,
    newlines: usize,
    sentence_over: bool,
    odd_flags: bool,
}

impl Scan {
    /// The border before `c`.
    fn next(&mut self, c: char) -> Border {
        let border = match self.last {
            None => Border::Paragraph,
            Some(last) if joins(last, c, self.odd_flags) => Border::Inside,
            Some(_) if c.is_whitespace() => Border::Character,
            Some(_) if self.newlines > 1 => Border::Paragraph,
            Some(_) if self.blanks && self.sentence_over => Border::Sentence,
            Some('。' | '！' | '？') => Border::Sentence,
            Some(last) if self.blanks || is_wide(last) || is_wide(c) => Border::Word,
            Some(_) => Border::Character,
        };
        self.odd_flags = is_flag(c) && !self.odd_flags;
        if c.is_whitespace() {
            self.blanks = true;
            self.newlines += usize::from(c == '\n');
        } else {
            (self.blanks, self.newlines) = (false, 0);
            // Quotes and brackets after a full stop still belong to the sentence.
            let closes = matches!(c, '"' | '\'' | ')' | ']' | '»' | '”' | '’');
            self.sentence_over = matches!(c, '.' | '!' | '?' | '…') || (closes && self.sentence_over);
        }
        self.last = Some(c);
        border
    }
}

/// Whether a reader sees `last` and `c` as one character.
fn joins(last: char, c: char, odd_flags: bool) -> bool {
    if last.is_ascii() && c.is_ascii() {
        return last == '\r' && c == '\n';
    }
    is_combining_mark(c)
        || last == '\u{200d}'
        || matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
        || (odd_flags && is_flag(c))
}

/// Letters that make flags in pairs.
fn is_flag(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Scripts that are written without blanks.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
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
        (0..8)
            .map(|i| format!("Sentence {i} of part {n} says {}.", n.wrapping_mul(7919) + i))
            .collect::<Vec<_>>()
            .join(" ")
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

    proptest! {
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
}
