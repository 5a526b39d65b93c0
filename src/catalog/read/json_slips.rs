//! The first mistake in a JSON text, in the words of what was done: a comma too many, a quote too few.

use std::ops::Range;

use super::number_text::{Meant, has_form_of_number, is_number, meant};
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

    /// A word or number without quotes.
    fn bare(&mut self, wanted: Wanted) -> Step {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | '$');
        let length = self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
        let word = self.rest().get(..length).unwrap_or_default();
        let in_quotes = brief(&format!("\"{word}\""));
        match wanted {
            Wanted::Key if self.is_in_number(word) => return Step::Slip(self.number_with_comma()),
            Wanted::Key | Wanted::KeyOrEnd => {
                return self.slip(
                    length,
                    format!("the key {word} has no quotes", word = brief(word)),
                    format!("write {in_quotes}"),
                );
            }
            Wanted::Colon => return self.no_colon(),
            Wanted::CommaOrEnd => return self.after_value(length),
            _ => {}
        }
        if matches!(word, "true" | "false" | "null") || is_number(word) {
            self.took(length);
            return Step::Next(self.after(wanted));
        }
        let (message, help) = wrong_word(word);
        self.slip(length, message, help)
    }

    /// A word behind a value: its rest, or the next one.
    fn after_value(&self, length: usize) -> Step {
        let before = self.text.get(self.last.clone()).unwrap_or_default();
        if before.starts_with('"') && self.last.end == self.at {
            return self.slip(
                length,
                "a quote ends the text, and more text follows",
                "write a quote inside a text as \\\"",
            );
        }
        if !before.starts_with(['"', '}', ']']) {
            let whole = self.text.get(self.last.start..self.at + length).unwrap_or_default();
            let at = self.last.start..self.at + length;
            let help = format!("write {}", brief(&format!("\"{whole}\"")));
            return Step::Slip(Slip::new(at, format!("{} is text without quotes", brief(whole)), help));
        }
        self.no_comma()
    }

    /// Whether the comma before this word stands inside a number: `1,5` or `1,000`.
    fn is_in_number(&self, word: &str) -> bool {
        let before = self.text.get(..self.comma).and_then(|text| text.chars().next_back());
        self.comma + 1 == self.at
            && word.starts_with(|c: char| c.is_ascii_digit())
            && before.is_some_and(|c| c.is_ascii_digit())
    }

    /// A number that somebody wrote with a comma.
    fn number_with_comma(&self) -> Slip {
        let start = self.last_number();
        let rest = self.text.get(start..).unwrap_or_default();
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | ',' | '_');
        let whole = rest.get(..rest.find(|c| !is_part(c)).unwrap_or(rest.len())).unwrap_or_default();
        let whole = whole.trim_end_matches([',', '.']);
        let (message, help) = match meant(whole) {
            Some(Meant::Comma(number)) => ("a comma stands inside a number", format!("write a point: {number}")),
            Some(Meant::Thousands(number)) => {
                ("commas stand inside a number, which has no thousands separators", format!("write {number}"))
            }
            Some(Meant::Either(number, fraction)) => (
                "a comma stands inside a number, which has no thousands separators",
                format!("write {number}, or {fraction} if a decimal comma was meant"),
            ),
            _ => ("a comma stands inside what looks like a number", "write digits and at most one point".to_owned()),
        };
        Slip::new(start..start + whole.len(), message, help)
    }

    fn last_number(&self) -> usize {
        let before = self.text.get(..self.comma).unwrap_or_default();
        before.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')).len()
    }
}

fn wrong_word(word: &str) -> (String, String) {
    let shown = brief(word);
    match word.to_ascii_lowercase().as_str() {
        "nan" | "infinity" | "-infinity" | "inf" | "-inf" => {
            (format!("JSON has no number {shown}"), "write a number, or null if the field may be empty".to_owned())
        }
        lower @ ("true" | "false" | "null") => {
            (format!("{shown} is written in small letters in JSON"), format!("write {lower}"))
        }
        "none" | "nil" | "undefined" => {
            (format!("JSON has no {shown}"), "write a value, or null if the field may be empty".to_owned())
        }
        "yes" | "on" => (format!("{shown} is text without quotes"), "write true, or put it in quotes".to_owned()),
        "no" | "off" => (format!("{shown} is text without quotes"), "write false, or put it in quotes".to_owned()),
        _ if has_form_of_number(word) => {
            let message = format!("the number {shown} is too large for any program");
            (message, "write a smaller number, or put it in quotes if it is text".to_owned())
        }
        _ => {
            let number = word.trim_start_matches('+');
            let digits = number.trim_start_matches('0');
            let repaired = match number {
                number if is_number(number) => Some(number.to_owned()),
                number if number.starts_with('.') => Some(format!("0{number}")).filter(|number| is_number(number)),
                number if number.ends_with('.') => Some(format!("{number}0")).filter(|number| is_number(number)),
                _ if is_number(digits) && !number.is_empty() => Some(digits.to_owned()),
                _ => None,
            };
            match repaired {
                Some(repaired) => {
                    let message = format!("JSON does not write a number as {shown}");
                    (message, format!("write {repaired}, or put it in quotes if it is text"))
                }
                None => (format!("{shown} is text without quotes"), format!("write {}", brief(&format!("\"{word}\"")))),
            }
        }
    }
}

/// A piece of the text, short enough for a sentence.
fn brief(text: &str) -> String {
    cut(text, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is marked, what is said and what is to be done.
    fn told(text: &str) -> (String, String, String) {
        let slip = find(text).unwrap_or_else(|| panic!("nothing is told of {text:?}"));
        (text.get(slip.at.clone()).unwrap_or("?").to_owned(), slip.message, slip.help)
    }

    #[test]
    fn a_mistake_is_named_at_its_place_with_its_cure() {
        for (text, marked, message, help) in [
            ("{\"a\": 1,\n}", ",", "a comma stands before the closing }", "take the comma away"),
            ("{\"a\": [1, ]}", ",", "a comma stands before the closing ]", "take the comma away"),
            ("{'a': 1}", "'a'", "JSON knows only the straight double quote \"", "write \"a\""),
            ("{\"a\": “b”}", "“b”", "JSON knows only the straight double quote \"", "write \"b\""),
            ("{\"a\": 1 // why\n}", "// why", "a comment stands here, and JSON has none", "take the comment away"),
            ("{\n# why\n\"a\": 1}", "# why", "a comment stands here, and JSON has none", "take the comment away"),
            ("{\"a\": 1\n\"b\": 2}", "", "a comma is missing after 1", "write a comma there"),
            ("{\"a\": [\"x\" \"y\"]}", "", "a comma is missing after \"x\"", "write a comma there"),
            ("{\"a\" 1}", "", "a colon is missing after the key \"a\"", "write \"a\": before the value"),
            ("{\"a\" = 1}", "=", "JSON has a colon between key and value", "write : instead of ="),
            ("{\"a\": NaN}", "NaN", "JSON has no number NaN", "write a number, or null if the field may be empty"),
            ("{\"a\": None}", "None", "JSON has no None", "write a value, or null if the field may be empty"),
            ("{\"a\": True}", "True", "True is written in small letters in JSON", "write true"),
            ("{\"a\": draft}", "draft", "draft is text without quotes", "write \"draft\""),
            ("{\"a\": 2026-11-20}", "2026-11-20", "2026-11-20 is text without quotes", "write \"2026-11-20\""),
            ("{a: 1}", "a", "the key a has no quotes", "write \"a\""),
            (
                "{\"a\": 012}",
                "012",
                "JSON does not write a number as 012",
                "write 12, or put it in quotes if it is text",
            ),
            ("{\"a\": .5}", ".5", "JSON does not write a number as .5", "write 0.5, or put it in quotes if it is text"),
            (
                "{\"a\": 1,000}",
                "1,000",
                "a comma stands inside a number, which has no thousands separators",
                "write 1000, or 1.000 if a decimal comma was meant",
            ),
            (
                "{\"a\": 1,000,000, \"b\": 1}",
                "1,000,000",
                "commas stand inside a number, which has no thousands separators",
                "write 1000000",
            ),
            (
                "{\"a\": 1,200.00,\n\"b\": 1}",
                "1,200.00",
                "commas stand inside a number, which has no thousands separators",
                "write 1200.00",
            ),
            (
                "{\"a\": 1,5kg}",
                "1,5kg",
                "a comma stands inside what looks like a number",
                "write digits and at most one point",
            ),
            (
                "{\"a\": 1e400}",
                "1e400",
                "the number 1e400 is too large for any program",
                "write a smaller number, or put it in quotes if it is text",
            ),
            ("{\"a\": \"x\"; \"b\": 1}", ";", "a semicolon stands here, and JSON has only commas", "write , instead"),
            ("{\"a\": \"x\"， \"b\": 1}", "，", "the mark ， is no comma for JSON", "write , instead"),
            ("{\"a\"： 1}", "：", "the full-width colon ： is none for JSON", "write : instead"),
            (
                "{\u{a0}\"a\": 1}",
                "\u{a0}",
                "a non-breaking space stands here, which JSON does not take for a space",
                "write an ordinary space",
            ),
            (
                "{\"vendor: \"Dojo\",\n\"b\": 1}",
                "\"vendor: \"",
                "the quote behind the key vendor is missing",
                "write \"vendor\": before the value",
            ),
            (
                "{\"tags\": [\"a\",\n\"b\": 1}",
                "[",
                "the [ of line 1 is not closed before the key \"b\"",
                "write a ] before \"b\"",
            ),
            (
                "{\"tags\": [\"a\"\n\"b\": 1}",
                "[",
                "the [ of line 1 is not closed before the key \"b\"",
                "write a ] before \"b\"",
            ),
            (
                "{\"a\": \"x\"},\n\"b\": 1}",
                "}",
                "the record is closed here, and more fields follow",
                "take this bracket away, or move the fields before it",
            ),
            (
                "{\"a\": \"D:\\new\\u\",\n\"b\": 1}",
                "\\u",
                "behind \\u stand four hex digits in JSON",
                "write a backslash as \\\\; in a path / does as well",
            ),
            ("{\"a\": 12,50}", "12,50", "a comma stands inside a number", "write a point: 12.50"),
            (
                "{\"a\": \"x\ny\"}",
                "\"x",
                "the text that begins here has no closing quote on its line",
                "close it with \"; a line break inside a text is written \\n",
            ),
            (
                "{\"a\": \"C:\\Users\"}",
                "\\U",
                "a backslash before 'U' means nothing in JSON",
                "write a backslash as \\\\; in a path / does as well",
            ),
            ("{\"a\": \"5\" bolt\"}", "", "a comma is missing after \"5\"", "write a comma there"),
            (
                "{\"a\": \"a \"b\" c\"}",
                "b",
                "a quote ends the text, and more text follows",
                "write a quote inside a text as \\\"",
            ),
            ("{\"a\": 1", "{", "the { of line 1 is never closed", "write a } where it should end"),
            (
                "{\n  \"a\": {\n    \"x\": 1,\n  \"b\": 2\n}\n",
                "{",
                "the { of line 2 is never closed",
                "write a } where it should end",
            ),
            ("{\"a\": [1, 2}", "}", "the [ of line 1 is closed by a }", "write ], or close what is open before it"),
            ("{\"a\": }", "}", "the value is missing", "write one, or take the key away"),
            ("{\"a\"}", "\"a\"", "the key \"a\" has no value", "write \"a\": and a value"),
            (
                "{\"a\": 1,, \"b\": 2}",
                ",",
                "two commas stand in a row",
                "take the comma away, or write the value that is missing",
            ),
            ("{\"a\": 1}}", "}", "there is one } more than was opened", "take it away"),
            ("{\"a\": 1}\n{\"b\": 1}", "{", "a second record begins here", "give each record its own file"),
            (" \n", "", "the file is empty", "write the record's fields between { and }"),
        ] {
            assert_eq!(told(text), (marked.to_owned(), message.to_owned(), help.to_owned()), "{text}");
        }
    }

    #[test]
    fn of_two_braces_the_one_is_named_that_its_indentation_says_is_open() {
        let text = "{\n  \"a\": {\n    \"x\": 1,\n  \"b\": 2\n}\n";
        assert_eq!(find(text).unwrap().at, 9..10);
    }

    proptest::proptest! {
        #[test]
        fn what_is_valid_has_no_slip_and_no_text_is_too_strange(text in "[{}\\[\\]:,\"'a1. \n\\\\é“-]{0,40}") {
            let slip = find(&text);
            if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
                proptest::prop_assert!(slip.is_none());
            } else if let Some(slip) = slip {
                proptest::prop_assert!(text.get(slip.at).is_some());
            }
        }
    }
}
