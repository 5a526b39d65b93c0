//! The places of a JSON text that a parser has already accepted.

use std::ops::Range;

use super::super::place::{Inside, Lines, Member, Places};

/// Finds every value and key; the text is known to be valid JSON of bounded depth.
pub(super) fn places(text: &str) -> Places {
    let mut scan = Scan { text, at: 0, lines: Lines::new(text) };
    scan.value()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    lines: Lines<'a>,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over white space and the punctuation that a valid text can only have in the right places.
    fn skip_to_token(&mut self) {
        while self.peek().is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Places {
        self.skip_to_token();
        let start = self.at;
        let inside = match self.peek() {
            Some(b'{') => self.members(),
            Some(b'[') => self.items(),
            Some(b'"') => {
                self.string();
                Inside::Scalar
            }
            _ => {
                while self.peek().is_some_and(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}')) {
                    self.at += 1;
                }
                Inside::Scalar
            }
        };
        Places { span: self.lines.span(start..self.at), inside }
    }

    fn members(&mut self) -> Inside {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.skip_to_token();
            if self.peek() != Some(b'"') {
                break;
            }
            let key = self.string();
            let text = self.text.get(key.clone()).unwrap_or_default();
            let name = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
            let value = self.value();
            members.push(Member { key: name, key_span: self.lines.span(key), value });
        }
        self.at += 1;
        Inside::Members(members)
    }

    fn items(&mut self) -> Inside {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_to_token();
            if matches!(self.peek(), None | Some(b']')) {
                break;
            }
            items.push(self.value());
        }
        self.at += 1;
        Inside::Items(items)
    }

    /// Steps over a string; its bytes, quotes included.
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        start..self.at.min(self.text.len())
    }
}
