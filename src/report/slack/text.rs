//! Foreign text as Slack may show it.

use crate::report::log_text::{for_people, shortened};
use crate::secret::tokens::masked;

/// How many characters a text of ours has at most; Slack takes 3,000.
pub(super) const TEXT: usize = 2_900;
/// A longer address is none that leads somewhere.
const ADDRESS: usize = 1_500;

/// The text in at most so many characters, with the three characters escaped by which Slack mentions and links.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut room = limit;
    // Each character is escaped whole or not at all, so the cut comes first where it is not needed.
    for c in shortened(&for_people(&masked(text)), limit).chars() {
        let piece = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            c => c.to_string(),
        };
        let length = piece.encode_utf16().count();
        if room <= length {
            out.push('…');
            break;
        }
        room -= length;
        out.push_str(&piece);
    }
    out
}

/// A link with these words, where the address is one that people can follow.
pub(super) fn link(address: &str, words: &str) -> Option<String> {
    let is_safe = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '"' | '\\' | '`');
    let is_address =
        (address.starts_with("https://") || address.starts_with("http://")) && address.chars().all(is_safe);
    (is_address && address.len() <= ADDRESS)
        .then(|| format!("<{}|{}>", address.replace('&', "&amp;"), shown(words, 100).replace('|', "/")))
}
