//! The first mistake in a JSON text, in the words of what was done: a comma too many, a quote too few.

mod bare;

use std::ops::Range;

use super::slips::Slip;
use crate::finding::words::{cut, quoted};

/// How far before a bracket the start of its line is looked for.
const MOST_BEFORE: usize = 500;

/// Finds the first mistake of a kind that is known.
pub(super) fn find(text: &str) -> Option<Slip> {
    if text.trim().is_empty() {
        return Some(Slip::new(0..0, "the file is empty", "write the record's fields between { and }"));
    }
    let mut scan = Scan { text, at: 0, open: Vec::new(), suspect: None, last: 0..0, comma: 0 };
    let mut wanted = Wanted::Value;
    loop {
        match scan.step(wanted) {
            Step::Next(next) => wanted = next,
            Step::Slip(slip) => return Some(slip),
            Step::Done => return None,
        }
    }
}

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

enum Step {
    Next(Wanted),
    Slip(Slip),
    Done,
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// The brackets that are open.
    open: Vec<(u8, usize)>,
    /// An open bracket whose line is indented more than the bracket that closed it.
    suspect: Option<usize>,
    /// What was read last.
    last: Range<usize>,
    /// Where the last comma is.
    comma: usize,
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn slip(&self, length: usize, message: impl Into<String>, help: impl Into<String>) -> Step {
        Step::Slip(Slip::new(self.at..self.at + length, message, help))
    }

    fn step(&mut self, wanted: Wanted) -> Step {
        let skipped = self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += skipped;
        let Some(c) = self.rest().chars().next() else { return self.end() };
        match c {
            '/' if self.rest().starts_with("//") || self.rest().starts_with("/*") => self.comment(),
            '#' => self.comment(),
            _ if wanted == Wanted::Nothing => self.after_the_end(c),
            '"' => self.quoted(wanted),
            '\'' | '`' | '“' | '”' | '„' | '‘' | '’' | '«' | '»' => self.wrong_quote(c),
            '{' | '[' => self.opened(c, wanted),
            '}' | ']' => self.closed(c, wanted),
            ',' => self.comma(wanted),
            ':' | '=' => self.colon(c, wanted),
            c if c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | '$') => self.bare(wanted),
            ';' => self.slip(1, "a semicolon stands here, and JSON has only commas", "write , instead"),
            '，' | '；' | '、' => {
                self.slip(c.len_utf8(), format!("the mark {c} is no comma for JSON"), "write , instead")
            }
            '：' => self.slip(c.len_utf8(), "the full-width colon ： is none for JSON", "write : instead"),
            '\u{a0}' | '\u{202f}' | '\u{3000}' | '\u{2007}' => {
                let message = "a non-breaking space stands here, which JSON does not take for a space";
                self.slip(c.len_utf8(), message, "write an ordinary space")
            }
            c => {
                let message = format!("{c:?} has no place here");
                self.slip(c.len_utf8(), message, "take it away, or put the text that it belongs to in double quotes")
            }
        }
    }

    fn comment(&self) -> Step {
        let rest = self.rest();
        let end = if rest.starts_with("/*") { rest.find("*/").map(|end| end + 2) } else { rest.find(['\n', '\r']) };
        let message = "a comment stands here, and JSON has none";
        self.slip(end.unwrap_or(rest.len()), message, "take the comment away")
    }

    /// The end of the text.
    fn end(&self) -> Step {
        let Some((bracket, at)) = self.suspect.and_then(|suspect| self.open_at(suspect)).or(self.open.last().copied())
        else {
            return Step::Done;
        };
        let (open, close) = if bracket == b'{' { ('{', '}') } else { ('[', ']') };
        let message = format!("the {open} of line {} is never closed", self.line(at));
        Step::Slip(Slip::new(at..at + 1, message, format!("write a {close} where it should end")))
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }

    fn open_at(&self, at: usize) -> Option<(u8, usize)> {
        self.text.as_bytes().get(at).map(|bracket| (*bracket, at))
    }

    fn after_the_end(&self, c: char) -> Step {
        match c {
            '}' | ']' => self.slip(1, format!("there is one {c} more than was opened"), "take it away"),
            '{' | '[' => self.slip(1, "a second record begins here", "give each record its own file"),
            ',' if self.rest().get(1..).is_some_and(|rest| rest.trim_start().starts_with('"')) => {
                let message = "the record is closed here, and more fields follow";
                Step::Slip(Slip::new(
                    self.last.clone(),
                    message,
                    "take this bracket away, or move the fields before it",
                ))
            }
            ',' => self.slip(1, "a comma stands after the end of the record", "take it away"),
            c => self.slip(c.len_utf8(), "something stands after the end of the record", "take it away"),
        }
    }

    /// A text in double quotes.
    fn quoted(&mut self, wanted: Wanted) -> Step {
        if wanted == Wanted::CommaOrEnd {
            return self.no_comma();
        }
        if wanted == Wanted::Colon {
            return self.no_colon();
        }
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        let mut length = None;
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    length = Some(offset + 1);
                    break;
                }
                '\n' | '\r' => break,
                '\\' => match chars.next() {
                    Some((_, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {}
                    Some((at, 'u')) if self.is_hex(start + at + 1) => {}
                    Some((_, c)) => {
                        let message = if c == 'u' {
                            "behind \\u stand four hex digits in JSON".to_owned()
                        } else {
                            format!("a backslash before {c:?} means nothing in JSON")
                        };
                        let help = "write a backslash as \\\\; in a path / does as well";
                        return Step::Slip(Slip::new(start + offset..start + offset + 1 + c.len_utf8(), message, help));
                    }
                    None => {}
                },
                '\t' => {
                    let message = "a tab stands inside the text";
                    return Step::Slip(Slip::new(
                        start + offset..start + offset + 1,
                        message,
                        "write it as \\t, or use spaces",
                    ));
                }
                _ => {}
            }
        }
        let Some(length) = length else {
            let line = self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
            let message = "the text that begins here has no closing quote on its line";
            return self.slip(line, message, "close it with \"; a line break inside a text is written \\n");
        };
        self.took(length);
        Step::Next(self.after(wanted))
    }

    /// Whether four hex digits stand here.
    fn is_hex(&self, at: usize) -> bool {
        self.text.as_bytes().get(at..at + 4).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    }

    fn took(&mut self, length: usize) {
        self.last = self.at..self.at + length;
        self.at += length;
    }

    /// What comes after a key or a value.
    fn after(&self, wanted: Wanted) -> Wanted {
        match wanted {
            Wanted::Key | Wanted::KeyOrEnd => Wanted::Colon,
            _ if self.open.is_empty() => Wanted::Nothing,
            _ => Wanted::CommaOrEnd,
        }
    }

    fn no_comma(&self) -> Step {
        let before = self.text.get(self.last.clone()).unwrap_or_default();
        let is_inside = before.ends_with('"') && self.last.end == self.at;
        if is_inside {
            return self.slip(1, "a quote ends the text, and more text follows", "write a quote inside a text as \\\"");
        }
        if let Some(slip) = self.lost_bracket(self.at) {
            return Step::Slip(slip);
        }
        let message = format!("a comma is missing after {}", brief(before));
        let end = self.last.end;
        Step::Slip(Slip::new(end..end, message, "write a comma there"))
    }

    /// The list that is still open where a key with its colon stands.
    fn lost_bracket(&self, key: usize) -> Option<Slip> {
        let (b'[', open) = *self.open.last()? else { return None };
        let line = self.text.get(key..)?.lines().next()?;
        let name = line.get(1..)?.split('"').next().filter(|_| line.starts_with('"'))?;
        // Where the key stands on the list's own line it may as well be meant to be in it.
        let has_items = !self.text.get(open + 1..key)?.trim().is_empty();
        let is_key =
            line.get(name.len() + 2..)?.trim_start().starts_with(':') && has_items && self.line(key) > self.line(open);
        let message = format!("the [ of line {} is not closed before the key {}", self.line(open), quoted(name));
        is_key.then(|| Slip::new(open..open + 1, message, format!("write a ] before {}", quoted(name))))
    }

    fn no_colon(&self) -> Step {
        let written = self.text.get(self.last.clone()).unwrap_or_default();
        // `"vendor: "Dojo"`: the quote behind the key is missing, so that the next one ends it.
        let name = written.trim_matches('"').trim_end();
        if let Some(name) = name.strip_suffix(':').filter(|name| self.last.end == self.at && !name.contains(':')) {
            let message = format!("the quote behind the key {} is missing", brief(name.trim_end()));
            let help = format!("write {}: before the value", quoted(name.trim_end()));
            return Step::Slip(Slip::new(self.last.clone(), message, help));
        }
        let key = brief(self.text.get(self.last.clone()).unwrap_or_default());
        let end = self.last.end;
        let help = format!("write {key}: before the value");
        Step::Slip(Slip::new(end..end, format!("a colon is missing after the key {key}"), help))
    }

    fn wrong_quote(&self, c: char) -> Step {
        let closing = match c {
            '“' | '„' => "”“\"",
            '‘' => "’",
            '«' => "»",
            '\'' => "'",
            '`' => "`",
            _ => "\"",
        };
        let line = self.rest().lines().next().unwrap_or_default();
        let inside = line.get(c.len_utf8()..).unwrap_or_default();
        let (length, help) = match inside.find(|c| closing.contains(c)) {
            Some(end) => {
                let text = inside.get(..end).unwrap_or_default();
                let close = inside.get(end..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                (c.len_utf8() + end + close, format!("write {}", brief(&format!("\"{text}\""))))
            }
            None => (c.len_utf8(), "write \" instead".to_owned()),
        };
        self.slip(length, "JSON knows only the straight double quote \"", help)
    }

    fn opened(&mut self, c: char, wanted: Wanted) -> Step {
        match wanted {
            Wanted::CommaOrEnd => self.no_comma(),
            Wanted::Colon => self.no_colon(),
            Wanted::Key | Wanted::KeyOrEnd => {
                let help = "write a key in double quotes and a colon before it";
                self.slip(1, format!("a key is wanted here, and a {c} stands here"), help)
            }
            _ => {
                self.open.push((if c == '{' { b'{' } else { b'[' }, self.at));
                self.took(1);
                Step::Next(if c == '{' { Wanted::KeyOrEnd } else { Wanted::ValueOrEnd })
            }
        }
    }

    fn closed(&mut self, c: char, wanted: Wanted) -> Step {
        let after_comma = matches!(wanted, Wanted::Key)
            || (wanted == Wanted::Value && self.text.as_bytes().get(self.last.start) == Some(&b','));
        if after_comma {
            let message = format!("a comma stands before the closing {c}");
            return Step::Slip(Slip::new(self.comma..self.comma + 1, message, "take the comma away"));
        }
        match wanted {
            Wanted::Value => return self.slip(1, "the value is missing", "write one, or take the key away"),
            Wanted::Colon => {
                let key = brief(self.text.get(self.last.clone()).unwrap_or_default());
                let message = format!("the key {key} has no value");
                return Step::Slip(Slip::new(self.last.clone(), message, format!("write {key}: and a value")));
            }
            _ => {}
        }
        let Some((bracket, at)) = self.open.pop() else { return self.after_the_end(c) };
        let is_matched = (bracket == b'{') == (c == '}');
        if !is_matched {
            let right = if bracket == b'{' { '}' } else { ']' };
            let message = format!("the {} of line {} is closed by a {c}", char::from(bracket), self.line(at));
            return self.slip(1, message, format!("write {right}, or close what is open before it"));
        }
        if self.suspect.is_none()
            && self.indent(at).is_some_and(|outer| self.first_indent().is_some_and(|own| own < outer))
        {
            self.suspect = Some(at);
        }
        self.took(1);
        Step::Next(self.after(Wanted::CommaOrEnd))
    }

    /// How far the line of this place is indented.
    fn indent(&self, at: usize) -> Option<usize> {
        let line = self.text.get(self.line_start(at)?..)?;
        Some(line.len() - line.trim_start_matches([' ', '\t']).len())
    }

    /// The same for here, where nothing stands before it on its line.
    fn first_indent(&self) -> Option<usize> {
        let line = self.text.get(self.line_start(self.at)?..self.at)?;
        line.trim().is_empty().then_some(line.len())
    }

    /// Where the line of this place starts, unless that is far before it: nobody indents what stands there.
    fn line_start(&self, at: usize) -> Option<usize> {
        let from = at.saturating_sub(MOST_BEFORE);
        let before = self.text.as_bytes().get(from..at)?;
        match before.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => Some(from + end + 1),
            None => (from == 0).then_some(0),
        }
    }

    fn comma(&mut self, wanted: Wanted) -> Step {
        if wanted == Wanted::CommaOrEnd {
            self.comma = self.at;
            let next =
                if self.open.last().is_some_and(|(bracket, _)| *bracket == b'{') { Wanted::Key } else { Wanted::Value };
            self.took(1);
            return Step::Next(next);
        }
        let message = match self.text.as_bytes().get(self.last.start) {
            Some(b',') => "two commas stand in a row",
            Some(b':') => "the value before the comma is missing",
            _ => "a comma has no place here",
        };
        self.slip(1, message, "take the comma away, or write the value that is missing")
    }

    fn colon(&mut self, c: char, wanted: Wanted) -> Step {
        match (wanted, c) {
            (Wanted::Colon, ':') => {
                self.took(1);
                Step::Next(Wanted::Value)
            }
            (Wanted::Colon, _) => self.slip(1, "JSON has a colon between key and value", "write : instead of ="),
            (Wanted::CommaOrEnd, _) if self.open.last().is_some_and(|(bracket, _)| *bracket == b'[') => {
                if let Some(slip) = self.lost_bracket(self.last.start) {
                    return Step::Slip(slip);
                }
                self.slip(1, "a key with a value stands in a list", "put { } around it, or take the key away")
            }
            _ => self.slip(1, format!("a {c} has no place here"), "take it away"),
        }
    }
}

/// A piece of the text, short enough for a sentence.
fn brief(text: &str) -> String {
    cut(text, 40)
}

#[cfg(test)]
mod tests;
