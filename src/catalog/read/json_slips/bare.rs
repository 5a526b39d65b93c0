//! Words and numbers that stand in a JSON text without the quotes, or with signs that no number has.

use super::super::number_text::{Meant, has_form_of_number, is_number, meant};
use super::super::slips::Slip;
use super::{Scan, Step, Wanted, brief};

impl Scan<'_> {
    /// A word or number without quotes.
    pub(super) fn bare(&mut self, wanted: Wanted) -> Step {
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
