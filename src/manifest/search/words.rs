//! Which chunks each word is in, packed: what BM25 takes.

use std::collections::BTreeMap;

/// How large a file of words may grow before the next one begins, in bytes; a single word's chunks are never parted.
const FULL: usize = 96 * 1024;

/// How long a word may be that can be found, in bytes. Nobody types a longer one, and a text may be one word from end to end.
const LONGEST: usize = 1_000;

/// The words of all chunks, in the order of their bytes.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<String, Postings>);

/// The chunks that have a word.
#[derive(Debug, Default)]
struct Postings {
    chunks: u64,
    /// The number of the next chunk that may be added.
    next: u64,
    bytes: Vec<u8>,
}

impl Words {
    /// Counts the words of a chunk; chunks come in the order of their numbers.
    pub(super) fn add(&mut self, chunk: u64, words: impl Iterator<Item = String>) -> u64 {
        let (mut counts, mut length): (BTreeMap<String, u64>, u64) = (BTreeMap::new(), 0);
        for word in words {
            length += 1;
            if word.len() <= LONGEST {
                *counts.entry(word).or_default() += 1;
            }
        }
        for (word, count) in counts {
            let postings = self.0.entry(word).or_default();
            // Most words stand in a chunk once: then the lowest bit says so, and no count follows.
            let step = chunk.saturating_sub(postings.next);
            write(&mut postings.bytes, step << 1 | u64::from(count > 1));
            if count > 1 {
                write(&mut postings.bytes, count - 2);
            }
            postings.next = chunk + 1;
            postings.chunks += 1;
        }
        length
    }

    /// The files, each with its first word.
    pub(super) fn files(&self) -> Vec<(&str, Vec<u8>)> {
        let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
        let mut last = "";
        for (word, postings) in &self.0 {
            if files.last().is_none_or(|(_, bytes)| bytes.len() + postings.bytes.len() > FULL) {
                files.push((word, Vec::new()));
                last = "";
            }
            let Some((_, bytes)) = files.last_mut() else { continue };
            let shared = shared(last, word);
            write(bytes, count(shared));
            write(bytes, count(word.len() - shared));
            bytes.extend_from_slice(word.as_bytes().get(shared..).unwrap_or_default());
            write(bytes, postings.chunks);
            bytes.extend_from_slice(&postings.bytes);
            last = word;
        }
        files
    }
}

/// How many bytes two words begin with alike.
fn shared(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

/// A number of things, as it is written.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Writes a number in as many bytes as it takes: seven bits each, the lowest first; the highest bit says that more follow.
pub(super) fn write(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 127;
        number >>= 7;
        bytes.push(if number > 0 { low | 128 } else { low });
        if number == 0 {
            return;
        }
    }
}
