//! How many tokens a text has at most, and at least, told without the model's vocabulary of several megabytes.
//!
//! OpenAI's tokenizer first cuts a text into pieces (a word with the blank before it, up to three digits, a run of signs) and
//! then looks for the pieces' parts in its vocabulary. The cuts are made here as there; for the parts a rate per kind of
//! character stands, at which no text has been found to have fewer: prose of twenty languages, code, markup, numbers, base64,
//! hexadecimal digits, symbols. Prose is overestimated by half to four fifths.

/// Between which numbers a text's tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// No fewer than it has, as far as has been seen.
    pub(super) most: u64,
    /// No more than it has: each word and each number is one token at least.
    pub(super) least: u64,
}

/// How a tokenizer takes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    /// Three of them are one token: OpenAI's.
    ByThree,
    /// Each is one: what is not known.
    Each,
}

/// Quarters of a token, in which rates can be told.
const TOKEN: u64 = 4;

/// The bounds for one text.
pub(super) fn bounds(text: &str, digits: Digits) -> Bounds {
    let bytes = text.as_bytes();
    let (mut quarters, mut least) = (0, 0);
    let mut at = 0;
    let mut others = 0;
    while let Some(&byte) = bytes.get(at) {
        let run = |is: fn(&u8) -> bool| bytes.iter().skip(at).take_while(|byte| is(byte)).count();
        if byte.is_ascii_alphabetic() {
            let length = run(u8::is_ascii_alphabetic);
            let goes_on = at > 0 && bytes.get(at - 1).is_some_and(u8::is_ascii_digit);
            quarters += TOKEN * letters(bytes.get(at..at + length).unwrap_or_default(), goes_on);
            least += 1;
            at += length;
        } else if byte.is_ascii_digit() {
            let length = run(u8::is_ascii_digit) as u64;
            quarters += TOKEN * if digits == Digits::ByThree { length.div_ceil(3) } else { length };
            least += length.div_ceil(3);
            at += run(u8::is_ascii_digit);
        } else if byte.is_ascii() {
            let length = bytes.iter().skip(at).take_while(|next| **next == byte).count();
            quarters += TOKEN * sign(byte, length as u64, bytes.get(at + length).copied());
            at += length;
        } else {
            let character = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('\u{fffd}');
            quarters += foreign(character);
            others += 1;
            at += character.len_utf8();
        }
    }
    Bounds { most: quarters.div_ceil(TOKEN), least: least + others / 4 }
}

/// A run of ASCII letters, cut where small letters end and capitals begin. `goes_on`: digits stand before it.
fn letters(run: &[u8], goes_on: bool) -> u64 {
    let (mut rest, mut goes_on, mut tokens, mut words) = (run, goes_on, 0, 0);
    while !rest.is_empty() {
        let capitals = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let small = rest.iter().skip(capitals).take_while(|byte| byte.is_ascii_lowercase()).count();
        // The last of several capitals begins the word that follows: `HTTPServer`.
        let length = if capitals >= 2 && small > 0 { capitals - 1 } else { capitals + small };
        let (word, after) = rest.split_at(length.min(rest.len()));
        tokens += if capitals >= 2 { two_thirds(word.len()) } else { self::word(word, goes_on) };
        (rest, goes_on, words) = (after, true, words + 1);
    }
    // Where capitals come at every other letter, nothing is a word: base64.
    if words >= 2 && run.len() < words * 3 {
        return tokens.max((run.len() as u64 * 4).div_ceil(5));
    }
    tokens
}

/// A word: one token for its first three or four letters and one for each further three. Letters in which no vowel or no
/// consonant comes for long are no word, and have two tokens for three of them.
fn word(letters: &[u8], goes_on: bool) -> u64 {
    let (mut vowels, mut apart, mut furthest) = (0, 0, 0);
    for letter in letters {
        if b"aeiouy".contains(&letter.to_ascii_lowercase()) {
            (vowels, apart) = (vowels + 1, 0);
        } else {
            apart += 1;
            furthest = furthest.max(apart);
        }
    }
    let length = letters.len();
    let is_odd = furthest >= 4 || vowels * 4 < length || vowels * 5 > length * 4 || length > 24;
    if length > 2 && is_odd {
        return two_thirds(length);
    }
    let further = length.saturating_sub(1) + usize::from(goes_on || length > 9);
    1 + (further / 3) as u64
}

fn two_thirds(letters: usize) -> u64 {
    (letters as u64 * 2).div_ceil(3).max(1)
}

/// The same ASCII sign, several times.
fn sign(byte: u8, times: u64, next: Option<u8>) -> u64 {
    let before_digit = next.is_some_and(|next| next.is_ascii_digit());
    match (byte, times) {
        // One blank belongs to the word after it.
        (b' ', 1) => u64::from(before_digit || next.is_none()),
        (b' ', _) => 1 + times / 8 + u64::from(before_digit),
        (b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => 1 + times / 8,
        _ => 1 + times / 4 + u64::from(matches!(times, 2 | 3)),
    }
}

/// A character beyond ASCII, in quarters of a token: at most as many tokens as it has bytes, and fewer in scripts of which a
/// tokenizer knows whole syllables.
fn foreign(character: char) -> u64 {
    match character {
        '\u{80}'..='\u{36f}' => 8,
        '\u{400}'..='\u{45f}' => 5,
        '\u{600}'..='\u{6ff}' => 6,
        '\u{370}'..='\u{7ff}' | '\u{3000}'..='\u{30ff}' => 7,
        '\u{900}'..='\u{e7f}' | '\u{2010}'..='\u{202f}' => 8,
        '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => 10,
        '\u{800}'..='\u{ffff}' => 12,
        _ => 16,
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
