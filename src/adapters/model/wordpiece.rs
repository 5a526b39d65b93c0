//! BERT's tokenizer, lower-cased: clean, strip accents, split at white space and punctuation, longest piece first.
//!
//! The reference tokenizer knows the characters of Unicode 8. Punctuation and accents that came later are told by today's
//! categories here; no token of the vocabulary has one.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_general_category::{GeneralCategory as Category, get_general_category as category};
use unicode_normalization::UnicodeNormalization as _;

/// The row of a piece that is not in the vocabulary of the model in the binary.
pub(super) const UNKNOWN: u32 = 1;
/// Tokens wherever they stand in a text, before anything is lower-cased, where the vocabulary has them.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// A longer word is unknown; nobody learns from it and the search for its pieces is quadratic.
const LONGEST_WORD: usize = 100;

type Pieces = HashMap<Cow<'static, str>, u32>;

/// Cuts texts into the pieces of a vocabulary.
pub(super) struct WordPiece {
    whole: Pieces,
    /// The pieces that continue a word, without their `##`.
    rest: Pieces,
    special: Vec<(&'static str, u32)>,
    unknown: u32,
    is_lowered: bool,
}

impl WordPiece {
    /// Reads a vocabulary of one token a line; a token's row is the number of its line.
    pub(super) fn new(vocabulary: &'static str) -> Self {
        Self::of(vocabulary.lines().map(Cow::Borrowed).zip(0..), true)
    }

    /// A vocabulary of tokens with their rows; `is_lowered` where it knows lower-case letters without accents alone.
    pub(super) fn of(tokens: impl Iterator<Item = (Cow<'static, str>, u32)>, is_lowered: bool) -> Self {
        let (mut whole, mut rest) = (Pieces::with_capacity(32_768), Pieces::with_capacity(8_192));
        for (token, row) in tokens {
            let piece = match &token {
                Cow::Borrowed(token) => token.strip_prefix("##").map(Cow::Borrowed),
                Cow::Owned(token) => token.strip_prefix("##").map(|piece| Cow::Owned(piece.to_owned())),
            };
            match piece.filter(|piece| !piece.is_empty()) {
                Some(piece) => rest.insert(piece, row),
                None => whole.insert(token, row),
            };
        }
        let special = SPECIAL.iter().filter_map(|token| Some((*token, *whole.get(*token)?))).collect();
        let unknown = whole.get("[UNK]").copied().unwrap_or(UNKNOWN);
        Self { whole, rest, special, unknown, is_lowered }
    }

    /// The row of a token, as it stands in the vocabulary.
    #[cfg(feature = "onnx")]
    pub(super) fn row(&self, token: &str) -> Option<u32> {
        self.whole.get(token).copied()
    }

    /// About where each token of a text begins, in bytes: between words exactly, inside of one evenly.
    pub(super) fn starts(&self, text: &str) -> Vec<usize> {
        let mut starts = Vec::with_capacity(text.len() / 4 + 1);
        let mut from = 0;
        for (at, c) in text.char_indices() {
            let alone = is_punctuation(c) || is_ideograph(c);
            if alone || (c.is_whitespace() && !is_dropped(c)) {
                self.spread(text, from, at, &mut starts);
                from = at + c.len_utf8();
            }
            if alone {
                starts.push(at);
            }
        }
        self.spread(text, from, text.len(), &mut starts);
        starts
    }

    /// As many places as the piece of text has tokens.
    fn spread(&self, text: &str, from: usize, to: usize, starts: &mut Vec<usize>) {
        let Some(piece) = text.get(from..to).filter(|piece| !piece.is_empty()) else { return };
        let count = self.rows(piece).len();
        let place = |n: usize| from + n * piece.len() / count;
        starts.extend(
            (0..count).map(place).map(|at| (from..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(from)),
        );
    }

    /// The rows of the text's tokens.
    pub(super) fn rows(&self, text: &str) -> Vec<u32> {
        let mut rows = Vec::new();
        let mut left = text;
        while let Some((at, special, row)) = self.first_special(left) {
            self.plain(&left[..at], &mut rows);
            rows.push(row);
            left = &left[at + special.len()..];
        }
        self.plain(left, &mut rows);
        rows
    }

    fn plain(&self, text: &str, rows: &mut Vec<u32>) {
        let text = normalise(text, self.is_lowered);
        for word in text.split(char::is_whitespace) {
            let mut from = 0;
            for (at, mark) in word.char_indices().filter(|(_, c)| is_punctuation(*c)) {
                self.word(&word[from..at], rows);
                from = at + mark.len_utf8();
                self.word(&word[at..from], rows);
            }
            self.word(&word[from..], rows);
        }
    }

    fn word(&self, word: &str, rows: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        if word.chars().nth(LONGEST_WORD).is_some() {
            return rows.push(self.unknown);
        }
        let before = rows.len();
        let mut from = 0;
        while from < word.len() {
            let Some((row, to)) = self.longest(word, from) else {
                // One unknown piece makes the whole word unknown.
                rows.truncate(before);
                return rows.push(self.unknown);
            };
            rows.push(row);
            from = to;
        }
    }

    fn longest(&self, word: &str, from: usize) -> Option<(u32, usize)> {
        let pieces = if from == 0 { &self.whole } else { &self.rest };
        let ends = word[from..].char_indices().map(|(at, c)| from + at + c.len_utf8());
        ends.rev().find_map(|to| pieces.get(&word[from..to]).map(|row| (*row, to)))
    }

    fn first_special(&self, text: &str) -> Option<(usize, &'static str, u32)> {
        // Most texts have no bracket at all.
        let from = text.find('[')?;
        self.special
            .iter()
            .filter_map(|(special, row)| Some((from + text[from..].find(special)?, *special, *row)))
            .min()
    }
}

fn normalise(text: &str, is_lowered: bool) -> String {
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars().filter(|c| !is_dropped(*c)) {
        if c.is_whitespace() {
            clean.push(' ');
        } else if is_ideograph(c) {
            clean.extend([' ', c, ' ']);
        } else {
            clean.push(c);
        }
    }
    if !is_lowered {
        return clean;
    }
    if clean.is_ascii() {
        clean.make_ascii_lowercase();
        return clean;
    }
    clean
        .nfd()
        .filter(|c| c.is_ascii() || category(*c) != Category::NonspacingMark)
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_dropped(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\u{fffd}' => true,
        _ if c.is_ascii() => c.is_ascii_control(),
        _ => matches!(category(c), Category::Control | Category::Format | Category::PrivateUse),
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2A6DF | 0x2A700..=0x2B81F
        | 0x2B920..=0x2CEAF | 0x2F800..=0x2FA1F)
}

fn is_punctuation(c: char) -> bool {
    use Category::{
        ClosePunctuation, ConnectorPunctuation, DashPunctuation, FinalPunctuation, InitialPunctuation, OpenPunctuation,
        OtherPunctuation,
    };
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    matches!(
        category(c),
        ClosePunctuation
            | ConnectorPunctuation
            | DashPunctuation
            | FinalPunctuation
            | InitialPunctuation
            | OpenPunctuation
            | OtherPunctuation
    )
}
