//! Words as numbers, so that an index of them is small, and takes words of any length.
//!
//! Two words with one number do no harm: chunks that are found by a number are ranked by their words.

use std::collections::BTreeSet;

use crate::embedding::search::words;

/// The words of a query that are looked for at most.
const MOST: usize = 16;

/// The numbers of the words of a text, each once.
pub(super) fn numbers(text: &str) -> BTreeSet<i32> {
    words(text).map(number).collect()
}

/// The numbers of the first words of a query, each once.
pub(super) fn asked(query: &str) -> Vec<i32> {
    let mut asked = Vec::new();
    for number in words(query).map(number) {
        if asked.len() < MOST && !asked.contains(&number) {
            asked.push(number);
        }
    }
    asked
}

/// FNV-1a of the word in lower case. It is in the tables: another one is another format.
fn number(word: &str) -> i32 {
    let hash = |word: &str| word.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash(&word.to_lowercase()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_one_number_however_it_is_written() {
        assert_eq!(numbers("Hex-bolt, HEX"), numbers("bolt hex"));
        assert_eq!(numbers("a").into_iter().collect::<Vec<_>>(), [0xe40c_292c_u32.cast_signed()], "FNV-1a's own example");
        assert!(numbers("…").is_empty());
        assert_eq!(asked(&(0..99).map(|n| format!("w{n} ")).collect::<String>()).len(), MOST);
        assert_eq!(asked("b a B"), [asked("b"), asked("a")].concat());
    }
}
