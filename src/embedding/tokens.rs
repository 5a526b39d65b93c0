//! Where the tokens of a text begin, as far as cutting it needs to know.

/// Tells the tokens of a text; a model that has its tokenizer at hand does so exactly.
///
/// Text on one side of white space has the same tokens whatever is on the other side.
pub trait Tokens: Sync {
    /// At which byte each token begins, in order; inside of a word it need not be the very place. As many as the text has
    /// tokens, or a few more.
    fn starts(&self, text: &str) -> Vec<usize>;
}

/// About the tokens of a model whose tokenizer is elsewhere.
///
/// Tokenizers of today's models give a common word one token, a longer or rarer one a token for some four letters, three digits
/// one, and a sign one. Other scripts than the Latin one take a token for each character, which is more than most models need.
///
/// To estimate otherwise is to cut otherwise: `plan::CHUNKER` is raised with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Estimate;

/// Letters of a word that one token holds.
const WORD: usize = 6;
/// Letters of its rest for each token.
const REST: usize = 4;
/// Digits for each token.
const DIGITS: usize = 3;

/// What a character is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Letter,
    Digit,
    Sign,
}

fn kind(c: char) -> Kind {
    match c {
        _ if c.is_whitespace() => Kind::Blank,
        '0'..='9' => Kind::Digit,
        // Latin letters, with accents.
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Kind::Letter,
        _ => Kind::Sign,
    }
}

impl Tokens for Estimate {
    fn starts(&self, text: &str) -> Vec<usize> {
        let mut starts = Vec::with_capacity(text.len() / 4 + 1);
        let (mut last, mut run) = (Kind::Blank, 0);
        for (at, c) in text.char_indices() {
            let kind = kind(c);
            run = if kind == last { run + 1 } else { 0 };
            last = kind;
            let begins = match kind {
                Kind::Blank => false,
                Kind::Letter => run == 0 || (run >= WORD && (run - WORD).is_multiple_of(REST)),
                Kind::Digit => run.is_multiple_of(DIGITS),
                Kind::Sign => true,
            };
            if begins {
                starts.push(at);
            }
        }
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str) -> Vec<&str> {
        let starts = Estimate.starts(text);
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        starts.iter().zip(ends).map(|(from, to)| text[*from..to].trim_end()).collect()
    }

    #[test]
    fn words_numbers_and_signs_are_estimated_apart() {
        assert_eq!(tokens("A hex bolt, 12345 mm."), ["A", "hex", "bolt", ",", "123", "45", "mm", "."]);
        assert_eq!(tokens("internationalisation"), ["intern", "atio", "nali", "sati", "on"]);
        assert_eq!(tokens("日本語"), ["日", "本", "語"]);
        assert_eq!(tokens("Größe"), ["Größe"]);
        assert_eq!(tokens("  "), [""; 0]);
    }

    proptest! {
        #[test]
        fn it_does_not_depend_on_what_is_beyond_white_space(a in any::<String>(), b in any::<String>()) {
            let together = Estimate.starts(&format!("{a} {b}")).len();
            prop_assert_eq!(together, Estimate.starts(&a).len() + Estimate.starts(&b).len());
        }
    }
}
