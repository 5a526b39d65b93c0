//! Sentences of our own words and of foreign text, kept apart until they are written down.

use super::markdown::code_span;
use crate::secret::tokens::masked;

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(&'static str),
    Foreign(String),
}

/// A sentence, or a part of one: in Markdown, foreign text stands in it as code alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phrase(Vec<Piece>);

impl Phrase {
    /// A phrase of our own words.
    pub fn words(words: &'static str) -> Self {
        Self(vec![Piece::Words(words)])
    }

    /// A phrase of foreign text alone.
    pub fn foreign(text: impl Into<String>) -> Self {
        Self(vec![Piece::Foreign(text.into())])
    }

    /// The same with these words behind it.
    #[must_use]
    pub fn and(mut self, words: &'static str) -> Self {
        self.0.push(Piece::Words(words));
        self
    }

    /// The same with this text behind it.
    #[must_use]
    pub fn with(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Foreign(text.into()));
        self
    }

    /// The same with another phrase behind it.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// These texts one after the other, with commas between them.
    pub fn list<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut list = Self::default();
        for text in texts {
            if !list.0.is_empty() {
                list.0.push(Piece::Words(", "));
            }
            list.0.push(Piece::Foreign(text.to_string()));
        }
        list
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The phrase in Markdown.
    pub fn markdown(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Words(words) => (*words).to_owned(),
            Piece::Foreign(text) => code_span(&masked(text)),
        };
        self.0.iter().map(piece).collect()
    }

    /// The phrase in Markdown, within a cell of a table.
    pub fn cell(&self) -> String {
        self.markdown().replace("\\|", "\\u{7c}").replace('|', "\\|")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_code_and_our_words_are_words() {
        let phrase = Phrase::words("the records of ").then(Phrase::list(["a", "@b|c"])).and(" alone");
        assert_eq!(phrase.markdown(), "the records of `a`, `@b|c` alone");
        assert_eq!(phrase.cell(), r"the records of `a`, `@b\|c` alone");
    }

    #[test]
    fn a_token_that_stands_in_a_text_is_masked() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        assert!(!Phrase::foreign(&token).markdown().contains(&token));
    }
}
