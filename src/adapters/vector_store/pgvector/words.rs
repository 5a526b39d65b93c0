//! Words as numbers, so that an index of them is small, and takes words of any length.
//!
//! Two words with one number do no harm: chunks that are found by a number are ranked by their words.

use std::collections::BTreeSet;

use crate::embedding::search::terms;

/// The words of a query that are looked for at most.
const MOST: usize = 16;

/// The numbers of the words of a text, each once.
pub(super) fn numbers(text: &str) -> BTreeSet<i32> {
    terms(text).iter().map(|term| number(term)).collect()
}

/// The numbers of a query's words, each once; of very many only some.
pub(super) fn asked(query: &str) -> Vec<i32> {
    numbers(query).into_iter().take(MOST).collect()
}

/// FNV-1a of a word in lower case. It is in the tables: another one is another format.
fn number(term: &str) -> i32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    term.bytes().fold(0x811c_9dc5, mix).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_one_number_however_it_is_written() {
        assert_eq!(numbers("Hex-bolt, HEX"), numbers("bolt hex"));
        assert_eq!(
            numbers("a").into_iter().collect::<Vec<_>>(),
            [0xe40c_292c_u32.cast_signed()],
            "FNV-1a's own example"
        );
        assert!(numbers("…").is_empty());
        assert_eq!(asked(&(0..99).map(|n| format!("w{n} ")).collect::<String>()).len(), MOST);
    }
}
