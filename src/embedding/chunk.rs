//! Cuts texts into chunks: at paragraphs where possible, else at sentences, else at words, never inside a character.

use std::collections::BTreeSet;

use serde::Serialize;
use unicode_normalization::char::is_combining_mark;

use super::settings::{ChunkSettings, Unit};
use super::text::Text;
use super::tokens::{Estimate, Tokens};
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

/// The chunks of one asset's texts, in order; a text that comes twice is one chunk. Tokens are estimated.
pub fn chunks(asset: &AssetKey, texts: &[Text], settings: &ChunkSettings) -> Vec<Chunk> {
    chunks_by(asset, texts, settings, &Estimate)
}

/// The same, where the tokens of a model count if the settings say so.
pub fn chunks_by(asset: &AssetKey, texts: &[Text], settings: &ChunkSettings, tokens: &dyn Tokens) -> Vec<Chunk> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (max, overlap) = (size(settings.max), size(settings.overlap));
    let cut = |text| match settings.unit {
        Unit::Characters => cut(text, max, overlap),
        Unit::Tokens => cut_by(text, max, overlap, tokens),
    };
    let mut seen = BTreeSet::new();
    let pieces = texts.iter().flat_map(|text| cut(&text.text).into_iter().map(|piece| (&text.path, piece)));
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
struct Ruler<'a, 't> {
    text: &'a str,
    /// Where each character begins, and where the last one ends.
    offsets: Vec<usize>,
    borders: Vec<Border>,
    blanks: Vec<bool>,
    scale: Scale<'t>,
}

/// What lengths are counted in.
enum Scale<'t> {
    Characters,
    Tokens {
        tokens: &'t dyn Tokens,
        /// How many tokens begin before each character, and in all.
        before: Vec<usize>,
    },
}

/// More characters than this never count as one token: marks that a model passes over, or a word too long for it to know,
/// would make chunks of any size.
const LONGEST_TOKEN: usize = 32;

/// Cuts a text into pieces of at most `max` characters, where each may repeat up to `overlap` characters of the one before.
///
/// Of the paragraphs that may begin a piece it takes one by its content, not by its place: after an edit the borders fall
/// into step with the old ones again.
pub fn cut(text: &str, max: usize, overlap: usize) -> Vec<&str> {
    Ruler::new(text.trim_end(), Scale::Characters).cut(max, overlap)
}

/// The same in tokens. A character that is more than `max` tokens is a piece all the same.
pub fn cut_by<'a>(text: &'a str, max: usize, overlap: usize, tokens: &dyn Tokens) -> Vec<&'a str> {
    let text = text.trim_end();
    let starts = tokens.starts(text);
    let mut starts = starts.iter().peekable();
    let mut begun = 0;
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let before = ends
        .map(|at| {
            while starts.next_if(|start| **start < at).is_some() {
                begun += 1;
            }
            begun
        })
        .collect();
    Ruler::new(text, Scale::Tokens { tokens, before }).cut(max, overlap)
}

impl<'a, 't> Ruler<'a, 't> {
    fn new(text: &'a str, scale: Scale<'t>) -> Self {
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
        let mut ruler = Self { text, offsets, borders, blanks, scale };
        ruler.level_blanks();
        ruler
    }

    fn cut(&self, max: usize, overlap: usize) -> Vec<&'a str> {
        let max = max.max(1);
        let count = self.borders.len();
        let (mut start, mut done) = (self.skip_blanks(0), 0);
        let mut pieces = Vec::new();
        while start < count && !self.fits(start, count, max) {
            let Some(end) = self.piece(start, (done + 1).max(start + 1), max) else {
                // What is repeated leaves no room for anything new.
                start = self.skip_blanks(done);
                continue;
            };
            pieces.push(self.slice(start, end));
            done = self.skip_blanks(end);
            start = self.skip_blanks(self.restart(start, end, overlap.min(max - 1)));
            if self.reach(start, max) <= done {
                start = self.skip_blanks(done);
            }
        }
        if start < count {
            pieces.push(self.slice(start, count));
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Where a piece from `start` ends that fits; none where it cannot even hold what comes before `least`.
    fn piece(&self, start: usize, least: usize, max: usize) -> Option<usize> {
        let mut most = self.reach(start, max);
        loop {
            let end = self.end(start, least, most);
            if self.fits(start, end, max) || most <= start + 1 {
                return Some(end);
            }
            if most <= least {
                return if least > start + 1 { None } else { Some(end) };
            }
            most = least + (most - least) / 2;
        }
    }

    /// The farthest place up to which it is about `max` from `start`.
    fn reach(&self, start: usize, max: usize) -> usize {
        match &self.scale {
            Scale::Characters => start + max,
            Scale::Tokens { before, .. } => {
                let limit = before.get(start).copied().unwrap_or_default().saturating_add(max);
                let most = before.partition_point(|begun| *begun <= limit).saturating_sub(1);
                most.min(start.saturating_add(max.saturating_mul(LONGEST_TOKEN))).max(start + 1)
            }
        }
    }

    /// The first place from which it is about `length` to `end`.
    fn back(&self, end: usize, length: usize) -> usize {
        match &self.scale {
            Scale::Characters => end.saturating_sub(length),
            Scale::Tokens { before, .. } => {
                let limit = before.get(end).copied().unwrap_or_default().saturating_sub(length);
                before
                    .partition_point(|begun| *begun < limit)
                    .max(end.saturating_sub(length.saturating_mul(LONGEST_TOKEN)))
            }
        }
    }

    /// Whether a piece is not too long.
    fn fits(&self, start: usize, end: usize, max: usize) -> bool {
        if end > self.reach(start, max) {
            return false;
        }
        match &self.scale {
            Scale::Characters => true,
            // A word that is cut has other tokens than the whole one.
            Scale::Tokens { tokens, .. } if self.is_cut(start) || self.is_cut(end) => {
                tokens.starts(self.slice(start, end)).len() <= max
            }
            Scale::Tokens { .. } => true,
        }
    }

    /// Whether a place may be inside a token: there is no white space on either side.
    fn is_cut(&self, at: usize) -> bool {
        let is_blank = |at: usize| self.blanks.get(at).copied().unwrap_or(true);
        at > 0 && !is_blank(at) && !is_blank(at - 1)
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

    /// Where the next piece begins: at most `overlap` before the end of the last one, at a whole sentence or word.
    fn restart(&self, start: usize, end: usize, overlap: usize) -> usize {
        let from = self.back(end, overlap).max(start + 1);
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
mod tests;
